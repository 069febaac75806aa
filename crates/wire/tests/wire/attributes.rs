//! Each attribute: how it is read and written, and what becomes of it when it is malformed.

use bytes::BytesMut;
use pathvane_wire::Disposition::{self, AttributeDiscard, SessionReset, TreatAsWithdraw};
use pathvane_wire::FaultReason::{
    self, AsZero, Duplicate, Flags, FourOctetSession, Length, NotFromExternal, Segment, Truncated,
    UnknownWellKnown, Value,
};
use pathvane_wire::{
    Aggregator, AsPath, Asn, AttrFlags, Attrs, BgpId, Checked, Community, DecodeContext,
    EncodeContext, ExtCommunity, PeerKind, RawAttrs, UnknownAttr,
};

use crate::common::{
    EXTERNAL, INTERNAL, OPTIONAL, OPTIONAL_TRANSITIVE, TWO_OCTET, WELL_KNOWN, attr, mandatory,
    mirror, round_trip,
};

fn check(bytes: &[u8], ctx: &DecodeContext) -> Checked {
    RawAttrs::from_bytes(bytes).check(ctx)
}

/// One malformed attribute: context, flags, code, value, and what becomes of it.
type Malformed<'a> = (&'a DecodeContext, u8, u8, &'a [u8], Disposition, FaultReason);

