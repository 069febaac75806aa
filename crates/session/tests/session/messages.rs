//! Messages on an Established session: framing, errors, refresh, a peer that does not read.

use std::time::Duration;

use crate::lone::{CONN, Lone, encoded, open_for, plain};
use crate::net::config;
use pathvane_session::{Action, Config, ConnId, Direction, DownCause, FsmState};
use pathvane_wire::{
    Capability, Family, Kind, MAX_LEN, Notification, RefreshSubtype, RouteRefresh,
    encode_end_of_rib, encode_keepalive,
};

const SECOND: Duration = Duration::from_secs(1);

fn established(config: Config) -> Lone {
    let mut capabilities = plain(&config);
    capabilities.extend([Capability::ExtendedMessages, Capability::RouteRefresh]);
    let open = open_for(&config, capabilities);
    Lone::established(config, &open)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(19 + body.len()).expect("fits");
    [&[0xff; 16][..], &len.to_be_bytes(), &[kind], body].concat()
}

/// An UPDATE with nothing but an unknown optional transitive attribute of this length.
fn padded_update(len: u16) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend((len + 4).to_be_bytes());
    body.extend([0xd0, 200]);
    body.extend(len.to_be_bytes());
    body.extend(vec![0; usize::from(len)]);
    message(2, &body)
}

fn cause(lone: &mut Lone) -> Option<DownCause> {
    lone.actions().into_iter().find_map(|action| match action {
        Action::Down(reason) => Some(reason.cause),
        _ => None,
    })
}

/// The shell reads what is there: the KEEPALIVE that brings the session up, routes behind it, and
/// the beginning of more.
#[test]
fn routes_behind_the_keepalive_wait_until_the_session_is_known_to_be_up() {
    let config = config(1, 2);
    let open = open_for(&config, plain(&config));
    let update = padded_update(3);
    for cut in 0..=update.len() {
        let mut lone = Lone::open_sent(config.clone());
        let keepalive = encoded(encode_keepalive);
        let all = [&encoded(|out| open.encode(out))[..], &keepalive, &update[..cut]].concat();
        let (now, routes) = (lone.now, &mut lone.routes);
        let rest = lone.session.handle_bytes(now, CONN, &all, routes);
        assert_eq!(rest, Some(&update[..cut]), "not read on");
        assert!(matches!(lone.actions().last(), Some(Action::Up { .. })));
        lone.feed(rest.expect("what is left"));
        lone.feed(&update[cut..]);
        assert_eq!(lone.session.stats().received.update, 1, "cut at {cut}");
    }
}

#[test]
fn bad_headers_end_the_session_with_the_data_of_section_6_1() {
    let mut unsynchronised = message(4, &[]);
    unsynchronised[3] = 0;
    let cases = [
        (unsynchronised, Notification::connection_not_synchronized()),
        (message(9, &[]), Notification::bad_message_type(9)),
        (message(4, &[0]), Notification::bad_message_length(20)),
        (message(1, &[4]), Notification::bad_message_length(20)),
        ([&[0xff; 16][..], &[0, 18, 4]].concat(), Notification::bad_message_length(18)),
    ];
    for (bytes, expected) in cases {
        let mut lone = established(config(1, 2));
        lone.feed(&bytes);
        assert_eq!(lone.sent().1.as_ref(), Some(&expected));
        assert_eq!(cause(&mut lone), Some(DownCause::Sent(expected)));
        assert_eq!(lone.actions(), [], "closed already");
        assert_eq!(lone.session.state(), FsmState::Idle);
    }
}

#[test]
fn long_messages_need_the_capability() {
    let long = padded_update(MAX_LEN as u16);
    let mut lone = established(config(1, 2));
    lone.feed(&long);
    let too_long = Notification::bad_message_length(long.len() as u16);
    assert_eq!(cause(&mut lone), Some(DownCause::Sent(too_long)));

    let mut extended = config(1, 2);
    extended.extended_messages = true;
    let mut lone = established(extended);
    for chunk in long.chunks(1000) {
        lone.feed(chunk);
    }
    assert_eq!(lone.routes.updates, 1);
    assert_eq!(lone.session.state(), FsmState::Established);
}

#[test]
fn a_malformed_update_ends_the_session_only_where_rfc_7606_leaves_no_choice() {
    let mut lone = established(config(1, 2));
    // ORIGIN with an impossible value: treat-as-withdraw, for the sink to deal with.
    let attributes = [0x40, 1, 1, 9, 0x40, 2, 0, 0x40, 3, 4, 10, 0, 0, 1];
    let body = [&[0, 0, 0, attributes.len() as u8][..], &attributes, &[8, 10]].concat();
    lone.feed(&message(2, &body));
    assert_eq!((lone.routes.updates, lone.session.state()), (1, FsmState::Established));
    // The attributes' length exceeds the message.
    lone.feed(&message(2, &[0, 0, 0, 9, 0x40]));
    let Some(DownCause::Sent(told)) = cause(&mut lone) else { panic!("still up") };
    assert_eq!((told.code, told.subcode), (3, 1));
}

#[test]
fn the_sink_can_end_the_session() {
    let mut lone = established(config(1, 2));
    let limit = Notification::max_prefixes(Family::IPV4_UNICAST, 100);
    lone.routes.refuse = Some(limit.clone());
    let update = encoded(|out| encode_end_of_rib(Family::IPV4_UNICAST, out));
    lone.feed(&[&update[..], &update].concat());
    assert_eq!(lone.routes.updates, 1, "what follows is not read");
    assert_eq!(lone.sent().1, Some(limit.clone()));
    assert_eq!(cause(&mut lone), Some(DownCause::Sent(limit)));
}

