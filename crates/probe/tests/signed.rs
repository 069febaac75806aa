//! The authenticated mode and the extensions, sender against reflector.

mod common;

use common::{Far, MS, at, config, far};
use pathvane_probe::stamp::{
    ErrorEstimate, Key, LEN, Options, Reply, Request, SIGNED_LEN, TAG_LEN,
};
use pathvane_probe::{Config, Remarked, Sample, Seen, Sender, Stamps, WireTime, reflect};
use proptest::collection::vec;
use proptest::prelude::*;

const EF: u8 = 46;

fn key() -> Key {
    Key::new(&(0..32).collect::<Vec<u8>>())
}

fn keyed(options: Options) -> (Sender, Far) {
    let options = Options { key: Some(key()), ..options };
    let sender = Sender::new(at(0), &Config { options, ..config() });
    (sender, Far { key: Some(key()), ..far() })
}

fn open(options: Options) -> (Sender, Far) {
    (Sender::new(at(0), &Config { options, ..config() }), far())
}

/// One probe there and back.
fn exchange(sender: &mut Sender, far: &mut Far, class: u8) -> (Vec<u8>, Vec<u8>, Option<Sample>) {
    let (_, sent, probe) = common::next(sender, at(0));
    let reply = far.reply(&probe, sent + 10 * MS, sent + 11 * MS);
    far.seq += 1;
    let seen = Seen { ttl: Some(60), class: Some(class) };
    let sample = sender.handle_received(&reply, sent + 21 * MS, seen);
    (probe, reply, sample)
}

#[test]
fn the_golden_packet_has_the_golden_tag() {
    let time = WireTime(0xe9d3_a1b2_8000_0000);
    let request = Request { seq: 7, time, error: ErrorEstimate(0x8001), ssid: 0x2a };
    let bytes = request.encode_signed(&key());
    let tag: String = bytes[SIGNED_LEN - TAG_LEN..].iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(tag, "5467d645339b4e421303d3772a5821d6");
    assert_eq!(Request::decode_signed(&bytes, &key()), Some(request));
    assert_eq!(Request::decode_signed(&bytes, &Key::new(b"another")), None);
    assert_eq!(Request::decode_signed(&bytes[..SIGNED_LEN - 1], &key()), None);
}

#[test]
fn any_flipped_bit_of_the_signed_part_or_the_tag_is_refused_and_counted() {
    let (mut sender, far) = keyed(Options::default());
    let (_, sent, probe) = common::next(&mut sender, at(0));
    let reply = far.reply(&probe, sent, sent);
    let stamps = Stamps::default();
    for bit in 0..SIGNED_LEN * 8 {
        let flip = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        let mut out = Vec::new();
        assert_eq!(reflect(&flip(&probe), far.key.as_ref(), &stamps, &mut out), None);
        assert!(out.is_empty());
        assert_eq!(sender.handle_received(&flip(&reply), sent + MS, None), None);
    }
    assert_eq!(sender.counters().unauthenticated, 8 * SIGNED_LEN as u64);
    assert!(sender.handle_received(&reply, sent + MS, None).is_some());
}

#[test]
fn a_sender_with_a_key_believes_no_open_reply_and_a_reflector_with_one_answers_no_open_request() {
    let (mut sender, _) = keyed(Options::default());
    let (_, sent, probe) = common::next(&mut sender, at(0));
    let open_reply = far().reply(&probe[..LEN], sent, sent);
    assert_eq!(sender.handle_received(&open_reply, sent + MS, None), None);
    assert_eq!(sender.counters().unauthenticated, 1);
    let (mut open_sender, _) = open(Options::default());
    let (.., open_probe) = common::next(&mut open_sender, at(0));
    assert_eq!(reflect(&open_probe, Some(&key()), &Stamps::default(), &mut Vec::new()), None);
}

