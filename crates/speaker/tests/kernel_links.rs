//! Facts about links and routes from a real kernel, in network namespaces.

mod netns;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use netns::{in_namespace_async, ip, set_carrier, veth};
use pathvane_engine::config::Condition;
use pathvane_engine::{Input, PathId, ServiceId};
use pathvane_speaker::config::{PathLink, Watched};
use pathvane_speaker::links::Links;

fn path(interface: Option<&str>) -> PathLink {
    PathLink {
        name: "a path".to_owned(),
        interface: interface.map(str::to_owned),
        next_hop: [10, 1, 0, 2].into(),
        probe_source: [10, 255, 1, 1].into(),
        mark: None,
        table: 5001,
    }
}

fn watched(announce: u16, prefix: &str, condition: Condition) -> Watched {
    let prefix = prefix.parse().expect("a prefix");
    Watched { service: ServiceId(3), announce, prefix, condition }
}

/// A fact in brief: a path's link, or a condition's index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fact {
    Link(u16, bool),
    Condition(u16, bool),
}

/// The facts of the next turn that has any, and whether links or addresses changed on the way.
async fn next(links: &mut Links) -> (Vec<Fact>, bool) {
    let mut inputs = Vec::new();
    let mut changed = false;
    let facts = poll_fn(|cx| {
        changed |= links.serve(cx, &mut inputs).expect("events");
        if inputs.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    });
    tokio::time::timeout(Duration::from_secs(5), facts).await.expect("a fact within five seconds");
    (inputs.iter().map(brief).collect(), changed)
}

fn brief(input: &Input<'static>) -> Fact {
    match *input {
        Input::Link { path: PathId(path), up } => Fact::Link(path, up),
        Input::Condition { service: ServiceId(3), announce, holds } => {
            Fact::Condition(announce, holds)
        }
        ref other => panic!("not a fact of links: {other:?}"),
    }
}

/// No fact comes, though the kernel has been heard out.
async fn silence(links: &mut Links) {
    let quiet = tokio::time::timeout(Duration::from_millis(100), async {
        let mut inputs = Vec::new();
        poll_fn(|cx| {
            links.serve(cx, &mut inputs).expect("events");
            if inputs.is_empty() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        inputs
    });
    if let Ok(inputs) = quiet.await {
        panic!("unexpected: {inputs:?}");
    }
}

#[test]
fn the_first_turn_tells_the_state_of_everything_watched() {
    in_namespace_async(|| async {
        veth("east", "10.1.0.1/24");
        ip("link set east-far down");
        veth("west", "10.2.0.1/24");
        set_carrier("west", true);
        let paths = [path(Some("west")), path(None), path(Some("absent"))];
        let conditions = [
            watched(0, "10.2.0.0/24", Condition::KernelRoute),
            watched(1, "10.20.0.0/16", Condition::KernelRoute),
            watched(2, "10.21.0.0/16", Condition::InterfaceUp("lo".to_owned())),
            watched(3, "10.22.0.0/16", Condition::InterfaceUp("absent".to_owned())),
        ];
        let mut links = Links::open(&paths, &conditions).expect("a monitor");
        let expected = [
            Fact::Link(0, true),
            Fact::Link(2, false),
            Fact::Condition(0, true),
            Fact::Condition(1, false),
            Fact::Condition(2, true),
            Fact::Condition(3, false),
        ];
        assert_eq!(next(&mut links).await.0, expected);
        silence(&mut links).await;
    });
}

#[test]
fn carrier_and_administrative_state_of_a_paths_interface_are_told_once_each() {
    in_namespace_async(|| async {
        veth("east", "10.1.0.1/24");
        set_carrier("east", true);
        let mut links = Links::open(&[path(Some("east"))], &[]).expect("a monitor");
        assert_eq!(next(&mut links).await.0, [Fact::Link(0, true)]);
        for (change, up) in [
            ("link set east-far down", false),
            ("link set east-far up", true),
            ("link set east down", false),
            ("link set east up", true),
            ("link del east", false),
        ] {
            ip(change);
            assert_eq!(next(&mut links).await, (vec![Fact::Link(0, up)], true), "{change}");
        }
        silence(&mut links).await;
        veth("east", "10.1.0.1/24");
        assert_eq!(next(&mut links).await.0, [Fact::Link(0, true)], "made anew");
    });
}

#[test]
fn a_foreign_route_for_exactly_the_prefix_is_what_counts() {
    in_namespace_async(|| async {
        veth("lan", "10.9.0.1/24");
        set_carrier("lan", true);
        let conditions = [
            watched(0, "10.20.0.0/16", Condition::KernelRoute),
            watched(1, "fd20::/32", Condition::KernelRoute),
        ];
        let mut links = Links::open(&[], &conditions).expect("a monitor");
        assert_eq!(
            next(&mut links).await.0,
            [Fact::Condition(0, false), Fact::Condition(1, false)]
        );

        ip("route add 10.20.1.0/24 via 10.9.0.2");
        ip("route add 10.0.0.0/8 via 10.9.0.2");
        ip("route add 10.20.0.0/16 via 10.9.0.2 table 77");
        ip("route add 10.20.0.0/16 via 10.9.0.2 proto 80 metric 80");
        silence(&mut links).await;

        ip("route add 10.20.0.0/16 via 10.9.0.2");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, true)]);
        ip("route add 10.20.0.0/16 via 10.9.0.3 metric 9");
        ip("route del 10.20.0.0/16 metric 0");
        silence(&mut links).await;
        ip("route del 10.20.0.0/16 metric 9");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, false)]);

        ip("route add blackhole 10.20.0.0/16");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, true)], "an anchor counts");
        ip("route add fd20::/32 dev lan");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(1, true)]);
    });
}

