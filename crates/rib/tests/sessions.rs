//! Sessions come and go: loss in slices, graceful restart, refresh, slow peers, new policies.

mod common;

use std::collections::BTreeSet;

use bytes::BytesMut;
use common::*;
use ipnet::IpNet;
use pathvane_rib::policy::{Action, Match, PrefixList, PrefixRange, Verdict};
use pathvane_rib::{Budget, Cursor, PeerConfig, PeerId};
use pathvane_wire::{Family, FamilySet};

fn many(from: u32, count: u32) -> Vec<IpNet> {
    (from..from + count).map(|n| net(&format!("20.{}.{}.0/24", n >> 8, n & 255))).collect()
}

fn hop_of(n: u16) -> pathvane_wire::NextHop {
    hop(&format!("10.0.0.{n}"))
}

#[test]
fn a_lost_peer_is_replaced_in_slices_services_first() {
    let mut lab = Lab::open(3);
    let all = many(0, 3000);
    lab.announce(0, &all, &path(&[65100]), hop_of(0));
    lab.announce(1, &all, &path(&[65101, 1]), hop_of(1));
    lab.rib.set_services(&all[2900..2901]);
    lab.settle();
    assert_eq!(lab.heard(2).len(), 3000 + 2);
    lab.down(0, FamilySet::EMPTY);
    // Dead at once: whatever is decided now does not look at its routes.
    lab.say(1, &["20.0.5.0/24"], &path(&[65101, 1, 2]));
    assert_eq!(lab.rib.best(&all[5]).unwrap().peer, PeerId(1));
    let mut slices = 0;
    let mut first = None;
    loop {
        let more = lab.rib.work(Budget { routes: 10 });
        lab.send(2);
        let heard = lab.remotes.get_mut(&PeerId(2)).unwrap();
        first = first.or(heard.heard.iter().find(|line| *line != "+20.0.5.0/24").cloned());
        assert!(heard.heard.len() <= 16, "{} in one slice", heard.heard.len());
        heard.heard.clear();
        if !more {
            break;
        }
        slices += 1;
    }
    assert!(slices > 200, "{slices}");
    assert_eq!(first.as_deref(), Some("+20.11.84.0/24"), "the service prefix leads");
    assert!(lab.remote(2).table.values().all(|(_, a)| a.as_path.asns()[1].0 == 65101));
    assert_eq!(lab.rib.counts(PeerId(0), Family::IPV4_UNICAST).received, 0);
}

#[test]
fn routes_of_the_next_session_survive_the_sweep_of_the_last_one() {
    let mut lab = Lab::open(2);
    let all = many(0, 1000);
    lab.announce(0, &all, &path(&[65100]), hop_of(0));
    for _ in 0..600 {
        lab.down(0, FamilySet::EMPTY);
        lab.rib.work(Budget { routes: 1 });
        lab.up(0, external(0));
        lab.announce(0, &all[..7], &path(&[65100, 2]), hop_of(0));
    }
    lab.settle();
    assert_eq!(lab.rib.counts(PeerId(0), Family::IPV4_UNICAST).received, 7);
    assert_eq!(lab.remote(1).table.keys().copied().collect::<Vec<_>>(), all[..7]);
}

#[test]
fn stale_routes_stay_until_end_of_rib_or_the_time_is_up() {
    for by_end_of_rib in [true, false] {
        let mut lab = Lab::open(2);
        let all = many(0, 10);
        lab.announce(0, &all, &path(&[65100]), hop_of(0));
        lab.settle();
        lab.heard(1);
        lab.down(0, FamilySet::IPV4);
        assert_eq!(lab.heard(1), [""; 0], "nothing moves while routes are retained");
        let counts = lab.rib.counts(PeerId(0), Family::IPV4_UNICAST);
        assert_eq!((counts.received, counts.stale), (10, 10));
        lab.up(0, external(0));
        lab.announce(0, &all[..4], &path(&[65100]), hop_of(0));
        assert_eq!(lab.heard(1), [""; 0], "the same again is no news");
        assert_eq!(lab.rib.counts(PeerId(0), Family::IPV4_UNICAST).stale, 6);
        if by_end_of_rib {
            lab.end_of_rib(0, Family::IPV4_UNICAST);
            assert_eq!(lab.rib.end_of_rib_received(PeerId(0)), FamilySet::IPV4);
        } else {
            lab.rib.flush_stale(PeerId(0));
        }
        let heard: BTreeSet<String> = lab.heard(1).into_iter().collect();
        let expected: BTreeSet<String> = all[4..].iter().map(|p| format!("-{p}")).collect();
        assert_eq!(heard, expected);
    }
}

