//! `pathvane mos` against the golden tables of the E-model and against flent's implementation.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn pathvane(words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pathvane"))
        .args(words.split(' '))
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary starts")
}

fn rated(words: &str) -> Value {
    let output = pathvane(&format!("mos {words} --json"));
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn member(answer: &Value, name: &str) -> f64 {
    answer[name].as_f64().unwrap_or_else(|| panic!("no {name} in {answer}"))
}

fn assert_near(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got - want).abs() <= tolerance, "{what}: {got} is not {want} within {tolerance}");
}

/// Ta, Idd, R and MOS of both forms.
const DELAYS: [[f64; 6]; 5] = [
    [100.0, 0.0, 93.20, 4.41, 90.66, 4.35],
    [150.0, 0.164, 93.04, 4.41, 89.54, 4.33],
    [200.0, 3.044, 90.16, 4.34, 85.80, 4.22],
    [250.0, 8.917, 84.28, 4.18, 79.18, 3.99],
    [400.0, 24.070, 69.13, 3.56, 62.25, 3.22],
];

#[test]
fn delays_rate_as_the_tables_say_in_both_forms() {
    for [ta, idd, r, mos, r_full, mos_full] in DELAYS {
        let call = format!("--delay-ms {ta} --loss-pct 0 --burst-r 1 --codec g711");
        let answer = rated(&call);
        assert_near(member(&answer, "idd"), idd, 0.0006, &call);
        assert_near(member(&answer, "r"), r, 0.006, &call);
        assert_near(member(&answer, "mos"), mos, 0.0051, &call);
        assert_near(member(&answer, "ta_ms"), ta, 0.0, &call);
        let full = rated(&format!("{call} --full"));
        assert_near(member(&full, "r"), r_full, 0.006, &call);
        assert_near(member(&full, "mos"), mos_full, 0.0051, &call);
        let id = member(&full, "id") + member(&full, "ie_eff") - member(&full, "a");
        let sum = member(&full, "ro") - member(&full, "is") - id;
        assert_near(sum, member(&full, "r"), 1e-9, "the terms add up");
    }
}

#[test]
fn codecs_rate_as_the_tables_say() {
    for (codec, mos) in [
        ("g711", [4.41, 3.83, 3.26, 2.17]),
        ("g711-plc", [4.41, 4.33, 4.23, 3.92]),
        ("g729a", [4.10, 3.95, 3.79, 3.34]),
        ("gsm-efr", [4.29, 4.02, 3.74, 3.01]),
    ] {
        for (loss, want) in [0, 1, 2, 5].into_iter().zip(mos) {
            let call = format!("--delay-ms 0 --loss-pct {loss} --burst-r 1 --codec {codec}");
            let answer = rated(&call);
            assert_near(member(&answer, "mos"), want, 0.0051, &call);
            assert_eq!(answer["provisional"], false);
            assert_eq!(answer["scale"], "narrowband");
        }
    }
}

#[test]
fn opus_is_marked_and_wideband_has_a_scale_of_its_own() {
    for (loss, ie_eff) in [(1, 8.77), (2, 12.56), (5, 18.60)] {
        let answer = rated(&format!("--delay-ms 0 --loss-pct {loss} --codec opus"));
        assert_near(member(&answer, "ie_eff"), ie_eff, 0.006, "Ie,eff");
        assert_eq!(answer["provisional"], true);
    }
    let text = pathvane("mos --delay-ms 50 --codec opus");
    assert!(String::from_utf8_lossy(&text.stdout).contains("provisional: no ITU figure"));
    // Its fit knows the share of losses alone, and that is said.
    let bursty = rated("--delay-ms 0 --loss-pct 5 --codec opus --burst-r 3");
    assert_eq!((&bursty["burst_r_ignored"], member(&bursty, "burst_r")), (&true.into(), 3.0));
    assert_near(member(&bursty, "ie_eff"), 18.60, 0.006, "Ie,eff");
    let text = pathvane("mos --delay-ms 0 --loss-pct 5 --codec opus --burst-r 3");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("5.00 % lost, BurstR 3.00 ignored: this codec's figures know none"),
        "{text}"
    );
    for knows in ["--codec opus", "--codec g711-plc --burst-r 3", "--codec amr-wb --burst-r 3"] {
        assert!(rated(&format!("--delay-ms 0 --loss-pct 5 {knows}"))["burst_r_ignored"].is_null());
    }
    let wide = rated("--delay-ms 0 --loss-pct 2 --codec amr-wb");
    assert_eq!(wide["scale"], "wideband");
    assert_near(member(&wide, "ie_eff"), 43.81, 0.006, "Ie,eff");
    assert_near(member(&wide, "mos"), 3.406, 0.0006, "MOS");
    let refused = pathvane("mos --delay-ms 0 --codec amr-wb --full");
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn jitter_costs_a_buffer_and_late_packets() {
    let calm = rated("--delay-ms 120 --loss-pct 1 --codec g711-plc");
    let shaky = rated("--delay-ms 120 --loss-pct 1 --codec g711-plc --jitter-ms 15");
    assert!(calm["buffer_ms"].is_null());
    assert!(member(&shaky, "r") < member(&calm, "r"));
    let buffer = member(&shaky, "buffer_ms");
    assert_near(member(&shaky, "ta_ms"), 120.0 + buffer, 1e-9, "Ta");
    let late = (-buffer / 15.0_f64).exp();
    assert_near(member(&shaky, "late_pct"), 100.0 * late, 1e-9, "late");
    assert_near(member(&shaky, "ppl"), 100.0 - 99.0 * (1.0 - late), 1e-9, "Ppl");
}

