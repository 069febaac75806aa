//! Active (RFC 4271 section 8.2.2): listening for the peer's TCP connection.

use super::connect::{delay_open, drop_delayed, on_delayed};
use super::{Connect, Cx, Event, OpenSent, Restart, State, Timer};
use crate::action::DownCause;
use crate::link::Link;

/// Listening, or with a connection whose OPEN is delayed.
#[derive(Debug)]
pub(crate) struct Active {
    /// The connection on which the DelayOpenTimer runs.
    pub(crate) delayed: Option<Link>,
}

impl Active {
    /// Listens; dials when the ConnectRetryTimer expires, unless the session is passive.
    pub(crate) fn enter(cx: &mut Cx<'_>) -> State {
        if !cx.peering.config.passive {
            cx.restart_connect_retry();
        }
        State::Active(Self { delayed: None })
    }

    pub(crate) fn on(self, event: Event, cx: &mut Cx<'_>) -> State {
        match event {
            // 1, 3-7: ignored.
            event if event.is_start() => State::Active(self),
            // 9: dials, in Connect.
            Event::ConnectRetryTimerExpires if cx.peering.config.passive => State::Active(self),
            Event::ConnectRetryTimerExpires => {
                drop_delayed(self.delayed, cx);
                Connect::enter(cx)
            }
            // 16, 17: with DelayOpen waits for the peer's OPEN, otherwise sends ours.
            Event::TcpCrAcked(link) | Event::TcpConnectionConfirmed(link) => {
                drop_delayed(self.delayed, cx);
                match delay_open(link, cx) {
                    Ok(link) => State::Active(Self { delayed: Some(link) }),
                    Err(link) => OpenSent::enter(link, cx),
                }
            }
            // 18: the connection with the delayed OPEN is gone.
            Event::TcpConnectionFails => {
                cx.stop(Timer::DelayOpen);
                cx.fail(DownCause::ConnectionLost, Restart::Damped)
            }
            event => on_delayed(self.delayed, event, cx),
        }
    }
}
