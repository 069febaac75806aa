//! The peers' sockets: dialling, accepting, reading a slice, telling a slice.

mod ranges;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::Poll;
use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::{ConnId, Direction, Engine, Input, PeerId};

use super::Token;
use super::leaving::{LINGER, Leaving};
use super::open::{CHUNK, Open};
use super::pace::Pace;
use crate::alarm::now;
use crate::config::{PeerTcp, Range};
use crate::os_error::OsError;
use crate::ready::{Class, ReadySet, Source};
use crate::tcp::{Connection, Dialing, Listener, Options, Roster, TcpFacts, Who};

/// Octets that one peer is read per turn: a bulky one starves nobody.
const READ: Pace = Pace::new(1024, READ_MOST);
const READ_MOST: u32 = 8 * 1024;
/// Octets that one peer is told per turn. Not less than what like peers share comes to.
const TOLD: Pace = Pace::new(4 * 1024, 8 * 1024);
/// Bulk has so much time while there is something to read: a write costs as much as some
/// hundred routes.
const BULK_HAS: Duration = Duration::from_micros(500);
/// Progress that is waited for is asked for again after this, doubling up to [`PROGRESS_MAX`];
/// other progress only after that.
const PROGRESS_MIN: Duration = Duration::from_micros(500);
const PROGRESS_MAX: Duration = Duration::from_millis(250);

/// Every TCP socket of the speaker.
pub(super) struct Peers {
    config: HashMap<PeerId, PeerTcp>,
    roster: Roster,
    ranges: Vec<Range>,
    /// Peers that came by a range, with its number, and how many were turned away.
    dynamic: HashMap<PeerId, usize>,
    turned_away: u64,
    listeners: Vec<(Listener, Source)>,
    dialing: HashMap<PeerId, (Dialing, Source)>,
    open: BTreeMap<ConnId, Open>,
    leaving: Leaving,
    last_conn: u32,
    /// Why the last attempt to dial failed.
    refusals: HashMap<PeerId, String>,
    /// Scratch for reading.
    buffer: Vec<u8>,
    reading: Pace,
    telling: Pace,
    /// Who is to be told bulk, and since when. By turns: like peers share one encoding while they
    /// are equally far.
    bulk: VecDeque<(Instant, ConnId)>,
}

impl Peers {
    pub(super) fn new(config: Vec<PeerTcp>, ranges: Vec<Range>) -> Self {
        let mut roster = Roster::default();
        let config: HashMap<_, _> = (0u16..).map(PeerId).zip(config).collect();
        for (id, peer) in &config {
            roster.add(*id, peer.options.clone());
        }
        for range in &ranges {
            roster.add_range(range.net, range.tcp.options.clone());
        }
        Self {
            config,
            roster,
            ranges,
            dynamic: HashMap::new(),
            turned_away: 0,
            listeners: Vec::new(),
            dialing: HashMap::new(),
            open: BTreeMap::new(),
            leaving: Leaving::default(),
            last_conn: 0,
            refusals: HashMap::new(),
            buffer: vec![0; READ_MOST as usize],
            reading: READ,
            telling: TOLD,
            bulk: VecDeque::new(),
        }
    }

    /// Who may connect.
    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// A peer came, or is reached another way from now on.
    pub(super) fn set(&mut self, peer: PeerId, config: PeerTcp) {
        let old = self.roster.remove(peer);
        self.roster.add(peer, config.options.clone());
        self.follow(old.as_ref());
        self.follow(Some(&config.options));
        self.config.insert(peer, config);
    }

    /// A peer went; its connections are closed by the engine.
    pub(super) fn remove(&mut self, peer: PeerId) {
        let old = self.roster.remove(peer);
        if self.dynamic.remove(&peer).is_none() {
            self.follow(old.as_ref());
        }
        self.config.remove(&peer);
        self.refusals.remove(&peer);
    }

    /// Lets the listening sockets know of a change; what they refuse concerns that peer alone.
    fn follow(&self, changed: Option<&Options>) {
        let Some(changed) = changed else { return };
        for (listener, _) in &self.listeners {
            if let Err(error) = listener.follow(changed, &self.roster) {
                tracing::error!("{error}");
            }
        }
    }

    /// Serves a listening socket from now on.
    pub(super) fn listen(&mut self, ready: &mut ReadySet<Token>, listener: Listener) {
        let source = ready.add(Class::Bulk, Token::Listener(self.listeners.len()));
        self.listeners.push((listener, source));
    }

    /// Starts to dial. A failure is told at once.
    pub(super) fn dial(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine, peer: PeerId) {
        let Some(config) = self.config.get(&peer) else { return };
        match Dialing::start(&config.options) {
            Ok(dialing) => {
                let source = ready.add(Class::Service, Token::Dial(peer));
                self.dialing.insert(peer, (dialing, source));
            }
            Err(error) => self.dial_failed(engine, peer, &error),
        }
    }

