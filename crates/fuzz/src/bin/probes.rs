//! Any packet through the readers of probes: STAMP requests, replies and extensions, ICMP echo, STUN,
//! BFD, and the senders that wait for answers.
//!
//! The first octet picks the reader; a reflector answers no request with more than it may, and no
//! sender takes for an answer what nobody could know.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pathvane_clock::{Duration, Instant};
use pathvane_probe::icmp::{Version, decode_reply};
use pathvane_probe::stamp::{Key, Options};
use pathvane_probe::{Config, Kind, Sender, Stamps, Timestamp, bfd, reflect, stamp, stun};

const NOW: Timestamp = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);

fuzz_target!(|input: &[u8]| {
    let Some((which, packet)) = input.split_first() else { return };
    match which % 9 {
        0 => reflected(packet, None),
        1 => {
            // Behind a request that the key has signed: the extensions are whatever they are.
            let key = Key::new(b"0123456789abcdef");
            let error = stamp::ErrorEstimate::UNSYNCHRONISED;
            let time = pathvane_probe::WireTime::ntp(NOW);
            let request = stamp::Request { seq: 7, time, error, ssid: 1 };
            let mut signed = request.encode_signed(&key).to_vec();
            signed.extend_from_slice(packet);
            reflected(&signed, Some(&key));
        }
        2 => {
            if let Some(reply) = stamp::Reply::decode(packet) {
                assert_eq!(stamp::Reply::decode(&reply.encode()), Some(reply));
            }
        }
        3 => {
            let _ = decode_reply(Version::V4, packet);
        }
        4 => {
            let _ = decode_reply(Version::V6, packet);
        }
        5 => {
            if let Some(response) = stun::decode_response(packet) {
                assert_eq!(packet[8..20], response.id.0, "the id is the datagram's");
                assert_eq!(packet.len() % 4, 0, "attributes fill the datagram");
            }
        }
        6 => answered(packet, Kind::Stun),
        7 => answered(packet, Kind::Stamp { ssid: 1 }),
        _ => {
            if let Ok(read) = bfd::Packet::decode(packet) {
                // The authentication section is not ours to write.
                let plain = bfd::Packet { authentication: false, ..read };
                assert_eq!(bfd::Packet::decode(&read.encode()), Ok(plain));
            }
        }
    }
});

fn reflected(request: &[u8], key: Option<&Key>) {
    let mut reply = Vec::new();
    let stamps = Stamps { received: NOW, sent: NOW, ttl: 255, class: 0xb8, seq: 1, counts: (1, 1) };
    if reflect(request, key, &stamps, &mut reply).is_some() {
        assert_eq!(reply.len(), request.len().max(44));
        let read = match key {
            Some(key) => stamp::Reply::decode_signed(&reply, key),
            None => stamp::Reply::decode(&reply),
        };
        read.expect("what we reflect, we read");
    }
}

/// A sender with a few probes under way hears `packet`.
fn answered(packet: &[u8], kind: Kind) {
    let config = Config {
        kind,
        interval: Duration::from_millis(20),
        fastest: Duration::from_millis(20),
        timeout: Duration::from_secs(1),
        epoch: NOW,
        seed: 1,
        ports: 1,
        options: Options::default(),
    };
    let mut sender = Sender::new(Instant::ZERO, &config);
    let mut out = Vec::new();
    for ms in (0..200).step_by(20) {
        while sender.poll_transmit(Instant::from_millis(ms), &mut out).is_some() {}
    }
    let sample = sender.handle_received(packet, Instant::from_millis(210), None);
    assert!(sample.is_none_or(|sample| sample.seq < 10), "of a probe that was sent");
    // A reply that is none of ours says nothing, whatever it claims.
    let counters = sender.counters();
    assert_eq!(counters.answered, u64::from(sample.is_some()));
    assert!(counters.sent <= 10);
}
