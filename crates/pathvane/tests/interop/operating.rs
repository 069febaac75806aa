//! What operators do to a running speaker, with BIRD on the other side: reload, limits, roles, words.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::Process;
use crate::space::{End, Space, link, sh};
use crate::speaker::Speaker;
use crate::wait::until_true;

/// BIRD with two addresses, a session at each, and five routes for the first.
struct Bird<'a> {
    space: &'a Space,
    folder: PathBuf,
    _process: Process,
}

impl<'a> Bird<'a> {
    fn start(space: &'a Space, folder: &Path) -> Self {
        let folder = folder.join("bird");
        fs::create_dir_all(&folder).expect("create BIRD's folder");
        let routes: String =
            (0..5).map(|nth| format!("route 10.128.{nth}.0/24 blackhole;\n")).collect();
        let session = |name: &str, local: &str, ours: &str, more: &str| {
            format!(
                "protocol bgp {name} {{ local {local} as 65001; neighbor {ours} as 65010; \
                 multihop; hold time 9; connect retry time 1; connect delay time 1; \
                 error wait time 1,2; {more} ipv4 {{ import all; export where source = RTS_STATIC; }}; }}\n"
            )
        };
        let config = format!(
            "log \"{0}/bird.log\" all;\nrouter id 10.255.0.2;\nprotocol device {{}}\n\
             protocol static {{ ipv4; {routes} }}\n{1}{2}",
            folder.display(),
            session("us_a", "192.0.2.2", "192.0.2.1", "local role provider; require roles on;"),
            session("us_b", "192.0.2.3", "192.0.2.4", ""),
        );
        fs::write(folder.join("bird.conf"), config).expect("write BIRD's configuration");
        let dir = folder.display();
        let line = format!("bird -f -c {dir}/bird.conf -s {dir}/bird.ctl -P {dir}/bird.pid");
        let process = Process::start(space, &folder, "bird", &line);
        Self { space, folder, _process: process }
    }

    fn ask(&self, question: &str) -> String {
        let socket = self.folder.join("bird.ctl");
        sh(&format!("ip netns exec {} birdc -s {} {question}", self.space.name(), socket.display()))
    }

    /// What it has written down.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("bird.log")).unwrap_or_default()
    }
}

/// The speaker's configuration: its first peer with `more`, and what follows.
fn config(more: &str, rest: &str) -> String {
    format!(
        r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
steering = "act"
control = "CONTROL"
fib = "report"
drain_wait = "4s"

[groups.bird]
asn = 65001
local_address = "192.0.2.1"
hold_time = "9s"
connect_retry = "1s"
multihop = 5
import = "accept-all"

[peers.first]
group = "bird"
address = "192.0.2.2"
{more}

[paths.first]
next_hop = "192.0.2.2"
announce_via = ["first"]
probe_source = "198.51.100.1"
probes = [ {{ kind = "icmp", target = "192.0.2.2" }} ]

[services.voice]
class = "voice"
announce = [ {{ prefix = "10.20.0.0/16", while = "interface-up:lo" }} ]
reach = ["10.128.0.0/16"]
paths = ["first"]
{rest}
"#
    )
}

const ROLE: &str = "role = \"customer\"\nrole_strict = true";
const SECOND: &str =
    "[peers.second]\ngroup = \"bird\"\naddress = \"192.0.2.3\"\nlocal_address = \"192.0.2.4\"\n";

fn up(speaker: &Speaker<'_>, peer: &str) {
    until_true(30, &format!("session {peer} is Established"), || speaker.established(peer));
}

/// How often a session left Established, and how many OPENs it took: unchanged if untouched.
fn history(speaker: &Speaker<'_>, peer: &str) -> (u64, u64) {
    let peer = speaker.peer(peer).expect("the peer");
    (peer["flaps"].as_u64().expect("a number"), peer["sent"]["open"].as_u64().expect("a number"))
}

