//! Pretends to be a network, so that the real binary can be watched doing its work.
//!
//! What it is: impaired links on loopback addresses, emulated cloud routers and a VPC,
//! regions with reflectors and instances, voice streams, and a demonstration that breaks
//! each of them in turn and judges how the speaker reacts.
//! Promises: needs no root and no installed program; every figure comes from a packet,
//! an UPDATE or an event that was received, stamped with CLOCK_MONOTONIC.
//! Does not know: how the speaker decides.
#![forbid(unsafe_code)]

pub mod bench;
pub mod cloud;
pub mod configuration;
pub mod control;
pub mod demo;
mod haste;
pub mod judge;
pub mod links;
mod marked;
pub mod mono;
pub mod network;
pub mod observed;
pub mod region;
pub mod report;
pub mod scenario;
#[cfg(test)]
mod scripted;
pub mod seen;
pub mod speaker_process;
pub mod voice;
