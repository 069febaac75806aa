//! Cumulative sums: a detector that is quick about a lasting change and calm about noise.

use pathvane_clock::Instant;

use super::loss::LossLedger;
use crate::defaults as d;

/// Loss: a repeated sequential probability ratio test of "more than usual" against "as
/// usual", in nats. It sums up to the threshold and down to 0.
///
/// Usual is a two-state process: a loss that follows a loss says only as much as such
/// pairs are unusual here, so that a burst counts about once. A loss with another one near says as much less as
/// losses here vary more than independent ones: so does a burst that spares some probes. Single late probes are as usual
/// as they are here: they count as lost until their replies come.
#[derive(Clone, Debug)]
pub(crate) struct LossCusum {
    sum: f32,
    threshold: f32,
    /// What an outcome adds, `[after answer, after loss][answered, lost]`.
    steps: [[f32; 2]; 2],
    /// What a loss after an answer adds if another one was near.
    near: f32,
}

impl LossCusum {
    pub(crate) fn new(ledger: &LossLedger) -> Self {
        let mut cusum = Self { sum: 0.0, threshold: 0.0, steps: [[0.0; 2]; 2], near: 0.0 };
        cusum.tune(ledger);
        cusum
    }

    /// Adapts the null hypothesis to what is usual now.
    pub(crate) fn tune(&mut self, ledger: &LossLedger) {
        let p0 = ledger.usual_miss().clamp(d::LOSS_NULL_MIN, d::LOSS_NULL_MAX);
        let p1 = (d::LOSS_SHIFT_RATIO * p0).max(d::LOSS_SHIFT);
        let b0 = ledger.usual_continuation(d::BURST_PRIOR_SHIFT).max(p0).min(d::BURST_MAX);
        let b1 = b0.max(p1);
        let ratio = |x: f64, y: f64| libm::log(x / y);
        let steps = [
            [ratio(1.0 - p1, 1.0 - p0), ratio(p1, p0)],
            [ratio(1.0 - b1, 1.0 - b0), ratio(b1, b0)],
        ];
        let drift = -(p0 * steps[0][1] + (1.0 - p0) * steps[0][0]);
        let threshold =
            libm::log(d::LOSS_PROBES_PER_ALARM * drift) - d::LOSS_OVERSHOOT * steps[0][1];
        self.near = (steps[0][1] / ledger.clustering(p0)) as f32;
        self.steps = steps.map(|row| row.map(|step| step as f32));
        self.threshold = threshold as f32;
        self.sum = self.sum.min(self.threshold);
    }

    /// Takes an answer and the losses in a row before it; whether others were `near`.
    pub(crate) fn settle(&mut self, losses: u32, near: bool) {
        let [[ok, lost], [ok_again, lost_again]] = self.steps;
        let lost = if near { self.near } else { lost };
        let step = match losses.min(d::BURST_LENGTH_MAX) {
            0 => ok,
            losses => lost + (losses - 1) as f32 * lost_again + ok_again,
        };
        self.sum = (self.sum + step).clamp(0.0, self.threshold);
    }

    /// A probe counted lost was only late; whether other losses were `near`.
    pub(crate) fn rescue(&mut self, near: bool) {
        let lost = if near { self.near } else { self.steps[0][1] };
        self.sum = (self.sum - lost + self.steps[0][0]).max(0.0);
    }

    /// Drops the evidence.
    pub(crate) fn forgive(&mut self) {
        self.sum = 0.0;
    }

    /// The evidence, from 0 to [`LossCusum::threshold`].
    pub(crate) fn sum(&self) -> f32 {
        self.sum
    }

    pub(crate) fn threshold(&self) -> f32 {
        self.threshold
    }
}

/// A step up of a figure with noise: a clipped sum of standard deviations above the usual,
/// so that a few outliers, however far, are not a step.
#[derive(Clone, Debug)]
pub(crate) struct ShiftCusum {
    mean: f32,
    variance: f32,
    up: f32,
    down: f32,
    /// When `up` reached the threshold, if it did not fall to 0 since, in milliseconds that wrap.
    high_since_ms: u32,
    learnt: u16,
    /// It did.
    high: bool,
    shifted: bool,
}

