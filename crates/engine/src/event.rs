//! What happened, why, and when: the record behind every move (law 12).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;
use pathvane_clock::{Duration, Instant};
use pathvane_wire::Family;

use pathvane_score::BfdState;

use crate::ids::{PathId, PeerId, ServiceId};
use crate::io::{BfdUser, Share};

/// One entry of the record.
#[derive(Clone, Debug)]
pub struct Event {
    /// Counts from 1, never repeats.
    pub id: u64,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub kind: EventKind,
}

/// The kinds of event.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A peer was added to the running speaker.
    PeerAdded {
        /// Which.
        peer: PeerId,
    },
    /// A peer was changed such that its session is opened anew.
    PeerChanged {
        /// Which.
        peer: PeerId,
    },
    /// A peer was taken out of the running speaker.
    PeerRemoved {
        /// Which.
        peer: PeerId,
    },
    /// A session reached Established.
    PeerUp {
        /// Whose.
        peer: PeerId,
        /// What was negotiated, for people.
        detail: String,
    },
    /// A session left Established.
    PeerDown {
        /// Whose.
        peer: PeerId,
        /// Who closed it and why.
        reason: String,
        /// Whether the peer's routes are kept as stale (RFC 4724).
        retained: bool,
    },
    /// An attempt at a session ended before Established.
    PeerFailed {
        /// Whose.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// Routes kept from a lost session were dropped: the peer did not send them again in time.
    StaleDropped {
        /// Whose.
        peer: PeerId,
    },
    /// Stale routes of a peer are kept on beyond its restart time, as the least preferred ones (RFC 9494).
    LongLived {
        /// Whose.
        peer: PeerId,
        /// Of which family.
        family: Family,
    },
    /// A peer came near a limit on prefixes, or beyond it.
    PrefixLimit {
        /// Whose.
        peer: PeerId,
        /// The family.
        family: Family,
        /// Prefixes of the family; of those withheld if [`LimitStep::Withheld`] or [`LimitStep::Room`].
        count: u32,
        /// The limit.
        limit: u32,
        /// What it came to.
        step: LimitStep,
    },
    /// An UPDATE carried errors; the session stayed up (RFC 7606).
    Fault {
        /// Whose.
        peer: PeerId,
        /// Attribute, reason, disposition and the octets it is about; and how many more UPDATEs
        /// had faults in the same turn of reading.
        detail: String,
    },
    /// A path's verdict changed.
    Verdict {
        /// Which path.
        path: PathId,
        /// The state before.
        from: pathvane_score::State,
        /// The state now.
        to: pathvane_score::State,
        /// The numbers that led to it.
        evidence: String,
        /// When the deciding detector fired.
        detected_at: Instant,
    },
    /// Traffic of a service was moved, or would have been.
    Move(Move),
    /// Every UPDATE of a move towards `peer` left our socket.
    Wire {
        /// The move.
        move_id: u64,
        /// Towards whom.
        peer: PeerId,
        /// When the socket's unsent queue was seen past it.
        at: Instant,
    },
    /// The kernel's next-hop group of a move is in place.
    Kernel {
        /// The move.
        move_id: u64,
        /// Whether the kernel accepted it.
        ok: bool,
        /// When it said so.
        at: Instant,
    },
    /// The service's traffic is to leave by these paths (first = leader).
    FibGroup {
        /// Whose traffic.
        service: ServiceId,
        /// Counts the switches of this service.
        generation: u64,
        /// The paths that carry it, and how much of it.
        carry: Vec<Share>,
    },
    /// What one peer is told about one prefix changed.
    Signal {
        /// The move that caused it, if a move did.
        move_id: Option<u64>,
        /// The peer.
        peer: PeerId,
        /// The prefix.
        prefix: IpNet,
        /// What is said now.
        signal: Signal,
        /// Why.
        reason: &'static str,
    },
    /// A link changed.
    Link {
        /// The path on it.
        path: PathId,
        /// Whether it is up.
        up: bool,
    },
    /// The kernel learned of another size of the packets that a path takes, or takes smaller ones
    /// than it should.
    PathMtu {
        /// The path.
        path: PathId,
        /// Octets of the largest IP packet.
        octets: u16,
        /// Octets it should take, if that is configured.
        wanted: Option<u16>,
    },
    /// The first hop of a path that works answers no probes: on which side of it a fault of the
    /// path is will not be told.
    FirstHopMute {
        /// The path.
        path: PathId,
        /// The first hop.
        target: IpAddr,
    },
    /// More sources outside report on a path than are kept: so many reports had to make room before their
    /// time since this was told last.
    ReportsDisplaced {
        /// The path.
        path: PathId,
        /// How many.
        count: u64,
    },
    /// What BFD says changed.
    Bfd {
        /// Of whom.
        user: BfdUser,
        /// What it says now.
        state: BfdState,
    },
    /// The condition of an announced prefix changed (law 4).
    Condition {
        /// The service.
        service: ServiceId,
        /// The prefix.
        prefix: IpNet,
        /// Whether it holds.
        holds: bool,
    },
    /// An instance's health changed.
    Health {
        /// The service.
        service: ServiceId,
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
        service: ServiceId,
        /// Why: observe mode, frozen, shared fault, last usable way, budget.
        reason: String,
    },
    /// Steering was frozen or released by the operator.
    Frozen(bool),
    /// A drain began or went on to its next step.
    Drain(&'static str),
}

/// What a limit on prefixes came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitStep {
    /// The peer announces nearly as much as it may.
    Near,
    /// The peer announces more than it should; only told.
    Beyond,
    /// The session was closed for it, for this time or until the operator resets it.
    Closed(Option<Duration>),
    /// The peer is told nearly as much as it may be.
    NearlyFull,
    /// The peer would be told more than it may; the rest is withheld.
    Withheld,
    /// Nothing is withheld any more.
    Room,
}

/// What a peer is told about a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Announced with this MED.
    Announce {
        /// The MED.
        med: u32,
    },
    /// Not announced, withdrawn if it was.
    Withhold,
}

/// A change of the path that leads a service, or of the paths that carry it.
#[derive(Clone, Debug)]
pub struct Move {
    /// Counts from 1.
    pub id: u64,
    /// Whose traffic.
    pub service: ServiceId,
    /// The leader before.
    pub from: Option<PathId>,
    /// The leader now.
    pub to: PathId,
    /// What carried the service before, and what carries it now.
    pub carry: [Vec<Share>; 2],
    /// Why, in a sentence.
    pub cause: String,
    /// The numbers: the old and the new leader's verdicts.
    pub evidence: String,
    /// The candidates, best first, each with what spoke for or against it.
    pub alternatives: Vec<(PathId, String)>,
    /// When the deciding detector fired.
    pub detected_at: Instant,
    /// When the choice was made.
    pub decided_at: Instant,
    /// Whether it was carried out (act) or only recorded (observe, frozen).
    pub done: bool,
}
