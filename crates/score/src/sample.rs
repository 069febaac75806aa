//! One answered probe, as the prober saw it.

use pathvane_clock::Instant;

/// One reply to a probe. What a [`crate::Meter`] learns from.
///
/// One-way delays may carry any constant clock offset: only their variation is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The number given to `sent` for this probe.
    pub seq: u32,
    /// When the reply arrived; the kernel's timestamp if there is one.
    pub at: Instant,
    /// Round-trip delay less the reflector's own time: `(T4-T1)-(T3-T2)`, in nanoseconds.
    pub rtt_ns: u64,
    /// Time from when `sent` was told until `at`, in nanoseconds: what `rtt_ns` leaves out as well, the
    /// reflector's own time and that in our own queues. How long to wait for a reply follows from it.
    pub elapsed_ns: u64,
    /// Delay towards the reflector plus the unknown clock offset, in nanoseconds: `T2-T1`.
    pub fwd_delay_ns: Option<i64>,
    /// Delay back from the reflector less the unknown clock offset, in nanoseconds: `T4-T3`.
    pub rev_delay_ns: Option<i64>,
    /// Replies lost on the way back since the one before, if the reflector counts (RFC 8762 section 4,
    /// stateful, or RFC 8972 section 4.5); negative for one that was taken for lost.
    pub rev_lost: Option<i32>,
    /// The DSCP arrived other than it was sent.
    pub remarked: bool,
}

impl Sample {
    /// A sample that knows only its round-trip delay, which is all the time that passed.
    pub fn round_trip(seq: u32, at: Instant, rtt_ns: u64) -> Self {
        Self {
            seq,
            at,
            rtt_ns,
            elapsed_ns: rtt_ns,
            fwd_delay_ns: None,
            rev_delay_ns: None,
            rev_lost: None,
            remarked: false,
        }
    }
}
