//! `pathvane check`, and reading the configuration for `run`.

use std::io::IsTerminal;
use std::path::Path;

use pathvane_speaker::config::{self, Findings, Loaded, Severity};

use crate::{Exit, complain};

/// Says what is wrong with the file, and what it amounts to.
pub(crate) fn check(file: &Path) -> Exit {
    let loaded = match read(file) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let engine = &loaded.engine;
    println!(
        "{}: may start with {}, {} and {}",
        file.display(),
        count(engine.peers.len(), "peer"),
        count(engine.paths.len(), "path"),
        count(engine.services.len(), "service"),
    );
    match loaded.acts() {
        true => println!("steering: act - moves are carried out"),
        false => println!("steering: observe - moves are recorded, nothing is changed"),
    }
    Exit::Done
}

/// The configuration, with everything worth saying about it said on standard error.
pub(crate) fn read(file: &Path) -> Result<Loaded, Exit> {
    let outcome = config::load(file).map_err(|error| {
        complain(
            format!("cannot read the configuration {}: {error}", file.display()),
            "name the file; fixtures/configs/good has examples to start from",
        );
        Exit::BadConfig
    })?;
    let styled = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    eprint!("{}", outcome.findings.render(styled));
    outcome.loaded.ok_or_else(|| {
        eprintln!("{}: {}; not started", file.display(), tally(&outcome.findings));
        Exit::BadConfig
    })
}

fn tally(findings: &Findings) -> String {
    let errors = count(findings.count(Severity::Error), "error");
    match findings.count(Severity::Warning) {
        0 => errors,
        warnings => format!("{errors}, {}", count(warnings, "warning")),
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
