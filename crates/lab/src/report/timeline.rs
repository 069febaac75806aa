//! One line per thing seen, with the time since the fault.

use pathvane_clock::Instant;

use super::{Ink, print};
use crate::judge::{Outcome, is_bad};
use crate::mono::millis_between;
use crate::scenario::Scenario;
use crate::seen::{PathIndex, Seen, What};

/// How much is printed while plays go on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Detail {
    /// Nothing.
    Nothing,
    /// A line per play.
    Plays,
    /// Everything that is seen.
    Everything,
}

/// Prints what is seen.
#[derive(Debug)]
pub struct Timeline {
    names: Vec<String>,
    ink: Ink,
    detail: Detail,
    begin: Option<Instant>,
    /// Nothing is broken in this play: mere suspicion is not news.
    calm: bool,
}

impl Timeline {
    /// A timeline that calls the paths by `names`.
    pub fn new(names: Vec<String>, ink: Ink, detail: Detail) -> Self {
        Self { names, ink, detail, begin: None, calm: false }
    }

    /// Starts a play of `scenario`: times count from `begin`.
    pub fn begin(&mut self, begin: Instant, scenario: &Scenario) {
        self.begin = Some(begin);
        self.calm = scenario.steps.is_empty();
        if self.detail == Detail::Everything {
            let title = self.ink.strong(&scenario.title);
            self.say(&format!("\n{title}  ({})", scenario.name));
        }
    }

    /// Ends a play with what came of it.
    pub fn end(&mut self, outcome: &Outcome) {
        self.begin = None;
        if self.detail != Detail::Plays {
            return;
        }
        let ms = |name: &str, ms: Option<f64>| {
            ms.map_or_else(|| format!("{name} -"), |ms| format!("{name} {ms:.0} ms"))
        };
        let figures = [
            ms("detected", outcome.detected_ms),
            ms("VPC moved", outcome.return_ms),
            ms("site moved", outcome.forward_ms),
        ];
        let verdict = match outcome.faults.as_slice() {
            [] => self.ink.good("as it should"),
            faults => self.ink.bad(&faults.join("; ")),
        };
        self.say(&format!("  {:<18}  {}  {verdict}", outcome.scenario, figures.join(", ")));
    }

    /// Prints a line of its own.
    pub fn say(&self, text: &str) {
        if self.detail > Detail::Nothing {
            print(text);
        }
    }

    /// Prints one thing seen.
    pub fn show(&self, seen: &Seen) {
        let Some(begin) = self.begin.filter(|_| self.detail == Detail::Everything) else { return };
        let suspicion = |state: &str| matches!(state, "up" | "suspect");
        match &seen.what {
            What::Verdict { from, to, .. } if suspicion(from) && suspicion(to) && self.calm => {
                return;
            }
            _ => {}
        }
        let (who, what) = self.describe(&seen.what);
        let after = millis_between(begin, seen.at);
        self.say(&format!("  {after:>8.1} ms  {who:<8} {what}"));
    }

    fn name(&self, path: PathIndex) -> &str {
        self.names.get(path).map_or("?", String::as_str)
    }

    /// Who, and what.
    fn describe(&self, what: &What) -> (&'static str, String) {
        match what {
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
        }
    }
}
