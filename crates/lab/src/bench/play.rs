//! The scenarios: who sends what, who has to have what then, and what is written down.

use std::path::Path;

use super::args::{RibArgs, Scenario};
use super::daemon::Daemon;
use super::orders::{Order, Pinging, Target, Took};
use super::record::{ANNOUNCE, Cost, Latency, Outcome, Record, WITHDRAW};
use super::rig::{Layout, Patience, Pinger, Rig};
use super::table::{Best, Spec};

/// Rest before each; long enough for a daemon to fall asleep.
const GAP_US: u64 = 1_000;
/// The same beside a stream, which gives no rest anyway.
const STREAM_GAP_US: u64 = 200;
/// No stream lasts so long that more would tell anything.
const MOST_PINGS: u32 = 20_000;
/// Numbers of receivers of the fan-out.
const FANOUT: [u16; 3] = [2, 10, 50];

impl Scenario {
    /// Whether the scenario says anything about this daemon.
    pub(super) fn is_for(self, daemon: Daemon) -> bool {
        match self {
            // The relay has no best routes and forgets what a lost peer said.
            Self::Overlap4 | Self::Overlap20 | Self::Failover | Self::Paths => {
                daemon != Daemon::Relay
            }
            Self::Service => daemon == Daemon::Pathvane,
            // The relay has passed the table on before a prefix is through: what is measured then is
            // how fast the receiver reads what lies in its socket.
            Self::Stream => daemon != Daemon::Relay,
            Self::Load | Self::Fanout | Self::Latency => true,
        }
    }
}

/// One scenario with one daemon.
pub(super) struct Play<'a> {
    pub(super) args: &'a RibArgs,
    pub(super) scenario: Scenario,
    /// Instead of the scenario's own number.
    pub(super) routes: Option<u32>,
    pub(super) daemon: Daemon,
    pub(super) run: u32,
    pub(super) folder: &'a Path,
    /// What came of it.
    pub(super) done: Vec<Record>,
}

