//! `pathvane bench plot`: how cost grows with routes, receivers and paths, drawn from results.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::args::Scenario;
use super::chart::{Axis, Chart, Line};
use super::daemon::Daemon;
use super::record::{ANNOUNCE, Cost, Outcome, Record, median};

/// Of what `--json` wrote, what is drawn.
#[derive(Debug, Deserialize)]
struct Results {
    records: Vec<Record>,
}

/// Draws everything there is results for; the files written.
pub(super) fn run(files: &[PathBuf], folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut records = Vec::new();
    for file in files {
        let tell = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| tell(&error))?;
        let results: Results = serde_json::from_str(&text)
            .map_err(|error| tell(&format!("not what `bench rib --json` writes: {error}")))?;
        records.extend(results.records);
    }
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut written = Vec::new();
    for (name, chart) in charts(&records) {
        if chart.lines.is_empty() {
            continue;
        }
        let file = folder.join(name);
        std::fs::write(&file, chart.svg())
            .map_err(|error| format!("{}: {error}", file.display()))?;
        written.push(file);
    }
    if written.is_empty() {
        return Err("no results of load, fanout or paths to draw".into());
    }
    Ok(written)
}

fn charts(records: &[Record]) -> [(&'static str, Chart); 3] {
    let log = |label| Axis { label, logarithmic: true };
    let linear = |label| Axis { label, logarithmic: false };
    let announced =
        |scenario| move |record: &&Record| record.scenario == scenario && record.phase == ANNOUNCE;
    let per_route = Chart {
        title: "Cost of a route in and out, by the size of the table",
        x: log("routes"),
        y: log("CPU microseconds per route"),
        lines: lines(
            records.iter().filter(announced(Scenario::Load)),
            |record| f64::from(record.routes),
            |cost| cost.cpu_s * 1e6 / cost.paths.max(1) as f64,
        ),
    };
    let per_export = Chart {
        title: "Cost of telling one receiver one route, by the number of receivers",
        x: log("receivers"),
        y: log("CPU nanoseconds per exported route"),
        lines: lines(
            records.iter().filter(announced(Scenario::Fanout)),
            |record| f64::from(record.receivers),
            |cost| cost.cpu_s * 1e9 / cost.exports.max(1) as f64,
        ),
    };
    // Its phases are called "path 1 of each prefix" and so on.
    let nth = |record: &Record| record.phase.split(' ').nth(1).and_then(|word| word.parse().ok());
    let memory = Chart {
        title: "Memory of a further path of the same prefixes",
        x: linear("path of each prefix"),
        y: linear("resident octets per path"),
        lines: lines(
            records.iter().filter(|record| record.scenario == Scenario::Paths),
            move |record| nth(record).unwrap_or(0.0),
            |cost| (cost.resident as f64 - cost.resident_before as f64) / cost.paths.max(1) as f64,
        ),
    };
    [("routes.svg", per_route), ("receivers.svg", per_export), ("paths.svg", memory)]
}

/// What all runs measured, by place on the x axis.
type Samples = Vec<(f64, Vec<f64>)>;

/// A line per daemon; each point is the median of the runs.
fn lines<'a>(
    records: impl Iterator<Item = &'a Record>,
    x: impl Fn(&Record) -> f64,
    y: impl Fn(&Cost) -> f64,
) -> Vec<Line> {
    let mut found: Vec<(Daemon, Samples)> = Vec::new();
    for record in records {
        let Outcome::Cost(cost) = &record.outcome else { continue };
        let (x, y) = (x(record), y(cost));
        let at = found.iter().position(|(daemon, _)| *daemon == record.daemon);
        let at = at.unwrap_or_else(|| {
            found.push((record.daemon, Vec::new()));
            found.len() - 1
        });
        let points = &mut found[at].1;
        match points.iter_mut().find(|(known, _)| *known == x) {
            Some((_, values)) => values.push(y),
            None => points.push((x, vec![y])),
        }
    }
    let line = |(daemon, mut points): (Daemon, Samples)| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let points = points.into_iter().filter_map(|(x, values)| Some((x, median(values)?)));
        Line { name: daemon.name().to_owned(), points: points.collect() }
    };
    found.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(daemon: Daemon, run: u32, routes: u32, cpu_s: f64) -> Record {
        let cost = Cost { cpu_s, paths: routes.into(), ..Cost::default() };
        Record {
            scenario: Scenario::Load,
            phase: ANNOUNCE.into(),
            daemon,
            run,
            routes,
            feeds: 1,
            receivers: 1,
            regroup: false,
            outcome: Outcome::Cost(cost),
        }
    }

    #[test]
    fn points_are_medians_in_order() {
        let records = [
            record(Daemon::Bird, 1, 1_000, 2.0),
            record(Daemon::Bird, 1, 100, 1.0),
            record(Daemon::Bird, 2, 100, 5.0),
            record(Daemon::Bird, 3, 100, 2.0),
        ];
        let lines = lines(records.iter(), |r| r.routes.into(), |cost| cost.cpu_s);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].points, [(100.0, 2.0), (1_000.0, 2.0)]);
    }

    fn points(chart: &Chart) -> Vec<(&str, &[(f64, f64)])> {
        chart.lines.iter().map(|line| (line.name.as_str(), &line.points[..])).collect()
    }

    /// A picture each, of its own scenario's announcements and in its own units.
    #[test]
    fn three_pictures_from_three_scenarios() {
        let mut records = vec![record(Daemon::Pathvane, 1, 1_000, 0.002)];
        for receivers in [50, 2] {
            let mut fanout = record(Daemon::Pathvane, 1, 1_000, 0.004);
            fanout.scenario = Scenario::Fanout;
            fanout.receivers = receivers;
            if let Outcome::Cost(cost) = &mut fanout.outcome {
                cost.exports = 1_000 * u64::from(receivers);
            }
            records.push(fanout);
        }
        for nth in 1..=2_u64 {
            let mut path = record(Daemon::Bird, 1, 1_000, 0.001);
            path.scenario = Scenario::Paths;
            path.phase = format!("path {nth} of each prefix");
            if let Outcome::Cost(cost) = &mut path.outcome {
                (cost.resident_before, cost.resident) = (50_000, 50_000 + 20_000 * nth);
            }
            records.push(path);
        }
        let mut withdrawn = record(Daemon::Pathvane, 1, 9_000, 0.1);
        withdrawn.phase = "withdraw".into();
        let mut failed = record(Daemon::Frr, 1, 1_000, 0.1);
        failed.outcome = Outcome::Failed("no session".into());
        records.extend([withdrawn, failed]);

        let [(_, routes), (_, receivers), (_, paths)] = charts(&records);
        assert_eq!(points(&routes), [("pathvane", &[(1_000.0, 2.0)][..])]);
        assert_eq!(points(&receivers), [("pathvane", &[(2.0, 2_000.0), (50.0, 80.0)][..])]);
        assert_eq!(points(&paths), [("bird", &[(1.0, 20.0), (2.0, 40.0)][..])]);
    }

    #[test]
    fn results_written_are_results_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("results.json");
        let records =
            [record(Daemon::Pathvane, 1, 1_000, 2.0), record(Daemon::Bird, 1, 9_000, 3.0)];
        let document = serde_json::json!({ "daemons": [], "seed": 1, "records": records });
        std::fs::write(&file, document.to_string()).expect("write");
        let written = run(std::slice::from_ref(&file), folder.path()).expect("drawn");
        assert_eq!(written, [folder.path().join("routes.svg")]);
        std::fs::write(&file, "{}").expect("write");
        assert!(run(&[file], folder.path()).expect_err("nothing").contains("bench rib --json"));
    }
}
