//! A hundred sites choose between two regions that slow down under load.

use pathvane_clock::{Duration, Instant};
use pathvane_score::{
    Candidate, Class, ClassScore, Compliance, Grade, PathId, Selector, SelectorConfig, State,
    Verdict,
};

use crate::table::Table;

const SITES: usize = 100;
/// Sites that fill a region.
const CAPACITY: f64 = 75.0;
/// When the first region fails, and when it is back.
const FAULT_S: u64 = 300;
const REPAIR_S: u64 = 360;

/// The score of a region that serves `load` sites: delay grows as in an M/M/1 queue.
fn score(load: f64) -> f64 {
    let used = (load / CAPACITY).min(0.95);
    (100.0 - 10.0 / (1.0 - used)).max(0.0)
}

fn candidate(id: u32, value: f64, up: bool, since: Instant) -> Candidate {
    let unknown = Verdict::unknown(since);
    let state = if up { State::Up } else { State::Down };
    let mut evidence = unknown.evidence;
    evidence.not_before = Some(since);
    Candidate {
        path: PathId(id),
        verdict: Verdict { state, grade: Grade::A, evidence, ..unknown },
        score: ClassScore {
            value,
            lcb: value - 0.5,
            ucb: value + 0.5,
            compliance: if up { Compliance::Complies } else { Compliance::Violates },
            ..ClassScore::unknown(Class::Interactive)
        },
        shared_risk: 0,
        instances: (0, 0),
        utilisation: None,
        load: None,
        weight: 1.0,
        cost: 0.0,
    }
}

/// What a run of ten minutes came to.
#[derive(Clone, Copy)]
struct Outcome {
    /// Seconds until every minute's swing is below a tenth of the sites.
    settled_s: u64,
    /// Moves before the fault, and per site after it.
    moves_before: usize,
    moves_after: usize,
    /// The most moves that one site made because of the fault, within a minute of it.
    most: usize,
}

/// Ten minutes: all sites begin in the first region; it fails for a minute in the middle.
fn run(config: &SelectorConfig, seed: u64) -> Outcome {
    let start = Instant::from_secs(1);
    let mut sites: Vec<Selector> = (0..SITES as u64)
        .map(|site| Selector::new(start, config.clone(), seed * 1000 + site))
        .collect();
    for site in &mut sites {
        site.decide(start, &[candidate(0, 90.0, true, start), candidate(1, 89.9, true, start)]);
    }
    let mut seen = [score(SITES as f64), score(0.0)];
    let mut moves = vec![Vec::new(); SITES];
    let mut loads = Vec::new();
    // Decisions fall ten times a second, as verdicts do.
    for tick in 1..=6000_u64 {
        let now = start + Duration::from_millis(100 * tick);
        let up = !(FAULT_S * 10..REPAIR_S * 10).contains(&tick);
        let all = [candidate(0, seen[0], up, now), candidate(1, seen[1], true, now)];
        for (site, moves) in sites.iter_mut().zip(&mut moves) {
            if site.decide(now, &all).moved {
                moves.push(tick / 10);
            }
        }
        let there = |site: &&Selector| site.decision().leader == Some(PathId(0));
        let first = sites.iter().filter(there).count();
        if tick % 10 == 0 {
            loads.push(first);
        }
        for (seen, load) in seen.iter_mut().zip([first, SITES - first]) {
            *seen += (score(load as f64) - *seen) * 0.02;
        }
    }
    let calm = |from: usize| {
        let minute = &loads[from..(from + 60).min(loads.len())];
        minute.iter().max().unwrap_or(&0) - minute.iter().min().unwrap_or(&0) < SITES / 10
    };
    let fault = FAULT_S as usize;
    let settled = (0..fault - 60).find(|&from| calm(from)).unwrap_or(fault);
    let because =
        |moves: &Vec<u64>| moves.iter().filter(|at| (FAULT_S..REPAIR_S).contains(at)).count();
    Outcome {
        settled_s: settled as u64,
        moves_before: moves.iter().flatten().filter(|at| **at < FAULT_S).count(),
        moves_after: moves.iter().flatten().filter(|at| **at >= FAULT_S).count(),
        most: moves.iter().map(because).max().unwrap_or(0),
    }
}

/// Runs herds with and without chance.
pub(crate) fn study(runs: u64) -> bool {
    let columns = "herd of 100 sites, two regions, 600 s, one fails at 300 s | settled after (worst) \
                   | moves before the fault | moves after it | most moves of a site for the fault";
    let mut table = Table::new(&format!("Herds ({runs} runs each)"), columns);
    let certain = SelectorConfig {
        phase: Duration::ZERO,
        eagerness: f64::INFINITY,
        ..SelectorConfig::default()
    };
    for (name, config, limited) in
        [("defaults", SelectorConfig::default(), true), ("without chance", certain, false)]
    {
        let (cells, settled, most) = cells(name, &config, runs);
        match limited {
            true => table.row(&cells, "60 s, <= 1 a site", settled <= 60 && most <= 1),
            false => table.note(&cells),
        }
    }
    for (phase_s, eagerness) in [
        (5, 0.1),
        (5, 0.2),
        (10, 0.2),
        (10, 0.3),
        (10, 0.5),
        (20, 0.3),
        (20, 0.5),
        (30, 0.5),
        (30, 1.0),
    ] {
        let phase = Duration::from_secs(phase_s);
        let config = SelectorConfig { phase, eagerness, ..SelectorConfig::default() };
        let name = format!("phase {phase_s} s, eagerness {eagerness}");
        table.note(&cells(&name, &config, runs).0);
    }
    table.sound()
}

/// A row, with the seconds to settle and the most moves of a site for the fault.
fn cells(name: &str, config: &SelectorConfig, runs: u64) -> (String, usize, usize) {
    let all: Vec<Outcome> = (0..runs).map(|seed| run(config, seed)).collect();
    let worst = |of: fn(&Outcome) -> usize| all.iter().map(of).max().unwrap_or(0);
    let (settled, most) = (worst(|it| it.settled_s as usize), worst(|it| it.most));
    let (before, after) = (worst(|it| it.moves_before), worst(|it| it.moves_after));
    (format!("{name} | {settled} s | {before} | {after} | {most}"), settled, most)
}
