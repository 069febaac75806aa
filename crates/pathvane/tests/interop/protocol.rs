//! What BIRD can do beside plain external sessions: long-lived graceful restart, enhanced refresh, long
//! messages, several routes per prefix; reflection.

use std::fmt::Write as _;

use crate::bird::Bird;
use crate::space::{End, Space, link};
use crate::speaker::Speaker;
use crate::wait::until_true;

/// Three external peers: where routes come from, one that can do everything, one that can do little.
const SPEAKER: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
control = "CONTROL"
fib = "report"

[groups.bird]
hold_time = "9s"
connect_retry = "1s"
multihop = 5
import = "accept-all"
export = "accept-all"

[peers.origin]
group = "bird"
address = "192.0.2.2"
local_address = "192.0.2.12"
asn = 65001
long_lived_stale_time = "1h"
extended_messages = true
add_path_receive = true

[peers.able]
group = "bird"
address = "192.0.2.3"
local_address = "192.0.2.13"
asn = 65002
long_lived_stale_time = "1h"
extended_messages = true

[peers.plain]
group = "bird"
address = "192.0.2.4"
local_address = "192.0.2.14"
asn = 65003
"#;

/// One side of a BIRD: a session with us, its routes in a table of its own. BIRD wants another address
/// of ours for each session.
fn session(nth: u8, more: &str, channel: &str) -> String {
    format!(
        "ipv4 table t{nth};\nprotocol bgp us{nth} {{ local 192.0.2.{nth} as {asn}; \
         neighbor 192.0.2.{ours} as 65010; multihop; strict bind on; hold time 9; connect retry time 1; \
         connect delay time 1; error wait time 1,2; {more} \
         ipv4 {{ table t{nth}; import all; {channel} }}; }}\n",
        asn = 64_999 + u32::from(nth),
        ours = nth + 10,
    )
}

/// BIRD that announces: a route in two ways, one not to be kept, and one of more than 4,096 octets.
fn origin() -> String {
    let mut big = String::new();
    for nth in 0..1_200 {
        let _ = writeln!(big, "  bgp_community.add((64999, {nth}));");
    }
    let session = session(
        2,
        "graceful restart on; graceful restart time 1; long lived graceful restart on; \
         long lived stale time 3600; enable extended messages on;",
        "add paths tx; export filter ours;",
    );
    format!(
        "router id 10.255.0.2;\nprotocol device {{}}\n\
         filter ours {{\n if source != RTS_STATIC then reject;\n \
          if proto = \"two\" then bgp_med = 55;\n \
          if net = 10.128.1.0/24 then bgp_community.add((65535, 7));\n \
          if net = 10.128.2.0/24 then {{\n{big} }}\n accept;\n}}\n{session}\
         protocol static one {{ ipv4 {{ table t2; }}; route 10.128.0.0/24 blackhole; \
         route 10.128.1.0/24 blackhole; route 10.128.2.0/24 blackhole; }}\n\
         protocol static two {{ ipv4 {{ table t2; preference 50; }}; \
         route 10.128.0.0/24 unreachable; }}\n"
    )
}

fn watchers() -> String {
    format!(
        "router id 10.255.0.3;\nprotocol device {{}}\n{}{}",
        session(
            3,
            "long lived graceful restart aware; enable extended messages on;",
            "export none;"
        ),
        session(4, "graceful restart off; long lived graceful restart off;", "export none;"),
    )
}

#[test]
#[ignore = "needs root and BIRD; the test command runs it"]
fn bird_and_what_is_off_by_default() {
    let folder = tempfile::tempdir().expect("a folder");
    let (site, far) = (Space::new("site"), Space::new("far"));
    link(
        End {
            space: &site,
            interface: "east",
            addresses: &["192.0.2.12/24", "192.0.2.13/24", "192.0.2.14/24"],
        },
        End {
            space: &far,
            interface: "site",
            addresses: &["192.0.2.2/24", "192.0.2.3/24", "192.0.2.4/24"],
        },
    );
    let mut bird = Bird::start(&far, folder.path(), "origin", &origin());
    let watcher = Bird::start(&far, folder.path(), "watcher", &watchers());
    let speaker = Speaker::start(&site, folder.path(), SPEAKER);
    for peer in ["origin", "able", "plain"] {
        until_true(30, &format!("session {peer} is Established"), || speaker.established(peer));
    }
    several_routes(&speaker);
    long_messages(&speaker, &watcher);
    refreshed(&speaker, &bird);
    kept_for_long(&speaker, &mut bird, &watcher);
}

