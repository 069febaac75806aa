//! STUN: packets against published vectors and any bytes; a stream that speaks it.

mod common;

use std::collections::HashSet;
use std::net::SocketAddr;

use common::{MS, at, config, next};
use pathvane_probe::stun::{HEADER, Response, TransactionId, decode_response, encode_request};
use pathvane_probe::{Config, Kind, Sender};
use proptest::collection::vec;
use proptest::prelude::*;

const SUCCESS: [u8; 2] = [1, 1];
const ERROR: [u8; 2] = [1, 0x11];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.split_whitespace().collect();
    let octet = |pair: &&str| u8::from_str_radix(pair, 16).unwrap();
    digits.iter().map(octet).collect()
}

/// RFC 5769 sections 2.2 and 2.3: responses of "test vector" with MESSAGE-INTEGRITY and FINGERPRINT.
const V4: &str = "01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
    80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
    00 20 00 08 00 01 a1 47 e1 12 a6 43
    00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7
    80 28 00 04 c0 7d 4c 96";
const V6: &str = "01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
    80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
    00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9
    00 08 00 14 a3 82 95 4e 4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41
    80 28 00 04 c8 fb 0b 4c";

#[test]
fn the_published_responses_are_read() {
    let id = TransactionId([183, 231, 167, 1, 188, 52, 214, 134, 250, 135, 223, 174]);
    for (text, address) in
        [(V4, "192.0.2.1:32853"), (V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let mapped = Some(address.parse::<SocketAddr>().unwrap());
        let read = decode_response(&hex(text));
        assert_eq!(read, Some(Response { id, error: false, mapped }));
    }
}

#[test]
fn a_response_cut_short_or_of_a_lying_length_is_none() {
    for text in [V4, V6] {
        let bytes = hex(text);
        for len in 0..bytes.len() {
            assert_eq!(decode_response(&bytes[..len]), None, "{len} octets");
            let mut lying = bytes[..len.max(HEADER)].to_vec();
            let body = u16::try_from(lying.len() - HEADER).unwrap();
            lying[2..4].copy_from_slice(&body.to_be_bytes());
            if let Some(read) = decode_response(&lying) {
                // Cut between two attributes.
                assert!(matches!(len, 0..=20 | 36 | 48 | 60 | 72 | 84), "{len} {read:?}");
            }
        }
    }
}

#[test]
fn requests_indications_and_other_cookies_are_no_responses() {
    let good = hex(V4);
    assert_eq!(decode_response(&encode_request(TransactionId([1; 12]))), None);
    for (at, octet) in [(0, 0x00), (1, 0x03), (4, 0x20), (7, 0x43)] {
        let mut bytes = good.clone();
        bytes[at] = octet;
        assert_eq!(decode_response(&bytes), None, "octet {at} is {octet:#x}");
    }
    let mut family = good;
    family[41] = 3;
    assert_eq!(decode_response(&family), None, "an address family nobody knows");
}

fn stream() -> Sender {
    Sender::new(at(0), &Config { kind: Kind::Stun, ..config() })
}

/// What a server says to `request`, without attributes.
fn answer(request: &[u8], class: [u8; 2]) -> Vec<u8> {
    assert_eq!((request.len(), &request[..8]), (HEADER, &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..]));
    [&class[..], &request[2..]].concat()
}

#[test]
fn error_responses_are_answers_of_the_path_and_counted() {
    let mut sender = stream();
    let (seq, sent, probe) = next(&mut sender, at(0));
    let sample = sender.handle_received(&answer(&probe, ERROR), sent + 20 * MS, Some(60)).unwrap();
    assert_eq!((sample.seq, sample.rtt_ns), (seq, 20_000_000));
    assert_eq!((sample.one_way, sample.reflector_seq, sample.rev_ttl), (None, None, Some(60)));
    let (_, sent, probe) = next(&mut sender, sent);
    for _ in 0..2 {
        sender.handle_received(&answer(&probe, SUCCESS), sent + MS, None).unwrap();
    }
    let counters = sender.counters();
    assert_eq!((counters.answered, counters.declined, counters.duplicates), (2, 1, 1));
    assert_eq!(sender.mapped(), None);
}

#[test]
fn the_mapped_address_is_believed_from_genuine_responses_only() {
    let mut sender = stream();
    let (_, sent, probe) = next(&mut sender, at(0));
    let mut reply = answer(&probe, SUCCESS);
    reply[3] = 12;
    reply.extend(hex("00 20 00 08 00 01 a1 47 e1 12 a6 43"));
    let mut forged = reply.clone();
    forged[19] ^= 1;
    assert_eq!(sender.handle_received(&forged, sent + MS, None), None);
    assert_eq!(sender.mapped(), None);
    sender.handle_received(&reply, sent + MS, None).unwrap();
    assert_eq!(sender.mapped(), Some("192.0.2.1:32853".parse().unwrap()));
}

#[test]
fn transaction_ids_never_repeat_and_tell_no_numbers() {
    let (mut sender, mut other) = (stream(), stream());
    let mut second = Sender::new(at(0), &Config { kind: Kind::Stun, seed: 2, ..config() });
    let (mut ids, mut now) = (HashSet::new(), at(0));
    let mut ones = 0;
    for _ in 0..200 {
        let (_, due, probe) = next(&mut sender, now);
        assert_eq!(next(&mut other, now).2, probe, "the same seed, the same bytes");
        ids.insert(probe[8..].to_vec());
        ids.insert(next(&mut second, now).2[8..].to_vec());
        ones += probe[8..].iter().map(|octet| octet.count_ones()).sum::<u32>();
        assert!(sender.handle_received(&answer(&probe, SUCCESS), due + MS, None).is_some());
        now = due;
    }
    assert_eq!(ids.len(), 400);
    assert!((9_200..10_000).contains(&ones), "half of 19,200 bits: {ones}");
}

proptest! {
    #[test]
    fn any_bytes_may_come(bytes in vec(any::<u8>(), 0..200), body in vec(any::<u8>(), 0..25)) {
        decode_response(&bytes);
        let mut sender = stream();
        let (_, sent, probe) = next(&mut sender, at(0));
        prop_assert_eq!(sender.handle_received(&bytes, sent, None), None);
        // A genuine header before any attributes.
        let body: Vec<u8> = body.iter().flat_map(|&octet| [0, octet & 0x23, 0, octet]).collect();
        let mut reply = answer(&probe, SUCCESS);
        reply[3] = body.len() as u8;
        reply.extend(body);
        let counters = *sender.counters();
        match sender.handle_received(&reply, sent + MS, None) {
            Some(_) => prop_assert_eq!(sender.counters().answered, 1),
            None => prop_assert_eq!(sender.counters().malformed, counters.malformed + 1),
        }
    }
}
