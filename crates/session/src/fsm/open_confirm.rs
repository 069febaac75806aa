//! OpenConfirm (RFC 4271 section 8.2.2): the OPEN messages agree, a KEEPALIVE is awaited.

use alloc::boxed::Box;

use pathvane_wire::fsm;

use super::ending::end_attempt;
use super::{Cx, Established, Event, Restart, State, Timer};
use crate::action::DownCause;
use crate::link::Link;
use crate::negotiate::Negotiated;

/// A connection and the terms agreed on; HoldTimer and KeepaliveTimer run unless the hold
/// time is zero.
#[derive(Debug)]
pub(crate) struct OpenConfirm {
    pub(crate) link: Link,
    pub(crate) negotiated: Box<Negotiated>,
    /// The peer's KEEPALIVE is here, but a better connection is opening (section 6.8).
    pub(crate) confirmed: bool,
}

impl OpenConfirm {
    /// Accepts the peer's OPEN.
    pub(crate) fn enter(mut link: Link, negotiated: Box<Negotiated>, cx: &mut Cx<'_>) -> State {
        cx.stop(Timer::ConnectRetry);
        cx.stop(Timer::DelayOpen);
        cx.send_keepalive(&mut link, &negotiated);
        cx.restart_hold(&negotiated);
        State::OpenConfirm(Self { link, negotiated, confirmed: false })
    }

    pub(crate) fn on(mut self, event: Event, cx: &mut Cx<'_>) -> State {
        match event {
            // 1, 3-7: ignored.
            event if event.is_start() => State::OpenConfirm(self),
            // 11
            Event::KeepaliveTimerExpires => {
                cx.send_keepalive(&mut self.link, &self.negotiated);
                State::OpenConfirm(self)
            }
            // 16, 17: a second connection has a machine of its own (section 8.2.1.3).
            Event::TcpCrAcked(second) | Event::TcpConnectionConfirmed(second) => {
                cx.drop_tcp(second);
                State::OpenConfirm(self)
            }
            // 18
            Event::TcpConnectionFails => cx.fail(DownCause::ConnectionLost, Restart::Damped),
            // 26: restarts the HoldTimer.
            Event::KeepAliveMsg => Established::enter(self.link, self.negotiated, cx),
            // 2, 8, 10, 21-25; the rest (9, 12, 13, 19, 20, 27-29) is unexpected here, also a
            // second OPEN on the same connection.
            event => end_attempt(self.link, event, fsm::OPEN_CONFIRM, cx),
        }
    }
}
