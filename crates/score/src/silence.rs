//! When silence is certain enough.
//!
//! Per scheduled probe, so a prober that stands still says nothing. Two questions are asked
//! of the missed probes at the end of each stream, all streams together:
//!
//! - Could losses as frequent as here usually, but independent, make them? Then never yet:
//!   `K = ln(probes a day) / -ln p`, at least 3 a stream.
//! - Could one burst of the kind seen here make them? Then wait for more, but at most until
//!   the time in which a fault has to be reported.

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

/// Judges streams together; `within` is the time from a fault to its report.
pub(crate) fn judge<'a>(
    now: Instant,
    meters: impl Iterator<Item = &'a Meter>,
    within: Duration,
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
    let as_burst = sum.start + (sum.missed - 1.0) * sum.continuation;
    // A fault began after the newest answered probe left.
    let limit = sum.began_after + within - d::SILENCE_SLACK;
    if as_burst >= needed || limit <= now { Silence::Certain } else { Silence::At(limit) }
}

/// Surprise in nats, over streams.
#[derive(Default)]
struct Sum {
    missed: f64,
    probes_a_day: f64,
    /// If every loss were independent.
    random: f64,
    /// Of the first loss of a burst, and of each further one, on the stream that surprises
    /// most and on the one that surprises least.
    start: f64,
    continuation: f64,
    began_after: Instant,
}

impl Sum {
    fn add(&mut self, meter: &Meter) {
        let loss = meter.loss_before_run();
        let again = meter.continuation(d::BURST_PRIOR_SILENCE).clamp(loss, d::BURST_MAX);
        let missed = f64::from(meter.missed_run());
        let continuation = -libm::log(again);
        self.continuation =
            if self.missed == 0.0 { continuation } else { self.continuation.min(continuation) };
        self.missed += missed;
        self.random -= missed * libm::log(loss);
        self.start = self.start.max(-libm::log(loss));
        self.probes_a_day += d::DAY_S / meter.period().as_secs_f64().max(0.001);
        self.began_after = self.began_after.max(meter.answered_sent().unwrap_or_default());
    }
}
