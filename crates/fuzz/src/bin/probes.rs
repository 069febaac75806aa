//! Any packet through the readers of probes: STAMP requests and replies, ICMP echo, BFD.
//!
//! The first octet picks the reader; a reflector answers no request with more than it may.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pathvane_probe::icmp::{Version, decode_reply};
use pathvane_probe::{Stamps, Timestamp, bfd, reflect, stamp};

fuzz_target!(|input: &[u8]| {
    let Some((which, packet)) = input.split_first() else { return };
    match which % 5 {
        0 => {
            let mut reply = Vec::new();
            let now = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
            let stamps = Stamps { received: now, sent: now, ttl: 255, seq: 1 };
            if reflect(packet, stamps, &mut reply) {
                assert_eq!(reply.len(), packet.len().max(44));
                stamp::Reply::decode(&reply).expect("what we reflect, we read");
            }
        }
        1 => {
            if let Some(reply) = stamp::Reply::decode(packet) {
                assert_eq!(stamp::Reply::decode(&reply.encode()), Some(reply));
            }
        }
        2 => {
            let _ = decode_reply(Version::V4, packet);
        }
        3 => {
            let _ = decode_reply(Version::V6, packet);
        }
        _ => {
            if let Ok(read) = bfd::Packet::decode(packet) {
                // The authentication section is not ours to write.
                let plain = bfd::Packet { authentication: false, ..read };
                assert_eq!(bfd::Packet::decode(&read.encode()), Ok(plain));
            }
        }
    }
});
