//! The same with hundreds of nested prefixes and a dozen peers: one long life, compared with the plain
//! model every few hundred operations.
//!
//! `PATHVANE_MODEL_ROUTES` says how many announcements and withdrawals of a prefix there are, and
//! `PATHVANE_MODEL_SEED` which ones; `cargo xtask soak rib-model` makes them millions.

mod common;

use std::net::{Ipv4Addr, Ipv6Addr};

use common::model::{Model, Op, apply, both, compare, end};
use fastrand::Rng;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use pathvane_rib::Directive;
use pathvane_wire::Community;

const PEERS: u16 = 12;
const EXTERNALS: u16 = 8;
/// Sets of attributes in the pool of the model.
const ATTRS: usize = 12;

/// Three levels under 10.0.0.0/8, two under 2001:db8::/32, and the default routes.
fn prefixes() -> Vec<IpNet> {
    let v4 = |bits: u32, len| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(bits), len));
    let v6 = |bits: u128, len| IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), len));
    let mut all = vec![v4(0, 0), v4(10 << 24, 8), v6(0, 0), v6(0x2001_0db8 << 96, 32)];
    for n in 0..16 {
        all.push(v4(10 << 24 | n << 16, 16));
        all.extend((0..16).map(|m| v4(10 << 24 | n << 16 | m << 8, 24)));
        let site = 0x2001_0db8 << 96 | u128::from(n) << 80;
        all.push(v6(site, 48));
        all.extend((0..8).map(|m| v6(site | m << 64, 64)));
    }
    all
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// Up to sixty prefixes that follow each other, or a few anywhere.
fn some(rng: &mut Rng, all: usize) -> Vec<usize> {
    if rng.bool() {
        let from = rng.usize(..all);
        return (from..all.min(from + rng.usize(1..60))).collect();
    }
    (0..rng.usize(1..8)).map(|_| rng.usize(..all)).collect()
}

fn directive(rng: &mut Rng) -> Option<Directive> {
    match rng.u8(..4) {
        0 => None,
        1 => Some(Directive::Withhold),
        _ => Some(Directive::Announce {
            med: Some(rng.u32(..3)),
            communities: vec![Community::new(1, 1)],
            prepend: rng.u8(..3),
        }),
    }
}

fn op(rng: &mut Rng, all: usize) -> Op {
    let peer = rng.u16(..PEERS);
    let prefix = rng.usize(..all);
    let path_id = rng.u32(..6).saturating_sub(3);
    match rng.u8(..100) {
        0..40 => {
            let (prefixes, attrs) = (some(rng, all), rng.usize(..ATTRS));
            Op::Announce { peer, path_id, prefixes, attrs }
        }
        40..58 => Op::Withdraw { peer, path_id, prefixes: some(rng, all) },
        58..60 => Op::Down { peer, retain: rng.bool() },
        60..64 => Op::Up { peer },
        64..65 => Op::EndOfRib { peer, v6: rng.bool() },
        65..66 => Op::Flush { peer },
        66..68 => Op::Policy { peer, tricky: rng.bool() },
        68..70 => Op::Originate { prefix, med: rng.bool().then_some(rng.u32(..3)) },
        70..72 => Op::WithdrawOrigin { prefix },
        72..73 => Op::Services { nets: (0..rng.usize(..4)).map(|_| rng.usize(..all)).collect() },
        73..75 => Op::Direct { peer, prefix, directive: directive(rng) },
        75..77 => {
            let offset = [0, 10, -10, 150][rng.usize(..4)];
            Op::Preference { peer, reach: prefix, offset }
        }
        77..79 => Op::Reachable { hop: peer, yes: rng.u8(..4) > 0 },
        79..80 => Op::Refresh { peer, v6: rng.bool() },
        80..92 => Op::Send { peer, limit: rng.usize(..4000) },
        _ => Op::Work { routes: rng.u32(..40) },
    }
}

#[test]
fn a_long_life_with_many_prefixes_agrees_with_the_model() {
    let (routes, seed) =
        (number("PATHVANE_MODEL_ROUTES", 300_000), number("PATHVANE_MODEL_SEED", 1));
    let mut rng = Rng::with_seed(seed);
    let (mut told, mut operations, mut lives) = (0, 0_u64, 0);
    while told < routes {
        // Peers and path identifiers are of one life; a life is long enough for generations to wrap.
        let prefixes = prefixes();
        let all = prefixes.len();
        let (mut lab, mut model) = both(Model::new(prefixes, EXTERNALS, PEERS, rng.bool()));
        for at in 1..=5000 {
            let op = op(&mut rng, all);
            if let Op::Announce { prefixes, .. } | Op::Withdraw { prefixes, .. } = &op {
                told += prefixes.len() as u64;
            }
            apply(&mut lab, &mut model, &op);
            operations += 1;
            if at % 500 == 0 {
                lab.settle();
                compare(&mut lab, &mut model);
                if told >= routes {
                    break;
                }
            }
        }
        end(&mut lab, &model);
        lives += 1;
    }
    println!(
        "{operations} operations, {told} routes told or withdrawn, {lives} lives, seed {seed}"
    );
}
