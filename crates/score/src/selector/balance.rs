//! Strategy `balance`: several paths carry a service together.
//!
//! The laws are a leader's, applied to each path that carries. One that fails is left at once, if another
//! can take over that does not fail of the same fault; one that works again comes back as slowly as a
//! better path would take over. How good paths are beside each other moves nothing: all that keep the
//! limits of the class and have room carry.

use alloc::vec::Vec;

use pathvane_clock::Instant;

use super::rank::Standing;
use super::{Candidate, Cause, Challenge, PathId, Selector};
use crate::defaults as d;

/// A path that waits for signs that those which could take over do not fail as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    path: PathId,
    since: Instant,
    /// It still passed traffic then.
    passed: bool,
}

/// The paths that carry and are to carry, by their places among the candidates.
type Set = Vec<usize>;

/// What becomes of a path that carries and is in trouble.
enum Fate {
    /// It goes on: nobody can take over.
    Stays(Cause),
    /// It goes on for the moment.
    Waits,
    /// It carries no more. Another one comes in for it, if none that carries already can take over.
    Leaves(Option<usize>),
}

impl Selector {
    /// Decides which of `all` carry the service.
    pub(super) fn balance(&mut self, now: Instant, all: &[Candidate]) {
        let carries = |it: &Candidate| self.decision.carry.contains(&it.path);
        let set: Set = (0..all.len()).filter(|at| carries(&all[*at])).collect();
        if set.is_empty() {
            let first = self.decision.carry.is_empty();
            let cause = if first { Cause::First } else { Cause::LeaderRemoved };
            let wanted = self.top(all);
            return self.agree(now, all, wanted, cause, now);
        }
        if set.len() < self.decision.carry.len() {
            return self.agree(now, all, set, Cause::LeaderRemoved, now);
        }
        let (wanted, cause) = self.fail(now, all, &set);
        if wanted != set {
            let left = set.iter().find(|at| !wanted.contains(at)).map(|at| &all[*at]);
            let detected = left.filter(|_| cause == Cause::LeaderDown);
            let detected_at = detected.map_or(now, |left| left.verdict.detected_at);
            return self.agree(now, all, wanted, cause, detected_at);
        }
        self.decision.cause = cause;
        if cause == Cause::Kept {
            self.adjust(now, all, &set);
        } else {
            self.waiting.clear();
        }
    }

    /// All candidates that are as good as any in whether they can lead and keep the limits.
    fn top(&self, all: &[Candidate]) -> Set {
        let tier = |it: &Candidate| {
            let rank = it.rank(&self.config);
            (rank.standing, rank.keeps_limits)
        };
        let best = all.iter().map(tier).max();
        (0..all.len()).filter(|at| Some(tier(&all[*at])) == best).collect()
    }

    /// What is left of the set once those in trouble that may leave have left, and those that come in
    /// for them; and why.
    fn fail(&mut self, now: Instant, all: &[Candidate], set: &Set) -> (Set, Cause) {
        let (mut wanted, mut cause) = (set.clone(), Cause::Kept);
        let frozen = set.iter().all(|at| all[*at].is_frozen());
        let mut doubts = Vec::new();
        for &at in set {
            let Some(trouble) = all[at].trouble() else { continue };
            // Who has left already takes nothing over, and leaves his part to the others.
            match self.fate(now, all, &wanted, at, trouble) {
                Fate::Leaves(instead) => {
                    wanted.retain(|it| *it != at);
                    wanted.extend(instead);
                    cause = trouble;
                }
                Fate::Waits => {
                    doubts.push(self.doubt(now, &all[at]));
                    cause = if wanted == *set { Cause::Waiting } else { cause };
                }
                Fate::Stays(why) if cause == Cause::Kept => cause = why,
                Fate::Stays(_) => {}
            }
        }
        self.doubts = doubts;
        if !self.doubts.is_empty() {
            self.decision.next_check = Some(now + d::SHARED_LOOK);
        }
        wanted.sort_unstable();
        (wanted, if frozen && cause == Cause::Kept { Cause::Frozen } else { cause })
    }

    /// What becomes of the path at `at`, which is in trouble.
    fn fate(&self, now: Instant, all: &[Candidate], set: &Set, at: usize, trouble: Cause) -> Fate {
        let failing = &all[at];
        let standing = failing.standing_as_leader();
        let rest: Set = set.iter().copied().filter(|it| *it != at).collect();
        let takes_over = |other: usize| {
            let fits = self.hold(all, &rest, other);
            other != at && all[other].takes_over(failing, trouble, fits)
        };
        let faulty = trouble.is_fault();
        let sound = |other: usize| !faulty || !self.is_in_doubt(now, failing, &all[other]);
        let able: Set = (0..all.len()).filter(|other| takes_over(*other)).collect();
        let doubted = now.since(self.doubt(now, failing).since);
        let waited = |other: usize| doubted >= failing.waits_for(&all[other]);
        let takers: Set = able.iter().copied().filter(|it| waited(*it) || sound(*it)).collect();
        if takers.iter().any(|taker| set.contains(taker)) {
            return Fate::Leaves(None);
        }
        if let Some(instead) = self.best_of(all, &takers, faulty.then_some(failing)) {
            return Fate::Leaves(Some(instead));
        }
        match able.is_empty() {
            false => Fate::Waits,
            true if standing == Standing::Out && all.len() > 1 => Fate::Stays(Cause::SharedFault),
            // Among paths that all break the limits none is better enough.
            true => Fate::Stays(Cause::Kept),
        }
    }

