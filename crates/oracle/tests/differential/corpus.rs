//! The messages of `fixtures/wire`: where the parsers judge differently, the RFC decides.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pathvane_wire::{DecodeContext, FamilySet, MAX_LEN_EXTENDED, PeerKind, frame};

use crate::said::Verdict::{self, Broken, Faulty, Fine};
use crate::{bgpkit, netgauze, ours};

/// File, our verdict, bgpkit's and NetGauze's where they are not all the same.
type Differs = (&'static str, Verdict, Verdict, Verdict);

const DIFFER: &[Differs] = &[
    // Attribute errors that RFC 7606 lets the session survive: we keep the session, bgpkit says so or
    // says nothing, and NetGauze refuses the whole message, as RFC 4271 section 6.3 had it before.
    ("fault-aggregator-length", Faulty, Fine, Broken), // 7.7: six octets where eight are due
    ("fault-atomic-aggregate-length", Faulty, Faulty, Broken), // 7.6
    ("fault-attribute-overrun", Faulty, Faulty, Broken), // 4
    ("fault-attribute-stray-octet", Faulty, Fine, Broken), // 4: fewer than three octets are left
    ("fault-communities-length", Faulty, Faulty, Broken), // 7.8
    ("fault-large-communities-length", Faulty, Faulty, Broken), // RFC 8092 section 6
    ("fault-local-pref-external", Faulty, Faulty, Broken), // 7.5
    ("fault-med-length", Faulty, Faulty, Broken),      // 7.4
    ("fault-several", Faulty, Faulty, Broken),         // 3 h
    // RFC 7606 section 7.2: such an AS_PATH is malformed; bgpkit takes it.
    ("fault-as-path-empty-segment", Faulty, Fine, Faulty),
    // RFC 5065 section 5 forbids confederation segments to external peers; bgpkit does not know the
    // kind of the peer, and NetGauze stumbles over something else in the message.
    ("fault-as-path-confederation", Faulty, Fine, Faulty),
    // RFC 7607 section 2: AS 0 is malformed; the others do not look.
    ("fault-as-path-zero", Faulty, Fine, Fine),
    ("open-as-zero", Broken, Fine, Fine),
    // RFC 6793 section 6: to be discarded between speakers with four octets.
    ("fault-as4-path-on-four-octet", Faulty, Fine, Fine),
    // RFC 7606 section 3 g and 3 d; NetGauze leaves both to its caller.
    ("fault-duplicate", Faulty, Faulty, Fine),
    ("fault-missing-as-path", Faulty, Faulty, Fine),
    ("fault-missing-next-hop", Faulty, Faulty, Fine),
    ("fault-missing-origin", Faulty, Faulty, Fine),
    ("reset-mp-reach-twice", Broken, Faulty, Fine),
    // RFC 4271 section 6.3: not the address of a host; the others read addresses without judging.
    ("fault-next-hop-zero", Faulty, Fine, Fine),
    // RFC 4271 sections 6.1 and 6.2 want a NOTIFICATION; bgpkit reads archives, and takes them.
    ("header-length", Broken, Fine, Broken),
    ("header-marker", Broken, Fine, Broken),
    ("open-authentication", Broken, Fine, Broken),
    ("open-bad-hold-time", Broken, Fine, Broken),
    ("open-bad-identifier", Broken, Fine, Broken),
    ("open-bad-version", Broken, Fine, Broken),
    ("open-parameters-short", Broken, Fine, Broken),
    ("refresh-length", Broken, Fine, Broken), // RFC 7313 section 5
    // RFC 4271 section 6.2: a recognised parameter that is malformed is Unspecific. NetGauze passes
    // over what it cannot read where it is told to be lenient.
    ("open-parameter-overrun", Broken, Broken, Faulty),
    // RFC 9072 section 2: to be read; NetGauze does not know the form.
    ("open-extended-parameters", Fine, Fine, Broken),
    // RFC 7606 sections 5.2, 5.3 and 7.11: prefixes may be hidden, so the session ends. bgpkit tells
    // what it could read, with a warning.
    ("reset-fault-without-routes", Broken, Faulty, Broken),
    ("reset-mp-reach-next-hop", Broken, Faulty, Faulty),
    ("reset-mp-unreach-prefix", Broken, Faulty, Broken),
    ("reset-prefix-cut", Broken, Faulty, Broken),
    ("reset-prefix-length", Broken, Faulty, Broken),
    // RFC 4271 section 6.3: Unrecognized Well-known Attribute; the others keep it as unknown.
    ("reset-unknown-well-known", Broken, Fine, Fine),
    // A family that was not negotiated, which only we are told.
    ("update-other-family", Faulty, Fine, Fine),
];

/// The first message of a file and its context.
fn read(path: &Path) -> (DecodeContext, Vec<u8>) {
    let text = fs::read_to_string(path).expect("readable");
    let context = text
        .lines()
        .find_map(|line| line.strip_prefix("context: "))
        .unwrap_or("external four-octet ipv4 ipv6");
    let has = |word| context.split(' ').any(|w| w == word);
    let set = |word, set| if has(word) { set } else { FamilySet::EMPTY };
    let context = DecodeContext {
        peer: if has("internal") { PeerKind::Internal } else { PeerKind::External },
        four_octet_as: has("four-octet"),
        families: set("ipv4", FamilySet::IPV4) | set("ipv6", FamilySet::IPV6),
        add_path: set("add-path", FamilySet::ALL),
        extended_next_hop: set("extended-next-hop", FamilySet::ALL),
    };
    let lines = text.lines().filter(|line| !line.starts_with('>') && !line.starts_with("context"));
    let octets =
        lines.flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    let mut message: Vec<u8> =
        octets.map(|octet| u8::from_str_radix(octet, 16).expect("an octet")).collect();
    if let Ok(Some(first)) = frame(&message, MAX_LEN_EXTENDED) {
        let len = first.len;
        message.truncate(len);
    }
    (context, message)
}

#[test]
fn every_disagreement_on_the_corpus_is_decided() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let (ctx, message) = read(&path);
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let all = [
                ours::verdict(&message, &ctx),
                bgpkit::verdict(&message, &ctx),
                netgauze::verdict(&message, &ctx),
            ];
            found.insert(name, all);
        }
    }
    assert!(found.len() > 60, "{} messages", found.len());
    found.retain(|_, [a, b, c]| a != b || b != c);
    let decided: BTreeMap<String, [Verdict; 3]> =
        DIFFER.iter().map(|(name, a, b, c)| ((*name).to_owned(), [*a, *b, *c])).collect();
    let lines = |map: &BTreeMap<String, [Verdict; 3]>| -> Vec<String> {
        map.iter().map(|(name, [a, b, c])| format!("(\"{name}\", {a:?}, {b:?}, {c:?}),")).collect()
    };
    assert_eq!(lines(&found).join("\n"), lines(&decided).join("\n"));
}
