//! Measurements from outside, sent by a client of its own to the real binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const PATHVANE: &str = env!("CARGO_BIN_EXE_pathvane");
const PATIENCE: Duration = Duration::from_secs(60);

/// A speaker and the reflector that it probes. Both are killed at the end.
struct Site {
    folder: TempDir,
    children: Vec<Child>,
}

impl Site {
    fn start(trusted: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let place = folder.path().display();
        let text = format!(
            r#"
            [speaker]
            asn = 65010
            bgp_identifier = "10.255.0.1"
            fib = "report"
            listen = []
            log = "warn"
            control = "{place}/control"
            [intake]
            socket = "{place}/intake"
            mode = "0600"
            trusted = {trusted}
            [peers.far]
            address = "127.0.0.9"
            local_address = "127.0.0.1"
            asn = 64512
            passive = true
            [paths.east]
            region = "us-east1"
            next_hop = "127.0.0.9"
            announce_via = ["far"]
            probe_source = "127.0.0.10"
            probes = [{{ kind = "stamp", target = "127.0.0.1", port = {port} }}]
            [services.voice]
            class = "voice"
            announce = [{{ prefix = "10.20.0.0/16", while = "interface-up:lo" }}]
            paths = ["east"]
            [timing]
            init_after = "1s"
            init_probes = 20
            "#
        );
        std::fs::write(folder.path().join("pathvane.toml"), text).unwrap();
        let spawn = |args: &[&str]| {
            let mut command = Command::new(PATHVANE);
            command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
            command.spawn().expect("the binary starts")
        };
        let file = folder.path().join("pathvane.toml").display().to_string();
        let children = vec![
            spawn(&["reflector", "--listen", &format!("127.0.0.1:{port}")]),
            spawn(&["run", "--config", &file]),
        ];
        Self { folder, children }
    }

