//! The main job against a real daemon: it holds both sessions, the leading path goes silent, and
//! its own table and kernel, and packets both ways, follow.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::daemon::{Config, Daemon, Kind, Session};
use crate::far::{self, Far, Told};
use crate::process::Process;
use crate::space::{End, Space, link};
use crate::speaker::{PATHVANE, Speaker};
use crate::wait::until_true;

/// ```text
///            +-- east (router) --+
///   site ----+                   +---- cloud: one daemon, two sessions, the region's hosts
///            +-- west (router) --+
/// ```
/// A router that stops forwarding is a silent blackhole: carriers stay up, nobody is told.
struct World {
    site: Space,
    east: Space,
    west: Space,
    cloud: Space,
}

const SPEAKER: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
steering = "act"
control = "CONTROL"
fib = "kernel"

[peers.cr-east]
address = "10.91.1.2"
local_address = "10.90.1.2"
asn = 16550
hold_time = "60s"
connect_retry = "1s"
multihop = 5
import = "accept-all"

[peers.cr-west]
address = "10.91.2.2"
local_address = "10.90.2.2"
asn = 16550
hold_time = "60s"
connect_retry = "1s"
multihop = 5
import = "accept-all"

[paths.east]
interface = "east"
next_hop = "10.90.1.1"
announce_via = ["cr-east"]
probe_source = "10.255.1.1"
probes = [
  { kind = "stamp", target = "10.128.0.9", port = 862 },
  { kind = "stamp", target = "10.128.1.9", port = 862 },
]

[paths.west]
interface = "west"
next_hop = "10.90.2.1"
announce_via = ["cr-west"]
probe_source = "10.255.2.1"
probes = [
  { kind = "stamp", target = "10.128.0.9", port = 862 },
  { kind = "stamp", target = "10.128.1.9", port = 862 },
]

[services.voice]
class = "voice"
announce = [{ prefix = "10.20.0.0/16", while = "kernel-route" }]
reach = ["10.129.0.0/16"]
paths = ["east", "west"]

[timing]
init_after = "3s"
"#;

#[test]
#[ignore = "needs root and BIRD; the test command runs it"]
fn a_silent_path_is_left_in_birds_table_and_in_both_directions() {
    moves_away_from_a_blackhole(Kind::Bird);
}

#[test]
#[ignore = "needs root and FRR; the test command runs it"]
fn a_silent_path_is_left_in_frrs_table_and_in_both_directions() {
    moves_away_from_a_blackhole(Kind::Frr);
}

fn moves_away_from_a_blackhole(kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::new();
    let daemon = Daemon::start(kind, &world.cloud, folder.path(), cloud_config());
    let ordered = "paths = [\"east\", \"west\"]\nstrategy = \"ordered\"\n";
    let text = SPEAKER.replace("paths = [\"east\", \"west\"]\n", ordered);
    let speaker = Speaker::start(&world.site, folder.path(), &text);
    for peer in ["cr-east", "cr-west"] {
        until_true(30, &format!("session {peer} is Established"), || speaker.established(peer));
    }
    // Not before: whichever session came first, its path would be heard alone, and lead. So it may
    // still: then the service comes back after ten seconds of looking and thirty since it moved.
    let _reflector = world.reflector(folder.path());
    until_both_are_up(&speaker);
    until_true(90, "east leads", || {
        world.site.run("ip route get 10.129.0.5").contains("10.90.1.1")
    });
    until_true(30, "the daemon prefers east", || {
        daemon.route("10.20.0.0/16").is_some_and(|route| route.says(&["20000", "10.90.1.2"]))
    });
    let call = Call::start(&world);
    until_true(20, "the call gets through", || call.echoed() > 20);
    let east = || world.east.packets("site") + world.east.packets("cloud");
    let west = || world.west.packets("site");

    let fault = Instant::now();
    world.east.forward(false);
    until_true(10, "the daemon prefers west", || {
        daemon.route("10.20.0.0/16").is_some_and(|route| route.says(&["10000", "10.90.2.2"]))
    });
    println!("{kind:?}: the daemon's table after {} ms", fault.elapsed().as_millis());
    until_true(10, "our kernel forwards west", || {
        world.site.run("ip route get 10.129.0.5").contains("10.90.2.1")
    });
    let before = (call.echoed(), west(), east());
    until_true(10, "packets move in both directions again", || {
        call.echoed() > before.0 + 20 && west() > before.1 + 20
    });
    println!("{kind:?}: longest silence of the call {} ms", call.longest_silence().as_millis());
    call.end();
    let moves = speaker.json(&["show", "events"]).expect("events").to_string();
    assert!(moves.contains("nothing gets through east"), "the move explains itself: {moves}");
}

