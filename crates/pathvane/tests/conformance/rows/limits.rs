//! How many prefixes a peer may announce (RFC 4271 section 6.7, RFC 4486), and policy's default (RFC 8212).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::IpNet;

use crate::octets::{self, OPEN, UPDATE};
use crate::peer::{Class, Heard, Peer, fresh};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::speaker::Speaker;
use crate::world::{self, EXTERNAL, LIMITED, NO_POLICY, PAUSED, REOPENED, WARNED, World};

/// A peer that may be told three prefixes of IPv4.
const SPARED: Class = Class { net: 121, asn: 65121 };

/// A peer that announces too much, is turned away for two seconds, and is served again.
fn reopens(world: &World, class: Class, address: Ipv4Addr) {
    let mut peer = world.connect_single(class, address);
    peer.establish(&[]);
    peer.announce(world.prefix(), &[]);
    peer.announce(world.prefix(), &[]);
    peer.notified(6, 1, &[0, 1, 1, 0, 0, 0, 1]);
    drop(peer);
    world.connect_single(class, address).closed();
    std::thread::sleep(Duration::from_millis(2500));
    let prefix = world.prefix();
    let mut peer = world.connect_single(class, address);
    peer.message(OPEN);
    peer.establish_by_answer(&[]);
    peer.announce(prefix, &[]);
    world.external.route(prefix);
}

/// The configuration with a peer that may be told so many prefixes of IPv4.
fn sparing(most: u32) -> String {
    format!(
        "{}\n[peers.spared]\ngroup = \"open\"\nrange = \"127.{}.0.0/16\"\nasn = {}\n\
         max_prefixes_out = {{ ipv4 = {most} }}\n",
        world::configuration(),
        SPARED.net,
        SPARED.asn
    )
}

/// A daemon that has only what a row tells it, since whom it tells little, it tells whatever comes first.
fn spared() -> (Speaker, Peer, Peer) {
    let speaker = Speaker::start(&sparing(3));
    let [source, spared] = [EXTERNAL, SPARED].map(|class| {
        let mut peer = Peer::connect(speaker.address(), class);
        peer.establish(&[]);
        peer
    });
    (speaker, source, spared)
}

