//! What a policy does to a route.

use alloc::borrow::Cow;

use ipnet::IpNet;
use pathvane_wire::{Asn, Attrs};

use super::{Action, Match, Otc, Policy, Term, Verdict};

/// What actions need to know of the speaker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker {
    /// Our AS.
    pub(crate) asn: Asn,
    /// The degree of preference of a route without LOCAL_PREF.
    pub(crate) default_preference: u32,
}

/// The outcome for one route: its attributes if accepted, or the term that rejected it (`None`: no
/// term decided).
pub(crate) type Ruling<'p, 'a> = Result<Cow<'a, Attrs>, Option<&'p str>>;

impl Policy {
    /// Which matches on the prefix hold: one bit each, in order of appearance.
    pub(crate) fn bitmap(&self, prefix: &IpNet) -> u64 {
        if !self.by_prefix {
            return 0;
        }
        let matches = self.terms.iter().flat_map(|term| &term.matches);
        matches
            .filter(|m| m.is_by_prefix())
            .enumerate()
            .fold(0, |bits, (n, m)| bits | u64::from(m.holds_for(prefix)) << n)
    }

    /// Runs the terms over a route of which `bitmap` says the matches on the prefix.
    pub(crate) fn rule<'a>(
        &self,
        attrs: Cow<'a, Attrs>,
        mut bitmap: u64,
        speaker: Speaker,
    ) -> Ruling<'_, 'a> {
        let mut attrs = attrs;
        for term in &self.terms {
            if !term.matches(&attrs, &mut bitmap) {
                continue;
            }
            for action in &term.actions {
                action.apply(attrs.to_mut(), speaker);
            }
            match term.verdict {
                Some(Verdict::Accept) => return Ok(attrs),
                Some(Verdict::Reject) => return Err(Some(&term.name)),
                None => {}
            }
        }
        Err(None)
    }
}

impl Term {
    /// Whether all matches hold; takes the term's bits off the bitmap.
    fn matches(&self, attrs: &Attrs, bitmap: &mut u64) -> bool {
        let mut all = true;
        for m in &self.matches {
            all &= match m {
                Match::Prefix(_) | Match::Family(_) => {
                    let holds = *bitmap & 1 != 0;
                    *bitmap >>= 1;
                    holds
                }
                Match::Community(community) => attrs.communities.contains(community),
                Match::LargeCommunity(community) => attrs.large_communities.contains(community),
                Match::AsPathContains(asn) => attrs.as_path.contains(*asn),
                Match::NeighborAs(asn) => attrs.as_path.neighbor_as() == Some(*asn),
                Match::Otc(otc) => otc.holds(attrs.otc),
            };
        }
        all
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
    fn apply(&self, attrs: &mut Attrs, speaker: Speaker) {
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
            Action::AddCommunity(community) => {
                attrs.communities.insert(*community);
            }
            Action::RemoveCommunity(community) => {
                attrs.communities.remove(community);
            }
            Action::SetCommunities(all) => attrs.communities = all.iter().copied().collect(),
            Action::AddLargeCommunity(community) => {
                attrs.large_communities.insert(*community);
            }
            Action::RemoveLargeCommunity(community) => {
                attrs.large_communities.remove(community);
            }
            Action::SetLargeCommunities(all) => {
                attrs.large_communities = all.iter().copied().collect();
            }
            Action::SetOtc(asn) => attrs.otc = Some(*asn),
            Action::Prepend(times) => attrs.as_path.prepend(speaker.asn, usize::from(*times)),
        }
    }
}
