//! What goes on the wire: packing, limits, attributes that are passed on, and faults.

mod common;

use bytes::BytesMut;
use common::*;
use ipnet::IpNet;
use pathvane_rib::{PeerId, Pending};
use pathvane_wire::{
    AttrFlags, Community, Disposition, Family, HEADER_LEN, UnknownAttr, encode_withdrawals,
};
use proptest::prelude::*;

fn many(count: u32) -> Vec<IpNet> {
    (0..count).map(|n| net(&format!("20.{}.{}.0/24", n >> 8, n & 255))).collect()
}

#[test]
fn routes_with_equal_attributes_share_messages_whatever_the_order_they_came_in() {
    let mut lab = Lab::open(2);
    for (at, prefix) in many(600).iter().enumerate() {
        lab.announce(0, &[*prefix], &path(&[65100, 1 + at as u32 % 3]), hop("10.0.0.0"));
    }
    lab.settle();
    // 200 prefixes of 4 octets each fit into one message; End-of-RIB for two families.
    assert_eq!(lab.remote(1).table.len(), 600);
    assert_eq!(lab.remote(1).messages, 3 + 2);
    lab.withdraw_path(0, 0, &many(600));
    lab.settle();
    assert_eq!(lab.remote(1).messages, 3 + 2 + 1);
}

#[test]
fn replacements_for_a_lost_peer_leave_packed() {
    let mut lab = Lab::open(3);
    lab.announce(0, &many(600), &path(&[65100]), hop("10.0.0.0"));
    for (at, prefix) in many(600).iter().enumerate() {
        lab.announce(1, &[*prefix], &path(&[65101, 1 + at as u32 / 200]), hop("10.0.0.1"));
    }
    lab.settle();
    let before = lab.remote(2).messages;
    lab.down(0, pathvane_wire::FamilySet::EMPTY);
    lab.settle();
    assert_eq!(lab.remote(2).messages - before, 3);
}

#[test]
fn the_limit_is_kept_and_something_always_moves() {
    let mut lab = Lab::open(2);
    for (at, prefix) in many(400).iter().enumerate() {
        lab.announce(0, &[*prefix], &path(&[65100, 1 + at as u32]), hop("10.0.0.0"));
    }
    let mut largest = 0;
    while lab.rib.has_pending(PeerId(1)) {
        let sent = lab.send_some(1, 1000);
        // The markers at the end may come on top.
        assert!(sent <= 1000 + 23 + 29, "{sent}");
        largest = largest.max(sent);
    }
    assert!(largest > 800, "{largest}");
    assert_eq!(lab.remote(1).table.len(), 400);
    lab.withdraw_path(0, 0, &many(400));
    while lab.rib.has_pending(PeerId(1)) {
        let sent = lab.send_some(1, 0);
        assert!(sent > HEADER_LEN && sent < 100, "{sent}");
    }
    assert!(lab.remote(1).table.is_empty());
}

#[test]
fn long_lists_are_split_at_the_longest_message() {
    let mut lab = Lab::open(2);
    lab.announce(0, &many(5000), &path(&[65100]), hop("10.0.0.0"));
    lab.send_some(1, 1 << 20);
    assert!(lab.rib.has_pending(PeerId(1)), "one call looks at so many prefixes only");
    lab.settle();
    assert_eq!(lab.remote(1).table.len(), 5000);
    let least = (5000 * 4_usize).div_ceil(4096 - 60);
    assert!(lab.remote(1).messages <= 3 * least, "{}", lab.remote(1).messages);
}

