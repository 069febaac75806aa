//! The BGP session of RFC 4271 section 8, without sockets, clocks or routes.
//!
//! One [`Session`] speaks with one peer. The shell tells it what happened (`handle_*`, each
//! with the time), then drains what it wants done ([`Session::poll_action`]), what it wants
//! sent ([`Session::poll_transmit`]) and when it wants to be woken ([`Session::poll_timeout`]).
//!
//! Promises: the state machine returns no errors, whatever the peer sends; every event of
//! section 8.1 is answered in every state; nothing the peer sends makes it panic or hold more
//! than one partial message per connection; of one peer at most two connections are kept
//! (section 6.8); the same inputs and seed give the same outputs.
//!
//! Does not know: sockets, addresses, routes or policy. UPDATE messages go, parsed, to the
//! caller's [`Sink`]; the caller writes its own UPDATE messages after what this crate sends.
//!
//! How to read it: `fsm/` holds one file per state with the events of section 8.2.2 in the
//! RFC's order; `collision.rs` is section 6.8; `negotiate.rs` is section 6.2 and the
//! capabilities; `session.rs` turns sockets' facts and bytes into events.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod collision;
mod config;
mod fsm;
mod inbox;
mod link;
mod negotiate;
mod peering;
mod session;
mod stats;

pub use action::{Action, ClosedBy, DownCause, DownReason, Farewell, Sink};
pub use config::{Config, GracefulRestart, IdleHold};
pub use link::{ConnId, Direction};
pub use negotiate::{LongLived, Negotiated, PeerGr};
pub use session::Session;
pub use stats::{FsmState, MessageCounts, Stats};
