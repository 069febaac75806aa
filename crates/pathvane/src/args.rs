//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use pathvane_score::emodel::Codec;
use pathvane_score::{Class, Strategy};
use pathvane_speaker::config::{DEFAULT_CONTROL, parse_duration};
use pathvane_speaker::probing::{MAX_PORTS, Options};
use pathvane_speaker::{OsError, bfd, read_stamp_key, reflector};
use pathvane_wire::{AsPath, Attrs, Community, ExtCommunity, LargeCommunity, Origin};

/// A BGP speaker that turns with the quality of its paths.
///
/// It peers with cloud routers and site routers, measures every path between them, and moves
/// traffic to the best one by what it announces and by its own kernel routes.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The control socket of the speaker that is asked.
    #[arg(long, global = true, value_name = "PATH", env = "PATHVANE_SOCKET",
          default_value = DEFAULT_CONTROL)]
    pub(crate) socket: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused by the speaker or the operating system; \
2 wrong command line; 3 the configuration has errors; 4 no speaker answers; \
5 the target of `probe` does not answer; 6 the policy under test rejects the route.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a speaker until it is told to leave (drain, SIGTERM, SIGINT).
    Run {
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = "/etc/pathvane/pathvane.toml")]
        config: PathBuf,
    },
    /// Say everything that is wrong with a configuration, without running it.
    Check {
        /// The configuration.
        #[arg(value_name = "FILE", default_value = "/etc/pathvane/pathvane.toml")]
        file: PathBuf,
    },
    /// Show the BGP messages in a file: hexadecimal, MRT, pcap or pcapng.
    Decode {
        /// The file; - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print JSON, one record per line.
        #[arg(long)]
        json: bool,
    },
    /// Work with the policies of a configuration.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Hold BFD sessions (RFC 5880) for a speaker, through its restarts; it starts this itself.
    Bfd(BfdArgs),
    /// Answer STAMP probes (RFC 8762), for the far ends of paths.
    Reflector(ReflectorArgs),
    /// Rate a call by the E-model (ITU-T G.107): R, MOS and every term.
    Mos(MosArgs),
    /// Judge recorded or synthetic probes as a running speaker would.
    #[command(subcommand)]
    Score(ScoreCommand),
    /// Measure the way to a target as a path is measured: loss by direction, delay, jitter, MOS.
    Probe(ProbeArgs),
    /// See faults on emulated paths and what the speaker does about them.
    #[cfg(feature = "lab")]
    Demo(pathvane_lab::demo::DemoArgs),
    /// Measure the speed of this binary, and of other daemons beside it.
    #[cfg(feature = "lab")]
    #[command(subcommand)]
    Bench(pathvane_lab::bench::BenchCommand),
    #[command(flatten)]
    Ask(Question),
}

