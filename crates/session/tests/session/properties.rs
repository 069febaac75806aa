//! Whatever happens, in whatever order, however cut.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::lone::{CONN, Lone, encoded, open_for, plain};
use crate::net::{Routes, config};
use bytes::BytesMut;
use pathvane_clock::Instant;
use pathvane_session::{
    Action, Config, ConnId, Direction, Farewell, FsmState, GracefulRestart, Session,
};
use pathvane_wire::{
    Family, FamilySet, Notification, RefreshSubtype, RouteRefresh, encode_end_of_rib,
    encode_keepalive,
};
use proptest::prelude::*;

/// A message a peer may send, or bytes that are none.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let open = open_for(&config(1, 2), plain(&config(1, 2)));
    let refresh = RouteRefresh { family: Family::IPV4_UNICAST, subtype: RefreshSubtype::Request };
    prop_oneof![
        4 => Just(encoded(|out| open.encode(out))),
        4 => Just(encoded(encode_keepalive)),
        3 => Just(encoded(|out| encode_end_of_rib(Family::IPV4_UNICAST, out))),
        1 => Just(encoded(|out| refresh.encode(out))),
        1 => Just(encoded(|out| Notification::cease(4).encode(out))),
        1 => proptest::collection::vec(any::<u8>(), 1..60),
        1 => proptest::collection::vec(any::<u8>(), 4..40).prop_map(|body| {
            let len = (19 + body.len()) as u16;
            [&[0xff; 16][..], &len.to_be_bytes(), &[2], &body].concat()
        }),
    ]
}

/// All that a stream of bytes makes a session say and do, in order.
fn outcome(config: Config, stream: &[u8], cuts: &BTreeSet<usize>) -> String {
    let mut lone = Lone::open_sent(config);
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        lone.feed(&stream[start..end]);
        start = end;
    }
    let mut sent = BytesMut::new();
    lone.session.poll_transmit(CONN, &mut sent);
    let (actions, stats) = (lone.actions(), lone.session.stats());
    format!("{} {actions:?} {stats:?} {sent:?} {}", lone.session.state(), lone.routes.updates)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_fragmentation_gives_the_same_result(
        messages in proptest::collection::vec(message(), 1..12),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let open = open_for(&config(1, 2), plain(&config(1, 2)));
        let mut stream = encoded(|out| open.encode(out));
        encode_keepalive_into(&mut stream);
        stream.extend(messages.concat());
        let cuts: BTreeSet<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        let whole = outcome(config(1, 2), &stream, &BTreeSet::new());
        prop_assert_eq!(&whole, &outcome(config(1, 2), &stream, &cuts));
        let every: BTreeSet<_> = (1..stream.len()).collect();
        prop_assert_eq!(&whole, &outcome(config(1, 2), &stream, &every));
    }

    #[test]
    fn random_events_keep_every_promise(
        settings in settings(),
        happenings in proptest::collection::vec(happening(), 1..120),
    ) {
        let mut watched = Watched::new(settings);
        for happening in happenings {
            watched.happen(happening);
        }
    }
}

fn encode_keepalive_into(stream: &mut Vec<u8>) {
    stream.extend(encoded(encode_keepalive));
}

fn settings() -> impl Strategy<Value = Config> {
    (any::<[bool; 4]>(), 0_u16..2).prop_map(|([passive, delay, graceful, damped], zero_hold)| {
        let mut settings = config(1, 2);
        settings.passive = passive;
        settings.delay_open = delay.then(|| Duration::from_secs(4));
        settings.hold_time = 90 * (1 - zero_hold);
        if !damped {
            settings.idle_hold.max = settings.idle_hold.first;
        }
        settings.graceful_restart = graceful.then_some(GracefulRestart {
            restart_time: 30,
            restarting: true,
            notification: true,
            families: FamilySet::IPV4,
            forwarding: FamilySet::IPV4,
        });
        settings
    })
}

#[derive(Clone, Debug)]
enum Happening {
    Start,
    Stop,
    Reset,
    Retry,
    Inbound,
    Dialled,
    DialFailed,
    Closed(prop::sample::Index),
    Bytes(prop::sample::Index, Vec<u8>),
    Taken(prop::sample::Index),
    Blocked(prop::sample::Index),
    Time(u64),
    NextAlarm,
}

fn happening() -> impl Strategy<Value = Happening> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        3 => Just(Happening::Start),
        1 => Just(Happening::Stop),
        1 => Just(Happening::Reset),
        1 => Just(Happening::Retry),
        4 => Just(Happening::Inbound),
        4 => Just(Happening::Dialled),
        1 => Just(Happening::DialFailed),
        2 => which().prop_map(Happening::Closed),
        12 => (which(), message()).prop_map(|(conn, bytes)| Happening::Bytes(conn, bytes)),
        4 => which().prop_map(Happening::Taken),
        1 => which().prop_map(Happening::Blocked),
        2 => (0_u64..120_000).prop_map(Happening::Time),
        3 => Just(Happening::NextAlarm),
    ]
}

