//! Packing routes into UPDATE messages.

use std::collections::BTreeSet;

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use pathvane_wire::{
    Attrs, Community, DecodeContext, EncodeContext, Family, FamilySet, HEADER_LEN, Kind, MAX_LEN,
    MAX_LEN_EXTENDED, NextHop, Nlri, Packed, Unsendable, UpdateView, encode_announcements,
    encode_end_of_rib, encode_withdrawals, frame,
};

use crate::common::{EXTERNAL, mirror};

/// Contexts that write the same routes differently.
fn contexts() -> [DecodeContext; 2] {
    [EXTERNAL, DecodeContext { add_path: FamilySet::ALL, ..EXTERNAL }]
}

fn prefixes(family: Family, count: u32) -> Vec<(u32, IpNet)> {
    let prefix = |i: u32| -> IpNet {
        let bits = 16 + u8::try_from(i % 17).expect("small");
        if family == Family::IPV4_UNICAST {
            Ipv4Net::new((0x0a00_0000 | i << 8).into(), bits).expect("short").trunc().into()
        } else {
            let high = 0x2001_0db8_u128 << 96 | u128::from(i) << 64;
            Ipv6Net::new(high.into(), bits + 48).expect("short").trunc().into()
        }
    };
    (0..count).map(|i| (i, prefix(i))).collect()
}

/// The bodies of all messages, none longer than allowed.
fn bodies(mut bytes: &[u8], max_len: usize) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while !bytes.is_empty() {
        let message = frame(bytes, max_len).expect("sound").expect("complete");
        assert_eq!(message.kind, Kind::Update);
        bodies.push(message.body);
        bytes = &bytes[message.len..];
    }
    bodies
}

fn expected(family: Family, prefixes: &[(u32, IpNet)], ctx: &EncodeContext) -> BTreeSet<Nlri> {
    let with_ids = ctx.add_path.contains(family);
    let nlri = |(id, prefix): &(u32, IpNet)| Nlri {
        family,
        path_id: if with_ids { *id } else { 0 },
        prefix: *prefix,
    };
    prefixes.iter().map(nlri).collect()
}

fn next_hop(family: Family) -> NextHop {
    if family == Family::IPV4_UNICAST {
        NextHop::from("192.0.2.1".parse::<std::net::IpAddr>().expect("an address"))
    } else {
        NextHop {
            addr: "2001:db8::1".parse().expect("an address"),
            link_local: "fe80::1".parse().ok(),
        }
    }
}

#[test]
fn withdrawals_fill_messages_and_arrive_complete() {
    for ctx in contexts() {
        for family in FamilySet::ALL.iter() {
            let all = prefixes(family, 3000);
            let mut bytes = BytesMut::new();
            let packed = encode_withdrawals(family, all.iter().copied(), &mirror(&ctx), &mut bytes);
            let bodies = bodies(&bytes, MAX_LEN);
            assert_eq!(packed, Packed { messages: bodies.len(), prefixes: 3000 });
            for body in &bodies[..bodies.len() - 1] {
                assert!(body.len() + HEADER_LEN > MAX_LEN - 21, "a message is well filled");
            }
            let arrived: BTreeSet<Nlri> = bodies
                .iter()
                .flat_map(|body| UpdateView::parse(body, &ctx).expect("sound").withdrawn())
                .collect();
            assert_eq!(arrived, expected(family, &all, &mirror(&ctx)));
        }
    }
}

#[test]
fn announcements_fill_messages_and_arrive_complete() {
    let attrs = Attrs { med: Some(5), local_pref: Some(1), ..Attrs::default() };
    for ctx in contexts() {
        for family in FamilySet::ALL.iter() {
            let all = prefixes(family, 3000);
            let (mut attributes, mut bytes) = (BytesMut::new(), BytesMut::new());
            attrs.encode(&mirror(&ctx), &mut attributes);
            let hop = next_hop(family);
            let items = all.iter().copied();
            let packed =
                encode_announcements(family, &hop, &attributes, items, &mirror(&ctx), &mut bytes);
            let bodies = bodies(&bytes, MAX_LEN);
            assert_eq!(packed, Ok(Packed { messages: bodies.len(), prefixes: 3000 }));
            let mut arrived = BTreeSet::new();
            for body in bodies {
                let view = UpdateView::parse(body, &ctx).expect("sound");
                assert_eq!((view.fault(), view.withdrawn().count()), (None, 0));
                assert_eq!(view.attrs().check(&ctx).attrs.med, Some(5));
                for reach in view.reaches() {
                    assert_eq!((reach.family, reach.next_hop), (family, hop));
                    arrived.extend(reach.nlri);
                }
            }
            assert_eq!(arrived, expected(family, &all, &mirror(&ctx)));
        }
    }
}

