//! A whole session: any bytes, cut anywhere, on any connection, in any state, at any time.
//!
//! The input is a program: each instruction says what happens next. It may hand the session whole
//! messages, so that later states are reached, or raw octets. Whatever happens, the session must not
//! panic, hold two Established connections, or let its alarm lie.
#![no_main]

use std::time::Duration;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use pathvane_clock::Instant;
use pathvane_session::{
    Action, Config, ConnId, Direction, Farewell, FsmState, GracefulRestart, Session, Sink,
};
use pathvane_wire::{
    AddPathMode, Asn, BgpId, Capability, DecodeContext, Family, FamilySet, GrFamily,
    GracefulRestart as RestartOffer, Notification, Open, Role, RouteRefresh, UpdateView, cease,
    encode_keepalive,
};

/// Reads all that is handed over, as the routes would.
struct Routes;

impl Sink for Routes {
    fn update(&mut self, update: &UpdateView<'_>, ctx: &DecodeContext) -> Result<(), Notification> {
        let checked = update.attrs().check(ctx);
        for fault in update.fault().iter().chain(&checked.faults) {
            let _ = (fault.to_string(), update.offending(fault).len());
        }
        let _ = update.withdrawn().count() + update.reaches().flat_map(|reach| reach.nlri).count();
        Ok(())
    }

    fn route_refresh(&mut self, _: RouteRefresh) {}
}

