//! `pathvane score replay` on the series of `fixtures/series`, and on what it refuses.
//!
//! `PATHVANE_BLESS=1` writes the series anew.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A series of the fixtures: its name, and what becomes of a probe sent after so many
/// milliseconds on a path from a port.
type Weather = fn(u64, &str, u64) -> Option<u64>;

/// Twenty seconds of two paths, the first of which fails after twelve.
const SERIES: [(&str, u64, Weather); 4] = [
    ("blackhole.csv", 1, |at, path, _| match path {
        "east" => (at < 12_000).then_some(20),
        _ => Some(40),
    }),
    ("delay.csv", 1, |at, path, _| match path {
        "east" if at >= 12_000 => Some(180),
        "east" => Some(20),
        _ => Some(40),
    }),
    ("member.csv", 8, |at, path, port| match path {
        "east" => (at < 12_000 || port != 5).then_some(20),
        _ => Some(40),
    }),
    ("noise.csv", 1, |at, path, _| match path {
        "east" => (at % 4_700 != 0).then_some(20),
        _ => (at % 7_300 != 0).then_some(40),
    }),
];

/// The series as CSV: the leader is probed 50 times a second, the standby 10 times.
fn written((name, ports, weather): (&str, u64, Weather)) -> String {
    let mut text = format!(
        "# {name}: made by crates/pathvane/tests/replay.rs\nat_ms,path,reflector,port,rtt_ms\n"
    );
    let mut sent = [0_u64; 4];
    for at in (0..20_000).step_by(20) {
        for (nth, path) in ["east", "west"].into_iter().enumerate() {
            if nth == 1 && at % 100 > 0 {
                continue;
            }
            for (of, reflector) in ["10.128.0.9", "10.128.1.9"].into_iter().enumerate() {
                let count = &mut sent[2 * nth + of];
                let port = *count % ports;
                *count += 1;
                let rtt = weather(at, path, port).map(|ms| format!("{ms}.{:03}", at * 7 % 1000));
                let rtt = rtt.unwrap_or_default();
                writeln!(text, "{at},{path},{reflector},{port},{rtt}").expect("memory");
            }
        }
    }
    text
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/series").join(name)
}

fn replay(words: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pathvane"))
        .args(["score", "replay"])
        .args(words)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // A replay of a file does not read its input, and may have ended.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("an end")
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Replays a fixture; checks that it is what its generator writes.
fn fixture(nth: usize) -> Vec<Value> {
    let series = SERIES[nth];
    let path = file(series.0);
    if std::env::var_os("PATHVANE_BLESS").is_some() {
        fs::write(&path, written(series)).expect("write");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == written(series), "{} differs: PATHVANE_BLESS=1 writes it", path.display());
    lines(&replay(&[&path.display().to_string()], ""))
}

fn first<'a>(said: &'a [Value], state: &str, reason: &str) -> &'a Value {
    let holds = |it: &&Value| {
        let reasons = it["reasons"].as_array();
        it["state"] == state && reasons.is_some_and(|all| all.iter().any(|it| it == reason))
    };
    said.iter().find(holds).unwrap_or_else(|| panic!("never {state} by {reason}: {said:#?}"))
}

fn moves(said: &[Value]) -> Vec<(f64, &str, &str)> {
    let moved = said.iter().filter(|it| it["kind"] == "move" && !it["from"].is_null());
    moved
        .map(|it| {
            let at = it["at_ms"].as_f64().expect("a time");
            (at, it["to"].as_str().expect("a path"), it["cause"].as_str().expect("a cause"))
        })
        .collect()
}

#[test]
fn a_blackhole_is_down_and_left_within_150_ms() {
    let said = fixture(0);
    let down = first(&said, "down", "silence");
    let at = down["at_ms"].as_f64().expect("a time");
    assert!((12_000.0..12_150.0).contains(&at), "{down}");
    assert_eq!(moves(&said), [(at, "west", "leader-down")]);
    let end = said.last().expect("an end");
    assert_eq!((end["kind"].as_str(), end["moves"].as_u64()), (Some("end"), Some(1)));
    assert_eq!((end["probes"].as_u64(), end["leader"].as_str()), (Some(2400), Some("west")));
}

#[test]
fn a_step_of_delay_is_delay_in_the_end() {
    let said = fixture(1);
    let degraded = first(&said, "degraded", "delay");
    assert!(degraded["at_ms"].as_f64().is_some_and(|at| at < 12_400.0), "{degraded}");
    assert_eq!(moves(&said).len(), 1);
}

#[test]
fn one_silent_member_of_eight_is_named() {
    let said = fixture(2);
    let degraded = first(&said, "degraded", "ecmp-member");
    assert!(degraded["silent_ports"].as_u64().is_some_and(|ports| ports >= 1), "{degraded}");
    assert!(said.iter().all(|it| it["state"] != "down"));
}

#[test]
fn noise_moves_nothing() {
    let said = fixture(3);
    assert_eq!(moves(&said), []);
    assert!(said.iter().all(|it| it["state"] != "down" && it["state"] != "degraded"));
}

#[test]
fn standard_input_json_lines_and_options_are_taken() {
    let csv = written(SERIES[0]);
    let by_file = lines(&replay(&[&file("blackhole.csv").display().to_string()], ""));
    assert_eq!(lines(&replay(&["-"], &csv)), by_file);
    let mut json = String::new();
    for line in csv.lines().skip(2) {
        let [at, path, reflector, port, rtt] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let rtt = if rtt.is_empty() { "null" } else { rtt };
        writeln!(
            json,
            r#"{{"at_ms":{at},"path":"{path}","reflector":"{reflector}","port":{port},"rtt_ms":{rtt}}}"#
        )
        .expect("memory");
    }
    assert_eq!(lines(&replay(&["-"], &json)), by_file);
    let words = ["-", "--class", "bulk", "--strategy", "ordered", "--seed", "9"];
    assert_eq!(moves(&lines(&replay(&words, &json))).len(), 1);
}

#[test]
fn what_cannot_be_read_is_told_with_line_and_remedy() {
    for (input, said) in [
        ("at_ms,rtt_ms\n0,20\n20,fast\n", "-: line 3: rtt_ms: invalid type"),
        ("\u{feff}at_ms,rtt_ms\n0,20\n20,fast\n", "-: line 3: rtt_ms: invalid type"),
        ("at_ms,rtt_ms\n20,20\n0,20\n", "sort the lines by at_ms"),
        ("{\"at_ms\":0,\"rtt\":1}\n", "line 1: unknown field `rtt`"),
        ("", "the series has no probes"),
        ("at_ms,rtt_ms\n9000000000000,9000000000000\n", "too late for any clock"),
    ] {
        let output = replay(&["-"], input);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{input}");
        assert!(error.contains(said) && error.contains("remedy: "), "{input}: {error}");
        assert!(output.stdout.is_empty(), "nothing is judged before all of it was read");
    }
    let missing = replay(&["/nonexistent.csv"], "");
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("name a file that can be read"));
}
