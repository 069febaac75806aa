//! Counting what a stream yields: by the second, and over all.

use hdrhistogram::Histogram;
use pathvane_clock::{Duration, Instant};
use pathvane_probe::Sample;
use pathvane_score::{Class, ClassScore, PathMonitor, emodel};
use serde::Serialize;

use super::sockets::Sockets;

/// What a span of time yielded.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Figures {
    /// Probes sent.
    pub sent: u64,
    /// Probes answered in time.
    pub answered: u64,
    /// Probes found lost.
    pub lost: u64,
    /// Of those, where.
    pub direction: Directions,
    /// Least, mean, percentiles and greatest round-trip delay in milliseconds, less the
    /// reflector's own time; `None` without an answer.
    pub rtt_min_ms: Option<f64>,
    /// See `rtt_min_ms`.
    pub rtt_avg_ms: Option<f64>,
    /// See `rtt_min_ms`.
    pub rtt_p95_ms: Option<f64>,
    /// See `rtt_min_ms`.
    pub rtt_p99_ms: Option<f64>,
    /// See `rtt_min_ms`.
    pub rtt_max_ms: Option<f64>,
    /// Probes that arrived at the reflector with another DSCP than they left with.
    pub remarked_fwd: u64,
    /// Replies that arrived here with another DSCP than was asked for.
    pub remarked_rev: u64,
    /// Probes that could not be sent.
    pub send_failed: u64,
}

/// Where probes were lost, as the reflector's counts or numbers tell; what they do not tell is `unknown`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Directions {
    /// On the way to the reflector.
    pub fwd: u64,
    /// On the way back.
    pub rev: u64,
    /// The reflector does not count, or nothing came back since.
    pub unknown: u64,
}

/// One second.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Second {
    /// Which one, from 1.
    pub second: u64,
    /// What it yielded; probes count when they are sent, answered and found lost.
    #[serde(flatten)]
    pub figures: Figures,
    /// Interarrival jitter (RFC 3550) at its end, in milliseconds.
    pub jitter_ms: f64,
    /// Mean opinion score of a call of G.711 with loss concealment, 1 to 4.5; `None` while unknown.
    pub mos: Option<f64>,
    /// The transmission rating R behind it: its pessimistic and optimistic ends (95 %).
    pub r: Option<[f64; 2]>,
    /// The verdict that the speaker would have.
    pub state: &'static str,
    /// Why.
    pub reasons: Vec<&'static str>,
}

/// The whole of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// Totals.
    #[serde(flatten)]
    pub figures: Figures,
    /// Interarrival jitter (RFC 3550), in milliseconds.
    pub jitter_ms: f64,
    /// See [`Second::mos`].
    pub mos: Option<f64>,
    /// See [`Second::r`].
    pub r: Option<[f64; 2]>,
    /// How many probes, weighed by age, these rest on.
    pub samples: u32,
    /// How delay varies and losses cluster at the end; `None` without an answer.
    pub estimates: Option<Estimates>,
    /// Of the lost, those answered after all.
    pub late: u64,
    /// Further answers to one probe.
    pub duplicates: u64,
    /// Answers that a later probe's overtook.
    pub reordered: u64,
    /// Probes under way when it was stopped.
    pub under_way: u64,
    /// Replies that were not used, by reason.
    pub refused: Refused,
    /// Probes and replies with a time of ours instead of the kernel's.
    pub user_stamped: u64,
    /// Source ports, of several, that were silent at the end while others were answered.
    pub silent_ports: Vec<u16>,
}