#[test]
#[ignore = "needs root and BIRD; the test command runs it"]
fn a_running_speaker_is_changed_and_bird_agrees() {
    let folder = tempfile::tempdir().expect("a folder");
    let (site, far) = (Space::new("site"), Space::new("far"));
    link(
        End { space: &site, interface: "east", addresses: &["192.0.2.1/24", "192.0.2.4/24"] },
        End { space: &far, interface: "site", addresses: &["192.0.2.2/24", "192.0.2.3/24"] },
    );
    site.own("198.51.100.1/32");
    let bird = Bird::start(&far, folder.path());
    let speaker = Speaker::start(&site, folder.path(), &config(ROLE, ""));
    up(&speaker, "first");
    let role = speaker.peer("first").expect("the peer")["established"]["role"].clone();
    assert_eq!(role, "provider", "BIRD says its role (RFC 9234)");

    peers_come_and_go(&speaker, &bird);
    wrong_files_change_nothing(&speaker);
    limits_close_and_open(&speaker, &bird);
    roles_have_to_fit(&speaker);
    ranges_come_and_go(&speaker);
    words_are_heard(&speaker, &bird);
}

fn peers_come_and_go(speaker: &Speaker<'_>, bird: &Bird<'_>) {
    println!("- a peer is added, and removed; the other one notices nothing");
    let before = history(speaker, "first");
    speaker.rewrite(&config(ROLE, SECOND));
    let done = speaker.reload().expect("reloaded");
    assert!(done.contains("added second"), "{done}");
    up(speaker, "second");
    assert_eq!(history(speaker, "first"), before);
    println!("- a policy that names a peer of the same reload");
    speaker.rewrite(&config(ROLE, ""));
    speaker.reload().expect("reloaded");
    let named =
        "[policies.by-peer]\nterms = [{ match = { peer = [\"second\"] }, action = \"accept\" }]\n";
    let text = config(ROLE, &format!("{SECOND}{named}"));
    speaker.rewrite(&text.replace("import = \"accept-all\"", "import = \"by-peer\""));
    speaker.reload().expect("reloaded");
    let accepted = |peer: &str| {
        let peer = speaker.peer(peer)?;
        Some((peer["families"][0]["received"].as_u64()?, peer["families"][0]["accepted"].as_u64()?))
    };
    until_true(20, "the first peer's routes are judged anew, and the second's accepted", || {
        accepted("first") == Some((5, 0)) && accepted("second") == Some((5, 5))
    });
    assert_eq!(history(speaker, "first"), before);
    speaker.rewrite(&config(ROLE, ""));
    speaker.signal("HUP");
    until_true(10, "the peer is gone", || speaker.peer("second").is_none());
    until_true(10, "BIRD heard why", || bird.log().contains("us_b: Received: Peer de-configured"));
    assert_eq!(history(speaker, "first"), before);
    speaker.rewrite(&config(ROLE, SECOND));
    speaker.reload().expect("its place can be taken again");
    up(speaker, "second");
    println!("- a policy is changed in place");
    let policy = "[policies.none]\nterms = []\n";
    let none = format!("{ROLE}\nimport = \"none\"");
    speaker.rewrite(&config(&none, &format!("{SECOND}{policy}")));
    speaker.reload().expect("reloaded");
    until_true(10, "its routes are rejected", || {
        speaker.peer("first").is_some_and(|peer| peer["families"][0]["accepted"] == 0)
    });
    assert_eq!(history(speaker, "first"), before);
}

