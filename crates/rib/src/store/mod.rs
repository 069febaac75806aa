//! The containers of the RIB. Nothing here knows what a route is.

mod index;
mod pages;
mod runs;
mod slab;

pub(crate) use index::Index;
pub(crate) use pages::{Bits, PagedMap};
pub(crate) use runs::{Run, Runs};
pub(crate) use slab::Slab;