#[test]
fn a_route_that_vanishes_with_its_interface_without_an_event_is_noticed() {
    in_namespace_async(|| async {
        veth("lan", "10.9.0.1/24");
        set_carrier("lan", true);
        ip("route add 10.20.0.0/16 via 10.9.0.2");
        let conditions = [watched(0, "10.20.0.0/16", Condition::KernelRoute)];
        let mut links = Links::open(&[], &conditions).expect("a monitor");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, true)]);

        ip("link set lan-far down");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, false)], "without carrier");
        ip("link set lan-far up");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, true)]);
        ip("link set lan down");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, false)]);
    });
}

#[test]
fn a_route_over_several_ways_holds_while_one_of_them_does() {
    in_namespace_async(|| async {
        veth("lan", "10.9.0.1/24");
        veth("man", "10.8.0.1/24");
        set_carrier("lan", true);
        set_carrier("man", true);
        ip("route add 10.20.0.0/16 nexthop via 10.9.0.2 nexthop via 10.8.0.2");
        let conditions = [watched(0, "10.20.0.0/16", Condition::KernelRoute)];
        let mut links = Links::open(&[], &conditions).expect("a monitor");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, true)]);
        set_carrier("lan", false);
        silence(&mut links).await;
        set_carrier("man", false);
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, false)]);
    });
}

#[test]
fn a_full_table_is_read_in_pieces_and_to_the_end() {
    in_namespace_async(|| async {
        veth("lan", "10.9.0.1/24");
        set_carrier("lan", true);
        let mut batch = String::new();
        for number in 0..5000 {
            let (high, low) = (number / 256, number % 256);
            batch.push_str(&format!("route add 11.{high}.{low}.0/24 via 10.9.0.2\n"));
        }
        let file = tempfile();
        std::fs::write(&file, batch).expect("a batch file");
        ip(&format!("-batch {}", file.display()));
        let conditions = [watched(0, "223.0.0.0/24", Condition::KernelRoute)];
        let mut links = Links::open(&[], &conditions).expect("a monitor");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, false)]);
        ip("route add 223.0.0.0/24 via 10.9.0.2");
        assert_eq!(next(&mut links).await.0, [Fact::Condition(0, true)]);
        std::fs::remove_file(file).expect("the batch file");
    });
}

fn tempfile() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("pathvane-routes-{}", std::process::id()))
}
