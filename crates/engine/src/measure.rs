//! Probes out, samples in, verdicts: every stream and every path's monitor.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use pathvane_clock::{Duration, Instant, Roster};
use pathvane_probe::icmp::Version;
use pathvane_probe::{Kind, Seen, Sender, Timestamp};
use pathvane_score::{
    BfdState, ClassScore, LinkState, MonitorConfig, PathMonitor, ProbeRates, Role, Sample,
    StreamSpec, Verdict,
};

use crate::config::{Config, Path, Probe, ProbeKind, Service};
use crate::full_size::FullSize;
use crate::ids::{PathId, StreamId};
use crate::io::{Output, ProbeOut, ProbePacket};
use crate::rate_budget::RateBudget;
use crate::reports::{Held, Limits, Report, Reports};
use crate::view::{FullSizeView, StreamView};

/// One probe stream: a path's probe to one target.
#[derive(Debug)]
struct Stream {
    path: PathId,
    /// Which of the path's streams it is.
    nth: usize,
    sender: Sender,
    /// Time between probes at least.
    slowest: Duration,
    /// It probes the first hop.
    first_hop: bool,
    /// It was told that the first hop does not answer.
    mute: bool,
    /// Round trips of which one end or both are by our clock, not the kernel's.
    user_stamped: u64,
}

/// One path: its monitor and its streams.
#[derive(Debug)]
struct Measured {
    monitor: PathMonitor,
    streams: core::ops::Range<usize>,
    role: Role,
    reports: Reports,
    /// By which reports are judged.
    limits: Vec<Limits>,
}

/// How a datagram arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) seen: Seen,
    /// `at` is the kernel's.
    pub(crate) stamped: bool,
}

#[derive(Clone, Copy, Debug)]
enum Alarm {
    Stream(StreamId),
    Path(PathId),
    FullSize(StreamId),
    Reports(PathId),
}

/// The alarms, numbered by what they are for: every stream, every path, every stream of full size,
/// every path's reports. What is due at the same instant comes in that order.
#[derive(Debug)]
struct Schedule {
    roster: Roster,
    streams: usize,
    paths: usize,
    full_size: usize,
}

impl Schedule {
    fn new(config: &Config) -> Self {
        Self {
            roster: Roster::default(),
            streams: config.paths.iter().map(|path| path.probes.len()).sum(),
            paths: config.paths.len(),
            full_size: config.full_size_streams().count(),
        }
    }

    fn set(&mut self, alarm: Alarm, at: Option<Instant>) {
        let number = match alarm {
            Alarm::Stream(stream) => stream.index(),
            Alarm::Path(path) => self.streams + path.index(),
            // Their numbers go on where those of the other streams end.
            Alarm::FullSize(stream) => self.paths + stream.index(),
            Alarm::Reports(path) => self.streams + self.paths + self.full_size + path.index(),
        };
        self.roster.set(number, at);
    }

    fn next(&self) -> Option<Instant> {
        self.roster.next()
    }

    fn expire(&mut self, now: Instant) -> Option<Alarm> {
        let number = self.roster.expire(now)?;
        let full_size = self.streams + self.paths;
        let reports = full_size + self.full_size;
        Some(match number {
            _ if number < self.streams => Alarm::Stream(stream_id(number)),
            _ if number < full_size => Alarm::Path(path_id(number - self.streams)),
            _ if number < reports => Alarm::FullSize(stream_id(number - self.paths)),
            _ => Alarm::Reports(path_id(number - reports)),
        })
    }
}

/// All measuring of a speaker.
#[derive(Debug)]
pub(crate) struct Measure {
    streams: Vec<Stream>,
    paths: Vec<Measured>,
    /// Streams of their own, behind the others.
    full_size: Vec<FullSize>,
    alarms: Schedule,
    budget: RateBudget,
    /// Reports may degrade a path.
    trusting: bool,
    /// First hops that never answered and were not told of yet.
    mutes: Vec<(PathId, usize)>,
    /// Scratch for packets.
    packet: Vec<u8>,
}

