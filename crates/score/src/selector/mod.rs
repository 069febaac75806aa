//! One service: which of its paths leads, or which carry it together.

mod balance;
mod rank;

use alloc::vec::Vec;

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};

use crate::{ClassScore, State, Verdict, defaults as d};
use balance::Doubt;
pub use rank::is_served;
use rank::{Rank, Standing};

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
    /// All that keep the limits and have room carry together; the operator's order says which of them
    /// is called the leader.
    Balance,
}

/// What a [`Selector`] is told once. The defaults are in [`crate::defaults`].
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
    /// ... and are then made with this probability times the share of the leader's shortfall
    /// (from 100) that they gain; otherwise they wait again. Infinite: always made.
    pub eagerness: f64,
    /// A path with a higher predicted utilisation takes over only from a dead one.
    pub max_utilisation: f64,
}

impl Default for SelectorConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::Best,
            margin_points: d::MARGIN_POINTS,
            margin_ratio: d::MARGIN_RATIO,
            sustain: d::SUSTAIN,
            dwell: d::DWELL,
            phase: d::PHASE,
            eagerness: d::EAGERNESS,
            max_utilisation: d::MAX_UTILISATION,
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
    /// A bit for each risk that it shares with other paths (a conduit, a carrier, the last mile):
    /// paths with a bit in common may fail together. Zero: with nobody.
    pub shared_risk: u64,
    /// Healthy instances of the service in the path's region, and all of them. Fewer than
    /// two in all say nothing.
    pub instances: (u16, u16),
    /// Predicted utilisation (0 to 1 and above) of the path with the whole service on it, if known.
    pub utilisation: Option<f64>,
    /// The service's own part of that, if known.
    pub load: Option<f64>,
    /// What it carries of the service beside others, relative to theirs, if several do; above 0.
    pub weight: f64,
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
    /// A path that can carry the service as well has done so for long enough.
    Joins,
    /// No move: every path that could take over fails at the same moment.
    SharedFault,
    /// No move yet: a path that could take over gave no sign of life since the fault began.
    Waiting,
    /// No move: nothing is measured at present.
    Frozen,
}

impl Cause {
    /// The cause's words, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::First => "first",
            Self::LeaderDown => "leader-down",
            Self::LeaderRemoved => "leader-removed",
            Self::LeaderDamped => "leader-damped",
            Self::LeaderUnserved => "leader-unserved",
            Self::LeaderViolates => "leader-violates",
            Self::LeaderFull => "leader-full",
            Self::Better => "better",
            Self::Preferred => "preferred",
            Self::Joins => "joins",
            Self::SharedFault => "shared-fault",
            Self::Waiting => "waiting",
            Self::Frozen => "frozen",
        }
    }

    /// Moves away from a fault of the leader's path.
    fn is_fault(self) -> bool {
        matches!(self, Self::LeaderDown | Self::LeaderViolates)
    }

    /// Moves that do not wait.
    fn is_urgent(self) -> bool {
        !matches!(self, Self::LeaderFull | Self::Better | Self::Preferred | Self::Joins)
    }
}

/// The first thing in which two paths that could lead differ, in the order in which they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// One can lead, the other only if there is nothing better.
    Standing,
    /// One keeps the limits of the class, the other breaks them.
    Limits,
    /// One has room for the service, the other has not.
    Room,
    /// One shares a risk with the leader that failed, the other does not.
    Risk,
    /// One has the better adjusted score.
    Score,
    /// Nothing but their place in the operator's order.
    Order,
}

/// What a [`Selector`] decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The path that leads; `None` only if there are no candidates.
    pub leader: Option<PathId>,
    /// The paths that carry the service, the leader first: it alone, unless [`Strategy::Balance`].
    pub carry: Vec<PathId>,
    /// The paths that can take over, best first.
    pub standbys: Vec<PathId>,
    /// The paths that cannot.
    pub out: Vec<PathId>,
    /// The standby that may have to lead soon, because the leader is suspect, degraded or breaks a
    /// limit: it should be probed as one, so that it is known whether it keeps the limits.
    pub alerted: Option<PathId>,
    /// What carries the service changed with this decision.
    pub moved: bool,
    /// Why.
    pub cause: Cause,
    /// The leader before this one, or the path that carries no more.
    pub previous: Option<PathId>,
    /// The path that would lead if neither this leader nor the one before it were there, and
    /// what this leader was taken before it for. As of the last move.
    pub over: Option<(PathId, Rule)>,
    /// The adjusted score of the leader.
    pub leader_score: f64,
    /// The adjusted score of the path that led before, or of the best standby.
    pub other_score: f64,
    /// Since when the leader leads.
    pub since: Instant,
    /// When the evidence for the move was complete.
    pub detected_at: Instant,
    /// Decide again then, even if nothing is reported.
    pub next_check: Option<Instant>,
}

