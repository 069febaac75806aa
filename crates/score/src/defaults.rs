//! Every default constant, with its reason. `docs/SCORING.md` shows where each one acts.

use pathvane_clock::Duration;

use crate::{Damping, Sla};

// ---- Grades (score points) ----

/// Grade A from here: "satisfied" in the user opinion table of ITU-T G.107 Annex B.
pub const GRADE_A: f64 = 80.0;
/// Grade B from here: "some users dissatisfied".
pub const GRADE_B: f64 = 70.0;
/// Grade C from here: "many users dissatisfied"; below it lies D.
pub const GRADE_C: f64 = 60.0;
/// A grade rises only when the score is this far above its boundary, so that noise at a
/// boundary sends no UPDATE.
pub const GRADE_UP_MARGIN: f64 = 3.0;
/// ... and stays there this long.
pub const GRADE_UP_HOLD: Duration = Duration::from_secs(30);

// ---- Probe rates: active, standby, boosted, in thousandths of a probe per second ----

/// Voice: 50/s finds a blackhole within 150 ms; 200/s finds 5 % loss within about a second.
pub const RATES_VOICE: (u32, u32, u32) = (50_000, 10_000, 200_000);
/// Interactive: people notice after about half a second.
pub const RATES_INTERACTIVE: (u32, u32, u32) = (10_000, 2_000, 50_000);
/// Bulk: seconds do not matter.
pub const RATES_BULK: (u32, u32, u32) = (1_000, 500, 10_000);
/// A path that may have to lead soon is probed at least this often, if the boosted rate is not
/// lower: enough to say within seconds that it keeps the limits.
pub const RATE_ALERTED: u32 = 10_000;
/// What streams that probe seldom by their nature (TCP) reach, in probes a second.
pub const RATE_SLOW: f64 = 2.0;

// ---- Limits by class ----

/// Voice: R below 70 dissatisfies many; the others are the client-to-edge targets
/// published for Microsoft Teams (loss 1 % over 15 s, variation 30 ms, round trip 100 ms).
pub const SLA_VOICE: Sla = Sla {
    min_score: 70.0,
    max_loss_ppm: 10_000,
    max_delay_variation: Some(Duration::from_millis(30)),
    max_rtt: Some(Duration::from_millis(100)),
};
/// Interactive: below 60 a keystroke takes longer than about 270 ms.
pub const SLA_INTERACTIVE: Sla =
    Sla { min_score: 60.0, max_loss_ppm: 20_000, max_delay_variation: None, max_rtt: None };
/// Bulk: 50 is about a quarter of the target throughput.
pub const SLA_BULK: Sla =
    Sla { min_score: 50.0, max_loss_ppm: 50_000, max_delay_variation: None, max_rtt: None };

// ---- Missed probes ----

/// A probe is missed no sooner than this after its expected reply: user-space scheduling
/// delays stay below it, and a gap of two voice packets is above it.
pub const SILENCE_MARGIN_NS: f32 = 5e6;
/// Before the first reply: RFC 6298 section 2.1.
pub const PATIENCE_INITIAL: Duration = Duration::from_secs(1);
/// One reply that came very late must not blind the detector for longer than this.
pub const PATIENCE_MAX: Duration = Duration::from_secs(1);
/// A round trip longer than this is a broken clock.
pub const RTT_BELIEVED_NS: u64 = 30_000_000_000;
/// After our own loop stood still nothing counts as missed for this long: one turn of the
/// loop, in which the sockets are read. If it stood longer than the way there and back, silence waits for
/// the answers to new probes besides.
pub const STALL_HOLD: Duration = Duration::from_millis(5);

// ---- Loss estimates ----

/// Half-life of recent loss: it weighs about as many probes as a window of 15 s.
pub const LOSS_RECENT: Duration = Duration::from_secs(5);
/// When the alarm of loss is raised, what was recent weighs this part of what comes: most of it was before the change.
pub const LOSS_BEFORE_ALARM: f32 = 0.25;
/// Half-life of usual loss: learns a path's habits in minutes, outlasts a fault of seconds.
pub const LOSS_USUAL: Duration = Duration::from_secs(300);
/// Usual loss before anything was measured ...
pub const LOSS_PRIOR: f64 = 0.001;
/// ... and how many probes that guess is worth: 4 s at 50/s.
pub const LOSS_PRIOR_WEIGHT: f64 = 200.0;
/// How many losses the guess of a path's burstiness is worth: one burst corrects it.
pub const BURST_PRIOR_WEIGHT: f64 = 4.0;
/// Bounds of scores: two-sided 95 %.
pub const CONFIDENCE_Z: f64 = 1.96;
/// Bounds beyond doubt: asked five times a second for months, they must not be wrong once.
pub const CERTAIN_Z: f64 = 4.0;

// ---- Loss detector ----

