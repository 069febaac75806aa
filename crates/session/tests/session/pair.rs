//! Two sessions wired to each other in virtual time.

use std::time::Duration;

use bytes::BytesMut;

use crate::net::{A, B, Pair, Routes, config};
use pathvane_session::{
    ClosedBy, Config, ConnId, Direction, DownCause, Farewell, GracefulRestart, IdleHold,
};
use pathvane_wire::{
    Asn, BgpId, Family, FamilySet, Notification, RefreshSubtype, RouteRefresh, encode_end_of_rib,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_sessions_establish_at_once_and_stay() {
    let mut pair = Pair::new(1);
    pair.start();
    pair.drain();
    assert!(pair.both_established());
    pair.run_for(3600 * SECOND);
    assert!(pair.both_established());
    for end in &pair.ends {
        assert_eq!((end.ups(), end.downs().len(), end.open.len()), (1, 0, 1));
        let sent = end.session.stats().sent.keepalive;
        // Every 30 s, jittered to 22.5 s at the least, for an hour.
        assert!((120..=161).contains(&sent), "{sent} KEEPALIVE messages");
    }
}

#[test]
fn simultaneous_dials_always_end_with_one_connection_on_both_sides() {
    for seed in 0..500 {
        let mut pair = Pair::new(seed);
        pair.net.delay = 50 * SECOND / 1000;
        pair.start();
        pair.run_for(SECOND);
        assert!(pair.both_established(), "seed {seed}");
        for end in &pair.ends {
            assert_eq!((end.ups(), end.downs().len()), (1, 0), "seed {seed}");
            assert_eq!(end.open.len(), 1, "seed {seed}");
        }
    }
}

#[test]
fn simultaneous_dials_are_no_restarts() {
    for seed in 0..500 {
        let mut pair = Pair::with(seed, graceful(1, 2, false), graceful(2, 1, false));
        pair.net.delay = 50 * SECOND / 1000;
        pair.start();
        pair.run_for(SECOND);
        assert!(pair.both_established(), "seed {seed}");
        for end in &pair.ends {
            assert_eq!((end.ups(), end.downs().len()), (1, 0), "seed {seed}: {:?}", end.told);
        }
    }
}

#[test]
fn a_collision_with_equal_identifiers_is_decided_by_the_as_number() {
    let same_id = BgpId(0x0a00_0001);
    for seed in 0..100 {
        let a = Config::new(Asn(65_001), same_id, Asn(4_200_000_000));
        let b = Config::new(Asn(4_200_000_000), same_id, Asn(65_001));
        let mut pair = Pair::with(seed, a, b);
        pair.start();
        pair.drain();
        assert!(pair.both_established(), "seed {seed}");
        // With no delay both dials succeed before any OPEN: the larger AS number's survives.
        let conn = pair.ends[B].established_on().expect("Established");
        assert_eq!(pair.ends[B].open[&conn], Direction::Outbound);
    }
}

#[test]
fn the_hold_timer_ends_a_silent_session_and_says_so() {
    let mut pair = Pair::new(3);
    pair.start();
    pair.drain();
    pair.net.blackhole = true;
    pair.run_for(91 * SECOND);
    for end in &pair.ends {
        let downs = end.downs();
        assert_eq!(downs.len(), 1);
        assert_eq!(downs[0].cause, DownCause::Sent(Notification::hold_timer_expired()));
        assert_eq!((downs[0].closed_by(), downs[0].retain), (ClosedBy::Local, None));
    }
    pair.net.blackhole = false;
    pair.run_for(60 * SECOND);
    assert!(pair.both_established(), "comes back by itself");
}

#[test]
fn hold_time_zero_means_no_keepalive_and_no_hold_timer() {
    let mut a = config(1, 2);
    a.hold_time = 0;
    let mut pair = Pair::with(4, a, config(2, 1));
    pair.start();
    pair.drain();
    assert!(pair.both_established());
    assert_eq!(pair.ends[A].session.poll_timeout(), None);
    pair.run_for(100_000 * SECOND);
    assert!(pair.both_established());
    let opening = pair.ends[B].session.stats().sent.keepalive;
    assert!(opening <= 2, "one for each connection of the collision");
}

#[test]
fn the_lower_hold_time_wins_and_keepalives_follow_it() {
    let mut b = config(2, 1);
    b.hold_time = 9;
    let mut pair = Pair::with(5, config(1, 2), b);
    pair.start();
    pair.drain();
    let (_, terms) = pair.ends[A].session.established().expect("Established");
    assert_eq!((terms.hold_time, terms.keepalive), (9 * SECOND, 3 * SECOND));
    pair.run_for(600 * SECOND);
    assert!(pair.both_established());
}

#[test]
fn a_lost_connection_is_told_and_made_again() {
    let mut pair = Pair::new(6);
    pair.start();
    pair.drain();
    let conn = pair.ends[A].established_on().expect("Established");
    pair.cut(conn);
    for end in &pair.ends {
        assert_eq!(end.downs()[0].cause, DownCause::ConnectionLost);
        assert_eq!(end.downs()[0].closed_by(), ClosedBy::Remote);
    }
    pair.run_for(15 * SECOND);
    assert!(pair.both_established());
    assert_eq!(pair.ends[A].session.stats().flaps, 1);
}

#[test]
fn a_connection_lost_at_any_point_of_the_opening_is_made_again() {
    for seed in 0..200 {
        let mut pair = Pair::new(seed);
        pair.net.delay = 20 * SECOND / 1000;
        pair.start();
        pair.run_for(Duration::from_micros(seed * 400));
        let conns: Vec<_> = pair.ends.iter().flat_map(|end| end.open.keys().copied()).collect();
        for conn in conns {
            pair.cut(conn);
        }
        pair.run_for(30 * SECOND);
        assert!(pair.both_established(), "seed {seed}");
        assert!(pair.ends.iter().all(|end| end.open.len() == 1), "seed {seed}");
    }
}

#[test]
fn stopping_says_why_and_lasts_until_started_again() {
    let mut pair = Pair::new(8);
    pair.start();
    pair.drain();
    let goodbye = Notification::administrative_shutdown("maintenance, back at noon");
    pair.with_session(A, |session, now| {
        session.handle_stop(now, Farewell::Notify(goodbye.clone()));
    });
    pair.drain();
    assert_eq!(pair.ends[A].downs()[0].cause, DownCause::Sent(goodbye.clone()));
    let heard = pair.ends[B].downs()[0].notification().expect("a NOTIFICATION");
    assert_eq!(heard.shutdown_text(), Some("maintenance, back at noon"));
    pair.run_for(3600 * SECOND);
    assert_eq!(pair.ends[A].session.state_name(), "Idle");
    assert_eq!(pair.ends[A].session.poll_timeout(), None);
    assert_eq!(pair.ends[A].ups(), 1);
    pair.with_session(A, |session, now| session.handle_start(now));
    pair.run_for(90 * SECOND);
    assert!(pair.both_established());
}

#[test]
fn a_reset_session_comes_back_by_itself() {
    let mut pair = Pair::new(9);
    pair.start();
    pair.drain();
    let reset = Notification::administrative_reset("new policy");
    pair.with_session(A, |s, now| s.handle_reset(now, Farewell::Notify(reset)));
    pair.run_for(30 * SECOND);
    assert!(pair.both_established());
    assert_eq!(pair.ends[A].ups(), 2);
}

#[test]
fn a_passive_side_never_dials_but_is_reached() {
    let mut b = config(2, 1);
    b.passive = true;
    let mut pair = Pair::with(10, config(1, 2), b);
    pair.with_session(B, |session, now| session.handle_start(now));
    pair.run_for(1000 * SECOND);
    assert_eq!(pair.ends[B].session.state_name(), "Active");
    pair.with_session(A, |session, now| session.handle_start(now));
    pair.drain();
    assert!(pair.both_established());
    assert_eq!(pair.ends[B].open.len(), 1);
}

#[test]
fn with_delay_open_the_other_sides_open_comes_first() {
    for seed in 0..50 {
        let mut a = config(1, 2);
        a.delay_open = Some(5 * SECOND);
        let mut pair = Pair::with(seed, a.clone(), config(2, 1));
        pair.net.delay = SECOND / 100;
        pair.start();
        pair.run_for(2 * SECOND);
        assert!(pair.both_established(), "one side delays, seed {seed}");

        let mut b = config(2, 1);
        b.delay_open = Some(6 * SECOND);
        let mut pair = Pair::with(seed, a, b);
        pair.net.delay = SECOND / 100;
        pair.start();
        pair.run_for(7 * SECOND);
        assert!(pair.both_established(), "both delay, seed {seed}");
    }
}

#[test]
fn one_byte_at_a_time_changes_nothing() {
    let mut pair = Pair::new(12);
    pair.net.chunk = 1;
    pair.start();
    pair.drain();
    assert!(pair.both_established());
    let mut eor = bytes::BytesMut::new();
    encode_end_of_rib(Family::IPV4_UNICAST, &mut eor);
    encode_end_of_rib(Family::IPV6_UNICAST, &mut eor);
    pair.send(A, &eor);
    pair.drain();
    assert_eq!(pair.ends[B].routes.updates, 2);
    assert_eq!(pair.ends[B].session.stats().received.update, 2);
}

#[test]
fn repeated_failures_pause_longer_and_longer_until_a_steady_session() {
    let mut a = config(1, 2);
    a.idle_hold = IdleHold { first: SECOND, max: 8 * SECOND, stable: 100 * SECOND };
    let mut pair = Pair::with(13, a, config(2, 1));
    pair.start();
    pair.drain();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let before = pair.now;
        let conn = pair.ends[A].established_on().expect("Established");
        pair.cut(conn);
        let alarm = pair.ends[A].session.poll_timeout().expect("an idle hold time");
        pauses.push(alarm.since(before));
        pair.run_for(90 * SECOND);
    }
    for (pause, full) in pauses.iter().zip([1, 2, 4, 8, 8, 8]) {
        assert!((full * SECOND * 3 / 4..=full * SECOND).contains(pause), "{pauses:?}");
    }
    pair.run_for(100 * SECOND);
    let conn = pair.ends[A].established_on().expect("Established");
    pair.cut(conn);
    let alarm = pair.ends[A].session.poll_timeout().expect("an idle hold time");
    assert!(alarm.since(pair.now) <= SECOND, "a steady session is forgiven");
}