#[test]
fn stale_routes_of_a_family_that_the_next_session_lacks_end_with_it() {
    let mut lab = Lab::open(2);
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    lab.announce(0, &[net("2001:db8::/32")], &path(&[65100]), hop("2001:db8::a"));
    lab.settle();
    lab.down(0, FamilySet::ALL);
    let mut up = external(0);
    up.families = FamilySet::IPV4;
    lab.up(0, up);
    lab.settle();
    assert_eq!(lab.remote(1).table.keys().collect::<Vec<_>>(), [&net("192.0.2.0/24")]);
}

#[test]
fn a_second_crash_ends_what_was_already_stale() {
    let mut lab = Lab::open(2);
    let all = many(0, 4);
    lab.announce(0, &all, &path(&[65100]), hop_of(0));
    lab.down(0, FamilySet::ALL);
    lab.up(0, external(0));
    lab.announce(0, &all[..1], &path(&[65100]), hop_of(0));
    lab.down(0, FamilySet::ALL);
    lab.settle();
    assert_eq!(lab.remote(1).table.keys().copied().collect::<Vec<_>>(), all[..1]);
    lab.rib.flush_stale(PeerId(0));
    lab.settle();
    assert!(lab.remote(1).table.is_empty());
}

#[test]
fn a_refresh_sends_all_again_framed_where_both_know_how() {
    let mut lab = Lab::open(1);
    let mut up = external(1);
    up.enhanced_refresh = true;
    lab.add(1, open_config(), up);
    lab.add(2, open_config(), external(2));
    lab.announce(0, &many(0, 3), &path(&[65100]), hop_of(0));
    lab.heard(1);
    lab.heard(2);
    lab.rib.refresh(PeerId(1), Family::IPV4_UNICAST);
    lab.rib.refresh(PeerId(2), Family::IPV4_UNICAST);
    let plain = ["+20.0.0.0/24", "+20.0.1.0/24", "+20.0.2.0/24"];
    let heard = lab.heard(1);
    assert_eq!(heard[0], "refresh Begin ipv4-unicast");
    assert_eq!(heard[1..4], plain);
    assert_eq!(heard[4..], ["refresh End ipv4-unicast"]);
    assert_eq!(lab.heard(2), plain);
}

#[test]
fn end_of_rib_comes_once_after_the_initial_table() {
    let mut lab = Lab::open(1);
    lab.announce(0, &many(0, 5000), &path(&[65100]), hop_of(0));
    lab.add(1, open_config(), external(1));
    while lab.remote(1).table.len() < 4000 {
        lab.send_some(1, 2000);
        assert_eq!(lab.rib.end_of_rib_sent(PeerId(1)), FamilySet::EMPTY);
    }
    let heard = lab.heard(1);
    assert_eq!(lab.rib.end_of_rib_sent(PeerId(1)), FamilySet::ALL);
    assert_eq!(heard[heard.len() - 2..], ["EoR ipv4-unicast", "EoR ipv6-unicast"]);
    assert_eq!(heard.iter().filter(|line| line.starts_with("EoR")).count(), 2);
    assert_eq!(heard.len(), 5002);
}