/// Usual loss is taken for at least this: rarer loss cannot be told from it in an hour.
pub const LOSS_NULL_MIN: f64 = 0.001;
/// ... and for at most this: a path that loses more is bad whatever is usual.
pub const LOSS_NULL_MAX: f64 = 0.10;
/// Loss worth an alarm: where voice with concealment begins to suffer.
pub const LOSS_SHIFT: f64 = 0.05;
/// ... but never less than this multiple of the usual.
pub const LOSS_SHIFT_RATIO: f64 = 2.5;
/// The guess of burstiness that the loss detector starts with: low, so that consecutive
/// losses count until the path has shown that they are its habit.
pub const BURST_PRIOR_SHIFT: f64 = 0.02;
/// Loss after loss is never taken for more certain than this.
pub const BURST_MAX: f64 = 0.95;
/// One false alarm a day on two streams of 200 probes a second, boosted all day.
pub const LOSS_PROBES_PER_ALARM: f64 = 34_560_000.0;
/// Part of the last step by which a sum overshoots the threshold on average (Wald's bound
/// ignores it); fitted to exact run lengths: 11.1 nats at 0.1 % against 5 %.
pub const LOSS_OVERSHOOT: f64 = 0.28;

// ---- Delay and jitter detectors ----

/// Standard deviations that are not yet evidence of a step.
pub const SHIFT_SLACK: f32 = 1.5;
/// The most one sample can add or take.
pub const SHIFT_CLIP: f32 = 2.0;
/// Alarm: at least six samples, 120 ms at 50/s.
pub const SHIFT_THRESHOLD: f32 = 12.0;
/// Samples that teach what is usual before anything can be unusual.
pub const SHIFT_LEARN: u16 = 50;
/// Deviations below 1 ms are measurement noise.
pub const SHIFT_SIGMA_MIN_NS: f32 = 1e6;
/// Steps below 10 ms change no score worth a word.
pub const SHIFT_MIN_NS: f32 = 1e7;
/// The usual level follows with this time constant, in seconds.
pub const SHIFT_USUAL_S: f32 = 20.0;
/// A step that lasts this long is the usual level from then on; scores go by absolute delay.
pub const SHIFT_REBASE_AFTER: Duration = Duration::from_secs(30);
/// Share of a step, or of the jitter, that gives it a direction.
pub const DELAY_DIRECTION: f32 = 0.75;
/// The usual difference of the two directions follows with this time constant, in seconds: clocks drift by
/// 1 ms meanwhile at 50 millionths, which is small against a step.
pub const ASYMMETRY_USUAL_S: f32 = 10.0;

// ---- Delay variation ----

/// Histograms forget half this often.
pub const VARIATION_HALF_LIFE: Duration = Duration::from_secs(5);
/// The least delay is that of the running and the last window of this length.
pub const LEAST_DELAY_WINDOW: Duration = Duration::from_secs(30);
/// The zero of a histogram moves when the least delay is off by more than this.
pub const VARIATION_ANCHOR_SLACK_NS: u64 = 500_000;

// ---- Silence ----

/// Missed probes in a row on every stream before silence is considered: two random losses in
/// a row happen many times a day.
pub const SILENCE_MISSES_MIN: u32 = 3;
/// The guess of burstiness that silence starts with: high, so that the first burst on a path
/// is not read as its death.
pub const BURST_PRIOR_SILENCE: f64 = 0.5;
/// The guess of how often streams lose together, and how many ...
pub const TOGETHER_PRIOR: f64 = 0.5;
/// ... series of misses it is worth.
pub const TOGETHER_PRIOR_WEIGHT: f64 = 4.0;
/// What is kept of the count at each series: the last hundred decide.
pub const TOGETHER_KEEP: f64 = 0.99;
/// A fault is reported within this time, if the round trip leaves room for the least number
/// of misses.
pub const DOWN_WITHIN: Duration = Duration::from_millis(150);
/// No least time of silence: the evidence decides. A step of delay by more than about three
/// probe periods is then an outage until the first late reply takes it back.
pub const DOWN_AFTER: Duration = Duration::ZERO;
/// Of which this is left for clocks and the loop.
pub const SILENCE_SLACK: Duration = Duration::from_millis(2);
/// Nats added to what rules a burst out: how losses cluster is known from few of them.
pub const SILENCE_CAUTION: f64 = 2.0;
/// A silence of the whole path that ends by itself after this long is a gap: shorter ones stay far
/// below what is told as an outage.
pub const GAP_LEAST: Duration = Duration::from_millis(60);
/// Told as an outage, and over within this time: it was a gap after all.
pub const GAP_MISTAKEN: Duration = Duration::from_millis(250);
/// Gaps are forgotten half this often: standbys, which are probed seldom, see few of them.
pub const GAP_HALF_LIFE: Duration = Duration::from_secs(3600);
/// Fewer gaps than this, weighed by age, are none: a lone one is forgotten after two hours.
pub const GAP_FORGOTTEN: f64 = 0.25;
/// The guess of how much longer than the least gaps last ...
pub const GAP_EXCESS_PRIOR: Duration = Duration::from_millis(20);
/// ... and how many gaps that guess is worth.
pub const GAP_PRIOR_WEIGHT: f64 = 2.0;
/// Missed probes on every stream without which no gap is believed: at 0.5 % loss in bursts of four packets, half
/// of them lost, two streams miss two each some twenty times an hour.
pub const GAP_MISSES_MIN: u32 = 3;
/// Nats added to what makes a gap an outage: a false alarm in 150 days.
pub const GAP_CAUTION: f64 = 5.0;
/// The longest time that a path with gaps is given. Where gaps of 70 ms on average strike every
/// few seconds they ask for more.
pub const GAP_PATIENCE: Duration = Duration::from_millis(750);
/// A series of misses longer than this was an outage: it does not teach how losses cluster.
pub const BURST_LENGTH_MAX: u32 = 16;
/// Losses with fewer answers than this between them are of one burst (RFC 3611 section 4.7.2, Gmin).
pub const BURST_GAP: u8 = 16;
/// A false alarm a day is accepted.
pub const DAY_S: f64 = 86_400.0;

