//! Bidirectional Forwarding Detection (RFC 5880), asynchronous mode, for one hop (RFC 5881) and
//! several (RFC 5883).
//!
//! - [`Packet`]: the mandatory section of a control packet.
//! - [`Session`]: the state machine of RFC 5880 section 6.8, its polls and its times.
//! - [`Table`]: all sessions of a process: who a packet is for, and every reason to discard it.
//!
//! Left out, as the RFC allows: the Echo function, Demand mode of our own (a peer that asks us to
//! be quiet is obeyed), authentication (such packets are discarded).

mod packet;
mod session;
mod table;

pub use packet::{Diagnostic, Packet, Refused, State};
pub use session::{Config, Liveness, Session, Status};
pub use table::{Arrival, Table};

/// The UDP port of single-hop control packets (RFC 5881 section 4).
pub const PORT: u16 = 3784;
/// The UDP port of multihop control packets (RFC 5883 section 5).
pub const MULTIHOP_PORT: u16 = 4784;
/// The first UDP port that a control packet may come from (RFC 5881 section 4).
pub const SOURCE_PORT_MIN: u16 = 49152;
/// The TTL of single-hop control packets, sent and received (RFC 5881 section 5, RFC 5082).
pub const TTL: u8 = 255;