impl Measure {
    /// Sets up every stream of `config`; `epoch` is the wall clock at [`Instant::ZERO`].
    pub(crate) fn new(now: Instant, config: &Config, seed: u64, epoch: Timestamp) -> Self {
        let mut measure = Self {
            streams: Vec::new(),
            paths: Vec::new(),
            full_size: Vec::new(),
            alarms: Schedule::new(config),
            budget: RateBudget::new(config.probe_rate),
            trusting: config.trust_reports,
            mutes: Vec::new(),
            packet: Vec::with_capacity(ProbePacket::MAX),
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut configs = Vec::new();
        for (index, path) in (0u16..).zip(&config.paths) {
            let monitor_config = monitor_config(config, PathId(index), &mut configs);
            let first = measure.streams.len();
            for (nth, probe) in path.probes.iter().enumerate() {
                let number = u16::try_from(measure.streams.len()).unwrap_or(u16::MAX);
                let slowest = probe.shortest_interval();
                let sender = pathvane_probe::Config {
                    kind: kind(path, nth, number),
                    interval: monitor_config.rates.interval(Role::Standby, false).max(slowest),
                    fastest: monitor_config.rates.interval(Role::Active, true).max(slowest),
                    timeout: config.probe_timeout,
                    epoch,
                    seed: rng.u64(..),
                    ports: probe.ports,
                    options: probe.options.clone(),
                };
                let sender = Sender::new(now, &sender);
                measure.budget.take(sender.interval());
                measure.streams.push(Stream {
                    path: PathId(index),
                    nth,
                    sender,
                    slowest,
                    first_hop: probe.first_hop,
                    mute: false,
                    user_stamped: 0,
                });
            }
            let mut monitor = PathMonitor::new(now, monitor_config, &specs(path));
            monitor.set_role(now, Role::Standby);
            let streams = first..measure.streams.len();
            measure.paths.push(Measured {
                monitor,
                streams,
                role: Role::Standby,
                reports: Reports::default(),
                limits: Limits::of_path(config, PathId(index)),
            });
        }
        for (id, path) in config.full_size_streams() {
            let of = &config.paths[path.index()];
            let Some(probe) = of.mtu_probe else { continue };
            let like = (&of.probes[probe.like], kind(of, probe.like, id.0));
            let timing = (config.probe_timeout, epoch, rng.u64(..));
            let full_size = FullSize::new(now, path, probe, like, timing);
            measure.budget.take(FullSize::INTERVAL);
            measure.alarms.set(Alarm::FullSize(id), Some(full_size.poll_timeout()));
            measure.full_size.push(full_size);
        }
        for path in 0..measure.paths.len() {
            measure.rearm(now, path_id(path));
        }
        for stream in 0..measure.streams.len() {
            measure.rearm_stream(stream);
        }
        measure
    }

    /// The verdict on a path.
    pub(crate) fn verdict(&self, path: PathId) -> &Verdict {
        self.paths[path.index()].monitor.verdict()
    }

    /// How well a path serves the class of a service.
    pub(crate) fn score(&self, path: PathId, service: &Service) -> ClassScore {
        let monitor = &self.paths[path.index()].monitor;
        match service.own_class {
            Some(nth) => monitor.own_score(nth, service.class),
            None => monitor.score(service.class),
        }
    }

    /// What became of each of a path's probes, stream by stream.
    pub(crate) fn streams(&self, path: PathId) -> impl Iterator<Item = StreamView> {
        let Measured { monitor, streams, .. } = &self.paths[path.index()];
        streams.clone().zip(monitor.figures()).map(|(at, figures)| {
            let Stream { sender, user_stamped, .. } = &self.streams[at];
            StreamView {
                id: stream_id(at),
                counters: *sender.counters(),
                interval: sender.interval(),
                mapped: sender.mapped(),
                figures,
                user_stamped: *user_stamped,
            }
        })
    }

    /// A path's full-size probes, if it has them.
    pub(crate) fn full_size(&self, path: PathId) -> Option<FullSizeView> {
        self.full_size.iter().find(|full| full.path == path).map(FullSize::view)
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.alarms.next()
    }

    /// Sends the probes that are due and lets detectors fire. Paths whose verdict changed are
    /// appended to `changed`.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        changed: &mut Vec<(PathId, Verdict)>,
        mut ask: impl FnMut(Output),
    ) {
        while let Some(alarm) = self.alarms.expire(now) {
            match alarm {
                Alarm::Stream(stream) => self.probe(now, stream, &mut ask),
                Alarm::FullSize(stream) => self.probe_full_size(now, stream, &mut ask, changed),
                Alarm::Reports(path) => {
                    self.paths[path.index()].reports.expire(now);
                    self.weigh_reports(now, path, changed);
                }
                Alarm::Path(path) => {
                    self.paths[path.index()].monitor.handle_timeout(now);
                    self.conclude(now, path, changed);
                }
            }
        }
    }