    /// The best of some on the flight from the fault of `fled`.
    fn best_of(&self, all: &[Candidate], some: &Set, fled: Option<&Candidate>) -> Option<usize> {
        let rank = |at: usize| self.rank(&all[at], fled);
        some.iter().copied().reduce(|best, it| if rank(it) > rank(best) { it } else { best })
    }

    /// The doubt about those that could take over from a path: the one that lasts, or a new one.
    fn doubt(&self, now: Instant, failing: &Candidate) -> Doubt {
        let passed = failing.verdict.passes();
        let same = |it: &&Doubt| it.path == failing.path && it.passed == passed;
        let lasting = self.doubts.iter().find(same);
        lasting.copied().unwrap_or(Doubt { path: failing.path, since: now, passed })
    }

    /// Nothing is wrong: paths that could carry as well come in, and full ones leave, each after its
    /// time.
    fn adjust(&mut self, now: Instant, all: &[Candidate], set: &Set) {
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.retain(|it| {
            let at = all.iter().position(|other| other.path == it.path);
            at.is_some_and(|at| self.change_of(all, set, at).is_some())
        });
        for (at, it) in all.iter().enumerate() {
            let known = waiting.iter().any(|waiting| waiting.path == it.path);
            if !known && self.change_of(all, set, at).is_some() {
                let earliest =
                    (now + self.config.sustain).max(self.decision.since + self.config.dwell);
                let due = earliest + self.random_phase();
                waiting.push(Challenge { path: it.path, since: now, due });
            }
        }
        let due = waiting.iter().position(|it| it.due <= now).map(|nth| waiting.swap_remove(nth));
        self.waiting = waiting;
        let change = due.and_then(|due| {
            let at = all.iter().position(|it| it.path == due.path)?;
            Some((at, self.change_of(all, set, at)?, due.since))
        });
        if let Some((at, cause, since)) = change {
            let mut wanted = set.clone();
            match cause {
                Cause::Joins => wanted.push(at),
                _ => wanted.retain(|it| *it != at),
            }
            wanted.sort_unstable();
            self.agree(now, all, wanted, cause, since);
        }
        let due = self.waiting.iter().map(|it| it.due).min();
        let check = [self.decision.next_check, due].into_iter().flatten().min();
        self.decision.next_check = check;
    }

    /// What should become of a path when nothing is wrong, if anything. Where none that carries keeps
    /// the limits of the class, the least bad ones carry.
    fn change_of(&self, all: &[Candidate], set: &Set, at: usize) -> Option<Cause> {
        let keeps = |at: usize| all[at].rank(&self.config).keeps_limits;
        let all_break = !set.iter().any(|it| keeps(*it));
        if set.contains(&at) {
            let rest: Set = set.iter().copied().filter(|it| *it != at).collect();
            let holds = |it: &usize| self.hold(all, &rest, *it);
            let may_leave = !rest.is_empty() && rest.iter().all(holds);
            let full = !self.hold(all, set, at);
            let worse = all_break && rest.iter().any(|it| self.is_better(&all[*it], &all[at]));
            return match (may_leave, full, worse) {
                (true, true, _) => Some(Cause::LeaderFull),
                (true, _, true) => Some(Cause::Better),
                _ => None,
            };
        }
        let less_bad = || all_break && set.iter().any(|it| self.is_better(&all[at], &all[*it]));
        let can = all[at].standing() == Standing::Usable && self.hold(all, set, at);
        (can && (keeps(at) || less_bad())).then_some(Cause::Joins)
    }

    /// Whether a path has room for its part if it carries together with the set.
    fn hold(&self, all: &[Candidate], set: &Set, at: usize) -> bool {
        let others = set.iter().filter(|it| **it != at).map(|it| all[*it].weight);
        let own = all[at].weight;
        let part = own / (others.sum::<f64>() + own);
        let (whole, load) = (all[at].utilisation, all[at].load.unwrap_or(0.0));
        whole.is_none_or(|whole| whole - load * (1.0 - part) <= self.config.max_utilisation)
    }

    /// Makes `wanted` carry from now on.
    fn agree(
        &mut self,
        now: Instant,
        all: &[Candidate],
        wanted: Set,
        cause: Cause,
        detected_at: Instant,
    ) {
        if wanted.is_empty() {
            return;
        }
        let stays = |path: &PathId| wanted.iter().any(|at| all[*at].path == *path);
        let left = self.decision.carry.iter().copied().find(|path| !stays(path));
        self.decision.previous = left.or(self.decision.leader);
        self.decision.carry = wanted.iter().map(|at| all[*at].path).collect();
        self.decision.leader = self.decision.carry.first().copied();
        self.decision.moved = true;
        self.decision.cause = cause;
        self.decision.since = now;
        self.decision.detected_at = detected_at;
        let carry = &self.decision.carry;
        self.doubts.retain(|it| carry.contains(&it.path));
        // Whatever else was to change waits again.
        self.waiting.clear();
    }
}
