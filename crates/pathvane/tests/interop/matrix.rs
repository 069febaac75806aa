//! What the daemons can do beside what `features.rs` and `sessions.rs` ask of all: one row for each feature,
//! with those that have it. `docs/TESTING.md` says of the others why not.
//!
//! Each daemon has three sessions with us (`able` where everything is offered, `six` over IPv6, `extra`
//! which comes and goes) and two with a companion, from which both sides get routes to pass on. The
//! daemons' lives mostly wait, so all of them are led at a time. `PATHVANE_INTEROP=Frr` leads one alone.

use std::path::Path;

use serde_json::Value;

use crate::bird::Bird;
use crate::far::{Far, Kind, each_of};
use crate::space::{End, Space, link};
use crate::speaker::Speaker;
use crate::wait::{until, until_true};

mod configs;
mod reflected;

use Kind::{Bird as BIRD, ExaBgp, Frr, GoBgp, OpenBgpd};

/// Our ends of the sessions.
const US: &str = "192.0.2.1";
const EXTRA: &str = "192.0.2.5";
const US_SIX: &str = "2001:db8::1";

/// What is tried, with whom, and how.
type Row = (&'static str, &'static [Kind], fn(&mut World<'_>));

const ROWS: [Row; 16] = [
    ("a session over IPv6", &[BIRD, Frr, GoBgp, OpenBgpd, ExaBgp], over_ipv6),
    ("IPv4 over IPv6 next hops (RFC 8950)", &[BIRD, Frr, ExaBgp], next_hops),
    ("several routes per prefix (RFC 7911)", &[Frr, GoBgp, OpenBgpd, ExaBgp], several_routes),
    ("extended messages (RFC 8654)", &[Frr, ExaBgp], long_messages),
    ("enhanced refresh (RFC 7313)", &[Frr, OpenBgpd, ExaBgp], refreshed),
    ("a refresh that we ask for (RFC 2918)", &[Frr], asked),
    ("announce and withdraw", &[OpenBgpd, ExaBgp], announced_and_withdrawn),
    ("frozen, and back", &[OpenBgpd, ExaBgp], frozen_and_back),
    ("a reload", &[Frr, GoBgp, OpenBgpd, ExaBgp], peers_come_and_go),
    ("a limit closes, a higher one opens", &[Frr, GoBgp, OpenBgpd, ExaBgp], limited),
    ("roles have to fit (RFC 9234)", &[Frr, OpenBgpd], roles),
    ("words with a reset (RFC 9003)", &[Frr, GoBgp, OpenBgpd], words),
    ("a range in a reload", &[Frr, GoBgp, OpenBgpd, ExaBgp], ranges_come_and_go),
    ("a NOTIFICATION that keeps routes (RFC 8538)", &[Frr, GoBgp], kept_through_a_reset),
    ("long-lived graceful restart (RFC 9494)", &[Frr, GoBgp], kept_for_long),
    ("leaving", &[Frr, GoBgp, OpenBgpd, ExaBgp], leaving),
];

#[test]
#[ignore = "needs root and the daemons; the test command runs it"]
fn daemons_row_by_row() {
    each_of(&[BIRD, Frr, GoBgp, OpenBgpd, ExaBgp], lead);
}

/// A daemon with all that it meets.
struct World<'a> {
    kind: Kind,
    site: &'a Space,
    far: Far<'a>,
    speaker: Speaker<'a>,
    companion: Bird<'a>,
}

fn lead(kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let [site, far, beside] = ["site", "far", "beside"].map(Space::new);
    connect(&site, &far, &beside);
    site.own("198.18.0.1/32");
    site.run("ip route add 10.20.0.0/16 dev lo");
    let mut world = World::new(kind, (&site, &far, &beside), folder.path());
    for (what, _, play) in ROWS.iter().filter(|(_, with, _)| with.contains(&kind)) {
        println!("- {kind:?}: {what}");
        play(&mut world);
    }
}

fn connect(site: &Space, far: &Space, beside: &Space) {
    let ours = ["192.0.2.1/24", "192.0.2.5/24", "2001:db8::1/64"];
    let theirs = ["192.0.2.2/24", "192.0.2.6/24", "2001:db8::2/64"];
    link(
        End { space: site, interface: "far", addresses: &ours },
        End { space: far, interface: "site", addresses: &theirs },
    );
    let ours = ["198.51.100.1/24", "198.51.100.4/24"];
    let theirs = ["198.51.100.2/24", "198.51.100.3/24"];
    link(
        End { space: site, interface: "beside", addresses: &ours },
        End { space: beside, interface: "site", addresses: &theirs },
    );
    let ours = ["203.0.113.1/24", "203.0.113.4/24"];
    let theirs = ["203.0.113.2/24", "203.0.113.3/24"];
    link(
        End { space: far, interface: "beside", addresses: &ours },
        End { space: beside, interface: "far", addresses: &theirs },
    );
}

const SPEAKER: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
steering = "act"
control = "CONTROL"
fib = "kernel"
drain_wait = "4s"
listen = ["0.0.0.0:179", "[::]:179"]

[groups.far]
asn = 65001
hold_time = "9s"
connect_retry = "1s"
import = "accept-all"
export = "accept-all"

[peers.able]
group = "far"
address = "192.0.2.2"
local_address = "192.0.2.1"
graceful_restart = "full"
restart_time = "1s"
restart_after_notification = true
long_lived_stale_time = "1h"
long_lived_restart_time = "1h"
extended_messages = true
add_path_receive = true
add_path_send = 4

[peers.six]
group = "far"
address = "2001:db8::2"
local_address = "2001:db8::1"
families = FAMILIES

[groups.beside]
hold_time = "9s"
connect_retry = "1s"
import = "accept-all"
extended_messages = true
long_lived_stale_time = "1h"

[peers.beside-a]
group = "beside"
address = "198.51.100.2"
local_address = "198.51.100.1"
asn = 65003

[peers.beside-b]
group = "beside"
address = "198.51.100.3"
local_address = "198.51.100.4"
asn = 65004

[paths.far]
interface = "far"
next_hop = "192.0.2.2"
announce_via = ["able"]
probe_source = "198.18.0.1"
probes = [ { kind = "icmp", target = "192.0.2.2" } ]

[services.voice]
class = "voice"
announce = [ { prefix = "10.20.0.0/16", while = "kernel-route" } ]
reach = ["10.129.0.0/16"]
paths = ["far"]

[policies.of-extra]
terms = [
  { match = { peer = ["extra"] }, action = "accept" },
]
"#;

/// The third session.
const EXTRA_PEER: &str = "[peers.extra]\ngroup = \"far\"\naddress = \"192.0.2.6\"\n\
                          local_address = \"192.0.2.5\"\npassive = true\n";

/// The configuration, with `more` at its end.
fn config(kind: Kind, more: &str) -> String {
    // The others have one of them on this session: their own.
    let both = matches!(kind, Kind::Bird | Frr | ExaBgp);
    let families = if both { r#"["ipv4", "ipv6"]"# } else { r#"["ipv6"]"# };
    let named = if more.contains("[peers.extra]") { SPEAKER } else { &without_policy() };
    format!("{}\n{more}", named.replace("FAMILIES", families))
}

/// A policy names peers that there are.
fn without_policy() -> String {
    SPEAKER.split("[policies.of-extra]").next().unwrap_or_default().to_owned()
}

impl<'a> World<'a> {
    fn new(kind: Kind, spaces: (&'a Space, &'a Space, &'a Space), folder: &Path) -> Self {
        let (site, far, beside) = spaces;
        let companion = Bird::start(beside, folder, "companion", &configs::companion());
        let speaker = Speaker::start(site, folder, &config(kind, ""));
        let far = Far::start(far, folder, configs::told(kind));
        Self { kind, site, far, speaker, companion }
    }

    /// Waits for a session, which the daemon opens from where it waits for ours at `us`.
    fn up(&self, peer: &str, us: &str) {
        for _ in 0..6 {
            for _ in 0..100 {
                if self.speaker.established(peer) {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            // Daemons that were refused for a while wait longer and longer.
            self.far.open_again(us);
        }
        panic!("{:?}: session {peer} is not Established: {:?}", self.kind, self.speaker.peer(peer));
    }

    fn peer(&self, name: &str) -> Value {
        self.speaker.peer(name).expect("the peer")
    }

    /// Our routes for a prefix that a peer sent.
    fn routes(&self, peer: &str, prefix: &str) -> Vec<Value> {
        let answer = self.speaker.json(&["explain", prefix]).unwrap_or_default();
        if answer["prefix"] != prefix {
            return Vec::new();
        }
        let all = answer["candidates"].as_array().cloned().unwrap_or_default();
        let routes = all.into_iter().map(|candidate| candidate["route"].clone());
        routes.filter(|route| route["peer"] == peer).collect()
    }

    /// Waits until what the daemon says of a prefix has all these words.
    fn shown(&self, prefix: &str, words: &[&str]) {
        until_true(20, &format!("{:?} shows {prefix} with {words:?}", self.kind), || {
            let text = self.far.shows(prefix).replace([',', '[', ']'], "");
            let text: Vec<_> = text.split_whitespace().collect();
            let text = text.join(" ");
            words.iter().all(|word| text.contains(word))
        });
    }

    /// Waits until the daemon has no route of ours for a prefix. ExaBGP, which has no table, knows no
    /// end of other sessions either.
    fn not_shown(&self, prefix: &str) {
        let ours = format!("\"{US}\"");
        until_true(20, &format!("{:?} has lost {prefix}", self.kind), || {
            let text = self.far.shows(prefix);
            let mut lines = text.lines().filter(|line| line.contains("65010"));
            !lines.any(|line| self.kind != ExaBgp || line.contains(&ours))
        });
    }

    /// Reads the configuration with `more` at its end; what was done.
    fn reload(&self, more: &str) -> String {
        self.speaker.rewrite(&config(self.kind, more));
        self.speaker.reload().expect("reloaded")
    }

    /// How often a session left Established, and how many OPENs it took: unchanged if untouched.
    fn history(&self, peer: &str) -> (Option<u64>, Option<u64>) {
        let peer = self.peer(peer);
        (peer["flaps"].as_u64(), peer["sent"]["open"].as_u64())
    }
}

fn over_ipv6(world: &mut World<'_>) {
    world.up("six", US_SIX);
    until_true(20, "their prefix is learned", || {
        let routes = world.routes("six", "2001:db8:128::/64");
        routes.first().is_some_and(|route| route["next_hop"] == "2001:db8::2")
    });
}

fn next_hops(world: &mut World<'_>) {
    until_true(20, "their IPv4 prefix has an IPv6 next hop", || {
        let routes = world.routes("six", "10.128.0.0/20");
        routes.first().is_some_and(|route| route["next_hop"] == "2001:db8::2")
    });
    let ours = match world.kind {
        Kind::Bird => "BGP.next_hop: 2001:db8::1",
        Frr => "2001:db8::1 from 2001:db8::1",
        _ => "\"ipv4 unicast\": { \"2001:db8::1\"",
    };
    world.shown("10.151.0.0/24", &[ours]);
}

fn several_routes(world: &mut World<'_>) {
    world.up("able", US);
    let terms = world.peer("able")["established"].clone();
    let both = serde_json::json!(["ipv4-unicast"]);
    assert_eq!((&terms["add_path_receive"], &terms["add_path_send"]), (&both, &both), "{terms}");
    until_true(30, "both its routes are there", || {
        world.routes("able", "10.150.0.0/24").len() == 2
    });
    world.shown("10.151.0.0/24", &["65010 65003", "65010 65004"]);
}

fn long_messages(world: &mut World<'_>) {
    let terms = world.peer("able")["established"].clone();
    assert_eq!(terms["extended_messages"], true, "{terms}");
    until_true(20, "a route of more than 4,096 octets is learned", || {
        let routes = world.routes("able", "10.153.0.0/24");
        routes.first().is_some_and(|route| route.to_string().contains("64999:1199"))
    });
    // ExaBGP prints communities as pairs, FRR what fits into 8 KiB.
    let far = if world.kind == ExaBgp { "64999 1199" } else { "64999:800" };
    world.shown("10.152.0.0/24", &[far]);
}

fn refreshed(world: &mut World<'_>) {
    let markers = || world.peer("able")["sent"]["route_refresh"].as_u64();
    let (before, history) = (markers(), world.history("able"));
    assert!(world.far.refresh(US));
    until_true(10, "its request is answered between BoRR and EoRR", || {
        markers() == before.map(|count| count + 2)
    });
    world.shown("10.20.0.0/16", &["65010"]);
    assert_eq!(world.history("able"), history, "the session stays");
}

fn asked(world: &mut World<'_>) {
    let history = world.history("able");
    let heard = || world.peer("able")["received"]["route_refresh"].as_u64();
    let (before, routes) = (heard(), world.peer("able")["families"][0]["received"].clone());
    assert!(routes.as_u64() > Some(1), "{routes}");
    world.speaker.ask(&["refresh", "able"]).expect("asked");
    until_true(10, "it answers our request between BoRR and EoRR", || {
        heard() >= before.map(|count| count + 2)
    });
    until_true(10, "and repeats all", || {
        let counts = world.peer("able")["families"][0].clone();
        counts["stale"] == 0 && counts["received"] == routes
    });
    assert_eq!(world.history("able"), history, "the session stays");
}

fn announced_and_withdrawn(world: &mut World<'_>) {
    world.shown("10.20.0.0/16", &["65010", "20000"]);
    world.site.run("ip route del 10.20.0.0/16 dev lo");
    world.not_shown("10.20.0.0/16");
    world.site.run("ip route add 10.20.0.0/16 dev lo");
    world.shown("10.20.0.0/16", &["65010"]);
    world.far.announce("10.128.32.0/20", true);
    until_true(20, "theirs is learned", || !world.routes("able", "10.128.32.0/20").is_empty());
    world.far.announce("10.128.32.0/20", false);
    until_true(20, "and gone", || world.routes("able", "10.128.32.0/20").is_empty());
}

fn frozen_and_back(world: &mut World<'_>) {
    world.far.freeze(true);
    until_true(30, "the hold timer expires", || !world.speaker.established("able"));
    world.far.freeze(false);
    world.up("able", US);
    world.shown("10.20.0.0/16", &["65010"]);
}

fn peers_come_and_go(world: &mut World<'_>) {
    let before = world.history("able");
    let done = world.reload(EXTRA_PEER);
    assert!(done.contains("added extra"), "{done}");
    world.up("extra", EXTRA);
    until_true(20, "its routes are accepted", || {
        !world.routes("extra", "10.128.0.0/20").is_empty()
    });
    let done = world.reload(&format!("{EXTRA_PEER}hold_time = \"6s\"\nimport = \"of-extra\"\n"));
    assert!(done.contains("extra"), "{done}");
    let hold = |world: &World<'_>| world.peer("extra")["established"]["hold_time_ns"].as_u64();
    until_true(45, "the session is back with the new hold time", || {
        world.far.open_again(EXTRA);
        hold(world) == Some(6_000_000_000)
    });
    until_true(20, "the policy that names it accepts its routes", || {
        let routes = world.routes("extra", "10.128.0.0/20");
        routes.first().is_some_and(|route| route["accepted"] == true)
    });
    world.reload("");
    until_true(10, "the peer is gone", || world.speaker.peer("extra").is_none());
    assert_eq!(world.history("able"), before, "others are untouched");
}

fn limited(world: &mut World<'_>) {
    let before = world.history("able");
    world.reload(EXTRA_PEER);
    world.up("extra", EXTRA);
    until_true(20, "two routes and more", || {
        world.peer("extra")["families"][0]["received"].as_u64() >= Some(2)
    });
    world.reload(&format!("{EXTRA_PEER}max_prefixes = {{ ipv4 = 1 }}\n"));
    until_true(10, "the session is closed for its prefixes", || {
        world.peer("extra")["closed_for_limit"] == true
    });
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(!world.speaker.established("extra"), "it dials, and is refused");
    world.reload(&format!("{EXTRA_PEER}max_prefixes = {{ ipv4 = 100 }}\n"));
    world.far.open_again(EXTRA);
    world.up("extra", EXTRA);
    assert_eq!(world.history("able"), before, "others are untouched");
}

fn roles(world: &mut World<'_>) {
    world.reload(&format!("{EXTRA_PEER}role = \"peer\"\n"));
    world.far.open_again(EXTRA);
    until_true(20, "the roles mismatch", || {
        world.peer("extra")["last_error"]["reason"].to_string().contains("Role Mismatch")
    });
    world.reload(&format!("{EXTRA_PEER}role = \"customer\"\nrole_strict = true\n"));
    world.far.open_again(EXTRA);
    world.up("extra", EXTRA);
    assert_eq!(world.peer("extra")["established"]["role"], "provider");
}

fn words(world: &mut World<'_>) {
    world.speaker.ask(&["reset", "extra", "--text", "new cable tonight"]).expect("reset");
    until_true(10, &format!("{:?} heard the words", world.kind), || {
        world.far.log().contains("new cable tonight")
    });
}

fn ranges_come_and_go(world: &mut World<'_>) {
    let before = world.history("able");
    let range = |hold: u8| {
        format!(
            "[peers.any]\ngroup = \"far\"\nrange = \"192.0.2.4/30\"\n\
             local_address = \"192.0.2.5\"\nhold_time = \"{hold}s\"\n"
        )
    };
    let came = "any@192.0.2.6";
    world.reload(&range(9));
    world.far.open_again(EXTRA);
    world.up(came, EXTRA);
    world.reload(&range(6));
    until_true(60, "the session is back with the new hold time", || {
        world.far.open_again(EXTRA);
        let peer = world.speaker.peer(came);
        peer.and_then(|peer| peer["established"]["hold_time_ns"].as_u64()) == Some(6_000_000_000)
    });
    world.reload("");
    until_true(10, "it is gone with its range", || world.speaker.peer(came).is_none());
    assert_eq!(world.history("able"), before, "others are untouched");
}

fn kept_through_a_reset(world: &mut World<'_>) {
    let flaps = world.peer("able")["flaps"].as_u64();
    world.speaker.ask(&["reset", "able"]).expect("reset");
    until(45, "the session is back", || {
        let kept = !world.routes("able", "10.150.0.0/24").is_empty();
        assert!(world.far.shows("10.151.0.0/24").contains(US), "it keeps ours");
        let peer = world.peer("able");
        let back = peer["flaps"].as_u64() > flaps && peer["state"] == "Established";
        // Some come back without the F bit: then theirs go for the moment until they are told again.
        assert!(kept || back, "we keep theirs");
        back.then_some(())
    });
    until_true(30, "and theirs are told again", || {
        let routes = world.routes("able", "10.128.16.0/20");
        routes.first().is_some_and(|route| route["stale"] == false)
    });
}

fn kept_for_long(world: &mut World<'_>) {
    let marked = |world: &World<'_>| {
        let routes = world.routes("able", "10.128.16.0/20");
        routes.first().map(|route| route["communities"].to_string().contains("llgr-stale"))
    };
    world.far.kill();
    until_true(20, "its routes are kept beyond its restart time", || marked(world) == Some(true));
    assert!(world.peer("able")["stale_for_ns"].as_u64() > Some(3_000_000_000_000));
    world.far.launch();
    world.up("able", US);
    until_true(30, "they are as good as before", || marked(world) == Some(false));
    world.shown("10.151.0.0/24", &["65010 65003"]);
    world.companion.kill();
    world.shown("10.151.0.0/24", &["llgr-stale"]);
    // And the other way round.
    world.speaker.kill();
    world.shown("10.20.0.0/16", &["65010", "llgr-stale"]);
    world.speaker.restart();
    world.up("able", US);
    until_true(30, "ours is as good as before", || {
        let text = world.far.shows("10.20.0.0/16");
        text.contains("65010") && !text.contains("llgr-stale")
    });
}

fn leaving(world: &mut World<'_>) {
    world.shown("10.20.0.0/16", &["65010", "20000"]);
    // Words would be too much for ExaBGP.
    let (words, heard) = match world.kind {
        ExaBgp => ("", "notification received (6,2)"),
        _ => ("gone fishing", "gone fishing"),
    };
    world.speaker.ask(&["drain", "--text", words]).expect("drain");
    world.shown("10.20.0.0/16", &["40000"]);
    world.not_shown("10.20.0.0/16");
    until_true(20, &format!("{:?} heard the last words", world.kind), || {
        world.far.log().contains(heard)
    });
}
