//! What people and programs write: configurations with their policies, patterns over paths and communities,
//! lines of the intake and of the BFD socket, series of probes.
//!
//! The first octet picks which. Nothing panics, and what is refused is refused with words.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pathvane_clock::Instant;
use pathvane_rib::policy::{
    AsPathRegex, CommunityPattern, ExtCommunityPattern, LargeCommunityPattern,
};
use pathvane_speaker::bfd::protocol::{Reply, Request};
use pathvane_speaker::{config, intake, series};
use pathvane_wire::{AsPath, Asn, BgpId, Community, ExtCommunity, Family, LargeCommunity};

/// What lines of the intake may name.
static NAMES: LazyLock<intake::Names> = LazyLock::new(|| {
    let text = include_str!("../../../../fixtures/configs/good/site-with-frr.toml");
    intake::Names::of(&config::parse("good.toml", text).loaded.expect("a good configuration"))
});

fuzz_target!(|input: &[u8]| {
    let Some((which, rest)) = input.split_first() else { return };
    let Ok(text) = core::str::from_utf8(rest) else { return };
    match which % 5 {
        0 => configuration(text),
        1 => patterns(text),
        2 => measurement(rest),
        3 => bfd(rest),
        _ => probes(rest),
    }
});

/// A file that is refused says where and what helps. Files that it names are not opened here.
fn configuration(text: &str) {
    if text.contains("_file") {
        return;
    }
    let outcome = config::parse("fuzz.toml", text);
    let said = outcome.findings.render(false);
    assert!(outcome.loaded.is_some() || !said.is_empty(), "refused without a word");
}

/// The first line is a pattern, each further one something that it may match.
fn patterns(text: &str) {
    let mut lines = text.lines();
    let Some(pattern) = lines.next() else { return };
    let path = AsPathRegex::new(pattern).ok();
    let community = pattern.parse::<CommunityPattern>().ok();
    let extended = pattern.parse::<ExtCommunityPattern>().ok();
    let large = pattern.parse::<LargeCommunityPattern>().ok();
    for line in lines.take(8) {
        if let Ok(value) = line.parse::<AsPath>() {
            assert_eq!(value.to_string().parse::<AsPath>().as_ref(), Ok(&value), "shown as read");
            let _ = path.as_ref().map(|path| path.matches(&value));
        }
        if let Ok(value) = line.parse::<Community>() {
            assert_eq!(value.to_string().parse(), Ok(value), "shown as read");
            let _ = community.as_ref().map(|community| community.matches(&value));
        }
        if let Ok(value) = line.parse::<ExtCommunity>() {
            let _ = extended.as_ref().map(|extended| extended.matches(&value));
        }
        if let Ok(value) = line.parse::<LargeCommunity>() {
            assert_eq!(value.to_string().parse(), Ok(value), "shown as read");
            let _ = large.as_ref().map(|large| large.matches(&value));
        }
        let _ = (line.parse::<Asn>(), line.parse::<BgpId>(), line.parse::<Family>());
    }
}

fn measurement(line: &[u8]) {
    match intake::read(line, &NAMES) {
        Ok(reports) => assert!(!reports.is_empty() && reports.len() <= 8),
        Err(refusal) => assert!(!refusal.error.is_empty() && !refusal.remedy.is_empty()),
    }
}

fn bfd(line: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<Request>(line) {
        let again = serde_json::to_vec(&request).expect("JSON");
        assert_eq!(serde_json::from_slice::<Request>(&again).expect("what we write"), request);
    }
    let _ = serde_json::from_slice::<Reply>(line);
}

fn probes(file: &[u8]) {
    if let Ok(layout) = series::scan(file) {
        assert!(!layout.paths.is_empty());
    }
    let mut before = Instant::from_nanos(0);
    for probe in series::Reader::new(file) {
        let Ok(probe) = probe else { return };
        let at = Instant::from_nanos(probe.at_ns);
        assert!(at >= before, "time goes forward, or the series is refused");
        before = at;
    }
}
