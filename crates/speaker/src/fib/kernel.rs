//! The kernel's forwarding table, kept as the engine wants it.

use std::collections::HashSet;
use std::io;

use ipnet::IpNet;
use pathvane_engine::{ServiceId, Share, Via};

use super::next_hops::{Changes, NextHops};
use super::probe_tables::ProbeTables;
use super::routes::Routes;
use super::{Fib, Stats, Work};
use crate::config::PathLink;
use crate::netlink::{Batch, Refusal, Socket};
use crate::os_error::OsError;

const NEEDS: &str = "needs CAP_NET_ADMIN and Linux 5.3; without, set fib = \"report\"";

/// Whether replacing a group also notifies of each route through it, for programs that know no
/// next-hop objects. Per network namespace; 1 by default.
const COMPAT_MODE: &str = "/proc/sys/net/ipv4/nexthop_compat_mode";

/// Next-hop objects, routes and probe tables in the kernel.
#[derive(Debug)]
pub struct Kernel {
    socket: Socket,
    batch: Batch,
    hops: NextHops,
    routes: Routes,
    tables: ProbeTables,
    synced: bool,
    retired: bool,
    refused: u64,
    /// A link or address changed, and the kernel may have dropped things of ours.
    disturbed: bool,
    /// To be given back when leaving.
    compat_mode: bool,
}

impl Kernel {
    pub(super) fn open(paths: &[PathLink]) -> Result<Self, OsError> {
        Self::try_open(paths).map_err(|error| {
            OsError::new("take over the kernel's forwarding table", error).with_remedy(NEEDS)
        })
    }

    fn try_open(paths: &[PathLink]) -> io::Result<Self> {
        let mut socket = Socket::open(0)?;
        let hops = NextHops::open(paths, &mut socket)?;
        let mut routes = Routes::default();
        routes.reread(&mut socket)?;
        let tables = ProbeTables::open(paths, &mut socket)?;
        let batch = Batch::default();
        let mut kernel = Self {
            socket,
            batch,
            hops,
            routes,
            tables,
            synced: false,
            retired: false,
            refused: 0,
            disturbed: false,
            compat_mode: end_compat_mode(),
        };
        kernel.try_reconcile()?;
        Ok(kernel)
    }

    pub(super) fn switch(&mut self, service: ServiceId, carry: &[Share]) -> Result<(), OsError> {
        let failed = |error| OsError::new(format!("switch service {service}"), error);
        let result = self.hops.switch(service, carry, &mut self.socket, &mut self.batch);
        // What was not done is seen when the kernel is compared with what should be there.
        self.disturbed |= result.is_err();
        let (refusals, new) = result.map_err(failed)?;
        if !refusals.is_empty() {
            // An object or the group vanished with a carrier; this repairs what can be.
            self.try_reconcile().map_err(failed)?;
        } else if new {
            self.routes.refresh(&self.hops, &HashSet::new());
        }
        if self.hops.is_carried(service) {
            return Ok(());
        }
        let error = match refusals.into_iter().next() {
            Some(refusal) => refusal.into(),
            None => io::Error::from_raw_os_error(libc::ENETDOWN),
        };
        Err(failed(error).with_remedy("a path it is to use has no next hop now"))
    }

    pub(super) fn route(&mut self, prefix: IpNet, via: Option<Via>) {
        self.routes.set(prefix, via);
    }

    pub(super) fn synced(&mut self) {
        self.synced = true;
        self.routes.synced();
    }

    pub(super) fn work(&mut self) -> Work {
        if std::mem::take(&mut self.disturbed) {
            self.reconcile();
        }
        let Self { routes, hops, socket, batch, .. } = self;
        match routes.work(Fib::SLICE, hops, socket, batch) {
            Ok(outcome) => {
                for (prefix, refusal) in outcome.refused {
                    self.refused += 1;
                    tracing::warn!(%prefix, error = %io::Error::from(refusal),
                        "the kernel refused a route");
                }
                if outcome.dangling {
                    self.reconcile();
                }
            }
            Err(error) => {
                tracing::error!(%error, "lost track of the kernel's routes, reading them again");
                self.reread();
                self.disturbed = true;
                return Work::Failed;
            }
        }
        let more = self.routes.pending() > 0;
        if !more && self.synced && !self.retired && self.routes.adopted(&self.hops) == 0 {
            self.retired = true;
            let retired = self.hops.retire(&mut self.socket);
            self.note("remove the next hops of an earlier run", retired);
        }
        if more { Work::More } else { Work::Done }
    }

    pub(super) fn disturbed(&mut self) {
        self.disturbed = true;
    }

    fn reconcile(&mut self) {
        if let Err(error) = self.try_reconcile() {
            tracing::error!(%error, "cannot reconcile the kernel's forwarding table");
        }
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            routes: self.routes.held(),
            adopted: self.routes.adopted(&self.hops),
            pending: self.routes.pending(),
            refused: self.refused,
        }
    }

    pub(super) fn leave(mut self) -> Result<(), OsError> {
        let failed = |error| OsError::new("remove our routes and rules", error);
        self.routes.clear();
        while self.routes.pending() > 0 {
            self.routes
                .work(Fib::SLICE, &self.hops, &mut self.socket, &mut self.batch)
                .map_err(failed)?;
        }
        let removed = self.hops.leave(&mut self.socket);
        self.note("remove next hops", removed);
        if self.compat_mode {
            std::fs::write(COMPAT_MODE, "1").map_err(failed)?;
        }
        self.tables.leave(&mut self.socket).map_err(failed)
    }

    fn try_reconcile(&mut self) -> io::Result<()> {
        let Changes { lost, refusals } = self.hops.reconcile(&mut self.socket)?;
        self.routes.refresh(&self.hops, &lost);
        self.note("install next hops", Ok(refusals));
        let incomplete = self.tables.repair(&mut self.socket);
        self.note("complete the probe tables", incomplete);
        Ok(())
    }

    fn reread(&mut self) {
        if let Err(error) = self.routes.reread(&mut self.socket) {
            tracing::error!(%error, "cannot read the kernel's routes");
            return;
        }
        if self.synced {
            self.routes.synced();
        }
        self.reconcile();
    }

    /// Logs what failed without consequences for the caller.
    fn note(&mut self, doing: &str, result: io::Result<Vec<Refusal>>) {
        match result {
            Ok(refusals) => {
                for refusal in refusals {
                    self.refused += 1;
                    tracing::debug!(error = %io::Error::from(refusal), "cannot {doing}");
                }
            }
            Err(error) => tracing::error!(%error, "cannot {doing}"),
        }
    }
}

/// Frees switches from a walk over all routes: measured, 30 microseconds instead of 600 with
/// 1,000 routes and 44 milliseconds with 50,000. Returns whether the mode was on and is now off.
fn end_compat_mode() -> bool {
    match std::fs::read(COMPAT_MODE) {
        Ok(mode) if mode.trim_ascii() == b"1" => {}
        _ => return false,
    }
    let result = std::fs::write(COMPAT_MODE, "0");
    match &result {
        Ok(()) => tracing::info!(
            "set net.ipv4.nexthop_compat_mode to 0, so that the time of a \
            switch does not grow with the number of routes"
        ),
        Err(error) => tracing::warn!(%error, "net.ipv4.nexthop_compat_mode is 1: the time of a \
            switch grows with the number of routes; `sysctl -w net.ipv4.nexthop_compat_mode=0`"),
    }
    result.is_ok()
}
