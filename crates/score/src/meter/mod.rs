//! One probe stream: what was sent, what came back, and what that says.

mod cusum;
mod delay;
mod histogram;
mod loss;
mod ports;
mod window;

use pathvane_clock::{Duration, Instant};

use crate::stream::MAX_PORTS;
use crate::{Sample, defaults as d};
use cusum::{LossCusum, ShiftCusum};
use delay::{Rounds, Smooth, Variation};
use loss::{Burst, LossLedger, Series, weight};
use ports::Ports;
use window::{Mark, Window};

pub(crate) use histogram::Histogram;
pub(crate) use loss::{Tally, surely, wilson};
pub(crate) use window::MAX_OUTSTANDING;

/// What became of the probes of a stream since it began. Counters wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Probes sent.
    pub sent: u32,
    /// Probes answered, late ones included.
    pub answered: u32,
    /// Probes that ran out of time, those answered late included.
    pub missed: u32,
    /// Probes answered after they had been counted missed. Lost are `missed - late`.
    pub late: u32,
    /// Further replies to a probe that was answered (RFC 5560).
    pub duplicates: u32,
    /// Replies to a probe sent before one that was answered earlier (RFC 4737).
    pub reordered: u32,
    /// Replies to no probe of the last 1024.
    pub unknown: u32,
}

/// What a reply turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Not the first reply to one of the last 1024 probes: counted apart, used for nothing.
    Ignored,
    /// In time.
    OnTime,
    /// The probe had been counted missed; it is not any more.
    Late,
}

/// The estimators and detectors of one probe stream, in at most 1 KiB.
///
/// A probe counts as missed `max(SRTT, last delay) + max(5 ms, 4 RTTVAR)` after it was sent
/// (RFC 6298, at most 1 s), and what replies take beyond the delay that is measured. Nothing counts unless it was sent: a prober that stands still
/// leaves the meter as it was.
#[derive(Clone, Debug)]
pub struct Meter {
    window: Window,
    ports: Ports,
    counters: Counters,
    smooth: Smooth,
    round_trip: Variation,
    forward: Variation,
    reverse: Variation,
    /// Difference of delay between probes that follow each other (RFC 5481 IPDV).
    ipdv: Histogram,
    rounds: Rounds,
    loss: LossLedger,
    series: Series,
    burst: Burst,
    loss_cusum: LossCusum,
    delay_cusum: ShiftCusum,
    jitter_cusum: ShiftCusum,
    /// Missed probes since the newest that was answered.
    run: u32,
    /// When the first of them was sent.
    run_sent: Instant,
    newest_answered: u32,
    /// When the newest probe that was answered was sent; `ZERO` if none.
    answered_sent: Instant,
    last_reply: Instant,
    /// When the newest probe was sent.
    last_sent: Instant,
    /// No probe counts as missed soon after this, and delays of probes sent before this are not to be trusted.
    void_before: Instant,
    /// Losses of probes sent before this say nothing of quality.
    forgiven_before: Instant,
    /// When delay stepped up last, in seconds; 0 if it never did.
    stepped_s: u32,
    /// Smoothed time between probes.
    period_ns: f32,
    /// What it is while nothing is suspicious, in milliseconds.
    usual_period_ms: u16,
    /// The reflector counts.
    counted: bool,
    /// Answers that have to come with the right DSCP until the last wrong one is forgotten.
    remarked: u8,
}

impl Meter {
    /// A meter of a stream on which nothing was sent yet.
    pub fn new(now: Instant) -> Self {
        Self::with_ports(now, 1)
    }

    /// The same, of a stream whose probe `seq` leaves from source port `seq % ports`.
    pub fn with_ports(now: Instant, ports: u8) -> Self {
        let loss = LossLedger::new(now);
        Self {
            window: Window::new(),
            ports: Ports::new(ports),
            counters: Counters::default(),
            smooth: Smooth::default(),
            round_trip: Variation::default(),
            forward: Variation::default(),
            reverse: Variation::default(),
            ipdv: Histogram::default(),
            rounds: Rounds::new(now),
            loss_cusum: LossCusum::new(&loss),
            loss,
            series: Series::default(),
            burst: Burst::default(),
            delay_cusum: ShiftCusum::new(),
            jitter_cusum: ShiftCusum::new(),
            run: 0,
            run_sent: Instant::ZERO,
            newest_answered: 0,
            answered_sent: Instant::ZERO,
            last_reply: Instant::ZERO,
            last_sent: Instant::ZERO,
            void_before: Instant::ZERO,
            forgiven_before: Instant::ZERO,
            stepped_s: 0,
            period_ns: 0.0,
            usual_period_ms: 20,
            counted: false,
            remarked: 0,
        }
    }

