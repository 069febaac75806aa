//! `pathvane bench rib`: every scenario, every daemon, in turns.

use std::path::Path;

use serde::Serialize;

use super::args::RibArgs;
use super::daemon::Daemon;
use super::play::Play;
use super::record::{Outcome, Record};
use super::summary::summary;
use crate::report::print;

/// Everything that was measured, as `--json` writes it.
#[derive(Debug, Serialize)]
struct Document<'a> {
    /// What was measured, and each one's version.
    daemons: Vec<(&'static str, String)>,
    seed: u64,
    records: &'a [Record],
}

/// Measures; whether everything arrived everywhere as it should.
pub(super) fn run(args: &RibArgs, folder: &Path) -> Result<bool, String> {
    if cfg!(debug_assertions) {
        eprintln!("pathvane bench: this is a debug build; its figures say nothing about speed");
    }
    let daemons = daemons(args);
    let mut records = Vec::new();
    for run in 1..=args.runs {
        for &scenario in &args.scenario {
            for routes in sizes(args) {
                for &daemon in daemons.iter().filter(|daemon| scenario.is_for(**daemon)) {
                    eprintln!("run {run} of {}: {}, {}", args.runs, scenario.name(), daemon.name());
                    let done = Vec::new();
                    let mut play = Play { args, scenario, routes, daemon, run, folder, done };
                    play.play();
                    records.append(&mut play.done);
                }
            }
        }
    }
    print(&summary(&records));
    if let Some(file) = &args.json {
        let daemons = daemons.iter().map(|daemon| (daemon.name(), daemon.version())).collect();
        let document = Document { daemons, seed: args.seed, records: &records };
        let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(!records.iter().any(|record| matches!(record.outcome, Outcome::Failed(_))))
}

/// The sizes asked for; `None` for the scenario's own.
fn sizes(args: &RibArgs) -> Vec<Option<u32>> {
    match &args.routes[..] {
        [] => vec![None],
        sizes => sizes.iter().copied().map(Some).collect(),
    }
}

/// This binary first, then whoever can run here; the others are named.
fn daemons(args: &RibArgs) -> Vec<Daemon> {
    let mut daemons = vec![Daemon::Pathvane];
    for &daemon in &args.against {
        match daemon.obstacle() {
            Some(obstacle) => eprintln!("{} is left out: {obstacle}", daemon.name()),
            None if daemons.contains(&daemon) => {}
            None => daemons.push(daemon),
        }
    }
    daemons
}