/// What a running speaker is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Question {
    /// Show what the speaker knows.
    #[command(subcommand)]
    Show(Show),
    /// Explain why a prefix or a service goes the way it goes.
    Explain {
        /// A prefix (10.0.0.0/8), an address, or the name of a service.
        #[arg(value_name = "PREFIX|SERVICE")]
        target: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Leave: raise MED, wait, withdraw, close the sessions, exit.
    Drain {
        /// Return only when the speaker has gone.
        #[arg(long)]
        wait: bool,
        /// What the peers are told with the CEASE, up to 255 octets (RFC 9003).
        #[arg(long, default_value = "")]
        text: String,
    },
    /// Read the configuration again: peers, groups, ranges, policies and BFD sessions may change without
    /// a restart.
    Reload,
    /// Stop all moves; measuring goes on.
    Freeze,
    /// Move again.
    Unfreeze,
    /// Take one path out, whatever is measured on it: services leave it as if it were down. Probes go on.
    TakeOut {
        /// The path's name.
        path: String,
    },
    /// Give a path back that was taken out: it begins anew.
    GiveBack {
        /// The path's name.
        path: String,
    },
    /// Ask one peer for its routes again (RFC 2918).
    Refresh {
        /// The peer's name.
        peer: String,
        /// Routes of this family alone.
        #[arg(value_parser = ["ipv4", "ipv6"])]
        family: Option<String>,
    },
    /// Close and reopen the session with one peer.
    Reset {
        /// The peer's name.
        peer: String,
        /// What the peer is told with the CEASE, up to 255 octets (RFC 9003).
        #[arg(long, default_value = "")]
        text: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// How the speaker is doing.
    Status(Output),
    /// The peers and their sessions.
    Peers(Output),
    /// The paths and what is measured on them.
    Paths(Output),
    /// The probe streams of the paths: how their delay varies and how their losses cluster.
    Probes(Output),
    /// The services, their leaders and why.
    Services(Output),
    /// BFD sessions.
    Bfd(Output),
    /// Routes: what was decided, what a peer sent, what a peer was told.
    Routes(RoutesArgs),
    /// What happened, oldest first.
    Events(EventsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RoutesArgs {
    /// Which table.
    #[arg(long, value_enum, default_value_t = Table::Loc)]
    pub(crate) table: Table,
    /// Whose table, for `in` and `out`.
    #[arg(long, value_name = "NAME", required_if_eq_any = [("table", "in"), ("table", "out")])]
    pub(crate) peer: Option<String>,
    /// Only this prefix.
    #[arg(long)]
    pub(crate) prefix: Option<IpNet>,
    /// At most so many routes.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: usize,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A table of routes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Table {
    /// The best routes (Loc-RIB).
    Loc,
    /// What a peer sent (Adj-RIB-In).
    In,
    /// What a peer was told (Adj-RIB-Out).
    Out,
}

impl Table {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Loc => "loc",
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Go on with events as they happen.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only events after the one with this number.
    #[arg(long, value_name = "ID")]
    pub(crate) since: Option<u64>,
    /// The latest so many, unless --since is given.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u64,
    /// Print JSON, with --follow one event per line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say what a policy does to a route, term by term.
    Test(PolicyTestArgs),
}

/// Which way a policy is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Direction {
    /// Import: on what a peer sent.
    In,
    /// Export: on what a peer is told.
    Out,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyTestArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/pathvane/pathvane.toml")]
    pub(crate) config: PathBuf,
    /// The policy's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: String,
    /// Import or export.
    #[arg(long, value_enum, default_value_t = Direction::In)]
    pub(crate) direction: Direction,
    /// The peer that the route was received from. [default: it is our own]
    #[arg(long, value_name = "NAME")]
    pub(crate) peer: Option<String>,
    /// The route's prefix.
    pub(crate) prefix: IpNet,
    /// Its AS path, like "65001 65002 {65003}".
    #[arg(long, value_name = "PATH", default_value = "")]
    as_path: AsPath,
    /// Its ORIGIN.
    #[arg(long, value_enum, default_value_t = OriginArg::Igp)]
    origin: OriginArg,
    /// Its next hop. [default: an address of its family]
    #[arg(long, value_name = "ADDRESS")]
    next_hop: Option<IpAddr>,
    /// Its MED.
    #[arg(long, value_name = "N")]
    med: Option<u32>,
    /// Its LOCAL_PREF.
    #[arg(long, value_name = "N")]
    local_pref: Option<u32>,
    /// A community of it, like 65000:100; repeatable.
    #[arg(long = "community", value_name = "COMMUNITY")]
    communities: Vec<Community>,
    /// An extended community of it, like rt:65000:100; repeatable.
    #[arg(long = "ext-community", value_name = "COMMUNITY")]
    ext_communities: Vec<ExtCommunity>,
    /// A large community of it, like 65000:1:2; repeatable.
    #[arg(long = "large-community", value_name = "COMMUNITY")]
    large_communities: Vec<LargeCommunity>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum OriginArg {
    Igp,
    Egp,
    Incomplete,
}

impl PolicyTestArgs {
    /// The route's attributes.
    pub(crate) fn attrs(&self) -> Attrs {
        Attrs {
            origin: match self.origin {
                OriginArg::Igp => Origin::Igp,
                OriginArg::Egp => Origin::Egp,
                OriginArg::Incomplete => Origin::Incomplete,
            },
            as_path: self.as_path.clone(),
            med: self.med,
            local_pref: self.local_pref,
            communities: self.communities.iter().copied().collect(),
            ext_communities: self.ext_communities.iter().copied().collect(),
            large_communities: self.large_communities.iter().copied().collect(),
            ..Attrs::default()
        }
    }

    /// The route's next hop; where none is given, one for documentation (RFC 5737, RFC 3849).
    pub(crate) fn next_hop(&self) -> IpAddr {
        self.next_hop.unwrap_or(match self.prefix {
            IpNet::V4(_) => IpAddr::from([192, 0, 2, 1]),
            IpNet::V6(_) => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct BfdArgs {
    /// The unix socket on which the speaker claims its sessions.
    #[arg(long, value_name = "PATH", default_value = "/run/pathvane/bfd.sock")]
    listen: PathBuf,
    /// Sessions that no speaker claims for so long are taken down administratively.
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    unclaimed: u64,
}

impl From<BfdArgs> for bfd::Options {
    fn from(args: BfdArgs) -> Self {
        Self { socket: args.listen, unclaimed: Duration::from_secs(args.unclaimed) }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// Whom: an address or a name, with a port (192.0.2.1:862, [2001:db8::1]:862) or without.
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// What with.
    #[arg(long, value_enum, default_value_t = ProbeKind::Stamp)]
    pub(crate) kind: ProbeKind,
    /// The port of the far end, if the target names none. [default: 862; stun 3478; tcp 443]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// End after so many probes. [default: go on until Ctrl-C]
    #[arg(long, short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Time between probes, 1ms to 1m; tcp 500ms or more. [default: 20ms; tcp 1s]
    #[arg(long, short = 'i', value_name = "TIME", value_parser = interval)]
    pub(crate) interval: Option<Duration>,
    /// End after this time, such as 90s or 10m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Time after which an unanswered probe is lost, 1ms to 1m.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) timeout: Duration,
    /// The source address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<IpAddr>,
    /// So many source ports, used in turn, 1 to 16: links of a bundle show one by one. Not for icmp and tcp.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=MAX_PORTS as i64))]
    pub(crate) ports: u8,
    /// The interface to leave and arrive through.
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Option<String>,
    /// The DSCP of probes, which STAMP asks for on replies too; 46 is EF.
    #[arg(long, value_name = "N", default_value_t = 46, value_parser = clap::value_parser!(u8).range(0..=63))]
    pub(crate) dscp: u8,
    /// Octets to pad probes to, without IP and UDP headers; 172 are those of G.711 voice.
    #[arg(long, value_name = "OCTETS", default_value_t = 0,
          value_parser = clap::value_parser!(u16).range(0..=i64::from(Options::MAX_SIZE)))]
    pub(crate) size: u16,
    /// Use the authenticated mode, with the key in this file (16 octets or more).
    #[arg(long, value_name = "FILE", env = "PATHVANE_STAMP_KEY_FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Print JSON: an object each second, and one of the whole.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to probe with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ProbeKind {
    /// STAMP (RFC 8762), to `pathvane reflector` or any other reflector.
    Stamp,
    /// ICMP or ICMPv6 echo.
    Icmp,
    /// STUN binding requests (RFC 8489), to a media relay.
    Stun,
    /// TCP connections, accepted or refused, to anything.
    Tcp,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a number and a unit, such as 20ms or 1m30s".into())
}

/// From a millisecond to a minute.
fn interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(1)..=Duration::from_secs(60);
    let wrong = || "choose 1ms to 1m".to_owned();
    duration(text).and_then(|time| range.contains(&time).then_some(time).ok_or_else(wrong))
}

#[derive(Debug, Args)]
pub(crate) struct ReflectorArgs {
    /// Address and port to listen on; repeatable. [default: port 862 of all addresses]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
    /// Source to serve; repeatable. [default: everybody]
    #[arg(long, value_name = "PREFIX")]
    allow: Vec<IpNet>,
    /// Most requests served per second and source.
    #[arg(long, value_name = "N", default_value_t = reflector::Config::default().rate,
          value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Most requests served per second, of all sources together.
    #[arg(long, value_name = "N", default_value_t = reflector::Config::default().total_rate,
          value_parser = clap::value_parser!(u32).range(1..))]
    total_rate: u32,
    /// Most sessions whose replies are numbered, per address; further ones are answered statelessly.
    #[arg(long, value_name = "N", default_value_t = reflector::Config::default().sessions)]
    sessions: usize,
    /// Answer the authenticated mode only, with the key in this file (16 octets or more).
    #[arg(long, value_name = "FILE", env = "PATHVANE_STAMP_KEY_FILE")]
    key_file: Option<PathBuf>,
}

impl ReflectorArgs {
    /// The reflector asked for; an error if its key cannot be read.
    pub(crate) fn config(self) -> Result<reflector::Config, OsError> {
        let default = reflector::Config::default();
        let key = self.key_file.as_deref().map(read_stamp_key).transpose()?;
        let listen = if self.listen.is_empty() { default.listen } else { self.listen };
        let Self { allow, rate, total_rate, sessions, .. } = self;
        Ok(reflector::Config { listen, allow, rate, total_rate, sessions, key })
    }
}

/// Reads a number between `least` and `most`.
fn between(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("a number between {least} and {most}")),
    }
}

#[derive(Debug, Args)]
pub(crate) struct MosArgs {
    /// The whole one-way delay from mouth to ear, Ta. With --jitter-ms the buffer comes on top.
    #[arg(long, value_name = "MS", allow_negative_numbers = true,
          value_parser = |text: &str| between(text, 0.0, 10_000.0))]
    pub(crate) delay_ms: f64,
    /// Packets lost, in percent.
    #[arg(long, value_name = "PERCENT", default_value = "0", allow_negative_numbers = true,
          value_parser = |text: &str| between(text, 0.0, 100.0))]
    pub(crate) loss_pct: f64,
    /// BurstR: mean length of loss bursts over that of random loss; 1 is random.
    #[arg(long, value_name = "RATIO", default_value = "1", allow_negative_numbers = true,
          value_parser = |text: &str| between(text, 1.0, 1_000.0))]
    pub(crate) burst_r: f64,
    /// The codec.
    #[arg(long, value_enum, default_value_t = CodecArg::G711Plc)]
    pub(crate) codec: CodecArg,
    /// Interarrival jitter (RFC 3550): adds the jitter buffer that sounds best, and late packets.
    #[arg(long, value_name = "MS", default_value = "0", allow_negative_numbers = true,
          value_parser = |text: &str| between(text, 0.0, 1_000.0))]
    pub(crate) jitter_ms: f64,
    /// Every term of the Recommendation, echo included, with T = Ta and Tr = 2 Ta. Without it, the
    /// echo-free form that ranks paths.
    #[arg(long)]
    pub(crate) full: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A codec by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum CodecArg {
    /// G.711 without loss concealment.
    G711,
    /// G.711 with loss concealment.
    G711Plc,
    /// G.729A with voice activity detection.
    G729a,
    /// GSM enhanced full rate.
    GsmEfr,
    /// AMR-WB at 12.65 kbit/s, on the wideband scale.
    AmrWb,
    /// Opus; provisional, by a published fit and not by an ITU figure.
    Opus,
}