    /// How far apart probes are while nothing is suspicious: 1 ms to 65 s, and 20 ms until this is
    /// told. A probe stands for that time, or less if they are sent faster. Who looks closer than before has reason
    /// to believe the new probes: each of the old ones weighs no more than one of them. Who looks away again
    /// keeps what was seen: it weighs as much again as seconds of slower probes.
    pub fn usual_period(&mut self, period: Duration) {
        let before = f32::from(self.usual_period_ms);
        self.usual_period_ms = period.as_millis().clamp(1, u16::MAX.into()) as u16;
        let factor = f32::from(self.usual_period_ms) / before;
        self.loss.rescale(factor.min(self.loss.below_usual().max(1.0)));
        self.series.rescale(factor);
    }

    /// Something has changed: what is lost from now on says more than what was lost before.
    pub(crate) fn lighten_loss(&mut self) {
        self.loss.rescale(d::LOSS_BEFORE_ALARM);
        self.series.rescale(d::LOSS_BEFORE_ALARM);
    }

    /// Probe `seq` was really sent. Numbers count up by one; under a few that are missing nothing was sent, a
    /// jump starts the window anew.
    pub fn sent(&mut self, now: Instant, seq: u32) {
        if self.counters.sent > 0 && seq.wrapping_sub(self.window.next()) < MAX_PORTS as u32 {
            while self.window.next() != seq {
                self.make_room(now);
                self.window.skip();
            }
        }
        self.make_room(now);
        if self.counters.sent > 0 {
            let gap = now.since(self.last_sent).as_nanos() as f32;
            let first = self.period_ns == 0.0;
            self.period_ns += (gap - self.period_ns) * if first { 1.0 } else { 0.125 };
        }
        if !self.window.sent(now, seq) {
            self.newest_answered = seq.wrapping_sub(1);
        }
        self.last_sent = now;
        self.counters.sent = self.counters.sent.wrapping_add(1);
    }

    fn make_room(&mut self, now: Instant) {
        if self.window.is_full() {
            self.settle_head(now);
        }
    }

    /// A reply arrived.
    pub fn reply(&mut self, now: Instant, sample: &Sample) -> Arrival {
        let mark = self.window.mark(sample.seq);
        let count = match mark {
            Mark::Unknown => &mut self.counters.unknown,
            Mark::Duplicate => &mut self.counters.duplicates,
            Mark::OnTime | Mark::Late => &mut self.counters.answered,
        };
        *count = count.wrapping_add(1);
        if matches!(mark, Mark::Unknown | Mark::Duplicate) {
            return Arrival::Ignored;
        }
        if self.counters.answered == 1 {
            self.forgiven_before = now;
        }
        let follows = self.note_order(sample);
        self.remarked =
            if sample.remarked { d::REMARKED_HOLD } else { self.remarked.saturating_sub(1) };
        self.last_reply = self.last_reply.max(sample.at);
        let run = core::mem::take(&mut self.run);
        self.ports.answered(sample.seq, run);
        if mark == Mark::Late {
            self.rescue(now, sample, run);
        }
        self.measure(now, sample, follows);
        while self.window.head().is_some_and(|(_, answered)| answered) {
            self.settle_head(now);
        }
        if mark == Mark::Late { Arrival::Late } else { Arrival::OnTime }
    }

