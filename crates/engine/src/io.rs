//! The one contract: what the shell tells the engine, and what the engine asks of it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_score::BfdState;
pub use pathvane_session::Direction;
use pathvane_wire::FamilySet;

use crate::event::Event;
use crate::ids::{ConnId, PathId, PeerId, ServiceId, StreamId};
use crate::reports::Report;

/// A fact from the outside, stamped with the time by the shell.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A TCP connection with `peer` is open.
    Connected {
        /// Whose connection.
        peer: PeerId,
        /// The shell's number for it, never used twice.
        conn: ConnId,
        /// Who dialled.
        direction: Direction,
        /// Our end.
        local: SocketAddr,
    },
    /// The connection asked for by [`Output::Connect`] did not come about.
    ConnectFailed {
        /// Whose connection.
        peer: PeerId,
    },
    /// Bytes arrived.
    Bytes {
        /// From whom.
        peer: PeerId,
        /// On which connection.
        conn: ConnId,
        /// The bytes, in order.
        bytes: &'a [u8],
    },
    /// How far the bytes handed out by `poll_transmit` have come; positions count from the
    /// connection's first byte.
    Progress {
        /// Of whom.
        peer: PeerId,
        /// On which connection.
        conn: ConnId,
        /// Bytes that left our socket's unsent queue.
        sent: u64,
        /// Bytes the peer's TCP acknowledged.
        acked: u64,
    },
    /// The connection is gone (FIN, RST, error), not at our request.
    Closed {
        /// Whose.
        peer: PeerId,
        /// Which.
        conn: ConnId,
    },
    /// The kernel took a probe off our hands. Only such probes count: silence after probes that
    /// never left means nothing (law 6).
    ProbeSent {
        /// The stream.
        stream: StreamId,
        /// The probe's sequence number.
        seq: u32,
    },
    /// The kernel's transmit stamp of a probe.
    ProbeStamped {
        /// The stream.
        stream: StreamId,
        /// The probe's sequence number.
        seq: u32,
        /// When it left.
        at: Instant,
    },
    /// A datagram arrived on a stream's socket.
    ProbeReceived {
        /// The stream.
        stream: StreamId,
        /// The payload (for ICMP: the ICMP message).
        bytes: &'a [u8],
        /// When.
        at: Instant,
        /// TTL or hop limit it arrived with, if the socket told.
        ttl: Option<u8>,
        /// Traffic class it arrived with, if the socket told.
        class: Option<u8>,
        /// `at` is the kernel's receive timestamp; otherwise it is when the shell looked.
        stamped: bool,
    },
    /// A probe could not be sent (interface down, no buffer): it measures nothing.
    ProbeFailed {
        /// The stream.
        stream: StreamId,
        /// The probe's sequence number.
        seq: u32,
    },
    /// The largest packet that a path takes as far as the kernel knows, of a path with a
    /// [`crate::config::MtuProbe`]: told when it is first known, and when it is another.
    PathMtu {
        /// The path.
        path: PathId,
        /// Octets of the IP packet.
        octets: u16,
    },
    /// A measurement from outside.
    Report(Report),
    /// The shell's loop was late by this much: pending silence verdicts are void.
    Stalled {
        /// How late.
        lag: Duration,
    },
    /// The carrier or administrative state of a path's interface.
    Link {
        /// The path.
        path: PathId,
        /// Whether it can carry traffic.
        up: bool,
    },
    /// What a BFD session says changed; told again, nothing happens.
    Bfd {
        /// Whom it informs.
        user: BfdUser,
        /// What it says.
        state: BfdState,
        /// Both ends set the C bit: a failure is none of a control plane that restarts.
        independent: bool,
    },
    /// Whether the condition of an announced prefix holds (kernel route, interface);
    /// conditions on peers' routes are seen by the engine itself.
    Condition {
        /// The service.
        service: ServiceId,
        /// Index into [`crate::config::Service::announce`].
        announce: u16,
        /// Whether it holds.
        holds: bool,
    },
    /// The result of an instance health check, after rise and fall counts.
    Health {
        /// The service.
        service: ServiceId,
        /// Index into [`crate::config::Service::checks`].
        check: u16,
        /// Whether the instance is healthy.
        healthy: bool,
    },
    /// The kernel carried out (or refused) the group switch `generation` of `service`.
    FibDone {
        /// The service.
        service: ServiceId,
        /// From [`Output::FibGroup`].
        generation: u64,
        /// Whether it was carried out.
        ok: bool,
    },
    /// An operator's wish.
    Command(Command),
    /// The alarm asked for by [`Output::Timeout`] rang. Any other input serves as well.
    Timeout,
}

/// Whom a BFD session informs; one session may inform several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BfdUser {
    /// The session with this peer.
    Peer(PeerId),
    /// The verdict of this path.
    Path(PathId),
}

