//! Messages that a state does not allow (RFC 4271 section 6.6, RFC 6608), and NOTIFICATIONs (6.4).

use std::time::Duration;

use crate::octets::{self, KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH};
use crate::peer::Peer;
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{DELAYED, EXTERNAL, World};

const REFRESH_IPV4: &[u8] = &[0, 1, 0, 1];

fn in_open_sent(world: &World) -> Peer {
    let mut peer = world.connect(EXTERNAL);
    peer.message(OPEN);
    peer
}

fn in_open_confirm(world: &World) -> Peer {
    let mut peer = in_open_sent(world);
    let open = peer.open(&[]);
    peer.send(&open);
    peer.message(KEEPALIVE);
    peer
}

fn answered(mut peer: Peer, octets: &[u8], state: u8) {
    peer.send(octets);
    peer.notified(5, state, &[]);
}

pub(super) fn rows() -> Vec<Row> {
    let update = || octets::update(&[], &[], &[]);
    vec![
        row("6608-4-open-sent-update", Must, "an UPDATE in OpenSent: FSM Error 1", move |w| {
            answered(in_open_sent(w), &update(), 1);
        }),
        row("6608-4-open-sent-keepalive", Must, "a KEEPALIVE in OpenSent: FSM Error 1", |w| {
            answered(in_open_sent(w), &octets::keepalive(), 1);
        }),
        row("6608-4-open-sent-refresh", Must, "a ROUTE-REFRESH in OpenSent: FSM Error 1", |w| {
            answered(in_open_sent(w), &octets::message(ROUTE_REFRESH, REFRESH_IPV4), 1);
        }),
        row(
            "6608-4-open-confirm-update",
            Must,
            "an UPDATE in OpenConfirm: FSM Error 2",
            move |w| {
                answered(in_open_confirm(w), &update(), 2);
            },
        ),
        row("6608-4-open-confirm-open", Must, "a second OPEN in OpenConfirm: FSM Error 2", |w| {
            let peer = in_open_confirm(w);
            let open = peer.open(&[]);
            answered(peer, &open, 2);
        }),
        row(
            "6608-4-open-confirm-refresh",
            Must,
            "a ROUTE-REFRESH in OpenConfirm: FSM Error 2",
            |w| {
                answered(in_open_confirm(w), &octets::message(ROUTE_REFRESH, REFRESH_IPV4), 2);
            },
        ),
        row(
            "6608-4-established-open",
            Must,
            "an OPEN in Established: FSM Error 3, and the routes go",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
                peer.announce(prefix, &[]);
                w.external.route(prefix);
                let open = peer.open(&[]);
                answered(peer, &open, 3);
                w.external.gone(prefix);
            },
        ),
        row("4271-6.4-not-answered", Must, "a NOTIFICATION is not answered, in any state", |w| {
            let cease = octets::message(NOTIFICATION, &[6, 2]);
            for mut peer in [in_open_sent(w), in_open_confirm(w), w.up(EXTERNAL)] {
                peer.send(&cease);
                peer.closed();
            }
        }),
        row(
            "4271-6.4-unknown",
            Must,
            "nor one whose code nobody knows, nor one with too much to say",
            |w| {
                for body in [vec![99, 99], [&[3, 1][..], &[7; 4000]].concat()] {
                    let mut peer = w.up(EXTERNAL);
                    peer.send(&octets::message(NOTIFICATION, &body));
                    peer.closed();
                }
            },
        ),
        row(
            "9003-2-text",
            Must,
            "a shutdown text that is no UTF-8, or longer than it says it is, is no error",
            |w| {
                for text in [&[3, 0xff, 0xfe, 0xfd][..], &[200, b'x'], &[0], &[2, 0x1b, b'c']] {
                    let mut peer = w.up(EXTERNAL);
                    peer.send(&octets::message(NOTIFICATION, &[&[6, 2][..], text].concat()));
                    peer.closed();
                }
            },
        ),
        row("4271-8.2-close", Must, "a connection that ends takes its routes along", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
            peer.announce(prefix, &[]);
            w.external.route(prefix);
            drop(peer);
            w.external.gone(prefix);
        }),
        row(
            "4271-8.2-octet-by-octet",
            Must,
            "messages may come one octet at a time, and many at once",
            |w| {
                let (mut peer, one, two) = (w.connect(EXTERNAL), w.prefix(), w.prefix());
                let open = peer.open(&[]);
                for octet in open.chunks(1).chain(octets::keepalive().chunks(1)) {
                    peer.send(octet);
                }
                peer.message(KEEPALIVE);
                let attributes = [&peer.attributes()[..], octets::NEXT_HOP].concat();
                for octet in octets::update(&[], &attributes, &octets::nlri(one)).chunks(1) {
                    peer.send(octet);
                }
                w.external.route(one);
                let more = octets::update(&[], &attributes, &octets::nlri(two));
                let gone = octets::update(&octets::nlri(one), &[], &[]);
                peer.send(&[octets::keepalive(), more, octets::keepalive(), gone].concat());
                w.external.route(two);
                w.external.gone(one);
            },
        ),
        row(
            "4271-8.2-at-once",
            Must,
            "routes may follow the KEEPALIVE that opens the session in the same packet",
            |w| {
                let (mut peer, prefix) = (in_open_confirm(w), w.prefix());
                let attributes = [&peer.attributes()[..], octets::NEXT_HOP].concat();
                let update = octets::update(&[], &attributes, &octets::nlri(prefix));
                peer.send(&[octets::keepalive(), update].concat());
                w.external.route(prefix);
            },
        ),
        row(
            "4271-8.1-delay-open",
            Choice,
            "with DelayOpen, our OPEN waits for the peer's, and comes without it",
            |w| {
                let mut peer = w.connect(DELAYED);
                assert!(peer.quiet(OPEN, Duration::from_secs(1)), "the OPEN waits");
                peer.establish(&[]);
                w.settled(&mut peer);
                let mut mute = w.connect(DELAYED);
                mute.message(OPEN);
            },
        ),
    ]
}
