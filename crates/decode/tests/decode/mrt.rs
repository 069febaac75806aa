//! MRT: tables and messages of every subtype.

use pathvane_decode::{Format, What};

use crate::make::{self, mrt, peering};
use crate::{damages, decode, updates};

#[test]
fn every_entry_of_a_table_is_told() {
    for add_path in [false, true] {
        let routes = make::routes(30, true);
        let (format, records) = decode(&make::table(&routes, add_path));
        assert_eq!(format, Format::Mrt);
        let [index, entries @ ..] = &records[..] else { panic!("empty") };
        assert!(matches!(&index.what, What::PeerIndex { view, peers: 2, .. } if view == "main"));
        let expected = routes.iter().flat_map(|route| {
            route.prefixes.iter().flat_map(move |(id, prefix)| {
                [64_900, 4_200_000_900].map(|asn| (route, asn, *id, *prefix))
            })
        });
        let mut count = 0;
        for (record, (route, asn, id, prefix)) in entries.iter().zip(expected) {
            let What::Rib(entry) = &record.what else { panic!("{record}") };
            assert_eq!(entry.prefix.prefix, prefix);
            assert_eq!(entry.prefix.path_id, add_path.then_some(id));
            assert_eq!(entry.prefix.next_hop, Some(route.next_hop.to_string()));
            assert_eq!(record.place.peer_as, Some(asn));
            assert_eq!(entry.disposition, "accept");
            let path = entry.attributes.iter().find(|attribute| attribute.code == 2);
            assert_eq!(path.expect("AS_PATH").value, route.attrs.as_path.to_string());
            count += 1;
        }
        assert_eq!(count, entries.len());
    }
}

#[test]
fn messages_are_told_in_every_form() {
    for (wide, add_path, subtypes) in [
        (false, false, [(16, 1), (16, 6)]),
        (true, false, [(16, 4), (17, 7)]),
        (false, true, [(16, 8), (17, 10)]),
        (true, true, [(16, 9), (17, 11)]),
    ] {
        let messages = make::session(5, wide, add_path);
        for (kind, subtype) in subtypes {
            let file: Vec<u8> = messages
                .iter()
                .flat_map(|message| {
                    let micros: &[u8] = if kind == 17 { &[0, 0, 0, 7] } else { &[] };
                    mrt(kind, subtype, &[micros, &peering(wide), message].concat())
                })
                .collect();
            let (_, records) = decode(&file);
            assert_eq!(damages(&records), Vec::<&str>::new());
            let all = updates(&records);
            assert_eq!(all.len(), messages.len(), "{kind} {subtype}");
            assert!(all.iter().all(|update| update.disposition == "accept" && !update.assumed));
            let place = &records[0].place;
            let local = matches!(subtype, 6 | 7 | 10 | 11);
            let from = if local { "192.0.2.1" } else { "192.0.2.9" };
            assert_eq!((place.from.as_deref(), place.peer_as), (Some(from), Some(64_900)));
            let micros =
                if kind == 17 { "2023-11-14T22:13:20.000007Z" } else { "2023-11-14T22:13:20Z" };
            assert_eq!(place.time.as_deref(), Some(micros));
        }
    }
}

#[test]
fn states_and_unknown_records_are_told() {
    let change = mrt(16, 5, &[&peering(true)[..], &[0, 3, 0, 6]].concat());
    let other = mrt(48, 1, &[1, 2, 3]);
    let empty = mrt(16, 4, &[]);
    let (_, records) = decode(&[change, other, empty].concat());
    let said: Vec<String> = records.iter().map(|record| record.to_string()).collect();
    assert_eq!(
        said,
        [
            "@0 2023-11-14T22:13:20Z 192.0.2.9 > 192.0.2.1 AS64900 state Active -> Established",
            "@36 2023-11-14T22:13:20Z DAMAGED: a record of type 48, subtype 1 is not read here: skipped",
            "@51 2023-11-14T22:13:20Z DAMAGED: the record of type 16, subtype 4 and 0 octets does not hold \
         what it should: skipped",
        ]
    );
}
