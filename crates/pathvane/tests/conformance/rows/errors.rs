//! Errors in UPDATEs (RFC 7606), attribute by attribute, and what another peer sees of each.

use crate::octets::{self, NEXT_HOP, ORIGIN_IGP, attribute};
use crate::peer::{Class, Peer};
use crate::row::Level::{self, Choice, Must};
use crate::row::{Row, row};
use crate::world::{EXTERNAL, INTERNAL, World};

/// The usual attributes of a peer's route, with one put in the place of the one of its code.
fn with(peer: &Peer, instead: &[u8]) -> Vec<u8> {
    let numbers: &[u32] = if peer.class == INTERNAL { &[] } else { &[peer.class.asn] };
    let usual = [ORIGIN_IGP.to_vec(), octets::as_path(numbers), NEXT_HOP.to_vec()];
    let kept = usual.into_iter().filter(|one| instead.get(1) != one.get(1));
    kept.chain([instead.to_vec()]).flatten().collect()
}

/// Its peers of both kinds.
fn observer(world: &World, class: Class) -> &crate::observer::Observer {
    if class == INTERNAL { &world.external } else { &world.internal }
}

/// Treat-as-withdraw: the route that was there goes, the session stays.
fn withdraws(world: &World, class: Class, attributes: impl Fn(&Peer) -> Vec<u8>) {
    let (mut peer, prefix) = (world.up(class), world.prefix());
    peer.announce(prefix, &[]);
    observer(world, class).route(prefix);
    let malformed = attributes(&peer);
    peer.send(&octets::update(&[], &malformed, &octets::nlri(prefix)));
    observer(world, class).gone(prefix);
    world.settled(&mut peer);
}

/// Attribute discard: the route stays, without the attribute.
fn discards(world: &World, class: Class, instead: &[u8]) {
    let (mut peer, prefix) = (world.up(class), world.prefix());
    let attributes = with(&peer, instead);
    peer.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
    let route = observer(world, class).route(prefix);
    let own = route.attribute(instead[1]).map(|(_, value)| value.to_vec());
    assert_ne!(own.as_deref(), Some(&instead[3..]), "the attribute is gone");
    route.has(0x40, 2, &octets::sequence(&[peer.class.asn]));
    world.settled(&mut peer);
}

/// Session reset with this NOTIFICATION: all of the peer's routes go.
fn resets(world: &World, octets: &[u8], subcode: u8, data: &[u8]) {
    let (mut peer, prefix) = (world.up(EXTERNAL), world.prefix());
    peer.announce(prefix, &[]);
    world.external.route(prefix);
    peer.send(octets);
    peer.notified(3, subcode, data);
    world.external.gone(prefix);
}

