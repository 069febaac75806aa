//! How soon a service has left a path that went bad, class by class.

use pathvane_clock::Duration;
use pathvane_score::Class;

use crate::link::Link;
use crate::sim::{Gilbert, secs};
use crate::site::Site;
use crate::table::{Table, quantile};

/// A fault that lasts this long and moved nothing moves nothing.
const GIVE_UP: Duration = Duration::from_secs(60);

/// What goes wrong with the leader.
type Fault = (&'static str, fn(&mut Link));

const FAULTS: [Fault; 6] = [
    ("silent blackhole", |link| link.silent = true),
    ("30 % loss", |link| link.loss = vec![Gilbert::random(0.30); 2]),
    ("20 % loss", |link| link.loss = vec![Gilbert::random(0.20); 2]),
    ("10 % loss", |link| link.loss = vec![Gilbert::random(0.10); 2]),
    ("5 % loss", |link| link.loss = vec![Gilbert::random(0.05); 2]),
    ("+300 ms", |link| link.rtt += Duration::from_millis(300)),
];

/// Prints times from a fault of the leader to the move, of `runs` sites of two paths each.
pub(crate) fn study(runs: u64) -> bool {
    let title = format!("From the fault to the move, two paths ({runs} sites each)");
    let columns = "class | ambient loss | fault of the leader | moved | p50 | p95 | worst";
    let mut table = Table::new(&title, columns);
    let calm = Class::ALL.map(|class| (class, "0.1 % random", Link::random(20, 0.001)));
    let bursts = (Class::Voice, "0.5 % in bursts of 3.5", Link::bursts(20, 0.005, 3.5));
    for (class, noise, link) in calm.into_iter().chain([bursts]) {
        for (fault, strike) in FAULTS {
            let mut times: Vec<f64> =
                (0..runs).filter_map(|seed| seconds(class, &link, strike, seed)).collect();
            times.sort_by(f64::total_cmp);
            let moved = times.len() as u64;
            let shown = |q| match moved {
                0 => "-".to_owned(),
                _ => format!("{:.2} s", quantile(&times, q)),
            };
            let [p50, p95, worst] = [0.5, 0.95, 1.0].map(shown);
            let moved_pct = 100 * moved / runs;
            let cells =
                format!("{class} | {noise} | {fault} | {moved_pct} % | {p50} | {p95} | {worst}");
            // Traffic of calls is on a good path well inside a second.
            match (class, fault) {
                (Class::Voice, "silent blackhole") => {
                    let kept = moved == runs && quantile(&times, 0.99) <= 0.2;
                    table.row(&cells, "p99 0.2 s", kept);
                }
                _ => table.note(&cells),
            }
        }
    }
    table.sound()
}

/// Seconds until a site of `class` has moved that has a path over `link` and one that is longer by 10 ms; `None` if it
/// does not.
fn seconds(class: Class, link: &Link, strike: fn(&mut Link), seed: u64) -> Option<f64> {
    let mut longer = link.clone();
    longer.rtt += Duration::from_millis(10);
    let links = [link.clone(), longer];
    let mut site = Site::new(class, &links, 1, seed);
    site.run_for(secs(120) + Duration::from_micros(seed * 7919 % 100_000));
    site.moves.clear();
    let (from, leader) = (site.now, site.leader());
    strike(&mut site.ways[leader].link);
    while site.now.since(from) < GIVE_UP {
        site.run_for(Duration::from_millis(100));
        if let Some((at, _)) = site.moves.first() {
            return Some(at.since(from).as_secs_f64());
        }
    }
    None
}