const MALFORMED: [Malformed<'_>; 41] = [
    // ORIGIN
    (&EXTERNAL, WELL_KNOWN, 1, &[], TreatAsWithdraw, Length),
    (&EXTERNAL, WELL_KNOWN, 1, &[0, 0], TreatAsWithdraw, Length),
    (&EXTERNAL, WELL_KNOWN, 1, &[3], TreatAsWithdraw, Value),
    (&EXTERNAL, OPTIONAL, 1, &[0], TreatAsWithdraw, Flags),
    // AS_PATH: no such type, no members, cut short, one octet over, AS 0, confederation
    (&EXTERNAL, WELL_KNOWN, 2, &[5, 1, 0, 0, 0, 1], TreatAsWithdraw, Segment),
    (&EXTERNAL, WELL_KNOWN, 2, &[2, 0], TreatAsWithdraw, Segment),
    (&EXTERNAL, WELL_KNOWN, 2, &[2, 2, 0, 0, 0, 1], TreatAsWithdraw, Segment),
    (&EXTERNAL, WELL_KNOWN, 2, &[2, 1, 0, 0, 0, 1, 2], TreatAsWithdraw, Segment),
    (&EXTERNAL, WELL_KNOWN, 2, &[2, 1, 0, 0, 0, 0], TreatAsWithdraw, AsZero),
    (&EXTERNAL, WELL_KNOWN, 2, &[3, 1, 0, 0, 0, 1], TreatAsWithdraw, Segment),
    (&TWO_OCTET, WELL_KNOWN, 2, &[2, 2, 0, 1], TreatAsWithdraw, Segment),
    (&TWO_OCTET, WELL_KNOWN, 2, &[1, 0], TreatAsWithdraw, Segment),
    // MULTI_EXIT_DISC
    (&EXTERNAL, OPTIONAL, 4, &[0, 0, 1], TreatAsWithdraw, Length),
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 4, &[0; 4], TreatAsWithdraw, Flags),
    // LOCAL_PREF: from an external peer it is not even looked into
    (&EXTERNAL, WELL_KNOWN, 5, &[], AttributeDiscard, NotFromExternal),
    (&EXTERNAL, OPTIONAL, 5, &[0; 4], AttributeDiscard, NotFromExternal),
    (&INTERNAL, WELL_KNOWN, 5, &[0; 5], TreatAsWithdraw, Length),
    // ATOMIC_AGGREGATE
    (&EXTERNAL, WELL_KNOWN, 6, &[0], AttributeDiscard, Length),
    (&EXTERNAL, OPTIONAL, 6, &[], TreatAsWithdraw, Flags),
    // AGGREGATOR
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 7, &[0, 1, 10, 0, 0, 1], AttributeDiscard, Length),
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 7, &[0, 0, 0, 0, 10, 0, 0, 1], AttributeDiscard, AsZero),
    (&TWO_OCTET, OPTIONAL_TRANSITIVE, 7, &[0, 0, 0, 1, 10, 0, 0, 1], AttributeDiscard, Length),
    // COMMUNITIES
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 8, &[], TreatAsWithdraw, Length),
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 8, &[0; 6], TreatAsWithdraw, Length),
    (&EXTERNAL, OPTIONAL, 8, &[0; 4], TreatAsWithdraw, Flags),
    // ORIGINATOR_ID and CLUSTER_LIST
    (&EXTERNAL, OPTIONAL, 9, &[0; 4], AttributeDiscard, NotFromExternal),
    (&INTERNAL, OPTIONAL, 9, &[0; 3], TreatAsWithdraw, Length),
    (&EXTERNAL, OPTIONAL, 10, &[0; 4], AttributeDiscard, NotFromExternal),
    (&INTERNAL, OPTIONAL, 10, &[], TreatAsWithdraw, Length),
    (&INTERNAL, OPTIONAL, 10, &[0; 7], TreatAsWithdraw, Length),
    // EXTENDED COMMUNITIES
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 16, &[0; 9], TreatAsWithdraw, Length),
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 16, &[], TreatAsWithdraw, Length),
    // AS4_PATH and AS4_AGGREGATOR
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 17, &[2, 1, 0, 0, 0, 1], AttributeDiscard, FourOctetSession),
    (&TWO_OCTET, OPTIONAL_TRANSITIVE, 17, &[2, 1, 0, 1], AttributeDiscard, Segment),
    (&TWO_OCTET, OPTIONAL_TRANSITIVE, 17, &[], AttributeDiscard, Length),
    (&TWO_OCTET, OPTIONAL, 17, &[2, 1, 0, 0, 0, 1], TreatAsWithdraw, Flags),
    (&TWO_OCTET, OPTIONAL_TRANSITIVE, 18, &[0; 7], AttributeDiscard, Length),
    // AIGP, LARGE_COMMUNITY, OTC
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 26, &[1], AttributeDiscard, Flags),
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 32, &[0; 13], TreatAsWithdraw, Length),
    (&EXTERNAL, OPTIONAL_TRANSITIVE, 35, &[0; 3], TreatAsWithdraw, Length),
    // An unknown one that is not optional
    (&EXTERNAL, WELL_KNOWN, 99, &[], SessionReset, UnknownWellKnown),
];

#[test]
fn every_malformed_attribute_has_its_one_outcome() {
    for (ctx, flags, code, value, disposition, reason) in MALFORMED {
        let before = attr(OPTIONAL, 200, &[1]);
        let bad = attr(flags, code, value);
        let checked = check(&[before.clone(), bad.clone()].concat(), ctx);
        let [fault] = checked.faults[..] else { panic!("{code} {value:?}: {:?}", checked.faults) };
        let found = (fault.code, fault.disposition, fault.reason, fault.offset, fault.len);
        assert_eq!(found, (code, disposition, reason, before.len(), bad.len()), "{value:?}");
        assert_eq!(checked.disposition(), disposition);
    }
}

#[test]
fn the_strongest_of_several_faults_decides() {
    let discard = attr(OPTIONAL_TRANSITIVE, 7, &[]);
    let withdraw = attr(OPTIONAL, 4, &[]);
    assert_eq!(check(&[], &EXTERNAL).disposition(), Disposition::Accept);
    assert_eq!(check(&discard, &EXTERNAL).disposition(), AttributeDiscard);
    for both in [[discard.clone(), withdraw.clone()], [withdraw, discard]] {
        assert_eq!(check(&both.concat(), &EXTERNAL).disposition(), TreatAsWithdraw);
    }
}

