//! BFD: the state machine state by event, every rule of reception, polls, times, and two peers
//! over a bad link.

use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_probe::bfd::{
    Arrival, Config, Diagnostic, Liveness, Packet, Refused, Session, State, Table,
};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const CONFIG: Config =
    Config { interval: Duration::from_millis(50), multiplier: 3, multihop: false };
const OURS: u32 = 7;
const THEIRS: u32 = 9;

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// What a sound peer in `state` sends at 50 ms x 3.
fn from_peer(state: State) -> Packet {
    Packet {
        state,
        multiplier: 3,
        mine: THEIRS,
        yours: OURS,
        desired_min_tx_us: 50_000,
        required_min_rx_us: 50_000,
        independent: true,
        ..Packet::default()
    }
}

fn hear(session: &mut Session, now: Instant, state: State) {
    let _ = session.handle_packet(now, &from_peer(state));
}

/// All packets due at `now`, decoded.
fn sent(session: &mut Session, now: Instant) -> Vec<Packet> {
    std::iter::from_fn(|| session.poll_transmit(now))
        .map(|bytes| Packet::decode(&bytes).expect("what we send is sound"))
        .collect()
}

/// A session in `state` at 0 ms.
fn in_state(state: State) -> Session {
    let mut session = Session::new(at(0), CONFIG, OURS, 1);
    match state {
        State::AdminDown => session.set_admin_down(at(0), true),
        State::Down => {}
        State::Init => hear(&mut session, at(0), State::Down),
        State::Up => hear(&mut session, at(0), State::Init),
    }
    assert_eq!(session.status().state, state);
    sent(&mut session, at(0));
    session
}

#[test]
fn state_by_state_every_event_has_its_answer() {
    use State::{AdminDown, Down, Init, Up};
    const SIGNALED: Diagnostic = Diagnostic::NEIGHBOR_SIGNALED_DOWN;
    const NONE: Diagnostic = Diagnostic::NONE;
    const ADMIN: Diagnostic = Diagnostic::ADMINISTRATIVELY_DOWN;
    // Our state, the peer's, our next state, our diagnostic, what clients are told
    // (RFC 5880 sections 6.2 and 6.8.6; RFC 5882 section 4.2).
    let table = [
        (AdminDown, AdminDown, AdminDown, ADMIN, Liveness::Off),
        (AdminDown, Down, AdminDown, ADMIN, Liveness::Off),
        (AdminDown, Init, AdminDown, ADMIN, Liveness::Off),
        (AdminDown, Up, AdminDown, ADMIN, Liveness::Off),
        (Down, AdminDown, Down, NONE, Liveness::Off),
        (Down, Down, Init, NONE, Liveness::Off),
        (Down, Init, Up, NONE, Liveness::Up),
        (Down, Up, Down, NONE, Liveness::Off),
        (Init, AdminDown, Down, SIGNALED, Liveness::Off),
        (Init, Down, Init, NONE, Liveness::Off),
        (Init, Init, Up, NONE, Liveness::Up),
        (Init, Up, Up, NONE, Liveness::Up),
        (Up, AdminDown, Down, SIGNALED, Liveness::Off),
        (Up, Down, Down, SIGNALED, Liveness::Down),
        (Up, Init, Up, NONE, Liveness::Up),
        (Up, Up, Up, NONE, Liveness::Up),
    ];
    for (ours, heard, next, diag, told) in table {
        let mut session = in_state(ours);
        hear(&mut session, at(10), heard);
        let status = session.status();
        let case = format!("{ours:?} hears {heard:?}");
        assert_eq!((status.state, status.diag, status.liveness), (next, diag, told), "{case}");
    }
}

