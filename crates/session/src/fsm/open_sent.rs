//! OpenSent (RFC 4271 section 8.2.2): our OPEN is sent, the peer's is awaited.

use pathvane_wire::fsm;

use super::ending::end_attempt;
use super::{Active, Cx, Event, OpenConfirm, State, Timer};
use crate::link::Link;

/// A connection on which our OPEN is sent; the HoldTimer runs with a large value.
#[derive(Debug)]
pub(crate) struct OpenSent {
    pub(crate) link: Link,
}

impl OpenSent {
    /// Sends our OPEN on a connection.
    pub(crate) fn enter(mut link: Link, cx: &mut Cx<'_>) -> State {
        cx.stop(Timer::ConnectRetry);
        cx.stop(Timer::DelayOpen);
        cx.send_open(&mut link);
        State::OpenSent(Self { link })
    }

    pub(crate) fn on(self, event: Event, cx: &mut Cx<'_>) -> State {
        match event {
            // 1, 3-7: ignored.
            event if event.is_start() => State::OpenSent(self),
            // 16, 17: a second connection has a machine of its own (section 8.2.1.3).
            Event::TcpCrAcked(second) | Event::TcpConnectionConfirmed(second) => {
                cx.drop_tcp(second);
                State::OpenSent(self)
            }
            // 18: restarts the ConnectRetryTimer and listens on.
            Event::TcpConnectionFails => {
                cx.stop(Timer::Hold);
                Active::enter(cx)
            }
            // 19: sends a KEEPALIVE, sets HoldTimer and KeepaliveTimer.
            Event::BgpOpen(negotiated) => OpenConfirm::enter(self.link, negotiated, cx),
            // 2, 8, 10, 21-25; the rest (9, 11-13, 20, 26-29) is unexpected here.
            event => end_attempt(self.link, event, fsm::OPEN_SENT, cx),
        }
    }
}
