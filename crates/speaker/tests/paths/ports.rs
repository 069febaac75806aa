//! Source ports of probes: they are constant, used in turn, and the one whose replies a broken
//! bundle member swallows is found.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pathvane_probe::{Stamps, reflect};
use pathvane_speaker::control::dto::Path;

use crate::site::{LOOPBACK, Site, far, stamps};

const PORTS: usize = 4;

#[test]
fn one_deaf_source_port_of_several_is_found_and_the_path_still_passes() {
    let heard = Arc::new(Mutex::new(BTreeMap::<u16, u64>::new()));
    let deaf = Arc::new(Mutex::new(None));
    let (counting, swallowing) = (Arc::clone(&heard), Arc::clone(&deaf));
    let port = far(move |request, from, reply| {
        *counting.lock().unwrap().entry(from.port()).or_default() += 1;
        let answered = reflect(request, None, &stamps(request, 0xb8), reply).is_some();
        answered && *swallowing.lock().unwrap() != Some(from.port())
    })
    .port();
    let probes = format!(
        "{LOOPBACK}probes = [{{ kind = \"stamp\", target = \"127.0.0.1\", port = {port}, ports = {PORTS} }}]"
    );
    let site = Site::start(tempfile::tempdir().unwrap(), &probes);

    let up = site.path_when(|path| path.state == "up");
    assert_eq!((up.probes[0].ports, up.silent_ports), (PORTS as u8, 0));
    assert!(up.probes[0].user_stamped <= up.probes[0].answered / 2, "{up:?}");
    let seen = heard.lock().unwrap().clone();
    assert_eq!(seen.len(), PORTS, "constant ports: {seen:?}");
    let (least, most) = (seen.values().min().unwrap(), seen.values().max().unwrap());
    assert!(most - least <= 2, "in turn: {seen:?}");

    *deaf.lock().unwrap() = Some(*seen.keys().next().unwrap());
    let sick = site.path_when(|path| path.silent_ports == 1);
    assert_eq!((sick.state.as_str(), sick.silent), ("degraded", 0));
    assert!(sick.reasons.contains(&"ecmp-member".to_owned()), "{sick:?}");

    *deaf.lock().unwrap() = None;
    site.path_when(|path| path.silent_ports == 0);
}

/// Which way the far end loses every fifth probe.
#[derive(Clone, Copy, PartialEq)]
enum Losing {
    Nothing,
    Requests,
    Replies,
}

/// It copies the numbers of probes, so its counts are all there is to tell.
#[test]
fn loss_from_several_ports_has_the_direction_that_the_reflectors_counts_tell() {
    let losing = Arc::new(Mutex::new(Losing::Nothing));
    let told = Arc::clone(&losing);
    let mut sessions = BTreeMap::<u16, (u32, u32)>::new();
    let mut turn = 0_u32;
    let port = far(move |request, from, reply| {
        turn += 1;
        // Not a multiple of the ports: all of them lose.
        let lost = if turn.is_multiple_of(5) { *told.lock().unwrap() } else { Losing::Nothing };
        if lost == Losing::Requests {
            return false;
        }
        let (received, returned) = sessions.entry(from.port()).or_default();
        *received += 1;
        *returned += 1;
        let stamps = Stamps { counts: (*received, *returned), ..stamps(request, 0xb8) };
        let answered = reflect(request, None, &stamps, reply).is_some();
        answered && lost != Losing::Replies
    })
    .port();
    let probes = format!(
        "{LOOPBACK}probes = [{{ kind = \"stamp\", target = \"127.0.0.1\", port = {port}, ports = {PORTS} }}]"
    );
    let site = Site::start(tempfile::tempdir().unwrap(), &probes);
    site.path_when(|path| path.state == "up");
    let has =
        |reason: &'static str| move |path: &Path| path.reasons.iter().any(|told| told == reason);
    for (way, reason, other) in [
        (Losing::Replies, "loss-reverse", "loss-forward"),
        (Losing::Requests, "loss-forward", "loss-reverse"),
    ] {
        *losing.lock().unwrap() = way;
        let lossy = site.path_when(has(reason));
        assert!(!has(other)(&lossy) && has("loss")(&lossy), "{lossy:?}");
        assert_eq!(lossy.probes[0].unusable_tlvs, 0, "{lossy:?}");
    }
}
