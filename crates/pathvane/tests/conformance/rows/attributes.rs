//! What is passed on of a route's attributes, to whom (RFC 4271 sections 5 and 9.2).

use crate::octets::{self, NEXT_HOP, ORIGIN_IGP, attribute};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{EXTERNAL, INTERNAL, World};

/// A fresh external route with `more` attributes.
fn external(world: &World, more: &[u8]) -> ipnet::IpNet {
    let (mut peer, prefix) = (world.up(EXTERNAL), world.prefix());
    peer.announce(prefix, more);
    world.internal.route(prefix);
    world.external.route(prefix);
    world.settled(&mut peer);
    std::mem::forget(peer);
    prefix
}

/// A fresh internal route.
fn internal(world: &World, more: &[u8]) -> ipnet::IpNet {
    let (mut peer, prefix) = (world.up(INTERNAL), world.prefix());
    peer.announce(prefix, more);
    world.external.route(prefix);
    std::mem::forget(peer);
    prefix
}

/// An attribute (a route target) that keeps a route from being passed on undecoded.
fn decoded() -> Vec<u8> {
    attribute(0xc0, 16, &[0, 2, 0xfd, 0xe9, 0, 0, 0, 1])
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("4271-5.1.1-origin", Must, "ORIGIN is passed on as it is", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            let attributes = [&[0x40, 1, 1, 2][..], &octets::as_path(&[65001]), NEXT_HOP].concat();
            peer.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
            w.external.route(prefix).has(0x40, 1, &[2]);
            w.internal.route(prefix).has(0x40, 1, &[2]);
        }),
        row(
            "4271-5.1.2-external",
            Must,
            "our AS number is put in front of AS_PATH for external peers",
            |w| {
                for more in [vec![], decoded()] {
                    let prefix = external(w, &more);
                    w.external.route(prefix).has(0x40, 2, &octets::sequence(&[65010, 65001]));
                }
            },
        ),
        row("4271-5.1.2-internal", Must, "... and AS_PATH is unchanged for internal ones", |w| {
            let prefix = external(w, &[]);
            w.internal.route(prefix).has(0x40, 2, &octets::sequence(&[65001]));
        }),
        row("4271-5.1.2-set", Must, "a set in AS_PATH stays a set", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            let set = [2, 1, 0, 0, 0xfd, 0xe9, 1, 2, 0, 0, 0, 7, 0, 0, 0, 9];
            let attributes = [ORIGIN_IGP, &attribute(0x40, 2, &set), NEXT_HOP].concat();
            peer.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
            let wanted = [2, 2, 0, 0, 0xfd, 0xf2, 0, 0, 0xfd, 0xe9, 1, 2, 0, 0, 0, 7, 0, 0, 0, 9];
            w.external.route(prefix).has(0x40, 2, &wanted);
        }),
        row("4271-5.1.2-full", Must, "in front of a full segment a new one begins", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            let path = octets::as_path(&[65001; 255]);
            peer.send(&octets::update(
                &[],
                &[ORIGIN_IGP, &path, NEXT_HOP].concat(),
                &octets::nlri(prefix),
            ));
            let wanted = [octets::sequence(&[65010]), octets::sequence(&[65001; 255])].concat();
            w.external.route(prefix).has(0x40, 2, &wanted);
        }),
        row(
            "4271-5.1.2-originated",
            Must,
            "to external peers an internal route's path is our AS number",
            |w| {
                for more in [vec![], decoded()] {
                    let prefix = internal(w, &[octets::local_pref(100), more].concat());
                    w.external.route(prefix).has(0x40, 2, &octets::sequence(&[65010]));
                }
            },
        ),
        row("4271-5.1.3-external", Must, "external peers get our address as NEXT_HOP", |w| {
            let prefix = external(w, &[]);
            w.external.route(prefix).has(0x40, 3, &[127, 0, 0, 1]);
        }),
        row("4271-5.1.3-internal", Must, "internal ones get NEXT_HOP as it was received", |w| {
            let prefix = external(w, &[]);
            w.internal.route(prefix).has(0x40, 3, &[192, 0, 2, 1]);
        }),
        row(
            "4271-5.1.4-external",
            Must,
            "a received MULTI_EXIT_DISC is not passed on to another AS",
            |w| {
                for more in [vec![], decoded()] {
                    let prefix = external(w, &[octets::med(77), more].concat());
                    w.external.route(prefix).lacks(4);
                }
            },
        ),
        row("4271-5.1.4-internal", Must, "... but inside ours", |w| {
            let prefix = external(w, &octets::med(77));
            w.internal.route(prefix).has(0x80, 4, &[0, 0, 0, 77]);
        }),
        row(
            "4271-5.1.5-internal",
            Must,
            "internal peers get LOCAL_PREF: 100, where nobody said otherwise",
            |w| {
                let prefix = external(w, &[]);
                w.internal.route(prefix).has(0x40, 5, &[0, 0, 0, 100]);
            },
        ),
        row("4271-5.1.5-external", Must, "external peers get none", |w| {
            let prefix = internal(w, &octets::local_pref(300));
            w.external.route(prefix).lacks(5);
        }),
        row("4271-5.1.6-aggregate", Must, "ATOMIC_AGGREGATE and AGGREGATOR are passed on", |w| {
            let aggregator = attribute(0xc0, 7, &[0, 0, 0xfd, 0xe9, 1, 2, 3, 4]);
            let prefix = external(w, &[&[0x40, 6, 0][..], &aggregator].concat());
            w.external.route(prefix).has(0x40, 6, &[]);
            w.external.route(prefix).has(0xc0, 7, &[0, 0, 0xfd, 0xe9, 1, 2, 3, 4]);
        }),
        row(
            "4271-5-transitive",
            Must,
            "an unknown transitive attribute is passed on with the Partial bit",
            |w| {
                let prefix = external(w, &attribute(0xc0, 200, &[1, 2, 3]));
                w.external.route(prefix).has(0xe0, 200, &[1, 2, 3]);
            },
        ),
        row("4271-5-partial", Must, "the Partial bit of a known one stays set", |w| {
            for more in [vec![], decoded()] {
                let partial = attribute(0xe0, 8, &[0xfd, 0xe9, 0, 1]);
                let prefix = external(w, &[partial, more].concat());
                w.external.route(prefix).has(0xe0, 8, &[0xfd, 0xe9, 0, 1]);
            }
        }),
        row(
            "4271-4.3-extended-length",
            Must,
            "a length of two octets is read for short attributes, too; unused bits are ignored",
            |w| {
                let prefix = external(w, &[0x9f, 4, 0, 4, 0, 0, 0, 77]);
                w.internal.route(prefix).has(0x80, 4, &[0, 0, 0, 77]);
            },
        ),
        row("4271-4.3-long", Must, "an attribute above 255 octets is passed on", |w| {
            let value: Vec<u8> = (0..=255).cycle().take(600).collect();
            let prefix = external(w, &attribute(0xc0, 201, &value));
            w.external.route(prefix).has(0xe0, 201, &value);
        }),
        row("4271-4.3-order", Must, "attributes are read in any order", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            let attributes =
                [&octets::med(5)[..], NEXT_HOP, &octets::as_path(&[65001]), ORIGIN_IGP].concat();
            peer.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
            w.internal.route(prefix).has(0x80, 4, &[0, 0, 0, 5]);
        }),
        row("4271-5-order", Choice, "attributes are sent in the order of their codes", |w| {
            let more = [octets::communities(&[0xfde9_0001]), octets::med(5)].concat();
            let prefix = external(w, &more);
            let codes: Vec<_> = w.internal.route(prefix).0.iter().map(|one| one.code).collect();
            assert_eq!(codes, [1, 2, 3, 4, 5, 8]);
        }),
        row(
            "4271-4.3-both",
            Must,
            "a prefix that is withdrawn and announced in one UPDATE is announced",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
                let attributes = [&peer.attributes()[..], NEXT_HOP].concat();
                peer.send(&octets::update(
                    &octets::nlri(prefix),
                    &attributes,
                    &octets::nlri(prefix),
                ));
                w.external.route(prefix);
                w.settled(&mut peer);
                assert!(w.external.now(prefix).is_some());
            },
        ),
        row("4271-4.3-implicit", Must, "an announcement replaces the one before it", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            peer.announce(prefix, &octets::med(1));
            w.internal.route(prefix).has(0x80, 4, &[0, 0, 0, 1]);
            peer.announce(prefix, &octets::med(2));
            w.internal
                .route_where(prefix, |route| route.attribute(4) == Some((0x80, &[0, 0, 0, 2])));
            assert_eq!(w.internal.withdrawals(prefix), 0);
        }),
        row(
            "4271-9.1.3-withdrawn",
            Must,
            "a withdrawn route is withdrawn from the others, and once",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
                peer.announce(prefix, &[]);
                w.external.route(prefix);
                peer.withdraw(prefix);
                peer.withdraw(prefix);
                w.external.gone(prefix);
                w.settled(&mut peer);
                assert_eq!(w.external.withdrawals(prefix), 1);
            },
        ),
        row(
            "4271-9.1.3-unknown",
            Must,
            "a withdrawal of what was never announced is no error, and is told to nobody",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
                peer.withdraw(prefix);
                w.settled(&mut peer);
                assert_eq!(w.external.withdrawals(prefix), 0);
            },
        ),
        row(
            "4271-9.2-internal",
            Must,
            "a route of an internal peer is not told to another one",
            |w| {
                let (mut peer, prefix) = (w.up(INTERNAL), w.prefix());
                peer.announce(prefix, &octets::local_pref(100));
                w.external.route(prefix);
                w.settled(&mut peer);
                assert!(w.internal.now(prefix).is_none());
            },
        ),
        row("4271-9.1.2-loop", Must, "a route with our AS number in its path is not used", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            peer.announce(prefix, &[]);
            w.external.route(prefix);
            let attributes = [ORIGIN_IGP, &octets::as_path(&[65001, 65010, 7]), NEXT_HOP].concat();
            peer.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
            w.external.gone(prefix);
            w.settled(&mut peer);
        }),
        row(
            "4456-8-originator",
            Must,
            "nor one that has our BGP Identifier as ORIGINATOR_ID",
            |w| {
                let (mut peer, prefix) = (w.up(INTERNAL), w.prefix());
                peer.announce(prefix, &attribute(0x80, 9, &[10, 255, 0, 1]));
                w.settled(&mut peer);
                assert!(w.external.now(prefix).is_none());
            },
        ),
        row("4456-8-cluster", Must, "nor one that has it in its CLUSTER_LIST", |w| {
            let (mut peer, prefix) = (w.up(INTERNAL), w.prefix());
            peer.announce(prefix, &attribute(0x80, 10, &[1, 1, 1, 1, 10, 255, 0, 1]));
            w.settled(&mut peer);
            assert!(w.external.now(prefix).is_none());
        }),
        row("4456-8-external", Must, "ORIGINATOR_ID and CLUSTER_LIST do not leave the AS", |w| {
            let more =
                [attribute(0x80, 9, &[1, 1, 1, 1]), attribute(0x80, 10, &[2, 2, 2, 2])].concat();
            let prefix = internal(w, &more);
            w.external.route(prefix).lacks(9);
            w.external.route(prefix).lacks(10);
        }),
    ]
}