    /// A probe left: from now on its reply is expected.
    pub(crate) fn handle_sent(&mut self, now: Instant, stream: StreamId, seq: u32) {
        let Some(&Stream { path, nth, .. }) = self.streams.get(stream.index()) else {
            // What a full-size probe says is said when it is answered or lost.
            return;
        };
        self.paths[path.index()].monitor.sent(now, nth, seq);
        self.rearm(now, path);
    }

    /// A probe left at `at`, by the kernel's clock.
    pub(crate) fn handle_stamped(&mut self, stream: StreamId, seq: u32, at: Instant) {
        if let Some(stream) = self.streams.get_mut(stream.index()) {
            stream.sender.handle_sent(seq, at);
        }
    }

    /// A probe could not be sent: it measures nothing (law 6).
    pub(crate) fn handle_send_failed(&mut self, stream: StreamId, seq: u32) {
        if let Some(stream) = self.streams.get_mut(stream.index()) {
            stream.sender.handle_send_failed(seq);
        } else if let Some(full) = self.full_size_mut(stream) {
            full.handle_send_failed(seq);
        }
    }

    /// A datagram arrived on a stream's socket at `at`.
    pub(crate) fn handle_received(
        &mut self,
        now: Instant,
        stream: StreamId,
        bytes: &[u8],
        Arrival { at, seen, stamped }: Arrival,
        changed: &mut Vec<(PathId, Verdict)>,
    ) {
        if let Some(full) = self.full_size_mut(stream) {
            if full.handle_received(bytes, at, seen) {
                let path = full.path;
                self.paths[path.index()].monitor.full_size_answered(now);
                self.conclude(now, path, changed);
            }
            return;
        }
        let Some(stream) = self.streams.get_mut(stream.index()) else { return };
        let Some(reply) = stream.sender.handle_received(bytes, at, seen) else { return };
        if reply.duplicate {
            return;
        }
        stream.user_stamped += u64::from(!stamped || !reply.kernel_sent);
        let (path, nth) = (stream.path, stream.nth);
        self.paths[path.index()].monitor.reply(now, nth, &sample(&reply));
        self.conclude(now, path, changed);
    }

    /// The kernel knows another size of a path's packets. What is wanted of the path, if that is
    /// worth telling.
    pub(crate) fn handle_path_mtu(
        &mut self,
        now: Instant,
        path: PathId,
        octets: u16,
    ) -> Option<Option<u16>> {
        let full = self.full_size.iter_mut().find(|full| full.path == path)?;
        let told = full.set_path_mtu(octets);
        // What was lost was of another size.
        self.paths[path.index()].monitor.full_size_answered(now);
        told
    }

    fn full_size_mut(&mut self, stream: StreamId) -> Option<&mut FullSize> {
        let at = stream.index().checked_sub(self.streams.len())?;
        self.full_size.get_mut(at)
    }

    /// A measurement of a path from outside. How many others had to make room, if that is to be told.
    pub(crate) fn handle_report(
        &mut self,
        now: Instant,
        path: PathId,
        report: Report,
        changed: &mut Vec<(PathId, Verdict)>,
    ) -> Option<u64> {
        self.paths[path.index()].reports.take(now, report);
        self.weigh_reports(now, path, changed);
        self.paths[path.index()].reports.poll_displaced(now)
    }

    fn weigh_reports(&mut self, now: Instant, path: PathId, changed: &mut Vec<(PathId, Verdict)>) {
        let Measured { monitor, reports, limits, .. } = &mut self.paths[path.index()];
        for limits in limits.iter().filter(|_| self.trusting) {
            monitor.reported(now, limits.class, limits.own, reports.agree(limits));
        }
        self.alarms.set(Alarm::Reports(path), reports.poll_timeout());
        self.conclude(now, path, changed);
    }

    /// What is said of a path from outside, each with whether it breaks a limit; some may hold no
    /// longer.
    pub(crate) fn reports(&self, path: PathId) -> impl Iterator<Item = (&Held, bool)> {
        let Measured { reports, limits, .. } = &self.paths[path.index()];
        let breaks = |held: &Held| limits.iter().any(|limits| limits.broken_by(&held.report));
        reports.all().iter().map(move |held| (held, breaks(held)))
    }

    /// How many measurements of a path from outside had to make room before their time.
    pub(crate) fn reports_displaced(&self, path: PathId) -> u64 {
        self.paths[path.index()].reports.displaced()
    }

