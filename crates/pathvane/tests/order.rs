//! Who is served first, told by the order of octets alone: no time is asserted.
//!
//! A real speaker, in a network namespace of the test's own, and peers that are plain sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};
use nix::unistd::Pid;
use serde_json::Value;

const PATHVANE: &str = env!("CARGO_BIN_EXE_pathvane");
const SPEAKER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 77, 0, 1), 1790);
/// The prefixes of the stream.
const TABLE: usize = 40_000;
/// What each of these has in common is one UPDATE.
const GROUP: usize = 5;

const SERVICE: [u8; 3] = [172, 20, 0];
const LONE: [u8; 3] = [172, 21, 0];

/// Three peers: one that streams a table, one with lone prefixes whose first is a service's, and one
/// that is told everything.
const CONFIG: &str = r#"
[speaker]
asn = 65000
bgp_identifier = "10.77.0.1"
listen = ["127.77.0.1:1790"]
control = "CONTROL"
fib = "report"

[peers.stream]
address = "127.77.1.1"
asn = 65101
[peers.lone]
address = "127.77.1.2"
asn = 65102
[peers.told]
address = "127.77.1.3"
asn = 65103

[paths.out]
next_hop = "127.77.1.3"
announce_via = ["told"]
probe_source = "127.77.0.1"
probes = [
  { kind = "stamp", target = "127.77.1.3", port = 8620 },
  { kind = "stamp", target = "127.77.1.3", port = 8621 },
]

[services.voice]
class = "voice"
paths = ["out"]
announce = [{ prefix = "172.20.0.0/24", while = "peer-route:lone" }]
"#;

/// A running speaker, ended by pid.
struct Speaker {
    child: Child,
    folder: tempfile::TempDir,
}

impl Speaker {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("control.sock");
        let common = "passive = true\nhold_time = \"240s\"\ngraceful_restart = \"off\"\n\
                      local_address = \"127.77.0.1\"\nimport = \"accept-all\"\n\
                      export = \"accept-all\"\n";
        let config = CONFIG.replace("CONTROL", &socket.display().to_string());
        let config = config.replace("asn = 651", &format!("{common}asn = 651"));
        let file = folder.path().join("pathvane.toml");
        std::fs::write(&file, config).expect("the configuration");
        let child = Command::new(PATHVANE).arg("run").arg("--config").arg(&file).spawn();
        Self { child: child.expect("the binary runs"), folder }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("the signal");
    }

    /// How many prefixes it has received from a peer.
    fn received(&self, peer: &str) -> u64 {
        let peers = ask(self.folder.path(), &["show", "peers"]);
        let listed = match &peers {
            Value::Array(list) => list,
            other => other["peers"].as_array().expect("a list of peers"),
        };
        let found = listed.iter().find(|item| item["name"] == peer).expect("the peer");
        let families = found["families"].as_array().expect("families");
        families.iter().filter_map(|family| family["received"].as_u64()).sum()
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // KILL ends a stopped process, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(folder: &Path, words: &[&str]) -> Value {
    let output = Command::new(PATHVANE)
        .arg("--socket")
        .arg(folder.join("control.sock"))
        .args(words)
        .arg("--json")
        .output()
        .expect("the binary runs");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a test on a thread in a network namespace of its own.
fn in_namespace(test: fn()) {
    if !nix::unistd::geteuid().is_root() {
        let required = std::env::var("PATHVANE_REQUIRE_ROOT").is_ok_and(|value| value == "1");
        assert!(!required, "PATHVANE_REQUIRE_ROOT=1, but this is not root");
        eprintln!("skipped: needs root for a network namespace");
        return;
    }
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(up.is_ok_and(|status| status.success()), "lo is up");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// One UPDATE that was heard.
struct Heard {
    /// Octets of the connection up to its end.
    end: usize,
    withdrawn: Vec<[u8; 3]>,
    announced: Vec<[u8; 3]>,
}

/// A peer of the speaker.
struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    octets: usize,
}

impl Peer {
    /// Dials until the session is up. `buffer` bounds what the kernel takes in unread.
    fn open(number: u8, buffer: Option<usize>) -> Self {
        let end = Instant::now() + Duration::from_secs(60);
        let stream = loop {
            match dial(number, buffer) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let mut peer = Self { stream, unread: Vec::new(), octets: 0 };
        let asn = 65_100_u16 + u16::from(number);
        let mut open = vec![4];
        open.extend(asn.to_be_bytes());
        open.extend(240_u16.to_be_bytes());
        open.extend([10, 77, 1, number, 0]);
        peer.say(&message(1, &open));
        peer.say(&message(4, &[]));
        while peer.hear().0 != 4 {}
        peer
    }

    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the connection is open");
    }

    /// Says what the socket takes now.
    fn say_some(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_nonblocking(true).expect("an option");
        let mut said = 0;
        while said < bytes.len()
            && let Ok(written) = self.stream.write(&bytes[said..])
        {
            said += written;
            // What was sent before may have to be acknowledged first.
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stream.set_nonblocking(false).expect("an option");
        said
    }

    /// The next message: type and body.
    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut chunk = [0; 4096];
        loop {
            if let Some(header) = self.unread.first_chunk::<19>() {
                let len = usize::from(u16::from_be_bytes([header[16], header[17]]));
                if self.unread.len() >= len {
                    let whole: Vec<u8> = self.unread.drain(..len).collect();
                    self.octets += len;
                    return (whole[18], whole[19..].to_vec());
                }
            }
            let read = self.stream.read(&mut chunk).expect("the speaker says something");
            assert!(read > 0, "the speaker closed the connection");
            self.unread.extend(&chunk[..read]);
        }
    }

    /// The next UPDATE with routes.
    fn hear_routes(&mut self) -> Heard {
        loop {
            let (kind, body) = self.hear();
            assert!([2, 4].contains(&kind), "message {kind}: {body:?}");
            if kind == 2 && body.len() > 4 {
                let (withdrawn, rest) = cut(&body);
                let (_, announced) = cut(rest);
                let (withdrawn, announced) = (prefixes(withdrawn), prefixes(announced));
                return Heard { end: self.octets, withdrawn, announced };
            }
        }
    }

    fn hear_until(&mut self, mut last: impl FnMut(&Heard) -> bool) -> Vec<Heard> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.hear_routes());
            if heard.last().is_some_and(&mut last) {
                return heard;
            }
        }
    }
}

