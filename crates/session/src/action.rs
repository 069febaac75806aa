//! What the session asks of its caller, and what it tells it.

use alloc::boxed::Box;
use core::fmt;

use pathvane_wire::{DecodeContext, Notification, Octets, RouteRefresh, UpdateView, code};

use crate::link::ConnId;
use crate::negotiate::{Negotiated, PeerGr};

/// Something to do, in order; see [`crate::Session::poll_action`].
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Dial the peer. An attempt still under way is given up for this one.
    Connect,
    /// Give up the attempt to dial that is under way.
    CancelConnect,
    /// Close this connection; all that was to be sent on it has been taken by
    /// [`crate::Session::poll_transmit`] and should still go out, within reason.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// The session is Established: the initial UPDATE messages may follow.
    Up {
        /// The connection that carries it.
        conn: ConnId,
        /// What both sides agreed on.
        negotiated: Box<Negotiated>,
    },
    /// The session left Established. Always follows an [`Action::Up`].
    Down(DownReason),
    /// An attempt ended after a TCP connection was made and before Established.
    Failed(DownReason),
}

/// Why a session, or an attempt at one, ended.
#[derive(Clone, PartialEq, Debug)]
pub struct DownReason {
    /// What ended it.
    pub cause: DownCause,
    /// The peer's graceful restart terms if they apply to this ending (RFC 4724 section 4.2,
    /// RFC 8538 section 4): its routes may be kept as stale. `None`: delete them now.
    pub retain: Option<PeerGr>,
}

impl DownReason {
    /// Who closed.
    pub fn closed_by(&self) -> ClosedBy {
        match self.cause {
            DownCause::Sent(_) | DownCause::ClosedSilently | DownCause::CollisionDump => {
                ClosedBy::Local
            }
            DownCause::Received(_) | DownCause::ConnectionLost | DownCause::Superseded => {
                ClosedBy::Remote
            }
        }
    }

    /// The NOTIFICATION sent or received, if one was.
    pub fn notification(&self) -> Option<&Notification> {
        match &self.cause {
            DownCause::Sent(n) | DownCause::Received(n) => Some(n),
            _ => None,
        }
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            DownCause::Sent(n) => {
                write!(f, "sent {n}")?;
                told(f, n)
            }
            DownCause::Received(n) => write!(f, "received {n}"),
            DownCause::ConnectionLost => f.write_str("TCP connection lost"),
            DownCause::Superseded => f.write_str("the peer restarted and connected anew"),
            DownCause::ClosedSilently => f.write_str("closed here without NOTIFICATION"),
            DownCause::CollisionDump => f.write_str("lost a connection collision"),
        }
    }
}

/// What of a peer's message a NOTIFICATION objects to: its data, unless we wrote that ourselves.
fn told(f: &mut fmt::Formatter<'_>, sent: &Notification) -> fmt::Result {
    if matches!(sent.code, code::UPDATE | code::HEADER | code::ROUTE_REFRESH) {
        write!(f, "{}", Octets(&sent.data))?;
    }
    Ok(())
}

/// What ended a session or an attempt.
#[derive(Clone, PartialEq, Debug)]
pub enum DownCause {
    /// We sent this NOTIFICATION.
    Sent(Notification),
    /// The peer sent this NOTIFICATION.
    Received(Notification),
    /// FIN, RST or an error of the transport, without NOTIFICATION.
    ConnectionLost,
    /// The peer, which restarts gracefully, connected anew before the old connection ended
    /// (RFC 4724 section 5).
    Superseded,
    /// We closed on request, without NOTIFICATION.
    ClosedSilently,
    /// Another connection with the same peer was kept instead (RFC 4271 section 6.8).
    CollisionDump,
}

/// The side that ended a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClosedBy {
    /// We did.
    Local,
    /// The peer or the network did.
    Remote,
}

/// How to take leave when the caller stops a session.
#[derive(Clone, PartialEq, Debug)]
pub enum Farewell {
    /// With this NOTIFICATION, normally a Cease (RFC 4486).
    Notify(Notification),
    /// Just close: a peer that helps graceful restarts then keeps our routes (RFC 4724).
    Silent,
}

/// Where UPDATE and ROUTE-REFRESH messages of an Established session go.
pub trait Sink {
    /// Takes one UPDATE, structurally sound and parsed under `context`. An error is sent as
    /// NOTIFICATION and ends the session; faults that RFC 7606 lets the session survive are
    /// the sink's own business.
    fn update(
        &mut self,
        update: &UpdateView<'_>,
        context: &DecodeContext,
    ) -> Result<(), Notification>;

    /// Takes one ROUTE-REFRESH message, of a kind we offered (RFC 2918, RFC 7313).
    fn route_refresh(&mut self, refresh: RouteRefresh);
}
