//! What a run has measured.

use serde::{Deserialize, Serialize};

use super::args::Scenario;
use super::daemon::Daemon;
use super::orders::Took;

/// The phases in which all routes of all feeds come, or go.
pub(super) const ANNOUNCE: &str = "announce";
pub(super) const WITHDRAW: &str = "withdraw";

/// One phase of one run of one daemon.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) scenario: Scenario,
    /// Which part of the scenario.
    pub(super) phase: String,
    pub(super) daemon: Daemon,
    /// Counts from 1. Records of one run were taken one after the other.
    pub(super) run: u32,
    /// Routes of each feed.
    pub(super) routes: u32,
    pub(super) feeds: u16,
    pub(super) receivers: u16,
    pub(super) regroup: bool,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

/// How it went.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// Everything arrived; what it cost.
    Cost(Cost),
    /// Single prefixes arrived; how long each took.
    Latency(Latency),
    /// It did not come to its end, or routes were wrong.
    Failed(String),
}

/// What moving a table took.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Cost {
    /// From the first octet sent until every receiver has exactly what it should have.
    pub(super) wall_s: f64,
    /// User and system time of the daemon and its children until it was quiet again.
    pub(super) cpu_s: f64,
    /// UPDATEs sent to it by all feeds.
    pub(super) updates_in: u64,
    /// UPDATEs the first receiver got.
    pub(super) updates_out: u64,
    /// Routes the daemon learned or lost, of all feeds.
    pub(super) paths: u64,
    /// Routes of the table times those who are told: all receivers, and all feeds but one.
    pub(super) exports: u64,
    /// Resident memory before, after, and at its peak, in octets.
    pub(super) resident_before: u64,
    pub(super) resident: u64,
    pub(super) peak: u64,
}

/// Times from the first octet into the daemon until the receiver has read the route, in microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) count: u64,
    pub(super) p50_us: f64,
    pub(super) p90_us: f64,
    pub(super) p99_us: f64,
    pub(super) max_us: f64,
    /// Until the octets were with the receiver's kernel, at the latest.
    #[serde(default)]
    pub(super) arrived_p50_us: f64,
    #[serde(default)]
    pub(super) arrived_p99_us: f64,
}

impl Latency {
    /// `None` without a single time.
    pub(super) fn of(times: &[Took]) -> Option<Self> {
        let last = times.len().checked_sub(1)?;
        let sorted = |figure: fn(&Took) -> u64| {
            let mut all: Vec<u64> = times.iter().map(figure).collect();
            all.sort_unstable();
            move |share: f64| all[(last as f64 * share).round() as usize] as f64 / 1e3
        };
        let (read, arrived) = (sorted(|took| took.read_ns), sorted(|took| took.arrived_ns));
        Some(Self {
            count: times.len() as u64,
            p50_us: read(0.5),
            p90_us: read(0.9),
            p99_us: read(0.99),
            max_us: read(1.0),
            arrived_p50_us: arrived(0.5),
            arrived_p99_us: arrived(0.99),
        })
    }
}

/// The middle value, or the mean of both in the middle; `None` of nothing.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let upper = *values.get(count / 2)?;
    Some(if count % 2 == 1 { upper } else { (upper + values[count / 2 - 1]) / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
        let took = |us: u64| Took { read_ns: us * 1_000, arrived_ns: us * 900 };
        let latency = Latency::of(&(1..=101).rev().map(took).collect::<Vec<_>>()).expect("some");
        assert_eq!((latency.p50_us, latency.p99_us, latency.max_us), (51.0, 100.0, 101.0));
        assert_eq!((latency.arrived_p50_us, latency.arrived_p99_us), (45.9, 90.0));
        assert_eq!(Latency::of(&[]), None);
    }
}
