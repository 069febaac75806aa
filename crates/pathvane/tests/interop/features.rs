//! One feature after the other with each of five daemons: what it can do is a step, what it cannot is
//! said in `docs/TESTING.md`.
//!
//! Two sessions, both dialled by the daemon: one with MD5 and TTL security for a configured peer, one
//! for somebody of a range.

use crate::far::{Far, Kind};
use crate::space::{End, Space, link};
use crate::speaker::Speaker;
use crate::wait::{until, until_true};

mod configs;

#[test]
#[ignore = "needs root and BIRD; the test command runs it"]
fn bird_feature_by_feature() {
    all_features(Kind::Bird);
}

#[test]
#[ignore = "needs root and FRR; the test command runs it"]
fn frr_feature_by_feature() {
    all_features(Kind::Frr);
}

#[test]
#[ignore = "needs root and GoBGP; the test command runs it"]
fn gobgp_feature_by_feature() {
    all_features(Kind::GoBgp);
}

#[test]
#[ignore = "needs root and OpenBGPD; the test command runs it"]
fn openbgpd_feature_by_feature() {
    all_features(Kind::OpenBgpd);
}

#[test]
#[ignore = "needs root and ExaBGP; the test command runs it"]
fn exabgp_feature_by_feature() {
    all_features(Kind::ExaBgp);
}

/// Our end of the first session.
const US: &str = "192.0.2.1";

const SPEAKER: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
steering = "act"
control = "CONTROL"
fib = "kernel"
drain_wait = "15s"
listen = ["0.0.0.0:179"]

[peers.far]
address = "192.0.2.2"
local_address = "192.0.2.1"
asn = 4200000001
passive = true
hold_time = "9s"
password = "sesame"
ttl_security = 1
graceful_restart = "full"
families = ["ipv4", "ipv6"]
next_hop_ipv6 = "2001:db8::1"
import = "accept-all"
ROLE

[peers.swarm]
range = "192.0.2.8/29"
asn = 4200000001
hold_time = "9s"
password = "swarm"
import = "accept-all"
max_prefixes = { ipv4 = 1000, beyond = "warn" }

[paths.far]
interface = "east"
next_hop = "192.0.2.2"
announce_via = ["far"]
probe_source = "198.51.100.1"
probes = [ { kind = "icmp", target = "192.0.2.2" } ]

[services.voice]
class = "voice"
announce = [
  { prefix = "10.20.0.0/16", while = "kernel-route" },
  { prefix = "2001:db8:20::/48", while = "kernel-route" },
]
reach = ["10.128.0.0/16"]
paths = ["far"]
"#;

fn step(what: &str) {
    println!("- {what}");
}

fn up(speaker: &Speaker<'_>, peer: &str) {
    until_true(45, &format!("session {peer} is Established"), || speaker.established(peer));
}

fn all_features(kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let (site, far) = (Space::new("site"), Space::new("far"));
    let ours = ["192.0.2.1/24", "192.0.2.4/24", "2001:db8::1/64"];
    let theirs = ["192.0.2.2/24", "192.0.2.10/24", "2001:db8::2/64"];
    link(
        End { space: &site, interface: "east", addresses: &ours },
        End { space: &far, interface: "site", addresses: &theirs },
    );
    site.own("198.51.100.1/32");
    site.run("ip route add 10.20.0.0/16 dev lo");
    site.run("ip -6 route add 2001:db8:20::/48 dev lo");
    // The others do not know roles (RFC 9234).
    let has_roles = matches!(kind, Kind::Bird | Kind::Frr | Kind::OpenBgpd);
    let role = if has_roles { "role = \"customer\"\nrole_strict = true" } else { "" };
    let mut speaker = Speaker::start(&site, folder.path(), &SPEAKER.replace("ROLE", role));
    let mut far = Far::start(&far, folder.path(), configs::told(kind));

    step("a session with MD5 and TTL security, and one of a range");
    up(&speaker, "far");
    up(&speaker, "swarm@192.0.2.10");
    step("our prefixes, both families, AS numbers of four octets");
    for prefix in ["10.20.0.0/16", "2001:db8:20::/48"] {
        until_true(20, &format!("it has {prefix}"), || far.shows(prefix).contains("65010"));
    }
    their_route(&speaker);
    if has_roles {
        step("roles: it is the provider");
        let peer = speaker.peer("far").expect("the peer");
        assert_eq!(peer["established"]["role"], "provider");
    }
    refresh(&speaker, &far);
    words(&speaker, &far);
    it_restarts(&speaker, &mut far);
    we_restart(&mut speaker, &far);
    step("a drain: GRACEFUL_SHUTDOWN on our prefix");
    speaker.ask(&["drain"]).expect("drain");
    until_true(20, "it sees the mark", || {
        let text = far.shows("10.20.0.0/16");
        [
            "65535:0",
            "65535, 0",
            "(65535,0)",
            "GRACEFUL_SHUTDOWN",
            "graceful-shutdown",
            "planned-shut",
            "[ 65535, 0 ]",
        ]
        .iter()
        .any(|mark| text.contains(mark))
    });
}

