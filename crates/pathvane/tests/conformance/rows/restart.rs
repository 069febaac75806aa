//! Graceful restart as the helper sees it (RFC 4724), with NOTIFICATIONs (RFC 8538), End-of-RIB.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::octets::{self, NOTIFICATION, UPDATE};
use crate::peer::{Class, Heard, Peer};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{EXTERNAL, RESTARTING, SOFT, World};

/// The graceful restart capability: R and N bits with the time, then IPv4 with or without the F bit.
fn capability(bits: u8, seconds: u8, forwarding: bool) -> Vec<u8> {
    vec![64, 6, bits, seconds, 0, 1, 1, if forwarding { 0x80 } else { 0 }]
}

const R: u8 = 0x80;
const N: u8 = 0x40;

/// A session whose routes may be kept, with one route that the observer has.
fn with_route(world: &World, class: Class, gr: &[u8]) -> (Peer, Ipv4Addr, IpNet) {
    let (address, prefix) = (world.single(class), world.prefix());
    let mut peer = world.connect_single(class, address);
    peer.establish(&[gr]);
    peer.announce(prefix, &[]);
    peer.send(&octets::update(&[], &[], &[]));
    world.external.route(prefix);
    (peer, address, prefix)
}

/// The same with a hold time of three seconds, and the N bit; nothing is said from now on.
fn silent(world: &World, class: Class) -> (Peer, IpNet) {
    let prefix = world.prefix();
    let mut peer = world.connect_single(class, world.single(class));
    let wide = octets::four_octets(class.asn);
    let all = [octets::MP_IPV4, &wide, &capability(N, 60, true)];
    peer.establish_by(&peer.open_with(3, &octets::capabilities(&all)));
    peer.announce(prefix, &[]);
    world.external.route(prefix);
    (peer, prefix)
}

/// The peer comes back; its session.
fn back(world: &World, class: Class, address: Ipv4Addr, gr: &[u8]) -> Peer {
    // The speaker takes the new connection when it knows that the old one is gone.
    std::thread::sleep(Duration::from_millis(1500));
    let mut peer = world.connect_single(class, address);
    peer.establish(&[gr]);
    peer
}

fn kept(world: &World, prefix: IpNet, time: Duration) {
    std::thread::sleep(time);
    assert_eq!(world.external.withdrawals(prefix), 0, "{prefix} is kept");
}

/// End-of-RIB is among the first messages of a session, for this family.
fn end_of_rib(world: &World, wanted: &[u8]) {
    let mut peer = world.up(EXTERNAL);
    while peer.message(UPDATE) != wanted {}
}