    fn ask(&self, words: &[&str]) -> Option<String> {
        let output = Command::new(PATHVANE)
            .arg("--socket")
            .arg(self.folder.path().join("control"))
            .args(words)
            .output()
            .expect("the binary starts");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The path as `show paths --json` has it, once it is as wanted.
    fn path_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let shown = self.ask(&["show", "paths", "--json"]).unwrap_or_default();
            let shown: Value = serde_json::from_str(&shown).unwrap_or_default();
            let path = shown.get(0).or(shown.get("paths").and_then(|paths| paths.get(0)));
            if let Some(path) = path.filter(|path| wanted(path)) {
                return path.clone();
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}; last seen: {shown}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn intake(&self) -> PathBuf {
        self.folder.path().join("intake")
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.intake()).expect("the intake");
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Both fail only if it has gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn is_up(path: &Value) -> bool {
    path["state"] == "up"
}

fn poor(source: &str, valid_for: &str) -> String {
    format!(
        r#"{{"path":"east","source":"{source}","class":"voice","mos":2.5,"loss_pct":8,"jitter_ms":45,"delay_ms":31.5,"valid_for":"{valid_for}"}}"#
    )
}

#[test]
fn reports_are_shown_while_they_hold_and_move_nothing_unless_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::start(false);
    site.path_when("up", is_up);
    let mode = std::fs::metadata(site.intake()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut client = site.connect();
    for source in ["phone-1", "phone-2"] {
        writeln!(client, "{}", poor(source, "4s")).unwrap();
    }
    writeln!(
        client,
        r#"{{"region":"us-east1","source":"rtcp-xr","class":"voice","mos":4.3,"valid_for":"1h"}}"#
    )
    .unwrap();
    let told =
        site.path_when("three reports", |path| path["reports"].as_array().unwrap().len() == 3);
    let first = &told["reports"][0];
    assert_eq!((&first["source"], &first["loss_ppm"]), (&"phone-1".into(), &80_000.into()));
    assert_eq!((&first["delay_ns"], &first["breaks_limits"]), (&31_500_000.into(), &true.into()));
    assert_eq!((&told["state"], &told["reasons"]), (&"up".into(), &Value::Array(vec![])));
    let text = site.ask(&["show", "paths"]).unwrap();
    assert!(text.contains("2 of 3 sources outside say that it is bad"), "{text}");

    let left =
        site.path_when("two to lapse", |path| path["reports"].as_array().unwrap().len() == 1);
    assert_eq!(left["reports"][0]["source"], "rtcp-xr");
    assert_eq!(left["state"], "up");
}

#[test]
fn a_seventeenth_source_is_heard_and_who_made_room_is_counted_and_told() {
    let site = Site::start(false);
    site.path_when("up", is_up);
    let mut client = site.connect();
    for nth in 0..18 {
        writeln!(client, "{}", poor(&format!("phone-{nth}"), "1h")).unwrap();
    }
    let told = site.path_when("two to make room", |path| path["reports_displaced"] == 2);
    let sources: Vec<_> =
        told["reports"].as_array().unwrap().iter().map(|it| &it["source"]).collect();
    assert_eq!(sources.len(), 16);
    assert!(sources.contains(&&"phone-17".into()) && !sources.contains(&&"phone-0".into()));
    assert!(site.ask(&["show", "paths"]).unwrap().contains("2 reports from outside made room"));
    let events = site.ask(&["show", "events"]).unwrap();
    let told = "measurements of path east from outside made room for newer ones (1)";
    assert_eq!(events.matches(told).count(), 1, "once a minute: {events}");
}

#[test]
fn trusted_reports_degrade_a_path_when_two_agree_and_until_they_lapse() {
    let site = Site::start(true);
    site.path_when("up", is_up);
    let mut client = site.connect();
    writeln!(client, "{}", poor("phone-1", "1h")).unwrap();
    let alone = site.path_when("a report", |path| path["reports"].as_array().unwrap().len() == 1);
    assert_eq!(alone["state"], "up", "one source is no majority");
    // By the service: the path that carries it is meant.
    let second = poor("phone-2", "3s").replace("\"path\":\"east\"", "\"service\":\"voice\"");
    writeln!(client, "{second}").unwrap();
    let both = site.path_when("degraded", |path| path["state"] == "degraded");
    assert_eq!(both["reasons"], serde_json::json!(["reported"]));
    site.path_when("the second to lapse", |path| path["state"] == "recovering");
}

#[test]
fn bad_lines_are_answered_with_field_and_remedy_and_the_connection_goes_on() {
    let site = Site::start(false);
    site.path_when("up", is_up);
    let client = site.connect();
    let mut answers = BufReader::new(client.try_clone().unwrap()).lines();
    let mut client = client;
    let mut refused = |line: &str| -> Value {
        writeln!(client, "{line}").unwrap();
        serde_json::from_str(&answers.next().expect("an answer").unwrap()).expect("JSON")
    };
    let unknown = refused(&poor("a", "3s").replace("east", "north"));
    assert_eq!((&unknown["line"], &unknown["field"]), (&1.into(), &"path".into()), "{unknown}");
    assert_eq!(unknown["remedy"], "known are: east");
    let lying = refused(&poor("a", "3s").replace("2.5", "25"));
    assert_eq!((&lying["line"], &lying["field"]), (&2.into(), &"mos".into()), "{lying}");
    let garbage = refused("hello");
    assert!(garbage["error"].as_str().unwrap().contains("no JSON object"), "{garbage}");

    writeln!(client, "{}", poor("after", "1h")).unwrap();
    site.path_when("a report", |path| path["reports"][0]["source"] == "after");
}

#[test]
fn long_lines_and_many_connections_cost_nobody_else_anything() {
    let site = Site::start(false);
    site.path_when("up", is_up);
    let mut long = site.connect();
    // It may be closed before all is written.
    let _ = long.write_all(&[b'x'; 8192]);
    let mut answer = String::new();
    let _ = long.read_to_string(&mut answer);
    assert!(answer.contains("longer than 4096 octets"), "{answer}");

    let held: Vec<UnixStream> = (0..32).map(|_| site.connect()).collect();
    let mut answer = String::new();
    let begin = Instant::now();
    while !answer.contains("32 connections are open already") {
        assert!(begin.elapsed() < PATIENCE, "{answer}");
        let _ = site.connect().read_to_string(&mut answer);
    }
    let mut first = &held[0];
    writeln!(first, "{}", poor("held", "1h")).unwrap();
    site.path_when("a report", |path| path["reports"][0]["source"] == "held");
    drop(held);
}
