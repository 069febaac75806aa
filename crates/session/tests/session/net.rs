//! Two sessions, a network between them that tests command, and virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use bytes::BytesMut;
use pathvane_clock::Instant;
use pathvane_session::{Action, Config, ConnId, Direction, DownReason, Negotiated, Session, Sink};
use pathvane_wire::{Asn, BgpId, DecodeContext, Notification, RouteRefresh, UpdateView};

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;

/// What a session told its caller.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Told {
    Up(ConnId, Box<Negotiated>),
    Down(DownReason),
    Failed(DownReason),
}

/// Counts what reaches the caller, and refuses on request.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) updates: usize,
    pub(crate) refreshes: Vec<RouteRefresh>,
    pub(crate) refuse: Option<Notification>,
}

impl Sink for Routes {
    fn update(&mut self, _: &UpdateView<'_>, _: &DecodeContext) -> Result<(), Notification> {
        self.updates += 1;
        self.refuse.clone().map_or(Ok(()), Err)
    }

    fn route_refresh(&mut self, refresh: RouteRefresh) {
        self.refreshes.push(refresh);
    }
}

/// How the network treats what passes.
#[derive(Clone, Copy)]
pub(crate) struct Net {
    /// Random delays between nothing and this; order within a connection is kept.
    pub(crate) delay: Duration,
    /// Bytes are handed over in pieces of at most this.
    pub(crate) chunk: usize,
    /// Nothing arrives any more.
    pub(crate) blackhole: bool,
}

enum Arrival {
    Connected(ConnId),
    Bytes(ConnId, Vec<u8>),
    Closed(ConnId),
}

impl Arrival {
    fn conn(&self) -> ConnId {
        match self {
            Self::Connected(conn) | Self::Bytes(conn, _) | Self::Closed(conn) => *conn,
        }
    }
}

struct Queued {
    at: Instant,
    order: u64,
    to: usize,
    what: Arrival,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// One end of the pair.
pub(crate) struct End {
    pub(crate) session: Session,
    pub(crate) routes: Routes,
    pub(crate) told: Vec<Told>,
    /// Open connections and who dialled, from this end's view.
    pub(crate) open: BTreeMap<ConnId, Direction>,
    dialling: Option<ConnId>,
}

impl End {
    fn new(config: Config, seed: u64) -> Self {
        config.check().expect("a usable configuration");
        Self {
            session: Session::new(config, seed),
            routes: Routes::default(),
            told: Vec::new(),
            open: BTreeMap::new(),
            dialling: None,
        }
    }

    pub(crate) fn ups(&self) -> usize {
        self.told.iter().filter(|told| matches!(told, Told::Up(..))).count()
    }

    pub(crate) fn downs(&self) -> Vec<&DownReason> {
        self.told
            .iter()
            .filter_map(|told| if let Told::Down(why) = told { Some(why) } else { None })
            .collect()
    }

    pub(crate) fn established_on(&self) -> Option<ConnId> {
        self.session.established().map(|(conn, _)| conn)
    }
}

/// Both ends and all that is under way between them.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) ends: [End; 2],
    pub(crate) net: Net,
    rng: fastrand::Rng,
    queue: BinaryHeap<Reverse<Queued>>,
    /// When the latest arrival per direction and connection is due: TCP keeps order.
    last: BTreeMap<(ConnId, usize), Instant>,
    next_conn: u32,
    order: u64,
}

pub(crate) fn config(local: u32, remote: u32) -> Config {
    Config::new(Asn(65_000 + local), BgpId(0x0a00_0000 + local), Asn(65_000 + remote))
}

