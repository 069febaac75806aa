//! One probe socket: send, receive, and learn when each probe left.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Instant as Monotonic;

use pathvane_clock::{Duration, Instant};
use pathvane_probe::Timestamp;
use socket2::SockRef;

use super::clock::KernelClock;
use super::connects::{Answer, Connects};
use super::message::{Inbox, Message};
use super::open::{Carrier, Spec, enable_stamps, open};
use crate::os_error::OsError;

/// A datagram that arrived on a probe socket.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its payload; for ICMP the message from its type on.
    pub bytes: &'a [u8],
    /// Who sent it; the port is zero for ICMP.
    pub from: SocketAddr,
    /// When it arrived.
    pub at: Instant,
    /// TTL or hop limit that was left of it.
    pub ttl: Option<u8>,
    /// The traffic class it arrived with, if that was asked for ([`Spec::receive_class`]).
    pub class: Option<u8>,
    /// `at` is the kernel's; otherwise it is when we read it, later by scheduling delay.
    pub kernel_stamped: bool,
}

/// What became of a socket's packets; each only grows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// Datagrams that the kernel refused.
    pub send_errors: u64,
    /// Departures that the kernel stamped in a way that can be believed.
    pub sent_stamped: u64,
    /// Datagrams received.
    pub received: u64,
    /// Of those, the ones whose time had to be taken by us.
    pub user_stamped: u64,
    /// Errors on receiving, datagrams too large, and error-queue entries that are no stamps.
    pub receive_errors: u64,
    /// Steps of the wall clock noticed.
    pub clock_steps: u64,
}

/// A buffer for what arrives, shared by many sockets: one that is used at each reply stays in the
/// processor's cache, where one for each of thousands of sockets would not.
#[derive(Clone)]
pub struct SharedInbox(Rc<RefCell<Inbox>>);

impl Default for SharedInbox {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Inbox::new())))
    }
}

/// A socket for probe streams that share source, interface and mark.
pub struct ProbeSocket {
    way: Way,
    inbox: SharedInbox,
    clock: KernelClock,
    departures: Departures,
    counters: Counters,
}

/// What probes travel in, opened.
enum Way {
    Datagrams {
        socket: UdpSocket,
        /// Datagrams begin with an IPv4 header.
        has_header: bool,
        icmp: bool,
        /// Whom it is connected to.
        peer: Option<SocketAddr>,
    },
    Connects(Box<Connects>),
}

impl ProbeSocket {
    /// Opens the socket; `origin` is the engine's `Instant::ZERO`.
    ///
    /// An error names the option that was refused and the remedy. Missing kernel
    /// timestamps are no error: times are then ours, and [`Counters::user_stamped`] says so.
    pub fn open(spec: &Spec, origin: Monotonic) -> Result<Self, OsError> {
        Self::open_sharing(spec, origin, &SharedInbox::default())
    }

    /// The same, with a buffer that other sockets use as well. Those must not be read from within
    /// the callbacks of this one.
    pub fn open_sharing(
        spec: &Spec,
        origin: Monotonic,
        inbox: &SharedInbox,
    ) -> Result<Self, OsError> {
        let (way, stamps) = if spec.carrier == Carrier::Tcp {
            (Way::Connects(Box::new(Connects::open(spec)?)), false)
        } else {
            let (socket, has_header) = open(spec)?;
            let stamps = enable_stamps(&socket, true);
            let icmp = matches!(spec.carrier, Carrier::Icmp { .. });
            let socket = UdpSocket::from(socket);
            (Way::Datagrams { socket, has_header, icmp, peer: None }, stamps)
        };
        Ok(Self {
            way,
            inbox: inbox.clone(),
            clock: KernelClock::new(origin),
            departures: Departures::new(stamps),
            counters: Counters::default(),
        })
    }

