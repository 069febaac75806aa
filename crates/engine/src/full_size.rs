//! Full-size probes of one path: do packets as large as it should take get through?

use alloc::sync::Arc;
use alloc::vec::Vec;

use pathvane_clock::{Duration, Instant};
use pathvane_probe::stamp::Options;
use pathvane_probe::{Kind, Seen, Sender, Timestamp};

use crate::config::{MtuProbe, Probe};
use crate::ids::PathId;
use crate::io::ProbePacket;
use crate::view::FullSizeView;

/// Octets of the headers of IPv4, IPv6 and UDP.
const IPV4: u16 = 20;
const IPV6: u16 = 40;
const UDP: u16 = 8;
/// Octets of the largest packet: an Ethernet frame's. Jumbo frames are not probed.
const LARGEST: u16 = 1500;

/// The full-size probes of a path. Packets must not be fragmented; the shell sees to that.
#[derive(Debug)]
pub(crate) struct FullSize {
    pub(crate) path: PathId,
    sender: Sender,
    wanted: Option<u16>,
    /// Octets below what the sender writes.
    headers: u16,
    path_mtu: Option<u16>,
    /// Probes from this number on are of the present size.
    since: u32,
    next: u32,
    padding: Arc<[u8]>,
}

impl FullSize {
    /// Time between two of them: a hole is there for hours, not for moments.
    pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

    /// Full-size probes beside `like`, whose far end they share, as a stream of kind `kind`.
    pub(crate) fn new(
        now: Instant,
        path: PathId,
        probe: MtuProbe,
        (like, kind): (&Probe, Kind),
        (timeout, epoch, seed): (Duration, Timestamp, u64),
    ) -> Self {
        let ip = if like.target.is_ipv4() { IPV4 } else { IPV6 };
        let headers = if matches!(kind, Kind::Icmp { .. }) { ip } else { ip + UDP };
        let config = pathvane_probe::Config {
            kind,
            interval: Self::INTERVAL,
            fastest: Self::INTERVAL,
            timeout,
            epoch,
            seed,
            ports: like.ports,
            options: Options { key: like.options.key.clone(), ..Options::default() },
        };
        let mut full_size = Self {
            path,
            sender: Sender::new(now, &config),
            wanted: probe.octets,
            headers,
            path_mtu: None,
            since: 0,
            next: 0,
            padding: Arc::from([]),
        };
        full_size.resize();
        full_size
    }

    /// Octets of the IP packets; `None` while nobody knows how many.
    fn octets(&self) -> Option<u16> {
        self.wanted.or(self.path_mtu).map(|octets| octets.min(LARGEST))
    }

    fn resize(&mut self) {
        if let Some(octets) = self.octets() {
            self.sender.set_size(octets.saturating_sub(self.headers));
        }
        self.since = self.next;
    }

    /// The kernel knows another size. What is wanted, if that is worth telling: the size changed,
    /// or is too small.
    pub(crate) fn set_path_mtu(&mut self, octets: u16) -> Option<Option<u16>> {
        let before = self.path_mtu.replace(octets);
        self.resize();
        let small = self.wanted.is_some_and(|wanted| wanted > octets);
        let changed = before.is_some_and(|before| before != octets);
        (small || changed).then_some(self.wanted)
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.sender.poll_timeout()
    }

    /// When a probe of the present size was sent that stayed without an answer.
    pub(crate) fn poll_lost(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let lost = self.sender.poll_lost(now)?;
            if self.counts(lost.seq) {
                return Some(lost.sent_at);
            }
        }
    }

    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<(u32, ProbePacket)> {
        let seq = self.sender.poll_transmit(now, out)?;
        self.next = seq.wrapping_add(1);
        let rest = out.get(ProbePacket::MAX..).unwrap_or_default();
        // The same for all probes of one size.
        if *rest != *self.padding {
            self.padding = Arc::from(rest);
        }
        Some((seq, ProbePacket::padded(out, &self.padding)))
    }

    pub(crate) fn handle_send_failed(&mut self, seq: u32) {
        self.sender.handle_send_failed(seq);
    }

    /// Whether the datagram answers a probe of the present size.
    pub(crate) fn handle_received(&mut self, bytes: &[u8], at: Instant, seen: Seen) -> bool {
        let sample = self.sender.handle_received(bytes, at, seen);
        sample.is_some_and(|sample| self.counts(sample.seq))
    }

    /// Whether the probe was of the present size, which is known.
    fn counts(&self, seq: u32) -> bool {
        self.octets().is_some() && seq.wrapping_sub(self.since) < 1 << 31
    }

    pub(crate) fn view(&self) -> FullSizeView {
        FullSizeView {
            octets: self.octets(),
            path_mtu: self.path_mtu,
            counters: *self.sender.counters(),
        }
    }
}
