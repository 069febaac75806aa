//! What a hostile or broken peer can do that no RFC mentions: others must lose nothing.
//!
//! One daemon takes all of it at once, while two peers watch a table that must not change.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};

use crate::octets;
use crate::peer::{Heard, Peer, dial, fresh};
use crate::world::{EXTERNAL, LIMITED, STRANGER, World};

/// So many prefixes are announced and withdrawn, so often: `cargo xtask soak churn` sets them to 100,000 and 100.
fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A prefix of a block that no row uses.
fn nth(nth: u32) -> IpNet {
    let address = Ipv4Addr::from(0x6400_0000 + (nth << 8));
    Ipv4Net::new(address, 24).expect("a prefix").into()
}

/// UPDATEs that announce, or withdraw, the first `count` of them, 200 in each.
fn updates(peer: &Peer, count: u32, announced: bool) -> Vec<u8> {
    let attributes = [&peer.attributes()[..], octets::NEXT_HOP].concat();
    let mut all = Vec::new();
    for start in (0..count).step_by(200) {
        let many: Vec<_> =
            (start..count.min(start + 200)).flat_map(|at| octets::nlri(nth(at))).collect();
        all.extend(match announced {
            true => octets::update(&[], &attributes, &many),
            false => octets::update(&many, &[], &[]),
        });
    }
    all
}

/// A table that somebody else announced and both observers have; it has to stay.
struct Bystander {
    _peer: Peer,
    table: Vec<IpNet>,
}

impl Bystander {
    fn new(world: &World) -> Bystander {
        let mut peer = world.up(EXTERNAL);
        let table: Vec<_> = (0..50).map(|_| world.prefix()).collect();
        table.iter().for_each(|prefix| peer.announce(*prefix, &[]));
        table.iter().for_each(|prefix| drop(world.external.route(*prefix)));
        Bystander { _peer: peer, table }
    }

    fn lost_nothing(&self, world: &World, after: &str) {
        world.undisturbed();
        for prefix in &self.table {
            assert!(world.external.now(*prefix).is_some(), "{prefix} is gone after {after}");
            assert_eq!(world.external.withdrawals(*prefix), 0, "{prefix} went after {after}");
        }
        // And news is still passed on.
        world.settled(&mut world.up(EXTERNAL));
    }
}

#[test]
fn whatever_a_peer_does_others_lose_nothing() {
    let world = World::new();
    let bystander = Bystander::new(&world);
    type Abuse = (&'static str, fn(&World));
    let all: [Abuse; 7] = [
        ("200 connections that come and go", storms),
        ("200 sessions that come and go with routes", sessions),
        ("connections that never say anything", half_open),
        ("octets that are no messages", noise),
        ("messages of every length", every_length),
        ("reconnecting while a limit closes", hammering),
        ("a peer that never reads", deaf),
    ];
    for (what, abuse) in all {
        let began = Instant::now();
        abuse(&world);
        bystander.lost_nothing(&world, what);
        println!("{what}: {:?}, {} KiB resident", began.elapsed(), world.speaker.resident_kib());
    }
}

fn storms(world: &World) {
    let address = fresh(EXTERNAL);
    for at in 0..200 {
        // From one address, from many, from strangers.
        let from = match at % 3 {
            0 => address,
            1 => fresh(EXTERNAL),
            _ => fresh(STRANGER),
        };
        drop(dial(from.into(), world.speaker.address(), None));
    }
}

fn sessions(world: &World) {
    for _ in 0..200 {
        let mut peer = world.up(EXTERNAL);
        peer.announce(nth(0), &[]);
    }
    world.external.gone(nth(0));
}

fn half_open(world: &World) {
    let known: Vec<_> = (0..150).map(|_| world.connect(EXTERNAL)).collect();
    let one = fresh(EXTERNAL);
    let same: Vec<_> =
        (0..50).map(|_| Peer::connect_from(world.speaker.address(), EXTERNAL, one)).collect();
    let strangers: Vec<_> = (0..100).map(|_| world.connect(STRANGER)).collect();
    world.settled(&mut world.up(EXTERNAL));
    drop((known, same, strangers));
}

fn noise(world: &World) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    for at in 0..120 {
        let mut peer = if at % 2 == 0 { world.up(EXTERNAL) } else { world.connect(EXTERNAL) };
        // Random octets, alone or as the body of a message of any type.
        let body: Vec<_> = (0..at * 7).map(|_| next()).collect();
        let octets = if at % 3 == 0 { body } else { octets::message(next() % 7, &body) };
        octets.chunks(3).for_each(|some| peer.send(some));
    }
}

