//! Long runs with results to write down, by name: `cargo xtask soak NAME`.

use anyhow::Result;

mod bfd;
mod rib_model;

/// Which run.
#[derive(clap::Subcommand)]
pub(crate) enum Soak {
    /// BFD sessions beside load: false alarms, and how long detection takes.
    Bfd(bfd::Options),
    /// The RIB beside a plain model: millions of random operations, everything compared.
    RibModel(rib_model::Options),
}

/// Runs it.
pub(crate) fn run(soak: &Soak) -> Result<()> {
    match soak {
        Soak::Bfd(options) => bfd::run(options),
        Soak::RibModel(options) => rib_model::run(options),
    }
}