impl ShiftCusum {
    pub(crate) fn new() -> Self {
        Self {
            mean: 0.0,
            variance: 0.0,
            up: 0.0,
            down: 0.0,
            high_since_ms: 0,
            learnt: 0,
            high: false,
            shifted: false,
        }
    }

    /// Takes a sample that came `gap_s` seconds after the last one; `level` is the smoothed
    /// figure. All in nanoseconds but `gap_s`.
    pub(crate) fn update(&mut self, now: Instant, sample: f32, level: f32, gap_s: f32) {
        if self.learnt < d::SHIFT_LEARN {
            return self.learn(sample);
        }
        let sigma = libm::sqrtf(self.variance).max(d::SHIFT_SIGMA_MIN_NS);
        let z = (sample - self.mean) / sigma;
        let clip = |z: f32| (z - d::SHIFT_SLACK).clamp(-d::SHIFT_CLIP, d::SHIFT_CLIP);
        self.up = (self.up + clip(z)).clamp(0.0, d::SHIFT_THRESHOLD);
        self.down = (self.down + clip(-z)).clamp(0.0, d::SHIFT_THRESHOLD);
        if self.up == 0.0 {
            self.high = false;
            self.shifted = false;
        } else if self.up >= d::SHIFT_THRESHOLD {
            self.is_high(now);
            self.shifted |= level - self.mean >= d::SHIFT_MIN_NS;
        }
        let lasted_ms = milliseconds(now).wrapping_sub(self.high_since_ms) as i32;
        let settled =
            self.high && i128::from(lasted_ms) >= d::SHIFT_REBASE_AFTER.as_millis() as i128;
        if settled || self.down >= d::SHIFT_THRESHOLD {
            self.rebase(level);
        } else if self.is_calm() {
            self.follow(z, sigma, (gap_s / d::SHIFT_USUAL_S).min(0.05));
        }
    }

    /// A probe thought lost came late by what may be a step: half of the evidence is there.
    pub(crate) fn hint(&mut self, sample: f32) {
        if self.is_step(sample) {
            self.up = d::SHIFT_THRESHOLD / 2.0;
        }
    }

    /// A probe thought lost came late by a step: no need for more samples. Returns whether
    /// that is news.
    pub(crate) fn force(&mut self, now: Instant, sample: f32) -> bool {
        if !self.is_step(sample) {
            return false;
        }
        self.up = d::SHIFT_THRESHOLD;
        self.is_high(now);
        !core::mem::replace(&mut self.shifted, true)
    }

    /// Whether a sample is so far above the usual that a step may be behind it.
    fn is_step(&self, sample: f32) -> bool {
        self.learnt >= d::SHIFT_LEARN && sample - self.mean >= d::SHIFT_MIN_NS
    }

    /// Whether less than half of the evidence for a step up is there.
    pub(crate) fn is_calm(&self) -> bool {
        self.up < d::SHIFT_THRESHOLD / 2.0
    }

    /// Whether the figure is well above its usual level.
    pub(crate) fn shifted(&self) -> bool {
        self.shifted
    }

    /// The usual level.
    pub(crate) fn usual(&self) -> f32 {
        self.mean
    }

    fn learn(&mut self, sample: f32) {
        self.learnt += 1;
        let weight = 1.0 / f32::from(self.learnt);
        let off = sample - self.mean;
        self.mean += weight * off;
        self.variance += weight * (off * (sample - self.mean) - self.variance);
    }

    /// Lets the usual level follow slow change; outliers pull no harder than three sigmas.
    fn follow(&mut self, z: f32, sigma: f32, weight: f32) {
        let off = z.clamp(-3.0, 3.0) * sigma;
        self.mean += weight * off;
        self.variance += weight * (off * off - self.variance);
    }

    /// The new level has lasted long enough, or is an improvement: it is the usual one now.
    fn rebase(&mut self, level: f32) {
        self.mean = level;
        self.up = 0.0;
        self.down = 0.0;
        self.shifted = false;
        self.high = false;
    }

    fn is_high(&mut self, now: Instant) {
        if !core::mem::replace(&mut self.high, true) {
            self.high_since_ms = milliseconds(now);
        }
    }
}

fn milliseconds(at: Instant) -> u32 {
    (at.as_nanos() / 1_000_000) as u32
}
