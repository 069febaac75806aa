//! Generated UPDATE messages: of sound ones all parsers say the same, and of those with one wrong octet
//! what is sound after all.

use std::net::Ipv4Addr;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_wire::attr::{self, code};
use pathvane_wire::{
    DecodeContext, Family, FamilySet, HEADER_LEN, UpdateView, encode_announcements, update_error,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::said::{Said, Verdict};
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

/// Whether bgpkit can read it as it is. It has one flag of path identifiers for all families; and without
/// the flag it guesses them in a field that begins with a default route, where RFC 7911 section 3 has
/// none unless negotiated.
fn is_plain(ctx: &DecodeContext, said: &Said) -> bool {
    let default = said.announced.iter().any(|((prefix, _), _)| prefix.prefix_len() == 0);
    ctx.add_path == FamilySet::ALL || (ctx.add_path == FamilySet::EMPTY && !default)
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
        if is_plain(&ctx, &ours) {
            prop_assert_eq!(Some(ours), bgpkit::said(&message, &ctx), "bgpkit");
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Where an octet of a message is: in which attribute, and at which place of its value.
fn place(message: &[u8], at: usize) -> Option<(u8, usize)> {
    let [withdrawn, list, _] = UpdateView::fields(&message[HEADER_LEN..])?;
    let start = HEADER_LEN + 2 + withdrawn.len() + 2;
    let at = at.checked_sub(start)?;
    let inside = |raw: &attr::RawAttr<'_>| (raw.offset..raw.offset + raw.len).contains(&at);
    let raw = attr::each(list).find(inside)?;
    Some((raw.code, at.saturating_sub(raw.offset + raw.len - raw.value.len())))
}

/// Two damages make three parsers read a sound message differently. Half of a next hop of 32 octets is
/// a link-local address (RFC 2545 section 3): we take no other for one, they take any. With an AGGREGATOR
/// of two octets that is not AS_TRANS, AS4_PATH is not to be heeded (RFC 6793 section 4.2.3): they do.
fn is_decided(ctx: &DecodeContext, damaged: Option<(u8, usize)>) -> bool {
    match damaged {
        Some((code::MP_REACH_NLRI, within)) => (20..36).contains(&within),
        Some((code::AGGREGATOR, _)) => !ctx.four_octet_as,
        _ => false,
    }
}

/// Attributes that NetGauze reads where we pass them on unread (RFC 4271 section 9), and a NEXT_HOP
/// beside MP_REACH_NLRI, which nobody has to read (RFC 4760 section 3).
fn is_unread(damaged: Option<(u8, usize)>) -> bool {
    damaged.is_some_and(|(code, _)| matches!(code, code::NEXT_HOP | 19..=31 | 33.. ))
}

/// A message with one wrong octet: whoever can read it reads the same, and if we alone find fault with
/// it, RFC 4271 section 6.3 is the reason.
#[test]
fn of_damaged_messages_what_is_sound_is_the_same_to_all() {
    let config = Config { cases: 6000, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[8; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let strategy = (update(), any::<prop::sample::Index>(), 1_u8..=255);
    let result = runner.run(&strategy, |((ctx, mut message), at, flip)| {
        let at = HEADER_LEN + 2 + at.index(message.len() - HEADER_LEN - 2);
        message[at] ^= flip;
        let theirs = [netgauze::verdict(&message, &ctx), bgpkit::verdict(&message, &ctx)];
        match ours::verdict(&message, &ctx) {
            Verdict::Fine => same(&message, &ctx, theirs, place(&message, at))?,
            _ if theirs == [Verdict::Fine; 2] => {
                let fault = UpdateView::parse(&message[HEADER_LEN..], &ctx).err();
                let subcode = fault.map(|fault| fault.subcode);
                prop_assert_eq!(subcode, Some(update_error::UNRECOGNIZED_WELL_KNOWN));
            }
            _ => {}
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// What we find sound, those that can read it at all read as we do.
fn same(
    message: &[u8],
    ctx: &DecodeContext,
    [netgauze, bgpkit]: [Verdict; 2],
    damaged: Option<(u8, usize)>,
) -> Result<(), TestCaseError> {
    let ours = ours::said(message, ctx);
    prop_assert_ne!(bgpkit, Verdict::Broken);
    prop_assert!(netgauze != Verdict::Broken || is_unread(damaged), "NetGauze, {damaged:?}");
    if is_decided(ctx, damaged) {
        return Ok(());
    }
    if netgauze == Verdict::Fine && is_unicast(&ours) {
        let theirs = netgauze::said(message, ctx);
        prop_assert_eq!(Some(&ours), theirs.as_ref(), "NetGauze");
    }
    if bgpkit == Verdict::Fine && is_plain(ctx, &ours) {
        prop_assert_eq!(Some(ours), bgpkit::said(message, ctx), "bgpkit");
    }
    Ok(())
}
