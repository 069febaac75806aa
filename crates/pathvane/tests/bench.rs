//! The benchmark, small: this binary, the null relay and BIRD, with every route checked.
#![cfg(feature = "lab")]

use std::process::Command;

use serde_json::Value;

/// Whether a daemon that is missing is a failure, as in the test command.
fn peers_are_required() -> bool {
    std::env::var("PATHVANE_REQUIRE_PEERS").is_ok_and(|value| value == "1")
}

#[test]
fn every_route_arrives_and_leaves_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = folder.path().join("results.json");
    let output = Command::new(env!("CARGO_BIN_EXE_pathvane"))
        .args(["bench", "rib", "--scenario", "load", "--routes", "5000"])
        .args(["--quiet", "200", "--timeout", "60", "--against", "relay,bird", "--json"])
        .arg(&results)
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("load, announce: 1 x 5000 routes"), "{text}");
    let results = std::fs::read(&results).expect("the results");
    let results: Value = serde_json::from_slice(&results).expect("JSON");
    let records = results["records"].as_array().expect("records");
    let cost = |daemon: &str, phase: &str| {
        let is_it = |record: &&Value| record["daemon"] == daemon && record["phase"] == phase;
        records.iter().find(is_it).map(|record| record["cost"].clone())
    };
    for daemon in ["pathvane", "relay", "bird"] {
        let (Some(announce), Some(withdraw)) = (cost(daemon, "announce"), cost(daemon, "withdraw"))
        else {
            let may_lack = daemon == "bird" && !peers_are_required();
            assert!(may_lack && errors.contains("bird is left out"), "{daemon}: {text}\n{errors}");
            continue;
        };
        assert!(announce["wall_s"].as_f64().is_some_and(|wall| wall > 0.0), "{announce}");
        assert!(announce["cpu_s"].as_f64().is_some_and(|cpu| cpu > 0.0), "{announce}");
        // Groups of seven on average; what is not passed on group by group is packed as well.
        assert!(announce["updates_in"].as_u64().is_some_and(|count| count > 600), "{announce}");
        assert!(withdraw["updates_out"].as_u64().is_some_and(|count| count > 0), "{withdraw}");
    }
}

#[test]
fn nonsense_is_refused() {
    for wrong in [
        &["bench", "rib", "--scenario", "nonsense"][..],
        &["bench", "rib", "--routes", "99"],
        &["bench", "rib", "--against", "quagga"],
        &["bench"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_pathvane")).args(wrong).output();
        assert_eq!(output.expect("the binary runs").status.code(), Some(2), "{wrong:?}");
    }
}
