//! Classes of service: what each one asks of a path, and how well a path serves it.

use alloc::string::String;
use core::fmt;

use pathvane_clock::Duration;

use crate::emodel::Codec;
use crate::{Grade, defaults};

/// What kind of traffic a service carries. Decides the score and the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Telephony: scored by the E-model.
    Voice,
    /// Desktops and terminals: scored by keystroke response.
    Interactive,
    /// Transfers: scored by the throughput that loss and delay allow.
    Bulk,
}

impl Class {
    /// Every class, in the order of [`Class::index`].
    pub const ALL: [Self; 3] = [Self::Voice, Self::Interactive, Self::Bulk];

    /// The position in tables by class.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The class's word, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The limits of a class. A path violates one only if the measurements leave no doubt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sla {
    /// The lowest acceptable score.
    pub min_score: f64,
    /// The highest acceptable round-trip loss, in millionths.
    pub max_loss_ppm: u32,
    /// The highest acceptable 98th percentile of delay variation.
    pub max_delay_variation: Option<Duration>,
    /// The highest acceptable smoothed round-trip delay.
    pub max_rtt: Option<Duration>,
}

impl Sla {
    /// The default limits of a class.
    pub const fn of(class: Class) -> Self {
        match class {
            Class::Voice => defaults::SLA_VOICE,
            Class::Interactive => defaults::SLA_INTERACTIVE,
            Class::Bulk => defaults::SLA_BULK,
        }
    }
}

/// A class of the operator's own: scored like one of the three, with limits of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnClass {
    /// What the operator calls it.
    pub name: String,
    /// Which class it is scored like.
    pub like: Class,
    /// Its limits.
    pub sla: Sla,
    /// What its calls are scored for, if it is scored like voice.
    pub codec: Codec,
    /// Throughput that scores 100, if it is scored like bulk, in bits per second.
    pub bulk_target_bps: f64,
}

/// Which limits of a class are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Violations {
    /// The score is too low.
    pub score: bool,
    /// Too much is lost.
    pub loss: bool,
    /// Delay varies too much.
    pub delay_variation: bool,
    /// The round trip takes too long.
    pub rtt: bool,
    /// Packets of full size do not get through, which all but voice needs.
    pub mtu: bool,
    /// Measurements from outside, which are trusted, say so.
    pub reported: bool,
}

impl Violations {
    /// Whether any limit is broken.
    pub const fn any(self) -> bool {
        self.score || self.loss || self.delay_variation || self.rtt || self.mtu || self.reported
    }
}

/// Whether a path keeps the limits of a class. Ordered: better is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compliance {
    /// A limit is broken beyond doubt, or was until a moment ago.
    Violates,
    /// Too few samples to say.
    Unsure,
    /// Every limit is kept.
    Complies,
}

impl Compliance {
    /// The word, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Violates => "violates",
            Self::Unsure => "unsure",
            Self::Complies => "complies",
        }
    }
}

/// How well a path serves a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScore {
    /// The class.
    pub class: Class,
    /// The score, 0 to 100.
    pub value: f64,
    /// The pessimistic end of what the samples allow (95 %).
    pub lcb: f64,
    /// The optimistic end.
    pub ucb: f64,
    /// The grade of `value`, slow to improve; `Down` while nothing gets through.
    pub grade: Grade,
    /// Whether the limits are kept.
    pub compliance: Compliance,
    /// Which limits are broken.
    pub violations: Violations,
}

impl ClassScore {
    /// The score of a path nobody measured yet.
    pub fn unknown(class: Class) -> Self {
        Self {
            class,
            value: 0.0,
            lcb: 0.0,
            ucb: 100.0,
            grade: Grade::Down,
            compliance: Compliance::Unsure,
            violations: Violations::default(),
        }
    }
}