    /// The address it is bound to; its port is the kernel's choice if the spec left it open. An
    /// error for TCP, where each connection has its own.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.datagrams()?.local_addr()
    }

    fn datagrams(&self) -> io::Result<&UdpSocket> {
        match &self.way {
            Way::Datagrams { socket, .. } => Ok(socket),
            Way::Connects(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The time now, on the scale of its timestamps.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The wall clock at `Instant::ZERO`, as packets carry it.
    pub fn epoch(&self) -> Timestamp {
        self.clock.epoch()
    }

    /// What became of its packets.
    pub fn counters(&self) -> Counters {
        Counters { clock_steps: self.clock.steps(), ..self.counters }
    }

    /// From now on talks to `to` alone, and learns what the kernel knows of the way there. That is not
    /// looked up for each probe then, which makes a fifth of what sending costs.
    pub fn connect(&mut self, to: SocketAddr) -> io::Result<()> {
        SockRef::from(self.datagrams()?).connect(&to.into())?;
        if let Way::Datagrams { peer, .. } = &mut self.way {
            *peer = Some(to);
        }
        Ok(())
    }

    /// Whether it talks to one far end alone.
    pub fn is_connected(&self) -> bool {
        matches!(self.way, Way::Datagrams { peer: Some(_), .. })
    }

    /// Octets of the largest IP packet on the way to where it is connected to, as far as the kernel
    /// knows. Loopback's are more than can be told here: 65535.
    pub fn path_mtu(&self) -> io::Result<u16> {
        let socket = self.datagrams()?;
        let octets = crate::sys::path_mtu(socket.as_fd(), socket.local_addr()?.is_ipv6())?;
        Ok(u16::try_from(octets).unwrap_or(u16::MAX))
    }

    /// Sends a probe now or not at all; [`drain_sent`](Self::drain_sent) tells `tag` when it left, but
    /// not of TCP. There `bytes` stay here, and come back when the connection is accepted or refused.
    pub fn try_send(&mut self, bytes: &[u8], to: SocketAddr, tag: u64) -> io::Result<()> {
        let mut to = to;
        let before = self.clock.now();
        let sent = match &mut self.way {
            Way::Datagrams { socket, icmp, peer, .. } => {
                if *icmp {
                    to.set_port(0);
                }
                let sent = send(socket, bytes, to, *peer);
                match sent {
                    Ok(()) => self.departures.note(tag, before),
                    // Whether the kernel counted this send depends on where it failed.
                    Err(_) => self.departures.restart(enable_stamps(socket, true)),
                }
                sent
            }
            Way::Connects(connects) => connects.begin(bytes, to, before),
        };
        match sent {
            Ok(()) => self.counters.sent += 1,
            Err(_) => self.counters.send_errors += 1,
        }
        sent
    }

    /// Hands over the departures that the kernel has stamped since, `limit` at most.
    ///
    /// Call it before [`recv_batch`](Self::recv_batch): a reply's round trip starts with the stamp.
    /// When all that were sent are told it does not ask for more.
    pub fn drain_sent(&mut self, limit: usize, mut each: impl FnMut(u64, Instant)) -> usize {
        let Way::Datagrams { socket, .. } = &self.way else { return 0 };
        // At least once: what is not ours must not stay in the queue.
        let limit = limit.min(self.departures.waiting.max(1));
        let mut inbox = self.inbox.0.borrow_mut();
        for taken in 0..limit {
            let Ok(message) = inbox.receive_error(socket.as_fd()) else { return taken };
            let details = message.details;
            let Some(key) = details.sent_key else {
                self.counters.receive_errors += 1;
                continue;
            };
            let stamp = self.clock.stamp(details.stamp);
            if !stamp.kernel {
                continue;
            }
            if let Some(tag) = self.departures.take(key, stamp.at) {
                self.counters.sent_stamped += 1;
                each(tag, stamp.at);
            }
        }
        limit
    }

    /// Hands over what has arrived, `limit` at most; as many as `limit` means there may be more.
    ///
    /// Call it before looking at timers, so that a stall of ours is never taken for a silence of
    /// the path.
    pub fn recv_batch(&mut self, limit: usize, mut each: impl FnMut(Datagram<'_>)) -> usize {
        let Self { way, inbox, clock, counters, .. } = self;
        let (socket, has_header) = match way {
            Way::Datagrams { socket, has_header, .. } => (&*socket, *has_header),
            Way::Connects(connects) => {
                let at = clock.now();
                return connects.answers(limit, at, |answer| {
                    let Some(Answer { ticket, from }) = answer else {
                        counters.receive_errors += 1;
                        return;
                    };
                    counters.received += 1;
                    counters.user_stamped += 1;
                    let (ttl, class, kernel_stamped) = (None, None, false);
                    each(Datagram { bytes: &ticket, from, at, ttl, class, kernel_stamped });
                });
            }
        };
        let mut inbox = inbox.0.borrow_mut();
        for taken in 0..limit {
            match inbox.receive(socket.as_fd()) {
                Ok(message) => deliver(message, has_header, clock, counters, &mut each),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return taken,
                Err(_) => counters.receive_errors += 1,
            }
        }
        limit
    }
}

impl AsFd for ProbeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.way {
            Way::Datagrams { socket, .. } => socket.as_fd(),
            Way::Connects(connects) => connects.as_fd(),
        }
    }
}

/// Sends to a connected socket's peer, or anybody. What the network has said of an earlier probe
/// concerns that one.
fn send(
    socket: &UdpSocket,
    bytes: &[u8],
    to: SocketAddr,
    peer: Option<SocketAddr>,
) -> io::Result<()> {
    if peer != Some(to) {
        return SockRef::from(socket).send_to(bytes, &to.into()).map(|_| ());
    }
    match socket.send(bytes) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => socket.send(bytes),
        sent => sent,
    }
    .map(|_| ())
}

