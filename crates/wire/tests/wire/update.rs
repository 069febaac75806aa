//! UPDATE messages as a whole: what they withdraw and announce, and which faults end the session.

use pathvane_wire::{
    DecodeContext, Disposition, Family, FamilySet, FaultReason, Nlri, Notification, UpdateView,
    update_error,
};

use crate::common::{
    EXTERNAL, INTERNAL, OPTIONAL, OPTIONAL_TRANSITIVE, TEN, WELL_KNOWN, announced, attr, body,
    mandatory,
};

/// 2001:db8::/32.
const DOC: [u8; 5] = [32, 0x20, 0x01, 0x0d, 0xb8];

/// MP_REACH_NLRI for IPv6 unicast with this next hop.
fn mp_reach(next_hop: &[u8], nlri: &[u8]) -> Vec<u8> {
    let len = u8::try_from(next_hop.len()).expect("a short next hop");
    attr(OPTIONAL, 14, &[&[0, 2, 1, len], next_hop, &[0], nlri].concat())
}

fn mp_unreach(nlri: &[u8]) -> Vec<u8> {
    attr(OPTIONAL, 15, &[&[0, 2, 1], nlri].concat())
}

fn v6(text: &str) -> Vec<u8> {
    text.parse::<std::net::Ipv6Addr>().expect("an address").octets().to_vec()
}

fn parse<'a>(body: &'a [u8], ctx: &DecodeContext) -> UpdateView<'a> {
    UpdateView::parse(body, ctx).expect("a sound UPDATE")
}

fn prefixes(nlri: impl IntoIterator<Item = Nlri>) -> Vec<String> {
    nlri.into_iter().map(|nlri| nlri.prefix.to_string()).collect()
}

#[test]
fn both_families_are_withdrawn_and_announced_in_one_message() {
    let attributes = [mp_reach(&v6("2001:db8::1"), &DOC), mandatory(), mp_unreach(&[0])].concat();
    let bytes = body(&[16, 172, 16], &attributes, &TEN);
    let view = parse(&bytes, &EXTERNAL);
    assert_eq!(prefixes(view.withdrawn()), ["172.16.0.0/16", "::/0"]);
    let reaches: Vec<_> = view
        .reaches()
        .map(|reach| (reach.family.to_string(), reach.next_hop.to_string(), prefixes(reach.nlri)))
        .collect();
    let expected = [
        ("ipv4-unicast", "192.0.2.1", "10.0.0.0/8"),
        ("ipv6-unicast", "2001:db8::1", "2001:db8::/32"),
    ]
    .map(|(family, hop, prefix)| (family.to_owned(), hop.to_owned(), vec![prefix.to_owned()]));
    assert_eq!(reaches, expected);
    assert!(view.attrs() == *mandatory().as_slice());
    assert_eq!((view.fault(), view.end_of_rib()), (None, None));
}

#[test]
fn attributes_are_the_same_bytes_wherever_the_multiprotocol_ones_stand() {
    let (origin, rest) = (mandatory()[..4].to_vec(), mandatory()[4..].to_vec());
    let reach = mp_reach(&v6("2001:db8::1"), &DOC);
    let unreach = mp_unreach(&DOC);
    let orders = [
        [&reach, &unreach, &origin, &rest],
        [&origin, &reach, &rest, &unreach],
        [&origin, &unreach, &reach, &rest],
    ];
    for order in orders {
        let bytes = body(&[], &order.map(|part: &Vec<u8>| part.as_slice()).concat(), &[]);
        let view = parse(&bytes, &EXTERNAL);
        assert!(view.attrs() == *mandatory().as_slice());
        assert_eq!(view.attrs().contiguous(&mut Vec::new()), mandatory());
        assert_eq!(view.attrs().len(), mandatory().len());
    }
}

#[test]
fn host_bits_are_dropped() {
    let bytes = body(&[9, 10, 0xff], &[], &[]);
    assert_eq!(prefixes(parse(&bytes, &EXTERNAL).withdrawn()), ["10.128.0.0/9"]);
}

#[test]
fn end_of_rib_names_its_family_if_it_was_negotiated() {
    let v6 = body(&[], &mp_unreach(&[]), &[]);
    let v4 = body(&[], &[], &[]);
    assert_eq!(parse(&v4, &EXTERNAL).end_of_rib(), Some(Family::IPV4_UNICAST));
    assert_eq!(parse(&v6, &EXTERNAL).end_of_rib(), Some(Family::IPV6_UNICAST));
    let only_v4 = DecodeContext { families: FamilySet::IPV4, ..EXTERNAL };
    assert_eq!(parse(&v6, &only_v4).end_of_rib(), None);
    let only_v6 = DecodeContext { families: FamilySet::IPV6, ..EXTERNAL };
    assert_eq!(parse(&v4, &only_v6).end_of_rib(), None);
    for other in [mp_unreach(&DOC), mp_reach(&self::v6("2001:db8::1"), &[])] {
        assert_eq!(parse(&body(&[], &other, &[]), &EXTERNAL).end_of_rib(), None);
    }
}

