//! The streams of one path, and what they say together.

mod first_hop;

use alloc::vec::Vec;

use pathvane_clock::{Duration, Instant};

use crate::assess::Quality;
use crate::meter::Tally;
use crate::silence::{Limits, Silence, judge};
use crate::{Arrival, Meter, Reasons, Sample, StreamSpec, defaults as d};

use super::gaps::Gaps;
use first_hop::FirstHop;

/// What a stream says something about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// The path.
    Path,
    /// Its first hop.
    FirstHop,
    /// Whether the path's silence is believable: a slow stream beside others.
    Witness,
}

/// A stream's meter and the reflector that it probes.
#[derive(Clone, Debug)]
struct Stream {
    reflector: u8,
    part: Part,
    meter: Meter,
    /// When the last series of missed probes ended.
    missed_until: Instant,
    /// What it showed during the path's fault, if it probes the first hop.
    hop: FirstHop,
    /// How much farther its reflector was than the nearest when all of them were last well.
    beyond_ns: u64,
}

/// All streams of a path.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    list: Vec<Stream>,
    reflectors: u8,
    /// Further ones, which only witnesses probe; their numbers follow.
    witnessed: u8,
    /// Every stream probes seldom, whatever the rate of the path.
    slow: bool,
    /// The loss alarm holds until the evidence is nearly gone.
    loss_alarm: bool,
    /// Series of missed probes, fading, and how many of them met another stream's.
    series: f64,
    shared_series: f64,
    gaps: Gaps,
    /// The path has a fault whose side of the first hop can be told.
    faulty: bool,
}

/// What the detectors of all streams say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Joint {
    /// The silence of all streams.
    pub(super) silence: Silence,
    /// Reflectors that are silent for themselves.
    pub(super) silent: u8,
    /// Further reflectors, probed by witnesses, that are silent while the path is.
    pub(super) confirmed: u8,
    /// Source ports that are silent for themselves.
    pub(super) silent_ports: u8,
    /// LOSS, DELAY, JITTER, ECMP_MEMBER: reasons that degrade the path.
    pub(super) degraded: Reasons,
    /// REFLECTOR, REMARKED, LAST_MILE, TRANSIT: reasons that only inform.
    pub(super) notes: Reasons,
    /// Probes are missing, or loss evidence is half of an alarm.
    pub(super) suspicious: bool,
    /// There is some evidence of loss: probe faster to know sooner.
    pub(super) curious: bool,
    /// A series of misses runs that is not yet an outage: the same, on any path.
    pub(super) missing: bool,
}

impl Joint {
    /// Nothing is wrong.
    pub(super) const CALM: Self = Self {
        silence: Silence::No,
        silent: 0,
        confirmed: 0,
        silent_ports: 0,
        degraded: Reasons::NONE,
        notes: Reasons::NONE,
        suspicious: false,
        curious: false,
        missing: false,
    };
}

impl Streams {
    pub(super) fn new(now: Instant, specs: &[StreamSpec]) -> Self {
        let prompt = specs.iter().any(|spec| !spec.first_hop && !spec.slow);
        let part = |spec: &StreamSpec| match (spec.first_hop, spec.slow && prompt) {
            (true, _) => Part::FirstHop,
            (false, true) => Part::Witness,
            (false, false) => Part::Path,
        };
        let mut distinct = Vec::new();
        let mut number = |of| {
            for spec in specs.iter().filter(|spec| part(spec) == of) {
                if !distinct.contains(&spec.reflector) {
                    distinct.push(spec.reflector);
                }
            }
            distinct.len() as u8
        };
        let reflectors = number(Part::Path);
        let witnessed = number(Part::Witness) - reflectors;
        let number = |id: u8| distinct.iter().position(|other| *other == id).unwrap_or(0) as u8;
        let stream = |spec: &StreamSpec| Stream {
            reflector: number(spec.reflector),
            part: part(spec),
            meter: Meter::with_ports(now, spec.ports),
            missed_until: Instant::ZERO,
            hop: FirstHop::default(),
            beyond_ns: 0,
        };
        Self {
            list: specs.iter().map(stream).collect(),
            reflectors,
            witnessed,
            slow: !prompt,
            loss_alarm: false,
            series: d::TOGETHER_PRIOR_WEIGHT,
            shared_series: d::TOGETHER_PRIOR_WEIGHT * d::TOGETHER_PRIOR,
            gaps: Gaps::new(now),
            faulty: false,
        }
    }