    /// Gives up dialling.
    pub(super) fn cancel_dial(&mut self, peer: PeerId) {
        self.dialing.remove(&peer);
    }

    /// A dialled connection may have come about.
    pub(super) fn serve_dial(
        &mut self,
        ready: &mut ReadySet<Token>,
        engine: &mut Engine,
        peer: PeerId,
    ) {
        let Some((dialing, source)) = self.dialing.get_mut(&peer) else { return };
        let Poll::Ready(outcome) = dialing.poll(&mut source.context()) else { return };
        self.dialing.remove(&peer);
        match outcome {
            Ok(connection) => self.opened(ready, engine, peer, connection, Direction::Outbound),
            Err(error) => self.dial_failed(engine, peer, &error),
        }
    }

    /// Says why once, and again when the reason is another.
    fn dial_failed(&mut self, engine: &mut Engine, peer: PeerId, error: &OsError) {
        let reason = error.to_string();
        if self.refusals.get(&peer) != Some(&reason) {
            let name = self.config.get(&peer).map_or("", |config| config.name.as_str());
            tracing::info!(peer = name, "{reason}");
            self.refusals.insert(peer, reason);
        }
        engine.handle(now(), Input::ConnectFailed { peer });
    }

    /// A listening socket may have a connection for us.
    pub(super) fn serve_listener(
        &mut self,
        ready: &mut ReadySet<Token>,
        engine: &mut Engine,
        at: usize,
    ) {
        let (listener, source) = &mut self.listeners[at];
        match listener.poll_accept(&mut source.context(), &self.roster) {
            Poll::Ready(Ok((who, connection))) => {
                source.wake();
                let peer = match who {
                    Who::Peer(peer) => Some(peer),
                    Who::Range(at, address) => self.admit(engine, at, address),
                };
                if let Some(peer) = peer {
                    self.opened(ready, engine, peer, connection, Direction::Inbound);
                }
            }
            Poll::Ready(Err(error)) => {
                source.wake();
                tracing::warn!("{error}");
            }
            Poll::Pending => {}
        }
    }

    fn opened(
        &mut self,
        ready: &mut ReadySet<Token>,
        engine: &mut Engine,
        peer: PeerId,
        connection: Connection,
        direction: Direction,
    ) {
        self.refusals.remove(&peer);
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let class = match engine.matters_to_services(peer) {
            true => Class::Service,
            false => Class::Bulk,
        };
        let local = connection.local();
        let open = Open::new(peer, connection, ready.add(class, Token::Conn(conn)));
        self.open.insert(conn, open);
        engine.handle(now(), Input::Connected { peer, conn, direction, local });
    }

    /// Bytes wait in the engine for a connection: urgent ones are written now.
    pub(super) fn wants(
        &mut self,
        ready: &mut ReadySet<Token>,
        engine: &mut Engine,
        conn: ConnId,
        urgent: bool,
    ) {
        let Some(open) = self.open.get_mut(&conn) else { return };
        open.wants = true;
        if urgent {
            self.hasten(ready, engine, conn);
        }
        self.line_up(conn, now());
    }

    /// Writes what is urgent, if the socket takes anything. If it does not, this is what comes next.
    fn hasten(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine, conn: ConnId) {
        if self.open.get_mut(&conn).is_some_and(|open| open.hasten(engine, conn)) {
            self.write(ready, engine, conn);
        }
    }

    /// How many are to be told bulk.
    pub(super) fn in_line(&self) -> usize {
        self.bulk.len()
    }

    /// Whether somebody has waited long enough for bulk.
    pub(super) fn bulk_is_due(&self, at: Instant) -> bool {
        self.bulk.front().is_some_and(|(since, _)| at.since(*since) >= BULK_HAS)
    }

    /// Tells a slice to whoever waits for bulk and is next.
    pub(super) fn tell(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine) {
        let Some((since, conn)) = self.bulk.pop_front() else { return };
        let Some(open) = self.open.get_mut(&conn) else { return };
        open.lined_up = false;
        open.tell(engine, conn, &mut self.telling);
        if !open.wants || open.out.len() >= CHUNK {
            self.write(ready, engine, conn);
        }
        self.line_up(conn, since);
    }

    /// Bulk is told in turns, but not to a socket that takes no more.
    fn line_up(&mut self, conn: ConnId, since: Instant) {
        let Some(open) = self.open.get_mut(&conn) else { return };
        if open.wants && !open.blocked && open.closing.is_none() && !open.lined_up {
            open.lined_up = true;
            self.bulk.push_back((since, conn));
        }
    }

    /// Closes a connection once everything handed out for it is written, or the peer has had time
    /// enough to take it.
    pub(super) fn close(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine, conn: ConnId) {
        if let Some(open) = self.open.get_mut(&conn) {
            open.closing = Some(now() + LINGER);
        }
        self.write(ready, engine, conn);
    }

