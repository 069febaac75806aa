//! A speaker with one path, on a thread, and what its control interface says.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use pathvane_probe::{Stamps, Timestamp};
use pathvane_speaker::config;
use pathvane_speaker::control::client::Client;
use pathvane_speaker::control::dto::Path;
use pathvane_speaker::reflector::{self, Reflector};
use tempfile::TempDir;

use crate::netns::{ip, until};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running speaker. It ends with the process: it has neither peers nor kernel routes to leave.
pub(crate) struct Site {
    client: Client,
    /// Its files, for as long as it runs.
    _folder: TempDir,
}

impl Site {
    /// A site whose path `east` has these keys besides, and whose service is of class voice. The
    /// folder of its files is written `FOLDER`.
    pub(crate) fn start(folder: TempDir, path: &str) -> Self {
        Self::start_with(folder, path, "report")
    }

    /// The same, with rules and routing tables of its own in the kernel, which probes follow.
    pub(crate) fn start_in_kernel(folder: TempDir, path: &str) -> Self {
        Self::start_with(folder, path, "kernel")
    }

    /// The same with a second path, `west`, which the service uses as well.
    pub(crate) fn start_both(folder: TempDir, east: &str, west: &str) -> Self {
        let text = CONFIGURATION.replace("[\"east\"]", "[\"east\", \"west\"]");
        Self::start_by(&(text + WEST).replace("WAY", west), folder, east, "kernel")
    }

    fn start_with(folder: TempDir, path: &str, fib: &str) -> Self {
        Self::start_by(CONFIGURATION, folder, path, fib)
    }

    fn start_by(text: &str, folder: TempDir, path: &str, fib: &str) -> Self {
        let place = folder.path().to_str().expect("a name").to_owned();
        let text = text.replace("PATH", path).replace("FOLDER", &place);
        let text = text.replace("FIB", fib);
        let outcome = config::parse("test.toml", &text);
        let loaded = outcome.loaded.unwrap_or_else(|| panic!("{}", outcome.findings.render(false)));
        let file = folder.path().join("test.toml");
        thread::spawn(|| pathvane_speaker::run(loaded, file));
        Self { client: Client::new(folder.path().join("control")), _folder: folder }
    }

    /// What the control interface answers.
    pub(crate) fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.client.get(path)).ok()
    }

    /// The path, once it is as wanted.
    pub(crate) fn path_when(&self, wanted: impl Fn(&Path) -> bool) -> Path {
        self.paths_when(|paths| wanted(&paths[0])).remove(0)
    }

    /// All paths, once they are as wanted.
    pub(crate) fn paths_when(&self, wanted: impl Fn(&[Path]) -> bool) -> Vec<Path> {
        let begin = Instant::now();
        let mut last = None;
        while begin.elapsed() < PATIENCE {
            if let Some(paths) = self.get::<Vec<Path>>("/v1/paths") {
                if wanted(&paths) {
                    return paths;
                }
                last = Some(paths);
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("waited in vain; last seen: {last:#?}");
    }
}

/// The keys of a path on loopback.
pub(crate) const LOOPBACK: &str = "next_hop = \"127.0.0.9\"\nprobe_source = \"127.0.0.10\"\n";

const CONFIGURATION: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
fib = "FIB"
listen = []
log = "off"
control = "FOLDER/control"

[peers.far]
address = "127.0.0.9"
local_address = "127.0.0.1"
asn = 64512
passive = true

[services.voice]
class = "voice"
announce = [{ prefix = "10.20.0.0/16", while = "interface-up:lo" }]
paths = ["east"]

[timing]
init_after = "1s"
init_probes = 40

[paths.east]
announce_via = ["far"]
PATH
"#;

const WEST: &str = r#"
[peers.west]
address = "127.0.0.8"
local_address = "127.0.0.1"
asn = 64512
passive = true

[paths.west]
announce_via = ["west"]
WAY
"#;

/// A far end on loopback, marked EF, that answers each datagram as `answer` writes it, or not.
pub(crate) fn far(
    mut answer: impl FnMut(&[u8], SocketAddr, &mut Vec<u8>) -> bool + Send + 'static,
) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&socket).set_tos_v4(0xb8).unwrap();
    let addr = socket.local_addr().unwrap();
    thread::spawn(move || {
        let (mut bytes, mut reply) = ([0; 2048], Vec::new());
        loop {
            let (len, from) = socket.recv_from(&mut bytes).unwrap();
            if answer(&bytes[..len], from, &mut reply) {
                socket.send_to(&reply, from).unwrap();
            }
        }
    });
    addr
}