impl CodecArg {
    pub(crate) const fn codec(self) -> Codec {
        match self {
            Self::G711 => Codec::G711,
            Self::G711Plc => Codec::G711_PLC,
            Self::G729a => Codec::G729A,
            Self::GsmEfr => Codec::GSM_EFR,
            Self::AmrWb => Codec::AMR_WB,
            Self::Opus => Codec::OPUS,
        }
    }
}

/// What to do with series of probes.
#[derive(Debug, Subcommand)]
pub(crate) enum ScoreCommand {
    /// Feed a series through the estimators, monitors and the selector; print verdicts and moves.
    Replay(ReplayArgs),
    /// Probe a target and write what became of each probe, for `score replay`.
    Record(RecordArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    pub(crate) probe: ProbeArgs,
    /// Where to: JSON lines, or CSV if the name ends in .csv; - is standard output.
    #[arg(long, short = 'o', value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// The name of the path in the series.
    #[arg(long, value_name = "NAME", default_value = "path", value_parser = path_name)]
    pub(crate) path: String,
}

/// A name as the configuration has them.
fn path_name(text: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match (1..=64).contains(&text.len()) && text.chars().all(sound) {
        true => Ok(text.to_owned()),
        false => Err("use 1 to 64 letters, digits, `-`, `_` and `.`".into()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The series, CSV or JSON lines (docs/OPERATING.md has the format); - is standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the traffic is.
    #[arg(long, value_enum, default_value_t = ClassArg::Voice)]
    pub(crate) class: ClassArg,
    /// How a leader is chosen among paths that keep the limits.
    #[arg(long, value_enum, default_value_t = StrategyArg::Best)]
    pub(crate) strategy: StrategyArg,
    /// Decides the random phases of moves.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// A class of service by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ClassArg {
    /// Telephony.
    Voice,
    /// Desktops and terminals.
    Interactive,
    /// Transfers.
    Bulk,
}

impl From<ClassArg> for Class {
    fn from(class: ClassArg) -> Self {
        match class {
            ClassArg::Voice => Self::Voice,
            ClassArg::Interactive => Self::Interactive,
            ClassArg::Bulk => Self::Bulk,
        }
    }
}

/// A strategy by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum StrategyArg {
    /// The best score.
    Best,
    /// The first of the series.
    Ordered,
}

impl From<StrategyArg> for Strategy {
    fn from(strategy: StrategyArg) -> Self {
        match strategy {
            StrategyArg::Best => Self::Best,
            StrategyArg::Ordered => Self::Ordered,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Options of a command and those below it that a document does not name.
    fn unnamed(command: &clap::Command, path: &str, document: &str, missing: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            if !document.contains(&format!("--{option}")) {
                missing.push(format!("{path} --{option}"));
            }
        }
        command.get_subcommands().for_each(|below| unnamed(below, &path, document, missing));
    }

    #[test]
    fn operating_names_every_option() {
        let mut missing = Vec::new();
        unnamed(&Cli::command(), "", include_str!("../../../docs/OPERATING.md"), &mut missing);
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn commands_read_as_the_manual_writes_them() {
        for line in [
            "pathvane run --config x.toml",
            "pathvane check x.toml",
            "pathvane decode session.pcap",
            "pathvane decode --json -",
            "pathvane show peers --json",
            "pathvane show routes --table out --peer cr-east --limit 5",
            "pathvane show events --follow --json",
            "pathvane explain 10.0.0.0/8",
            "pathvane --socket /tmp/x.sock explain voice --json",
            "pathvane drain --wait --socket /tmp/x.sock",
            "pathvane reset cr-east",
            "pathvane reload",
            "pathvane refresh cr-east",
            "pathvane refresh cr-east ipv6",
            "pathvane reset cr-east --text maintenance",
            "pathvane drain --text maintenance --wait",
            "pathvane show bfd --json",
            "pathvane policy test --policy x --direction out 10.0.0.0/8 --community 65000:1",
            "pathvane bfd --listen /tmp/bfd.sock --unclaimed 30",
            "pathvane reflector --listen 127.0.0.1:8620 --allow 10.0.0.0/8 --rate 100",
            "pathvane probe 192.0.2.1 --count 50 --interval 20ms --size 172 --json",
            "pathvane probe [2001:db8::1]:8620 --duration 1m30s --dscp 46 --source 2001:db8::2",
            "pathvane probe relay.example --kind icmp --interface eth0",
            "pathvane reflector --total-rate 500 --sessions 64 --key-file /etc/pathvane/stamp.key",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "pathvane",
            "pathvane show routes --table in",
            "pathvane show neighbors",
            "pathvane refresh cr-east vpnv4",
            "pathvane probe",
            "pathvane probe x --interval 20",
            "pathvane probe x --interval 1us",
            "pathvane probe x --dscp 64",
            "pathvane probe x --size 1473",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
