//! What a state may do besides changing: the RFC's recurring phrases, one function each.

use core::time::Duration;

use pathvane_clock::Instant;
use pathvane_wire::Notification;

use super::{FsmTimers, Idle, State, Timer};
use crate::action::{Action, DownCause, DownReason, Farewell};
use crate::link::Link;
use crate::negotiate::Negotiated;
use crate::peering::Peering;

/// The hold time before the peer's OPEN: "a large value", 4 minutes (section 8.2.2).
pub(super) const LARGE_HOLD_TIME: Duration = Duration::from_secs(240);

/// Whether and how soon a machine that goes to Idle starts again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Restart {
    /// Only by a ManualStart; sets ConnectRetryCounter to zero.
    Never,
    /// After the shortest pause; nobody misbehaved.
    Undamped,
    /// After a pause that grows each time (DampPeerOscillations); increments
    /// ConnectRetryCounter by 1.
    Damped,
}

/// The surroundings of one step: the time, the peer's shared facts, the machine's timers.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    pub(crate) peering: &'a mut Peering,
    pub(crate) timers: &'a mut FsmTimers,
}

impl Cx<'_> {
    /// Starts or restarts a timer.
    pub(crate) fn start(&mut self, timer: Timer, after: Duration) {
        self.timers.set(timer, self.now + after);
    }

    /// Stops a timer and sets it to zero.
    pub(crate) fn stop(&mut self, timer: Timer) {
        self.timers.stop(timer);
    }

    /// Restarts the ConnectRetryTimer with its initial value, jittered.
    pub(crate) fn restart_connect_retry(&mut self) {
        let after = self.peering.connect_retry();
        self.start(Timer::ConnectRetry, after);
    }

    /// Initiates a TCP connection to the peer, in place of any attempt under way.
    pub(crate) fn dial(&mut self) {
        self.peering.dial();
    }

    /// Sends our OPEN and sets the HoldTimer to a large value.
    pub(crate) fn send_open(&mut self, link: &mut Link) {
        self.peering.send_open(link);
        self.start(Timer::Hold, LARGE_HOLD_TIME);
    }

    /// Sends a KEEPALIVE and restarts the KeepaliveTimer, unless the hold time is zero.
    pub(crate) fn send_keepalive(&mut self, link: &mut Link, negotiated: &Negotiated) {
        self.peering.send_keepalive(link);
        self.restart_keepalive(negotiated);
    }

    /// Restarts the KeepaliveTimer, jittered (section 10), unless the hold time is zero.
    pub(crate) fn restart_keepalive(&mut self, negotiated: &Negotiated) {
        if negotiated.keepalive.is_zero() {
            return self.stop(Timer::Keepalive);
        }
        let after = self.peering.jitter(negotiated.keepalive);
        self.start(Timer::Keepalive, after);
    }

    /// Restarts the HoldTimer with the negotiated value, unless that is zero.
    pub(crate) fn restart_hold(&mut self, negotiated: &Negotiated) {
        restart_hold(self.timers, self.now, negotiated);
    }

    /// Drops the TCP connection.
    pub(crate) fn drop_tcp(&mut self, link: Link) {
        self.peering.close(self.now, link);
    }

    /// Sends a NOTIFICATION and drops the TCP connection.
    pub(crate) fn notify(&mut self, mut link: Link, notification: Notification) -> DownCause {
        self.peering.send_notification(&mut link, &notification);
        self.drop_tcp(link);
        DownCause::Sent(notification)
    }

    /// Takes leave as asked and drops the TCP connection.
    pub(crate) fn take_leave(&mut self, link: Link, farewell: Farewell) -> DownCause {
        match farewell {
            Farewell::Notify(notification) => self.notify(link, notification),
            Farewell::Silent => {
                self.drop_tcp(link);
                DownCause::ClosedSilently
            }
        }
    }

    /// The end of an attempt before Established: tells why and changes to Idle.
    pub(crate) fn fail(&mut self, cause: DownCause, restart: Restart) -> State {
        self.record(DownReason { cause, retain: None }, Action::Failed);
        self.idle(restart)
    }

    /// Records the reason of an ending and tells it.
    pub(crate) fn record(&mut self, reason: DownReason, tell: fn(DownReason) -> Action) {
        self.peering.stats.last_error = Some((self.now, reason.clone()));
        self.peering.push(tell(reason));
    }

    /// Stops all timers, gives up dialling and changes to Idle; starts the IdleHoldTimer
    /// unless only the operator may start again.
    pub(crate) fn idle(&mut self, restart: Restart) -> State {
        self.timers.stop_all();
        self.peering.cancel_dial();
        if let Some(pause) = self.peering.idle_hold(restart) {
            self.start(Timer::IdleHold, pause);
        }
        State::Idle(Idle)
    }
}

/// Restarts the HoldTimer with the negotiated value, unless that is zero.
pub(super) fn restart_hold(timers: &mut FsmTimers, now: Instant, negotiated: &Negotiated) {
    if negotiated.hold_time.is_zero() {
        timers.stop(Timer::Hold);
    } else {
        timers.set(Timer::Hold, now + negotiated.hold_time);
    }
}