/// A move that waits for its time.
#[derive(Clone, Copy, Debug)]
struct Challenge {
    path: PathId,
    since: Instant,
    due: Instant,
}

/// What to do about the leader.
enum Wish {
    Keep(Cause),
    /// Hold a move back for the moment.
    Wait(Cause),
    Move(usize, Cause),
}

/// Chooses the leader of one service among its paths.
///
/// Compares, in this order: can the path lead, does it keep the limits of the class, has it
/// room, how good is it. A leader that fails is left at once; one that works is left only for
/// a path that is better by both margins for long enough, at a random moment. What fails on
/// every path alike moves nothing.
#[derive(Clone, Debug)]
pub struct Selector {
    config: SelectorConfig,
    rng: Rng,
    decision: Decision,
    challenge: Option<Challenge>,
    /// Since when a move waits for signs that the challenger does not fail as well, and whether the leader
    /// still passed traffic then: that it did for some time says nothing of its silence.
    doubted_since: Option<(Instant, bool)>,
    /// Of those that carry together: which come in or leave in time, ...
    waiting: Vec<Challenge>,
    /// ... and which would leave, if only another one were beyond doubt.
    doubts: Vec<Doubt>,
}

impl Selector {
    /// A selector that has chosen nothing. `seed` decides the random phases.
    pub fn new(now: Instant, config: SelectorConfig, seed: u64) -> Self {
        let decision = Decision {
            leader: None,
            carry: Vec::new(),
            standbys: Vec::new(),
            out: Vec::new(),
            alerted: None,
            moved: false,
            cause: Cause::Kept,
            previous: None,
            over: None,
            leader_score: 0.0,
            other_score: 0.0,
            since: now,
            detected_at: now,
            next_check: None,
        };
        Self {
            config,
            rng: Rng::with_seed(seed),
            decision,
            challenge: None,
            doubted_since: None,
            waiting: Vec::new(),
            doubts: Vec::new(),
        }
    }

    /// Decides among `candidates`, which stand in the operator's order.
    ///
    /// Call it when a verdict changed, when a candidate's inputs did, and at
    /// [`Decision::next_check`].
    pub fn decide(&mut self, now: Instant, candidates: &[Candidate]) -> &Decision {
        self.decision.moved = false;
        // Scores drift without a word.
        let review = (candidates.len() > 1).then(|| now + d::REVIEW_EVERY);
        self.decision.next_check = review;
        match self.config.strategy {
            Strategy::Balance => self.balance(now, candidates),
            Strategy::Best | Strategy::Ordered => self.lead(now, candidates),
        }
        if candidates.is_empty() {
            self.decision.leader = None;
            self.decision.carry.clear();
        }
        self.sort(candidates);
        if let Some(challenge) = &self.challenge {
            let check = self.decision.next_check.unwrap_or(Instant::MAX).min(challenge.due);
            self.decision.next_check = Some(check);
        }
        &self.decision
    }

    /// The last decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Decides which one carries the service.
    fn lead(&mut self, now: Instant, candidates: &[Candidate]) {
        match self.wish(now, candidates) {
            Wish::Move(to, cause) => self.change(now, candidates, to, cause),
            Wish::Wait(cause) => {
                self.decision.cause = cause;
                self.decision.next_check = Some(now + d::SHARED_LOOK);
            }
            Wish::Keep(cause) => self.decision.cause = cause,
        }
    }

    fn wish(&mut self, now: Instant, candidates: &[Candidate]) -> Wish {
        let leader = candidates.iter().find(|it| Some(it.path) == self.decision.leader);
        let Some(leader) = leader else {
            let first = self.decision.leader.is_none();
            let cause = if first { Cause::First } else { Cause::LeaderRemoved };
            return match self.best(candidates, None, |_, _| true) {
                Some(to) => Wish::Move(to, cause),
                None => Wish::Keep(Cause::Kept),
            };
        };
        if let Some(wish) = self.urgent(now, leader, candidates) {
            self.challenge = None;
            return wish;
        }
        self.doubted_since = None;
        if leader.is_frozen() {
            self.challenge = None;
            return Wish::Keep(Cause::Frozen);
        }
        self.patient(now, leader, candidates)
    }

