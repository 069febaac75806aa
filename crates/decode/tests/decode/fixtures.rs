//! The messages of `fixtures/wire`, which say themselves what they hold.

use std::fs;
use std::path::Path;

use pathvane_decode::{Format, What};

use crate::decode;

/// Lines that begin with `> ` and a word.
fn lines<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    let start = format!("> {word} ");
    text.lines().filter_map(|line| line.strip_prefix(start.as_str())).collect()
}

#[test]
fn every_fixture_is_told_as_it_says_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "hex") {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&path).expect("readable");
        let (format, records) = decode(text.as_bytes());
        assert_eq!(format, Format::Hex, "{path:?}");
        let mut said: [Vec<String>; 5] = Default::default();
        let [dispositions, announced, withdrawn, errors, codes] = &mut said;
        for record in &records {
            match &record.what {
                What::Update(update) => {
                    assert!(!update.assumed, "{path:?}");
                    dispositions.push(update.disposition.clone());
                    announced.extend(update.announced.iter().map(|p| p.prefix.to_string()));
                    withdrawn.extend(update.withdrawn.iter().map(|p| p.prefix.to_string()));
                }
                What::Error(error) => errors.push(error.name.clone()),
                What::Open(open) => {
                    codes.extend(open.capabilities.iter().map(|c| c.code.to_string()));
                }
                _ => {}
            }
        }
        // Of an UPDATE with a fault in its attributes the file tells what was announced before that.
        let withdraws = lines(&text, "disposition").contains(&"treat-as-withdraw");
        let prefix = |line: &str| line.split(' ').nth(1).expect("a prefix").to_owned();
        let mut expected: Vec<String> = lines(&text, "withdrawn").into_iter().map(prefix).collect();
        let offers: Vec<String> = lines(&text, "announced").into_iter().map(prefix).collect();
        if withdraws {
            expected.extend(offers);
            assert_eq!((withdrawn.clone(), announced.len()), (expected, 0), "{path:?}");
        } else {
            assert_eq!((withdrawn.clone(), announced.clone()), (expected, offers), "{path:?}");
        }
        assert_eq!(*dispositions, lines(&text, "disposition"), "{path:?}");
        for (found, line) in errors.iter().zip(lines(&text, "error")) {
            assert!(line.starts_with(found.as_str()), "{path:?}: {found}");
        }
        assert_eq!(errors.len(), lines(&text, "error").len(), "{path:?}");
        assert_eq!(codes.len(), lines(&text, "capability").len(), "{path:?}");
    }
    assert!(seen > 60, "{seen} fixtures");
}

#[test]
fn every_attribute_is_told_with_its_offset_value_and_fate() {
    let text = fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire/fault-several.hex"),
    );
    let (_, records) = decode(&text.expect("readable"));
    let [record] = &records[..] else { panic!("{records:?}") };
    let expected = "@0 UPDATE, 58 octets (external four-octet ipv4-unicast ipv6-unicast)\n    \
        withdrawn 10.0.0.0/8\n    \
        @23 ORIGIN (1), flags 40, 1 octets: igp\n    \
        @27 AS_PATH (2), flags 40, 6 octets: 65001\n    \
        @36 NEXT_HOP (3), flags 40, 4 octets: 192.0.2.1\n    \
        @43 ATOMIC_AGGREGATE (6), flags 40, 1 octets: 01 ! wrong length (attribute discard)\n    \
        @47 COMMUNITIES (8), flags c0, 6 octets: 000000000000 ! wrong length (treat-as-withdraw)\n    \
        disposition treat-as-withdraw";
    assert_eq!(record.to_string(), expected);
    let json = serde_json::to_value(record).expect("JSON");
    assert_eq!(json["type"], "update");
    assert_eq!(json["attributes"][1]["value"], "65001");
    assert_eq!(json["attributes"][4]["disposition"], "treat-as-withdraw");
}

#[test]
fn octets_without_digits_are_told_with_their_line() {
    let (_, records) = decode(b"ff ff\nxx # no\nff");
    let said: Vec<String> = records.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "@2 DAMAGED: line 2: \"xx\" is no octet in two hexadecimal digits: skipped",
            "@3 DAMAGED: the input ends 3 octets into a message",
        ]
    );
}

#[test]
fn what_ends_a_session_is_told_with_its_place_and_its_fate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire");
    let mut said = Vec::new();
    for name in RESETS.map(|(name, _, _)| name) {
        let text = fs::read(folder.join(format!("reset-{name}.hex"))).expect("readable");
        let (_, records) = decode(&text);
        let [record] = &records[..] else { panic!("{records:?}") };
        let What::Error(error) = &record.what else { panic!("{record}") };
        assert_eq!(error.disposition, "session reset", "{name}");
        assert!(record.to_string().contains(&format!(", at {}", error.at.expect("a place"))));
        let guilty = error.attributes.iter().filter(|one| one.disposition == "session reset");
        let guilty: Vec<_> = guilty.map(|one| (one.offset, one.code)).collect();
        assert!(guilty.iter().all(|(offset, _)| Some(*offset) == error.at), "{name}");
        said.push((name, error.at.expect("a place"), guilty.first().map(|(_, code)| *code)));
    }
    assert_eq!(said, RESETS);
}

/// Fixture, the octet of the message that is to blame, and the attribute that begins there.
const RESETS: [(&str, usize, Option<u8>); 9] = [
    ("attributes-too-long", 21, None),
    ("fault-without-routes", 45, Some(4)),
    ("mp-reach-next-hop", 23, Some(14)),
    ("mp-reach-twice", 52, Some(14)),
    ("mp-unreach-prefix", 23, Some(15)),
    ("prefix-cut", 21, None),
    ("prefix-length", 43, None),
    ("unknown-well-known", 43, Some(99)),
    ("withdrawn-too-long", 19, None),
];
