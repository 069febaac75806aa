//! What the shell is told: sockets, kernel, files. Lists are indexed as the engine's are.

use core::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use pathvane_engine::config::{Condition, ProbeKind};
use pathvane_engine::{PathId, ServiceId};

use super::bfd::BfdSession;
use super::intake::IntakeSocket;
use super::value::words;
use crate::checks::Check;
use crate::tcp::Options;

/// Everything the shell needs and the engine does not know.
#[derive(Clone, Debug)]
pub struct ShellConfig {
    /// Where connections are accepted; empty: dial only.
    pub listen: Vec<SocketAddr>,
    /// The unix socket of the control interface.
    pub control: PathBuf,
    /// What becomes of next-hop switches and routes.
    pub fib: FibMode,
    /// The filter of the log, in the syntax of `tracing`.
    pub log: String,
    /// TCP options, by [`pathvane_engine::PeerId`].
    pub peers: Vec<PeerTcp>,
    /// Whom else to accept.
    pub ranges: Vec<Range>,
    /// Kernel side of the paths, by [`PathId`].
    pub paths: Vec<PathLink>,
    /// Probe sockets, by [`pathvane_engine::StreamId`].
    pub streams: Vec<StreamSocket>,
    /// Sockets of full-size probes, whose streams follow the others.
    pub full_size: Vec<StreamSocket>,
    /// Conditions to watch, in the order of the services and their `announce`.
    pub conditions: Vec<Watched>,
    /// The unix socket of the BFD process.
    pub bfd_socket: PathBuf,
    /// The unix socket for measurements from outside.
    pub intake: Option<IntakeSocket>,
    /// The BFD sessions to claim.
    pub bfd: Vec<BfdSession>,
    /// Instance health checks, in the order of the services and their `checks`.
    pub checks: Vec<Check>,
}

/// What becomes of next-hop switches and learned routes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FibMode {
    /// They are installed in the kernel.
    #[default]
    Kernel,
    /// They are only told on the control interface; needs no privilege.
    Report,
}

words!(FibMode, "a kind of forwarding table", "kernel" => FibMode::Kernel, "report" => FibMode::Report);

/// The TCP side of one peer.
#[derive(Clone, Debug)]
pub struct PeerTcp {
    /// The name operators use.
    pub name: String,
    /// Never dial.
    pub passive: bool,
    /// How its connections are set up.
    pub options: Options,
}

/// Peers that may come from anywhere in a prefix.
#[derive(Clone, Debug)]
pub struct Range {
    /// Where from.
    pub net: IpNet,
    /// At most so many at a time.
    pub max_peers: usize,
    /// What each is to the engine, but for name and address.
    pub peer: pathvane_engine::config::Peer,
    /// How its connections are set up, but for name and address.
    pub tcp: PeerTcp,
}

impl Range {
    /// The peer at an address.
    pub fn peer_at(&self, address: IpAddr) -> pathvane_engine::config::Peer {
        let name = format!("{}@{address}", self.peer.name);
        pathvane_engine::config::Peer { name, address, dynamic: true, ..self.peer.clone() }
    }

    /// How the connections of the peer at an address are set up.
    pub fn tcp_at(&self, address: IpAddr) -> PeerTcp {
        let mut tcp = self.tcp.clone();
        tcp.name = format!("{}@{address}", tcp.name);
        tcp.options.peer.set_ip(address);
        tcp
    }
}

/// The kernel's side of one path.
#[derive(Clone, Debug)]
pub struct PathLink {
    /// The name operators use.
    pub name: String,
    /// The interface traffic and probes leave through.
    pub interface: Option<String>,
    /// The next hop of traffic and probes.
    pub next_hop: IpAddr,
    /// The source address of probes.
    pub probe_source: IpAddr,
    /// The fwmark of probes; `None` with [`FibMode::Report`], where no rule is made.
    pub mark: Option<u32>,
    /// The routing table that the mark selects.
    pub table: u32,
}

/// One probe stream's socket.
#[derive(Clone, Copy, Debug)]
pub struct StreamSocket {
    /// The path it measures.
    pub path: PathId,
    /// The protocol.
    pub kind: ProbeKind,
    /// The source address; unspecified: that of the interface by which the kernel sends.
    pub source: IpAddr,
    /// The far end; the port is unused by ICMP.
    pub target: SocketAddr,
    /// Constant source ports used in turn, each a socket.
    pub ports: u8,
    /// The DSCP of the most demanding class that uses the path, so that probes share its queue.
    pub dscp: u8,
}

/// A condition the shell watches for the engine.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Whose announcement depends on it.
    pub service: ServiceId,
    /// Which of the service's `announce`.
    pub announce: u16,
    /// The prefix.
    pub prefix: IpNet,
    /// What has to hold.
    pub condition: Condition,
}
