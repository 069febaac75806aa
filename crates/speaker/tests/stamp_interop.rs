//! STAMP against two other implementations, both ways round, in both modes.
//!
//! stamp-suite 1.0.0 (Rust) and scapy 2.8.0 (Python, `stamp_scapy.py` beside this file), which
//! `cargo xtask setup` puts under `target/oracles`; run with `--ignored`, as `cargo xtask test` does.
//! Loopback only.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Monotonic};

use pathvane_clock::Instant;
use pathvane_probe::stamp::{Key, Options};
use pathvane_probe::{Config, Kind, Remarked, Sample, Seen, Sender};
use pathvane_speaker::probe_io::{Carrier, KernelClock, ProbeSocket, Spec};
use pathvane_speaker::reflector::{self, Reflector};
use serde_json::Value;

const LOCALHOSTS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
const PROBES: usize = 20;
/// The key as the others take it.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const EF: u8 = 46;

fn key() -> Key {
    Key::new(&(0..32).collect::<Vec<u8>>())
}

/// Where `cargo xtask setup` puts a program.
fn oracle(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracles/bin").join(program)
}

fn stamp_suite(args: &[&str]) -> Command {
    let mut command = Command::new(oracle("stamp-suite"));
    command.args(args).stdin(Stdio::null());
    command
}