fn ranges_come_and_go(speaker: &Speaker<'_>) {
    println!("- a range takes the place of a peer, changes, and gives it back");
    let range = |hold: u8| {
        format!(
            "[peers.any]\ngroup = \"bird\"\nrange = \"192.0.2.0/29\"\n\
             local_address = \"192.0.2.4\"\nhold_time = \"{hold}s\"\n"
        )
    };
    let came = "any@192.0.2.3";
    let before = history(speaker, "first");
    speaker.rewrite(&config(ROLE, &range(9)));
    speaker.reload().expect("reloaded");
    up(speaker, came);
    let untouched = history(speaker, came);
    let done = speaker.reload().expect("reloaded");
    assert!(!done.contains(came), "{done}");
    assert_eq!(history(speaker, came), untouched);
    speaker.rewrite(&config(ROLE, &range(6)));
    let done = speaker.reload().expect("reloaded");
    assert!(done.contains(came), "{done}");
    until_true(30, "its session is back with the new hold time", || {
        let hold = |peer: serde_json::Value| peer["established"]["hold_time_ns"].as_u64();
        speaker.peer(came).and_then(hold) == Some(6_000_000_000)
    });
    speaker.rewrite(&config(ROLE, SECOND));
    speaker.reload().expect("reloaded");
    up(speaker, "second");
    assert!(speaker.peer(came).is_none());
    assert_eq!(history(speaker, "first"), before);
}

fn wrong_files_change_nothing(speaker: &Speaker<'_>) {
    println!("- a wrong file, and what needs a restart, are refused");
    let before = (history(speaker, "first"), history(speaker, "second"));
    speaker.rewrite("[speaker]\nasn = \"what\"\n");
    let error = speaker.reload().expect_err("refused");
    assert!(error.contains("asn") && error.contains("nothing was changed"), "{error}");
    speaker.rewrite(&config(ROLE, SECOND).replace("10.20.0.0/16", "10.21.0.0/16"));
    let error = speaker.reload().expect_err("refused");
    assert!(error.contains("service `voice`"), "{error}");
    assert_eq!((history(speaker, "first"), history(speaker, "second")), before);
}

fn limits_close_and_open(speaker: &Speaker<'_>, bird: &Bird<'_>) {
    println!("- a limit closes the session, and a higher one opens it");
    let limit = |most: u32| format!("{ROLE}\nmax_prefixes = {{ ipv4 = {most} }}");
    speaker.rewrite(&config(&limit(3), SECOND));
    speaker.reload().expect("reloaded");
    until_true(10, "the session is closed for its prefixes", || {
        speaker.peer("first").is_some_and(|peer| peer["closed_for_limit"] == true)
    });
    until_true(10, "BIRD heard which limit", || {
        bird.log().contains("us_a: Received: Maximum number")
    });
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(!speaker.established("first"), "BIRD dials, and is refused");
    speaker.rewrite(&config(&limit(100), SECOND));
    speaker.reload().expect("reloaded");
    up(speaker, "first");
}

fn roles_have_to_fit(speaker: &Speaker<'_>) {
    println!("- a role that does not fit is refused by both");
    speaker.rewrite(&config("role = \"peer\"", SECOND));
    let done = speaker.reload().expect("reloaded");
    assert!(done.contains("anew: first"), "{done}");
    until_true(20, "the roles mismatch", || {
        let reason = speaker.peer("first").map(|peer| peer["last_error"]["reason"].to_string());
        reason.is_some_and(|reason| reason.contains("Role Mismatch"))
    });
    speaker.rewrite(&config(ROLE, SECOND));
    speaker.reload().expect("reloaded");
    up(speaker, "first");
}

fn words_are_heard(speaker: &Speaker<'_>, bird: &Bird<'_>) {
    println!("- words with a reset, the mark of leaving, words with the end");
    speaker.ask(&["reset", "second", "--text", "new cable tonight"]).expect("reset");
    until_true(10, "BIRD heard the words", || bird.log().contains("new cable tonight"));
    up(speaker, "second");
    until_true(20, "our prefix is there", || {
        bird.ask("show route 10.20.0.0/16 all").contains("10.20.0.0/16")
    });
    speaker.ask(&["drain", "--text", "gone fishing"]).expect("drain");
    until_true(10, "GRACEFUL_SHUTDOWN is on our prefix", || {
        bird.ask("show route 10.20.0.0/16 all").contains("(65535,0)")
    });
    until_true(20, "BIRD heard the last words", || bird.log().contains("gone fishing"));
}
