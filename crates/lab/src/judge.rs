//! From what was seen to figures and a judgement. Knows nothing but the record.

use serde::Serialize;

use pathvane_clock::{Duration, Instant};

use crate::links::Direction;
use crate::mono::millis_between;
use crate::scenario::{Expect, Scenario};
use crate::seen::{PathIndex, Seen, What};
use crate::voice::{Ledger, Quality};

/// Both directions have to have moved within this time.
pub const CONVERGED_WITHIN: Duration = Duration::from_secs(1);
/// The stretch of the call that is rated before and during the fault.
const RATED: Duration = Duration::from_secs(2);
/// The stretch that is rated at the end.
const RATED_AFTER: Duration = Duration::from_millis(1_500);
/// A call that moved to an equal path may sound this much worse ...
const MOS_TOLERANCE: f64 = 0.2;
/// ... and where paths lose packets anyway this much: one burst in so short a stretch.
const MOS_TOLERANCE_LOSSY: f64 = 0.8;

const LEADER: PathIndex = 0;
const STANDBY: PathIndex = 1;

/// Everything there is to know about one play of one scenario.
#[derive(Debug)]
pub struct Play<'a> {
    /// What was played.
    pub scenario: &'a Scenario,
    /// When the first step was done (or would have been).
    pub begin: Instant,
    /// When the last fault was taken away by the scenario itself.
    pub cleared: Option<Instant>,
    /// When the observation ended; packets sent before had time to arrive.
    pub end: Instant,
    /// What was seen from `begin` to `end`.
    pub seen: &'a [Seen],
    /// The books of the call: forward, return.
    pub ledgers: [&'a Ledger; 2],
    /// The least time from recovery to return that the speaker was configured with.
    pub return_hold: Duration,
    /// The links lose packets without any fault.
    pub lossy: bool,
    /// The most that the links were late, because the machine was busy.
    pub link_late: Duration,
}

/// MOS of one direction in three stretches.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Mos {
    /// In the two seconds before the fault.
    pub before: f64,
    /// In the two seconds from the fault on.
    pub during: f64,
    /// At the end of the observation.
    pub after: f64,
}

/// What came of one play.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// From the fault to the moment a detector fired, in milliseconds.
    pub detected_ms: Option<f64>,
    /// From the fault to the first UPDATE of the move leaving the speaker.
    pub wire_ms: Option<f64>,
    /// From the fault to the VPC's use of the other router.
    pub return_ms: Option<f64>,
    /// From the fault to the site's use of the other path.
    pub forward_ms: Option<f64>,
    /// From the end of the fault to the site's use of the leader again.
    pub back_ms: Option<f64>,
    /// Voice packets lost from the fault on: forward, return.
    pub lost: [u32; 2],
    /// The longest silence from the fault on: forward, return, in milliseconds.
    pub outage_ms: [f64; 2],
    /// What the call sounded like: forward, return.
    pub mos: [Mos; 2],
    /// Moves the speaker made.
    pub moves: u32,
    /// The most that the emulated links were late, because the machine was busy.
    pub link_late_ms: f64,
    /// What is not as it should be; empty if all is.
    pub faults: Vec<String>,
}

