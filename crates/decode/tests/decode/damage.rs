//! Damaged input: always read to its end, never a panic, and what is whole is still told.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::make;
use crate::{decode, updates};

/// Small files of each format.
static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let messages = make::session(6, true, false);
    let opens = [make::open(64_900, true, true), make::open(64_901, true, true)];
    let packets = make::packets(opens, &make::session(6, true, true));
    vec![
        make::pcap(&packets),
        make::pcapng(&packets),
        make::bgp4mp(&messages, true),
        make::table(&make::routes(4, true), true),
        messages.concat(),
    ]
});

/// Reads whatever it is; what cannot be told apart is refused.
fn read(input: &[u8]) -> usize {
    let mut records = 0;
    let _ = pathvane_decode::decode(input, &mut |record| {
        records += 1;
        let _ = (record.to_string(), serde_json::to_string(&record).expect("JSON"));
        Ok(())
    });
    records
}

#[test]
fn files_cut_anywhere_are_read_as_far_as_they_go() {
    for file in FILES.iter() {
        let whole = decode(file).1;
        for len in (100..file.len()).step_by(31) {
            let (_, records) = decode(&file[..len]);
            let (cut, all) = (updates(&records), updates(&whole));
            assert!(all.starts_with(&cut), "{len}");
            assert!(records.len() <= whole.len() + 2, "{len}");
        }
    }
}

#[test]
fn a_record_that_is_garbage_costs_no_other() {
    let messages = make::session(6, true, false);
    let mut file = make::bgp4mp(&messages[..3], true);
    file.extend(make::mrt(16, 4, &[0xff; 40]));
    file.extend(make::bgp4mp(&messages[3..], true));
    assert_eq!(updates(&decode(&file).1).len(), messages.len());
}

#[test]
fn what_is_in_no_format_is_refused_with_a_remedy() {
    for (input, word) in [
        (&b"\x1f\x8b\x08"[..], "zcat"),
        (b"BZh91AY", "bzcat"),
        (b"", "empty"),
        (b"\x00\x01\x02\x03", "neither"),
    ] {
        let error = pathvane_decode::decode(input, &mut |_| Ok(())).expect_err("no format");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_sink_that_fails_ends_the_reading() {
    for file in FILES.iter() {
        let mut told = 0;
        let result = pathvane_decode::decode(&file[..], &mut |_| {
            told += 1;
            if told == 2 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        });
        assert_eq!(
            (result.map_err(|error| error.kind()), told),
            (Err(std::io::ErrorKind::BrokenPipe), 2)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_makes_it_panic(
        which in 0_usize..5,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = FILES[which].clone();
        for (at, octet) in flips {
            let at = at.index(file.len());
            file[at] = octet;
        }
        file.truncate(cut.index(file.len()) + 1);
        read(&file);
    }

    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        read(&octets);
        read(&[&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0][..], &octets].concat());
        read(&[&[0xff; 16][..], &octets].concat());
        read(&make::mrt(13, 1, &octets));
        read(&make::mrt(13, 8, &octets));
        read(&make::mrt(17, 9, &octets));
    }
}
