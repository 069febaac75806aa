//! Facts about interfaces and foreign kernel routes, as they change.
//!
//! Reads netlink's multicast events and, where these leave doubt, the tables themselves: IPv4
//! routes vanish with their interface without an event, so every link or address event and every
//! event about a watched prefix makes the main table be read anew, in bounded pieces. What is
//! told is the state, not the event: a lost event costs time, never truth. If the kernel drops
//! events, everything is read anew.
//!
//! Needs no privilege. Measured: a lost carrier is a fact within 25 microseconds of the kernel's
//! event.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ipnet::IpNet;
use pathvane_engine::config::Condition;
use pathvane_engine::{Input, PathId};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Sleep, sleep};

use crate::config::{PathLink, Watched};
use crate::netlink::{Batch, Body, Dump, Header, Link, MAIN_TABLE, OURS, Route, Socket};
use crate::netlink::{group, kind};
use crate::os_error::OsError;

/// Event datagrams read per turn.
const EVENTS_A_TURN: usize = 64;
/// Pieces of the route table read per turn, and the pause before the next ones, which keeps a
/// large table from taking the loop: a piece is up to 32 KiB, some 300 routes, 60 microseconds.
const PIECES_A_TURN: usize = 4;
const PAUSE: Duration = Duration::from_millis(1);

/// The monitor of links, addresses and routes.
#[derive(Debug)]
pub struct Links {
    events: Socket,
    readable: AsyncFd<OwnedFd>,
    tables: Socket,
    interfaces: HashMap<u32, Link>,
    /// Events about them were lost.
    interfaces_stale: bool,
    routes: Routes,
    pause: Pin<Box<Sleep>>,
    paths: Vec<(PathId, String, Option<bool>)>,
    conditions: Vec<(Watched, Option<bool>)>,
}

/// The watched prefixes and which of them have a route.
#[derive(Debug, Default)]
struct Routes {
    watched: HashSet<IpNet>,
    held: HashSet<IpNet>,
    /// The table changed, or may have, since the reading in hand began.
    stale: bool,
    reading: Option<Reading>,
}

/// The main table being read.
#[derive(Debug)]
struct Reading {
    ipv6: bool,
    seq: u32,
    interrupted: bool,
    held: HashSet<IpNet>,
}

/// What a batch of events was about.
#[derive(Default)]
struct Heard {
    links: bool,
    addresses: bool,
    routes: bool,
}

impl Links {
    /// Starts watching the interfaces of `paths` and those `conditions` that the kernel knows
    /// about. Needs a tokio runtime with I/O and time.
    pub fn open(paths: &[PathLink], conditions: &[Watched]) -> Result<Self, OsError> {
        Self::try_open(paths, conditions)
            .map_err(|error| OsError::new("watch the kernel's links and routes", error))
    }

    fn try_open(paths: &[PathLink], conditions: &[Watched]) -> io::Result<Self> {
        let watched: HashSet<_> = conditions
            .iter()
            .filter(|watched| watched.condition == Condition::KernelRoute)
            .map(|watched| watched.prefix.trunc())
            .collect();
        let mut groups = group::LINK | group::IPV4_ADDRESS | group::IPV6_ADDRESS;
        if !watched.is_empty() {
            groups |= group::IPV4_ROUTE | group::IPV6_ROUTE;
        }
        let events = Socket::open(groups)?;
        let named = |(index, path): (usize, &PathLink)| {
            Some((PathId(index as u16), path.interface.clone()?, None))
        };
        let of_the_kernel = |watched: &&Watched| {
            matches!(watched.condition, Condition::KernelRoute | Condition::InterfaceUp(_))
        };
        let mut links = Self {
            readable: events.watch()?,
            events,
            tables: Socket::open(0)?,
            interfaces: HashMap::new(),
            interfaces_stale: false,
            routes: Routes { watched, ..Routes::default() },
            pause: Box::pin(sleep(Duration::ZERO)),
            paths: paths.iter().enumerate().filter_map(named).collect(),
            conditions: conditions
                .iter()
                .filter(of_the_kernel)
                .map(|watched| (watched.clone(), None))
                .collect(),
        };
        links.read_interfaces()?;
        links.routes.stale = true;
        while links.routes.is_behind() {
            links.routes.read(&mut links.tables)?;
        }
        Ok(links)
    }

    /// Reads what happened and appends the facts that are new; at the first call that is
    /// everything watched. Wakes `cx` when there is more.
    ///
    /// Returns whether links or addresses changed, which is when
    /// [`Fib::reconcile`](crate::fib::Fib::reconcile) is called for.
    pub fn serve(
        &mut self,
        cx: &mut Context<'_>,
        facts: &mut Vec<Input<'static>>,
    ) -> Result<bool, OsError> {
        let changed = self
            .try_serve(cx)
            .map_err(|error| OsError::new("follow the kernel's links and routes", error))?;
        self.tell(facts);
        Ok(changed)
    }

