//! The record of what happened.

use core::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The version of the event schema. Fields and kinds may be added within a version.
pub const SCHEMA: u32 = 1;

/// One entry of the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Counts from 1, never repeats within a run.
    pub id: u64,
    /// When it happened, on the machine's monotonic clock.
    pub at_ns: u64,
    /// When it happened, since 1970.
    pub wall_ns: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// The kinds of event. Times inside them are monotonic, like [`Event::at_ns`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A peer was added to the running speaker.
    PeerAdded {
        /// Which.
        peer: String,
    },
    /// A peer was changed such that its session is opened anew.
    PeerChanged {
        /// Which.
        peer: String,
    },
    /// A peer was taken out of the running speaker.
    PeerRemoved {
        /// Which.
        peer: String,
    },
    /// A session reached Established.
    PeerUp {
        /// Whose.
        peer: String,
        /// What was negotiated.
        detail: String,
    },
    /// A session left Established.
    PeerDown {
        /// Whose.
        peer: String,
        /// Who closed it and why.
        reason: String,
        /// Whether its routes are kept as stale.
        retained: bool,
    },
    /// An attempt at a session ended before Established.
    PeerFailed {
        /// Whose.
        peer: String,
        /// Why.
        reason: String,
    },
    /// Routes kept from a lost session were dropped.
    StaleDropped {
        /// Whose.
        peer: String,
    },
    /// Stale routes of a peer are kept on beyond its restart time (RFC 9494).
    LongLived {
        /// Whose.
        peer: String,
        /// `ipv4-unicast` or `ipv6-unicast`.
        family: String,
    },
    /// A peer came near a limit on prefixes, or beyond it.
    PrefixLimit {
        /// Whose.
        peer: String,
        /// `ipv4` or `ipv6`.
        family: String,
        /// Prefixes announced, told or withheld.
        count: u32,
        /// The limit.
        limit: u32,
        /// `near`, `beyond`, `closed`, `nearly-full`, `withheld` or `room`.
        step: String,
        /// A closed session opens again after this time; absent: when the operator resets it.
        reopens_in_ns: Option<u64>,
    },
    /// An UPDATE carried errors; the session stayed up.
    Fault {
        /// Whose.
        peer: String,
        /// Attribute, disposition and reason.
        detail: String,
    },
    /// A path's verdict changed.
    Verdict {
        /// Which path.
        path: String,
        /// The state before.
        from: String,
        /// The state now.
        to: String,
        /// The numbers that led to it.
        evidence: String,
        /// When the deciding detector fired.
        detected_at_ns: u64,
    },
    /// Traffic of a service was moved, or would have been.
    Move {
        /// Counts from 1.
        move_id: u64,
        /// Whose traffic.
        service: String,
        /// The leader before.
        from: Option<String>,
        /// The leader now.
        to: String,
        /// What carries it now, the leader first: one path, unless several carry it together.
        #[serde(default)]
        carry: Vec<String>,
        /// Why, in a sentence.
        cause: String,
        /// The numbers.
        evidence: String,
        /// The candidates, best first.
        alternatives: Vec<Alternative>,
        /// When the deciding detector fired.
        detected_at_ns: u64,
        /// When the choice was made.
        decided_at_ns: u64,
        /// Whether it was carried out.
        done: bool,
    },
    /// Every UPDATE of a move towards a peer left our socket.
    Wire {
        /// The move.
        move_id: u64,
        /// Towards whom.
        peer: String,
        /// When that was seen.
        sent_at_ns: u64,
    },
    /// The kernel's next-hop group of a move is in place, or was refused.
    Kernel {
        /// The move.
        move_id: u64,
        /// Whether the kernel accepted it.
        ok: bool,
        /// When it said so.
        done_at_ns: u64,
    },
    /// The service's traffic is to leave by these paths.
    FibGroup {
        /// Whose traffic.
        service: String,
        /// Counts the switches of this service.
        generation: u64,
        /// The paths that carry it, the leader first.
        carry: Vec<String>,
        /// How much of the traffic each of them carries, relative to the others.
        #[serde(default)]
        weights: Vec<u8>,
    },
    /// What one peer is told about one prefix changed.
    Signal {
        /// The move that caused it, if one did.
        move_id: Option<u64>,
        /// The peer.
        peer: String,
        /// The prefix.
        prefix: IpNet,
        /// `announce` or `withhold`.
        say: String,
        /// The MED, if announced.
        med: Option<u32>,
        /// Why.
        reason: String,
    },
    /// The kernel learned of another size of the packets that a path takes, or takes smaller ones
    /// than it should.
    PathMtu {
        /// The path.
        path: String,
        /// Octets of the largest IP packet.
        octets: u16,
        /// Octets it should take, if that is configured.
        wanted: Option<u16>,
    },
    /// The first hop of a path that works answers no probes.
    FirstHopMute {
        /// The path.
        path: String,
        /// The first hop.
        target: IpAddr,
    },
    /// Reports from outside had to make room before their time.
    ReportsDisplaced {
        /// The path.
        path: String,
        /// How many since this was told last.
        count: u64,
    },
    /// A link changed.
    Link {
        /// The path on it.
        path: String,
        /// Whether it is up.
        up: bool,
    },
    /// What BFD says changed.
    Bfd {
        /// The peer whose session it can end.
        peer: Option<String>,
        /// The path in whose verdict it is a reason.
        path: Option<String>,
        /// `up`, `down` (it failed) or `off` (nothing).
        says: String,
    },
    /// The condition of an announced prefix changed.
    Condition {
        /// The service.
        service: String,
        /// The prefix.
        prefix: IpNet,
        /// Whether it holds.
        holds: bool,
    },
    /// An instance's health changed.
    Health {
        /// The service.
        service: String,
        /// The check's name.
        check: String,
        /// Its region.
        region: String,
        /// Whether it is healthy.
        healthy: bool,
    },
    /// A decision was not carried out.
    Held {
        /// The service.
        service: String,
        /// Why.
        reason: String,
    },
    /// Steering was frozen or released by the operator.
    Frozen {
        /// Whether it is frozen now.
        frozen: bool,
    },
    /// A drain began or went on.
    Drain {
        /// The step.
        step: String,
    },
    /// Events before this one are gone: the reader or the record did not keep up.
    Missed {
        /// How many.
        count: u64,
    },
    /// A kind that this client does not know.
    #[serde(other)]
    Unknown,
}

/// A candidate of a move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alternative {
    /// The path.
    pub path: String,
    /// What speaks for or against it.
    pub standing: String,
}