#[test]
fn path_identifiers_are_read_where_negotiated() {
    let ctx = DecodeContext { add_path: FamilySet::IPV4, ..EXTERNAL };
    let attributes = [mandatory(), mp_reach(&v6("2001:db8::1"), &DOC)].concat();
    let bytes = body(&[], &attributes, &[0, 0, 0, 7, 8, 10]);
    let ids: Vec<_> = announced(&parse(&bytes, &ctx)).iter().map(|nlri| nlri.path_id).collect();
    assert_eq!(ids, [7, 0]);
}

#[test]
fn ipv6_next_hops_come_in_three_shapes() {
    let global = v6("2001:db8::1");
    let local = v6("fe80::1");
    let cases = [
        (global.clone(), "2001:db8::1"),
        ([global.clone(), local.clone()].concat(), "2001:db8::1 (fe80::1)"),
        ([v6("::"), local.clone()].concat(), "fe80::1"),
        (local, "fe80::1"),
        ([global, v6("2001:db8::2")].concat(), "2001:db8::1"),
    ];
    for (field, expected) in cases {
        let bytes = body(&[], &[mandatory(), mp_reach(&field, &DOC)].concat(), &[]);
        let reach = parse(&bytes, &EXTERNAL).reaches().next().expect("an announcement");
        assert_eq!(reach.next_hop.to_string(), expected);
    }
}

#[test]
fn ipv4_routes_take_an_ipv6_next_hop_only_if_negotiated() {
    let value = [&[0, 1, 1, 16][..], &v6("2001:db8::1"), &[0], &TEN].concat();
    let bytes = body(&[], &[mandatory(), attr(OPTIONAL, 14, &value)].concat(), &[]);
    assert!(UpdateView::parse(&bytes, &EXTERNAL).is_err());
    let ctx = DecodeContext { extended_next_hop: FamilySet::IPV4, ..EXTERNAL };
    let reach = parse(&bytes, &ctx).reaches().next().expect("an announcement");
    assert_eq!((reach.family, reach.next_hop.addr.is_ipv6()), (Family::IPV4_UNICAST, true));
}

#[test]
fn routes_of_a_family_that_was_not_negotiated_are_skipped() {
    let attributes = [mandatory(), mp_reach(&v6("2001:db8::1"), &DOC)].concat();
    let bytes = body(&[], &attributes, &TEN);
    let v4 = parse(&bytes, &DecodeContext { families: FamilySet::IPV4, ..EXTERNAL }).reaches();
    assert_eq!(v4.map(|reach| reach.family).collect::<Vec<_>>(), [Family::IPV4_UNICAST]);
    let v6 = parse(&bytes, &DecodeContext { families: FamilySet::IPV6, ..EXTERNAL }).reaches();
    assert_eq!(v6.map(|reach| reach.family).collect::<Vec<_>>(), [Family::IPV6_UNICAST]);
}

#[test]
fn faults_of_the_message_withdraw_all_its_prefixes() {
    use FaultReason::{Flags, Length, Missing, Truncated, Value};
    let [origin, path, hop] =
        [&mandatory()[..4], &mandatory()[4..13], &mandatory()[13..]].map(<[u8]>::to_vec);
    let cases = [
        ("no ORIGIN", [path.clone(), hop.clone()].concat(), 1, Missing),
        ("no AS_PATH", [origin.clone(), hop.clone()].concat(), 2, Missing),
        ("no NEXT_HOP", [origin.clone(), path.clone()].concat(), 3, Missing),
        ("a stray octet", [mandatory(), vec![0x40]].concat(), 0, Truncated),
        ("a length beyond the end", [mandatory(), vec![0x80, 4, 5, 0]].concat(), 0, Truncated),
        (
            "NEXT_HOP of three octets",
            [&origin[..], &path, &attr(WELL_KNOWN, 3, &[192, 0, 2])].concat(),
            3,
            Length,
        ),
        (
            "NEXT_HOP 0.0.0.0",
            [&origin[..], &path, &attr(WELL_KNOWN, 3, &[0; 4])].concat(),
            3,
            Value,
        ),
        (
            "NEXT_HOP marked optional",
            [&origin[..], &path, &attr(OPTIONAL, 3, &[192, 0, 2, 1])].concat(),
            3,
            Flags,
        ),
        (
            "NEXT_HOP multicast",
            [&origin[..], &path, &attr(WELL_KNOWN, 3, &[224, 0, 0, 1])].concat(),
            3,
            Value,
        ),
        ("IPv6 next hop ::", [mandatory(), mp_reach(&v6("::"), &DOC)].concat(), 14, Value),
        (
            "IPv6 next hop multicast",
            [mandatory(), mp_reach(&v6("ff02::1"), &DOC)].concat(),
            14,
            Value,
        ),
    ];
    for (name, attributes, code, reason) in cases {
        let bytes = body(&[16, 172, 16], &attributes, &TEN);
        let view = parse(&bytes, &EXTERNAL);
        let fault = view.fault().expect(name);
        assert_eq!((fault.code, fault.reason), (code, reason), "{name}");
        assert_eq!(fault.disposition, Disposition::TreatAsWithdraw, "{name}");
        assert_eq!(view.reaches().count(), 0, "{name}");
        assert_eq!(prefixes(view.withdrawn())[..2], ["172.16.0.0/16", "10.0.0.0/8"], "{name}");
    }
}

