//! A probed path without an OS: probes leave on schedule, a model of the network answers.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};
use pathvane_score::{MonitorConfig, PathMonitor, Role, Sample, State, StreamSpec, Verdict};

/// A two-state loss process, one step per packet (Gilbert's model: everything is lost in
/// the bad state).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gilbert {
    enter: f64,
    leave: f64,
    bad: bool,
}

impl Gilbert {
    /// Loses a share `loss` in bursts of `burst` packets on average.
    pub(crate) fn new(loss: f64, burst: f64) -> Self {
        let leave = 1.0 / burst;
        Self { enter: leave * loss / (1.0 - loss), leave, bad: false }
    }

    /// Independent losses.
    pub(crate) fn random(loss: f64) -> Self {
        Self { enter: loss, leave: 1.0 - loss, bad: false }
    }

    pub(crate) fn loses(&mut self, rng: &mut Rng) -> bool {
        let chance = if self.bad { 1.0 - self.leave } else { self.enter };
        self.bad = rng.f64() < chance;
        self.bad
    }
}

/// What the network does to a probe sent at `now` on a stream: nothing comes back, or it does
/// after this time.
pub(crate) type Network<'a> = dyn FnMut(Instant, usize, &mut Rng) -> Option<Duration> + 'a;

/// A monitor with the probes it asked for.
pub(crate) struct Path {
    pub(crate) monitor: PathMonitor,
    pub(crate) now: Instant,
    pub(crate) role: Role,
    /// Probes are sent at all.
    pub(crate) probing: bool,
    /// Every verdict with the instant it was given at.
    pub(crate) verdicts: Vec<(Instant, Verdict)>,
    pub(crate) sent: u64,
    /// How long each reply takes beyond the round trip that it tells: in the reflector, or in our own queues.
    pub(crate) held: Duration,
    /// How long the way there takes, where the reflector counts and has a clock, a wrong one: all else, delay
    /// and losses, is of the way back.
    pub(crate) there: Option<Duration>,
    /// A stream whose probes the kernel refuses.
    pub(crate) refused: Option<usize>,
    rng: Rng,
    streams: Vec<Stream>,
    /// When each reply arrives, to which probe of which stream, its round trip, and how long it was held.
    replies: BinaryHeap<Reverse<Reply>>,
}

type Reply = (Instant, usize, u32, Duration, Duration);

struct Stream {
    seq: u32,
    /// The last that was answered.
    answered: u32,
    last: Instant,
    /// Streams do not probe in step.
    phase: Duration,
    /// Time between two probes at least.
    slowest: Duration,
}

impl Path {
    pub(crate) fn new<S>(config: MonitorConfig, streams: &[S], seed: u64) -> Self
    where
        S: Copy + Into<StreamSpec>,
    {
        let mut rng = Rng::with_seed(seed);
        let start = Instant::from_secs(1);
        let stream = |&spec: &S| Stream {
            seq: rng.u32(..),
            answered: 0,
            last: start,
            phase: Duration::from_micros(rng.u64(0..20_000)),
            slowest: slowest(spec.into()),
        };
        Self {
            monitor: PathMonitor::new(start, config, streams),
            now: start,
            role: Role::Active,
            probing: true,
            verdicts: Vec::new(),
            sent: 0,
            held: Duration::ZERO,
            there: None,
            refused: None,
            streams: streams.iter().map(stream).collect(),
            rng,
            replies: BinaryHeap::new(),
        }
    }

    /// Before it lives: its streams begin some time within `most`.
    pub(crate) fn within(mut self, most: Duration) -> Self {
        let most_us = most.as_micros() as u64;
        let Self { streams, rng, .. } = &mut self;
        streams.iter_mut().for_each(|it| it.phase = Duration::from_micros(rng.u64(0..most_us)));
        self
    }

