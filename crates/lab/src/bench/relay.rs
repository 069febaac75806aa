//! The null relay: the floor under every figure.
//!
//! It takes the measured daemon's place and passes every UPDATE on as a router would, with its AS
//! before the path and its own next hop, but it knows no routes. What it cannot do faster, no RIB can.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::AsFd;
use std::rc::Rc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::connection::Connection;
use super::message::{self, UPDATE};
use super::orders::ASN;

/// More than this unsent to a receiver, and the feeds have to wait.
const MOST_UNSENT: usize = 1 << 20;

/// Relays between whoever connects to the first address (feeds) and to the second (receivers),
/// until standard input ends.
pub(super) fn run(feeds: SocketAddrV4, receivers: SocketAddrV4) -> io::Result<()> {
    let listeners = [TcpListener::bind(feeds)?, TcpListener::bind(receivers)?];
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    let mut relay = Relay { next_hop: *receivers.ip(), feeds: Vec::new(), receivers: Vec::new() };
    loop {
        let stdin = io::stdin();
        let full = relay.receivers.iter().any(|receiver| receiver.unsent() > MOST_UNSENT);
        let mut fds = vec![PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        fds.extend(listeners.iter().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)));
        let wish = if full { PollFlags::empty() } else { PollFlags::POLLIN };
        fds.extend(relay.feeds.iter().map(|feed| PollFd::new(feed.as_fd(), wish)));
        for receiver in &relay.receivers {
            let mut wish = PollFlags::POLLIN;
            wish.set(PollFlags::POLLOUT, receiver.has_unsent());
            fds.push(PollFd::new(receiver.as_fd(), wish));
        }
        // Interrupted or not: what is ready is ready.
        let _ = poll(&mut fds, PollTimeout::from(1_000_u16));
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        drop(fds);
        if ready[0] {
            return Ok(());
        }
        relay.pass_on(&ready[3..]);
        for (listener, is_feed) in listeners.iter().zip([true, false]) {
            relay.accept(listener, is_feed)?;
        }
    }
}

struct Relay {
    next_hop: Ipv4Addr,
    feeds: Vec<Connection>,
    receivers: Vec<Connection>,
}

impl Relay {
    /// `ready` says of each session, feeds first, whether there is something to do.
    fn pass_on(&mut self, ready: &[bool]) {
        let (from_feeds, from_receivers) = ready.split_at(self.feeds.len());
        let mut passed = Vec::new();
        for (feed, _) in self.feeds.iter_mut().zip(from_feeds).filter(|(_, ready)| **ready) {
            feed.receive(|kind, body| {
                if kind == UPDATE {
                    message::pass_on(&mut passed, body, ASN, self.next_hop.to_bits());
                }
            });
        }
        for (receiver, _) in self.receivers.iter_mut().zip(from_receivers).filter(|(_, r)| **r) {
            receiver.receive(|_, _| {});
        }
        let passed = Rc::new(passed);
        for receiver in &mut self.receivers {
            if !passed.is_empty() {
                receiver.send(Rc::clone(&passed));
            }
            receiver.flush();
        }
        self.feeds.iter_mut().for_each(Connection::flush);
        self.feeds.retain(|feed| feed.ended.is_none());
        self.receivers.retain(|receiver| receiver.ended.is_none());
    }

    fn accept(&mut self, listener: &TcpListener, is_feed: bool) -> io::Result<()> {
        loop {
            let (stream, peer) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let IpAddr::V4(_) = peer.ip() else { continue };
            stream.set_nonblocking(false)?;
            // A dialler that gives up is no reason to end.
            let Ok(connection) = Connection::open(stream, ASN, self.next_hop) else { continue };
            if is_feed { self.feeds.push(connection) } else { self.receivers.push(connection) }
        }
    }
}
