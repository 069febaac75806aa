//! Quantiles of delay variation in 96 bytes.

/// Buckets. The first holds everything below 33 us; the others grow by the cube root of
/// two (26 %) each, so that the last begins at 1.35 s.
const BUCKETS: usize = 48;

/// 2^15 ns; a power of two makes finding a bucket a shift and two comparisons.
const FIRST_NS: u64 = 1 << 15;

/// `2^15 * 2^(1/3)` and `2^15 * 2^(2/3)`.
const STEPS: [u64; 3] = [FIRST_NS, 41_285, 52_016];

/// What one sample adds, so that a sample halved four times still counts.
const UNIT: u16 = 16;

/// Counts by logarithm of delay; no allocation, fades by [`Histogram::halve`].
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: [u16; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS] }
    }
}

impl Histogram {
    /// Counts one sample.
    pub(crate) fn record(&mut self, ns: u64) {
        let count = &mut self.counts[bucket(ns)];
        *count = count.saturating_add(UNIT);
    }

    /// Forgets half of everything.
    pub(crate) fn halve(&mut self) {
        for count in &mut self.counts {
            *count >>= 1;
        }
    }

    /// Moves every sample by `delta` nanoseconds, as far as buckets can: the zero that
    /// variation is counted from has moved.
    pub(crate) fn shift(&mut self, delta: i64) {
        let old = core::mem::take(self);
        for (i, &count) in old.counts.iter().enumerate() {
            let middle = (lower(i) + upper(i)) / 2;
            let to = &mut self.counts[bucket(middle.saturating_add_signed(delta))];
            *to = to.saturating_add(count);
        }
    }

    /// Samples counted, weighed by age.
    pub(crate) fn total(&self) -> f64 {
        f64::from(self.sum(0)) / f64::from(UNIT)
    }

    /// The share of samples above `ns`; 0 without samples.
    pub(crate) fn share_above(&self, ns: u64) -> f64 {
        let total = self.sum(0);
        if total == 0 {
            return 0.0;
        }
        let at = bucket(ns);
        let width = (upper(at) - lower(at)) as f64;
        let part = (upper(at).saturating_sub(ns) as f64 / width).min(1.0);
        let above = f64::from(self.sum(at + 1)) + part * f64::from(self.counts[at]);
        above / f64::from(total)
    }

    /// The delay that a share `q` of the samples does not exceed; 0 without samples.
    pub(crate) fn quantile(&self, q: f64) -> u64 {
        let mut left = q * f64::from(self.sum(0));
        let mut last = 0;
        for (i, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = f64::from(count);
            if left <= count {
                let width = (upper(i) - lower(i)) as f64;
                return lower(i) + (width * (left / count).max(0.0)) as u64;
            }
            left -= count;
            last = upper(i);
        }
        last
    }

    fn sum(&self, from: usize) -> u32 {
        self.counts[from.min(BUCKETS)..].iter().map(|&count| u32::from(count)).sum()
    }
}

fn bucket(ns: u64) -> usize {
    if ns < FIRST_NS {
        return 0;
    }
    let doublings = ns.ilog2() - FIRST_NS.ilog2();
    let mantissa = ns >> doublings;
    let step = STEPS[1..].iter().filter(|&&step| mantissa >= step).count();
    (1 + 3 * doublings as usize + step).min(BUCKETS - 1)
}

fn lower(bucket: usize) -> u64 {
    match bucket.checked_sub(1) {
        None => 0,
        Some(i) => STEPS[i % 3] << (i / 3),
    }
}

fn upper(bucket: usize) -> u64 {
    lower(bucket + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_begins_where_the_one_below_ends() {
        for i in 1..BUCKETS {
            assert_eq!(bucket(lower(i)), i);
            assert_eq!(bucket(lower(i) - 1), i - 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_within_a_buckets_width() {
        let mut histogram = Histogram::default();
        for us in 1..=1000_u64 {
            histogram.record(us * 100_000);
        }
        for (q, ms) in [(0.5, 50.0), (0.95, 95.0), (0.98, 98.0)] {
            let got = histogram.quantile(q) as f64 / 1e6;
            assert!((got / ms - 1.0).abs() < 0.13, "{q}: {got} ms, not {ms}");
        }
        let late = histogram.share_above(60_000_000);
        assert!((late - 0.4).abs() < 0.02, "{late}");
    }

    /// Inside a bucket samples are taken for evenly spread, which these are.
    #[test]
    fn quantiles_are_interpolated_inside_a_bucket() {
        let mut histogram = Histogram::default();
        for us in 1..=1000_u64 {
            histogram.record(us * 100_000);
        }
        for q in [0.2, 0.3, 0.45, 0.6, 0.7, 0.8] {
            let (got, want) = (histogram.quantile(q) as f64 / 1e6, 100.0 * q);
            assert!((got / want - 1.0).abs() < 0.02, "{q}: {got} ms, not {want}");
        }
    }

    #[test]
    fn halving_keeps_shares_and_empties_in_the_end() {
        let mut histogram = Histogram::default();
        for i in 0..100 {
            histogram.record(if i < 90 { 1_000_000 } else { 80_000_000 });
        }
        histogram.halve();
        assert!((histogram.share_above(20_000_000) - 0.1).abs() < 1e-9);
        assert!((histogram.total() - 50.0).abs() < 1e-9);
        (0..16).for_each(|_| histogram.halve());
        assert_eq!(histogram.total(), 0.0);
        assert_eq!((histogram.quantile(0.95), histogram.share_above(0)), (0, 0.0));
    }

    #[test]
    fn shifting_moves_samples_and_loses_none() {
        let mut histogram = Histogram::default();
        (0..50).for_each(|_| histogram.record(150_000_000));
        histogram.shift(-150_000_000);
        assert!((histogram.total() - 50.0).abs() < 1e-9);
        assert_eq!(histogram.share_above(20_000_000), 0.0);
    }

    #[test]
    fn a_flood_saturates() {
        let mut histogram = Histogram::default();
        (0..100_000).for_each(|_| histogram.record(5));
        assert!(histogram.total() > 4000.0);
    }
}
