//! The life of a path: fast to fall, slow to rise, and its flaps remembered.

use pathvane_clock::{Duration, Instant};

use super::MonitorConfig;
use crate::damping::Penalty;
use crate::{Reasons, State, defaults as d};

/// What is true of the path now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// The operator took it out.
    pub(super) admin: bool,
    /// LINK_DOWN, BFD_DOWN, or the certain silence of two reflectors and more.
    pub(super) down: Reasons,
    /// Reasons that degrade it; with SILENCE nothing gets through, but one lone reflector says so.
    pub(super) degraded: Reasons,
    /// They are more than another delay than usual, with which all limits are kept.
    pub(super) harmful: bool,
    /// Probes are missing.
    pub(super) suspicious: bool,
    /// Nothing is measured: the state stands.
    pub(super) frozen: bool,
    /// Probes answered since the path exists.
    pub(super) answered: u64,
    /// A probe of the running silence was answered after all: it was delay.
    pub(super) rescued: bool,
}

/// What it takes to leave a state by working. A path that is known by its link or BFD
/// session alone needs no probes.
#[derive(Clone, Copy, Debug)]
struct Needs {
    init_after: Duration,
    /// Probes that make a path known whatever the time; `None` if there are none.
    init_probes: Option<u64>,
    /// Probes without which time alone makes no path known.
    init_probes_min: u64,
    recover_after: Duration,
    recover_probes: u64,
}

impl Needs {
    fn is_known(&self, age: Duration, answered: u64) -> bool {
        self.init_probes.is_some_and(|enough| answered >= enough)
            || (age >= self.init_after && answered >= self.init_probes_min)
    }

    fn is_recovered(&self, age: Duration, answered: u64) -> bool {
        age >= self.recover_after && answered >= self.recover_probes
    }
}

/// The state machine of one path.
#[derive(Clone, Debug)]
pub(super) struct Life {
    needs: Needs,
    state: State,
    /// When the state was entered.
    since: Instant,
    detected_at: Instant,
    /// Probes answered when the state was entered.
    answered_before: u64,
    /// The running suspicion came to nothing.
    cleared: bool,
    penalties: [Option<Penalty>; 2],
    degraded_at: Option<Instant>,
    /// The running bad spell has done no harm.
    free: bool,
    /// The running outage was counted.
    down_cost: bool,
}

impl Life {
    /// The life of a path that is `probed`, or not.
    pub(super) fn new(now: Instant, config: &MonitorConfig, probed: bool) -> Self {
        let probes = |count: u32| if probed { u64::from(count) } else { 0 };
        let needs = Needs {
            init_after: config.init_after,
            init_probes: probed.then_some(config.init_probes.into()),
            init_probes_min: probes(d::INIT_PROBES_MIN.min(config.init_probes)),
            recover_after: config.recover_after,
            recover_probes: probes(config.recover_probes),
        };
        Self {
            needs,
            state: State::Init,
            since: now,
            detected_at: now,
            answered_before: 0,
            cleared: false,
            penalties: config.damping.map(|damping| damping.map(|it| Penalty::new(now, it))),
            degraded_at: None,
            free: false,
            down_cost: false,
        }
    }

    /// The state less damping.
    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn detected_at(&self) -> Instant {
        self.detected_at
    }

    /// Whether the path is suppressed at `now`.
    pub(super) fn damped(&mut self, now: Instant) -> bool {
        self.penalties.iter_mut().flatten().fold(false, |any, it| it.update(now) | any)
    }

    /// The penalty that is nearest to suppressing.
    pub(super) fn penalty(&self, now: Instant) -> u32 {
        let nearest =
            self.penalties.iter().flatten().max_by(|a, b| a.share(now).total_cmp(&b.share(now)));
        nearest.map_or(0.0, |it| it.value(now)) as u32
    }

