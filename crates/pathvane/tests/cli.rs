//! The binary as an operator uses it: a laboratory's configuration, a running speaker, its commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/configs").join(name)
}

fn pathvane(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pathvane"))
        .args(words)
        .env_remove("PATHVANE_SOCKET")
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A speaker in a directory of its own; killed if the test fails.
struct Speaker {
    child: Child,
    socket: String,
    _directory: tempfile::TempDir,
}

impl Speaker {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("control.sock").display().to_string();
        let text = fs::read_to_string(fixture("good/report-lab.toml")).expect("the example");
        let config = directory.path().join("lab.toml");
        fs::write(&config, text.replace("/tmp/pathvane-lab/control.sock", &socket)).expect("write");
        let child = Command::new(env!("CARGO_BIN_EXE_pathvane"))
            .args(["run", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the speaker starts");
        let speaker = Self { child, socket, _directory: directory };
        let deadline = Instant::now() + Duration::from_secs(20);
        while speaker.ask(&["show", "status"]).status.code() != Some(0) {
            assert!(Instant::now() < deadline, "no speaker answers");
            std::thread::sleep(Duration::from_millis(50));
        }
        speaker
    }

    fn ask(&self, words: &[&str]) -> Output {
        pathvane(&[&["--socket", &self.socket], words].concat())
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.ask(&[words, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // Both fail only if it has gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn check_says_what_is_wrong_and_ends_with_its_own_code() {
    let good = pathvane(&["check", &fixture("good/minimal.toml").display().to_string()]);
    assert_eq!(good.status.code(), Some(0));
    assert!(out(&good).contains("may start with 1 peer, 0 paths and 0 services"));
    assert!(err(&good).contains("steering observes"), "{}", err(&good));
    let bad = pathvane(&["check", &fixture("bad/unknown-keys.toml").display().to_string()]);
    assert_eq!(bad.status.code(), Some(3));
    assert!(err(&bad).contains("did you mean `hold_time`?"), "{}", err(&bad));
    assert!(err(&bad).contains("not started"));
    let missing = pathvane(&["run", "--config", "/nonexistent/pathvane.toml"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(err(&missing).contains("cannot read the configuration"));
}

/// `pathvane policy test` with the example's policies; `words` are apart by `|`.
fn tried(words: &str) -> Output {
    let config = fixture("good/policies.toml").display().to_string();
    let words: Vec<&str> = words.split('|').collect();
    pathvane(&[&["policy", "test", "--config", &config], words.as_slice()].concat())
}

#[test]
fn a_policy_is_tried_on_a_route_and_says_which_term_decided() {
    let route = "192.0.2.0/24|--as-path|65001 64512 7|--community|65001:80|--community|65010:9";
    let accepted = tried(&format!("--policy|from-transit|--peer|transit-a|{route}"));
    assert_eq!(accepted.status.code(), Some(0), "{}", err(&accepted));
    let text = out(&accepted);
    for line in [
        "policy from-transit, import of 192.0.2.0/24",
        "  term leaks: does not match",
        "  term ours: matches",
        "accepted by term backup",
        "  as path            65001 64512 7",
        "* local pref         - -> 80",
        "* communities        65001:80 65010:9 -> 65001:80",
    ] {
        assert!(text.lines().any(|each| each == line), "{line}\n{text}");
    }
    let other =
        tried("--policy|from-transit|--peer|transit-b|192.0.2.7/24|--local-pref|100|--json");
    let told: Value = serde_json::from_slice(&other.stdout).expect("JSON");
    assert_eq!(told["decided_by"], "b-is-dearer");
    assert_eq!(told["prefix"], "192.0.2.0/24");
    assert_eq!(
        (&told["before"]["local_pref"], &told["after"]["local_pref"]),
        (&100.into(), &90.into())
    );

    let customer = "10.20.0.0/16|--as-path|64512 7|--large-community|65010:1:9";
    let exported = tried(&format!("--policy|to-transit|--direction|out|{customer}"));
    assert_eq!(exported.status.code(), Some(0), "{}", err(&exported));
    assert!(out(&exported).contains("* as path            64512 7 -> 7\n"), "{}", out(&exported));
    let rejected =
        tried(&format!("--policy|to-transit|--direction|out|--peer|transit-a|{customer}"));
    assert_eq!(rejected.status.code(), Some(6));
    assert!(out(&rejected).contains("rejected by term not-theirs\n"), "{}", out(&rejected));
    let undecided = tried("--policy|to-transit|--direction|out|10.20.0.0/16");
    assert_eq!(undecided.status.code(), Some(6));
    assert!(out(&undecided).contains("rejected: no term decided\n"), "{}", out(&undecided));
}

#[test]
fn a_policy_or_route_that_cannot_be_tried_is_refused_with_what_there_is() {
    let unknown = tried("--policy|from-transmit|192.0.2.0/24");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("no policy is called from-transmit"), "{}", err(&unknown));
    assert!(err(&unknown).contains("accept-all, reject-all, from-transit"), "{}", err(&unknown));
    let unknown = tried("--policy|from-transit|--peer|transit-c|192.0.2.0/24");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("peers: "), "{}", err(&unknown));
    for (route, named) in [
        ("192.0.2.0/33", "192.0.2.0/33"),
        ("192.0.2.0/24|--as-path|65001 x", "--as-path"),
        ("192.0.2.0/24|--community|65001", "--community"),
        ("192.0.2.0/24|--ext-community|rt:65001", "--ext-community"),
        ("192.0.2.0/24|--next-hop|router", "--next-hop"),
    ] {
        let refused = tried(&format!("--policy|from-transit|{route}"));
        assert_eq!(refused.status.code(), Some(2), "{route}");
        assert!(err(&refused).contains(named), "{route}: {}", err(&refused));
    }
    let broken = fixture("bad/policy-matches.toml").display().to_string();
    let broken = pathvane(&["policy", "test", "--config", &broken, "--policy", "x", "10.0.0.0/8"]);
    assert_eq!(broken.status.code(), Some(3));
}

#[test]
fn without_a_speaker_commands_say_how_to_find_one() {
    let output = pathvane(&["--socket", "/nonexistent/control.sock", "show", "peers"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(err(&output).contains("no speaker answers on /nonexistent/control.sock"));
    assert!(err(&output).contains("is `pathvane run` running?"));
}

#[test]
fn a_speaker_is_shown_explained_commanded_and_drained() {
    let mut speaker = Speaker::start();
    let peers = speaker.json(&["show", "peers"]);
    assert_eq!((peers[0]["name"].as_str(), peers[1]["asn"].as_u64()), (Some("east"), Some(64512)));
    assert!(out(&speaker.ask(&["show", "paths"])).contains("of 2 answer"));
    let probes = out(&speaker.ask(&["show", "probes"]));
    assert!(probes.starts_with("PATH") && probes.contains("PDV") && probes.contains("stamp"));
    let explained = out(&speaker.ask(&["explain", "voice"]));
    assert!(explained.starts_with("voice goes over east: "), "{explained}");
    assert!(explained.contains("move 1: service voice moved to east"), "{explained}");
    let prefix = out(&speaker.ask(&["explain", "10.20.0.0/16"]));
    assert!(prefix.contains("BEST: only feasible route"), "{prefix}");
    assert!(prefix.contains("east: nothing: its session is"), "{prefix}");
    let covering = out(&speaker.ask(&["explain", "10.20.7.7"]));
    assert!(covering.starts_with("10.20.0.0/16 is the longest prefix here"), "{covering}");
    assert!(out(&speaker.ask(&["show", "routes"])).contains("10.20.0.0/16"));
    assert_eq!(speaker.ask(&["explain", "nothing"]).status.code(), Some(1));

    assert_eq!(speaker.ask(&["freeze"]).status.code(), Some(0));
    assert_eq!(speaker.json(&["show", "status"])["frozen"], true);
    assert_eq!(speaker.ask(&["unfreeze"]).status.code(), Some(0));
    let path = &speaker.json(&["show", "paths"])[0];
    assert_eq!((&path["codec"], &path["scale"]), (&"g711-plc".into(), &"narrowband".into()));
    assert!(path["provisional"] == false && path["r_low"].as_f64() <= path["r_high"].as_f64());
    assert!(out(&speaker.ask(&["take-out", "east"])).contains("path east is taken out"));
    assert_eq!(speaker.json(&["show", "paths"])[0]["state"], "admin");
    assert!(out(&speaker.ask(&["explain", "voice"])).contains("the operator took it out"));
    assert!(out(&speaker.ask(&["give-back", "east"])).contains("path east is given back"));
    assert_ne!(speaker.json(&["show", "paths"])[0]["state"], "admin");
    assert!(err(&speaker.ask(&["take-out", "nowhere"])).contains("paths: east"));
    let refused = speaker.ask(&["reset", "nobody"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("peers: east, west"));
    let events = speaker.json(&["show", "events"]);
    assert!(events.as_array().is_some_and(|events| events.iter().any(|e| e["kind"] == "frozen")));

    let drained = speaker.ask(&["drain", "--wait"]);
    assert!(out(&drained).ends_with("the speaker has left\n"), "{}", out(&drained));
    let ended = speaker.child.wait().expect("an end");
    assert_eq!(ended.code(), Some(0));
    assert!(!Path::new(&speaker.socket).exists(), "the socket is left behind");
}

#[test]
fn decode_tells_what_a_file_holds() {
    let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire");
    let file = |name: &str| wire.join(name).display().to_string();
    let text = pathvane(&["decode", &file("fault-several.hex")]);
    assert_eq!(text.status.code(), Some(0), "{}", err(&text));
    assert!(out(&text).contains("COMMUNITIES (8)"), "{}", out(&text));
    let json = pathvane(&["decode", "--json", &file("open-bird.hex")]);
    let open: Value = serde_json::from_str(&out(&json)).expect("one line of JSON");
    assert_eq!((&open["type"], &open["asn"]), (&Value::from("open"), &Value::from(65002)));
    let missing = pathvane(&["decode", "/nonexistent"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).contains("remedy:"), "{}", err(&missing));
    // This manifest is no hexadecimal digits: told line by line, and the exit code says so.
    let strange = pathvane(&["decode", &wire.join("../../Cargo.toml").display().to_string()]);
    assert_eq!(strange.status.code(), Some(1));
    assert!(out(&strange).contains("DAMAGED: line 1"), "{}", out(&strange));
}