/// What operators can ask of a running speaker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Open the sessions.
    Start,
    /// Leave: raise MED, wait, withdraw, CEASE, close (law 10).
    Drain {
        /// What peers are told with the CEASE (RFC 9003); may be empty.
        text: String,
    },
    /// Stop all moves; measuring goes on (law 11).
    Freeze,
    /// Move again.
    Unfreeze,
    /// Take a path out, whatever is measured on it, or give it back.
    TakeOut {
        /// Which.
        path: PathId,
        /// Or back.
        out: bool,
    },
    /// Ask a peer for its routes again (RFC 2918); nothing happens unless it can be asked.
    Refresh {
        /// Whom.
        peer: PeerId,
        /// Routes of which families.
        families: FamilySet,
    },
    /// Close and reopen one session with an administrative reset (RFC 4486).
    Reset {
        /// Whose.
        peer: PeerId,
        /// What the peer is told (RFC 9003); may be empty.
        text: String,
    },
}

/// What the engine asks of the shell. Drain until [`Output::Timeout`].
#[derive(Clone, Debug)]
pub enum Output {
    /// Dial `peer`.
    Connect(PeerId),
    /// Give up an attempt to dial `peer` that is under way; no answer is expected.
    CancelConnect(PeerId),
    /// Bytes wait: call `poll_transmit(peer, conn, ..)` whenever the socket is writable, until it gives none.
    /// Said again when some of them have become urgent.
    Transmit {
        /// For whom.
        peer: PeerId,
        /// On which connection.
        conn: ConnId,
        /// Call at once, until [`Engine::urgent`](crate::Engine::urgent) says no; bulk has time.
        urgent: bool,
    },
    /// Close the connection once what `poll_transmit` gave has been written.
    Close {
        /// Whose.
        peer: PeerId,
        /// Which.
        conn: ConnId,
    },
    /// Send a probe now.
    Probe(ProbeOut),
    /// Point the service's next-hop group at these paths; make before break.
    FibGroup {
        /// The service.
        service: ServiceId,
        /// Comes back in [`Input::FibDone`].
        generation: u64,
        /// The paths that carry, the leader first: one, unless they balance; never empty.
        carry: Vec<Share>,
    },
    /// Install or move (`Some`) the kernel route of a learned prefix, or remove it (`None`).
    FibRoute {
        /// A learned prefix inside a service's reach.
        prefix: IpNet,
        /// What it points at.
        via: Option<Via>,
    },
    /// The routes of this run are complete: kernel routes of ours that were not named since the
    /// start may be pruned (law 10).
    FibSynced,
    /// Something happened that operators may want to know.
    Event(Event),
    /// The peer was taken out: its number means nothing any more, once its connections are closed.
    Gone(PeerId),
    /// A drain is complete: the process may exit.
    Drained,
    /// Nothing more for now; wake at this instant (or never).
    Timeout(Option<Instant>),
}

/// A path's part of the traffic of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// The path.
    pub path: PathId,
    /// How much of the traffic it carries, relative to the others: 1 to [`Share::MOST`].
    pub weight: u8,
}

impl Share {
    /// The weight of the path that carries the most.
    pub const MOST: u8 = 8;
}

/// What a kernel route points at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// The service's next-hop group: every path in it leads to a peer that offers this prefix.
    Service(ServiceId),
    /// One path's next hop: not all paths that carry the service lead to a peer that offers it.
    Path(PathId),
}

/// A probe packet to send.
#[derive(Clone, Debug)]
pub struct ProbeOut {
    /// The stream, and with it socket and target.
    pub stream: StreamId,
    /// Its sequence number, for [`Input::ProbeSent`].
    pub seq: u32,
    /// The packet; for ICMP the ICMP message.
    pub packet: ProbePacket,
}

/// A packet of bounded size held in place, so that probing allocates nothing. A full-size probe
/// shares its padding with those before it.
#[derive(Clone, Debug)]
pub struct ProbePacket {
    len: u8,
    bytes: [u8; Self::MAX],
    padding: Option<Arc<[u8]>>,
}

impl ProbePacket {
    /// The longest packet: a voice packet, with a signature and extensions to spare.
    pub const MAX: usize = 200;

    /// A copy of `bytes`; what exceeds [`Self::MAX`] is cut.
    pub fn new(bytes: &[u8]) -> Self {
        let len = bytes.len().min(Self::MAX);
        let mut packet = Self { len: len as u8, bytes: [0; Self::MAX], padding: None };
        packet.bytes[..len].copy_from_slice(&bytes[..len]);
        packet
    }

    /// A packet of full size whose octets behind [`Self::MAX`] are `padding`.
    pub(crate) fn padded(bytes: &[u8], padding: &Arc<[u8]>) -> Self {
        Self { padding: Some(Arc::clone(padding)), ..Self::new(bytes) }
    }

    /// The packet's bytes; of a full-size probe the first [`Self::MAX`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The rest of a full-size probe; nothing of any other.
    pub fn padding(&self) -> &[u8] {
        self.padding.as_deref().unwrap_or_default()
    }
}
