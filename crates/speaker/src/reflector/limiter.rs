//! How often one source may ask, and all together.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use pathvane_clock::{Duration, Instant};

/// A rate with bursts, by the generic cell rate algorithm (ITU-T I.371).
#[derive(Clone, Copy)]
struct Rate {
    interval: Duration,
    burst: Duration,
}

impl Rate {
    /// Requests of this much time may come at once.
    const BURST: Duration = Duration::from_millis(250);

    /// `rate` requests a second; not zero.
    fn new(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate;
        Self { interval, burst: Self::BURST.max(interval) }
    }

    /// `paid` after one more request at `now`, if that is within the rate. `paid` is when the
    /// requests so far would have come at exactly the rate.
    fn admit(self, paid: Instant, now: Instant) -> Option<Instant> {
        let next = paid.max(now) + self.interval;
        (next.since(now) <= self.burst).then_some(next)
    }
}

/// One rate for everybody together, shared by all sockets.
pub(super) struct Total {
    rate: Rate,
    paid_ns: AtomicU64,
}

impl Total {
    /// `rate` requests a second; not zero.
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: Rate::new(rate), paid_ns: AtomicU64::new(0) }
    }

    /// Whether a request at `now` is within the rate; counts it if so.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let next = |paid| Some(self.rate.admit(Instant::from_nanos(paid), now)?.as_nanos());
        self.paid_ns.fetch_update(Relaxed, Relaxed, next).is_ok()
    }
}

/// A rate per source, for a bounded number of sources.
///
/// Sources beyond the bound share one allowance, so that forged addresses buy nothing.
pub(super) struct Limiter {
    rate: Rate,
    limit: usize,
    /// Per source: when its requests so far would have come at exactly the rate.
    table: BTreeMap<IpAddr, Instant>,
    others: Instant,
    swept: Instant,
}

impl Limiter {
    /// How often, at most, a full table is searched for sources that fell silent.
    const SWEEP: Duration = Duration::from_secs(1);

    /// `rate` requests a second for each of `limit` sources; `rate` is not zero.
    pub(super) fn new(rate: u32, limit: usize) -> Self {
        Self {
            rate: Rate::new(rate),
            limit,
            table: BTreeMap::new(),
            others: Instant::ZERO,
            swept: Instant::ZERO,
        }
    }

    /// Whether a request of `source` at `now` is within its rate; counts it if so.
    pub(super) fn admits(&mut self, now: Instant, source: IpAddr) -> bool {
        let source = group(source);
        if self.table.len() >= self.limit && !self.table.contains_key(&source) {
            self.sweep(now);
        }
        let paid = if self.table.len() < self.limit || self.table.contains_key(&source) {
            self.table.entry(source).or_insert(Instant::ZERO)
        } else {
            &mut self.others
        };
        let next = self.rate.admit(*paid, now);
        *paid = next.unwrap_or(*paid);
        next.is_some()
    }

    /// Forgets sources whose whole allowance is free again: they lose nothing.
    fn sweep(&mut self, now: Instant) {
        if now.since(self.swept) >= Self::SWEEP {
            self.swept = now;
            self.table.retain(|_, paid| *paid > now);
        }
    }
}

/// Who counts as one source: an IPv4 address, or an IPv6 /64, within which addresses are free.
fn group(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn source(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    /// How many of the requests that `addr` sends, one a millisecond for two seconds, are admitted.
    fn admitted(limiter: &mut Limiter, addr: IpAddr) -> usize {
        (1_000..3_000).filter(|&ms| limiter.admits(Instant::from_millis(ms), addr)).count()
    }

    #[test]
    fn a_source_gets_its_rate_and_one_burst() {
        let mut limiter = Limiter::new(100, 8);
        assert_eq!(admitted(&mut limiter, source(1)), 100 * 2 + 25 - 1);
        assert_eq!(admitted(&mut Limiter::new(100_000, 8), source(1)), 2_000, "below its rate");
        assert_eq!(admitted(&mut Limiter::new(1, 8), source(1)), 2, "a rate of one is one");
    }

    #[test]
    fn all_sockets_together_get_the_total_rate() {
        let total = Total::new(100);
        let admitted = (1_000..3_000).filter(|&ms| total.admits(Instant::from_millis(ms))).count();
        assert_eq!(admitted, 100 * 2 + 25 - 1);
    }

    #[test]
    fn sources_do_not_share_and_an_ipv6_network_does() {
        let mut limiter = Limiter::new(100, 8);
        let alone = admitted(&mut limiter, source(1));
        assert_eq!(admitted(&mut limiter, source(2)), alone);
        let now = Instant::from_secs(9);
        let v6 = |low: u128| IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8 << 96) | low));
        let first = (0..100).filter(|&low| limiter.admits(now, v6(low))).count();
        assert_eq!(first, 25);
        assert!(limiter.admits(now, v6(1 << 64)), "the next /64");
    }

    #[test]
    fn forged_sources_share_one_allowance_and_take_nothing_from_known_ones() {
        let mut limiter = Limiter::new(100, 2);
        let at = Instant::from_secs(1);
        assert!(limiter.admits(at, source(1)) && limiter.admits(at, source(2)));
        let strangers =
            (0..10_000_u32).filter(|&n| limiter.admits(at, Ipv4Addr::from_bits(n).into())).count();
        assert_eq!(strangers, 25);
        assert_eq!(limiter.table.len(), 2);
        assert!(limiter.admits(at, source(1)));
        assert!(limiter.admits(Instant::from_secs(60), source(9)), "the silent made room");
        assert_eq!(limiter.table.len(), 1);
    }
}