#[test]
fn silence_for_the_detection_time_takes_init_and_up_down() {
    use State::{AdminDown, Down, Init, Up};
    let expired = Diagnostic::DETECTION_TIME_EXPIRED;
    let table = [
        (AdminDown, AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN, Liveness::Off),
        (Down, Down, Diagnostic::NONE, Liveness::Off),
        (Init, Down, expired, Liveness::Off),
        (Up, Down, expired, Liveness::Down),
    ];
    for (ours, next, diag, told) in table {
        let mut session = in_state(ours);
        session.handle_timeout(at(149));
        assert_eq!(session.status().state, ours, "{ours:?}: 150 ms are not over");
        session.handle_timeout(at(150));
        let status = session.status();
        assert_eq!((status.state, status.diag, status.liveness), (next, diag, told), "{ours:?}");
        if ours == Up {
            let packets = sent(&mut session, at(150));
            assert_eq!(packets[0].state, Down, "told at once");
            assert_eq!(packets[0].yours, 0, "the peer's discriminator is forgotten (6.8.1)");
            assert_eq!(status.failures, 1);
        }
    }
}

#[test]
fn a_failure_is_told_until_up_again_and_an_operators_wish_ends_it() {
    let mut session = in_state(State::Up);
    hear(&mut session, at(10), State::Down);
    hear(&mut session, at(20), State::Down);
    assert_eq!((session.status().state, session.liveness()), (State::Init, Liveness::Down));
    let mut back = session.clone();
    hear(&mut back, at(30), State::Up);
    assert_eq!((back.liveness(), back.status().diag), (Liveness::Up, Diagnostic::NONE));
    hear(&mut session, at(30), State::AdminDown);
    assert_eq!(session.liveness(), Liveness::Off);

    let mut session = in_state(State::Up);
    hear(&mut session, at(10), State::AdminDown);
    hear(&mut session, at(20), State::Down);
    assert_eq!(session.liveness(), Liveness::Off, "the peer comes back: still no failure");
}

/// Makes a sound packet, or how it arrived, unsound.
type Spoil = fn(&mut Vec<u8>, &mut Arrival<u8>);
/// Puts one thing right.
type Repair = fn(&mut Vec<u8>);

/// What a single-hop session with key 1 sees: rule by rule, in the order of section 6.8.6.
fn refused(change: impl Fn(&mut Vec<u8>, &mut Arrival<u8>)) -> Result<(), Refused> {
    let mut table = Table::new(3);
    table.set(at(0), 1_u8, CONFIG);
    let ours = table.get(&1).expect("a session").status().discriminator;
    let mut bytes = Packet { yours: ours, ..from_peer(State::Init) }.encode().to_vec();
    let mut arrival = Arrival { key: 1, multihop: false, ttl: Some(255) };
    change(&mut bytes, &mut arrival);
    let taken = table.handle_packet(at(1), &arrival, &bytes);
    let state = table.get(&1).expect("a session").status().state;
    assert_eq!(state == State::Up, taken.is_ok(), "a discarded packet changes nothing");
    assert_eq!(table.refused().map(|(_, count)| count).sum::<u64>(), u64::from(taken.is_err()));
    taken
}

#[test]
fn every_rule_of_reception_discards_what_it_should() {
    const MY: std::ops::Range<usize> = 4..8;
    const YOUR: std::ops::Range<usize> = 8..12;
    assert_eq!(refused(|_, _| {}), Ok(()));
    assert_eq!(refused(|bytes, _| bytes.extend([0; 40])), Ok(()), "what follows is not ours");
    let rules: [(Refused, Spoil); 15] = [
        (Refused::Truncated, |bytes, _| bytes.truncate(3)),
        (Refused::Version, |bytes, _| bytes[0] = 0),
        (Refused::Version, |bytes, _| bytes[0] = 2 << 5),
        (Refused::TooShort, |bytes, _| bytes[3] = 23),
        (Refused::TooShort, |bytes, _| (bytes[1], bytes[3]) = (bytes[1] | 4, 25)),
        (Refused::TooLong, |bytes, _| bytes[3] = 25),
        (Refused::TooLong, |bytes, _| bytes.truncate(23)),
        (Refused::Multiplier, |bytes, _| bytes[2] = 0),
        (Refused::Multipoint, |bytes, _| bytes[1] |= 1),
        (Refused::MyDiscriminator, |bytes, _| bytes[MY].fill(0)),
        (Refused::UnknownDiscriminator, |bytes, _| bytes[8] ^= 0xff),
        (Refused::MissingDiscriminator, |bytes, _| bytes[YOUR].fill(0)),
        (Refused::UnknownSender, |bytes, arrival| {
            bytes[YOUR].fill(0);
            bytes[1] = 1 << 6;
            arrival.key = 2;
        }),
        (Refused::WrongPort, |_, arrival| arrival.multihop = true),
        (Refused::Authentication, |bytes, _| {
            (bytes[1], bytes[3]) = (bytes[1] | 4, 26);
            bytes.extend([0; 2]);
        }),
    ];
    for (why, change) in rules {
        assert_eq!(refused(change), Err(why));
    }
    for ttl in [Some(254), Some(1), None] {
        assert_eq!(refused(|_, arrival| arrival.ttl = ttl), Err(Refused::Ttl), "{ttl:?}");
    }
}

