//! The probes' sockets: one per path and source port for UDP, one per path for TCP, one per stream for ICMP.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Instant as Monotonic;

use pathvane_engine::config::ProbeKind;
use pathvane_engine::{Engine, Input, ProbeOut, StreamId};

use super::Token;
use super::full_size::FullSize;
use crate::alarm::now;
use crate::config::{PathLink, ShellConfig, StreamSocket};
use crate::os_error::OsError;
use crate::probe_io::{Carrier, Datagram, ProbeSocket, SharedInbox, Spec, Waiting, Watch};
use crate::ready::{Class, ReadySet, Source};

/// Departures taken from one socket at a time.
const DEPARTURES: usize = 64;
/// Times that the sockets are looked through per turn: what floods one of them must not
/// hold up the loop.
const ROUNDS: usize = 64;

/// One socket and the streams on it.
struct Lane {
    socket: ProbeSocket,
    /// Whose replies come from where.
    streams: Vec<(SocketAddr, StreamId)>,
    /// It may be connected to the one far end that its probes go to.
    connects: bool,
}

/// Every probe socket of the speaker.
pub(super) struct Probes {
    lanes: Vec<Lane>,
    inbox: SharedInbox,
    watch: Watch,
    source: Source,
    /// By [`StreamId`].
    streams: Vec<Stream>,
    /// By what is left of a [`StreamId`].
    full_size: Vec<(usize, FullSize)>,
}

/// Where the probes of one stream leave.
struct Stream {
    /// Its lanes, used in turn: one for each source port.
    lanes: Vec<usize>,
    target: SocketAddr,
    /// The last probe could not be sent, so that each failure is told once.
    failing: bool,
}

/// Streams that may share a socket.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    path: usize,
    dscp: u8,
    icmp: Option<StreamId>,
    tcp: bool,
    /// Which of the source ports.
    port: u8,
}

impl Probes {
    /// Opens the sockets of all streams; `origin` is the engine's zero.
    pub(super) fn open(
        config: &ShellConfig,
        ready: &mut ReadySet<Token>,
        origin: Monotonic,
    ) -> Result<Self, OsError> {
        let mut probes = Self {
            lanes: Vec::new(),
            inbox: SharedInbox::default(),
            watch: Watch::new()?,
            source: ready.add(Class::Urgent, Token::Probes),
            streams: Vec::new(),
            full_size: Vec::new(),
        };
        let mut by_key: HashMap<Key, usize> = HashMap::new();
        for (id, stream) in (0u16..).map(StreamId).zip(&config.streams) {
            let icmp = (stream.kind == ProbeKind::Icmp).then_some(id);
            let target = match icmp {
                Some(_) => SocketAddr::new(stream.target.ip(), 0),
                None => stream.target,
            };
            let path = stream.path.index();
            let mut lanes = Vec::new();
            for port in 0..stream.ports.max(1) {
                let tcp = stream.kind == ProbeKind::Tcp;
                let key = Key { source: stream.source, path, dscp: stream.dscp, icmp, tcp, port };
                let lane = match by_key.get(&key) {
                    Some(&lane) => lane,
                    None => probes.add_lane(&spec(&key, &config.paths[path]), origin)?,
                };
                by_key.insert(key, lane);
                probes.lanes[lane].add(target, id);
                lanes.push(lane);
            }
            probes.streams.push(Stream { lanes, target, failing: false });
        }
        let first = u16::try_from(config.streams.len()).unwrap_or(u16::MAX);
        for (id, stream) in (first..).map(StreamId).zip(&config.full_size) {
            probes.add_full_size(id, stream, &config.paths[stream.path.index()], origin)?;
        }
        Ok(probes)
    }

    fn add_lane(&mut self, spec: &Spec, origin: Monotonic) -> Result<usize, OsError> {
        let lane = self.lanes.len();
        let socket = ProbeSocket::open_sharing(spec, origin, &self.inbox)?;
        self.watch.add(&socket, lane)?;
        // Full-size probes see to that themselves.
        let connects = spec.carrier == Carrier::Udp && !spec.dont_fragment;
        self.lanes.push(Lane { socket, streams: Vec::new(), connects });
        Ok(lane)
    }

    fn add_full_size(
        &mut self,
        id: StreamId,
        stream: &StreamSocket,
        path: &PathLink,
        origin: Monotonic,
    ) -> Result<(), OsError> {
        let icmp = (stream.kind == ProbeKind::Icmp).then_some(id);
        let mut target = stream.target;
        if icmp.is_some() {
            target.set_port(0);
        }
        let index = stream.path.index();
        let (tcp, port) = (false, 0);
        let key = Key { source: stream.source, path: index, dscp: stream.dscp, icmp, tcp, port };
        let spec = Spec { dont_fragment: true, ..spec(&key, path) };
        let lane = self.add_lane(&spec, origin)?;
        self.lanes[lane].add(target, id);
        self.full_size.push((lane, FullSize::new(stream.path, target)));
        Ok(())
    }

