//! One service: which of its paths leads.

use alloc::vec::Vec;

use pathvane_clock::{Duration, Instant};

use crate::{ClassScore, Verdict};

/// A path's number, given by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u32);

/// How a leader is chosen among paths that keep the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// The best score; the operator's order decides ties.
    #[default]
    Best,
    /// The first in the operator's order.
    Ordered,
}

/// What a [`Selector`] is told once.
#[derive(Clone, Debug)]
pub struct SelectorConfig {
    /// How a leader is chosen.
    pub strategy: Strategy,
    /// A challenger must be better by this many points ...
    pub margin_points: f64,
    /// ... and by this share of the leader's score ...
    pub margin_ratio: f64,
    /// ... for this long.
    pub sustain: Duration,
    /// A leader that works is kept at least this long.
    pub dwell: Duration,
    /// Moves that are not urgent wait a random time up to this, so that many sites do not
    /// move together.
    pub phase: Duration,
}

impl Default for SelectorConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::Best,
            margin_points: 5.0,
            margin_ratio: 0.10,
            sustain: Duration::from_secs(10),
            dwell: Duration::from_secs(30),
            phase: Duration::from_secs(5),
        }
    }
}

/// A path that a service may use, as it looks now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The path.
    pub path: PathId,
    /// Its verdict.
    pub verdict: Verdict,
    /// Its score for the service's class.
    pub score: ClassScore,
    /// Paths with the same group fail together (last mile, carrier); `None`: with nobody.
    pub fate_group: Option<u32>,
    /// Healthy instances of the service in the path's region, and all of them. Fewer than
    /// two in all say nothing.
    pub instances: (u16, u16),
    /// Predicted utilisation (0 to 1 and above) of the path with the service on it, if known.
    pub utilisation: Option<f64>,
    /// Points the operator takes off the score.
    pub cost: f64,
}

/// Why a leader leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing to choose: the leader stays.
    Kept,
    /// The first choice.
    First,
    /// The leader was down, or nothing got through it.
    LeaderDown,
    /// The leader was taken out or removed by the operator.
    LeaderRemoved,
    /// The leader was suppressed for failing too often.
    LeaderDamped,
    /// The leader's region no longer serves: most instances are unhealthy.
    LeaderUnserved,
    /// The leader broke a limit of the class, and the new one keeps them all.
    LeaderViolates,
    /// The leader was full.
    LeaderFull,
    /// The new leader was better by both margins for long enough.
    Better,
    /// An earlier path of the operator's order works again.
    Preferred,
    /// No move: every path that could take over fails at the same moment.
    SharedFault,
    /// No move: nothing is measured at present.
    Frozen,
}

/// What a [`Selector`] decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The path that leads; `None` only if there are no candidates.
    pub leader: Option<PathId>,
    /// The paths that can take over, best first.
    pub standbys: Vec<PathId>,
    /// The paths that cannot.
    pub out: Vec<PathId>,
    /// The leader changed with this decision.
    pub moved: bool,
    /// Why.
    pub cause: Cause,
    /// The leader before this decision.
    pub previous: Option<PathId>,
    /// The adjusted score of the leader.
    pub leader_score: f64,
    /// The adjusted score of the path that led before, or of the best challenger.
    pub other_score: f64,
    /// When the evidence for the move was complete.
    pub detected_at: Instant,
    /// Decide again then, even if nothing is reported.
    pub next_check: Option<Instant>,
}

/// Chooses the leader of one service among its paths.
#[derive(Clone, Debug)]
pub struct Selector {
    config: SelectorConfig,
    decision: Decision,
}

impl Selector {
    /// A selector that has chosen nothing. `seed` decides the random phases.
    pub fn new(now: Instant, config: SelectorConfig, seed: u64) -> Self {
        let _ = seed;
        let decision = Decision {
            leader: None,
            standbys: Vec::new(),
            out: Vec::new(),
            moved: false,
            cause: Cause::Kept,
            previous: None,
            leader_score: 0.0,
            other_score: 0.0,
            detected_at: now,
            next_check: None,
        };
        Self { config, decision }
    }

    /// Decides among `candidates`, which stand in the operator's order.
    ///
    /// Call it when a verdict changed, when a candidate's inputs did, and at
    /// [`Decision::next_check`].
    pub fn decide(&mut self, now: Instant, candidates: &[Candidate]) -> &Decision {
        let _ = (now, candidates, &self.config);
        &self.decision
    }

    /// The last decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }
}