#[test]
#[ignore = "needs root and BIRD; the test command runs it"]
fn paths_that_carry_together_do_in_birds_kernel_until_one_is_silent() {
    carries_together(Kind::Bird);
}

#[test]
#[ignore = "needs root and FRR; the test command runs it"]
fn paths_that_carry_together_do_in_frrs_kernel_until_one_is_silent() {
    carries_together(Kind::Frr);
}

/// Both paths carry, in our kernel and, as equal routes, in the daemon's; then one is silent.
fn carries_together(kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::new();
    let _reflector = world.reflector(folder.path());
    let _daemon = Daemon::start(kind, &world.cloud, folder.path(), cloud_config());
    let both = "paths = [\"east\", \"west\"]\n";
    let text = SPEAKER.replace(both, &format!("{both}strategy = \"balance\"\n"));
    let speaker = Speaker::start(&world.site, folder.path(), &text);
    until_both_are_up(&speaker);
    let back = || world.cloud.run("ip route show 10.20.0.0/16");
    // A path whose session comes up a second after its probes began was left, and comes back after
    // ten seconds of looking and thirty since the last change.
    until_true(90, "the daemon's kernel has both next hops", || {
        ["10.91.1.1", "10.91.2.1"].iter().all(|next_hop| back().contains(next_hop))
    });
    let members = || world.site.run("ip nexthop show").matches('/').count() + 1;
    until_true(30, "both paths carry", || members() == 2);
    let explained = speaker.json(&["explain", "10.129.0.5"]).expect("an explanation");
    let shares = explained["candidates"].as_array().expect("candidates").iter();
    let shares = shares.filter(|it| it["sharing"] == "shares the traffic").count();
    assert_eq!(shares, 2, "{explained}");
    let call = Call::start(&world);
    until_true(20, "the call gets through", || call.echoed() > 20);

    let fault = Instant::now();
    world.east.forward(false);
    until_true(10, "our kernel forwards west alone", || members() == 1);
    until_true(10, "so does the daemon's", || !back().contains("10.91.1.1"));
    println!("{kind:?}: one way each after {} ms", fault.elapsed().as_millis());
    assert!(back().contains("10.91.2.1"), "{}", back());
    let before = call.echoed();
    until_true(10, "the call goes on", || call.echoed() > before + 20);
    println!("{kind:?}: longest silence of the call {} ms", call.longest_silence().as_millis());
    call.end();
    let moves = speaker.json(&["show", "events"]).expect("events").to_string();
    assert!(moves.contains("nothing gets through east"), "the move explains itself: {moves}");
}

#[test]
#[ignore = "needs root and GoBGP; the test command runs it"]
fn a_silent_path_is_left_in_gobgps_table() {
    let mut config = "[global.config]\nas = 16550\nrouter-id = \"10.255.9.9\"\n".to_owned();
    for n in [1, 2] {
        config += &format!(
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"10.90.{n}.2\"\n\
             peer-as = 65010\n[neighbors.transport.config]\nlocal-address = \"10.91.{n}.2\"\n\
             [neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = 5\n\
             [neighbors.timers.config]\nconnect-retry = 1\nhold-time = 60\n"
        );
    }
    leaves_in_its_table(Told { kind: far::Kind::GoBgp, asn: 16550, config, routes: Vec::new() });
}