pub(super) fn rows() -> Vec<Row> {
    let one = Duration::from_secs(1);
    vec![
        row(
            "4724-2-end-of-rib",
            Must,
            "End-of-RIB for IPv4 follows the initial table: an empty UPDATE",
            |w| {
                end_of_rib(w, &[0, 0, 0, 0]);
            },
        ),
        row("4724-2-end-of-rib-ipv6", Must, "... and for IPv6: an empty MP_UNREACH_NLRI", |w| {
            end_of_rib(w, &[0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1]);
        }),
        row(
            "4724-4.2-kept",
            Must,
            "routes of a peer that restarts stay, and no other peer hears of it",
            move |w| {
                let (peer, address, prefix) = with_route(w, RESTARTING, &capability(0, 10, true));
                drop(peer);
                kept(w, prefix, one);
                let mut peer = back(w, RESTARTING, address, &capability(R, 10, true));
                peer.announce(prefix, &[]);
                peer.send(&octets::update(&[], &[], &[]));
                w.settled(&mut peer);
                assert_eq!(w.external.withdrawals(prefix), 0, "not withdrawn at any time");
            },
        ),
        row("4724-4.2-end-of-rib", Must, "what is not announced again goes with End-of-RIB", |w| {
            // The restart time would end them only after a minute.
            let (peer, address, prefix) = with_route(w, RESTARTING, &capability(0, 60, true));
            drop(peer);
            let mut peer = back(w, RESTARTING, address, &capability(R, 60, true));
            w.settled(&mut peer);
            assert_eq!(w.external.withdrawals(prefix), 0, "{prefix} is kept until then");
            peer.send(&octets::update(&[], &[], &[]));
            w.external.gone(prefix);
        }),
        row("4724-4.2-time", Must, "routes go when the restart time is over", |w| {
            let (peer, _, prefix) = with_route(w, RESTARTING, &capability(0, 2, true));
            let began = Instant::now();
            drop(peer);
            w.external.gone(prefix);
            assert!(began.elapsed() > Duration::from_millis(1900), "after {:?}", began.elapsed());
        }),
        row(
            "4724-4.2-unfinished",
            Must,
            "a peer that is back has that time once more to finish; then go what it did not repeat",
            |w| {
                let (peer, address, prefix) = with_route(w, RESTARTING, &capability(0, 3, true));
                drop(peer);
                let _peer = back(w, RESTARTING, address, &capability(R, 3, true));
                let began = Instant::now();
                w.external.gone(prefix);
                let took = began.elapsed();
                assert!(took > Duration::from_millis(2500), "after {took:?}");
            },
        ),
        row(
            "4724-4.2-forwarding",
            Must,
            "a peer that comes back without the F bit has lost its routes",
            |w| {
                let (peer, address, prefix) = with_route(w, RESTARTING, &capability(0, 10, true));
                drop(peer);
                let _peer = back(w, RESTARTING, address, &capability(R, 10, false));
                w.external.gone(prefix);
            },
        ),
        row(
            "4724-4.2-family",
            Must,
            "nor are routes kept of a family that it no longer lists",
            |w| {
                let (peer, address, prefix) = with_route(w, RESTARTING, &capability(0, 10, true));
                drop(peer);
                let _peer = back(w, RESTARTING, address, &[64, 2, R, 10]);
                w.external.gone(prefix);
            },
        ),
        row(
            "4724-4.2-again",
            Must,
            "a second loss ends what was stale already, and keeps what the session in between told",
            move |w| {
                // The restart time would end neither.
                let (peer, address, stale) = with_route(w, RESTARTING, &capability(0, 60, true));
                drop(peer);
                let mut peer = back(w, RESTARTING, address, &capability(R, 60, true));
                let told = w.prefix();
                peer.announce(told, &[]);
                w.external.route(told);
                assert_eq!(w.external.withdrawals(stale), 0, "{stale} is kept once");
                drop(peer);
                w.external.gone(stale);
                kept(w, told, one);
            },
        ),
        row("4724-4-notification", Must, "a NOTIFICATION ends the routes at once", |w| {
            let (mut peer, _, prefix) = with_route(w, RESTARTING, &capability(N, 10, true));
            peer.send(&octets::message(NOTIFICATION, &[6, 4]));
            let began = Instant::now();
            w.external.gone(prefix);
            assert!(began.elapsed() < Duration::from_secs(8), "not by the restart time");
        }),
        row(
            "4724-5-superseded",
            Must,
            "a new connection with the R bit replaces the Established one, without a NOTIFICATION",
            |w| {
                let (mut old, address, prefix) =
                    with_route(w, RESTARTING, &capability(0, 10, true));
                let mut peer = w.connect_single(RESTARTING, address);
                let open = peer.open(&[&capability(R, 10, true)]);
                peer.send(&open);
                old.closed();
                peer.message(octets::KEEPALIVE);
                peer.send(&octets::keepalive());
                peer.announce(prefix, &[]);
                w.settled(&mut peer);
                assert_eq!(w.external.withdrawals(prefix), 0, "not withdrawn at any time");
            },
        ),
        row(
            "4724-5-late-collision",
            Choice,
            "without the R bit a second connection is taken for a late collision: Cease 7",
            |w| {
                let (mut old, address, _) = with_route(w, RESTARTING, &capability(0, 10, true));
                let mut peer = w.connect_single(RESTARTING, address);
                let open = peer.open(&[&capability(0, 10, true)]);
                peer.send(&open);
                peer.notified(6, 7, &[]);
                w.settled(&mut old);
            },
        ),
        row(
            "8538-4-kept",
            Must,
            "where both set the N bit, routes survive a NOTIFICATION",
            move |w| {
                let (mut peer, address, prefix) = with_route(w, SOFT, &capability(N, 10, true));
                peer.send(&octets::message(NOTIFICATION, &[6, 4]));
                peer.closed();
                kept(w, prefix, one);
                let mut peer = back(w, SOFT, address, &capability(R | N, 10, true));
                peer.announce(prefix, &[]);
                w.settled(&mut peer);
                assert_eq!(w.external.withdrawals(prefix), 0, "not withdrawn at any time");
            },
        ),
        row("8538-4-error", Must, "... also one that we send", move |w| {
            let (mut peer, _, prefix) = with_route(w, SOFT, &capability(N, 10, true));
            peer.send(&octets::message(99, &[]));
            peer.notified(1, 3, &[99]);
            kept(w, prefix, one);
        }),
        row("8538-4-hold", Must, "... and an expired hold timer", move |w| {
            let (mut peer, prefix) = silent(w, SOFT);
            peer.notified(4, 0, &[]);
            kept(w, prefix, one);
        }),
        row(
            "8538-4-hold-without",
            Must,
            "where only the peer set the N bit, that ends them",
            |w| {
                let (mut peer, prefix) = silent(w, RESTARTING);
                peer.notified(4, 0, &[]);
                let began = Instant::now();
                w.external.gone(prefix);
                assert!(began.elapsed() < Duration::from_secs(8), "not by the restart time");
            },
        ),
        row("8538-3-hard-reset", Must, "a Hard Reset ends them", |w| {
            let (mut peer, _, prefix) = with_route(w, SOFT, &capability(N, 10, true));
            peer.send(&octets::message(NOTIFICATION, &[6, 9, 6, 4]));
            let began = Instant::now();
            w.external.gone(prefix);
            assert!(began.elapsed() < Duration::from_secs(8), "not by the restart time");
        }),
        row("8538-4-without", Must, "where only we set the N bit, a NOTIFICATION ends them", |w| {
            let (mut peer, _, prefix) = with_route(w, SOFT, &capability(0, 10, true));
            peer.send(&octets::message(NOTIFICATION, &[6, 4]));
            let began = Instant::now();
            w.external.gone(prefix);
            assert!(began.elapsed() < Duration::from_secs(8), "not by the restart time");
        }),
        row(
            "4724-2-received",
            Must,
            "End-of-RIB, or an empty withdrawal, is no error at any time",
            |w| {
                let mut peer = w.up(EXTERNAL);
                for attributes in [&[][..], &[0x80, 15, 3, 0, 2, 1], &[0x80, 15, 3, 0, 1, 1]] {
                    peer.send(&octets::update(&[], attributes, &[]));
                }
                w.settled(&mut peer);
                assert_eq!(peer.hear(Duration::ZERO).is_notification(), None);
            },
        ),
    ]
}

impl Heard {
    fn is_notification(&self) -> Option<&[u8]> {
        match self {
            Heard::Message(NOTIFICATION, body) => Some(body),
            _ => None,
        }
    }
}
