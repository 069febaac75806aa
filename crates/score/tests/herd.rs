//! A hundred sites choose between two regions that slow down under load: they must settle,
//! not swing.

mod candidates;

use candidates::path;
use pathvane_clock::{Duration, Instant};
use pathvane_score::{PathId, Selector, SelectorConfig};

const SITES: u64 = 100;
/// Sites that fill a region.
const CAPACITY: f64 = 75.0;

/// The score of a region that serves `load` sites: delay grows as in an M/M/1 queue.
fn score(load: f64) -> f64 {
    let used = (load / CAPACITY).min(0.95);
    (100.0 - 10.0 / (1.0 - used)).max(0.0)
}

/// Moves in ten minutes, and the lowest and highest load of the first region after the first
/// two. All sites start there.
fn herd(config: &SelectorConfig) -> (u32, usize, usize) {
    let start = Instant::from_secs(1);
    let mut sites: Vec<Selector> =
        (0..SITES).map(|seed| Selector::new(start, config.clone(), seed)).collect();
    let (mut moves, mut lowest, mut highest) = (0, SITES as usize, 0);
    let mut seen = [score(SITES as f64), score(0.0)];
    for site in &mut sites {
        site.decide(start, &[path(0, 90.0), path(1, 90.0)]);
    }
    for second in 1..=600 {
        let now = start + Duration::from_secs(second);
        let all = [path(0, seen[0]), path(1, seen[1])];
        moves += sites.iter_mut().map(|site| u32::from(site.decide(now, &all).moved)).sum::<u32>();
        let there = |site: &&Selector| site.decision().leader == Some(PathId(0));
        let first = sites.iter().filter(there).count();
        // What is measured follows what is true within seconds.
        for (seen, load) in seen.iter_mut().zip([first, SITES as usize - first]) {
            *seen += (score(load as f64) - *seen) * 0.2;
        }
        if second > 120 {
            (lowest, highest) = (lowest.min(first), highest.max(first));
        }
    }
    (moves, lowest, highest)
}

#[test]
fn sites_settle_between_two_regions() {
    let (moves, lowest, highest) = herd(&SelectorConfig::default());
    assert!(moves <= 90, "{moves} moves");
    assert!(lowest >= 35 && highest <= 65, "between {lowest} and {highest} sites");
}

#[test]
fn without_chance_the_same_sites_swing() {
    let certain = SelectorConfig {
        phase: Duration::ZERO,
        eagerness: f64::INFINITY,
        ..SelectorConfig::default()
    };
    let (moves, lowest, highest) = herd(&certain);
    assert!(moves > 500, "{moves} moves");
    assert_eq!((lowest, highest), (0, 100), "full swings");
}