#[test]
fn earlier_rules_come_first() {
    // Everything is wrong; one thing after the other is put right.
    let mut bytes = vec![0_u8; 3];
    let mut steps: Vec<(Refused, Repair)> = vec![
        (Refused::Truncated, |bytes| bytes.resize(24, 0)),
        (Refused::Version, |bytes| bytes[0] = 1 << 5),
        (Refused::TooShort, |bytes| bytes[3] = 200),
        (Refused::TooLong, |bytes| bytes[3] = 24),
        (Refused::Multiplier, |bytes| bytes[2] = 3),
        (Refused::Multipoint, |bytes| bytes[1] = 0xc0),
        (Refused::MyDiscriminator, |bytes| bytes[7] = 1),
    ];
    bytes[1..].fill(1);
    steps[0].1 = |bytes| {
        bytes.resize(24, 0);
        bytes[1] = 1;
        bytes[3] = 0;
        bytes[2] = 0;
    };
    for (why, repair) in steps {
        assert_eq!(Packet::decode(&bytes).err(), Some(why));
        repair(&mut bytes);
    }
    assert!(Packet::decode(&bytes).is_ok());
}

#[test]
fn a_known_discriminator_needs_no_known_address_and_a_first_packet_does() {
    let mut table = Table::new(3);
    table.set(at(0), 1_u8, CONFIG);
    table.set(at(0), 2_u8, Config { multihop: true, ..CONFIG });
    let ours = table.get(&1).expect("a session").status().discriminator;
    let by_name = Packet { yours: ours, ..from_peer(State::Init) }.encode();
    let elsewhere = Arrival { key: 77, multihop: false, ttl: Some(255) };
    assert_eq!(table.handle_packet(at(1), &elsewhere, &by_name), Ok(()));
    assert_eq!(table.get(&1).expect("a session").status().state, State::Up);
    let first = Packet { yours: 0, ..from_peer(State::Down) }.encode();
    let far = Arrival { key: 2, multihop: true, ttl: Some(61) };
    assert_eq!(table.handle_packet(at(1), &far, &first), Ok(()), "multihop: any TTL (RFC 5883)");
    assert_eq!(table.get(&2).expect("a session").status().state, State::Init);
}

#[test]
fn a_poll_is_answered_at_once_whatever_the_timer_says() {
    for state in [State::Down, State::Init, State::Up] {
        let mut session = in_state(state);
        let poll = Packet { poll: true, ..from_peer(State::Init) };
        session.handle_packet(at(5), &poll).expect("taken");
        assert_eq!(session.poll_timeout(), Some(Instant::ZERO));
        let packets = sent(&mut session, at(5));
        assert_eq!(packets.iter().filter(|packet| packet.answer).count(), 1, "{state:?}");
        assert!(packets.iter().all(|packet| !(packet.answer && packet.poll)));
    }
    let mut session = in_state(State::AdminDown);
    let poll = Packet { poll: true, ..from_peer(State::Init) };
    assert_eq!(session.handle_packet(at(5), &poll), Err(Refused::AdminDown));
    assert_eq!(sent(&mut session, at(5)), []);
}