/// What the speaker would know of a stream: the last seconds, by its estimators. Milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Estimates {
    /// Smoothed round-trip delay (RFC 6298).
    pub srtt_ms: f64,
    /// Its smoothed deviation.
    pub rttvar_ms: f64,
    /// By how much round trips exceed the least (RFC 5481 PDV).
    pub pdv_ms: Quantiles,
    /// The same of the way to the reflector; `None` if it has no clock.
    pub pdv_fwd_ms: Option<Quantiles>,
    /// The same of the way back.
    pub pdv_rev_ms: Option<Quantiles>,
    /// By how much round trips of neighbours differ (RFC 5481 IPDV).
    pub ipdv_ms: Quantiles,
    /// Length of loss bursts over that of random losses (BurstR of ITU-T G.107).
    pub burst_ratio: f64,
    /// Probes usually lost in a row.
    pub burst_probes: f64,
    /// Probes usually answered between two bursts.
    pub gap_probes: f64,
}

/// Three quantiles.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 98th percentile.
    pub p98: f64,
}

impl Estimates {
    /// The first stream's; `None` before its first answer.
    fn of(monitor: &PathMonitor) -> Option<Self> {
        let figures = monitor.figures().next()?;
        figures.last_reply?;
        let ms = |ns: u64| rounded(ns as f64 / 1e6, 1e3);
        let quantiles = |ns: [u64; 3]| {
            let [p50, p95, p98] = ns.map(ms);
            Quantiles { p50, p95, p98 }
        };
        Some(Self {
            srtt_ms: ms(figures.srtt_ns),
            rttvar_ms: ms(figures.rttvar_ns),
            pdv_ms: quantiles(figures.pdv_ns),
            pdv_fwd_ms: figures.fwd_pdv_ns.map(quantiles),
            pdv_rev_ms: figures.rev_pdv_ns.map(quantiles),
            ipdv_ms: quantiles(figures.ipdv_ns),
            burst_ratio: rounded(figures.burst_ratio, 1e3),
            burst_probes: rounded(figures.burst_probes, 1e2),
            gap_probes: rounded(figures.gap_probes, 1e0),
        })
    }
}

/// Datagrams that were no good replies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Refused {
    /// Too short or not of the protocol.
    pub malformed: u64,
    /// Not signed with our key.
    pub unauthenticated: u64,
    /// To no probe of ours, or with another's timestamp or session.
    pub unsolicited: u64,
    /// With extensions that the reflector did not understand; used without them.
    pub unusable_tlvs: u64,
}

/// A sample in the words of the scoring crate.
pub(super) fn scored(sample: &Sample) -> pathvane_score::Sample {
    pathvane_score::Sample {
        seq: sample.seq,
        at: sample.received_at,
        rtt_ns: sample.rtt_ns,
        elapsed_ns: sample.elapsed_ns,
        fwd_delay_ns: sample.one_way.map(|one_way| one_way.fwd_delay_ns),
        rev_delay_ns: sample.one_way.map(|one_way| one_way.rev_delay_ns),
        rev_lost: sample.lost.map(|ways| ways.rev),
        remarked: sample.remarked.any(),
    }
}

/// Figures under way.
struct Span {
    figures: Figures,
    rtt_ns: Histogram<u64>,
}

impl Span {
    /// Round trips above a minute count as a minute; three digits of each are kept.
    fn new() -> Self {
        let rtt_ns = Histogram::new_with_bounds(1_000, 60_000_000_000, 3);
        Self { figures: Figures::default(), rtt_ns: rtt_ns.expect("valid bounds") }
    }

    fn figures(&self) -> Figures {
        let ms = |ns: f64| (!self.rtt_ns.is_empty()).then_some((ns / 1e3).round() / 1e3);
        let quantile = |q| ms(self.rtt_ns.value_at_quantile(q) as f64);
        let mut figures = self.figures.clone();
        figures.rtt_min_ms = ms(self.rtt_ns.min() as f64);
        figures.rtt_avg_ms = ms(self.rtt_ns.mean());
        figures.rtt_p95_ms = quantile(0.95);
        figures.rtt_p99_ms = quantile(0.99);
        figures.rtt_max_ms = ms(self.rtt_ns.max() as f64);
        let told = figures.direction.fwd + figures.direction.rev;
        figures.direction.unknown = figures.lost.saturating_sub(told);
        figures
    }
}

