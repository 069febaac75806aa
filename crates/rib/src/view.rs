//! What the RIB shows: changes, candidates, and pages of its tables.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ipnet::IpNet;
use pathvane_wire::{Attrs, NextHop};

use crate::{PeerId, Step};

/// The best route of a prefix, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    /// Who announced it; [`PeerId::LOCAL`] for our own routes.
    pub peer: PeerId,
    /// Where it leads; unspecified for our own routes.
    pub next_hop: NextHop,
    /// Its degree of preference, offset included.
    pub preference: u32,
    /// Its MED.
    pub med: Option<u32>,
}

/// The best route of a watched prefix changed, or another candidate came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The prefix.
    pub prefix: IpNet,
    /// What was best when the change was last told, or `None`.
    pub old: Option<Best>,
    /// What is best now, or `None` if nothing is feasible.
    pub new: Option<Best>,
    /// Which step decided for `new`; [`Step::Only`] if it has no rival.
    pub step: Step,
    /// A candidate came or went, be it the best one or another; `old` and `new` may be equal. With
    /// multipath they may be in any case: what [`crate::Rib::multipath`] says may have changed.
    pub candidates: bool,
}

/// All that is known about one prefix: its routes, best first.
#[derive(Clone, Debug)]
pub struct Explain {
    /// The prefix.
    pub prefix: IpNet,
    /// Its routes: the best, then those that lost (latest step first), then those that were no
    /// candidates.
    pub candidates: Vec<Candidate>,
}

/// One route in an [`Explain`].
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The route.
    pub route: RouteView,
    /// What became of it in the Decision Process.
    pub outcome: Outcome,
    /// Whether it shares the prefix's traffic, if it is as good as another and multipath is on.
    pub sharing: Option<Sharing>,
}

/// Whether a route that is as good as the best one shares the traffic of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// It does; the best one is always among those that do.
    Shares,
    /// It does not: it came by another neighbouring AS.
    OtherAs,
    /// It does not: as many next hops as may do so already.
    Full,
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Sharing::Shares => "shares the traffic",
            Sharing::OtherAs => "as good, but by another neighbouring AS",
            Sharing::Full => "as good, but as many next hops as may share the traffic already",
        })
    }
}

/// What became of a route in the Decision Process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It won, and this step left it alone.
    Best(Step),
    /// It lost at this step.
    Lost(Step),
    /// It was no candidate.
    NotFeasible(Reason),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Best(step) => write!(f, "best: {step}"),
            Outcome::Lost(step) => write!(f, "lost: {step} elsewhere"),
            Outcome::NotFeasible(reason) => write!(f, "not feasible: {reason}"),
        }
    }
}

/// Why a route is not a candidate, or is not announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// External peer without an import policy (RFC 8212).
    NoImportPolicy,
    /// External peer without an export policy (RFC 8212).
    NoExportPolicy,
    /// A term of this policy rejected it.
    Rejected {
        /// The policy.
        policy: String,
        /// The term; `None` if no term matched.
        term: Option<String>,
    },
    /// Our AS is in its AS path (RFC 4271 section 9.1.2).
    AsLoop,
    /// Our BGP Identifier is its ORIGINATOR_ID, or our cluster in its CLUSTER_LIST (RFC 4456 section 8).
    ClusterLoop,
    /// Its next hop was said to be unreachable.
    NextHopUnreachable,
    /// Its session is gone; it is about to be removed.
    SessionGone,
    /// It came from this peer.
    FromThisPeer,
    /// It came from an internal peer, and so does not go to another (RFC 4271 section 9.2), as neither
    /// is our client (RFC 4456).
    InternalToInternal,
    /// Its communities forbid it (RFC 1997: NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED).
    Community,
    /// It is long-lived stale, and the peer does not know such routes (RFC 9494 section 4.3).
    LongLivedStale,
    /// We have no address of the family to give as a next hop.
    NoNextHop,
    /// Its next hop is the peer itself (RFC 4271 section 5.1.3).
    NextHopIsPeer,
    /// Steering withholds it from this peer.
    Withheld,
    /// It does not fit into one message.
    TooBig,
    /// The peer was told as many prefixes as it may be told.
    OverQuota,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NoImportPolicy => {
                "no import policy: an external peer's routes are rejected until a policy accepts \
                 them (RFC 8212); give the peer an import policy"
            }
            Reason::NoExportPolicy => {
                "no export policy: an external peer is told nothing until a policy accepts it \
                 (RFC 8212); give the peer an export policy"
            }
            Reason::Rejected { policy, term: Some(term) } => {
                return write!(f, "rejected by term {term} of policy {policy}");
            }
            Reason::Rejected { policy, term: None } => {
                return write!(f, "no term of policy {policy} accepts it");
            }
            Reason::AsLoop => "our AS is in its AS path",
            Reason::ClusterLoop => "it has been through this speaker (ORIGINATOR_ID, CLUSTER_LIST)",
            Reason::NextHopUnreachable => "its next hop is unreachable",
            Reason::SessionGone => "its session is gone",
            Reason::FromThisPeer => "it came from this peer",
            Reason::InternalToInternal => {
                "internal routes go to internal peers only from or to a client"
            }
            Reason::Community => "its communities forbid it",
            Reason::LongLivedStale => "it is long-lived stale, which the peer does not know",
            Reason::NoNextHop => "no local address of the family to be its next hop",
            Reason::NextHopIsPeer => "its next hop is the peer",
            Reason::Withheld => "withheld by steering",
            Reason::TooBig => "it does not fit into one message",
            Reason::OverQuota => "the peer was told as many prefixes as it may be told",
        })
    }
}

/// One route, for people and interfaces.
#[derive(Clone, Debug)]
pub struct RouteView {
    /// The prefix.
    pub prefix: IpNet,
    /// Who announced it.
    pub peer: PeerId,
    /// Its ADD-PATH identifier; 0 without.
    pub path_id: u32,
    /// Its attributes after import policy.
    pub attrs: Attrs,
    /// Its next hop.
    pub next_hop: NextHop,
    /// Its degree of preference, offset included.
    pub preference: u32,
    /// The offset that measurement added to it.
    pub offset: i32,
    /// Import policy accepted it, and it has no loop.
    pub accepted: bool,
    /// It is the best of its prefix.
    pub best: bool,
    /// It shares the traffic of its prefix with others.
    pub shares: bool,
    /// It is kept from a session that is gone (RFC 4724).
    pub stale: bool,
}

/// What a peer was last told about a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// The prefix.
    pub prefix: IpNet,
    /// Its ADD-PATH identifier, where the peer is told several routes; otherwise 0.
    pub path_id: u32,
    /// The attributes as sent.
    pub attrs: Attrs,
    /// The next hop as sent.
    pub next_hop: NextHop,
    /// Something newer is pending: the peer may hold this or what was told before.
    pub pending: bool,
}

/// Where the next page of a table begins; the default is its start.
///
/// Routes that come or go between two pages may be missed or seen; what stays is seen once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor(pub(crate) u32);

/// A part of a table.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end. A page may be empty and yet have a next one.
    pub next: Option<Cursor>,
}
