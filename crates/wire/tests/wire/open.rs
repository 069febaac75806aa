//! OPEN messages and their capabilities (RFC 4271 sections 4.2 and 6.2, RFC 5492, RFC 9072).

use bytes::BytesMut;
use pathvane_wire::{
    AddPathMode, Asn, BgpId, Capability, Family, FamilySet, GrFamily, GracefulRestart, HEADER_LEN,
    Kind, LongLivedFamily, MAX_LEN, NextHopEncoding, Notification, Open, frame,
};

fn open(capabilities: Vec<Capability>) -> Open {
    Open { asn: Asn(65001), hold_time: 90, id: BgpId(0x0a00_0001), capabilities }
}

fn encoded(open: &Open) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    open.encode(&mut bytes);
    bytes.to_vec()
}

fn decoded(bytes: &[u8]) -> Result<Open, Notification> {
    let cut = frame(bytes, MAX_LEN)?.expect("complete");
    assert_eq!(cut.kind, Kind::Open);
    Open::decode(cut.body)
}

/// The body of an OPEN with these optional parameters.
fn with_parameters(parameters: &[u8]) -> Vec<u8> {
    [&[4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 1][..], parameters].concat()
}

#[test]
fn every_capability_survives_the_wire() {
    let all = vec![
        Capability::Multiprotocol(Family::IPV4_UNICAST),
        Capability::Multiprotocol(Family { afi: 25, safi: 70 }),
        Capability::RouteRefresh,
        Capability::EnhancedRouteRefresh,
        Capability::ExtendedMessages,
        Capability::ExtendedNextHop(vec![NextHopEncoding::IPV4_OVER_IPV6]),
        Capability::GracefulRestart(GracefulRestart {
            restarting: true,
            notification: true,
            restart_time: 4095,
            families: vec![
                GrFamily { family: Family::IPV4_UNICAST, forwarding: true },
                GrFamily { family: Family::IPV6_UNICAST, forwarding: false },
            ],
        }),
        Capability::LongLived(vec![
            LongLivedFamily {
                family: Family::IPV4_UNICAST,
                forwarding: true,
                stale_time: LongLivedFamily::MOST,
            },
            LongLivedFamily { family: Family::IPV6_UNICAST, forwarding: false, stale_time: 1 },
        ]),
        Capability::LongLived(vec![]),
        Capability::FourOctetAs(Asn(65001)),
        Capability::AddPath(vec![
            (Family::IPV4_UNICAST, AddPathMode::Both),
            (Family::IPV6_UNICAST, AddPathMode::Send),
        ]),
        Capability::Unknown { code: 73, value: vec![3, b'r', b't', b'r', 0] },
    ];
    let open = open(all);
    assert_eq!(decoded(&encoded(&open)), Ok(open));
}

#[test]
fn a_large_as_number_goes_as_as_trans_and_comes_back_from_its_capability() {
    let real = Asn(4_200_000_000);
    let open = Open { asn: real, ..open(vec![Capability::FourOctetAs(real)]) };
    let bytes = encoded(&open);
    assert_eq!(bytes[HEADER_LEN + 1..HEADER_LEN + 3], 23456u16.to_be_bytes());
    assert_eq!(decoded(&bytes).map(|open| open.asn), Ok(real));
}

#[test]
fn more_than_255_octets_of_capabilities_use_the_extended_form() {
    let long = Capability::Unknown { code: 200, value: vec![7; 200] };
    let open = open(vec![long; 3]);
    let bytes = encoded(&open);
    assert_eq!(bytes[HEADER_LEN + 9..HEADER_LEN + 11], [255, 255]);
    assert_eq!(decoded(&bytes), Ok(open));
}

#[test]
fn the_extended_form_is_read_even_where_it_is_not_needed() {
    // RFC 9072 section 2: any non-zero length octet before the 255 will do.
    for marker in [1, 255] {
        let body = with_parameters(&[marker, 255, 0, 5, 2, 0, 2, 2, 0]);
        let open = Open::decode(&body).expect("sound");
        assert_eq!(open.capabilities, [Capability::RouteRefresh]);
    }
}

#[test]
fn the_extended_form_begins_where_one_octet_of_length_ends() {
    for (octets, marker) in [(251, 255), (252, 255), (250, 254), (253, 255)] {
        let open = open(vec![Capability::Unknown { code: 200, value: vec![7; octets] }]);
        let bytes = encoded(&open);
        assert_eq!(decoded(&bytes), Ok(open), "{octets} octets");
        assert_eq!(bytes[HEADER_LEN + 9], marker, "{octets} octets");
    }
}

#[test]
fn no_parameters_are_no_extended_parameters() {
    let body = with_parameters(&[0, 255, 0, 5, 2, 0, 2, 2, 0]);
    assert_eq!(Open::decode(&body), Err(Notification::open_unspecific()));
}

#[test]
fn capabilities_may_come_in_one_parameter_or_in_several() {
    let one = with_parameters(&[6, 2, 4, 2, 0, 70, 0]);
    let several = with_parameters(&[8, 2, 2, 2, 0, 2, 2, 70, 0]);
    let expected = vec![Capability::RouteRefresh, Capability::EnhancedRouteRefresh];
    for body in [one, several] {
        assert_eq!(Open::decode(&body).map(|open| open.capabilities), Ok(expected.clone()));
    }
}