    /// Sends a probe and tells the engine whether it left.
    pub(super) fn send(&mut self, engine: &mut Engine, probe: &ProbeOut) {
        let ProbeOut { stream, seq, packet } = probe;
        if let Some(at) = stream.index().checked_sub(self.streams.len()) {
            let (lane, full_size) = &mut self.full_size[at];
            return full_size.send(engine, &mut self.lanes[*lane].socket, probe);
        }
        let Stream { lanes, target, failing } = &mut self.streams[stream.index()];
        let lane = lanes[*seq as usize % lanes.len()];
        let sent = self.lanes[lane].send(packet.bytes(), *target, tag(probe));
        let (stream, seq) = (*stream, *seq);
        match sent {
            Ok(()) => {
                *failing = false;
                engine.handle(now(), Input::ProbeSent { stream, seq });
            }
            Err(error) => {
                if !std::mem::replace(failing, true) {
                    tracing::warn!(%target, "cannot send a probe: {error}; it measures nothing");
                }
                engine.handle(now(), Input::ProbeFailed { stream, seq });
            }
        }
    }

    /// The UDP port that is the `nth` source port of a stream.
    pub(super) fn source_port(&self, stream: StreamId, nth: u8) -> Option<u16> {
        let lane = *self.streams.get(stream.index())?.lanes.get(usize::from(nth))?;
        self.lanes[lane].socket.local_addr().ok().map(|at| at.port())
    }

    /// Sees to it that the loop is woken by what arrives, or that it is not, because it wakes soon by
    /// itself and reads then. Call it after [`Self::read_all`], and when that changed.
    pub(super) fn listen(&mut self, wakes: bool) -> io::Result<()> {
        if !wakes {
            return self.watch.rest();
        }
        if let Poll::Ready(any) = self.watch.poll_any(&mut self.source.context()) {
            self.source.wake();
            any?;
        }
        Ok(())
    }

    /// Reads what has arrived: replies come before timers that say they have not.
    pub(super) fn read_all(&mut self, engine: &mut Engine) {
        let Self { lanes, watch, .. } = self;
        for _ in 0..ROUNDS {
            let mut idle = true;
            for waiting in watch.ready() {
                lanes[waiting.number].read(engine, waiting);
                idle = false;
            }
            if idle {
                break;
            }
        }
    }
}

impl Lane {
    /// Adds a stream, whose probes go to `target`.
    fn add(&mut self, target: SocketAddr, id: StreamId) {
        self.connects &= self.streams.iter().all(|(other, _)| *other == target);
        self.streams.push((target, id));
    }

    fn send(&mut self, bytes: &[u8], to: SocketAddr, tag: u64) -> io::Result<()> {
        // Not before there is something to send: there may be no way there when the speaker starts.
        if self.connects && !self.socket.is_connected() {
            self.socket.connect(to)?;
        }
        self.socket.try_send(bytes, to, tag)
    }

    /// Departures, then one datagram: if there are more, the socket is told again.
    fn read(&mut self, engine: &mut Engine, waiting: Waiting) {
        let mut departed = 0;
        if waiting.departures {
            departed = self.socket.drain_sent(DEPARTURES, |tag, at| {
                let (stream, seq) = (StreamId((tag >> 32) as u16), tag as u32);
                engine.handle(now(), Input::ProbeStamped { stream, seq, at });
            });
        }
        // Without a departure it is an error of the network, which waits until the socket is read.
        if !waiting.arrivals && departed > 0 {
            return;
        }
        let streams = &self.streams;
        self.socket.recv_batch(1, |datagram| {
            let from = |(target, _): &&(SocketAddr, StreamId)| *target == datagram.from;
            for &(_, stream) in streams.iter().filter(from) {
                let Datagram { bytes, at, ttl, class, kernel_stamped: stamped, .. } = datagram;
                let received = Input::ProbeReceived { stream, bytes, at, ttl, class, stamped };
                engine.handle(now(), received);
            }
        });
    }
}

/// By which a departure is told.
pub(super) fn tag(probe: &ProbeOut) -> u64 {
    u64::from(probe.stream.0) << 32 | u64::from(probe.seq)
}

/// How probes of `key` leave over `path`.
fn spec(key: &Key, path: &PathLink) -> Spec {
    let carrier = match key.icmp {
        Some(id) => Carrier::Icmp { identifier: id.icmp_identifier() },
        None if key.tcp => Carrier::Tcp,
        None => Carrier::Udp,
    };
    Spec {
        device: path.interface.clone(),
        mark: path.mark,
        traffic_class: key.dscp << 2,
        receive_class: true,
        ..Spec::new(carrier, SocketAddr::new(key.source, 0))
    }
}
