//! One daemon with its feeds and receivers, up and watched.

use std::path::Path;
use std::time::{Duration, Instant};

use super::daemon::{self, Daemon};
use super::orders::{Answer, Order, Pinging, Role, Target, Took};
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
    pub(super) pinger: Pinger,
}

/// Who sends single prefixes. It is in one process with the receivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pinger {
    Nobody,
    /// The feeds with their tables, too, are in that process.
    Feeds,
    /// One more feed, which has no table.
    OneMore,
    /// The same, and what it sends is the condition of a service's prefix.
    OneMoreForService,
}

impl Pinger {
    const fn is_one_more(self) -> bool {
        matches!(self, Self::OneMore | Self::OneMoreForService)
    }
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
    _reflector: Option<Program>,
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
        let Layout { spec, receivers, pinger } = layout;
        let sessions = (spec.feeds + u16::from(pinger.is_one_more()), receivers);
        let place = Place::new(sessions.0, sessions.1)?;
        let service = pinger == Pinger::OneMoreForService;
        let reflector = if service { Some(daemon::reflector(&place, folder)?) } else { None };
        let program = daemon::start(daemon, &place, folder, sessions, service)?;
        let mut feeds: Vec<_> =
            (0..sessions.0).map(|n| (n, place.feed(n), place.for_feeds())).collect();
        let pinging = match pinger {
            Pinger::Nobody => Vec::new(),
            Pinger::Feeds => std::mem::take(&mut feeds),
            Pinger::OneMore | Pinger::OneMoreForService => feeds.split_off(spec.feeds.into()),
        };
        let watches =
            (0..sessions.1).map(|n| (n, place.receiver(n), place.for_receivers())).collect();
        let mut rig = Self {
            feeds: endpoint(&place, Role { spec, feeds, watches: Vec::new() })?,
            receivers: endpoint(&place, Role { spec, feeds: pinging, watches })?,
            daemon: program,
            _reflector: reflector,
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
    /// to rest, and compares everything. `paths` says how many routes come or go.
    pub(super) fn phase(
        &mut self,
        order: &Order,
        target: Target,
        paths: u64,
    ) -> Result<Cost, String> {
        self.explained(|rig| {
            rig.receivers.order(&Order::Expect(target), TABLE_WITHIN)?;
            rig.cost(order, paths)
        })
    }

    /// Runs `steps`; an error tells the state of receivers and daemon as well.
    fn explained<T>(
        &mut self,
        steps: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        steps(self).map_err(|error| {
            let difference = self.receivers.compare();
            let daemon = self.daemon.check().err().unwrap_or_else(|| self.daemon.last_words());
            let state = difference.map_or_else(|error| error, |found| format!("{found:?}"));
            format!("{error}; {state}\n{daemon}")
        })
    }

    fn cost(&mut self, order: &Order, paths: u64) -> Result<Cost, String> {
        let before = self.memory();
        let (cpu, updates) = (self.cpu(), self.receivers.count()?.updates);
        self.sender().tell(order)?;
        let at_ns = self.reached()?;
        let (first_ns, updates_in) = self.sent()?;
        self.rest()?;
        let cpu = self.cpu().saturating_sub(cpu);
        let after = self.memory();
        self.check_routes()?;
        let Layout { spec, receivers, .. } = self.layout;
        let told = u64::from(receivers) + u64::from(spec.feeds.saturating_sub(1));
        Ok(Cost {
            wall_s: at_ns.saturating_sub(first_ns) as f64 / 1e9,
            cpu_s: cpu.as_secs_f64(),
            updates_in,
            updates_out: self.receivers.count()?.updates - updates,
            paths,
            exports: u64::from(spec.routes) * told,
            resident_before: before.resident,
            resident: after.resident,
            peak: after.peak,
        })
    }

    /// The endpoint whose feeds have the tables.
    fn sender(&mut self) -> &mut Endpoint {
        if self.layout.pinger == Pinger::Feeds { &mut self.receivers } else { &mut self.feeds }
    }

    fn reached(&mut self) -> Result<u64, String> {
        self.receivers.wait(self.patience.timeout, |answer| match answer {
            Answer::Reached { at_ns } => Some(*at_ns),
            _ => None,
        })
    }

    fn sent(&mut self) -> Result<(u64, u64), String> {
        let within = self.patience.timeout;
        self.sender().wait(within, |answer| match answer {
            Answer::Sent { first_ns, updates } => Some((*first_ns, *updates)),
            _ => None,
        })
    }

    fn check_routes(&mut self) -> Result<(), String> {
        match self.receivers.compare()?.mismatches() {
            0 => Ok(()),
            mismatches => Err(format!("{mismatches} routes are not as they should be")),
        }
    }

    /// Sends single prefixes; what announcements took, and what withdrawals took.
    pub(super) fn ping(&mut self, pinging: Pinging) -> Result<[Vec<Took>; 2], String> {
        self.explained(|rig| rig.pinged(pinging))
    }

    fn pinged(&mut self, pinging: Pinging) -> Result<[Vec<Took>; 2], String> {
        self.receivers.tell(&Order::Ping(pinging))?;
        self.receivers.wait(self.patience.timeout, |answer| match answer {
            Answer::Pinged { announce, withdraw } => Some([announce.clone(), withdraw.clone()]),
            _ => None,
        })
    }

    /// The same while the feeds send their tables.
    pub(super) fn ping_while(
        &mut self,
        order: &Order,
        target: Target,
        pinging: Pinging,
    ) -> Result<[Vec<Took>; 2], String> {
        self.explained(|rig| {
            rig.receivers.order(&Order::Expect(target), TABLE_WITHIN)?;
            rig.sender().tell(order)?;
            let times = rig.pinged(pinging)?;
            rig.reached()?;
            rig.sent()?;
            rig.rest()?;
            rig.check_routes()?;
            Ok(times)
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
