//! What a peer is to the RIB.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use pathvane_wire::{
    Asn, BgpId, Disposition, EncodeContext, Family, FamilySet, Fault, PeerKind, RawAttrs,
};

use crate::group::GroupKey;
use crate::net_set::ZoneKey;
use crate::store::Bits;
use crate::table::{Meta, Route};
use crate::{Directive, Policy, Quota};

/// A peer: its place in the caller's list of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u16);

impl PeerId {
    /// The speaker itself, as the source of its own routes.
    pub const LOCAL: PeerId = PeerId(u16::MAX);

    /// The index into the caller's list.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == PeerId::LOCAL { f.pad("local") } else { fmt::Display::fmt(&self.0, f) }
    }
}

/// What the operator says about a peer.
#[derive(Clone, Debug, Default)]
pub struct PeerConfig {
    /// What to accept. Without a policy an external peer's routes are all rejected (RFC 8212) and an
    /// internal one's accepted.
    pub import: Option<Arc<Policy>>,
    /// What to announce. Without a policy an external peer is told nothing (RFC 8212), an internal
    /// one everything.
    pub export: Option<Arc<Policy>>,
    /// Announce ourselves as the next hop to an internal peer. External peers always get that.
    pub next_hop_self: bool,
    /// An internal peer to whom routes of internal peers are reflected, and its routes to them
    /// (RFC 4456). What it sent before this changed counts as before.
    pub client: bool,
    /// How many routes of a prefix to tell the peer where several are negotiated (RFC 7911); 0 and 1:
    /// the best one.
    pub paths: u8,
}

/// What a session negotiated, as far as routes depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerUp {
    /// The peer's AS.
    pub asn: Asn,
    /// The peer's BGP Identifier.
    pub id: BgpId,
    /// The peer's address, the last tie-breaker.
    pub address: IpAddr,
    /// The families of the session.
    pub families: FamilySet,
    /// How to encode for this peer; `encode.peer` says whether it is internal.
    pub encode: EncodeContext,
    /// Our address for IPv4 next hops.
    pub local_v4: Option<Ipv4Addr>,
    /// Our address for IPv6 next hops, and for IPv4 ones where there is no `local_v4` and extended
    /// next hops were negotiated (RFC 8950).
    pub local_v6: Option<Ipv6Addr>,
    /// Our link-local address beside `local_v6`, if the peer is on the same link (RFC 2545).
    pub local_link: Option<Ipv6Addr>,
    /// Enhanced route refresh was negotiated: a refresh is framed by BoRR and EoRR (RFC 7313).
    pub enhanced_refresh: bool,
    /// The peer may be told routes with LLGR_STALE (RFC 9494).
    pub knows_long_lived: bool,
}

/// Routes of a peer in one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Routes in the Adj-RIB-In.
    pub received: u32,
    /// Those of them that are candidates: accepted by import policy and free of loops.
    pub accepted: u32,
    /// Those of them that are kept from a session that is gone (RFC 4724).
    pub stale: u32,
    /// Prefixes in the Adj-RIB-Out: what the peer was told and not told otherwise since.
    pub advertised: u32,
}

impl Counts {
    /// Routes kept in the Adj-RIB-In without being candidates.
    pub const fn rejected(&self) -> u32 {
        self.received.saturating_sub(self.accepted)
    }
}

/// What was wrong with a peer's UPDATEs since it was added (RFC 7606).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// UPDATEs from which an attribute was dropped.
    pub attribute_discard: u64,
    /// UPDATEs whose routes were handled as withdrawn.
    pub treat_as_withdraw: u64,
    /// The last fault.
    pub last: Option<Fault>,
    /// The attributes of the last faulty UPDATE, less MP_REACH and MP_UNREACH, cut to
    /// [`Faults::MAX_BYTES`] octets.
    pub last_bytes: Vec<u8>,
    /// Routes dropped because the peer sent more than [`Faults::MAX_PATHS`] for one prefix.
    pub too_many_paths: u64,
    /// Routes withheld from this peer because they do not fit into one message.
    pub too_big: u64,
}

impl Faults {
    /// The most routes a peer may have for one prefix (RFC 7911), since each is looked at whenever
    /// one of them changes.
    pub const MAX_PATHS: usize = 32;

    /// Octets kept of a faulty UPDATE.
    pub const MAX_BYTES: usize = 512;

