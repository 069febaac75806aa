//! What is off unless it is configured: extended messages, several routes per prefix, reflection, routes
//! kept for long; and refreshes that a peer makes by itself.

use std::time::Duration;

use ipnet::IpNet;

use crate::octets::{self, ENHANCED_REFRESH, NEXT_HOP, OPEN, ROUTE_REFRESH, attribute};
use crate::peer::{Class, Peer};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{
    CLIENT, EXTERNAL, INTERNAL, KEPT, KEPT_LONG, LASTING, LONG, MANY, PATIENT, World,
};

/// Extended messages (RFC 8654).
const EXTENDED: &[u8] = &[6, 0];
/// The peer sends several routes per prefix of IPv4 (RFC 7911).
const SENDS_MANY: &[u8] = &[69, 4, 0, 1, 1, 2];

/// Graceful restart of a second, and keeping for a minute after that (RFC 9494), for IPv4.
const RESTART: &[u8] = &[64, 6, 0, 1, 0, 1, 1, 0x80];
const LONG_LIVED: &[u8] = &[71, 7, 0, 1, 1, 0x80, 0, 0, 60];

fn with(world: &World, class: Class, more: &[&[u8]]) -> Peer {
    let mut peer = world.connect(class);
    peer.establish(more);
    peer
}

/// A route with a path identifier; withdrawn if it has no MED.
fn numbered(peer: &mut Peer, prefix: IpNet, number: u32, med: Option<u32>) {
    let nlri = [&number.to_be_bytes()[..], &octets::nlri(prefix)].concat();
    let update = match med {
        Some(med) => {
            let attributes = [&peer.attributes()[..], NEXT_HOP, &octets::med(med)].concat();
            octets::update(&[], &attributes, &nlri)
        }
        None => octets::update(&nlri, &[], &[]),
    };
    peer.send(&update);
}

fn med_becomes(world: &World, prefix: IpNet, med: u32) {
    let wanted = med.to_be_bytes();
    world.internal.route_where(prefix, |route| route.attribute(4) == Some((0x80, &wanted)));
}

fn of_messages() -> Vec<Row> {
    vec![
        row(
            "8654-3-offer",
            Must,
            "extended messages are offered where that is configured, and nowhere else",
            |w| {
                assert!(w.offers(LONG, EXTENDED));
                assert!(!w.offers(EXTERNAL, EXTENDED));
            },
        ),
        row(
            "8654-4-long",
            Must,
            "a message above 4096 octets is taken, and goes on to those who offered it",
            |w| {
                let (mut source, mut other) =
                    (with(w, LONG, &[EXTENDED]), with(w, LONG, &[EXTENDED]));
                let (prefix, value) = (w.prefix(), vec![7; 6000]);
                source.announce(prefix, &attribute(0xc0, 201, &value));
                let told = other.told_of(prefix);
                assert!(told.attributes.iter().any(|one| one.code == 201 && one.value == value));
            },
        ),
        row(
            "8654-4-others",
            Must,
            "to others it is not told, and what they had is withdrawn",
            |w| {
                let (mut source, prefix) = (with(w, LONG, &[EXTENDED]), w.prefix());
                source.announce(prefix, &[]);
                w.external.route(prefix);
                source.announce(prefix, &attribute(0xc0, 201, &[7; 6000]));
                w.external.gone(prefix);
            },
        ),
        row(
            "8654-4-most",
            Must,
            "a message of 65,535 octets is taken, be it from a peer that did not offer to take such",
            |w| {
                let (mut source, prefix) = (w.up(LONG), w.prefix());
                source.announce(prefix, &[]);
                w.external.route(prefix);
                let attributes = [&source.attributes()[..], NEXT_HOP].concat();
                let of = |length: usize| {
                    let all = [&attributes[..], &attribute(0xc0, 203, &vec![7; length])].concat();
                    octets::update(&[], &all, &octets::nlri(prefix))
                };
                let longest = of(65_535 - of(300).len() + 300);
                assert_eq!(longest.len(), 65_535);
                source.send(&longest);
                // It does not fit the observer.
                w.external.gone(prefix);
                w.settled(&mut source);
            },
        ),
        row(
            "8654-4-keepalive",
            Must,
            "an OPEN or a KEEPALIVE does not become longer: Bad Message Length",
            |w| {
                let mut peer = with(w, LONG, &[EXTENDED]);
                peer.send(&octets::header([0xff; 16], 5000, octets::KEEPALIVE, &[]));
                peer.notified(1, 2, &5000_u16.to_be_bytes());
            },
        ),
    ]
}