#[test]
fn the_first_of_two_counts() {
    for code in [4, 222] {
        let bytes = [attr(OPTIONAL, code, &[0, 0, 0, 1]), attr(OPTIONAL, code, &[9])].concat();
        let checked = check(&bytes, &EXTERNAL);
        assert_eq!(checked.disposition(), AttributeDiscard);
        assert_eq!(checked.faults[0].reason, Duplicate);
        assert_eq!(checked.attrs.med.is_some(), code == 4);
    }
}

#[test]
fn a_list_that_ends_early_withdraws() {
    let bytes = [mandatory(), vec![0x90, 4, 0]].concat();
    let checked = check(&bytes, &EXTERNAL);
    let fault = checked.faults[0];
    assert_eq!((fault.disposition, fault.reason), (TreatAsWithdraw, Truncated));
    assert_eq!((fault.offset, fault.len), (mandatory().len(), 3));
    assert_eq!(fault.to_string(), "path attributes: end in the middle of one (treat-as-withdraw)");
}

#[test]
fn every_attribute_survives_the_wire() {
    let attrs = Attrs {
        as_path: "65001 4200000000 {7 8}".parse().expect("a path"),
        med: Some(0),
        local_pref: Some(u32::MAX),
        atomic_aggregate: true,
        aggregator: Some(Aggregator { asn: Asn(4_200_000_000), addr: [10, 0, 0, 1].into() }),
        communities: [Community::NO_EXPORT, Community::new(1, 2)].into_iter().collect(),
        ext_communities: [ExtCommunity([0x40, 2, 0, 0, 0, 0, 0, 1])].into_iter().collect(),
        large_communities: ["1:2:3".parse().expect("a community")].into_iter().collect(),
        originator_id: Some(BgpId(7)),
        cluster_list: vec![BgpId(9), BgpId(8)],
        otc: Some(Asn(65001)),
        aigp: Some(vec![1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 5]),
        unknown: vec![UnknownAttr { flags: AttrFlags::OPTIONAL, code: 11, value: [1; 300].into() }],
        ..Attrs::default()
    };
    for four_octet_as in [true, false] {
        let ctx = DecodeContext { four_octet_as, ..INTERNAL };
        assert_eq!(round_trip(&attrs, &ctx), attrs);
    }
}

#[test]
fn attributes_are_sent_in_the_order_of_their_codes() {
    let unknown = |code| UnknownAttr { flags: AttrFlags::OPTIONAL, code, value: [].into() };
    let attrs = Attrs {
        med: Some(1),
        otc: Some(Asn(1)),
        unknown: vec![unknown(13), unknown(22), unknown(255)],
        ..Attrs::default()
    };
    let mut bytes = BytesMut::new();
    attrs.encode(&mirror(&EXTERNAL), &mut bytes);
    let mut codes = Vec::new();
    let mut rest = &bytes[..];
    while let [_, code, len, after @ ..] = rest {
        codes.push(*code);
        rest = &after[usize::from(*len)..];
    }
    assert_eq!(codes, [1, 2, 4, 13, 22, 35, 255]);
}

#[test]
fn what_is_internal_is_not_sent_outside() {
    let attrs = Attrs {
        local_pref: Some(1),
        originator_id: Some(BgpId(1)),
        cluster_list: vec![BgpId(1)],
        ..Attrs::default()
    };
    assert_eq!(round_trip(&attrs, &EXTERNAL), Attrs::default());
    assert_eq!(round_trip(&attrs, &INTERNAL), attrs);
}

