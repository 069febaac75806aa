//! When silence is certain enough.
//!
//! Per scheduled probe, so a prober that stands still says nothing. Two questions are asked
//! of the missed probes at the end of each stream, all streams together:
//!
//! - Could independent losses, as frequent as they are here, make them? If so, it is not
//!   silence yet: it takes `ln(probes a day) / -ln p` misses, at least 3 on each stream.
//! - Could one burst of the kind seen here make them? If so, wait for more, but at most until
//!   the time in which a fault has to be reported. Where streams lose together, the misses of
//!   a second stream say little more than those of the first. Where each loses by itself, one may be
//!   in a burst already when another's begins, so it is its share of loss that counts.
//!
//! And a path that lately fell silent as a whole, and came back by itself, is given the time that
//! such gaps take.

use pathvane_clock::{Duration, Instant};

use crate::{Meter, defaults as d};

/// What the missed probes of some streams amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing yet.
    No,
    /// Certain from then on, if no reply comes.
    At(Instant),
    /// Certain.
    Certain,
}

/// When silence may be and must be reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Not before replies have been missing for this long.
    pub(crate) after: Duration,
    /// Nor before the first reply that is missing has been so for the usual time between two probes: who
    /// has them sent once a second does not ask to hear of shorter gaps.
    pub(crate) pace: Duration,
    /// This long after the fault at the latest.
    pub(crate) within: Duration,
    /// ... unless the path has gaps that last this long: then not before replies have been missing
    /// for longer,
    pub(crate) gaps: Duration,
    /// ... but this long after the fault at the latest.
    pub(crate) patience: Duration,
    /// Not before this: replies may wait in the sockets.
    pub(crate) not_before: Instant,
}

/// Judges streams together; `together` is how often losses on one stream come with losses on
/// another (0 to 1).
pub(crate) fn judge<'a>(
    now: Instant,
    meters: impl Iterator<Item = &'a Meter>,
    limits: Limits,
    together: f64,
) -> Silence {
    let mut sum = Sum::default();
    for meter in meters {
        if meter.missed_run() < d::SILENCE_MISSES_MIN {
            return Silence::No;
        }
        sum.add(meter);
    }
    let needed = libm::log(sum.probes_a_day.max(1.0));
    if sum.missed == 0.0 || sum.random < needed {
        return Silence::No;
    }
    let as_burst = sum.longest + (1.0 - together) * (sum.bursts - sum.longest);
    let certain = if as_burst >= needed + d::SILENCE_CAUTION {
        Instant::ZERO
    } else {
        // A fault began after the newest answered probe left.
        sum.began_after + limits.within - d::SILENCE_SLACK
    };
    let at = certain
        .max((sum.missing_since + limits.gaps).min(sum.began_after + limits.patience))
        .max(sum.missing_since + limits.after)
        .max(sum.seen_since + limits.pace)
        .max(limits.not_before);
    if at <= now { Silence::Certain } else { Silence::At(at) }
}

/// Surprise in nats, over streams.
#[derive(Default)]
struct Sum {
    missed: f64,
    probes_a_day: f64,
    /// If every loss were independent.
    random: f64,
    /// If those of each stream were a burst, and of the stream that surprises most.
    bursts: f64,
    longest: f64,
    began_after: Instant,
    /// When the next reply should have come.
    missing_since: Instant,
    /// When the first of those that were asked for should have.
    seen_since: Instant,
}

impl Sum {
    fn add(&mut self, meter: &Meter) {
        let loss = meter.loss_before_run();
        let again = meter.continuation(d::BURST_PRIOR_SILENCE).clamp(loss, d::BURST_MAX);
        let missed = f64::from(meter.missed_run());
        let burst = -libm::log(loss.max(meter.usual_loss())) - (missed - 1.0) * libm::log(again);
        self.missed += missed;
        self.random -= missed * libm::log(loss);
        self.bursts += burst;
        self.longest = self.longest.max(burst);
        self.probes_a_day += d::DAY_S / meter.period().as_secs_f64().max(0.001);
        let began_after = meter.answered_sent().unwrap_or_default();
        self.began_after = self.began_after.max(began_after);
        self.missing_since = self.missing_since.max(began_after + meter.expected());
        let asked = meter.missed_since().unwrap_or(began_after);
        self.seen_since = self.seen_since.max(asked + meter.expected());
    }
}
