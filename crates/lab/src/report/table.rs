//! The table at the end: one row per scenario, figures as they were measured.

use serde::Serialize;

use super::Ink;
use crate::judge::Outcome;

/// One scenario's outcomes, once or many times played.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// Its name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// How often it was played.
    pub plays: usize,
    /// How often all was as it should be.
    pub good: usize,
    /// Milliseconds from the fault to its detection.
    pub detected_ms: Spread,
    /// ... to the first UPDATE on the wire.
    pub wire_ms: Spread,
    /// ... to the VPC's change of next hop.
    pub return_ms: Spread,
    /// ... to the site's change of next hop.
    pub forward_ms: Spread,
    /// Voice packets lost, forward.
    pub lost_forward: Spread,
    /// Voice packets lost, return.
    pub lost_return: Spread,
    /// MOS before, during, after (the worse direction), median of the plays.
    pub mos: [f64; 3],
    /// Moves, at most.
    pub moves: u32,
    /// What was not as it should be, each kind once.
    pub faults: Vec<String>,
    /// Every play.
    pub outcomes: Vec<Outcome>,
}

/// Median and 95th percentile (nearest rank); `None` where it never came.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Spread {
    /// Half of the plays took no longer.
    pub p50: Option<f64>,
    /// 95 % of the plays took no longer.
    pub p95: Option<f64>,
}

impl Spread {
    /// Of the given figures, of which a missing one is the largest.
    pub fn of(figures: impl Iterator<Item = Option<f64>>) -> Self {
        let mut all: Vec<f64> = figures.map(|figure| figure.unwrap_or(f64::INFINITY)).collect();
        all.sort_by(f64::total_cmp);
        let rank = |share: f64| {
            let index = (share * all.len() as f64).ceil() as usize;
            all.get(index.saturating_sub(1)).copied().filter(|figure| figure.is_finite())
        };
        Self { p50: rank(0.5), p95: rank(0.95) }
    }

    fn show(&self, many: bool, precision: usize) -> String {
        let one = |figure: Option<f64>| {
            figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.precision$}"))
        };
        if many { format!("{} / {}", one(self.p50), one(self.p95)) } else { one(self.p50) }
    }
}

impl Summary {
    /// Sums up the plays of one scenario, at least one.
    pub fn of(outcomes: Vec<Outcome>) -> Option<Self> {
        let first = outcomes.first()?;
        let spread = |pick: fn(&Outcome) -> Option<f64>| Spread::of(outcomes.iter().map(pick));
        let mos = |pick: fn(&crate::judge::Mos) -> f64| {
            let worse = |outcome: &Outcome| Some(pick(&outcome.mos[0]).min(pick(&outcome.mos[1])));
            Spread::of(outcomes.iter().map(worse)).p50.unwrap_or(f64::NAN)
        };
        let mut faults: Vec<String> =
            outcomes.iter().flat_map(|outcome| outcome.faults.iter().cloned()).collect();
        faults.sort();
        faults.dedup();
        Some(Self {
            scenario: first.scenario.clone(),
            title: first.title.clone(),
            plays: outcomes.len(),
            good: outcomes.iter().filter(|outcome| outcome.is_good()).count(),
            detected_ms: spread(|outcome| outcome.detected_ms),
            wire_ms: spread(|outcome| outcome.wire_ms),
            return_ms: spread(|outcome| outcome.return_ms),
            forward_ms: spread(|outcome| outcome.forward_ms),
            lost_forward: spread(|outcome| Some(f64::from(outcome.lost[0]))),
            lost_return: spread(|outcome| Some(f64::from(outcome.lost[1]))),
            mos: [mos(|m| m.before), mos(|m| m.during), mos(|m| m.after)],
            moves: outcomes.iter().map(|outcome| outcome.moves).max().unwrap_or(0),
            faults,
            outcomes,
        })
    }

    /// Whether every play was as it should be.
    pub fn is_good(&self) -> bool {
        self.good == self.plays
    }

    fn cells(&self) -> [String; 9] {
        let many = self.plays > 1;
        let lost = |spread: &Spread| spread.show(many, 0);
        let verdict = match (self.is_good(), many) {
            (true, false) => "as it should".to_owned(),
            (false, false) => "NOT as it should".to_owned(),
            (_, true) => format!("{} of {} as they should", self.good, self.plays),
        };
        [
            self.title.clone(),
            self.detected_ms.show(many, 0),
            self.wire_ms.show(many, 0),
            self.return_ms.show(many, 0),
            self.forward_ms.show(many, 0),
            format!("{}, {}", lost(&self.lost_forward), lost(&self.lost_return)),
            self.mos.map(|mos| format!("{mos:.2}")).join("  "),
            self.moves.to_string(),
            verdict,
        ]
    }
}

/// Links that are later than this are told of: it is delay that the speaker sees and should not.
const WORTH_A_WORD_MS: f64 = 10.0;

