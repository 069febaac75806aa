//! The process at the other end of the measured daemon's sessions: sends tables, receives and checks
//! them, and stamps both. It is told by [`Order`]s on standard input and ends with it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::connection::Connection;
use super::message::UPDATE;
use super::orders::{ASN, Answer, Counts, Order, Role, Target, feed_asn, watch_asn};
use super::ping;
use super::table::{Stream, Table};
use super::watch::{Difference, Numbers, Watch};
use crate::mono;

/// How long sessions may take to open: daemons wait after a start.
const OPENS_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at what wants to be sent although nothing happens.
pub(super) const TICK_MS: u16 = 1_000;

/// Does what standard input says until it ends.
pub(super) fn run() -> io::Result<()> {
    let mut orders = Orders::default();
    let Some(Order::Be(role)) = orders.wait()? else {
        return Err(io::Error::other("the first order has to be `Be`"));
    };
    let mut endpoint = Endpoint::new(role);
    answer(&Answer::Done)?;
    loop {
        endpoint.turn(Some(&mut orders), TICK_MS);
        while let Some(order) = orders.next()? {
            if let Some(done) = endpoint.obey(order) {
                answer(&done)?;
            }
        }
        for news in endpoint.news() {
            answer(&news)?;
        }
        if orders.ended {
            return Ok(());
        }
    }
}

fn answer(answer: &Answer) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Standard input, cut into orders without ever waiting for the rest of one.
#[derive(Debug, Default)]
pub(super) struct Orders {
    bytes: VecDeque<u8>,
    ended: bool,
}

impl Orders {
    fn read(&mut self) {
        let mut chunk = [0; 4096];
        match nix::unistd::read(io::stdin(), &mut chunk) {
            Ok(count) if count > 0 => self.bytes.extend(&chunk[..count]),
            _ => self.ended = true,
        }
    }

    fn next(&mut self) -> io::Result<Option<Order>> {
        let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.bytes.drain(..=end).collect();
        Ok(Some(serde_json::from_slice(&line)?))
    }

    fn wait(&mut self) -> io::Result<Option<Order>> {
        loop {
            match self.next()? {
                None if !self.ended => self.read(),
                order => return Ok(order),
            }
        }
    }
}

/// A session that sends.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) number: u16,
    pub(super) local: Ipv4Addr,
    announce: (Rc<Vec<u8>>, u64),
    withdraw: (Rc<Vec<u8>>, u64),
    pub(super) connection: Option<Connection>,
}

/// The session, if it is up.
fn open(connection: &mut Option<Connection>) -> Option<&mut Connection> {
    connection.as_mut().filter(|connection| connection.is_up())
}

/// One process with its sessions.
#[derive(Debug)]
pub(super) struct Endpoint {
    role: Role,
    table: Table,
    numbers: Numbers,
    pub(super) feeds: Vec<Feed>,
    pub(super) watches: Vec<(Option<Connection>, Watch)>,
    want: Vec<u64>,
    /// Whether it has yet to be told that the receivers have what they should have.
    awaited: bool,
    /// What is being sent: since when, and how many UPDATEs.
    sending: Option<(u64, u64)>,
    told_of_end: bool,
}

impl Endpoint {
    fn new(role: Role) -> Self {
        let table = Table::new(role.spec);
        let numbers = Numbers::new(table.prefixes());
        let feed = |&(number, local, _): &(u16, Ipv4Addr, _)| {
            let (mut announce, mut withdraw) = (Stream::default(), Stream::default());
            // One more than there are has no table.
            if number < role.spec.feeds {
                announce = table.announcements(number, feed_asn(number), local.to_bits());
                withdraw = table.withdrawals(number);
            }
            let shared = |stream: Stream| (Rc::new(stream.bytes), stream.updates);
            let (announce, withdraw) = (shared(announce), shared(withdraw));
            Feed { number, local, announce, withdraw, connection: None }
        };
        let feeds = role.feeds.iter().map(feed).collect();
        let watches = role.watches.iter().map(|_| (None, Watch::new(&numbers))).collect();
        let want = vec![0; table.prefixes().len()];
        Self {
            role,
            table,
            numbers,
            feeds,
            watches,
            want,
            awaited: false,
            sending: None,
            told_of_end: false,
        }
    }

