//! What a peer is to the RIB.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pathvane_wire::{Asn, BgpId, EncodeContext, FamilySet};

use crate::Policy;

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
    /// UPDATEs that ended the session.
    pub session_reset: u64,
    /// The last fault.
    pub last: Option<pathvane_wire::Fault>,
    /// The attributes of the last faulty UPDATE, less MP_REACH and MP_UNREACH, cut to 512 octets.
    pub last_bytes: Vec<u8>,
    /// Routes that did not fit into one message to this peer, and were withheld.
    pub too_big: u64,
}
