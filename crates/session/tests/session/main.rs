//! The session through its public face: alone against bytes, and against its like.

mod lone;
mod messages;
mod net;
mod open;
mod pair;
mod properties;
