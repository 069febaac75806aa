//! What people read, from answers as the speaker gives them.

use pathvane_speaker::control::dto::{Event, ExplainPrefix, Path, Peer, Routes, Service};
use serde_json::json;

use super::*;

fn service() -> Service {
    serde_json::from_value(json!({
        "name": "voice", "class": "voice", "strategy": "best",
        "leader": "west", "wanted": "west", "cause": "nothing got through the leader before it",
        "paths": [
            { "path": "east", "role": "out", "why": "nothing gets through, and that is certain (silence)",
              "score": 0.0, "score_low": 0.0, "score_high": 4.0, "grade": "down",
              "compliance": "violates", "violations": ["score", "loss"] },
            { "path": "west", "role": "leader", "why": "leads: nothing got through the leader before it",
              "score": 91.4, "score_low": 89.0, "score_high": 93.0, "grade": "A",
              "compliance": "complies", "violations": [] },
        ],
        "announced": [{ "prefix": "10.20.0.0/16", "condition": "kernel-route", "holds": false }],
        "reach": ["10.128.0.0/20"],
        "checks": [{ "name": "http://10.128.0.10/healthz", "region": "us-east1", "healthy": null }],
    }))
    .unwrap()
}

fn route(peer: &str, best: bool) -> serde_json::Value {
    json!({
        "prefix": "10.128.0.0/20", "peer": peer, "next_hop": "169.254.10.1", "path_id": 0,
        "origin": "igp", "as_path": "16550", "med": 100, "local_pref": null,
        "communities": ["65010:100"], "preference": 150, "offset": 50, "best": best,
        "accepted": true, "stale": false, "pending": false,
    })
}

#[test]
fn a_service_explains_who_leads_and_why_the_others_do_not() {
    let said = explain_service(&service());
    assert!(said.starts_with("voice goes over west: nothing got through the leader before it."));
    assert!(said.contains("east  out     0      0 to 4    down"), "{said}");
    assert!(said.contains("10.20.0.0/16 is not announced anywhere"));
}

#[test]
fn a_service_explains_what_its_leader_was_taken_before_for() {
    assert!(!explain_service(&service()).contains("It was taken before"));
    let over = serde_json::from_value(json!({ "path": "north", "rule": "room" })).unwrap();
    let said = explain_service(&Service { over: Some(over), ..service() });
    assert!(said.contains("It was taken before north: it had room, the other had not."), "{said}");
}

#[test]
fn an_observer_is_told_what_would_move() {
    let service = Service { leader: Some("east".into()), ..service() };
    assert!(explain_service(&service).contains("would move to west if moves were carried out"));
}

#[test]
fn a_prefix_explains_the_step_at_which_each_route_lost() {
    let explained: ExplainPrefix = serde_json::from_value(json!({
        "asked": "10.128.1.9/32", "prefix": "10.128.0.0/20", "service": "voice",
        "candidates": [
            { "route": route("cr-east", true), "outcome": "best", "why": "higher degree of preference" },
            { "route": route("cr-west", false), "outcome": "lost", "why": "higher degree of preference elsewhere" },
        ],
        "recipients": [
            { "peer": "frr", "route": route("frr", false), "why_not": null },
            { "peer": "cr-east", "route": null, "why_not": "it came from this peer" },
        ],
    }))
    .unwrap();
    let said = explain_prefix(&explained);
    assert!(said.starts_with("10.128.0.0/20 is the longest prefix here that covers 10.128.1.9/32"));
    assert!(said.contains("1. from cr-east: BEST: higher degree of preference"), "{said}");
    assert!(
        said.contains("2. from cr-west: lost: higher degree of preference elsewhere"),
        "{said}"
    );
    assert!(said.contains("degree of preference 150 (+50 of it by measurement)"), "{said}");
    assert!(said.contains("cr-east: nothing: it came from this peer"), "{said}");
    let empty = ExplainPrefix { candidates: Vec::new(), ..explained };
    assert!(explain_prefix(&empty).contains("none: no peer announced this prefix"));
}

#[test]
fn tables_are_aligned_and_say_when_they_are_empty() {
    let two = json!({ "routes": [route("a", true), route("a-long-name", false)], "cursor": "7" });
    let said = routes(&serde_json::from_value(two).unwrap());
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[1].find("169.254"), lines[2].find("169.254"), "{said}");
    assert!(said.contains("2 routes; there are more"), "{said}");
    assert_eq!(routes(&Routes { routes: Vec::new(), cursor: None }), "no routes\n");
    assert_eq!(peers(&[] as &[Peer]), "no peers are configured\n");
    assert_eq!(paths(&[] as &[Path]), "no paths are configured\n");
    assert!(services(&[service()]).contains("not heard of yet"));
}