    /// Counts the probes as missed whose time is over at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|at| at <= now) {
            self.settle_head(now);
        }
    }

    /// When the oldest probe under way will count as missed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let head_sent = self.window.head_sent()?;
        Some((head_sent + self.smooth.patience()).max(self.void_before + d::STALL_HOLD))
    }

    /// Our own event loop stood still until `now`: replies may wait in the sockets. Nothing
    /// counts as missed for a moment, and delays of probes sent before now are ignored.
    pub fn stalled(&mut self, now: Instant) {
        self.void_before = now;
    }

    /// What became of the probes.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The figures of now, for people.
    pub fn figures(&self) -> Figures {
        let quantiles = |histogram: &Histogram| [0.5, 0.95, 0.98].map(|q| histogram.quantile(q));
        let pdv = |variation: &Variation| variation.histogram().map(quantiles);
        Figures {
            counters: self.counters,
            srtt_ns: self.srtt_ns(),
            rttvar_ns: self.rttvar_ns(),
            least_rtt_ns: self.least_rtt_ns(),
            usual_rtt_ns: self.delay_cusum.usual() as u64,
            jitter_ns: self.jitter_ns(),
            pdv_ns: pdv(&self.round_trip).unwrap_or_default(),
            fwd_pdv_ns: pdv(&self.forward),
            rev_pdv_ns: pdv(&self.reverse),
            ipdv_ns: quantiles(&self.ipdv),
            loss_ppm: ppm(self.loss.recent().share()),
            usual_loss_ppm: ppm(self.loss.usual_share()),
            burst_ratio: self.burst_ratio(),
            burst_probes: 1.0 / self.leaves_burst(),
            gap_probes: 1.0 / self.loss.usual_start(),
            missed_run: self.run,
            silent_ports: self.silent_ports(),
            last_reply: self.last_reply(),
        }
    }

    /// Whether the delay of the sample counts, and the stream's numbers: order, and which
    /// way losses happened. Returns whether the probe sent just before was the last answered.
    fn note_order(&mut self, sample: &Sample) -> bool {
        // Each port tells what was lost since its own last answer. That counts only if it was not forgiven.
        let turn = self.period() * self.ports.count().into();
        let counts = self.answered_sent >= self.forgiven_before
            && sent(sample) >= self.forgiven_before + turn;
        if let Some(lost) = sample.rev_lost.filter(|_| counts) {
            self.loss.attribute_reverse(self.weight_before(sample.seq, lost));
        }
        self.counted = sample.rev_lost.is_some();
        let first = self.counters.answered == 1;
        let ahead = sample.seq.wrapping_sub(self.newest_answered);
        let in_order = first || (ahead as i32) > 0;
        if !in_order {
            self.counters.reordered = self.counters.reordered.wrapping_add(1);
            return false;
        }
        self.newest_answered = sample.seq;
        self.answered_sent = sent(sample);
        !first && ahead == 1
    }

    /// A probe counted missed was only late: take the evidence back. If it ends a silence of
    /// `run` probes, delay may have stepped up, and if the next answer is late as well, it has: no
    /// need for more samples. One alone may be late by itself where the others were lost.
    fn rescue(&mut self, now: Instant, sample: &Sample, run: u32) {
        self.counters.late = self.counters.late.wrapping_add(1);
        if sent(sample) >= self.forgiven_before {
            let weight = self.weight_of(sample.seq);
            let ended = !self.series.rescue(weight);
            self.loss.rescue(weight, ended);
            if ended {
                self.burst.rescue();
                self.loss_cusum.rescue(self.burst.runs());
            }
        }
        if !self.delay_cusum.is_calm() {
            self.delay_stepped(now, sample);
        } else if run >= d::SILENCE_MISSES_MIN && self.trusts(sample) {
            self.delay_cusum.hint(sample.rtt_ns as f32);
        }
    }

    /// A late reply says for certain that delay stepped up, as far as it is to be trusted.
    pub(crate) fn delay_stepped(&mut self, now: Instant, sample: &Sample) {
        if self.trusts(sample) && self.delay_cusum.force(now, sample.rtt_ns as f32) {
            self.restart_variation(now);
        }
    }

    /// Delay stepped up: variation is counted from the new level, as a phone's buffer does. If it did so
    /// lately and did not stay there, that is variation.
    fn restart_variation(&mut self, now: Instant) {
        let now_s = (now.as_nanos() / 1_000_000_000) as u32;
        let before_s = core::mem::replace(&mut self.stepped_s, now_s);
        let lately_s = d::SHIFT_REBASE_AFTER.as_secs() as u32;
        if before_s > 0 && now_s.saturating_sub(before_s) < lately_s {
            return;
        }
        self.round_trip = Variation::default();
        self.forward = Variation::default();
        self.reverse = Variation::default();
    }

    fn measure(&mut self, now: Instant, sample: &Sample, follows: bool) {
        if !self.trusts(sample) {
            return;
        }
        let (halvings, roll) = self.rounds.due(now);
        for _ in 0..halvings {
            self.ipdv.halve();
            self.round_trip.halve();
            self.forward.halve();
            self.reverse.halve();
        }
        let rtt = sample.rtt_ns as f32;
        let gap_s = self.period_ns / 1e9;
        let difference = self.smooth.update(rtt);
        self.smooth.update_beyond(sample.elapsed_ns.saturating_sub(sample.rtt_ns) as f32);
        let before = self.delay_cusum.shifted();
        self.delay_cusum.update(now, rtt, self.smooth.srtt(), gap_s);
        if self.delay_cusum.shifted() && !before {
            self.restart_variation(now);
        }
        if let Some(difference) = difference.filter(|_| follows) {
            self.ipdv.record(difference as u64);
            self.jitter_cusum.update(now, difference, self.smooth.jitter(), gap_s);
        }
        self.restart_after_clock_step(sample);
        self.round_trip.record(sample.rtt_ns as i64, roll);
        if let Some(delay) = sample.fwd_delay_ns {
            self.forward.record(delay, roll);
        }
        if let Some(delay) = sample.rev_delay_ns {
            self.reverse.record(delay, roll);
        }
    }

    /// One direction got much shorter and the round trip did not: the reflector's clock was set, and
    /// the other direction seems to be as much longer.
    fn restart_after_clock_step(&mut self, sample: &Sample) {
        let shorter = |variation: &Variation, delay: Option<i64>| {
            delay.is_some_and(|delay| variation.undercuts(delay))
        };
        let either = shorter(&self.forward, sample.fwd_delay_ns)
            || shorter(&self.reverse, sample.rev_delay_ns);
        if either && !self.round_trip.undercuts(sample.rtt_ns as i64) {
            self.forward = Variation::default();
            self.reverse = Variation::default();
        }
    }

    fn trusts(&self, sample: &Sample) -> bool {
        sample.rtt_ns <= d::RTT_BELIEVED_NS && sent(sample) >= self.void_before
    }

    /// What a probe weighs that was sent `gap` after the one before it.
    fn weight(&self, gap: Duration) -> f32 {
        weight(gap, Duration::from_millis(self.usual_period_ms.into()))
    }

    /// What probe `seq` weighs: as much as those of late, if it was sent too long ago to tell.
    fn weight_of(&self, seq: u32) -> f32 {
        self.weight(self.window.gap(seq).unwrap_or(self.period()))
    }

    /// What so many probes just before `seq` weigh together; less than nothing if so many are taken back.
    fn weight_before(&self, seq: u32, count: i32) -> f32 {
        let back = 1..=count.unsigned_abs().min(MAX_OUTSTANDING);
        let weight: f32 = back.map(|back| self.weight_of(seq.wrapping_sub(back))).sum();
        if count < 0 { -weight } else { weight }
    }

    /// Settles the oldest probe under way: answered, or missed.
    fn settle_head(&mut self, now: Instant) {
        let Some((seq, answered)) = self.window.head() else { return };
        let (sent, gap) = (self.window.head_sent().unwrap_or(now), self.window.head_gap());
        let skipped = self.window.is_head_skipped();
        self.window.settle();
        if skipped {
            return;
        }
        if !answered {
            self.counters.missed = self.counters.missed.wrapping_add(1);
            let after_newest = (seq.wrapping_sub(self.newest_answered) as i32) > 0;
            if after_newest || self.counters.answered == 0 {
                self.run_sent = if self.run == 0 { sent } else { self.run_sent };
                self.run = self.run.saturating_add(1);
            }
            if self.counters.answered > 0 {
                self.ports.missed(seq);
            }
        }
        // Before the first reply it may be that nobody is there: no loss of the path.
        let unheard = self.counters.answered == 0;
        if !answered && (unheard || sent < self.forgiven_before) {
            return;
        }
        let weight = self.weight(gap);
        if answered {
            let series = core::mem::take(&mut self.series);
            self.loss.answered(now, weight, series);
            self.loss_cusum.settle(series.losses(), self.burst.runs());
            if let Some(losses) = self.burst.answered(series.losses()) {
                self.loss.burst(losses);
            }
        } else {
            self.series.lost(weight);
            self.loss.lost(now, weight);
        }
        if self.loss.fade_usual(now) {
            self.loss_cusum.tune(&self.loss);
        }
    }
}