#[test]
#[ignore = "needs root and OpenBGPD; the test command runs it"]
fn a_silent_path_is_left_in_openbgpds_table() {
    let mut config = "AS 16550\nrouter-id 10.255.9.9\nholdtime 60\nfib-update no\n\
                      socket \"FOLDER/bgpd.sock\"\nnexthop qualify via default\n"
        .to_owned();
    for n in [1, 2] {
        config += &format!(
            "neighbor 10.90.{n}.2 {{\n remote-as 65010\n local-address 10.91.{n}.2\n multihop 5\n}}\n"
        );
    }
    config += "allow from any\nallow to any\n";
    leaves_in_its_table(Told { kind: far::Kind::OpenBgpd, asn: 16550, config, routes: Vec::new() });
}

/// Daemons that install nothing here: what they would forward by is in their tables.
fn leaves_in_its_table(told: Told) {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::new();
    for n in [1, 2] {
        world.cloud.run(&format!("ip route add 10.255.{n}.1/32 via 10.91.{n}.1"));
    }
    let _reflector = world.reflector(folder.path());
    let daemon = Far::start(&world.cloud, folder.path(), told);
    let speaker = Speaker::start(&world.site, folder.path(), SPEAKER);
    let prefers = |words: &[&str]| {
        let best = daemon.best("10.20.0.0/16");
        words.iter().all(|word| best.contains(word))
    };
    until_true(60, "the daemon prefers east", || prefers(&["20000", "10.90.1.2"]));
    until_both_are_up(&speaker);
    world.east.forward(false);
    until_true(10, "the daemon prefers west", || prefers(&["10000", "10.90.2.2"]));
}

fn until_both_are_up(speaker: &Speaker<'_>) {
    // One that was down for a moment needs 30 s to be up again.
    until_true(90, "both paths are measured", || {
        let paths = speaker.json(&["show", "paths"]).unwrap_or_default();
        crate::speaker::each(&paths).filter(|path| path["state"] == "up").count() == 2
    });
}

fn cloud_config() -> Config {
    let session = |remote: &str, local: &str| Session {
        remote: remote.into(),
        local: local.into(),
        v4: true,
        v6: false,
        password: None,
    };
    Config {
        asn: 16550,
        our_asn: 65010,
        id: "10.255.9.9".into(),
        hold_time: 60,
        sessions: vec![session("10.90.1.2", "10.91.1.2"), session("10.90.2.2", "10.91.2.2")],
        announces: vec!["10.129.0.0/20".into()],
        kernel: true,
    }
}

impl World {
    fn new() -> Self {
        let [site, east, west, cloud] = ["site", "east", "west", "cloud"].map(Space::new);
        for (n, router, name) in [(1, &east, "east"), (2, &west, "west")] {
            let (ours, near) = (format!("10.90.{n}.2/24"), format!("10.90.{n}.1/24"));
            let (far, theirs) = (format!("10.91.{n}.1/24"), format!("10.91.{n}.2/24"));
            link(
                End { space: &site, interface: name, addresses: &[&ours] },
                End { space: router, interface: "site", addresses: &[&near] },
            );
            link(
                End { space: router, interface: "cloud", addresses: &[&far] },
                End { space: &cloud, interface: name, addresses: &[&theirs] },
            );
            router.forward(true);
            for site_prefix in [format!("10.255.{n}.1/32"), "10.20.0.0/16".into()] {
                router.run(&format!("ip route add {site_prefix} via 10.90.{n}.2"));
            }
            for cloud_prefix in ["10.128.0.0/16", "10.129.0.0/16"] {
                router.run(&format!("ip route add {cloud_prefix} via 10.91.{n}.2"));
            }
            site.run(&format!("ip route add 10.91.{n}.0/24 via 10.90.{n}.1"));
            cloud.run(&format!("ip route add 10.90.{n}.0/24 via 10.91.{n}.1"));
            site.own(&format!("10.255.{n}.1/32"));
        }
        site.own("10.20.0.1/32");
        site.run("ip route add 10.20.0.0/16 dev lo");
        for host in ["10.128.0.9/32", "10.128.1.9/32", "10.129.0.5/32"] {
            cloud.own(host);
        }
        // Replies leave by another interface than the kernel would expect them on.
        for space in [&site, &cloud] {
            space.run("sysctl -qw net.ipv4.conf.all.rp_filter=0");
        }
        Self { site, east, west, cloud }
    }

