//! STAMP against another implementation, both ways round.
//!
//! Needs stamp-suite 1.0.0 (`cargo install stamp-suite --version 1.0.0 --locked`) in the `PATH`, or
//! `STAMP_SUITE` naming the program; run with `--ignored`. Loopback only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Monotonic};

use pathvane_clock::Instant;
use pathvane_probe::{Config, Kind, Sample, Sender};
use pathvane_speaker::probe_io::{Carrier, KernelClock, ProbeSocket, Spec};
use pathvane_speaker::reflector::{self, Reflector};
use serde_json::Value;

const LOCALHOSTS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
const PROBES: usize = 20;

fn stamp_suite(args: &[&str]) -> Command {
    let program = std::env::var("STAMP_SUITE").unwrap_or_else(|_| "stamp-suite".into());
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command
}

/// Their reflector; killed at the end.
struct Theirs {
    child: Child,
    addr: SocketAddr,
}

impl Theirs {
    fn start(addr: IpAddr, args: &[&str]) -> Self {
        let free = UdpSocket::bind((addr, 0)).unwrap().local_addr().unwrap();
        let (host, port) = (addr.to_string(), free.port().to_string());
        let mut command = stamp_suite(&["-i", "-S", &host, "-o", &port]);
        let child = command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: child.spawn().expect("stamp-suite runs"), addr: free }
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Probes `to` until [`PROBES`] replies came; probes sent before their reflector listens are lost.
fn measure(to: SocketAddr) -> (Vec<Sample>, Sender) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let origin = Monotonic::now();
    let spec = Spec::new(Carrier::Udp, SocketAddr::new(to.ip(), 0));
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
        },
    );
    let (mut out, mut samples) = (Vec::new(), Vec::new());
    while samples.len() < PROBES {
        assert!(clock.now() < Instant::from_secs(20), "{:?}", sender.counters());
        if let Some(seq) = sender.poll_transmit(clock.now(), &mut out) {
            socket.try_send(&out, to, seq.into()).unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
        socket.drain_sent(64, |tag, at| sender.handle_sent(tag as u32, at));
        socket.recv_batch(64, |datagram| {
            assert_eq!(datagram.from, to);
            samples.extend(sender.handle_received(datagram.bytes, datagram.at, datagram.ttl));
        });
    }
    (samples, sender)
}

#[test]
#[ignore = "needs stamp-suite"]
fn our_probes_are_answered_by_their_reflector() {
    for addr in LOCALHOSTS {
        for format in ["NTP", "PTP"] {
            let theirs = Theirs::start(addr, &["--stateful-reflector", "-K", format]);
            let (samples, sender) = measure(theirs.addr);
            let counters = sender.counters();
            assert_eq!(counters.mismatched + counters.malformed + counters.unsolicited, 0);
            assert_eq!(counters.implausible, 0, "T2 and T3 make sense in {format}");
            for (turn, sample) in (0..).zip(&samples) {
                assert!(sample.rtt_ns < 50_000_000, "{sample:?}");
                assert_eq!(sample.reflector_seq, Some(turn), "it numbers its replies");
                assert!(sample.one_way.is_some());
                let ttl = sample.fwd_ttl.expect("it tells our TTL");
                assert_eq!(ttl, 255, "{addr} {format}");
            }
            let delays = samples.iter().filter_map(|sample| sample.one_way);
            let (low, high) = delays.fold((i64::MAX, i64::MIN), |(low, high), delay| {
                (low.min(delay.fwd_delay_ns), high.max(delay.fwd_delay_ns))
            });
            assert!(high - low < 50_000_000, "the offset of the clocks is constant: {low} {high}");
        }
    }
}

/// Runs their sender against our reflector and returns its summary.
fn their_sender(addr: IpAddr, args: &[&str]) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listen = vec![(addr, 0).into()];
        let config = reflector::Config { listen, ..reflector::Config::default() };
        let reflector = Reflector::bind(config).unwrap();
        let port = reflector.local_addrs()[0].port().to_string();
        let host = addr.to_string();
        let mut command = stamp_suite(&["-r", &host, "-p", &port, "-S", &host]);
        command.args(["-c", "20", "-d", "10", "-L", "1", "--output-format", "json"]).args(args);
        let run = tokio::task::spawn_blocking(move || command.output().expect("stamp-suite runs"));
        let reflecting = tokio::spawn(reflector.run(std::future::pending()));
        let output = run.await.unwrap();
        reflecting.abort();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("a JSON summary")
    })
}

#[test]
#[ignore = "needs stamp-suite"]
fn their_probes_are_answered_by_our_reflector() {
    for addr in LOCALHOSTS {
        for args in [&["--ssid", "42", "--on-zero-ssid", "stop"][..], &["-K", "PTP"]] {
            let summary = their_sender(addr, args);
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
fn their_tlvs_come_back_with_the_flags_they_expect() {
    for (args, unrecognised) in [(&["--extra-padding", "120"][..], 0), (&["--cos"], PROBES)] {
        let summary = their_sender(LOCALHOSTS[0], args);
        assert_eq!(summary["packets_received"], PROBES, "{summary}");
        let validation = &summary["measurements"]["tlv_validation"];
        assert_eq!(validation["observed_tlvs"], PROBES, "{summary}");
        assert_eq!(validation["flags"]["unrecognized"], unrecognised, "{summary}");
        assert_eq!(validation["flags"]["malformed"], 0, "{summary}");
    }
}
