//! BFD with FRR's bfdd and with BIRD: sessions of BGP that wait for it and fall with it, a way that
//! goes silent, an operator's wish, and a speaker that is killed and comes back.
//!
//! How long a failure took is printed, not asserted.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::{Config, Daemon, Kind, Session};
use crate::process::Process;
use crate::space::{End, Space, link};
use crate::speaker::{Speaker, each};
use crate::wait::until_true;

mod restarts;

#[test]
#[ignore = "needs root and FRR; the test command runs it"]
fn frr_and_bfd() {
    all_steps(Kind::Frr);
}

#[test]
#[ignore = "needs root and BIRD; the test command runs it"]
fn bird_and_bfd() {
    all_steps(Kind::Bird);
}

const SPEAKER: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
control = "CONTROL"
fib = "report"
listen = ["192.0.2.1:179"]
drain_wait = "100ms"

[peers.far]
address = "192.0.2.2"
local_address = "192.0.2.1"
interface = "east"
asn = 65020
connect_retry = "1s"
multihop = 5
import = "accept-all"
bfd = { interval = "50ms", multiplier = 3, strict = true }

[peers.far-hops]
address = "198.51.100.2"
local_address = "198.51.100.1"
asn = 65020
passive = true
multihop = 5
import = "accept-all"
bfd = { interval = "100ms", multiplier = 3, multihop = true }

[paths.east]
interface = "east"
next_hop = "192.0.2.2"
announce_via = ["far"]
probe_source = "198.51.100.3"
probes = [ { kind = "stamp", target = "192.0.2.2" } ]
bfd = { interval = "50ms", multiplier = 3, local_address = "192.0.2.1" }
"#;

fn all_steps(kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let (site, far) = (Space::new("site"), Space::new("far"));
    link(
        End { space: &site, interface: "east", addresses: &["192.0.2.1/24"] },
        End { space: &far, interface: "site", addresses: &["192.0.2.2/24"] },
    );
    site.own("198.51.100.1/32");
    site.own("198.51.100.3/32");
    far.own("198.51.100.2/32");
    site.run("ip route add 198.51.100.2/32 via 192.0.2.2 src 198.51.100.1");
    far.run("ip route add 198.51.100.1/32 via 192.0.2.1 src 198.51.100.2");
    let daemon = Daemon::start(kind, &far, folder.path(), bgp());
    let mut speaker = Speaker::start(&site, folder.path(), SPEAKER);

    step("strict: no BGP session without BFD");
    std::thread::sleep(Duration::from_secs(4));
    assert!(!speaker.established("far"));
    step("BFD comes up over one hop and several, and the BGP session with it");
    let bfd = FarBfd::start(kind, &far, folder.path());
    bfd_is(&speaker, "192.0.2.2", "Up");
    bfd_is(&speaker, "198.51.100.2", "Up");
    until_true(30, "the session is Established", || speaker.established("far"));
    let shown = session(&speaker, "192.0.2.2").expect("a session");
    until_true(10, "50 ms x 3 is agreed on", || {
        session(&speaker, "192.0.2.2").is_some_and(|it| it["detection_ns"] == 150_000_000)
    });
    assert_eq!(shown["failures"], 0);
    assert_eq!(shown["independent"], false, "the C bit is ours alone");
    why(&speaker, &daemon, &bfd);
    our_crash(&mut speaker);
    silent_way(&site, &far, &speaker);
    operators_wish(&speaker, &bfd);
    step("drain: BFD is taken down with a word, and its process ends");
    speaker.ask(&["drain"]).expect("drain is taken");
    let socket = folder.path().join("pathvane/bfd.sock");
    until_true(30, "the BFD process ends", || !socket.exists());
    drop(daemon);
}

fn why(speaker: &Speaker<'_>, daemon: &Daemon<'_>, bfd: &FarBfd<'_>) {
    step("BFD alone falls silent: BGP at the far end hears why its session ends (RFC 9384)");
    bfd.freeze(true);
    until_true(10, "the session has ended", || !speaker.established("far"));
    let words = match bfd.kind {
        Kind::Frr => "received from neighbor 192.0.2.1 6/10",
        // It knows no name for it.
        _ => "us0: Received: Unknown error 6.10",
    };
    until_true(10, "it was told: Cease, BFD Down", || daemon.log().contains(words));
    bfd.freeze(false);
    bfd_is(speaker, "192.0.2.2", "Up");
    until_true(30, "the session is Established again", || speaker.established("far"));
}