    pub(crate) fn note(&mut self, fault: Fault, attrs: RawAttrs<'_>) {
        match fault.disposition {
            Disposition::Accept | Disposition::AttributeDiscard => self.attribute_discard += 1,
            _ => self.treat_as_withdraw += 1,
        }
        self.last = Some(fault);
        self.last_bytes.clear();
        for part in attrs.parts() {
            let room = Faults::MAX_BYTES - self.last_bytes.len();
            self.last_bytes.extend_from_slice(&part[..part.len().min(room)]);
        }
    }
}

/// The place of a family in arrays.
pub(crate) const fn place_of(v6: bool) -> usize {
    v6 as usize
}

/// The two families, by place.
pub(crate) const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// So many sessions, one after another, may leave routes behind that are kept for long.
const LONG_LIVED_GENERATIONS: u8 = 100;

/// A refresh is not heeded while so many generations may have left dead routes behind: their number
/// has eight bits.
const MOST_UNSWEPT_IN_REFRESH: u8 = 100;

/// All that the RIB knows of a peer beside its routes.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) config: PeerConfig,
    /// Stands for the import policy in the memo.
    pub(crate) import_key: u32,
    pub(crate) session: Option<Box<Session>>,
    /// What the Decision Process compares; of the last session while there is none.
    pub(crate) kind: PeerKind,
    pub(crate) id: BgpId,
    pub(crate) address: IpAddr,
    /// Count the sessions and refreshes, by family.
    generations: [u8; 2],
    /// How many generations of routes are alive in each family, the present one included.
    alive: [u8; 2],
    /// Generations since a sweep last left no dead route, at least.
    pub(crate) unswept: u8,
    pub(crate) counts: [Counts; 2],
    pub(crate) faults: Faults,
    pub(crate) heard_end_of_rib: FamilySet,
    /// Families whose stale routes are kept for long.
    pub(crate) long_lived: FamilySet,
    /// Families between BoRR and EoRR.
    pub(crate) refreshing: FamilySet,
    /// Offsets to the degree of preference.
    pub(crate) offsets: Vec<(IpNet, i32)>,
    pub(crate) directives: BTreeMap<IpNet, Directive>,
    pub(crate) quota: Quota,
}

/// What exists while a session is Established.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) up: PeerUp,
    pub(crate) group: usize,
    pub(crate) reader: usize,
    /// The prefixes that the peer was told and not told otherwise since.
    pub(crate) held: Bits,
    /// Of peers that are told several routes, by path identifier: the prefixes of which they hold it.
    pub(crate) paths: BTreeMap<u32, Bits>,
    /// The prefixes that its quota keeps from the peer, and how many there are by family.
    pub(crate) withheld: Bits,
    pub(crate) withheld_count: [u32; 2],
    /// How many prefixes of services the peer holds, by family; counted if it has a quota.
    pub(crate) services_held: [u32; 2],
    /// Prefixes to be settled with this peer alone.
    pub(crate) urgent: BTreeSet<u32>,
    pub(crate) walks: [Option<Walk>; 2],
    /// Under which terms the peer was told what it holds, until the walks for the terms of its group
    /// are done. Only if nothing was pending when the terms changed.
    pub(crate) former: Option<Box<GroupKey>>,
    pub(crate) sent_end_of_rib: FamilySet,
}

/// A walk over the Loc-RIB for one peer and family: its initial table, or all of it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    /// Where to go on among the services' prefixes; `None` when they are done.
    pub(crate) services: Option<ZoneKey>,
    /// Where to go on in the slab, and where to stop: what came later is in the queue.
    pub(crate) next: u32,
    pub(crate) end: u32,
    /// Announce what the peer has been told already.
    pub(crate) again: bool,
    /// The services when the walk began, by [`crate::net_set::Zone::version`].
    pub(crate) zone_version: u32,
    /// What frames the walk.
    pub(crate) frame: Frame,
}

/// The messages around a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// None: the peer did not ask.
    Silent,
    /// End-of-RIB after it.
    EndOfRib,
    /// BoRR is to come, then EoRR (RFC 7313).
    Refresh,
    /// BoRR was sent, EoRR is to come.
    Refreshing,
}

