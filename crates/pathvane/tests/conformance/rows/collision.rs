//! Two connections with one peer (RFC 4271 section 6.8, RFC 4724 section 5), and who dials.

use crate::octets::{self, KEEPALIVE, MP_IPV4, OPEN};
use crate::peer::Peer;
use crate::row::Level::Must;
use crate::row::{Row, row};
use crate::world::{DIALLED, RESTARTING, World};

/// The OPEN of a dialled peer with this BGP Identifier; ours is 10.255.0.1.
fn open(id: [u8; 4]) -> Vec<u8> {
    let wide = octets::four_octets(DIALLED.asn);
    octets::open(4, 65100, 0, id, &octets::capabilities(&[MP_IPV4, &wide]))
}

/// Both connections, the speaker's own in OpenConfirm, the peer's one in OpenSent.
fn both(world: &World, id: [u8; 4]) -> (Peer, Peer) {
    let address = world.single(DIALLED);
    let mut ours = world.dialled(address);
    let mut theirs = world.connect_single(DIALLED, address);
    ours.message(OPEN);
    theirs.message(OPEN);
    ours.send(&open(id));
    ours.message(KEEPALIVE);
    (ours, theirs)
}

fn goes_on(world: &World, peer: &mut Peer) {
    peer.send(&octets::keepalive());
    world.settled(peer);
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "4271-8.2-dials",
            Must,
            "a peer that is not passive is dialled, and gets our OPEN",
            |w| {
                let mut peer = w.dialled(w.single(DIALLED));
                peer.establish(&[]);
                w.settled(&mut peer);
            },
        ),
        row("4271-8.2-dials-again", Must, "it is dialled again when the connection is lost", |w| {
            let address = w.single(DIALLED);
            drop(w.dialled(address));
            let mut peer = w.dialled(address);
            peer.establish(&[]);
            w.settled(&mut peer);
        }),
        row(
            "4271-6.8-ours",
            Must,
            "in a collision the connection of the higher identifier, ours, stays: Cease 7 for the other",
            |w| {
                let (mut ours, mut theirs) = both(w, [1, 1, 1, 1]);
                theirs.send(&open([1, 1, 1, 1]));
                theirs.notified(6, 7, &[]);
                goes_on(w, &mut ours);
            },
        ),
        row(
            "4271-6.8-theirs",
            Must,
            "... and theirs, if their identifier is the higher one",
            |w| {
                let (mut ours, mut theirs) = both(w, [200, 0, 0, 1]);
                theirs.send(&open([200, 0, 0, 1]));
                ours.notified(6, 7, &[]);
                theirs.message(KEEPALIVE);
                goes_on(w, &mut theirs);
            },
        ),
        row(
            "6286-2.3-as",
            Must,
            "with equal identifiers the larger AS number, theirs, decides",
            |w| {
                let (mut ours, mut theirs) = both(w, [10, 255, 0, 1]);
                theirs.send(&open([10, 255, 0, 1]));
                ours.notified(6, 7, &[]);
                theirs.message(KEEPALIVE);
                goes_on(w, &mut theirs);
            },
        ),
        row(
            "4271-6.8-established",
            Must,
            "a second connection beside an Established session gets Cease 7, and changes nothing",
            |w| {
                let address = w.single(RESTARTING);
                let (mut peer, prefix) = (w.connect_single(RESTARTING, address), w.prefix());
                peer.establish(&[]);
                peer.announce(prefix, &[]);
                w.external.route(prefix);
                let mut second = w.connect_single(RESTARTING, address);
                second.notified(6, 7, &[]);
                w.settled(&mut peer);
                assert_eq!(w.external.withdrawals(prefix), 0);
            },
        ),
    ]
}
