//! Generated UPDATE messages, which are sound: all parsers say the same of them.

use std::net::Ipv4Addr;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_wire::{DecodeContext, Family, FamilySet, encode_announcements};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::said::Said;
use crate::{bgpkit, common, generate, netgauze, ours};

/// Whether all prefixes are unicast. RFC 4271 section 6.3 says that one of multicast SHOULD be ignored,
/// and NetGauze ignores it, or the attribute around it; we and bgpkit take it as it comes, and leave it
/// to policy.
fn is_unicast(said: &Said) -> bool {
    said.announced.iter().all(|((prefix, _), _)| match prefix {
        IpNet::V4(net) => {
            let all_ones = net.broadcast() == Ipv4Addr::BROADCAST && net.prefix_len() >= 31;
            !net.addr().is_multicast() && !all_ones
        }
        IpNet::V6(net) => !net.addr().is_multicast(),
    })
}

/// A context and an announcement under it, with attributes that all parsers either read or do not
/// know. AIGP and the attributes from Prefix-SID to 129 are generated as garbage: we pass them on
/// unread (RFC 4271 section 9, RFC 7311 section 3), and those who read them refuse them.
fn update() -> impl Strategy<Value = (DecodeContext, Vec<u8>)> {
    let family = prop_oneof![Just(Family::IPV4_UNICAST), Just(Family::IPV6_UNICAST)];
    (generate::context(), family).prop_flat_map(|(ctx, family)| {
        let ctx = DecodeContext { families: FamilySet::ALL, ..ctx };
        let hop = generate::next_hop(family, &ctx);
        (generate::prefixes(family), generate::attrs(ctx), hop).prop_map(
            move |(prefixes, mut attrs, hop)| {
                attrs.aigp = None;
                attrs.unknown.retain(|attribute| attribute.code > 129);
                let to = common::mirror(&ctx);
                let (mut attributes, mut message) = (BytesMut::new(), BytesMut::new());
                attrs.encode(&to, &mut attributes);
                encode_announcements(family, &hop, &attributes, prefixes, &to, &mut message)
                    .expect("short");
                (ctx, message.to_vec())
            },
        )
    })
}

#[test]
fn all_parsers_say_the_same_of_generated_messages() {
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&update(), |(ctx, message)| {
        let ours = ours::said(&message, &ctx);
        let theirs = netgauze::said(&message, &ctx);
        if is_unicast(&ours) {
            prop_assert_eq!(Some(&ours), theirs.as_ref(), "NetGauze");
        }
        // bgpkit has one flag for all families; and without the flag it guesses path identifiers in a
        // field that begins with a default route, where RFC 7911 section 3 has none unless negotiated.
        let default = ours.announced.iter().any(|((prefix, _), _)| prefix.prefix_len() == 0);
        if ctx.add_path == FamilySet::ALL || (ctx.add_path == FamilySet::EMPTY && !default) {
            prop_assert_eq!(Some(ours), bgpkit::said(&message, &ctx), "bgpkit");
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
