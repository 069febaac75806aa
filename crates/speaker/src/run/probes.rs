//! The probes' sockets: one per path and source port for UDP, one per stream for ICMP.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Instant as Monotonic;

use pathvane_engine::config::ProbeKind;
use pathvane_engine::{Engine, Input, ProbeOut, StreamId};

use super::Token;
use crate::alarm::now;
use crate::config::{PathLink, ShellConfig};
use crate::os_error::OsError;
use crate::probe_io::{Carrier, Datagram, ProbeSocket, Spec, Waiting, Watch};
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
}

/// Every probe socket of the speaker.
pub(super) struct Probes {
    lanes: Vec<Lane>,
    watch: Watch,
    source: Source,
    /// By [`StreamId`].
    streams: Vec<Stream>,
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
            watch: Watch::new()?,
            source: ready.add(Class::Urgent, Token::Probes),
            streams: Vec::new(),
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
                let key = Key { source: stream.source, path, dscp: stream.dscp, icmp, port };
                let lane = match by_key.get(&key) {
                    Some(&lane) => lane,
                    None => probes.add_lane(&spec(&key, &config.paths[path]), origin)?,
                };
                by_key.insert(key, lane);
                probes.lanes[lane].streams.push((target, id));
                lanes.push(lane);
            }
            probes.streams.push(Stream { lanes, target, failing: false });
        }
        Ok(probes)
    }

    fn add_lane(&mut self, spec: &Spec, origin: Monotonic) -> Result<usize, OsError> {
        let (lane, socket) = (self.lanes.len(), ProbeSocket::open(spec, origin)?);
        self.watch.add(&socket, lane)?;
        self.lanes.push(Lane { socket, streams: Vec::new() });
        Ok(lane)
    }

    /// Sends a probe and tells the engine whether it left.
    pub(super) fn send(&mut self, engine: &mut Engine, probe: &ProbeOut) {
        let ProbeOut { stream, seq, packet } = probe;
        let Stream { lanes, target, failing } = &mut self.streams[stream.index()];
        let lane = lanes[*seq as usize % lanes.len()];
        let tag = u64::from(stream.0) << 32 | u64::from(*seq);
        let sent = self.lanes[lane].socket.try_send(packet.bytes(), *target, tag);
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

    /// Some socket may have something.
    pub(super) fn serve(&mut self, engine: &mut Engine) -> io::Result<()> {
        self.read_all(engine);
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
    /// Departures, then one datagram: if there are more, the socket is told again.
    fn read(&mut self, engine: &mut Engine, waiting: Waiting) {
        if waiting.departures {
            self.socket.drain_sent(DEPARTURES, |tag, at| {
                let (stream, seq) = (StreamId((tag >> 32) as u16), tag as u32);
                engine.handle(now(), Input::ProbeStamped { stream, seq, at });
            });
        }
        if !waiting.arrivals {
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

/// How probes of `key` leave over `path`.
fn spec(key: &Key, path: &PathLink) -> Spec {
    let carrier = match key.icmp {
        Some(id) => Carrier::Icmp { identifier: id.icmp_identifier() },
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
