//! A network that exists only in memory and in virtual time.
//!
//! What it is: a network of impaired links ([`net`]), an emulated cloud router and the VPC
//! behind it ([`cloud`]), as pure as the cores they are made to test; and a [`world`] that
//! puts one speaker's engine among them, so that the laws of steering can be tried.
//! Promises: the same calls with the same seed give the same results; nothing here reads a
//! clock or opens a socket; its choice of routes is its own code and shares none with `rib`.
//! Does not know: how the speaker decides.
#![forbid(unsafe_code)]

pub mod cloud;
pub mod net;
pub mod world;