#[test]
fn multiprotocol_routes_need_no_next_hop_attribute() {
    let attributes = [&mandatory()[..13], &mp_reach(&v6("2001:db8::1"), &DOC)].concat();
    let bytes = body(&[], &attributes, &[]);
    assert_eq!(announced(&parse(&bytes, &EXTERNAL)).len(), 1);
}

#[test]
fn a_next_hop_attribute_that_no_route_uses_is_ignored() {
    let reach = mp_reach(&v6("2001:db8::1"), &DOC);
    let attributes = [&mandatory()[..13], &attr(WELL_KNOWN, 3, &[0; 4]), &reach].concat();
    let bytes = body(&[], &attributes, &[]);
    let view = parse(&bytes, &EXTERNAL);
    assert_eq!((announced(&view).len(), view.fault()), (1, None));
    assert_eq!(view.attrs().check(&EXTERNAL).faults, []);
}

#[test]
fn an_internal_peer_may_leave_out_local_pref() {
    let bytes = body(&[], &mandatory(), &TEN);
    assert_eq!(parse(&bytes, &INTERNAL).fault(), None);
}

#[test]
fn a_next_hop_from_the_same_host_is_taken() {
    let attributes = [&mandatory()[..13], &attr(WELL_KNOWN, 3, &[127, 0, 0, 2])].concat();
    assert_eq!(parse(&body(&[], &attributes, &TEN), &EXTERNAL).fault(), None);
}

#[test]
fn what_leaves_prefixes_unread_ends_the_session() {
    use update_error::{INVALID_NETWORK_FIELD, MALFORMED_ATTRIBUTE_LIST, OPTIONAL_ATTRIBUTE};
    let hop = v6("2001:db8::1");
    let good = mp_reach(&hop, &DOC);
    let of = |attribute: &[u8]| body(&[], &[&mandatory()[..], attribute].concat(), &TEN);
    let error = |subcode, data: &[u8]| Notification::update(subcode, data);
    let cases = [
        ("withdrawn too long", vec![0, 1, 0, 0], error(MALFORMED_ATTRIBUTE_LIST, &[])),
        ("attributes too long", vec![0, 0, 0, 1], error(MALFORMED_ATTRIBUTE_LIST, &[])),
        ("nothing", vec![], error(MALFORMED_ATTRIBUTE_LIST, &[])),
        (
            "prefix of 33 bits",
            body(&[33, 1, 2, 3, 4, 5], &[], &[]),
            error(INVALID_NETWORK_FIELD, &[]),
        ),
        ("prefix cut short", body(&[], &mandatory(), &[24, 10]), error(INVALID_NETWORK_FIELD, &[])),
        ("MP_REACH twice", of(&[&good[..], &good].concat()), error(MALFORMED_ATTRIBUTE_LIST, &[])),
        (
            "MP_UNREACH twice",
            of(&[mp_unreach(&[]), mp_unreach(&[])].concat()),
            error(MALFORMED_ATTRIBUTE_LIST, &[]),
        ),
        ("next hop of 5 octets", of(&mp_reach(&[0; 5], &DOC)), {
            error(OPTIONAL_ATTRIBUTE, &mp_reach(&[0; 5], &DOC))
        }),
        ("IPv6 next hop of 4 octets", of(&mp_reach(&[10, 0, 0, 1], &DOC)), {
            error(OPTIONAL_ATTRIBUTE, &mp_reach(&[10, 0, 0, 1], &DOC))
        }),
        ("prefix of 129 bits", of(&mp_unreach(&[129; 18])), {
            error(OPTIONAL_ATTRIBUTE, &mp_unreach(&[129; 18]))
        }),
        ("MP_UNREACH of 2 octets", of(&attr(OPTIONAL, 15, &[0, 2])), {
            error(OPTIONAL_ATTRIBUTE, &attr(OPTIONAL, 15, &[0, 2]))
        }),
        ("MP_REACH of 4 octets", of(&attr(OPTIONAL, 14, &[0, 2, 1, 0])), {
            error(OPTIONAL_ATTRIBUTE, &attr(OPTIONAL, 14, &[0, 2, 1, 0]))
        }),
    ];
    for (name, bytes, expected) in cases {
        let error = UpdateView::parse(&bytes, &EXTERNAL).expect_err(name);
        assert_eq!(error, expected, "{name}");
    }
}

