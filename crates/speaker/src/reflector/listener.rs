//! One socket of the reflector.

use std::io;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant as Monotonic;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, RxqOvfl};
use pathvane_clock::{Duration, Instant};
use pathvane_probe::stamp::{ErrorEstimate, LEN, Reply, Request};
use pathvane_probe::{SessionKey, Sessions, Stamps, Timestamp, reflect};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::limiter::{Limiter, Total};
use super::{Config, Counters, count};
use crate::os_error::OsError;
use crate::probe_io::{
    Carrier, Inbox, KernelClock, Message, Spec, Stamp, apply, enable_stamps, receive_class,
    receive_details, send_from,
};
use crate::receive_buffer;

/// A bound socket, and what it knows of its senders.
pub(super) struct Listener {
    socket: UdpSocket,
    local: SocketAddr,
    config: Arc<Config>,
    counters: Arc<Counters>,
    inbox: Inbox,
    gate: Gate,
    /// What the kernel last said of the datagrams that it dropped.
    overflowed: u32,
}

/// Everything of a listener but its socket and buffer.
struct Gate {
    clock: KernelClock,
    epoch: Timestamp,
    sessions: Sessions,
    limiter: Limiter,
    total: Arc<Total>,
    out: Vec<u8>,
}

impl Listener {
    /// A session ends after this long without a request.
    const IDLE: Duration = Duration::from_secs(900);
    /// Sources whose rate is watched one by one.
    const SOURCES: usize = 4_096;
    /// Ports below are those of services, never of a session-sender.
    const FIRST_SENDER_PORT: u16 = 1024;
    /// Octets of requests, as the kernel counts them with what it keeps beside them, that wait while we do not run:
    /// some ten thousand. What it drops would look like loss of the path.
    pub(super) const WAITING: usize = 4 << 20;
    /// An answer to a reply of ours is back within this.
    const LOOP_NS: i64 = 10_000_000_000;

    pub(super) fn bind(
        address: SocketAddr,
        origin: Monotonic,
        config: Arc<Config>,
        counters: Arc<Counters>,
        total: Arc<Total>,
    ) -> Result<Self, OsError> {
        let doing = |error| OsError::new(format!("reflect on {address}"), error);
        let socket = open(address)?;
        enable_stamps(&socket, false);
        let socket = UdpSocket::from_std(StdSocket::from(socket)).map_err(doing)?;
        let clock = KernelClock::new(origin);
        let gate = Gate {
            epoch: clock.epoch(),
            clock,
            sessions: Sessions::new(config.sessions, Self::IDLE),
            limiter: Limiter::new(config.rate, Self::SOURCES),
            total,
            out: Vec::new(),
        };
        let local = socket.local_addr().map_err(doing)?;
        Ok(Self { socket, local, config, counters, inbox: Inbox::new(), gate, overflowed: 0 })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Reflects until the socket fails for good.
    pub(super) async fn run(mut self) -> io::Result<()> {
        loop {
            self.socket.readable().await?;
            match self.reflect_one() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An error of one datagram's way, not of the socket.
                Err(error) if is_passing(&error) => count(&self.counters.send_failed),
                Err(error) => return Err(error),
            }
        }
    }

    fn reflect_one(&mut self) -> io::Result<()> {
        let Self { socket, local, config, counters, inbox, gate, overflowed } = self;
        socket.try_io(Interest::READABLE, || {
            let message = inbox.receive(socket.as_fd())?;
            count(&counters.received);
            if let Some(dropped) = message.details.overflowed {
                let more = dropped.wrapping_sub(std::mem::replace(overflowed, dropped));
                counters.overflowed.fetch_add(more.into(), Relaxed);
            }
            let stamp = gate.clock.stamp(message.details.stamp);
            let Some((from, request)) = gate.admit(&message, stamp, *local, config, counters)
            else {
                return Ok(());
            };
            let Some(dscp) = gate.answer(&message, stamp, from, request, config, counters) else {
                return Ok(());
            };
            match send_from(socket.as_fd(), &gate.out, from, message.details.local, dscp << 2) {
                Ok(_) => count(&counters.replied),
                Err(_) => count(&counters.send_failed),
            }
            Ok(())
        })
    }
}

