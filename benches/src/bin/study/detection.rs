//! How soon faults are found, and how often there was none.

use pathvane_clock::Duration;
use pathvane_score::{MonitorConfig, State, Verdict};

use crate::link::Link;
use crate::sim::{Gilbert, Path, secs};
use crate::table::{Table, quantile};

/// Two reflectors.
const STREAMS: [u8; 2] = [0, 1];

/// Longer than any detection.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(30);

/// Whether a verdict says that something is wrong.
pub(crate) fn is_bad(verdict: &Verdict) -> bool {
    matches!(verdict.state, State::Degraded | State::Down)
}

/// Seconds from a fault to the verdict that finds it, sorted: `runs` paths with `before`, each
/// `changed` at an arbitrary moment after a minute.
pub(crate) fn seconds(
    runs: u64,
    config: &MonitorConfig,
    before: &Link,
    change: impl Fn(&mut Link),
    finds: impl Fn(&Verdict) -> bool,
) -> Vec<f64> {
    let run = |seed: u64| {
        let (mut path, mut link) = warm(config, before, seed);
        let from = path.now;
        change(&mut link);
        while path.now.since(from) < GIVE_UP {
            path.run_for(secs(1), &mut |now, stream, rng| link.answer(now, stream, rng));
            if let Some((at, _)) = path.first(from, &finds) {
                return at.since(from).as_secs_f64();
            }
        }
        f64::INFINITY
    };
    let mut times: Vec<f64> = (0..runs).map(run).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// A path that has been over `link` for a minute, at an arbitrary moment between two probes.
pub(crate) fn warm(config: &MonitorConfig, link: &Link, seed: u64) -> (Path, Link) {
    let mut path = Path::new(config.clone(), &STREAMS, seed);
    let mut link = link.clone();
    let moment = secs(60) + Duration::from_micros(seed * 7919 % 20_000);
    path.run_for(moment, &mut |now, stream, rng| link.answer(now, stream, rng));
    path.verdicts.clear();
    (path, link)
}

/// Verdicts that a path of this link went down, or bad at all, in `hours` after a minute.
pub(crate) fn false_alarms(config: &MonitorConfig, link: &Link, hours: u64) -> (usize, usize) {
    let mut path = Path::new(config.clone(), &STREAMS, 2026);
    let mut link = link.clone();
    let (mut down, mut bad) = (0, 0);
    let mut was = State::Init;
    path.run_for(secs(60), &mut |now, stream, rng| link.answer(now, stream, rng));
    for _ in 0..hours * 6 {
        path.verdicts.clear();
        path.run_for(secs(600), &mut |now, stream, rng| link.answer(now, stream, rng));
        for (_, verdict) in &path.verdicts {
            let entered = verdict.state != was;
            down += usize::from(entered && verdict.state == State::Down);
            bad += usize::from(entered && is_bad(verdict));
            was = verdict.state;
        }
    }
    (down, bad)
}

fn is_down(verdict: &Verdict) -> bool {
    verdict.state == State::Down
}

fn ms(seconds: f64) -> String {
    if seconds.is_finite() { format!("{:.0} ms", seconds * 1e3) } else { "never".to_owned() }
}

/// Prints detection times of every fault.
pub(crate) fn times(runs: u64) -> bool {
    let config = MonitorConfig::default();
    let columns = "fault | noise before | RTT | p50 | p95 | p99 | worst";
    let mut table = Table::new(&format!("Detection times ({runs} runs each)"), columns);
    let mut row = |fault: &str, noise: &str, rtt: u64, times: &[f64], (q, limit): (f64, f64)| {
        let [p50, p95, p99, worst] = [0.5, 0.95, 0.99, 1.0].map(|q| ms(quantile(times, q)));
        let cells = format!("{fault} | {noise} | {rtt} ms | {p50} | {p95} | {p99} | {worst}");
        let kept = quantile(times, q) <= limit;
        table.row(&cells, &format!("p{:.0} {}", q * 100.0, ms(limit)), kept);
    };
    for rtt in [5, 20, 40, 60] {
        for (noise, link) in [
            ("none", Link::clean(rtt)),
            ("2 % random", Link::random(rtt, 0.02)),
            ("0.5 % in bursts of 3.5", Link::bursts(rtt, 0.005, 3.5)),
        ] {
            let times = seconds(runs, &config, &link, |link| link.silent = true, is_down);
            row("silent blackhole", noise, rtt, &times, (0.99, 0.150));
        }
    }
    for (loss, clean, lossy) in [(0.20, 0.4, 0.6), (0.10, 0.8, 1.8), (0.05, 1.7, 9.0)] {
        for (noise, ambient, limit) in [("0.1 % random", 0.001, clean), ("2 % random", 0.02, lossy)]
        {
            let change = |link: &mut Link| link.loss = vec![Gilbert::random(loss); 2];
            let times = seconds(runs, &config, &Link::random(20, ambient), change, is_bad);
            row(&format!("{:.0} % loss", loss * 100.0), noise, 20, &times, (0.95, limit));
        }
    }
    for rtt in [20, 40, 60] {
        let change = |link: &mut Link| link.rtt += Duration::from_millis(30);
        let finds = |verdict: &Verdict| verdict.state == State::Degraded;
        let times = seconds(runs, &config, &Link::clean(rtt), change, finds);
        row("+30 ms step", "none", rtt, &times, (0.95, 0.2));
    }
    table.sound()
}

/// Prints false alarms under every kind of noise.
pub(crate) fn alarms(hours: u64) -> bool {
    let config = MonitorConfig::default();
    let columns = "noise, nothing wrong | Down a day | Down or Degraded a day";
    let mut table = Table::new(&format!("False alarms ({hours} hours each)"), columns);
    let a_day = |count: usize| count as f64 * 24.0 / hours as f64;
    for (noise, link, limited) in [
        ("none", Link::clean(20), true),
        ("0.1 % random", Link::random(20, 0.001), true),
        ("0.5 % random", Link::random(20, 0.005), true),
        ("2 % random", Link::random(20, 0.02), true),
        ("0.5 % in bursts of 3.5, each reflector by itself", Link::bursts(20, 0.005, 3.5), false),
        ("0.5 % in bursts of 3.5 that strike both", Link::shared_bursts(20, 0.005, 3.5), false),
        ("1 % of spikes", Link::clean(20).with_spikes(0.01), true),
    ] {
        let (down, bad) = false_alarms(&config, &link, hours);
        let cells = format!("{noise} | {:.1} | {:.1}", a_day(down), a_day(bad));
        match limited {
            true => table.row(&cells, "<= 1 of both", a_day(bad) <= 1.0),
            false => table.note(&cells),
        }
    }
    table.sound()
}
