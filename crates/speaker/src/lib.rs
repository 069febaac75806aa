//! The daemon as a library: sockets, kernel routes, configuration, control.
//!
//! The shell around `pathvane-engine`. It owns every file descriptor, stamps every input with the
//! time, and does what the engine asks; it decides nothing about routes or paths.
//!
//! Promises: peers, probes, links and the engine share one thread, so nothing crosses a thread
//! between a cause and the bytes of its consequence; what may be slow (control interface, health
//! checks) lives in a second runtime behind bounded channels; a wrong configuration never starts
//! half-way; errors of the operating system name what was tried and what helps.
//!
//! Does not know: BGP, scores, laws of steering. Those are below.

pub mod alarm;
pub mod bfd;
pub mod checks;
pub mod config;
pub mod control;
pub mod fib;
pub mod intake;
pub mod links;
pub mod log;
mod netlink;
mod os_error;
pub mod probe_io;
pub mod probing;
pub mod ready;
mod receive_buffer;
pub mod reflector;
mod run;
pub mod series;
mod socket_file;
mod stamp_key;
mod sys;
pub mod tcp;

pub use os_error::OsError;
pub use run::{Failure, run};
pub use stamp_key::read_stamp_key;
