//! What a policy does to a route.

use alloc::borrow::Cow;
use core::net::IpAddr;

use ipnet::IpNet;
use pathvane_wire::{Asn, Attrs};

use super::{Action, Match, NextHopChange, Otc, Policy, PrivateAs, Term, Verdict};
use crate::PeerId;

/// What actions need to know of the speaker.
#[derive(Clone, Copy, Debug)]
pub struct Speaker {
    /// Our AS.
    pub asn: Asn,
    /// The degree of preference of a route without LOCAL_PREF.
    pub default_preference: u32,
}

/// What a policy made of a route that it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// Its attributes.
    pub attrs: Cow<'a, Attrs>,
    /// What becomes of its next hop; `None` leaves that to the protocol. Only export heeds it.
    pub next_hop: Option<NextHopChange>,
}

/// The outcome for one route: what became of it if accepted, or the term that rejected it (`None`: no
/// term decided).
pub(crate) type Ruling<'p, 'a> = Result<Accepted<'a>, Option<&'p str>>;

impl Policy {
    /// Which matches on prefix and sender hold: one bit each, in order of appearance.
    ///
    /// All else that a policy looks at belongs to the attribute set, next hop included: outcomes can
    /// be kept by set and bitmap.
    pub fn bitmap(&self, prefix: &IpNet, from: PeerId) -> u64 {
        if !self.by_bitmap {
            return 0;
        }
        let matches = self.terms.iter().flat_map(|term| &term.matches);
        matches
            .filter(|m| m.is_by_bitmap())
            .enumerate()
            .fold(0, |bits, (n, m)| bits | u64::from(m.holds_for(prefix, from)) << n)
    }

    /// Whether it accepts, and leaves as it is, any route of which `bitmap` says the matches on prefix
    /// and sender. False also where that depends on its attributes.
    pub(crate) fn passes(&self, mut bitmap: u64) -> bool {
        for term in &self.terms {
            if !term.matches.iter().all(Match::is_by_bitmap) {
                return false;
            }
            let matches = (0..term.matches.len()).all(|n| bitmap >> n & 1 != 0);
            bitmap = bitmap.checked_shr(term.matches.len() as u32).unwrap_or(0);
            if matches && (term.verdict.is_some() || !term.actions.is_empty()) {
                return term.verdict == Some(Verdict::Accept) && term.actions.is_empty();
            }
        }
        false
    }

    /// Runs the terms over a route of which `bitmap` says the matches on prefix and sender.
    pub(crate) fn rule<'a>(
        &self,
        (attrs, next_hop): (Cow<'a, Attrs>, IpAddr),
        bitmap: u64,
        speaker: Speaker,
    ) -> Ruling<'_, 'a> {
        self.walk((attrs, next_hop), bitmap, speaker, |_, _| {})
    }

    /// The same, telling `seen` of each term that was tried whether it matched.
    pub fn walk<'a>(
        &self,
        (attrs, next_hop): (Cow<'a, Attrs>, IpAddr),
        mut bitmap: u64,
        speaker: Speaker,
        mut seen: impl FnMut(&Term, bool),
    ) -> Ruling<'_, 'a> {
        let mut route = Accepted { attrs, next_hop: None };
        for term in &self.terms {
            let matches = term.matches((&route.attrs, next_hop), &mut bitmap);
            seen(term, matches);
            if !matches {
                continue;
            }
            for action in &term.actions {
                action.apply(&mut route, speaker);
            }
            match term.verdict {
                Some(Verdict::Accept) => return Ok(route),
                Some(Verdict::Reject) => return Err(Some(&term.name)),
                None => {}
            }
        }
        Err(None)
    }
}

impl Term {
    /// Whether all matches hold; takes the term's bits off the bitmap.
    fn matches(&self, (attrs, next_hop): (&Attrs, IpAddr), bitmap: &mut u64) -> bool {
        let mut all = true;
        for m in &self.matches {
            all &= match m {
                Match::Prefix(_) | Match::Family(_) | Match::Peer(_) => {
                    let holds = *bitmap & 1 != 0;
                    *bitmap >>= 1;
                    holds
                }
                // Costly ones are not tried once the term has failed.
                _ => all && m.holds_of(attrs, next_hop),
            };
        }
        all
    }
}

impl Match {
    /// Whether a match on the attribute set holds; false for the other kinds.
    fn holds_of(&self, attrs: &Attrs, next_hop: IpAddr) -> bool {
        match self {
            Match::Community(wanted) => attrs.communities.iter().any(|c| wanted.matches(c)),
            Match::ExtCommunity(wanted) => attrs.ext_communities.iter().any(|c| wanted.matches(c)),
            Match::LargeCommunity(wanted) => {
                attrs.large_communities.iter().any(|c| wanted.matches(c))
            }
            Match::AsPathContains(asn) => attrs.as_path.contains(*asn),
            Match::NeighborAs(asn) => attrs.as_path.neighbor_as() == Some(*asn),
            Match::AsPath(regex) => regex.matches(&attrs.as_path),
            Match::Origin(origin) => attrs.origin == *origin,
            Match::Otc(otc) => otc.holds(attrs.otc),
            Match::NextHop(list) => list.contains(&IpNet::from(next_hop)),
            Match::Prefix(_) | Match::Family(_) | Match::Peer(_) => false,
        }
    }
}