    /// The leader cannot go on: who can? `None` if it can.
    fn urgent(&mut self, now: Instant, leader: &Candidate, all: &[Candidate]) -> Option<Wish> {
        let cause = leader.trouble()?;
        let standing = leader.standing_as_leader();
        let takes_over = |it: &Candidate, rank: &Rank| it.takes_over(leader, cause, rank.fits);
        let faulty = cause.is_fault();
        let sound = |it: &Candidate| !faulty || !self.is_in_doubt(now, leader, it);
        let fled = faulty.then_some(leader);
        if let Some(to) = self.best(all, fled, |it, rank| takes_over(it, rank) && sound(it)) {
            return Some(Wish::Move(to, cause));
        }
        let doubtful = self.best(all, fled, takes_over);
        let passes = leader.verdict.passes();
        let lasting = self.doubted_since.filter(|(_, passed)| *passed == passes);
        self.doubted_since = doubtful.and(lasting.or(Some((now, passes))));
        let waited = now.since(self.doubted_since.map_or(now, |(since, _)| since));
        let enough = doubtful.is_some_and(|to| waited >= leader.waits_for(&all[to]));
        match doubtful {
            Some(to) if enough => Some(Wish::Move(to, cause)),
            Some(_) => Some(Wish::Wait(Cause::Waiting)),
            None if standing == Standing::Out && all.len() > 1 => {
                Some(Wish::Keep(Cause::SharedFault))
            }
            // Among paths that all break the limits the better one may still win in time.
            None => None,
        }
    }

    /// Whether `other` may be failing of the same fault as the leader, and not have shown it yet.
    fn is_in_doubt(&self, now: Instant, leader: &Candidate, other: &Candidate) -> bool {
        if leader.verdict.passes() {
            // Degraded: wait for the fault to show on paths that share its cause.
            let young = now.since(leader.verdict.since) < d::SHARED_SETTLE;
            return other.shares_fate(leader) && (young || other.verdict.state != State::Up);
        }
        other.may_fail_with(leader)
    }

    /// The leader works: is another path better for long enough?
    fn patient(&mut self, now: Instant, leader: &Candidate, all: &[Candidate]) -> Wish {
        let cause_of = |it: &Candidate| self.betters(leader, it, all);
        // The challenger that waits already goes on, unless it fell back.
        let waiting = self.challenge.as_ref().map(|challenge| challenge.path);
        let still = all.iter().position(|it| Some(it.path) == waiting && cause_of(it).is_some());
        let Some(to) = still.or_else(|| self.best(all, None, |it, _| cause_of(it).is_some()))
        else {
            self.challenge = None;
            return Wish::Keep(Cause::Kept);
        };
        let cause = cause_of(&all[to]).unwrap_or(Cause::Better);
        let challenge = match self.challenge.filter(|it| it.path == all[to].path) {
            Some(challenge) => challenge,
            None => {
                let earliest =
                    (now + self.config.sustain).max(self.decision.since + self.config.dwell);
                let due = earliest + self.random_phase();
                Challenge { path: all[to].path, since: now, due }
            }
        };
        self.challenge = Some(challenge);
        if now < challenge.due {
            return Wish::Keep(Cause::Kept);
        }
        if cause == Cause::Better && !self.dares(leader, &all[to]) {
            let due = now + self.random_phase().max(d::PHASE_MIN);
            self.challenge = Some(Challenge { due, ..challenge });
            return Wish::Keep(Cause::Kept);
        }
        Wish::Move(to, cause)
    }

    /// Why `it` should replace a leader that works, if it should.
    fn betters(&self, leader: &Candidate, it: &Candidate, all: &[Candidate]) -> Option<Cause> {
        let (rank, led) = (it.rank(&self.config), leader.rank(&self.config));
        if it.path == leader.path
            || rank.standing != Standing::Usable
            || (led.keeps_limits && !rank.keeps_limits)
            || !rank.fits
        {
            return None;
        }
        let position = |path| all.iter().position(|it| it.path == path);
        if !led.fits {
            return Some(Cause::LeaderFull);
        }
        if self.config.strategy == Strategy::Ordered && led.keeps_limits {
            let earlier = position(it.path) < position(leader.path);
            return earlier.then_some(Cause::Preferred);
        }
        self.is_better(it, leader).then_some(Cause::Better)
    }

