//! How a candidate compares: can it lead, does it keep the limits, has it room, how good is it.

use core::time::Duration;

use super::{Candidate, Cause, Rule, SelectorConfig, Strategy};
use crate::{Compliance, Reasons, State, defaults as d};

/// Whether a region serves of whose instances so many of all are healthy: a majority of at least two
/// decides.
pub fn is_served(healthy: u16, all: u16) -> bool {
    all < 2 || u32::from(healthy) * 2 >= u32::from(all)
}

/// Whether a path can lead. Ordered: better is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Nothing gets through it, or the operator took it out.
    Out,
    /// It works, but its region does not serve.
    Unserved,
    /// It works, but it is new, or recovering, or damped, or not measured at present: only
    /// if there is nothing better.
    Waived,
    /// It works.
    Usable,
}

/// A candidate's rank, compared from left to right; the operator's order decides ties.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Rank {
    pub(super) standing: Standing,
    pub(super) keeps_limits: bool,
    pub(super) fits: bool,
    /// It shares no risk with a leader whose fault is fled from.
    pub(super) apart: bool,
    pub(super) points: f64,
}

impl Rank {
    /// The first thing in which it differs from `other`.
    pub(super) fn rule(&self, other: &Self) -> Rule {
        if self.standing != other.standing {
            Rule::Standing
        } else if self.keeps_limits != other.keeps_limits {
            Rule::Limits
        } else if self.fits != other.fits {
            Rule::Room
        } else if self.apart != other.apart {
            Rule::Risk
        } else if self.points == other.points {
            Rule::Order
        } else {
            Rule::Score
        }
    }
}

impl Candidate {
    /// The rank of a path that does not lead.
    pub(super) fn rank(&self, config: &SelectorConfig) -> Rank {
        Rank {
            standing: self.standing(),
            keeps_limits: self.score.compliance != Compliance::Violates,
            fits: self.fits(config),
            apart: true,
            points: if config.strategy == Strategy::Ordered { 0.0 } else { self.points() },
        }
    }

    /// Whether a path that does not lead could.
    pub(super) fn standing(&self) -> Standing {
        if !self.verdict.passes() {
            Standing::Out
        } else if self.region_is_dead() || !self.is_served() {
            Standing::Unserved
        } else {
            self.standing_of_path()
        }
    }

    /// The same of a path whose region serves.
    fn standing_of_path(&self) -> Standing {
        match self.verdict.usable() && !self.is_frozen() {
            true => Standing::Usable,
            false => Standing::Waived,
        }
    }

    /// Whether the path that leads still can: being new or recovering is no reason to leave it.
    pub(super) fn standing_as_leader(&self) -> Standing {
        let young = matches!(self.verdict.state, State::Init | State::Recovering);
        let damped = self.verdict.reasons.contains(Reasons::DAMPED);
        let standing = match self.standing() {
            // A lone check is no majority: it keeps nobody in, and drives nobody out.
            Standing::Unserved if self.is_served() => self.standing_of_path(),
            standing => standing,
        };
        match standing {
            Standing::Waived if self.is_frozen() || (young && !damped) => Standing::Usable,
            standing => standing,
        }
    }

    /// No instance is healthy of all that are known, be it one: nobody has to go there.
    fn region_is_dead(&self) -> bool {
        let (healthy, all) = self.instances;
        all > 0 && healthy == 0
    }

    /// What speaks against a path that carries the service, if it should carry no more.
    pub(super) fn trouble(&self) -> Option<Cause> {
        let violates = self.score.compliance == Compliance::Violates && !self.is_frozen();
        match self.standing_as_leader() {
            Standing::Out if self.verdict.state == State::Admin => Some(Cause::LeaderRemoved),
            Standing::Out => Some(Cause::LeaderDown),
            Standing::Unserved => Some(Cause::LeaderUnserved),
            Standing::Waived => Some(Cause::LeaderDamped),
            Standing::Usable => violates.then_some(Cause::LeaderViolates),
        }
    }

    /// Whether the path can carry what one in trouble does; `fits`: it has room for that.
    pub(super) fn takes_over(&self, failing: &Self, trouble: Cause, fits: bool) -> bool {
        let (standing, lost) = (self.standing(), failing.standing_as_leader());
        match trouble {
            Cause::LeaderViolates => {
                let complies = self.score.compliance == Compliance::Complies;
                standing == Standing::Usable && complies && fits
            }
            _ => standing > lost && (fits || lost == Standing::Out),
        }
    }

    /// How long a path in trouble waits for another one to show the same fault: until its silence would have shown
    /// at its pace. If what is in trouble still passes traffic it can wait for longer.
    pub(super) fn waits_for(&self, other: &Self) -> Duration {
        if self.verdict.passes() {
            d::SHARED_SETTLE
        } else {
            d::SHARED_WAIT.max(other.verdict.evidence.shows_within)
        }
    }

    /// A majority of at least two instances decides.
    fn is_served(&self) -> bool {
        let (healthy, all) = self.instances;
        is_served(healthy, all)
    }

    /// Something is wrong with it: as a leader it may have to be left.
    pub(super) fn ails(&self) -> bool {
        let restless = matches!(self.verdict.state, State::Suspect | State::Degraded);
        (restless || self.score.compliance == Compliance::Violates) && !self.is_frozen()
    }

    /// Nothing is measured at present.
    pub(super) fn is_frozen(&self) -> bool {
        self.verdict.reasons.contains(Reasons::STALE)
    }

    /// Whether there is room for the service.
    pub(super) fn fits(&self, config: &SelectorConfig) -> bool {
        self.utilisation.is_none_or(|utilisation| utilisation <= config.max_utilisation)
    }

    /// The score less what load and the operator take off.
    pub(super) fn points(&self) -> f64 {
        self.score.value - self.deduction()
    }

    /// The least and the most that [`Candidate::points`] may be.
    pub(super) fn points_between(&self) -> (f64, f64) {
        (self.score.lcb - self.deduction(), self.score.ucb - self.deduction())
    }

    fn deduction(&self) -> f64 {
        let beyond = (self.utilisation.unwrap_or(0.0) - d::LOAD_FREE).max(0.0);
        self.cost + d::LOAD_POINTS * beyond / (1.0 - d::LOAD_FREE)
    }

    /// Whether the path may be failing of the fault that silenced `leader`, and not have shown
    /// it yet: it misses probes, its state has changed since, or it was not heard of since.
    pub(super) fn may_fail_with(&self, leader: &Self) -> bool {
        let fault = leader.verdict.evidence.missed_since;
        let restless =
            matches!(self.verdict.state, State::Suspect | State::Degraded | State::Recovering);
        let unsettled = restless && fault.is_some_and(|fault| self.verdict.since >= fault);
        let heard_at = self.verdict.evidence.not_before;
        let fresh = fault.is_none_or(|fault| heard_at.is_some_and(|sent| sent >= fault));
        self.verdict.evidence.missing || unsettled || !fresh
    }

    /// Whether both may fail together.
    pub(super) fn shares_fate(&self, other: &Self) -> bool {
        self.shared_risk & other.shared_risk != 0
    }
}