#[test]
fn signed_replies_are_numbered_by_the_reflector_and_give_both_directions() {
    let (mut sender, mut far) = keyed(Options::default());
    far.seq = 5;
    let (probe, reply, sample) = exchange(&mut sender, &mut far, 0xb8);
    assert_eq!((probe.len(), reply.len()), (SIGNED_LEN, SIGNED_LEN));
    let sample = sample.unwrap();
    assert_eq!((sample.rtt_ns, sample.reflector_seq), (20_000_000, Some(5)));
    assert!(sample.reflector_stateful && sample.one_way.is_some());
    assert_eq!((sample.fwd_ttl, sample.rev_ttl), (Some(61), Some(60)));
    let reply = Reply::decode_signed(&reply, &key()).unwrap();
    assert_eq!((reply.seq, reply.sender_seq, reply.ssid), (5, 1, 42));
}

#[test]
fn a_remarked_dscp_shows_in_the_direction_that_does_it() {
    for keyed_mode in [false, true] {
        let options = Options { dscp: Some(EF), ..Options::default() };
        let (mut sender, mut far) = if keyed_mode { keyed(options) } else { open(options) };
        let kept = exchange(&mut sender, &mut far, 0xb8).2.unwrap();
        assert_eq!(kept.remarked, Remarked::default());
        assert_eq!(kept.class.unwrap().fwd_dscp, EF);
        far.class = 0x02;
        let fwd = exchange(&mut sender, &mut far, 0xb9).2.unwrap();
        assert_eq!(fwd.remarked, Remarked { fwd: true, rev: false });
        assert_eq!((fwd.class.unwrap().fwd_dscp, fwd.class.unwrap().fwd_ecn), (0, 2));
        far.class = 0xb8;
        let rev = exchange(&mut sender, &mut far, 0).2.unwrap();
        assert_eq!(rev.remarked, Remarked { fwd: false, rev: true });
        assert_eq!(sender.counters().unusable_tlvs, 0);
    }
}

#[test]
fn the_reply_goes_out_with_the_dscp_asked_for_unless_it_is_for_network_control() {
    for (asked, got, refused) in [(EF, EF, false), (0, 0, false), (48, 10, true), (56, 10, true)] {
        let (mut sender, _) = open(Options { dscp: Some(asked), ..Options::default() });
        let (_, sent, probe) = common::next(&mut sender, at(0));
        let stamps = Stamps { class: 10 << 2, ..Stamps::default() };
        let mut out = Vec::new();
        assert_eq!(reflect(&probe, None, &stamps, &mut out).unwrap().dscp, got);
        let seen = Seen { ttl: None, class: Some(got << 2) };
        let sample = sender.handle_received(&out, sent + MS, seen).unwrap();
        assert_eq!(sample.class.unwrap().refused, refused);
        assert_eq!(sample.remarked, Remarked { fwd: asked != 10, rev: false });
    }
}

#[test]
fn direct_measurement_tells_both_ends_counts() {
    let options = Options { direct: true, ..Options::default() };
    for (mut sender, mut far) in [open(options.clone()), keyed(options)] {
        exchange(&mut sender, &mut far, 0);
        common::next(&mut sender, at(0));
        let direct = exchange(&mut sender, &mut far, 0).2.unwrap().direct.unwrap();
        assert_eq!((direct.sent, direct.received, direct.returned), (3, 2, 2));
    }
}

#[test]
fn probes_have_the_size_of_voice_and_their_replies_too() {
    let all = Options { dscp: Some(EF), direct: true, ..Options::default() };
    for (options, base) in [(Options::default(), LEN), (all, LEN + 8 + 16)] {
        for (size, expected) in [(0, base), (172, 172), (base as u16 + 2, base + 4), (9000, 1472)] {
            let (mut sender, mut far) = open(Options { size, ..options.clone() });
            let (probe, reply, sample) = exchange(&mut sender, &mut far, 0xb8);
            assert_eq!((probe.len(), reply.len()), (expected, expected));
            assert!(sample.is_some());
            assert_eq!(sender.counters().unusable_tlvs, 0);
        }
    }
}

