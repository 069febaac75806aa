//! Long runs with results to write down, by name: `cargo xtask soak NAME`.

use anyhow::Result;

mod bfd;

/// Which run.
#[derive(clap::Subcommand)]
pub(crate) enum Soak {
    /// BFD sessions beside load: false alarms, and how long detection takes.
    Bfd(bfd::Options),
}

/// Runs it.
pub(crate) fn run(soak: &Soak) -> Result<()> {
    match soak {
        Soak::Bfd(options) => bfd::run(options),
    }
}