/// What the rest of the crate asks a meter.
impl Meter {
    /// Whether our own loop stood still after `began`.
    pub(crate) fn stood_still_since(&self, began: Instant) -> bool {
        self.void_before > began
    }

    pub(crate) fn missed_run(&self) -> u32 {
        self.run
    }

    /// The source ports that are silent while others are answered, the first as the lowest bit:
    /// their misses are more than independent losses make in a day.
    pub(crate) fn silent_ports(&self) -> u16 {
        let longest = self.ports.longest();
        let all_miss = self.run >= u32::from(self.ports.count());
        if self.ports.count() < 2 || longest < d::SILENCE_MISSES_MIN || all_miss {
            return 0;
        }
        let period_s = self.period().as_secs_f64().max(0.001) * f64::from(self.ports.count());
        let loss = self.loss_less(f64::from(longest) * f64::from(self.weight(self.period())));
        let needed = libm::ceil(libm::log(d::DAY_S / period_s) / -libm::log(loss));
        self.ports.at_least((needed as u32).max(d::SILENCE_MISSES_MIN))
    }

    /// When the first of the missed probes at the end was sent.
    pub(crate) fn missed_since(&self) -> Option<Instant> {
        (self.run > 0).then_some(self.run_sent)
    }

    /// When the newest answered probe was sent: a fault that runs now began later.
    pub(crate) fn answered_sent(&self) -> Option<Instant> {
        (self.counters.answered > 0).then_some(self.answered_sent)
    }

