//! The peers' sockets: dialling, accepting, reading a slice, writing what the socket takes.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use pathvane_clock::Instant;
use pathvane_engine::{ConnId, Direction, Engine, Input, PeerId};

use super::Token;
use crate::alarm::now;
use crate::config::{PeerTcp, Range};
use crate::os_error::OsError;
use crate::ready::{Class, ReadySet, Source};
use crate::tcp::{Closing, Connection, Dialing, Listener, Options, Roster, TcpFacts, Who};

/// What one peer is read per turn: a bulky one starves nobody.
const READ: usize = 16 * 1024;
/// Encoded bytes that wait for one connection at most; the rest can still be replaced.
const PENDING: usize = 32 * 1024;
/// Progress that is waited for is asked for again after this, doubling up to [`PROGRESS_MAX`];
/// other progress only after that.
const PROGRESS_MIN: Duration = Duration::from_micros(500);
const PROGRESS_MAX: Duration = Duration::from_millis(250);
/// How long a closed connection waits for the peer's FIN.
const LINGER: Duration = Duration::from_secs(2);

/// One open connection.
struct Open {
    peer: PeerId,
    connection: Connection,
    source: Source,
    /// Encoded and not written.
    out: BytesMut,
    /// The engine has bytes for it.
    wants: bool,
    /// Close as soon as `out` is written.
    closing: bool,
    /// When to ask for progress, and the wait after that.
    progress: Option<(Instant, Duration)>,
}

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
    leaving: BTreeMap<ConnId, (Closing, Source, Instant)>,
    last_conn: u32,
    /// Why the last attempt to dial failed.
    refusals: HashMap<PeerId, String>,
    /// Scratch for reading.
    buffer: Vec<u8>,
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
            leaving: BTreeMap::new(),
            last_conn: 0,
            refusals: HashMap::new(),
            buffer: vec![0; READ],
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

    /// Makes a peer of somebody in a range, unless there are enough.
    fn admit(&mut self, engine: &mut Engine, at: usize, address: IpAddr) -> Option<PeerId> {
        let range = &self.ranges[at];
        if self.dynamic.values().filter(|of| **of == at).count() >= range.max_peers {
            self.turned_away += 1;
            if self.turned_away.is_power_of_two() {
                let (name, away) = (&range.peer.name, self.turned_away);
                tracing::warn!(%address, range = name, away, "the range has as many peers as it may");
            }
            return None;
        }
        let peer = engine.add_peer(now(), range.peer_at(address));
        let tcp = range.tcp_at(address);
        // The listening sockets have the key of the range already.
        self.roster.add(peer, tcp.options.clone());
        self.config.insert(peer, tcp);
        self.dynamic.insert(peer, at);
        Some(peer)
    }

    /// Follows what a new configuration calls policies, for ranges and those who came by them.
    pub(super) fn set_ranges(&mut self, engine: &mut Engine, ranges: Vec<Range>) {
        self.ranges = ranges;
        for (peer, at) in &self.dynamic {
            let address = engine.config().peers[peer.index()].address;
            engine.change_peer(now(), *peer, self.ranges[*at].peer_at(address), false);
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
        let speaks_for_a_path =
            engine.config().paths.iter().any(|path| path.announce_via.contains(&peer));
        let class = if speaks_for_a_path { Class::Service } else { Class::Bulk };
        let local = connection.local();
        let open = Open {
            peer,
            connection,
            source: ready.add(class, Token::Conn(conn)),
            out: BytesMut::new(),
            wants: false,
            closing: false,
            progress: None,
        };
        self.open.insert(conn, open);
        engine.handle(now(), Input::Connected { peer, conn, direction, local });
    }

    /// Bytes wait in the engine for a connection.
    pub(super) fn wants(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine, conn: ConnId) {
        if let Some(open) = self.open.get_mut(&conn) {
            open.wants = true;
        }
        self.write(ready, engine, conn);
    }

    /// Closes a connection once everything handed out for it is written.
    pub(super) fn close(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine, conn: ConnId) {
        if let Some(open) = self.open.get_mut(&conn) {
            open.closing = true;
        }
        self.write(ready, engine, conn);
    }

    /// A connection is readable or writable: reads one slice, writes what goes.
    pub(super) fn serve(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine, conn: ConnId) {
        self.read(engine, conn);
        self.write(ready, engine, conn);
        if let Some((closing, source, _)) = self.leaving.get_mut(&conn)
            && closing.poll(&mut source.context()).is_ready()
        {
            self.leaving.remove(&conn);
        }
    }

    fn read(&mut self, engine: &mut Engine, conn: ConnId) {
        let Some(open) = self.open.get_mut(&conn).filter(|open| !open.closing) else { return };
        let peer = open.peer;
        match open.connection.poll_read(&mut open.source.context(), &mut self.buffer) {
            Poll::Pending => {}
            Poll::Ready(Ok(len)) if len > 0 => {
                // If there is more, behind the others.
                if open.connection.poll_readable(&mut open.source.context()).is_ready() {
                    open.source.wake();
                }
                let bytes = &self.buffer[..len];
                engine.handle(now(), Input::Bytes { peer, conn, bytes });
            }
            Poll::Ready(_) => {
                self.open.remove(&conn);
                engine.handle(now(), Input::Closed { peer, conn });
            }
        }
    }

    /// Writes until nothing is left or the socket takes no more, then sees how far it came.
    fn write(&mut self, ready: &mut ReadySet<Token>, engine: &mut Engine, conn: ConnId) {
        let Some(open) = self.open.get_mut(&conn) else { return };
        let before = open.connection.written();
        match open.write(engine, conn) {
            Ok(()) if open.closing && open.out.is_empty() => self.leave(ready, conn),
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
            self.leaving.insert(conn, (open.connection.close(), source, now() + LINGER));
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
        progress.chain(self.leaving.values().map(|&(_, _, until)| until)).min()
    }

    /// Asks again for progress that is waited for, and drops connections whose peer never closes.
    pub(super) fn tick(&mut self, engine: &mut Engine, at: Instant) {
        self.leaving.retain(|_, (_, _, until)| *until > at);
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

impl Open {
    fn write(&mut self, engine: &mut Engine, conn: ConnId) -> std::io::Result<()> {
        loop {
            if self.out.is_empty() && self.wants {
                let given = engine.poll_transmit(now(), self.peer, conn, &mut self.out, PENDING);
                self.wants = given > 0;
            }
            if self.out.is_empty() {
                return Ok(());
            }
            let written = self.connection.try_write(&self.out)?;
            self.out.advance(written);
            if written == 0 {
                match self.connection.poll_writable(&mut self.source.context()) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(ready) => ready?,
                }
            }
        }
    }
}
