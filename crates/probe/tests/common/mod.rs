//! A stream under test and the far end that answers it.

#![allow(dead_code, reason = "each test file uses a part")]

use pathvane_clock::{Duration, Instant};
use pathvane_probe::icmp::{HEADER, Version};
use pathvane_probe::stamp::{Key, Options};
use pathvane_probe::{Config, Kind, Sender, Stamps, Timestamp, reflect};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const EPOCH: Timestamp = Timestamp::from_unix_nanos(1_790_000_000_000_000_000);

pub(crate) fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// 50 probes a second, 200 at most, lost after a second.
pub(crate) fn config() -> Config {
    Config {
        kind: Kind::Stamp { ssid: 42 },
        interval: 20 * MS,
        fastest: 5 * MS,
        timeout: 1000 * MS,
        epoch: EPOCH,
        seed: 1,
        ports: 1,
        options: Options::default(),
    }
}

pub(crate) fn icmp_config(version: Version) -> Config {
    Config { kind: Kind::Icmp { version, identifier: 0x1234 }, ..config() }
}

pub(crate) fn stream() -> (Sender, Far) {
    (Sender::new(at(0), &config()), far())
}

pub(crate) fn far() -> Far {
    Far { ahead: Duration::from_secs(3600), seq: 0, class: 0xb8, key: None }
}

/// The next probe after `now`: its number, when it is due, its bytes.
pub(crate) fn next(sender: &mut Sender, now: Instant) -> (u32, Instant, Vec<u8>) {
    let mut out = Vec::new();
    let mut due = sender.poll_timeout().max(now);
    loop {
        if let Some(seq) = sender.poll_transmit(due, &mut out) {
            return (seq, due, out);
        }
        due += MS;
    }
}

/// A reflector with a clock that runs ahead.
pub(crate) struct Far {
    pub(crate) ahead: Duration,
    /// The number of its next reply.
    pub(crate) seq: u32,
    /// The traffic class with which requests arrive.
    pub(crate) class: u8,
    pub(crate) key: Option<Key>,
}

impl Far {
    pub(crate) fn ahead_ns(&self) -> i64 {
        self.ahead.as_nanos() as i64
    }

    pub(crate) fn reply(&self, request: &[u8], received: Instant, sent: Instant) -> Vec<u8> {
        let clock = |at: Instant| EPOCH.plus(self.ahead + at.since(Instant::ZERO));
        let stamps = Stamps {
            received: clock(received),
            sent: clock(sent),
            ttl: 61,
            class: self.class,
            seq: self.seq,
            counts: (self.seq + 1, self.seq + 1),
        };
        let mut out = Vec::new();
        assert!(reflect(request, self.key.as_ref(), &stamps, &mut out).is_some());
        out
    }
}

/// The echo reply of a host to `request`; checksums are the kernel's business.
pub(crate) fn echo(version: Version, request: &[u8]) -> Vec<u8> {
    assert!(request.len() > HEADER);
    let mut reply = request.to_vec();
    reply[0] = if version == Version::V4 { 0 } else { 129 };
    reply
}
