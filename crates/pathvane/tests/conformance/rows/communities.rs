//! Communities of all kinds (RFC 1997, 4360, 8092, 8326).

use crate::octets::{self, attribute};
use crate::peer::Peer;
use crate::row::Level::{Must, Should};
use crate::row::{Row, row};
use crate::world::{EXTERNAL, HEEDED, INTERNAL, World};

const NO_EXPORT: u32 = 0xffff_ff01;
const NO_ADVERTISE: u32 = 0xffff_ff02;
const NO_EXPORT_SUBCONFED: u32 = 0xffff_ff03;
const GRACEFUL_SHUTDOWN: u32 = 0xffff_0000;

/// An external route with `more`; its peer has to live on.
fn external(world: &World, more: &[u8]) -> (Peer, ipnet::IpNet) {
    let (mut peer, prefix) = (world.up(EXTERNAL), world.prefix());
    peer.announce(prefix, more);
    world.settled(&mut peer);
    (peer, prefix)
}

fn inside_only(world: &World, community: u32) {
    let (_peer, prefix) = external(world, &octets::communities(&[0xfde9_0001, community]));
    world.internal.route(prefix);
    assert!(world.external.now(prefix).is_none());
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("1997-3-carried", Must, "communities are passed on", |w| {
            let (_peer, prefix) = external(w, &octets::communities(&[0xfde9_0001, 0xfde9_0002]));
            w.external.route(prefix).has(0xc0, 8, &[0xfd, 0xe9, 0, 1, 0xfd, 0xe9, 0, 2]);
        }),
        row("1997-3-no-export", Must, "NO_EXPORT stays inside the AS", |w| {
            inside_only(w, NO_EXPORT)
        }),
        row("1997-3-no-export-subconfed", Must, "NO_EXPORT_SUBCONFED, too", |w| {
            inside_only(w, NO_EXPORT_SUBCONFED)
        }),
        row("1997-3-no-advertise", Must, "NO_ADVERTISE is told to nobody", |w| {
            let (_peer, prefix) = external(w, &octets::communities(&[NO_ADVERTISE]));
            assert!(w.internal.now(prefix).is_none() && w.external.now(prefix).is_none());
        }),
        row(
            "4360-6-transitive",
            Must,
            "extended communities are passed on, those that are not transitive inside the AS only",
            |w| {
                let (yes, no) = ([0, 2, 0xfd, 0xe9, 0, 0, 0, 1], [0x40, 4, 0xfd, 0xe9, 0, 0, 0, 2]);
                let (_peer, prefix) = external(w, &attribute(0xc0, 16, &[yes, no].concat()));
                w.external.route(prefix).has(0xc0, 16, &yes);
                w.internal.route(prefix).has(0xc0, 16, &[yes, no].concat());
            },
        ),
        row("8092-3-carried", Must, "large communities are passed on", |w| {
            let one = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
            let (_peer, prefix) = external(w, &attribute(0xc0, 32, &one));
            w.external.route(prefix).has(0xc0, 32, &one);
        }),
        row("8092-3-twice", Must, "without duplicates", |w| {
            let one = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
            let two = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4];
            let (_peer, prefix) = external(w, &attribute(0xc0, 32, &[two, one, two].concat()));
            w.external.route(prefix).has(0xc0, 32, &[one, two].concat());
        }),
        row(
            "8326-4-heeded",
            Should,
            "a route with GRACEFUL_SHUTDOWN gets LOCAL_PREF 0 where that is configured",
            |w| {
                let (mut peer, prefix) = (w.up(HEEDED), w.prefix());
                peer.announce(prefix, &octets::communities(&[GRACEFUL_SHUTDOWN]));
                w.internal.route(prefix).has(0x40, 5, &[0, 0, 0, 0]);
            },
        ),
        row("8326-4-otherwise", Should, "and passes like any other where it is not", |w| {
            let (_peer, prefix) = external(w, &octets::communities(&[GRACEFUL_SHUTDOWN]));
            w.internal.route(prefix).has(0x40, 5, &[0, 0, 0, 100]);
            w.external.route(prefix).has(0xc0, 8, &[0xff, 0xff, 0, 0]);
        }),
        row(
            "1997-3-internal",
            Must,
            "NO_EXPORT from an internal peer does not leave the AS",
            |w| {
                let (mut peer, prefix) = (w.up(INTERNAL), w.prefix());
                peer.announce(prefix, &octets::communities(&[NO_EXPORT]));
                w.settled(&mut peer);
                assert!(w.external.now(prefix).is_none());
            },
        ),
    ]
}
