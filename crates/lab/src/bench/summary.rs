//! Results for people: one table per phase, a line per daemon, medians with minima and ratios.

use std::fmt::Write;

use super::daemon::Daemon;
use super::record::{Cost, Latency, Outcome, Record, WITHDRAW, median};

/// All tables, in the order in which phases were first measured.
pub(super) fn summary(records: &[Record]) -> String {
    let mut out = String::new();
    let mut phases: Vec<&Record> = Vec::new();
    for record in records {
        if !phases.iter().any(|known| same_phase(known, record)) {
            phases.push(record);
        }
    }
    for phase in phases {
        let of_it: Vec<&Record> =
            records.iter().filter(|record| same_phase(phase, record)).collect();
        // Writing to a String does not fail.
        let _ = writeln!(out, "\n{}", title(phase));
        let latency = of_it.iter().any(|record| matches!(record.outcome, Outcome::Latency(_)));
        let rows = if latency { latency_rows(&of_it) } else { cost_rows(&of_it) };
        out.push_str(&align(&rows));
        for record in &of_it {
            if let Outcome::Failed(reason) = &record.outcome {
                let _ = writeln!(out, "  {} run {}: {reason}", record.daemon.name(), record.run);
            }
        }
    }
    out
}

fn same_phase(a: &Record, b: &Record) -> bool {
    (a.scenario, &a.phase, a.routes, a.feeds, a.receivers, a.regroup)
        == (b.scenario, &b.phase, b.routes, b.feeds, b.receivers, b.regroup)
}

fn title(record: &Record) -> String {
    let Record { routes, feeds, receivers, .. } = record;
    let grouping = if record.regroup { ", regrouped per feed" } else { "" };
    format!(
        "{}, {}: {feeds} x {routes} routes, {receivers} receiver{}{grouping}",
        record.scenario.name(),
        record.phase,
        if *receivers == 1 { "" } else { "s" },
    )
}

/// Daemons in the order of their first appearance.
fn daemons(records: &[&Record]) -> Vec<Daemon> {
    let mut found = Vec::new();
    for record in records {
        if !found.contains(&record.daemon) {
            found.push(record.daemon);
        }
    }
    found
}

