//! The one clock of the lab: CLOCK_MONOTONIC, shared with every process of the machine.

use nix::time::{ClockId, clock_gettime};
use pathvane_clock::Instant;

/// Nanoseconds of CLOCK_MONOTONIC as an [`Instant`].
///
/// Two processes of one machine read the same clock, so what a child stamps can be
/// compared with what the lab stamps.
pub fn now() -> Instant {
    Instant::from_nanos(read(ClockId::CLOCK_MONOTONIC))
}

/// Nanoseconds since the Unix epoch.
pub fn wall_ns() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

/// Milliseconds from `earlier` to `later`, negative if the order is the other way round.
pub fn millis_between(earlier: Instant, later: Instant) -> f64 {
    let forward = later.since(earlier).as_secs_f64();
    let backward = earlier.since(later).as_secs_f64();
    (forward - backward) * 1e3
}

/// A clock's reading in nanoseconds; zero on the impossible failure.
fn read(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |t| {
        let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
        seconds * 1_000_000_000 + nanos
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_a_sign() {
        let (a, b) = (Instant::from_millis(5), Instant::from_millis(7));
        assert!((millis_between(a, b) - 2.0).abs() < 1e-9);
        assert!((millis_between(b, a) + 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let first = now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(now() >= first + std::time::Duration::from_millis(2));
    }
}
