//! What the speaker and the BFD process say to each other: one JSON object a line.
//!
//! The speaker says [`Request::Claim`] with everything it wants whenever it connects or its
//! configuration changes; the process answers with a [`Reply::Session`] for each, then one for each change.

use std::net::IpAddr;

use pathvane_probe::bfd;
use serde::{Deserialize, Serialize};

/// The version of the protocol; a process of another one is left alone and replaced when it ends.
pub const VERSION: u32 = 1;

/// The longest line taken, in bytes: far more than [`SESSIONS_MAX`] sessions.
pub const LINE_MAX: usize = 1 << 20;

/// The most sessions of one process.
pub const SESSIONS_MAX: usize = 1024;

/// What a session is between, and by which it is known (RFC 5881 section 3, RFC 5883 section 4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Key {
    /// Our address.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// The interface, where the session is pinned to one.
    pub interface: Option<String>,
    /// Over several hops (RFC 5883).
    pub multihop: bool,
}

/// A session that the speaker wants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// Which.
    #[serde(flatten)]
    pub key: Key,
    /// Send and receive as often, in microseconds; not zero.
    pub interval_us: u32,
    /// Detection multiplier; not zero.
    pub multiplier: u8,
}

impl Wanted {
    /// The settings of the session.
    pub(super) fn config(&self) -> bfd::Config {
        bfd::Config {
            interval: std::time::Duration::from_micros(u64::from(self.interval_us)),
            multiplier: self.multiplier.max(1),
            multihop: self.key.multihop,
        }
    }
}

/// What is asked of the process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// These sessions, and no others; the one who asks is told of their changes.
    Claim {
        /// [`VERSION`].
        version: u32,
        /// All of them.
        sessions: Vec<Wanted>,
    },
    /// The speaker leaves for good: take its sessions down administratively.
    Release,
    /// How all sessions are, once.
    Show,
}

/// What the process says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Reply {
    /// How a session is.
    Session(Session),
    /// A session cannot be had; it is tried again every second.
    Impossible {
        /// Which.
        key: Key,
        /// Why, with a remedy.
        reason: String,
    },
    /// All sessions were told, in answer to [`Request::Show`] or [`Request::Claim`].
    Complete {
        /// The version that the process speaks.
        version: u32,
    },
    /// Nothing is done for whoever asked.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What a session says about the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// Nothing: it was not up yet, or an operator took it down at either end.
    Off,
    /// Both directions work.
    Up,
    /// It was up and failed.
    Down,
}

/// How a session is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Which.
    #[serde(flatten)]
    pub key: Key,
    /// What it says about the path.
    pub liveness: Liveness,
    /// The C bit of the peer (ours is set): a failure is none of a control plane that restarts.
    pub independent: bool,
    /// The RFC's name of our state.
    pub state: String,
    /// Why it changed last.
    pub diagnostic: String,
    /// The peer's state as it last said.
    pub remote_state: String,
    /// The peer's reason.
    pub remote_diagnostic: String,
    /// When the state was entered, on the machine's monotonic clock.
    pub since_ns: u64,
    /// How often we send, before jitter; zero: not.
    pub transmit_us: u64,
    /// After how long a silence the session is down; zero until the peer is heard.
    pub detection_us: u64,
    /// Control packets sent.
    pub sent: u64,
    /// Control packets received and taken.
    pub received: u64,
    /// How often it failed.
    pub failures: u64,
}

impl Session {
    /// How `session` is.
    pub(super) fn of(key: &Key, session: &bfd::Session) -> Self {
        let status = session.status();
        let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(0);
        Self {
            key: key.clone(),
            liveness: match status.liveness {
                bfd::Liveness::Off => Liveness::Off,
                bfd::Liveness::Up => Liveness::Up,
                bfd::Liveness::Down => Liveness::Down,
            },
            independent: status.independent,
            state: status.state.name().to_owned(),
            diagnostic: status.diag.name().to_owned(),
            remote_state: status.remote_state.name().to_owned(),
            remote_diagnostic: status.remote_diag.name().to_owned(),
            since_ns: status.since.as_nanos(),
            transmit_us: micros(status.transmit),
            detection_us: micros(status.detection),
            sent: status.sent,
            received: status.received,
            failures: status.failures,
        }
    }
}
