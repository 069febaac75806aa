//! ROUTE-REFRESH (RFC 2918, RFC 7313).

use bytes::BytesMut;
use pathvane_wire::{Family, HEADER_LEN, RefreshSubtype, RouteRefresh, code, refresh_error};

#[test]
fn every_subtype_survives_the_wire() {
    let subtypes = [
        RefreshSubtype::Request,
        RefreshSubtype::Begin,
        RefreshSubtype::End,
        RefreshSubtype::Unknown(255),
    ];
    for subtype in subtypes {
        let refresh = RouteRefresh { family: Family::IPV6_UNICAST, subtype };
        let mut bytes = BytesMut::new();
        refresh.encode(&mut bytes);
        assert_eq!(RouteRefresh::decode(&bytes[HEADER_LEN..]), Ok(refresh));
    }
}

#[test]
fn a_wrong_length_is_answered_with_the_whole_message() {
    for body in [&[0, 1, 0][..], &[0, 1, 1, 1, 9], &[0, 1, 2, 1, 9]] {
        let error = RouteRefresh::decode(body).expect_err("a wrong length");
        assert_eq!(
            (error.code, error.subcode),
            (code::ROUTE_REFRESH, refresh_error::INVALID_LENGTH)
        );
        assert_eq!(error.data.len(), HEADER_LEN + body.len());
        assert!(error.data.ends_with(body));
    }
}

#[test]
fn outbound_filters_behind_a_request_are_ignored() {
    let refresh = RouteRefresh::decode(&[0, 1, 0, 1, 2, 64, 0, 0]).expect("sound");
    assert_eq!(refresh.subtype, RefreshSubtype::Request);
}