fn their_route(speaker: &Speaker<'_>) {
    step("their prefix with communities of all three kinds and MED");
    until_true(20, "their prefix is learned", || {
        speaker.route("10.128.0.0/20").is_some_and(|text| {
            ["64999:7", "64999:1:2", "rt:64999:3", "77", "4200000001"]
                .iter()
                .all(|word| text.contains(word))
        })
    });
    until_true(20, "and one of IPv6", || speaker.route("2001:db8:128::/64").is_some());
}

fn refresh(speaker: &Speaker<'_>, far: &Far<'_>) {
    let asked = || {
        let peer = speaker.peer("far").expect("the peer");
        (peer["received"]["route_refresh"].as_u64(), peer["flaps"].as_u64())
    };
    let before = asked();
    if far.refresh(US) {
        step("route refresh: it asks, and keeps our prefix");
        until_true(10, "the request arrives", || asked().0 > before.0);
        assert_eq!(asked().1, before.1, "the session stays");
        until_true(10, "our prefix is there", || far.shows("10.20.0.0/16").contains("65010"));
    }
}

fn words(speaker: &Speaker<'_>, far: &Far<'_>) {
    if !far.close_with(US, "new_cable") {
        return;
    }
    step("words with a shutdown");
    until(20, "we heard them", || {
        let reason = speaker.peer("far")?["last_error"]["reason"].to_string();
        reason.contains("new_cable").then_some(())
    });
    far.open_again(US);
    up(speaker, "far");
    their_route(speaker);
}

fn it_restarts(speaker: &Speaker<'_>, far: &mut Far<'_>) {
    let peer = speaker.peer("far").expect("the peer");
    let keeps = peer["established"]["graceful_restart"]["families"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    far.kill();
    until_true(30, "the loss is noticed", || !speaker.established("far"));
    if keeps {
        step("it is killed: its routes are kept for its restart time");
        assert!(speaker.route("10.128.0.0/20").is_some(), "kept");
    } else {
        step("it is killed, and did not ask for its routes to be kept");
        until_true(20, "they are gone", || speaker.route("10.128.0.0/20").is_none());
    }
    far.launch();
    up(speaker, "far");
    their_route(speaker);
    up(speaker, "swarm@192.0.2.10");
}

fn we_restart(speaker: &mut Speaker<'_>, far: &Far<'_>) {
    step("we are killed: who helps keeps our prefix until we are back");
    speaker.kill();
    std::thread::sleep(std::time::Duration::from_secs(1));
    if far.kind != Kind::ExaBgp {
        assert!(far.shows("10.20.0.0/16").contains("65010"), "{}", far.shows("10.20.0.0/16"));
    }
    speaker.restart();
    up(speaker, "far");
    claimed(far);
    until_true(20, "it has our prefix", || far.shows("10.20.0.0/16").contains("65010"));
    their_route(speaker);
}

/// Our kernel forwarded on while we restarted: R and F bits are in our OPEN.
fn claimed(far: &Far<'_>) {
    let words: &[&str] = match far.kind {
        Kind::Bird => &["Restart recovery", "AF preserved: ipv4 ipv6"],
        Kind::Frr => {
            &["R bit: True", "IPv4 Unicast:\n      F bit: True", "IPv6 Unicast:\n      F bit: True"]
        }
        Kind::GoBgp => &["restart flag set", "ipv4-unicast, forward", "ipv6-unicast, forward"],
        Kind::OpenBgpd => &["restarted, IPv4 unicast (preserved), IPv6 unicast (preserved)"],
        // It shows nothing of its sessions.
        Kind::ExaBgp => return,
    };
    let text = far.session(US);
    assert!(words.iter().all(|word| text.contains(word)), "{:?} shows {text}", far.kind);
}
