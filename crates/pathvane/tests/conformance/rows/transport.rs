//! Who gets a connection (RFC 4271 section 8.2.1), TTL security (RFC 5082).

use std::time::Duration;

use crate::octets::{KEEPALIVE, OPEN};
use crate::peer::{Heard, Peer, dial, fresh, try_dial};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{CLOSING, NEAR, STRANGER, World};

/// A handshake with TTL 255, and an OPEN right behind it with another one.
fn near(world: &World, ttl: u32) -> Peer {
    let address = fresh(NEAR);
    let stream = dial(address.into(), world.speaker.address(), Some(255));
    stream.set_ttl(ttl).expect("set the TTL");
    let mut peer = Peer::on(stream, NEAR, address);
    let open = peer.open(&[]);
    peer.send(&open);
    peer.message(OPEN);
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
        row("5082-3-handshake", Must, "... and no connection is opened from further away", |w| {
            let (to, patience) = (w.speaker.address(), Duration::from_secs(2));
            let far = try_dial(fresh(NEAR).into(), to, Some(254), patience);
            assert!(far.is_none(), "a handshake from further away");
        }),
        row("5082-3-far", Must, "... nor are others heard, be they early", |w| {
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