fn several_routes(speaker: &Speaker<'_>) {
    println!("- two routes for one prefix from one peer (RFC 7911)");
    until_true(20, "both routes are there", || {
        let routes = speaker.json(&["explain", "10.128.0.0/24"]).unwrap_or_default();
        routes["candidates"].as_array().is_some_and(|all| all.len() == 2)
    });
}

fn long_messages(speaker: &Speaker<'_>, watcher: &Bird<'_>) {
    println!(
        "- a route of more than 4,096 octets (RFC 8654): taken, told where it fits, skipped elsewhere"
    );
    let terms = |peer: &str| speaker.peer(peer).expect("the peer")["established"].clone();
    assert_eq!(terms("origin")["extended_messages"], true);
    assert_eq!(terms("plain")["extended_messages"], false);
    until_true(20, "the able peer has it", || {
        watcher.route("t3", "10.128.2.0/24").contains("(64999,1199)")
    });
    until_true(20, "the plain peer has the others", || {
        !watcher.route("t4", "10.128.1.0/24").is_empty()
    });
    assert_eq!(watcher.route("t4", "10.128.2.0/24"), "");
    let faults = speaker.peer("plain").expect("the peer")["faults"].clone();
    assert!(faults["too_big"].as_u64() >= Some(1), "{faults}");
}

fn refreshed(speaker: &Speaker<'_>, bird: &Bird<'_>) {
    println!("- BIRD sends everything again between BoRR and EoRR (RFC 7313)");
    let markers = || {
        let peer = speaker.peer("origin").expect("the peer");
        peer["received"]["route_refresh"].as_u64().expect("a number")
    };
    let before = markers();
    bird.ask("reload out us2");
    until_true(20, "both markers have come", || markers() >= before + 2);
    println!("- and when it is asked to (RFC 2918)");
    let before = markers();
    speaker.ask(&["refresh", "origin", "ipv4"]).expect("asked");
    until_true(20, "both markers have come again", || markers() >= before + 2);
    assert!(speaker.ask(&["refresh", "origin", "ipv6"]).is_none(), "not spoken with it");
    let peer = speaker.peer("origin").expect("the peer");
    let counts = &peer["families"][0];
    assert_eq!((&counts["received"], &counts["stale"]), (&4.into(), &0.into()), "{counts}");
    assert!(speaker.established("origin"));
}

fn kept_for_long(speaker: &Speaker<'_>, bird: &mut Bird<'_>, watcher: &Bird<'_>) {
    println!("- the peer is gone for longer than its restart time (RFC 9494)");
    bird.kill();
    until_true(20, "its route is told as a long-lived one", || {
        watcher.route("t3", "10.128.0.0/24").contains("(65535,6)")
    });
    until_true(20, "the peer that does not know such routes has lost it", || {
        watcher.route("t4", "10.128.0.0/24").is_empty()
    });
    until_true(20, "what is not to be kept is gone", || {
        watcher.route("t3", "10.128.1.0/24").is_empty()
    });
    let kept = speaker.route("10.128.0.0/24").expect("it is kept");
    assert!(kept.contains("llgr-stale"), "{kept}");
    let left = speaker.peer("origin").expect("the peer")["stale_for_ns"].as_u64();
    assert!(left > Some(3_000_000_000_000), "{left:?}");
    println!("- and comes back");
    bird.launch();
    until_true(30, "its routes are as good as before", || {
        let fresh = |table: &str| {
            let route = watcher.route(table, "10.128.0.0/24");
            !route.is_empty() && !route.contains("(65535,6)")
        };
        fresh("t3") && fresh("t4") && !watcher.route("t3", "10.128.1.0/24").is_empty()
    });
}

/// A reflector with two clients and two other internal peers.
const REFLECTOR: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
cluster_id = "10.255.0.99"
control = "CONTROL"
fib = "report"

[groups.client]
asn = 65010
hold_time = "9s"
connect_retry = "1s"
route_reflector_client = true

[groups.other]
asn = 65010
hold_time = "9s"
connect_retry = "1s"

[peers.b2]
group = "client"
address = "192.0.2.2"
local_address = "192.0.2.12"

[peers.b3]
group = "client"
address = "192.0.2.3"
local_address = "192.0.2.13"

[peers.b4]
group = "other"
address = "192.0.2.4"
local_address = "192.0.2.14"
add_path_send = 4