fn graceful(local: u32, remote: u32, notification: bool) -> Config {
    let mut config = config(local, remote);
    config.graceful_restart = Some(GracefulRestart {
        restart_time: 120,
        restarting: false,
        notification,
        families: FamilySet::IPV4,
        forwarding: FamilySet::IPV4,
    });
    config
}

#[test]
fn routes_survive_a_lost_connection_but_not_a_notification() {
    let mut pair = Pair::with(14, graceful(1, 2, false), graceful(2, 1, false));
    pair.start();
    pair.drain();
    let conn = pair.ends[A].established_on().expect("Established");
    pair.cut(conn);
    let retain = pair.ends[A].downs()[0].retain.expect("graceful restart applies");
    assert_eq!((retain.restart_time, retain.families), (120 * SECOND, FamilySet::IPV4));
    pair.run_for(30 * SECOND);
    let reset = Farewell::Notify(Notification::administrative_reset(""));
    pair.with_session(A, |session, now| session.handle_reset(now, reset));
    pair.drain();
    assert_eq!(pair.ends[A].downs()[1].retain, None);
    assert_eq!(pair.ends[B].downs()[1].retain, None);
}

#[test]
fn with_both_n_bits_routes_survive_a_reset_but_not_a_shutdown() {
    let mut pair = Pair::with(15, graceful(1, 2, true), graceful(2, 1, true));
    pair.start();
    pair.drain();
    let reset = Farewell::Notify(Notification::administrative_reset(""));
    pair.with_session(A, |session, now| session.handle_reset(now, reset));
    pair.drain();
    assert!(pair.ends[B].downs()[0].retain.is_some());
    pair.run_for(30 * SECOND);
    assert!(pair.both_established());
    let shutdown = Farewell::Notify(Notification::administrative_shutdown("bye"));
    pair.with_session(A, |session, now| session.handle_stop(now, shutdown));
    pair.drain();
    let heard = pair.ends[B].downs()[1];
    assert!(heard.notification().is_some_and(Notification::is_hard_reset));
    assert_eq!(heard.notification().and_then(|n| n.shutdown_text()), Some("bye"));
    assert_eq!(heard.retain, None);
}

