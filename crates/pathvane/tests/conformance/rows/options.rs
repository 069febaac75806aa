//! What is off unless it is configured: extended messages, several routes per prefix, reflection, routes
//! kept for long; and refreshes that a peer makes by itself.

use std::time::Duration;

use ipnet::IpNet;

use crate::octets::{self, ENHANCED_REFRESH, NEXT_HOP, OPEN, ROUTE_REFRESH, attribute};
use crate::peer::{Class, Peer};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{CLIENT, EXTERNAL, INTERNAL, KEPT, KEPT_LONG, LONG, MANY, PATIENT, World};

/// Extended messages (RFC 8654).
const EXTENDED: &[u8] = &[6, 0];
/// The peer sends several routes per prefix of IPv4 (RFC 7911).
const SENDS_MANY: &[u8] = &[69, 4, 0, 1, 1, 2];

fn offers(world: &World, class: Class, wanted: &[u8]) -> bool {
    let open = world.connect(class).message(OPEN);
    open.windows(wanted.len()).any(|found| found == wanted)
}

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
                assert!(offers(w, LONG, EXTENDED));
                assert!(!offers(w, EXTERNAL, EXTENDED));
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
                assert!(offers(w, MANY, &[69, 8, 0, 1, 1, 1, 0, 2, 1, 1]));
                assert!(!offers(w, EXTERNAL, &[69, 8]));
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
                let long_lived: &[u8] = &[71, 7, 0, 1, 1, 0x80, 0, 0, 60];
                let restart: &[u8] = &[64, 6, 0, 1, 0, 1, 1, 0x80];
                let mut knows = with(w, PATIENT, &[restart, long_lived]);
                let mut peer = with_address(w, KEPT_LONG, &[restart, long_lived]);
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
        row("9494-4.3-end", Choice, "it goes when the time that is configured is over", |w| {
            let long_lived: &[u8] = &[71, 7, 0, 1, 1, 0x80, 0, 0, 60];
            let restart: &[u8] = &[64, 6, 0, 1, 0, 1, 1, 0x80];
            let mut knows = with(w, PATIENT, &[restart, long_lived]);
            let (mut peer, prefix) = (with_address(w, KEPT, &[restart, long_lived]), w.prefix());
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
