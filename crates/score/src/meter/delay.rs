//! Delay and its variation.

use pathvane_clock::{Duration, Instant};

use super::histogram::Histogram;
use crate::defaults as d;

/// RFC 6298 smoothing and RFC 3550 jitter, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Smooth {
    /// 0 while nothing is known.
    srtt: f32,
    rttvar: f32,
    jitter: f32,
    last: f32,
    /// What a reply takes beyond the delay: the reflector's time, our own queues.
    beyond: f32,
    beyond_var: f32,
}

impl Smooth {
    /// Takes a round-trip delay in the order of arrival; returns by how much it differs
    /// from the one before.
    pub(crate) fn update(&mut self, rtt: f32) -> Option<f32> {
        let rtt = rtt.max(1.0);
        if self.srtt == 0.0 {
            *self = Self { srtt: rtt, rttvar: rtt / 2.0, last: rtt, ..Self::default() };
            return None;
        }
        let difference = libm::fabsf(rtt - self.last);
        self.rttvar += (libm::fabsf(self.srtt - rtt) - self.rttvar) / 4.0;
        self.srtt += (rtt - self.srtt) / 8.0;
        self.jitter += (difference - self.jitter) / 16.0;
        self.last = rtt;
        Some(difference)
    }

    /// Takes what the reply took beyond the delay.
    pub(crate) fn update_beyond(&mut self, beyond: f32) {
        self.beyond_var += (libm::fabsf(self.beyond - beyond) - self.beyond_var) / 4.0;
        self.beyond += (beyond - self.beyond) / 8.0;
    }

    /// How long a reply takes.
    pub(crate) fn expected(&self) -> Duration {
        Duration::from_nanos((self.srtt + self.beyond) as u64)
    }

    pub(crate) fn srtt(&self) -> f32 {
        self.srtt
    }

    pub(crate) fn rttvar(&self) -> f32 {
        self.rttvar
    }

    pub(crate) fn jitter(&self) -> f32 {
        self.jitter
    }

    /// How long to wait for a reply before a probe counts as missed: the larger of the smoothed and
    /// the last delay, what replies take beyond it, and a margin of four deviations of both
    /// (RFC 6298) or 5 ms.
    pub(crate) fn patience(&self) -> Duration {
        if self.srtt == 0.0 {
            return d::PATIENCE_INITIAL;
        }
        let margin = (4.0 * (self.rttvar + self.beyond_var)).max(d::SILENCE_MARGIN_NS);
        let patience = self.srtt.max(self.last) + self.beyond + margin;
        let patience = Duration::from_nanos(patience as u64);
        patience.min(d::PATIENCE_MAX)
    }
}

/// Delay variation over the least delay of the last half to one minute (RFC 5481 PDV).
///
/// The least delay is forgotten because routes change and, for one-way delays, because
/// clocks drift: within a minute by less than what a bucket can tell.
#[derive(Clone, Debug)]
pub(crate) struct Variation {
    histogram: Histogram,
    /// The least delay of this window and of the one before; `MAX` while nothing is known.
    least: i64,
    least_before: i64,
    /// What the histogram counts from.
    anchor: i64,
}

impl Default for Variation {
    fn default() -> Self {
        let unknown = i64::MAX;
        Self {
            histogram: Histogram::default(),
            least: unknown,
            least_before: unknown,
            anchor: unknown,
        }
    }
}

impl Variation {
    /// Whether `delay` is so far below the least one that it is another route, or another clock.
    pub(crate) fn undercuts(&self, delay: i64) -> bool {
        self.anchor != i64::MAX && self.least().saturating_sub(delay) > d::SHIFT_MIN_NS as i64
    }

    /// Takes one delay; `roll` begins a new window for the least delay. What was counted on a longer
    /// route is no variation of a shorter one: then counting begins anew.
    pub(crate) fn record(&mut self, delay: i64, roll: bool) {
        if self.undercuts(delay) {
            *self = Self::default();
        }
        if self.anchor == i64::MAX {
            self.anchor = delay;
        } else if roll {
            self.least_before = self.least;
            self.least = delay;
        }
        self.least = self.least.min(delay);
        let least = self.least();
        let moved = self.anchor.saturating_sub(least);
        if moved.unsigned_abs() > d::VARIATION_ANCHOR_SLACK_NS {
            self.histogram.shift(moved);
            self.anchor = least;
        }
        self.histogram.record(delay.saturating_sub(self.anchor).max(0) as u64);
    }

    pub(crate) fn halve(&mut self) {
        self.histogram.halve();
    }

    /// The least delay; `MAX` if nothing was recorded.
    pub(crate) fn least(&self) -> i64 {
        self.least.min(self.least_before)
    }

    /// Counts of the delay above the least; `None` if nothing was recorded.
    pub(crate) fn histogram(&self) -> Option<&Histogram> {
        (self.anchor != i64::MAX).then_some(&self.histogram)
    }
}

/// Times at which histograms are halved and least delays begin anew: the same moments for all.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    /// Half-lives since the clock began.
    halved: u32,
}

impl Rounds {
    pub(crate) fn new(now: Instant) -> Self {
        Self { halved: half_lives(now) }
    }

    /// How many halvings are due, 16 at most (which empty a histogram), and whether a window
    /// is over.
    pub(crate) fn due(&mut self, now: Instant) -> (u32, bool) {
        let now = half_lives(now).max(self.halved);
        let before = core::mem::replace(&mut self.halved, now);
        let rounds = (d::LEAST_DELAY_WINDOW.as_nanos() / d::VARIATION_HALF_LIFE.as_nanos()) as u32;
        ((now - before).min(16), now / rounds > before / rounds)
    }
}

fn half_lives(at: Instant) -> u32 {
    (at.as_nanos() / d::VARIATION_HALF_LIFE.as_nanos() as u64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: f32 = 1e6;

    /// By hand, from RFC 6298 section 2 with alpha 1/8 and beta 1/4, RTTVAR before SRTT.
    #[test]
    fn smoothing_is_that_of_rfc_6298() {
        let mut smooth = Smooth::default();
        let mut told = |rtt_ms: f32| {
            smooth.update(rtt_ms * MS);
            let patience = smooth.patience().as_secs_f64() * 1e3;
            [f64::from(smooth.srtt()) / 1e6, f64::from(smooth.rttvar()) / 1e6, patience]
        };
        for (rtt_ms, want) in [
            (100.0, [100.0, 50.0, 300.0]),
            (140.0, [105.0, 47.5, 330.0]),
            (100.0, [104.375, 36.875, 251.875]),
        ] {
            let got = told(rtt_ms);
            assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-3), "{got:?}");
        }
        // Two hundred equal delays: SRTT is that delay, and the margin its least.
        let last = (0..200).map(|_| told(30.0)).last();
        let [srtt, rttvar, patience] = last.unwrap();
        assert!((srtt - 30.0).abs() < 0.01 && rttvar < 0.01 && (patience - 35.0).abs() < 0.01);
    }

    #[test]
    fn the_least_delay_is_forgotten_within_two_windows() {
        let mut variation = Variation::default();
        let mut record = |delay_ms: i64, roll| {
            variation.record(delay_ms * 1_000_000, roll);
            variation.least() / 1_000_000
        };
        assert_eq!(record(20, false), 20);
        assert_eq!(record(50, false), 20);
        assert_eq!(record(50, true), 20, "of the window before");
        assert_eq!(record(50, true), 50, "the path is longer now");
    }
}
