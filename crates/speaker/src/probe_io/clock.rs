//! The kernel stamps packets with the wall clock; the engine lives on a monotonic one.

use std::time::{Instant as Monotonic, SystemTime, UNIX_EPOCH};

use nix::sys::time::TimeSpec;
use pathvane_clock::{Duration, Instant};
use pathvane_probe::Timestamp;

/// Converts the kernel's `CLOCK_REALTIME` stamps to [`Instant`]s.
///
/// The difference of the two clocks is read anew for each stamp, so slewing does no harm. A step
/// of the wall clock shows as a jump of that difference: stamps that may be older than the step,
/// lie in the future or are implausibly old are not used, and the time of reading stands in.
#[derive(Clone, Debug)]
pub struct KernelClock {
    origin: Monotonic,
    last: Option<Reading>,
    /// Stamps before this may be from before a step.
    not_before: Instant,
    steps: u64,
}

/// When something happened, and who says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The time.
    pub at: Instant,
    /// The kernel stamped it; otherwise it is when we looked.
    pub kernel: bool,
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    /// Wall clock minus monotonic clock.
    offset_ns: i128,
    /// Time that reading took; bounds the error of `offset_ns`.
    width_ns: u64,
}

impl KernelClock {
    /// Older stamps are not believed.
    const OLDEST: Duration = Duration::from_secs(10);
    /// A reading this quick needs no second attempt.
    const GOOD_WIDTH_NS: u64 = 2_000;
    /// A jump of the difference beyond this, and beyond slewing, is a step.
    const STEP_NS: u64 = 200_000;
    /// Slewing changes the difference by less than one part in this (RFC 5905: 500 ppm).
    const SLEW: u64 = 1_000;

    /// A clock whose `Instant::ZERO` is `origin`.
    pub fn new(origin: Monotonic) -> Self {
        Self { origin, last: None, not_before: Instant::ZERO, steps: 0 }
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// The wall clock at `Instant::ZERO`, as packets carry it ([`pathvane_probe::Config::epoch`]).
    pub fn epoch(&self) -> Timestamp {
        let reading = self.read();
        Timestamp::from_unix_nanos(u64::try_from(reading.offset_ns).unwrap_or(0))
    }

    /// Steps of the wall clock noticed so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The time that `stamp` tells, or the time now if there is none or it cannot be.
    pub fn stamp(&mut self, stamp: Option<TimeSpec>) -> Stamp {
        let reading = self.read();
        self.judge(reading, stamp.map(nanos))
    }

    fn read(&self) -> Reading {
        let mut best = self.read_once();
        for _ in 0..2 {
            if best.width_ns <= Self::GOOD_WIDTH_NS {
                break;
            }
            let again = self.read_once();
            if again.width_ns < best.width_ns {
                best = again;
            }
        }
        best
    }

    fn read_once(&self) -> Reading {
        let before = self.now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let after = self.now();
        let width_ns = after.as_nanos() - before.as_nanos();
        let middle = before.as_nanos() + width_ns / 2;
        let offset_ns = i128::try_from(wall.as_nanos()).unwrap_or(0) - i128::from(middle);
        Reading { at: after, offset_ns, width_ns }
    }

    fn judge(&mut self, now: Reading, stamp_ns: Option<i128>) -> Stamp {
        if self.last.is_some_and(|last| is_step(last, now)) {
            self.steps += 1;
            self.not_before = now.at;
        }
        self.last = Some(now);
        let oldest = self.not_before.max(now.at - Self::OLDEST);
        let at = stamp_ns
            .and_then(|stamp| u64::try_from(stamp - now.offset_ns).ok())
            .map(|nanos| Instant::from_nanos(nanos.saturating_sub(now.width_ns)))
            .filter(|&at| at >= oldest && at <= now.at);
        Stamp { at: at.unwrap_or(now.at), kernel: at.is_some() }
    }
}

fn is_step(last: Reading, now: Reading) -> bool {
    let elapsed_ns = now.at.as_nanos().saturating_sub(last.at.as_nanos());
    let allowed =
        KernelClock::STEP_NS + elapsed_ns / KernelClock::SLEW + last.width_ns + now.width_ns;
    now.offset_ns.abs_diff(last.offset_ns) > u128::from(allowed)
}

fn nanos(time: TimeSpec) -> i128 {
    i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings with the given difference of the clocks, at the given millisecond.
    fn reading(ms: u64, offset_ns: i128) -> Reading {
        Reading { at: Instant::from_millis(ms), offset_ns, width_ns: 0 }
    }

    const WALL: i128 = 1_790_000_000_000_000_000;

    fn wall(ms: u64, offset_ns: i128) -> Option<i128> {
        Some(i128::from(ms) * 1_000_000 + offset_ns)
    }

    #[test]
    fn a_stamp_is_moved_to_the_monotonic_scale() {
        let mut clock = KernelClock::new(Monotonic::now());
        let stamp = clock.judge(reading(5_000, WALL), wall(4_990, WALL));
        assert_eq!(stamp, Stamp { at: Instant::from_millis(4_990), kernel: true });
        let none = clock.judge(reading(5_001, WALL), None);
        assert_eq!(none, Stamp { at: Instant::from_millis(5_001), kernel: false });
    }

    #[test]
    fn stamps_of_the_future_and_of_long_ago_are_not_believed() {
        let mut clock = KernelClock::new(Monotonic::now());
        for ms in [60_001, 49_000, 0] {
            let stamp = clock.judge(reading(60_000, WALL), wall(ms, WALL));
            assert_eq!(stamp, Stamp { at: Instant::from_millis(60_000), kernel: false });
        }
        assert!(clock.judge(reading(60_000, WALL), wall(51_000, WALL)).kernel);
    }

    #[test]
    fn a_step_discards_what_was_stamped_before_it_and_nothing_later() {
        for step in [1_000_000_000, -1_000_000_000, 300_000, -300_000_i128] {
            let mut clock = KernelClock::new(Monotonic::now());
            clock.judge(reading(20_000, WALL), wall(19_999, WALL));
            let old = clock.judge(reading(20_010, WALL + step), wall(20_009, WALL));
            assert_eq!(old, Stamp { at: Instant::from_millis(20_010), kernel: false }, "{step}");
            let new = clock.judge(reading(20_020, WALL + step), wall(20_015, WALL + step));
            assert_eq!(new, Stamp { at: Instant::from_millis(20_015), kernel: true }, "{step}");
            assert_eq!(clock.steps(), 1);
        }
    }

    #[test]
    fn slewing_is_no_step() {
        let mut clock = KernelClock::new(Monotonic::now());
        let mut offset = WALL;
        for second in 1..100 {
            offset += 500_000; // 500 ppm
            let now = reading(second * 1_000, offset);
            assert!(clock.judge(now, wall(second * 1_000 - 1, offset)).kernel);
        }
        assert_eq!(clock.steps(), 0);
    }

    #[test]
    fn the_real_clocks_agree_with_themselves() {
        let mut clock = KernelClock::new(Monotonic::now());
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let stamp = TimeSpec::from(wall);
        let told = clock.stamp(Some(stamp));
        assert!(clock.now() >= told.at);
    }
}
