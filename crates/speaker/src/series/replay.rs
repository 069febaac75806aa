//! A series through the estimators, monitors and the selector of a running speaker.
//!
//! Times are the series' own, so a day replays in seconds and twice the same way. Two things differ
//! from life: probes come when they were recorded, so what the monitors ask for (faster probing of
//! a suspicious path) changes nothing, and nothing is carried out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::BufRead;

use pathvane_clock::{Duration, Instant};
use pathvane_probe::Comparison;
use pathvane_score::{
    Candidate, Class, MonitorConfig, PathId, PathMonitor, Sample, Selector, SelectorConfig,
    StreamSpec, Verdict,
};
use serde::Serialize;

use super::{Layout, Probe, Reader, SeriesError};

/// How a series is judged.
#[derive(Clone, Debug)]
pub struct Judge {
    /// What the traffic is.
    pub class: Class,
    /// Detectors, limits, damping.
    pub monitor: MonitorConfig,
    /// Strategy, margins, dwell.
    pub selector: SelectorConfig,
    /// Decides the random phases of moves.
    pub seed: u64,
}

/// What a replay has to say, in the order of time.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Said {
    /// A path's state, reasons or grade changed, or whether it keeps the limits of its class.
    Verdict(VerdictSaid),
    /// The service moved.
    Move(MoveSaid),
    /// The series is over.
    End(EndSaid),
}

/// A verdict as it is printed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct VerdictSaid {
    /// When it was given.
    pub at_ms: f64,
    /// The path.
    pub path: String,
    /// Where it stands.
    pub state: &'static str,
    /// Why.
    pub reasons: Vec<&'static str>,
    /// Whether the limits of the class are kept: `complies`, `violates`, or `unsure`.
    pub limits: &'static str,
    /// The grade for the class.
    pub grade: String,
    /// The score for the class, 0 to 100.
    pub score: f64,
    /// Mean opinion score of a call over it.
    pub mos: f64,
    /// Smoothed round-trip delay.
    pub rtt_ms: f64,
    /// RFC 3550 jitter.
    pub jitter_ms: f64,
    /// Recent loss.
    pub loss_pct: f64,
    /// The share of what an alarm of loss takes that is there; at 1 it is raised.
    pub loss_evidence: f64,
    /// Reflectors measured, and those that are silent.
    pub reflectors: [u8; 2],
    /// Source ports that are silent for themselves.
    pub silent_ports: u8,
    /// When the evidence was complete.
    pub detected_ms: f64,
}

/// A move as it is printed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MoveSaid {
    /// When it was decided.
    pub at_ms: f64,
    /// The leader before.
    pub from: Option<String>,
    /// The leader from now on.
    pub to: String,
    /// Why.
    pub cause: &'static str,
    /// When the evidence was complete.
    pub detected_ms: f64,
    /// The new leader's score less cost and load.
    pub score: f64,
    /// The old one's.
    pub previous_score: f64,
}

/// The totals at the end.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct EndSaid {
    /// When the last thing happened.
    pub at_ms: f64,
    /// Probes of the series.
    pub probes: u64,
    /// Those without a reply.
    pub lost: u64,
    /// Verdicts given.
    pub verdicts: u64,
    /// Moves, the first choice not counted.
    pub moves: u64,
    /// The path that leads.
    pub leader: Option<String>,
}

/// One path under replay.
struct Path {
    monitor: PathMonitor,
    streams: Vec<Stream>,
}

/// One stream under replay.
struct Stream {
    /// Number of the last probe.
    seq: u32,
    ports: u8,
    comparison: Comparison,
}

/// A reply on its way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Reply {
    at: Instant,
    path: usize,
    stream: usize,
    seq: u32,
    rtt_ns: u64,
    one_way: [Option<i64>; 2],
    reflector_seq: Option<u32>,
    remarked: bool,
}

/// The whole replay.
struct Replay<'a, F> {
    judge: &'a Judge,
    layout: &'a Layout,
    paths: Vec<Path>,
    selector: Selector,
    replies: BinaryHeap<Reverse<Reply>>,
    /// When the selector wants to look again.
    check: Instant,
    now: Instant,
    end: EndSaid,
    say: F,
}