fn of_paths() -> Vec<Row> {
    vec![
        row(
            "7911-4-offer",
            Must,
            "receiving several routes per prefix is offered where that is configured",
            |w| {
                assert!(w.offers(MANY, &[69, 8, 0, 1, 1, 1, 0, 2, 1, 1]));
                assert!(!w.offers(EXTERNAL, &[69, 8]));
            },
        ),
        row(
            "7911-3-several",
            Must,
            "each route of a prefix stands for itself, until it is withdrawn",
            |w| {
                let (mut peer, prefix) = (with(w, MANY, &[SENDS_MANY]), w.prefix());
                numbered(&mut peer, prefix, 1, Some(20));
                med_becomes(w, prefix, 20);
                numbered(&mut peer, prefix, 2, Some(10));
                med_becomes(w, prefix, 10);
                numbered(&mut peer, prefix, 2, Some(30));
                med_becomes(w, prefix, 20);
                numbered(&mut peer, prefix, 1, None);
                med_becomes(w, prefix, 30);
                numbered(&mut peer, prefix, 2, None);
                w.internal.gone(prefix);
            },
        ),
        row("7911-3-unnegotiated", Must, "without negotiation prefixes have no identifiers", |w| {
            let mut peer = w.up(MANY);
            w.settled(&mut peer);
        }),
    ]
}

fn of_reflection() -> Vec<Row> {
    vec![
        row(
            "4456-6-client",
            Must,
            "a client's route goes to other internal peers, with ORIGINATOR_ID and CLUSTER_LIST",
            |w| {
                let (mut peer, prefix) = (w.up(CLIENT), w.prefix());
                peer.announce(prefix, &octets::local_pref(150));
                let route = w.internal.route(prefix);
                route.has(0x80, 9, &peer.address.octets());
                route.has(0x80, 10, &[10, 255, 0, 1]);
                route.has(0x40, 5, &[0, 0, 0, 150]);
                route.has(0x40, 3, &[192, 0, 2, 1]);
            },
        ),
        row(
            "4456-8-prepended",
            Must,
            "an ORIGINATOR_ID stays, and our cluster goes in front of CLUSTER_LIST",
            |w| {
                let (mut peer, prefix) = (w.up(CLIENT), w.prefix());
                let more = [attribute(0x80, 9, &[1, 2, 3, 4]), attribute(0x80, 10, &[5, 6, 7, 8])];
                peer.announce(prefix, &[&octets::local_pref(100)[..], &more.concat()].concat());
                let route = w.internal.route(prefix);
                route.has(0x80, 9, &[1, 2, 3, 4]);
                route.has(0x80, 10, &[10, 255, 0, 1, 5, 6, 7, 8]);
            },
        ),
        row(
            "4456-6-others",
            Must,
            "the route of an internal peer that is no client goes to clients",
            |w| {
                let (mut client, mut peer, prefix) = (w.up(CLIENT), w.up(INTERNAL), w.prefix());
                peer.announce(prefix, &octets::local_pref(100));
                let told = client.told_of(prefix);
                assert!(told.attributes.iter().any(|one| one.code == 9));
            },
        ),
    ]
}

