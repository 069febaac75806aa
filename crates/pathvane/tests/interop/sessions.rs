//! Every session feature with every daemon: one test per daemon, one step per feature.

use crate::daemon::{Config, Daemon, Kind, Session};
use crate::space::{End, Space, link};
use crate::speaker::Speaker;
use crate::wait::until_true;

/// Their AS needs four octets, and so does the one we prepend nothing to.
const THEIR_ASN: u32 = 4_200_000_001;
const OUR_ASN: u32 = 65010;

#[test]
#[ignore = "needs root and BIRD; the test command runs it"]
fn bird_speaks_with_us() {
    all_features(Kind::Bird);
}

#[test]
#[ignore = "needs root and FRR; the test command runs it"]
fn frr_speaks_with_us() {
    all_features(Kind::Frr);
}

#[test]
#[ignore = "needs root and GoBGP; the test command runs it"]
fn gobgp_speaks_with_us() {
    all_features(Kind::GoBgp);
}

/// The speaker: two sessions with one daemon (v4 carrying both families and MD5; v6), a service
/// announced while kernel routes exist.
const SPEAKER: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
steering = "act"
control = "CONTROL"
fib = "kernel"
drain_wait = "4s"
listen = ["0.0.0.0:179", "[::]:179"]

[peers.four]
address = "192.0.2.2"
local_address = "192.0.2.1"
asn = 4200000001
hold_time = "9s"
connect_retry = "1s"
families = ["ipv4", "ipv6"]
next_hop_ipv6 = "2001:db8::1"
password = "sesame"
multihop = 5
import = "accept-all"

[peers.six]
address = "2001:db8::2"
local_address = "2001:db8::1"
asn = 4200000001
hold_time = "9s"
connect_retry = "1s"
families = ["ipv6"]
multihop = 5
import = "accept-all"

[paths.four]
interface = "east"
next_hop = "192.0.2.2"
announce_via = ["four"]
probe_source = "198.51.100.1"
probes = [ { kind = "icmp", target = "192.0.2.2" } ]

[services.voice]
class = "voice"
announce = [
  { prefix = "10.20.0.0/16", while = "kernel-route" },
  { prefix = "2001:db8:20::/48", while = "kernel-route" },
]
reach = ["10.128.0.0/16", "2001:db8:128::/48"]
paths = ["four"]
"#;

fn daemon_config() -> Config {
    let session = |remote: &str, local: &str, v4, password: Option<&str>| Session {
        remote: remote.into(),
        local: local.into(),
        v4,
        v6: true,
        password: password.map(str::to_owned),
    };
    Config {
        asn: THEIR_ASN,
        our_asn: OUR_ASN,
        id: "10.255.0.2".into(),
        hold_time: 9,
        sessions: vec![
            session("192.0.2.1", "192.0.2.2", true, Some("sesame")),
            session("2001:db8::1", "2001:db8::2", false, None),
        ],
        announces: vec!["10.128.0.0/20".into(), "2001:db8:128::/64".into()],
        kernel: false,
    }
}

fn all_features(kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let (site, far) = (Space::new("site"), Space::new("far"));
    link(
        End { space: &site, interface: "east", addresses: &["192.0.2.1/24", "2001:db8::1/64"] },
        End { space: &far, interface: "site", addresses: &["192.0.2.2/24", "2001:db8::2/64"] },
    );
    site.own("198.51.100.1/32");
    site.run("ip route add 10.20.0.0/16 dev lo");
    site.run("ip -6 route add 2001:db8:20::/48 dev lo");
    let mut daemon = Daemon::start(kind, &far, folder.path(), daemon_config());
    let mut speaker = Speaker::start(&site, folder.path(), SPEAKER);

    step("sessions over IPv4 (with MD5) and IPv6");
    up(&speaker);
    daemon.after_start();
    routes_both_ways(&speaker, &daemon);
    announce_and_withdraw(&site, &speaker, &mut daemon);
    frozen_and_back(&speaker, &daemon);
    killed_and_back(&speaker, &mut daemon);
    our_restart(&mut speaker, &daemon);
    med_rises_before_we_leave(&speaker, &daemon);
}

fn step(what: &str) {
    println!("- {what}");
}

fn up(speaker: &Speaker<'_>) {
    for peer in ["four", "six"] {
        until_true(30, &format!("session {peer} is Established"), || speaker.established(peer));
    }
}

fn routes_both_ways(speaker: &Speaker<'_>, daemon: &Daemon<'_>) {
    step("announce: IPv4, and IPv6 over an IPv4 session; communities, MED, four-octet AS");
    until_true(20, "the daemon has our IPv4 prefix with MED", || {
        daemon.route("10.20.0.0/16").is_some_and(|route| route.says(&["20000"]))
    });
    until_true(20, "the daemon has our IPv6 prefix", || daemon.route("2001:db8:20::/48").is_some());
    step("learn: their prefixes with community, MED and AS path");
    for prefix in ["10.128.0.0/20", "2001:db8:128::/64"] {
        until_true(20, &format!("{prefix} is learned"), || {
            speaker.route(prefix).is_some_and(|text| {
                ["64999:7", "77", "4200000001"].iter().all(|word| text.contains(word))
            })
        });
    }
}

fn announce_and_withdraw(site: &Space, speaker: &Speaker<'_>, daemon: &mut Daemon<'_>) {
    step("withdraw: our prefix goes with its kernel route and comes back with it");
    site.run("ip route del 10.20.0.0/16 dev lo");
    until_true(20, "our prefix is withdrawn", || daemon.route("10.20.0.0/16").is_none());
    site.run("ip route add 10.20.0.0/16 dev lo");
    until_true(20, "our prefix is announced again", || daemon.route("10.20.0.0/16").is_some());
    step("withdraw: theirs");
    daemon.set_announces(&["10.128.16.0/20"]);
    until_true(20, "the new prefix is learned", || speaker.route("10.128.16.0/20").is_some());
    until_true(20, "the old prefix is gone", || speaker.route("10.128.0.0/20").is_none());
}

fn frozen_and_back(speaker: &Speaker<'_>, daemon: &Daemon<'_>) {
    step("hold timer: a frozen peer is noticed, and comes back");
    daemon.freeze(true);
    until_true(30, "the hold timer expires", || !speaker.established("four"));
    daemon.freeze(false);
    up(speaker);
}

fn killed_and_back(speaker: &Speaker<'_>, daemon: &mut Daemon<'_>) {
    step("peer killed, and back");
    daemon.kill();
    until_true(30, "the loss is noticed", || !speaker.established("four"));
    daemon.launch();
    up(speaker);
    daemon.after_start();
    until_true(30, "routes are back", || speaker.route("10.128.16.0/20").is_some());
}

fn our_restart(speaker: &mut Speaker<'_>, daemon: &Daemon<'_>) {
    step("our restart: killed, started, everything as before");
    speaker.kill();
    speaker.restart();
    up(speaker);
    until_true(30, "our prefix is announced again", || daemon.route("10.20.0.0/16").is_some());
}

fn med_rises_before_we_leave(speaker: &Speaker<'_>, daemon: &Daemon<'_>) {
    step("MED change: a drain raises it, then withdraws and says CEASE");
    speaker.ask(&["drain"]).expect("drain is taken");
    until_true(20, "MED is raised", || {
        daemon.route("10.20.0.0/16").is_some_and(|route| route.says(&["40000"]))
    });
    until_true(20, "the prefix is withdrawn", || daemon.route("10.20.0.0/16").is_none());
}