#[test]
fn a_slow_peer_gets_the_newest_state_once_and_its_backlog_is_bounded() {
    let mut lab = Lab::open(3);
    let all = many(0, 200);
    lab.announce(0, &all, &path(&[65100]), hop_of(0));
    lab.settle();
    lab.heard(1);
    lab.heard(2);
    let mut held = Vec::new();
    for round in 1..=50 {
        lab.announce(0, &all, &path(&[65100, round]), hop_of(0));
        lab.withdraw_path(0, 0, &all[..round as usize]);
        lab.send(1);
        held.push(lab.rib.totals().peer_bytes);
    }
    assert_eq!(held[5], held[49], "memory does not grow with the number of changes");
    let heard = lab.heard(2);
    assert_eq!(heard.len(), 200, "each prefix once");
    assert!(heard[..50].iter().all(|line| line.starts_with('-')), "withdrawals first");
    assert_eq!(lab.remote(1).table, lab.remote(2).table);
}

#[test]
fn equal_announcements_after_a_change_behind_the_scenes_are_not_repeated() {
    let mut lab = Lab::open(1);
    lab.add(1, open_config(), external(1));
    lab.add(2, open_config(), external(2));
    let same = path(&[65100, 1]);
    lab.say(0, &["192.0.2.0/24"], &with_med(&[65100, 1], 5));
    lab.heard(2);
    // Only the MED differs, which an external peer is not told.
    lab.say(0, &["192.0.2.0/24"], &same);
    assert_eq!(lab.heard(2), [""; 0]);
    assert_eq!(lab.rib.best(&net("192.0.2.0/24")).unwrap().med, None);
}

#[test]
fn a_new_policy_is_applied_to_what_was_received_and_told() {
    let mut lab = Lab::open(3);
    let all = many(0, 500);
    lab.announce(0, &all, &path(&[65100]), hop_of(0));
    lab.settle();
    let closed = policy(vec![]);
    let config = |import, export| PeerConfig {
        import,
        export,
        next_hop_self: false,
        client: false,
        paths: 0,
    };
    lab.rib.set_policy(PeerId(0), config(closed.clone(), accept_all()));
    lab.settle();
    assert!(lab.remote(1).table.is_empty() && lab.remote(2).table.is_empty());
    let counts = lab.rib.counts(PeerId(0), Family::IPV4_UNICAST);
    assert_eq!((counts.received, counts.rejected()), (500, 500));
    lab.rib.set_policy(PeerId(0), open_config());
    lab.settle();
    assert_eq!(lab.remote(1).table.len(), 500);
    lab.rib.set_policy(PeerId(1), config(accept_all(), closed));
    lab.settle();
    assert_eq!((lab.remote(1).table.len(), lab.remote(2).table.len()), (0, 500));
    let dearer = vec![term("all", vec![], vec![Action::SetMed(9)], Verdict::Accept)];
    lab.rib.set_policy(PeerId(1), config(accept_all(), policy(dearer)));
    lab.settle();
    assert!(lab.remote(1).table.values().all(|(_, attrs)| attrs.med == Some(9)));
    assert_eq!(lab.remote(1).table.len(), 500);
    assert_eq!(lab.heard(2).iter().filter(|line| line.starts_with('+')).count(), 1000);
}

#[test]
fn a_new_policy_repeats_nothing_that_it_does_not_change() {
    let mut lab = Lab::open(2);
    lab.announce(0, &many(0, 100), &path(&[65100]), hop_of(0));
    lab.heard(1);
    let some: PrefixList = many(0, 3).into_iter().map(PrefixRange::exact).collect();
    let terms = vec![
        term("some", vec![Match::Prefix(some)], vec![Action::SetMed(9)], Verdict::Accept),
        term("rest", vec![], vec![], Verdict::Accept),
    ];
    let config = PeerConfig { export: policy(terms), ..open_config() };
    lab.rib.set_policy(PeerId(1), config);
    assert_eq!(lab.heard(1), ["+20.0.0.0/24", "+20.0.1.0/24", "+20.0.2.0/24"]);
    // A refresh is another matter.
    lab.rib.set_policy(PeerId(1), open_config());
    lab.rib.refresh(PeerId(1), Family::IPV4_UNICAST);
    assert_eq!(lab.heard(1).len(), 100);
}

