//! Hold time and KEEPALIVE (RFC 4271 sections 4.2, 4.4, 6.5, 8).

use std::time::{Duration, Instant};

use crate::octets::{self, KEEPALIVE, MP_IPV4, OPEN};
use crate::peer::{Heard, Peer};
use crate::row::Level::{Must, Should};
use crate::row::{Row, row};
use crate::world::{DEAF, EXTERNAL, NO_POLICY, SHORT_HOLD, World};

const HOLD: Duration = Duration::from_secs(3);

/// The peer's OPEN with a hold time is sent.
fn opening(world: &World, class: crate::peer::Class, hold: u16) -> Peer {
    let mut peer = world.connect(class);
    let wide = octets::four_octets(class.asn);
    let open = peer.open_with(hold, &octets::capabilities(&[MP_IPV4, &wide]));
    peer.send(&open);
    peer.message(OPEN);
    peer.message(KEEPALIVE);
    peer
}

/// The HoldTimer expires three seconds after `began`, and not before.
fn expires(peer: &mut Peer, began: Instant) {
    peer.notified(4, 0, &[]);
    assert!(began.elapsed() >= HOLD - Duration::from_millis(50), "after {:?}", began.elapsed());
}

/// A peer that takes next to nothing, with a route of its own.
fn narrow(world: &World) -> (Peer, ipnet::IpNet) {
    let (mut peer, prefix) = (world.narrow(DEAF), world.prefix());
    peer.establish(&[]);
    peer.announce(prefix, &[]);
    world.external.route(prefix);
    (peer, prefix)
}

/// More than such a peer takes: 30 routes of 4,000 octets.
fn much(world: &World, source: &mut Peer) {
    for nth in 0..30_u32 {
        let value = nth.to_be_bytes().repeat(980);
        source.announce(world.prefix(), &octets::attribute(0xc0, 201, &value));
    }
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "4271-6.5-established",
            Must,
            "silence for the hold time: Hold Timer Expired, and the routes go",
            |w| {
                let (mut peer, prefix) = (opening(w, EXTERNAL, 3), w.prefix());
                peer.send(&octets::keepalive());
                let began = Instant::now();
                peer.announce(prefix, &[]);
                w.external.route(prefix);
                expires(&mut peer, began);
                w.external.gone(prefix);
            },
        ),
        row("4271-6.5-open-confirm", Must, "silence in OpenConfirm: Hold Timer Expired", |w| {
            let began = Instant::now();
            let mut peer = opening(w, EXTERNAL, 3);
            expires(&mut peer, began);
        }),
        row(
            "4271-4.2-lower",
            Must,
            "the lower of both hold times counts: ours is three seconds",
            |w| {
                let mut peer = opening(w, SHORT_HOLD, 90);
                let began = Instant::now();
                peer.send(&octets::keepalive());
                expires(&mut peer, began);
            },
        ),
        row(
            "9687-3-expires",
            Must,
            "a peer that takes nothing for the SendHoldTime is left; others lose nothing",
            |w| {
                let (_deaf, prefix) = narrow(w);
                let began = Instant::now();
                let mut source = w.up(EXTERNAL);
                much(w, &mut source);
                w.settled(&mut source);
                assert_eq!(w.external.withdrawals(prefix), 0);
                w.external.gone(prefix);
                assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
                w.settled(&mut source);
            },
        ),
        row("9687-3-taken", Must, "one that takes a little now and then stays", |w| {
            let (mut slow, prefix) = narrow(w);
            let mut source = w.up(EXTERNAL);
            much(w, &mut source);
            for _ in 0..6 {
                std::thread::sleep(Duration::from_secs(1));
                let mut taken = 0;
                while taken < 8 * 1024 {
                    taken += slow.message(octets::UPDATE).len();
                }
            }
            assert_eq!(w.external.withdrawals(prefix), 0);
        }),
        row(
            "4271-4.4-keepalive",
            Should,
            "KEEPALIVEs come at a third of the hold time to a peer that is told nothing else",
            |w| {
                let mut peer = opening(w, NO_POLICY, 3);
                let began = Instant::now();
                peer.send(&octets::keepalive());
                for _ in 0..4 {
                    peer.message(KEEPALIVE);
                    peer.send(&octets::keepalive());
                }
                let took = began.elapsed();
                assert!(
                    (Duration::from_millis(2900)..Duration::from_millis(5000)).contains(&took),
                    "{took:?}"
                );
            },
        ),
        row(
            "4271-4.4-zero",
            Must,
            "with a hold time of zero no KEEPALIVE follows, and nothing expires",
            |w| {
                let mut peer = opening(w, SHORT_HOLD, 0);
                peer.send(&octets::keepalive());
                assert!(peer.quiet(KEEPALIVE, HOLD + Duration::from_secs(1)));
            },
        ),
        row(
            "4271-8.2-update-restarts",
            Must,
            "UPDATEs restart the HoldTimer as KEEPALIVEs do",
            |w| {
                let mut peer = opening(w, EXTERNAL, 3);
                peer.send(&octets::keepalive());
                for _ in 0..5 {
                    std::thread::sleep(Duration::from_secs(1));
                    peer.announce(w.prefix(), &[]);
                }
                w.settled(&mut peer);
            },
        ),
        row("4271-8.2-keepalive-restarts", Must, "KEEPALIVEs restart the HoldTimer", |w| {
            let mut peer = opening(w, EXTERNAL, 3);
            for _ in 0..5 {
                peer.send(&octets::keepalive());
                std::thread::sleep(Duration::from_secs(1));
            }
            while let Heard::Message(kind, _) = peer.hear(Duration::ZERO) {
                assert_ne!(kind, octets::NOTIFICATION);
            }
            w.settled(&mut peer);
        }),
    ]
}
