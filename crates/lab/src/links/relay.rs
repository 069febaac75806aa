//! The thread of a link: takes packets in, holds them, lets them out on time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use pathvane_clock::Instant;

use super::connection::Connection;
use super::{Direction, Shared};
use crate::haste::hurry;
use crate::marked::{self, Packet};
use crate::mono;

/// The longest sleep; wishes of the owner wake the thread at once.
const LOOK_UP: Duration = Duration::from_millis(100);
/// Datagrams held at most; more are dropped, as a full queue would.
const MAX_HELD: usize = 100_000;
/// Connections at a time.
const MAX_CONNECTIONS: usize = 16;

/// The sockets of one datagram flow.
#[derive(Debug)]
pub(super) struct FlowSockets {
    /// The site sends here.
    pub(super) near: UdpSocket,
    /// The region sends here.
    pub(super) far: UdpSocket,
    /// Who is at the site.
    pub(super) site: Option<SocketAddr>,
    /// Whether the site is whoever sent last.
    pub(super) learn_site: bool,
    /// Who is in the region.
    pub(super) region: SocketAddr,
}

/// A datagram under way, ordered by its time of arrival and then by its time of entry.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    at: Instant,
    number: u64,
    flow: usize,
    direction: Direction,
    packet: Packet,
}

/// Everything the thread owns.
pub(super) struct Relay {
    listener: TcpListener,
    woken: UnixDatagram,
    router: SocketAddr,
    flows: Vec<FlowSockets>,
    connections: Vec<Connection>,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    number: u64,
    shared: Arc<Shared>,
}

impl Relay {
    pub(super) fn new(
        listener: TcpListener,
        woken: UnixDatagram,
        router: SocketAddr,
        flows: Vec<FlowSockets>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            listener,
            woken,
            router,
            flows,
            connections: Vec::new(),
            under_way: BinaryHeap::new(),
            number: 0,
            shared,
        }
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        hurry();
        while !self.shared.stop.load(Ordering::Acquire) {
            self.heed_owner();
            self.take_datagrams();
            self.accept();
            self.advance_connections();
            self.let_out();
            self.wait();
        }
    }

    /// Does what the owner asked for since the last look.
    fn heed_owner(&mut self) {
        while self.woken.recv(&mut [0; 8]).is_ok() {}
        if self.shared.cut.swap(false, Ordering::AcqRel) {
            self.connections.drain(..).for_each(Connection::reset);
        }
        let deaf = Direction::BOTH.map(|direction| self.shared.line(direction).is_blackhole());
        self.connections.iter_mut().for_each(|connection| connection.set_deaf(deaf));
    }

    /// Reads every datagram that waits and decides its fate at once.
    fn take_datagrams(&mut self) {
        let mut buffer = [0; 2048];
        for index in 0..self.flows.len() {
            for direction in Direction::BOTH {
                while let Some((packet, from)) = self.flows[index].receive(direction, &mut buffer) {
                    if direction == Direction::Forward && self.flows[index].learn_site {
                        self.flows[index].site = Some(from);
                    }
                    self.admit(index, direction, packet);
                }
            }
        }
    }

    fn admit(&mut self, flow: usize, direction: Direction, packet: Packet) {
        let Some(at) = self.shared.line(direction).admit(mono::now()) else { return };
        if self.under_way.len() >= MAX_HELD {
            return;
        }
        self.number += 1;
        let number = self.number;
        self.under_way.push(Reverse(UnderWay { at, number, flow, direction, packet }));
    }

    /// Delivers what is due.
    fn let_out(&mut self) {
        while self.under_way.peek().is_some_and(|Reverse(first)| first.at <= mono::now()) {
            if let Some(Reverse(due)) = self.under_way.pop() {
                let late = mono::now().since(due.at).as_nanos();
                self.shared
                    .late_ns
                    .fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
                self.flows[due.flow].deliver(due.direction, &due.packet);
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((site, _)) = self.listener.accept() {
            if self.connections.len() >= MAX_CONNECTIONS {
                continue;
            }
            // A router that is down refuses; dropping the accepted side tells the site.
            if let Ok(connection) = Connection::open(site, self.router) {
                self.connections.push(connection);
            }
        }
    }

    fn advance_connections(&mut self) {
        let (now, shared) = (mono::now(), &self.shared);
        self.connections.retain_mut(|connection| connection.advance(now, shared));
    }

    /// Sleeps until a socket speaks or something is due.
    fn wait(&self) {
        let now = mono::now();
        let datagram = self.under_way.peek().map(|Reverse(first)| first.at);
        let stream = self.connections.iter().filter_map(Connection::poll_timeout).min();
        let due = [datagram, stream].into_iter().flatten().min();
        let left = due.map_or(LOOK_UP, |at| at.since(now).min(LOOK_UP));
        let mut fds = vec![
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.woken.as_fd(), PollFlags::POLLIN),
        ];
        for flow in &self.flows {
            fds.push(PollFd::new(flow.near.as_fd(), PollFlags::POLLIN));
            fds.push(PollFd::new(flow.far.as_fd(), PollFlags::POLLIN));
        }
        for (socket, flags) in self.connections.iter().flat_map(Connection::interests) {
            // Asked for nothing, a broken socket would still wake us without end.
            if !flags.is_empty() {
                fds.push(PollFd::new(socket.as_fd(), flags));
            }
        }
        // An interrupted wait is a short one.
        let _ = ppoll(&mut fds, Some(TimeSpec::from_duration(left)), None);
    }
}

impl FlowSockets {
    fn receive(&self, direction: Direction, room: &mut [u8]) -> Option<(Packet, SocketAddr)> {
        let socket = match direction {
            Direction::Forward => &self.near,
            Direction::Return => &self.far,
        };
        marked::receive(socket, room)
    }

    /// Sends out at the other end, marked as it came in.
    fn deliver(&self, direction: Direction, packet: &Packet) {
        let (socket, to) = match (direction, self.site) {
            (Direction::Forward, _) => (&self.far, self.region),
            (Direction::Return, Some(site)) => (&self.near, site),
            (Direction::Return, None) => return,
        };
        marked::send(socket, &packet.bytes, packet.tos, to);
    }
}
