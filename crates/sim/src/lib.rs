//! A network that exists only in memory and in virtual time.
//!
//! What it is: a network of impaired links ([`net`]), an emulated cloud router and the VPC
//! behind it ([`cloud`]), as pure as the cores they are made to test: the caller brings the
//! time and moves the bytes.
//! Promises: the same calls with the same seed give the same results; nothing here reads a
//! clock or opens a socket; its choice of routes is its own code and shares none with `rib`.
//! Does not know: the speaker it talks to.
#![forbid(unsafe_code)]

pub mod cloud;
pub mod net;
