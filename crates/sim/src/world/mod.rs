//! One speaker's engine in a network of emulated cloud routers, reflectors and voice.
//!
//! Signal flow: the engine's probes go up a path's link to a reflector in the region; the
//! reply goes where the VPC sends the probe's source, which is where the engine had it
//! announced. Sessions are streams over the same links. A call runs both ways: up the path
//! that the engine's next-hop group names, down the path that the VPC picks. So a scenario
//! breaks a link and looks at what the call lost and what the engine wrote down.

mod cloud_side;
mod faults;
mod flow;
mod setup;
mod site;

use std::collections::VecDeque;
use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::{
    Command, Engine, Event, EventKind, Input, Move, PathId, PeerId, ServiceId, Signal,
};
use pathvane_probe::Timestamp;
use pathvane_session::Direction;

use crate::cloud::{CloudRouter, Vpc};
use crate::net::{Delivery, End, Link, LinkId, Net, StreamId};

use cloud_side::CloudSide;
pub use flow::{Flow, Packet};
pub use setup::{Setup, region_prefix, site_prefix};
use site::Site;

/// What a datagram is.
#[derive(Clone, PartialEq, Debug)]
enum Datagram {
    /// A probe on its way to a reflector.
    Probe { path: usize, stream: u16, bytes: Vec<u8> },
    /// A probe of a path's first hop.
    FirstHop { path: usize, stream: u16, bytes: Vec<u8> },
    /// A reflector's answer, or a first hop's.
    Reply { stream: u16, bytes: Vec<u8> },
}

/// The side that dialled a stream, and the path it runs over.
#[derive(Clone, Copy, Debug)]
struct Conn {
    path: usize,
    site_dialled: bool,
}

/// The world: run it for a while, break something, look.
#[derive(Debug)]
pub struct World {
    now: Instant,
    /// Turns taken without time passing.
    turns: u32,
    net: Net<Datagram>,
    /// Links from and to the site that all paths share.
    last_mile: (LinkId, LinkId),
    /// Each path's links to and from the cloud.
    links: Vec<(LinkId, LinkId)>,
    /// Every stream ever dialled, by its number.
    conns: Vec<Conn>,
    site: Site,
    cloud: CloudSide,
    up: Flow,
    down: Flow,
    next_packet: Instant,
    /// Until when the site's shell stands still, and what waits for it meanwhile.
    stalled: Option<Instant>,
    lag: Duration,
    backlog: VecDeque<Delivery<Datagram>>,
}

/// # Running
impl World {
    /// A world at rest: probing begins, sessions wait for [`Command::Start`].
    pub fn new(setup: Setup) -> Self {
        let now = Instant::from_secs(1_000);
        let mut net = Net::new(setup.seed);
        let mut pair = |delay| (net.add_link(Link::new(delay)), net.add_link(Link::new(delay)));
        let last_mile = pair(Duration::ZERO);
        let links = setup.delays.iter().map(|delay| pair(*delay)).collect();
        let epoch = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
        let engine = Engine::new(now, setup.engine, setup.seed, epoch);
        let mut world = Self {
            now,
            turns: 0,
            net,
            last_mile,
            links,
            conns: Vec::new(),
            site: Site::new(engine, setup.fib_delay),
            cloud: CloudSide::new(now, setup.routers, setup.vpc, epoch),
            up: Flow::default(),
            down: Flow::default(),
            next_packet: now,
            stalled: None,
            lag: Duration::ZERO,
            backlog: VecDeque::new(),
        };
        world.follow_engine();
        world.follow_routers();
        world
    }

    /// A world that has found its feet: sessions up, prefix announced, paths measured, a
    /// minute and a half after the start.
    pub fn settled(setup: Setup) -> Self {
        let mut world = Self::new(setup);
        world.settle();
        world
    }

