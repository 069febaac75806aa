//! The forwarding table: next-hop objects, groups and routes in the kernel, or only a report.
//!
//! Each path has a next-hop object that is installed before it is needed, each service a group,
//! and routes refer to the group. So moving a service is one kernel message whatever the number
//! of its routes, atomic for packets (make before break, law 7).
//!
//! Everything is marked ours by protocol number 80, and what is not so marked is never
//! replaced or removed. Routes go to the main table with metric 80; a foreign route for
//! the same prefix with a lower metric wins, one with the same metric keeps ours out.
//!
//! Restarting is not leaving (law 10): the routes that an earlier run left keep forwarding
//! through its objects until this run names them (then they are replaced, without a gap) or
//! [`Fib::synced`] says that the others may go.
//!
//! Calls return when the kernel has answered, which it does before the request's `send` returns;
//! [`Fib::work`] bounds how much of the bulk is done per call, so a switch waits for one small
//! batch at most. Measured on a busy 2-core virtual machine: a switch takes 30 to 60
//! microseconds with 0 as with 50,000 routes, a route 2 to 8 microseconds, a batch of 64 some 120;
//! after a lost carrier 1,000 routes are back 1.7 ms after the switch. For that to hold,
//! `net.ipv4.nexthop_compat_mode` is set to 0, as otherwise the kernel walks and tells of every
//! route at each switch; [`Fib::leave`] sets it back.

mod kernel;
mod next_hops;
mod probe_tables;
mod routes;

use ipnet::IpNet;
use pathvane_engine::{ServiceId, Share, Via};

use crate::config::{FibMode, PathLink};
use crate::os_error::OsError;
use kernel::Kernel;

/// Where next-hop switches and routes go.
#[derive(Debug)]
pub enum Fib {
    /// To the kernel; needs CAP_NET_ADMIN.
    Kernel(Box<Kernel>),
    /// Nowhere: everything succeeds at once. What happened is told by the engine's events.
    Report,
}

/// What the forwarding table holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Routes of ours in the kernel.
    pub routes: usize,
    /// Of these, left by an earlier run and not yet named by this one.
    pub adopted: usize,
    /// Routes that wait for [`Fib::work`].
    pub pending: usize,
    /// Times that the kernel refused a route, next hop or switch.
    pub refused: u64,
}

/// How far [`Fib::work`] has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// The kernel holds all that it should, as far as it lets us.
    Done,
    /// There is more to do.
    More,
    /// The kernel could not be spoken to; try again in a while.
    Failed,
}

impl Fib {
    /// Opens the table: takes stock of what an earlier run left, installs the paths' next hops
    /// and the probe tables. The services' groups come with their first [`Self::switch`].
    pub fn open(mode: FibMode, paths: &[PathLink]) -> Result<Self, OsError> {
        Ok(match mode {
            FibMode::Kernel => Self::Kernel(Box::new(Kernel::open(paths)?)),
            FibMode::Report => Self::Report,
        })
    }

    /// Points the service's group at the paths in `carry`, by their weights.
    ///
    /// When this returns `Ok` the kernel forwards that way. If a path has no next hop now
    /// (its interface is down), the others carry and this is an error; the wish is remembered
    /// and fulfilled once the path is back. Routes may wait afterwards: call [`Self::work`].
    pub fn switch(&mut self, service: ServiceId, carry: &[Share]) -> Result<(), OsError> {
        match self {
            Self::Kernel(kernel) => kernel.switch(service, carry),
            Self::Report => Ok(()),
        }
    }

    /// Asks for a route (or, with `None`, for its removal); done by [`Self::work`]. A later wish
    /// for the same prefix replaces an earlier one.
    pub fn route(&mut self, prefix: IpNet, via: Option<Via>) {
        if let Self::Kernel(kernel) = self {
            kernel.route(prefix, via);
        }
    }

    /// The routes of this run have all been asked for: what an earlier run left and this one did
    /// not name goes, in [`Self::work`].
    pub fn synced(&mut self) {
        if let Self::Kernel(kernel) = self {
            kernel.synced();
        }
    }

    /// Repairs what [`Self::reconcile`] asked for, then installs and removes up to
    /// [`Self::SLICE`] routes. Call it after any other call until there is nothing more to do.
    pub fn work(&mut self) -> Work {
        match self {
            Self::Kernel(kernel) => kernel.work(),
            Self::Report => Work::Done,
        }
    }

    /// Routes per [`Self::work`]: about a fifth of a millisecond.
    pub const SLICE: usize = 64;

    /// Asks [`Self::work`] to compare the kernel with what should be there and to repair it; for
    /// link and address events, since the kernel drops next-hop objects, and the routes through
    /// them, without a word when a carrier is lost. Costs nothing itself, so that the switch
    /// that the same event causes goes first.
    pub fn reconcile(&mut self) {
        if let Self::Kernel(kernel) = self {
            kernel.disturbed();
        }
    }

    /// What the table holds.
    pub fn stats(&self) -> Stats {
        match self {
            Self::Kernel(kernel) => kernel.stats(),
            Self::Report => Stats::default(),
        }
    }

    /// Removes everything of ours, whichever run made it. Not called, the kernel forwards on.
    pub fn leave(self) -> Result<(), OsError> {
        match self {
            Self::Kernel(kernel) => kernel.leave(),
            Self::Report => Ok(()),
        }
    }
}