const HEADS: [[&str; 9]; 2] = [
    [
        "fault",
        "detected",
        "UPDATE on",
        "VPC next",
        "site next",
        "voice lost",
        "MOS before,",
        "moves",
        "verdict",
    ],
    ["", "", "the wire", "hop moved", "hop moved", "to, from", "during, after", "", ""],
];

/// The table and, below it, what is not as it should be.
pub fn table(summaries: &[Summary], ink: Ink) -> String {
    let rows: Vec<[String; 9]> = summaries.iter().map(Summary::cells).collect();
    let heads = HEADS.map(|row| row.map(str::to_owned));
    let widths: [usize; 9] = std::array::from_fn(|column| {
        heads.iter().chain(&rows).map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut out = String::new();
    for head in &heads {
        out.push_str(&ink.faint(&line(head, &widths)));
        out.push('\n');
    }
    for (row, summary) in rows.iter().zip(summaries) {
        let text = line(row, &widths);
        out.push_str(&if summary.is_good() { ink.good(&text) } else { ink.bad(&text) });
        out.push('\n');
    }
    out.push_str(&ink.faint(
        "milliseconds from the fault, '-': it did not happen; MOS of the worse direction: \
         before, in the two seconds from the fault on, at the end",
    ));
    if summaries.iter().any(|summary| summary.plays > 1) {
        out.push_str(&ink.faint("; median / 95th percentile of the plays"));
    }
    out.push('\n');
    let late = |outcome: &Outcome| outcome.link_late_ms;
    let outcomes = summaries.iter().flat_map(|summary| &summary.outcomes);
    let late_ms = outcomes.map(late).fold(0.0, f64::max);
    if late_ms >= WORTH_A_WORD_MS {
        let note =
            format!("this machine was busy: packets left the links up to {late_ms:.0} ms late\n");
        out.push_str(&ink.bad(&note));
    }
    for summary in summaries {
        for fault in &summary.faults {
            out.push_str(&ink.bad(&format!("{}: {fault}\n", summary.scenario)));
        }
    }
    out
}

/// One row: text to the left, figures to the right.
fn line(cells: &[String; 9], widths: &[usize; 9]) -> String {
    let mut out = String::from("  ");
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padding = " ".repeat(width - cell.chars().count());
        let left = column == 0 || column == 8;
        let padded = if left { format!("{cell}{padding}") } else { format!("{padding}{cell}") };
        out.push_str(&padded);
        out.push_str("  ");
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Mos;

    fn outcome(return_ms: Option<f64>, faults: &[&str]) -> Outcome {
        let mos = Mos { before: 4.41, during: 3.5, after: 4.4 };
        Outcome {
            scenario: "blackhole".into(),
            title: "Silent blackhole".into(),
            detected_ms: Some(90.0),
            wire_ms: Some(91.0),
            return_ms,
            forward_ms: Some(92.0),
            back_ms: None,
            lost: [5, 7],
            outage_ms: [100.0, 140.0],
            mos: [mos; 2],
            moves: 1,
            link_late_ms: 0.1,
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
        }
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank_and_never_counts_as_last() {
        let twenty = (1..=20).map(|n| Some(f64::from(n)));
        assert_eq!(Spread::of(twenty), Spread { p50: Some(10.0), p95: Some(19.0) });
        let with_gaps = [Some(1.0), None, Some(2.0)].into_iter();
        assert_eq!(Spread::of(with_gaps), Spread { p50: Some(2.0), p95: None });
        assert_eq!(Spread::of([Some(3.0)].into_iter()), Spread { p50: Some(3.0), p95: Some(3.0) });
        assert_eq!(Spread::of(std::iter::empty()), Spread { p50: None, p95: None });
    }

    #[test]
    fn a_single_play_shows_figures_and_a_failed_one_says_why() {
        let good = Summary::of(vec![outcome(Some(130.0), &[])]).expect("one");
        let bad = Summary::of(vec![outcome(None, &["the VPC's next hop never moved"])]);
        let text = table(&[good, bad.expect("one")], Ink::none());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].contains("130") && lines[2].ends_with("as it should"), "{text}");
        assert!(lines[2].contains("4.41  3.50  4.40") && lines[2].contains("5, 7"), "{text}");
        assert!(lines[3].ends_with("NOT as it should"), "{text}");
        assert!(text.ends_with("blackhole: the VPC's next hop never moved\n"), "{text}");
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn repeated_plays_show_percentiles_and_how_many_were_good() {
        let mut plays: Vec<Outcome> =
            (1..=20).map(|n| outcome(Some(100.0 + f64::from(n)), &[])).collect();
        plays[3].faults.push("late".into());
        let summary = Summary::of(plays).expect("some");
        assert!(!summary.is_good());
        let text = table(&[summary], Ink::none());
        assert!(text.contains("110 / 119"), "{text}");
        assert!(text.contains("19 of 20 as they should"), "{text}");
    }
}