#[test]
fn a_restarted_peer_is_taken_back_before_its_old_connection_ends() {
    let mut pair = Pair::with(16, graceful(1, 2, false), graceful(2, 1, false));
    pair.start();
    pair.drain();
    // B crashes without a FIN and comes back.
    let old = pair.ends[B].established_on().expect("Established");
    let mut again = graceful(2, 1, false);
    let restart = again.graceful_restart.as_mut().expect("set");
    (restart.restarting, restart.forwarding) = (true, FamilySet::EMPTY);
    pair.ends[B].session = pathvane_session::Session::new(again, 99);
    pair.ends[B].open.clear();
    pair.with_session(B, |session, now| session.handle_start(now));
    pair.drain();
    assert!(pair.both_established());
    assert_ne!(pair.ends[A].established_on(), Some(old));
    assert_eq!(pair.ends[A].downs()[0].cause, DownCause::Superseded);
    assert!(pair.ends[A].downs()[0].retain.is_some());
    let (_, terms) = pair.ends[A].session.established().expect("Established");
    assert!(terms.graceful_restart.expect("negotiated").restarting);
    let config = pair.ends[B].session.config().graceful_restart.expect("set");
    assert!(!config.restarting, "the R bit is for the first OPEN only");
    assert_eq!(config.forwarding, config.families, "a lost session alone stops no forwarding");
}

