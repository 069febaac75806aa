//! Every state answers every event: the cells of section 8.2.2 against `table.txt`.
//!
//! A line of the table reads: event, next state, what is sent, what is asked of the caller,
//! and in brackets the timers that run afterwards.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;
use pathvane_clock::Instant;
use pathvane_wire::{Asn, BgpId, Kind, MAX_LEN, Notification, code, frame, open_error};

use super::{Event, Fsm, Timer};
use crate::action::{Action, Farewell};
use crate::config::Config;
use crate::link::{ConnId, Direction, Link};
use crate::negotiate::{Negotiated, negotiate, our_open};
use crate::peering::Peering;

const NOW: Instant = Instant::from_secs(1000);

fn config() -> Config {
    Config::new(Asn(65_001), BgpId(1), Asn(65_002))
}

fn terms() -> Box<Negotiated> {
    let peer = Config::new(Asn(65_002), BgpId(2), Asn(65_001));
    Box::new(negotiate(&config(), &our_open(&peer)).expect("agreeable"))
}

fn link(conn: u32) -> Link {
    Link::new(ConnId(conn), Direction::Inbound)
}

/// A machine brought to a state the way it gets there, and what it shares.
fn machine(column: &str) -> (Fsm, Peering) {
    let mut settings = config();
    settings.passive = column == "Active";
    if column.ends_with("with DelayOpen") {
        settings.delay_open = Some(Duration::from_secs(5));
    }
    let mut peering = Peering::new(settings, 1);
    let mut fsm = match column {
        "Idle" | "Connect" | "Connect with DelayOpen" => Fsm::idle(),
        _ => Fsm::listening(),
    };
    let path: Vec<Event> = match column {
        "Idle" | "Active" => Vec::new(),
        "Connect" => Vec::from([Event::ManualStart]),
        "Connect with DelayOpen" => Vec::from([Event::ManualStart, Event::TcpCrAcked(link(1))]),
        "Active with DelayOpen" | "OpenSent" => Vec::from([Event::TcpCrAcked(link(1))]),
        "OpenConfirm" => Vec::from([Event::TcpCrAcked(link(1)), Event::BgpOpen(terms())]),
        "Established" => {
            Vec::from([Event::TcpCrAcked(link(1)), Event::BgpOpen(terms()), Event::KeepAliveMsg])
        }
        _ => unreachable!("no such column"),
    };
    for event in path {
        if matches!(event, Event::TcpCrAcked(_)) {
            peering.dialled();
        }
        fsm.step(NOW, &mut peering, event);
    }
    peering.config.passive = false;
    drain(&mut fsm, &mut peering);
    (fsm, peering)
}

const COLUMNS: [&str; 8] = [
    "Idle",
    "Connect",
    "Connect with DelayOpen",
    "Active",
    "Active with DelayOpen",
    "OpenSent",
    "OpenConfirm",
    "Established",
];

fn events() -> Vec<(&'static str, Event)> {
    let version = Notification::new(code::OPEN, open_error::UNSUPPORTED_VERSION);
    Vec::from([
        ("1 ManualStart", Event::ManualStart),
        ("2 ManualStop", Event::ManualStop(Farewell::Notify(Notification::cease(2)))),
        ("6 AutomaticStart", Event::AutomaticStart),
        ("8 AutomaticStop", Event::AutomaticStop(Farewell::Notify(Notification::cease(4)))),
        ("9 ConnectRetryTimer", Event::ConnectRetryTimerExpires),
        ("10 HoldTimer", Event::HoldTimerExpires),
        ("11 KeepaliveTimer", Event::KeepaliveTimerExpires),
        ("12 DelayOpenTimer", Event::DelayOpenTimerExpires),
        ("13 IdleHoldTimer", Event::IdleHoldTimerExpires),
        ("16 Tcp_CR_Acked", Event::TcpCrAcked(link(9))),
        ("17 TcpConnectionConfirmed", Event::TcpConnectionConfirmed(link(9))),
        ("18 TcpConnectionFails", Event::TcpConnectionFails),
        ("19 BGPOpen", Event::BgpOpen(terms())),
        ("20 BGPOpen, DelayOpenTimer", Event::BgpOpenWithDelayOpenTimer(terms())),
        ("21 BGPHeaderErr", Event::BgpHeaderErr(Notification::bad_message_type(9))),
        ("22 BGPOpenMsgErr", Event::BgpOpenMsgErr(Notification::bad_peer_as())),
        ("23 OpenCollisionDump", Event::OpenCollisionDump),
        ("24 NotifMsgVerErr", Event::NotifMsgVerErr(version)),
        ("25 NotifMsg", Event::NotifMsg(Notification::cease(4))),
        ("26 KeepAliveMsg", Event::KeepAliveMsg),
        ("27 UpdateMsg", Event::UpdateMsg),
        ("28 UpdateMsgErr", Event::UpdateMsgErr(Notification::update(1, &[]))),
        ("29 SendHoldTimer", Event::SendHoldTimerExpires),
        ("RouteRefreshMsg", Event::RouteRefreshMsg),
        ("Superseded", Event::Superseded),
    ])
}