    /// A connection is readable or writable: reads one slice, writes what goes.
    pub(super) fn serve(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine, conn: ConnId) {
        self.read(engine, conn);
        if self.open.get(&conn).is_some_and(|open| open.blocked) {
            self.write(ready, engine, conn);
            // What became urgent meanwhile goes before what else waits.
            self.hasten(ready, engine, conn);
            self.line_up(conn, now());
        }
        self.leaving.serve(conn);
    }

    fn read(&mut self, engine: &mut Engine, conn: ConnId) {
        let open = self.open.get_mut(&conn).filter(|open| open.closing.is_none());
        let Some(open) = open else { return };
        let peer = open.peer;
        let room = self.reading.amount() as usize;
        match open.connection.poll_read(&mut open.source.context(), &mut self.buffer[..room]) {
            Poll::Pending => {}
            Poll::Ready(Ok(len)) if len > 0 => {
                // If there is more, after the others.
                if open.connection.poll_readable(&mut open.source.context()).is_ready() {
                    open.source.wake();
                }
                let (begin, bytes) = (now(), &self.buffer[..len]);
                engine.handle(begin, Input::Bytes { peer, conn, bytes });
                self.reading.learn(now().since(begin), len == room);
            }
            Poll::Ready(_) => {
                self.open.remove(&conn);
                engine.handle(now(), Input::Closed { peer, conn });
            }
        }
    }

    /// Writes what is encoded until the socket takes no more, then sees how far it came.
    fn write(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine, conn: ConnId) {
        let Some(open) = self.open.get_mut(&conn) else { return };
        let before = open.connection.written();
        match open.write() {
            Ok(()) if open.closing.is_some() && open.out.is_empty() => self.leave(ready, conn),
            Ok(()) if engine.wants_progress(open.peer) => {
                open.progress = None;
                self.report_progress(engine, conn);
            }
            Ok(()) => {
                // Whether the peer takes anything at all (RFC 9687) has time.
                let written = open.connection.written() != before;
                if open.progress.is_none() && (written || !open.out.is_empty()) {
                    open.progress = Some((now() + PROGRESS_MAX, PROGRESS_MAX));
                }
            }
            Err(_) => {
                let peer = open.peer;
                self.open.remove(&conn);
                engine.handle(now(), Input::Closed { peer, conn });
            }
        }
    }

    fn leave(&mut self, ready: &mut ReadySet<Token>, conn: ConnId) {
        if let Some(open) = self.open.remove(&conn) {
            let source = ready.add(Class::Bulk, Token::Conn(conn));
            self.leaving.add(now(), (open.peer, conn), open.connection.close(), source);
        }
    }

    /// Asks the kernel how far the bytes came, and tells the engine while somebody waits for it.
    fn report_progress(&mut self, engine: &mut Engine, conn: ConnId) {
        let Some(open) = self.open.get_mut(&conn) else { return };
        let wait = open.progress.map_or(PROGRESS_MIN, |(_, wait)| wait);
        let Ok(progress) = open.connection.progress() else { return };
        let at = now();
        let (peer, sent, acked) = (open.peer, progress.sent, progress.acked);
        engine.handle(at, Input::Progress { peer, conn, sent, acked });
        let stuck = !open.out.is_empty() || sent < progress.written;
        open.progress = (stuck || engine.wants_progress(peer)).then(|| (at + wait, wait));
    }

    /// When [`Self::tick`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        let progress = self.open.values().filter_map(|open| open.progress.map(|(at, _)| at));
        let closing = self.open.values().filter_map(|open| open.closing);
        progress.chain(closing).chain(self.leaving.next()).min()
    }

    /// Asks again for progress that is waited for, and drops connections whose peer never closes.
    pub(super) fn tick(&mut self, engine: &mut Engine, at: Instant) {
        self.leaving.tick(at);
        // The kernel goes on with what it has taken.
        self.open.retain(|_, open| open.closing.is_none_or(|until| until > at));
        let due = |open: &Open| open.progress.is_some_and(|(due, _)| due <= at);
        let conns: Vec<_> =
            self.open.iter().filter(|(_, open)| due(open)).map(|(conn, _)| *conn).collect();
        for conn in conns {
            if let Some((_, wait)) = self.open.get_mut(&conn).and_then(|o| o.progress.as_mut()) {
                *wait = (*wait * 2).min(PROGRESS_MAX);
            }
            self.report_progress(engine, conn);
        }
    }

    /// What TCP has seen of an open connection's way.
    pub(super) fn facts(&self, conn: ConnId) -> Option<TcpFacts> {
        self.open.get(&conn)?.connection.facts().ok()
    }

    /// Whether every connection has been closed, by the peer too or for long enough: closing over
    /// unread bytes would send a RST, which can destroy a NOTIFICATION on its way.
    pub(super) fn idle(&self) -> bool {
        self.open.is_empty() && self.leaving.is_empty()
    }
}
