//! The message header (RFC 4271 section 6.1), before and after the session is up.

use crate::octets::{self, KEEPALIVE, NOTIFICATION, OPEN, UPDATE};
use crate::row::Level::Must;
use crate::row::{Row, row};
use crate::world::{EXTERNAL, World};

const MARKER: [u8; 16] = [0xff; 16];

/// Sent instead of an OPEN, the octets get this NOTIFICATION.
fn first(world: &World, octets: &[u8], subcode: u8, data: &[u8]) {
    let mut peer = world.connect(EXTERNAL);
    peer.send(octets);
    peer.notified(1, subcode, data);
}

/// Sent in Established, they get it too, and the peer's route goes.
fn later(world: &World, octets: &[u8], subcode: u8, data: &[u8]) {
    let (mut peer, prefix) = (world.up(EXTERNAL), world.prefix());
    peer.announce(prefix, &[]);
    world.external.route(prefix);
    peer.send(octets);
    peer.notified(1, subcode, data);
    world.external.gone(prefix);
}

pub(super) fn rows() -> Vec<Row> {
    let bent = |at: usize| {
        let mut marker = MARKER;
        marker[at] = 0xfe;
        marker
    };
    vec![
        row(
            "4271-6.1-marker",
            Must,
            "a marker that is not all ones: Connection Not Synchronized",
            move |w| {
                first(w, &octets::header(bent(0), 19, KEEPALIVE, &[]), 1, &[]);
                first(w, &octets::header(bent(15), 19, KEEPALIVE, &[]), 1, &[]);
            },
        ),
        row("4271-6.1-marker-later", Must, "the same in Established", move |w| {
            later(w, &octets::header(bent(7), 19, KEEPALIVE, &[]), 1, &[]);
        }),
        row(
            "4271-6.1-length-short",
            Must,
            "a length below 19: Bad Message Length, with the length",
            |w| {
                first(w, &octets::header(MARKER, 18, KEEPALIVE, &[]), 2, &[0, 18]);
                later(w, &octets::header(MARKER, 0, UPDATE, &[]), 2, &[0, 0]);
            },
        ),
        row(
            "4271-6.1-length-long",
            Must,
            "a length above 4096: Bad Message Length, with the length",
            |w| {
                first(w, &octets::header(MARKER, 4097, OPEN, &[]), 2, &[0x10, 0x01]);
                later(w, &octets::header(MARKER, 0xffff, KEEPALIVE, &[]), 2, &[0xff, 0xff]);
            },
        ),
        row("4271-6.1-length-open", Must, "an OPEN below 29 octets: Bad Message Length", |w| {
            first(w, &octets::header(MARKER, 28, OPEN, &[4, 0, 1, 0, 0, 1, 2, 3, 4]), 2, &[0, 28]);
        }),
        row("4271-6.1-length-update", Must, "an UPDATE below 23 octets: Bad Message Length", |w| {
            later(w, &octets::header(MARKER, 22, UPDATE, &[0, 0, 0]), 2, &[0, 22]);
        }),
        row(
            "4271-6.1-length-keepalive",
            Must,
            "a KEEPALIVE that is not 19 octets: Bad Message Length",
            |w| {
                later(w, &octets::header(MARKER, 20, KEEPALIVE, &[0]), 2, &[0, 20]);
            },
        ),
        row(
            "4271-6.1-length-notification",
            Must,
            "a NOTIFICATION below 21 octets: Bad Message Length",
            |w| {
                later(w, &octets::header(MARKER, 20, NOTIFICATION, &[6]), 2, &[0, 20]);
            },
        ),
        row("4271-6.1-type", Must, "an unknown type: Bad Message Type, with the type", |w| {
            first(w, &octets::message(0, &[]), 3, &[0]);
            first(w, &octets::message(6, &[]), 3, &[6]);
        }),
        row("4271-6.1-type-later", Must, "the same in Established", |w| {
            later(w, &octets::message(255, &[1, 2, 3]), 3, &[255]);
        }),
    ]
}
