//! Where a run takes place: two network namespaces if we may make them, loopback addresses if not.
//!
//! ```text
//!   tool: feeds 10.77.1.x --- veth --- 10.77.0.1 :daemon: 10.78.0.1 --- veth --- 10.78.1.x receivers :tool
//! ```
//! On loopback every address is 127.77.x.x or 127.78.x.x; daemons that distrust such next hops do
//! not run there.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::Command;

use super::process::{self, Leftover};

/// Which side of the links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Daemon,
    Tool,
}

/// Made for one run and gone with it.
#[derive(Debug)]
pub(super) struct Place {
    /// Names of the namespaces of daemon and tool.
    spaces: Option<[String; 2]>,
    /// Where the daemon listens.
    pub(super) port: u16,
}

impl Place {
    /// Namespaces and links between them if this is root, loopback otherwise; addresses for so many
    /// feeds and receivers.
    pub(super) fn new(feeds: u16, receivers: u16) -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            let free = TcpListener::bind((Ipv4Addr::new(127, 77, 0, 1), 0))
                .and_then(|listener| listener.local_addr())
                .map_err(|error| format!("loopback: {error}"))?;
            return Ok(Self { spaces: None, port: free.port() });
        }
        let id = std::process::id();
        let place = Self {
            spaces: Some([format!("pvbench-{id}-daemon"), format!("pvbench-{id}-tool")]),
            port: 179,
        };
        place.make([feeds, receivers])?;
        Ok(place)
    }

    /// Whether the daemon has a network of its own, with interfaces.
    pub(super) const fn has_spaces(&self) -> bool {
        self.spaces.is_some()
    }

    fn make(&self, sessions: [u16; 2]) -> Result<(), String> {
        let Some(spaces) = &self.spaces else { return Ok(()) };
        for space in spaces {
            ip(&format!("netns add {space}"))?;
            process::remember(Leftover::Space(space.clone()));
            ip(&format!("-n {space} link set lo up"))?;
        }
        let [daemon, tool] = spaces;
        for (name, net, sessions) in [("feeds", 77, sessions[0]), ("receivers", 78, sessions[1])] {
            ip(&format!("link add {name} netns {daemon} type veth peer name {name} netns {tool}"))?;
            ip(&format!("-n {daemon} address add 10.{net}.0.1/16 dev {name}"))?;
            for session in 0..sessions {
                let address = format!("10.{net}.1.{}", session + 1);
                ip(&format!("-n {tool} address add {address}/16 dev {name}"))?;
            }
            for space in spaces {
                ip(&format!("-n {space} link set {name} up"))?;
            }
        }
        Ok(())
    }

    /// A command that will run on this side.
    pub(super) fn command(&self, side: Side, program: impl AsRef<OsStr>) -> Command {
        let Some([daemon, tool]) = &self.spaces else { return Command::new(program) };
        let space = if side == Side::Daemon { daemon } else { tool };
        let mut command = Command::new("ip");
        // `ip` becomes the program, so the pid is the program's.
        command.args(["netns", "exec", space]).arg(program);
        command
    }

    fn net(&self, link: u8, host: u16) -> Ipv4Addr {
        let first = if self.has_spaces() { 10 } else { 127 };
        let [third, fourth] = host.to_be_bytes();
        Ipv4Addr::new(first, link, third, fourth)
    }

    /// Where feeds find the daemon.
    pub(super) fn for_feeds(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.net(77, 1), self.port)
    }

    /// Where receivers find it.
    pub(super) fn for_receivers(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.net(78, 1), self.port)
    }

    /// A feed's address.
    pub(super) fn feed(&self, number: u16) -> Ipv4Addr {
        self.net(77, 0x101 + number)
    }

    /// A receiver's address.
    pub(super) fn receiver(&self, number: u16) -> Ipv4Addr {
        self.net(78, 0x101 + number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for space in self.spaces.iter().flatten() {
            process::clear(&Leftover::Space(space.clone()));
        }
    }
}

fn ip(line: &str) -> Result<(), String> {
    let output = Command::new("ip").args(line.split(' ')).output();
    let output = output.map_err(|error| format!("cannot run ip (package iproute2): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
