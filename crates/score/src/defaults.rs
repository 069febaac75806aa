//! Every default constant, with its reason. `docs/SCORING.md` shows where each one acts.

use pathvane_clock::Duration;

use crate::Sla;

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
/// Bulk: half of the target throughput scores about 86 % of full; below 50 the rate is a
/// small fraction of the target.
pub const SLA_BULK: Sla =
    Sla { min_score: 50.0, max_loss_ppm: 50_000, max_delay_variation: None, max_rtt: None };