    /// What answers the probes in the region.
    fn reflector(&self, folder: &Path) -> Process {
        let line = format!("{PATHVANE} reflector --listen 0.0.0.0:862 --allow 10.255.0.0/16");
        Process::start(&self.cloud, folder, "reflector", &line)
    }
}

/// A call: a packet each 10 ms from the site to a host of the region, and its echo.
struct Call {
    running: Arc<AtomicBool>,
    echoed: Arc<AtomicU64>,
    longest_ms: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Call {
    fn start(world: &World) -> Self {
        let running = Arc::new(AtomicBool::new(true));
        let (echoed, longest_ms) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let far = world.cloud.socket("10.129.0.5:4000");
        let near = world.site.socket("10.20.0.1:4000");
        let receiving = near.try_clone().expect("share the socket");
        let mut threads = Vec::new();
        let on = running.clone();
        threads.push(std::thread::spawn(move || {
            let mut bytes = [0; 64];
            while on.load(Ordering::Relaxed) {
                if let Ok((len, from)) = far.recv_from(&mut bytes) {
                    let _ = far.send_to(&bytes[..len], from);
                }
            }
        }));
        let on = running.clone();
        threads.push(std::thread::spawn(move || {
            while on.load(Ordering::Relaxed) {
                let _ = near.send_to(b"voice", "10.129.0.5:4000");
                std::thread::sleep(Duration::from_millis(10));
            }
        }));
        let (on, count, longest) = (running.clone(), echoed.clone(), longest_ms.clone());
        threads.push(std::thread::spawn(move || {
            let mut last: Option<Instant> = None;
            while on.load(Ordering::Relaxed) {
                if receiving.recv_from(&mut [0; 64]).is_ok() {
                    let gap = last.replace(Instant::now()).map_or(0, |at| at.elapsed().as_millis());
                    longest.fetch_max(u64::try_from(gap).unwrap_or(u64::MAX), Ordering::Relaxed);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
        Self { running, echoed, longest_ms, threads }
    }

    fn echoed(&self) -> u64 {
        self.echoed.load(Ordering::Relaxed)
    }

    fn longest_silence(&self) -> Duration {
        Duration::from_millis(self.longest_ms.load(Ordering::Relaxed))
    }

    fn end(mut self) {
        self.running.store(false, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a thread of the call");
        }
    }
}

impl Space {
    /// A UDP socket inside the namespace, with a read timeout.
    fn socket(&self, address: &str) -> UdpSocket {
        let (name, address) = (self.name().to_owned(), address.to_owned());
        // A thread of its own enters the namespace; the socket stays there.
        let socket = std::thread::spawn(move || {
            let namespace = std::fs::File::open(format!("/run/netns/{name}")).expect("namespace");
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("setns");
            UdpSocket::bind(address).expect("bind")
        });
        let socket = socket.join().expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        socket
    }

    /// Packets an interface has received.
    fn packets(&self, interface: &str) -> u64 {
        let text = self.run(&format!("cat /sys/class/net/{interface}/statistics/rx_packets"));
        text.trim().parse().expect("a number")
    }
}