#[test]
fn up_polls_for_the_fast_interval_and_the_answer_ends_the_poll() {
    let mut session = Session::new(at(0), CONFIG, OURS, 1);
    let slow = sent(&mut session, at(0));
    assert_eq!(slow[0].desired_min_tx_us, 1_000_000, "not Up: at most one a second (6.8.3)");
    assert!(!slow[0].poll && slow[0].independent && slow[0].yours == 0);
    hear(&mut session, at(10), State::Init);
    let fast = sent(&mut session, at(10));
    assert_eq!((fast[0].state, fast[0].desired_min_tx_us), (State::Up, 50_000));
    assert!(fast[0].poll);
    assert!(sent(&mut session, at(60))[0].poll, "until it is answered");
    let answer = Packet { answer: true, ..from_peer(State::Up) };
    session.handle_packet(at(61), &answer).expect("taken");
    assert!(!sent(&mut session, at(110))[0].poll);
}

#[test]
fn slower_sending_and_faster_hearing_wait_for_the_peers_consent() {
    let mut session = in_state(State::Up);
    let answer = Packet { answer: true, ..from_peer(State::Up) };
    session.handle_packet(at(1), &answer).expect("taken");
    let slower = Config { interval: Duration::from_millis(200), ..CONFIG };
    session.set_config(at(2), slower);
    let status = session.status();
    assert_eq!(status.transmit, 50 * MS, "the peer still expects 50 ms (6.8.3)");
    assert_eq!(status.detection, 600 * MS, "expecting less can begin at once");
    session.handle_packet(at(3), &answer).expect("taken");
    assert_eq!(session.status().transmit, 200 * MS);
    session.set_config(at(4), CONFIG);
    let status = session.status();
    assert_eq!(status.transmit, 50 * MS, "sending more can begin at once");
    assert_eq!(status.detection, 600 * MS, "the peer still sends every 200 ms");
    session.handle_packet(at(5), &answer).expect("taken");
    assert_eq!(session.status().detection, 150 * MS);
}

#[test]
fn a_change_during_a_poll_needs_another_poll() {
    let mut session = in_state(State::Up);
    session.set_config(at(1), Config { interval: Duration::from_millis(100), ..CONFIG });
    let answer = Packet { answer: true, ..from_peer(State::Up) };
    session.handle_packet(at(2), &answer).expect("taken");
    assert_eq!(session.status().transmit, 50 * MS, "that answered the poll before");
    session.handle_packet(at(3), &answer).expect("taken");
    assert_eq!(session.status().transmit, 100 * MS);
}

#[test]
fn intervals_and_detection_follow_the_slower_side() {
    let mut session = in_state(State::Up);
    let slow = Packet {
        multiplier: 5,
        desired_min_tx_us: 300_000,
        required_min_rx_us: 400_000,
        ..from_peer(State::Up)
    };
    session.handle_packet(at(1), &slow).expect("taken");
    let status = session.status();
    assert_eq!((status.transmit, status.detection), (400 * MS, 1500 * MS));
    // The peer takes packets faster again: no later than the new interval after the last one.
    sent(&mut session, at(400));
    session.handle_packet(at(401), &from_peer(State::Up)).expect("taken");
    assert_eq!(sent(&mut session, at(450)).len(), 1);
}

#[test]
fn a_peer_that_wants_no_packets_gets_none_but_answers() {
    let mute = Packet { required_min_rx_us: 0, ..from_peer(State::Up) };
    let demand = Packet { demand: true, answer: true, ..from_peer(State::Up) };
    for quiet in [mute, demand] {
        let mut session = in_state(State::Up);
        session.handle_packet(at(1), &quiet).expect("taken");
        assert_eq!(sent(&mut session, at(120)), [], "{quiet:?}");
        session.handle_packet(at(120), &Packet { poll: true, ..quiet }).expect("taken");
        assert_eq!(sent(&mut session, at(120)).len(), 1);
        // Forgotten with the peer itself: we take the active role again.
        session.handle_timeout(at(400));
        assert!(!sent(&mut session, at(400)).is_empty());
    }
}