#[test]
fn a_capability_of_the_wrong_length_is_kept_but_not_believed() {
    for (code, value) in [(1, vec![0, 1, 1]), (65, vec![0, 1]), (64, vec![0]), (69, vec![0, 1, 1])]
    {
        let unknown = Capability::Unknown { code, value };
        let open = open(vec![unknown.clone()]);
        assert_eq!(decoded(&encoded(&open)).map(|open| open.capabilities), Ok(vec![unknown]));
    }
}

#[test]
fn add_path_entries_with_an_undefined_mode_are_ignored() {
    let body = with_parameters(&[12, 2, 10, 69, 8, 0, 1, 1, 4, 0, 2, 1, 1]);
    let open = Open::decode(&body).expect("sound");
    let kept = Capability::AddPath(vec![(Family::IPV6_UNICAST, AddPathMode::Receive)]);
    assert_eq!(open.capabilities, [kept]);
    assert_eq!(open.add_path_receive(), FamilySet::IPV6);
    assert_eq!(open.add_path_send(), FamilySet::EMPTY);
}

#[test]
fn a_restart_time_does_not_run_into_the_flags() {
    let long = GracefulRestart { restart_time: 5000, ..GracefulRestart::default() };
    let read = decoded(&encoded(&open(vec![Capability::GracefulRestart(long)]))).expect("sound");
    let expected = GracefulRestart { restart_time: 4095, ..GracefulRestart::default() };
    assert_eq!(read.graceful_restart(), Some(&expected));
}

#[test]
fn a_capability_that_does_not_fit_is_left_out() {
    let long = Capability::Unknown { code: 1, value: vec![0; 256] };
    let many = vec![Capability::Unknown { code: 200, value: vec![0; 255] }; 40];
    let kept = decoded(&encoded(&open([vec![long], many].concat()))).expect("sound");
    assert!(encoded(&kept).len() <= MAX_LEN);
    assert_eq!(kept.capabilities.len(), 15);
}

#[test]
fn each_fault_has_its_notification() {
    let version = || [&[3][..], &with_parameters(&[0])[1..]].concat();
    let hold = |seconds| [&[4, 0xfd, 0xe9, 0, seconds][..], &[10, 0, 0, 1, 0]].concat();
    let cases = [
        ("version 3", version(), Notification::unsupported_version()),
        ("hold time 1", hold(1), Notification::unacceptable_hold_time()),
        ("hold time 2", hold(2), Notification::unacceptable_hold_time()),
        (
            "zero identifier",
            vec![4, 0, 1, 0, 90, 0, 0, 0, 0, 0],
            Notification::bad_bgp_identifier(),
        ),
        ("AS 0", vec![4, 0, 0, 0, 90, 10, 0, 0, 1, 0], Notification::bad_peer_as()),
        (
            "AS 0 in four octets",
            with_parameters(&[8, 2, 6, 65, 4, 0, 0, 0, 0]),
            Notification::bad_peer_as(),
        ),
        (
            "AS 0 in two octets only",
            vec![4, 0, 0, 0, 90, 10, 0, 0, 1, 8, 2, 6, 65, 4, 0, 0, 0xfd, 0xe9],
            Notification::bad_peer_as(),
        ),
        (
            "authentication",
            with_parameters(&[2, 1, 0]),
            Notification::unsupported_optional_parameter(),
        ),
        (
            "parameters too short",
            with_parameters(&[4, 2, 2, 2, 0, 0]),
            Notification::open_unspecific(),
        ),
        ("parameters too long", with_parameters(&[3, 2, 2, 2]), Notification::open_unspecific()),
        ("capability too long", with_parameters(&[4, 2, 2, 2, 1]), Notification::open_unspecific()),
        ("no parameters at all", with_parameters(&[]), Notification::open_unspecific()),
    ];
    for (name, body, expected) in cases {
        assert_eq!(Open::decode(&body), Err(expected), "{name}");
    }
    assert!(Open::decode(&hold(0)).is_ok() && Open::decode(&hold(3)).is_ok());
}

#[test]
fn a_peer_without_multiprotocol_routes_ipv4() {
    assert_eq!(open(vec![]).families(), FamilySet::IPV4);
    let v6 = vec![Capability::Multiprotocol(Family::IPV6_UNICAST)];
    assert_eq!(open(v6).families(), FamilySet::IPV6);
    let other = vec![Capability::Multiprotocol(Family { afi: 1, safi: 128 })];
    assert_eq!(open(other).families(), FamilySet::EMPTY);
}

#[test]
fn the_last_of_several_graceful_restarts_counts() {
    let of = |restart_time| GracefulRestart { restart_time, ..GracefulRestart::default() };
    let both = vec![Capability::GracefulRestart(of(1)), Capability::GracefulRestart(of(2))];
    assert_eq!(open(both).graceful_restart(), Some(&of(2)));
}
