//! The C bit: FRR restarts and takes its BFD along, as it says it would, or not (RFC 5882 section 4.3).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{bfd_is, session, step};
use crate::process::Process;
use crate::space::{End, Space, link};
use crate::speaker::Speaker;
use crate::wait::until_true;

const SPEAKER: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
control = "CONTROL"
fib = "report"
listen = ["192.0.2.1:179"]

[peers.far]
address = "192.0.2.2"
local_address = "192.0.2.1"
interface = "east"
asn = 65020
connect_retry = "1s"
import = "accept-all"
bfd = { interval = "50ms", multiplier = 3 }
"#;

const BGPD: &str = "
log stdout
router bgp 65020
 bgp router-id 10.255.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 bgp graceful-restart restart-time 60
 bgp graceful-restart preserve-fw-state
 neighbor 192.0.2.1 remote-as 65010
 neighbor 192.0.2.1 timers connect 1
 neighbor 192.0.2.1 bfd
 neighbor 192.0.2.1 bfd 3 50 50
BIT
 address-family ipv4 unicast
  network 10.128.0.0/20
 exit-address-family
";

/// Zebra, BFD and BGP of FRR, which know of each other.
struct Frr {
    bgp: Process,
    bfd: Process,
    _zebra: Process,
}

impl Frr {
    fn start(space: &Space, folder: &Path, bit: &str) -> Self {
        let folder = folder.join("frr");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("bgpd.conf"), BGPD.replace("BIT", bit)).expect("written");
        fs::write(folder.join("none.conf"), "log stdout\n").expect("written");
        let owned = Command::new("chown").args(["-R", "frr:frr"]).arg(&folder).status();
        assert!(owned.is_ok_and(|status| status.success()), "cannot chown to frr");
        let dir = folder.display();
        let start = |name: &str, config: &str, more: &str| {
            let line = format!(
                "/usr/lib/frr/{name} --vty_socket {dir} -z {dir}/zserv.api -P 0 \
                 -f {dir}/{config} -i {dir}/{name}.pid {more}"
            );
            let process = Process::start(space, &folder, name, &line);
            std::thread::sleep(Duration::from_millis(500));
            process
        };
        let zebra = start("zebra", "none.conf", "");
        let bfd = start("bfdd", "none.conf", &format!("--bfdctl {dir}/bfdd.sock"));
        Self { bgp: start("bgpd", "bgpd.conf", ""), bfd, _zebra: zebra }
    }
}

/// Leads FRR, with the C bit or without, as far as all is up.
fn with_frr(independent: bool, play: impl FnOnce(&Speaker<'_>, &mut Frr)) {
    let folder = tempfile::tempdir().expect("a folder");
    let (site, far) = (Space::new("site"), Space::new("far"));
    link(
        End { space: &site, interface: "east", addresses: &["192.0.2.1/24"] },
        End { space: &far, interface: "site", addresses: &["192.0.2.2/24"] },
    );
    let bit = if independent { " neighbor 192.0.2.1 bfd check-control-plane-failure" } else { "" };
    let mut frr = Frr::start(&far, folder.path(), bit);
    let speaker = Speaker::start(&site, folder.path(), SPEAKER);
    bfd_is(&speaker, "192.0.2.2", "Up");
    until_true(30, "the session is Established", || speaker.established("far"));
    until_true(20, "its route is learned", || speaker.route("10.128.0.0/20").is_some());
    until_true(20, "it says whether BFD fails with its restart", || {
        session(&speaker, "192.0.2.2").is_some_and(|it| it["independent"] == independent)
    });
    play(&speaker, &mut frr);
}

#[test]
#[ignore = "needs root and FRR; the test command runs it"]
fn frr_restarts_with_its_bfd() {
    step("the C bit is clear: its route is kept");
    with_frr(false, |speaker, frr| {
        lose(speaker, frr);
        std::thread::sleep(Duration::from_secs(2));
        assert!(speaker.route("10.128.0.0/20").is_some(), "it may be the restart");
        assert!(speaker.peer("far").expect("the peer")["stale_for_ns"].as_u64().is_some());
    });
    step("the C bit is set: it is dropped");
    with_frr(true, |speaker, frr| {
        lose(speaker, frr);
        until_true(10, "the way is lost", || speaker.route("10.128.0.0/20").is_none());
    });
}

/// BGP is killed, its routes are kept; then BFD falls silent.
fn lose(speaker: &Speaker<'_>, frr: &mut Frr) {
    // BFD first: it would be told that BGP is gone, and take its session down with a word.
    frr.bfd.signal("STOP");
    frr.bgp.signal("KILL");
    frr.bgp.wait();
    bfd_is(speaker, "192.0.2.2", "Down");
    until_true(10, "the session has ended", || !speaker.established("far"));
    let reason = speaker.peer("far").expect("the peer")["last_error"]["reason"].to_string();
    assert!(!reason.contains("BFD"), "the connection ended first: {reason}");
}
