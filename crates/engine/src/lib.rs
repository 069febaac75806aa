//! Placeholder replaced by the crate's first milestone.
#![no_std]
#![forbid(unsafe_code)]
