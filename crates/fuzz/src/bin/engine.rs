//! The whole engine between a peer that sends anything and one that behaves.
//!
//! The input is a program for the first peer: connections, OPENs, UPDATEs with any attributes and prefixes, any
//! octets, time that passes. Whatever it does, the second peer's session stays Established, what that
//! is told is sound to the last octet, and what it holds by that is what the engine believes it holds.
#![no_main]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use pathvane_clock::Instant;
use pathvane_engine::config::{Config, Peer};
use pathvane_engine::{Command, Engine, Input, Output, PeerId};
use pathvane_probe::Timestamp;
use pathvane_rib::Budget;
use pathvane_session::{ConnId, Direction, FsmState, GracefulRestart};
use pathvane_sim::world::Setup;
use pathvane_wire::{
    Asn, BgpId, Capability, DecodeContext, Family, FamilySet, MAX_LEN, Nlri, Open, PeerKind,
    UpdateView, encode_keepalive, frame,
};

/// The peer that sends anything, and the one that behaves.
const PEERS: [PeerId; 2] = [PeerId(0), PeerId(1)];
const ASNS: [Asn; 2] = [Asn(65_001), Asn(65_002)];

/// ORIGIN, AS_PATH and NEXT_HOP of a sound UPDATE of the first peer.
const SOUND: &[u8] = &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1];

fuzz_target!(|input: &[u8]| {
    let Some((bits, mut program)) = input.split_first() else { return };
    let mut world = World::new(*bits);
    while let Some((instruction, rest)) = program.split_first() {
        program = rest;
        world.does(*instruction, &mut program);
        assert!(world.is_up(1), "the other peer's session: {:?}", world.state(1));
    }
    world.holds_what_it_was_told();
});

struct World {
    engine: Engine,
    now: Instant,
    conns: [Option<ConnId>; 2],
    next: u32,
    bits: u8,
    held: BTreeSet<Nlri>,
}

fn config(bits: u8) -> Config {
    let mut config = Setup::two_regions().engine;
    (config.paths, config.services) = (Vec::new(), Vec::new());
    for (nth, peer) in config.peers.iter_mut().enumerate() {
        peer.export = Some(0);
        peer.session.remote_asn = ASNS[nth];
        peer.session.passive = true;
        peer.session.families = FamilySet::ALL;
        peer.session.hold_time = 90;
        peer.session.graceful_restart = None;
        peer.next_hop_v6 = Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 9].into());
    }
    unruly(&mut config.peers[0], bits);
    config
}

/// What the first peer may do is up to the input.
fn unruly(peer: &mut Peer, bits: u8) {
    let on = |bit: u8| bits & 1 << bit != 0;
    peer.session.extended_messages = on(0);
    peer.session.add_path_receive = if on(1) { FamilySet::ALL } else { FamilySet::EMPTY };
    peer.session.extended_next_hop = if on(2) { FamilySet::IPV4 } else { FamilySet::EMPTY };
    peer.session.graceful_restart = on(3).then_some(GracefulRestart {
        restart_time: 10,
        restarting: false,
        notification: on(4),
        families: FamilySet::EMPTY,
        forwarding: FamilySet::EMPTY,
    });
    peer.session.long_lived = (on(3) && on(5)).then_some(Duration::from_secs(60));
    peer.graceful_shutdown = on(6);
    peer.max_in.most = [on(7).then_some(100), None];
}

impl World {
    fn new(bits: u8) -> Self {
        let now = Instant::from_secs(1);
        let engine = Engine::new(now, config(bits), 1, Timestamp::from_unix_nanos(1_700_000_000_000_000_000));
        let mut world =
            Self { engine, now, conns: [None; 2], next: 0, bits, held: BTreeSet::new() };
        world.engine.handle(now, Input::Command(Command::Start));
        world.settle();
        world.connect(1);
        world.says(1, &open(1, 0));
        world.says(1, &keepalive());
        assert!(world.is_up(1), "{:?}", world.state(1));
        world
    }

    fn does(&mut self, instruction: u8, program: &mut &[u8]) {
        match instruction % 10 {
            0 => self.connect(0),
            1 => {
                let message = open(0, octet(program));
                self.says(0, &message);
            }
            2 => self.says(0, &keepalive()),
            3 | 4 => {
                let attributes = [SOUND, octets(program)].concat();
                let message = update(&[], &attributes, octets(program));
                self.says(0, &message);
            }
            5 => {
                let message = update(octets(program), octets(program), octets(program));
                self.says(0, &message);
            }
            6 => self.says(0, octets(program)),
            7 => self.passes(octet(program)),
            8 => {
                if let Some(conn) = self.conns[0].take() {
                    self.tell(Input::Closed { peer: PEERS[0], conn });
                }
            }
            _ => {
                let command = match octet(program) % 2 {
                    0 => Command::Reset { peer: PEERS[0], text: String::new() },
                    _ => Command::Refresh { peer: PEERS[0], families: FamilySet::ALL },
                };
                self.tell(Input::Command(command));
            }
        }
    }

