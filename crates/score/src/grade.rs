//! A letter for a score, slow to improve.

use core::fmt;

use pathvane_clock::{Duration, Instant};

use crate::defaults;

/// A score's letter. Ordered: better is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Grade {
    /// Nothing gets through, or nothing is known yet.
    #[default]
    Down,
    /// Below 60.
    D,
    /// From 60.
    C,
    /// From 70.
    B,
    /// From 80.
    A,
}

impl Grade {
    /// The grade whose band holds `score` (0 to 100), without hysteresis. Never `Down`.
    pub fn of(score: f64) -> Self {
        let band = [Self::A, Self::B, Self::C].into_iter().find(|grade| score >= grade.floor());
        band.unwrap_or(Self::D)
    }

    /// The lowest score of the band.
    pub fn floor(self) -> f64 {
        match self {
            Self::A => defaults::GRADE_A,
            Self::B => defaults::GRADE_B,
            Self::C => defaults::GRADE_C,
            Self::D | Self::Down => 0.0,
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::Down => "down",
        })
    }
}

/// A grade that falls at once and rises only after the score held a margin above the
/// boundary for a while.
#[derive(Clone, Debug, Default)]
pub(crate) struct GradeTracker {
    grade: Option<Grade>,
    better_since: Option<(Grade, Instant)>,
}

impl GradeTracker {
    /// Takes the score of `now` and returns the grade.
    pub(crate) fn update(&mut self, now: Instant, score: f64, hold: Duration) -> Grade {
        let Some(held) = self.grade else {
            return *self.grade.insert(Grade::of(score));
        };
        if Grade::of(score) < held {
            self.better_since = None;
            return *self.grade.insert(Grade::of(score));
        }
        let earned = Grade::of(score - defaults::GRADE_UP_MARGIN);
        if earned <= held {
            self.better_since = None;
            return held;
        }
        match self.better_since {
            Some((candidate, since)) if candidate <= earned => {
                if now.since(since) >= hold {
                    self.better_since = None;
                    self.grade = Some(candidate);
                }
            }
            _ => self.better_since = Some((earned, now)),
        }
        self.grade.unwrap_or(held)
    }

    /// The grade held now, `Down` before the first score.
    pub(crate) fn grade(&self) -> Grade {
        self.grade.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(30);

    #[test]
    fn boundaries_belong_to_the_better_grade() {
        let at = |score| Grade::of(score);
        assert_eq!(
            [at(80.0), at(79.99), at(70.0), at(60.0), at(59.99)],
            [Grade::A, Grade::B, Grade::B, Grade::C, Grade::D]
        );
    }

    #[test]
    fn falls_at_once_and_rises_after_the_hold_above_the_margin() {
        let mut tracker = GradeTracker::default();
        let s = Instant::from_secs;
        assert_eq!(tracker.update(s(0), 85.0, HOLD), Grade::A);
        assert_eq!(tracker.update(s(1), 79.9, HOLD), Grade::B);
        assert_eq!(tracker.update(s(2), 82.9, HOLD), Grade::B, "inside the margin");
        assert_eq!(tracker.update(s(100), 82.9, HOLD), Grade::B, "inside the margin for long");
        assert_eq!(tracker.update(s(101), 83.0, HOLD), Grade::B);
        assert_eq!(tracker.update(s(130), 83.0, HOLD), Grade::B);
        assert_eq!(tracker.update(s(131), 83.0, HOLD), Grade::A);
    }

    #[test]
    fn a_dip_restarts_the_hold() {
        let mut tracker = GradeTracker::default();
        let s = Instant::from_secs;
        tracker.update(s(0), 75.0, HOLD);
        tracker.update(s(1), 90.0, HOLD);
        tracker.update(s(20), 81.0, HOLD);
        tracker.update(s(21), 90.0, HOLD);
        assert_eq!(tracker.update(s(40), 90.0, HOLD), Grade::B);
        assert_eq!(tracker.update(s(51), 90.0, HOLD), Grade::A);
    }
}
