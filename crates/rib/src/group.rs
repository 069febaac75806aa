//! Groups of like peers, and what export makes of a route for them.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BytesMut;
use foldhash::fast::FixedState;
use ipnet::IpNet;
use pathvane_wire::{Asn, Attrs, BgpId, EncodeContext, Family, FamilySet, NextHop, PeerKind};

use crate::peer::{PeerConfig, PeerUp};
use crate::policy::{Accepted, NextHopChange, Speaker};
use crate::queue::Queue;
use crate::relay::relay;
use crate::sets::{Sets, Source};
use crate::share::SharedRing;
use crate::{Directive, PeerId, Policy, Reason};

/// What peers have in common that are told the same. Peers with equal keys share a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupKey {
    policy: Option<Arc<Policy>>,
    next_hop_self: bool,
    client: bool,
    paths: u8,
    pub(crate) encode: EncodeContext,
    pub(crate) families: FamilySet,
    local_v4: Option<Ipv4Addr>,
    local_v6: Option<Ipv6Addr>,
    local_link: Option<Ipv6Addr>,
    knows_long_lived: bool,
}

/// Peers that are told the same, and what is pending for them.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: GroupKey,
    pub(crate) members: Vec<PeerId>,
    pub(crate) queue: Queue,
    pub(crate) shared: SharedRing,
    memo: Vec<Slot>,
    hasher: FixedState,
}

/// All that decides what a group is told of a route, directives aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) set: u32,
    /// Of the set.
    pub(crate) serial: u32,
    /// The degree of preference, if the group is internal; otherwise 0.
    pub(crate) preference: u32,
    pub(crate) v6: bool,
    /// The BGP Identifier of the peer it came from, if that is told by reflection; otherwise 0.
    pub(crate) originator: u32,
    /// The matches on prefix and sender that hold in the export policy.
    pub(crate) bitmap: u64,
}

/// What peers of a group are told of routes with one attribute set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exported {
    /// Of next hop and attributes: equal hashes are taken for equal contents (64 bits, seeded).
    pub(crate) hash: u64,
    pub(crate) next_hop: NextHop,
}

#[derive(Debug, Default)]
struct Slot {
    subject: Option<Subject>,
    exported: Option<Exported>,
    bytes: BytesMut,
}

/// Outcomes of export kept for each group. Routes with one set mostly come together.
const MEMO: usize = 512;

impl GroupKey {
    pub(crate) fn new(config: &PeerConfig, up: &PeerUp) -> GroupKey {
        GroupKey {
            policy: config.export.clone(),
            next_hop_self: config.next_hop_self,
            client: config.client,
            paths: config.paths,
            encode: up.encode,
            families: up.families,
            local_v4: up.local_v4,
            local_v6: up.local_v6,
            local_link: up.local_link,
            knows_long_lived: up.knows_long_lived,
        }
    }

    /// Our own address as a next hop in a family.
    fn own_next_hop(&self, v6: bool) -> Option<NextHop> {
        let wide = || {
            let link_local = self.local_link;
            self.local_v6.map(|addr| NextHop { addr: IpAddr::V6(addr), link_local })
        };
        match self.local_v4 {
            _ if v6 => wide(),
            Some(v4) => Some(NextHop::from(IpAddr::V4(v4))),
            None if self.encode.extended_next_hop.contains(Family::IPV4_UNICAST) => wide(),
            None => None,
        }
    }

    /// The next hop to announce (RFC 4271 section 5.1.3).
    fn next_hop(&self, received: NextHop, source: Source, v6: bool) -> Option<NextHop> {
        let ours = match self.encode.peer {
            PeerKind::External => true,
            // Reflection leaves the next hop alone (RFC 4456 section 10).
            PeerKind::Internal => self.next_hop_self && !source.is_internal(),
        };
        if ours || !can_be_passed_on(received, source) {
            return self.own_next_hop(v6);
        }
        self.fitting(received.addr, v6)
    }

    /// An address as next hop, if routes of the family can have it with this peer (RFC 8950).
    fn fitting(&self, addr: IpAddr, v6: bool) -> Option<NextHop> {
        let extended = v6 || self.encode.extended_next_hop.contains(Family::IPV4_UNICAST);
        let fits = addr.is_ipv4() != v6 || (addr.is_ipv6() && extended);
        fits.then_some(NextHop::from(addr))
    }

    /// The next hop to announce, as policy wants it.
    fn next_hop_by(
        &self,
        change: Option<NextHopChange>,
        received: NextHop,
        source: Source,
        v6: bool,
    ) -> Option<NextHop> {
        match change {
            None => self.next_hop(received, source, v6),
            Some(NextHopChange::Own) => self.own_next_hop(v6),
            Some(NextHopChange::Unchanged) if !can_be_passed_on(received, source) => {
                self.own_next_hop(v6)
            }
            Some(NextHopChange::Unchanged) => self.fitting(received.addr, v6),
            Some(NextHopChange::Address(addr)) => self.fitting(addr, v6),
        }
    }

