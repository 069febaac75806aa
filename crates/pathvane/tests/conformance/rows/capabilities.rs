//! Capabilities: what we offer, and what becomes of theirs (RFC 5492).

use crate::octets::{self, ENHANCED_REFRESH, MP_IPV4, MP_IPV6, OPEN, REFRESH};
use crate::peer::{Class, Peer};
use crate::row::Level::{Must, Should};
use crate::row::{Row, row};
use crate::world::{AS_PEER, EXTERNAL, INTERNAL, SOFT, World};

/// The capabilities of an OPEN's body, one by one.
fn offered(open: &[u8]) -> Vec<Vec<u8>> {
    let (mut parameters, mut all) = (&open[10..], Vec::new());
    while let [kind, length, rest @ ..] = parameters {
        assert_eq!(*kind, 2, "only capabilities are optional parameters");
        let (mut value, after) = rest.split_at(usize::from(*length));
        while let [_, length, ..] = value {
            let (one, more) = value.split_at(2 + usize::from(*length));
            all.push(one.to_vec());
            value = more;
        }
        parameters = after;
    }
    all
}

/// Asserts that we offer this to a peer of a range.
fn offers(world: &World, class: Class, wanted: &[u8]) {
    let all = offered(&world.connect(class).message(OPEN));
    assert!(all.iter().any(|one| one == wanted), "{wanted:02x?} is not among {all:02x?}");
}

fn accepted(world: &World, parameters: &[u8]) {
    let mut peer = world.connect(EXTERNAL);
    let open = peer.open_with(0, parameters);
    peer.establish_by(&open);
    world.settled(&mut peer);
}

pub(super) fn rows() -> Vec<Row> {
    let wide = octets::four_octets(65001);
    let (each, many) = (wide.clone(), wide.clone());
    vec![
        row("4760-8-offer", Must, "each configured family is offered", |w| {
            offers(w, EXTERNAL, MP_IPV4);
            offers(w, EXTERNAL, MP_IPV6);
        }),
        row("6793-4.1-offer", Must, "our AS number is offered in four octets", |w| {
            offers(w, EXTERNAL, &octets::four_octets(65010));
        }),
        row(
            "2918-2-offer",
            Should,
            "route refresh, also the enhanced one (RFC 7313), is offered",
            |w| {
                offers(w, EXTERNAL, REFRESH);
                offers(w, EXTERNAL, ENHANCED_REFRESH);
            },
        ),
        row(
            "4724-3-offer",
            Must,
            "a helper offers graceful restart with no time and no family; a speaker that has no kernel routes to keep \
             claims at first to have forwarded nothing",
            |w| {
                offers(w, EXTERNAL, &[64, 2, 0, 0]);
                let mut peer = w.connect_single(SOFT, w.single(SOFT));
                let all = offered(&peer.message(OPEN));
                let found = all.iter().find(|one| one[0] == 64).expect("graceful restart");
                // Neither R nor an F bit: the families begin behind code, length, flags and time.
                assert_eq!(found[2] & 0x80, 0, "{found:?}");
                assert!(found[4..].chunks(4).all(|family| family[3] & 0x80 == 0), "{found:?}");
            },
        ),
        row(
            "8538-2-offer",
            Must,
            "whoever keeps routes over a NOTIFICATION says so by the N bit",
            |w| {
                let mut peer = w.connect_single(SOFT, w.single(SOFT));
                let all = offered(&peer.message(OPEN));
                let found = all.iter().find(|one| one[0] == 64).expect("graceful restart");
                assert_eq!(found[2..4], [0x40, 10], "N bit and restart time");
                assert!(found.len() == 12, "both families: {found:02x?}");
            },
        ),
        row("9234-4.1-offer", Must, "our role is offered to external peers", |w| {
            offers(w, AS_PEER, &[9, 1, 4]);
        }),
        row("5492-3-unknown", Must, "capabilities that are not known are ignored", move |w| {
            accepted(w, &octets::capabilities(&[MP_IPV4, &[239, 3, 1, 2, 3], &each, &[5, 0]]));
        }),
        row("5492-4-parameters", Must, "capabilities may come in a parameter each", move |w| {
            let each = [MP_IPV4, REFRESH, &many[..]].map(|one| octets::capabilities(&[one]));
            accepted(w, &each.concat());
        }),
        row("5492-4-twice", Must, "the same capability may come several times", move |w| {
            accepted(w, &octets::capabilities(&[MP_IPV4, MP_IPV4, REFRESH, REFRESH, &wide]));
        }),
        row("4760-8-none", Must, "a peer without any capability routes IPv4", |w| {
            let (mut peer, prefix) = (w.connect(EXTERNAL), w.prefix());
            peer.establish_by(&peer.open_with(0, &[]));
            let path = octets::attribute(0x40, 2, &[2, 1, 0xfd, 0xe9]);
            let attributes = [octets::ORIGIN_IGP, &path, octets::NEXT_HOP].concat();
            peer.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
            w.external.route(prefix);
        }),
        row(
            "5492-5-unsupported",
            Must,
            "no family in common: Unsupported Capability, with ours",
            |w| {
                let mut peer = w.connect(EXTERNAL);
                let vpn = octets::capabilities(&[&[1, 4, 0, 1, 0, 128]]);
                let open = peer.open_with(0, &vpn);
                peer.send(&open);
                peer.notified(2, 7, &[MP_IPV4, MP_IPV6].concat());
            },
        ),
        row("4760-8-common", Must, "a family that only one side offers is not used", |w| {
            let mut peer = w.connect(INTERNAL);
            let wide = octets::four_octets(65010);
            let open = peer.open_with(0, &octets::capabilities(&[MP_IPV4, &wide]));
            peer.establish_by(&open);
            let mut source: Peer = w.up(EXTERNAL);
            let (six, four) = (w.prefix_v6(), w.prefix());
            source.announce(six, &[]);
            w.external.route(six);
            source.announce(four, &[]);
            // What it is told up to the later prefix has no IPv6.
            loop {
                let told = octets::read_update(&peer.message(octets::UPDATE));
                assert!(!told.announced.iter().any(|prefix| prefix.addr().is_ipv6()));
                if told.announced.contains(&four) {
                    break;
                }
            }
        }),
    ]
}
