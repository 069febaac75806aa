//! BFD processes on loopback, with each other and with peers made by hand.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pathvane_probe::bfd::{PORT, Packet, State};

use super::protocol::{Key, LINE_MAX, Liveness, Reply, Request, Session, VERSION, Wanted};
use super::{Options, run};
use crate::OsError;

/// A process in a thread of its own, and its socket.
struct Running {
    folder: tempfile::TempDir,
    thread: JoinHandle<Result<(), OsError>>,
}

impl Running {
    fn start(unclaimed: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options { socket: folder.path().join("bfd.sock"), unclaimed };
        let thread = std::thread::spawn(move || run(&options));
        Self { folder, thread }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("bfd.sock")
    }

    fn visit(&self) -> Visit {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            match UnixStream::connect(self.socket()) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
                    return Visit { reader: BufReader::new(stream) };
                }
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn claim(&self, sessions: &[Wanted]) -> Visit {
        let mut visit = self.visit();
        visit.say(&Request::Claim { version: VERSION, sessions: sessions.to_vec() });
        visit
    }

    fn ends(self) {
        self.thread.join().expect("no panic").expect("it ends well");
    }
}

/// One connection to a process.
struct Visit {
    reader: BufReader<UnixStream>,
}

impl Visit {
    fn say(&mut self, request: &Request) {
        let line = serde_json::to_string(request).expect("text") + "\n";
        self.reader.get_mut().write_all(line.as_bytes()).expect("written");
    }

    fn hear(&mut self) -> Option<Reply> {
        let mut line = String::new();
        let len = self.reader.read_line(&mut line).expect("an answer in time");
        (len > 0).then(|| serde_json::from_str(&line).expect("a reply"))
    }

    /// The next report of a session for which `wanted` holds.
    fn until(&mut self, wanted: impl Fn(&Session) -> bool) -> Session {
        loop {
            match self.hear().expect("the process lives") {
                Reply::Session(session) if wanted(&session) => return session,
                Reply::Refused { reason } => panic!("{reason}"),
                _ => {}
            }
        }
    }

    fn refused(&mut self) -> String {
        match self.hear().expect("a word of why") {
            Reply::Refused { reason } => reason,
            other => panic!("{other:?}"),
        }
    }
}

fn wanted(local: &str, remote: &str) -> Wanted {
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    let key = Key { local: ip(local), remote: ip(remote), interface: None, multihop: false };
    Wanted { key, interval_us: 50_000, multiplier: 3 }
}

