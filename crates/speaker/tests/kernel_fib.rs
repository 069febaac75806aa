//! The forwarding table against a real kernel, in network namespaces.

mod netns;

use std::net::IpAddr;

use ipnet::IpNet;
use netns::{in_namespace, ip, set_carrier, try_ip, until, veth};
use pathvane_engine::{PathId, ServiceId, Share, Via};
use pathvane_speaker::config::{FibMode, PathLink};
use pathvane_speaker::fib::{Fib, Work};

const VOICE: ServiceId = ServiceId(0);
const EAST: PathId = PathId(0);
const WEST: PathId = PathId(1);

fn path(number: u32, interface: &str, next_hop: &str, probe_source: &str) -> PathLink {
    PathLink {
        name: interface.to_owned(),
        interface: Some(interface.to_owned()),
        next_hop: next_hop.parse().expect("an address"),
        probe_source: probe_source.parse().expect("an address"),
        mark: Some(100 + number),
        table: 5000 + number,
    }
}

/// Two paths, `east` and `west`, with interfaces of that name.
fn two_paths() -> Vec<PathLink> {
    veth("east", "10.1.0.1/24");
    veth("west", "10.2.0.1/24");
    for source in ["10.255.1.1", "10.255.2.1"] {
        ip(&format!("addr add {source}/32 dev lo"));
    }
    vec![path(1, "east", "10.1.0.2", "10.255.1.1"), path(2, "west", "10.2.0.2", "10.255.2.1")]
}

fn equal(paths: &[PathId]) -> Vec<Share> {
    paths.iter().map(|&path| Share { path, weight: 1 }).collect()
}

fn open(paths: &[PathLink]) -> Fib {
    Fib::open(FibMode::Kernel, paths).expect("the kernel's forwarding table")
}

