//! Packets against golden vectors and against any bytes.

use pathvane_probe::icmp::{self, Version};
use pathvane_probe::stamp::{ErrorEstimate, LEN, MIN_REPLY, MIN_REQUEST, Reply, Request};
use pathvane_probe::{Stamps, WireTime, reflect};
use proptest::collection::vec;
use proptest::prelude::*;

fn hex(text: &str) -> Vec<u8> {
    let text = text.replace(' ', "");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// As scapy 2.8.0 builds it: seq 7, 2024-04-24 15:20:18.697, S, multiplier 1, SSID 42.
fn golden_request() -> (Vec<u8>, Request) {
    let fields = Request {
        seq: 7,
        time: WireTime(0xe9d3_a1b2_8000_0000),
        error: ErrorEstimate(0x8001),
        ssid: 42,
    };
    (hex(&format!("00000007e9d3a1b2800000008001002a{}", "00".repeat(28))), fields)
}

/// As scapy 2.8.0 builds it: reply 3 to the request above, half a second after it came.
fn golden_reply() -> (Vec<u8>, Reply) {
    let fields = Reply {
        seq: 3,
        time: WireTime(0xe9d3_a1b3_4000_0000),
        error: ErrorEstimate(0x2001),
        ssid: 42,
        received: WireTime(0xe9d3_a1b3_0000_0000),
        sender_seq: 7,
        sender_time: WireTime(0xe9d3_a1b2_8000_0000),
        sender_error: ErrorEstimate(0x8001),
        sender_ttl: 61,
    };
    let text = "00000003e9d3a1b3400000002001002ae9d3a1b300000000\
                00000007e9d3a1b280000000800100003d000000";
    (hex(text), fields)
}

fn stamps(seq: u32) -> Stamps {
    let error = ErrorEstimate::UNSYNCHRONISED;
    Stamps {
        received: WireTime(0xe9d3_a1b3_0000_0000).read(error),
        sent: WireTime(0xe9d3_a1b3_4000_0000).read(error),
        ttl: 61,
        class: 0xb8,
        seq,
        counts: (5, 5),
    }
}

#[test]
fn golden_packets_decode_and_encode() {
    let (bytes, fields) = golden_request();
    assert_eq!(Request::decode(&bytes), Some(fields));
    assert_eq!(fields.encode().as_slice(), bytes);
    assert!(fields.error.is_synchronised() && !fields.error.is_ptp());
    let (bytes, fields) = golden_reply();
    assert_eq!(Reply::decode(&bytes), Some(fields));
    assert_eq!(fields.encode().as_slice(), bytes);
}

#[test]
fn the_golden_request_gets_the_golden_reply() {
    let mut out = Vec::new();
    assert!(reflect(&golden_request().0, None, &stamps(3), &mut out).is_some());
    assert_eq!(out, golden_reply().0);
}

#[test]
fn short_senders_get_44_octets_and_shorter_ones_nothing() {
    let (request, _) = golden_request();
    let mut out = vec![1];
    for len in 0..LEN {
        let understood = reflect(&request[..len], None, &stamps(3), &mut out).is_some();
        assert_eq!(understood, len >= MIN_REQUEST);
        assert_eq!(out.len(), if understood { LEN } else { 0 });
        if understood {
            let reply = Reply::decode(&out).unwrap();
            assert_eq!((reply.sender_seq, reply.ssid), (7, 0), "octets 14 and 15 are padding");
        }
    }
}

#[test]
fn tlvs_come_back_flagged_by_what_we_make_of_them() {
    let reflected = |tlvs: &str| {
        let mut request = golden_request().0;
        request.extend(hex(tlvs));
        let mut out = Vec::new();
        assert!(reflect(&request, None, &stamps(3), &mut out).is_some());
        out.split_off(LEN)
    };
    assert_eq!(reflected("80010002aabb"), hex("00010002aabb"), "padding is understood");
    assert_eq!(reflected("00fa0004deadbeef"), hex("80fa0004deadbeef"), "U: unrecognised");
    assert_eq!(reflected("0001000000c80001ff"), hex("0001000080c80001ff"), "each its own");
    assert_eq!(reflected("00010008aa"), hex("40010008aa"), "M: longer than the packet");
    assert_eq!(reflected("000100000001"), hex("000100004001"), "M: shorter than a header");
}

#[test]
fn icmp_echo_request_has_the_known_octets() {
    let mut out = Vec::new();
    icmp::encode_request(Version::V4, (0x1234, 0x0001), b"abcd", 0, &mut out);
    // Words 0800 1234 0001 6162 6364 add up to 0xdefb; the checksum is the complement.
    assert_eq!(out, hex("08002104 12340001 61626364"));
    icmp::encode_request(Version::V6, (0x1234, 0x0001), b"abcd", 0, &mut out);
    assert_eq!(out, hex("800000001234000161626364"), "the kernel sums ICMPv6");
}

#[test]
fn only_echo_replies_of_the_version_are_replies() {
    let reply = hex("0000a9001234000161626364");
    let echo = icmp::decode_reply(Version::V4, &reply).unwrap();
    assert_eq!((echo.identifier, echo.seq, echo.body), (0x1234, 1, b"abcd".as_slice()));
    assert_eq!(icmp::decode_reply(Version::V6, &reply), None);
    for other in ["0800a90012340001", "8100000012340001", "0001000012340001", "00000000123400"] {
        assert_eq!(icmp::decode_reply(Version::V4, &hex(other)), None, "{other}");
    }
}

proptest! {
    #[test]
    fn requests_survive_encoding(seq: u32, time: u64, error: u16, ssid: u16) {
        let request = Request { seq, time: WireTime(time), error: ErrorEstimate(error), ssid };
        prop_assert_eq!(Request::decode(&request.encode()), Some(request));
    }

    #[test]
    fn replies_survive_decoding_up_to_reserved_octets(bytes in vec(any::<u8>(), LEN)) {
        let mut clean = bytes.clone();
        clean[38..40].fill(0);
        clean[41..].fill(0);
        let reply = Reply::decode(&bytes).unwrap();
        let encoded = reply.encode();
        prop_assert_eq!(encoded.as_slice(), clean.as_slice());
    }

    #[test]
    fn no_bytes_panic_and_no_reply_outgrows_its_request(
        bytes in vec(any::<u8>(), 0..300),
        seq: u32,
    ) {
        let mut out = Vec::new();
        let understood = reflect(&bytes, None, &stamps(seq), &mut out).is_some();
        prop_assert_eq!(understood, bytes.len() >= MIN_REQUEST);
        if understood {
            prop_assert_eq!(out.len(), bytes.len().max(LEN));
        }
        prop_assert_eq!(Reply::decode(&bytes).is_some(), bytes.len() >= MIN_REPLY);
        for version in [Version::V4, Version::V6] {
            if let Some(echo) = icmp::decode_reply(version, &bytes) {
                prop_assert_eq!(echo.body.len() + icmp::HEADER, bytes.len());
            }
        }
    }

    #[test]
    fn icmp_requests_sum_to_ones(
        id: u16,
        seq: u16,
        size in 0..100_usize,
        body in vec(any::<u8>(), 0..64),
    ) {
        let mut out = Vec::new();
        icmp::encode_request(Version::V4, (id, seq), &body, size, &mut out);
        prop_assert_eq!(out.len(), size.max(body.len() + icmp::HEADER));
        out.resize(out.len().next_multiple_of(2), 0);
        let mut sum: u32 =
            out.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        prop_assert_eq!(sum, 0xffff);
    }
}