// ---- Quality ----

/// A limit counts as kept after this many probes (weighed): no loss in 100 bounds loss to 4 %.
pub const COMPLY_PROBES_MIN: f64 = 100.0;
/// ... and a limit of delay variation after this many samples. Both only so far as ...
pub const COMPLY_SAMPLES_MIN: f64 = 40.0;
/// ... this share of what the rates allow on a path that may have to lead soon.
pub const COMPLY_REACH: f64 = 0.8;
/// A 98th percentile needs this many samples to exist with 95 % confidence.
pub const VARIATION_SAMPLES_MIN: f64 = 149.0;
/// A path that broke a limit keeps it again only after this time without doubt.
pub const SLA_CLEAR: Duration = Duration::from_secs(10);
/// The guess of burstiness in confidence bounds.
pub const BURST_PRIOR_BOUNDS: f64 = 0.2;
/// A reflector whose loss is surely above the best one's by more than this is at fault itself.
pub const REFLECTOR_LOSS_APART: f64 = 0.01;
/// Loss that is surely above this degrades a path, however usual it is there.
pub const LOSS_LIMIT: f64 = 0.03;
/// Share of losses that gives loss a direction.
pub const LOSS_DIRECTION: f64 = 0.75;
/// Scores are recomputed at most this often: people and routes do not hear faster.
pub const ASSESS_EVERY: Duration = Duration::from_millis(200);
/// Keystroke response in ms to score: 100 ms feels immediate; 200 ms is the limit of
/// interactive use in ITU-T G.1010; a second breaks the flow of thought.
pub const KEYSTROKE_SCORES: [(f64, f64); 5] =
    [(100.0, 100.0), (150.0, 80.0), (200.0, 70.0), (400.0, 40.0), (1000.0, 0.0)];
/// The least retransmission timeout that hosts use in practice.
pub const KEYSTROKE_RTO_MIN_MS: f64 = 200.0;
/// TCP payload of a full Ethernet frame.
pub const BULK_SEGMENT: f64 = 1460.0;
/// Throughput of one connection that satisfies bulk transfer.
pub const BULK_TARGET_BPS: f64 = 10e6;

// ---- The life of a path ----

