//! How much of what a peer says goes before bulk: little, or seldom.

use pathvane_clock::Instant;

/// Octets that may come at once.
const BURST: u64 = 4 * 1024;
/// Octets a millisecond after that: some thousand lone prefixes a second.
const PER_MS: u64 = 64;

/// A bucket of octets. Who has enough left says something that others need not wait for; who
/// streams a table has none left after the first prefixes.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u64,
    /// Up to when the bucket has been refilled.
    filled: Instant,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left: BURST, filled: Instant::ZERO }
    }
}

impl Allowance {
    /// Whether so many octets are few. More than there are left take what is left.
    pub(crate) fn spend(&mut self, now: Instant, octets: usize) -> bool {
        let passed = now.since(self.filled).as_micros();
        let refill = u64::try_from(passed).unwrap_or(u64::MAX).saturating_mul(PER_MS) / 1000;
        if refill > 0 {
            self.left = self.left.saturating_add(refill).min(BURST);
            self.filled = now;
        }
        let few = octets as u64 <= self.left;
        self.left = self.left.saturating_sub(octets as u64);
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_little_always_has_some_left_and_who_streams_has_none() {
        let (mut lone, mut stream) = (Allowance::default(), Allowance::default());
        let mut now = Instant::ZERO;
        let (mut first, mut later) = (0, 0);
        for ms in 0..1000 {
            now = Instant::from_millis(ms);
            assert!(lone.spend(now, 55), "a prefix every millisecond");
            for _ in 0..8 {
                let few = stream.spend(now, 1024);
                if ms == 0 { first += u32::from(few) } else { later += u32::from(few) }
            }
        }
        assert_eq!((first, later), (4, 0));
        assert!(stream.spend(now + core::time::Duration::from_secs(1), 1024), "it has rested");
    }
}