#[test]
fn a_route_too_big_for_a_peer_is_withdrawn_there_and_blocks_nothing() {
    let mut lab = Lab::open(2);
    let mut wide = external(2);
    wide.encode.max_len = pathvane_wire::MAX_LEN_EXTENDED;
    lab.add(2, open_config(), wide);
    lab.say(0, &["192.0.2.0/24", "198.51.100.0/24"], &path(&[65100]));
    lab.settle();
    let mut huge = path(&[65100]);
    huge.communities = (0..1200).map(Community).collect();
    lab.say(0, &["192.0.2.0/24"], &huge);
    lab.say(0, &["203.0.113.0/24"], &path(&[65100, 1]));
    lab.settle();
    let held: Vec<String> = lab.remote(1).table.keys().map(ToString::to_string).collect();
    assert_eq!(held, ["198.51.100.0/24", "203.0.113.0/24"]);
    assert_eq!(lab.told(2, "192.0.2.0/24").unwrap().1.communities.len(), 1200);
    assert_eq!(lab.rib.faults(PeerId(1)).unwrap().too_big, 1);
    assert_eq!(lab.rib.counts(PeerId(1), Family::IPV4_UNICAST).advertised, 2);
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    lab.settle();
    assert_eq!(lab.remote(1).table.len(), 3);
}

#[test]
fn unknown_attributes_pass_if_transitive_and_are_marked_partial() {
    let mut lab = Lab::open(2);
    let unknown = |flags, code| UnknownAttr { flags, code, value: vec![1, 2].into() };
    let mut attrs = path(&[65100]);
    attrs.unknown.push(unknown(AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE, 200));
    attrs.unknown.push(unknown(AttrFlags::OPTIONAL, 201));
    lab.say(0, &["192.0.2.0/24"], &attrs);
    lab.settle();
    let (_, attrs) = lab.told(1, "192.0.2.0/24").unwrap();
    let passed = AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE | AttrFlags::PARTIAL;
    assert_eq!(attrs.unknown, [unknown(passed, 200)]);
}

/// An UPDATE for 192.0.2.0/24 with these raw attributes.
fn raw_update(attributes: &[u8]) -> Vec<u8> {
    let len = HEADER_LEN + 4 + attributes.len() + 4;
    let mut out = vec![0xff; 16];
    out.extend((len as u16).to_be_bytes());
    out.extend([2, 0, 0]);
    out.extend((attributes.len() as u16).to_be_bytes());
    out.extend(attributes);
    out.extend([24, 192, 0, 2]);
    out
}

const ORIGIN: [u8; 4] = [0x40, 1, 1, 0];
const AS_PATH: [u8; 9] = [0x40, 2, 6, 2, 1, 0, 0, 0xfe, 0x4c];
const NEXT_HOP: [u8; 7] = [0x40, 3, 4, 10, 0, 0, 0];

#[test]
fn a_malformed_attribute_withdraws_its_routes_and_is_counted_with_its_bytes() {
    let mut lab = Lab::open(2);
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    lab.settle();
    let bad_origin = [&[0x40, 1, 1, 9][..], &AS_PATH, &NEXT_HOP].concat();
    for round in 1..=2 {
        lab.feed(0, &raw_update(&bad_origin));
        lab.settle();
        assert_eq!(lab.told(1, "192.0.2.0/24"), None);
        let faults = lab.rib.faults(PeerId(0)).unwrap();
        assert_eq!((faults.treat_as_withdraw, faults.attribute_discard), (round, 0));
        assert_eq!(faults.last.unwrap().disposition, Disposition::TreatAsWithdraw);
        assert_eq!(faults.last_bytes, bad_origin);
    }
    assert_eq!(lab.rib.totals().attribute_sets, 0);
}