fn our_crash(speaker: &mut Speaker<'_>) {
    step("the speaker is killed and comes back: BFD went on all the while");
    let before = Instant::now();
    speaker.kill();
    std::thread::sleep(Duration::from_secs(1));
    speaker.restart();
    bfd_is(speaker, "192.0.2.2", "Up");
    let shown = session(speaker, "192.0.2.2").expect("a session");
    assert_eq!(shown["failures"], 1, "the one before");
    let up_for = Duration::from_nanos(shown["state_for_ns"].as_u64().expect("a time"));
    assert!(up_for > before.elapsed(), "Up for {up_for:?}, since before the kill");
    until_true(30, "the session is Established again", || speaker.established("far"));
}

fn silent_way(site: &Space, far: &Space, speaker: &Speaker<'_>) {
    step("a way that goes silent: BFD fails, the session ends with Cease, BFD Down");
    let cut = Instant::now();
    // What either end sends goes to nobody's Ethernet address; nobody's link goes down. (A route of
    // kind blackhole does not bind sockets that are bound to an interface.)
    let nobody = "lladdr 02:00:00:00:00:99 nud permanent";
    far.run(&format!("ip neigh replace 192.0.2.1 dev site {nobody}"));
    site.run(&format!("ip neigh replace 192.0.2.2 dev east {nobody}"));
    bfd_is(speaker, "192.0.2.2", "Down");
    until_true(10, "the session has ended", || !speaker.established("far"));
    println!("  seen from outside after {:?}; detection time 150 ms", cut.elapsed());
    let events = speaker.json(&["show", "events"]).expect("events");
    let at = |wanted: &dyn Fn(&Value) -> bool| {
        each(&events).filter(|event| wanted(event)).last().and_then(|e| e["at_ns"].as_u64())
    };
    let failed = at(&|e| e["kind"] == "bfd" && e["says"] == "down" && e["peer"] == "far");
    let ended = at(&|e| {
        e["kind"] == "peer_down" && e["reason"].as_str().is_some_and(|r| r.contains("BFD Down"))
    });
    let on_path = at(&|e| e["kind"] == "bfd" && e["says"] == "down" && e["path"] == "east");
    assert!(on_path.is_some(), "the path of the same session is told, too");
    let took = ended.expect("ended").checked_sub(failed.expect("failed")).expect("in this order");
    println!("  from BFD's word to the end of the session: {} us", took / 1000);
    far.run("ip neigh del 192.0.2.1 dev site");
    site.run("ip neigh del 192.0.2.2 dev east");
    bfd_is(speaker, "192.0.2.2", "Up");
    until_true(30, "the session is Established again", || speaker.established("far"));
}

fn operators_wish(speaker: &Speaker<'_>, bfd: &FarBfd<'_>) {
    if bfd.kind != Kind::Frr {
        // BIRD 2.0 has no command that takes a BFD session down administratively.
        return;
    }
    step("AdminDown at the far end is no failure");
    bfd.shutdown(true);
    until_true(20, "their AdminDown is heard", || {
        session(speaker, "192.0.2.2").is_some_and(|it| it["remote_state"] == "AdminDown")
    });
    assert_eq!(session(speaker, "192.0.2.2").expect("a session")["says"], "off");
    std::thread::sleep(Duration::from_secs(1));
    assert!(speaker.established("far"), "the BGP session stays (RFC 5882 section 4.2)");
    bfd.shutdown(false);
    bfd_is(speaker, "192.0.2.2", "Up");
}

fn step(what: &str) {
    println!("- {what}");
}

/// What `show bfd` says of the session with this address.
fn session(speaker: &Speaker<'_>, remote: &str) -> Option<Value> {
    let all = speaker.json(&["show", "bfd"])?;
    let found = each(&all).find(|bfd| bfd["remote"] == remote)?["session"].clone();
    found.is_object().then_some(found)
}