    /// Whether routes with a set may be told to the group at all; or why not.
    fn may_be_told(&self, sets: &Sets, set: u32) -> Result<(), Reason> {
        let (kind, source, summary) = (self.encode.peer, sets.source(set), sets.summary(set));
        // On a route of our own, such a community is meant for those who receive it.
        if source != Source::Local && !summary.may_go_to(kind) {
            return Err(Reason::Community);
        }
        if summary.is_long_lived() && !self.knows_long_lived {
            return Err(Reason::LongLivedStale);
        }
        if kind == PeerKind::Internal && source == Source::Internal && !self.client {
            return Err(Reason::InternalToInternal);
        }
        Ok(())
    }

    /// The next hop and, in `out`, the encoded attributes that a peer of the group is told of a route,
    /// directives aside; `None`: nothing.
    fn write(
        &self,
        sets: &mut Sets,
        subject: &Subject,
        speaker: Speaker,
        out: &mut BytesMut,
    ) -> Option<NextHop> {
        if let Some(relayed) = self.relayed(sets, subject, speaker, out) {
            return relayed;
        }
        out.clear();
        sets.warm(subject.set);
        let attrs = sets.warmed(subject.set);
        let (next_hop, attrs) = self.export(attrs, sets, subject, speaker, None).ok()?;
        attrs.encode(&self.encode, out);
        Some(next_hop)
    }

    /// The same where the attributes can go out as they came, which saves decoding and encoding;
    /// `None`: they cannot, or it has to be looked into.
    fn relayed(
        &self,
        sets: &mut Sets,
        subject: &Subject,
        speaker: Speaker,
        out: &mut BytesMut,
    ) -> Option<Option<NextHop>> {
        let (set, source) = (subject.set, sets.source(subject.set));
        let to_like = self.encode.peer == PeerKind::External && self.encode.four_octet_as;
        let policy = self.policy.as_ref().filter(|_| to_like && source != Source::Local)?;
        if self.may_be_told(sets, set).is_err() {
            return Some(None);
        }
        if !relay(sets.octets(set)?, speaker.asn, out) {
            return None;
        }
        let received = sets.next_hop(set);
        let mut change = None;
        if !policy.passes(subject.bitmap) {
            sets.warm(set);
            // Nothing that is left out can be matched on.
            let attrs = Cow::Borrowed(sets.warmed(set));
            match policy.rule((attrs, received.addr), subject.bitmap, speaker) {
                Ok(Accepted { attrs: Cow::Borrowed(_), next_hop }) => change = next_hop,
                Ok(_) => return None,
                Err(_) => return Some(None),
            }
        }
        Some(self.next_hop_by(change, received, source, subject.v6))
    }

    /// What a peer of the group is told of a route, and by `directive`; or why it is not told.
    pub(crate) fn export(
        &self,
        attrs: &Attrs,
        sets: &Sets,
        subject: &Subject,
        speaker: Speaker,
        directive: Option<&Directive>,
    ) -> Result<(NextHop, Attrs), Reason> {
        let kind = self.encode.peer;
        let source = sets.source(subject.set);
        self.may_be_told(sets, subject.set)?;
        let received = sets.next_hop(subject.set);
        let mut attrs = prepared(attrs.clone(), kind, source, subject.preference);
        if self.reflects(source) {
            attrs.originator_id.get_or_insert(BgpId(subject.originator));
            attrs.cluster_list.insert(0, sets.cluster_id());
        }
        let accepted = self.filtered((attrs, received.addr), subject.bitmap, speaker)?;
        let next_hop = self.next_hop_by(accepted.next_hop, received, source, subject.v6);
        let next_hop = next_hop.ok_or(Reason::NoNextHop)?;
        let mut attrs = accepted.attrs.into_owned();
        if let Some(directive) = directive {
            directed(&mut attrs, speaker.asn, directive)?;
        }
        if kind == PeerKind::External {
            attrs.local_pref = None;
            attrs.as_path.prepend(speaker.asn, 1);
        }
        Ok((next_hop, attrs))
    }

    /// How many routes of a prefix the group is told at most.
    pub(crate) const fn paths(&self) -> u8 {
        self.paths
    }

    /// Whether the group is told several routes of a prefix of the family (RFC 7911).
    pub(crate) fn sends_paths(&self, family: Family) -> bool {
        self.paths > 1 && self.encode.add_path.contains(family)
    }

    /// Whether routes from there are reflected to the group, if they go to it at all (RFC 4456).
    pub(crate) fn reflects(&self, source: Source) -> bool {
        self.encode.peer == PeerKind::Internal && source.is_internal()
    }