    pub(crate) fn last_reply(&self) -> Option<Instant> {
        (self.counters.answered > 0).then_some(self.last_reply)
    }

    pub(crate) fn last_sent(&self) -> Option<Instant> {
        (self.counters.sent > 0).then_some(self.last_sent)
    }

    pub(crate) fn period(&self) -> Duration {
        Duration::from_nanos(self.period_ns as u64)
    }

    pub(crate) fn patience(&self) -> Duration {
        self.smooth.patience()
    }

    /// How long a reply takes, with the time that is no delay of the path.
    pub(crate) fn expected(&self) -> Duration {
        self.smooth.expected()
    }

    pub(crate) fn srtt_ns(&self) -> u64 {
        self.smooth.srtt() as u64
    }

    pub(crate) fn rttvar_ns(&self) -> u64 {
        self.smooth.rttvar() as u64
    }

    pub(crate) fn jitter_ns(&self) -> u64 {
        self.smooth.jitter() as u64
    }

    pub(crate) fn usual_rtt_ns(&self) -> u64 {
        self.delay_cusum.usual() as u64
    }

    pub(crate) fn least_rtt_ns(&self) -> u64 {
        let least = self.round_trip.least();
        if least == i64::MAX { 0 } else { least.max(0) as u64 }
    }

    pub(crate) fn tally(&self) -> Tally {
        self.loss.recent()
    }

    /// How many probes of this stream say as much as one with independent loss: the variance
    /// of a two-state process over that of independent trials, or that of bursts which spare some.
    pub(crate) fn design_effect(&self) -> f64 {
        let again = self.loss.usual_continuation(d::BURST_PRIOR_BOUNDS).min(d::BURST_MAX);
        let runs = (1.0 + again) / (1.0 - again);
        runs.max(self.loss.clustering(self.loss.recent().share()))
    }

    pub(crate) fn usual_tally(&self) -> Tally {
        let usual = Duration::from_millis(self.usual_period_ms.into());
        self.loss.usual_tally(self.weight(usual))
    }

    pub(crate) fn usual_loss(&self) -> f64 {
        self.loss.usual_share()
    }

    /// The probability of a loss after a loss: what this stream has shown, and a deviation more.
    pub(crate) fn continuation(&self, prior: f64) -> f64 {
        self.loss.usual_continuation_bound(prior)
    }

    /// BurstR of G.107.
    pub(crate) fn burst_ratio(&self) -> f64 {
        crate::emodel::burst_ratio(self.loss.usual_start(), self.leaves_burst())
    }

    /// The usual probability that a probe is answered whose predecessor was lost.
    fn leaves_burst(&self) -> f64 {
        1.0 - self.loss.usual_continuation(self.loss.usual_share())
    }

