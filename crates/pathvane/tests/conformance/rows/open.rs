//! The OPEN message: ours, and what is wrong with theirs (RFC 4271 sections 4.2 and 6.2).

use crate::octets::{self, MP_IPV4, OPEN};
use crate::peer::{Class, Peer};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{EXTERNAL, INTERNAL, WIDE, World};

/// An OPEN of a peer of `class`, made by `open`, gets this NOTIFICATION.
fn refused(
    world: &World,
    class: Class,
    open: impl Fn(&Peer) -> Vec<u8>,
    (subcode, data): (u8, &[u8]),
) {
    let mut peer = world.connect(class);
    let open = open(&peer);
    peer.send(&open);
    peer.notified(2, subcode, data);
}

/// It is accepted, and the peer's route goes on.
fn accepted(world: &World, class: Class, open: impl Fn(&Peer) -> Vec<u8>) {
    let mut peer = world.connect(class);
    let open = open(&peer);
    peer.establish_by(&open);
    world.settled(&mut peer);
}

fn usual() -> Vec<u8> {
    octets::capabilities(&[MP_IPV4, &octets::four_octets(65001)])
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "4271-4.2-open",
            Must,
            "our OPEN: version 4, AS number, hold time, BGP Identifier",
            |w| {
                let open = w.connect(EXTERNAL).message(OPEN);
                assert_eq!(open[..9], [4, 0xfd, 0xf2, 0, 90, 10, 255, 0, 1]);
                assert_eq!(usize::from(open[9]), open.len() - 10, "the length of the parameters");
            },
        ),
        row(
            "4271-6.2-version",
            Must,
            "another version: Unsupported Version Number, with ours",
            |w| {
                for version in [0, 3, 5] {
                    let open =
                        |p: &Peer| octets::open(version, 65001, 0, p.address.octets(), &usual());
                    refused(w, EXTERNAL, open, (1, &[0, 4]));
                }
            },
        ),
        row("4271-6.2-as", Must, "an AS number that is not the peer's: Bad Peer AS", |w| {
            let open = |p: &Peer| octets::open(4, 65002, 0, p.address.octets(), &[]);
            refused(w, EXTERNAL, open, (2, &[]));
        }),
        row(
            "6793-4.1-as",
            Must,
            "the AS number of the capability counts, not that of the field",
            |w| {
                let wide = |asn| octets::capabilities(&[MP_IPV4, &octets::four_octets(asn)]);
                let open = |p: &Peer| octets::open(4, 65001, 0, p.address.octets(), &wide(65099));
                refused(w, EXTERNAL, open, (2, &[]));
                let open =
                    |p: &Peer| octets::open(4, 23456, 0, p.address.octets(), &wide(WIDE.asn));
                accepted(w, WIDE, open);
            },
        ),
        row(
            "7607-open",
            Must,
            "AS number 0, in the field or in the capability: Bad Peer AS",
            |w| {
                let open = |p: &Peer| octets::open(4, 0, 0, p.address.octets(), &usual());
                refused(w, EXTERNAL, open, (2, &[]));
                let zero = octets::capabilities(&[MP_IPV4, &octets::four_octets(0)]);
                let open = |p: &Peer| octets::open(4, 65001, 0, p.address.octets(), &zero);
                refused(w, EXTERNAL, open, (2, &[]));
            },
        ),
        row(
            "4271-6.2-hold",
            Must,
            "a hold time of one or two seconds: Unacceptable Hold Time",
            |w| {
                refused(w, EXTERNAL, |p| p.open_with(1, &usual()), (6, &[]));
                refused(w, EXTERNAL, |p| p.open_with(2, &usual()), (6, &[]));
            },
        ),
        row("4271-4.2-hold", Must, "a hold time of three seconds, and of zero, is accepted", |w| {
            accepted(w, EXTERNAL, |p| p.open_with(3, &usual()));
            accepted(w, EXTERNAL, |p| p.open_with(0, &usual()));
        }),
        row("6286-2.2-zero", Must, "a BGP Identifier of zero: Bad BGP Identifier", |w| {
            let open = |_: &Peer| octets::open(4, 65001, 0, [0; 4], &usual());
            refused(w, EXTERNAL, open, (3, &[]));
        }),
        row(
            "6286-2.2-internal",
            Must,
            "our own BGP Identifier inside our AS: Bad BGP Identifier",
            |w| {
                let caps = octets::capabilities(&[MP_IPV4, &octets::four_octets(65010)]);
                let open = move |_: &Peer| octets::open(4, 65010, 0, [10, 255, 0, 1], &caps);
                refused(w, INTERNAL, open, (3, &[]));
            },
        ),
        row(
            "6286-2.1-external",
            Must,
            "our own BGP Identifier from another AS, and one that is no host's, is accepted",
            |w| {
                accepted(w, EXTERNAL, |_| octets::open(4, 65001, 0, [10, 255, 0, 1], &usual()));
                accepted(w, EXTERNAL, |_| octets::open(4, 65001, 0, [255; 4], &usual()));
            },
        ),
        row(
            "4271-6.2-parameter",
            Must,
            "an optional parameter that is not known: Unsupported Optional Parameter",
            |w| {
                refused(w, EXTERNAL, |p| p.open_with(0, &[1, 2, 0, 0]), (4, &[]));
                refused(w, EXTERNAL, |p| p.open_with(0, &[77, 0]), (4, &[]));
            },
        ),
        row(
            "4271-6.2-malformed",
            Must,
            "a parameter that ends beyond the parameters: OPEN Message Error, Unspecific",
            |w| {
                refused(w, EXTERNAL, |p| p.open_with(0, &[2, 6, 1, 4, 0, 1, 0]), (0, &[]));
                refused(w, EXTERNAL, |p| p.open_with(0, &[2]), (0, &[]));
            },
        ),
        row(
            "4271-6.2-lengths",
            Must,
            "parameters shorter or longer than their length says: Unspecific",
            |w| {
                for length in [0, 5, 200] {
                    let open = |p: &Peer| {
                        let fixed = [&[4, 0xfd, 0xe9, 0, 0], &p.address.octets()[..]].concat();
                        octets::message(OPEN, &[&fixed[..], &[length], &usual()].concat())
                    };
                    refused(w, EXTERNAL, open, (0, &[]));
                }
            },
        ),
        row(
            "5492-4-malformed",
            Choice,
            "a capability that ends beyond its parameter: Unspecific",
            |w| {
                refused(w, EXTERNAL, |p| p.open_with(0, &[2, 3, 1, 4, 0]), (0, &[]));
            },
        ),
        row("9072-2-extended", Must, "optional parameters in the extended form are read", |w| {
            let long = [&[200, 255][..], &[0; 255]].concat();
            let wide = octets::four_octets(65001);
            let all = [MP_IPV4, &wide[..], &long].concat();
            let sized = |length: usize| u16::try_from(length).expect("short").to_be_bytes();
            let parameter = [&[2], &sized(all.len())[..], &all].concat();
            // The RFC lets the first length be anything but zero.
            for first in [255, 1] {
                let area = [&[first, 255], &sized(parameter.len())[..], &parameter].concat();
                accepted(w, EXTERNAL, |p| {
                    let fixed = [&[4, 0xfd, 0xe9, 0, 0], &p.address.octets()[..]].concat();
                    octets::message(OPEN, &[&fixed[..], &area].concat())
                });
            }
        }),
        row(
            "9072-2-malformed",
            Must,
            "an extended form that ends beyond the message: Unspecific",
            |w| {
                let area = [255, 255, 0, 9, 2, 0, 6, 1, 4, 0, 1, 0];
                let open = |p: &Peer| {
                    let fixed = [&[4, 0xfd, 0xe9, 0, 0], &p.address.octets()[..]].concat();
                    octets::message(OPEN, &[&fixed[..], &area].concat())
                };
                refused(w, EXTERNAL, open, (0, &[]));
            },
        ),
    ]
}
