//! The UDP sockets of sessions: where packets arrive, and where they leave.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use pathvane_probe::bfd::{Arrival, MULTIHOP_PORT, PORT, SOURCE_PORT_MIN, TTL};
use socket2::{Domain, Protocol, Socket, Type};

use super::protocol::Key;
use crate::os_error::OsError;
use crate::probe_io::{Inbox, receive_details};

/// The traffic class of control packets: CS6, network control (RFC 4594 section 3.2).
const NETWORK_CONTROL: u32 = 0xc0;
/// Source ports that are tried before giving up.
const PORTS_TRIED: usize = 64;
/// Datagrams read from one socket before the others get their turn.
const BATCH: usize = 256;

/// Where packets of several sessions arrive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Door {
    local: IpAddr,
    interface: Option<String>,
    multihop: bool,
}

impl Door {
    fn of(key: &Key) -> Self {
        Self { local: key.local, interface: key.interface.clone(), multihop: key.multihop }
    }
}

/// One session's way out.
#[derive(Debug)]
struct Exit {
    socket: Socket,
    to: SocketAddr,
}

/// All sockets of all sessions.
pub(super) struct Sockets {
    doors: BTreeMap<Door, Socket>,
    exits: BTreeMap<Key, Exit>,
    inbox: Inbox,
    rng: fastrand::Rng,
    /// Packets that the kernel did not take.
    pub(super) unsent: u64,
}

impl Sockets {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            doors: BTreeMap::new(),
            exits: BTreeMap::new(),
            inbox: Inbox::new(),
            rng: fastrand::Rng::with_seed(seed),
            unsent: 0,
        }
    }

    /// Opens what a session needs; nothing happens if it is open.
    pub(super) fn open(&mut self, key: &Key) -> Result<(), OsError> {
        let exit = match self.exits.remove(key) {
            Some(open) => open,
            None => self.open_exit(key)?,
        };
        self.exits.insert(key.clone(), exit);
        let door = Door::of(key);
        let socket = match self.doors.remove(&door) {
            Some(open) => open,
            None => open_door(&door)?,
        };
        self.doors.insert(door, socket);
        Ok(())
    }

    /// Closes what only this session needed.
    pub(super) fn close(&mut self, key: &Key) {
        self.exits.remove(key);
        let door = Door::of(key);
        if !self.exits.keys().any(|other| Door::of(other) == door) {
            self.doors.remove(&door);
        }
    }

    /// The descriptors to wait for.
    pub(super) fn watched(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.doors.values().map(AsFd::as_fd)
    }

    /// Sends a packet. What the kernel does not take is lost, as in the network.
    pub(super) fn send(&mut self, key: &Key, packet: &[u8]) {
        let Some(exit) = self.exits.get(key) else { return };
        if exit.socket.send_to(packet, &exit.to.into()).is_err() {
            self.unsent += 1;
        }
    }

    /// Takes everything that has arrived.
    pub(super) fn receive(&mut self, mut each: impl FnMut(&Arrival<Key>, &[u8])) {
        for (door, socket) in &self.doors {
            for _ in 0..BATCH {
                let message = match self.inbox.receive(socket.as_fd()) {
                    Ok(message) => message,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An error of an earlier packet's way, told here.
                    Err(_) => continue,
                };
                let Some(from) = message.from else { continue };
                let key = Key {
                    local: door.local,
                    remote: from.ip(),
                    interface: door.interface.clone(),
                    multihop: door.multihop,
                };
                let arrival = Arrival { key, multihop: door.multihop, ttl: message.details.ttl };
                each(&arrival, message.bytes);
            }
        }
    }

    /// A socket with a source port of its own (RFC 5881 section 4).
    fn open_exit(&mut self, key: &Key) -> Result<Exit, OsError> {
        let port = if key.multihop { MULTIHOP_PORT } else { PORT };
        let to = scoped(key.remote, port, key.interface.as_deref())?;
        let doing = |error| OsError::new(format!("send BFD packets from {}", key.local), error);
        let socket = open(key.local, key.interface.as_deref())?;
        if key.local.is_ipv4() {
            socket.set_ttl_v4(u32::from(TTL)).map_err(doing)?;
            socket.set_tos_v4(NETWORK_CONTROL).map_err(doing)?;
        } else {
            socket.set_unicast_hops_v6(u32::from(TTL)).map_err(doing)?;
            socket.set_tclass_v6(NETWORK_CONTROL).map_err(doing)?;
        }
        for left in (0..PORTS_TRIED).rev() {
            let from = self.rng.u16(SOURCE_PORT_MIN..);
            let from = scoped(key.local, from, key.interface.as_deref())?;
            match socket.bind(&from.into()) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && left > 0 => {}
                Err(error) => return Err(doing(error)),
            }
        }
        Ok(Exit { socket, to })
    }
}

fn open_door(door: &Door) -> Result<Socket, OsError> {
    let port = if door.multihop { MULTIHOP_PORT } else { PORT };
    let at = scoped(door.local, port, door.interface.as_deref())?;
    let socket = open(door.local, door.interface.as_deref())?;
    receive_details(&socket, Domain::for_address(at))?;
    let doing = |error| OsError::new(format!("receive BFD packets at {at}"), error);
    let remedy = "another BFD daemon has the port: stop it, or let it have this session";
    socket.bind(&at.into()).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => doing(error).with_remedy(remedy),
        _ => doing(error),
    })?;
    Ok(socket)
}

/// A socket that may be bound to an address which comes later.
fn open(local: IpAddr, interface: Option<&str>) -> Result<Socket, OsError> {
    let doing = |error| OsError::new(format!("open a BFD socket for {local}"), error);
    let domain = if local.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).map_err(doing)?;
    socket.set_nonblocking(true).map_err(doing)?;
    if local.is_ipv4() {
        socket.set_freebind_v4(true).map_err(doing)?;
    } else {
        socket.set_freebind_v6(true).map_err(doing)?;
        socket.set_only_v6(true).map_err(doing)?;
    }
    if let Some(interface) = interface {
        let bound = socket.bind_device(Some(interface.as_bytes()));
        let doing = |error| OsError::new(format!("pin a BFD socket to {interface}"), error);
        bound.map_err(doing)?;
    }
    Ok(socket)
}

/// The address with the interface's number where it means nothing without.
fn scoped(ip: IpAddr, port: u16, interface: Option<&str>) -> Result<SocketAddr, OsError> {
    match (ip, interface) {
        (IpAddr::V6(v6), Some(interface)) if v6.is_unicast_link_local() => {
            let index = nix::net::if_::if_nametoindex(interface);
            let doing = |error: nix::Error| {
                OsError::new(format!("find the interface {interface}"), error.into())
            };
            Ok(SocketAddrV6::new(v6, port, 0, index.map_err(doing)?).into())
        }
        _ => Ok(SocketAddr::new(ip, port)),
    }
}
