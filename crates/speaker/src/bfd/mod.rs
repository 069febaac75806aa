//! BFD: a process of its own, and the speaker's line to it.
//!
//! The sessions live in `pathvane bfd` (`Process`), which outlives a restart of the speaker: its
//! peers notice nothing. The speaker (`run::bfd`) claims sessions over a unix socket, one JSON
//! object a line ([`protocol`]), and is told of every change at once.
//!
//! Promises: one thread and bounded memory; what has arrived is read before anybody counts as
//! lost, and a stall of this machine takes no session down by itself; sessions that nobody claims
//! for a stated time are taken down administratively, and the process then ends.
//!
//! Does not know: BGP, paths, what a failure leads to.

mod process;
pub mod protocol;
mod socket;
mod visitor;

#[cfg(test)]
mod tests;

pub use process::{Options, run};