impl Play<'_> {
    /// Plays it; failures are records, too.
    pub(super) fn play(&mut self) {
        // A step that fails has been recorded, and what follows from it would say nothing.
        let _ = match self.scenario {
            Scenario::Load => self.load(self.layout(1, 1_000_000, Best::First, 1)),
            Scenario::Overlap4 => self.load(self.layout(4, 200_000, Best::Spread, 1)),
            Scenario::Overlap20 => self.load(self.layout(20, 50_000, Best::Spread, 1)),
            Scenario::Failover => self.failover(),
            Scenario::Paths => self.paths(),
            Scenario::Fanout => FANOUT.into_iter().try_for_each(|receivers| {
                self.load(self.layout(1, 100_000, Best::First, receivers))
            }),
            Scenario::Latency => self.latency(),
            Scenario::Stream => self.stream(Pinger::OneMore),
            Scenario::Service => self.stream(Pinger::OneMoreForService),
        };
    }

    /// All routes of all feeds come, and go again.
    fn load(&mut self, layout: Layout) -> Option<()> {
        let mut rig = self.start(layout)?;
        let feeds: Vec<u16> = (0..layout.spec.feeds).collect();
        let paths = u64::from(layout.spec.routes) * feeds.len() as u64;
        let cost = rig.phase(&Order::Announce(feeds.clone()), Target::Feeds(feeds.clone()), paths);
        self.cost(ANNOUNCE, layout, cost)?;
        let cost = rig.phase(&Order::Withdraw(feeds), Target::Nothing, paths);
        self.cost(WITHDRAW, layout, cost)
    }

    fn failover(&mut self) -> Option<()> {
        let layout = self.layout(2, 200_000, Best::First, 1);
        let mut rig = self.start(layout)?;
        let routes = u64::from(layout.spec.routes);
        let both = vec![0, 1];
        let cost = rig.phase(&Order::Announce(both.clone()), Target::Feeds(both), 2 * routes);
        self.cost(ANNOUNCE, layout, cost)?;
        let cost = rig.phase(&Order::Cut(0), Target::Feeds(vec![1]), routes);
        self.cost("best peer lost", layout, cost)
    }

    /// Feed 0 is best for everything, so that the others change nothing but memory.
    fn paths(&mut self) -> Option<()> {
        let layout = self.layout(4, 200_000, Best::First, 1);
        let mut rig = self.start(layout)?;
        for feed in 0..layout.spec.feeds {
            let there = (0..=feed).collect();
            let order = Order::Announce(vec![feed]);
            let cost = rig.phase(&order, Target::Feeds(there), layout.spec.routes.into());
            self.cost(&format!("path {} of each prefix", feed + 1), layout, cost)?;
        }
        Some(())
    }

    fn latency(&mut self) -> Option<()> {
        let mut layout = self.layout(1, 500_000, Best::First, 1);
        layout.pinger = Pinger::Feeds;
        let mut rig = self.start(layout)?;
        let pinging = Pinging {
            count: self.args.pings,
            while_streaming: false,
            gap_us: GAP_US,
            prefixes: 200,
        };
        let times = rig.ping(pinging);
        self.latencies("empty table", layout, times)?;
        let feeds = vec![0];
        let cost = rig.phase(
            &Order::Announce(feeds.clone()),
            Target::Feeds(feeds),
            layout.spec.routes.into(),
        );
        self.cost(ANNOUNCE, layout, cost)?;
        let times = rig.ping(pinging);
        self.latencies("beside the table", layout, times)
    }

    fn stream(&mut self, pinger: Pinger) -> Option<()> {
        let mut layout = self.layout(1, 1_000_000, Best::First, 1);
        layout.pinger = pinger;
        let mut rig = self.start(layout)?;
        let prefixes = if pinger == Pinger::OneMoreForService { 1 } else { 200 };
        let pinging =
            Pinging { count: MOST_PINGS, while_streaming: true, gap_us: STREAM_GAP_US, prefixes };
        let feeds = vec![0];
        let times = rig.ping_while(&Order::Announce(feeds.clone()), Target::Feeds(feeds), pinging);
        self.latencies("beside a stream", layout, times)
    }

    /// The scenario's sizes, or what was asked for.
    fn layout(&self, feeds: u16, routes: u32, best: Best, receivers: u16) -> Layout {
        let RibArgs { seed, regroup, .. } = *self.args;
        let routes = self.routes.unwrap_or(routes);
        let spec = Spec { seed, routes, feeds, best, regroup };
        Layout { spec, receivers, pinger: Pinger::Nobody }
    }

    /// A rig; its failure is recorded.
    fn start(&mut self, layout: Layout) -> Option<Rig> {
        let patience = Patience { timeout: self.args.timeout(), quiet: self.args.quiet() };
        let Layout { spec, receivers, .. } = layout;
        let name = format!(
            "{}-{}-{}x{}-{receivers}-{}",
            self.run,
            self.scenario.name(),
            spec.feeds,
            spec.routes,
            self.daemon.name()
        );
        let folder = self.folder.join(name);
        let made = std::fs::create_dir_all(&folder).map_err(|error| error.to_string());
        match made.and_then(|()| Rig::start(self.daemon, layout, patience, &folder)) {
            Ok(rig) => Some(rig),
            Err(error) => {
                self.record("start", layout, Outcome::Failed(error));
                None
            }
        }
    }

    fn cost(&mut self, phase: &str, layout: Layout, cost: Result<Cost, String>) -> Option<()> {
        let done = cost.is_ok().then_some(());
        self.record(phase, layout, cost.map_or_else(Outcome::Failed, Outcome::Cost));
        done
    }

    /// Records announcements and withdrawals apart.
    fn latencies(
        &mut self,
        phase: &str,
        layout: Layout,
        times: Result<[Vec<Took>; 2], String>,
    ) -> Option<()> {
        let [announce, withdraw] = match times {
            Ok(times) => times,
            Err(error) => {
                self.record(phase, layout, Outcome::Failed(error));
                return None;
            }
        };
        for (what, times) in [(ANNOUNCE, announce), (WITHDRAW, withdraw)] {
            let outcome = match Latency::of(&times) {
                Some(latency) => Outcome::Latency(latency),
                None => Outcome::Failed("the stream was over before the first prefix".into()),
            };
            self.record(&format!("{what} {phase}"), layout, outcome);
        }
        Some(())
    }

    fn record(&mut self, phase: &str, layout: Layout, outcome: Outcome) {
        self.done.push(Record {
            scenario: self.scenario,
            phase: phase.to_owned(),
            daemon: self.daemon,
            run: self.run,
            routes: layout.spec.routes,
            feeds: layout.spec.feeds,
            receivers: layout.receivers,
            regroup: layout.spec.regroup,
            outcome,
        });
    }
}
