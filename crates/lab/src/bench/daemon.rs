//! The daemons that are measured: how each is found, configured alike, and started.
//!
//! All accept and announce everything, over external sessions with four-octet AS numbers, a hold time
//! of 240 s, no graceful restart, no pacing and no kernel routes; the tool dials.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::orders::{ASN, feed_asn, watch_asn};
use super::place::{Place, Side};
use super::process::Program;

/// Which daemon.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Daemon {
    /// This binary, as `pathvane run`.
    Pathvane,
    /// The null relay: passes UPDATEs on and knows no routes.
    Relay,
    /// BIRD 2.
    Bird,
    /// FRR's bgpd, alone.
    Frr,
    /// GoBGP.
    GoBgp,
    /// OpenBGPD.
    OpenBgpd,
}

impl Daemon {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pathvane => "pathvane",
            Self::Relay => "relay",
            Self::Bird => "bird",
            Self::Frr => "frr",
            Self::GoBgp => "gobgp",
            Self::OpenBgpd => "openbgpd",
        }
    }

    /// Where it is, if it is another program than this one.
    fn program(self) -> Option<&'static str> {
        match self {
            Self::Pathvane | Self::Relay => None,
            Self::Bird => Some("/usr/sbin/bird"),
            Self::Frr => Some("/usr/lib/frr/bgpd"),
            Self::GoBgp => Some("/usr/bin/gobgpd"),
            Self::OpenBgpd => Some("/usr/sbin/bgpd"),
        }
    }

    /// Why it cannot run here, if it cannot.
    pub(super) fn obstacle(self) -> Option<String> {
        let program = self.program()?;
        if !Path::new(program).exists() {
            return Some(format!("{program} is not installed"));
        }
        if !nix::unistd::geteuid().is_root() {
            return Some("it needs network namespaces: run as root".into());
        }
        None
    }

    /// What the daemon says about its version.
    pub(super) fn version(self) -> String {
        let Some(program) = self.program() else { return env!("CARGO_PKG_VERSION").into() };
        let flag = if self == Self::OpenBgpd { "-V" } else { "--version" };
        let Ok(output) = Command::new(program).arg(flag).output() else { return String::new() };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let words = text.lines().next().unwrap_or_default().split_whitespace();
        words.last().unwrap_or_default().trim_end_matches(['.', ',']).to_owned()
    }
}

/// One session of the daemon.
struct Session {
    local: Ipv4Addr,
    remote: Ipv4Addr,
    asn: u32,
}

/// Starts a daemon for so many feeds and receivers; its files are in `folder`. With `service`, this
/// binary announces a service's prefix to the first receiver while the last feed announces it.
pub(super) fn start(
    daemon: Daemon,
    place: &Place,
    folder: &Path,
    (feeds, receivers): (u16, u16),
    service: bool,
) -> Result<Program, String> {
    let (for_feeds, for_receivers) = (*place.for_feeds().ip(), *place.for_receivers().ip());
    let feed = |n| Session { local: for_feeds, remote: place.feed(n), asn: feed_asn(n) };
    let receiver =
        |n| Session { local: for_receivers, remote: place.receiver(n), asn: watch_asn(n) };
    let sessions: Vec<_> = (0..feeds).map(feed).chain((0..receivers).map(receiver)).collect();
    let locals = [for_feeds, for_receivers];
    let itself = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = daemon.program().map_or(itself, PathBuf::from);
    let mut command = place.command(Side::Daemon, &program);
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    match daemon {
        Daemon::Pathvane => {
            let mut text = pathvane(&sessions, locals, place.port, folder);
            if service {
                text += &steered(place, feeds);
            }
            write("pathvane.toml", text)?;
            command.args(["run", "--config", "pathvane.toml"]);
        }
        Daemon::Relay => {
            let (feeds, receivers) = (place.for_feeds(), place.for_receivers());
            command.args(["bench", "relay", &feeds.to_string(), &receivers.to_string()]);
        }
        Daemon::Bird => {
            write("bird.conf", bird(&sessions))?;
            command.args(["-f", "-c", "bird.conf", "-s", "bird.ctl", "-P", "bird.pid"]);
        }
        Daemon::Frr => {
            write("frr.conf", frr(&sessions))?;
            own_by_frr(folder)?;
            let dir = folder.display();
            let line = format!(
                "-n -Z -P 0 -f {dir}/frr.conf -i {dir}/bgpd.pid --vty_socket {dir} -z {dir}/zserv.api"
            );
            command.args(line.split(' '));
        }
        Daemon::GoBgp => {
            write("gobgpd.toml", gobgp(&sessions, locals, place.port))?;
            command.args(["-f", "gobgpd.toml", "--api-hosts", "127.0.0.1:50051"]);
        }
        Daemon::OpenBgpd => {
            write("bgpd.conf", openbgpd(&sessions, locals, folder))?;
            // It refuses a configuration that others may read.
            fs::set_permissions(folder.join("bgpd.conf"), fs::Permissions::from_mode(0o600))
                .map_err(|error| error.to_string())?;
            // Its children lock themselves into a directory of /run, which Debian makes when it starts
            // the service: here one that nobody else sees.
            const IN_A_RUN_OF_ITS_OWN: &str = "mount -t tmpfs run /run && mkdir /run/openbgpd && \
                                               exec \"$0\" -d -f bgpd.conf";
            command = place.command(Side::Daemon, "unshare");
            command.args(["--mount", "sh", "-c", IN_A_RUN_OF_ITS_OWN]).arg(program);
        }
    }
    Program::start(command, folder, daemon.name())
}

/// FRR gives up root and then wants to read its configuration and write its sockets.
fn own_by_frr(folder: &Path) -> Result<(), String> {
    let status = Command::new("chown").args(["-R", "frr:frr"]).arg(folder).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("{} cannot be given to frr", folder.display())),
    }
}

