//! Random operations against a plain model: after everything is settled, the Loc-RIB and what every
//! peer was told are what the text of RFC 4271 makes of the same routes. Few prefixes, so that a
//! failure shrinks to a short story; many are in `large_model.rs`.

mod common;

use common::model::{Model, Op, apply, both, compare, end};
use common::*;
use ipnet::IpNet;
use pathvane_rib::Directive;
use pathvane_wire::Community;
use proptest::prelude::*;

const PEERS: u16 = 5;

fn prefixes() -> [IpNet; 8] {
    ["10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/25", "0.0.0.0/0"]
        .into_iter()
        .chain(["2001:db8::/32", "2001:db8:1::/48"])
        .map(net)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

fn op() -> impl Strategy<Value = Op> {
    let peer = 0..PEERS;
    let path_id = prop_oneof![3 => Just(0_u32), 1 => 1..3_u32];
    let prefix = 0..8_usize;
    let some = prop::collection::vec(0..8_usize, 1..4);
    let directive = prop_oneof![
        Just(None),
        Just(Some(Directive::Withhold)),
        (0..3_u32, 0..3_u8).prop_map(|(med, prepend)| Some(Directive::Announce {
            med: Some(med),
            communities: vec![Community::new(1, 1)],
            prepend,
        })),
    ];
    prop_oneof![
        12 => (peer.clone(), path_id.clone(), some.clone(), 0..12_usize).prop_map(
            |(peer, path_id, prefixes, attrs)| Op::Announce { peer, path_id, prefixes, attrs }
        ),
        5 => (peer.clone(), path_id, some.clone())
            .prop_map(|(peer, path_id, prefixes)| Op::Withdraw { peer, path_id, prefixes }),
        2 => (peer.clone(), any::<bool>()).prop_map(|(peer, retain)| Op::Down { peer, retain }),
        3 => peer.clone().prop_map(|peer| Op::Up { peer }),
        1 => (peer.clone(), any::<bool>()).prop_map(|(peer, v6)| Op::EndOfRib { peer, v6 }),
        1 => peer.clone().prop_map(|peer| Op::Flush { peer }),
        2 => (peer.clone(), any::<bool>()).prop_map(|(peer, tricky)| Op::Policy { peer, tricky }),
        2 => (prefix.clone(), prop::option::of(0..3_u32))
            .prop_map(|(prefix, med)| Op::Originate { prefix, med }),
        1 => prefix.clone().prop_map(|prefix| Op::WithdrawOrigin { prefix }),
        1 => prop::collection::vec(0..8_usize, 0..3).prop_map(|nets| Op::Services { nets }),
        2 => (peer.clone(), prefix.clone(), directive)
            .prop_map(|(peer, prefix, directive)| Op::Direct { peer, prefix, directive }),
        2 => (peer.clone(), prefix, prop_oneof![Just(0), Just(10), Just(-10), Just(150)])
            .prop_map(|(peer, reach, offset)| Op::Preference { peer, reach, offset }),
        1 => (peer.clone(), any::<bool>()).prop_map(|(hop, yes)| Op::Reachable { hop, yes }),
        1 => (peer.clone(), any::<bool>()).prop_map(|(peer, v6)| Op::Refresh { peer, v6 }),
        4 => (peer, 0..400_usize).prop_map(|(peer, limit)| Op::Send { peer, limit }),
        3 => (0..4_u32).prop_map(|routes| Op::Work { routes }),
    ]
}

/// Random lives of the RIB, of some sixty operations each: `PATHVANE_MODEL_CASES`, or 500.
fn cases() -> u32 {
    let asked = std::env::var("PATHVANE_MODEL_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(500)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rib_agrees_with_the_model(
        ops in prop::collection::vec(op(), 1..120),
        add_path in any::<bool>(),
        multipath in (1..4_u8, any::<bool>()),
    ) {
        let mut model = Model::new(prefixes().to_vec(), 3, PEERS, add_path);
        model.multipath = multipath;
        let (mut lab, mut model) = both(model);
        for (at, op) in ops.iter().enumerate() {
            apply(&mut lab, &mut model, op);
            if at % 40 == 39 {
                lab.settle();
                compare(&mut lab, &mut model);
            }
        }
        lab.settle();
        compare(&mut lab, &mut model);
        end(&mut lab, &model);
    }
}
