//! NOTIFICATION messages.

use bytes::BytesMut;
use pathvane_wire::{
    Capability, Family, HEADER_LEN, MAX_LEN, Notification, cease, code, update_error,
};

fn round_trip(notification: &Notification) -> Option<Notification> {
    let mut bytes = BytesMut::new();
    notification.encode(&mut bytes);
    Notification::decode(&bytes[HEADER_LEN..])
}

#[test]
fn people_read_names_not_numbers() {
    let cases = [
        (Notification::hold_timer_expired(), "Hold Timer Expired"),
        (Notification::cease(cease::COLLISION_RESOLUTION), "Cease/Connection Collision Resolution"),
        (Notification::administrative_shutdown(""), "Cease/Administrative Shutdown"),
        (Notification::bad_message_length(0), "Message Header Error/Bad Message Length"),
        (
            Notification::update(update_error::MALFORMED_AS_PATH, &[]),
            "UPDATE Message Error/Malformed AS_PATH",
        ),
        (Notification::new(code::UPDATE, 99), "UPDATE Message Error/subcode 99"),
        (Notification::new(77, 0), "code 77"),
        (
            Notification::hard_reset(&Notification::cease(cease::PEER_DECONFIGURED)),
            "Cease/Hard Reset (Cease/Peer De-configured)",
        ),
    ];
    for (notification, text) in cases {
        assert_eq!(notification.to_string(), text);
    }
}

#[test]
fn an_operators_reason_reaches_the_other_side() {
    let text = "Wartung 🚧 bis 14 Uhr";
    for notification in
        [Notification::administrative_shutdown(text), Notification::administrative_reset(text)]
    {
        assert_eq!(
            round_trip(&notification).as_ref().and_then(Notification::shutdown_text),
            Some(text)
        );
        let hard = Notification::hard_reset(&notification);
        assert_eq!(round_trip(&hard).as_ref().and_then(Notification::shutdown_text), Some(text));
        assert_eq!(hard.hard_reset_reason(), Some(notification));
    }
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let notification = Notification::administrative_shutdown(&"ü".repeat(200));
    let text = notification.shutdown_text().expect("a text");
    assert_eq!((text.len(), notification.data.len()), (254, 255));
}

#[test]
fn a_reason_that_is_no_text_is_no_reason() {
    let with = |data: &[u8]| Notification {
        code: code::CEASE,
        subcode: cease::ADMINISTRATIVE_SHUTDOWN,
        data: data.to_vec(),
    };
    for data in [&[][..], &[0], &[5, b'a'], &[2, 0xff, 0xfe]] {
        assert_eq!(with(data).shutdown_text(), None, "{data:?}");
    }
    let other = Notification { subcode: cease::OUT_OF_RESOURCES, ..with(&[1, b'a']) };
    assert_eq!(other.shutdown_text(), None);
    assert_eq!(with(&[1, b'a', 0, 0]).shutdown_text(), Some("a"));
}

#[test]
fn data_is_as_the_subcodes_define_it() {
    let limit = Notification::max_prefixes(Family::IPV6_UNICAST, 5000);
    assert_eq!(limit.data, [0, 2, 1, 0, 0, 0x13, 0x88]);
    let missing = Notification::unsupported_capability(&[
        Capability::RouteRefresh,
        Capability::Multiprotocol(Family::IPV4_UNICAST),
    ]);
    assert_eq!(missing.data, [2, 0, 1, 4, 0, 1, 0, 1]);
    assert_eq!(Notification::unsupported_version().data, [0, 4]);
    assert_eq!(Notification::bad_message_type(9).data, [9]);
}

#[test]
fn too_short_a_body_says_nothing_and_too_much_data_is_cut() {
    assert_eq!(Notification::decode(&[]), None);
    assert_eq!(Notification::decode(&[6]), None);
    let mut bytes = BytesMut::new();
    Notification::update(1, &[0; 5000]).encode(&mut bytes);
    assert_eq!(bytes.len(), MAX_LEN);
}
