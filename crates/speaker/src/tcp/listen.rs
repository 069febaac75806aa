//! Inbound connections, matched to configured peers.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ipnet::IpNet;
use pathvane_engine::PeerId;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

use super::near::{self, Rule};
use super::{Connection, Options};
use crate::os_error::OsError;
use crate::sys;

/// Connections that the kernel keeps for us between two turns.
const BACKLOG: i32 = 128;

/// Strangers that are turned away before everybody else has a turn.
const STRANGERS: usize = 16;

/// How long a listener that lacks descriptors or memory leaves those to others.
const REST: Duration = Duration::from_secs(1);

/// The configured peers, by address.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    peers: HashMap<IpAddr, Vec<(PeerId, Options)>>,
    /// Whom else to accept, by address.
    ranges: Vec<(IpNet, Options)>,
}

/// Who a connection belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// A peer.
    Peer(PeerId),
    /// Somebody of the range with this number, from this address.
    Range(usize, IpAddr),
}

impl Roster {
    /// Adds a peer that may connect to us.
    pub fn add(&mut self, peer: PeerId, options: Options) {
        self.peers.entry(options.peer.ip()).or_default().push((peer, options));
    }

    /// Adds a range of peers; its number counts from 0.
    pub fn add_range(&mut self, net: IpNet, options: Options) {
        self.ranges.push((net, options));
    }

    /// Replaces the ranges.
    pub fn set_ranges(&mut self, ranges: Vec<(IpNet, Options)>) {
        self.ranges = ranges;
    }

    /// Takes a peer out; what it was known by.
    pub fn remove(&mut self, peer: PeerId) -> Option<Options> {
        let listed = |list: &mut Vec<(PeerId, Options)>| {
            let at = list.iter().position(|(known, _)| *known == peer)?;
            Some(list.remove(at).1)
        };
        let removed = self.peers.values_mut().find_map(listed);
        self.peers.retain(|_, list| !list.is_empty());
        removed
    }

    /// Who a connection belongs to: among peers of one address the one with that local address,
    /// else the first that does not ask for any.
    ///
    /// Strangers are looked for in the ranges, the longest first.
    fn find(&self, local: IpAddr, remote: IpAddr) -> Option<(Who, &Options)> {
        let peers = self.peers.get(&remote).map(Vec::as_slice).unwrap_or_default();
        let with = |wanted| peers.iter().find(move |(_, options)| options.local == wanted);
        let known = with(Some(local)).or_else(|| with(None));
        let known = known.map(|(peer, options)| (Who::Peer(*peer), options));
        known.or_else(|| {
            let takes = |(_, (net, options)): &(usize, &(IpNet, Options))| {
                net.contains(&remote) && options.local.is_none_or(|ours| ours == local)
            };
            let ranges = self.ranges.iter().enumerate().filter(takes);
            let (at, (_, options)) = ranges.max_by_key(|(_, (net, _))| net.prefix_len())?;
            Some((Who::Range(at, remote), options))
        })
    }

    fn family(&self, ipv6: bool) -> impl Iterator<Item = &Options> {
        let peers = self.peers.values().flatten().map(|(_, options)| options);
        let peers = peers.chain(self.ranges.iter().map(|(_, options)| options));
        peers.filter(move |options| options.peer.is_ipv6() == ipv6)
    }

    /// What packets of a family need, in the order in which [`Self::find`] looks.
    fn rules(&self, ipv6: bool) -> Vec<Rule> {
        let known = self.peers.values().flatten().map(|(_, options)| options);
        let (here, anywhere): (Vec<_>, Vec<_>) = known.partition(|options| options.local.is_some());
        let peers = here.into_iter().chain(anywhere);
        let peers = peers.map(|options| (IpNet::from(options.peer.ip()), options));
        let mut ranges: Vec<_> = self.ranges.iter().map(|(net, options)| (*net, options)).collect();
        // Of several of one length the last counts.
        ranges.reverse();
        ranges.sort_by_key(|(net, _)| Reverse(net.prefix_len()));
        let rule = |(from, options): (IpNet, &Options)| Rule {
            from,
            to: options.local,
            least: options.hops.min_ttl(),
        };
        let all = peers.chain(ranges).map(rule);
        all.filter(|rule| rule.from.addr().is_ipv6() == ipv6).collect()
    }
}

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    unknown: u64,
    /// Until when not to accept, for want of descriptors or memory.
    rest: Option<Pin<Box<Sleep>>>,
}

