//! What routes carry from daemon to daemon, and where they stop: AS numbers of two octets, link bandwidth,
//! well-known communities, what policy says, how many prefixes a peer is told, a router between.
//!
//! Each daemon has a session for each of these with us, over addresses of its own; a companion, which
//! speaks with both sides, is where routes come from and who else is told. All daemons are led at a
//! time. `PATHVANE_INTEROP=Frr` leads one alone.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bird::Bird;
use crate::far::{Far, Kind, each_of};
use crate::space::{End, Space, link};
use crate::speaker::Speaker;
use crate::wait::until_true;

mod configs;

use Kind::{Bird as BIRD, ExaBgp, Frr, GoBgp, OpenBgpd};

/// What is tried, with whom, and how.
type Row = (&'static str, &'static [Kind], fn(&World<'_>));

const ALL: &[Kind] = &[BIRD, Frr, GoBgp, OpenBgpd, ExaBgp];

const ROWS: [Row; 7] = [
    ("AS numbers of two octets (RFC 6793)", &[BIRD, OpenBgpd, ExaBgp], old_numbers),
    ("extended optional parameters (RFC 9072)", &[BIRD, Frr], long_open),
    ("link bandwidth", ALL, link_bandwidth),
    ("well-known communities (RFC 1997)", ALL, well_known),
    ("what policy says", ALL, policy),
    ("how many prefixes it is told", ALL, few),
    ("a router between", ALL, router_between),
];

#[test]
#[ignore = "needs root and the daemons; the test command runs it"]
fn routes_carry_what_they_should() {
    each_of(ALL, lead);
}

/// A daemon with all that it meets.
struct World<'a> {
    kind: Kind,
    far: Far<'a>,
    speaker: Speaker<'a>,
    companion: Bird<'a>,
}

fn lead(kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let [site, far, beside] = ["site", "far", "beside"].map(Space::new);
    connect(&site, &far, &beside);
    let world = World::new(kind, (&site, &far, &beside), folder.path());
    for (what, _, play) in ROWS.iter().filter(|(_, with, _)| with.contains(&kind)) {
        println!("- {kind:?}: {what}");
        play(&world);
    }
}

fn connect(site: &Space, far: &Space, beside: &Space) {
    let ours = ["192.0.2.1/24", "192.0.2.5/24", "192.0.2.9/24", "192.0.2.13/24"];
    let theirs = ["192.0.2.2/24", "192.0.2.6/24", "192.0.2.10/24", "192.0.2.14/24"];
    link(
        End { space: site, interface: "far", addresses: &ours },
        End { space: far, interface: "site", addresses: &theirs },
    );
    link(
        End {
            space: site,
            interface: "beside",
            addresses: &["198.51.100.1/24", "198.51.100.4/24"],
        },
        End {
            space: beside,
            interface: "site",
            addresses: &["198.51.100.2/24", "198.51.100.3/24"],
        },
    );
    link(
        End { space: far, interface: "beside", addresses: &["203.0.113.1/24"] },
        End { space: beside, interface: "far", addresses: &["203.0.113.2/24"] },
    );
    // The way of the session that has a router between.
    beside.forward(true);
    site.run("ip route add 203.0.113.0/24 via 198.51.100.2");
    far.run("ip route add 198.51.100.0/24 via 203.0.113.2");
}

impl<'a> World<'a> {
    fn new(kind: Kind, spaces: (&'a Space, &'a Space, &'a Space), folder: &Path) -> Self {
        let (site, far, beside) = spaces;
        let companion =
            Bird::start(beside, folder, "companion", &configs::companion(&[0, 1, 2, 3, 4, 5]));
        let speaker = Speaker::start(site, folder, &configs::speaker(2));
        let far = Far::start(far, folder, configs::told(kind));
        let world = Self { kind, far, speaker, companion };
        for peer in ["ours", "inside"] {
            until_true(45, &format!("{peer} is Established"), || world.speaker.established(peer));
        }
        world
    }

    fn up(&self, peer: &str) {
        until_true(60, &format!("{:?}: session {peer} is Established", self.kind), || {
            self.speaker.established(peer)
        });
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

    /// Waits for a route of the peer that is like this.
    fn learned(&self, peer: &str, prefix: &str, like: impl Fn(&Value) -> bool) {
        until_true(30, &format!("{:?}: {prefix} of {peer} is right", self.kind), || {
            self.routes(peer, prefix).first().is_some_and(&like)
        });
    }

    /// What the daemon says of a prefix, less what only some of them write between numbers.
    fn text(&self, prefix: &str) -> String {
        let text = self.far.shows(prefix).replace([',', '[', ']'], " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Waits until that has all these words, and none of those.
    fn shown(&self, prefix: &str, words: &[&str], never: &[&str]) {
        let what = format!("{:?} shows {prefix} with {words:?} without {never:?}", self.kind);
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let text = self.text(prefix);
            let right = words.iter().all(|word| text.contains(word))
                && !never.iter().any(|word| text.contains(word));
            if right {
                return;
            }
            assert!(Instant::now() < end, "not within 30 s: {what}, but {text}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Our path has a number that does not fit, and so has theirs: AS_TRANS stands in AS_PATH, the number in
/// AS4_PATH. Who is told to offer no four octets puts both together all the same.
fn old_numbers(world: &World<'_>) {
    world.up("old");
    let terms = world.speaker.peer("old").expect("the peer")["established"].clone();
    assert_eq!(terms["four_octet_as"], false, "{terms}");
    world.shown("10.61.0.0/24", &["65010 4200000003"], &["23456"]);
    world.learned("old", "10.150.0.0/24", |route| route["as_path"] == "65001 4200000003");
}

/// Parameters of an OPEN with a length of two octets: BIRD has more than fit. FRR writes them if it is
/// told to; it then takes any OPEN for one like that, and cannot read ours. We read its own, and have
/// nothing against it.
fn long_open(world: &World<'_>) {
    if world.kind == BIRD {
        return world.up("few");
    }
    let peer = || world.speaker.peer("old").expect("the peer");
    until_true(60, "its OPEN is answered with a KEEPALIVE", || {
        peer()["sent"]["keepalive"].as_u64() > Some(0)
    });
    until_true(20, "it does not like ours", || {
        peer()["last_error"]["reason"].to_string().contains("received OPEN Message Error")
    });
    assert_eq!(peer()["sent"]["notification"], 0, "{}", peer());
}

/// 100 Mbit/s each way. Theirs is kept and told to our internal peer, and to an external one if it is
/// transitive; ours is in its table.
fn link_bandwidth(world: &World<'_>) {
    world.up("plain");
    world.up("shaped");
    // These two tell external peers what is not transitive, too.
    let (name, octets) = match world.kind {
        GoBgp | ExaBgp => ("link-bandwidth:65001:100M", "0x4004, 65001, 1262402592"),
        _ => ("link-bandwidth-transitive:65001:100M", "0x4, 65001, 1262402592"),
    };
    world.learned("plain", "10.71.0.0/24", |route| {
        route["communities"] == serde_json::json!([name])
    });
    let told = |table: &str| world.companion.route(table, "10.71.0.0/24");
    until_true(20, "our internal peer is told", || told("t_inside").contains(octets));
    // What OpenBGPD tells us comes from this very peer, and is not for it.
    if world.kind != OpenBgpd {
        until_true(20, "our external peer has the route", || !told("t_ours").is_empty());
        let kept = name.contains("-transitive");
        assert_eq!(told("t_ours").contains("65001, 1262402592"), kept, "{}", told("t_ours"));
    }
    let (ours, transitive) = match world.kind {
        BIRD => ("(unknown 0x4004 65010 1262402592)", "(unknown 0x4 65010 1262402592)"),
        Frr => ("LB:65010:12500000 (100.000 Mbps)", "LB:65010:12500000 (100.000 Mbps)"),
        GoBgp => ("Extcomms: 65010:12500000", "Extcomms: 65010:12500000"),
        // It drops of an external peer what is not transitive.
        OpenBgpd => ("", "Ext. Communities: 4 65010:1262402592"),
        // All eight octets as a number: 0x4004fdf24b3ebc20, 0x0004fdf24b3ebc20.
        ExaBgp => ("4613091135420546080", "1405116993158176"),
    };
    world.shown("10.62.6.0/24", &["65010 4200000003", ours], &[]);
    world.shown("10.62.7.0/24", &["65010 4200000003", transitive], &[]);
}

/// What the communities forbid, the companion is not told, be it external or internal.
fn well_known(world: &World<'_>) {
    world.up("plain");
    let told = |table: &str, net: u8| {
        !world.companion.route(table, &format!("10.70.{net}.0/24")).is_empty()
    };
    for net in 0..4 {
        world.learned("plain", &format!("10.70.{net}.0/24"), |route| route["best"] == true);
    }
    until_true(20, "what may go everywhere arrives", || told("t_ours", 0) && told("t_inside", 0));
    until_true(20, "NO_EXPORT stays inside", || told("t_inside", 1));
    until_true(20, "and so does NO_EXPORT_SUBCONFED", || told("t_inside", 3));
    for (table, net) in [("t_ours", 1), ("t_ours", 2), ("t_inside", 2), ("t_ours", 3)] {
        assert!(!told(table, net), "{:?}: 10.70.{net}.0/24 in {table}", world.kind);
    }
}

fn policy(world: &World<'_>) {
    world.up("shaped");
    world.shown("10.62.1.0/24", &["65010"], &["4200000003"]);
    world.shown("10.62.2.0/24", &["65010 65010"], &["4200000003"]);
    world.shown(
        "10.62.3.0/24",
        &["65010 65010 65010 4200000003", "5555", "192.0.2.13"],
        &["198.51.100.2"],
    );
    world.shown("10.62.4.0/24", &["65010 4200000003", "198.51.100.2"], &[]);
    world.shown("10.62.5.0/24", &["65010 4200000003", "192.0.2.77"], &[]);
}

/// Of six prefixes it is told three, and others when there is room; never more.
fn few(world: &World<'_>) {
    world.up("few");
    let six: Vec<_> = (0..6).map(|net| format!("10.60.{net}.0/24")).collect();
    let three = |among: &[u8]| {
        let among: Vec<_> = among.iter().map(|&net| six[usize::from(net)].as_str()).collect();
        let mut found = Vec::new();
        let end = Instant::now() + Duration::from_secs(30);
        let mut since = None;
        while since.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(2)) {
            assert!(Instant::now() < end, "{:?} has {found:?}, not three of {among:?}", world.kind);
            found = world.far.has(&six);
            assert!(found.len() <= 3, "{:?} has {found:?}", world.kind);
            let right = found.len() == 3 && found.iter().all(|prefix| among.contains(prefix));
            since = right.then(|| since.unwrap_or_else(Instant::now));
        }
        found
    };
    let first = three(&[0, 1, 2, 3, 4, 5]);
    let counts = world.speaker.peer("few").expect("the peer")["families"][0].clone();
    assert_eq!((&counts["advertised"], &counts["withheld"]), (&3.into(), &3.into()), "{counts}");
    let flaps = world.speaker.peer("few").expect("the peer")["flaps"].clone();
    let gone = &first[..2];
    let left: Vec<_> =
        (0..6).filter(|&net| !gone.contains(&six[usize::from(net)].as_str())).collect();
    world.companion.write(&configs::companion(&left));
    world.companion.ask("configure");
    three(&left);
    let peer = world.speaker.peer("few").expect("the peer");
    assert_eq!((&peer["flaps"], &peer["state"]), (&flaps, &"Established".into()), "{peer}");
}

/// Each end sends with a TTL that is enough for one router; with less no connection comes about.
fn router_between(world: &World<'_>) {
    world.up("hops");
    world.learned("hops", "10.128.0.0/20", |route| route["next_hop"] == "203.0.113.1");
    world.shown("10.63.0.0/24", &["65010 4200000003", "198.51.100.1"], &[]);
    world.speaker.rewrite(&configs::speaker(1));
    world.speaker.reload().expect("reloaded");
    let end = Instant::now() + Duration::from_secs(8);
    until_true(10, "the session ends", || !world.speaker.established("hops"));
    while Instant::now() < end {
        assert!(
            !world.speaker.established("hops"),
            "{:?}: through a router with TTL 1",
            world.kind
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    world.speaker.rewrite(&configs::speaker(2));
    world.speaker.reload().expect("reloaded");
    world.up("hops");
}