#[test]
fn a_discarded_attribute_is_counted_each_time_though_decoded_once() {
    let mut lab = Lab::open(2);
    let local_pref = [0x40, 5, 4, 0, 0, 0, 200];
    let attributes = [&ORIGIN[..], &AS_PATH, &NEXT_HOP, &local_pref].concat();
    for round in 1..=3 {
        lab.feed(0, &raw_update(&attributes));
        let faults = lab.rib.faults(PeerId(0)).unwrap();
        assert_eq!((faults.treat_as_withdraw, faults.attribute_discard), (0, round));
    }
    assert_eq!(lab.rib.best(&net("192.0.2.0/24")).unwrap().preference, 100);
    assert_eq!(lab.rib.totals().attribute_sets, 1);
    lab.settle();
    assert!(lab.told(1, "192.0.2.0/24").is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_attributes_make_it_panic_or_leave_something_behind(
        broken in prop::collection::vec(any::<u8>(), 0..40),
        at in 0..3_usize,
        cut in 0..60_usize,
    ) {
        let mut lab = Lab::open(2);
        let mut parts = vec![&ORIGIN[..], &AS_PATH, &NEXT_HOP];
        parts.insert(at, &broken);
        let mut attributes = parts.concat();
        attributes.truncate(cut.max(broken.len()));
        let update = raw_update(&attributes);
        let ctx = lab.remote(0).decode;
        let message = pathvane_wire::frame(&update, 4096).unwrap().unwrap();
        if let Ok(view) = pathvane_wire::UpdateView::parse(message.body, &ctx) {
            lab.rib.update(PeerId(0), &view, &ctx);
            lab.settle();
        }
        lab.unsay(0, &["192.0.2.0/24"]);
        lab.settle();
        let totals = lab.rib.totals();
        prop_assert_eq!((totals.prefixes, totals.attribute_sets), (0, 0));
        prop_assert!(lab.remote(1).table.is_empty());
    }
}

#[test]
fn updates_of_a_peer_without_a_session_are_ignored() {
    let mut lab = Lab::open(2);
    let mut out = BytesMut::new();
    let ctx = lab.remote(0).up.encode;
    encode_withdrawals(Family::IPV4_UNICAST, [(0, net("10.0.0.0/8"))], &ctx, &mut out);
    let remote = lab.remotes.remove(&PeerId(0)).unwrap();
    lab.rib.peer_down(PeerId(0), pathvane_wire::FamilySet::EMPTY);
    lab.remotes.insert(PeerId(0), remote);
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    lab.feed(0, &out);
    assert_eq!(lab.rib.totals().prefixes, 0);
    assert!(!lab.rib.has_pending(PeerId(0)) && !lab.rib.has_pending(PeerId(77)));
}

#[test]
fn one_update_may_name_a_prefix_twice() {
    let mut lab = Lab::open(2);
    let twice = [net("192.0.2.0/24"), net("192.0.2.0/24")];
    lab.announce(0, &twice, &path(&[65100]), hop("10.0.0.0"));
    assert_eq!(lab.rib.counts(PeerId(0), Family::IPV4_UNICAST).received, 1);
    lab.unsay(0, &["192.0.2.0/24"]);
    assert_eq!(lab.rib.counts(PeerId(0), Family::IPV4_UNICAST).received, 0);
}

#[test]
fn what_changes_a_few_at_a_time_goes_before_bulk() {
    let mut lab = Lab::open(3);
    lab.settle();
    lab.announce(0, &many(3000), &path(&[65100]), hop("10.0.0.0"));
    lab.send_some(2, 1000);
    let told = lab.remote(2).table.len();
    assert!(told > 0 && told < 300);

    lab.rib.set_haste(true);
    lab.say(1, &["30.0.0.0/24"], &path(&[65101]));
    // One that waits among the others, too: it has one place.
    lab.say(1, &["20.9.0.0/24"], &path(&[]));
    lab.rib.set_haste(false);
    assert_eq!(lab.rib.pending(PeerId(2)), Pending::Urgent);
    lab.send_some(2, 1);
    assert!(lab.told(2, "30.0.0.0/24").is_some());
    lab.send_some(2, 1);
    assert!(lab.told(2, "20.9.0.0/24").is_some());
    assert_eq!(lab.remote(2).table.len(), told + 2);
    assert_eq!(lab.rib.pending(PeerId(2)), Pending::Bulk);

    lab.rib.set_haste(true);
    lab.unsay(1, &["30.0.0.0/24"]);
    lab.rib.set_haste(false);
    lab.send_some(2, 1);
    assert!(lab.told(2, "30.0.0.0/24").is_none());
    lab.settle();
    assert_eq!(lab.rib.pending(PeerId(2)), Pending::Nothing);
    assert_eq!(lab.remote(2).table.len(), 3000);
}
