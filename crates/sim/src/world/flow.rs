//! Traffic that shows what steering is worth: one packet every 20 ms each way, like a call.

use std::time::Duration;

use pathvane_clock::Instant;

/// What became of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// When it was sent.
    pub sent: Instant,
    /// The path it took; `None` if there was none.
    pub path: Option<usize>,
    /// When it arrives, unless it is lost.
    pub arrived: Option<Instant>,
}

/// One direction of a call.
#[derive(Clone, Default, Debug)]
pub struct Flow {
    packets: Vec<Packet>,
}

impl Flow {
    /// Time between two packets.
    pub const INTERVAL: Duration = Duration::from_millis(20);

    /// Every packet, in the order sent.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// Packets sent from `since` on that were lost.
    pub fn lost(&self, since: Instant) -> usize {
        let sent = self.packets.iter().filter(|packet| packet.sent >= since);
        sent.filter(|packet| packet.arrived.is_none()).count()
    }

    /// The longest time in which every packet sent from `since` on was lost.
    pub fn longest_outage(&self, since: Instant) -> Duration {
        let (mut longest, mut current) = (0, 0);
        for packet in self.packets.iter().filter(|packet| packet.sent >= since) {
            current = if packet.arrived.is_none() { current + 1 } else { 0 };
            longest = longest.max(current);
        }
        Self::INTERVAL * longest
    }

    /// The path that the latest packet took.
    pub fn path(&self) -> Option<usize> {
        self.packets.last()?.path
    }

    pub(super) fn record(&mut self, packet: Packet) {
        self.packets.push(packet);
    }
}
