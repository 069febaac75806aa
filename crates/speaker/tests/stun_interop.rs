//! STUN against a media relay: coturn, as Debian ships it. Loopback only.
//!
//! Without `turnserver` the tests are skipped with a message, unless `PATHVANE_REQUIRE_PEERS=1`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Monotonic};

use pathvane_clock::Instant;
use pathvane_probe::{Config, Kind, Sample, Sender};
use pathvane_speaker::probe_io::{Carrier, KernelClock, ProbeSocket, Spec};

const PROBES: usize = 20;

/// A relay on a free port; killed at the end.
struct Relay {
    child: Child,
    addr: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Relay {
    /// `None` without the program.
    fn start(ip: IpAddr, arguments: &[&str]) -> Option<Self> {
        let addr = UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(file("conf"), "").unwrap();
        let (host, port) = (ip.to_string(), addr.port().to_string());
        let child = Command::new("turnserver")
            .args(["-c", &file("conf"), "-L", &host, "-p", &port, "-b", &file("db")])
            .args(["--pidfile", &file("pid"), "--log-file", &file("log"), "--simple-log"])
            .args(["--no-tcp", "--no-tls", "--no-dtls", "--no-cli", "-m", "1"])
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, addr, _folder: folder }),
            Err(error) => {
                let required = std::env::var_os("PATHVANE_REQUIRE_PEERS").is_some_and(|v| v == "1");
                assert!(!required, "turnserver: {error}; run `cargo xtask setup`");
                eprintln!("skipped: needs turnserver (`cargo xtask setup`)");
                None
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Probes `to` until [`PROBES`] responses came; those sent before the relay listens are lost.
fn measure(to: SocketAddr) -> (Vec<Sample>, Sender, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let origin = Monotonic::now();
    let spec = Spec::new(Carrier::Udp, SocketAddr::new(to.ip(), 0));
    let mut socket = ProbeSocket::open(&spec, origin).unwrap();
    let clock = KernelClock::new(origin);
    let config = Config {
        kind: Kind::Stun,
        interval: Duration::from_millis(10),
        fastest: Duration::from_millis(10),
        timeout: Duration::from_secs(1),
        epoch: clock.epoch(),
        seed: 1,
        ports: 1,
        options: Default::default(),
    };
    let mut sender = Sender::new(clock.now(), &config);
    let (mut out, mut samples) = (Vec::new(), Vec::new());
    while samples.len() < PROBES {
        assert!(clock.now() < Instant::from_secs(20), "{:?}", sender.counters());
        while sender.poll_lost(clock.now()).is_some() {}
        if let Some(seq) = sender.poll_transmit(clock.now(), &mut out) {
            // Refused while nobody listens yet.
            if socket.try_send(&out, to, seq.into()).is_err() {
                sender.handle_send_failed(seq);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
        socket.drain_sent(64, |tag, at| sender.handle_sent(tag as u32, at));
        socket.recv_batch(64, |datagram| {
            assert_eq!(datagram.from, to);
            let sample = sender.handle_received(datagram.bytes, datagram.at, datagram.ttl);
            // The relay answers late what came while it was starting.
            samples.extend(sample.filter(|sample| !sample.late));
        });
    }
    let local = socket.local_addr().unwrap();
    (samples, sender, local)
}

#[test]
fn a_media_relay_answers_our_probes_and_tells_our_address() {
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        // With and without the software's name and a fingerprint behind the address.
        for arguments in [&["--stun-only"][..], &["--no-software-attribute", "--fingerprint"]] {
            let Some(relay) = Relay::start(ip, arguments) else { return };
            // What waits for its first look is answered late.
            measure(relay.addr);
            let (samples, sender, local) = measure(relay.addr);
            assert!(samples.iter().all(|sample| sample.rtt_ns > 0 && sample.rev_ttl.is_some()));
            let stamped = samples.iter().filter(|sample| sample.kernel_sent).count();
            assert!(stamped >= PROBES / 2, "{stamped} departures stamped");
            assert_eq!(sender.mapped(), Some(local), "no translation on loopback");
            let counters = sender.counters();
            assert_eq!(counters.malformed + counters.mismatched + counters.unsolicited, 0);
            assert_eq!((counters.declined, counters.duplicates), (0, 0));
        }
    }
}
