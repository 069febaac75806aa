//! Four-octet AS numbers through those who have two (RFC 6793).

use crate::octets::{self, NEXT_HOP, ORIGIN_IGP, attribute};
use crate::peer::Peer;
use crate::row::Level::Must;
use crate::row::{Row, row};
use crate::world::{EXTERNAL, WIDE, World};

/// A session with a peer that has two octets.
fn old(world: &World) -> Peer {
    let mut peer = world.connect(EXTERNAL);
    peer.establish_by(&peer.open_with(0, &octets::capabilities(&[octets::MP_IPV4])));
    peer
}

/// What becomes of the path of a route from such a peer, with `more` attributes; 65001 23456 first.
fn path_from_old(world: &World, more: &[u8], wanted: &[u32]) {
    let (mut peer, prefix) = (old(world), world.prefix());
    let path = attribute(0x40, 2, &[2, 2, 0xfd, 0xe9, 0x5b, 0xa0]);
    peer.send(&octets::update(
        &[],
        &[ORIGIN_IGP, &path, NEXT_HOP, more].concat(),
        &octets::nlri(prefix),
    ));
    let route = world.internal.route(prefix);
    route.has(0x40, 2, &octets::sequence(wanted));
    route.lacks(17);
    route.lacks(18);
}

const WIDE_AS: [u8; 4] = [0xfa, 0x56, 0xea, 0x01];

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "6793-4.2.2-trans",
            Must,
            "a peer with two octets gets AS_TRANS in AS_PATH, and AS4_PATH",
            |w| {
                let (mut peer, prefix) = (w.up(WIDE), w.prefix());
                peer.announce(prefix, &[]);
                let route = w.old.route(prefix);
                route.has(0x40, 2, &[2, 2, 0xfd, 0xf2, 0x5b, 0xa0]);
                route.has(0xc0, 17, &octets::sequence(&[65010, WIDE.asn]));
            },
        ),
        row("6793-4.2.2-narrow", Must, "it gets no AS4_PATH where AS_PATH says all", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            peer.announce(prefix, &[]);
            let route = w.old.route(prefix);
            route.has(0x40, 2, &[2, 2, 0xfd, 0xf2, 0xfd, 0xe9]);
            route.lacks(17);
        }),
        row("6793-4.2.2-aggregator", Must, "the same for AGGREGATOR and AS4_AGGREGATOR", |w| {
            let (mut peer, prefix, narrow) = (w.up(EXTERNAL), w.prefix(), w.prefix());
            let wide = [&WIDE_AS[..], &[1, 2, 3, 4]].concat();
            peer.announce(prefix, &attribute(0xc0, 7, &wide));
            let route = w.old.route(prefix);
            route.has(0xc0, 7, &[0x5b, 0xa0, 1, 2, 3, 4]);
            route.has(0xc0, 18, &wide);
            peer.announce(narrow, &attribute(0xc0, 7, &[0, 0, 0, 9, 1, 2, 3, 4]));
            let route = w.old.route(narrow);
            route.has(0xc0, 7, &[0, 9, 1, 2, 3, 4]);
            route.lacks(18);
        }),
        row("6793-4.2.2-four", Must, "peers with four octets get neither AS4 attribute", |w| {
            let (mut peer, prefix) = (w.up(WIDE), w.prefix());
            peer.announce(prefix, &[]);
            let route = w.external.route(prefix);
            route.has(0x40, 2, &octets::sequence(&[65010, WIDE.asn]));
            route.lacks(17);
        }),
        row(
            "6793-4.2.3-merge",
            Must,
            "AS4_PATH from a peer with two octets puts the numbers back",
            |w| {
                let as4 = attribute(0xc0, 17, &octets::sequence(&[WIDE.asn]));
                path_from_old(w, &as4, &[65001, WIDE.asn]);
            },
        ),
        row("6793-4.2.3-longer", Must, "an AS4_PATH longer than AS_PATH is ignored", |w| {
            let as4 = attribute(0xc0, 17, &octets::sequence(&[WIDE.asn, 7, 8]));
            path_from_old(w, &as4, &[65001, 23456]);
        }),
        row(
            "6793-4.2.3-aggregator",
            Must,
            "beside an AGGREGATOR that is not AS_TRANS, both AS4 attributes are ignored",
            |w| {
                let more = [
                    attribute(0xc0, 7, &[0, 9, 1, 2, 3, 4]),
                    attribute(0xc0, 17, &octets::sequence(&[WIDE.asn])),
                    attribute(0xc0, 18, &[&WIDE_AS[..], &[5, 5, 5, 5]].concat()),
                ];
                path_from_old(w, &more.concat(), &[65001, 23456]);
            },
        ),
        row("6793-6-malformed", Must, "a malformed AS4_PATH is discarded", |w| {
            path_from_old(w, &attribute(0xc0, 17, &[2, 2, 0, 0]), &[65001, 23456]);
            path_from_old(w, &attribute(0xc0, 17, &[]), &[65001, 23456]);
        }),
        row("6793-6-malformed-aggregator", Must, "a malformed AS4_AGGREGATOR is discarded", |w| {
            path_from_old(w, &attribute(0xc0, 18, &[1, 2, 3]), &[65001, 23456]);
        }),
        row(
            "7606-7.7-two-octets",
            Must,
            "AGGREGATOR from a peer with two octets has six; with eight it is discarded",
            |w| {
                let (mut peer, prefix) = (old(w), w.prefix());
                let path = attribute(0x40, 2, &[2, 1, 0xfd, 0xe9]);
                let wide = attribute(0xc0, 7, &[0, 0, 0, 9, 1, 2, 3, 4]);
                let attributes = [ORIGIN_IGP, &path, NEXT_HOP, &wide].concat();
                peer.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
                w.internal.route(prefix).lacks(7);
            },
        ),
    ]
}
