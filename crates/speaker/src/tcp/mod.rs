//! BGP's TCP connections: dialling, listening, and one connection's bytes and progress.
//!
//! Everything is poll-driven and never waits, so that one task can serve all connections: hand
//! [`Dialing::poll`], [`Listener::poll_accept`] and the `poll_*` methods of [`Connection`] the
//! context of the source's own waker (see [`crate::ready`]). Needs a tokio runtime with I/O and time.
//!
//! Knows peers only by [`PeerId`](pathvane_engine::PeerId) and address; no BGP.

mod connection;
mod dial;
mod listen;
mod near;
mod options;

pub use crate::sys::TcpFacts;
pub use connection::{Closing, Connection, Progress};
pub use dial::Dialing;
pub use listen::{Listener, Roster, Who};
pub use options::{Hops, Options};
