//! Faults of every kind, judged by the packets that a call would get through.

use fastrand::Rng;
use pathvane_clock::Duration;
use pathvane_score::{BfdState, Class, LinkState};

use crate::link::Link;
use crate::sim::{Gilbert, secs};
use crate::site::Site;
use crate::table::Table;

/// Kinds of fault; path 0 leads when they strike.
const KINDS: [&str; 22] = [
    "silent blackhole",
    "random loss of 4 to 60 %",
    "loss of 10 to 40 % in bursts of 2 to 6",
    "30 to 400 ms more delay",
    "20 to 300 ms of jitter",
    "link down",
    "BFD down",
    "on and off every 1 to 5 s for half a minute",
    "one reflector silent",
    "one of eight members of a bundle silent",
    "the standby silent",
    "both paths silent, then back",
    "a gap of 20 to 120 ms",
    "the leader flaps until it is damped, then the other dies",
    "interactive: random loss of 10 to 60 %",
    "bulk: random loss of 20 to 60 %, after a minute",
    "the prober stands still for 50 to 500 ms",
    "the way back: random loss of 4 to 60 %",
    "the way back: 30 to 400 ms more delay",
    "the way back: 20 to 300 ms of jitter",
    "interactive: packets of full size lost",
    "no instance healthy behind the leader",
];

/// Delivery worse than the best path's by more than this is the wrong path ...
const TOLERANCE: f64 = 0.01;
/// ... and so is a call worse by more than this: half a grade of the E-model.
const TOLERANCE_R: f64 = 5.0;

/// Kinds after which nothing is wrong with the leader: that it moved at all is what was wrong.
const HARMLESS: [&str; 3] = [
    "the standby silent",
    "both paths silent, then back",
    "the prober stands still for 50 to 500 ms",
];

/// How one fault ended.
#[derive(Clone, Copy, Default)]
struct Tally {
    faults: u32,
    right: u32,
    /// Nothing got through although another path delivered nearly all.
    unused: u32,
    moves: usize,
}

/// Two paths with a noise of their own.
fn site(class: Class, rng: &mut Rng, ports: u8, seed: u64) -> Site {
    let mut link = || {
        let rtt = rng.u64(10..60);
        match rng.u8(0..3) {
            0 => Link::clean(rtt),
            1 => Link::random(rtt, 0.001),
            _ => Link::bursts(rtt, 0.002, 2.0),
        }
    };
    let links = [link(), link()];
    let mut site = Site::new(class, &links, ports, seed);
    site.run_for(secs(20));
    site
}

fn between(rng: &mut Rng, least: f64, most: f64) -> f64 {
    least + (most - least) * rng.f64()
}

/// Strikes, waits, and leaves the network as it is when the site is judged.
fn strike(kind: usize, site: &mut Site, rng: &mut Rng) {
    let leader = site.leader();
    let now = site.now;
    let ms = |rng: &mut Rng, least: u64, most: u64| Duration::from_millis(rng.u64(least..most));
    let link = &mut site.ways[leader].link;
    match KINDS[kind] {
        "silent blackhole" => link.silent = true,
        "random loss of 4 to 60 %" => link.loss = vec![Gilbert::random(between(rng, 0.04, 0.6)); 2],
        "loss of 10 to 40 % in bursts of 2 to 6" => {
            let (loss, length) = (between(rng, 0.1, 0.4), between(rng, 2.0, 6.0));
            link.loss = vec![Gilbert::new(loss, length); 2];
        }
        "interactive: random loss of 10 to 60 %" => {
            link.loss = vec![Gilbert::random(between(rng, 0.1, 0.6)); 2];
        }
        "bulk: random loss of 20 to 60 %, after a minute" => {
            link.loss = vec![Gilbert::random(between(rng, 0.2, 0.6)); 2];
            // One probe a second tells it within a minute.
            site.run_for(secs(35));
        }
        "30 to 400 ms more delay" => link.rtt += ms(rng, 30, 400),
        "20 to 300 ms of jitter" => link.jitter = ms(rng, 20, 300),
        "link down" => {
            link.silent = true;
            site.ways[leader].path.monitor.link(now, LinkState::Down);
        }
        "BFD down" => {
            link.silent = true;
            site.ways[leader].path.monitor.bfd(now, BfdState::Down);
        }
        "on and off every 1 to 5 s for half a minute" => {
            let half = ms(rng, 1000, 5000);
            let end = now + secs(30);
            while site.now < end {
                let link = &mut site.ways[leader].link;
                link.silent = !link.silent;
                site.run_for(half);
            }
            site.ways[leader].link.silent = rng.bool();
        }
        "the way back: random loss of 4 to 60 %" => {
            link.loss = vec![Gilbert::random(between(rng, 0.04, 0.6)); 2];
        }
        "the way back: 30 to 400 ms more delay" => link.rtt += ms(rng, 30, 400),
        "the way back: 20 to 300 ms of jitter" => link.jitter = ms(rng, 20, 300),
        "interactive: packets of full size lost" => link.narrow = true,
        "no instance healthy behind the leader" => {
            link.instances = (0, 2);
            // A health check says so, and not a probe.
            site.decide();
        }
        "one reflector silent" => link.silent_stream = Some(rng.usize(0..2)),
        "one of eight members of a bundle silent" => link.silent_port = Some(rng.u64(0..8)),
        "the standby silent" => site.ways[1 - leader].link.silent = true,
        "both paths silent, then back" => {
            site.ways.iter_mut().for_each(|way| way.link.silent = true);
            site.run_for(ms(rng, 200, 5000));
            site.ways.iter_mut().for_each(|way| way.link.silent = false);
        }
        "a gap of 20 to 120 ms" => {
            link.silent = true;
            site.run_for(ms(rng, 20, 120));
            site.ways[leader].link.silent = false;
        }
        "the leader flaps until it is damped, then the other dies" => {
            for _ in 0..3 {
                site.ways[leader].link.silent = true;
                site.run_for(secs(2));
                site.ways[leader].link.silent = false;
                site.run_for(secs(35));
            }
            site.ways[1 - leader].link.silent = true;
        }
        _ => {
            site.ways.iter_mut().for_each(|way| way.path.probing = false);
            site.run_for(ms(rng, 50, 500));
            site.ways.iter_mut().for_each(|way| way.path.probing = true);
        }
    }
    site.run_for(secs(25));
}