    /// Whether export depends on prefix or sender.
    pub(crate) fn is_by_bitmap(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.is_by_bitmap())
    }

    /// Whether the export policy may make like paths of unlike ones.
    pub(crate) fn rewrites_paths(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.rewrites_paths())
    }

    /// Which matches on prefix and sender hold in the export policy.
    pub(crate) fn bitmap(&self, prefix: impl FnOnce() -> IpNet, from: PeerId) -> u64 {
        match &self.policy {
            Some(policy) if policy.is_by_bitmap() => policy.bitmap(&prefix(), from),
            _ => 0,
        }
    }

    fn filtered(
        &self,
        (attrs, next_hop): (Attrs, IpAddr),
        bitmap: u64,
        speaker: Speaker,
    ) -> Result<Accepted<'static>, Reason> {
        let attrs = Cow::Owned(attrs);
        let Some(policy) = &self.policy else {
            return match self.encode.peer {
                PeerKind::Internal => Ok(Accepted { attrs, next_hop: None }),
                PeerKind::External => Err(Reason::NoExportPolicy),
            };
        };
        policy.rule((attrs, next_hop), bitmap, speaker).map_err(|term| Reason::Rejected {
            policy: policy.name().into(),
            term: term.map(Into::into),
        })
    }
}

/// Whether a next hop means anything to others: our own routes have none, and one of a link is good
/// on that link only.
fn can_be_passed_on(received: NextHop, source: Source) -> bool {
    let on_link_only = matches!(received.addr, IpAddr::V6(a) if a.is_unicast_link_local());
    source != Source::Local && !on_link_only
}

/// Attributes as policy finds them: what must not be passed on is gone, LOCAL_PREF is the degree
/// of preference (RFC 4271 sections 5.1.4 and 5.1.5).
pub(crate) fn prepared(mut attrs: Attrs, to: PeerKind, source: Source, preference: u32) -> Attrs {
    if source != Source::Local {
        attrs.readvertise(to);
    }
    match to {
        PeerKind::Internal => attrs.local_pref = Some(preference),
        PeerKind::External => {
            attrs.local_pref = None;
            attrs.originator_id = None;
            attrs.cluster_list.clear();
            if source != Source::Local {
                attrs.med = None;
            }
        }
    }
    attrs
}

fn directed(attrs: &mut Attrs, asn: Asn, directive: &Directive) -> Result<(), Reason> {
    match directive {
        Directive::Withhold => Err(Reason::Withheld),
        Directive::Announce { med, communities, prepend } => {
            attrs.med = med.or(attrs.med);
            attrs.as_path.prepend(asn, usize::from(*prepend));
            for community in communities {
                attrs.communities.insert(*community);
            }
            Ok(())
        }
    }
}

impl Group {
    pub(crate) fn new(key: GroupKey, seed: u64) -> Group {
        Group {
            key,
            members: Vec::new(),
            queue: Queue::new(),
            shared: SharedRing::default(),
            memo: (0..MEMO).map(|_| Slot::default()).collect(),
            hasher: FixedState::with_seed(seed ^ 0x6709),
        }
    }

    /// Whether the peer is the only member.
    pub(crate) fn is_only(&self, peer: PeerId) -> bool {
        self.members == [peer]
    }

    /// What the group is told of a route, directives aside, and its attributes; `None`: nothing.
    pub(crate) fn exported(
        &mut self,
        sets: &mut Sets,
        subject: &Subject,
        speaker: Speaker,
    ) -> (Option<Exported>, &[u8]) {
        let Subject { set, preference, bitmap, .. } = *subject;
        let mix = set ^ preference.rotate_left(16) ^ (bitmap as u32).rotate_left(8);
        let slot = &mut self.memo[mix as usize % MEMO];
        if slot.subject != Some(*subject) {
            slot.subject = Some(*subject);
            slot.bytes.clear();
            let next_hop = self.key.write(sets, subject, speaker, &mut slot.bytes);
            slot.exported = next_hop.map(|next_hop| {
                let hash = hash_of(&self.hasher, &next_hop, &slot.bytes);
                Exported { hash, next_hop }
            });
        }
        (slot.exported, &slot.bytes)
    }

    /// What one peer is told by a directive; the bytes go to `out`.
    pub(crate) fn exported_by(
        &self,
        directive: &Directive,
        sets: &mut Sets,
        subject: &Subject,
        speaker: Speaker,
        out: &mut BytesMut,
    ) -> Option<Exported> {
        sets.warm(subject.set);
        let attrs = sets.warmed(subject.set);
        let exported = self.key.export(attrs, sets, subject, speaker, Some(directive));
        let (next_hop, attrs) = exported.ok()?;
        attrs.encode(&self.key.encode, out);
        Some(Exported { hash: hash_of(&self.hasher, &next_hop, out), next_hop })
    }
}

fn hash_of(hasher: &FixedState, next_hop: &NextHop, bytes: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    next_hop.hash(&mut hasher);
    hasher.write(bytes);
    hasher.finish()
}
