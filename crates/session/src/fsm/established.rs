//! Established (RFC 4271 section 8.2.2): UPDATE messages flow.

use alloc::boxed::Box;

use pathvane_clock::Instant;
use pathvane_wire::{Notification, cease, fsm};

use super::{Cx, Event, Restart, State};
use crate::action::{Action, DownCause, DownReason, Farewell};
use crate::link::Link;
use crate::negotiate::Negotiated;

/// A session: its connection, the terms agreed on, and when it came up.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) link: Link,
    pub(crate) negotiated: Box<Negotiated>,
    since: Instant,
}

impl Established {
    /// Confirms the session.
    pub(crate) fn enter(link: Link, negotiated: Box<Negotiated>, cx: &mut Cx<'_>) -> State {
        cx.restart_hold(&negotiated);
        cx.peering.came_up(cx.now);
        let up = Action::Up { conn: link.conn, negotiated: negotiated.clone() };
        cx.peering.push(up);
        State::Established(Self { link, negotiated, since: cx.now })
    }

    pub(crate) fn on(mut self, event: Event, cx: &mut Cx<'_>) -> State {
        match event {
            // 1, 3-7: ignored.
            event if event.is_start() => State::Established(self),
            // 2
            Event::ManualStop(farewell) => self.leave(farewell, Restart::Never, cx),
            // 8
            Event::AutomaticStop(farewell) => self.leave(farewell, Restart::Damped, cx),
            // 10
            Event::HoldTimerExpires => self.refuse(Notification::hold_timer_expired(), cx),
            // 11
            Event::KeepaliveTimerExpires => {
                cx.send_keepalive(&mut self.link, &self.negotiated);
                State::Established(self)
            }
            // 16, 17: CollisionDetectEstablishedState is FALSE: this session stays, the other
            // connection is refused (section 6.8).
            Event::TcpCrAcked(second) | Event::TcpConnectionConfirmed(second) => {
                cx.notify(second, Notification::cease(cease::COLLISION_RESOLUTION));
                State::Established(self)
            }
            // 18
            Event::TcpConnectionFails => {
                down(&self.negotiated, self.since, DownCause::ConnectionLost, Restart::Damped, cx)
            }
            // 24, 25
            Event::NotifMsgVerErr(notification) | Event::NotifMsg(notification) => {
                self.drop_tcp(DownCause::Received(notification), Restart::Damped, cx)
            }
            // RFC 4724 section 5: the peer's new connection tells of its restart.
            Event::Superseded => self.drop_tcp(DownCause::Superseded, Restart::Undamped, cx),
            // 23
            Event::OpenCollisionDump => {
                self.refuse(Notification::cease(cease::COLLISION_RESOLUTION), cx)
            }
            // 26, 27: restart the HoldTimer.
            Event::KeepAliveMsg | Event::UpdateMsg => {
                cx.restart_hold(&self.negotiated);
                State::Established(self)
            }
            // 21, 28
            Event::BgpHeaderErr(notification) | Event::UpdateMsgErr(notification) => {
                self.refuse(notification, cx)
            }
            // 29 (RFC 9687)
            Event::SendHoldTimerExpires => self.refuse(Notification::send_hold_timer_expired(), cx),
            // ROUTE-REFRESH is with the sink already.
            Event::RouteRefreshMsg => State::Established(self),
            // 9, 12, 13, 19, 20, 22
            _ => self.refuse(Notification::fsm_error(fsm::ESTABLISHED), cx),
        }
    }

    /// Sends a NOTIFICATION for something gone wrong.
    fn refuse(self, notification: Notification, cx: &mut Cx<'_>) -> State {
        self.leave(Farewell::Notify(notification), Restart::Damped, cx)
    }

    /// Takes leave and drops the TCP connection.
    fn leave(self, farewell: Farewell, restart: Restart, cx: &mut Cx<'_>) -> State {
        let farewell = self.negotiated.hardened(farewell);
        let cause = cx.take_leave(self.link, farewell);
        down(&self.negotiated, self.since, cause, restart, cx)
    }

    /// Drops the TCP connection without a word.
    fn drop_tcp(self, cause: DownCause, restart: Restart, cx: &mut Cx<'_>) -> State {
        cx.drop_tcp(self.link);
        down(&self.negotiated, self.since, cause, restart, cx)
    }
}

/// The end of a session: tells whether its routes may be kept, and changes to Idle.
fn down(
    terms: &Negotiated,
    since: Instant,
    cause: DownCause,
    restart: Restart,
    cx: &mut Cx<'_>,
) -> State {
    cx.peering.went_down(cx.now, since);
    let retain = terms.retained_after(&cause);
    cx.record(DownReason { cause, retain }, Action::Down);
    cx.idle(restart)
}