fn dial(number: u8, buffer: Option<usize>) -> nix::Result<TcpStream> {
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None)?;
    if let Some(buffer) = buffer {
        setsockopt(&fd, sockopt::RcvBuf, &buffer)?;
    }
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 77, 1, number, 0))?;
    connect(fd.as_raw_fd(), &SockaddrIn::from(SPEAKER))?;
    let stream = TcpStream::from(fd);
    stream.set_nodelay(true).map_err(|_| nix::errno::Errno::EINVAL)?;
    Ok(stream)
}

/// A list of octets that begins with its length, and what follows.
fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    let len = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    bytes[2..].split_at(len)
}

/// Prefixes of /24; others end the test.
fn prefixes(mut bytes: &[u8]) -> Vec<[u8; 3]> {
    let mut found = Vec::new();
    while let [len, a, b, c, rest @ ..] = bytes {
        // The source of the probes is announced, too.
        if *len == 32 {
            bytes = &rest[1..];
            continue;
        }
        assert_eq!(*len, 24);
        found.push([*a, *b, *c]);
        bytes = rest;
    }
    found
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xFF; 16];
    bytes.extend((19 + body.len() as u16).to_be_bytes());
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

fn nlri(prefixes: &[[u8; 3]]) -> Vec<u8> {
    prefixes.iter().flat_map(|[a, b, c]| [24, *a, *b, *c]).collect()
}

fn announcement(number: u8, med: u32, prefixes: &[[u8; 3]]) -> Vec<u8> {
    let [high, low] = (65_100_u16 + u16::from(number)).to_be_bytes();
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 4, 2, 1, high, low];
    attributes.extend([0x40, 3, 4, 127, 77, 1, number, 0x80, 4, 4]);
    attributes.extend(med.to_be_bytes());
    let mut body = vec![0, 0];
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(nlri(prefixes));
    message(2, &body)
}

fn withdrawal(prefixes: &[[u8; 3]]) -> Vec<u8> {
    let withdrawn = nlri(prefixes);
    let mut body = (withdrawn.len() as u16).to_be_bytes().to_vec();
    body.extend(withdrawn);
    body.extend([0, 0]);
    message(2, &body)
}

