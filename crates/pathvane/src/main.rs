//! `pathvane`: runs a speaker, checks its configuration, asks it, and commands it.
//!
//! Commands only; what they do is in `pathvane-speaker` and `pathvane-decode` (and `pathvane-lab` for `demo`).

mod args;
mod ask;
mod check;
mod daemon;
mod decode;
mod mos;
mod policy;
mod probe;
mod score;
mod text;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, PolicyCommand};

/// How a command ended, as the shell sees it. `docs/OPERATING.md` lists the codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exit {
    /// Done.
    Done = 0,
    /// Refused by the speaker or the operating system.
    Failed = 1,
    /// The configuration has errors. (2 is clap's, for a wrong command line.)
    BadConfig = 3,
    /// No speaker answers.
    NoSpeaker = 4,
    /// The target of `probe` does not answer.
    NoAnswer = 5,
    /// The policy rejects the route.
    Rejected = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

fn main() -> ExitCode {
    let Cli { socket, command } = Cli::parse();
    match command {
        Command::Run { config } => daemon::run(&config).into(),
        Command::Check { file } => check::check(&file).into(),
        Command::Decode { file, json } => decode::decode(&file, json).into(),
        Command::Policy(PolicyCommand::Test(args)) => policy::test(&args).into(),
        Command::Bfd(options) => daemon::bfd(options).into(),
        Command::Reflector(reflector) => daemon::reflect(reflector).into(),
        Command::Mos(args) => mos::mos(&args).into(),
        Command::Score(command) => score::score(&command).into(),
        Command::Probe(args) => probe::probe(&args).into(),
        #[cfg(feature = "lab")]
        Command::Demo(demo) => pathvane_lab::demo::main(demo),
        #[cfg(feature = "lab")]
        Command::Bench(bench) => pathvane_lab::bench::main(bench),
        Command::Ask(question) => ask::ask(socket, question).into(),
    }
}

/// Says what went wrong and what to do, on standard error.
fn complain(error: impl std::fmt::Display, remedy: &str) {
    eprintln!("pathvane: {error}");
    if !remedy.is_empty() {
        eprintln!("  remedy: {remedy}");
    }
}