fn of_retention() -> Vec<Row> {
    vec![
        row("7313-4-heeded", Must, "what a peer does not repeat between BoRR and EoRR goes", |w| {
            let mut peer = with(w, EXTERNAL, &[ENHANCED_REFRESH]);
            let (repeated, dropped) = (w.prefix(), w.prefix());
            peer.announce(repeated, &[]);
            peer.announce(dropped, &[]);
            peer.send(&octets::update(&[], &[], &[]));
            w.external.route(dropped);
            peer.send(&octets::message(ROUTE_REFRESH, &[0, 1, 1, 1]));
            peer.announce(repeated, &[]);
            w.settled(&mut peer);
            assert_eq!(w.external.withdrawals(dropped), 0, "not before EoRR");
            peer.send(&octets::message(ROUTE_REFRESH, &[0, 1, 2, 1]));
            w.external.gone(dropped);
            assert_eq!(w.external.withdrawals(repeated), 0);
        }),
        row(
            "9494-4.2-stale",
            Must,
            "a route kept for long is marked, goes to those who know such routes, and no one else",
            |w| {
                let mut knows = with(w, PATIENT, &[RESTART, LONG_LIVED]);
                let mut peer = with_address(w, KEPT_LONG, &[RESTART, LONG_LIVED]);
                let prefix = w.prefix();
                peer.announce(prefix, &[]);
                w.external.route(prefix);
                knows.told_of(prefix);
                drop(peer);
                let told = knows.told_of(prefix);
                let mark = told.attributes.iter().find(|one| one.code == 8).expect("COMMUNITIES");
                assert_eq!(mark.value, [0xff, 0xff, 0, 6], "LLGR_STALE");
                // Well before the stale time of a minute is over.
                w.external.gone(prefix);
            },
        ),
        row(
            "9494-3.1-offer",
            Must,
            "keeping for long is offered where that is configured, without asking for the same",
            |w| {
                assert!(w.offers(PATIENT, &[71, 0]));
                assert!(!w.offers(EXTERNAL, &[71, 0]));
            },
        ),
        row(
            "9494-3.1-restarter",
            Must,
            "a peer that is to keep our routes for long is asked so: by family, F bits, seconds",
            |w| {
                // No F bits in the first OPEN of a speaker without kernel routes.
                let asked = [[0, 1, 1, 0, 0, 0x0e, 0x10], [0, 2, 1, 0, 0, 0x0e, 0x10]];
                let wanted = [&[71, 14][..], asked.as_flattened()].concat();
                let open = w.connect_single(LASTING, w.single(LASTING)).message(OPEN);
                assert!(open.windows(16).any(|found| found == wanted), "{open:02x?}");
            },
        ),
        row("9494-4.2-no-llgr", Must, "a route with NO_LLGR is not kept for long", |w| {
            let mut peer = with_address(w, KEPT_LONG, &[RESTART, LONG_LIVED]);
            let (kept, dropped) = (w.prefix(), w.prefix());
            let mut knows = with(w, PATIENT, &[RESTART, LONG_LIVED]);
            peer.announce(kept, &[]);
            peer.announce(dropped, &octets::communities(&[0xffff_0007]));
            knows.told_of(dropped);
            drop(peer);
            let mut last = std::collections::BTreeMap::new();
            // Both are told anew: one with its mark, one as withdrawn.
            while last.len() < 2 {
                let told = octets::read_update(&knows.message(octets::UPDATE));
                let ours = |prefix: &&IpNet| **prefix == kept || **prefix == dropped;
                last.extend(told.announced.iter().filter(ours).map(|prefix| (*prefix, true)));
                last.extend(told.withdrawn.iter().filter(ours).map(|prefix| (*prefix, false)));
            }
            assert_eq!((last[&kept], last[&dropped]), (true, false));
        }),
        row("9494-4.3-least", Must, "any other route is better than one kept for long", |w| {
            let (mut peer, prefix) =
                (with_address(w, KEPT_LONG, &[RESTART, LONG_LIVED]), w.prefix());
            peer.announce(prefix, &[]);
            w.external.route(prefix);
            let mut other = w.up(EXTERNAL);
            let path = octets::as_path(&[65001, 65001, 65001, 65001]);
            let attributes = [octets::ORIGIN_IGP, &path, NEXT_HOP].concat();
            other.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
            w.settled(&mut other);
            let first = w.external.now(prefix).expect("a route");
            assert_ne!(first.attribute(2).map(|(_, path)| path.len()), Some(2 + 5 * 4));
            drop(peer);
            w.external.route_where(prefix, |route| {
                route.attribute(2).map(|(_, path)| path.len()) == Some(2 + 5 * 4)
            });
            assert_eq!(w.external.withdrawals(prefix), 0, "without a moment in between");
        }),
        row(
            "9494-4.3-received",
            Must,
            "a route that came with LLGR_STALE is such a one, too",
            |w| {
                let (mut peer, mut other, prefix) = (w.up(EXTERNAL), w.up(EXTERNAL), w.prefix());
                let path = octets::as_path(&[65001, 65001, 65001, 65001]);
                let attributes = [octets::ORIGIN_IGP, &path, NEXT_HOP].concat();
                other.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
                w.external.route(prefix);
                let mut knows = with(w, PATIENT, &[RESTART, LONG_LIVED]);
                let before = knows.told_of(prefix);
                peer.announce(prefix, &octets::communities(&[0xffff_0006]));
                w.settled(&mut peer);
                let now = w.external.now(prefix).expect("the other route");
                assert_eq!(now.attribute(2).map(|(_, path)| path.len()), Some(2 + 5 * 4));
                assert!(before.announced.contains(&prefix));
                other.withdraw(prefix);
                w.external.gone(prefix);
                let told = knows.told_of(prefix);
                assert!(told.announced.contains(&prefix), "who knows such routes is told");
            },
        ),
        row("9494-4.3-end", Choice, "it goes when the time that is configured is over", |w| {
            let mut knows = with(w, PATIENT, &[RESTART, LONG_LIVED]);
            let (mut peer, prefix) = (with_address(w, KEPT, &[RESTART, LONG_LIVED]), w.prefix());
            peer.announce(prefix, &[]);
            knows.told_of(prefix);
            drop(peer);
            assert!(knows.told_of(prefix).announced.contains(&prefix), "kept at first");
            std::thread::sleep(Duration::from_secs(1));
            assert!(knows.told_of(prefix).withdrawn.contains(&prefix));
        }),
    ]
}

/// A patient peer with an address of its own, whose routes can be kept.
fn with_address(world: &World, class: Class, more: &[&[u8]]) -> Peer {
    let mut peer = world.connect_single(class, world.single(class));
    peer.establish(more);
    peer
}

pub(super) fn rows() -> Vec<Row> {
    [of_retention(), of_messages(), of_paths(), of_reflection()].into_iter().flatten().collect()
}
