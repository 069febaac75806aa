//! How many probes a second all streams may send together.

use pathvane_clock::Duration;

/// Rates in use, against the most that is allowed.
#[derive(Debug)]
pub(crate) struct RateBudget {
    limit_mpps: u64,
    used_mpps: u64,
}

impl RateBudget {
    /// A budget of `limit` probes a second, none in use.
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit_mpps: u64::from(limit) * 1_000, used_mpps: 0 }
    }

    /// A stream starts at this interval, whatever the limit: each path is measured.
    pub(crate) fn take(&mut self, interval: Duration) {
        self.used_mpps += rate_mpps(interval);
    }

    /// Whether a stream may change its interval, which is then accounted for. Slowing down
    /// always may.
    pub(crate) fn change(&mut self, before: Duration, after: Duration) -> bool {
        let others = self.used_mpps.saturating_sub(rate_mpps(before));
        let used = others + rate_mpps(after);
        let may = after >= before || used <= self.limit_mpps;
        if may {
            self.used_mpps = used;
        }
        may
    }
}

/// Thousandths of a probe per second.
fn rate_mpps(interval: Duration) -> u64 {
    let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    1_000_000_000_000 / nanos.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn streams_speed_up_until_the_limit_and_again_when_others_have_slowed_down() {
        let mut budget = RateBudget::new(250);
        for _ in 0..2 {
            budget.take(ms(20));
        }
        assert!(budget.change(ms(20), ms(5)), "200 + 50");
        assert!(!budget.change(ms(20), ms(5)), "400 is too much");
        assert!(!budget.change(ms(20), ms(19)), "and so is a little more");
        assert!(budget.change(ms(5), ms(20)), "slowing down always may");
        assert!(budget.change(ms(20), ms(5)), "the other one's turn");
    }

    #[test]
    fn what_starts_above_the_limit_is_measured_and_never_boosted() {
        let mut budget = RateBudget::new(10);
        budget.take(ms(20));
        assert!(!budget.change(ms(20), ms(5)));
        assert!(budget.change(ms(20), ms(100)));
        assert!(!budget.change(ms(100), ms(20)));
        assert!(budget.change(ms(100), ms(100)));
    }
}
