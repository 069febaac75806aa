//! One daemon with its feeds and receivers, up and watched.

use std::path::Path;
use std::time::{Duration, Instant};

use super::daemon::{self, Daemon};
use super::orders::{Answer, Order, Role, Target};
use super::place::{Place, Side};
use super::process::{Endpoint, Program};
use super::record::Cost;
use super::table::Spec;
use super::usage::{self, Memory};

/// A daemon that uses less than this share of a core has come to rest.
const AT_REST: f64 = 0.06;
/// Making a table.
const TABLE_WITHIN: Duration = Duration::from_secs(120);
/// Opening all sessions; endpoints themselves give up sooner.
const OPENS_WITHIN: Duration = Duration::from_secs(90);

/// Who there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) spec: Spec,
    pub(super) receivers: u16,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For one step.
    pub(super) timeout: Duration,
    /// How long a daemon has to be quiet.
    pub(super) quiet: Duration,
}

/// Everything of one run. Fields are dropped in this order: sessions, daemon, network.
#[derive(Debug)]
pub(super) struct Rig {
    feeds: Endpoint,
    receivers: Endpoint,
    daemon: Program,
    _place: Place,
    layout: Layout,
    patience: Patience,
}

impl Rig {
    /// Starts a daemon and opens all sessions; files go to `folder`.
    pub(super) fn start(
        daemon: Daemon,
        layout: Layout,
        patience: Patience,
        folder: &Path,
    ) -> Result<Self, String> {
        let sessions = (layout.spec.feeds, layout.receivers);
        let place = Place::new(sessions.0, sessions.1)?;
        let program = daemon::start(daemon, &place, folder, sessions)?;
        let feeds = (0..sessions.0).map(|n| (n, place.feed(n), place.for_feeds())).collect();
        let watches =
            (0..sessions.1).map(|n| (n, place.receiver(n), place.for_receivers())).collect();
        let spec = layout.spec;
        let mut rig = Self {
            feeds: endpoint(&place, Role { spec, feeds, watches: Vec::new() })?,
            receivers: endpoint(&place, Role { spec, feeds: Vec::new(), watches })?,
            daemon: program,
            _place: place,
            layout,
            patience,
        };
        rig.connect().map_err(|error| format!("{error}\n{}", rig.daemon.last_words()))?;
        Ok(rig)
    }

    fn connect(&mut self) -> Result<(), String> {
        self.feeds.order(&Order::Connect, OPENS_WITHIN)?;
        self.receivers.order(&Order::Connect, OPENS_WITHIN)?;
        self.rest()
    }

    /// Gives an order to the feeds, waits until the receivers have come to `target` and the daemon
    /// to rest, and compares everything.
    pub(super) fn phase(&mut self, order: &Order, target: Target) -> Result<Cost, String> {
        let cost = self.try_phase(order, target);
        cost.map_err(|error| {
            let difference = self.receivers.compare();
            let daemon = self.daemon.check().err().unwrap_or_else(|| self.daemon.last_words());
            let state = difference.map_or_else(|error| error, |found| format!("{found:?}"));
            format!("{error}; {state}\n{daemon}")
        })
    }

    fn try_phase(&mut self, order: &Order, target: Target) -> Result<Cost, String> {
        self.receivers.order(&Order::Expect(target), TABLE_WITHIN)?;
        let before = self.memory();
        let (cpu, updates) = (self.cpu(), self.receivers.count()?.updates);
        self.feeds.tell(order)?;
        let at_ns = self.receivers.wait(self.patience.timeout, |answer| match answer {
            Answer::Reached { at_ns } => Some(*at_ns),
            _ => None,
        })?;
        let (first_ns, updates_in) =
            self.feeds.wait(self.patience.timeout, |answer| match answer {
                Answer::Sent { first_ns, updates } => Some((*first_ns, *updates)),
                _ => None,
            })?;
        self.rest()?;
        let cpu = self.cpu().saturating_sub(cpu);
        let after = self.memory();
        let mismatches = self.receivers.compare()?.mismatches();
        if mismatches > 0 {
            return Err(format!("{mismatches} routes are not as they should be"));
        }
        Ok(Cost {
            wall_s: at_ns.saturating_sub(first_ns) as f64 / 1e9,
            cpu_s: cpu.as_secs_f64(),
            updates_in,
            updates_out: self.receivers.count()?.updates - updates,
            paths: u64::from(self.layout.spec.routes) * u64::from(self.layout.spec.feeds),
            resident_before: before.resident,
            resident: after.resident,
            peak: after.peak,
        })
    }

    fn cpu(&self) -> Duration {
        usage::cpu(&usage::tree(self.daemon.pid()))
    }

    fn memory(&self) -> Memory {
        usage::memory(&usage::tree(self.daemon.pid()))
    }

    /// Waits until no session has got an octet and the daemon has done next to nothing for a while.
    pub(super) fn rest(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + self.patience.timeout;
        let mut since = (Instant::now(), self.cpu(), self.received()?);
        while Instant::now() < deadline {
            std::thread::sleep(self.patience.quiet / 10);
            self.daemon.check()?;
            let now = (Instant::now(), self.cpu(), self.received()?);
            let passed = now.0 - since.0;
            let used = now.1.saturating_sub(since.1);
            let window = self.patience.quiet.as_secs_f64();
            if now.2 != since.2 || used.as_secs_f64() > AT_REST * window {
                since = now;
            } else if passed >= self.patience.quiet {
                return Ok(());
            }
        }
        Err(format!("it is not quiet after {} s", self.patience.timeout.as_secs()))
    }

    /// Octets received by all sessions.
    fn received(&mut self) -> Result<u64, String> {
        Ok(self.feeds.count()?.received + self.receivers.count()?.received)
    }
}

fn endpoint(place: &Place, role: Role) -> Result<Endpoint, String> {
    let itself = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = place.command(Side::Tool, itself);
    command.args(["bench", "endpoint"]);
    let mut endpoint = Endpoint::start(command)?;
    endpoint.order(&Order::Be(role), TABLE_WITHIN)?;
    Ok(endpoint)
}
