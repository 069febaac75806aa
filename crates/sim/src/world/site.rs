//! The site: the engine, and the shell that a simulation needs around it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use pathvane_clock::Instant;
use pathvane_engine::{Engine, Event, Input, Output, ProbeOut, ServiceId, Share};
use pathvane_rib::Budget;

use super::{Conn, Datagram, World, conn_id, peer_id};
use crate::net::{End, StreamId};

/// How far the bytes of one connection have come.
#[derive(Clone, Copy, Default, Debug)]
struct Progress {
    sent: u64,
    acked: u64,
}

#[derive(Debug)]
pub(super) struct Site {
    pub(super) engine: Engine,
    pub(super) events: Vec<Event>,
    /// The engine said that the process may exit.
    pub(super) drained: bool,
    alarm: Option<Instant>,
    /// Dials under way, by path.
    dials: BTreeMap<usize, StreamId>,
    open: BTreeMap<StreamId, Progress>,
    /// Switches of the next-hop group that the kernel is at.
    switching: VecDeque<(Instant, u64, Vec<usize>)>,
    fib_delay: Duration,
    /// The paths that carry the service's traffic, each as often as its weight says.
    carriers: Vec<usize>,
    /// The path of every probe stream.
    streams: Vec<usize>,
    /// Those that probe a first hop.
    first_hops: Vec<pathvane_engine::StreamId>,
    /// Those whose probes the kernel does not take.
    pub(super) refused: BTreeSet<pathvane_engine::StreamId>,
    /// Whether sockets send what they take; otherwise it stays in the unsent queue.
    pub(super) sockets_send: bool,
    pub(super) unsent: BTreeMap<StreamId, Vec<u8>>,
    /// What the engine asked for, apart from probes and alarms.
    pub(super) asked: Vec<(Instant, Output)>,
}

