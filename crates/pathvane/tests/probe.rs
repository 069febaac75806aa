//! `pathvane probe` against `pathvane reflector`, both the real binary, over loopback.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

fn pathvane() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pathvane"));
    command.env_remove("PATHVANE_STAMP_KEY_FILE").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).expect("the process is there");
}

/// A reflector, and what it said. Killed if the test fails.
struct Reflector {
    child: Child,
    address: String,
    log: PathBuf,
    _directory: tempfile::TempDir,
}

impl Reflector {
    fn start(host: &str, args: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("log");
        let free = UdpSocket::bind((host, 0)).unwrap().local_addr().unwrap();
        let child = pathvane()
            .args(["reflector", "--listen", &free.to_string()])
            .args(args)
            .stdout(std::fs::File::create(&log).unwrap())
            .stderr(std::fs::File::options().append(true).open(&log).unwrap())
            .spawn()
            .expect("the reflector starts");
        let reflector = Self { child, address: free.to_string(), log, _directory: directory };
        reflector.wait_for("reflecting STAMP");
        reflector
    }

    fn wait_for(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap();
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < deadline, "no `{text}` in: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        // Both fail only if it has gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn probe(args: &[&str]) -> Output {
    pathvane().arg("probe").args(args).output().expect("the binary starts")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

/// Seconds, and the summary that must be the last line.
fn reported(output: &Output) -> (Vec<Value>, Value) {
    let mut lines = lines(output);
    let summary = lines.pop().expect("a summary");
    assert_eq!(summary["type"], "summary");
    assert!(lines.iter().all(|line| line["type"] == "second"));
    (lines, summary)
}

fn key_file(directory: &Path, name: &str, key: &str) -> String {
    let file = directory.join(name);
    std::fs::write(&file, key).unwrap();
    file.display().to_string()
}

#[test]
fn a_target_is_measured_over_ipv4_and_ipv6() {
    for host in ["127.0.0.1", "::1"] {
        let reflector = Reflector::start(host, &[]);
        let output = probe(&[
            &reflector.address,
            "--json",
            "--count",
            "150",
            "--interval",
            "10ms",
            "--size",
            "172",
        ]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let (seconds, summary) = reported(&output);
        assert!(seconds.len() >= 2, "{seconds:?}");
        let sent: u64 = seconds.iter().map(|second| second["sent"].as_u64().unwrap()).sum();
        assert_eq!((sent, summary["sent"].as_u64()), (150, Some(150)));
        assert_eq!(summary["answered"].as_u64().unwrap() + summary["lost"].as_u64().unwrap(), 150);
        let rtt = |name: &str| summary[name].as_f64().expect("a round trip");
        assert!(rtt("rtt_min_ms") <= rtt("rtt_avg_ms") && rtt("rtt_p95_ms") <= rtt("rtt_p99_ms"));
        assert!(summary["mos"].as_f64().unwrap() > 3.0, "{summary}");
        let told = &summary["estimates"];
        assert!(told["srtt_ms"].as_f64().unwrap() > 0.0 && summary["samples"].as_u64() > Some(50));
        assert!(summary["r"][0].as_f64() <= summary["r"][1].as_f64(), "{summary}");
        for spread in ["pdv_ms", "pdv_fwd_ms", "pdv_rev_ms", "ipdv_ms"] {
            let [p50, p98] = ["p50", "p98"].map(|q| told[spread][q].as_f64().expect("a quantile"));
            assert!(p50 <= p98 && p98 > 0.0, "{spread}: {told}");
        }
        assert!(told["burst_probes"].as_f64() >= Some(1.0), "{told}");
        assert_eq!((&summary["remarked_fwd"], &summary["remarked_rev"]), (&0.into(), &0.into()));
        assert_eq!(summary["refused"]["unusable_tlvs"], 0, "Class of Service is understood");
    }
}

#[test]
fn the_key_must_be_the_same_at_both_ends_and_the_reflector_counts_what_it_drops() {
    let directory = tempfile::tempdir().unwrap();
    let right = key_file(directory.path(), "right", "0123456789abcdef0123456789abcdef\n");
    let wrong = key_file(directory.path(), "wrong", "fedcba9876543210fedcba9876543210\n");
    let mut reflector = Reflector::start("127.0.0.1", &["--key-file", &right]);
    let address = reflector.address.clone();
    let ask = |more: &[&str]| {
        let args = ["--json", "--count", "5", "--timeout", "300ms"];
        probe(&[&[address.as_str()], &args[..], more].concat())
    };
    let output = ask(&["--key-file", &right]);
    assert_eq!((output.status.code(), &reported(&output).1["answered"]), (Some(0), &5.into()));
    for more in [&["--key-file", &wrong][..], &[]] {
        let output = ask(more);
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        assert_eq!(reported(&output).1["lost"], 5);
    }
    signal(&reflector.child, Signal::SIGUSR1);
    let log = reflector.wait_for("reflector: received=15 replied=5");
    assert!(log.contains("unauthenticated=10"), "{log}");
    signal(&reflector.child, Signal::SIGTERM);
    assert!(reflector.child.wait().unwrap().success());
    reflector.wait_for("reflector ended: received=15 replied=5");
}

#[test]
fn ctrl_c_ends_it_with_a_summary() {
    let reflector = Reflector::start("127.0.0.1", &[]);
    let mut child = pathvane()
        .args(["probe", &reflector.address])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(out.next().unwrap().starts_with("probing 127.0.0.1:"));
    let second = out.next().unwrap();
    assert!(second.contains("loss 0") && second.contains("MOS"), "{second}");
    signal(&child, Signal::SIGINT);
    let rest: Vec<String> = out.collect();
    let summary = rest.iter().find(|line| line.starts_with("--- ")).expect("a summary");
    assert!(summary.contains("answered, loss 0 (0.00 %)"), "{summary}");
    let last: Vec<&str> = rest.iter().rev().take(3).map(String::as_str).collect();
    let begin = ["bursts of ", "srtt ", "rtt min/avg/p95/p99 "];
    assert!(last.iter().zip(begin).all(|(line, begin)| line.starts_with(begin)), "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn who_does_not_answer_is_told_with_the_remedy() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = probe(&[&closed, "--duration", "2s", "--timeout", "200ms"]);
    assert_eq!(output.status.code(), Some(5));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("nothing listens on that UDP port"), "{complaint}");
    assert!(complaint.contains("start `pathvane reflector` there"), "{complaint}");

    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let output = probe(&[&address, "--duration", "2s", "--timeout", "200ms"]);
    assert_eq!(output.status.code(), Some(5));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("--allow") && complaint.contains("--kind icmp"), "{complaint}");
}

#[test]
fn what_cannot_be_opened_or_found_is_named() {
    for (args, named) in [
        (&["127.0.0.1", "--interface", "no-such-if0"][..], "no-such-if0"),
        (&["127.0.0.1", "--source", "192.0.2.77"], "192.0.2.77"),
        (&["127.0.0.1", "--source", "::1"], "the family of --source"),
        (&["127.0.0.1", "--key-file", "/nonexistent/key"], "/nonexistent/key"),
        (&["host.invalid"], "host.invalid"),
        (&["127.0.0.1:0"], "127.0.0.1:0"),
        (&["0.0.0.0:862"], "0.0.0.0:862"),
        (&["[::]:862"], "[::]:862"),
    ] {
        let output = probe(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains(named), "{complaint}");
    }
}

fn record(args: &[&str]) -> Output {
    pathvane().args(["score", "record"]).args(args).output().expect("the binary starts")
}

fn replay(file: &Path) -> Vec<Value> {
    let output = pathvane().args(["score", "replay"]).arg(file).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    lines(&output)
}

#[test]
fn what_is_recorded_from_a_live_path_is_replayed_in_both_forms() {
    let reflector = Reflector::start("127.0.0.1", &[]);
    let directory = tempfile::tempdir().unwrap();
    for name in ["series.csv", "series.jsonl"] {
        let file = directory.path().join(name);
        let output = record(&[
            &reflector.address,
            "--count",
            "200",
            "--interval",
            "5ms",
            "--path",
            "east",
            "-o",
            &file.display().to_string(),
        ]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains("200 sent"), "the view goes on beside the file: {shown}");
        let said = replay(&file);
        let end = said.last().expect("an end");
        assert_eq!((&end["kind"], &end["probes"]), (&"end".into(), &200.into()), "{said:?}");
        assert_eq!(end["leader"], "east");
        // What was lost at the time is lost again, and nothing else is.
        let text = std::fs::read_to_string(&file).unwrap();
        let is_lost =
            |line: &&str| line.split(',').nth(4) == Some("") || line.contains("\"rtt_ms\":null");
        let lost = text.lines().filter(is_lost);
        assert_eq!(end["lost"], lost.count(), "{end}");
    }
}

#[test]
fn a_series_on_standard_output_is_nothing_but_the_series() {
    let reflector = Reflector::start("127.0.0.1", &[]);
    let output = record(&[&reflector.address, "--count", "20", "--interval", "5ms"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let probes = lines(&output);
    assert_eq!(probes.len(), 20);
    let times: Vec<f64> = probes.iter().map(|probe| probe["at_ms"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "in the order of sending: {times:?}");
    assert_eq!(probes[0]["reflector"], reflector.address.as_str());
}

#[test]
fn a_series_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let output = record(&["127.0.0.1:9", "-o", "/nowhere/series.csv"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("/nowhere/series.csv"), "{complaint}");
}

#[test]
fn a_series_that_is_there_is_not_given_up_for_a_target_that_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("series.csv");
    std::fs::write(&file, "precious").unwrap();
    let output = record(&["host.invalid", "-o", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn nobody_is_probed_for_a_series_that_cannot_be_written() {
    let reflector = Reflector::start("127.0.0.1", &[]);
    // Without a count it would go on for ever.
    let output = record(&[&reflector.address, "--interval", "1ms", "-o", "/dev/full"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("cannot write the series"), "{complaint}");
}

/// A media relay on a free port of loopback; killed at the end.
struct Relay {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Relay {
    /// `None` without the program, unless `PATHVANE_REQUIRE_PEERS=1` says that it has to be there.
    fn start() -> Option<Self> {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(file("conf"), "").unwrap();
        let child = Command::new("turnserver")
            .args(["-c", &file("conf"), "-L", "127.0.0.1", "-p", &free.port().to_string()])
            .args(["-b", &file("db"), "--pidfile", &file("pid"), "--log-file", &file("log")])
            .args(["--simple-log", "--no-tcp", "--no-tls", "--no-dtls", "--no-cli", "-m", "1"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, address: free.to_string(), _folder: folder }),
            Err(error) => {
                let required = std::env::var_os("PATHVANE_REQUIRE_PEERS").is_some_and(|v| v == "1");
                assert!(!required, "turnserver: {error}; run `cargo xtask setup`");
                eprintln!("skipped: needs turnserver (`cargo xtask setup`)");
                None
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Both fail only if it has gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_media_relay_is_measured_with_stun() {
    let Some(relay) = Relay::start() else { return };
    let ask = || probe(&[&relay.address, "--kind", "stun", "--count", "50", "--json"]);
    // It takes a while to listen.
    let deadline = Instant::now() + Duration::from_secs(20);
    let summary = loop {
        let (_, summary) = reported(&ask());
        if summary["answered"] == 50 {
            break summary;
        }
        assert!(Instant::now() < deadline, "{summary}");
    };
    assert_eq!(summary["refused"]["malformed"], 0, "{summary}");
    assert!(summary["rtt_min_ms"].as_f64().unwrap() > 0.0, "{summary}");
}

#[test]
fn tcp_connections_are_probes_to_who_accepts_and_to_who_refuses() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let args = ["--kind", "tcp", "-i", "500ms", "-c", "3", "--json", &target];
    let accepted = probe(&args);
    assert_eq!(accepted.status.code(), Some(0), "{accepted:?}");
    let (_, summary) = reported(&accepted);
    assert_eq!(summary["answered"], 3, "{summary}");
    drop(listener);
    let refused = probe(&args);
    assert_eq!(refused.status.code(), Some(0), "a reset is an answer: {refused:?}");
    let too_fast = probe(&["--kind", "tcp", "-i", "20ms", "-c", "3", &target]);
    assert_eq!(too_fast.status.code(), Some(1));
    let said = String::from_utf8_lossy(&too_fast.stderr);
    assert!(said.contains("an --interval of 500ms or more"), "{said}");
}

/// A far end that copies what it is sent as RFC 8762 section 4.3.1 lays it out, and that after a while answers
/// nothing from the second port that asked. Tells how many ports that were.
fn far_with_a_deaf_port() -> (String, Arc<Mutex<Vec<u16>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let ports = Arc::clone(&seen);
    std::thread::spawn(move || {
        let (mut bytes, mut asked) = ([0; 2048], 0);
        while let Ok((len, from)) = socket.recv_from(&mut bytes) {
            assert!(len >= 44, "nobody asks whether a port is open that answers");
            let mut ports = ports.lock().unwrap();
            if !ports.contains(&from.port()) {
                ports.push(from.port());
            }
            asked += 1;
            if asked > 120 && ports.get(1) == Some(&from.port()) {
                continue;
            }
            let request = bytes[..len].to_vec();
            let reply = &mut bytes[..len];
            reply[16..24].copy_from_slice(&request[4..12]);
            reply[24..28].copy_from_slice(&request[..4]);
            reply[28..38].copy_from_slice(&request[4..14]);
            reply[38..44].copy_from_slice(&[0, 0, 64, 0, 0, 0]);
            socket.send_to(reply, from).expect("it is sent");
        }
    });
    (address, seen)
}

#[test]
fn several_source_ports_are_used_in_turn_and_a_silent_one_is_named() {
    let (address, seen) = far_with_a_deaf_port();
    let args = ["--ports", "4", "--interval", "5ms", "--count", "360", "--timeout", "200ms"];
    let output = probe(&[&[address.as_str(), "--json"], &args[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (_, summary) = reported(&output);
    let ports = seen.lock().unwrap().clone();
    assert_eq!(ports.len(), 4);
    assert_eq!(summary["silent_ports"], serde_json::json!([ports[1]]), "{summary}");
    assert!(summary["lost"].as_u64() >= Some(50), "{summary}");
    for (kind, said) in [("icmp", "ICMP knows no ports"), ("tcp", "a port of its own")] {
        let refused = probe(&["127.0.0.1", "--kind", kind, "--ports", "2", "--count", "1"]);
        assert_ne!(refused.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(said), "{refused:?}");
    }
}
