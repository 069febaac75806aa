//! Families other than IPv4 in the classic fields (RFC 4760, 2545, 8950).

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use crate::octets::{self, MP_IPV4, MP_IPV6, OPEN, attribute};
use crate::peer::{Class, Heard, PATIENCE, Peer, dial};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{EXTERNAL, World};

/// 2001:db8::9, and fe80::9.
const GLOBAL: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
const LINK: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

/// The field of MP_REACH_NLRI up to the prefixes with our address, 2001:db8::1.
fn ours() -> Vec<u8> {
    let mut address = GLOBAL;
    address[15] = 1;
    [&[0, 2, 1, 16], &address[..], &[0]].concat()
}

fn announce(peer: &mut Peer, more: &[u8], reach: &[u8]) {
    let attributes = [&peer.attributes()[..], more, reach].concat();
    peer.send(&octets::update(&[], &attributes, &[]));
}

/// The peer over IPv6, of which there is one: IPv6 has a single loopback address.
const OVER_IPV6: Class = Class { net: 0, asn: 65019 };

/// A session over IPv6, as soon as an earlier one has ended; the body of our OPEN.
fn over_ipv6(world: &World) -> (Peer, Vec<u8>) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let local = Ipv6Addr::LOCALHOST;
    let to = SocketAddr::from((local, world.speaker.port));
    let address = [127, 0, 0, 19].into();
    for _ in 0..100 {
        let mut peer = Peer::on(dial(local.into(), to, None), OVER_IPV6, address);
        if let Heard::Message(OPEN, open) = peer.hear(PATIENCE) {
            peer.establish_by_answer(&[&[5, 6, 0, 1, 0, 1, 0, 2]]);
            return (peer, open);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the session over IPv6 does not open");
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "4760-3-ipv6",
            Must,
            "IPv6 by MP_REACH_NLRI goes on with our next hop, and without NEXT_HOP",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix_v6());
                peer.announce(prefix, &[]);
                let route = w.external.route(prefix);
                route.has(0x80, 14, &ours());
                route.has(0x40, 2, &octets::sequence(&[65010, 65001]));
                route.lacks(3);
            },
        ),
        row(
            "4760-4-withdrawn",
            Must,
            "IPv6 is withdrawn by MP_UNREACH_NLRI, without other attributes",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix_v6());
                peer.announce(prefix, &[]);
                w.external.route(prefix);
                peer.withdraw(prefix);
                w.external.gone(prefix);
            },
        ),
        row("4760-3-internal", Must, "internal peers get the next hop as it was received", |w| {
            let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix_v6());
            peer.announce(prefix, &[]);
            w.internal.route(prefix).has(0x80, 14, &[&[0, 2, 1, 16], &GLOBAL[..], &[0]].concat());
        }),
        row(
            "2545-3-link-local",
            Must,
            "a next hop of 32 octets, global and link-local, is read; the latter stays on its link",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix_v6());
                announce(&mut peer, &[], &octets::reach_ipv6(&[GLOBAL, LINK].concat(), prefix));
                w.internal.route(prefix).has(
                    0x80,
                    14,
                    &[&[0, 2, 1, 16], &GLOBAL[..], &[0]].concat(),
                );
            },
        ),
        row(
            "4760-3-next-hop",
            Must,
            "a NEXT_HOP beside MP_REACH_NLRI alone is ignored, whatever it holds",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix_v6());
                let reach = octets::reach_ipv6(&GLOBAL, prefix);
                announce(&mut peer, &[0x40, 3, 4, 0, 0, 0, 0], &reach);
                w.external.route(prefix);
            },
        ),
        row(
            "4760-3-both",
            Must,
            "one UPDATE may announce in the classic field and by MP_REACH_NLRI",
            |w| {
                let (mut peer, six, four) = (w.up(EXTERNAL), w.prefix_v6(), w.prefix());
                let reach = octets::reach_ipv6(&GLOBAL, six);
                let attributes = [&peer.attributes()[..], octets::NEXT_HOP, &reach].concat();
                peer.send(&octets::update(&[], &attributes, &octets::nlri(four)));
                w.external.route(six).lacks(3);
                w.external.route(four).has(0x40, 3, &[127, 0, 0, 1]);
            },
        ),
        row(
            "4760-3-ipv4",
            Must,
            "IPv4 by MP_REACH_NLRI is taken, and goes in the classic field",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix());
                let value = octets::reach_value(1, &[192, 0, 2, 1], &octets::nlri(prefix));
                announce(&mut peer, &[], &attribute(0x80, 14, &value));
                w.external.route(prefix).has(0x40, 3, &[127, 0, 0, 1]);
                peer.send(&octets::update(
                    &[],
                    &attribute(0x80, 15, &[&[0, 1, 1][..], &octets::nlri(prefix)].concat()),
                    &[],
                ));
                w.external.gone(prefix);
            },
        ),
        row(
            "4760-6-unnegotiated",
            Must,
            "routes of a family that was not negotiated are ignored",
            |w| {
                let (mut peer, prefix) = (w.connect(EXTERNAL), w.prefix_v6());
                peer.establish_by(
                    &peer.open_with(
                        0,
                        &octets::capabilities(&[MP_IPV4, &octets::four_octets(65001)]),
                    ),
                );
                announce(&mut peer, &[], &octets::reach_ipv6(&GLOBAL, prefix));
                w.settled(&mut peer);
                assert!(w.external.now(prefix).is_none());
            },
        ),
        row("4760-6-unnegotiated-ipv4", Must, "... also IPv4 in the classic field", |w| {
            let (mut peer, prefix, six) = (w.connect(EXTERNAL), w.prefix(), w.prefix_v6());
            peer.establish_by(
                &peer.open_with(0, &octets::capabilities(&[MP_IPV6, &octets::four_octets(65001)])),
            );
            peer.announce(prefix, &[]);
            peer.announce(six, &[]);
            w.external.route(six);
            assert!(w.external.now(prefix).is_none());
        }),
        row(
            "4760-6-unknown",
            Choice,
            "MP_REACH_NLRI of a family that nobody knows costs nothing",
            |w| {
                let mut peer = w.up(EXTERNAL);
                announce(
                    &mut peer,
                    &[],
                    &attribute(0x80, 14, &[0x40, 4, 71, 4, 1, 2, 3, 4, 0, 9, 9, 9]),
                );
                w.settled(&mut peer);
            },
        ),
        row(
            "7606-7.11-value",
            Must,
            "MP_REACH_NLRI with the next hop :: or a group's: treat-as-withdraw",
            |w| {
                let (mut peer, prefix) = (w.up(EXTERNAL), w.prefix_v6());
                for bad in [[0; 16], [0xff; 16]] {
                    peer.announce(prefix, &[]);
                    w.external.route(prefix);
                    announce(&mut peer, &[], &octets::reach_ipv6(&bad, prefix));
                    w.external.route_where(marker(w, &mut peer), |_| true);
                    assert!(w.external.now(prefix).is_none());
                }
            },
        ),
        row("8950-4-offer", Must, "over IPv6, IPv4 with next hops of IPv6 is offered", |w| {
            let (_peer, open) = over_ipv6(w);
            let wanted = [5, 6, 0, 1, 0, 1, 0, 2];
            assert!(open.windows(8).any(|found| found == wanted), "{open:02x?}");
        }),
        row(
            "8950-3-both-ways",
            Must,
            "IPv4 is taken with a next hop of IPv6, and told with ours",
            |w| {
                let (mut peer, _) = over_ipv6(w);
                let (theirs, ours) = (w.prefix(), w.prefix());
                let value = octets::reach_value(1, &GLOBAL, &octets::nlri(theirs));
                announce(&mut peer, &[], &attribute(0x80, 14, &value));
                w.external.route(theirs).has(0x40, 3, &[127, 0, 0, 1]);
                let mut source = w.up(EXTERNAL);
                source.announce(ours, &[]);
                let told = peer.told_of(ours);
                let reach =
                    told.attributes.iter().find(|one| one.code == 14).expect("MP_REACH_NLRI");
                let mut address = GLOBAL;
                address[15] = 1;
                let wanted = [&[0, 1, 1, 16], &address[..], &[0]].concat();
                assert_eq!(reach.value, wanted);
            },
        ),
    ]
}

/// A prefix that is announced after everything before it was judged.
fn marker(world: &World, peer: &mut Peer) -> ipnet::IpNet {
    world.settled(peer);
    let marker = world.prefix();
    peer.announce(marker, &[]);
    marker
}