#[test]
fn a_policy_may_change_before_its_withdrawals_have_gone_out() {
    let mut lab = Lab::open(2);
    lab.announce(0, &many(0, 50), &path(&[65100]), hop_of(0));
    lab.settle();
    lab.withdraw_path(0, 0, &many(0, 50));
    let closed = PeerConfig { export: policy(vec![]), ..open_config() };
    lab.rib.set_policy(PeerId(1), closed);
    lab.settle();
    assert!(lab.remote(1).table.is_empty());
    assert_eq!(lab.rib.totals().prefixes, 0);
}

#[test]
fn a_removed_peer_leaves_nothing_and_its_number_can_be_used_again() {
    let mut lab = Lab::open(2);
    lab.announce(0, &many(0, 50), &path(&[65100]), hop_of(0));
    lab.settle();
    lab.rib.remove_peer(PeerId(0));
    lab.remotes.remove(&PeerId(0));
    lab.settle();
    assert!(lab.remote(1).table.is_empty());
    assert_eq!(lab.rib.totals().attribute_sets, 0);
    lab.add(0, open_config(), external(0));
    lab.announce(0, &many(0, 5), &path(&[65100]), hop_of(0));
    lab.settle();
    assert_eq!(lab.remote(1).table.len(), 5);
}

#[test]
fn memory_is_flat_over_cycles_of_announcements_and_withdrawals() {
    let mut lab = Lab::open(2);
    let all = many(0, 2000);
    let mut after = Vec::new();
    for cycle in 0..8 {
        for (at, chunk) in all.chunks(7).enumerate() {
            lab.announce(0, chunk, &path(&[65100, at as u32 + 1, cycle + 1]), hop_of(0));
        }
        lab.settle();
        assert_eq!(lab.remote(1).table.len(), 2000);
        lab.withdraw_path(0, 0, &all);
        lab.settle();
        let totals = lab.rib.totals();
        assert_eq!((totals.prefixes, totals.attribute_sets), (0, 0));
        after.push(totals.route_bytes + totals.attribute_bytes + totals.peer_bytes);
    }
    // Which subtables of an index have shrunk depends on the hashes.
    assert!(after[7].abs_diff(after[1]) * 20 < after[1], "{after:?}");
}

#[test]
fn tables_can_be_paged_through() {
    let mut lab = Lab::open(2);
    lab.announce(0, &many(0, 100), &path(&[65100]), hop_of(0));
    lab.announce(1, &many(50, 100), &path(&[65101, 1]), hop_of(1));
    lab.settle();
    let (mut seen, mut next) = (Vec::new(), Some(Cursor::default()));
    while let Some(cursor) = next {
        let page = lab.rib.adj_rib_in(PeerId(1), cursor, 7);
        assert!(page.items.len() <= 7);
        seen.extend(page.items.into_iter().map(|route| (route.prefix, route.best)));
        next = page.next;
    }
    let expected: Vec<_> = many(50, 100).into_iter().zip((50..150).map(|n| n >= 100)).collect();
    assert_eq!(seen, expected);
    let told = lab.rib.adj_rib_out(PeerId(1), Cursor::default(), 1000);
    assert_eq!((told.items.len(), told.next), (100, None));
    assert!(told.items.iter().all(|a| !a.pending && a.attrs.as_path.to_string() == "65000 65100"));
    lab.announce(0, &many(0, 1), &path(&[65100, 5]), hop_of(0));
    assert!(lab.rib.advertised(PeerId(1), &many(0, 1)[0]).unwrap().pending);
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let run = || {
        let mut lab = Lab::open(3);
        for (at, chunk) in many(0, 300).chunks(3).enumerate() {
            lab.announce(0, chunk, &path(&[65100, at as u32 % 10 + 1]), hop_of(0));
        }
        let mut out = BytesMut::new();
        while lab.rib.poll_transmit(PeerId(2), &mut out, 4096) {}
        out
    };
    assert_eq!(run(), run());
}