/// Replays `source`, whose layout was scanned before, and tells `say` everything.
pub fn replay<R, F>(
    source: R,
    layout: &Layout,
    judge: &Judge,
    say: F,
) -> Result<EndSaid, SeriesError>
where
    R: BufRead,
    F: FnMut(Said),
{
    let mut replay: Option<Replay<'_, F>> = None;
    let mut say = Some(say);
    for probe in Reader::new(source) {
        let probe = probe?;
        let at = Instant::from_nanos(probe.at_ns);
        if let Some(say) = say.take() {
            replay = Some(Replay::new(at, layout, judge, say));
        }
        if let Some(replay) = &mut replay {
            replay.advance(at);
            replay.send(&probe)?;
        }
    }
    let Some(mut replay) = replay else {
        return Err(SeriesError::new(0, "the series has no probes", "give it at least one line"));
    };
    replay.drain();
    let end = replay.end.clone();
    (replay.say)(Said::End(end.clone()));
    Ok(end)
}

impl<'a, F: FnMut(Said)> Replay<'a, F> {
    fn new(now: Instant, layout: &'a Layout, judge: &'a Judge, say: F) -> Self {
        let path = |(_, streams): &(String, Vec<super::Stream>)| {
            let specs: Vec<StreamSpec> = (0..)
                .zip(streams)
                .map(|(nth, stream)| StreamSpec::new(nth, stream.ports))
                .collect();
            Path {
                monitor: PathMonitor::new(now, judge.monitor.clone(), &specs),
                streams: streams.iter().map(|stream| Stream::new(stream.ports)).collect(),
            }
        };
        let mut replay = Self {
            judge,
            layout,
            paths: layout.paths.iter().map(path).collect(),
            selector: Selector::new(now, judge.selector.clone(), judge.seed),
            replies: BinaryHeap::new(),
            check: now,
            now,
            end: EndSaid {
                at_ms: ms(now),
                probes: 0,
                lost: 0,
                verdicts: 0,
                moves: 0,
                leader: None,
            },
            say,
        };
        replay.decide();
        replay
    }

    /// Lives until `until`.
    fn advance(&mut self, until: Instant) {
        while let Some(next) = self.next().filter(|&next| next <= until) {
            self.step(next);
        }
        self.now = self.now.max(until);
    }

    /// After the last probe: what is on its way arrives, what is missing is missed.
    fn drain(&mut self) {
        let last = self.replies.iter().map(|Reverse(reply)| reply.at).max();
        // Long enough for the last probe to count as missed, and for no state to be made up by
        // probes that were never sent.
        let until = last.unwrap_or(self.now).max(self.now + Duration::from_secs(1));
        self.advance(until);
        self.end.at_ms = ms(self.now);
        self.end.leader = self.selector.decision().leader.map(|path| self.name(path));
    }

    fn next(&self) -> Option<Instant> {
        let timers = self.paths.iter().filter_map(|path| path.monitor.poll_timeout());
        let reply = self.replies.peek().map(|Reverse(reply)| reply.at);
        timers.chain(reply).chain([self.check]).min()
    }

    /// Does what is due: replies first, as a speaker reads its sockets before its timers.
    fn step(&mut self, next: Instant) {
        self.now = self.now.max(next);
        let now = self.now;
        while let Some(Reverse(reply)) = self.replies.peek() {
            if reply.at > now {
                break;
            }
            if let Some(Reverse(reply)) = self.replies.pop() {
                let Path { monitor, streams } = &mut self.paths[reply.path];
                monitor.reply(now, reply.stream, &streams[reply.stream].sample(&reply));
            }
        }
        let mut changed = false;
        for at in 0..self.paths.len() {
            let monitor = &mut self.paths[at].monitor;
            if monitor.poll_timeout().is_some_and(|due| due <= now) {
                monitor.handle_timeout(now);
            }
            if let Some(verdict) = monitor.poll_verdict() {
                self.tell(at, &verdict);
                changed = true;
            }
        }
        if changed || self.check <= now {
            self.decide();
        }
    }