impl Outcome {
    /// Whether all is as it should be.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Works out the figures and judges them.
pub fn judge(play: &Play<'_>) -> Outcome {
    let mut outcome = measure(play);
    let mut faults = match play.scenario.expect {
        Expect::Move => moved(play, &outcome),
        Expect::Stay => stayed(play),
        Expect::Return => returned(play, &outcome),
        Expect::Damped => damped(play, &outcome),
    };
    if play.scenario.verdicts_stay {
        faults.extend(play.verdict_changes());
    }
    outcome.faults = faults;
    outcome
}

fn measure(play: &Play<'_>) -> Outcome {
    let since_begin = |at: Instant| millis_between(play.begin, at);
    let lost = play.ledgers.map(|ledger| ledger.account(play.begin, play.end).lost);
    let outage_ms = play.ledgers.map(|ledger| {
        let outage = ledger.outage(play.begin, play.end);
        outage.map_or(0.0, |outage| outage.length.as_secs_f64() * 1e3)
    });
    Outcome {
        scenario: play.scenario.name.clone(),
        title: play.scenario.title.clone(),
        detected_ms: play.detected().map(since_begin),
        wire_ms: play.first(|what| matches!(what, What::Wire { .. })).map(since_begin),
        return_ms: play.first_use(Direction::Return, STANDBY, play.begin).map(since_begin),
        forward_ms: play.first_use(Direction::Forward, STANDBY, play.begin).map(since_begin),
        back_ms: play.cleared.and_then(|cleared| {
            let back = play.first_use(Direction::Forward, LEADER, cleared)?;
            Some(millis_between(cleared, back))
        }),
        lost,
        outage_ms,
        mos: play.ledgers.map(|ledger| play.mos(ledger)),
        moves: play.moves(),
        link_late_ms: play.link_late.as_secs_f64() * 1e3,
        faults: Vec::new(),
    }
}

/// Off the leader once, quickly, both ways, and the call is fine again.
fn moved(play: &Play<'_>, outcome: &Outcome) -> Vec<String> {
    let mut faults = converged(outcome);
    faults.extend(play.ends_on(STANDBY));
    if outcome.moves > 1 {
        faults.push(format!("{} moves instead of one", outcome.moves));
    }
    faults.extend(sounds_as_before(play, outcome));
    faults
}

fn stayed(play: &Play<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    for direction in Direction::BOTH {
        let changes = play.uses(direction).filter(|(_, path)| *path != Some(LEADER)).count();
        if changes > 0 {
            faults.push(format!("the {} next hop moved", direction.name()));
        }
    }
    if play.moves() > 0 {
        faults.push(format!("{} moves instead of none", play.moves()));
    }
    faults
}

/// Off the leader, and back after the hold without breaking anything.
fn returned(play: &Play<'_>, outcome: &Outcome) -> Vec<String> {
    let mut faults = converged(outcome);
    faults.extend(play.ends_on(LEADER));
    if outcome.moves != 2 {
        faults.push(format!("{} moves instead of two", outcome.moves));
    }
    let hold_ms = play.return_hold.as_secs_f64() * 1e3;
    match (outcome.back_ms, play.cleared) {
        (Some(back), _) if back < hold_ms => {
            faults.push(format!("back after {back:.0} ms, the hold is {hold_ms:.0} ms"));
        }
        (Some(_), Some(cleared)) if !play.lossy => {
            let lost = play.ledgers.map(|ledger| ledger.account(cleared, play.end).lost);
            if lost != [0, 0] {
                faults.push(format!("the return cost {} / {} packets", lost[0], lost[1]));
            }
        }
        _ => {}
    }
    faults.extend(sounds_as_before(play, outcome));
    faults
}

fn damped(play: &Play<'_>, outcome: &Outcome) -> Vec<String> {
    let mut faults = converged(outcome);
    faults.extend(play.ends_on(STANDBY));
    if outcome.moves > play.scenario.max_moves {
        let most = play.scenario.max_moves;
        faults.push(format!("{} moves, at most {most} count as damped", outcome.moves));
    }
    faults
}

fn converged(outcome: &Outcome) -> Vec<String> {
    let limit = CONVERGED_WITHIN.as_secs_f64() * 1e3;
    let check = |name: &str, ms: Option<f64>| match ms {
        None => Some(format!("the {name} next hop never moved")),
        Some(ms) if ms >= limit => Some(format!("the {name} next hop took {ms:.0} ms")),
        Some(_) => None,
    };
    [check("forward", outcome.forward_ms), check("VPC's", outcome.return_ms)]
        .into_iter()
        .flatten()
        .collect()
}

fn sounds_as_before(play: &Play<'_>, outcome: &Outcome) -> Vec<String> {
    let tolerance = if play.lossy { MOS_TOLERANCE_LOSSY } else { MOS_TOLERANCE };
    let worse = Direction::BOTH.into_iter().zip(outcome.mos);
    worse
        .filter(|(_, mos)| mos.after < mos.before - tolerance)
        .map(|(direction, mos)| {
            let name = direction.name();
            format!("{name} voice ends at MOS {:.2}, it was {:.2}", mos.after, mos.before)
        })
        .collect()
}

impl Play<'_> {
    /// When the first thing of a kind was seen.
    fn first(&self, wanted: impl Fn(&What) -> bool) -> Option<Instant> {
        self.seen.iter().find(|seen| seen.at >= self.begin && wanted(&seen.what)).map(|s| s.at)
    }

    /// When the first detector fired, be it one that judged a path or one that moved the service.
    fn detected(&self) -> Option<Instant> {
        let fired = self.seen.iter().filter_map(|seen| match &seen.what {
            What::Moved { detected_at, .. } => Some(*detected_at),
            What::Verdict { to, detected_at, .. } if is_bad(to) => Some(*detected_at),
            _ => None,
        });
        fired.filter(|at| *at >= self.begin).min()
    }

    /// The changes of the path that one direction uses; `None` while it is not exactly one.
    fn uses(&self, direction: Direction) -> impl Iterator<Item = (Instant, Option<PathIndex>)> {
        self.seen.iter().filter_map(move |seen| match (&seen.what, direction) {
            (What::Forward { path }, Direction::Forward) => Some((seen.at, Some(*path))),
            (What::Return { routers }, Direction::Return) => {
                let only = (routers.len() == 1).then(|| routers[0]);
                Some((seen.at, only))
            }
            _ => None,
        })
    }

    fn first_use(&self, direction: Direction, path: PathIndex, from: Instant) -> Option<Instant> {
        self.uses(direction).find(|(at, used)| *at >= from && *used == Some(path)).map(|u| u.0)
    }

    fn moves(&self) -> u32 {
        let done = |seen: &&Seen| matches!(seen.what, What::Moved { done: true, .. });
        self.seen.iter().filter(done).count() as u32
    }

    /// Where voice was sent last, if that is not `path`.
    fn ends_on(&self, path: PathIndex) -> Vec<String> {
        let directions = Direction::BOTH.into_iter().zip(self.ledgers);
        directions
            .filter(|(_, ledger)| ledger.path() != u8::try_from(path).ok())
            .map(|(direction, _)| format!("{} voice ends on the wrong path", direction.name()))
            .collect()
    }

    fn verdict_changes(&self) -> Vec<String> {
        let bad = self.seen.iter().filter_map(|seen| match &seen.what {
            What::Verdict { path, to, .. } if is_bad(to) => {
                Some(format!("path {} was judged {to}", path + 1))
            }
            _ => None,
        });
        bad.collect()
    }

    fn mos(&self, ledger: &Ledger) -> Mos {
        let rate = |from: Instant, to: Instant| {
            let quality = Quality::of(ledger.account(from, to), ledger.delays(from, to));
            quality.map_or(f64::NAN, |quality| quality.mos)
        };
        Mos {
            before: rate(self.begin - RATED, self.begin),
            during: rate(self.begin, self.begin + RATED),
            after: rate(self.end - RATED_AFTER, self.end),
        }
    }
}

/// Whether a verdict's state says that a path does not work, or works badly.
pub fn is_bad(state: &str) -> bool {
    matches!(state, "down" | "degraded")
}

#[cfg(test)]
mod tests;
