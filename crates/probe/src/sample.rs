//! What a stream of probes yields.

use pathvane_clock::Instant;

use crate::Ways;
use crate::stamp::{ClassOfService, Direct};

/// What the network layer told of a datagram that arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// TTL or hop limit that was left.
    pub ttl: Option<u8>,
    /// Traffic class: DSCP in the upper six bits, ECN below.
    pub class: Option<u8>,
}

/// A TTL and nothing else.
impl From<Option<u8>> for Seen {
    fn from(ttl: Option<u8>) -> Self {
        Self { ttl, class: None }
    }
}

/// One answered probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// The probe's number in its stream; wraps.
    pub seq: u32,
    /// When it left: the kernel's timestamp if one came, else when it was written.
    pub sent_at: Instant,
    /// When the reply arrived, as the shell tells.
    pub received_at: Instant,
    /// Round-trip delay (RFC 2681) without the reflector's time: `(T4-T1)-(T3-T2)`.
    pub rtt_ns: u64,
    /// All the time from writing the probe to `received_at`, with the reflector's and that in our own queues.
    pub elapsed_ns: u64,
    /// Delays of each direction; `None` without a reflector's clock (ICMP) or if its times are implausible.
    pub one_way: Option<OneWay>,
    /// The reflector's number of the reply; `None` for ICMP.
    pub reflector_seq: Option<u32>,
    /// The reflector has shown that it numbers replies by itself; a stateless one copies our number.
    pub reflector_stateful: bool,
    /// TTL or hop limit of the probe when it reached the reflector, if told.
    pub fwd_ttl: Option<u8>,
    /// TTL or hop limit of the reply when it reached us, if told.
    pub rev_ttl: Option<u8>,
    /// How the probe arrived at the reflector, if it was asked for and told.
    pub class: Option<ClassOfService>,
    /// The DSCP of the probe or of its reply is not the one it was sent with: somebody remarks
    /// ([`Options::dscp`](crate::stamp::Options::dscp)).
    pub remarked: Remarked,
    /// Packets of the session as the reflector counts them, if it was asked for and told.
    pub direct: Option<Direct>,
    /// Which way probes were lost, by the reflector's counts or else its numbers; `None` if it has
    /// neither.
    pub lost: Option<Ways>,
    /// `sent_at` is the kernel's.
    pub kernel_sent: bool,
    /// This probe was answered before; not a second arrival (RFC 5560). Leave it out of all statistics.
    pub duplicate: bool,
    /// A later probe was answered earlier (RFC 4737).
    pub reordered: bool,
    /// The probe was reported as [`Lost`] before.
    pub late: bool,
}

/// In which directions the DSCP does not survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Remarked {
    /// Towards the reflector.
    pub fwd: bool,
    /// Back from it.
    pub rev: bool,
}

impl Remarked {
    /// In either direction.
    pub const fn any(self) -> bool {
        self.fwd || self.rev
    }
}

/// Delays of the two directions, in nanoseconds, each off by the unknown difference of two clocks.
///
/// Only their variation means something (RFC 5481): the difference of the clocks cancels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OneWay {
    /// T2 − T1: sender to reflector.
    pub fwd_delay_ns: i64,
    /// T4 − T3: reflector to sender.
    pub rev_delay_ns: i64,
}

/// One probe without an answer in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// The probe's number in its stream; wraps.
    pub seq: u32,
    /// When it left.
    pub sent_at: Instant,
}

/// What became of a stream's probes and of everything that came in; each only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Probes written, less those that could not be sent.
    pub sent: u64,
    /// Probes answered in time.
    pub answered: u64,
    /// Probes reported as lost.
    pub lost: u64,
    /// Of the lost, those answered later.
    pub late: u64,
    /// Further answers to one probe.
    pub duplicates: u64,
    /// Answers that a later probe's overtook.
    pub reordered: u64,
    /// Answers that were STUN error responses: the server refuses, but the path works.
    pub declined: u64,
    /// Probes that the shell could not send.
    pub send_failed: u64,
    /// Turns of the schedule left out because they were noticed too late.
    pub skipped: u64,
    /// Datagrams too short or not of this protocol.
    pub malformed: u64,
    /// Replies to numbers never sent or long gone.
    pub unsolicited: u64,
    /// Replies with a number of ours but not our timestamp or session: forged or mixed up.
    pub mismatched: u64,
    /// Replies that our key did not sign; only with a key.
    pub unauthenticated: u64,
    /// Replies with extensions that say nothing: not understood by the reflector, malformed, or
    /// without a right HMAC. The rest of the reply counts.
    pub unusable_tlvs: u64,
    /// Answers whose probe reached the reflector with another DSCP than it was sent with.
    pub remarked_fwd: u64,
    /// Answers that came back with another DSCP than was asked for.
    pub remarked_rev: u64,
    /// Echo replies with another identifier; a raw socket sees those of the whole host.
    pub foreign: u64,
    /// Replies whose reflector's times, or kernel timestamps, that cannot be; not used.
    pub implausible: u64,
}
