//! What peers hear when an operator acts: reset, drain, termination (RFC 4486, 8326, 9003).

use std::net::Ipv4Addr;

use crate::octets;
use crate::peer::{Class, Peer, fresh};
use crate::row::Level::{Must, Should};
use crate::row::{Row, row};
use crate::speaker::Speaker;
use crate::world::{self, EXTERNAL, INTERNAL, SOFT, World};

/// Another daemon, since this one is going to leave, with a peer.
fn another(class: Class, address: Ipv4Addr) -> (Speaker, Peer) {
    let speaker = Speaker::start(&world::configuration());
    let mut peer = Peer::connect_from(speaker.address(), class, address);
    peer.establish(&[&[64, 6, 0x40, 10, 0, 1, 1, 0x80]]);
    (speaker, peer)
}

fn reset(world: &World, words: &[&str], data: &[u8]) {
    let (mut peer, prefix) = (world.up(EXTERNAL), world.prefix());
    peer.announce(prefix, &[]);
    world.external.route(prefix);
    let name = format!("external@{}", peer.address);
    let output = world.speaker.ask(&[&["reset", &name], words].concat());
    assert!(output.status.success(), "{output:?}");
    peer.notified(6, 4, data);
    world.external.gone(prefix);
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "9003-2-reset",
            Must,
            "a reset with a text: Administrative Reset, length and text",
            |w| {
                reset(w, &["--text", "new cable"], b"\x09new cable");
            },
        ),
        row("4486-4-reset", Should, "a reset without: Administrative Reset, and nothing", |w| {
            reset(w, &[], &[]);
        }),
        row(
            "9003-2-drain",
            Must,
            "a drain with a text: Administrative Shutdown, length and text in UTF-8",
            |_| {
                let (speaker, mut peer) = another(EXTERNAL, fresh(EXTERNAL));
                assert!(speaker.ask(&["drain", "--text", "Grüße"]).status.success());
                peer.notified(6, 2, "\u{7}Grüße".as_bytes());
            },
        ),
        row(
            "8326-4-drain",
            Should,
            "before it, everything is announced again with GRACEFUL_SHUTDOWN",
            |_| {
                let (speaker, mut peer) = another(EXTERNAL, fresh(EXTERNAL));
                let mut source = Peer::connect(speaker.address(), INTERNAL);
                source.establish(&[]);
                let prefix = "10.1.1.0/24".parse().expect("a prefix");
                source.announce(prefix, &octets::local_pref(100));
                assert!(
                    peer.told_of(prefix).attributes.iter().all(|attribute| attribute.code != 8)
                );
                assert!(speaker.ask(&["drain"]).status.success());
                let told = peer.told_of(prefix);
                let found = told.attributes.iter().find(|attribute| attribute.code == 8);
                assert_eq!(found.map(|one| one.value.clone()), Some(vec![0xff, 0xff, 0, 0]));
                peer.notified(6, 2, &[]);
            },
        ),
        row(
            "8538-3-drain",
            Must,
            "to a peer that would keep our routes, the end is a Hard Reset around it",
            |_| {
                let (speaker, mut peer) = another(SOFT, Ipv4Addr::new(127, SOFT.net, 0, 1));
                assert!(speaker.ask(&["drain"]).status.success());
                peer.notified(6, 9, &[6, 2]);
            },
        ),
    ]
}