#[test]
fn an_unknown_attribute_that_claims_to_be_well_known_ends_the_session() {
    let unknown = attr(WELL_KNOWN, 99, &[1, 2]);
    let bytes = body(&[], &[mandatory(), unknown.clone()].concat(), &TEN);
    let error = UpdateView::parse(&bytes, &EXTERNAL).expect_err("not optional");
    assert_eq!(error, Notification::update(update_error::UNRECOGNIZED_WELL_KNOWN, &unknown));
}

#[test]
fn where_nothing_is_announced_an_attribute_error_ends_the_session() {
    use update_error as e;
    let cases: [(&str, Vec<u8>, u8, bool); 7] = [
        ("cut short", vec![0x40, 1], e::MALFORMED_ATTRIBUTE_LIST, false),
        ("wrong flags", attr(OPTIONAL, 1, &[0]), e::ATTRIBUTE_FLAGS, true),
        ("wrong length", attr(OPTIONAL, 4, &[0]), e::ATTRIBUTE_LENGTH, true),
        ("wrong origin", attr(WELL_KNOWN, 1, &[3]), e::INVALID_ORIGIN, true),
        ("wrong path", attr(WELL_KNOWN, 2, &[2, 0]), e::MALFORMED_AS_PATH, false),
        ("AS 0", attr(WELL_KNOWN, 2, &[2, 1, 0, 0, 0, 0]), e::MALFORMED_AS_PATH, false),
        ("communities", attr(OPTIONAL_TRANSITIVE, 8, &[1]), e::ATTRIBUTE_LENGTH, true),
    ];
    for (name, attribute, subcode, told) in cases {
        let expected = Notification::update(subcode, if told { &attribute } else { &[] });
        let bytes = body(&[], &[attribute.clone(), mp_unreach(&DOC)].concat(), &[]);
        assert_eq!(UpdateView::parse(&bytes, &EXTERNAL).expect_err(name), expected, "{name}");
    }
}

#[test]
fn where_nothing_is_announced_sound_and_discarded_attributes_do_no_harm() {
    for attributes in [mandatory(), attr(OPTIONAL_TRANSITIVE, 7, &[1]), attr(WELL_KNOWN, 5, &[1])] {
        let bytes = body(&TEN, &attributes, &[]);
        let view = parse(&bytes, &EXTERNAL);
        assert_eq!((view.withdrawn().count(), view.reaches().count()), (1, 0));
        assert_eq!(view.end_of_rib(), None);
    }
}

#[test]
fn an_announcement_counts_even_if_its_family_is_skipped() {
    let bad = attr(OPTIONAL, 4, &[0]);
    let only_v4 = DecodeContext { families: FamilySet::IPV4, ..EXTERNAL };
    let hop = v6("2001:db8::1");
    for (nlri, ends) in [(&DOC[..], false), (&[], true)] {
        let bytes = body(&TEN, &[mp_reach(&hop, nlri), bad.clone()].concat(), &[]);
        assert_eq!(UpdateView::parse(&bytes, &only_v4).is_err(), ends);
    }
}

#[test]
fn of_equal_faults_the_first_is_told_and_of_others_the_strongest() {
    let both = mp_reach(&v6("2001:db8::1"), &DOC);
    let only_v4 = DecodeContext { families: FamilySet::IPV4, ..EXTERNAL };
    let bytes = body(&[], &both, &TEN);
    let view = parse(&bytes, &only_v4);
    let fault = view.fault().map(|fault| (fault.code, fault.reason));
    assert_eq!(fault, Some((1, FaultReason::Missing)));
}

#[test]
fn a_second_next_hop_is_ignored() {
    let attributes = [mandatory(), attr(WELL_KNOWN, 3, &[0; 4])].concat();
    let bytes = body(&[], &attributes, &TEN);
    let reach = parse(&bytes, &EXTERNAL).reaches().next().expect("an announcement");
    assert_eq!(reach.next_hop.to_string(), "192.0.2.1");
}

#[test]
fn severities_are_ordered_as_rfc_7606_has_them() {
    let order = [
        Disposition::Accept,
        Disposition::AttributeDiscard,
        Disposition::TreatAsWithdraw,
        Disposition::AfiSafiDisable,
        Disposition::SessionReset,
    ];
    assert!(order.is_sorted());
}
