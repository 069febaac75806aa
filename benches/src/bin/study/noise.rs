//! A day on which nothing is wrong.

use pathvane_clock::Duration;
use pathvane_score::Class;

use crate::link::Link;
use crate::site::Site;
use crate::table::Table;

/// A day in seconds.
const DAY_S: f64 = 86_400.0;

/// Until then a path may be new to its noise: nobody can know that a gap is one before any was seen.
const NEW: Duration = Duration::from_secs(900);

/// Delay that follows the hour: up to 12 ms more at noon.
fn diurnal_ms(second: u64) -> f64 {
    6.0 - 6.0 * (core::f64::consts::TAU * second as f64 / DAY_S).cos()
}

/// Lives through `hours` of noise and counts moves, those of its first quarter of an hour apart.
pub(crate) fn study(hours: u64) -> bool {
    let columns =
        "noise on both paths | hours | changes of verdicts | moves while it is new | moves";
    let mut table = Table::new("Noise alone, a site of two paths", columns);
    let noises = [
        (Class::Voice, "0.5 % random", [Link::random(20, 0.005), Link::random(30, 0.005)], true),
        (
            Class::Voice,
            "0.5 % in bursts of 2 packets, each reflector by itself",
            [Link::bursts(20, 0.005, 2.0), Link::bursts(30, 0.005, 2.0)],
            true,
        ),
        (
            Class::Voice,
            "0.5 % in bursts of 3.5 packets, each reflector by itself",
            [Link::bursts(20, 0.005, 3.5), Link::bursts(30, 0.005, 3.5)],
            true,
        ),
        (
            Class::Voice,
            "0.5 % in bursts of 40 ms that strike everything",
            [Link::shared_bursts(20, 0.005, 2.0), Link::shared_bursts(30, 0.005, 2.0)],
            true,
        ),
        (
            Class::Voice,
            "0.5 % in bursts of 70 ms that strike everything, one in ten above 150 ms",
            [Link::shared_bursts(20, 0.005, 3.5), Link::shared_bursts(30, 0.005, 3.5)],
            false,
        ),
        (
            Class::Voice,
            "0.5 % in bursts of 70 ms that strike everything and lose half of it",
            [Link::half_bursts(20, 0.005, 3.5), Link::half_bursts(30, 0.005, 3.5)],
            true,
        ),
        (
            Class::Voice,
            "0.05 % in bursts of 100 ms that strike everything and lose half of it",
            [Link::half_bursts(20, 0.0005, 5.0), Link::half_bursts(30, 0.0005, 5.0)],
            false,
        ),
        (
            Class::Interactive,
            "0.5 % in bursts of 40 ms that strike everything, class interactive",
            [Link::shared_bursts(20, 0.005, 2.0), Link::shared_bursts(30, 0.005, 2.0)],
            true,
        ),
        (
            Class::Voice,
            "2 % random, which breaks the limit of voice on both",
            [Link::random(20, 0.02), Link::random(30, 0.02)],
            false,
        ),
    ];
    for (class, noise, links, limited) in noises {
        let spiky = links.map(|link| link.with_spikes(0.002));
        let least = spiky.clone().map(|link| link.rtt);
        let mut site = Site::new(class, &spiky, 1, 7);
        let began = site.now;
        for minute in 0..hours * 60 {
            let more = Duration::from_secs_f64(diurnal_ms(minute * 60) / 1e3);
            for (way, least) in site.ways.iter_mut().zip(least) {
                way.link.rtt = least + more;
            }
            site.run_for(Duration::from_secs(60));
        }
        let new = site.moves.iter().filter(|(at, _)| at.since(began) < NEW).count();
        let moves = site.moves.len() - new;
        let cells = format!(
            "{noise}, 0.2 % spikes, daily swing of 12 ms | {hours} | {} | {new} | {moves}",
            site.changes
        );
        match limited {
            true => table.row(&cells, "0 moves", moves == 0),
            false => table.note(&cells),
        }
    }
    table.sound()
}

/// Lives through the first minutes of `sites` new sites, before anything is known of their noise, and counts
/// those that move.
pub(crate) fn first_minutes(sites: u64) -> bool {
    let title = format!("New sites, the first two minutes of {sites} each");
    let mut table = Table::new(&title, "noise on both paths | sites that move");
    for (noise, link, limited) in [
        ("0.5 % random", Link::random(60, 0.005), true),
        ("2 % random, which breaks the limit of voice", Link::random(60, 0.02), false),
        ("0.5 % in bursts of 2 packets", Link::bursts(60, 0.005, 2.0), true),
        ("0.5 % in bursts of 3.5 packets", Link::bursts(60, 0.005, 3.5), false),
    ] {
        let moves = |seed: &u64| {
            let mut site = Site::new(Class::Voice, &[link.clone(), link.clone()], 1, *seed);
            site.run_for(Duration::from_secs(120));
            !site.moves.is_empty()
        };
        let moved = (0..sites).filter(moves).count();
        let cells = format!("{noise} | {moved}");
        match limited {
            true => table.row(&cells, "<= 1 in 1000", moved as u64 <= sites.div_ceil(1000)),
            false => table.note(&cells),
        }
    }
    table.sound()
}