/// By hand: 20, 40 and 80 ms of buffer behind 20 ms, in both forms. Echo is worth a shallower one.
#[test]
fn each_form_has_the_buffer_with_which_it_sounds_best() {
    let call = "--delay-ms 20 --codec g711-plc --jitter-ms 2";
    let full = rated(&format!("{call} --full"));
    assert_near(member(&full, "buffer_ms"), 20.0, 0.0, "buffer");
    assert_near(member(&full, "r"), 91.98, 0.005, "R");
    let r = |buffer: f64| {
        let late_pct = 100.0 * (-buffer / 2.0_f64).exp();
        let delay = 20.0 + buffer;
        let call = format!("--delay-ms {delay} --loss-pct {late_pct} --codec g711-plc");
        [member(&rated(&call), "r"), member(&rated(&format!("{call} --full")), "r")]
    };
    let echo_free = rated(call);
    for buffer in [20.0, 40.0, 80.0] {
        let [free, with_echo] = r(buffer);
        assert!(member(&echo_free, "r") >= free - 1e-9 && member(&full, "r") >= with_echo - 1e-9);
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_range() {
    for (words, said) in [
        ("--loss-pct 1", "--delay-ms"),
        ("--delay-ms -1", "between 0 and 10000"),
        ("--delay-ms nan", "between 0 and 10000"),
        ("--delay-ms 10 --loss-pct 101", "between 0 and 100"),
        ("--delay-ms 10 --loss-pct 1 --burst-r 0.5", "between 1 and 1000"),
        ("--delay-ms 10 --jitter-ms inf", "between 0 and 1000"),
        ("--delay-ms 10 --codec g722", "g711-plc"),
    ] {
        let output = pathvane(&format!("mos {words}"));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(error.contains(said), "{words}: {error}");
    }
}

/// The interpreter that has flent: installed by `cargo xtask setup`, not by this test.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let python = target.join("oracles/bin/python3");
    if python.exists() {
        return Some(python);
    }
    let required = std::env::var_os("PATHVANE_REQUIRE_PEERS").is_some_and(|it| it == "1");
    assert!(!required, "{} is missing: run cargo xtask setup", python.display());
    eprintln!("skipped: no flent in target/oracles (cargo xtask setup installs it)");
    None
}

/// flent rates G.711 without concealment by the full form. It lets the MOS dip below 1, where the
/// cubic of Annex B does.
const FLENT: &str = "
from flent.util import mos_score
for delay in (0, 20, 50, 100, 101, 150, 177, 200, 250, 300, 400):
    for loss in (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0):
        print(delay, loss, mos_score(delay, loss / 100))
";

#[test]
fn flent_rates_the_same_calls_the_same() {
    let Some(python) = python() else { return };
    let output = Command::new(python).args(["-c", FLENT]).output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut compared = 0;
    for line in table.lines() {
        let [delay, loss, want] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let call = format!("--delay-ms {delay} --loss-pct {loss} --codec g711 --full");
        let got = member(&rated(&call), "mos");
        let want: f64 = want.parse().expect("a number");
        assert_near(got, want.max(1.0), 1e-6, &call);
        compared += 1;
    }
    assert_eq!(compared, 77);
}