fn every_length(world: &World) {
    for kind in 1..=5 {
        for length in [0, 1, 18, 19, 20, 21, 22, 23, 24, 28, 29, 30, 4095, 4096, 4097, 65535] {
            let mut peer = world.up(EXTERNAL);
            peer.send(&octets::header([0xff; 16], length, kind, &vec![0; usize::from(length)]));
            peer.send(&octets::keepalive());
        }
    }
}

fn hammering(world: &World) {
    for _ in 0..30 {
        let mut peer = world.up(LIMITED);
        (0..20).for_each(|at| peer.announce(nth(at), &[]));
        while !matches!(peer.hear(Duration::from_secs(5)), Heard::Closed | Heard::Nothing) {}
    }
}

/// It takes nothing while routes by the thousand change: what waits for it is one entry a prefix, not
/// one for each change.
fn deaf(world: &World) {
    let deaf: Vec<_> = (0..3).map(|_| world.up(EXTERNAL)).collect();
    let mut source = world.up(EXTERNAL);
    let count = 5000;
    let mut before = 0;
    for turn in 0..20 {
        let more = octets::communities(&[turn]);
        let attributes = [&source.attributes()[..], octets::NEXT_HOP, &more].concat();
        for start in (0..count).step_by(100) {
            let many: Vec<_> = (start..start + 100).flat_map(|at| octets::nlri(nth(at))).collect();
            source.send(&octets::update(&[], &attributes, &many));
        }
        let mark = turn.to_be_bytes();
        world.external.route_where(nth(count - 1), |route| {
            route.attribute(8).is_some_and(|(_, value)| value == mark)
        });
        if turn == 4 {
            before = world.speaker.resident_kib();
        }
    }
    let after = world.speaker.resident_kib();
    assert!(after < before + 8 * 1024, "{before} KiB after 5 turns, {after} after 20");
    drop(deaf);
}

/// A table comes and goes: what it took is given back, or used again.
///
/// What waits for the slowest peer is kept room for, and how far one is behind is the scheduler's
/// mood. So in the first cycle peers of each kind take nothing, and as much waits as ever can.
#[test]
fn a_table_announced_and_withdrawn_many_times_costs_its_memory_once() {
    let (count, cycles) =
        (setting("PATHVANE_CHURN_ROUTES", 5_000), setting("PATHVANE_CHURN_CYCLES", 12));
    let world = World::new();
    let bystander = Bystander::new(&world);
    let mut source = world.up(EXTERNAL);
    let (all, none) = (updates(&source, count, true), updates(&source, count, false));
    let mut deaf = Vec::from(world.deaf());
    let mut resident = Vec::new();
    for _ in 0..cycles {
        source.send(&all);
        world.external.route(nth(count - 1));
        resident.push(world.speaker.resident_kib());
        source.send(&none);
        world.external.gone(nth(count - 1));
        deaf.clear();
    }
    bystander.lost_nothing(&world, "the churn");
    let (second, most) = (resident[1], *resident[1..].iter().max().expect("cycles"));
    println!("{count} routes, {cycles} cycles: {resident:?} KiB");
    assert!(most * 100 <= second * 105, "cycle 2: {second} KiB, at most {most}: {resident:?}");
}