#[test]
fn a_peer_that_lost_the_connection_alone_is_taken_back_too() {
    let mut pair = Pair::with(18, graceful(1, 2, false), graceful(2, 1, false));
    pair.start();
    pair.run_for(300 * SECOND);
    // B's end is gone without a FIN; B did not restart, so its R bit is clear.
    let old = pair.ends[B].established_on().expect("Established");
    pair.ends[B].open.remove(&old);
    pair.with_session(B, |session, now| session.handle_closed(now, old));
    pair.run_for(5 * SECOND);
    assert!(pair.both_established());
    assert_eq!(pair.ends[A].downs()[0].cause, DownCause::Superseded);
}

#[test]
fn a_connection_without_an_open_does_not_end_a_graceful_session() {
    let mut pair = Pair::with(19, graceful(1, 2, false), graceful(2, 1, false));
    pair.start();
    pair.run_for(300 * SECOND);
    for stray in 1_000..1_020 {
        pair.ends[A].open.insert(ConnId(stray), Direction::Inbound);
        pair.with_session(A, |session, now| {
            session.handle_connected(now, ConnId(stray), Direction::Inbound);
        });
    }
    pair.run_for(600 * SECOND);
    assert!(pair.both_established());
    assert!(pair.ends.iter().all(|end| end.downs().is_empty()));
}

#[test]
fn a_second_connection_has_no_say_in_the_session_of_the_first() {
    let mut pair = Pair::with(20, graceful(1, 2, false), graceful(2, 1, false));
    pair.start();
    pair.run_for(300 * SECOND);
    let stray = ConnId(1_000);
    pair.ends[A].open.insert(stray, Direction::Inbound);
    pair.with_session(A, |session, now| {
        session.handle_connected(now, stray, Direction::Inbound);
    });
    let mut said = BytesMut::new();
    for subtype in [RefreshSubtype::Begin, RefreshSubtype::End] {
        RouteRefresh { family: Family::IPV4_UNICAST, subtype }.encode(&mut said);
    }
    let mut routes = Routes::default();
    let up = pair.with_session(A, |session, now| {
        session.handle_bytes(now, stray, &said, &mut routes).is_some()
    });
    assert!(!up && routes.refreshes.is_empty());
    pair.run_for(5 * SECOND);
    assert!(pair.both_established() && pair.ends.iter().all(|end| end.downs().is_empty()));
    assert!(!pair.ends[A].open.contains_key(&stray), "an FSM error, and closed");
}

#[test]
fn without_graceful_restart_a_second_connection_is_refused() {
    let mut pair = Pair::new(17);
    pair.start();
    pair.drain();
    let old = pair.ends[A].established_on();
    pair.ends[B].session = pathvane_session::Session::new(config(2, 1), 99);
    pair.ends[B].open.clear();
    pair.with_session(B, |session, now| session.handle_start(now));
    pair.drain();
    assert_eq!(pair.ends[A].established_on(), old);
    assert_eq!(pair.ends[B].session.state_name(), "Idle");
    // Until the HoldTimer finds the old connection dead.
    pair.run_for(200 * SECOND);
    assert!(pair.both_established());
}
