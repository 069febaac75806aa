//! On which side of its first hop a path's fault is.
//!
//! First hops may be probed less often than far ends, and routers answer probes when they have
//! time. So neither side is named before the first hop has shown it: by ailing as well, or by
//! answering through the fault.

use pathvane_clock::Instant;

use super::{Joint, Part, Streams, apart};
use crate::silence::Silence;
use crate::{Meter, Reasons, defaults as d};

/// What a first hop has shown since the path's fault began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FirstHop {
    /// Probes that it had answered when the fault began, or when it last ailed.
    answered_before: u32,
    /// It ails as well, or did until few probes ago.
    ails: bool,
}

/// The silence of a path.
#[derive(Clone, Copy, Debug)]
struct Since {
    /// When its newest answered probe left.
    last: Instant,
    /// Answers to probes that left from now on are none of before.
    from: Instant,
}

impl Streams {
    /// Notes the side of the first hop on which the path's fault is, once it has shown.
    pub(super) fn attribute(&mut self, joint: &mut Joint) {
        let faults = Reasons::LOSS.with(Reasons::DELAY).with(Reasons::JITTER);
        let silent = joint.silence == Silence::Certain;
        let faulty = silent || joint.degraded.intersects(faults);
        let begins = !core::mem::replace(&mut self.faulty, faulty);
        if !faulty {
            return;
        }
        let since = silent.then(|| Since {
            last: self.answered_sent().unwrap_or_default(),
            from: self.silent_from().unwrap_or_default(),
        });
        let (mut near, mut beyond) = (false, false);
        // A hop that never answered says nothing.
        let answers = |meter: &Meter| meter.last_reply().is_some();
        for stream in self.list.iter_mut().filter(|it| it.part == Part::FirstHop) {
            let (hop, meter) = (&mut stream.hop, &stream.meter);
            if begins {
                *hop = FirstHop { answered_before: meter.counters().answered, ails: false };
            }
            let ails = match since {
                _ if !answers(meter) => None,
                Some(since) => is_silent_too(meter, since),
                None => hop.ails(meter),
            };
            near |= ails == Some(true);
            beyond |= ails == Some(false);
        }
        joint.notes = joint
            .notes
            .with_if(beyond, Reasons::TRANSIT)
            .with_if(near && !beyond, Reasons::LAST_MILE);
    }
}

/// Whether a hop fell silent with the path, or answers; `None` if it shows neither.
fn is_silent_too(hop: &Meter, Since { last, from }: Since) -> Option<bool> {
    if hop.missed_run() < d::SILENCE_MISSES_MIN {
        return hop.answered_sent().is_some_and(|sent| sent > from).then_some(false);
    }
    // What fell silent long before the path has another reason.
    let together = hop.missed_since().is_some_and(|since| since + apart(hop) >= last);
    together.then_some(true)
}

impl FirstHop {
    /// Whether the hop ails while the path degrades; `None` if it has not shown.
    fn ails(&mut self, meter: &Meter) -> Option<bool> {
        let answered = meter.counters().answered;
        let missed = meter.missed_run();
        if missed >= d::FIRST_HOP_MUTE {
            return None;
        }
        let (loss, threshold) = meter.loss_evidence();
        let shifted = meter.delay_shifted() || meter.jitter_shifted();
        let lossy = missed >= d::SILENCE_MISSES_MIN || loss >= d::LOSS_SECOND * threshold;
        if lossy || shifted {
            *self = Self { answered_before: answered, ails: true };
        } else if answered.wrapping_sub(self.answered_before) >= d::FIRST_HOP_WELL {
            self.ails = false;
            return Some(false);
        }
        self.ails.then_some(true)
    }
}
