//! What the crate promises to those who call it, and what its peers observe.

mod attributes;
mod common;
mod dispositions;
mod fixtures;
mod framing;
mod generate;
mod notification;
mod open;
mod packing;
mod properties;
mod refresh;
mod text;
mod update;
