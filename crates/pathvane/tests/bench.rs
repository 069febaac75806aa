//! The benchmark, small: this binary, the null relay and BIRD, with every route checked.
#![cfg(feature = "lab")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Whether a daemon that is missing is a failure, as in the test command.
fn peers_are_required() -> bool {
    std::env::var("PATHVANE_REQUIRE_PEERS").is_ok_and(|value| value == "1")
}

fn bench(words: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_pathvane")).arg("bench").args(words).output();
    output.expect("the binary runs")
}

/// Measures with small tables; the records, and what was said on the way.
fn measure(words: &[&str], folder: &Path) -> (Vec<Value>, String) {
    let results = folder.join("results.json");
    let file = results.display().to_string();
    let common = ["rib", "--routes", "5000", "--quiet", "200", "--timeout", "60", "--json", &file];
    let output = bench(&[&common, words].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{errors}");
    let results = std::fs::read(&results).expect("the results");
    let results: Value = serde_json::from_slice(&results).expect("JSON");
    (results["records"].as_array().expect("records").clone(), text + &errors)
}

#[test]
fn every_route_arrives_and_leaves_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, said) =
        measure(&["--scenario", "load", "--against", "relay,bird"], folder.path());
    assert!(said.contains("load, announce: 1 x 5000 routes"), "{said}");
    for daemon in ["pathvane", "relay", "bird"] {
        let cost = |phase: &str| {
            let is_it = |record: &&Value| record["daemon"] == daemon && record["phase"] == phase;
            records.iter().find(is_it).map(|record| record["cost"].clone())
        };
        let (Some(announce), Some(withdraw)) = (cost("announce"), cost("withdraw")) else {
            let may_lack = daemon == "bird" && !peers_are_required();
            assert!(may_lack && said.contains("bird is left out"), "{daemon}: {said}");
            continue;
        };
        for figure in ["wall_s", "cpu_s"] {
            assert!(announce[figure].as_f64().is_some_and(|s| s > 0.0), "{announce}");
        }
        // Groups of seven on average; BIRD and this binary pack withdrawals, the relay does not.
        assert!(announce["updates_in"].as_u64().is_some_and(|count| count > 600), "{announce}");
        assert!(withdraw["updates_out"].as_u64().is_some_and(|count| count > 0), "{withdraw}");
    }
    let file = folder.path().join("results.json").display().to_string();
    let plots = folder.path().display().to_string();
    let drawn = bench(&["plot", &file, "--out", &plots]);
    assert!(drawn.status.success() && folder.path().join("routes.svg").exists());
}

/// The second best routes, and single prefixes: both are told apart from what is wrong.
#[test]
fn a_lost_peer_leaves_the_second_best_and_single_prefixes_come_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = ["--scenario", "failover,latency", "--against", "pathvane", "--pings", "20"];
    let (records, said) = measure(&words, folder.path());
    let phases: Vec<&str> = records.iter().filter_map(|record| record["phase"].as_str()).collect();
    let expected = [
        "announce",
        "best peer lost",
        "announce empty table",
        "withdraw empty table",
        "announce",
        "announce beside the table",
        "withdraw beside the table",
    ];
    assert_eq!(phases, expected, "{said}");
    assert!(records[2]["latency"]["p50_us"].as_f64().is_some_and(|us| us > 0.0), "{said}");
}

/// Each feed groups the prefixes in its own way, so what belongs together has to be found anew.
#[test]
fn feeds_may_group_as_they_like() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = ["--scenario", "overlap4", "--against", "pathvane"];
    let updates_in = |words: &[&str]| {
        let (records, said) = measure(words, folder.path());
        let regrouped = words.contains(&"--regroup");
        assert_eq!(said.contains("regrouped per feed"), regrouped, "{said}");
        let phases: Vec<&str> = records.iter().filter_map(|r| r["phase"].as_str()).collect();
        assert_eq!(phases, ["announce", "withdraw"], "{said}");
        assert!(records.iter().all(|record| record["regroup"] == regrouped), "{said}");
        records[0]["cost"]["updates_in"].as_u64().expect("a number")
    };
    let alike = updates_in(&scenario);
    let apart = updates_in(&[&scenario[..], &["--regroup"]].concat());
    assert!(alike > 4 * 600 && apart > 4 * 600, "{alike}, {apart}");
    assert_ne!(alike, apart);
}

#[test]
fn nonsense_is_refused() {
    for wrong in [
        &["rib", "--scenario", "nonsense"][..],
        &["rib", "--routes", "99"],
        &["rib", "--against", "quagga"],
        &[],
    ] {
        assert_eq!(bench(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let missing = bench(&["plot", "/nonexistent.json"]);
    let errors = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && errors.contains("/nonexistent.json"), "{errors}");
}