#[test]
fn figures_that_are_none_of_the_itu_are_marked() {
    let path = |provisional: bool| -> Path {
        serde_json::from_value(json!({
            "name": "east", "region": "us-east1", "interface": null, "next_hop": "169.254.10.1",
            "probe_source": "169.254.10.2", "peers": ["cr-east"], "state": "up", "reasons": [],
            "state_for_ns": 60_000_000_000_u64, "grade": "A", "score": 90.0, "mos": 4.3,
            "codec": "opus", "scale": "narrowband", "provisional": provisional, "rtt_ns": 20_000_000,
            "usual_rtt_ns": 20_000_000, "jitter_ns": 100_000, "loss_ppm": 0, "usual_loss_ppm": 0,
            "last_reply_ns": 1, "reflectors": 2, "silent": 0, "may_withdraw": false, "probes": [],
        }))
        .unwrap()
    };
    assert!(paths(&[path(true)]).contains("MOS by opus is provisional"));
    assert!(!paths(&[path(false)]).contains("provisional"));
}

#[test]
fn events_read_as_sentences() {
    let said = event(
        &serde_json::from_value::<Event>(json!({
            "schema": 1, "id": 12, "at_ns": 5, "wall_ns": 1_795_356_000_000_000_000_u64,
            "kind": "move", "move_id": 3, "service": "voice", "from": "east", "to": "west",
            "cause": "nothing gets through east", "evidence": "east: down (silence)",
            "alternatives": [{ "path": "west", "standing": "voice 91 (89 to 93), up" }],
            "detected_at_ns": 1_000_000, "decided_at_ns": 1_080_000, "done": false,
        }))
        .unwrap(),
    );
    assert!(said.contains("voice would have moved from east to west: nothing gets through east"));
    assert!(said.contains("decided 80 us after detection"), "{said}");
    assert!(said.contains("west: voice 91"), "{said}");
}

#[test]
fn ages_have_two_units_at_most() {
    let seconds = |s: u64| units::age(s * 1_000_000_000);
    assert_eq!(units::age(420_000_000), "0.4s");
    assert_eq!(seconds(59), "59s");
    assert_eq!(seconds(192), "3m12s");
    assert_eq!(seconds(7_500), "2h05m");
    assert_eq!(seconds(273_600), "3d04h");
}

#[test]
fn each_probe_stream_has_a_line_with_how_it_varies_and_what_it_loses() {
    let counts = json!({
        "kind": "stamp", "target": "10.128.0.9:862", "interval_ns": 20_000_000, "sent": 9, "answered": 9,
        "lost": 0, "late": 0, "reordered": 0, "send_failed": 0, "refused": 0,
    });
    let spread = |p98: u64| json!({ "p50": 100_000, "p95": 200_000, "p98": p98 });
    let mut heard = counts.clone();
    heard["delay"] = json!({
        "srtt_ns": 20_000_000, "rttvar_ns": 400_000, "least_ns": 19_000_000, "jitter_ns": 300_000,
        "pdv_ns": spread(3_000_000), "pdv_fwd_ns": spread(2_500_000), "pdv_rev_ns": null,
        "ipdv_ns": spread(700_000),
    });
    heard["loss"] = json!({
        "recent_ppm": 12_300, "usual_ppm": 1_000, "burst_ratio": 1.5, "burst_probes": 1.75,
        "gap_probes": 99.4,
    });
    let path: Path = serde_json::from_value(json!({
        "name": "east", "region": "us-east1", "interface": null, "next_hop": "169.254.10.1",
        "probe_source": "10.255.1.1", "peers": [], "state": "up", "reasons": [], "state_for_ns": 1,
        "grade": "A", "score": 90.0, "mos": 4.3, "rtt_ns": 1, "usual_rtt_ns": 1, "jitter_ns": 1,
        "loss_ppm": 0, "usual_loss_ppm": 0, "last_reply_ns": 1, "reflectors": 2, "silent": 0,
        "may_withdraw": false, "probes": [heard, counts],
    }))
    .unwrap();
    let said = probes(&[path]);
    let lines: Vec<Vec<&str>> = said
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect())
        .collect();
    let told = [
        "east",
        "stamp 10.128.0.9:862",
        "20.0 ms",
        "0.4 ms",
        "3.0 ms",
        "2.5 ms",
        "-",
        "0.7 ms",
        "1.23 %",
        "0.10 %",
        "1.8",
        "99",
        "1.50",
    ];
    assert_eq!(lines[1], told);
    assert_eq!(lines[2][2..], ["-"; 11], "nobody answered");
    assert_eq!(probes(&[]), "no probes are configured\n");
}