/// What the peer holds when nothing more is said for a second. At no time are there more of IPv4 than
/// it may be told.
fn holds(peer: &mut Peer, held: &mut BTreeSet<IpNet>, most: usize) {
    loop {
        match peer.hear(Duration::from_secs(1)) {
            Heard::Nothing => return,
            Heard::Message(UPDATE, body) => {
                let told = octets::read_update(&body);
                held.retain(|prefix| !told.withdrawn.contains(prefix));
                held.extend(told.announced);
                let count = held.iter().filter(|prefix| prefix.addr().is_ipv4()).count();
                assert!(count <= most, "{held:?}");
            }
            Heard::Message(octets::KEEPALIVE, _) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "4486-4-maximum",
            Must,
            "one prefix too many: Maximum Number of Prefixes Reached, with family and limit",
            |w| {
                let mut peer = w.up(LIMITED);
                let all: Vec<_> = (0..4).map(|_| w.prefix()).collect();
                for prefix in &all[..3] {
                    peer.announce(*prefix, &[]);
                    w.external.route(*prefix);
                }
                peer.announce(all[3], &[]);
                peer.notified(6, 1, &[0, 1, 1, 0, 0, 0, 3]);
                all[..3].iter().for_each(|prefix| w.external.gone(*prefix));
                // It stays closed, though it came by a range and has no section of its own.
                drop(peer.hear(Duration::from_secs(2)));
                w.connect_single(LIMITED, peer.address).closed();
            },
        ),
        row(
            "4271-6.7-again",
            Choice,
            "a prefix announced again does not count twice, and a withdrawn one no more",
            |w| {
                let mut peer = w.up(LIMITED);
                let all: Vec<_> = (0..4).map(|_| w.prefix()).collect();
                for prefix in [all[0], all[1], all[2], all[2], all[0], all[1]] {
                    peer.announce(prefix, &[]);
                }
                peer.withdraw(all[1]);
                peer.announce(all[3], &[]);
                w.external.route(all[3]);
                assert!(peer.quiet(octets::NOTIFICATION, Duration::from_millis(500)));
            },
        ),
        row("4271-6.7-family", Choice, "prefixes of another family do not count", |w| {
            let mut peer = w.up(LIMITED);
            let all: Vec<_> = (0..6).map(|_| w.prefix_v6()).collect();
            all.iter().for_each(|prefix| peer.announce(*prefix, &[]));
            all.iter().for_each(|prefix| drop(w.external.route(*prefix)));
        }),
        row(
            "4271-6.7-warned",
            Choice,
            "where the limit only warns, what is beyond it is used like the rest",
            |w| {
                let mut peer = w.up(WARNED);
                for prefix in [w.prefix(), w.prefix(), w.prefix()] {
                    peer.announce(prefix, &[]);
                    w.external.route(prefix);
                }
                w.settled(&mut peer);
            },
        ),
        row(
            "4486-4-reopened",
            Choice,
            "closed for its prefixes for a time, a peer is turned away until then, and served after",
            |w| {
                reopens(w, REOPENED, w.single(REOPENED));
                reopens(w, PAUSED, fresh(PAUSED));
            },
        ),
        row(
            "4271-9.1.3-few",
            Choice,
            "a peer that may be told three prefixes is never told more, and others when there is room",
            |w| {
                let (_speaker, mut source, mut spared) = spared();
                let all: Vec<_> = (0..6).map(|_| w.prefix()).collect();
                all.iter().for_each(|prefix| source.announce(*prefix, &[]));
                let mut held = BTreeSet::new();
                holds(&mut spared, &mut held, 3);
                assert_eq!(held.len(), 3, "{held:?}");
                let gone: Vec<_> = held.iter().take(2).copied().collect();
                gone.iter().for_each(|prefix| source.withdraw(*prefix));
                holds(&mut spared, &mut held, 3);
                assert!(held.len() == 3 && gone.iter().all(|prefix| !held.contains(prefix)));
                // One that it has may change, though there is no room for others.
                let changed = held.iter().copied().next().expect("one");
                source.announce(changed, &octets::communities(&[0xfde8_0009]));
                assert!(spared.told_of(changed).announced.contains(&changed));
            },
        ),
        row("4271-9.1.3-few-family", Choice, "... each family by itself", |w| {
            let (_speaker, mut source, mut spared) = spared();
            let all: Vec<_> = (0..4).flat_map(|_| [w.prefix(), w.prefix_v6()]).collect();
            all.iter().for_each(|prefix| source.announce(*prefix, &[]));
            let mut held = BTreeSet::new();
            holds(&mut spared, &mut held, 3);
            let ipv6 = held.iter().filter(|prefix| prefix.addr().is_ipv6()).count();
            assert_eq!((held.len(), ipv6), (7, 4), "{held:?}");
        }),
        row(
            "4271-9.1.3-few-raised",
            Choice,
            "... and when it may be told more from now on, at once, without another session",
            |w| {
                let (speaker, mut source, mut spared) = spared();
                let all: Vec<_> = (0..6).map(|_| w.prefix()).collect();
                all.iter().for_each(|prefix| source.announce(*prefix, &[]));
                let mut held = BTreeSet::new();
                holds(&mut spared, &mut held, 3);
                assert!(speaker.reload(&sparing(5)).status.success());
                holds(&mut spared, &mut held, 5);
                assert_eq!(held.len(), 5, "{held:?}");
            },
        ),
        row(
            "8212-3-in",
            Must,
            "without an import policy nothing of an external peer is used",
            |w| {
                let (mut peer, prefix) = (w.up(NO_POLICY), w.prefix());
                peer.announce(prefix, &[]);
                let mut other = w.up(EXTERNAL);
                w.settled(&mut other);
                w.settled(&mut other);
                assert!(w.internal.now(prefix).is_none() && w.external.now(prefix).is_none());
            },
        ),
        row(
            "8212-3-out",
            Must,
            "without an export policy an external peer is told nothing but End-of-RIB",
            |w| {
                let (mut peer, mut other) = (w.up(NO_POLICY), w.up(EXTERNAL));
                w.settled(&mut other);
                for _ in 0..2 {
                    let body = peer.message(UPDATE);
                    assert!(body.len() == 4 || body.len() == 10, "{body:02x?}");
                }
                assert!(peer.quiet(UPDATE, std::time::Duration::from_secs(1)));
            },
        ),
    ]
}
