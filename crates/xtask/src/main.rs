//! Repository chores: `cargo xtask setup | test | fuzz | soak | tidy`.
//!
//! Promises: says what it is about to do before it does it, and fails on the first thing that
//! fails. Does not know: anything about BGP.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod fuzz;
mod oracles;
mod setup;
mod shell;
mod soak;
mod test;
mod tidy;

/// Repository chores of Pathvane.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the daemons and oracles that the tests talk to (Debian packages, as root).
    Setup,
    /// Set up, then run everything: tidy, unit, property and interop tests.
    Test(test::Options),
    /// Run the fuzz targets, each for a while (stable Rust; not part of the tests).
    Fuzz(fuzz::Options),
    /// Check the rules that the compiler does not: purity of the cores, paths named in documents.
    Tidy,
    /// Run long, and print results to write down.
    #[command(subcommand)]
    Soak(soak::Soak),
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Setup => setup::run(),
        Command::Test(options) => test::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Tidy => tidy::run(),
        Command::Soak(soak) => soak::run(&soak),
    }
}
