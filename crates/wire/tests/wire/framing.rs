//! Cutting messages from a stream (RFC 4271 section 6.1).

use bytes::BytesMut;
use pathvane_wire::{Kind, MAX_LEN, MAX_LEN_EXTENDED, Notification, encode_keepalive, frame};

fn message(len: u16, kind: u8) -> Vec<u8> {
    let mut bytes = vec![0xff; 16];
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.push(kind);
    bytes.resize(usize::from(len).max(19), 0);
    bytes
}

#[test]
fn a_message_is_cut_off_only_when_all_of_it_is_there() {
    let bytes = message(23, 2);
    for len in 0..bytes.len() {
        assert_eq!(frame(&bytes[..len], MAX_LEN), Ok(None), "{len} octets");
    }
    let cut = frame(&bytes, MAX_LEN).expect("sound").expect("complete");
    assert_eq!((cut.kind, cut.body, cut.len), (Kind::Update, &[0; 4][..], 23));
}

#[test]
fn what_follows_a_message_is_left_alone() {
    let mut bytes = BytesMut::new();
    encode_keepalive(&mut bytes);
    encode_keepalive(&mut bytes);
    let cut = frame(&bytes, MAX_LEN).expect("sound").expect("complete");
    assert_eq!((cut.kind, cut.len, bytes.len()), (Kind::Keepalive, 19, 38));
}

#[test]
fn each_octet_of_the_marker_is_checked() {
    for at in 0..16 {
        let mut bytes = message(19, 4);
        bytes[at] = 0xfe;
        let expected = Err(Notification::connection_not_synchronized());
        assert_eq!(frame(&bytes, MAX_LEN), expected, "octet {at}");
    }
}

#[test]
fn a_type_that_does_not_exist_is_reported_with_the_type() {
    for kind in [0, 6, 255] {
        assert_eq!(frame(&message(19, kind), MAX_LEN), Err(Notification::bad_message_type(kind)));
    }
}

#[test]
fn each_kind_of_message_has_its_own_bounds() {
    // (kind, least, most, most with extended messages)
    let bounds = [
        (1, 29, 4096, 4096),
        (2, 23, 4096, 65535),
        (3, 21, 4096, 65535),
        (4, 19, 19, 19),
        (5, 19, 4096, 65535),
    ];
    for (kind, least, most, extended) in bounds {
        for (max_len, most) in [(MAX_LEN, most), (MAX_LEN_EXTENDED, extended)] {
            for good in [least, most] {
                let bytes = message(good, kind);
                let cut = frame(&bytes, max_len).expect("in bounds").expect("complete");
                assert_eq!(cut.len, usize::from(good));
            }
            for bad in [Some(least - 1), most.checked_add(1)].into_iter().flatten() {
                let error = Err(Notification::bad_message_length(bad));
                assert_eq!(frame(&message(bad, kind), max_len), error, "kind {kind}");
            }
        }
    }
}

#[test]
fn an_impossible_length_is_reported_before_an_impossible_type() {
    for len in [0, 18, 4097] {
        assert_eq!(frame(&message(len, 9), MAX_LEN), Err(Notification::bad_message_length(len)));
    }
}

#[test]
fn a_bad_header_is_reported_before_the_body_arrives() {
    let bytes = message(5000, 2);
    assert_eq!(frame(&bytes[..19], MAX_LEN), Err(Notification::bad_message_length(5000)));
    assert_eq!(frame(&bytes[..19], MAX_LEN_EXTENDED), Ok(None));
}