/// A session with everything it promises checked after every happening.
struct Watched {
    now: Instant,
    session: Session,
    routes: Routes,
    open: Vec<ConnId>,
    dialling: bool,
    up: bool,
    next_conn: u32,
}

impl Watched {
    fn new(settings: Config) -> Self {
        Self {
            now: Instant::from_secs(1),
            session: Session::new(settings, 11),
            routes: Routes::default(),
            open: Vec::new(),
            dialling: false,
            up: false,
            next_conn: 1,
        }
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        let bye = || Farewell::Notify(Notification::administrative_shutdown("bye"));
        match happening {
            Happening::Start => self.session.handle_start(now),
            Happening::Stop => self.session.handle_stop(now, bye()),
            Happening::Reset => self.session.handle_reset(now, bye()),
            Happening::Retry => self.session.handle_retry(now),
            Happening::Inbound => self.connect(Direction::Inbound),
            Happening::Dialled if self.dialling => self.connect(Direction::Outbound),
            Happening::DialFailed if self.dialling => {
                self.dialling = false;
                self.session.handle_connect_failed(now);
            }
            Happening::Dialled | Happening::DialFailed => {}
            Happening::Closed(which) => {
                if let Some(conn) = self.pick(which) {
                    self.open.retain(|open| *open != conn);
                    self.session.handle_closed(now, conn);
                }
            }
            Happening::Bytes(which, bytes) => {
                if let Some(conn) = self.pick(which) {
                    let mut rest = Some(&bytes[..]);
                    while let Some(bytes) = rest {
                        rest = self.session.handle_bytes(now, conn, bytes, &mut self.routes);
                    }
                }
            }
            Happening::Taken(which) => self.take(which),
            Happening::Blocked(which) => {
                if let Some(conn) = self.pick(which) {
                    self.session.handle_blocked(now, conn);
                }
            }
            Happening::Time(millis) => self.pass(now + Duration::from_millis(millis)),
            Happening::NextAlarm => {
                if let Some(at) = self.session.poll_timeout() {
                    self.pass(at.max(now));
                }
            }
        }
        self.check();
    }

    fn pick(&self, which: prop::sample::Index) -> Option<ConnId> {
        (!self.open.is_empty()).then(|| self.open[which.index(self.open.len())])
    }

    fn connect(&mut self, direction: Direction) {
        self.dialling &= direction == Direction::Inbound;
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.open.push(conn);
        self.session.handle_connected(self.now, conn, direction);
    }

    fn take(&mut self, which: prop::sample::Index) {
        let Some(conn) = self.pick(which) else { return };
        let mut out = BytesMut::new();
        let taken = self.session.poll_transmit(conn, &mut out);
        assert_eq!(taken, out.len());
        assert!(taken <= 3 * 4096, "an OPEN, a KEEPALIVE and a NOTIFICATION at most");
        assert_eq!(self.session.poll_transmit(conn, &mut out), 0, "taken once");
    }

    fn pass(&mut self, to: Instant) {
        self.now = to;
        self.session.handle_timeout(to);
        // A timer may set another off at once, but not for ever.
        for _ in 0..8 {
            if self.session.poll_timeout().is_none_or(|at| at > to) {
                return;
            }
            self.session.handle_timeout(to);
        }
        panic!("alarms at {to:?} never end");
    }

    fn check(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Connect => self.dialling = true,
                Action::CancelConnect => {
                    assert!(self.dialling, "nothing to give up");
                    self.dialling = false;
                }
                Action::Close { conn } => {
                    let before = self.open.len();
                    self.open.retain(|open| *open != conn);
                    assert_eq!(self.open.len(), before - 1, "{conn:?} closed twice");
                }
                Action::Up { conn, .. } => {
                    assert!(!self.up && self.open.contains(&conn));
                    self.up = true;
                }
                Action::Down(_) => {
                    assert!(self.up, "down without up");
                    self.up = false;
                }
                Action::Failed(_) => {}
            }
        }
        assert_eq!(self.up, self.session.state() == FsmState::Established);
        assert_eq!(self.up, self.session.established().is_some());
        assert!(self.open.len() <= 2 + 4, "two connections and those on their way out");
        assert!(!self.dialling || self.session.state() != FsmState::Idle);
        assert!(!self.dialling || !self.up, "an Established session dials no more");
        let counted = self.session.stats();
        assert_eq!(counted.established - counted.flaps, u32::from(self.up));
    }
}
