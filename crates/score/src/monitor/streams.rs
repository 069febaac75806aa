//! The streams of one path, and what they say together.

use alloc::vec::Vec;

use pathvane_clock::{Duration, Instant};

use crate::assess::Quality;
use crate::meter::Tally;
use crate::silence::{Silence, judge};
use crate::{Meter, Reasons, defaults as d};

/// A stream's meter and the reflector that it probes.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    reflector: u8,
    pub(super) meter: Meter,
}

/// All streams of a path.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    list: Vec<Stream>,
    reflectors: u8,
    /// The loss alarm holds until the evidence is nearly gone.
    loss_alarm: bool,
}

/// What the detectors of all streams say together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joint {
    /// The silence of all streams.
    pub(super) silence: Silence,
    /// Reflectors that are silent for themselves.
    pub(super) silent: u8,
    /// LOSS, DELAY, JITTER, ECMP_MEMBER: reasons that degrade the path.
    pub(super) degraded: Reasons,
    /// REFLECTOR, REMARKED: reasons that only inform.
    pub(super) notes: Reasons,
    /// Probes are missing, or loss evidence is half of an alarm.
    pub(super) suspicious: bool,
    /// Something was missed lately: probe faster to know sooner.
    pub(super) curious: bool,
}

impl Streams {
    pub(super) fn new(now: Instant, reflectors: &[u8]) -> Self {
        let mut distinct: Vec<u8> = reflectors.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let number = |id: &u8| distinct.iter().position(|other| other == id).unwrap_or(0) as u8;
        let stream = |id: &u8| Stream { reflector: number(id), meter: Meter::new(now) };
        Self {
            list: reflectors.iter().map(stream).collect(),
            reflectors: distinct.len() as u8,
            loss_alarm: false,
        }
    }

    pub(super) fn reflectors(&self) -> u8 {
        self.reflectors
    }

    pub(super) fn get_mut(&mut self, stream: usize) -> Option<&mut Meter> {
        self.list.get_mut(stream).map(|stream| &mut stream.meter)
    }

    pub(super) fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.list.iter().map(|stream| &stream.meter)
    }

    pub(super) fn meters_mut(&mut self) -> impl Iterator<Item = &mut Meter> {
        self.list.iter_mut().map(|stream| &mut stream.meter)
    }

    /// Asks every detector; `within` is the time from a fault to its report.
    pub(super) fn judge(&mut self, now: Instant, within: Duration) -> Joint {
        let silence =
            if self.list.is_empty() { Silence::No } else { judge(now, self.meters(), within) };
        let mut joint = Joint {
            silence,
            silent: 0,
            degraded: Reasons::NONE,
            notes: Reasons::NONE,
            suspicious: false,
            curious: false,
        };
        self.look_for_silence(now, within, &mut joint);
        self.look_for_loss(&mut joint);
        self.look_for_shifts(&mut joint);
        joint
    }

    /// Silence of single reflectors, and of single streams of one.
    fn look_for_silence(&self, now: Instant, within: Duration, joint: &mut Joint) {
        if self.meters().all(|meter| meter.missed_run() < d::SILENCE_MISSES_MIN) {
            return;
        }
        if joint.silence == Silence::Certain {
            joint.silent = self.reflectors;
            return;
        }
        for reflector in 0..self.reflectors {
            if judge(now, self.of(reflector), within) == Silence::Certain {
                joint.silent += 1;
            } else if self
                .of(reflector)
                .any(|meter| judge(now, core::iter::once(meter), within) == Silence::Certain)
            {
                joint.degraded = joint.degraded.with(Reasons::ECMP_MEMBER);
            }
        }
        let some = joint.silent > 0 && joint.silent < self.reflectors;
        joint.notes = joint.notes.with_if(some, Reasons::REFLECTOR);
    }

    /// Loss that two reflectors show (or the only one): the path's. One alone: its own.
    fn look_for_loss(&mut self, joint: &mut Joint) {
        let (mut first, mut second) = (0.0_f32, 0.0_f32);
        for reflector in 0..self.reflectors {
            let evidence = self.of(reflector).map(|meter| {
                let (sum, threshold) = meter.loss_evidence();
                sum / threshold
            });
            let evidence = evidence.fold(0.0, f32::max);
            (first, second) =
                if evidence > first { (evidence, first) } else { (first, second.max(evidence)) };
        }
        let alone = self.reflectors == 1;
        let alarm = if alone {
            first >= 1.0
        } else {
            first + second >= d::LOSS_BOTH && second >= d::LOSS_SECOND
        };
        self.loss_alarm = alarm || (self.loss_alarm && first + second >= d::LOSS_SECOND);
        joint.degraded = joint.degraded.with_if(self.loss_alarm, Reasons::LOSS);
        let lonely = !alone && first >= 1.0 && !self.loss_alarm;
        joint.notes = joint.notes.with_if(lonely, Reasons::REFLECTOR);
        let missed = self.meters().map(Meter::missed_run).max().unwrap_or(0);
        joint.suspicious = missed >= d::SUSPECT_MISSES || first >= d::SUSPECT_EVIDENCE;
        joint.curious = missed > 0 || first > 0.0;
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

    /// The path's quality by its sound reflectors: those whose loss may be that of the best
    /// one. `None` before the first reply.
    pub(super) fn quality(&self) -> Option<Quality<'_>> {
        let heard = |meter: &&Meter| meter.missed_run() < d::SILENCE_MISSES_MIN;
        let answered = || self.meters().filter(|meter| meter.last_reply().is_some());
        let silent = answered().all(|meter| !heard(&meter));
        let candidates = || answered().filter(move |meter| silent || heard(meter));
        let bounds = |meter: &Meter| meter.tally().bounds(meter.design_effect());
        let best = candidates().map(|meter| bounds(meter).1).fold(1.0, f64::min);
        let sound =
            || candidates().filter(|meter| bounds(meter).0 <= best + d::REFLECTOR_LOSS_APART);
        let nearest = sound().min_by_key(|meter| meter.srtt_ns())?;
        let mut loss = Tally::default();
        sound().for_each(|meter| loss.add(meter.tally()));
        Some(Quality {
            loss,
            design: sound().map(Meter::design_effect).fold(1.0, f64::max),
            burst_ratio: sound().map(Meter::burst_ratio).fold(1.0, f64::max),
            nearest,
            unsound: sound().count() < candidates().count(),
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
        let of = move |stream: &&Stream| stream.reflector == reflector;
        self.list.iter().filter(of).map(|stream| &stream.meter)
    }
}
