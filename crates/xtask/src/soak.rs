//! Long runs with results to write down, by name: `cargo xtask soak NAME`.

use anyhow::Result;

use crate::{fuzz, shell};

mod bfd;
mod churn;
mod mutants;
mod rib_model;

/// Which run.
#[derive(clap::Subcommand)]
pub(crate) enum Soak {
    /// BFD sessions beside load: false alarms, and how long detection takes.
    Bfd(bfd::Options),
    /// The RIB beside a plain model: millions of random operations, everything compared.
    RibModel(rib_model::Options),
    /// A day of each kind of noise through the whole engine: nothing may move, nobody may be told.
    NoiseDay,
    /// Every study of scoring in simulated time, with the targets of `docs/SCORING.md`.
    Scoring,
    /// 100,000 routes announced and withdrawn 100 times: what that costs in memory.
    Churn,
    /// Every fuzz target for hours.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 60)]
        minutes: u32,
    },
    /// Wrong speakers, each of which the conformance suite has to notice.
    Mutants(mutants::Options),
}

/// Runs it.
pub(crate) fn run(soak: &Soak) -> Result<()> {
    match soak {
        Soak::Bfd(options) => bfd::run(options),
        Soak::RibModel(options) => rib_model::run(options),
        Soak::NoiseDay => shell::run("cargo", NOISE_DAY, &[]),
        Soak::Scoring => shell::run("cargo", SCORING, &[]),
        Soak::Churn => churn::run(),
        Soak::Fuzz { minutes } => fuzz::run(&fuzz::Options::all(minutes * 60)),
        Soak::Mutants(options) => mutants::run(options),
    }
}

const NOISE_DAY: &[&str] = &[
    "test",
    "--release",
    "--locked",
    "-p",
    "pathvane-sim",
    "--test",
    "laws",
    "--",
    "--ignored",
    "--nocapture",
    "a_whole_day_of_noise",
];

const SCORING: &[&str] =
    &["run", "--release", "--locked", "-p", "pathvane-benches", "--bin", "study", "--", "all"];
