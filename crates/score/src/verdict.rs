//! What is said about a path: state, reasons, grade, and the evidence for them.

use core::fmt;

use pathvane_clock::{Duration, Instant};

use crate::Grade;

/// Where a path stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum State {
    /// Too little was measured yet.
    #[default]
    Init,
    /// Works.
    Up,
    /// Works as far as proven, but probes are missing: being looked at more closely.
    Suspect,
    /// Works badly, or one lone reflector is silent: re-rank, do not withdraw.
    Degraded,
    /// Nothing gets through.
    Down,
    /// Works again, not yet for long enough.
    Recovering,
    /// Works now, but failed too often lately.
    Suppressed,
    /// Taken out by the operator.
    Admin,
}

impl State {
    /// The state's word, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Recovering => "recovering",
            Self::Suppressed => "suppressed",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of reasons. Displays as words joined by `+`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reasons(u32);

impl Reasons {
    /// No reason.
    pub const NONE: Self = Self(0);
    /// Every reflector stopped answering.
    pub const SILENCE: Self = Self(1);
    /// The interface lost its carrier or was set down.
    pub const LINK_DOWN: Self = Self(1 << 1);
    /// BFD says down (RFC 5880).
    pub const BFD_DOWN: Self = Self(1 << 2);
    /// Loss well above what is usual on this path, or above the limit.
    pub const LOSS: Self = Self(1 << 3);
    /// The loss is on the way to the reflector.
    pub const LOSS_FWD: Self = Self(1 << 4);
    /// The loss is on the way back.
    pub const LOSS_REV: Self = Self(1 << 5);
    /// Round-trip delay stepped up.
    pub const DELAY: Self = Self(1 << 6);
    /// Delay variation stepped up.
    pub const JITTER: Self = Self(1 << 7);
    /// The score for the path's neediest class is below grade C beyond doubt.
    pub const LOW_SCORE: Self = Self(1 << 8);
    /// Probes arrive with another DSCP than they were sent with. Told, not acted on.
    pub const REMARKED: Self = Self(1 << 9);
    /// Some reflectors are silent or lossy while others are well: theirs is the fault. Told, not acted on.
    pub const REFLECTOR: Self = Self(1 << 10);
    /// One source port or stream of a reflector is silent while others are well: a member of a
    /// multipath bundle is broken.
    pub const ECMP_MEMBER: Self = Self(1 << 11);
    /// No probe was sent for too long: the last state stands, frozen.
    pub const STALE: Self = Self(1 << 12);
    /// No reflector ever answered: it may be the probes that are wrong, not the path.
    pub const NEVER_ANSWERED: Self = Self(1 << 13);
    /// Failed too often lately.
    pub const DAMPED: Self = Self(1 << 14);

    /// The fault is on the way to the first hop, or in it. Told, not acted on.
    pub const LAST_MILE: Self = Self(1 << 15);
    /// The first hop answers as ever: the fault is beyond it. Told, not acted on.
    pub const TRANSIT: Self = Self(1 << 16);

    /// Packets of full size get lost, small ones do not.
    pub const MTU_HOLE: Self = Self(1 << 17);

    /// Measurements from outside say that a limit is broken.
    pub const REPORTED: Self = Self(1 << 18);

    /// The step of delay is on the way to the reflector.
    pub const DELAY_FWD: Self = Self(1 << 19);
    /// The step of delay is on the way back.
    pub const DELAY_REV: Self = Self(1 << 20);
    /// Delay varies more on the way to the reflector.
    pub const JITTER_FWD: Self = Self(1 << 21);
    /// Delay varies more on the way back.
    pub const JITTER_REV: Self = Self(1 << 22);

    pub(crate) const DELAY_WAYS: Self = Self::DELAY_FWD.with(Self::DELAY_REV);
    pub(crate) const JITTER_WAYS: Self = Self::JITTER_FWD.with(Self::JITTER_REV);