fn bfd_is(speaker: &Speaker<'_>, remote: &str, state: &str) {
    until_true(30, &format!("BFD with {remote} is {state}"), || {
        session(speaker, remote).is_some_and(|session| session["state"] == state)
    });
}

fn bgp() -> Config {
    let session = Session {
        remote: "192.0.2.1".into(),
        local: "192.0.2.2".into(),
        v4: true,
        v6: false,
        password: None,
    };
    Config {
        asn: 65020,
        our_asn: 65010,
        id: "10.255.0.2".into(),
        hold_time: 90,
        sessions: vec![session],
        announces: vec!["10.128.0.0/20".into()],
        kernel: false,
    }
}

/// The far end's BFD, apart from its BGP, which knows nothing of it.
struct FarBfd<'a> {
    kind: Kind,
    space: &'a Space,
    folder: std::path::PathBuf,
    processes: Vec<Process>,
}

const FRR: &str = "
bfd
 peer 192.0.2.1 local-address 192.0.2.2 interface site
  transmit-interval 50
  receive-interval 50
 exit
 peer 198.51.100.1 multihop local-address 198.51.100.2
  transmit-interval 100
  receive-interval 100
 exit
exit
";

const BIRD: &str = r#"
router id 10.255.0.3;
protocol device {}
protocol bfd {
  interface "site" { interval 50 ms; multiplier 3; };
  multihop { interval 100 ms; multiplier 3; };
  neighbor 192.0.2.1 dev "site" local 192.0.2.2;
  neighbor 198.51.100.1 local 198.51.100.2 multihop on;
}
"#;

impl<'a> FarBfd<'a> {
    fn start(kind: Kind, space: &'a Space, folder: &Path) -> Self {
        let folder = folder.join("far-bfd");
        fs::create_dir_all(&folder).expect("a folder");
        let dir = folder.display();
        let (config, lines) = match kind {
            Kind::Frr => {
                let common = format!("--vty_socket {dir} -z {dir}/zserv.api -P 0");
                let zebra =
                    format!("/usr/lib/frr/zebra {common} -f {dir}/zebra.conf -i {dir}/zebra.pid");
                let bfdd = format!(
                    "/usr/lib/frr/bfdd {common} -f {dir}/bfd.conf -i {dir}/bfdd.pid --bfdctl {dir}/bfdd.sock"
                );
                (FRR, vec![("zebra", zebra), ("bfdd", bfdd)])
            }
            _ => {
                let bird = format!("bird -f -c {dir}/bfd.conf -s {dir}/bird.ctl -P {dir}/bird.pid");
                (BIRD, vec![("bird", bird)])
            }
        };
        fs::write(folder.join("bfd.conf"), config).expect("written");
        fs::write(folder.join("zebra.conf"), "").expect("written");
        if kind == Kind::Frr {
            let owned = Command::new("chown").args(["-R", "frr:frr"]).arg(&folder).status();
            assert!(owned.is_ok_and(|status| status.success()), "cannot chown to frr");
        }
        let mut processes = Vec::new();
        for (name, line) in lines {
            processes.push(Process::start(space, &folder, name, &line));
            std::thread::sleep(Duration::from_millis(500));
        }
        Self { kind, space, folder, processes }
    }

    /// Stops the process that speaks BFD, or lets it go on.
    fn freeze(&self, frozen: bool) {
        let process = self.processes.last().expect("a running daemon");
        process.signal(if frozen { "STOP" } else { "CONT" });
    }

    /// Takes FRR's single-hop session down administratively, or gives it back.
    fn shutdown(&self, down: bool) {
        let peer = "peer 192.0.2.1 local-address 192.0.2.2 interface site";
        let word = if down { "shutdown" } else { "no shutdown" };
        let output = Command::new("ip")
            .args(["netns", "exec", self.space.name(), "vtysh", "--vty_socket", "."])
            .args(["-c", "configure terminal", "-c", "bfd", "-c", peer, "-c", word])
            .current_dir(&self.folder)
            .output()
            .expect("run vtysh");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