/// What a stateless reflector writes on `request`, which arrived with this traffic class.
pub(crate) fn stamps(request: &[u8], class: u8) -> Stamps {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = Timestamp::from_unix_nanos(now.as_nanos() as u64);
    let seq = u32::from_be_bytes(request[..4].try_into().unwrap());
    Stamps { received: now, sent: now, seq, class, ..Stamps::default() }
}

/// A reflector in a network namespace of its own, for as long as the process lives.
pub(crate) struct FarSpace {
    thread: nix::unistd::Pid,
    go: std::sync::mpsc::Sender<Vec<String>>,
    told: std::sync::mpsc::Receiver<nix::unistd::Pid>,
}

impl FarSpace {
    /// An empty namespace.
    pub(crate) fn new() -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let (go, gone) = std::sync::mpsc::channel::<Vec<String>>();
        thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace");
            tell.send(nix::unistd::gettid()).expect("the test");
            gone.recv().expect("the test").iter().for_each(|line| {
                ip(line);
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listen = vec![([0, 0, 0, 0], 862).into()];
                let reflector = reflector::Config { listen, ..reflector::Config::default() };
                let reflector = Reflector::bind(reflector).expect("a reflector");
                tell.send(nix::unistd::gettid()).expect("the test");
                reflector.run(std::future::pending()).await.expect("it reflects");
            });
        });
        Self { thread: told.recv().expect("a namespace"), go, told }
    }

    /// Moves an interface there.
    pub(crate) fn take(&self, interface: &str) {
        ip(&format!("link set {interface} netns {}", self.thread));
    }

    /// Runs `ip` there with these lines, starts the reflector, and asks it from `source` over every
    /// way there may be, until neighbours know each other: what is lost before is nobody's fault.
    pub(crate) fn start(&self, lines: &[&str], source: &str, target: &str) {
        self.go.send(lines.iter().map(|line| (*line).to_owned()).collect()).expect("the far side");
        self.told.recv().expect("a reflector");
        for _ in 0..16 {
            let socket = UdpSocket::bind((source, 0)).expect("our address");
            socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
            until("an answer", || {
                let _ = socket.send_to(&[0; 44], (target, 862));
                socket.recv(&mut [0; 64]).is_ok()
            });
        }
    }
}

/// Two links, `east` and `west`, to a region with reflectors at 10.9.0.9 and 10.9.1.9, which answer the
/// first of our `sources` over the one and the second over the other. Everybody else goes west.
pub(crate) fn two_ways(sources: &[&str]) -> FarSpace {
    let far = FarSpace::new();
    let mut lines = vec![
        "link set lo up".to_owned(),
        "addr add 10.9.0.9/32 dev lo".to_owned(),
        "addr add 10.9.1.9/32 dev lo".to_owned(),
    ];
    for (way, net) in [("east", 1), ("west", 2)] {
        ip(&format!("link add {way} type veth peer name {way}-far"));
        far.take(&format!("{way}-far"));
        ip(&format!("addr add 10.{net}.0.1/24 dev {way}"));
        ip(&format!("link set {way} up"));
        lines.push(format!("addr add 10.{net}.0.2/24 dev {way}-far"));
        lines.push(format!("link set {way}-far up"));
    }
    for (source, net) in sources.iter().zip(1..) {
        ip(&format!("addr add {source}/32 dev lo"));
        lines.push(format!("route add {source}/32 via 10.{net}.0.1"));
    }
    for interface in ["all", "east", "west"] {
        let file = format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter");
        std::fs::write(file, "0").expect("a sysctl");
    }
    ip("route add 10.9.0.0/16 via 10.2.0.2");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    far.start(&lines, sources[0], "10.9.0.9");
    far
}
