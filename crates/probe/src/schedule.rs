//! When the next probe is due.

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};

/// Turns at a fixed interval from a random phase; the interval may change at any time.
///
/// Turns are due on a grid that all streams share, so that thousands of them wake the loop a
/// few times a millisecond at most, and not once each.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    /// The turn last taken; `None` before the first.
    last: Option<Instant>,
    /// The next turn, not on the grid.
    next: Instant,
}

impl Schedule {
    /// Small against every interval, and a divisor of the usual ones.
    const GRID: Duration = Duration::from_micros(500);

    /// The first turn falls within one interval of `now`, where the seed says.
    pub(crate) fn new(now: Instant, interval: Duration, seed: u64) -> Self {
        let span = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        let phase = Duration::from_nanos(Rng::with_seed(seed).u64(0..span));
        Self { interval, last: None, next: now + phase }
    }

    pub(crate) fn due(&self) -> Instant {
        let grid = Self::GRID.as_nanos() as u64;
        Instant::from_nanos(self.next.as_nanos().div_ceil(grid).saturating_mul(grid))
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Changes the interval, counted from the turn last taken; a turn that thereby is overdue is due `now`.
    pub(crate) fn set_interval(&mut self, now: Instant, interval: Duration) {
        if interval == self.interval {
            return;
        }
        self.interval = interval;
        self.next = match self.last {
            Some(last) => (last + interval).max(now),
            None => self.next.min(now + interval),
        };
    }

    /// Takes the turn if it is due and returns how many were missed since; turns stay in phase.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u64> {
        if now < self.due() {
            return None;
        }
        let step = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        let missed = (now.as_nanos() - self.next.as_nanos()) / step;
        let turn = self.next + Duration::from_nanos(missed.saturating_mul(step));
        self.last = Some(turn);
        self.next = turn + self.interval;
        Some(missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn phases_differ_by_seed_and_stay_within_one_interval() {
        let mut dues: alloc::vec::Vec<_> =
            (0..50).map(|seed| Schedule::new(at(5), 1000 * MS, seed).due()).collect();
        assert!(dues.iter().all(|&due| due >= at(5) && due <= at(1005)));
        dues.sort();
        dues.dedup();
        assert!(dues.len() > 45, "phases are spread: {}", dues.len());
        assert_eq!(Schedule::new(at(5), 20 * MS, 7).due(), Schedule::new(at(5), 20 * MS, 7).due());
    }

    #[test]
    fn streams_are_due_together_and_none_is_shifted_for_good() {
        let third = Duration::from_nanos(1_000_000_000 / 3);
        let mut schedule = Schedule::new(at(5), third, 3);
        let first = schedule.due();
        let mut turns = 0;
        while schedule.due() < first + Duration::from_secs(60) {
            assert_eq!(schedule.due().as_nanos() % 500_000, 0);
            assert_eq!(schedule.take(schedule.due()), Some(0));
            turns += 1;
        }
        assert!((180..=181).contains(&turns), "three a second for a minute: {turns}");
    }

    #[test]
    fn late_turns_do_not_shift_the_phase_nor_burst() {
        let mut schedule = Schedule::new(at(0), 20 * MS, 1);
        let first = schedule.due();
        assert_eq!(schedule.take(first + 3 * MS), Some(0));
        assert_eq!(schedule.due(), first + 20 * MS);
        assert_eq!(schedule.take(first + 19 * MS), None);
        assert_eq!(schedule.take(first + 95 * MS), Some(3), "20, 40 and 60 passed unnoticed");
        assert_eq!(schedule.due(), first + 100 * MS);
    }

    #[test]
    fn a_boost_takes_effect_at_once_and_ends_without_a_gap() {
        let mut schedule = Schedule::new(at(0), 20 * MS, 1);
        let first = schedule.due();
        schedule.take(first);
        schedule.set_interval(first + 2 * MS, 5 * MS);
        assert_eq!(schedule.due(), first + 5 * MS);
        schedule.take(first + 5 * MS);
        schedule.set_interval(first + 6 * MS, 20 * MS);
        assert_eq!(schedule.due(), first + 25 * MS);
        schedule.set_interval(first + 24 * MS, 5 * MS);
        assert_eq!(schedule.due(), first + 24 * MS, "overdue by the new rate: due now");
    }

    #[test]
    fn setting_the_same_interval_again_and_again_never_starves_nor_floods() {
        let mut schedule = Schedule::new(at(0), 20 * MS, 1);
        let first = schedule.due();
        schedule.take(first);
        for ms in 1..20 {
            schedule.set_interval(first + ms * MS, 20 * MS);
        }
        assert_eq!(schedule.due(), first + 20 * MS);
    }
}
