//! What a peer would not bear is kept from it, and told as soon as there is room.

mod common;

use common::{Lab, hop, net, path};
use ipnet::IpNet;
use pathvane_rib::{OriginAttrs, PeerId, Quota, Reason};
use pathvane_wire::{Asn, Family, NextHop};

const V4: Family = Family::IPV4_UNICAST;

fn many(from: u32, count: u32) -> Vec<IpNet> {
    (from..from + count).map(|n| net(&format!("20.{}.{}.0/24", n >> 8, n & 255))).collect()
}

fn hop_of(n: u16) -> NextHop {
    hop(&format!("10.0.0.{n}"))
}

fn most(most: u32, reserved: u32) -> Quota {
    Quota { most: [Some(most), None], reserved: [reserved, 0] }
}

#[test]
fn no_peer_is_told_more_than_its_quota_and_others_everything() {
    let mut lab = Lab::open(3);
    lab.rib.set_quota(PeerId(1), most(10, 0));
    lab.announce(0, &many(0, 50), &path(&[65100]), hop_of(0));
    lab.settle();
    assert_eq!((lab.remote(1).table.len(), lab.remote(2).table.len()), (10, 50));
    assert_eq!(lab.rib.withheld(PeerId(1), V4), 40);
    let refused = many(0, 50)
        .into_iter()
        .filter(|prefix| lab.rib.not_advertised(PeerId(1), prefix) == Some(Reason::OverQuota));
    assert_eq!(refused.count(), 40);
    // What is told already may change at any time.
    lab.announce(0, &many(0, 50), &path(&[65100, 1]), hop_of(0));
    lab.settle();
    assert_eq!(lab.remote(1).table.len(), 10);
    assert!(lab.remote(1).table.values().all(|(_, attrs)| attrs.as_path.contains(Asn(1))));
}

#[test]
fn what_was_withheld_follows_when_there_is_room() {
    let mut lab = Lab::open(2);
    lab.rib.set_quota(PeerId(1), most(10, 0));
    lab.announce(0, &many(0, 15), &path(&[65100]), hop_of(0));
    lab.settle();
    let told: Vec<_> = lab.remote(1).table.keys().copied().collect();
    lab.withdraw_path(0, 0, &told[..4]);
    lab.settle();
    assert_eq!((lab.remote(1).table.len(), lab.rib.withheld(PeerId(1), V4)), (10, 1));
    lab.rib.set_quota(PeerId(1), Quota::default());
    lab.settle();
    assert_eq!((lab.remote(1).table.len(), lab.rib.withheld(PeerId(1), V4)), (11, 0));
    lab.withdraw_path(0, 0, &many(0, 15));
    lab.settle();
    assert_eq!((lab.remote(1).table.len(), lab.rib.totals().prefixes), (0, 0));
}

#[test]
fn withheld_prefixes_that_go_are_forgotten() {
    let mut lab = Lab::open(2);
    lab.rib.set_quota(PeerId(1), most(5, 0));
    lab.announce(0, &many(0, 20), &path(&[65100]), hop_of(0));
    lab.settle();
    lab.withdraw_path(0, 0, &many(0, 20));
    lab.settle();
    assert_eq!((lab.rib.withheld(PeerId(1), V4), lab.rib.totals().prefixes), (0, 0));
}

#[test]
fn services_have_their_place_though_others_came_first() {
    let mut lab = Lab::open(2);
    let service = net("198.51.100.0/24");
    lab.rib.set_services(&[service]);
    lab.rib.set_quota(PeerId(1), most(10, 1));
    lab.announce(0, &many(0, 50), &path(&[65100]), hop_of(0));
    lab.settle();
    assert_eq!(lab.remote(1).table.len(), 9);
    lab.rib.originate(service, &OriginAttrs::default());
    lab.settle();
    assert!(lab.remote(1).table.contains_key(&service));
    assert_eq!(lab.remote(1).table.len(), 10);
    lab.rib.withdraw_origin(service);
    lab.settle();
    assert_eq!(lab.remote(1).table.len(), 9, "its place stays free");
}

#[test]
fn prefixes_that_become_or_cease_to_be_services_are_counted_anew() {
    let mut lab = Lab::open(2);
    lab.rib.set_quota(PeerId(1), most(10, 3));
    let ours: Vec<_> = ["198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24"].map(net).into();
    ours.iter().for_each(|prefix| lab.rib.originate(*prefix, &OriginAttrs::default()));
    lab.settle();
    // Told as anybody's; from now on they fill the places that are kept free.
    for (services, told) in [(3, 10), (2, 9), (3, 10), (0, 7)] {
        lab.rib.set_services(&ours[..services]);
        lab.settle();
        lab.announce(0, &many(0, 50), &path(&[65100]), hop_of(0));
        lab.settle();
        assert_eq!(lab.remote(1).table.len(), told, "{services} services");
        lab.withdraw_path(0, 0, &many(0, 50));
        lab.settle();
        assert_eq!(lab.remote(1).table.len(), 3);
    }
    lab.rib.withdraw_origin(ours[0]);
    lab.settle();
    lab.rib.set_services(&ours);
    lab.settle();
    lab.announce(0, &many(0, 50), &path(&[65100]), hop_of(0));
    lab.settle();
    assert_eq!(lab.remote(1).table.len(), 9, "its place stays free");
}
