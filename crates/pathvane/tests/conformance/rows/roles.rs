//! Roles and Only to Customer (RFC 9234).

use crate::octets::{self, MP_IPV4, attribute};
use crate::peer::{Class, Peer};
use crate::row::Level::Must;
use crate::row::{Row, row};
use crate::world::{AS_CLIENT, AS_CUSTOMER, AS_PEER, AS_PROVIDER, AS_SERVER, EXTERNAL, World};

/// Values of the capability.
const PROVIDER: u8 = 0;
const SERVER: u8 = 1;
const CLIENT: u8 = 2;
const CUSTOMER: u8 = 3;
const PEER: u8 = 4;

/// A session in which the peer says these roles.
fn opening(world: &World, class: Class, roles: &[u8]) -> Peer {
    let mut peer = world.connect(class);
    let wide = octets::four_octets(class.asn);
    let roles: Vec<_> = roles.iter().flat_map(|role| [9, 1, *role]).collect();
    let open = peer.open_with(0, &octets::capabilities(&[MP_IPV4, &wide, &roles]));
    peer.send(&open);
    peer
}

fn up(world: &World, class: Class, role: u8) -> Peer {
    let mut peer = opening(world, class, &[role]);
    peer.message(octets::KEEPALIVE);
    peer.send(&octets::keepalive());
    peer
}

fn mismatch(world: &World, class: Class, roles: &[u8]) {
    opening(world, class, roles).notified(2, 11, &[]);
}

fn otc(asn: u32) -> Vec<u8> {
    attribute(0xc0, 35, &asn.to_be_bytes())
}

/// What an internal peer sees of the OTC of a route from `peer`: `None` if it is not told at all.
fn taken(world: &World, mut peer: Peer, more: &[u8]) -> Option<Option<Vec<u8>>> {
    let prefix = world.prefix();
    peer.announce(prefix, more);
    let mut other = world.up(EXTERNAL);
    for _ in 0..40 {
        world.settled(&mut other);
        if let Some(route) = world.internal.now(prefix) {
            return Some(route.attribute(35).map(|(_, value)| value.to_vec()));
        }
    }
    None
}

/// What such a peer is told of the OTC of an external route with it: `None` if not of the route.
fn told(world: &World, mut peer: Peer, more: &[u8]) -> Option<Option<Vec<u8>>> {
    let (mut source, prefix, marker) = (world.up(EXTERNAL), world.prefix(), world.prefix());
    // Behind its initial table, which single changes may overtake.
    peer.after_its_table();
    source.announce(prefix, more);
    world.internal.route(prefix);
    // Whoever may not have what has OTC may have this one.
    source.announce(marker, &[]);
    let mut found = None;
    loop {
        let told = octets::read_update(&peer.message(octets::UPDATE));
        let otc = told.attributes.iter().find(|one| one.code == 35).map(|one| one.value.clone());
        if told.announced.contains(&prefix) {
            found = Some(otc);
        }
        if told.announced.contains(&marker) {
            return found;
        }
    }
}

fn is(asn: u32) -> Option<Option<Vec<u8>>> {
    Some(Some(asn.to_be_bytes().to_vec()))
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("9234-4.2-mismatch", Must, "roles that do not fit: Role Mismatch", |w| {
            for (class, fitting) in [
                (AS_PROVIDER, CUSTOMER),
                (AS_CUSTOMER, PROVIDER),
                (AS_PEER, PEER),
                (AS_SERVER, CLIENT),
                (AS_CLIENT, SERVER),
            ] {
                for role in [PROVIDER, SERVER, CLIENT, CUSTOMER, PEER, 5, 255] {
                    match role == fitting {
                        true => drop(up(w, class, role)),
                        false => mismatch(w, class, &[role]),
                    }
                }
            }
        }),
        row("9234-4.2-strict", Must, "in strict mode, no role: Role Mismatch", |w| {
            mismatch(w, AS_PROVIDER, &[]);
        }),
        row("9234-4.2-none", Must, "otherwise the session opens without one", |w| {
            opening(w, AS_CUSTOMER, &[]).message(octets::KEEPALIVE);
        }),
        row(
            "9234-4.2-several",
            Must,
            "several roles that differ: Role Mismatch; the same one twice is one",
            |w| {
                mismatch(w, AS_CUSTOMER, &[PROVIDER, PEER]);
                opening(w, AS_CUSTOMER, &[PROVIDER, PROVIDER]).message(octets::KEEPALIVE);
            },
        ),
        row(
            "9234-5-in-customer",
            Must,
            "a route with OTC from a customer, or a client, is a leak, and not used",
            |w| {
                assert_eq!(taken(w, up(w, AS_PROVIDER, CUSTOMER), &otc(7)), None);
                assert_eq!(taken(w, up(w, AS_SERVER, CLIENT), &otc(7)), None);
            },
        ),
        row(
            "9234-5-in-peer",
            Must,
            "a route from a peer with the OTC of another AS is a leak",
            |w| {
                assert_eq!(taken(w, up(w, AS_PEER, PEER), &otc(7)), None);
                assert_eq!(taken(w, up(w, AS_PEER, PEER), &otc(AS_PEER.asn)), is(AS_PEER.asn));
            },
        ),
        row(
            "9234-5-in-marked",
            Must,
            "a route from a provider, a peer or a server without OTC gets its AS number",
            |w| {
                assert_eq!(taken(w, up(w, AS_CUSTOMER, PROVIDER), &[]), is(AS_CUSTOMER.asn));
                assert_eq!(taken(w, up(w, AS_PEER, PEER), &[]), is(AS_PEER.asn));
                assert_eq!(taken(w, up(w, AS_CLIENT, SERVER), &[]), is(AS_CLIENT.asn));
                assert_eq!(taken(w, up(w, AS_CUSTOMER, PROVIDER), &otc(7)), is(7));
            },
        ),
        row("9234-5-in-unmarked", Must, "one from a customer gets none", |w| {
            assert_eq!(taken(w, up(w, AS_PROVIDER, CUSTOMER), &[]), Some(None));
        }),
        row(
            "9234-5-out-marked",
            Must,
            "a route without OTC gets ours on the way to customers, clients and peers",
            |w| {
                assert_eq!(told(w, up(w, AS_PROVIDER, CUSTOMER), &[]), is(65010));
                assert_eq!(told(w, up(w, AS_SERVER, CLIENT), &[]), is(65010));
                assert_eq!(told(w, up(w, AS_PEER, PEER), &[]), is(65010));
            },
        ),
        row("9234-5-out-kept", Must, "one with OTC keeps it on the way to customers", |w| {
            assert_eq!(told(w, up(w, AS_PROVIDER, CUSTOMER), &otc(7)), is(7));
        }),
        row("9234-5-out-leak", Must, "... and does not go to providers, peers and servers", |w| {
            assert_eq!(told(w, up(w, AS_CUSTOMER, PROVIDER), &otc(7)), None);
            assert_eq!(told(w, up(w, AS_PEER, PEER), &otc(7)), None);
            assert_eq!(told(w, up(w, AS_CLIENT, SERVER), &otc(7)), None);
        }),
        row("9234-5-unchanged", Must, "where there is no role, OTC passes unchanged", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            peer.announce(prefix, &otc(7));
            w.external.route(prefix).has(0xc0, 35, &[0, 0, 0, 7]);
        }),
    ]
}