#[test]
fn the_jitter_is_that_of_the_rfc() {
    for (multiplier, least, most) in [(1, 75, 90), (3, 75, 100)] {
        let config = Config { interval: 100 * MS, multiplier, multihop: false };
        let mut session = Session::new(at(0), config, OURS, 5);
        hear(&mut session, at(0), State::Init);
        sent(&mut session, at(0));
        let mut waits = Vec::new();
        let mut last = at(0);
        for _ in 0..500 {
            let wide = Packet { desired_min_tx_us: 900_000_000, ..from_peer(State::Up) };
            session.handle_packet(last, &wide).expect("taken");
            let due = session.poll_timeout().expect("a packet is due");
            assert_eq!(sent(&mut session, due).len(), 1);
            waits.push(due.since(last).as_millis());
            last = due;
        }
        let (min, max) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
        assert!(min >= least && min <= least + 2, "x{multiplier}: {min} ms at least");
        assert!(max <= most && max >= most - 2, "x{multiplier}: {max} ms at most");
    }
}

#[test]
fn admin_down_is_told_for_a_detection_time_then_forgotten() {
    let mut table = Table::new(1);
    table.set(at(0), 1_u8, CONFIG);
    let _ = std::iter::from_fn(|| table.poll_transmit(at(0))).count();
    table.take_down(at(10), &1);
    let (_, bytes) = table.poll_transmit(at(10)).expect("told at once");
    let packet = Packet::decode(&bytes).expect("sound");
    assert_eq!(packet.state, State::AdminDown);
    assert_eq!(packet.diag, Diagnostic::ADMINISTRATIVELY_DOWN);
    let mut told = 1;
    while let Some(due) = table.poll_timeout() {
        assert!(due < at(10_000), "it ends");
        table.handle_timeout(due);
        told += std::iter::from_fn(|| table.poll_transmit(due)).count();
    }
    assert!(told >= 3, "{told}: one lost packet loses no news");
    assert!(table.get(&1).is_none());
}

#[test]
fn a_stall_of_ours_gives_the_peer_one_more_packet_but_not_for_ever() {
    let mut session = in_state(State::Up);
    hear(&mut session, at(10), State::Up);
    session.handle_stall(at(500));
    session.handle_timeout(at(500));
    assert_eq!(session.liveness(), Liveness::Up);
    session.handle_timeout(at(550));
    assert_eq!(session.liveness(), Liveness::Down, "one interval, then it is silence");
    let mut session = in_state(State::Up);
    hear(&mut session, at(10), State::Up);
    let mut now = at(500);
    for _ in 0..3 {
        session.handle_stall(now);
        session.handle_timeout(now);
        assert_eq!(session.liveness(), Liveness::Up);
        now += Duration::from_millis(500);
    }
    session.handle_stall(now);
    session.handle_timeout(now);
    assert_eq!(session.liveness(), Liveness::Down);
}

/// Two tables and a link that loses `loss` percent of what is sent.
struct Pair {
    ends: [Table<u8>; 2],
    rng: fastrand::Rng,
    loss: u8,
    cut: bool,
    now: Instant,
}

impl Pair {
    fn new(seed: u64, loss: u8, configs: [Config; 2]) -> Self {
        let mut ends = [Table::new(seed), Table::new(seed ^ 0xff)];
        for (end, config) in ends.iter_mut().zip(configs) {
            end.set(at(0), 1, config);
        }
        Self { ends, rng: fastrand::Rng::with_seed(seed), loss, cut: false, now: at(0) }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let arrival = Arrival { key: 1, multihop: false, ttl: Some(255) };
        loop {
            for from in 0..2 {
                while let Some((_, bytes)) = self.ends[from].poll_transmit(self.now) {
                    if !self.cut && self.rng.u8(0..100) >= self.loss {
                        self.ends[1 - from].handle_packet(self.now, &arrival, &bytes).ok();
                    }
                }
            }
            let dues = self.ends.iter().filter_map(Table::poll_timeout);
            // A delivery may have made something due that was drained before.
            let next = dues.min().unwrap_or(end).max(self.now + Duration::from_micros(10));
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            self.ends.iter_mut().for_each(|table| table.handle_timeout(next));
        }
    }

    fn liveness(&self) -> [Liveness; 2] {
        [0, 1].map(|end| self.ends[end].get(&1).expect("a session").liveness())
    }
}