    /// A reply arrived on a stream; `told` says that the path's silence was told as an outage.
    /// `None` if there is no such stream.
    pub(super) fn reply(
        &mut self,
        now: Instant,
        stream: usize,
        sample: &Sample,
        told: bool,
    ) -> Option<Arrival> {
        let gap = self.is_in_gap().then(|| self.answered_sent()).flatten();
        let meter = &mut self.list.get_mut(stream)?.meter;
        let (missed, since) = (meter.missed_run(), meter.missed_since());
        let arrival = meter.reply(now, sample);
        let far = self.list[stream].part == Part::Path;
        if let Some(since) = since.filter(|_| far && arrival != Arrival::Ignored) {
            self.list[stream].missed_until = now;
            if missed <= d::BURST_LENGTH_MAX {
                self.learn_series(stream, since);
            }
        }
        if let (Some(before), Some(after)) = (gap, self.answered_sent()) {
            let period = self.meters().map(Meter::period).min().unwrap_or_default();
            self.gaps.learn(now, after.since(before).saturating_sub(period), told);
        }
        Some(arrival)
    }

    /// Notes whether another stream missed probes during the series that began at `since`. What has
    /// been silent for long misses probes with everybody.
    fn learn_series(&mut self, stream: usize, since: Instant) {
        let other = |&(i, other): &(usize, &Stream)| {
            i != stream && other.part == Part::Path && !is_long_silent(&other.meter)
        };
        let mut others = self.list.iter().enumerate().filter(other).peekable();
        if others.peek().is_none() {
            return;
        }
        let met =
            others.any(|(_, other)| other.meter.missed_run() > 0 || other.missed_until >= since);
        self.series = self.series * d::TOGETHER_KEEP + 1.0;
        self.shared_series = self.shared_series * d::TOGETHER_KEEP + f64::from(u8::from(met));
    }

    /// Whether every stream misses probes at present.
    fn is_in_gap(&self) -> bool {
        self.meters().all(|meter| meter.missed_run() >= d::GAP_MISSES_MIN)
    }

    /// How often losses on one stream come with losses on another.
    fn together(&self) -> f64 {
        self.shared_series / self.series
    }