impl Pair {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, config(1, 2), config(2, 1))
    }

    pub(crate) fn with(seed: u64, a: Config, b: Config) -> Self {
        Self {
            now: Instant::from_secs(1),
            ends: [End::new(a, seed ^ 1), End::new(b, seed ^ 2)],
            net: Net { delay: Duration::ZERO, chunk: usize::MAX, blackhole: false },
            rng: fastrand::Rng::with_seed(seed),
            queue: BinaryHeap::new(),
            last: BTreeMap::new(),
            next_conn: 1,
            order: 0,
        }
    }

    pub(crate) fn start(&mut self) {
        for side in [A, B] {
            self.ends[side].session.handle_start(self.now);
            self.settle(side);
        }
    }

    /// Lets an end act, then carries out what it asks for.
    pub(crate) fn with_session<T>(
        &mut self,
        side: usize,
        act: impl FnOnce(&mut Session, Instant) -> T,
    ) -> T {
        let done = act(&mut self.ends[side].session, self.now);
        self.settle(side);
        done
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.turn();
        }
        self.now = end;
    }

    /// Runs until nothing is on its way; timers do not fire.
    pub(crate) fn drain(&mut self) {
        while let Some(Reverse(queued)) = self.queue.pop() {
            self.now = self.now.max(queued.at);
            self.arrive(queued.to, queued.what);
        }
    }

    /// Cuts one connection: both ends see it gone, or never see it.
    pub(crate) fn cut(&mut self, conn: ConnId) {
        self.queue.retain(|Reverse(queued)| queued.what.conn() != conn);
        for side in [A, B] {
            let end = &mut self.ends[side];
            if end.open.remove(&conn).is_some() {
                end.session.handle_closed(self.now, conn);
            } else if end.dialling == Some(conn) {
                end.dialling = None;
                end.session.handle_connect_failed(self.now);
            }
            self.settle(side);
        }
    }

    /// Bytes of the caller's own, sent by `side` on its session.
    pub(crate) fn send(&mut self, side: usize, bytes: &[u8]) {
        if let Some(conn) = self.ends[side].established_on() {
            self.post(1 - side, conn, Arrival::Bytes(conn, bytes.to_vec()));
        }
    }

    pub(crate) fn both_established(&self) -> bool {
        let [a, b] = &self.ends;
        a.established_on().is_some() && a.established_on() == b.established_on()
    }

    fn next(&self) -> Option<Instant> {
        let alarms = self.ends.iter().filter_map(|end| end.session.poll_timeout());
        alarms.chain(self.queue.peek().map(|Reverse(queued)| queued.at)).min()
    }

    fn turn(&mut self) {
        while self.queue.peek().is_some_and(|Reverse(queued)| queued.at <= self.now) {
            let Some(Reverse(queued)) = self.queue.pop() else { break };
            self.arrive(queued.to, queued.what);
        }
        for side in [A, B] {
            if self.ends[side].session.poll_timeout().is_some_and(|at| at <= self.now) {
                self.ends[side].session.handle_timeout(self.now);
                self.settle(side);
            }
        }
    }

    fn arrive(&mut self, to: usize, what: Arrival) {
        if self.net.blackhole {
            return;
        }
        let now = self.now;
        let end = &mut self.ends[to];
        match what {
            Arrival::Connected(conn) => {
                let direction = match end.dialling == Some(conn) {
                    true => Direction::Outbound,
                    false => Direction::Inbound,
                };
                if direction == Direction::Outbound {
                    end.dialling = None;
                }
                end.open.insert(conn, direction);
                end.session.handle_connected(now, conn, direction);
            }
            Arrival::Bytes(conn, bytes) => {
                for chunk in bytes.chunks(self.net.chunk.min(bytes.len().max(1))) {
                    let mut rest = Some(chunk);
                    while let Some(bytes) = rest {
                        rest = end.session.handle_bytes(now, conn, bytes, &mut end.routes);
                    }
                }
            }
            Arrival::Closed(conn) => {
                if end.open.remove(&conn).is_some() {
                    end.session.handle_closed(now, conn);
                }
            }
        }
        self.settle(to);
    }

    fn post(&mut self, to: usize, conn: ConnId, what: Arrival) {
        let delay = self.net.delay.as_nanos() as u64;
        let at = self.now + Duration::from_nanos(self.rng.u64(0..=delay));
        let last = self.last.entry((conn, to)).or_insert(at);
        *last = at.max(*last);
        self.order += 1;
        self.queue.push(Reverse(Queued { at: *last, order: self.order, to, what }));
    }

    fn settle(&mut self, side: usize) {
        loop {
            let conns: Vec<_> = self.ends[side].session.transmits().collect();
            for conn in conns {
                let mut bytes = BytesMut::new();
                self.ends[side].session.poll_transmit(conn, &mut bytes);
                self.post(1 - side, conn, Arrival::Bytes(conn, bytes.to_vec()));
            }
            let Some(action) = self.ends[side].session.poll_action() else { return };
            self.carry_out(side, action);
        }
    }

    fn carry_out(&mut self, side: usize, action: Action) {
        let end = &mut self.ends[side];
        match action {
            Action::Connect => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                end.dialling = Some(conn);
                self.post(1 - side, conn, Arrival::Connected(conn));
                self.post(side, conn, Arrival::Connected(conn));
            }
            Action::CancelConnect => {
                let conn = end.dialling.take().expect("an attempt to cancel");
                self.queue.retain(|Reverse(q)| {
                    q.to != side || !matches!(q.what, Arrival::Connected(c) if c == conn)
                });
                self.post(1 - side, conn, Arrival::Closed(conn));
            }
            Action::Close { conn } => {
                assert!(end.open.remove(&conn).is_some(), "closed once, and open before");
                self.post(1 - side, conn, Arrival::Closed(conn));
            }
            Action::Up { conn, negotiated } => end.told.push(Told::Up(conn, negotiated)),
            Action::Down(why) => end.told.push(Told::Down(why)),
            Action::Failed(why) => end.told.push(Told::Failed(why)),
        }
    }
}
