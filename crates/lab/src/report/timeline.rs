//! One line per thing seen, with the time since the fault.

use std::io::Write;

use pathvane_clock::Instant;

use super::Ink;
use crate::judge::is_bad;
use crate::mono::millis_between;
use crate::seen::{PathIndex, Seen, What};

/// Prints what is seen; things that repeat without news are left out.
#[derive(Debug)]
pub struct Timeline {
    names: Vec<String>,
    ink: Ink,
    quiet: bool,
    begin: Option<Instant>,
}

impl Timeline {
    /// A timeline that calls the paths by `names`; a quiet one prints nothing.
    pub fn new(names: Vec<String>, ink: Ink, quiet: bool) -> Self {
        Self { names, ink, quiet, begin: None }
    }

    /// Starts a scenario's part: times count from `begin`.
    pub fn begin(&mut self, begin: Instant) {
        self.begin = Some(begin);
    }

    /// Prints a line of its own.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            // A closed pipe is noticed by the exit status, not here.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// Prints one thing seen.
    pub fn show(&self, seen: &Seen) {
        let Some(begin) = self.begin else { return };
        let Some((who, what)) = self.describe(&seen.what) else { return };
        let after = millis_between(begin, seen.at);
        self.say(&format!("  {after:>8.1} ms  {who:<8} {what}"));
    }

    fn name(&self, path: PathIndex) -> &str {
        self.names.get(path).map_or("?", String::as_str)
    }

    /// Who, and what; `None` if it is not worth a line.
    fn describe(&self, what: &What) -> Option<(&'static str, String)> {
        let line = match what {
            What::Did(text) => ("lab", self.ink.strong(text)),
            What::Verdict { path, from, to, evidence, .. } => {
                let to = if is_bad(to) { self.ink.bad(to) } else { to.clone() };
                let evidence = self.ink.faint(evidence);
                ("speaker", format!("path {}: {from} -> {to}  {evidence}", self.name(*path)))
            }
            What::Moved { to, cause, done, .. } => {
                let to = to.map_or("?", |path| self.name(path));
                let how = if *done { "moves" } else { "would move" };
                ("speaker", self.ink.strong(&format!("{how} to {to}: {cause}")))
            }
            What::Wire { router } => {
                ("speaker", format!("UPDATEs to cr-{} are on the wire", self.name(*router)))
            }
            What::Forward { path } => {
                ("site", self.ink.good(&format!("next hop is {} now", self.name(*path))))
            }
            What::Health { check, well } => {
                let how = if *well { "well" } else { "ill" };
                ("speaker", format!("instance {check} is {how}"))
            }
            What::Held { reason } => ("speaker", format!("holds still: {reason}")),
            What::Session { router, up, detail } => {
                let state = if *up { "up" } else { "down" };
                let who = format!("session of cr-{}", self.name(*router));
                ("router", format!("{who} is {state}: {detail}"))
            }
            What::Update { router, prefix, med, why } => {
                let name = self.name(*router);
                let what = med.map_or("gone".to_owned(), |med| format!("MED {med}"));
                ("router", format!("cr-{name} knows {prefix}: {what} ({why})"))
            }
            What::Return { routers } => {
                let names: Vec<&str> = routers.iter().map(|router| self.name(*router)).collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(" and ") };
                ("VPC", self.ink.good(&format!("next hop is {names} now")))
            }
        };
        Some(line)
    }
}
