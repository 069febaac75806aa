//! Captures: sessions put together from segments in any order and size.

use pathvane_decode::{Format, Record, What};

use crate::make::{self, Numbers, Packet};
use crate::{damages, decode, updates};

fn opens(four_octet_as: bool, add_path: bool) -> [Vec<u8>; 2] {
    [make::open(64_900, four_octet_as, add_path), make::open(64_901, four_octet_as, add_path)]
}

/// What is told of UPDATE messages, without where they were.
fn told(records: &[Record]) -> Vec<String> {
    updates(records).iter().map(ToString::to_string).collect()
}

/// What hexadecimal input of the same messages is told as.
fn expected(messages: &[Vec<u8>], context: &str) -> Vec<String> {
    let digits: String = messages.concat().iter().map(|octet| format!("{octet:02x} ")).collect();
    let (_, records) = decode(format!("context: {context}\n{digits}").as_bytes());
    told(&records)
}

#[test]
fn a_session_is_read_under_what_its_open_messages_agree_on() {
    for (wide, add_path, context) in [
        (true, false, "ipv4 ipv6"),
        (true, true, "ipv4 ipv6 add-path"),
        (false, false, "two-octet ipv4 ipv6"),
    ] {
        let messages = make::session(30, wide, add_path);
        let packets = make::packets(opens(wide, add_path), &messages);
        for (format, file) in [("pcap", make::pcap(&packets)), ("pcapng", make::pcapng(&packets))] {
            let (found, records) = decode(&file);
            assert_eq!(found, Format::Capture, "{format}");
            assert_eq!(told(&records), expected(&messages, context), "{format}");
            assert!(updates(&records).iter().all(|update| !update.assumed));
            assert_eq!(damages(&records), Vec::<&str>::new());
            let first = &records[0].place;
            assert_eq!((first.packet, first.offset), (Some(3), 0));
            assert_eq!(first.time.as_deref(), Some("2023-11-14T22:13:20.002Z"));
            assert_eq!(first.from.as_deref(), Some("192.0.2.2:50000"));
        }
    }
}

#[test]
fn order_size_and_repetition_of_segments_change_nothing() {
    let messages = make::session(40, true, false);
    let stream = messages.concat();
    let whole = decode(&make::pcap(&make::packets(opens(true, false), &messages))).1;
    let mut numbers = Numbers::new(3);
    for largest in [1, 7, 100, 1460, 9000] {
        let mut rest = &stream[..];
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let len = (1 + numbers.below(largest) as usize).min(rest.len());
            pieces.push(rest[..len].to_vec());
            rest = &rest[len..];
        }
        let mut packets = make::packets(opens(true, false), &pieces);
        let (start, mut data) = (packets[..6].to_vec(), packets.split_off(6));
        shuffle(&mut data, &mut numbers);
        let file = make::pcap(&[start, data].concat());
        let (_, records) = decode(&file);
        assert_eq!(damages(&records), Vec::<&str>::new(), "{largest}");
        assert_eq!(told(&records), told(&whole), "{largest}");
    }
}

/// Moves segments a little, repeats some, and lets some overlap the one behind them.
fn shuffle(data: &mut Vec<Packet>, numbers: &mut Numbers) {
    for at in 0..data.len() {
        let with = (at + numbers.below(6) as usize).min(data.len() - 1);
        data.swap(at, with);
        if numbers.below(5) == 0 {
            let again = data[at].clone();
            data.push(again);
        }
    }
}

#[test]
fn what_is_not_in_the_capture_is_told_and_reading_goes_on() {
    let messages = make::session(40, true, false);
    let mut packets = make::packets(opens(true, false), &messages);
    packets.remove(20);
    let (_, records) = decode(&make::pcap(&packets));
    let missing = messages[20 - 6].len();
    assert_eq!(damages(&records), [format!("{missing} octets are not in the capture")]);
    assert_eq!(updates(&records).len(), messages.len() - 1);
}

#[test]
fn a_capture_that_begins_in_the_middle_is_guessed_at() {
    let messages = make::session(40, false, false);
    let packets = make::packets(opens(false, false), &messages);
    // The first segment begins in the middle of a message.
    let mut middle = packets[10..].to_vec();
    middle[0].payload.drain(..5);
    middle[0].sequence = middle[0].sequence.wrapping_add(5);
    let (_, records) = decode(&make::pcap(&middle));
    let all = updates(&records);
    assert_eq!(all.len(), messages.len() - 5);
    assert!(all.iter().all(|update| update.assumed && update.disposition == "accept"));
    let paths = |records: &[Record]| -> Vec<String> {
        let mut paths = Vec::new();
        for update in updates(records) {
            let of = update.attributes.iter().filter(|attribute| attribute.code == 2);
            paths.extend(of.map(|attribute| attribute.value.to_string()));
        }
        paths
    };
    let whole = decode(&make::pcap(&packets)).1;
    assert!(paths(&whole).ends_with(&paths(&records)));
    assert!(damages(&records)[0].contains("begin no message: skipped"));
}

#[test]
fn a_faulty_header_and_a_cut_connection_are_told_in_their_place() {
    let mut messages = make::session(3, true, false);
    messages[0][18] = 77;
    let last = messages.len() - 1;
    messages[last].truncate(30);
    let (_, records) = decode(&make::pcap(&make::packets(opens(true, false), &messages)));
    let errors: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.what {
            What::Error(error) => Some((record.place.packet, error.name.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(errors, [(Some(7), "Message Header Error/Bad Message Type")]);
    assert_eq!(updates(&records).len(), last - 1);
    let end = damages(&records).last().copied();
    assert_eq!(end, Some("the connection or the capture ends 30 octets into a message"));
}

#[test]
fn other_traffic_is_passed_over() {
    let mut packets = make::packets(opens(true, false), &make::session(2, true, false));
    let strange = b"GET / HTTP/1.1\r\n".to_vec();
    packets.push(Packet { from_server: false, sequence: 5, syn: false, payload: strange });
    // The same octets on other ports: from 53 and to 50000.
    let mut file = make::pcap(&packets);
    let at = file.len() - 16 - 20;
    file[at + 2..at + 4].copy_from_slice(&53_u16.to_be_bytes());
    let (_, records) = decode(&file);
    assert_eq!(damages(&records), Vec::<&str>::new());
}
