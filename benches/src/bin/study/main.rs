//! Studies of scoring in simulated time: `study NAME`, or `study all`.
//!
//! Every study is seeded and prints a table in Markdown; `plots` writes the drawings of
//! `docs/SCORING.md`. Run it with `--release`: some live through days.

mod cost;
mod detection;
mod evidence;
mod faults;
mod herd;
mod link;
mod moves;
mod noise;
mod plots;
#[path = "../../../../crates/score/tests/sim/mod.rs"]
mod sim;
mod site;
mod table;

use std::process::ExitCode;

const USAGE: &str = "usage: study NAME [COUNT]
  detection [RUNS]   time to find faults, p50, p95 and p99 (300 runs each)
  moves [RUNS]       time from a fault to the move, class by class (100 sites each)
  alarms [HOURS]     false alarms a day on noise (24 hours each)
  noise [HOURS]      a site of two paths under noise alone (24 hours)
  new [SITES]        sites that are new to their noise, two minutes each (1000)
  faults [COUNT]     faults of every kind, judged by packets delivered (10000)
  herd [RUNS]        a hundred sites and two regions for ten minutes (20 runs)
  cost               time of an update, a score, a search; size of the state
  plots [RUNS]       drawings into docs/plots (100 runs a point)
  all                everything but plots";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let count = words.get(1).map(|word| word.parse::<u64>());
    let Ok(count) = count.transpose() else {
        eprintln!("{} is no count\n{USAGE}", words[1]);
        return ExitCode::from(2);
    };
    let sound = match words.first().map(String::as_str) {
        Some("detection") => detection::times(count.unwrap_or(300)),
        Some("alarms") => detection::alarms(count.unwrap_or(24)),
        Some("moves") => moves::study(count.unwrap_or(100)),
        Some("noise") => noise::study(count.unwrap_or(24)),
        Some("new") => noise::first_minutes(count.unwrap_or(1000)),
        Some("faults") => faults::study(count.unwrap_or(10_000)),
        Some("herd") => herd::study(count.unwrap_or(20)),
        Some("cost") => cost::study(),
        Some("plots") => plots::draw(count.unwrap_or(100)),
        Some("all") => [
            detection::times(300),
            moves::study(100),
            detection::alarms(24),
            noise::study(24),
            noise::first_minutes(1000),
            faults::study(10_000),
            herd::study(20),
            cost::study(),
        ]
        .iter()
        .all(|&sound| sound),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    // A study that misses a target says so, and fails.
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