    /// A path's link changed.
    pub(crate) fn handle_link(
        &mut self,
        now: Instant,
        path: PathId,
        up: bool,
        changed: &mut Vec<(PathId, Verdict)>,
    ) {
        let link = if up { LinkState::Up } else { LinkState::Down };
        self.paths[path.index()].monitor.link(now, link);
        self.conclude(now, path, changed);
    }

    /// The operator takes a path out, or gives it back.
    pub(crate) fn handle_take_out(
        &mut self,
        now: Instant,
        path: PathId,
        out: bool,
        changed: &mut Vec<(PathId, Verdict)>,
    ) {
        self.paths[path.index()].monitor.admin(now, out);
        self.conclude(now, path, changed);
    }

    /// What BFD says of a path.
    pub(crate) fn bfd(&self, path: PathId) -> BfdState {
        self.paths[path.index()].monitor.bfd_state()
    }

    /// What BFD says of a path changed.
    pub(crate) fn handle_bfd(
        &mut self,
        now: Instant,
        path: PathId,
        state: BfdState,
        changed: &mut Vec<(PathId, Verdict)>,
    ) {
        self.paths[path.index()].monitor.bfd(now, state);
        self.conclude(now, path, changed);
    }

    /// Our own loop stood still until `now`: pending silence is void until the sockets were read.
    pub(crate) fn handle_stall(&mut self, now: Instant) {
        for path in 0..self.paths.len() {
            self.paths[path].monitor.stalled(now);
            self.rearm(now, path_id(path));
        }
    }

    /// What `path` does for the services that use it, which sets its probe rate.
    pub(crate) fn set_role(&mut self, now: Instant, path: PathId, role: Role) {
        if self.paths[path.index()].role != role {
            self.paths[path.index()].role = role;
            self.paths[path.index()].monitor.set_role(now, role);
            self.rearm(now, path);
        }
    }

    /// Sends one probe of a stream.
    fn probe(&mut self, now: Instant, stream: StreamId, ask: &mut impl FnMut(Output)) {
        let sender = &mut self.streams[stream.index()].sender;
        while sender.poll_lost(now).is_some() {}
        while let Some(seq) = sender.poll_transmit(now, &mut self.packet) {
            let packet = ProbePacket::new(&self.packet);
            ask(Output::Probe(ProbeOut { stream, seq, packet }));
        }
        self.rearm_stream(stream.index());
        self.look_for_mute(stream.index());
    }

    /// Takes note of a first hop that never answered although its path works, once.
    fn look_for_mute(&mut self, at: usize) {
        let Stream { path, nth, sender, first_hop, mute, .. } = &mut self.streams[at];
        let counters = sender.counters();
        let silent = counters.answered + counters.late == 0 && counters.lost >= MUTE_AFTER;
        if *first_hop && !*mute && silent && self.paths[path.index()].monitor.verdict().usable() {
            *mute = true;
            self.mutes.push((*path, *nth));
        }
    }

    /// A path whose first hop answers no probes, and which of its probes that is.
    pub(crate) fn poll_mute(&mut self) -> Option<(PathId, usize)> {
        self.mutes.pop()
    }

    /// Sends a full-size probe, and tells the monitor of those that were lost.
    fn probe_full_size(
        &mut self,
        now: Instant,
        stream: StreamId,
        ask: &mut impl FnMut(Output),
        changed: &mut Vec<(PathId, Verdict)>,
    ) {
        let Some(at) = stream.index().checked_sub(self.streams.len()) else { return };
        let full = &mut self.full_size[at];
        let path = full.path;
        while let Some(sent) = full.poll_lost(now) {
            self.paths[path.index()].monitor.full_size_missed(now, sent);
        }
        if let Some((seq, packet)) = full.poll_transmit(now, &mut self.packet) {
            ask(Output::Probe(ProbeOut { stream, seq, packet }));
        }
        self.alarms.set(Alarm::FullSize(stream), Some(full.poll_timeout()));
        self.conclude(now, path, changed);
    }

    /// Reports a changed verdict and sets alarms and rates anew.
    fn conclude(&mut self, now: Instant, path: PathId, changed: &mut Vec<(PathId, Verdict)>) {
        if let Some(verdict) = self.paths[path.index()].monitor.poll_verdict() {
            changed.push((path, verdict));
        }
        self.rearm(now, path);
    }