fn deliver(
    message: Message<'_>,
    has_header: bool,
    clock: &mut KernelClock,
    counters: &mut Counters,
    each: &mut impl FnMut(Datagram<'_>),
) {
    let stamp = clock.stamp(message.details.stamp);
    let bytes = if has_header { skip_ipv4_header(message.bytes) } else { Some(message.bytes) };
    let (Some(bytes), Some(from), false) = (bytes, message.from, message.truncated) else {
        counters.receive_errors += 1;
        return;
    };
    counters.received += 1;
    counters.user_stamped += u64::from(!stamp.kernel);
    let (ttl, class) = (message.details.ttl, message.details.traffic_class);
    each(Datagram { bytes, from, at: stamp.at, ttl, class, kernel_stamped: stamp.kernel });
}

fn skip_ipv4_header(packet: &[u8]) -> Option<&[u8]> {
    let words = packet.first()? & 0x0f;
    packet.get(usize::from(words) * 4..)
}

/// The sends whose departure the kernel has not told yet, by its count of sends.
struct Departures {
    /// The kernel stamps departures at all.
    stamps: bool,
    /// The kernel's number of the next send.
    next: u32,
    /// How many are remembered.
    waiting: usize,
    slots: Box<[Departure; Departures::SLOTS]>,
}

#[derive(Clone, Copy)]
struct Departure {
    key: u32,
    tag: u64,
    before: Instant,
    waits: bool,
}

impl Departures {
    /// Sends remembered. Departures are told within moments, at a thousand sends a second at most;
    /// of one that is not, the time of writing stands.
    const SLOTS: usize = 64;
    /// A stamp may seem this much earlier than the send, by the error of reading two clocks.
    const SLACK: Duration = Duration::from_micros(50);

    fn new(stamps: bool) -> Self {
        let empty = Departure { key: 0, tag: 0, before: Instant::ZERO, waits: false };
        Self { stamps, next: 0, waiting: 0, slots: Box::new([empty; Self::SLOTS]) }
    }

    /// Notes a send that succeeded.
    fn note(&mut self, tag: u64, before: Instant) {
        if self.stamps {
            let slot = &mut self.slots[index(self.next)];
            self.waiting += usize::from(!slot.waits);
            *slot = Departure { key: self.next, tag, before, waits: true };
            self.next = self.next.wrapping_add(1);
        }
    }

    /// The tag of the send `key`, if the stamp can be its.
    fn take(&mut self, key: u32, at: Instant) -> Option<u64> {
        let slot = &mut self.slots[index(key)];
        if !slot.waits || slot.key != key || at + Self::SLACK < slot.before {
            return None;
        }
        slot.waits = false;
        self.waiting -= 1;
        Some(slot.tag)
    }

    /// The kernel counts from zero again; stamps still on their way are given up.
    fn restart(&mut self, stamps: bool) {
        self.stamps = stamps;
        self.next = 0;
        self.waiting = 0;
        self.slots.iter_mut().for_each(|slot| slot.waits = false);
    }
}

fn index(key: u32) -> usize {
    key as usize % Departures::SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Instant {
        Instant::from_nanos(us * 1_000)
    }

    #[test]
    fn departures_are_told_once_and_by_the_kernels_count() {
        let mut departures = Departures::new(true);
        for turn in 0..300 {
            departures.note(1_000 + turn, at(turn * 100));
        }
        assert_eq!(departures.take(299, at(29_903)), Some(1_299));
        assert_eq!(departures.take(299, at(29_903)), None, "once");
        assert_eq!(departures.take(235, at(29_903)), None, "overwritten by 299");
        assert_eq!(departures.take(236, at(23_603)), Some(1_236));
        assert_eq!(departures.take(300, at(40_000)), None, "not sent");
    }

    #[test]
    fn a_stamp_from_before_a_restart_is_not_taken_for_a_later_send() {
        let mut departures = Departures::new(true);
        departures.note(1, at(0));
        departures.restart(true);
        departures.note(2, at(5_000));
        assert_eq!(departures.take(0, at(3)), None, "too early for tag 2");
        assert_eq!(departures.take(0, at(5_003)), Some(2));
    }

    #[test]
    fn ipv4_headers_of_any_length_are_skipped_and_of_lying_length_refused() {
        let mut packet = [0_u8; 64];
        packet[0] = 0x45;
        assert_eq!(skip_ipv4_header(&packet).unwrap().len(), 44);
        packet[0] = 0x4f;
        assert_eq!(skip_ipv4_header(&packet).unwrap().len(), 4);
        assert_eq!(skip_ipv4_header(&packet[..30]), None);
        assert_eq!(skip_ipv4_header(&[]), None);
    }
}