impl Site {
    pub(super) fn new(engine: Engine, fib_delay: Duration) -> Self {
        let streams = engine.config().streams().map(|(_, path, _)| path.index()).collect();
        let config = engine.config();
        let hops = config
            .streams()
            .filter(|(_, path, nth)| config.paths[path.index()].probes[*nth].first_hop);
        Self {
            first_hops: hops.map(|(stream, ..)| stream).collect(),
            engine,
            events: Vec::new(),
            drained: false,
            alarm: None,
            dials: BTreeMap::new(),
            open: BTreeMap::new(),
            switching: VecDeque::new(),
            fib_delay,
            carriers: Vec::new(),
            streams,
            refused: BTreeSet::new(),
            sockets_send: true,
            unsent: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    /// The path of the `nth` packet.
    pub(super) fn carrier(&self, nth: usize) -> Option<usize> {
        self.carriers.get(nth.checked_rem(self.carriers.len())?).copied()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let switched = self.switching.front().map(|(at, ..)| *at);
        [self.alarm, switched].into_iter().flatten().min()
    }

    /// What the kernel and the clock have to say by now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Input<'static>> {
        let mut inputs = Vec::new();
        while let Some((_, generation, paths)) = self.switching.pop_front_if(|(at, ..)| *at <= now)
        {
            self.carriers = paths;
            inputs.push(Input::FibDone { service: ServiceId(0), generation, ok: true });
        }
        if self.alarm.take_if(|at| *at <= now).is_some() {
            inputs.push(Input::Timeout);
        }
        inputs
    }

    /// Whether this stream was the dial under way of a path, which it is no more.
    pub(super) fn dial_ended(&mut self, path: usize, stream: StreamId) -> bool {
        let ours = self.dials.get(&path) == Some(&stream);
        if ours {
            self.dials.remove(&path);
        }
        ours
    }

    pub(super) fn opened(&mut self, stream: StreamId) {
        self.open.insert(stream, Progress::default());
    }

    /// Forgets a connection; whether it was open.
    pub(super) fn closed(&mut self, stream: StreamId) -> bool {
        self.open.remove(&stream).is_some()
    }

    /// Takes note of an acknowledgment: positions sent and acknowledged.
    pub(super) fn acked(&mut self, stream: StreamId, position: u64) -> (u64, u64) {
        let progress = self.open.entry(stream).or_default();
        progress.acked = progress.acked.max(position);
        (progress.sent, progress.acked)
    }

    fn wrote(&mut self, stream: StreamId, bytes: usize) -> (u64, u64) {
        let progress = self.open.entry(stream).or_default();
        progress.sent += bytes as u64;
        (progress.sent, progress.acked)
    }
}

impl World {
    /// Does what the engine asks until it asks for nothing more.
    pub(super) fn follow_engine(&mut self) {
        loop {
            match self.site.engine.poll() {
                Output::Timeout(at) => {
                    self.site.alarm = at;
                    if !self.site.engine.busy() {
                        return;
                    }
                    self.site.engine.work(self.now, Budget { routes: 1_000 });
                }
                output => self.carry_out(output),
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        let now = self.now;
        if !matches!(output, Output::Probe(_) | Output::Timeout(_)) {
            self.site.asked.push((now, output.clone()));
        }
        match output {
            Output::Connect(peer) => {
                self.hang_up(peer.index());
                let stream = self.dial(peer.index(), true);
                self.site.dials.insert(peer.index(), stream);
            }
            Output::CancelConnect(peer) => self.hang_up(peer.index()),
            Output::Transmit { conn, .. } => self.transmit(StreamId::from_number(conn.0 as usize)),
            Output::Close { conn, .. } => {
                let stream = StreamId::from_number(conn.0 as usize);
                self.site.closed(stream);
                let end = self.site_end(stream);
                self.net.close(now, stream, end);
            }
            Output::Probe(ProbeOut { stream, seq, .. }) if self.site.refused.contains(&stream) => {
                self.site.engine.handle(now, Input::ProbeFailed { stream, seq });
            }
            Output::Probe(ProbeOut { stream, seq, packet }) => {
                let path = self.site.streams[stream.index()];
                let bytes = packet.bytes().to_vec();
                if self.site.first_hops.contains(&stream) {
                    let hop = Datagram::FirstHop { path, stream: stream.0, bytes };
                    self.net.send(now, &self.to_gateway().0, hop);
                } else {
                    let probe = Datagram::Probe { path, stream: stream.0, bytes };
                    self.net.send(now, &self.to_cloud(path), probe);
                }
                self.site.engine.handle(now, Input::ProbeSent { stream, seq });
            }
            Output::FibGroup { generation, carry, .. } => {
                let at = now + self.site.fib_delay;
                let often = |share: &Share| {
                    std::iter::repeat_n(share.path.index(), usize::from(share.weight))
                };
                let paths = carry.iter().flat_map(often).collect();
                self.site.switching.push_back((at, generation, paths));
            }
            Output::Event(event) => self.site.events.push(event),
            Output::Drained => self.site.drained = true,
            Output::FibRoute { .. } | Output::FibSynced | Output::Gone(_) | Output::Timeout(_) => {}
        }
    }

    fn hang_up(&mut self, path: usize) {
        if let Some(stream) = self.site.dials.remove(&path) {
            self.net.cut(self.now, stream);
        }
    }

    /// Writes all that waits for a connection; the socket takes it at once.
    fn transmit(&mut self, stream: StreamId) {
        let Conn { path, .. } = self.conns[stream.number()];
        let (peer, conn) = (peer_id(path), conn_id(stream));
        let mut out = BytesMut::new();
        while self.site.engine.poll_transmit(self.now, peer, conn, &mut out, 64 * 1024) > 0 {}
        if out.is_empty() || !self.site.open.contains_key(&stream) {
            return;
        }
        self.site.unsent.entry(stream).or_default().extend_from_slice(&out);
        self.flush(stream);
    }

    /// What lies in a connection's unsent queue leaves, if it can; the engine hears how far it is.
    pub(super) fn flush(&mut self, stream: StreamId) {
        let Conn { path, .. } = self.conns[stream.number()];
        let leaves = match self.site.sockets_send {
            true => self.site.unsent.remove(&stream).unwrap_or_default(),
            false => Vec::new(),
        };
        let (sent, acked) = self.site.wrote(stream, leaves.len());
        let end = self.site_end(stream);
        self.net.write(self.now, stream, end, leaves);
        let (peer, conn) = (peer_id(path), conn_id(stream));
        self.site.engine.handle(self.now, Input::Progress { peer, conn, sent, acked });
    }

    fn site_end(&self, stream: StreamId) -> End {
        match self.conns[stream.number()].site_dialled {
            true => End::Dialler,
            false => End::Acceptor,
        }
    }
}