/// What is counted, in a bounded amount of memory.
pub(super) struct Tally {
    started: Instant,
    seconds: u64,
    second: Span,
    all: Span,
}

impl Tally {
    const SECOND: Duration = Duration::from_secs(1);

    pub(super) fn new(started: Instant) -> Self {
        Self { started, seconds: 0, second: Span::new(), all: Span::new() }
    }

    fn both(&mut self, mut each: impl FnMut(&mut Span)) {
        each(&mut self.second);
        each(&mut self.all);
    }

    pub(super) fn sent(&mut self) {
        self.both(|span| span.figures.sent += 1);
    }

    pub(super) fn send_failed(&mut self) {
        self.both(|span| span.figures.send_failed += 1);
    }

    pub(super) fn lost(&mut self) {
        self.both(|span| span.figures.lost += 1);
    }

    pub(super) fn sample(&mut self, sample: &Sample) {
        if sample.duplicate {
            return;
        }
        let ways = sample.lost.unwrap_or_default();
        self.both(|span| {
            span.figures.answered += u64::from(!sample.late);
            span.figures.remarked_fwd += u64::from(sample.remarked.fwd);
            span.figures.remarked_rev += u64::from(sample.remarked.rev);
            span.rtt_ns.saturating_record(sample.rtt_ns.max(1));
            let direction = &mut span.figures.direction;
            direction.fwd = direction.fwd.saturating_add_signed(ways.fwd.into());
            direction.rev = direction.rev.saturating_add_signed(ways.rev.into());
        });
    }

    /// Nobody has answered yet, although asked.
    pub(super) fn is_unheard(&self) -> bool {
        self.all.figures.sent + self.all.figures.send_failed > 0 && self.all.rtt_ns.is_empty()
    }

    pub(super) fn next_second(&self) -> Instant {
        self.started + Self::SECOND * u32::try_from(self.seconds + 1).unwrap_or(u32::MAX)
    }

    /// The second that is over at `now`.
    pub(super) fn poll_second(&mut self, now: Instant, monitor: &PathMonitor) -> Option<Second> {
        (now >= self.next_second()).then(|| self.close(monitor))
    }

    /// What is left of a second that is not over; `None` if nothing happened in it.
    pub(super) fn rest(&mut self, now: Instant, monitor: &PathMonitor) -> Option<Second> {
        self.poll_second(now, monitor)
            .or_else(|| (self.second.figures != Figures::default()).then(|| self.close(monitor)))
    }

    fn close(&mut self, monitor: &PathMonitor) -> Second {
        self.seconds += 1;
        let span = std::mem::replace(&mut self.second, Span::new());
        let verdict = monitor.verdict();
        Second {
            second: self.seconds,
            figures: span.figures(),
            jitter_ms: jitter_ms(monitor),
            mos: mos(monitor),
            r: bounds(monitor),
            state: verdict.state.name(),
            reasons: verdict.reasons.names().collect(),
        }
    }

    pub(super) fn summary(
        &self,
        probes: &pathvane_probe::Counters,
        sockets: &Sockets,
        monitor: &PathMonitor,
    ) -> Summary {
        let silent = monitor.figures().next().map_or(0, |figures| figures.silent_ports);
        Summary {
            figures: self.all.figures(),
            jitter_ms: jitter_ms(monitor),
            mos: mos(monitor),
            r: bounds(monitor),
            samples: monitor.verdict().n,
            estimates: Estimates::of(monitor),
            late: probes.late,
            duplicates: probes.duplicates,
            reordered: probes.reordered,
            under_way: probes.sent.saturating_sub(probes.answered + probes.lost),
            refused: Refused {
                malformed: probes.malformed + probes.foreign,
                unauthenticated: probes.unauthenticated,
                unsolicited: probes.unsolicited + probes.mismatched,
                unusable_tlvs: probes.unusable_tlvs,
            },
            user_stamped: sockets.user_stamped(),
            silent_ports: sockets.numbers(silent),
        }
    }
}