/// The table of the peer that streams: every group with attributes of its own, by AS path on the other
/// side as well.
fn table() -> Vec<u8> {
    let prefix = |n: usize| [20, (n >> 8) as u8, n as u8];
    let all: Vec<_> = (0..TABLE).map(prefix).collect();
    all.chunks(GROUP).enumerate().flat_map(|(n, group)| streamed(n as u16, group)).collect()
}

/// An announcement whose AS path ends in a number of the group's.
fn streamed(group: u16, prefixes: &[[u8; 3]]) -> Vec<u8> {
    let [high, low] = 65_101_u16.to_be_bytes();
    let [first, second] = (1 + group).to_be_bytes();
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 6, 2, 2, high, low, first, second];
    attributes.extend([0x40, 3, 4, 127, 77, 1, 1]);
    let mut body = vec![0, 0];
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(nlri(prefixes));
    message(2, &body)
}

fn is_bulk(heard: &Heard) -> bool {
    heard.announced.iter().any(|prefix| prefix[0] == 20)
}

/// What the kernel and the connection hold already is all that goes before.
#[test]
fn a_services_withdrawal_and_then_a_lone_prefix_overtake_a_queued_table() {
    in_namespace(|| {
        let speaker = Speaker::start();
        let (mut stream, mut lone) = (Peer::open(1, None), Peer::open(2, None));
        let mut told = Peer::open(3, Some(4096));
        lone.say(&announcement(2, 0, &[SERVICE]));
        told.hear_until(|heard| heard.announced.contains(&SERVICE));

        // From here on it does not read, so that the table has to wait in the speaker.
        let said = table();
        stream.say(&said);
        until("the table was read", || speaker.received("stream") == TABLE as u64);
        lone.say(&announcement(2, 0, &[LONE]));
        until("the lone prefix was read", || speaker.received("lone") == 2);
        lone.say(&withdrawal(&[SERVICE]));
        until("the withdrawal was read", || speaker.received("lone") == 1);

        let mut bulk = 0;
        let heard = told.hear_until(|heard| {
            bulk += if is_bulk(heard) { heard.announced.len() } else { 0 };
            bulk == TABLE
        });
        let begin = heard[0].end;
        let at = |wanted: &dyn Fn(&Heard) -> bool| {
            let found = heard.iter().find(|heard| wanted(heard));
            found.expect("it was told").end - begin
        };
        let withdrawn = at(&|heard| heard.withdrawn.contains(&SERVICE));
        let announced = at(&|heard| heard.announced.contains(&LONE));
        let all = heard[heard.len() - 1].end - begin;
        assert!(withdrawn < announced, "{withdrawn}, {announced}");
        // Unread by the peer, in flight, unsent in the kernel, encoded: some ten KiB each.
        assert!(announced < 96 * 1024 && all > 400 * 1024, "{announced} of {all}");
    });
}

#[test]
fn a_lone_prefix_is_served_within_one_turn_of_a_peer_that_streams() {
    in_namespace(|| {
        let speaker = Speaker::start();
        let (mut stream, mut lone) = (Peer::open(1, None), Peer::open(2, None));
        let mut told = Peer::open(3, None);
        until("all sessions are up", || {
            let peers = ask(speaker.folder.path(), &["show", "peers"]);
            peers.to_string().matches("\"Established\"").count() == 3
        });
        // Both are there when it looks next; the stream came first.
        speaker.signal(Signal::SIGSTOP);
        let said = stream.say_some(&table());
        assert!(said > 48 * 1024, "{said}");
        lone.say(&announcement(2, 0, &[LONE]));
        speaker.signal(Signal::SIGCONT);

        let heard = told.hear_until(|heard| heard.announced.contains(&LONE));
        let before: usize = heard.iter().filter(|h| is_bulk(h)).map(|h| h.announced.len()).sum();
        // A turn of 8 KiB at most, and an UPDATE of the stream has more than 60 octets.
        assert!(before <= 8 * 1024 / 60 * GROUP, "{before} prefixes of the stream were told first");
        let next = told.hear_until(is_bulk);
        assert!(!next.is_empty(), "and the stream goes on");
    });
}
