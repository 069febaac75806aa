//! The demonstration, end to end: this binary among emulated networks, judged by itself.
#![cfg(feature = "lab")]

use std::process::Command;

use serde_json::Value;

fn demo(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pathvane"))
        .arg("demo")
        .args(arguments)
        .output()
        .expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// A dead path is left in both directions within a second; a reset session moves nothing.
#[test]
fn a_blackhole_moves_the_call_and_a_session_reset_does_not() {
    let (success, out, err) =
        demo(&["--json", "--scenario", "blackhole", "--scenario", "session-reset"]);
    assert!(success, "{out}\n{err}");
    let document: Value = serde_json::from_str(&out).expect("one JSON document");
    let [dead, reset] = [0, 1].map(|nth| &document["scenarios"][nth]);
    for figure in ["detected_ms", "wire_ms", "return_ms", "forward_ms"] {
        let ms = dead[figure]["p50"].as_f64().unwrap_or(f64::INFINITY);
        assert!(ms < 1_000.0, "{figure}: {ms} ms in {out}");
        assert!(reset[figure]["p50"].is_null(), "{figure} of the session reset in {out}");
    }
    assert_eq!(reset["lost_forward"]["p50"], 0.0);
}

/// Every scenario has a name and a sentence.
#[test]
fn scenarios_are_listed_and_a_wrong_name_is_refused() {
    let (success, out, _) = demo(&["--list"]);
    assert!(success && out.contains("flapping") && out.lines().count() >= 20, "{out}");
    let (success, _, err) = demo(&["--scenario", "nonsense"]);
    assert!(!success && err.contains("--list"), "{err}");
}