    /// Waits for something to happen and deals with it: sockets here, orders only read.
    pub(super) fn turn(&mut self, orders: Option<&mut Orders>, timeout_ms: u16) {
        let stdin = io::stdin();
        let mut fds = Vec::new();
        for connection in self.connections() {
            let mut wish = PollFlags::POLLIN;
            wish.set(PollFlags::POLLOUT, connection.has_unsent());
            fds.push(PollFd::new(connection.as_fd(), wish));
        }
        if orders.is_some() {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        // Interrupted or not: what is ready is ready.
        let _ = poll(&mut fds, PollTimeout::from(timeout_ms));
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        drop(fds);
        let mut ready = ready.into_iter();
        for feed in &mut self.feeds {
            let Some(connection) = open(&mut feed.connection) else { continue };
            if ready.next() == Some(true) {
                connection.receive(|_, _| {});
            }
            connection.flush();
        }
        for (connection, watch) in &mut self.watches {
            let Some(connection) = open(connection) else { continue };
            if ready.next() == Some(true) {
                connection.receive(|kind, body| {
                    if kind == UPDATE {
                        watch.update(body, &self.numbers, &self.want);
                    }
                });
                watch.stamp(connection.arrived_ns);
            }
            connection.flush();
        }
        if let (Some(orders), Some(true)) = (orders, ready.next()) {
            orders.read();
        }
    }

    /// The open sessions, those that send first.
    fn connections(&self) -> impl Iterator<Item = &Connection> {
        let feeds = self.feeds.iter().filter_map(|feed| feed.connection.as_ref());
        let watches = self.watches.iter().filter_map(|(connection, _)| connection.as_ref());
        feeds.chain(watches).filter(|connection| connection.is_up())
    }

    /// What has come about since.
    fn news(&mut self) -> Vec<Answer> {
        let mut news = Vec::new();
        if self.awaited && self.watches.iter().all(|(_, watch)| watch.is_complete()) {
            self.awaited = false;
            news.push(Answer::Reached { at_ns: mono::now().as_nanos() });
        }
        let all_sent = !self.connections().any(Connection::has_unsent);
        if let Some((first_ns, updates)) = self.sending.take_if(|_| all_sent) {
            news.push(Answer::Sent { first_ns, updates });
        }
        news.extend(self.lost_session().map(Answer::Failed));
        news
    }

    /// Why a session ended that nobody ended here; said once.
    pub(super) fn lost_session(&mut self) -> Option<String> {
        if self.told_of_end {
            return None;
        }
        let feeds = self.feeds.iter().filter_map(|feed| feed.connection.as_ref());
        let watches = self.watches.iter().filter_map(|(connection, _)| connection.as_ref());
        let reason = feeds.chain(watches).find_map(|connection| connection.ended.clone())?;
        self.told_of_end = true;
        Some(format!("a session ended: {reason}"))
    }

    fn obey(&mut self, order: Order) -> Option<Answer> {
        match order {
            Order::Be(_) => Some(Answer::Failed("it is somebody already".into())),
            Order::Connect => Some(match self.connect() {
                Ok(()) => Answer::Done,
                Err(error) => Answer::Failed(format!("no session: {error}")),
            }),
            Order::Announce(feeds) => self.send(&feeds, |feed| &feed.announce),
            Order::Withdraw(feeds) => self.send(&feeds, |feed| &feed.withdraw),
            Order::Expect(target) => {
                self.expect(target);
                Some(Answer::Done)
            }
            Order::Cut(number) => {
                let first_ns = mono::now().as_nanos();
                let feed = self.feeds.iter_mut().find(|feed| feed.number == number);
                if let Some(connection) = feed.and_then(|feed| feed.connection.as_mut()) {
                    connection.cut();
                }
                Some(Answer::Sent { first_ns, updates: 0 })
            }
            Order::Count => Some(Answer::Counted(self.counts())),
            Order::Compare => Some(Answer::Compared(self.compare())),
            Order::Ping(pinging) => Some(ping::ping(self, pinging).unwrap_or_else(Answer::Failed)),
        }
    }

    fn connect(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + OPENS_WITHIN;
        for (feed, &(number, local, remote)) in self.feeds.iter_mut().zip(&self.role.feeds) {
            let connection = Connection::dial(local, remote, feed_asn(number), deadline)?;
            feed.connection = Some(connection);
        }
        let watches = self.watches.iter_mut().zip(&self.role.watches);
        for ((connection, _), &(number, local, remote)) in watches {
            let dialled = Connection::dial(local, remote, watch_asn(number), deadline)?;
            *connection = Some(dialled);
        }
        Ok(())
    }

    /// Queues a stream of each of these feeds; that it was sent comes as news.
    fn send(
        &mut self,
        numbers: &[u16],
        stream: impl Fn(&Feed) -> &(Rc<Vec<u8>>, u64),
    ) -> Option<Answer> {
        let first_ns = mono::now().as_nanos();
        let mut updates = 0;
        for feed in self.feeds.iter_mut().filter(|feed| numbers.contains(&feed.number)) {
            let (bytes, count) = stream(feed).clone();
            updates += count;
            if let Some(connection) = &mut feed.connection {
                connection.send(bytes);
                connection.flush();
            }
        }
        self.sending = Some((first_ns, updates));
        None
    }

    fn expect(&mut self, target: Target) {
        let next_hop = self.role.watches.first().map_or(0, |(_, _, remote)| remote.ip().to_bits());
        self.want = match target {
            Target::Nothing => vec![0; self.want.len()],
            Target::Feeds(feeds) => {
                let feeds = feeds.into_iter().map(|feed| (feed, feed_asn(feed)));
                self.table.expected(feeds, ASN, next_hop)
            }
        };
        self.watches.iter_mut().for_each(|(_, watch)| watch.expect(&self.want));
        self.awaited = true;
    }

    fn counts(&self) -> Counts {
        Counts {
            received: self.connections().map(|connection| connection.received).sum(),
            updates: self.watches.first().map_or(0, |(_, watch)| watch.updates),
        }
    }

    fn compare(&self) -> Difference {
        let mut difference = Difference::default();
        self.watches.iter().for_each(|(_, watch)| difference.add(&watch.compare(&self.want)));
        difference
    }
}
