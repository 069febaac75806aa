//! What the speaker says, for people: aligned tables, states in words, ages and units.

mod bfd;
mod events;
mod explain;
mod overview;
mod routes;
mod table;
mod units;

pub(crate) use bfd::bfd;
pub(crate) use events::event;
pub(crate) use explain::{explain_prefix, explain_service};
pub(crate) use overview::{paths, peers, probes, services, status};
pub(crate) use routes::routes;

#[cfg(test)]
mod tests;