    /// Takes the facts of `now`, which were complete at `detected`. Returns whether the
    /// state changed.
    pub(super) fn advance(&mut self, now: Instant, detected: Instant, facts: &Facts) -> bool {
        if !facts.suspicious {
            self.cleared = false;
        }
        let next = self.next(now, facts);
        if next == self.state {
            if self.free && facts.harmful {
                self.punish_degraded(now, facts);
            }
            return false;
        }
        self.punish(now, next, facts);
        if self.state == State::Suspect && next == State::Up {
            self.cleared = facts.suspicious;
        }
        self.state = next;
        self.since = now;
        self.detected_at = detected;
        self.answered_before = facts.answered;
        true
    }

    /// When time alone would change the state.
    pub(super) fn timeout(&self, facts: &Facts) -> Option<Instant> {
        let needs = &self.needs;
        let enough = |probes: u64| facts.answered - self.answered_before >= probes;
        let own = match self.state {
            State::Init if enough(needs.init_probes_min) => Some(self.since + needs.init_after),
            State::Recovering if enough(needs.recover_probes) => {
                Some(self.since + needs.recover_after)
            }
            State::Suspect => Some(self.since + d::SUSPECT_MAX),
            _ => None,
        };
        let reuse = self.penalties.iter().flatten().filter_map(Penalty::reuse_at);
        reuse.chain(own.filter(|_| !facts.frozen)).min()
    }

    fn next(&self, now: Instant, facts: &Facts) -> State {
        if facts.admin {
            return State::Admin;
        }
        if !facts.down.is_empty() {
            return State::Down;
        }
        if facts.frozen {
            return self.state;
        }
        let silent = facts.degraded.contains(Reasons::SILENCE);
        let age = now.since(self.since);
        let answered = facts.answered - self.answered_before;
        match self.state {
            State::Init if silent => State::Degraded,
            State::Init if !self.needs.is_known(age, answered) => State::Init,
            State::Admin => State::Init,
            State::Degraded | State::Down if self.is_first_heard(facts) => State::Init,
            _ if !facts.degraded.is_empty() => State::Degraded,
            State::Degraded | State::Down => State::Recovering,
            State::Recovering if !self.needs.is_recovered(age, answered) => State::Recovering,
            State::Up if facts.suspicious && !self.cleared => State::Suspect,
            State::Suspect if facts.suspicious && age < d::SUSPECT_MAX => State::Suspect,
            _ => State::Up,
        }
    }

    /// Whether a path that was never heard of before its fault is heard now: it does not recover, it is new. So
    /// its routes may come up later than its probes.
    fn is_first_heard(&self, facts: &Facts) -> bool {
        self.needs.init_probes.is_some() && self.answered_before == 0 && facts.answered > 0
    }

    /// Adds to the penalties what the change to `next` costs. An outage that turns out to be a step of
    /// delay was none.
    fn punish(&mut self, now: Instant, next: State, facts: &Facts) {
        let delayed = facts.rescued && facts.degraded.contains(Reasons::DELAY);
        let down_cost = core::mem::take(&mut self.down_cost);
        self.free = false;
        if delayed && down_cost {
            self.penalties.iter_mut().flatten().for_each(|it| it.take_back(now));
        }
        if self.state == State::Init || self.state == State::Admin {
            return;
        }
        match next {
            State::Down => {
                self.down_cost = true;
                self.penalties.iter_mut().flatten().for_each(|it| it.add(now, d::PENALTY_DOWN));
            }
            State::Degraded => self.punish_degraded(now, facts),
            _ => {}
        }
    }

    /// Adds what a bad spell costs, as soon as it does harm.
    fn punish_degraded(&mut self, now: Instant, facts: &Facts) {
        self.free = !facts.harmful;
        if facts.harmful && !self.degraded_lately(now) {
            self.degraded_at = Some(now);
            self.penalties.iter_mut().flatten().for_each(|it| it.add(now, d::PENALTY_DEGRADED));
        }
    }

    /// Whether this bad spell was counted already.
    fn degraded_lately(&self, now: Instant) -> bool {
        self.degraded_at.is_some_and(|at| now.since(at) < d::PENALTY_DEGRADED_EVERY)
    }
}
