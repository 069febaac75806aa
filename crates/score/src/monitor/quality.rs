//! The scores of a path for each class, kept between evaluations.

use alloc::vec;
use alloc::vec::Vec;

use pathvane_clock::Instant;

use super::MonitorConfig;
use crate::assess::{Bounded, Judged, Quality};
use crate::emodel::Playout;
use crate::grade::GradeTracker;
use crate::meter::ppm;
use crate::{
    Class, ClassScore, Compliance, Evidence, Grade, Reasons, Sla, Violations, defaults as d,
};

/// One class's score with what must be remembered about it.
#[derive(Clone, Debug, Default)]
struct Scored {
    score: Option<Bounded>,
    tracker: GradeTracker,
    compliance: Option<Compliance>,
    violations: Violations,
    /// Until when a broken limit counts as broken.
    violates_until: Option<Instant>,
    /// The score was below grade C beyond doubt, and is not yet well above.
    low: bool,
}

/// The last assessment of a path.
#[derive(Clone, Debug)]
pub(super) struct Assessment {
    due: Instant,
    classes: [Scored; 3],
    own: Vec<Scored>,
    playout: Playout,
    /// Probes behind the loss, weighed by age.
    samples: u32,
    lossy: bool,
    unsound: bool,
    direction: Reasons,
    figures: Measured,
}

/// What is measured with the scores.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    rtt_ns: u64,
    usual_rtt_ns: u64,
    jitter_ns: u64,
    loss_ppm: u32,
    usual_loss_ppm: u32,
}

