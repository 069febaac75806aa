//! How an attempt with a TCP connection ends before Established: the events that Connect and
//! Active (with DelayOpen), OpenSent and OpenConfirm answer alike (RFC 4271 section 8.2.2).

use pathvane_wire::{Notification, cease, code};

use super::{Cx, Event, Restart, State};
use crate::action::DownCause;
use crate::link::Link;

/// Ends the attempt on `link`: sends what the event calls for, drops the TCP connection,
/// stops all timers and changes to Idle. Any event that the state does not know by itself
/// is an FSM error with the state's own `subcode` (RFC 6608).
pub(super) fn end_attempt(link: Link, event: Event, subcode: u8, cx: &mut Cx<'_>) -> State {
    match event {
        // 2
        Event::ManualStop(farewell) => {
            let cause = cx.take_leave(link, farewell);
            cx.fail(cause, Restart::Never)
        }
        // 8
        Event::AutomaticStop(farewell) => {
            let cause = cx.take_leave(link, farewell);
            cx.fail(cause, Restart::Damped)
        }
        // 10
        Event::HoldTimerExpires => refuse(link, Notification::hold_timer_expired(), cx),
        // 21, 22
        Event::BgpHeaderErr(notification) | Event::BgpOpenMsgErr(notification) => {
            refuse(link, notification, cx)
        }
        // 23
        Event::OpenCollisionDump => {
            cx.notify(link, Notification::cease(cease::COLLISION_RESOLUTION));
            cx.fail(DownCause::CollisionDump, Restart::Undamped)
        }
        // 24: the peer speaks another version of the protocol; nothing to damp.
        Event::NotifMsgVerErr(notification) => {
            cx.drop_tcp(link);
            cx.fail(DownCause::Received(notification), Restart::Undamped)
        }
        // 25
        Event::NotifMsg(notification) => {
            cx.drop_tcp(link);
            let restart = blame(&notification);
            cx.fail(DownCause::Received(notification), restart)
        }
        _ => refuse(link, Notification::fsm_error(subcode), cx),
    }
}

fn refuse(link: Link, notification: Notification, cx: &mut Cx<'_>) -> State {
    let cause = cx.notify(link, notification);
    cx.fail(cause, Restart::Damped)
}

/// A collision is nobody's fault; any other NOTIFICATION is an oscillation to damp.
fn blame(notification: &Notification) -> Restart {
    match (notification.code, notification.subcode) {
        (code::CEASE, cease::COLLISION_RESOLUTION) => Restart::Undamped,
        _ => Restart::Damped,
    }
}
