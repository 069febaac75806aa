//! Source ports of probes, through the whole speaker on loopback: they are constant, used in turn,
//! and the one whose replies a broken bundle member swallows is found.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pathvane_probe::{Stamps, Timestamp, reflect};
use pathvane_speaker::config;
use pathvane_speaker::control::client::Client;
use pathvane_speaker::control::dto::Path;

const PORTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// A stateless reflector that answers all ports but those in `deaf`, and counts by port.
#[derive(Clone, Default)]
struct Far {
    heard: Arc<Mutex<BTreeMap<u16, u64>>>,
    deaf: Arc<Mutex<Option<u16>>>,
}

impl Far {
    fn start(&self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (addr, far) = (socket.local_addr().unwrap(), self.clone());
        thread::spawn(move || {
            let (mut bytes, mut reply) = ([0; 2048], Vec::new());
            loop {
                let (len, from) = socket.recv_from(&mut bytes).unwrap();
                *far.heard.lock().unwrap().entry(from.port()).or_default() += 1;
                if *far.deaf.lock().unwrap() == Some(from.port()) {
                    continue;
                }
                let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
                let now = Timestamp::from_unix_nanos(now.as_nanos() as u64);
                let seq = u32::from_be_bytes(bytes[..4].try_into().unwrap());
                let stamps = Stamps { received: now, sent: now, seq, ..Stamps::default() };
                assert!(reflect(&bytes[..len], None, &stamps, &mut reply).is_some());
                socket.send_to(&reply, from).unwrap();
            }
        });
        addr
    }
}

fn configuration(far: SocketAddr, control: &str) -> String {
    format!(
        r#"
        [speaker]
        asn = 65010
        bgp_identifier = "10.255.0.1"
        fib = "report"
        listen = []
        log = "off"
        control = "{control}"

        [peers.far]
        address = "127.0.0.9"
        local_address = "127.0.0.1"
        asn = 64512
        passive = true

        [paths.bundle]
        next_hop = "127.0.0.9"
        announce_via = ["far"]
        probe_source = "127.0.0.10"
        probes = [{{ kind = "stamp", target = "127.0.0.1", port = {port}, ports = {PORTS} }}]

        [services.voice]
        class = "voice"
        announce = [{{ prefix = "10.20.0.0/16", while = "interface-up:lo" }}]
        paths = ["bundle"]

        [timing]
        init_after = "1s"
        init_probes = 40
        "#,
        port = far.port()
    )
}

/// The path, once it is as wanted.
fn path_when(client: &Client, wanted: impl Fn(&Path) -> bool) -> Path {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now();
    let mut last = None;
    while begin.elapsed() < PATIENCE {
        if let Ok(mut paths) = runtime.block_on(client.get::<Vec<Path>>("/v1/paths")) {
            let path = paths.remove(0);
            if wanted(&path) {
                return path;
            }
            last = Some(path);
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("waited in vain; last seen: {last:#?}");
}

#[test]
fn one_deaf_source_port_of_several_is_found_and_the_path_still_passes() {
    let far = Far::default();
    let addr = far.start();
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control");
    let text = configuration(addr, control.to_str().unwrap());
    let outcome = config::parse("test.toml", &text);
    let loaded = outcome.loaded.unwrap_or_else(|| panic!("{}", outcome.findings.render(false)));
    // Ends with the process: it has neither peers nor kernel routes to leave.
    let file = folder.path().join("test.toml");
    thread::spawn(|| pathvane_speaker::run(loaded, file));
    let client = Client::new(&control);

    let up = path_when(&client, |path| path.state == "up");
    assert_eq!((up.probes[0].ports, up.silent_ports), (PORTS as u8, 0));
    assert!(up.probes[0].user_stamped <= up.probes[0].answered / 2, "{up:?}");
    let heard = far.heard.lock().unwrap().clone();
    assert_eq!(heard.len(), PORTS, "constant ports: {heard:?}");
    let (least, most) = (heard.values().min().unwrap(), heard.values().max().unwrap());
    assert!(most - least <= 2, "in turn: {heard:?}");

    let deaf = *heard.keys().next().unwrap();
    *far.deaf.lock().unwrap() = Some(deaf);
    let sick = path_when(&client, |path| path.silent_ports == 1);
    assert_eq!((sick.state.as_str(), sick.silent), ("degraded", 0));
    assert!(sick.reasons.contains(&"ecmp-member".to_owned()), "{sick:?}");

    *far.deaf.lock().unwrap() = None;
    path_when(&client, |path| path.silent_ports == 0);
}
