//! One path: its streams, link and BFD session, joined into a verdict.

mod gaps;
mod life;
mod quality;
mod streams;

use alloc::sync::Arc;
use alloc::vec::Vec;

use pathvane_clock::{Duration, Instant};

use crate::emodel::{Codec, Playout};
use crate::meter::{Arrival, MAX_OUTSTANDING, Meter};
use crate::silence::{Limits, Silence};
use crate::{
    Class, ClassScore, Compliance, Damping, Evidence, Figures, Grade, OwnClass, ProbeRates,
    Reasons, Role, Sample, Sla, State, StreamSpec, Verdict, defaults as d,
};
use life::{Facts, Life};
use quality::Assessment;
use streams::{Joint, Streams};

/// The link below a path, as the operating system tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum LinkState {
    /// Not told.
    #[default]
    Unknown,
    /// The interface is up and has a carrier.
    Up,
    /// It is not.
    Down,
}

/// The BFD session of a path (RFC 5880 section 4.1, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum BfdState {
    /// No session, or one that was taken down by an administrator: says nothing.
    #[default]
    Off,
    /// The session is up.
    Up,
    /// A session that was up went down.
    Down,
}

/// What a [`PathMonitor`] is told once. The defaults are in [`crate::defaults`].
#[derive(Clone, Debug)]
pub struct MonitorConfig {
    /// The neediest class that uses the path: its score is the verdict's.
    pub class: Class,
    /// Probe rates by role.
    pub rates: ProbeRates,
    /// Limits by class, in the order of [`Class::ALL`].
    pub sla: [Sla; 3],
    /// The codec that voice is scored for.
    pub codec: Codec,
    /// Throughput that scores 100 for bulk.
    pub bulk_target_bps: f64,
    /// What the path can carry in bits per second, if that is known: no transfer is faster.
    pub capacity_bps: Option<f64>,
    /// Classes of the operator's own. They add scores and limits; the verdict's score stays that
    /// of `class`.
    pub own: Vec<OwnClass>,
    /// Silence is not reported before replies have been missing for this long. A step of
    /// delay by less than this is never taken for an outage.
    pub down_after: Duration,
    /// Silence is reported this long after the fault at the latest, if the round trip and
    /// the probe rate leave room for three missed probes.
    pub down_within: Duration,
    /// A path that lately had gaps, which ended by themselves, is given the time that such gaps
    /// take before silence is reported, but at most this. Zero: never longer than `down_within`.
    pub gap_patience: Duration,
    /// A path must be clean for this long, and for `recover_probes`, to be up again.
    pub recover_after: Duration,
    /// See `recover_after`; counted over all streams.
    pub recover_probes: u32,
    /// A new path is up after this long, or after `init_probes` answered probes.
    pub init_after: Duration,
    /// See `init_after`; counted over all streams.
    pub init_probes: u32,
    /// Without a probe sent for this long (and four periods) the verdict is frozen.
    pub stale_after: Duration,
    /// A grade rises after this time above its margin.
    pub grade_hold: Duration,
    /// A path that broke a limit keeps it again after this time without doubt.
    pub sla_clear: Duration,
    /// Penalty counters for fast and for slow flaps; `None` is off.
    pub damping: [Option<Damping>; 2],
}

impl MonitorConfig {
    /// The defaults for a path whose neediest class is `class`.
    pub fn of(class: Class) -> Self {
        Self { class, rates: ProbeRates::of(class), ..Self::default() }
    }
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            class: Class::Voice,
            rates: ProbeRates::of(Class::Voice),
            sla: Class::ALL.map(Sla::of),
            codec: Codec::G711_PLC,
            bulk_target_bps: d::BULK_TARGET_BPS,
            capacity_bps: None,
            own: Vec::new(),
            down_after: d::DOWN_AFTER,
            down_within: d::DOWN_WITHIN,
            gap_patience: d::GAP_PATIENCE,
            recover_after: d::RECOVER_AFTER,
            recover_probes: d::RECOVER_PROBES,
            init_after: d::INIT_AFTER,
            init_probes: d::INIT_PROBES,
            stale_after: d::STALE_AFTER,
            grade_hold: d::GRADE_UP_HOLD,
            sla_clear: d::SLA_CLEAR,
            damping: [Some(d::DAMPING_FAST), Some(d::DAMPING_SLOW)],
        }
    }
}