#[test]
fn only_refreshes_that_were_offered_are_passed_on() {
    let refresh = |family, subtype| encoded(|out| RouteRefresh { family, subtype }.encode(out));
    let mut lone = established(config(1, 2));
    lone.feed(&refresh(Family::IPV4_UNICAST, RefreshSubtype::Request));
    lone.feed(&refresh(Family::IPV6_UNICAST, RefreshSubtype::Request));
    lone.feed(&refresh(Family::IPV4_UNICAST, RefreshSubtype::Begin));
    lone.feed(&refresh(Family::IPV4_UNICAST, RefreshSubtype::Unknown(9)));
    let wanted = RouteRefresh { family: Family::IPV4_UNICAST, subtype: RefreshSubtype::Request };
    assert_eq!(lone.routes.refreshes, [wanted]);
    assert_eq!(lone.session.stats().received.route_refresh, 4);
    lone.feed(&message(5, &[0, 1]));
    let Some(DownCause::Sent(told)) = cause(&mut lone) else { panic!("still up") };
    assert_eq!((told.code, told.subcode), (7, 1));

    let mut without = config(1, 2);
    without.route_refresh = false;
    let mut lone = established(without);
    lone.feed(&refresh(Family::IPV4_UNICAST, RefreshSubtype::Request));
    assert_eq!((lone.routes.refreshes.len(), lone.session.state()), (0, FsmState::Established));
}

#[test]
fn a_peer_is_asked_for_its_routes_once_until_that_is_taken() {
    let mut lone = established(config(1, 2));
    for _ in 0..3 {
        lone.session.handle_refresh(lone.now, Family::IPV4_UNICAST);
        lone.session.handle_refresh(lone.now, Family::IPV6_UNICAST);
    }
    assert_eq!(lone.sent().0, [Kind::RouteRefresh], "IPv6 was not negotiated");
    lone.session.handle_refresh(lone.now, Family::IPV4_UNICAST);
    assert_eq!(lone.sent().0, [Kind::RouteRefresh]);
    assert_eq!(lone.session.stats().sent.route_refresh, 2);

    let mut without = config(1, 2);
    without.route_refresh = false;
    let mut lone = established(without);
    lone.session.handle_refresh(lone.now, Family::IPV4_UNICAST);
    assert_eq!(lone.sent().0, []);
}

#[test]
fn a_peer_that_takes_nothing_is_left_after_the_send_hold_time() {
    let mut impatient = config(1, 2);
    impatient.send_hold = Some(20 * SECOND);
    let mut lone = established(impatient);
    let start = lone.now;
    lone.session.handle_blocked(start, CONN);
    lone.session.handle_writable(CONN);
    lone.session.handle_blocked(start + 10 * SECOND, CONN);
    lone.session.handle_blocked(start + 25 * SECOND, CONN);
    for at in [20, 25, 29] {
        lone.session.handle_timeout(start + at * SECOND);
        assert_eq!(lone.session.state(), FsmState::Established, "after {at} s");
    }
    lone.session.handle_timeout(start + 30 * SECOND);
    assert_eq!(cause(&mut lone), Some(DownCause::Sent(Notification::send_hold_timer_expired())));
}

#[test]
fn a_peer_that_takes_nothing_does_not_pile_up_keepalives() {
    let mut lone = established(config(1, 2));
    for _ in 0..1000 {
        lone.now += 30 * SECOND;
        lone.feed(&encoded(encode_keepalive));
        lone.session.handle_timeout(lone.now);
    }
    assert_eq!(lone.session.state(), FsmState::Established);
    assert_eq!(lone.sent().0, [Kind::Keepalive]);
}

#[test]
fn a_notification_that_cannot_be_sent_does_not_keep_the_connection() {
    let mut lone = established(config(1, 2));
    lone.feed(&message(9, &[]));
    let closes = |actions: &[Action]| actions.contains(&Action::Close { conn: CONN });
    assert!(!closes(&lone.actions()), "the NOTIFICATION comes first");
    let alarm = lone.session.poll_timeout().expect("an alarm");
    assert!(alarm <= lone.now + SECOND);
    lone.session.handle_timeout(lone.now + SECOND);
    assert!(closes(&lone.actions()));
}

#[test]
fn updates_sent_by_the_caller_spare_keepalives() {
    let mut lone = established(config(1, 2));
    for _ in 0..20 {
        lone.now += 10 * SECOND;
        lone.feed(&encoded(encode_keepalive));
        lone.session.handle_sent(lone.now, 3, 0);
        lone.session.handle_timeout(lone.now);
    }
    assert_eq!(lone.sent().0, []);
    assert_eq!(lone.session.stats().sent.update, 60);
}

#[test]
fn a_flood_of_connections_is_answered_without_growing() {
    let mut lone = established(config(1, 2));
    for n in 2..1000 {
        lone.session.handle_connected(lone.now, ConnId(n), Direction::Inbound);
    }
    let closed = lone.actions().len();
    assert!(closed >= 994, "{closed} closed although nobody took their NOTIFICATION");
    assert!(lone.session.transmits().count() <= 4);
    assert_eq!(lone.session.state(), FsmState::Established);
}

#[test]
fn a_notification_is_not_answered() {
    let mut lone = Lone::open_sent(config(1, 2));
    lone.feed(&message(3, &[6, 4]));
    assert_eq!(lone.sent().0, []);
    let actions = lone.actions();
    let Some(Action::Failed(reason)) = actions.first() else { panic!("{actions:?}") };
    assert_eq!(reason.notification(), Some(&Notification::cease(4)));
}