    fn connect(&mut self, nth: usize) {
        if self.conns[nth].is_none() {
            self.next += 1;
            let (peer, conn) = (PEERS[nth], ConnId(self.next));
            self.conns[nth] = Some(conn);
            let local = SocketAddr::from(([169, 254, 10, 2], 179));
            let direction = Direction::Inbound;
            self.tell(Input::Connected { peer, conn, direction, local });
        }
    }

    fn says(&mut self, nth: usize, bytes: &[u8]) {
        if let Some(conn) = self.conns[nth] {
            self.tell(Input::Bytes { peer: PEERS[nth], conn, bytes });
        }
    }

    /// Time passes, in which the second peer says that it is there.
    fn passes(&mut self, half_seconds: u8) {
        for _ in 0..=half_seconds / 20 {
            let pause = Duration::from_millis(500 * u64::from(half_seconds.min(20)));
            self.now = self.now + pause;
            self.tell(Input::Timeout);
            self.says(1, &keepalive());
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            match self.engine.poll() {
                Output::Timeout(_) if self.engine.busy() => {
                    self.engine.work(self.now, Budget { routes: 1_000 });
                }
                Output::Timeout(_) => return,
                Output::Connect(peer) => {
                    self.engine.handle(self.now, Input::ConnectFailed { peer });
                }
                Output::Transmit { peer, conn, .. } => self.takes(peer, conn),
                Output::Close { conn, .. } => {
                    for open in &mut self.conns {
                        open.take_if(|open| *open == conn);
                    }
                }
                Output::Event(event) => drop(format!("{event:?}")),
                _ => {}
            }
        }
        panic!("it never ends asking");
    }

    /// All that waits is taken; the second peer reads it.
    fn takes(&mut self, peer: PeerId, conn: ConnId) {
        let mut out = BytesMut::new();
        while self.engine.poll_transmit(self.now, peer, conn, &mut out, 1 << 16) > 0 {
            assert!(out.len() < 1 << 24, "output without end");
        }
        if peer == PEERS[1] {
            self.read(&out);
        }
    }

    fn read(&mut self, mut rest: &[u8]) {
        let ctx = DecodeContext {
            peer: PeerKind::External,
            four_octet_as: true,
            families: FamilySet::ALL,
            add_path: FamilySet::EMPTY,
            extended_next_hop: FamilySet::EMPTY,
        };
        while let Some(message) = frame(rest, MAX_LEN).expect("a sound header") {
            rest = &rest[message.len..];
            if message.kind != pathvane_wire::Kind::Update {
                continue;
            }
            let view = UpdateView::parse(message.body, &ctx).expect("a sound UPDATE");
            let checked = view.attrs().check(&ctx);
            assert_eq!((view.fault(), &checked.faults[..]), (None, &[][..]));
            for nlri in view.withdrawn() {
                self.held.remove(&nlri);
            }
            self.held.extend(view.reaches().flat_map(|reach| reach.nlri));
        }
        assert!(rest.is_empty(), "a message that is not whole");
    }

    fn holds_what_it_was_told(&self) {
        for family in [Family::IPV4_UNICAST, Family::IPV6_UNICAST] {
            let held = self.held.iter().filter(|nlri| nlri.family == family).count();
            let believed = self.engine.rib().counts(PEERS[1], family).advertised;
            assert_eq!(held, believed as usize, "{family}, bits {:#x}", self.bits);
        }
    }

    fn state(&self, nth: usize) -> FsmState {
        self.engine.peer(PEERS[nth]).session.state()
    }

    fn is_up(&self, nth: usize) -> bool {
        self.state(nth) == FsmState::Established
    }
}

fn octet(program: &mut &[u8]) -> u8 {
    let Some((first, rest)) = program.split_first() else { return 0 };
    *program = rest;
    *first
}

/// A piece with its length in front.
fn octets<'a>(program: &mut &'a [u8]) -> &'a [u8] {
    let len = usize::from(octet(program)).min(program.len());
    let (taken, rest) = program.split_at(len);
    *program = rest;
    taken
}

fn open(nth: usize, bits: u8) -> Vec<u8> {
    let on = |bit: u8| bits & 1 << bit == 0;
    let mut capabilities = vec![
        Capability::Multiprotocol(Family::IPV4_UNICAST),
        Capability::Multiprotocol(Family::IPV6_UNICAST),
        Capability::RouteRefresh,
    ];
    if on(0) {
        capabilities.push(Capability::FourOctetAs(ASNS[nth]));
    }
    if on(1) {
        capabilities.push(Capability::EnhancedRouteRefresh);
    }
    if on(2) && nth == 0 {
        capabilities.push(Capability::ExtendedMessages);
    }
    let id = BgpId(10 + u32::try_from(nth).expect("small"));
    let mut bytes = BytesMut::new();
    Open { asn: ASNS[nth], hold_time: 90, id, capabilities }.encode(&mut bytes);
    bytes.to_vec()
}

fn keepalive() -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_keepalive(&mut bytes);
    bytes.to_vec()
}

fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let len = |octets: &[u8]| u16::try_from(octets.len()).expect("short").to_be_bytes();
    let body = [&len(withdrawn), withdrawn, &len(attributes), attributes, nlri].concat();
    let all = u16::try_from(19 + body.len()).expect("short").to_be_bytes();
    [&[0xff; 16][..], &all, &[2], &body].concat()
}
