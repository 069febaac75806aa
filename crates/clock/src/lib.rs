//! Time as data: an integer-nanosecond [`Instant`] and tables of alarms.
//!
//! Promises: no clock is ever read, no allocation happens per tick of a
//! [`Timers`] table, and the same inputs give the same outputs everywhere.
//! Does not know: what the time is, or who waits for it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod alarms;
mod instant;
mod roster;
mod timers;

pub use alarms::Alarms;
pub use core::time::Duration;
pub use instant::Instant;
pub use roster::Roster;
pub use timers::{TimerKey, Timers};
