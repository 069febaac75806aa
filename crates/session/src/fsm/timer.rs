//! The timers of RFC 4271 section 8.1.3, and the event that each one's expiry is.

use pathvane_clock::{TimerKey, Timers};

use super::Event;

/// The timers of one state machine. At one instant they fire in this order: what ends a
/// session comes last, after what keeps it alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    ConnectRetry,
    Keepalive,
    DelayOpen,
    IdleHold,
    Hold,
    /// RFC 9687.
    SendHold,
}

/// A machine's timers.
pub(crate) type FsmTimers = Timers<{ Timer::ALL.len() }>;

impl Timer {
    /// Every timer, by slot.
    pub(crate) const ALL: [Self; 6] = [
        Self::ConnectRetry,
        Self::Keepalive,
        Self::DelayOpen,
        Self::IdleHold,
        Self::Hold,
        Self::SendHold,
    ];

    pub(crate) fn event(self) -> Event {
        match self {
            Self::ConnectRetry => Event::ConnectRetryTimerExpires,
            Self::Keepalive => Event::KeepaliveTimerExpires,
            Self::DelayOpen => Event::DelayOpenTimerExpires,
            Self::IdleHold => Event::IdleHoldTimerExpires,
            Self::Hold => Event::HoldTimerExpires,
            Self::SendHold => Event::SendHoldTimerExpires,
        }
    }
}

impl TimerKey for Timer {
    fn slot(self) -> usize {
        self as usize
    }

    fn from_slot(slot: usize) -> Self {
        Self::ALL[slot]
    }
}