impl Gate {
    /// A request that is to be answered, and its sender; counts what is not.
    ///
    /// The signature is checked before the rates, so that forged packets do not use up a source's.
    fn admit(
        &mut self,
        message: &Message<'_>,
        stamp: Stamp,
        local: SocketAddr,
        config: &Config,
        counters: &Counters,
    ) -> Option<(SocketAddr, Request)> {
        let from = message.from?;
        let open = Request::decode(message.bytes).filter(|_| !message.truncated);
        let signed = match &config.key {
            Some(key) => Request::decode_signed(message.bytes, key),
            None => open,
        };
        let refused = if open.is_none() {
            &counters.malformed
        } else if from.port() < Listener::FIRST_SENDER_PORT || from.port() == local.port() {
            &counters.looping
        } else if !config.allows(from.ip()) {
            &counters.not_allowed
        } else if message.bytes.len() < LEN && config.allow.is_empty() {
            &counters.short
        } else if signed.is_none() {
            &counters.unauthenticated
        } else if self.is_answer_to_us(message.bytes, stamp.at, config) {
            &counters.looping
        } else if !self.limiter.admits(stamp.at, from.ip()) {
            &counters.over_rate
        } else if !self.total.admits(stamp.at) {
            &counters.over_total_rate
        } else {
            return signed.map(|request| (from, request));
        };
        count(refused);
        None
    }

    /// Whether a packet is another reflector's answer to a reply of ours: it carries back the time at
    /// which we sent that, by our clock and not long ago. What a sender pads with is never that.
    fn is_answer_to_us(&self, bytes: &[u8], now: Instant, config: &Config) -> bool {
        let reply = match &config.key {
            Some(key) => Reply::decode_signed(bytes, key),
            None => Reply::decode(bytes),
        };
        reply.is_some_and(|reply| {
            let ours = reply.sender_time.read(ErrorEstimate::UNSYNCHRONISED);
            (0..=Listener::LOOP_NS).contains(&self.wall(now).since(ours))
        })
    }

    /// Writes the reply into `out`; returns the DSCP to send it with.
    fn answer(
        &mut self,
        message: &Message<'_>,
        stamp: Stamp,
        from: SocketAddr,
        request: Request,
        config: &Config,
        counters: &Counters,
    ) -> Option<u8> {
        let key = SessionKey { addr: from.ip(), port: from.port(), ssid: request.ssid };
        let before = self.sessions.stateless();
        let seq = self.sessions.number(stamp.at, key, request.seq);
        let stateless = self.sessions.stateless() != before;
        if stateless {
            count(&counters.stateless);
        }
        if !stamp.kernel {
            count(&counters.user_stamped);
        }
        let replies = if stateless { 0 } else { seq.wrapping_add(1) };
        let stamps = Stamps {
            received: self.wall(stamp.at),
            sent: self.wall(self.clock.now()),
            ttl: message.details.ttl.unwrap_or(0),
            class: message.details.traffic_class.unwrap_or(0),
            seq,
            counts: (replies, replies),
        };
        let reflected = reflect(message.bytes, config.key.as_ref(), &stamps, &mut self.out)?;
        Some(reflected.dscp)
    }

    /// A clock that starts at the wall clock's time and never steps: T3 − T2 is always true.
    fn wall(&self, at: Instant) -> Timestamp {
        self.epoch.plus(at.since(Instant::ZERO))
    }
}

/// A bound, non-blocking socket that tells TTL, traffic class and our own address of each datagram.
fn open(address: SocketAddr) -> Result<Socket, OsError> {
    let doing = |error| OsError::new(format!("reflect on {address}"), error);
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).map_err(doing)?;
    let spec = Spec { traffic_class: 0, ..Spec::new(Carrier::Udp, address) };
    apply(&socket, &spec)?;
    receive_details(&socket, domain)?;
    receive_class(&socket, domain)?;
    prepare(&socket, domain).and_then(|()| socket.bind(&address.into())).map_err(|error| {
        let error = doing(error);
        // The general remedy speaks of TCP.
        if error.source().kind() == io::ErrorKind::AddrInUse {
            return error.with_remedy("another process has the port; `ss -lunp` names it");
        }
        error
    })?;
    Ok(socket)
}

fn prepare(socket: &Socket, domain: Domain) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    receive_buffer::enlarge(socket, Listener::WAITING)?;
    setsockopt(socket, RxqOvfl, &1)?;
    if domain == Domain::IPV4 {
        Ok(setsockopt(socket, Ipv4PacketInfo, &true)?)
    } else {
        socket.set_only_v6(true)?;
        Ok(setsockopt(socket, Ipv6RecvPacketInfo, &true)?)
    }
}

/// Errors that ICMP brings back for an earlier reply, or that pass by themselves.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
        OutOfMemory,
    };
    matches!(
        error.kind(),
        ConnectionRefused
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | OutOfMemory
    )
}