/// Rows of attributes that withdraw: name, sender, attribute, sentence.
type Attribute = (&'static str, Class, &'static [u8], &'static str);

const WITHDRAW: &[Attribute] = &[
    ("7606-3c-origin", EXTERNAL, &[0xc0, 1, 1, 0], "ORIGIN with the Optional bit"),
    (
        "7606-3c-as-path",
        EXTERNAL,
        &[0x00, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9],
        "AS_PATH without the Transitive bit",
    ),
    (
        "7606-3c-next-hop",
        EXTERNAL,
        &[0x80, 3, 4, 192, 0, 2, 1],
        "NEXT_HOP with the Optional bit for the Transitive one",
    ),
    ("7606-3c-med", EXTERNAL, &[0x40, 4, 4, 0, 0, 0, 1], "MULTI_EXIT_DISC marked well-known"),
    (
        "7606-3c-communities",
        EXTERNAL,
        &[0x80, 8, 4, 0, 1, 0, 1],
        "COMMUNITIES without the Transitive bit",
    ),
    ("7606-7.1-length", EXTERNAL, &[0x40, 1, 2, 0, 0], "ORIGIN of two octets"),
    ("7606-7.1-value", EXTERNAL, &[0x40, 1, 1, 3], "ORIGIN 3"),
    (
        "7606-7.2-type",
        EXTERNAL,
        &[0x40, 2, 6, 9, 1, 0, 0, 0xfd, 0xe9],
        "AS_PATH with an unknown type of segment",
    ),
    (
        "7606-7.2-overrun",
        EXTERNAL,
        &[0x40, 2, 6, 2, 2, 0, 0, 0xfd, 0xe9],
        "AS_PATH with a segment that ends beyond it",
    ),
    (
        "7606-7.2-underrun",
        EXTERNAL,
        &[0x40, 2, 7, 2, 1, 0, 0, 0xfd, 0xe9, 2],
        "AS_PATH with a single octet behind its segments",
    ),
    (
        "7606-7.2-empty",
        EXTERNAL,
        &[0x40, 2, 8, 2, 1, 0, 0, 0xfd, 0xe9, 2, 0],
        "AS_PATH with an empty segment",
    ),
    ("7606-7.3-length", EXTERNAL, &[0x40, 3, 5, 192, 0, 2, 1, 0], "NEXT_HOP of five octets"),
    ("4271-6.3-next-hop-zero", EXTERNAL, &[0x40, 3, 4, 0, 0, 0, 0], "NEXT_HOP 0.0.0.0"),
    ("4271-6.3-next-hop-multicast", EXTERNAL, &[0x40, 3, 4, 224, 0, 0, 5], "NEXT_HOP 224.0.0.5"),
    ("7606-7.4-length", EXTERNAL, &[0x80, 4, 3, 0, 0, 1], "MULTI_EXIT_DISC of three octets"),
    ("7606-7.5-length", INTERNAL, &[0x40, 5, 3, 0, 0, 1], "LOCAL_PREF of three octets"),
    ("7606-7.8-length", EXTERNAL, &[0xc0, 8, 3, 0, 1, 0], "COMMUNITIES of three octets"),
    ("7606-7.8-empty", EXTERNAL, &[0xc0, 8, 0], "COMMUNITIES of none"),
    ("7606-7.9-length", INTERNAL, &[0x80, 9, 3, 1, 2, 3], "ORIGINATOR_ID of three octets"),
    ("7606-7.10-length", INTERNAL, &[0x80, 10, 5, 1, 2, 3, 4, 5], "CLUSTER_LIST of five octets"),
    ("7606-7.10-empty", INTERNAL, &[0x80, 10, 0], "CLUSTER_LIST of none"),
    (
        "7606-7.14-length",
        EXTERNAL,
        &[0xc0, 16, 7, 0, 2, 0, 1, 0, 0, 0],
        "EXTENDED COMMUNITIES of seven octets",
    ),
    ("7606-7.14-empty", EXTERNAL, &[0xc0, 16, 0], "EXTENDED COMMUNITIES of none"),
    (
        "8092-6-length",
        EXTERNAL,
        &[0xc0, 32, 11, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0],
        "LARGE_COMMUNITY of eleven octets",
    ),
    ("8092-6-empty", EXTERNAL, &[0xc0, 32, 0], "LARGE_COMMUNITY of none"),
    ("9234-5-length", EXTERNAL, &[0xc0, 35, 3, 0, 0, 1], "OTC of three octets"),
    (
        "7607-as-path",
        EXTERNAL,
        &[0x40, 2, 10, 2, 2, 0, 0, 0xfd, 0xe9, 0, 0, 0, 0],
        "AS_PATH with AS number 0",
    ),
    (
        "5065-5-external",
        EXTERNAL,
        &[0x40, 2, 6, 3, 1, 0, 0, 0xfd, 0xe9],
        "AS_PATH with a confederation's segment from an external peer",
    ),
];

/// Rows of attributes that are discarded.
const DISCARD: &[Attribute] = &[
    ("7606-7.6-length", EXTERNAL, &[0x40, 6, 1, 7], "ATOMIC_AGGREGATE of one octet"),
    (
        "7606-7.7-length",
        EXTERNAL,
        &[0xc0, 7, 6, 0, 1, 1, 2, 3, 4],
        "AGGREGATOR of six octets where AS numbers have four",
    ),
    (
        "7607-aggregator",
        EXTERNAL,
        &[0xc0, 7, 8, 0, 0, 0, 0, 1, 2, 3, 4],
        "AGGREGATOR with AS number 0",
    ),
    (
        "7606-7.5-external",
        EXTERNAL,
        &[0x40, 5, 4, 0, 0, 0, 0xc8],
        "LOCAL_PREF from an external peer",
    ),
    ("7606-7.5-external-length", EXTERNAL, &[0x40, 5, 1, 9], "... of any length"),
    (
        "7606-7.9-external",
        EXTERNAL,
        &[0x80, 9, 4, 1, 2, 3, 4],
        "ORIGINATOR_ID from an external peer",
    ),
    (
        "7606-7.10-external",
        EXTERNAL,
        &[0x80, 10, 4, 1, 2, 3, 4],
        "CLUSTER_LIST from an external peer",
    ),
    (
        "6793-6-as4-path",
        EXTERNAL,
        &[0xc0, 17, 6, 2, 1, 0, 1, 0, 0],
        "AS4_PATH from a peer with four octets",
    ),
    (
        "6793-6-as4-aggregator",
        EXTERNAL,
        &[0xc0, 18, 8, 0, 1, 0, 0, 1, 2, 3, 4],
        "AS4_AGGREGATOR from such a peer",
    ),
    (
        "4271-5-optional",
        EXTERNAL,
        &[0x80, 77, 3, 1, 2, 3],
        "an unknown optional attribute that is not transitive",
    ),
    ("7311-3-aigp", EXTERNAL, &[0x80, 26, 4, 9, 9, 9, 9], "a malformed AIGP"),
];

fn of_tables() -> impl Iterator<Item = Row> {
    let withdraw = WITHDRAW.iter().map(|&(id, class, bad, says)| {
        row(id, Must, says, move |w| withdraws(w, class, |peer| with(peer, bad)))
    });
    let discard = DISCARD
        .iter()
        .map(|&(id, class, bad, says)| row(id, Must, says, move |w| discards(w, class, bad)));
    withdraw.chain(discard)
}

/// An attribute of the mandatory ones is missing.
fn missing(id: &'static str, code: u8, says: &'static str) -> Row {
    row(id, Must, says, move |w| {
        withdraws(w, EXTERNAL, |peer| {
            let usual =
                [ORIGIN_IGP.to_vec(), octets::as_path(&[peer.class.asn]), NEXT_HOP.to_vec()];
            usual.into_iter().filter(|one| one[1] != code).flatten().collect()
        });
    })
}

/// A reset by an UPDATE of these fields.
fn reset(
    id: &'static str,
    level: Level,
    says: &'static str,
    (withdrawn, attributes, nlri): (&'static [u8], Vec<u8>, &'static [u8]),
    (subcode, data): (u8, Vec<u8>),
) -> Row {
    let update = octets::update(withdrawn, &attributes, nlri);
    row(id, level, says, move |w| resets(w, &update, subcode, &data))
}

fn of_structure() -> Vec<Row> {
    let body = |octets: &[u8]| octets::message(octets::UPDATE, octets);
    let (beyond, beyond_attributes) =
        (body(&[0, 9, 24, 10, 9, 9, 0, 0]), body(&[0, 0, 0, 9, 0x40, 1, 1, 0]));
    let none: &[u8] = &[];
    vec![
        row(
            "7606-3b-withdrawn",
            Must,
            "withdrawn routes that exceed the message: Malformed Attribute List",
            move |w| {
                resets(w, &beyond, 1, &[]);
            },
        ),
        row(
            "7606-3b-attributes",
            Must,
            "attributes that exceed the message: Malformed Attribute List",
            move |w| {
                resets(w, &beyond_attributes, 1, &[]);
            },
        ),
        reset(
            "7606-5.3-prefix",
            Must,
            "a prefix of 33 bits: Invalid Network Field",
            (
                none,
                [ORIGIN_IGP, &octets::as_path(&[65001]), NEXT_HOP].concat(),
                &[33, 10, 9, 9, 9, 9],
            ),
            (10, vec![]),
        ),
        reset(
            "7606-5.3-withdrawn",
            Must,
            "a withdrawn one, too",
            (&[33, 10, 9, 9, 9, 9], vec![], none),
            (10, vec![]),
        ),
        reset(
            "7606-5.3-truncated",
            Must,
            "a prefix that ends beyond the message, too",
            (none, [ORIGIN_IGP, &octets::as_path(&[65001]), NEXT_HOP].concat(), &[24, 10, 9]),
            (10, vec![]),
        ),
        reset(
            "4271-6.3-well-known",
            Must,
            "an unrecognized well-known attribute, with it",
            (
                none,
                [ORIGIN_IGP, &octets::as_path(&[65001]), NEXT_HOP, &[0x40, 99, 1, 5]].concat(),
                &[24, 10, 9, 9],
            ),
            (2, vec![0x40, 99, 1, 5]),
        ),
        reset(
            "7606-3g-reach-twice",
            Must,
            "MP_REACH_NLRI twice: Malformed Attribute List",
            (
                none,
                [octets::reach_ipv6(&[1; 16], v6()), octets::reach_ipv6(&[1; 16], v6())].concat(),
                none,
            ),
            (1, vec![]),
        ),
        reset(
            "7606-3g-unreach-twice",
            Must,
            "MP_UNREACH_NLRI twice, too",
            (none, [octets::unreach_ipv6(v6()), octets::unreach_ipv6(v6())].concat(), none),
            (1, vec![]),
        ),
        reset(
            "7606-7.11-next-hop",
            Must,
            "MP_REACH_NLRI with a next hop of no length: Optional Attribute Error, with it",
            (
                none,
                attribute(0x80, 14, &octets::reach_value(2, &[1; 15], &octets::nlri(v6()))),
                none,
            ),
            (9, attribute(0x80, 14, &octets::reach_value(2, &[1; 15], &octets::nlri(v6())))),
        ),
        reset(
            "7606-5.3-reach",
            Must,
            "MP_REACH_NLRI with a prefix of 129 bits, too",
            (none, attribute(0x80, 14, &octets::reach_value(2, &[1; 16], &[129, 1])), none),
            (9, attribute(0x80, 14, &octets::reach_value(2, &[1; 16], &[129, 1]))),
        ),
        reset(
            "7606-5.3-unreach",
            Must,
            "MP_UNREACH_NLRI with such a prefix, too",
            (none, vec![0x80, 15, 5, 0, 2, 1, 129, 1], none),
            (9, vec![0x80, 15, 5, 0, 2, 1, 129, 1]),
        ),
        reset(
            "7606-5.2-nothing",
            Must,
            "an error above attribute discard where nothing is announced, with the attribute",
            (none, vec![0x40, 1, 1, 3], none),
            (6, vec![0x40, 1, 1, 3]),
        ),
        reset(
            "7606-5.2-length",
            Must,
            "... whichever error it is: Attribute Length Error",
            (none, vec![0x80, 4, 1, 3], none),
            (5, vec![0x80, 4, 1, 3]),
        ),
        reset(
            "7606-5.2-flags",
            Must,
            "... Attribute Flags Error",
            (none, vec![0xc0, 1, 1, 0], none),
            (4, vec![0xc0, 1, 1, 0]),
        ),
    ]
}

fn v6() -> ipnet::IpNet {
    "2001:db8:ffff::/48".parse().expect("a prefix")
}

fn of_lists() -> Vec<Row> {
    vec![
        missing("7606-3d-origin", 1, "ORIGIN is missing: treat-as-withdraw"),
        missing("7606-3d-as-path", 2, "AS_PATH is missing: treat-as-withdraw"),
        missing("7606-3d-next-hop", 3, "NEXT_HOP is missing: treat-as-withdraw"),
        row(
            "7606-4-ends",
            Must,
            "attributes that end in the middle of one: treat-as-withdraw",
            |w| {
                withdraws(w, EXTERNAL, |peer| with(peer, &[0x80, 4, 4, 0]));
            },
        ),
        row("7606-4-header", Must, "... or in the middle of its header", |w| {
            withdraws(w, EXTERNAL, |peer| with(peer, &[0xd0, 99, 0]));
        }),
        row("7606-3g-twice", Must, "an attribute that is there twice: the first one counts", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            peer.announce(prefix, &[octets::med(7), octets::med(8), vec![0x40, 1, 1, 3]].concat());
            let route = w.internal.route(prefix);
            route.has(0x80, 4, &[0, 0, 0, 7]);
            route.has(0x40, 1, &[0]);
            w.settled(&mut peer);
        }),
        row("7606-3h-strongest", Must, "of several errors the strongest counts", |w| {
            withdraws(w, EXTERNAL, |peer| {
                with(peer, &[0x40, 6, 1, 7, 0x80, 4, 1, 0, 0xc0, 7, 1, 0])
            });
        }),
        row(
            "7606-3c-reach",
            Must,
            "MP_REACH_NLRI with wrong flags: its routes go, the session stays",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix_v6());
                peer.announce(prefix, &[]);
                w.external.route(prefix);
                let value = octets::reach_value(2, &[1; 16], &octets::nlri(prefix));
                let attributes = [peer.attributes(), attribute(0xc0, 14, &value)].concat();
                peer.send(&octets::update(&[], &attributes, &[]));
                w.external.gone(prefix);
                w.settled(&mut peer);
            },
        ),
        row(
            "7606-3c-registered",
            Choice,
            "a registered attribute that we do not know, marked well-known: treat-as-withdraw",
            |w| {
                withdraws(w, EXTERNAL, |peer| with(peer, &[0x40, 40, 2, 1, 2]));
            },
        ),
        row("7606-2-others", Must, "treat-as-withdraw touches no other route of the peer", |w| {
            let (mut peer, prefix, other) = (w.up(EXTERNAL), w.prefix(), w.prefix());
            peer.announce(other, &[]);
            peer.announce(prefix, &[]);
            w.external.route(prefix);
            let malformed = with(&peer, &[0x40, 1, 1, 9]);
            peer.send(&octets::update(&[], &malformed, &octets::nlri(prefix)));
            w.external.gone(prefix);
            w.settled(&mut peer);
            assert!(w.external.now(other).is_some() && w.external.withdrawals(other) == 0);
        }),
        row(
            "7606-2-withdrawn-too",
            Must,
            "what an UPDATE withdraws is withdrawn whatever is wrong with its attributes",
            |w| {
                let (mut peer, prefix, other) = (w.up(EXTERNAL), w.prefix(), w.prefix());
                peer.announce(prefix, &[]);
                w.external.route(prefix);
                let malformed = with(&peer, &[0x40, 1, 1, 9]);
                peer.send(&octets::update(&octets::nlri(prefix), &malformed, &octets::nlri(other)));
                w.external.gone(prefix);
                w.settled(&mut peer);
                assert!(w.external.now(other).is_none());
            },
        ),
        row(
            "7606-7.13-carried",
            Must,
            "attributes of others pass through whatever they hold: 22, 23, 29, 33, 36, 37, 40, 128",
            |w| {
                for code in [22, 23, 25, 29, 33, 34, 36, 37, 38, 40, 41, 128, 243] {
                    let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
                    peer.announce(prefix, &attribute(0xc0, code, &[0xde, 0xad, 0xbe]));
                    w.external.route(prefix).has(0xe0, code, &[0xde, 0xad, 0xbe]);
                    w.settled(&mut peer);
                }
            },
        ),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    of_tables().chain(of_structure()).chain(of_lists()).collect()
}