fn cost_rows(records: &[&Record]) -> Vec<Vec<String>> {
    let header = [
        "daemon",
        "wall s",
        "[min]",
        "x relay",
        "CPU s",
        "[min]",
        "x bird",
        "us/route",
        "ns/export",
        "UPDATEs in",
        "out",
        "B/route",
        "peak MiB",
        "runs",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let costs = |daemon: Daemon| -> Vec<(u32, Cost)> {
        let of_it = records.iter().filter(|record| record.daemon == daemon);
        of_it
            .filter_map(|record| match record.outcome {
                Outcome::Cost(cost) => Some((record.run, cost)),
                _ => None,
            })
            .collect()
    };
    // Memory does not shrink by what is withdrawn, so only what is learned is counted.
    let learns = records.iter().any(|record| record.phase != WITHDRAW);
    let (birds, relays) = (costs(Daemon::Bird), costs(Daemon::Relay));
    for daemon in daemons(records) {
        let own = costs(daemon);
        let all = |figure: fn(&Cost) -> f64| own.iter().map(|(_, cost)| figure(cost)).collect();
        let both = |figure: fn(&Cost) -> f64| [middle(all(figure)), least(all(figure))];
        let [wall, wall_min] = both(|cost| cost.wall_s);
        let [cpu, cpu_min] = both(|cost| cost.cpu_s);
        let routes = |cost: &Cost| cost.paths.max(1) as f64;
        let grown = |cost: &Cost| cost.resident as f64 - cost.resident_before as f64;
        let bytes = own.iter().map(|(_, cost)| grown(cost) / routes(cost));
        let bytes = median(bytes.filter(|_| learns).collect());
        let per_route = own.iter().map(|(_, cost)| cost.cpu_s * 1e6 / routes(cost)).collect();
        rows.push(vec![
            daemon.name().to_owned(),
            seconds(wall),
            seconds(wall_min),
            times(ratio(&own, &relays, |cost| cost.wall_s)),
            seconds(cpu),
            seconds(cpu_min),
            times(ratio(&own, &birds, |cost| cost.cpu_s)),
            seconds(median(per_route)),
            whole(median(all(|cost| cost.cpu_s * 1e9 / cost.exports.max(1) as f64))),
            whole(median(all(|cost| cost.updates_in as f64))),
            whole(median(all(|cost| cost.updates_out as f64))),
            whole(bytes),
            whole(median(all(|cost| cost.peak as f64 / f64::from(1 << 20)))),
            own.len().to_string(),
        ]);
    }
    rows
}

fn latency_rows(records: &[&Record]) -> Vec<Vec<String>> {
    let header = [
        "daemon",
        "p50 us",
        "[min]",
        "x relay",
        "p90",
        "p99",
        "[min]",
        "x relay",
        "max",
        "arrived p50",
        "p99",
        "runs",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let latencies = |daemon: Daemon| -> Vec<(u32, Latency)> {
        let of_it = records.iter().filter(|record| record.daemon == daemon);
        of_it
            .filter_map(|record| match record.outcome {
                Outcome::Latency(latency) => Some((record.run, latency)),
                _ => None,
            })
            .collect()
    };
    let relays = latencies(Daemon::Relay);
    for daemon in daemons(records) {
        let own = latencies(daemon);
        let all = |figure: fn(&Latency) -> f64| own.iter().map(|(_, one)| figure(one)).collect();
        rows.push(vec![
            daemon.name().to_owned(),
            whole(middle(all(|one| one.p50_us))),
            whole(least(all(|one| one.p50_us))),
            times(ratio(&own, &relays, |one| one.p50_us)),
            whole(middle(all(|one| one.p90_us))),
            whole(middle(all(|one| one.p99_us))),
            whole(least(all(|one| one.p99_us))),
            times(ratio(&own, &relays, |one| one.p99_us)),
            whole(middle(all(|one| one.max_us))),
            whole(middle(all(|one| one.arrived_p50_us))),
            whole(middle(all(|one| one.arrived_p99_us))),
            own.len().to_string(),
        ]);
    }
    rows
}

fn middle(values: Vec<f64>) -> Option<f64> {
    median(values)
}

fn least(values: Vec<f64>) -> Option<f64> {
    values.into_iter().min_by(f64::total_cmp)
}

/// The median of the ratios of pairs: the same figure of both daemons in the same run.
fn ratio<T>(own: &[(u32, T)], other: &[(u32, T)], figure: impl Fn(&T) -> f64) -> Option<f64> {
    let pair = |(run, one): &(u32, T)| {
        let (_, base) = other.iter().find(|(other_run, _)| other_run == run)?;
        (figure(base) > 0.0).then(|| figure(one) / figure(base))
    };
    median(own.iter().filter_map(pair).collect())
}

fn seconds(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.3}"))
}

fn times(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.2}"))
}

fn whole(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.0}"))
}

/// Columns: the first to the left, figures to the right.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        out.push_str("  ");
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match n {
                0 => write!(out, "{cell:<width$}"),
                _ => write!(out, "  {cell:>width$}"),
            };
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::args::Scenario;
    use super::*;

    fn record(daemon: Daemon, run: u32, cpu_s: f64) -> Record {
        let cost = Cost { wall_s: cpu_s * 2.0, cpu_s, paths: 1_000, ..Cost::default() };
        Record {
            scenario: Scenario::Load,
            phase: "announce".into(),
            daemon,
            run,
            routes: 1_000,
            feeds: 1,
            receivers: 1,
            regroup: false,
            outcome: Outcome::Cost(cost),
        }
    }

    #[test]
    fn ratios_are_those_of_pairs() {
        let records = [
            record(Daemon::Pathvane, 1, 1.0),
            record(Daemon::Bird, 1, 4.0),
            record(Daemon::Pathvane, 2, 3.0),
            record(Daemon::Bird, 2, 6.0),
        ];
        let text = summary(&records);
        let row = text.lines().find(|line| line.contains("pathvane")).expect("a row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        // CPU: median of 1 and 3, least 1, and the median of 0.25 and 0.5 beside BIRD.
        assert_eq!(cells[4..7], ["2.000", "1.000", "0.38"], "{text}");
    }

    #[test]
    fn a_failure_is_told() {
        let mut failed = record(Daemon::Frr, 1, 0.0);
        failed.outcome = Outcome::Failed("no session".into());
        let text = summary(&[failed]);
        assert!(text.contains("frr run 1: no session"), "{text}");
    }
}