/// Joins the probe streams of one path with its link and BFD state into a [`Verdict`].
///
/// Tell it of every probe sent and every reply, call [`PathMonitor::handle_timeout`] at
/// [`PathMonitor::poll_timeout`], then drain [`PathMonitor::poll_verdict`]. Replies that
/// have arrived must be told before timers are handled.
#[derive(Clone, Debug)]
pub struct PathMonitor {
    /// Shared by all paths of the same class and rates.
    config: Arc<MonitorConfig>,
    streams: Streams,
    link: LinkState,
    bfd: BfdState,
    admin: bool,
    role: Role,
    stale: bool,
    answered: u64,
    /// Packets of full size lost in a row while small ones were answered.
    full_size_missed: u8,
    /// Measurements from outside say that the limits of a class are broken: of the three classes,
    /// then of [`MonitorConfig::own`].
    reported: Vec<bool>,
    /// Deadlines in a row that were held because our own loop stood still.
    holds: u8,
    /// The shell said so of the deadline that is handled next.
    held: bool,
    /// Silence is not reported before this.
    held_until: Instant,
    /// When silence becomes certain if no reply comes.
    silence_at: Option<Instant>,
    /// What the detectors said last.
    joint: Joint,
    /// Until then its state is new, or that it may have to lead soon.
    boost_until: Option<Instant>,
    boosted: bool,
    facts: Facts,
    life: Life,
    assessment: Assessment,
    verdict: Verdict,
    changed: bool,
}

impl PathMonitor {
    /// A monitor of a path with one probe stream per element of `streams`: a [`StreamSpec`], or
    /// the number of the reflector that the stream probes from one source port. Streams of one
    /// reflector, and source ports of one stream, sample members of multipath bundles.
    ///
    /// Without streams to a far end the path is judged by its link and BFD session alone.
    /// Paths that are judged alike may share their `config`.
    pub fn new<S>(now: Instant, config: impl Into<Arc<MonitorConfig>>, streams: &[S]) -> Self
    where
        S: Copy + Into<StreamSpec>,
    {
        let config = config.into();
        let streams: Vec<StreamSpec> = streams.iter().map(|&stream| stream.into()).collect();
        let mut monitor = Self {
            streams: Streams::new(now, &streams),
            link: LinkState::Unknown,
            bfd: BfdState::Off,
            admin: false,
            role: Role::Active,
            stale: false,
            answered: 0,
            full_size_missed: 0,
            reported: alloc::vec![false; Class::ALL.len() + config.own.len()],
            holds: 0,
            held: false,
            held_until: Instant::ZERO,
            silence_at: None,
            joint: Joint::CALM,
            boost_until: None,
            boosted: false,
            facts: Facts::default(),
            life: Life::new(now, &config, streams.iter().any(|spec| !spec.first_hop)),
            assessment: Assessment::new(now, config.own.len()),
            verdict: Verdict::unknown(now),
            changed: false,
            config,
        };
        monitor.set_role(now, Role::Active);
        monitor.evaluate(now, now, false);
        monitor.changed = false;
        monitor
    }

    /// Probe `seq` of `stream` was really sent. Sequence numbers of a stream count up by one.
    pub fn sent(&mut self, now: Instant, stream: usize, seq: u32) {
        if let Some(meter) = self.streams.get_mut(stream) {
            meter.sent(now, seq);
        }
    }

    /// A reply arrived on `stream`.
    pub fn reply(&mut self, now: Instant, stream: usize, sample: &Sample) {
        let told = self.joint.silence == Silence::Certain;
        let pace = self.config.rates.interval(Role::Active, false);
        let arrival = match self.streams.reply(now, stream, sample, told, pace) {
            Some(arrival) if arrival != Arrival::Ignored => arrival,
            _ => return,
        };
        if self.streams.is_far(stream) {
            self.answered += 1;
        }
        if !self.is_calm(now) {
            self.stale = false;
            self.evaluate(now, sample.at.min(now), arrival == Arrival::Late);
        }
    }

