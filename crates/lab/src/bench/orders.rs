//! What the benchmark says to its endpoints, and what they answer: one JSON document per line.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use super::table::Spec;
use super::watch::Difference;

/// The AS number of the daemon that is measured.
pub(super) const ASN: u32 = 65_000;

/// The AS number of a feed.
pub(super) const fn feed_asn(feed: u16) -> u32 {
    65_101 + feed as u32
}

/// The AS number of a receiver.
pub(super) const fn watch_asn(watch: u16) -> u32 {
    64_001 + watch as u32
}

/// Who an endpoint is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) spec: Spec,
    /// The sessions that send: number of the feed, our end, the daemon's.
    pub(super) feeds: Vec<(u16, Ipv4Addr, SocketAddrV4)>,
    /// The sessions that receive and check.
    pub(super) watches: Vec<(u16, Ipv4Addr, SocketAddrV4)>,
}

/// What receivers should come to have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Target {
    /// The best routes of these feeds.
    Feeds(Vec<u16>),
    Nothing,
}

/// How single prefixes are announced and withdrawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Pinging {
    /// Each is announced and withdrawn once. At most so often ...
    pub(super) count: u32,
    /// ... and only while a table streams in, if this is set.
    pub(super) while_streaming: bool,
    /// Rest before each announcement and each withdrawal.
    pub(super) gap_us: u64,
    /// How many prefixes take turns.
    pub(super) prefixes: u32,
}

/// How long a single prefix took, in nanoseconds from before its first octet was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Took {
    /// Until the octets were with the receiver's kernel: then, or a few KiB earlier.
    pub(super) arrived_ns: u64,
    /// Until the receiver had read the route.
    pub(super) read_ns: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// First of all. Answered with `Done` when the tables are made.
    Be(Role),
    /// Open all sessions. `Done`.
    Connect,
    /// Send all routes of these feeds. `Sent`, when the socket has taken everything.
    Announce(Vec<u16>),
    /// Withdraw all of them. `Sent`.
    Withdraw(Vec<u16>),
    /// From now on receivers should come to this. `Done`, and `Reached` when they have.
    Expect(Target),
    /// End a feed's connection, with FIN and without NOTIFICATION. `Sent`.
    Cut(u16),
    /// `Counted`.
    Count,
    /// `Compared`.
    Compare,
    /// Announce and withdraw single prefixes over the last feed, and wait for the arrival each time.
    /// `Pinged`.
    Ping(Pinging),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    /// CLOCK_MONOTONIC of the first octet.
    Sent {
        first_ns: u64,
        updates: u64,
    },
    /// CLOCK_MONOTONIC of the last UPDATE that was missing.
    Reached {
        at_ns: u64,
    },
    Counted(Counts),
    /// All receivers' tables against what they should be, from scratch.
    Compared(Difference),
    Pinged {
        announce: Vec<Took>,
        withdraw: Vec<Took>,
    },
    Failed(String),
}

/// What an endpoint has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Octets received by all sessions.
    pub(super) received: u64,
    /// UPDATEs received by the first receiver.
    pub(super) updates: u64,
}