    /// Sets a path's alarm, and its streams' rates where they changed.
    fn rearm(&mut self, now: Instant, path: PathId) {
        let measured = &self.paths[path.index()];
        self.alarms.set(Alarm::Path(path), measured.monitor.poll_timeout());
        let interval = measured.monitor.probe_interval(measured.role);
        for at in measured.streams.clone() {
            let Stream { sender, slowest, .. } = &self.streams[at];
            let (before, interval) = (sender.interval(), interval.max(*slowest));
            if before != interval && self.budget.change(before, interval) {
                self.streams[at].sender.set_interval(now, interval);
                self.rearm_stream(at);
            }
        }
    }

    fn rearm_stream(&mut self, at: usize) {
        let due = self.streams[at].sender.poll_timeout();
        self.alarms.set(Alarm::Stream(stream_id(at)), Some(due));
    }
}

/// How a path is judged: limits from the configuration, class and rates of the neediest service
/// that uses it. Paths that are judged alike share one of `known`.
fn monitor_config(
    config: &Config,
    path: PathId,
    known: &mut Vec<Arc<MonitorConfig>>,
) -> Arc<MonitorConfig> {
    let users = config.services.iter().filter(|service| service.paths.contains(&path));
    let basic = &config.timing.monitor;
    // Classes are ordered by need.
    let class = users.clone().map(|service| service.class).min().unwrap_or(basic.class);
    let rates = users.map(|service| config.timing.rates_of(service.class, service.own_class));
    let rates = rates.reduce(ProbeRates::fastest).unwrap_or(basic.rates);
    let capacity_bps = config.paths[path.index()].capacity.map(|bits| bits as f64);
    let alike = |it: &&Arc<MonitorConfig>| {
        (it.class, it.rates, it.capacity_bps) == (class, rates, capacity_bps)
    };
    if let Some(same) = known.iter().find(alike) {
        return Arc::clone(same);
    }
    let new = Arc::new(MonitorConfig { class, rates, capacity_bps, ..basic.clone() });
    known.push(Arc::clone(&new));
    new
}

/// Probes without an answer after which it is told that a first hop answers none.
const MUTE_AFTER: u64 = 100;

/// Protocol and identity of a path's `nth` stream, the `number`th of all.
fn kind(path: &Path, nth: usize, number: u16) -> Kind {
    let probe = &path.probes[nth];
    match (probe.kind, probe.target.ip()) {
        (ProbeKind::Stamp, _) => Kind::Stamp { ssid: number.wrapping_add(1).max(1) },
        (ProbeKind::Icmp, ip) => Kind::Icmp {
            version: if ip.is_ipv4() { Version::V4 } else { Version::V6 },
            identifier: StreamId(number).icmp_identifier(),
        },
        (ProbeKind::Stun, _) => Kind::Stun,
        (ProbeKind::Tcp, _) => Kind::Tcp,
    }
}

/// What each stream of a path probes: streams to one address share the reflector's number, and the
/// first hop is no reflector.
fn specs(path: &Path) -> Vec<StreamSpec> {
    let mut seen: Vec<IpAddr> = Vec::new();
    let spec = |probe: &Probe| {
        if probe.first_hop {
            return StreamSpec::first_hop();
        }
        let ip = probe.target.ip();
        let at = seen.iter().position(|&other| other == ip).unwrap_or_else(|| {
            seen.push(ip);
            seen.len() - 1
        });
        StreamSpec::new(u8::try_from(at).unwrap_or(u8::MAX), probe.ports)
            .with_slow(!probe.slowest.is_zero())
    };
    path.probes.iter().map(spec).collect()
}

/// A sample in the words of the scoring crate.
fn sample(reply: &pathvane_probe::Sample) -> Sample {
    Sample {
        seq: reply.seq,
        at: reply.received_at,
        rtt_ns: reply.rtt_ns,
        elapsed_ns: reply.elapsed_ns,
        fwd_delay_ns: reply.one_way.map(|one_way| one_way.fwd_delay_ns),
        rev_delay_ns: reply.one_way.map(|one_way| one_way.rev_delay_ns),
        rev_lost: reply.lost.map(|ways| ways.rev),
        remarked: reply.remarked.any(),
    }
}

fn path_id(at: usize) -> PathId {
    PathId(u16::try_from(at).unwrap_or(u16::MAX))
}

fn stream_id(at: usize) -> StreamId {
    StreamId(u16::try_from(at).unwrap_or(u16::MAX))
}
