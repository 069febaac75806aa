//! What the engine asks the shell to write, and when: bulk, what is urgent, and a queue that was looked
//! at in vain.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net};
use pathvane_clock::Instant;
use pathvane_engine::{
    Command, ConnId, Direction, Engine, Input, Output, PeerId, ServiceId, config::Config,
};
use pathvane_probe::Timestamp;
use pathvane_rib::Budget;
use pathvane_sim::world::{Setup, site_prefix};
use pathvane_wire::{
    AsPath, Asn, Attrs, BgpId, DecodeContext, EncodeContext, Family, FamilySet, Kind, MAX_LEN,
    NextHop, Open, PeerKind, UpdateView, encode_announcements, encode_keepalive, frame,
};

const ASN: Asn = Asn(16_550);

/// An engine with four peers; the first two speak for paths, the others, which are told alike, for none.
struct Site {
    engine: Engine,
    now: Instant,
    /// What was asked since it was last looked at: for whom, and whether urgently.
    asked: Vec<(PeerId, bool)>,
    written: [u64; 4],
}

impl Site {
    /// All sessions are up, and nothing is left to say.
    fn new() -> Self {
        let config = config();
        let now = Instant::from_millis(1);
        let engine = Engine::new(now, config, 1, Timestamp::from_unix_nanos(0));
        let mut site = Self { engine, now, asked: Vec::new(), written: [0; 4] };
        site.tell(Input::Command(Command::Start));
        for peer in 0..4 {
            site.open(peer);
        }
        for peer in 0..4 {
            site.drain(peer);
        }
        site.asked.clear();
        site
    }

    fn open(&mut self, peer: u16) {
        let (direction, local) = (Direction::Inbound, SocketAddr::from(([192, 0, 2, 1], 179)));
        let conn = conn(peer);
        self.tell(Input::Connected { peer: PeerId(peer), conn, direction, local });
        let mut bytes = BytesMut::new();
        let id = BgpId(0x0aff_0100 + u32::from(peer));
        Open { asn: ASN, hold_time: 60, id, capabilities: Vec::new() }.encode(&mut bytes);
        encode_keepalive(&mut bytes);
        self.hear(peer, &bytes);
        let view = self.engine.peer(PeerId(peer));
        assert!(view.session.established().is_some(), "session {peer} is up");
    }

    fn hear(&mut self, peer: u16, bytes: &[u8]) {
        self.tell(Input::Bytes { peer: PeerId(peer), conn: conn(peer), bytes });
    }

    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        while self.engine.busy() {
            self.engine.work(self.now, Budget { routes: 1_000 });
        }
        self.collect();
    }

    fn collect(&mut self) {
        loop {
            match self.engine.poll() {
                Output::Timeout(_) => return,
                Output::Transmit { peer, urgent, .. } => self.asked.push((peer, urgent)),
                _ => {}
            }
        }
    }

    /// One call as the shell makes it; what a peer is told by it, in order.
    fn transmit(&mut self, peer: u16, limit: usize) -> (usize, Vec<String>) {
        let mut out = BytesMut::new();
        let given = self.engine.poll_transmit(self.now, PeerId(peer), conn(peer), &mut out, limit);
        self.written[usize::from(peer)] += given as u64;
        self.collect();
        (given, told(&out))
    }

    fn drain(&mut self, peer: u16) {
        while self.transmit(peer, 64 * 1024).0 > 0 {}
    }

    fn announce(&mut self, peer: u16, prefixes: &[IpNet]) {
        let ctx = EncodeContext {
            peer: PeerKind::External,
            four_octet_as: false,
            add_path: FamilySet::EMPTY,
            extended_next_hop: FamilySet::EMPTY,
            max_len: MAX_LEN,
        };
        let (mut attrs, mut out) = (BytesMut::new(), BytesMut::new());
        Attrs { as_path: AsPath::sequence([ASN]), ..Attrs::default() }.encode(&ctx, &mut attrs);
        let next_hop = NextHop::from(IpAddr::from([169, 254, 10 + peer as u8, 1]));
        let nlri = prefixes.iter().map(|prefix| (0, *prefix));
        encode_announcements(Family::IPV4_UNICAST, &next_hop, &attrs, nlri, &ctx, &mut out)
            .expect("it fits");
        self.hear(peer, &out);
    }

    fn condition(&mut self, holds: bool) {
        self.tell(Input::Condition { service: ServiceId(0), announce: 0, holds });
    }

    fn progress(&mut self, peer: u16, sent: u64, acked: u64) {
        self.tell(Input::Progress { peer: PeerId(peer), conn: conn(peer), sent, acked });
    }
}

/// Observes only: what is told follows from the routes alone.
fn config() -> Config {
    let mut config =
        Setup::regions(&[("east", 10), ("west", 20), ("far", 30), ("farther", 40)]).engine;
    config.mode = pathvane_engine::config::Mode::Observe;
    config.paths.truncate(2);
    for service in &mut config.services {
        service.paths.truncate(2);
        service.reach.clear();
        service.checks.clear();
    }
    for peer in &mut config.peers {
        peer.export = Some(0);
        peer.session.graceful_restart = None;
    }
    config
}

