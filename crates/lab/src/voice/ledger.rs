//! The books of one direction of a call: what was sent, what arrived, when and over which path.

use std::time::Duration;

use pathvane_clock::Instant;

/// Every packet of one direction.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sent: Instant,
    path: u8,
    arrived: Option<Instant>,
}

/// What happened to the packets sent in a stretch of time.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Account {
    /// Packets sent.
    pub sent: u32,
    /// Of these, packets that never arrived.
    pub lost: u32,
    /// Runs of consecutive lost packets.
    pub bursts: u32,
}

impl Account {
    /// The share of packets lost, 0 to 1.
    pub fn loss(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { f64::from(self.lost) / f64::from(self.sent) }
    }

    /// Mean burst length over that of independent loss of the same ratio (ITU-T G.107 `BurstR`), at least 1.
    pub fn burst_ratio(&self) -> f64 {
        if self.bursts == 0 {
            return 1.0;
        }
        let mean_burst = f64::from(self.lost) / f64::from(self.bursts);
        (mean_burst * (1.0 - self.loss())).max(1.0)
    }
}

/// The longest time in which nothing that was sent arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outage {
    /// When the first packet of the run was sent.
    pub from: Instant,
    /// From there to the sending of the first packet that arrived again (or of the last known).
    pub length: Duration,
}

impl Ledger {
    /// Books packet number `entries so far`, sent at `sent` over `path`; its number.
    pub fn sent(&mut self, sent: Instant, path: u8) -> u32 {
        self.entries.push(Entry { sent, path, arrived: None });
        (self.entries.len() - 1) as u32
    }

    /// Books an arrival; a duplicate keeps its first.
    pub fn arrived(&mut self, seq: u32, at: Instant) {
        if let Some(entry) = self.entries.get_mut(seq as usize) {
            entry.arrived.get_or_insert(at);
        }
    }

    /// Counts the packets sent in `from..to`.
    pub fn account(&self, from: Instant, to: Instant) -> Account {
        let mut account = Account::default();
        let mut losing = false;
        for entry in self.window(from, to) {
            let lost = entry.arrived.is_none();
            account.sent += 1;
            account.lost += u32::from(lost);
            account.bursts += u32::from(lost && !losing);
            losing = lost;
        }
        account
    }

    /// One-way delays of the packets sent in `from..to` that arrived, in order of sending.
    pub fn delays(&self, from: Instant, to: Instant) -> impl Iterator<Item = Duration> + '_ {
        self.window(from, to).iter().filter_map(|entry| Some(entry.arrived?.since(entry.sent)))
    }

    /// The longest run of lost packets among those sent in `from..to`.
    pub fn outage(&self, from: Instant, to: Instant) -> Option<Outage> {
        let mut longest: Option<Outage> = None;
        let mut begin: Option<Instant> = None;
        let mut close = |begin: Option<Instant>, end: Instant| {
            let Some(from) = begin else { return };
            let length = end.since(from);
            if longest.is_none_or(|outage| length > outage.length) {
                longest = Some(Outage { from, length });
            }
        };
        for entry in self.window(from, to) {
            if entry.arrived.is_none() {
                begin.get_or_insert(entry.sent);
            } else {
                close(begin.take(), entry.sent);
            }
        }
        close(begin, to);
        longest
    }

    /// When the first packet that left over `path` at or after `from` was sent and arrived.
    pub fn first_arrival_over(&self, path: u8, from: Instant) -> Option<Instant> {
        let start = self.entries.partition_point(|entry| entry.sent < from);
        self.entries[start..]
            .iter()
            .find(|entry| entry.path == path && entry.arrived.is_some())
            .and_then(|entry| entry.arrived)
    }

    /// The path of the newest packet.
    pub fn path(&self) -> Option<u8> {
        self.entries.last().map(|entry| entry.path)
    }

    fn window(&self, from: Instant, to: Instant) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.sent < from);
        let end = self.entries.partition_point(|entry| entry.sent < to);
        &self.entries[start..end.max(start)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Instant {
        Instant::from_millis(n)
    }

    /// Ten packets at 0, 20, .. 180 ms; 40 ms of delay; numbers 3, 4 and 7 are lost; from 100 ms on over path 1.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for i in 0..10_u64 {
            let seq = ledger.sent(ms(i * 20), u8::from(i >= 5));
            if ![3, 4, 7].contains(&i) {
                ledger.arrived(seq, ms(i * 20 + 40));
            }
        }
        ledger
    }

    #[test]
    fn losses_and_bursts_are_counted_in_the_window() {
        let ledger = ledger();
        let all = ledger.account(ms(0), ms(1_000));
        assert_eq!(all, Account { sent: 10, lost: 3, bursts: 2 });
        assert!((all.loss() - 0.3).abs() < 1e-9);
        assert!((all.burst_ratio() - 1.05).abs() < 1e-9);
        assert_eq!(
            ledger.account(ms(20), ms(80)),
            Account { sent: 3, lost: 1, bursts: 1 },
            "the window includes its start and excludes its end"
        );
        assert_eq!(ledger.account(ms(900), ms(1_000)), Account::default());
    }

    #[test]
    fn the_longest_outage_ends_with_the_first_packet_that_arrives_again() {
        let outage = ledger().outage(ms(0), ms(1_000));
        assert_eq!(outage, Some(Outage { from: ms(60), length: Duration::from_millis(40) }));
        assert_eq!(ledger().outage(ms(0), ms(60)), None);
    }

    #[test]
    fn an_outage_that_never_ends_lasts_to_the_end_of_the_window() {
        let mut ledger = Ledger::default();
        for i in 0..5 {
            ledger.sent(ms(i * 20), 0);
        }
        let outage = ledger.outage(ms(0), ms(200)).expect("one");
        assert_eq!(outage.length, Duration::from_millis(200));
    }

    #[test]
    fn a_duplicate_does_not_make_a_packet_later() {
        let mut ledger = ledger();
        ledger.arrived(0, ms(500));
        ledger.arrived(99, ms(500));
        assert!(ledger.delays(ms(0), ms(1_000)).all(|delay| delay == Duration::from_millis(40)));
    }

    #[test]
    fn the_first_arrival_over_the_new_path_is_found() {
        let ledger = ledger();
        assert_eq!(ledger.first_arrival_over(1, ms(0)), Some(ms(140)));
        assert_eq!(ledger.first_arrival_over(1, ms(130)), Some(ms(200)), "number 7 is lost");
        assert_eq!(ledger.first_arrival_over(2, ms(0)), None);
        assert_eq!(ledger.path(), Some(1));
    }
}