impl Listener {
    /// Listens at `address`; an IPv6 one takes IPv6 connections only. The peers' MD5 keys are
    /// set first, so no unsigned connection slips in.
    pub fn bind(address: SocketAddr, roster: &Roster) -> Result<Self, OsError> {
        let failed = |error| OsError::new(format!("listen at {address}"), error);
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )
        .map_err(failed)?;
        let ipv6 = address.is_ipv6();
        if ipv6 {
            socket.set_only_v6(true).map_err(failed)?;
        }
        socket.set_reuse_address(true).map_err(failed)?;
        for (_, options) in roster.peers.values().flatten() {
            if options.peer.is_ipv6() == ipv6 {
                options.apply_password(&socket)?;
            }
        }
        for (net, options) in &roster.ranges {
            if options.peer.is_ipv6() == ipv6 {
                options.apply_password_to(&socket, Some(net.prefix_len()))?;
            }
        }
        secure_handshake(&socket, address, roster).map_err(failed)?;
        socket.bind(&address.into()).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        let socket = TcpListener::from_std(socket.into()).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, unknown: 0, rest: None })
    }

    /// Follows a change of the roster: the key of `changed` as it is now, or none, and what TTL
    /// security asks of handshakes.
    pub fn follow(&self, changed: &Options, roster: &Roster) -> Result<(), OsError> {
        let ipv6 = self.address.is_ipv6();
        if changed.peer.is_ipv6() != ipv6 {
            return Ok(());
        }
        let failed =
            |error| OsError::new(format!("change the listener at {}", self.address), error);
        let listed = roster.peers.get(&changed.peer.ip()).into_iter().flatten();
        let mut keyed = listed.map(|(_, options)| options).filter(|known| known.password.is_some());
        match keyed.next() {
            Some(options) => options.apply_password(&self.socket)?,
            None if changed.password.is_some() => changed.remove_password(&self.socket)?,
            None => {}
        }
        secure_handshake(&SockRef::from(&self.socket), self.address, roster).map_err(failed)
    }

    /// Follows a change of the roster's ranges, which were `old`: their keys, and TTL security.
    pub fn follow_ranges(&self, old: &[(IpNet, Options)], roster: &Roster) -> Result<(), OsError> {
        let ipv6 = self.address.is_ipv6();
        let failed =
            |error| OsError::new(format!("change the listener at {}", self.address), error);
        let ours = |(_, options): &&(IpNet, Options)| {
            options.peer.is_ipv6() == ipv6 && options.password.is_some()
        };
        for (net, options) in old.iter().filter(ours) {
            if !roster.ranges.iter().filter(ours).any(|(known, _)| known == net) {
                options.remove_password_of(&self.socket, Some(net.prefix_len()))?;
            }
        }
        for (net, options) in roster.ranges.iter().filter(ours) {
            options.apply_password_to(&self.socket, Some(net.prefix_len()))?;
        }
        secure_handshake(&SockRef::from(&self.socket), self.address, roster).map_err(failed)
    }

    /// Where it listens, with the real port if zero was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections dropped because no configured peer has their address.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// The next connection of a configured peer, or of one in a range, set up with its options.
    ///
    /// Others are closed and counted. An error concerns one connection, or a lack of resources,
    /// which is told once a second; the listener stays usable.
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
        roster: &Roster,
    ) -> Poll<Result<(Who, Connection), OsError>> {
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(cx));
            self.rest = None;
        }
        for _ in 0..STRANGERS {
            let failed = |error| OsError::new(format!("accept at {}", self.address), error);
            let accepted = ready!(self.socket.poll_accept(cx));
            if accepted.as_ref().is_err_and(is_shortage) {
                self.rest = Some(Box::pin(sleep(REST)));
            }
            let (stream, remote) = accepted.map_err(failed)?;
            let local = stream.local_addr().map_err(failed)?;
            match roster.find(local.ip(), remote.ip()) {
                Some((who, options)) => {
                    return Poll::Ready(open(stream, options).map(|connection| (who, connection)));
                }
                None => self.refuse(remote),
            }
        }
        // There may be more.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Counts a stranger; says so at the 1st, 2nd, 4th, 8th...
    fn refuse(&mut self, remote: SocketAddr) {
        self.unknown += 1;
        if self.unknown.is_power_of_two() {
            tracing::warn!(%remote, local = %self.address, refused = self.unknown,
                "connection from an address that is no configured peer");
        }
    }
}

/// The connection stays in the kernel's queue, and would be refused again at once.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|error| shortages.contains(&error))
}

fn open(stream: TcpStream, options: &Options) -> Result<Connection, OsError> {
    options.apply(&stream)?;
    let failed = |error| OsError::new(format!("accept from {}", options.peer), error);
    unguarded(&SockRef::from(&stream)).map_err(failed)?;
    Connection::new(stream).map_err(failed)
}

/// Prepares the listener for peers with TTL security: SYN-ACKs leave with TTL 255, and whatever comes
/// before a connection is accepted must have come from near enough for its peer. Where every peer of
/// the family is secured, strangers are held to that as well.
fn secure_handshake(socket: &Socket, address: SocketAddr, roster: &Roster) -> io::Result<()> {
    let ipv6 = address.is_ipv6();
    let limits = roster.family(ipv6).map(|options| options.hops.min_ttl());
    // Zero lets everything in.
    sys::set_min_ttl(socket.as_fd(), ipv6, limits.min().flatten().unwrap_or(0))?;
    let program = near::program(&roster.rules(ipv6));
    if program.is_empty() {
        return unguarded(socket);
    }
    match ipv6 {
        true => socket.set_unicast_hops_v6(u8::MAX.into())?,
        false => socket.set_ttl_v4(u8::MAX.into())?,
    }
    if program.len() > near::MOST {
        tracing::warn!(listener = %address, instructions = program.len(), most = near::MOST,
            "too many peers for a filter: TTL security of some begins when they are accepted");
        return unguarded(socket);
    }
    socket.attach_filter(&program)
}

/// Takes the filter off, if there is one.
fn unguarded(socket: &Socket) -> io::Result<()> {
    match socket.detach_filter() {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        outcome => outcome,
    }
}
