//! How much is done at a time: so much that nobody waits long for it.

use std::time::Duration;

/// What one call into the engine, and with it one turn of the loop, should take at most. Somebody
/// with a lone prefix waits for half of it on average.
pub(super) const TURN: Duration = Duration::from_micros(100);

/// An amount of work that takes about [`TURN`], by what the last ones took.
#[derive(Debug)]
pub(super) struct Pace {
    amount: u32,
    least: u32,
    most: u32,
}

impl Pace {
    /// Begins with the least.
    pub(super) const fn new(least: u32, most: u32) -> Self {
        Self { amount: least, least, most }
    }

    /// How much to do next.
    pub(super) const fn amount(&self) -> u32 {
        self.amount
    }

    /// What was done took so long; `whole` says whether it was all of the amount. By steps of a
    /// quarter at most, so that turns are neither long nor many.
    pub(super) fn learn(&mut self, took: Duration, whole: bool) {
        if took > TURN {
            self.amount = (self.amount - self.amount / 4).max(self.least);
        } else if whole && took < TURN * 3 / 4 {
            self.amount = (self.amount + self.amount / 4).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amount_follows_what_it_takes_and_stays_in_its_bounds() {
        let mut pace = Pace::new(1024, 8192);
        // 40 ns each: 2500 take 100 microseconds.
        let mut last = Vec::new();
        for _ in 0..20 {
            last.push(pace.amount());
            pace.learn(Duration::from_nanos(40) * pace.amount(), true);
        }
        assert!(last[10..].iter().all(|amount| (1875..=2500).contains(amount)), "{last:?}");
        for _ in 0..20 {
            pace.learn(Duration::from_millis(1), true);
        }
        assert_eq!(pace.amount(), 1024);
        for _ in 0..20 {
            pace.learn(Duration::ZERO, false);
        }
        assert_eq!(pace.amount(), 1024, "what was little says nothing");
        for _ in 0..20 {
            pace.learn(Duration::ZERO, true);
        }
        assert_eq!(pace.amount(), 8192);
    }
}