/// A path must be clean this long ...
pub const RECOVER_AFTER: Duration = Duration::from_secs(30);
/// ... and over this many probes, to be up again: bounds its loss to 0.8 %.
pub const RECOVER_PROBES: u32 = 500;
/// A new path is up after this long, or ...
pub const INIT_AFTER: Duration = Duration::from_secs(10);
/// ... after this many answered probes, whichever comes first; but not before ...
pub const INIT_PROBES: u32 = 500;
/// ... this many.
pub const INIT_PROBES_MIN: u32 = 3;
/// Suspicion that came to nothing ends after this.
pub const SUSPECT_MAX: Duration = Duration::from_secs(2);
/// Missed probes in a row on one stream that raise suspicion.
pub const SUSPECT_MISSES: u32 = 2;
/// Packets of full size, one a second, that are lost in a row while small ones are answered, before
/// the path has an MTU hole: at 5 % random loss once in two years.
pub const MTU_HOLE_MISSES: u8 = 6;
/// A changed DSCP is told until this many answers in a row came with the right one: one member of
/// a bundle that remarks must not come and go with each probe.
pub const REMARKED_HOLD: u8 = 250;
/// Probes that a first hop answers during a fault, and is well, before the fault is beyond it: loss
/// of 5 % shows in fewer, and so does delay.
pub const FIRST_HOP_WELL: u32 = 100;
/// A first hop that missed so many probes in a row while the path passes answers no more, and says
/// nothing.
pub const FIRST_HOP_MUTE: u32 = 50;
/// Share of an alarm's evidence that raises suspicion.
pub const SUSPECT_EVIDENCE: f32 = 0.5;
/// Part of an alarm's evidence that a second reflector must show, and below which an alarm
/// ends.
pub const LOSS_SECOND: f32 = 0.25;
/// Two reflectors' evidence together: the sum of two noisy sums reaches high more often ...
pub const LOSS_BOTH: f32 = 1.1;
/// ... and more so where they lose together, because it is one evidence then.
pub const LOSS_TOGETHER: f32 = 0.85;
/// Faster probing of a path that is known to be bad ends after this.
pub const BOOST_MAX: Duration = Duration::from_secs(2);
/// A series of misses longer than this is known: it does not make any path be probed faster, nor is it
/// evidence of loss or of the path's silence while other reflectors answer.
pub const BOOST_MISSES_MAX: u32 = 64;
/// What is known is old when no probe was sent for this long, and for as many ...
pub const STALE_AFTER: Duration = Duration::from_secs(3);
/// ... periods of the stream.
pub const STALE_PERIODS: u32 = 4;
/// A deadline handled this much too late means that our own loop stood still: the sockets
/// are read once more before silence counts. Half a probe period if that is longer.
pub const STALL_LAG: Duration = Duration::from_millis(5);
/// ... but not more often in a row than this, or a slow machine would never see an outage.
pub const STALL_HOLDS_MAX: u8 = 3;

// ---- Damping ----

/// Penalty of going down.
pub const PENALTY_DOWN: f64 = 1000.0;
/// Penalty of degrading.
pub const PENALTY_DEGRADED: f64 = 500.0;
/// One bad spell that comes and goes counts once in this time.
pub const PENALTY_DEGRADED_EVERY: Duration = Duration::from_secs(10);
/// Fast flaps: three within a few minutes suppress. A half-life of 60 s would let flaps every
/// 44 s pass for ever. The ceiling ends suppression after 15 minutes.
pub const DAMPING_FAST: Damping = Damping {
    half_life: Duration::from_secs(180),
    suppress: 2500.0,
    reuse: 800.0,
    ceiling: 25_600.0,
    episode: Duration::ZERO,
};
/// Slow flaps: one every ten minutes suppresses at about the tenth; one an hour does not.
/// The ceiling ends suppression after two hours.
pub const DAMPING_SLOW: Damping = Damping {
    half_life: Duration::from_secs(3600),
    suppress: 6000.0,
    reuse: 3000.0,
    ceiling: 12_000.0,
    episode: Duration::from_secs(300),
};

// ---- Choice ----

/// A challenger must be better by this many points: a step that people notice ...
pub const MARGIN_POINTS: f64 = 5.0;
/// ... and by this share of the leader's score (both, as Tailscale chooses its home region).
pub const MARGIN_RATIO: f64 = 0.10;
/// ... for this long.
pub const SUSTAIN: Duration = Duration::from_secs(10);
/// A leader that works is kept this long: moves cost flows.
pub const DWELL: Duration = Duration::from_secs(30);
/// Random wait of moves that are not urgent: spreads a herd of sites.
pub const PHASE: Duration = Duration::from_secs(5);
/// The least wait between two draws.
pub const PHASE_MIN: Duration = Duration::from_millis(100);
/// Probability of a move per share of the shortfall that it gains: with it a hundred sites
/// settle on two equal regions within a minute. What is measured lags behind what was done by
/// seconds, so half as many more sites move at 0.2 as have to, and swing back.
pub const EAGERNESS: f64 = 0.1;
/// Predicted utilisation above which queues grow without bound in practice.
pub const MAX_UTILISATION: f64 = 0.85;
/// Utilisation up to which load takes nothing off the score ...
pub const LOAD_FREE: f64 = 0.7;
/// ... and what full load takes off.
pub const LOAD_POINTS: f64 = 20.0;
/// What sharing a risk with the leader takes off a standby.
pub const SHARED_RISK_POINTS: f64 = 10.0;
/// Decide again this often: scores change without a verdict being given.
pub const REVIEW_EVERY: Duration = Duration::from_secs(1);
/// A challenger that may fail of the same fault is waited for this long: longer than its own
/// silence takes to show at 50 probes a second. One that is probed more seldom is waited for until it has shown.
pub const SHARED_WAIT: Duration = Duration::from_millis(200);
/// ... and looked at this often meanwhile.
pub const SHARED_LOOK: Duration = Duration::from_millis(5);
/// Paths that share a fault degrade within this time of each other.
pub const SHARED_SETTLE: Duration = Duration::from_secs(1);