fn one(kind: usize, seed: u64) -> Tally {
    let mut rng = Rng::with_seed(seed);
    let ports = if KINDS[kind].contains("bundle") { 8 } else { 1 };
    let class = Class::ALL.into_iter().find(|class| KINDS[kind].starts_with(class.name()));
    let mut site = site(class.unwrap_or(Class::Voice), &mut rng, ports, seed);
    if KINDS[kind].starts_with("the way back") {
        // The reflectors count and have clocks, so that it shows which way a fault is.
        site.ways.iter_mut().for_each(|way| way.path.there = Some(way.link.rtt / 2));
    }
    let before = site.moves.len();
    strike(kind, &mut site, &mut rng);
    let full = class.is_some_and(|class| class != Class::Voice);
    let calls: Vec<_> =
        site.ways.iter().map(|way| way.link.call(site.now, 2000, full, &mut rng)).collect();
    let best = calls.iter().fold((0.0, 0.0), |(a, b), call| (call.0.max(a), call.1.max(b)));
    let (share, r) = calls[site.leader()];
    let moves = site.moves.len() - before;
    let right = share >= best.0 - TOLERANCE && r >= best.1 - TOLERANCE_R;
    Tally {
        faults: 1,
        right: u32::from(right && !(moves > 0 && HARMLESS.contains(&KINDS[kind]))),
        unused: u32::from(share < 0.5 && best.0 > 0.95),
        moves,
    }
}

/// Injects `count` faults, all kinds in turn, and prints where they ended.
pub(crate) fn study(count: u64) -> bool {
    let columns =
        "fault | faults | on the right path 25 s later | a usable path unused | moves a fault";
    let mut table = Table::new(&format!("{count} faults, judged by packets delivered"), columns);
    let mut kinds = [Tally::default(); KINDS.len()];
    for nth in 0..count {
        let kind = (nth % KINDS.len() as u64) as usize;
        let one = one(kind, nth);
        let tally = &mut kinds[kind];
        tally.faults += one.faults;
        tally.right += one.right;
        tally.unused += one.unused;
        tally.moves += one.moves;
    }
    let mut all = Tally::default();
    let row = |name: &str, tally: &Tally| {
        let share = 100.0 * f64::from(tally.right) / f64::from(tally.faults.max(1));
        let moves = tally.moves as f64 / f64::from(tally.faults.max(1));
        format!("{name} | {} | {share:.2} % | {} | {moves:.2}", tally.faults, tally.unused)
    };
    for (name, tally) in KINDS.iter().zip(&kinds) {
        table.note(&row(name, tally));
        all.faults += tally.faults;
        all.right += tally.right;
        all.unused += tally.unused;
        all.moves += tally.moves;
    }
    let right = f64::from(all.right) >= 0.999 * f64::from(all.faults);
    table.row(&row("**all**", &all), ">= 99.9 %, 0 unused", right && all.unused == 0);
    table.sound()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The study in small: the same seeds, judgement and target as with ten thousand faults.
    #[test]
    fn faults_of_every_kind_end_on_the_right_path() {
        assert!(study(15 * KINDS.len() as u64));
    }
}