#[test]
fn two_peers_agree_on_the_slower_interval_and_notice_a_cut() {
    let slow = Config { interval: 80 * MS, multiplier: 5, multihop: false };
    let mut pair = Pair::new(4, 0, [CONFIG, slow]);
    pair.run(Duration::from_secs(4));
    assert_eq!(pair.liveness(), [Liveness::Up; 2]);
    let status = |pair: &Pair, end: usize| pair.ends[end].get(&1).expect("a session").status();
    assert_eq!(status(&pair, 0).transmit, 80 * MS);
    assert_eq!((status(&pair, 0).detection, status(&pair, 1).detection), (400 * MS, 240 * MS));
    pair.cut = true;
    pair.run(401 * MS);
    assert_eq!(pair.liveness(), [Liveness::Down; 2]);
    pair.cut = false;
    pair.run(Duration::from_secs(4));
    assert_eq!(pair.liveness(), [Liveness::Up; 2]);
}

#[test]
fn one_direction_alone_takes_both_ends_down() {
    let mut pair = Pair::new(4, 0, [CONFIG; 2]);
    pair.run(Duration::from_secs(4));
    // The second end hears nothing for its detection time, and says so to the first.
    let now = pair.now + 150 * MS;
    pair.ends[1].handle_timeout(now);
    let (_, bytes) = pair.ends[1].poll_transmit(now).expect("told at once");
    let arrival = Arrival { key: 1, multihop: false, ttl: Some(255) };
    assert_eq!(pair.ends[0].handle_packet(now, &arrival, &bytes), Ok(()));
    assert_eq!(pair.liveness(), [Liveness::Down; 2]);
    let first = pair.ends[0].get(&1).expect("a session").status();
    assert_eq!(first.diag, Diagnostic::NEIGHBOR_SIGNALED_DOWN);
}

proptest! {
    #[test]
    fn whatever_arrives_nothing_panics_and_nothing_grows(
        packets in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..60), any::<bool>(), any::<Option<u8>>(), 0_u64..300),
            0..60,
        ),
    ) {
        let mut table = Table::new(8);
        table.set(at(0), 1_u8, CONFIG);
        let ours = table.get(&1).unwrap().status().discriminator;
        let mut now = at(0);
        for (mut bytes, multihop, ttl, wait) in packets {
            now += Duration::from_millis(wait);
            if let (Some(first), true) = (bytes.first_mut(), wait % 2 == 0) {
                *first = 1 << 5 | *first & 0x1f;
            }
            if bytes.len() >= 24 && wait % 3 == 0 {
                bytes[3] = 24;
                bytes[8..12].copy_from_slice(&ours.to_be_bytes());
            }
            let arrival = Arrival { key: 1, multihop, ttl: ttl.map(|ttl| ttl | 0xf0) };
            let _ = table.handle_packet(now, &arrival, &bytes);
            let count = std::iter::from_fn(|| table.poll_transmit(now)).count();
            prop_assert!(count <= 3, "a packet is answered by few");
            table.handle_timeout(now);
            while table.poll_change().is_some() {}
        }
        prop_assert_eq!(table.sessions().count(), 1);
    }

    #[test]
    fn packets_survive_the_wire(words in any::<[u32; 5]>(), flags in any::<[bool; 4]>(), few in any::<[u8; 3]>()) {
        let packet = Packet {
            diag: Diagnostic(few[0] & 0x1f),
            state: [State::AdminDown, State::Down, State::Init, State::Up][usize::from(few[1] % 4)],
            poll: flags[0],
            answer: flags[1],
            independent: flags[2],
            authentication: false,
            demand: flags[3],
            multiplier: few[2].max(1),
            mine: words[0].max(1),
            yours: words[1],
            desired_min_tx_us: words[2],
            required_min_rx_us: words[3],
            required_min_echo_rx_us: words[4],
        };
        prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }

    #[test]
    fn two_peers_come_up_over_any_link_that_lets_something_through(seed in any::<u64>(), loss in 0_u8..10) {
        let mut pair = Pair::new(seed, loss, [CONFIG; 2]);
        pair.run(Duration::from_secs(20));
        pair.loss = 0;
        pair.run(Duration::from_secs(20));
        prop_assert_eq!(pair.liveness(), [Liveness::Up; 2]);
    }
}
