//! The streams of one path, and what they say together.

mod directions;
mod first_hop;

use alloc::vec::Vec;

use pathvane_clock::{Duration, Instant};

use crate::assess::Quality;
use crate::meter::Tally;
use crate::silence::{Limits, Silence, judge};
use crate::{Arrival, Meter, Reasons, Sample, StreamSpec, defaults as d};

use super::gaps::Gaps;
use directions::Directions;
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
    directions: Directions,
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
    /// The directions of DELAY and JITTER.
    pub(super) ways: Reasons,
    /// REFLECTOR, REMARKED, LAST_MILE, TRANSIT: reasons that only inform.
    pub(super) notes: Reasons,
    /// The share of what an alarm of loss takes, from 0; 1 and more is the alarm.
    pub(super) loss_evidence: f32,
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
        ways: Reasons::NONE,
        notes: Reasons::NONE,
        loss_evidence: 0.0,
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
            directions: Directions::default(),
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

    /// A reply arrived on a stream; `told` says that the path's silence was told as an outage, `pace` is the
    /// usual time between two probes of a path that leads. `None` if there is no such stream.
    pub(super) fn reply(
        &mut self,
        now: Instant,
        stream: usize,
        sample: &Sample,
        told: bool,
        pace: Duration,
    ) -> Option<Arrival> {
        let gap = self.is_in_gap().then(|| self.gap_began(pace)).flatten();
        let meter = &mut self.list.get_mut(stream)?.meter;
        let (missed, since) = (meter.missed_run(), meter.missed_since());
        let arrival = meter.reply(now, sample);
        if told && arrival == Arrival::Late && missed >= d::SILENCE_MISSES_MIN {
            meter.delay_stepped(now, sample);
        }
        if arrival != Arrival::Ignored {
            let Stream { directions, meter, .. } = &mut self.list[stream];
            directions.reply(sample, meter);
        }
        let far = self.list[stream].part == Part::Path;
        if let Some(since) = since.filter(|_| far && arrival != Arrival::Ignored) {
            self.list[stream].missed_until = now;
            if missed <= d::BURST_LENGTH_MAX {
                self.learn_series(stream, since);
            }
        }
        // A prober that stood still cannot tell: what was under way may have been lost with it.
        let stood = |began| self.meters().any(|meter| meter.stood_still_since(began));
        if let (Some(began), Some(after)) = (gap.filter(|&it| !stood(it)), self.answered_sent()) {
            let period = self.meters().map(Meter::period).min().unwrap_or_default();
            self.gaps.learn(now, after.since(began).saturating_sub(period), told);
        }
        Some(arrival)
    }

    /// When the gap that runs may have begun at the earliest: after the newest answered probe left, and no longer
    /// before the first that was missed than probes of a leader are apart: a path that stands by would take the time
    /// since its last probe for a part of the gap.
    fn gap_began(&self, pace: Duration) -> Option<Instant> {
        let missed = self.meters().filter_map(Meter::missed_since).min()?;
        let answered = self.answered_sent()?;
        Some(answered.max(missed - pace))
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
        self.watched().all(|meter| meter.missed_run() >= d::GAP_MISSES_MIN)
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

    /// Those whose silence says something: they answered once, or none did.
    pub(super) fn reflectors_that_answered(&self) -> u8 {
        let count = |of: &dyn Fn(&Meter) -> bool| {
            (0..self.reflectors).filter(|&number| self.of(number).any(of)).count() as u8
        };
        let newest = self.meters().filter_map(Meter::last_sent).max();
        match count(&|meter| meter.last_reply().is_some()) {
            0 => self.reflectors,
            _ => count(&|meter| meter.last_reply().is_some() && !is_unsent(meter, newest)),
        }
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

    /// Which of them say something of this moment: not those that have been silent for long, unless
    /// all have. Why they are silent is known, or the path's silence is.
    fn watches(&self) -> impl Fn(&Meter) -> bool + use<> {
        let newest = self.meters().filter_map(Meter::last_sent).max();
        let all = self.meters().all(|meter| is_long_silent(meter) || is_unsent(meter, newest));
        move |meter| !is_unsent(meter, newest) && (all || !is_long_silent(meter))
    }

    fn watched(&self) -> impl Iterator<Item = &Meter> {
        let watches = self.watches();
        self.meters().filter(move |meter| watches(meter))
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

    /// How long the silence of those that say something takes to show.
    pub(super) fn shows_within(&self) -> Duration {
        self.watched().map(|meter| apart(meter) + meter.patience()).max().unwrap_or_default()
    }

    /// Asks every detector.
    pub(super) fn judge(&mut self, now: Instant, mut limits: Limits) -> Joint {
        if self.is_in_gap() {
            limits.gaps = self.gaps.patience(now);
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
        let silent = |stream: &Stream| {
            let meter = &stream.meter;
            meter.missed_run() >= d::SILENCE_MISSES_MIN && meter.last_reply().is_some()
        };
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
        let watches = self.watches();
        for reflector in 0..self.reflectors {
            let watched = self.of(reflector).filter(|meter| watches(meter));
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
        joint.loss_evidence = if alone {
            first
        } else {
            let both = d::LOSS_BOTH + d::LOSS_TOGETHER * self.together() as f32;
            ((first + second) / both).min(second / d::LOSS_SECOND)
        };
        let alarm = joint.loss_evidence >= 1.0;
        if alarm && !self.loss_alarm {
            self.meters_mut().for_each(Meter::lighten_loss);
        }
        self.loss_alarm = alarm || (self.loss_alarm && first + second >= d::LOSS_SECOND);
        joint.degraded = joint.degraded.with_if(self.loss_alarm, Reasons::LOSS);
        let lonely = !alone && first >= 1.0 && !self.loss_alarm;
        joint.notes = joint.notes.with_if(lonely, Reasons::REFLECTOR);
        let watched = self.meters().filter(|meter| watches(meter));
        let missed = watched.map(Meter::missed_run).max().unwrap_or(0);
        joint.suspicious = missed >= d::SUSPECT_MISSES || first >= d::SUSPECT_EVIDENCE;
        joint.curious = missed > 0 || first > 0.0;
        joint.missing = (1..=d::BOOST_MISSES_MAX).contains(&missed);
    }

    /// Steps of delay or jitter on every stream that is not silent.
    fn look_for_shifts(&self, joint: &mut Joint) {
        let watches = self.watches();
        let heard = || {
            let of = |meter: &&Meter| meter.missed_run() < d::SILENCE_MISSES_MIN && watches(meter);
            self.meters().filter(of)
        };
        let all = |shifted: fn(&Meter) -> bool| heard().next().is_some() && heard().all(shifted);
        joint.degraded = joint
            .degraded
            .with_if(all(Meter::delay_shifted), Reasons::DELAY)
            .with_if(all(Meter::jitter_shifted), Reasons::JITTER);
        self.look_for_directions(joint);
        let remarked = self.meters().any(Meter::remarked);
        joint.notes = joint.notes.with_if(remarked, Reasons::REMARKED);
    }

    /// In which direction delay or jitter stepped up, as far as the streams that can tell agree.
    fn look_for_directions(&self, joint: &mut Joint) {
        if !joint.degraded.intersects(Reasons::DELAY.with(Reasons::JITTER)) {
            return;
        }
        let path = self.list.iter().filter(|it| it.part == Part::Path && it.is_heard());
        let told = path.fold(Reasons::NONE, |all, it| all.with(it.directions.told()));
        for (alarm, ways) in
            [(Reasons::DELAY, Reasons::DELAY_WAYS), (Reasons::JITTER, Reasons::JITTER_WAYS)]
        {
            let agreed = joint.degraded.contains(alarm) && !told.contains(ways);
            joint.ways = joint.ways.with_if(agreed, told.common(ways));
        }
    }

    /// The streams of the path that were ever answered.
    fn answered(&self) -> impl Iterator<Item = &Stream> {
        self.list.iter().filter(|it| it.part == Part::Path && it.meter.last_reply().is_some())
    }

    /// What tells those of them that are heard of, and sound.
    fn sieve(&self) -> Sieve {
        let newest = self.meters().filter_map(Meter::last_sent).max();
        let heard = |it: &Stream| it.is_heard() && !is_unsent(&it.meter, newest);
        let silent = !self.answered().any(heard);
        let mut sieve = Sieve { silent, newest, least_lost: 1.0 };
        let bounds = self.answered().filter(|it| sieve.hears(it)).map(|it| it.loss_bounds().1);
        sieve.least_lost = bounds.fold(1.0, f64::min);
        sieve
    }

    /// Notes how far the reflectors are from each other, while nothing is wrong with any.
    pub(super) fn note_distances(&mut self) {
        let sieve = self.sieve();
        if !self.answered().all(|it| sieve.hears(it) && sieve.trusts(it)) {
            return;
        }
        let nearest = self.answered().map(|it| it.meter.srtt_ns()).min().unwrap_or(0);
        for stream in self.list.iter_mut().filter(|stream| stream.part == Part::Path) {
            stream.beyond_ns = stream.meter.srtt_ns().saturating_sub(nearest);
        }
    }

    /// The path's quality by its sound reflectors. `None` before the first reply.
    ///
    /// `rate` is how many probes a second each stream gets on a path that may have to lead soon.
    pub(super) fn quality(&self, rate: f64) -> Option<Quality<'_>> {
        let sieve = self.sieve();
        let heard = || self.answered().filter(|it| sieve.hears(it));
        let mut nearest: Option<&Stream> = None;
        let (mut loss, mut usual_loss) = (Tally::default(), Tally::default());
        let (mut least_lost, mut design, mut burst_ratio) = (1.0_f64, 1.0_f64, 1.0_f64);
        let mut sound = 0;
        for it in heard().filter(|it| sieve.trusts(it)) {
            let meter = &it.meter;
            sound += 1;
            loss.add(meter.tally());
            usual_loss.add(meter.usual_tally());
            least_lost = least_lost.min(meter.tally().share());
            design = design.max(meter.design_effect());
            burst_ratio = burst_ratio.max(meter.burst_ratio());
            if nearest.is_none_or(|nearest| meter.srtt_ns() < nearest.meter.srtt_ns()) {
                nearest = Some(it);
            }
        }
        let nearest = nearest?;
        // Where streams lose together, a second one says little more than the first.
        let alike = 1.0 + self.together() * f64::from(sound - 1);
        Some(Quality {
            loss,
            least_lost,
            usual_loss,
            design: design * alike,
            burst_ratio,
            nearest: &nearest.meter,
            // Not zero if a farther reflector is asked: its way beyond the nearest is not the path's.
            beyond_ns: nearest.beyond_ns,
            loss_alarm: self.loss_alarm,
            unsound: (sound as usize) < heard().count(),
            streams: f64::from(sound),
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

/// Which streams are heard of, and which of these lose no more than the path does.
#[derive(Clone, Copy)]
struct Sieve {
    /// None is heard of, so all count as heard.
    silent: bool,
    /// When the newest probe of any was sent.
    newest: Option<Instant>,
    /// The upper bound of the loss of the best of them.
    least_lost: f64,
}

impl Sieve {
    fn hears(&self, stream: &Stream) -> bool {
        self.silent || (stream.is_heard() && !is_unsent(&stream.meter, self.newest))
    }

    /// Whether the loss of one that is heard of may be that of the best.
    fn trusts(&self, stream: &Stream) -> bool {
        stream.loss_bounds().0 <= self.least_lost + d::REFLECTOR_LOSS_APART
    }
}

impl Stream {
    fn is_heard(&self) -> bool {
        self.meter.missed_run() < d::SILENCE_MISSES_MIN
    }

    /// Bounds of its loss, 0 to 1.
    fn loss_bounds(&self) -> (f64, f64) {
        self.meter.tally().bounds(self.meter.design_effect(), d::CERTAIN_Z)
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

/// Whether a stream sends nothing while others do, the `newest` of whose probes left then: what it showed last is
/// no news.
fn is_unsent(meter: &Meter, newest: Option<Instant>) -> bool {
    let wait = d::STALE_AFTER.max(meter.period() * d::STALE_PERIODS);
    newest.is_some_and(|newest| meter.last_sent().is_none_or(|sent| newest.since(sent) > wait))
}