    /// Lives until `end`.
    pub(crate) fn run_until(&mut self, end: Instant, network: &mut Network<'_>) {
        loop {
            let send = self.next_send();
            let reply = self.replies.peek().map_or(Instant::MAX, |Reverse(it)| it.0);
            let timer = self.monitor.poll_timeout().unwrap_or(Instant::MAX);
            let next = reply.min(timer).min(send.0);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            if next == reply {
                self.receive();
            } else if next == timer {
                self.monitor.handle_timeout(self.now);
            } else {
                self.send(send.1, network);
            }
            if let Some(verdict) = self.monitor.poll_verdict() {
                self.verdicts.push((self.now, verdict));
            }
        }
    }

    /// Neither sends nor hears anything for `time`; what was under way is lost.
    pub(crate) fn stand_still(&mut self, time: Duration) {
        self.now += time;
        self.replies.clear();
    }

    pub(crate) fn run_for(&mut self, time: Duration, network: &mut Network<'_>) {
        self.run_until(self.now + time, network);
    }

    pub(crate) fn state(&self) -> State {
        self.monitor.verdict().state
    }

    /// Entries into `state` so far.
    pub(crate) fn entries(&self, state: State) -> usize {
        let mut before = State::Init;
        let mut entries = 0;
        for (_, verdict) in &self.verdicts {
            entries += usize::from(verdict.state == state && before != state);
            before = verdict.state;
        }
        entries
    }

    /// The first verdict at or after `from` that `holds`.
    pub(crate) fn first(
        &self,
        from: Instant,
        holds: impl Fn(&Verdict) -> bool,
    ) -> Option<(Instant, Verdict)> {
        self.verdicts.iter().find(|(at, verdict)| *at >= from && holds(verdict)).copied()
    }

    fn next_send(&self) -> (Instant, usize) {
        if !self.probing {
            return (Instant::MAX, 0);
        }
        let interval = self.monitor.probe_interval(self.role);
        let due = |(i, stream): (usize, &Stream)| {
            (stream.last + interval.max(stream.slowest) + stream.phase, i)
        };
        self.streams.iter().enumerate().map(due).min().unwrap_or((Instant::MAX, 0))
    }

    fn send(&mut self, index: usize, network: &mut Network<'_>) {
        let stream = &mut self.streams[index];
        stream.last = self.now;
        stream.phase = Duration::ZERO;
        if self.refused == Some(index) {
            return;
        }
        stream.seq = stream.seq.wrapping_add(1);
        self.sent += 1;
        self.monitor.sent(self.now, index, stream.seq);
        if let Some(rtt) = network(self.now, index, &mut self.rng) {
            let at = self.now + rtt + self.held;
            self.replies.push(Reverse((at, index, stream.seq, rtt, self.held)));
        }
    }

    fn receive(&mut self) {
        let Some(Reverse((at, stream, seq, rtt, held))) = self.replies.pop() else { return };
        let rtt_ns = rtt.as_nanos() as u64;
        let elapsed_ns = rtt_ns + held.as_nanos() as u64;
        let mut sample = Sample { elapsed_ns, ..Sample::round_trip(seq, at, rtt_ns) };
        let before = std::mem::replace(&mut self.streams[stream].answered, seq);
        if let Some(there) = self.there {
            const CLOCK_NS: i64 = 3_600_000_000_000;
            let there_ns = there.as_nanos() as i64;
            sample.fwd_delay_ns = Some(there_ns + CLOCK_NS);
            sample.rev_delay_ns = Some(rtt_ns as i64 - there_ns - CLOCK_NS);
            let lost = if before == 0 { 0 } else { seq.wrapping_sub(before) as i32 - 1 };
            sample.rev_lost = Some(lost.max(0));
        }
        self.monitor.reply(self.now, stream, &sample);
    }
}

/// Time between two probes of a stream at least: routers are asked less often than reflectors.
fn slowest(spec: StreamSpec) -> Duration {
    match spec {
        StreamSpec { slow: true, .. } => secs(1),
        StreamSpec { first_hop: true, .. } => ms(50),
        _ => Duration::ZERO,
    }
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A steady round trip with a little jitter.
pub(crate) fn wobble(rtt: Duration, rng: &mut Rng) -> Duration {
    rtt + Duration::from_micros(rng.u64(0..1000))
}