    fn try_serve(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut heard = self.listen(cx)?;
        while self.interfaces_stale && self.pause.as_mut().poll(cx).is_ready() {
            match self.read_interfaces() {
                Ok(()) => (self.interfaces_stale, heard.links) = (false, true),
                // They change faster than they can be read.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.pause.as_mut().reset(Instant::now() + PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        self.routes.stale |= heard.links || heard.addresses || heard.routes;
        while self.routes.is_behind() && self.pause.as_mut().poll(cx).is_ready() {
            for _ in 0..PIECES_A_TURN {
                self.routes.read(&mut self.tables)?;
                if !self.routes.is_behind() {
                    return Ok(heard.links || heard.addresses);
                }
            }
            self.pause.as_mut().reset(Instant::now() + PAUSE);
        }
        Ok(heard.links || heard.addresses)
    }

    /// Reads events until there are none, or there were many.
    fn listen(&mut self, cx: &mut Context<'_>) -> io::Result<Heard> {
        let mut heard = Heard::default();
        for _ in 0..EVENTS_A_TURN {
            let Poll::Ready(guard) = self.readable.poll_read_ready(cx) else { return Ok(heard) };
            let Self { events, interfaces, routes, .. } = self;
            let received = guard?.try_io(|_| {
                events.receive(|header, body| heard.note(header, body, interfaces, routes))
            });
            match received {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    tracing::warn!("the kernel dropped link events; reading everything anew");
                    self.interfaces_stale = true;
                }
                Ok(Err(error)) => return Err(error),
            }
        }
        cx.waker().wake_by_ref();
        Ok(heard)
    }

    fn read_interfaces(&mut self) -> io::Result<()> {
        self.interfaces.clear();
        let mut request = Batch::default();
        Link::request_all(&mut request);
        let interfaces = &mut self.interfaces;
        // A socket of its own: the other may be in the midst of the routes.
        Socket::open(0)?.dump(&mut request, |_, body| {
            if let Some(link) = Link::read(body) {
                interfaces.insert(link.index, link);
            }
        })
    }

    fn tell(&mut self, facts: &mut Vec<Input<'static>>) {
        let up = |name: &str| self.interfaces.values().any(|link| link.name == name && link.up);
        for (path, interface, told) in &mut self.paths {
            let up = up(interface);
            if told.replace(up) != Some(up) {
                facts.push(Input::Link { path: *path, up });
            }
        }
        for (watched, told) in &mut self.conditions {
            let holds = match &watched.condition {
                Condition::InterfaceUp(name) => up(name),
                _ => self.routes.held.contains(&watched.prefix.trunc()),
            };
            if told.replace(holds) != Some(holds) {
                let Watched { service, announce, .. } = *watched;
                facts.push(Input::Condition { service, announce, holds });
            }
        }
    }
}

impl Heard {
    fn note(
        &mut self,
        header: Header,
        body: Body<'_>,
        interfaces: &mut HashMap<u32, Link>,
        routes: &Routes,
    ) {
        match header.kind {
            kind::NEW_LINK => {
                if let Some(link) = Link::read(body) {
                    let index = link.index;
                    let before = interfaces.insert(index, link);
                    self.links |= before.as_ref() != interfaces.get(&index);
                }
            }
            kind::DEL_LINK => {
                if let Some(link) = Link::read(body) {
                    self.links |= interfaces.remove(&link.index).is_some();
                }
            }
            kind::NEW_ADDRESS | kind::DEL_ADDRESS => self.addresses = true,
            kind::NEW_ROUTE | kind::DEL_ROUTE => {
                self.routes |= Route::read(body).is_some_and(|route| routes.concerns(&route));
            }
            _ => {}
        }
    }
}

impl Routes {
    /// Whether a foreign route of the main table is for a watched prefix.
    fn concerns(&self, route: &Route) -> bool {
        route.key.table == MAIN_TABLE
            && route.protocol != OURS
            && self.watched.contains(&route.key.prefix)
    }

    fn is_behind(&self) -> bool {
        !self.watched.is_empty() && (self.stale || self.reading.is_some())
    }

    /// Reads one piece of the main table, beginning anew if it changed.
    fn read(&mut self, tables: &mut Socket) -> io::Result<()> {
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => {
                self.stale = false;
                Reading::begin(false, HashSet::new(), tables)?
            }
        };
        let Reading { seq, interrupted, held, .. } = &mut reading;
        let piece = tables.continue_dump(*seq, interrupted, |_, body| {
            let route = Route::read(body).filter(|route| route.usable && self.concerns(route));
            held.extend(route.map(|route| route.key.prefix));
        });
        self.stale |= piece.is_err();
        match piece? {
            Dump::More => self.reading = Some(reading),
            Dump::Done if reading.interrupted => self.stale = true,
            Dump::Done if !reading.ipv6 => {
                self.reading = Some(Reading::begin(true, reading.held, tables)?);
            }
            Dump::Done => self.held = reading.held,
        }
        Ok(())
    }
}

impl Reading {
    fn begin(ipv6: bool, held: HashSet<IpNet>, tables: &mut Socket) -> io::Result<Self> {
        let mut request = Batch::default();
        Route::request_all(&mut request, ipv6, MAIN_TABLE, 0);
        let seq = tables.begin_dump(&mut request)?;
        Ok(Self { ipv6, seq, interrupted: false, held })
    }
}