    /// Starts, and lets everything come up.
    pub fn settle(&mut self) {
        self.tell(Input::Command(Command::Start));
        self.condition(true);
        self.run_for(Duration::from_secs(90));
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.advance(at);
        }
        self.now = end;
    }

    /// Lets time pass until something holds; how long that took, or `None` after `limit`.
    pub fn run_until(
        &mut self,
        limit: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let (start, end) = (self.now, self.now + limit);
        while !holds(self) {
            let at = self.next().filter(|at| *at <= end)?;
            self.advance(at);
        }
        Some(self.now.since(start))
    }

    /// One turn. Panics if time stands still: somebody wants to be woken for ever.
    fn advance(&mut self, at: Instant) {
        let stands = at <= self.now;
        self.turns = if stands { self.turns + 1 } else { 0 };
        assert!(self.turns < 10_000, "time stands still at {at:?}: {:?}", self.alarms());
        self.now = self.now.max(at);
        self.turn();
    }

    /// Who wants to be woken when: network, site, cloud.
    fn alarms(&self) -> [Option<Instant>; 3] {
        let site = self.stalled.or_else(|| self.site.poll_timeout());
        [self.net.poll_timeout(), site, self.cloud.poll_timeout()]
    }

    fn next(&self) -> Option<Instant> {
        self.alarms().into_iter().flatten().chain([self.next_packet]).min()
    }

    fn turn(&mut self) {
        let now = self.now;
        while let Some(delivery) = self.net.pop(now) {
            if self.stalled.is_some() && self.is_for_site(&delivery) {
                self.backlog.push_back(delivery);
            } else {
                self.deliver(delivery);
            }
        }
        if self.stalled.is_none() {
            for input in self.site.due(now) {
                self.tell(input);
            }
        }
        if self.stalled.take_if(|end| *end <= now).is_some() {
            self.wake();
        }
        self.cloud.handle_timeout(now);
        self.follow_routers();
        if now >= self.next_packet {
            self.next_packet += Flow::INTERVAL;
            self.talk();
        }
    }

    /// A shell that stood still says so, and then does the worst it can: it looks at its timers
    /// before it reads its sockets.
    fn wake(&mut self) {
        self.tell(Input::Stalled { lag: self.lag });
        for input in self.site.due(self.now) {
            self.tell(input);
        }
        while let Some(delivery) = self.backlog.pop_front() {
            self.deliver(delivery);
        }
    }

    fn is_for_site(&self, delivery: &Delivery<Datagram>) -> bool {
        match delivery {
            Delivery::Datagram(datagram) => matches!(datagram, Datagram::Reply { .. }),
            Delivery::Opened { stream, end }
            | Delivery::Bytes { stream, end, .. }
            | Delivery::Acked { stream, end, .. }
            | Delivery::Closed { stream, end } => {
                (*end == End::Dialler) == self.conns[stream.number()].site_dialled
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery<Datagram>) {
        match delivery {
            Delivery::Datagram(datagram) => self.deliver_datagram(datagram),
            Delivery::Opened { stream, end } => self.opened(stream, end),
            Delivery::Bytes { stream, end, bytes } => self.bytes(stream, end, &bytes),
            Delivery::Acked { stream, end, position } => self.acked(stream, end, position),
            Delivery::Closed { stream, end } => self.closed(stream, end),
        }
    }

    fn deliver_datagram(&mut self, datagram: Datagram) {
        match datagram {
            Datagram::Probe { path, stream, bytes } => self.reflect(path, stream, &bytes),
            Datagram::FirstHop { path, stream, bytes } => {
                self.answer_as_gateway(path, stream, &bytes)
            }
            Datagram::Reply { stream, bytes } => {
                let stream = pathvane_engine::StreamId(stream);
                let at = self.now;
                self.tell(Input::ProbeReceived {
                    stream,
                    bytes: &bytes,
                    at,
                    ttl: None,
                    class: None,
                    stamped: true,
                });
            }
        }
    }

    /// One packet of the call each way. Where several paths carry, they take turns.
    fn talk(&mut self) {
        let now = self.now;
        let nth = self.up.packets().len();
        let path = self.site.carrier(nth);
        let links = path.map(|path| self.to_cloud(path));
        let arrived = links.and_then(|links| self.net.transit(now, &links));
        self.up.record(Packet { sent: now, path, arrived });
        let path = self.cloud.way_to_site(nth);
        let links = path.map(|path| self.to_site(path));
        let arrived = links.and_then(|links| self.net.transit(now, &links));
        self.down.record(Packet { sent: now, path, arrived });
    }

    /// The links to a path's first hop, which is where the paths part, and back.
    fn to_gateway(&self) -> ([LinkId; 1], [LinkId; 1]) {
        ([self.last_mile.0], [self.last_mile.1])
    }

    fn to_cloud(&self, path: usize) -> [LinkId; 2] {
        [self.last_mile.0, self.links[path].0]
    }

    fn to_site(&self, path: usize) -> [LinkId; 2] {
        [self.links[path].1, self.last_mile.1]
    }
}

/// # Breaking things
impl World {
    /// The link of a path towards the cloud.
    pub fn up_link(&mut self, path: usize) -> &mut Link {
        let link = self.links[path].0;
        self.net.link_mut(link)
    }

    /// The link of a path towards the site.
    pub fn down_link(&mut self, path: usize) -> &mut Link {
        let link = self.links[path].1;
        self.net.link_mut(link)
    }

    /// Changes both links of a path alike.
    pub fn impair(&mut self, path: usize, change: impl Fn(&mut Link)) {
        change(self.up_link(path));
        change(self.down_link(path));
    }

    /// Changes both links that all paths share.
    pub fn impair_last_mile(&mut self, change: impl Fn(&mut Link)) {
        change(self.net.link_mut(self.last_mile.0));
        change(self.net.link_mut(self.last_mile.1));
    }

    /// Resets every connection of a path.
    pub fn cut_sessions(&mut self, path: usize) {
        for (number, conn) in self.conns.iter().enumerate() {
            if conn.path == path {
                self.net.cut(self.now, StreamId::from_number(number));
            }
        }
    }

    /// The site's shell stands still for a while: it sends nothing, and what arrives waits.
    pub fn stall(&mut self, lag: Duration) {
        self.stalled = Some(self.now + lag);
        self.lag = lag;
    }

    /// Silences or revives a reflector of a region.
    pub fn reflector(&mut self, region: usize, nth: usize, alive: bool) {
        self.cloud.reflector(region, nth).alive = alive;
    }

    /// Has every reflector number its replies itself or copy the numbers of probes, and say in
    /// Direct Measurement what it counts or not.
    pub fn counting(&mut self, stateful: bool, counts: bool) {
        self.cloud.counting(stateful, counts);
    }

    /// Has the first hop of a path answer echoes, or not.
    pub fn gateway(&mut self, path: usize, answers: bool) {
        self.cloud.gateway(path, answers);
    }

    /// Lets a router act, for instance go into maintenance.
    pub fn with_router(&mut self, nth: usize, act: impl FnOnce(&mut CloudRouter, Instant)) {
        act(self.cloud.router(nth), self.now);
        self.follow_routers();
    }

    /// Tells the engine a fact or an operator's wish.
    pub fn tell(&mut self, input: Input<'_>) {
        self.site.engine.handle(self.now, input);
        self.follow_engine();
    }

    /// Lets an operator change the engine, as a reload does.
    pub fn with_engine<T>(&mut self, act: impl FnOnce(&mut Engine, Instant) -> T) -> T {
        let done = act(&mut self.site.engine, self.now);
        self.follow_engine();
        done
    }

    /// Whether the site's own route for the announced prefix is there (law 4).
    pub fn condition(&mut self, holds: bool) {
        self.tell(Input::Condition { service: ServiceId(0), announce: 0, holds });
    }
}

/// # Looking
impl World {
    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.site.engine
    }

    /// The VPC.
    pub fn vpc(&self) -> &Vpc {
        self.cloud.vpc()
    }

    /// The routers.
    pub fn routers(&self) -> &[CloudRouter] {
        self.cloud.routers()
    }

    /// The call from the site to the cloud.
    pub fn up(&self) -> &Flow {
        &self.up
    }

    /// The call from the cloud to the site.
    pub fn down(&self) -> &Flow {
        &self.down
    }

    /// The path that leads the service.
    pub fn leader(&self) -> Option<usize> {
        self.engine().service(ServiceId(0)).leader.map(PathId::index)
    }

    /// Whether the engine has left: the process may exit.
    pub fn drained(&self) -> bool {
        self.site.drained
    }

    /// Everything the engine recorded.
    pub fn events(&self) -> &[Event] {
        &self.site.events
    }

    /// What the engine recorded since an instant, one line each: for messages of failed tests.
    pub fn story(&self, since: Instant) -> String {
        let lines = self.events().iter().filter(|event| event.at >= since);
        lines.map(|event| format!("{:?} {:?}\n", event.at, event.kind)).collect()
    }

    /// Drops what was recorded, so that days fit into memory.
    pub fn forget(&mut self) {
        self.site.events.clear();
        self.site.asked.clear();
        self.up = Flow::default();
        self.down = Flow::default();
    }

    /// The moves recorded since an instant.
    pub fn moves(&self, since: Instant) -> Vec<&Move> {
        let kinds = self.events().iter().filter(|event| event.at >= since);
        kinds
            .filter_map(
                |event| if let EventKind::Move(moved) = &event.kind { Some(moved) } else { None },
            )
            .collect()
    }

    /// What the peer of a path was told about the announced prefix since an instant, and when.
    pub fn signals(&self, path: usize, since: Instant) -> Vec<(Instant, Signal)> {
        let to = PeerId(u16::try_from(path).unwrap_or(u16::MAX));
        let wanted = |event: &Event| match event.kind {
            EventKind::Signal { peer, prefix, signal, .. }
                if peer == to && prefix == site_prefix() && event.at >= since =>
            {
                Some((event.at, signal))
            }
            _ => None,
        };
        self.events().iter().filter_map(wanted).collect()
    }

    /// The MED at which the router of a path holds the announced prefix.
    pub fn held(&self, path: usize) -> Option<u32> {
        let mut routes = self.routers()[path].routes();
        routes.find(|(prefix, ..)| **prefix == site_prefix()).map(|(_, route, _)| route.med)
    }
}

