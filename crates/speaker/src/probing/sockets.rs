//! The sockets of a run: one for each source port.

use std::io;
use std::net::SocketAddr;
use std::time::Instant as Monotonic;

use pathvane_clock::Instant;
use pathvane_probe::Timestamp;

use crate::os_error::OsError;
use crate::probe_io::{Datagram, ProbeSocket, Spec, Watch};

/// Sockets that are used in turn: probe `seq` leaves from number `seq % ports`.
pub(super) struct Sockets(Vec<ProbeSocket>);

impl Sockets {
    /// Opens `ports` of them, one at least.
    pub(super) fn open(spec: &Spec, ports: u8, origin: Monotonic) -> Result<Self, OsError> {
        let open = |_| ProbeSocket::open(spec, origin);
        Ok(Self((0..ports.max(1)).map(open).collect::<Result<_, _>>()?))
    }

    /// Has `watch` tell when any has something.
    pub(super) fn watched_by(&self, watch: &mut Watch) -> Result<(), OsError> {
        self.0.iter().enumerate().try_for_each(|(number, socket)| watch.add(socket, number))
    }

    pub(super) fn now(&self) -> Instant {
        self.0[0].now()
    }

    pub(super) fn epoch(&self) -> Timestamp {
        self.0[0].epoch()
    }

    /// The source port that probe `seq` leaves from.
    pub(super) fn port(&self, seq: u32) -> u8 {
        (seq as usize % self.0.len()) as u8
    }

    /// The UDP numbers of the source ports whose bits are set.
    pub(super) fn numbers(&self, ports: u16) -> Vec<u16> {
        let set = self.0.iter().enumerate().filter(|(nth, _)| ports >> nth & 1 == 1);
        set.filter_map(|(_, socket)| Some(socket.local_addr().ok()?.port())).collect()
    }

    pub(super) fn try_send(&mut self, bytes: &[u8], to: SocketAddr, seq: u32) -> io::Result<()> {
        let port = usize::from(self.port(seq));
        self.0[port].try_send(bytes, to, seq.into())
    }

    /// Takes all departures, each with the number of its probe.
    pub(super) fn drain_sent(&mut self, mut each: impl FnMut(u32, Instant)) {
        for socket in &mut self.0 {
            while socket.drain_sent(Self::BATCH, |tag, at| each(tag as u32, at)) == Self::BATCH {}
        }
    }

    /// Takes all that arrived.
    pub(super) fn receive(&mut self, mut each: impl FnMut(Datagram<'_>)) {
        for socket in &mut self.0 {
            while socket.recv_batch(Self::BATCH, &mut each) == Self::BATCH {}
        }
    }

    /// Probes and replies whose time is ours and not the kernel's.
    pub(super) fn user_stamped(&self) -> u64 {
        let of = |socket: &ProbeSocket| {
            let counters = socket.counters();
            counters.user_stamped + counters.sent.saturating_sub(counters.sent_stamped)
        };
        self.0.iter().map(of).sum()
    }

    /// Datagrams and departures taken at once.
    const BATCH: usize = 64;
}