#[test]
fn extensions_with_a_wrong_hmac_return_with_the_integrity_flag_and_say_nothing() {
    let options = Options { dscp: Some(EF), direct: true, size: 172, ..Options::default() };
    let (mut sender, far) = keyed(options);
    let (_, sent, probe) = common::next(&mut sender, at(0));
    let hmac = SIGNED_LEN + 8 + 16;
    assert_eq!(&probe[hmac..hmac + 4], [0x80, 8, 0, 16]);
    for place in [SIGNED_LEN + 4, hmac + 4, hmac + 1] {
        let mut forged = probe.clone();
        forged[place] ^= 1;
        let reply = far.reply(&forged, sent, sent);
        for tlv in [SIGNED_LEN, SIGNED_LEN + 8, hmac, hmac + 20] {
            assert_eq!(reply[tlv], 0x20, "I, at {tlv}, after a change at {place}");
        }
        let sample = sender.clone().handle_received(&reply, sent + MS, None).unwrap();
        assert_eq!((sample.class, sample.direct), (None, None));
    }
    // What comes after the HMAC, other than padding, was added by somebody else.
    let mut appended = probe[..hmac + 20].to_vec();
    appended.extend([0x80, 5, 0, 0]);
    assert_eq!(far.reply(&appended, sent, sent)[SIGNED_LEN], 0x20);
    // The reply's extensions are checked as well.
    let mut reply = far.reply(&probe, sent, sent);
    reply[SIGNED_LEN + 5] ^= 4;
    let sample = sender.handle_received(&reply, sent + MS, None).unwrap();
    assert_eq!((sample.class, sample.remarked.any()), (None, false));
    assert_eq!(sender.counters().unusable_tlvs, 1);
}

#[test]
fn lengths_that_do_not_fit_the_type_are_malformed() {
    let (mut sender, _) = open(Options::default());
    let (.., probe) = common::next(&mut sender, at(0));
    for (tlv, flags) in [
        (&[0x80, 4, 0, 3, 0, 0, 0][..], 0x40),
        (&[0x80, 5, 0, 4, 0, 0, 0, 0], 0x40),
        (&[0x80, 8, 0, 0], 0x80),
        (&[0x80, 0, 0, 0], 0x80),
    ] {
        let mut request = probe.clone();
        request.extend(tlv);
        let mut out = Vec::new();
        reflect(&request, None, &Stamps::default(), &mut out).unwrap();
        assert_eq!(out[LEN], flags, "{tlv:?}");
    }
}

#[test]
fn a_key_is_never_shown() {
    assert_eq!(format!("{:?}", key()), "Key(..)");
    assert!(key() == key() && key() != Key::new(b"another"));
}

proptest! {
    #[test]
    fn no_extensions_panic_outgrow_the_request_or_get_unsigned_answers(
        tlvs in vec(any::<u8>(), 0..200),
        with_key: bool,
    ) {
        let key = with_key.then(key);
        let time = WireTime(9);
        let request = Request { seq: 1, time, error: ErrorEstimate(1), ssid: 2 };
        let mut bytes = match &key {
            Some(key) => request.encode_signed(key).to_vec(),
            None => request.encode().to_vec(),
        };
        bytes.extend(&tlvs);
        let mut out = Vec::new();
        let stamps = Stamps { class: 0xb8, ..Stamps::default() };
        prop_assert!(reflect(&bytes, key.as_ref(), &stamps, &mut out).is_some());
        prop_assert_eq!(out.len(), bytes.len());
        if let Some(key) = &key {
            prop_assert!(Reply::decode_signed(&out, key).is_some());
        }
        let options = Options { key, dscp: Some(EF), direct: true, size: 0 };
        let mut sender = Sender::new(at(0), &Config { options, ..config() });
        sender.handle_received(&out, at(1), None);
    }
}