/// The instructions that are left.
struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn octets(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

fn config(bits: u16) -> Config {
    let on = |bit: u8| bits & 1 << bit != 0;
    let set = |bit| if on(bit) { FamilySet::ALL } else { FamilySet::EMPTY };
    let mut config = Config::new(Asn(65_001), BgpId(1), Asn(if on(0) { 65_001 } else { 65_002 }));
    config.families = FamilySet::ALL;
    config.passive = on(1);
    config.delay_open = on(2).then_some(Duration::from_secs(5));
    config.extended_messages = on(3);
    config.add_path_receive = set(4);
    config.add_path_send = set(4);
    config.enhanced_refresh = on(5);
    config.graceful_restart = on(6).then_some(GracefulRestart {
        restart_time: 120,
        restarting: false,
        notification: on(7),
        families: FamilySet::ALL,
        forwarding: FamilySet::ALL,
    });
    config.long_lived = (on(6) && on(8)).then_some(Duration::from_secs(3600));
    config.stale_time = if on(6) && on(9) { 3600 } else { 0 };
    config.extended_next_hop = if on(10) { FamilySet::IPV4 } else { FamilySet::EMPTY };
    config.role = on(11).then_some(Role::CUSTOMER);
    config.role_strict = on(12);
    config
}

/// An OPEN that the session can accept.
fn open(config: &Config, bits: u8) -> BytesMut {
    let mut capabilities = vec![
        Capability::Multiprotocol(Family::IPV4_UNICAST),
        Capability::Multiprotocol(Family::IPV6_UNICAST),
        Capability::RouteRefresh,
    ];
    if bits & 1 == 0 {
        capabilities.push(Capability::FourOctetAs(config.remote_asn));
    }
    if bits & 2 == 0 {
        capabilities.push(Capability::ExtendedMessages);
        capabilities.push(Capability::EnhancedRouteRefresh);
    }
    if bits & 8 != 0 {
        capabilities.push(Capability::Role(Role::PROVIDER));
        capabilities.push(Capability::AddPath(
            FamilySet::ALL.iter().map(|family| (family, AddPathMode::Both)).collect(),
        ));
    }
    if bits & 16 != 0 {
        let families = FamilySet::ALL.iter();
        let kept = |family| GrFamily { family, forwarding: bits & 32 != 0 };
        capabilities.push(Capability::GracefulRestart(RestartOffer {
            restarting: bits & 64 != 0,
            notification: bits & 128 != 0,
            restart_time: 10,
            families: families.map(kept).collect(),
        }));
    }
    let open = Open {
        asn: config.remote_asn,
        hold_time: if bits & 4 == 0 { 90 } else { 3 },
        id: BgpId(2),
        capabilities,
    };
    let mut bytes = BytesMut::new();
    open.encode(&mut bytes);
    bytes
}

fuzz_target!(|input: &[u8]| {
    let mut program = Program(input);
    let (Some(low), Some(high)) = (program.octet(), program.octet()) else { return };
    let bits = u16::from_le_bytes([low, high]);
    let config = config(bits);
    if config.check().is_err() {
        return;
    }
    let mut session = Session::new(config.clone(), u64::from(bits));
    let mut now = Instant::from_secs(1);
    let mut connections: u32 = 0;
    session.handle_start(now);
    while let Some(instruction) = program.octet() {
        let conn = ConnId(connections.saturating_sub(u32::from(instruction & 1)));
        match instruction >> 1 & 15 {
            0 => {
                connections += 1;
                let direction =
                    if instruction & 1 == 0 { Direction::Inbound } else { Direction::Outbound };
                session.handle_connected(now, ConnId(connections), direction);
            }
            1 => session.handle_connect_failed(now),
            2 => session.handle_closed(now, conn),
            3 => {
                let message = open(&config, program.octet().unwrap_or(0));
                feed(&mut session, now, conn, &message);
            }
            4 => {
                let mut message = BytesMut::new();
                encode_keepalive(&mut message);
                feed(&mut session, now, conn, &message);
            }
            5 | 6 => {
                // A message with a sound header and any body, in pieces of that size.
                let [kind, len, piece] =
                    [0; 3].map(|_: u8| usize::from(program.octet().unwrap_or(1)));
                let body = program.octets(len * 4);
                let mut message = vec![0xff; 16];
                let size = u16::try_from(19 + body.len()).expect("short");
                message.extend(size.to_be_bytes());
                message.push(u8::try_from(kind % 7).expect("small"));
                message.extend(body);
                for piece in message.chunks(piece.max(1)) {
                    feed(&mut session, now, conn, piece);
                }
            }
            7 | 8 => {
                let len = usize::from(program.octet().unwrap_or(1));
                feed(&mut session, now, conn, program.octets(len));
            }
            9 => {
                now = Instant::from_nanos(
                    now.as_nanos() + u64::from(program.octet().unwrap_or(0)) * 500_000_000,
                );
                session.handle_timeout(now);
            }
            10 => session.handle_stop(
                now,
                Farewell::Notify(Notification::cease(cease::ADMINISTRATIVE_SHUTDOWN)),
            ),
            11 => session.handle_reset(now, Farewell::Silent),
            12 => session.handle_start(now),
            13 => session.handle_blocked(now, conn),
            14 => session.handle_writable(conn),
            _ => session.handle_retry(now),
        }
        settle(&mut session, now);
    }
});

/// Does what the session asks for, and holds it to its promises.
/// Hands over octets, actions being taken in between.
fn feed(session: &mut Session, now: Instant, conn: ConnId, octets: &[u8]) {
    let mut rest = session.handle_bytes(now, conn, octets, &mut Routes);
    while let Some(octets) = rest {
        settle(session, now);
        rest = session.handle_bytes(now, conn, octets, &mut Routes);
    }
}

fn settle(session: &mut Session, now: Instant) {
    let mut actions = 0;
    while let Some(action) = session.poll_action() {
        actions += 1;
        assert!(actions < 100, "it never ends asking");
        if let Action::Down(reason) | Action::Failed(reason) = action {
            let _ = reason.to_string();
        }
    }
    assert_eq!(session.established().is_some(), session.state() == FsmState::Established);
    let waiting: Vec<ConnId> = session.transmits().collect();
    for conn in waiting {
        let mut out = BytesMut::new();
        session.poll_transmit(conn, &mut out);
        assert!(out.len() < 1 << 20, "{} octets at once", out.len());
    }
    // An alarm in the past rings once and is gone.
    for _ in 0..10 {
        match session.poll_timeout() {
            Some(at) if at <= now => session.handle_timeout(now),
            _ => return,
        }
        while session.poll_action().is_some() {}
    }
    panic!("the alarm rings for ever");
}