impl Otc {
    fn holds(self, value: Option<Asn>) -> bool {
        match self {
            Otc::Absent => value.is_none(),
            Otc::Present => value.is_some(),
            Otc::NotBy(asn) => value.is_some_and(|value| value != asn),
        }
    }
}

impl Action {
    fn apply(&self, route: &mut Accepted<'_>, speaker: Speaker) {
        if let Action::SetNextHop(change) = self {
            route.next_hop = Some(*change);
            return;
        }
        let attrs = route.attrs.to_mut();
        match self {
            Action::SetMed(med) => attrs.med = Some(*med),
            Action::AddMed(add) => {
                attrs.med = Some(attrs.med.unwrap_or(0).saturating_add_signed(*add));
            }
            Action::SetLocalPref(preference) => attrs.local_pref = Some(*preference),
            Action::AddLocalPref(add) => {
                let preference = attrs.local_pref.unwrap_or(speaker.default_preference);
                attrs.local_pref = Some(preference.saturating_add_signed(*add));
            }
            Action::Prepend(times) => attrs.as_path.prepend(speaker.asn, usize::from(*times)),
            Action::PrivateAs(what) => {
                let asn = |asn: Asn| match (asn.is_private(), what) {
                    (false, _) => Some(asn),
                    (true, PrivateAs::Remove) => None,
                    (true, PrivateAs::Replace) => Some(speaker.asn),
                };
                attrs.as_path.rewrite(asn);
            }
            Action::SetOtc(asn) => attrs.otc = Some(*asn),
            Action::SetNextHop(_) => {}
            communities => communities.apply_to_communities(attrs),
        }
    }

    fn apply_to_communities(&self, attrs: &mut Attrs) {
        match self {
            Action::AddCommunity(community) => {
                attrs.communities.insert(*community);
            }
            Action::RemoveCommunity(like) => attrs.communities.retain(|c| !like.matches(c)),
            Action::SetCommunities(all) => attrs.communities = all.iter().copied().collect(),
            Action::AddExtCommunity(community) => {
                attrs.ext_communities.insert(*community);
            }
            Action::RemoveExtCommunity(like) => attrs.ext_communities.retain(|c| !like.matches(c)),
            Action::SetExtCommunities(all) => {
                attrs.ext_communities = all.iter().copied().collect();
            }
            Action::AddLargeCommunity(community) => {
                attrs.large_communities.insert(*community);
            }
            Action::RemoveLargeCommunity(like) => {
                attrs.large_communities.retain(|c| !like.matches(c));
            }
            Action::SetLargeCommunities(all) => {
                attrs.large_communities = all.iter().copied().collect();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use pathvane_wire::{Community, Family};

    use super::*;

    fn term(matches: Vec<Match>, actions: Vec<Action>, verdict: Option<Verdict>) -> Term {
        Term { name: "t".into(), matches, actions, verdict }
    }

    /// Each policy of up to three of these terms, under each bitmap: what passes unseen is accepted
    /// unchanged, and what needs no look at attributes passes if it is.
    #[test]
    fn what_passes_unseen_is_accepted_unchanged() {
        let by_bitmap = || alloc::vec![Match::Family(Family::IPV4_UNICAST)];
        let by_two = || alloc::vec![Match::Peer(Vec::new()), Match::Family(Family::IPV4_UNICAST)];
        let by_attrs = || alloc::vec![Match::AsPathContains(Asn(7))];
        let adds = || alloc::vec![Action::AddCommunity(Community(1))];
        let own = || alloc::vec![Action::SetNextHop(NextHopChange::Own)];
        let (yes, no) = (Some(Verdict::Accept), Some(Verdict::Reject));
        let terms = [
            term(Vec::new(), Vec::new(), None),
            term(Vec::new(), Vec::new(), yes),
            term(Vec::new(), own(), yes),
            term(by_bitmap(), Vec::new(), yes),
            term(by_two(), Vec::new(), no),
            term(by_two(), adds(), None),
            term(by_attrs(), Vec::new(), no),
        ];
        let speaker = Speaker { asn: Asn(1), default_preference: 100 };
        let (attrs, hop) = (Attrs::default(), IpAddr::from([192, 0, 2, 1]));
        let mut passed = 0;
        for n in 0..terms.len().pow(3) {
            let some = [n % 7, n / 7 % 7, n / 49].map(|at| terms[at].clone());
            let looks = some.iter().flat_map(|term| &term.matches).any(|m| !m.is_by_bitmap());
            let policy = Policy::new("p", some.into()).unwrap();
            for bitmap in 0..64 {
                let ruling = policy.rule((Cow::Borrowed(&attrs), hop), bitmap, speaker);
                let unchanged =
                    matches!(ruling, Ok(Accepted { attrs: Cow::Borrowed(_), next_hop: None }));
                let passes = policy.passes(bitmap);
                assert!(unchanged || !passes, "{policy:?} {bitmap:b}");
                assert!(passes || looks || !unchanged, "{policy:?} {bitmap:b}");
                passed += usize::from(passes);
            }
        }
        assert!(passed > 1000);
    }
}