fn conn(peer: u16) -> ConnId {
    ConnId(u32::from(peer) + 1)
}

/// `count` prefixes that begin with this octet.
fn many(first: u8, count: u32) -> Vec<IpNet> {
    let net = |n: u32| Ipv4Addr::new(first, (n >> 8) as u8, n as u8, 0);
    (0..count).map(|n| IpNet::V4(Ipv4Net::new_assert(net(n), 24))).collect()
}

fn told(mut bytes: &[u8]) -> Vec<String> {
    let context = DecodeContext {
        peer: PeerKind::External,
        four_octet_as: false,
        families: FamilySet::IPV4,
        add_path: FamilySet::EMPTY,
        extended_next_hop: FamilySet::EMPTY,
    };
    let mut told = Vec::new();
    while let Some(message) = frame(bytes, MAX_LEN).expect("whole messages") {
        if message.kind == Kind::Update {
            let view = UpdateView::parse(message.body, &context).expect("an UPDATE");
            told.extend(view.withdrawn().map(|nlri| format!("-{}", nlri.prefix)));
            for reach in view.reaches() {
                told.extend(reach.nlri.map(|nlri| format!("+{}", nlri.prefix)));
            }
        }
        bytes = &bytes[message.len..];
    }
    told
}

#[test]
fn bulk_is_asked_for_once_and_again_when_something_is_urgent() {
    let mut site = Site::new();
    let third = |site: &mut Site| {
        let asked = std::mem::take(&mut site.asked).into_iter().filter(|(p, _)| *p == PeerId(2));
        asked.map(|(_, urgent)| urgent).collect::<Vec<_>>()
    };
    site.announce(0, &many(20, 2_000));
    site.announce(0, &many(21, 2_000));
    assert_eq!(third(&mut site), [false]);
    assert!(!site.engine.urgent(PeerId(2)));

    site.announce(1, &many(30, 1));
    assert_eq!(third(&mut site), [true]);
    assert!(site.engine.urgent(PeerId(2)));
    assert_eq!(site.transmit(2, 1024).1[0], "+30.0.0.0/24", "a lone prefix goes before bulk");
    assert!(!site.engine.urgent(PeerId(2)));

    let service = site_prefix();
    site.condition(true);
    assert_eq!(third(&mut site), [true]);
    assert_eq!(site.transmit(2, 1024).1[0], format!("+{service}"));

    // What is true no more is withdrawn first, whatever waits and whoever came first.
    site.announce(1, &many(31, 1));
    site.condition(false);
    assert_eq!(third(&mut site), [true], "once");
    let (_, told) = site.transmit(2, 1024);
    assert_eq!(told[0], format!("-{service}"));
    assert_eq!(told[1], "+31.0.0.0/24");
    assert!(told[2].starts_with("+2"), "{told:?}");
}

/// Among what waits there may be much that a peer is told nothing of. A call ends all the same, and
/// gives nothing; the engine has to ask again.
#[test]
fn a_queue_that_was_looked_at_in_vain_is_asked_for_again() {
    let mut site = Site::new();
    for first in 20..25 {
        site.announce(2, &many(first, 2_000));
    }
    let others = many(30, 2_000);
    site.announce(1, &others);
    let (mut in_vain, mut heard) = (0, Vec::new());
    while let Some(at) = site.asked.iter().position(|(peer, _)| *peer == PeerId(2)) {
        site.asked.remove(at);
        loop {
            let (given, told) = site.transmit(2, 4 * 1024);
            heard.extend(told);
            if given == 0 {
                break;
            }
        }
        in_vain += u32::from(heard.is_empty());
    }
    assert!(in_vain > 1, "its own 10,000 prefixes lie before the others");
    let expected: Vec<_> = others.iter().map(|prefix| format!("+{prefix}")).collect();
    assert_eq!(heard, expected);
    assert!(!site.asked.iter().any(|(peer, _)| *peer == PeerId(2)));
}

/// The shell asks the kernel how far the bytes came, soon and again, while somebody waits to hear it.
#[test]
fn progress_is_wanted_until_all_that_was_decided_is_acknowledged() {
    let mut site = Site::new();
    let (peer, all) = (PeerId(2), site.written[2]);
    assert!(all > 0 && site.engine.wants_progress(peer), "what a new session was told");
    site.progress(2, all, all - 1);
    assert!(site.engine.wants_progress(peer));
    site.progress(2, all, all);
    assert!(!site.engine.wants_progress(peer));
    // A prefix that is no service's is nobody's business.
    site.announce(0, &many(20, 1));
    site.drain(2);
    assert!(site.written[2] > all && !site.engine.wants_progress(peer));
    site.now += Duration::from_secs(1);
    site.progress(2, site.written[2], all);
    assert!(!site.engine.wants_progress(peer));
}