    /// Whether a path is better than another by both margins beyond doubt.
    fn is_better(&self, it: &Candidate, other: &Candidate) -> bool {
        let (least, _) = it.points_between();
        let (_, most) = other.points_between();
        let margin = self.config.margin_points.max(self.config.margin_ratio * most.max(0.0));
        least - most >= margin
    }

    /// Draws whether to make a move now that many may make at once.
    fn dares(&mut self, leader: &Candidate, it: &Candidate) -> bool {
        let shortfall = (100.0 - leader.points()).max(1.0);
        let gain = (it.points() - leader.points()) / shortfall;
        self.rng.f64() < self.config.eagerness * gain
    }

    fn random_phase(&mut self) -> Duration {
        self.config.phase.mul_f64(self.rng.f64())
    }

    /// The best of the candidates that `may` lead, the present leader apart. If the fault of
    /// `fled` is fled from, those that share none of its risks come before equals that do.
    fn best(
        &self,
        all: &[Candidate],
        fled: Option<&Candidate>,
        may: impl Fn(&Candidate, &Rank) -> bool,
    ) -> Option<usize> {
        let mut best: Option<(usize, Rank)> = None;
        for (i, it) in all.iter().enumerate() {
            if Some(it.path) == self.decision.leader || !may(it, &it.rank(&self.config)) {
                continue;
            }
            let rank = self.rank(it, fled);
            if best.is_none_or(|(_, best)| rank > best) {
                best = Some((i, rank));
            }
        }
        best.map(|(i, _)| i)
    }

    /// A candidate's rank by the strategy, on the flight from the fault of `fled`.
    fn rank(&self, it: &Candidate, fled: Option<&Candidate>) -> Rank {
        let mut rank = it.rank(&self.config);
        rank.apart = !fled.is_some_and(|fled| it.shares_fate(fled));
        rank
    }

    fn change(&mut self, now: Instant, candidates: &[Candidate], to: usize, cause: Cause) {
        let before = candidates.iter().find(|it| Some(it.path) == self.decision.leader);
        let fled = before.filter(|_| cause.is_fault());
        let next = self.best(candidates, fled, |it, rank| {
            it.path != candidates[to].path && rank.standing > Standing::Out
        });
        self.decision.over = next.map(|next| {
            let [took, passed] = [to, next].map(|nth| self.rank(&candidates[nth], fled));
            (candidates[next].path, took.rule(&passed))
        });
        self.decision.detected_at = match (&self.challenge, before) {
            (Some(challenge), _) if !cause.is_urgent() => challenge.since,
            (_, Some(before)) if cause == Cause::LeaderDown => before.verdict.detected_at,
            _ => now,
        };
        self.decision.previous = self.decision.leader;
        self.decision.leader = Some(candidates[to].path);
        self.decision.carry.clear();
        self.decision.carry.push(candidates[to].path);
        self.decision.moved = true;
        self.decision.cause = cause;
        self.decision.since = now;
        self.challenge = None;
        self.doubted_since = None;
    }

    /// Sorts the paths that do not carry, in storage that is kept. A standby that shares the fate of one
    /// that does counts for less.
    fn sort(&mut self, candidates: &[Candidate]) {
        let Decision { leader, carry, standbys, out, alerted, moved, previous, .. } =
            &mut self.decision;
        standbys.clear();
        out.clear();
        for it in candidates.iter().filter(|it| !carry.contains(&it.path)) {
            let able = it.standing() > Standing::Out;
            if able { standbys.push(it.path) } else { out.push(it.path) }
        }
        let rank = |path: &PathId| {
            let it = candidates.iter().find(|it| it.path == *path)?;
            let mut rank = it.rank(&self.config);
            let mut carrying = candidates.iter().filter(|other| carry.contains(&other.path));
            if carrying.any(|other| it.shares_fate(other)) {
                rank.points -= d::SHARED_RISK_POINTS;
            }
            Some(rank)
        };
        standbys
            .sort_by(|a, b| rank(b).partial_cmp(&rank(a)).unwrap_or(core::cmp::Ordering::Equal));
        let ails = |it: &Candidate| carry.contains(&it.path) && it.ails();
        *alerted = standbys.first().copied().filter(|_| candidates.iter().any(ails));
        let points = |path: Option<PathId>| {
            candidates.iter().find(|it| Some(it.path) == path).map(Candidate::points)
        };
        let other = previous.filter(|_| *moved).or(standbys.first().copied());
        self.decision.leader_score = points(*leader).unwrap_or(0.0);
        self.decision.other_score = points(other).unwrap_or(0.0);
    }
}