    /// The probability of loss before the running series of misses began.
    pub(crate) fn loss_before_run(&self) -> f64 {
        self.loss_less(self.series.weight().into())
    }

    /// The probability of loss, some lost probes of the last seconds apart that stand for `run_s`
    /// seconds.
    fn loss_less(&self, run_s: f64) -> f64 {
        let recent = self.loss.recent();
        let (trials, losses) = (recent.trials - run_s, recent.losses - run_s);
        let now = if trials > 0.0 { (losses / trials).clamp(0.0, 1.0) } else { 0.0 };
        now.max(self.loss.usual_start()).clamp(d::LOSS_NULL_MIN, d::BURST_MAX)
    }

    /// The loss detector's evidence and what it takes for an alarm.
    pub(crate) fn loss_evidence(&self) -> (f32, f32) {
        (self.loss_cusum.sum(), self.loss_cusum.threshold())
    }

    pub(crate) fn delay_shifted(&self) -> bool {
        self.delay_cusum.shifted()
    }

    /// Whether there is little evidence of a step of delay.
    pub(crate) fn delay_calm(&self) -> bool {
        self.delay_cusum.is_calm()
    }

    pub(crate) fn jitter_shifted(&self) -> bool {
        self.jitter_cusum.shifted()
    }

    /// Forgets recent loss, and that of probes still under way: an outage is over, and what
    /// was lost in it says nothing of now.
    pub(crate) fn forgive(&mut self, now: Instant) {
        self.forgiven_before = now;
        self.loss.forgive(now);
        self.series = Series::default();
        self.burst = Burst::default();
        self.loss_cusum.forgive();
    }

    /// Whether the reflector counts, so that losses have a direction.
    pub(crate) fn knows_direction(&self) -> bool {
        self.counted
    }

    pub(crate) fn remarked(&self) -> bool {
        self.remarked > 0
    }

    /// Delay variation of each direction if the reflector has a clock, else of the round trip.
    pub(crate) fn variations(&self) -> [Option<&Histogram>; 2] {
        match (self.forward.histogram(), self.reverse.histogram()) {
            (None, None) => [self.round_trip.histogram(), None],
            both => [both.0, both.1],
        }
    }

    pub(crate) fn round_trip_variation(&self) -> Option<&Histogram> {
        self.round_trip.histogram()
    }
}

/// The figures of one stream at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// What became of the probes.
    pub counters: Counters,
    /// Smoothed round-trip delay (RFC 6298).
    pub srtt_ns: u64,
    /// Its smoothed deviation.
    pub rttvar_ns: u64,
    /// The least round-trip delay of the last half to one minute.
    pub least_rtt_ns: u64,
    /// The usual round-trip delay, which follows slowly.
    pub usual_rtt_ns: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1), of round-trip delays.
    pub jitter_ns: u64,
    /// 50th, 95th and 98th percentile of the delay above the least (RFC 5481 PDV).
    pub pdv_ns: [u64; 3],
    /// The same of the way to the reflector, if it has a clock.
    pub fwd_pdv_ns: Option<[u64; 3]>,
    /// The same of the way back.
    pub rev_pdv_ns: Option<[u64; 3]>,
    /// The same of the difference between probes that follow each other (RFC 5481 IPDV).
    pub ipdv_ns: [u64; 3],
    /// Recent loss.
    pub loss_ppm: u32,
    /// Usual loss.
    pub usual_loss_ppm: u32,
    /// Mean length of loss bursts over that of random loss (G.107 BurstR).
    pub burst_ratio: f64,
    /// Probes that are usually lost in a row, of a path that has shown nothing yet about one.
    pub burst_probes: f64,
    /// Probes that are usually answered between two such bursts.
    pub gap_probes: f64,
    /// Missed probes since the newest that was answered.
    pub missed_run: u32,
    /// Source ports that are silent while others are answered, the first as the lowest bit.
    pub silent_ports: u16,
    /// When the last reply arrived.
    pub last_reply: Option<Instant>,
}

/// When the probe of a sample was told to be sent.
fn sent(sample: &Sample) -> Instant {
    sample.at - Duration::from_nanos(sample.elapsed_ns)
}

pub(crate) fn ppm(share: f64) -> u32 {
    (share * 1e6 + 0.5) as u32
}

#[cfg(test)]
mod tests;