/// Takes all that a machine sends and asks for, as words.
fn drain(fsm: &mut Fsm, peering: &mut Peering) -> Vec<String> {
    let mut words = Vec::new();
    for conn in [ConnId(1), ConnId(9)] {
        let mut bytes = BytesMut::new();
        if let Some(link) = fsm.link_mut().filter(|link| link.conn == conn) {
            link.take_outbox(&mut bytes);
        }
        peering.take_leaving(conn, &mut bytes);
        let mut rest = &bytes[..];
        while let Some(message) = frame(rest, MAX_LEN).expect("well-formed") {
            words.push(match message.kind {
                Kind::Notification => {
                    format!("NOTIFICATION {}/{}", message.body[0], message.body[1])
                }
                kind => format!("{kind:?}").to_uppercase(),
            });
            rest = &rest[message.len..];
        }
    }
    while let Some(action) = peering.pop() {
        words.push(match action {
            Action::Connect => "dial".to_string(),
            Action::CancelConnect => "hang up".to_string(),
            Action::Close { conn } => format!("close {}", conn.0),
            Action::Up { conn, .. } => format!("up {}", conn.0),
            Action::Down(_) => "down".to_string(),
            Action::Failed(_) => "failed".to_string(),
        });
    }
    words
}

fn running(fsm: &Fsm) -> String {
    let names: Vec<_> = Timer::ALL
        .into_iter()
        .filter(|timer| fsm.timers.get(*timer).is_some())
        .map(|timer| format!("{timer:?}"))
        .collect();
    format!("[{}]", names.join(" "))
}

fn actual() -> String {
    let mut table = String::new();
    for column in COLUMNS {
        let (fsm, _) = machine(column);
        table += &format!("{column} {}\n", running(&fsm));
        for (name, event) in events() {
            let (mut fsm, mut peering) = machine(column);
            fsm.step(NOW, &mut peering, event);
            let mut cell = Vec::from([fsm.state().to_string()]);
            cell.extend(drain(&mut fsm, &mut peering));
            table += &format!("  {name}: {} {}\n", cell.join(", "), running(&fsm));
        }
        table.push('\n');
    }
    table
}

#[test]
fn every_cell_of_section_8_is_as_the_table_says() {
    let actual = actual();
    for (line, (is, should)) in actual.lines().zip(include_str!("table.txt").lines()).enumerate() {
        assert_eq!(is, should, "line {} of table.txt", line + 1);
    }
    assert_eq!(actual, include_str!("table.txt"), "the table ends early or late");
}

#[test]
fn failures_count_and_a_manual_stop_forgets_them() {
    let (mut fsm, mut peering) = machine("OpenConfirm");
    fsm.step(NOW, &mut peering, Event::NotifMsg(Notification::cease(4)));
    assert_eq!(peering.stats.connect_retry_counter, 1);
    let (mut fsm, mut peering) = machine("OpenConfirm");
    peering.stats.connect_retry_counter = 7;
    fsm.step(NOW, &mut peering, Event::ManualStop(Farewell::Silent));
    assert_eq!(peering.stats.connect_retry_counter, 0);
}

#[test]
fn hold_time_is_four_minutes_before_the_peers_open_and_as_agreed_after() {
    let (fsm, _) = machine("OpenSent");
    assert_eq!(fsm.timers.get(Timer::Hold), Some(NOW + Duration::from_secs(240)));
    let (fsm, _) = machine("OpenConfirm");
    assert_eq!(fsm.timers.get(Timer::Hold), Some(NOW + Duration::from_secs(90)));
    let keepalive = fsm.timers.get(Timer::Keepalive).expect("running").since(NOW);
    assert!((22_500..=30_000).contains(&keepalive.as_millis()), "jittered by 0.75 to 1");
}
