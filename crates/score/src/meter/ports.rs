//! Missed probes by source port: which member of a multipath bundle is broken.

use crate::stream::MAX_PORTS;

/// The longest series of misses that is counted.
const RUN_MAX: u64 = 15;

/// Missed probes in a row on each source port of a stream, four bits a port. In bytes, because
/// they fit where a number would need more room.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    runs: [u8; 8],
    count: u8,
}

impl Ports {
    pub(crate) fn new(count: u8) -> Self {
        Self { runs: [0; 8], count: count.clamp(1, MAX_PORTS as u8) }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u8 {
        self.count
    }

    /// Probe `seq` ran out of time.
    pub(crate) fn missed(&mut self, seq: u32) {
        let (runs, shift) = (self.runs(), self.shift(seq));
        if runs >> shift & RUN_MAX < RUN_MAX {
            self.runs = (runs + (1 << shift)).to_le_bytes();
        }
    }

    /// Probe `seq` was answered, after `run` missed probes of the whole stream. What every port
    /// missed says nothing about one of them.
    pub(crate) fn answered(&mut self, seq: u32, run: u32) {
        let all = run >= u32::from(self.count);
        let others = if all { 0 } else { self.runs() & !(RUN_MAX << self.shift(seq)) };
        self.runs = others.to_le_bytes();
    }

    /// The longest series of missed probes on one port.
    pub(crate) fn longest(&self) -> u32 {
        if self.runs() == 0 { 0 } else { self.each().max().unwrap_or(0) }
    }

    /// The ports whose series is at least `run` long (at most 15 counts), the first as the lowest
    /// bit.
    pub(crate) fn at_least(&self, run: u32) -> u16 {
        let run = run.min(RUN_MAX as u32);
        let bit = |(port, own): (usize, u32)| u16::from(own >= run) << port;
        self.each().enumerate().map(bit).sum()
    }

    fn each(&self) -> impl Iterator<Item = u32> + use<> {
        let runs = self.runs();
        (0..MAX_PORTS).map(move |port| (runs >> (4 * port) & RUN_MAX) as u32)
    }

    fn runs(&self) -> u64 {
        u64::from_le_bytes(self.runs)
    }

    fn shift(&self, seq: u32) -> u32 {
        4 * (seq % u32::from(self.count))
    }
}