fn jitter_ms(monitor: &PathMonitor) -> f64 {
    rounded(monitor.verdict().evidence.jitter_ns as f64 / 1e6, 1e3)
}

/// The score of voice once there is one; a young path has one long before its verdict does.
fn voice(monitor: &PathMonitor) -> Option<ClassScore> {
    (monitor.verdict().n > 0).then(|| monitor.score(Class::Voice))
}

fn mos(monitor: &PathMonitor) -> Option<f64> {
    voice(monitor).map(|voice| rounded(emodel::mos(voice.value), 1e2))
}

fn bounds(monitor: &PathMonitor) -> Option<[f64; 2]> {
    voice(monitor).map(|voice| [voice.lcb, voice.ucb].map(|r| rounded(r, 1e1)))
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use pathvane_probe::{Remarked, Ways};

    fn sample(seq: u32) -> Sample {
        Sample {
            seq,
            sent_at: Instant::ZERO,
            received_at: Instant::ZERO,
            rtt_ns: 20_000_000,
            elapsed_ns: 20_000_000,
            one_way: None,
            reflector_seq: None,
            reflector_stateful: false,
            fwd_ttl: None,
            rev_ttl: None,
            class: None,
            remarked: Remarked::default(),
            direct: None,
            lost: None,
            kernel_sent: true,
            duplicate: false,
            reordered: false,
            late: false,
        }
    }

    #[test]
    fn samples_tell_which_way_probes_were_lost() {
        let mut tally = Tally::new(Instant::ZERO);
        let told = |fwd, rev| Some(Ways { fwd, rev });
        for (seq, lost) in [(0, None), (2, told(1, 0)), (7, told(1, 2)), (9, told(0, 1))] {
            tally.sample(&Sample { lost, ..sample(seq) });
        }
        tally.all.figures.lost = 5;
        let told = tally.all.figures().direction;
        assert_eq!(told, Directions { fwd: 2, rev: 3, unknown: 0 });
        let overtaken = Some(Ways { fwd: 0, rev: -1 });
        tally.sample(&Sample { reordered: true, lost: overtaken, ..sample(8) });
        tally.all.figures.lost = 4;
        assert_eq!(tally.all.figures().direction, Directions { fwd: 2, rev: 2, unknown: 0 });
        tally.all.figures.lost = 9;
        assert_eq!(tally.all.figures().direction.unknown, 5, "the latest: nothing came since");
    }

    #[test]
    fn a_reflector_that_does_not_count_tells_nothing() {
        let mut tally = Tally::new(Instant::ZERO);
        for seq in [0, 1, 5] {
            tally.sample(&sample(seq));
        }
        tally.all.figures.lost = 3;
        assert_eq!(tally.all.figures().direction, Directions { fwd: 0, rev: 0, unknown: 3 });
    }

    #[test]
    fn percentiles_are_those_of_the_round_trips() {
        let mut tally = Tally::new(Instant::ZERO);
        for ms in 1..=100 {
            let rtt_ns = ms * 1_000_000;
            tally.sample(&Sample { rtt_ns, ..sample(ms as u32) });
        }
        let figures = tally.all.figures();
        let near =
            |value: Option<f64>, expected: f64| (value.unwrap() / expected - 1.0).abs() < 2e-3;
        assert!(near(figures.rtt_min_ms, 1.0) && near(figures.rtt_max_ms, 100.0), "{figures:?}");
        assert!(near(figures.rtt_avg_ms, 50.5) && near(figures.rtt_p95_ms, 95.0), "{figures:?}");
        assert!(near(figures.rtt_p99_ms, 99.0), "{figures:?}");
        assert_eq!(Span::new().figures().rtt_min_ms, None);
    }
}
