//! What a session counted: for show commands and metrics.

use core::fmt;

use pathvane_clock::Instant;

use crate::action::DownReason;

/// The states of RFC 4271 section 8.2.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FsmState {
    /// Not started, or pausing after a failure; connections are refused.
    Idle,
    /// Dialling.
    Connect,
    /// Listening, between two attempts to dial.
    Active,
    /// Our OPEN is sent, the peer's awaited.
    OpenSent,
    /// Both OPEN messages agree; the first KEEPALIVE is awaited.
    OpenConfirm,
    /// UPDATE messages flow.
    Established,
}

impl FsmState {
    /// The RFC's name of the state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl fmt::Display for FsmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Messages of one direction since the session was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MessageCounts {
    /// OPEN messages.
    pub open: u64,
    /// UPDATE messages.
    pub update: u64,
    /// NOTIFICATION messages.
    pub notification: u64,
    /// KEEPALIVE messages.
    pub keepalive: u64,
    /// ROUTE-REFRESH messages.
    pub route_refresh: u64,
}

/// A session's history in numbers.
#[derive(Clone, Default, Debug)]
pub struct Stats {
    /// Messages the peer sent.
    pub received: MessageCounts,
    /// Messages we sent; UPDATE and ROUTE-REFRESH as told by [`crate::Session::handle_sent`].
    pub sent: MessageCounts,
    /// ConnectRetryCounter: failures since the last manual start or stop.
    pub connect_retry_counter: u32,
    /// How often the session became Established.
    pub established: u32,
    /// How often it left Established.
    pub flaps: u32,
    /// When it last became Established.
    pub last_up: Option<Instant>,
    /// When it last left Established.
    pub last_down: Option<Instant>,
    /// UPDATE messages so broken that the session had to end (RFC 7606 section 2, session reset).
    pub session_resets: u64,
    /// Why the session or an attempt at it last ended, and when.
    pub last_error: Option<(Instant, DownReason)>,
}