fn prefix(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn work(fib: &mut Fib) {
    for _ in 0..10_000 {
        if fib.work() != Work::More {
            return;
        }
    }
    panic!("the work never ends: {:?}", fib.stats());
}

/// The interface that a packet to `address` leaves through.
fn way_to(address: &str) -> String {
    interface_in(&ip(&format!("route get {address}")))
}

fn interface_in(answer: &str) -> String {
    let mut words = answer.split_whitespace().skip_while(|&word| word != "dev").skip(1);
    words.next().unwrap_or("none").to_owned()
}

/// Voice leads east, with routes of both kinds.
fn voice_over_east(paths: &[PathLink]) -> Fib {
    let mut fib = open(paths);
    fib.switch(VOICE, &equal(&[EAST])).expect("the first switch");
    for third in 0..200 {
        fib.route(prefix(&format!("10.128.{third}.0/24")), Some(Via::Service(VOICE)));
    }
    fib.route(prefix("10.129.0.0/16"), Some(Via::Path(WEST)));
    work(&mut fib);
    fib
}

#[test]
fn a_switch_moves_all_routes_of_the_service_and_no_others() {
    in_namespace(|| {
        let mut fib = voice_over_east(&two_paths());
        assert_eq!(fib.stats().routes, 201);
        assert_eq!((way_to("10.128.0.9"), way_to("10.128.199.9")), ("east".into(), "east".into()));
        assert_eq!(way_to("10.129.0.9"), "west");

        fib.switch(VOICE, &equal(&[WEST])).expect("a switch");
        assert_eq!((way_to("10.128.0.9"), way_to("10.128.199.9")), ("west".into(), "west".into()));

        fib.switch(VOICE, &equal(&[EAST, WEST])).expect("both carry");
        assert!(ip("nexthop").contains('/'), "a group of two: {}", ip("nexthop"));
    });
}

/// How many of so many flows to a host of the service leave through `east`.
fn flows_over_east(flows: u16) -> u16 {
    let way = |flow: u16| {
        let get = format!("route get 10.128.0.9 ipproto udp sport {} dport 5004", 20_000 + flow);
        interface_in(&ip(&get))
    };
    (0..flows).map(|flow| u16::from(way(flow) == "east")).sum()
}

#[test]
fn flows_are_spread_over_the_paths_by_their_weights() {
    in_namespace(|| {
        let mut fib = voice_over_east(&two_paths());
        std::fs::write("/proc/sys/net/ipv4/fib_multipath_hash_policy", "1").expect("a sysctl");
        let weighed =
            |east, west| [Share { path: EAST, weight: east }, Share { path: WEST, weight: west }];
        fib.switch(VOICE, &weighed(1, 1)).expect("both carry");
        let alike = flows_over_east(400);
        assert!((140..=260).contains(&alike), "{alike} of 400 go east");
        fib.switch(VOICE, &weighed(8, 1)).expect("both carry, one more");
        let shown = ip("nexthop");
        assert!(shown.contains(",8/"), "the weight is in the group: {shown}");
        let more = flows_over_east(400);
        assert!((315..400).contains(&more), "{more} of 400 go east");
        assert_eq!(way_to("10.129.0.9"), "west", "what west alone offers stays there");

        // A member without a carrier gets nothing, and comes back with the weight it had.
        set_carrier("east", false);
        fib.reconcile();
        work(&mut fib);
        assert_eq!(flows_over_east(20), 0);
        set_carrier("east", true);
        fib.reconcile();
        work(&mut fib);
        let again = flows_over_east(400);
        assert!((315..400).contains(&again), "{again} of 400 go east");

        fib.switch(VOICE, &equal(&[WEST])).expect("east leaves");
        assert_eq!(flows_over_east(20), 0);
    });
}

#[test]
fn a_withdrawn_route_goes_and_the_others_stay() {
    in_namespace(|| {
        let mut fib = voice_over_east(&two_paths());
        fib.route(prefix("10.128.7.0/24"), None);
        work(&mut fib);
        assert!(try_ip("route get 10.128.7.9").is_err());
        assert_eq!(way_to("10.128.8.9"), "east");
        assert_eq!(fib.stats().routes, 200);
    });
}

#[test]
fn routes_that_come_before_their_group_wait_for_it() {
    in_namespace(|| {
        let mut fib = open(&two_paths());
        fib.route(prefix("10.128.0.0/16"), Some(Via::Service(VOICE)));
        work(&mut fib);
        assert_eq!(fib.stats().routes, 0);
        fib.switch(VOICE, &equal(&[WEST])).expect("the first switch");
        work(&mut fib);
        assert_eq!(way_to("10.128.0.9"), "west");
    });
}

#[test]
fn an_earlier_runs_routes_forward_until_named_and_are_pruned_only_when_synced() {
    in_namespace(|| {
        let paths = two_paths();
        drop(voice_over_east(&paths));
        assert_eq!(way_to("10.128.1.9"), "east", "the kernel forwards on");

        let swapped = [paths[1].clone(), paths[0].clone()];
        let mut fib = open(&swapped);
        assert_eq!(fib.stats().adopted, 201);
        fib.switch(VOICE, &equal(&[PathId(0)])).expect("a switch");
        assert_eq!(way_to("10.128.1.9"), "east", "not named yet: goes where it went");

        fib.route(prefix("10.128.1.0/24"), Some(Via::Service(VOICE)));
        work(&mut fib);
        assert_eq!(way_to("10.128.1.9"), "west", "named: follows the new group");
        assert_eq!(way_to("10.128.2.9"), "east");
        assert_eq!(fib.stats().adopted, 200);

        fib.synced();
        work(&mut fib);
        assert_eq!(way_to("10.128.1.9"), "west");
        assert!(try_ip("route get 10.128.2.9").is_err(), "pruned");
        let objects = ip("nexthop");
        assert_eq!(objects.lines().count(), 3, "only this run's objects: {objects}");
    });
}

#[test]
fn foreign_routes_and_objects_are_never_touched() {
    in_namespace(|| {
        let paths = two_paths();
        ip("nexthop add id 7 via 10.2.0.2 dev west");
        ip("route add 10.128.1.0/24 via 10.2.0.2 metric 80");
        ip("route add 10.128.2.0/24 nhid 7 proto bgp metric 80");
        ip("rule add fwmark 9 lookup 99 priority 800");
        ip("route add default via 10.2.0.2 table 99");
        let before = (ip("route"), ip("rule"), ip("route show table 99"));

        let mut fib = open(&paths);
        fib.switch(VOICE, &equal(&[EAST])).expect("a switch");
        for third in 0..4 {
            fib.route(prefix(&format!("10.128.{third}.0/24")), Some(Via::Service(VOICE)));
        }
        work(&mut fib);
        assert_eq!(way_to("10.128.0.9"), "east");
        assert_eq!((way_to("10.128.1.9"), way_to("10.128.2.9")), ("west".into(), "west".into()));
        assert_eq!(fib.stats().refused, 2);
        fib.route(prefix("10.128.1.0/24"), None);
        work(&mut fib);
        fib.synced();
        work(&mut fib);
        fib.leave().expect("leaving");

        assert_eq!((ip("route"), ip("rule"), ip("route show table 99")), before);
        assert!(ip("nexthop").starts_with("id 7 "));
        assert_eq!(ip("nexthop").lines().count(), 1, "ours are gone: {}", ip("nexthop"));
    });
}

#[test]
fn what_a_lost_carrier_took_away_is_put_back() {
    in_namespace(|| {
        let mut fib = voice_over_east(&two_paths());
        set_carrier("east", false);
        until("the kernel to remove the routes", || try_ip("route get 10.128.0.9").is_err());

        // The engine hears of the link and moves; nobody told the table before.
        fib.switch(VOICE, &equal(&[WEST])).expect("a switch");
        work(&mut fib);
        assert_eq!((way_to("10.128.0.9"), way_to("10.128.199.9")), ("west".into(), "west".into()));

        set_carrier("east", true);
        fib.reconcile();
        work(&mut fib);
        fib.switch(VOICE, &equal(&[EAST])).expect("a switch back");
        assert_eq!(way_to("10.128.0.9"), "east");
    });
}

#[test]
fn a_wish_for_a_path_that_is_down_is_an_error_now_and_fulfilled_later() {
    in_namespace(|| {
        let mut fib = voice_over_east(&two_paths());
        set_carrier("west", false);
        fib.reconcile();
        work(&mut fib);
        fib.switch(VOICE, &equal(&[WEST])).expect_err("west has no carrier");
        assert_eq!(way_to("10.128.0.9"), "east", "the last way that worked stays");
        set_carrier("west", true);
        fib.reconcile();
        work(&mut fib);
        assert_eq!(way_to("10.128.0.9"), "west");
        assert_eq!(way_to("10.129.0.9"), "west");
    });
}

#[test]
fn a_route_that_somebody_removed_is_replaced_all_the_same() {
    in_namespace(|| {
        let mut fib = voice_over_east(&two_paths());
        ip("route del 10.128.3.0/24 proto 80");
        ip("route del 10.128.4.0/24 proto 80");
        fib.route(prefix("10.128.3.0/24"), Some(Via::Path(WEST)));
        fib.route(prefix("10.128.4.0/24"), None);
        work(&mut fib);
        assert_eq!(way_to("10.128.3.9"), "west");
        assert!(try_ip("route get 10.128.4.9").is_err());
    });
}

#[test]
fn ipv6_routes_switch_as_ipv4_ones_do() {
    in_namespace(|| {
        veth("east", "fd01::1/64");
        veth("west", "fd02::1/64");
        ip("addr add 10.1.0.1/24 dev east");
        let paths =
            [path(1, "east", "fd01::2", "fd00:ff::1"), path(2, "west", "fd02::2", "fd00:ff::2")];
        let mut fib = open(&paths);
        fib.switch(VOICE, &equal(&[EAST])).expect("a switch");
        fib.route(prefix("fd80::/48"), Some(Via::Service(VOICE)));
        fib.route(prefix("10.128.0.0/16"), Some(Via::Service(VOICE)));
        work(&mut fib);
        assert_eq!(way_to("fd80::9"), "east");
        assert_eq!(way_to("10.128.0.9"), "east", "IPv4 through an IPv6 next hop (RFC 8950)");
        fib.switch(VOICE, &equal(&[WEST])).expect("a switch");
        assert_eq!((way_to("fd80::9"), way_to("10.128.0.9")), ("west".into(), "west".into()));

        let mut again = open(&paths);
        again.switch(VOICE, &equal(&[EAST])).expect("a switch");
        again.route(prefix("fd80::/48"), Some(Via::Service(VOICE)));
        work(&mut again);
        assert_eq!(way_to("fd80::9"), "east", "replaced");
        again.synced();
        work(&mut again);
        assert!(try_ip("route get 10.128.0.9").is_err(), "pruned");
        let left = ip("-6 route show proto 80");
        assert_eq!(left.matches("nhid").count(), 1, "{left}");
    });
}

#[test]
fn ipv6_routes_go_through_a_link_without_addresses_whose_next_hop_is_ipv4() {
    in_namespace(|| {
        let paths = two_paths();
        ip("link set east arp off");
        let mut fib = open(&paths);
        fib.switch(VOICE, &equal(&[EAST])).expect("a switch");
        fib.route(prefix("fd80::/48"), Some(Via::Service(VOICE)));
        fib.route(prefix("10.128.0.0/16"), Some(Via::Service(VOICE)));
        work(&mut fib);
        assert_eq!((way_to("fd80::9"), way_to("10.128.0.9")), ("east".into(), "east".into()));
        fib.switch(VOICE, &equal(&[WEST])).expect("IPv4 goes west");
        assert_eq!(way_to("10.128.0.9"), "west");
        assert_eq!(way_to("fd80::9"), "east", "west cannot carry IPv6: stays on what can");
    });
}

#[test]
fn a_group_that_somebody_removed_comes_back_with_its_routes() {
    in_namespace(|| {
        let mut fib = voice_over_east(&two_paths());
        ip("nexthop flush proto 80");
        assert!(try_ip("route get 10.128.0.9").is_err());
        fib.switch(VOICE, &equal(&[EAST])).expect("the same way as before, but anew");
        work(&mut fib);
        assert_eq!((way_to("10.128.0.9"), way_to("10.129.0.9")), ("east".into(), "west".into()));
    });
}

#[test]
fn notifications_of_every_route_are_off_while_we_switch_and_given_back() {
    in_namespace(|| {
        let compat = || std::fs::read_to_string("/proc/sys/net/ipv4/nexthop_compat_mode");
        assert_eq!(compat().expect("a sysctl").trim(), "1");
        let mut fib = open(&two_paths());
        assert_eq!(compat().expect("a sysctl").trim(), "0");
        fib.switch(VOICE, &equal(&[EAST])).expect("a switch");
        fib.leave().expect("leaving");
        assert_eq!(compat().expect("a sysctl").trim(), "1", "given back");
    });
}

#[test]
fn probes_with_the_paths_mark_use_its_table_whatever_the_routes_say() {
    in_namespace(|| {
        let mut fib = voice_over_east(&two_paths());
        let marked = |mark| interface_in(&ip(&format!("route get 10.128.0.9 mark {mark}")));
        assert_eq!((marked(101), marked(102)), ("east".into(), "west".into()));
        let from = |source| interface_in(&ip(&format!("route get 10.128.0.9 from {source}")));
        assert_eq!((from("10.255.1.1"), from("10.255.2.1")), ("east".into(), "west".into()));

        fib.switch(VOICE, &equal(&[WEST])).expect("a switch");
        assert_eq!((marked(101), marked(102)), ("east".into(), "west".into()));

        ip("link set east down");
        fib.reconcile();
        work(&mut fib);
        assert!(try_ip("route get 10.128.0.9 mark 101").is_err(), "a dead path looks dead");
        assert_eq!(marked(102), "west");
        ip("link set east up");
        fib.reconcile();
        work(&mut fib);
        assert_eq!(marked(101), "east");
    });
}

#[test]
fn a_marked_socket_sends_through_its_paths_table() {
    in_namespace(|| {
        let _fib = voice_over_east(&two_paths());
        let sent = |name: &str| -> u64 {
            let path = "/proc/thread-self/net/dev";
            let text = std::fs::read_to_string(path).expect("interface counters");
            let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{name}:")));
            line.expect("the interface")
                .split_whitespace()
                .nth(10)
                .expect("a counter")
                .parse()
                .expect("a number")
        };
        ip("neigh add 10.2.0.2 lladdr 02:00:00:00:00:02 dev west nud permanent");
        let socket = std::net::UdpSocket::bind("10.255.2.1:0").expect("a socket");
        socket2::SockRef::from(&socket).set_mark(102).expect("a mark");
        let before = sent("west");
        for _ in 0..50 {
            socket.send_to(b"probe", "10.128.0.9:862").expect("sent");
        }
        assert!(sent("west") >= before + 50);
    });
}

#[test]
fn rules_and_tables_of_paths_that_are_gone_go_at_the_next_start() {
    in_namespace(|| {
        let paths = two_paths();
        drop(open(&paths));
        assert_eq!(ip("rule").matches("proto 80").count(), 4, "{}", ip("rule"));
        let moved = PathLink { mark: Some(555), ..paths[1].clone() };
        let fib = open(std::slice::from_ref(&moved));
        assert_eq!(ip("rule").matches("proto 80").count(), 2, "{}", ip("rule"));
        assert_eq!(ip("route show table 5001 ").trim(), "");
        assert_eq!(interface_in(&ip("route get 10.128.0.9 mark 555")), "west");
        fib.leave().expect("leaving");
        assert!(!ip("rule").contains("5002") && ip("route show table 5002").trim().is_empty());
    });
}

#[test]
fn a_path_without_an_interface_uses_the_one_its_next_hop_is_behind() {
    in_namespace(|| {
        let mut paths = two_paths();
        paths[1].interface = None;
        let mut fib = open(&paths);
        fib.switch(VOICE, &equal(&[WEST])).expect("a switch");
        fib.route(prefix("10.128.0.0/16"), Some(Via::Service(VOICE)));
        work(&mut fib);
        assert_eq!(way_to("10.128.0.9"), "west");
    });
}

#[test]
fn reporting_needs_nothing_and_always_succeeds() {
    let source: IpAddr = "10.255.1.1".parse().expect("an address");
    let nowhere = PathLink {
        mark: None,
        probe_source: source,
        ..path(1, "nowhere", "10.1.0.2", "10.255.1.1")
    };
    let mut fib = Fib::open(FibMode::Report, &[nowhere]).expect("nothing to open");
    fib.switch(VOICE, &equal(&[EAST])).expect("a switch");
    fib.route(prefix("10.128.0.0/16"), Some(Via::Service(VOICE)));
    fib.synced();
    assert_eq!(fib.work(), Work::Done);
    assert_eq!(fib.stats().routes, 0);
}
