//! What the benchmark can be asked for.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use super::daemon::Daemon;
use super::table::MOST_ROUTES;

/// `pathvane bench`.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchCommand {
    /// Measure the speed of routes through this binary and other BGP daemons, side by side.
    ///
    /// Each daemon gets a network of its own (namespaces as root, loopback addresses otherwise), the
    /// same tables over real TCP, and receivers that check every route. Results are medians of
    /// interleaved runs. Measure release builds on a quiet machine.
    Rib(RibArgs),
    /// Draw how cost grows with routes, receivers and paths, as SVG.
    Plot {
        /// What `bench rib --json` wrote; several files are taken together.
        #[arg(required = true, value_name = "FILE")]
        results: Vec<PathBuf>,
        /// Where the pictures go.
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        out: PathBuf,
    },
    /// The process that sends, receives and checks.
    #[command(hide = true)]
    Endpoint,
    /// The null relay.
    #[command(hide = true)]
    Relay {
        /// Where it listens for feeds.
        feeds: SocketAddrV4,
        /// Where it listens for receivers.
        receivers: SocketAddrV4,
    },
}

/// `pathvane bench rib`.
#[derive(Clone, Debug, Args)]
pub struct RibArgs {
    /// What to measure; several separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME",
          default_values_t = [Scenario::Load])]
    pub scenario: Vec<Scenario>,
    /// Whom to measure beside this binary; `pathvane` alone for nobody else.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME",
          default_values_t = [Daemon::Relay, Daemon::Bird])]
    pub against: Vec<Daemon>,
    /// Routes of a feed; several separated by commas measure each. [default: the scenario's]
    #[arg(long, value_name = "N", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(100..=i64::from(MOST_ROUTES)))]
    pub routes: Vec<u32>,
    /// Run everything so often, each daemon in turn.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// How often a single prefix is announced and withdrawn to tell latencies.
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub pings: u32,
    /// Let each feed group the prefixes in its own way, so that packing cannot lean on what came together.
    #[arg(long)]
    pub regroup: bool,
    /// Makes the tables; the same for the same number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How long one step may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u64).range(1..=7200))]
    pub timeout: u64,
    /// How long a daemon has to be quiet before its CPU time is booked.
    #[arg(long, value_name = "MS", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(100..=60_000))]
    pub quiet: u64,
    /// Write all results to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep configurations and logs.
    #[arg(long)]
    pub keep: bool,
}

impl RibArgs {
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    pub(super) fn quiet(&self) -> Duration {
        Duration::from_millis(self.quiet)
    }
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// One feed sends 1,000,000 routes, one receiver gets them; then all are withdrawn.
    Load,
    /// Four feeds send the same 200,000 prefixes, everybody gets the best; then all are withdrawn.
    Overlap4,
    /// The same with 20 feeds and 50,000 prefixes.
    Overlap20,
    /// Two feeds with 200,000 prefixes; the one that is best for all of them is lost.
    Failover,
    /// Four feeds with the same 200,000 prefixes, one after the other: what a further route costs.
    Paths,
    /// One feed sends 100,000 routes to 2, 10 and 50 receivers.
    Fanout,
    /// One prefix at a time, alone and beside a table of 500,000 routes.
    Latency,
    /// One prefix at a time while 1,000,000 routes stream in from another peer.
    Stream,
    /// The same with the prefix of a service (this binary only).
    Service,
}

impl Scenario {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Overlap4 => "overlap4",
            Self::Overlap20 => "overlap20",
            Self::Failover => "failover",
            Self::Paths => "paths",
            Self::Fanout => "fanout",
            Self::Latency => "latency",
            Self::Stream => "stream",
            Self::Service => "service",
        }
    }
}
