//! BFD sessions.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A BFD session that the configuration asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bfd {
    /// The peers whose sessions it can end.
    pub peers: Vec<String>,
    /// The paths in whose verdicts it is a reason.
    pub paths: Vec<String>,
    /// Our address.
    pub local: IpAddr,
    /// The address of the other end.
    pub remote: IpAddr,
    /// The interface, where it is pinned to one.
    pub interface: Option<String>,
    /// Over several hops (RFC 5883).
    pub multihop: bool,
    /// The interval asked for.
    pub interval_ns: u64,
    /// The detection multiplier asked for.
    pub multiplier: u8,
    /// How the session is; absent if it cannot be had.
    pub session: Option<BfdSession>,
    /// Why it cannot be had.
    pub problem: Option<String>,
}

/// How a BFD session is; counters are at most some seconds old.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BfdSession {
    /// What it says about the path: `up`, `down` (it failed) or `off` (nothing).
    pub says: String,
    /// State of RFC 5880 section 4.1.
    pub state: String,
    /// Why it changed last.
    pub diagnostic: String,
    /// The other end's state.
    pub remote_state: String,
    /// The other end's reason.
    pub remote_diagnostic: String,
    /// Both ends set the C bit: it fails only with the way, not with a restart.
    pub independent: bool,
    /// Time in this state.
    pub state_for_ns: u64,
    /// How often we send, before jitter; 0: not.
    pub transmit_ns: u64,
    /// After how long a silence it is down; 0 until the other end is heard.
    pub detection_ns: u64,
    /// Control packets sent.
    pub sent: u64,
    /// Control packets received and taken.
    pub received: u64,
    /// How often it failed.
    pub failures: u64,
    /// How long after its last change of state the engine had taken it; absent before one was seen.
    pub taken_after_ns: Option<u64>,
}