#[test]
fn the_next_hop_stands_between_as_path_and_med() {
    let mut attributes = BytesMut::new();
    Attrs { med: Some(5), ..Attrs::default() }.encode(&mirror(&EXTERNAL), &mut attributes);
    let mut bytes = BytesMut::new();
    let one = [(0, "10.0.0.0/8".parse().expect("a prefix"))];
    let hop = next_hop(Family::IPV4_UNICAST);
    let ctx = mirror(&EXTERNAL);
    encode_announcements(Family::IPV4_UNICAST, &hop, &attributes, one, &ctx, &mut bytes)
        .expect("it fits");
    let expected = [
        &[0, 0, 0, 21, 0x40, 1, 1, 0, 0x40, 2, 0][..],
        &[0x40, 3, 4, 192, 0, 2, 1, 0x80, 4, 4, 0, 0, 0, 5, 8, 10],
    ];
    assert_eq!(bytes[HEADER_LEN..], expected.concat());
}

#[test]
fn ipv4_routes_with_an_ipv6_next_hop_go_multiprotocol() {
    let ctx = DecodeContext { extended_next_hop: FamilySet::IPV4, ..EXTERNAL };
    let mut attributes = BytesMut::new();
    Attrs::default().encode(&mirror(&ctx), &mut attributes);
    let hop = next_hop(Family::IPV6_UNICAST);
    let one = [(0, "10.0.0.0/8".parse().expect("a prefix"))];
    let mut bytes = BytesMut::new();
    let family = Family::IPV4_UNICAST;
    encode_announcements(family, &hop, &attributes, one, &mirror(&ctx), &mut bytes)
        .expect("it fits");
    let view = UpdateView::parse(&bytes[HEADER_LEN..], &ctx).expect("sound");
    let reach = view.reaches().next().expect("an announcement");
    assert_eq!((reach.family, reach.next_hop), (family, hop));
}

#[test]
fn extended_messages_hold_more() {
    let ctx = EncodeContext { max_len: MAX_LEN_EXTENDED, ..mirror(&EXTERNAL) };
    let mut bytes = BytesMut::new();
    let all = prefixes(Family::IPV6_UNICAST, 5000);
    let packed = encode_withdrawals(Family::IPV6_UNICAST, all, &ctx, &mut bytes);
    assert_eq!(packed.messages, bodies(&bytes, MAX_LEN_EXTENDED).len());
    assert_eq!(packed, Packed { messages: 1, prefixes: 5000 });
}

#[test]
fn attributes_that_leave_no_room_are_an_error_and_write_nothing() {
    let communities = (0..2000).map(Community).collect();
    let mut attributes = BytesMut::new();
    Attrs { communities, ..Attrs::default() }.encode(&mirror(&EXTERNAL), &mut attributes);
    let mut bytes = BytesMut::new();
    for family in FamilySet::ALL.iter() {
        let ctx = mirror(&EXTERNAL);
        let all = prefixes(family, 1);
        let error =
            encode_announcements(family, &next_hop(family), &attributes, all, &ctx, &mut bytes);
        let too_big =
            |error| matches!(error, Unsendable::TooBig { len, max_len: MAX_LEN } if len > 8000);
        assert!(error.is_err_and(too_big));
        assert!(bytes.is_empty());
    }
}

#[test]
fn a_message_is_filled_to_the_last_octet() {
    let long = (0, "192.0.2.1/32".parse().expect("a prefix"));
    let short = (0, "10.0.0.0/24".parse().expect("a prefix"));
    let all = std::iter::once(long).chain(std::iter::repeat_n(short, 1017));
    let mut bytes = BytesMut::new();
    let packed = encode_withdrawals(Family::IPV4_UNICAST, all, &mirror(&EXTERNAL), &mut bytes);
    assert_eq!((packed, bytes.len()), (Packed { messages: 1, prefixes: 1018 }, MAX_LEN));
}

#[test]
fn nothing_to_say_is_no_message() {
    let mut bytes = BytesMut::new();
    let packed = encode_withdrawals(Family::IPV4_UNICAST, [], &mirror(&EXTERNAL), &mut bytes);
    assert_eq!((packed, bytes.len()), (Packed::default(), 0));
}

#[test]
fn end_of_rib_is_read_as_such() {
    for family in FamilySet::ALL.iter() {
        let mut bytes = BytesMut::new();
        encode_end_of_rib(family, &mut bytes);
        let view = UpdateView::parse(&bytes[HEADER_LEN..], &EXTERNAL).expect("sound");
        assert_eq!(view.end_of_rib(), Some(family));
    }
}

#[test]
fn a_next_hop_that_would_cost_the_session_is_refused() {
    let [v4, v6] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    let extended = EncodeContext { extended_next_hop: FamilySet::IPV4, ..mirror(&EXTERNAL) };
    let cases = [
        (v4, v4, mirror(&EXTERNAL), true),
        (v6, v6, mirror(&EXTERNAL), true),
        (v4, v6, mirror(&EXTERNAL), false),
        (v4, v6, extended, true),
        (v6, v4, extended, false),
    ];
    for (family, hop, ctx, sent) in cases {
        let mut bytes = BytesMut::new();
        let hop = next_hop(hop);
        let done = encode_announcements(family, &hop, &[], prefixes(family, 1), &ctx, &mut bytes);
        assert_eq!(done.err(), (!sent).then_some(Unsendable::NextHop(hop)));
        assert_eq!(bytes.is_empty(), !sent);
    }
}
