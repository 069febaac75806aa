//! Connect (RFC 4271 section 8.2.2): waiting for the TCP connection we dial.

use super::ending::end_attempt;
use super::{Active, Cx, Event, OpenConfirm, OpenSent, Restart, State, Timer};
use crate::link::Link;

/// Dialling, or with a connection whose OPEN is delayed.
#[derive(Debug)]
pub(crate) struct Connect {
    /// The connection on which the DelayOpenTimer runs.
    pub(crate) delayed: Option<Link>,
}

impl Connect {
    /// Dials, with a fresh ConnectRetryTimer.
    pub(crate) fn enter(cx: &mut Cx<'_>) -> State {
        cx.restart_connect_retry();
        cx.dial();
        State::Connect(Self { delayed: None })
    }

    pub(crate) fn on(self, event: Event, cx: &mut Cx<'_>) -> State {
        match event {
            // 1, 3-7: ignored.
            event if event.is_start() => State::Connect(self),
            // 9: drops the connection, stops the DelayOpenTimer, dials again.
            Event::ConnectRetryTimerExpires => {
                drop_delayed(self.delayed, cx);
                Self::enter(cx)
            }
            // 16, 17: with DelayOpen waits for the peer's OPEN, otherwise sends ours.
            Event::TcpCrAcked(link) | Event::TcpConnectionConfirmed(link) => {
                drop_delayed(self.delayed, cx);
                match delay_open(link, cx) {
                    Ok(link) => State::Connect(Self { delayed: Some(link) }),
                    Err(link) => OpenSent::enter(link, cx),
                }
            }
            // 18: restarts the ConnectRetryTimer and listens on, in Active.
            Event::TcpConnectionFails => {
                cx.stop(Timer::DelayOpen);
                Active::enter(cx)
            }
            event => on_delayed(self.delayed, event, cx),
        }
    }
}

/// Stops the DelayOpenTimer and drops the connection it ran for.
pub(super) fn drop_delayed(delayed: Option<Link>, cx: &mut Cx<'_>) {
    cx.stop(Timer::DelayOpen);
    if let Some(link) = delayed {
        cx.drop_tcp(link);
    }
}

/// Starts the DelayOpenTimer if DelayOpen is set; otherwise gives the connection back.
pub(super) fn delay_open(link: Link, cx: &mut Cx<'_>) -> Result<Link, Link> {
    let Some(delay) = cx.peering.config.delay_open else { return Err(link) };
    cx.stop(Timer::ConnectRetry);
    cx.start(Timer::DelayOpen, delay);
    Ok(link)
}

/// The events that Connect and Active answer alike.
pub(super) fn on_delayed(delayed: Option<Link>, event: Event, cx: &mut Cx<'_>) -> State {
    match (delayed, event) {
        // 12: the peer's OPEN did not come first.
        (Some(link), Event::DelayOpenTimerExpires) => OpenSent::enter(link, cx),
        // 20: it did; answers with OPEN and KEEPALIVE at once.
        (Some(mut link), Event::BgpOpenWithDelayOpenTimer(negotiated)) => {
            cx.send_open(&mut link);
            OpenConfirm::enter(link, negotiated, cx)
        }
        // 2, 8, 21-25; the rest (10, 11, 13, 19, 26-29) is unexpected here, and the FSM error
        // has no subcode for these states.
        (Some(link), event) => end_attempt(link, event, 0, cx),
        // 2
        (None, Event::ManualStop(_)) => cx.idle(Restart::Never),
        // 8, and whatever else needs a connection that is not there.
        (None, _) => cx.idle(Restart::Damped),
    }
}