    /// The link's state changed or is told again.
    pub fn link(&mut self, now: Instant, link: LinkState) {
        self.link = link;
        self.evaluate(now, now, false);
    }

    /// What was last told of the BFD session.
    pub fn bfd_state(&self) -> BfdState {
        self.bfd
    }

    /// The BFD session's state changed or is told again.
    pub fn bfd(&mut self, now: Instant, bfd: BfdState) {
        self.bfd = bfd;
        self.evaluate(now, now, false);
    }

    /// A packet of full size that nobody may fragment came back, or the size is another now.
    pub fn full_size_answered(&mut self, now: Instant) {
        let hole = self.has_mtu_hole();
        self.full_size_missed = 0;
        if hole {
            self.evaluate(now, now, false);
        }
    }

    /// A packet of full size that was sent at `sent` did not come back in time. It counts if a
    /// probe sent since was answered: otherwise size is not to blame.
    pub fn full_size_missed(&mut self, now: Instant, sent: Instant) {
        if self.streams.answered_sent().is_none_or(|answered| answered < sent) {
            return;
        }
        let hole = self.has_mtu_hole();
        self.full_size_missed = self.full_size_missed.saturating_add(1);
        if !hole && self.has_mtu_hole() {
            self.evaluate(now, now, false);
        }
    }

    /// Measurements from outside that are trusted say whether limits are broken: those of `class`,
    /// or of the `own` of [`MonitorConfig::own`] that is scored like it.
    pub fn reported(&mut self, now: Instant, class: Class, own: Option<usize>, broken: bool) {
        let Some(told) = self.reported.get_mut(limits_of(class, own)) else { return };
        if core::mem::replace(told, broken) != broken {
            self.evaluate(now, now, false);
        }
    }

    fn has_mtu_hole(&self) -> bool {
        self.full_size_missed >= d::MTU_HOLE_MISSES
    }

    /// The operator takes the path out (`true`) or gives it back.
    pub fn admin(&mut self, now: Instant, out: bool) {
        self.admin = out;
        self.evaluate(now, now, false);
    }

    /// What the path does for the services that use it. Nobody loses by a slow verdict on a path
    /// that stands by, so its silence is reported only when its slow probes have shown it. One
    /// that may have to lead soon is looked at as closely as the leader is, for a moment.
    /// A path leads until this is told.
    pub fn set_role(&mut self, now: Instant, role: Role) {
        let before = core::mem::replace(&mut self.role, role);
        if role == Role::Alerted && before != role {
            self.boost_until = Some(now + d::BOOST_MAX);
        }
        let usual = self.config.rates.interval(role, false);
        self.streams.meters_mut().for_each(|meter| meter.usual_period(usual));
        self.boosted = self.wants_boost(&self.joint);
    }

    /// Our own event loop stood still until `now`: silence that was about to be reported is
    /// void until the sockets have been read. Said before every deadline it is not believed each
    /// time: a machine that is always late still has to notice an outage. Of the answers that came while it stood
    /// longer than the way there and back none may have been kept (a machine that was moved, an interface that was
    /// gone), so that probes sent since have to go unanswered.
    pub fn stalled(&mut self, now: Instant) {
        if self.holds >= d::STALL_HOLDS_MAX {
            return;
        }
        self.holds += 1;
        self.held = true;
        let due = self.streams.all().filter_map(Meter::poll_timeout).chain(self.silence_at).min();
        let stood = due.map_or(Duration::ZERO, |due| now.since(due));
        let way = self.streams.meters().map(Meter::expected).max().unwrap_or_default();
        let more = if stood > way { way } else { Duration::ZERO };
        self.held_until = self.held_until.max(now + d::STALL_HOLD + more);
        self.streams.meters_mut().for_each(|meter| meter.stalled(now));
    }