impl Peer {
    pub(crate) fn new(config: PeerConfig, import_key: u32) -> Peer {
        Peer {
            config,
            import_key,
            session: None,
            kind: PeerKind::External,
            id: BgpId::default(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            generations: [0; 2],
            alive: [0; 2],
            unswept: 0,
            counts: [Counts::default(); 2],
            faults: Faults::default(),
            heard_end_of_rib: FamilySet::EMPTY,
            long_lived: FamilySet::EMPTY,
            refreshing: FamilySet::EMPTY,
            offsets: Vec::new(),
            directives: BTreeMap::new(),
            quota: Quota::default(),
        }
    }

    /// A session begins: routes from now on are of another generation.
    pub(crate) fn begin(&mut self, up: &PeerUp) {
        self.kind = up.encode.peer;
        self.id = up.id;
        self.address = up.address;
        (0..FAMILIES.len()).for_each(|at| self.next_generation(at));
        self.heard_end_of_rib = FamilySet::EMPTY;
        self.refreshing = FamilySet::EMPTY;
    }

    /// Routes of a family from now on are of another generation, and those before stale.
    fn next_generation(&mut self, at: usize) {
        self.generations[at] = self.generations[at].wrapping_add(1);
        self.alive[at] = self.alive[at].saturating_add(1);
        self.unswept = self.unswept.saturating_add(1);
    }

    /// The peer begins to send a family again: what it does not repeat is stale (RFC 7313 section 4).
    /// Not heeded before its End-of-RIB, within a refresh, and too soon after many.
    pub(crate) fn begin_refresh(&mut self, family: Family) {
        let at = place_of(family == Family::IPV6_UNICAST);
        let heeded = self.heard_end_of_rib.contains(family)
            && !self.refreshing.contains(family)
            && self.alive[at] == 1
            && self.unswept < MOST_UNSWEPT_IN_REFRESH;
        if heeded {
            self.refreshing.insert(family);
            self.next_generation(at);
            self.counts[at].stale = self.counts[at].received;
        }
    }

    /// A session ends. Routes of `retain` stay, but not those that were stale before, unless the peer
    /// was about to repeat them.
    pub(crate) fn end(&mut self, retain: FamilySet) {
        for (at, family) in FAMILIES.into_iter().enumerate() {
            let most = match self.refreshing.contains(family) {
                _ if !retain.contains(family) => 0,
                // What was kept for long before is kept on (RFC 9494 section 4.2).
                _ if self.long_lived.contains(family) => LONG_LIVED_GENERATIONS,
                refreshing => 1 + u8::from(refreshing),
            };
            self.alive[at] = self.alive[at].min(most);
            if self.alive[at] == 0 {
                self.long_lived.remove(family);
            }
            self.counts[at].stale = self.counts[at].received;
            self.counts[at].advertised = 0;
        }
    }

    /// Stale routes of a family are dead from now on; false if there can be none.
    pub(crate) fn kill_stale(&mut self, family: Family) -> bool {
        let fresh = u8::from(self.session.is_some());
        self.long_lived.remove(family);
        let alive = &mut self.alive[place_of(family == Family::IPV6_UNICAST)];
        let had = *alive > fresh;
        *alive = (*alive).min(fresh);
        had
    }

    /// The mark of routes that come now.
    pub(crate) fn meta(&self, candidate: bool, v6: bool) -> Meta {
        Meta::new(self.generations[place_of(v6)], candidate)
    }

    /// Whether the session that the route came from counts.
    pub(crate) fn is_alive(&self, route: &Route, v6: bool) -> bool {
        let age = self.generations[place_of(v6)].wrapping_sub(route.meta.generation());
        age < self.alive[place_of(v6)]
    }

    /// Whether the route is kept from an earlier session, or not repeated yet in a refresh.
    pub(crate) fn is_stale(&self, route: &Route, v6: bool) -> bool {
        self.session.is_none() || route.meta.generation() != self.generations[place_of(v6)]
    }

    /// The offset to the degree of preference of the peer's route, from the longest `reach`.
    pub(crate) fn offset(&self, prefix: &IpNet) -> i32 {
        let covering = self.offsets.iter().filter(|(net, _)| net.contains(prefix));
        covering.max_by_key(|(net, _)| net.prefix_len()).map_or(0, |(_, offset)| *offset)
    }
}

impl Session {
    /// Whether the walks are done.
    pub(crate) fn is_walking(&self) -> bool {
        self.walks.iter().any(Option::is_some)
    }
}