#[test]
fn communities_are_a_set() {
    let two = [0, 1, 0, 2, 0, 1, 0, 1];
    let sorted = check(&attr(OPTIONAL_TRANSITIVE, 8, &two), &EXTERNAL).attrs;
    let twice = check(&attr(OPTIONAL_TRANSITIVE, 8, &[two, two].concat()), &EXTERNAL).attrs;
    assert_eq!(sorted, twice);
    assert_eq!(sorted.communities[..], [Community::new(1, 1), Community::new(1, 2)]);
    let mut set = sorted.communities;
    assert!(!set.insert(Community::new(1, 1)) && set.insert(Community::new(0, 5)));
    assert!(set.remove(&Community::new(1, 2)) && !set.remove(&Community::new(1, 2)));
    set.extend([Community::new(0, 1), Community::new(0, 5)]);
    assert_eq!(set[..], [Community::new(0, 1), Community::new(0, 5), Community::new(1, 1)]);
    assert!(set.contains(&Community::new(0, 5)));
}

#[test]
fn passing_routes_on_drops_what_must_not_travel_and_marks_what_nobody_knew() {
    let unknown = |flags, code| UnknownAttr { flags, code, value: [1].into() };
    let transitive = AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE;
    let inside = ExtCommunity([0x40, 2, 0, 0, 0, 0, 0, 1]);
    let outside = ExtCommunity([0, 2, 0, 0, 0, 0, 0, 1]);
    let received = Attrs {
        ext_communities: [inside, outside].into_iter().collect(),
        aigp: Some(vec![1]),
        unknown: vec![unknown(AttrFlags::OPTIONAL, 11), unknown(transitive, 99)],
        ..Attrs::default()
    };
    let all = [(PeerKind::Internal, vec![outside, inside]), (PeerKind::External, vec![outside])];
    for (peer, kept) in all {
        let mut sent = received.clone();
        sent.readvertise(peer);
        assert_eq!(sent.unknown, [unknown(transitive | AttrFlags::PARTIAL, 99)]);
        assert_eq!((sent.aigp, &sent.ext_communities[..]), (None, &kept[..]));
    }
}

#[test]
fn the_partial_bit_stays_set() {
    let partial = attr(OPTIONAL_TRANSITIVE | 0x20, 8, &[0, 1, 0, 1]);
    let attrs = check(&partial, &EXTERNAL).attrs;
    assert!(attrs.partial.contains(8));
    let mut bytes = BytesMut::new();
    attrs.encode(&mirror(&EXTERNAL), &mut bytes);
    assert!(bytes.ends_with(&partial));
}

#[test]
fn as_paths_answer_the_decision_process() {
    // (path, length, neighbour AS, origin AS)
    let cases = [
        ("", 0, None, None),
        ("1 2 3", 3, Some(1), Some(3)),
        ("1 2 {3 4 5}", 3, Some(1), None),
        ("{1 2}", 1, None, None),
        ("(10 11) 1 2", 2, Some(1), Some(2)),
        ("(10 11) [12]", 0, None, None),
    ];
    for (text, len, neighbor, origin) in cases {
        let path: AsPath = text.parse().expect(text);
        assert_eq!((path.len(), path.neighbor_as()), (len, neighbor.map(Asn)), "{text}");
        assert_eq!(path.origin_as(), origin.map(Asn), "{text}");
    }
    let path: AsPath = "1 {2 3}".parse().expect("a path");
    assert!(path.contains(Asn(3)) && !path.contains(Asn(4)));
}

#[test]
fn prepending_goes_into_the_leading_sequence_or_before_a_set() {
    for (before, times, after) in [
        ("", 2, "9 9"),
        ("1 2", 1, "9 1 2"),
        ("{1 2}", 1, "9 {1 2}"),
        ("1 {2} 3", 3, "9 9 9 1 {2} 3"),
        ("1", 0, "1"),
        ("{1 2}", 0, "{1 2}"),
    ] {
        let mut path: AsPath = before.parse().expect("a path");
        path.prepend(Asn(9), times);
        assert_eq!(path, after.parse().expect("a path"), "{before}");
    }
}

