//! Google's Cloud Router and its VPC, as far as their documents tell how a peer sees them.
//!
//! A [`CloudRouter`] is one BGP session of a router, which is how the product itself splits
//! its work: a router with two interfaces is two of these in one region. What it learns
//! goes, as [`Change`]s, to a [`Vpc`], which picks the next hops of every prefix for every
//! region and takes its time to program them.

mod config;
mod router;
mod table;
mod vpc;

pub use config::{Advertised, RouterConfig};
pub use router::{Action, CloudRouter, Status};
pub use table::{Cause, Change, Route};
pub use vpc::{BestPath, Programmed, ProgrammingDelay, RouterId, Vpc, VpcConfig};