    const NAMES: [(Self, &'static str); 23] = [
        (Self::SILENCE, "silence"),
        (Self::LINK_DOWN, "link-down"),
        (Self::BFD_DOWN, "bfd-down"),
        (Self::LOSS, "loss"),
        (Self::LOSS_FWD, "loss-forward"),
        (Self::LOSS_REV, "loss-reverse"),
        (Self::DELAY, "delay"),
        (Self::DELAY_FWD, "delay-forward"),
        (Self::DELAY_REV, "delay-reverse"),
        (Self::JITTER, "jitter"),
        (Self::JITTER_FWD, "jitter-forward"),
        (Self::JITTER_REV, "jitter-reverse"),
        (Self::LOW_SCORE, "low-score"),
        (Self::REMARKED, "remarked"),
        (Self::REFLECTOR, "reflector"),
        (Self::ECMP_MEMBER, "ecmp-member"),
        (Self::MTU_HOLE, "mtu-hole"),
        (Self::REPORTED, "reported"),
        (Self::LAST_MILE, "last-mile"),
        (Self::TRANSIT, "transit"),
        (Self::STALE, "stale"),
        (Self::NEVER_ANSWERED, "never-answered"),
        (Self::DAMPED, "damped"),
    ];

    /// Whether every reason of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any reason of `other` is in the set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is no reason.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// With `other` if `condition` holds, unchanged otherwise.
    #[must_use]
    pub const fn with_if(self, condition: bool, other: Self) -> Self {
        if condition { self.with(other) } else { self }
    }

    /// The set less `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The words of the set, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |&(bit, _)| self.contains(bit)).map(|(_, name)| name)
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.names().enumerate() {
            f.write_str(if i == 0 { "" } else { "+" })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reasons({self})")
    }
}

/// What was measured when a verdict was given. All of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Evidence {
    /// Reflectors measured.
    pub reflectors: u8,
    /// Reflectors that are silent.
    pub silent: u8,
    /// Source ports that are silent while others of their stream are answered.
    pub silent_ports: u8,
    /// Unanswered probes in a row, on the stream that has the fewest.
    pub missed: u32,
    /// Some stream misses probes at this moment, and is not long silent.
    pub missing: bool,
    /// The newest reply of any reflector.
    pub last_reply: Option<Instant>,
    /// The earliest moment at which a running fault can have begun: when the newest
    /// probe that was answered was sent.
    pub not_before: Option<Instant>,
    /// When the first of the missed probes was sent, on the stream where that was last.
    pub missed_since: Option<Instant>,
    /// How long its silence takes to show at the pace at which it is probed now.
    pub shows_within: Duration,
    /// Smoothed round-trip delay (RFC 6298), of the fastest reflector.
    pub rtt_ns: u64,
    /// What the round-trip delay usually is here.
    pub usual_rtt_ns: u64,
    /// Interarrival jitter (RFC 3550).
    pub jitter_ns: u64,
    /// Recent round-trip loss, in millionths.
    pub loss_ppm: u32,
    /// What the loss usually is here, in millionths.
    pub usual_loss_ppm: u32,
    /// The share of what an alarm of loss takes that is there, from 0; at 1 it is raised.
    pub loss_evidence: f32,
    /// The damping penalty.
    pub penalty: u32,
}

/// The judgement of one path at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Where the path stands.
    pub state: State,
    /// Why; also reasons that do not change the state.
    pub reasons: Reasons,
    /// The grade for the path's neediest class, slow to improve; `Down` while nothing gets
    /// through.
    pub grade: Grade,
    /// The score for the path's neediest class, 0 to 100.
    pub score: f64,
    /// The transmission rating R of voice (ITU-T G.107, echo-free, 0 to 93.2) at the
    /// pessimistic end of what the samples allow (95 %).
    pub r_lcb: f64,
    /// R at the optimistic end.
    pub r_ucb: f64,
    /// Mean opinion score estimated from R (G.107 Annex B), 1 to 4.5.
    pub mos: f64,
    /// Probes behind the loss estimate, weighed by age.
    pub n: u32,
    /// When the state was entered.
    pub since: Instant,
    /// When the evidence for the state was complete: the instant the detector fired at.
    pub detected_at: Instant,
    /// The measurements.
    pub evidence: Evidence,
}

impl Verdict {
    /// The verdict of a path nobody measured yet.
    pub fn unknown(now: Instant) -> Self {
        Self {
            state: State::Init,
            reasons: Reasons::NONE,
            grade: Grade::Down,
            score: 0.0,
            r_lcb: 0.0,
            r_ucb: 100.0,
            mos: 1.0,
            n: 0,
            since: now,
            detected_at: now,
            evidence: Evidence::default(),
        }
    }

    /// Whether the path's routes may be withdrawn: it is down, and that is certain. Link or
    /// BFD down, or the silence of at least two reflectors that once answered.
    ///
    /// One lone silent reflector, and a path on which nothing was ever heard, only re-rank.
    pub fn may_withdraw(&self) -> bool {
        self.state == State::Down && !self.reasons.contains(Reasons::NEVER_ANSWERED)
    }

    /// Whether traffic gets through at all, as far as known.
    pub fn passes(&self) -> bool {
        !matches!(self.state, State::Down | State::Admin)
            && !self.reasons.contains(Reasons::SILENCE)
    }

    /// Whether the path can lead without excuse: it passes and is neither too young, nor
    /// recovering, nor damped.
    pub fn usable(&self) -> bool {
        self.passes()
            && matches!(self.state, State::Up | State::Suspect | State::Degraded)
            && !self.reasons.contains(Reasons::DAMPED)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn reasons_read_as_words() {
        let reasons = Reasons::LOSS.with(Reasons::SILENCE);
        assert_eq!(reasons.to_string(), "silence+loss");
        assert_eq!(Reasons::NONE.to_string(), "");
        assert!(reasons.intersects(Reasons::LOSS.with(Reasons::DELAY)));
        assert!(!reasons.contains(Reasons::LOSS.with(Reasons::DELAY)));
        assert_eq!(reasons.without(Reasons::LOSS), Reasons::SILENCE);
    }

    #[test]
    fn a_lone_reflectors_silence_moves_but_does_not_withdraw() {
        let mut verdict = Verdict::unknown(Instant::ZERO);
        verdict.state = State::Degraded;
        verdict.reasons = Reasons::SILENCE;
        assert!(!verdict.usable() && !verdict.may_withdraw());
        verdict.state = State::Down;
        assert!(verdict.may_withdraw());
        verdict.reasons = Reasons::SILENCE.with(Reasons::NEVER_ANSWERED);
        assert!(!verdict.may_withdraw());
    }
}