fn pathvane(sessions: &[Session], locals: [Ipv4Addr; 2], port: u16, folder: &Path) -> String {
    let [feeds, receivers] = locals;
    let control = folder.join("control.sock");
    let mut text = format!(
        "[speaker]\nasn = {ASN}\nbgp_identifier = \"{feeds}\"\n\
         listen = [\"{feeds}:{port}\", \"{receivers}:{port}\"]\ncontrol = {control:?}\n\
         fib = \"report\"\nlog = \"warn\"\n"
    );
    for (n, Session { local, remote, asn }) in sessions.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n[peers.p{n}]\naddress = \"{remote}\"\nlocal_address = \"{local}\"\nasn = {asn}\n\
             passive = true\nhold_time = \"240s\"\ngraceful_restart = \"off\"\n\
             import = \"accept-all\"\nexport = \"accept-all\"\n"
        );
    }
    text
}

/// Ports of the reflector's end of the probes.
const REFLECTED: [u16; 2] = [8_620, 8_621];

/// A path to the first receiver, and a service on it whose prefix is true while the last feed
/// announces it.
fn steered(place: &Place, feeds: u16) -> String {
    let (receiver, source) = (place.receiver(0), *place.for_receivers().ip());
    let [first, second] = REFLECTED;
    let condition = feeds.saturating_sub(1);
    format!(
        "\n[paths.out]\nnext_hop = \"{receiver}\"\nannounce_via = [\"p{feeds}\"]\n\
         probe_source = \"{source}\"\nprobes = [\n\
         \x20 {{ kind = \"stamp\", target = \"{receiver}\", port = {first} }},\n\
         \x20 {{ kind = \"stamp\", target = \"{receiver}\", port = {second} }},\n]\n\
         \n[services.pinged]\nclass = \"voice\"\npaths = [\"out\"]\n\
         announce = [{{ prefix = \"172.20.0.0/24\", while = \"peer-route:p{condition}\" }}]\n"
    )
}

/// What answers the probes of that path.
pub(super) fn reflector(place: &Place, folder: &Path) -> Result<Program, String> {
    let itself = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = place.command(Side::Tool, itself);
    command.arg("reflector");
    for port in REFLECTED {
        command.args(["--listen", &format!("{}:{port}", place.receiver(0))]);
    }
    Program::start(command, folder, "reflector")
}

fn bird(sessions: &[Session]) -> String {
    let id = sessions.first().map_or(Ipv4Addr::UNSPECIFIED, |session| session.local);
    let mut text = format!(
        "log stderr {{ warning, error, fatal, bug }};\nrouter id {id};\nprotocol device {{}}\n"
    );
    for (n, Session { local, remote, asn }) in sessions.iter().enumerate() {
        let _ = writeln!(
            text,
            "protocol bgp p{n} {{ local {local} as {ASN}; neighbor {remote} as {asn}; passive on; \
             hold time 240; graceful restart off; long lived graceful restart off; \
             ipv4 {{ import all; export all; }}; }}"
        );
    }
    text
}

fn frr(sessions: &[Session]) -> String {
    let id = sessions.first().map_or(Ipv4Addr::UNSPECIFIED, |session| session.local);
    let mut text = format!(
        "log stdout warnings\nrouter bgp {ASN}\n bgp router-id {id}\n no bgp ebgp-requires-policy\n \
         no bgp default ipv4-unicast\n bgp graceful-restart-disable\n coalesce-time 0\n"
    );
    for Session { local, remote, asn } in sessions {
        // Without zebra it knows no interfaces, so that every peer is several hops away.
        let _ = write!(
            text,
            " neighbor {remote} remote-as {asn}\n neighbor {remote} passive\n \
             neighbor {remote} ebgp-multihop 5\n neighbor {remote} update-source {local}\n \
             neighbor {remote} timers 80 240\n neighbor {remote} advertisement-interval 0\n"
        );
    }
    text += " address-family ipv4 unicast\n";
    for Session { remote, .. } in sessions {
        let _ = writeln!(text, "  neighbor {remote} activate");
    }
    text + " exit-address-family\n"
}

fn gobgp(sessions: &[Session], locals: [Ipv4Addr; 2], port: u16) -> String {
    let [feeds, receivers] = locals;
    let mut text = format!(
        "[global.config]\nas = {ASN}\nrouter-id = \"{feeds}\"\nport = {port}\n\
         local-address-list = [\"{feeds}\", \"{receivers}\"]\n"
    );
    for Session { local, remote, asn } in sessions {
        let _ = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{remote}\"\npeer-as = {asn}\n\
             [neighbors.transport.config]\nlocal-address = \"{local}\"\npassive-mode = true\n\
             [neighbors.timers.config]\nhold-time = 240\nkeepalive-interval = 80\n\
             [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\n\
             afi-safi-name = \"ipv4-unicast\"\n"
        );
    }
    text
}

fn openbgpd(sessions: &[Session], locals: [Ipv4Addr; 2], folder: &Path) -> String {
    let [feeds, receivers] = locals;
    let socket = folder.join("bgpd.sock");
    let mut text = format!(
        "AS {ASN}\nrouter-id {feeds}\nfib-update no\nholdtime 240\nsocket {socket:?}\n\
         listen on {feeds}\nlisten on {receivers}\n"
    );
    for Session { local, remote, asn } in sessions {
        let _ = writeln!(
            text,
            "neighbor {remote} {{\n remote-as {asn}\n local-address {local}\n passive\n \
             announce IPv4 unicast\n announce restart no\n}}"
        );
    }
    text + "allow from any\nallow to any\n"
}