    fn send(&mut self, probe: &Probe) -> Result<(), SeriesError> {
        let unknown = || {
            let message = format!("path {} was not there before", probe.path);
            SeriesError::new(0, message, "the series changed while it was read: read it again")
        };
        let (at, nth) = self.layout.find(&probe.path, &probe.reflector).ok_or_else(unknown)?;
        let path = &mut self.paths[at];
        let Stream { seq, ports, .. } = &mut path.streams[nth];
        *seq = number(*seq, *ports, probe.port);
        path.monitor.sent(self.now, nth, *seq);
        self.end.probes += 1;
        match probe.rtt_ns {
            Some(rtt_ns) => self.replies.push(Reverse(Reply {
                at: self.now + Duration::from_nanos(rtt_ns),
                path: at,
                stream: nth,
                seq: *seq,
                rtt_ns,
                one_way: [probe.fwd_ns, probe.rev_ns],
                reflector_seq: probe.reflector_seq,
                remarked: probe.remarked,
            })),
            None => self.end.lost += 1,
        }
        Ok(())
    }

    fn decide(&mut self) {
        let class = self.judge.class;
        let candidate = |(id, path): (u32, &Path)| Candidate {
            path: PathId(id),
            verdict: *path.monitor.verdict(),
            score: path.monitor.score(class),
            shared_risk: 0,
            instances: (0, 0),
            utilisation: None,
            load: None,
            weight: 1.0,
            cost: 0.0,
        };
        let candidates: Vec<Candidate> = (0..).zip(&self.paths).map(candidate).collect();
        let decision = self.selector.decide(self.now, &candidates).clone();
        self.check = decision.next_check.unwrap_or(Instant::MAX);
        let Some(leader) = decision.leader.filter(|_| decision.moved) else { return };
        self.end.moves += u64::from(decision.previous.is_some());
        let said = MoveSaid {
            at_ms: ms(self.now),
            from: decision.previous.map(|path| self.name(path)),
            to: self.name(leader),
            cause: decision.cause.name(),
            detected_ms: ms(decision.detected_at),
            score: tenth(decision.leader_score),
            previous_score: tenth(decision.other_score),
        };
        (self.say)(Said::Move(said));
    }

    fn tell(&mut self, at: usize, verdict: &Verdict) {
        self.end.verdicts += 1;
        let evidence = &verdict.evidence;
        let said = VerdictSaid {
            at_ms: ms(self.now),
            path: self.layout.paths[at].0.clone(),
            state: verdict.state.name(),
            reasons: verdict.reasons.names().collect(),
            limits: self.paths[at].monitor.score(self.judge.class).compliance.name(),
            grade: verdict.grade.to_string(),
            score: tenth(verdict.score),
            mos: (verdict.mos * 100.0).round() / 100.0,
            rtt_ms: evidence.rtt_ns as f64 / 1e6,
            jitter_ms: evidence.jitter_ns as f64 / 1e6,
            loss_pct: f64::from(evidence.loss_ppm) / 1e4,
            loss_evidence: (f64::from(evidence.loss_evidence) * 100.0).round() / 100.0,
            reflectors: [evidence.reflectors, evidence.silent],
            silent_ports: evidence.silent_ports,
            detected_ms: ms(verdict.detected_at),
        };
        (self.say)(Said::Verdict(said));
    }

    fn name(&self, path: PathId) -> String {
        self.layout.paths[path.0 as usize].0.clone()
    }
}

impl Stream {
    fn new(ports: u8) -> Self {
        Self { seq: u32::MAX, ports, comparison: Comparison::new(ports) }
    }

    /// What a reply says, in the order of arrival.
    fn sample(&mut self, reply: &Reply) -> Sample {
        let own = reply.reflector_seq.map(|number| (number, true));
        let lost = own.and_then(|own| self.comparison.reply(reply.seq, None, own));
        Sample {
            fwd_delay_ns: reply.one_way[0],
            rev_delay_ns: reply.one_way[1],
            rev_lost: lost.map(|ways| ways.rev),
            remarked: reply.remarked,
            ..Sample::round_trip(reply.seq, reply.at, reply.rtt_ns)
        }
    }
}

/// The number after `last` that leaves from `port`: probes between were not sent, or not recorded.
fn number(last: u32, ports: u8, port: u8) -> u32 {
    let next = last.wrapping_add(1);
    let ports = u32::from(ports);
    next.wrapping_add((u32::from(port) + ports - next % ports) % ports)
}

fn ms(at: Instant) -> f64 {
    at.as_nanos() as f64 / 1e6
}

fn tenth(points: f64) -> f64 {
    (points * 10.0).round() / 10.0
}
