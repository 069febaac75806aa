//! Route refresh (RFC 2918, RFC 7313).

use std::time::Duration;

use crate::octets::{self, ENHANCED_REFRESH, MP_IPV4, ROUTE_REFRESH, UPDATE};
use crate::peer::{Heard, PATIENCE, Peer};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{EXTERNAL, World};

const REQUEST: &[u8] = &[0, 1, 0, 1];

fn ask(peer: &mut Peer, body: &[u8]) {
    peer.send(&octets::message(ROUTE_REFRESH, body));
}

/// A session that was told of a route of somebody else.
fn told(world: &World, more: &[&[u8]]) -> (Peer, ipnet::IpNet) {
    let (mut source, mut peer, prefix) =
        (world.up(EXTERNAL), world.connect(EXTERNAL), world.prefix());
    peer.establish(more);
    // What is asked for before the initial table is complete is answered by that.
    peer.after_its_table();
    source.announce(prefix, &[]);
    peer.told_of(prefix);
    std::mem::forget(source);
    (peer, prefix)
}

/// Nothing is told again within a second.
fn not_answered(peer: &mut Peer, prefix: ipnet::IpNet) {
    let end = std::time::Instant::now() + Duration::from_secs(1);
    while let Heard::Message(kind, body) =
        peer.hear(end.saturating_duration_since(std::time::Instant::now()))
    {
        assert_ne!(kind, octets::NOTIFICATION);
        assert!(kind != UPDATE || !octets::read_update(&body).announced.contains(&prefix));
    }
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("2918-4-answer", Must, "a ROUTE-REFRESH is answered with the family's routes", |w| {
            let (mut peer, prefix) = told(w, &[]);
            ask(&mut peer, REQUEST);
            assert_eq!(
                peer.told_of(prefix).announced.iter().filter(|one| **one == prefix).count(),
                1
            );
        }),
        row("7313-4-markers", Must, "between BoRR and EoRR, if both sides offered that", |w| {
            let (mut peer, prefix) = told(w, &[ENHANCED_REFRESH]);
            ask(&mut peer, REQUEST);
            assert_eq!(peer.message(ROUTE_REFRESH), [0, 1, 1, 1], "BoRR");
            let mut again = false;
            loop {
                match peer.hear(PATIENCE) {
                    Heard::Message(UPDATE, body) => {
                        again |= octets::read_update(&body).announced.contains(&prefix);
                    }
                    Heard::Message(ROUTE_REFRESH, body) => {
                        assert_eq!(body, [0, 1, 2, 1], "EoRR");
                        break;
                    }
                    Heard::Message(octets::KEEPALIVE, _) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert!(again, "the route is between them");
        }),
        row("7313-3-without", Must, "without, no marker is sent", |w| {
            let (mut peer, _) = told(w, &[]);
            ask(&mut peer, REQUEST);
            assert!(peer.quiet(ROUTE_REFRESH, Duration::from_secs(1)));
        }),
        row(
            "2918-3-asked",
            Choice,
            "at the operator's wish a peer is asked: once for each family, or for one",
            |w| {
                let mut peer = w.up(EXTERNAL);
                let name = format!("external@{}", peer.address);
                assert!(w.speaker.ask(&["refresh", &name]).status.success());
                assert_eq!(peer.message(ROUTE_REFRESH), REQUEST);
                assert_eq!(peer.message(ROUTE_REFRESH), [0, 2, 0, 1]);
                assert!(w.speaker.ask(&["refresh", &name, "ipv6"]).status.success());
                assert_eq!(peer.message(ROUTE_REFRESH), [0, 2, 0, 1]);
                w.settled(&mut peer);
            },
        ),
        row("2918-3-unable", Must, "but not if it cannot be asked: the operator is told", |w| {
            let mut peer = w.connect(EXTERNAL);
            let wide = octets::four_octets(65001);
            peer.establish_by(&peer.open_with(0, &octets::capabilities(&[MP_IPV4, &wide])));
            let name = format!("external@{}", peer.address);
            let output = w.speaker.ask(&["refresh", &name]);
            assert!(!output.status.success(), "{output:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("2918"), "{output:?}");
            assert!(peer.quiet(ROUTE_REFRESH, Duration::from_secs(1)));
        }),
        row("7313-4-family", Must, "markers of one family concern that family alone", |w| {
            let (mut peer, four, six) = (w.connect(EXTERNAL), w.prefix(), w.prefix_v6());
            peer.establish(&[ENHANCED_REFRESH]);
            peer.announce(four, &[]);
            peer.announce(six, &[]);
            peer.send(&octets::update(&[], &[], &[]));
            peer.send(&octets::update(&[], &[0x80, 15, 3, 0, 2, 1], &[]));
            w.external.route(six);
            ask(&mut peer, &[0, 1, 1, 1]);
            ask(&mut peer, &[0, 1, 2, 1]);
            w.external.gone(four);
            assert_eq!(w.external.withdrawals(six), 0);
        }),
        row(
            "2918-4-other-family",
            Must,
            "one for a family that was not negotiated is ignored",
            |w| {
                let (mut peer, prefix) = told(w, &[]);
                ask(&mut peer, &[0, 1, 0, 128]);
                ask(&mut peer, &[0, 25, 0, 65]);
                not_answered(&mut peer, prefix);
                w.settled(&mut peer);
            },
        ),
        row("2918-3-without", Must, "one from a peer that did not offer it is ignored", |w| {
            let (mut source, mut peer, prefix) = (w.up(EXTERNAL), w.connect(EXTERNAL), w.prefix());
            let wide = octets::four_octets(65001);
            peer.establish_by(&peer.open_with(0, &octets::capabilities(&[MP_IPV4, &wide])));
            peer.after_its_table();
            source.announce(prefix, &[]);
            peer.told_of(prefix);
            ask(&mut peer, REQUEST);
            not_answered(&mut peer, prefix);
            w.settled(&mut peer);
        }),
        row(
            "7313-5-short",
            Must,
            "a ROUTE-REFRESH that is too short: Invalid Message Length, with the message",
            |w| {
                let mut peer = w.up(EXTERNAL);
                let short = octets::message(ROUTE_REFRESH, &[0, 1, 0]);
                peer.send(&short);
                peer.notified(7, 1, &short);
            },
        ),
        row("7313-5-marker", Must, "BoRR or EoRR of another length, too", |w| {
            for subtype in [1, 2] {
                let (mut peer, _) = told(w, &[ENHANCED_REFRESH]);
                let long = octets::message(ROUTE_REFRESH, &[0, 1, subtype, 1, 0]);
                peer.send(&long);
                peer.notified(7, 1, &long);
            }
        }),
        row("7313-5-subtype", Must, "an unknown subtype is ignored", |w| {
            let (mut peer, prefix) = told(w, &[ENHANCED_REFRESH]);
            ask(&mut peer, &[0, 1, 3, 1]);
            ask(&mut peer, &[0, 1, 255, 1, 9, 9]);
            not_answered(&mut peer, prefix);
            w.settled(&mut peer);
        }),
        row("7313-4-received", Choice, "markers that nobody asked for cost nothing", |w| {
            let (mut peer, prefix) = (w.connect(EXTERNAL), w.prefix());
            peer.establish(&[ENHANCED_REFRESH]);
            peer.announce(prefix, &[]);
            w.external.route(prefix);
            ask(&mut peer, &[0, 1, 2, 1]);
            ask(&mut peer, &[0, 1, 1, 1]);
            w.settled(&mut peer);
            assert_eq!(w.external.withdrawals(prefix), 0);
        }),
        row("5291-4-filters", Choice, "filters behind a request are passed over", |w| {
            let (mut peer, prefix) = told(w, &[]);
            ask(&mut peer, &[0, 1, 0, 1, 1, 64, 0, 2, 0x20, 0]);
            peer.told_of(prefix);
        }),
    ]
}
