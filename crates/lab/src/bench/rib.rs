//! `pathvane bench rib`: every scenario, every daemon, in turns.

use std::path::Path;

use serde::Serialize;

use super::args::{RibArgs, Scenario};
use super::daemon::Daemon;
use super::orders::{Order, Target};
use super::record::{ANNOUNCE, Cost, Outcome, Record, WITHDRAW};
use super::rig::{Layout, Patience, Rig};
use super::summary::summary;
use super::table::{Best, Spec};
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
            for &daemon in &daemons {
                eprintln!("run {run} of {}: {}, {}", args.runs, scenario.name(), daemon.name());
                let dir = folder.join(format!("{run}-{}-{}", scenario.name(), daemon.name()));
                std::fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
                let mut play =
                    Play { args, scenario, daemon, run, dir: &dir, records: &mut records };
                play.play();
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

/// One scenario with one daemon.
struct Play<'a> {
    args: &'a RibArgs,
    scenario: Scenario,
    daemon: Daemon,
    run: u32,
    dir: &'a Path,
    records: &'a mut Vec<Record>,
}

impl Play<'_> {
    fn play(&mut self) {
        match self.scenario {
            Scenario::Load => self.load(),
        }
    }

    fn load(&mut self) {
        let layout = self.layout(1, 1_000_000, Best::First, 1);
        let Some(mut rig) = self.start(layout) else { return };
        let steps = [
            (ANNOUNCE, Order::Announce(vec![0]), Target::Table { lost: None }),
            (WITHDRAW, Order::Withdraw(vec![0]), Target::Nothing),
        ];
        for (phase, order, target) in steps {
            if !self.take(phase, layout, rig.phase(&order, target)) {
                return;
            }
        }
    }

    /// The scenario's sizes, or what was asked for.
    fn layout(&self, feeds: u16, routes: u32, best: Best, receivers: u16) -> Layout {
        let RibArgs { seed, regroup, .. } = *self.args;
        let routes = self.args.routes.unwrap_or(routes);
        Layout { spec: Spec { seed, routes, feeds, best, regroup }, receivers }
    }

    /// A rig; its failure is recorded.
    fn start(&mut self, layout: Layout) -> Option<Rig> {
        let patience = Patience { timeout: self.args.timeout(), quiet: self.args.quiet() };
        match Rig::start(self.daemon, layout, patience, self.dir) {
            Ok(rig) => Some(rig),
            Err(error) => {
                self.record("start", layout, Outcome::Failed(error));
                None
            }
        }
    }

    /// Records a phase; whether it came to its end.
    fn take(&mut self, phase: &str, layout: Layout, cost: Result<Cost, String>) -> bool {
        let done = cost.is_ok();
        self.record(phase, layout, cost.map_or_else(Outcome::Failed, Outcome::Cost));
        done
    }

    fn record(&mut self, phase: &str, layout: Layout, outcome: Outcome) {
        self.records.push(Record {
            scenario: self.scenario,
            phase: phase.to_owned(),
            daemon: self.daemon,
            run: self.run,
            routes: layout.spec.routes,
            feeds: layout.spec.feeds,
            receivers: layout.receivers,
            regroup: layout.spec.regroup,
            outcome,
        });
    }
}