impl Assessment {
    /// Before anything was scored; `own` classes beside the three.
    pub(super) fn new(now: Instant, own: usize) -> Self {
        Self {
            due: now,
            classes: Default::default(),
            own: vec![Scored::default(); own],
            playout: Playout::default(),
            samples: 0,
            lossy: false,
            unsound: false,
            direction: Reasons::NONE,
            figures: Measured::default(),
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// An outage is over: what was lost in it says nothing of now.
    pub(super) fn forgive(&mut self) {
        self.lossy = false;
        self.classes.iter_mut().for_each(|scored| scored.low = false);
    }

    /// Scores every class by `quality`; without one everything stays as it was. Returns
    /// whether the path now keeps limits that it did not keep, or the other way round.
    pub(super) fn refresh(
        &mut self,
        now: Instant,
        config: &MonitorConfig,
        quality: Option<&Quality<'_>>,
        direction: Reasons,
    ) -> bool {
        self.due = now + d::ASSESS_EVERY;
        let Some(quality) = quality else { return false };
        self.samples = quality.loss.effective() as u32;
        let (_, most) = quality.loss.bounds(quality.design, d::CONFIDENCE_Z);
        // Where losses came in bursts, bounds stay wide for minutes: far less than the limit will do.
        let far = quality.loss.share() < d::LOSS_LIMIT / 2.0;
        self.lossy = match self.lossy {
            true => most > d::LOSS_LIMIT && !far,
            false => quality.surely_loses(d::LOSS_LIMIT),
        };
        self.unsound = quality.unsound;
        self.direction = direction;
        self.figures = Measured {
            rtt_ns: quality.nearest.srtt_ns(),
            usual_rtt_ns: quality.nearest.usual_rtt_ns(),
            jitter_ns: quality.nearest.jitter_ns(),
            loss_ppm: ppm(quality.loss.share()),
            usual_loss_ppm: ppm(quality.nearest.usual_loss()),
        };
        let mut changed = false;
        for class in Class::ALL {
            let score = match class {
                Class::Voice => {
                    let (score, playout) = quality.voice(&config.codec);
                    self.playout = playout;
                    score
                }
                Class::Interactive => quality.interactive(),
                Class::Bulk => quality.bulk(config.bulk_target_bps, config.capacity_bps),
            };
            let sla = &config.sla[class.index()];
            changed |= self.classes[class.index()].take(now, sla, config, quality, score);
        }
        for (scored, class) in self.own.iter_mut().zip(&config.own) {
            let score = match class.like {
                Class::Voice => quality.voice(&class.codec).0,
                Class::Interactive => quality.interactive(),
                Class::Bulk => quality.bulk(class.bulk_target_bps, config.capacity_bps),
            };
            changed |= scored.take(now, &class.sla, config, quality, score);
        }
        changed
    }

    /// The score of a class; nothing, if nothing gets through.
    pub(super) fn score(&self, class: Class, passes: bool) -> ClassScore {
        self.classes[class.index()].told(class, passes)
    }

    /// The score of the operator's `nth` class, which is like `class`.
    pub(super) fn own_score(&self, nth: usize, class: Class, passes: bool) -> ClassScore {
        self.own.get(nth).unwrap_or(&self.classes[class.index()]).told(class, passes)
    }

    pub(super) fn grade(&self, class: Class) -> Grade {
        self.classes[class.index()].tracker.grade()
    }

    /// Whether the score of a class is too low beyond doubt.
    pub(super) fn is_low(&self, class: Class) -> bool {
        self.classes[class.index()].low
    }

    /// Whether a limit of a class is broken.
    pub(super) fn violates(&self, class: Class) -> bool {
        self.classes[class.index()].compliance == Some(Compliance::Violates)
    }

    /// Whether loss is beyond the limit of any class, however usual.
    pub(super) fn is_lossy(&self) -> bool {
        self.lossy
    }

    /// Whether a reflector loses more than the path does.
    pub(super) fn has_unsound_reflector(&self) -> bool {
        self.unsound
    }

    pub(super) fn loss_direction(&self) -> Reasons {
        self.direction
    }

    /// Probes behind the loss, weighed by age.
    pub(super) fn samples(&self) -> u32 {
        self.samples
    }

    /// The call that the voice score is about.
    pub(super) fn playout(&self) -> &Playout {
        &self.playout
    }

    /// The part of the evidence that is measured with the scores.
    pub(super) fn evidence(&self) -> Evidence {
        let Measured { rtt_ns, usual_rtt_ns, jitter_ns, loss_ppm, usual_loss_ppm } = self.figures;
        let none = Evidence::default();
        Evidence { rtt_ns, usual_rtt_ns, jitter_ns, loss_ppm, usual_loss_ppm, ..none }
    }

    /// Bytes of the scores of classes of the operator's own.
    pub(super) fn heap_bytes(&self) -> usize {
        self.own.capacity() * size_of::<Scored>()
    }
}

impl Scored {
    /// What is said about a path that `passes` traffic, or does not.
    fn told(&self, class: Class, passes: bool) -> ClassScore {
        let unknown = ClassScore::unknown(class);
        if !passes {
            return ClassScore { ucb: 0.0, compliance: Compliance::Violates, ..unknown };
        }
        let Some(score) = self.score else { return unknown };
        ClassScore {
            class,
            value: score.value,
            lcb: score.lcb,
            ucb: score.ucb,
            grade: self.tracker.grade(),
            compliance: self.compliance.unwrap_or(Compliance::Unsure),
            violations: self.violations,
        }
    }

    /// Takes a new score; returns whether compliance changed.
    fn take(
        &mut self,
        now: Instant,
        sla: &Sla,
        config: &MonitorConfig,
        quality: &Quality<'_>,
        judged: Judged,
    ) -> bool {
        let score = judged.score;
        self.score = Some(score);
        self.low = if self.low {
            score.value < d::GRADE_C + d::GRADE_UP_MARGIN
        } else {
            judged.at_most < d::GRADE_C
        };
        self.tracker.update(now, score.value, config.grade_hold);
        let (violations, compliance) = quality.comply(sla, judged);
        if compliance == Compliance::Violates {
            self.violations = violations;
            self.violates_until = Some(now + config.sla_clear);
        }
        let held = self.violates_until.is_some_and(|until| now < until);
        if !held {
            self.violations = Violations::default();
        }
        let compliance = if held { Compliance::Violates } else { compliance };
        self.compliance.replace(compliance) != Some(compliance)
    }
}
