//! Idle (RFC 4271 section 8.2.2): nothing is held, connections are refused.

use super::{Active, Connect, Cx, Event, State, Timer};

/// Nothing at all; the IdleHoldTimer runs after a failure.
#[derive(Debug)]
pub(crate) struct Idle;

impl Idle {
    pub(crate) fn on(self, event: Event, cx: &mut Cx<'_>) -> State {
        match event {
            // 1, 4: sets ConnectRetryCounter to zero.
            Event::ManualStart => {
                cx.peering.stats.connect_retry_counter = 0;
                self.start(cx)
            }
            // 3, 5, 6, 7; and 13, by which the pause of a failed session ends.
            Event::AutomaticStart | Event::IdleHoldTimerExpires => self.start(cx),
            // 2: ignored by the RFC, which has no pending restart to call off.
            Event::ManualStop(_) => {
                cx.stop(Timer::IdleHold);
                State::Idle(self)
            }
            // 16, 17: refuses all connections. No NOTIFICATION: a peer that keeps our routes
            // through our restart (RFC 4724) might drop them on a Cease.
            Event::TcpCrAcked(link) | Event::TcpConnectionConfirmed(link) => {
                cx.drop_tcp(link);
                State::Idle(self)
            }
            // 8 is ignored; 9-12, 18-29 cannot change anything.
            _ => State::Idle(self),
        }
    }

    /// Dials, or listens only if PassiveTcpEstablishment is set.
    fn start(self, cx: &mut Cx<'_>) -> State {
        cx.stop(Timer::IdleHold);
        if cx.peering.config.passive { Active::enter(cx) } else { Connect::enter(cx) }
    }
}
