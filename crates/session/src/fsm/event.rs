//! The events of RFC 4271 section 8.1, with their numbers.

use alloc::boxed::Box;

use pathvane_wire::Notification;

use crate::action::Farewell;
use crate::link::Link;
use crate::negotiate::Negotiated;

/// What can happen to a state machine. The numbers are those of section 8.1.
///
/// Events 14 and 15 (a TCP request is valid or invalid) do not occur: the caller decides
/// whom it accepts, before there is a session.
#[derive(Debug)]
pub(crate) enum Event {
    /// 1, or 4 where PassiveTcpEstablishment is set.
    ManualStart,
    /// 2
    ManualStop(Farewell),
    /// 6, or 7 where PassiveTcpEstablishment is set; 3 and 5 if there is nothing to damp.
    AutomaticStart,
    /// 8
    AutomaticStop(Farewell),
    /// 9
    ConnectRetryTimerExpires,
    /// 10
    HoldTimerExpires,
    /// 11
    KeepaliveTimerExpires,
    /// 12
    DelayOpenTimerExpires,
    /// 13
    IdleHoldTimerExpires,
    /// 16
    TcpCrAcked(Link),
    /// 17
    TcpConnectionConfirmed(Link),
    /// 18
    TcpConnectionFails,
    /// 19
    BgpOpen(Box<Negotiated>),
    /// 20
    BgpOpenWithDelayOpenTimer(Box<Negotiated>),
    /// 21
    BgpHeaderErr(Notification),
    /// 22
    BgpOpenMsgErr(Notification),
    /// 23
    OpenCollisionDump,
    /// 24
    NotifMsgVerErr(Notification),
    /// 25
    NotifMsg(Notification),
    /// 26
    KeepAliveMsg,
    /// 27; its routes are with the sink already.
    UpdateMsg,
    /// 28
    UpdateMsgErr(Notification),
    /// 29 (RFC 9687)
    SendHoldTimerExpires,
    /// Unnumbered: ROUTE-REFRESH came decades after section 8 (RFC 2918).
    RouteRefreshMsg,
    /// Unnumbered: the peer, which restarts gracefully, opened a new session while we were
    /// Established (RFC 4724 section 5). The new connection has a machine of its own.
    Superseded,
}

impl Event {
    /// Whether it is one of the start events, 1 and 3 to 7, which only Idle heeds.
    pub(crate) fn is_start(&self) -> bool {
        matches!(self, Self::ManualStart | Self::AutomaticStart)
    }
}