/// # Streams
impl World {
    fn opened(&mut self, stream: StreamId, end: End) {
        let Conn { path, site_dialled } = self.conns[stream.number()];
        let conn = conn_id(stream);
        let dialled = end == End::Dialler;
        let direction = if dialled { Direction::Outbound } else { Direction::Inbound };
        if dialled == site_dialled {
            if dialled && !self.site.dial_ended(path, stream) {
                return;
            }
            let (peer, local) = (peer_id(path), (setup::site_address(path), 179).into());
            self.site.opened(stream);
            self.tell(Input::Connected { peer, conn, direction, local });
        } else {
            self.cloud.opened(self.now, path, stream, direction);
            self.follow_routers();
        }
    }

    fn bytes(&mut self, stream: StreamId, end: End, bytes: &[u8]) {
        let Conn { path, site_dialled } = self.conns[stream.number()];
        let conn = conn_id(stream);
        if (end == End::Dialler) == site_dialled {
            self.tell(Input::Bytes { peer: peer_id(path), conn, bytes });
        } else {
            self.cloud.router(path).handle_bytes(self.now, conn, bytes);
            self.follow_routers();
        }
    }

    fn acked(&mut self, stream: StreamId, end: End, position: u64) {
        let Conn { path, site_dialled } = self.conns[stream.number()];
        if (end == End::Dialler) == site_dialled {
            let (sent, acked) = self.site.acked(stream, position);
            self.tell(Input::Progress { peer: peer_id(path), conn: conn_id(stream), sent, acked });
        }
    }

    fn closed(&mut self, stream: StreamId, end: End) {
        let Conn { path, site_dialled } = self.conns[stream.number()];
        let (peer, conn) = (peer_id(path), conn_id(stream));
        if (end == End::Dialler) != site_dialled {
            self.cloud.closed(self.now, path, stream);
            self.follow_routers();
        } else if self.site.dial_ended(path, stream) {
            self.tell(Input::ConnectFailed { peer });
        } else if self.site.closed(stream) {
            self.tell(Input::Closed { peer, conn });
        }
    }

    fn dial(&mut self, path: usize, site_dialled: bool) -> StreamId {
        self.conns.push(Conn { path, site_dialled });
        let (up, down) = (self.to_cloud(path), self.to_site(path));
        match site_dialled {
            true => self.net.dial(self.now, &up, &down),
            false => self.net.dial(self.now, &down, &up),
        }
    }
}

fn conn_id(stream: StreamId) -> pathvane_session::ConnId {
    pathvane_session::ConnId(u32::try_from(stream.number()).unwrap_or(u32::MAX))
}

fn peer_id(path: usize) -> PeerId {
    PeerId(u16::try_from(path).unwrap_or(u16::MAX))
}
