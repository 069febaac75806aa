//! What probes of a configured path carry: signatures, padding, the question how they arrived.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::thread;

use pathvane_probe::reflect;
use pathvane_probe::stamp::Key;
use pathvane_speaker::reflector::{Config, Reflector};

use crate::site::{LOOPBACK, Site, far, stamps};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// DSCP EF as a traffic class.
const EF: u8 = 0xb8;

/// The reflector of this project, which answers only what the key has signed.
fn signing_reflector() -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listen = vec![([127, 0, 0, 1], 0).into()];
            let key = Some(Key::new(SECRET.as_bytes()));
            let reflector = Reflector::bind(Config { listen, key, ..Config::default() });
            let reflector = reflector.expect("a reflector");
            tell.send(reflector.local_addrs()[0].port()).expect("the test");
            reflector.run(std::future::pending()).await.expect("it reflects");
        });
    });
    told.recv().expect("a reflector")
}

#[test]
fn a_path_is_measured_in_the_authenticated_mode() {
    let port = signing_reflector();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stamp.key"), format!("{SECRET}\n")).unwrap();
    let signed = format!(
        "{LOOPBACK}probes = [{{ kind = \"stamp\", target = \"127.0.0.1\", port = {port}, \
         key_file = \"FOLDER/stamp.key\", size = 172 }}]"
    );
    let site = Site::start(folder, &signed);
    let up = site.path_when(|path| path.state == "up" && path.probes[0].answered > 100);
    let probe = &up.probes[0];
    assert_eq!((probe.unauthenticated, probe.unusable_tlvs, probe.refused), (0, 0, 0), "{probe:?}");
    assert_eq!((probe.remarked_fwd, probe.remarked_rev), (0, 0), "{probe:?}");
    assert!(up.reasons.is_empty(), "{up:?}");
    // The reflector's clock is ours, so the directions are known apart.
    let delay = probe.delay.as_ref().expect("a delay");
    let varied = [Some(delay.pdv_ns), delay.pdv_fwd_ns, delay.pdv_rev_ns, Some(delay.ipdv_ns)];
    for spread in varied {
        assert!(spread.is_some_and(|it| it.p50 <= it.p95 && it.p95 <= it.p98), "{delay:?}");
    }
    assert!(delay.least_ns <= delay.srtt_ns && delay.srtt_ns < 1_000_000_000, "{delay:?}");
    assert!(delay.rttvar_ns > 0 && delay.ipdv_ns.p98 > 0, "{delay:?}");
    let loss = probe.loss.as_ref().expect("a loss");
    assert!(loss.burst_ratio >= 1.0 && loss.burst_probes >= 1.0 && loss.gap_probes > 1.0);
}

#[test]
fn an_answer_that_nobody_signed_is_counted_and_not_believed() {
    let key = Key::new(SECRET.as_bytes());
    let port = far(move |request, _, reply| {
        // Somebody in the middle, who changes what is said.
        let answered = reflect(request, Some(&key), &stamps(request, EF), reply).is_some();
        reply[20] ^= 1;
        answered
    })
    .port();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stamp.key"), SECRET).unwrap();
    let signed = format!(
        "{LOOPBACK}probes = [{{ kind = \"stamp\", target = \"127.0.0.1\", port = {port}, \
         key_file = \"FOLDER/stamp.key\" }}]"
    );
    let site = Site::start(folder, &signed);
    let path = site.path_when(|path| path.probes[0].unauthenticated > 20);
    assert_eq!((path.probes[0].answered, path.last_reply_ns), (0, None), "{path:?}");
}

/// The DSCP is changed on the way there: that is told for as long as it happens and a while after,
/// and no reason to think less of the path.
#[test]
fn a_changed_dscp_is_told_and_moves_nothing() {
    let (class, size) = (Arc::new(AtomicU8::new(EF)), Arc::new(AtomicUsize::new(0)));
    let (arriving, seen) = (Arc::clone(&class), Arc::clone(&size));
    let port = far(move |request, _, reply| {
        seen.store(request.len(), Relaxed);
        reflect(request, None, &stamps(request, arriving.load(Relaxed)), reply).is_some()
    })
    .port();
    let padded = format!(
        "{LOOPBACK}probes = [{{ kind = \"stamp\", target = \"127.0.0.1\", port = {port}, size = 172 }}]"
    );
    let site = Site::start(tempfile::tempdir().unwrap(), &padded);
    let up = site.path_when(|path| path.state == "up");
    assert_eq!((up.probes[0].remarked_fwd, size.load(Relaxed)), (0, 172), "{up:?}");
    assert!(up.reasons.is_empty(), "{up:?}");

    class.store(0, Relaxed);
    let noted = site.path_when(|path| path.reasons.contains(&"remarked".to_owned()));
    assert_eq!(noted.state, "up");
    assert!(noted.probes[0].remarked_fwd > 0 && noted.probes[0].remarked_rev == 0, "{noted:?}");

    class.store(EF, Relaxed);
    site.path_when(|path| path.reasons.is_empty());
}

#[test]
fn a_reflector_that_is_not_asked_how_probes_arrived_says_nothing_of_it() {
    let port = far(|request, _, reply| {
        assert_eq!(request.len(), 44, "no extensions");
        reflect(request, None, &stamps(request, 0), reply).is_some()
    })
    .port();
    let plain = format!(
        "{LOOPBACK}probes = [{{ kind = \"stamp\", target = \"127.0.0.1\", port = {port}, \
         class_of_service = false }}]"
    );
    let site = Site::start(tempfile::tempdir().unwrap(), &plain);
    let up = site.path_when(|path| path.state == "up" && path.probes[0].answered > 50);
    assert!(up.reasons.is_empty() && up.probes[0].remarked_fwd == 0, "{up:?}");
}