    /// Handles every deadline due at `now`. Notices by itself if it is called too late.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(due) = self.poll_timeout().filter(|&due| due <= now) else { return };
        if self.overslept(now) {
            self.stalled(now);
            self.held = false;
        } else {
            if !core::mem::take(&mut self.held) {
                self.holds = 0;
            }
            self.streams.meters_mut().for_each(|meter| meter.handle_timeout(now));
        }
        self.evaluate(now, due, false);
    }

    /// When [`PathMonitor::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let missed = self.streams.all().filter_map(Meter::poll_timeout);
        let own =
            [self.silence_at, self.boost_until, self.stale_at(), self.life.timeout(&self.facts)];
        missed.chain(own.into_iter().flatten()).min()
    }

    /// The verdict, if its state, reasons or grade changed since the last call, or whether
    /// the path keeps the limits of some class.
    pub fn poll_verdict(&mut self) -> Option<Verdict> {
        core::mem::take(&mut self.changed).then_some(self.verdict)
    }

    /// The verdict of now. Its figures are at most [`d::ASSESS_EVERY`] old.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Bytes that the state of the path takes, of its streams and of its own classes of service too;
    /// its configuration, which is shared, apart.
    pub fn state_bytes(&self) -> usize {
        let reported = self.reported.capacity();
        let heap = self.streams.heap_bytes() + self.assessment.heap_bytes();
        size_of::<Self>() + heap + reported
    }

    /// How well the path serves `class`.
    pub fn score(&self, class: Class) -> ClassScore {
        self.with_faults(self.assessment.score(class, self.verdict.passes()), None)
    }

    /// How well the path serves the `nth` of [`MonitorConfig::own`]; as `like` if there is none.
    pub fn own_score(&self, nth: usize, like: Class) -> ClassScore {
        self.with_faults(self.assessment.own_score(nth, like, self.verdict.passes()), Some(nth))
    }

    /// The score with what is known of the path beside its figures.
    fn with_faults(&self, mut score: ClassScore, own: Option<usize>) -> ClassScore {
        // Voice packets are small.
        if self.has_mtu_hole() && score.class != Class::Voice {
            score.violations.mtu = true;
            score.compliance = Compliance::Violates;
        }
        if self.reported.get(limits_of(score.class, own)).is_some_and(|&broken| broken) {
            score.violations.reported = true;
            score.compliance = Compliance::Violates;
        }
        score
    }

    /// The call behind the voice score: jitter buffer, delay, loss, and each term of R.
    pub fn call(&self) -> &Playout {
        self.assessment.playout()
    }

    /// The figures of each stream, in their order.
    pub fn figures(&self) -> impl Iterator<Item = Figures> {
        self.streams.all().map(Meter::figures)
    }

    /// The time to leave between two probes of each stream. Ask again whenever the monitor
    /// was told something; a probe that is now due sooner should be sent sooner.
    ///
    /// Never so short that more probes would be under way than a stream can tell apart.
    pub fn probe_interval(&self, role: Role) -> Duration {
        let answers = |meter: &&Meter| meter.last_reply().is_some();
        let patience =
            self.streams.far().filter(answers).map(Meter::patience).max().unwrap_or_default();
        let interval = self.config.rates.interval(role, self.boosted);
        interval.max(patience.min(d::PATIENCE_MAX) / (MAX_OUTSTANDING - 4))
    }

    /// Whether a reply changes nothing but the time of the last one, which is the common case:
    /// nothing was wrong, nothing is, and neither a score nor a state is due. Then the whole
    /// judgement is skipped.
    fn is_calm(&mut self, now: Instant) -> bool {
        let waits = matches!(self.life.state(), State::Init | State::Recovering);
        if waits || self.stale || self.joint != Joint::CALM || self.assessment.is_due(now) {
            return false;
        }
        let limits = self.limits();
        if self.streams.judge(now, limits) != Joint::CALM {
            return false;
        }
        self.facts.answered = self.answered;
        self.verdict.evidence.last_reply = self.streams.last_reply();
        self.verdict.evidence.not_before = self.streams.answered_sent();
        true
    }

    fn limits(&self) -> Limits {
        // What is silent already stays so: a stall voids only what is about to be said.
        let silent = self.joint.silent > 0;
        // Nor is it taken back because the path, being down, is no candidate any more.
        let told = self.joint.silence == Silence::Certain;
        let slow = self.role == Role::Standby && !told;
        let (pace, within) = if slow {
            let interval = self.config.rates.interval(Role::Standby, false);
            (interval, interval * d::SILENCE_MISSES_MIN)
        } else {
            (self.config.rates.interval(Role::Active, false), Duration::ZERO)
        };
        Limits {
            after: self.config.down_after,
            pace,
            within: self.config.down_within.max(within),
            gaps: self.config.gap_patience,
            patience: self.config.gap_patience,
            not_before: if silent { Instant::ZERO } else { self.held_until },
        }
    }

    /// Whether a deadline of silence passed so long ago that our own loop must have stood still.
    fn overslept(&self, now: Instant) -> bool {
        let late = |meter: &Meter| {
            let lag = (meter.period() / 2).max(d::STALL_LAG);
            let due = meter.poll_timeout().into_iter().chain(self.silence_at).min();
            due.is_some_and(|due| now.since(due) > lag)
        };
        self.holds < d::STALL_HOLDS_MAX && self.streams.all().any(late)
    }

    fn stale_at(&self) -> Option<Instant> {
        let silent = self.facts.down.with(self.facts.degraded).contains(Reasons::SILENCE);
        if self.stale || silent {
            return None;
        }
        let at = |meter: &Meter| {
            let wait = self.config.stale_after.max(meter.period() * d::STALE_PERIODS);
            meter.last_sent().map(|sent| sent + wait)
        };
        self.streams.meters().filter_map(at).max()
    }

    /// Judges the path anew. `detected` is when the newest evidence was complete; `late`
    /// says that it was a reply to a probe counted missed.
    fn evaluate(&mut self, now: Instant, detected: Instant, late: bool) {
        let joint = self.streams.judge(now, self.limits());
        self.joint = joint;
        self.stale |= self.stale_at().is_some_and(|at| at <= now);
        self.silence_at = match joint.silence {
            Silence::At(at) => Some(at),
            Silence::No | Silence::Certain => None,
        };
        let was_silent = self.verdict.reasons.contains(Reasons::SILENCE);
        let is_silent = joint.silence == Silence::Certain;
        if was_silent && !is_silent {
            self.streams.meters_mut().for_each(|meter| meter.forgive(now));
            self.assessment.forgive();
        }
        self.facts = self.gather(&joint, was_silent && late);
        let moved = self.life.advance(now, detected, &self.facts);
        if !is_silent && (moved || self.assessment.is_due(now)) {
            self.assess(now);
        }
        self.boost(now, &joint, moved);
        self.conclude(now, &joint);
    }

    fn gather(&self, joint: &Joint, rescued: bool) -> Facts {
        let silent = joint.silence == Silence::Certain;
        let enough = self.streams.reflectors_that_answered() + joint.confirmed >= 2;
        let low = self.assessment.is_low(self.config.class);
        let lossy = self.assessment.is_lossy();
        let degraded = joint
            .degraded
            .with_if(silent && !enough, Reasons::SILENCE)
            .with_if(low, Reasons::LOW_SCORE)
            .with_if(lossy, Reasons::LOSS)
            .with_if(self.has_mtu_hole(), Reasons::MTU_HOLE)
            .with_if(self.reported.contains(&true), Reasons::REPORTED);
        let only_later = degraded.without(Reasons::DELAY.with(Reasons::JITTER)).is_empty();
        Facts {
            admin: self.admin,
            down: Reasons::NONE
                .with_if(self.link == LinkState::Down, Reasons::LINK_DOWN)
                .with_if(self.bfd == BfdState::Down, Reasons::BFD_DOWN)
                .with_if(silent && enough, Reasons::SILENCE),
            degraded,
            harmful: !only_later || self.assessment.violates(self.config.class),
            suspicious: joint.suspicious,
            // Probes that were sent and did not come back are news, however old.
            frozen: self.stale && !silent,
            answered: self.answered,
            rescued,
        }
    }

    fn assess(&mut self, now: Instant) {
        let alerted = self.config.rates.interval(Role::Alerted, false);
        self.streams.note_distances();
        let quality = self.streams.quality(1.0 / alerted.as_secs_f64());
        let direction =
            quality.as_ref().map_or(Reasons::NONE, |it| self.streams.loss_direction(&it.loss));
        self.changed |= self.assessment.refresh(now, &self.config, quality.as_ref(), direction);
    }

    /// Probe faster while something looks wrong, but not for long on a path known to be bad.
    fn boost(&mut self, now: Instant, joint: &Joint, moved: bool) {
        if moved {
            self.boost_until = Some(now + d::BOOST_MAX);
        }
        self.boost_until = self.boost_until.filter(|&until| now < until);
        self.boosted = self.wants_boost(joint);
    }

    fn wants_boost(&self, joint: &Joint) -> bool {
        let known_bad = matches!(
            self.life.state(),
            State::Degraded | State::Down | State::Recovering | State::Admin
        );
        let news = self.boost_until.is_some();
        let alerted = self.role == Role::Alerted && news && !known_bad;
        joint.missing || alerted || (joint.curious && (!known_bad || news))
    }

    /// Writes the verdict; notes whether people would read it differently.
    fn conclude(&mut self, now: Instant, joint: &Joint) {
        let damped = self.life.damped(now);
        let condition = self.life.state();
        let works = matches!(condition, State::Up | State::Suspect | State::Recovering);
        let state = if damped && works { State::Suppressed } else { condition };
        let reasons = self.reasons(joint, condition, damped);
        let passes = !matches!(condition, State::Down | State::Admin | State::Init)
            && !reasons.contains(Reasons::SILENCE);
        let grade = if passes { self.assessment.grade(self.config.class) } else { Grade::Down };
        let entered = state != self.verdict.state;
        self.changed |= entered || reasons != self.verdict.reasons || grade != self.verdict.grade;
        let resumed = state == condition && entered;
        let score = self.assessment.score(self.config.class, passes);
        // What is known of a path too new to use is told all the same.
        let voice = self.assessment.score(Class::Voice, passes || condition == State::Init);
        let stretch = self.config.codec.scale.stretch();
        self.verdict = Verdict {
            state,
            reasons,
            grade,
            score: score.value,
            r_lcb: voice.lcb * stretch,
            r_ucb: voice.ucb * stretch,
            mos: crate::emodel::mos(voice.value),
            n: self.assessment.samples(),
            since: match (entered, resumed) {
                (false, _) => self.verdict.since,
                (true, true) => self.life.since(),
                (true, false) => now,
            },
            detected_at: if entered { self.life.detected_at() } else { self.verdict.detected_at },
            evidence: self.evidence(now, joint),
        };
    }

    fn reasons(&self, joint: &Joint, condition: State, damped: bool) -> Reasons {
        let facts = &self.facts;
        let bad = match condition {
            State::Down => facts.down,
            State::Degraded => facts.degraded,
            _ => Reasons::NONE,
        };
        let never = self.answered == 0 && bad == Reasons::SILENCE;
        let alive = !matches!(condition, State::Init | State::Down | State::Admin);
        let lossy = bad.contains(Reasons::LOSS);
        let notes =
            joint.notes.with_if(self.assessment.has_unsound_reflector(), Reasons::REFLECTOR);
        // Without its alarm a direction says nothing.
        let ways = if condition == State::Degraded { joint.ways } else { Reasons::NONE };
        bad.with_if(lossy, self.assessment.loss_direction())
            .with(ways)
            .with(if lossy && joint.silent == 0 {
                notes.without(Reasons::REFLECTOR)
            } else {
                notes
            })
            .with_if(never, Reasons::NEVER_ANSWERED)
            .with_if(facts.frozen, Reasons::STALE)
            .with_if(damped && alive, Reasons::DAMPED)
    }

    fn evidence(&self, now: Instant, joint: &Joint) -> Evidence {
        let meters = || self.streams.meters();
        Evidence {
            reflectors: self.streams.reflectors(),
            silent: joint.silent,
            silent_ports: joint.silent_ports,
            missed: meters().map(Meter::missed_run).min().unwrap_or(0),
            missing: joint.missing,
            last_reply: self.streams.last_reply(),
            not_before: self.streams.answered_sent(),
            missed_since: meters().filter_map(Meter::missed_since).max(),
            shows_within: self.streams.shows_within(),
            loss_evidence: joint.loss_evidence,
            penalty: self.life.penalty(now),
            ..self.assessment.evidence()
        }
    }
}

/// The place of limits in [`PathMonitor::reported`].
fn limits_of(class: Class, own: Option<usize>) -> usize {
    own.map_or(class.index(), |nth| Class::ALL.len() + nth)
}