fn is(liveness: Liveness) -> impl Fn(&Session) -> bool {
    move |session| session.liveness == liveness
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn two_processes_come_up_and_leaving_is_no_failure() {
    let (a, b) = (Running::start(LONG), Running::start(LONG));
    let mut at_a = a.claim(&[wanted("127.88.1.1", "127.88.1.2")]);
    let mut at_b = b.claim(&[wanted("127.88.1.2", "127.88.1.1")]);
    let up = at_a.until(is(Liveness::Up));
    assert_eq!((up.state.as_str(), up.key.remote.to_string()), ("Up", "127.88.1.2".to_owned()));
    assert!(up.independent, "both survive their speakers");
    at_b.until(is(Liveness::Up));
    let fast = at_a.until(|session| session.detection_us == 150_000);
    assert_eq!(fast.transmit_us, 50_000);
    at_b.say(&Request::Release);
    let left = at_a.until(|session| session.state != "Up");
    assert_eq!((left.liveness, left.failures), (Liveness::Off, 0));
    assert_eq!(left.remote_state, "AdminDown");
    b.ends();
    at_a.say(&Request::Release);
    a.ends();
}

#[test]
fn who_only_looks_on_keeps_no_speaker_out() {
    let a = Running::start(LONG);
    let mut idle: Vec<Visit> = (0..20).map(|_| a.visit()).collect();
    let mut speaker = a.claim(&[wanted("127.88.9.1", "127.88.9.2")]);
    speaker.until(is(Liveness::Off));
    idle.extend((0..40).map(|_| a.visit()));
    let mut last = idle.pop().expect("one");
    last.say(&Request::Show);
    last.until(is(Liveness::Off));
    assert_eq!(idle[0].hear(), None, "the first had to go");
    speaker.say(&Request::Release);
    a.ends();
}

#[test]
fn sessions_outlive_their_speaker_until_nobody_claims_them() {
    let (a, b) = (Running::start(Duration::from_secs(1)), Running::start(LONG));
    let mut at_b = b.claim(&[wanted("127.88.2.2", "127.88.2.1")]);
    let session = [wanted("127.88.2.1", "127.88.2.2")];
    let mut at_a = a.claim(&session);
    at_a.until(is(Liveness::Up));
    at_b.until(is(Liveness::Up));
    drop(at_a);
    std::thread::sleep(Duration::from_millis(400));
    let mut again = a.claim(&session);
    let first = again.until(|_| true);
    assert_eq!((first.liveness, first.failures), (Liveness::Up, 0), "it never went down");
    drop(again);
    let gone = at_b.until(|session| session.state != "Up");
    assert_eq!(gone.remote_state, "AdminDown", "told, not lost");
    a.ends();
    at_b.say(&Request::Release);
    b.ends();
}

/// A peer made by hand at `local`, which speaks at port 3784 and hears there.
struct ByHand {
    socket: UdpSocket,
    to: (String, u16),
    yours: u32,
}

impl ByHand {
    fn new(local: &str, remote: &str) -> Self {
        let socket = UdpSocket::bind((local, PORT)).expect("bind");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        Self { socket, to: (remote.to_owned(), PORT), yours: 0 }
    }

    fn hear(&mut self) -> Packet {
        let mut buffer = [0; 64];
        let (len, from) = self.socket.recv_from(&mut buffer).expect("a packet in time");
        assert!(from.port() >= 49152, "RFC 5881 section 4: {from}");
        let packet = Packet::decode(&buffer[..len]).expect("sound");
        self.yours = packet.mine;
        packet
    }

    fn say(&self, state: State, ttl: u32) {
        self.socket.set_ttl(ttl).expect("a TTL");
        let packet = Packet {
            state,
            multiplier: 3,
            mine: 5,
            yours: self.yours,
            desired_min_tx_us: 50_000,
            required_min_rx_us: 50_000,
            ..Packet::default()
        };
        let to = (self.to.0.as_str(), self.to.1);
        self.socket.send_to(&packet.encode(), to).expect("sent");
    }
}

#[test]
fn silence_is_told_and_what_comes_from_afar_is_not_believed() {
    let process = Running::start(LONG);
    let mut peer = ByHand::new("127.88.3.2", "127.88.3.1");
    let mut at = process.claim(&[wanted("127.88.3.1", "127.88.3.2")]);
    assert_eq!(peer.hear().state, State::Down);
    peer.say(State::Init, 254);
    // Before the packet: this thread may be late to hear what came of it.
    let last = Instant::now();
    peer.say(State::Init, 255);
    at.until(is(Liveness::Up));
    let down = at.until(is(Liveness::Down));
    let took = last.elapsed();
    let lag = crate::alarm::now().as_nanos().saturating_sub(down.since_ns);
    println!("{} us from the change to whoever has claimed the session", lag / 1000);
    println!("told {took:?} after the last packet, detection time 150 ms");
    assert!(took >= Duration::from_millis(140), "not before the detection time: {took:?}");
    assert_eq!(down.diagnostic, "control detection time expired");
    assert!(!down.independent, "the peer did not set C");
    assert_eq!(down.received, 1, "the packet with TTL 254 did not count");
    at.say(&Request::Release);
    process.ends();
}

/// The sessions of a process.
fn shown(process: &Running) -> Vec<Key> {
    let mut visit = process.visit();
    visit.say(&Request::Show);
    let mut keys = Vec::new();
    while let Some(Reply::Session(session)) = visit.hear() {
        keys.push(session.key);
    }
    keys
}

#[test]
fn a_session_that_is_not_claimed_any_more_ends_alone() {
    let process = Running::start(LONG);
    let (one, two) = (wanted("127.88.4.1", "127.88.4.2"), wanted("127.88.4.1", "127.88.4.3"));
    let mut peer = ByHand::new("127.88.4.2", "127.88.4.1");
    let mut at = process.claim(&[one, two.clone()]);
    peer.hear();
    at.say(&Request::Claim { version: VERSION, sessions: vec![two.clone()] });
    while peer.hear().state != State::AdminDown {}
    let end = Instant::now() + Duration::from_secs(20);
    while shown(&process) != [two.key.clone()] {
        assert!(Instant::now() < end, "it is forgotten once its end was told");
        std::thread::sleep(Duration::from_millis(200));
    }
    at.say(&Request::Release);
    process.ends();
}

#[test]
fn what_cannot_be_served_is_refused_with_a_word() {
    let process = Running::start(LONG);
    let session = wanted("127.88.5.1", "127.88.5.2");
    let mut at = process.claim(std::slice::from_ref(&session));
    at.until(|_| true);
    assert!(process.claim(&[]).refused().contains("another speaker"));
    let mut visit = process.visit();
    visit.say(&Request::Release);
    assert!(visit.refused().contains("only the speaker"));
    let mut visit = process.visit();
    visit.reader.get_mut().write_all(b"{\"ask\": \"sing\"}\n").expect("written");
    assert!(visit.refused().contains("not a request"));
    let mut visit = process.visit();
    visit.reader.get_mut().write_all(&vec![b' '; LINE_MAX + 1]).ok();
    assert!(visit.refused().contains("too long"));
    drop(at);
    let mut visit = process.visit();
    visit.say(&Request::Claim { version: VERSION + 1, sessions: Vec::new() });
    assert!(visit.refused().contains("version"));
    let mut visit = process.visit();
    let zero = Wanted { interval_us: 0, ..session };
    visit.say(&Request::Claim { version: VERSION, sessions: vec![zero] });
    assert!(visit.refused().contains("zero"));
    let mut at = process.claim(&[]);
    while at.hear() != Some(Reply::Complete { version: VERSION }) {}
    at.say(&Request::Release);
    process.ends();
}

#[test]
fn questions_that_come_together_are_all_answered() {
    let process = Running::start(LONG);
    let mut visit = process.visit();
    let show = serde_json::to_string(&Request::Show).expect("text") + "\n";
    visit.reader.get_mut().write_all(show.repeat(20).as_bytes()).expect("written");
    for _ in 0..20 {
        assert_eq!(visit.hear(), Some(Reply::Complete { version: VERSION }));
    }
    let mut at = process.claim(&[]);
    at.say(&Request::Release);
    process.ends();
}

#[test]
fn an_address_in_use_is_told_and_tried_again() {
    let process = Running::start(LONG);
    let occupied = UdpSocket::bind(("127.88.6.1", PORT)).expect("bind");
    let mut at = process.claim(&[wanted("127.88.6.1", "127.88.6.2")]);
    match at.hear() {
        Some(Reply::Impossible { reason, .. }) => assert!(reason.contains("another BFD daemon")),
        other => panic!("{other:?}"),
    }
    drop(occupied);
    at.until(|session| session.state == "Down");
    at.say(&Request::Release);
    process.ends();
}
