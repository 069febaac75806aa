//! Who gets a connection (RFC 4271 section 8.2.1), TTL security (RFC 5082).

use std::time::Duration;

use crate::octets::{KEEPALIVE, OPEN};
use crate::peer::{Heard, Peer, dial, fresh};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{CLOSING, NEAR, STRANGER, World};

fn near(world: &World, ttl: u32) -> Peer {
    let address = fresh(NEAR);
    let mut peer =
        Peer::on(dial(address.into(), world.speaker.address(), Some(ttl)), NEAR, address);
    // Octets that arrive before the connection is accepted are not guarded.
    peer.message(OPEN);
    let open = peer.open(&[]);
    peer.send(&open);
    peer
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "4271-8.1-stranger",
            Choice,
            "whoever is not configured is closed without a word",
            |w| {
                let mut peer = w.connect(STRANGER);
                assert_eq!(peer.hear(Duration::from_secs(5)), Heard::Closed);
            },
        ),
        row("5082-3-near", Must, "with TTL security, packets with TTL 255 are taken", |w| {
            let mut peer = near(w, 255);
            peer.message(KEEPALIVE);
        }),
        row("5082-3-far", Must, "... and others are not heard", |w| {
            let mut peer = near(w, 254);
            assert!(peer.quiet(KEEPALIVE, Duration::from_secs(2)), "our OPEN must not be heard");
        }),
        row(
            "4486-4-limit-closed",
            Choice,
            "a peer that was closed for its prefixes stays closed",
            |w| {
                let address = w.single(CLOSING);
                let mut peer = w.connect_single(CLOSING, address);
                peer.establish(&[]);
                peer.announce(w.prefix(), &[]);
                peer.announce(w.prefix(), &[]);
                peer.notified(6, 1, &[0, 1, 1, 0, 0, 0, 1]);
                let mut again = w.connect_single(CLOSING, address);
                again.closed();
            },
        ),
    ]
}