    /// Bytes of the streams' states.
    pub(super) fn heap_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Stream>()
    }

    pub(super) fn reflectors(&self) -> u8 {
        self.reflectors
    }

    pub(super) fn get_mut(&mut self, stream: usize) -> Option<&mut Meter> {
        self.list.get_mut(stream).map(|stream| &mut stream.meter)
    }

    /// Every meter.
    pub(super) fn all(&self) -> impl Iterator<Item = &Meter> {
        self.list.iter().map(|stream| &stream.meter)
    }

    /// The meters that measure the path.
    pub(super) fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.part(Part::Path)
    }

    /// Those of them that say something of this moment: not those that have been silent for long,
    /// unless all have. Why they are silent is known, or the path's silence is.
    fn watched(&self) -> impl Iterator<Item = &Meter> {
        let all = self.meters().all(is_long_silent);
        self.meters().filter(move |meter| all || !is_long_silent(meter))
    }

    /// The meters whose probes go to far ends.
    pub(super) fn far(&self) -> impl Iterator<Item = &Meter> {
        self.list.iter().filter(|stream| stream.part != Part::FirstHop).map(|stream| &stream.meter)
    }

    /// Whether the stream's probes go to a far end.
    pub(super) fn is_far(&self, stream: usize) -> bool {
        self.list.get(stream).is_some_and(|stream| stream.part != Part::FirstHop)
    }

    fn part(&self, part: Part) -> impl Iterator<Item = &Meter> {
        let of = move |stream: &&Stream| stream.part == part;
        self.list.iter().filter(of).map(|stream| &stream.meter)
    }

    pub(super) fn meters_mut(&mut self) -> impl Iterator<Item = &mut Meter> {
        self.list.iter_mut().map(|stream| &mut stream.meter)
    }

    /// The newest reply on any stream.
    pub(super) fn last_reply(&self) -> Option<Instant> {
        self.meters().filter_map(Meter::last_reply).max()
    }

    /// When the newest answered probe was sent.
    pub(super) fn answered_sent(&self) -> Option<Instant> {
        self.meters().filter_map(Meter::answered_sent).max()
    }

    /// Asks every detector.
    pub(super) fn judge(&mut self, now: Instant, mut limits: Limits) -> Joint {
        if self.is_in_gap() {
            limits.patience = limits.patience.min(self.gaps.patience(now));
        }
        let mut silence = judge(now, self.watched(), limits, self.together());
        if silence != Silence::No && self.is_contradicted(now) {
            silence = Silence::No;
        }
        let mut joint = Joint { silence, ..Joint::CALM };
        if silence == Silence::Certain {
            joint.confirmed = self.confirmed();
        }
        self.look_for_silence(now, limits, &mut joint);
        self.look_for_loss(&mut joint);
        self.look_for_shifts(&mut joint);
        self.attribute(&mut joint);
        joint
    }

    /// From when on the answer to a probe that left is none of before the silence: one that left
    /// before a few were missed may have been ahead of the fault.
    fn silent_from(&self) -> Option<Instant> {
        let from = |meter: &Meter| meter.answered_sent().unwrap_or_default() + apart(meter);
        self.meters().map(from).max()
    }

    /// Whether a witness was answered since the silence began; an old answer proves nothing.
    fn is_contradicted(&self, now: Instant) -> bool {
        let Some(began) = self.silent_from() else { return false };
        self.part(Part::Witness).any(|witness| {
            let after = witness.answered_sent().filter(|&sent| sent > began);
            let heard = witness.missed_run() < d::SILENCE_MISSES_MIN;
            heard && after.is_some_and(|sent| now < sent + apart(witness) + witness.patience())
        })
    }

    /// How many reflectors that only witnesses probe are silent as well.
    fn confirmed(&self) -> u8 {
        let silent = |stream: &Stream| stream.meter.missed_run() >= d::SILENCE_MISSES_MIN;
        let of = |number: u8| {
            self.list
                .iter()
                .filter(move |it| it.part == Part::Witness && it.reflector == number)
                .all(silent)
        };
        let further = self.reflectors..self.reflectors + self.witnessed;
        further.filter(|&number| of(number)).count() as u8
    }

    /// Silence of single reflectors, and of single streams of one.
    fn look_for_silence(&self, now: Instant, limits: Limits, joint: &mut Joint) {
        let ports = |meter: &Meter| meter.silent_ports().count_ones();
        joint.silent_ports = self.meters().map(ports).sum::<u32>().min(255) as u8;
        joint.degraded = joint.degraded.with_if(joint.silent_ports > 0, Reasons::ECMP_MEMBER);
        if self.meters().all(|meter| meter.missed_run() < d::SILENCE_MISSES_MIN) {
            return;
        }
        if joint.silence == Silence::Certain {
            joint.silent = self.reflectors;
            return;
        }
        for reflector in 0..self.reflectors {
            if judge(now, self.of(reflector), limits, 1.0) == Silence::Certain {
                joint.silent += 1;
            } else if self
                .of(reflector)
                .any(|meter| judge(now, core::iter::once(meter), limits, 1.0) == Silence::Certain)
            {
                joint.degraded = joint.degraded.with(Reasons::ECMP_MEMBER);
            }
        }
        let some = joint.silent > 0 && joint.silent < self.reflectors;
        joint.notes = joint.notes.with_if(some, Reasons::REFLECTOR);
    }

    /// Loss that two reflectors show (or the only one that is heard of): the path's. One alone: its own.
    fn look_for_loss(&mut self, joint: &mut Joint) {
        let (mut first, mut second, mut heard) = (0.0_f32, 0.0_f32, 0_u8);
        let all = self.meters().all(is_long_silent);
        for reflector in 0..self.reflectors {
            let watched = self.of(reflector).filter(|meter| all || !is_long_silent(meter));
            let evidence = watched.map(|meter| {
                let (sum, threshold) = meter.loss_evidence();
                sum / threshold
            });
            let Some(evidence) = evidence.reduce(f32::max) else { continue };
            heard += 1;
            (first, second) =
                if evidence > first { (evidence, first) } else { (first, second.max(evidence)) };
        }
        let alone = heard == 1;
        let alarm = if alone {
            first >= 1.0
        } else {
            let both = d::LOSS_BOTH + d::LOSS_TOGETHER * self.together() as f32;
            first + second >= both && second >= d::LOSS_SECOND
        };
        self.loss_alarm = alarm || (self.loss_alarm && first + second >= d::LOSS_SECOND);
        joint.degraded = joint.degraded.with_if(self.loss_alarm, Reasons::LOSS);
        let lonely = !alone && first >= 1.0 && !self.loss_alarm;
        joint.notes = joint.notes.with_if(lonely, Reasons::REFLECTOR);
        let missed = self.watched().map(Meter::missed_run).max().unwrap_or(0);
        joint.suspicious = missed >= d::SUSPECT_MISSES || first >= d::SUSPECT_EVIDENCE;
        joint.curious = missed > 0 || first > 0.0;
        joint.missing = (1..=d::BOOST_MISSES_MAX).contains(&missed);
    }

    /// Steps of delay or jitter on every stream that is not silent.
    fn look_for_shifts(&self, joint: &mut Joint) {
        let heard = || self.meters().filter(|meter| meter.missed_run() < d::SILENCE_MISSES_MIN);
        let all = |shifted: fn(&Meter) -> bool| heard().next().is_some() && heard().all(shifted);
        joint.degraded = joint
            .degraded
            .with_if(all(Meter::delay_shifted), Reasons::DELAY)
            .with_if(all(Meter::jitter_shifted), Reasons::JITTER);
        let remarked = self.meters().any(Meter::remarked);
        joint.notes = joint.notes.with_if(remarked, Reasons::REMARKED);
    }

    /// The streams of the path that were ever answered.
    fn answered(&self) -> impl Iterator<Item = &Stream> {
        self.list.iter().filter(|it| it.part == Part::Path && it.meter.last_reply().is_some())
    }

    /// Those of them that are heard of; all of them if none is.
    fn heard(&self) -> impl Iterator<Item = &Stream> {
        let heard = |it: &Stream| it.meter.missed_run() < d::SILENCE_MISSES_MIN;
        let silent = !self.answered().any(heard);
        self.answered().filter(move |it| silent || heard(it))
    }

    /// Those of them whose loss may be that of the best one.
    fn sound(&self) -> impl Iterator<Item = &Stream> {
        let bounds = |it: &Stream| it.meter.tally().bounds(it.meter.design_effect(), d::CERTAIN_Z);
        let best = self.heard().map(|it| bounds(it).1).fold(1.0, f64::min);
        self.heard().filter(move |it| bounds(it).0 <= best + d::REFLECTOR_LOSS_APART)
    }

    /// Notes how far the reflectors are from each other, while nothing is wrong with any.
    pub(super) fn note_distances(&mut self) {
        if self.sound().count() < self.answered().count() {
            return;
        }
        let nearest = self.answered().map(|it| it.meter.srtt_ns()).min().unwrap_or(0);
        for stream in &mut self.list {
            stream.beyond_ns = stream.meter.srtt_ns().saturating_sub(nearest);
        }
    }

    /// The path's quality by its sound reflectors. `None` before the first reply.
    ///
    /// `rate` is how many probes a second each stream gets on a path that may have to lead soon.
    pub(super) fn quality(&self, rate: f64) -> Option<Quality<'_>> {
        let sound = || self.sound().map(|it| &it.meter);
        let nearest = self.sound().min_by_key(|it| it.meter.srtt_ns())?;
        let (mut loss, mut usual_loss) = (Tally::default(), Tally::default());
        sound().for_each(|meter| {
            loss.add(meter.tally());
            usual_loss.add(meter.usual_tally());
        });
        // Where streams lose together, a second one says little more than the first.
        let alike = 1.0 + self.together() * (sound().count() - 1) as f64;
        Some(Quality {
            loss,
            least_lost: sound().map(|meter| meter.tally().share()).fold(1.0, f64::min),
            usual_loss,
            design: sound().map(Meter::design_effect).fold(1.0, f64::max) * alike,
            burst_ratio: sound().map(Meter::burst_ratio).fold(1.0, f64::max),
            nearest: &nearest.meter,
            // A farther reflector is asked: its way beyond the nearest is not the path's.
            beyond_ns: if sound().count() < self.answered().count() {
                nearest.beyond_ns
            } else {
                0
            },
            loss_alarm: self.loss_alarm,
            unsound: sound().count() < self.heard().count(),
            streams: sound().count() as f64,
            rate: if self.slow { rate.min(d::RATE_SLOW) } else { rate },
        })
    }

    /// The direction in which most of `loss` happened, if the reflectors tell.
    pub(super) fn loss_direction(&self, loss: &Tally) -> Reasons {
        if !self.meters().any(Meter::knows_direction) || loss.losses <= 0.0 {
            return Reasons::NONE;
        }
        let reverse = loss.reverse.min(loss.losses) / loss.losses;
        Reasons::NONE
            .with_if(reverse >= d::LOSS_DIRECTION, Reasons::LOSS_REV)
            .with_if(reverse <= 1.0 - d::LOSS_DIRECTION, Reasons::LOSS_FWD)
    }

    fn of(&self, reflector: u8) -> impl Iterator<Item = &Meter> {
        let of = move |stream: &&Stream| stream.part == Part::Path && stream.reflector == reflector;
        self.list.iter().filter(of).map(|stream| &stream.meter)
    }
}

/// Time in which a stream misses enough probes to count as silent.
fn apart(meter: &Meter) -> Duration {
    meter.period() * (d::SILENCE_MISSES_MIN + 1)
}

/// Whether a stream has missed so many probes in a row that they are no news.
fn is_long_silent(meter: &Meter) -> bool {
    meter.missed_run() > d::BOOST_MISSES_MAX
}