[peers.b5]
group = "other"
address = "192.0.2.5"
local_address = "192.0.2.15"
"#;

/// Four routers in one BIRD, each with a route `10.<n>.0.0/24`, a session and a table of its own. The
/// first two have 10.200.0.0/24 in common, the third takes several routes.
fn routers() -> String {
    let mut text = String::from(
        "router id 10.255.0.2;\nprotocol device {}\nfilter ours {\n\
          if source != RTS_STATIC then reject;\n \
          if net = 10.2.0.0/24 then bgp_ext_community.add((generic, 0x4004fde8, 0x4b3ebc20));\n\
          accept;\n}\n",
    );
    for nth in 2..6 {
        let shared = if nth < 4 { "route 10.200.0.0/24 blackhole;" } else { "" };
        let add_path = if nth == 4 { "add paths rx;" } else { "" };
        let _ = writeln!(
            text,
            "ipv4 table t{nth};\nprotocol static s{nth} {{ ipv4 {{ table t{nth}; }}; \
             route 10.{nth}.0.0/24 blackhole; {shared} }}\n\
             protocol bgp us{nth} {{ router id 10.255.0.{nth}; local 192.0.2.{nth} as 65010; \
             neighbor 192.0.2.1{nth} as 65010; hold time 9; connect retry time 1; \
             connect delay time 1; error wait time 1,2; \
             ipv4 {{ table t{nth}; {add_path} import all; export filter ours; }}; }}"
        );
    }
    text
}

#[test]
#[ignore = "needs root and BIRD; the test command runs it"]
fn bird_is_reflected() {
    let folder = tempfile::tempdir().expect("a folder");
    let (site, far) = (Space::new("site"), Space::new("far"));
    let ours = ["192.0.2.12/24", "192.0.2.13/24", "192.0.2.14/24", "192.0.2.15/24"];
    let addresses = ["192.0.2.2/24", "192.0.2.3/24", "192.0.2.4/24", "192.0.2.5/24"];
    link(
        End { space: &site, interface: "east", addresses: &ours },
        End { space: &far, interface: "site", addresses: &addresses },
    );
    let bird = Bird::start(&far, folder.path(), "routers", &routers());
    let speaker = Speaker::start(&site, folder.path(), REFLECTOR);
    for peer in ["b2", "b3", "b4", "b5"] {
        until_true(30, &format!("session {peer} is Established"), || speaker.established(peer));
    }
    let terms = speaker.peer("b2").expect("the peer")["established"].clone();
    assert_eq!(terms["route_reflector_client"], true);
    println!("- clients have everything, others what came from clients (RFC 4456)");
    for (router, source) in [(2, 3), (2, 4), (2, 5), (3, 2), (4, 2), (4, 3), (5, 2), (5, 3)] {
        let (table, prefix) = (format!("t{router}"), format!("10.{source}.0.0/24"));
        until_true(20, &format!("router {router} has the route of {source}"), || {
            let route = bird.route(&table, &prefix);
            let originator = format!("originator_id: 10.255.0.{source}");
            let next_hop = format!("next_hop: 192.0.2.{source}");
            [originator.as_str(), "cluster_list: 10.255.0.99", next_hop.as_str()]
                .iter()
                .all(|words| route.contains(words))
        });
    }
    for (router, source) in [(4, 5), (5, 4)] {
        assert_eq!(bird.route(&format!("t{router}"), &format!("10.{source}.0.0/24")), "");
    }
    println!("- who takes several routes is told those of both (RFC 7911)");
    let terms = speaker.peer("b4").expect("the peer")["established"].clone();
    assert_eq!(terms["add_path_send"], serde_json::json!(["ipv4-unicast"]));
    let both = ["next_hop: 192.0.2.2", "next_hop: 192.0.2.3"];
    until_true(20, "both routes are there", || {
        let routes = bird.route("t4", "10.200.0.0/24");
        both.iter().all(|next_hop| routes.contains(next_hop))
    });
    let one = bird.route("t5", "10.200.0.0/24");
    assert!(one.contains(both[0]) && !one.contains(both[1]), "{one}");
    println!("- a link bandwidth comes, is shown, and goes on inside the AS");
    let shown = speaker.route("10.2.0.0/24").expect("the route");
    assert!(shown.contains("link-bandwidth:65000:100M"), "{shown}");
    let passed = bird.route("t3", "10.2.0.0/24");
    assert!(passed.contains("(unknown 0x4004, 65000, 1262402592)"), "{passed}");
}
