//! Wall-clock timestamps as they travel in packets.

use core::time::Duration;

use crate::stamp::ErrorEstimate;

const SECOND: u64 = 1_000_000_000;
/// Seconds from 1900-01-01 (NTP) to 1970-01-01 (PTP, Unix).
const UNIX_IN_NTP: u64 = 2_208_988_800;
/// Nanoseconds after which a 32-bit count of seconds starts again: 136 years.
const ERA: u64 = (1 << 32) * SECOND;

/// Nanoseconds since 1900-01-01, modulo 2^32 seconds (an NTP era).
///
/// Arithmetic wraps at the era and never panics. Two clocks need not agree: only differences
/// are used, and those between clocks only for their variation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The timestamp of a Unix time in nanoseconds since 1970.
    pub const fn from_unix_nanos(nanos: u64) -> Self {
        Self((nanos % ERA + UNIX_IN_NTP * SECOND) % ERA)
    }

    /// The timestamp `d` later.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        let nanos = u64::try_from(d.as_nanos() % u128::from(ERA)).unwrap_or(0);
        Self((self.0 + nanos) % ERA)
    }

    /// Nanoseconds from `earlier` to `self`, negative if `earlier` is the later one; the
    /// shorter way round the era, so within ±68 years.
    pub const fn since(self, earlier: Self) -> i64 {
        let ahead = (self.0 + ERA - earlier.0) % ERA;
        if ahead > ERA / 2 { -((ERA - ahead) as i64) } else { ahead as i64 }
    }
}

/// The eight octets of a timestamp in a packet: NTP (32.32 fixed point) or PTPv2 truncated
/// (seconds, nanoseconds), as the error estimate beside it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WireTime(pub u64);

impl WireTime {
    /// Writes `at` in the NTP format; reading it back gives the same nanosecond.
    pub const fn ntp(at: Timestamp) -> Self {
        let (secs, nanos) = (at.0 / SECOND, at.0 % SECOND);
        // Rounded up: the reader rounds down.
        Self((secs << 32) | (nanos << 32).div_ceil(SECOND))
    }

    /// Reads the timestamp in the format that the Z bit of `error` names (RFC 8762 section 4.2.1).
    pub const fn read(self, error: ErrorEstimate) -> Timestamp {
        let (secs, low) = (self.0 >> 32, self.0 & 0xffff_ffff);
        if error.is_ptp() {
            Timestamp(((secs + UNIX_IN_NTP) * SECOND + low) % ERA)
        } else {
            Timestamp(secs * SECOND + ((low * SECOND) >> 32))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NTP: ErrorEstimate = ErrorEstimate(0x0001);
    const PTP: ErrorEstimate = ErrorEstimate(0x4001);

    #[test]
    fn known_instants_have_the_known_octets() {
        // 1970-01-01 00:00:00.5 in NTP; the same in PTP counts from zero.
        let half = Timestamp::from_unix_nanos(500_000_000);
        assert_eq!(WireTime::ntp(half), WireTime(0x83aa_7e80_8000_0000));
        assert_eq!(WireTime(500_000_000).read(PTP), half);
        assert_eq!(WireTime(0x83aa_7e80_8000_0000).read(NTP), half);
    }

    #[test]
    fn differences_are_signed_and_cross_the_era() {
        let before = WireTime(0xffff_ffff_0000_0000).read(NTP);
        let after = before.plus(Duration::from_millis(1_500));
        assert_eq!(WireTime::ntp(after), WireTime(0x0000_0000_8000_0000));
        assert_eq!(after.since(before), 1_500_000_000);
        assert_eq!(before.since(after), -1_500_000_000);
    }

    proptest! {
        #[test]
        fn a_nanosecond_survives_the_packet(unix in any::<u64>()) {
            let at = Timestamp::from_unix_nanos(unix);
            prop_assert_eq!(WireTime::ntp(at).read(NTP), at);
        }

        #[test]
        fn any_octets_read_and_subtract(a in any::<u64>(), b in any::<u64>(), z in any::<u16>()) {
            let (a, b) = (WireTime(a).read(ErrorEstimate(z)), WireTime(b).read(ErrorEstimate(!z)));
            prop_assert_eq!(b.plus(Duration::ZERO), b);
            let (ahead, back) = (a.since(b), b.since(a));
            prop_assert!(ahead == -back || ahead == back);
        }
    }
}
