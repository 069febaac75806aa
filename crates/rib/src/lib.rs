//! The routes: Adj-RIB-In, Loc-RIB and Adj-RIB-Out of RFC 4271 with the Decision Process between
//! them, policy at both ends, and the doors through which steering enters.
//!
//! # What it promises
//!
//! - The best route of a prefix depends on the feasible routes alone, never on the order in which
//!   they came: MED is compared inside groups of one neighbouring AS (RFC 4271 section 9.1.2.2 c).
//! - Every choice explains itself: [`Rib::explain`] names the step at which each route lost.
//! - No call takes longer than its budget. What touches the whole table (a lost peer, a new policy)
//!   is queued and done in slices by [`Rib::work`], prefixes of services first.
//! - A slow peer costs at most one pending entry per prefix, and delays nobody.
//! - What a peer sends cannot panic or loop, and holds no more memory than the routes it announced.
//! - Equal inputs give equal outputs, byte for byte: hashes are seeded by the caller.
//!
//! # What it does not know
//!
//! Sockets, time, the kernel and measurements. Sessions are told to it by [`Rib::peer_up`] and
//! [`Rib::peer_down`]; when stale routes expire is decided by the caller ([`Rib::flush_stale`]).
//! Interior cost is not compared (RFC 4271 section 9.1.2.2 e): there is no IGP here.
//! There are no confederations.
//!
//! # The way of an UPDATE
//!
//! [`Rib::update`] interns the attributes, applies import policy, stores the routes and decides at
//! once. Changes of the Loc-RIB go to [`Rib::poll_change`] if watched, and into the pending queue of
//! each group of like peers, from where [`Rib::poll_transmit`] encodes them. The layout in memory
//! is described in `docs/adr/0002-rib-layout.md`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod browse;
mod changes;
mod choose;
mod config;
mod decide;
mod group;
mod import;
mod multipath;
mod net_set;
mod paths;
mod peer;
pub mod policy;
mod queue;
mod quota;
mod relay;
mod rib;
mod round;
mod sets;
mod share;
mod steer;
mod step;
mod store;
mod table;
mod transmit;
mod view;
mod work;

pub use browse::Totals;
pub use config::{Budget, Directive, OriginAttrs, RibConfig};
pub use peer::{Counts, Faults, PeerConfig, PeerId, PeerUp};
pub use policy::Policy;
pub use quota::Quota;
pub use rib::Rib;
pub use step::Step;
pub use transmit::Pending;
pub use view::{
    Advertised, Best, Candidate, Change, Cursor, Explain, Outcome, Page, Reason, RouteView, Sharing,
};
