//! The RIB against the plain model of its tests, for long.

use anyhow::Result;

use crate::shell;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Announcements and withdrawals of a prefix, among hundreds of prefixes and a dozen peers.
    #[arg(long, default_value_t = 10_000_000)]
    routes: u64,
    /// Random lives with few prefixes, of some sixty operations each.
    #[arg(long, default_value_t = 50_000)]
    cases: u32,
    /// Which random operations are done with many prefixes; those with few are other ones each time.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs both tests; a difference is told with the operations that lead to it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let env = [
        ("PATHVANE_MODEL_ROUTES", options.routes.to_string()),
        ("PATHVANE_MODEL_SEED", options.seed.to_string()),
        ("PATHVANE_MODEL_CASES", options.cases.to_string()),
    ];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let tests = ["--test", "large_model", "--test", "model"];
    let common = ["test", "--locked", "-p", "pathvane-rib"];
    shell::run("cargo", &[&common[..], &tests, &["--", "--nocapture"]].concat(), &env)
}