#[test]
fn a_long_path_is_sent_in_segments_of_255_and_read_as_one() {
    let mut path = AsPath::sequence((1..=255).map(Asn));
    path.prepend(Asn(9), 3);
    let attrs = Attrs { as_path: path, ..Attrs::default() };
    let mut bytes = BytesMut::new();
    attrs.encode(&mirror(&EXTERNAL), &mut bytes);
    assert_eq!(bytes[8..10], [2, 3]);
    assert_eq!(bytes[8 + 2 + 12..][..2], [2, 255]);
    let read = check(&bytes, &EXTERNAL).attrs.as_path;
    assert_eq!((read.len(), read.segments().count(), &read), (258, 1, &attrs.as_path));
}

/// Two-octet AS_PATH (and AGGREGATOR), AS4_PATH, and what comes out (RFC 6793 section 4.2.3).
#[test]
fn four_octet_numbers_are_put_back_in_their_places() {
    let narrow = EncodeContext { four_octet_as: false, ..mirror(&EXTERNAL) };
    let cases = [
        ("1 23456 3", "70000 3", "1 70000 3"),
        ("23456 23456", "70000 80000", "70000 80000"),
        ("1 2 3", "70000", "1 2 70000"),
        ("1 2", "1 2 70000", "1 2"),
        ("1 2 {3 23456}", "{3 70000}", "1 2 {3 70000}"),
        ("1 {2 3} 4", "70000", "1 {2 3} 70000"),
        ("1 2 3", "(5) 70000", "1 2 70000"),
    ];
    for (path, as4_path, expected) in cases {
        let attrs = Attrs { as_path: path.parse().expect("a path"), ..Attrs::default() };
        let mut bytes = BytesMut::new();
        attrs.encode(&narrow, &mut bytes);
        let wide = Attrs { as_path: as4_path.parse().expect("a path"), ..Attrs::default() };
        let mut as4 = BytesMut::new();
        wide.encode(&mirror(&INTERNAL), &mut as4);
        let value = &as4[7..];
        bytes.extend_from_slice(&attr(OPTIONAL_TRANSITIVE, 17, value));
        let checked = check(&bytes, &TWO_OCTET);
        assert_eq!(checked.attrs.as_path.to_string(), expected);
    }
}

#[test]
fn an_aggregator_of_two_octets_makes_the_as4_attributes_stale() {
    let path = attr(WELL_KNOWN, 2, &[2, 1, 0x5b, 0xa0]);
    let as4_path = attr(OPTIONAL_TRANSITIVE, 17, &[2, 1, 0, 1, 0, 0]);
    let as4_aggregator = attr(OPTIONAL_TRANSITIVE, 18, &[0, 1, 0, 0, 10, 0, 0, 2]);
    for (asn, merged) in [([0x5b, 0xa0], true), ([0, 1], false)] {
        let aggregator = attr(OPTIONAL_TRANSITIVE, 7, &[asn, [10, 0], [0, 1]].concat());
        let bytes = [&path[..], &aggregator, &as4_path, &as4_aggregator].concat();
        let attrs = check(&bytes, &TWO_OCTET).attrs;
        assert_eq!(attrs.as_path.to_string(), if merged { "65536" } else { "23456" });
        let expected = if merged { "65536 10.0.0.2" } else { "1 10.0.0.1" };
        assert_eq!(attrs.aggregator.map(|a| a.to_string()).as_deref(), Some(expected));
    }
}

#[test]
fn nothing_is_left_of_as4_attributes_once_they_are_merged() {
    let partial = OPTIONAL_TRANSITIVE | 0x20;
    let as4_path = attr(partial, 17, &[2, 1, 0, 1, 0, 0]);
    let as4_aggregator = attr(partial, 18, &[0, 1, 0, 0, 10, 0, 0, 2]);
    let attrs = check(&[as4_path, as4_aggregator].concat(), &TWO_OCTET).attrs;
    assert_eq!(attrs, Attrs::default());
}