fn scapy(args: &[&str]) -> Command {
    let mut command = Command::new(oracle("python3"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stamp_scapy.py"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Their reflector; killed at the end.
struct Theirs {
    child: Child,
    addr: SocketAddr,
}

impl Theirs {
    fn stamp_suite(addr: IpAddr, args: &[&str]) -> Self {
        let addr = free(addr);
        let (host, port) = (addr.ip().to_string(), addr.port().to_string());
        let mut command = stamp_suite(&["-i", "-S", &host, "-o", &port]);
        let child = command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { child: child.expect("stamp-suite runs: `cargo xtask setup` builds it"), addr }
    }

    fn scapy(addr: IpAddr, key: Option<&str>) -> Self {
        let addr = free(addr);
        let (host, port) = (addr.ip().to_string(), addr.port().to_string());
        let mut command = scapy(&["reflector", &host, &port]);
        let child = command.args(key).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("python runs: `cargo xtask setup` installs scapy");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self { child, addr }
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free(addr: IpAddr) -> SocketAddr {
    UdpSocket::bind((addr, 0)).unwrap().local_addr().unwrap()
}

/// Probes `to` until [`PROBES`] replies came; probes sent before their reflector listens are lost.
fn measure(to: SocketAddr, options: &Options) -> (Vec<Sample>, Sender) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let origin = Monotonic::now();
    let mut spec = Spec::new(Carrier::Udp, SocketAddr::new(to.ip(), 0));
    spec.receive_class = true;
    let mut socket = ProbeSocket::open(&spec, origin).unwrap();
    let clock = KernelClock::new(origin);
    let mut sender = Sender::new(
        clock.now(),
        &Config {
            kind: Kind::Stamp { ssid: 0x2a },
            interval: Duration::from_millis(10),
            fastest: Duration::from_millis(10),
            timeout: Duration::from_secs(1),
            epoch: clock.epoch(),
            seed: 1,
            ports: 1,
            options: options.clone(),
        },
    );
    let (mut out, mut samples) = (Vec::new(), Vec::new());
    while samples.len() < PROBES {
        assert!(clock.now() < Instant::from_secs(20), "{:?}", sender.counters());
        while sender.poll_lost(clock.now()).is_some() {}
        if let Some(seq) = sender.poll_transmit(clock.now(), &mut out) {
            socket.try_send(&out, to, seq.into()).unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
        socket.drain_sent(64, |tag, at| sender.handle_sent(tag as u32, at));
        socket.recv_batch(64, |datagram| {
            assert_eq!(datagram.from, to);
            let seen = Seen { ttl: datagram.ttl, class: datagram.class };
            samples.extend(sender.handle_received(datagram.bytes, datagram.at, seen));
        });
    }
    (samples, sender)
}

/// What holds of every exchange with a reflector that numbers its replies.
fn check(samples: &[Sample], sender: &Sender) {
    let counters = sender.counters();
    let refused = counters.mismatched + counters.malformed + counters.unsolicited;
    assert_eq!((refused, counters.unauthenticated), (0, 0), "{counters:?}");
    assert_eq!(counters.implausible, 0, "T2 and T3 make sense");
    for (turn, sample) in (0..).zip(samples) {
        assert!(sample.rtt_ns < 50_000_000, "{sample:?}");
        assert_eq!(sample.reflector_seq, Some(turn), "it numbers its replies");
        assert!(sample.one_way.is_some());
        assert_eq!(sample.fwd_ttl, Some(255), "it tells our TTL");
    }
    let delays = samples.iter().filter_map(|sample| sample.one_way);
    let (low, high) = delays.fold((i64::MAX, i64::MIN), |(low, high), delay| {
        (low.min(delay.fwd_delay_ns), high.max(delay.fwd_delay_ns))
    });
    assert!(high - low < 50_000_000, "the offset of the clocks is constant: {low} {high}");
}

#[test]
#[ignore = "needs stamp-suite"]
fn our_probes_are_answered_by_stamp_suite() {
    for addr in LOCALHOSTS {
        for (format, key) in [("NTP", None), ("PTP", None), ("NTP", Some(key()))] {
            let mut args = vec!["--stateful-reflector", "-K", format];
            if key.is_some() {
                args.extend(["-A", "A", "--hmac-key", KEY]);
            }
            let theirs = Theirs::stamp_suite(addr, &args);
            let (samples, sender) = measure(theirs.addr, &Options { key, ..Options::default() });
            check(&samples, &sender);
        }
    }
}

#[test]
#[ignore = "needs stamp-suite"]
fn our_extensions_are_understood_by_stamp_suite() {
    for key in [None, Some(key())] {
        let mut args = vec!["--stateful-reflector"];
        if key.is_some() {
            args.extend(["-A", "A", "--hmac-key", KEY, "--verify-tlv-hmac"]);
        }
        let theirs = Theirs::stamp_suite(LOCALHOSTS[0], &args);
        let options = Options { key, size: 220, dscp: Some(EF), direct: true };
        let (samples, sender) = measure(theirs.addr, &options);
        check(&samples, &sender);
        assert_eq!(sender.counters().unusable_tlvs, 0);
        for (turn, sample) in (1..).zip(&samples) {
            let class = sample.class.expect("Class of Service");
            assert_eq!((class.fwd_dscp, class.refused), (EF, false), "{sample:?}");
            assert_eq!(sample.remarked, Remarked::default(), "{sample:?}");
            let direct = sample.direct.expect("Direct Measurement");
            assert_eq!(direct.received, turn, "{sample:?}");
        }
    }
}

#[test]
#[ignore = "needs stamp-suite"]
fn a_key_that_is_not_theirs_gets_no_reply_either_way() {
    let args = ["--stateful-reflector", "-A", "A", "--hmac-key", KEY];
    let theirs = Theirs::stamp_suite(LOCALHOSTS[0], &args);
    // Once the right key is answered, the reflector listens.
    measure(theirs.addr, &Options { key: Some(key()), ..Options::default() });
    let socket = UdpSocket::bind((LOCALHOSTS[0], 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let request = pathvane_probe::stamp::Request {
        seq: 0,
        time: pathvane_probe::WireTime(1),
        error: pathvane_probe::stamp::ErrorEstimate::UNSYNCHRONISED,
        ssid: 1,
    };
    socket.send_to(&request.encode_signed(&Key::new(b"another")), theirs.addr).unwrap();
    assert!(socket.recv(&mut [0; 256]).is_err());

    let wrong = KEY.replace("1f", "ff");
    let summary = their_sender(LOCALHOSTS[0], Some(key()), &["-A", "A", "--hmac-key", &wrong]);
    assert_eq!(summary["packets_received"], 0, "{summary}");
}

#[test]
#[ignore = "needs scapy"]
fn our_probes_are_answered_by_scapy() {
    for addr in LOCALHOSTS {
        for (text, key) in [(None, None), (Some(KEY), Some(key()))] {
            let theirs = Theirs::scapy(addr, text);
            let (samples, sender) = measure(theirs.addr, &Options { key, ..Options::default() });
            check(&samples, &sender);
        }
    }
}

/// Runs `command` against our reflector, whose address it is made of.
fn against_ours(
    addr: IpAddr,
    key: Option<Key>,
    command: impl FnOnce(&str, &str) -> Command,
) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listen = vec![(addr, 0).into()];
        let config = reflector::Config { listen, key, ..reflector::Config::default() };
        let reflector = Reflector::bind(config).unwrap();
        let port = reflector.local_addrs()[0].port().to_string();
        let mut command = command(&addr.to_string(), &port);
        let run = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
        let reflecting = tokio::spawn(reflector.run(std::future::pending()));
        let output = run.await.unwrap();
        reflecting.abort();
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON, but: {said}"))
    })
}

/// Runs stamp-suite's sender against our reflector and returns its summary.
fn their_sender(addr: IpAddr, key: Option<Key>, args: &[&str]) -> Value {
    against_ours(addr, key, |host, port| {
        let mut command = stamp_suite(&["-r", host, "-p", port, "-S", host]);
        command.args(["-c", "20", "-d", "10", "-L", "1", "--output-format", "json"]).args(args);
        command
    })
}

#[test]
#[ignore = "needs stamp-suite"]
fn probes_of_stamp_suite_are_answered() {
    for addr in LOCALHOSTS {
        for (args, key) in [
            (&["--ssid", "42", "--on-zero-ssid", "stop"][..], None),
            (&["-K", "PTP"], None),
            (&["-A", "A", "--hmac-key", KEY, "--ssid", "42"], Some(key())),
        ] {
            let summary = their_sender(addr, key, args);
            assert_eq!(summary["packets_received"], PROBES, "{summary}");
            let measured = &summary["measurements"];
            assert_eq!(measured["last_reflector_sequence"], PROBES - 1, "{summary}");
            assert_eq!(measured["unknown_replies"], 0, "{summary}");
            let delays = &summary["owd"];
            assert_eq!(delays["samples"], PROBES, "{summary}");
            // One machine, one wall clock: their one-way delays are true ones.
            for direction in ["forward_median_ms", "reverse_median_ms"] {
                let median = delays[direction].as_f64().unwrap();
                assert!((-1.0..50.0).contains(&median), "{direction} {summary}");
            }
        }
    }
}

#[test]
#[ignore = "needs stamp-suite"]
fn extensions_of_stamp_suite_come_back_with_the_flags_it_expects() {
    for signed in [&[][..], &["-A", "A", "--hmac-key", KEY, "--verify-tlv-hmac"]] {
        for extension in
            [&["--extra-padding", "120"][..], &["--cos", "--dscp", "46"], &["--direct-measurement"]]
        {
            let key = (!signed.is_empty()).then(key);
            let summary = their_sender(LOCALHOSTS[0], key, &[signed, extension].concat());
            assert_eq!(summary["packets_received"], PROBES, "{summary}");
            let validation = &summary["measurements"]["tlv_validation"];
            assert!(validation["observed_tlvs"].as_u64() >= Some(PROBES as u64), "{summary}");
            for flag in ["unrecognized", "malformed", "integrity_failed"] {
                let count = &validation["flags"][flag];
                assert!(count.is_null() || count == 0, "{flag} {extension:?}: {summary}");
            }
        }
    }
}

#[test]
#[ignore = "needs scapy"]
fn probes_of_scapy_are_answered() {
    for addr in LOCALHOSTS {
        for (text, key) in [(None, None), (Some(KEY), Some(key()))] {
            let said = against_ours(addr, key, |host, port| {
                let mut command = scapy(&["sender", host, port, "20"]);
                command.args(text);
                command
            });
            assert_eq!(said["asked"], PROBES, "{said}");
            assert_eq!(said["complaints"].as_array().map(Vec::len), Some(0), "{said}");
        }
    }
}
