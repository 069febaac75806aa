//! One peer: its session, its connections, and how far what it was told has come.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_rib::{PeerId, Pending, Rib};
use pathvane_score::BfdState;
use pathvane_session::{Session, Sink};
use pathvane_wire::{
    DecodeContext, Kind, Notification, Octets, RefreshSubtype, RouteRefresh, UpdateView,
};

use crate::allowance::Allowance;
use crate::config::MaxPrefixes;
use crate::delivery::Delivery;
use crate::ids::ConnId;
use crate::limits::{self, Standing};
use crate::retain::Retained;

/// One open connection of a peer.
#[derive(Clone, Copy, Debug)]
struct Conn {
    id: ConnId,
    local: SocketAddr,
    /// Bytes handed out.
    handed: u64,
    /// Bytes that were seen to have left the socket's unsent queue.
    sent: u64,
    /// What the shell was told of bytes that wait, and has not drained since.
    asked: Asked,
}

/// What the shell was told of bytes that wait.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Asked {
    Nothing,
    /// That some do.
    Some,
    /// That some do which are urgent.
    Urgent,
}

/// One peer's run-time state.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) delivery: Delivery,
    /// What BFD says of the way to it.
    pub(crate) bfd: BfdState,
    /// What is kept of the routes of a lost session.
    pub(crate) retained: Retained,
    /// Routes that it does not send again are about to go (RFC 7313).
    pub(crate) refreshing: bool,
    /// Probe sources were told before everything else.
    pub(crate) told_ahead: bool,
    /// How long the peer may keep what it is told on the session once that is lost without a word;
    /// `None`: until it hears from us again.
    pub(crate) keeps: Option<Duration>,
    /// Until when the peer may hold what we told it on the lost session.
    pub(crate) held_until: Option<Instant>,
    /// Whether it is configured; what is left of one that is not is on its way out.
    pub(crate) present: bool,
    /// It was taken out, and the shell has yet to hear so: its number still means this peer.
    pub(crate) going: bool,
    /// Where it stands with its limits of prefixes.
    pub(crate) standing: Standing,
    /// How much of what it says goes before bulk.
    pub(crate) allowance: Allowance,
    conns: Vec<Conn>,
}

impl Peer {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            delivery: Delivery::default(),
            bfd: BfdState::Off,
            retained: Retained::default(),
            refreshing: false,
            told_ahead: false,
            keeps: None,
            held_until: None,
            present: true,
            going: false,
            standing: Standing::default(),
            allowance: Allowance::default(),
            conns: Vec::new(),
        }
    }

    /// A connection opened.
    pub(crate) fn opened(&mut self, id: ConnId, local: SocketAddr) {
        self.conns.push(Conn { id, local, handed: 0, sent: 0, asked: Asked::Nothing });
    }

    /// A connection is gone or given up.
    pub(crate) fn gone(&mut self, id: ConnId) {
        self.conns.retain(|conn| conn.id != id);
    }

    /// Our end of a connection.
    pub(crate) fn local(&self, id: ConnId) -> Option<SocketAddr> {
        self.conns.iter().find(|conn| conn.id == id).map(|conn| conn.local)
    }

    /// Whether any connection is open.
    pub(crate) fn connected(&self) -> bool {
        !self.conns.is_empty()
    }

    /// How many bytes were handed out on a connection.
    pub(crate) fn handed(&self, id: ConnId) -> u64 {
        self.conns.iter().find(|conn| conn.id == id).map_or(0, |conn| conn.handed)
    }

    /// Takes how many bytes left the unsent queue. The peer is blocked while some wait and none
    /// leave (RFC 9687).
    pub(crate) fn progressed(&mut self, now: Instant, id: ConnId, sent: u64) {
        let Some(conn) = self.conns.iter_mut().find(|conn| conn.id == id) else { return };
        let moved = core::mem::replace(&mut conn.sent, sent) < sent;
        if moved || sent >= conn.handed {
            self.session.handle_writable(id);
        } else {
            self.session.handle_blocked(now, id);
        }
    }

    /// The Established connection.
    pub(crate) fn established(&self) -> Option<ConnId> {
        self.session.established().map(|(conn, _)| conn)
    }

    /// Connections with something to say of which the shell does not know yet, or not that it is
    /// urgent; it does afterwards. What the session itself has to say is urgent.
    pub(crate) fn unasked(&mut self, routes: Pending) -> impl Iterator<Item = (ConnId, bool)> {
        let established = self.established();
        let session = &self.session;
        self.conns.iter_mut().filter_map(move |conn| {
            let routes = if Some(conn.id) == established { routes } else { Pending::Nothing };
            let asks = match routes {
                Pending::Urgent => Asked::Urgent,
                _ if session.transmits().any(|talks| talks == conn.id) => Asked::Urgent,
                Pending::Bulk => Asked::Some,
                Pending::Nothing => Asked::Nothing,
            };
            let news = asks > conn.asked;
            conn.asked = conn.asked.max(asks);
            news.then_some((conn.id, asks == Asked::Urgent))
        })
    }

    /// Appends to `out` what waits for `conn`: the session's own messages, then UPDATEs up to about
    /// `limit` bytes; if `ahead` are given, about these prefixes only.
    pub(crate) fn transmit(
        &mut self,
        now: Instant,
        (id, conn): (PeerId, ConnId),
        rib: &mut Rib,
        out: &mut BytesMut,
        limit: usize,
        ahead: Option<&[IpNet]>,
    ) -> usize {
        let before = out.len();
        self.session.poll_transmit(conn, out);
        if self.established() == Some(conn) && out.len() - before < limit {
            let first = out.len();
            match ahead {
                Some(prefixes) if !core::mem::replace(&mut self.told_ahead, true) => {
                    rib.tell_ahead(id, prefixes, out);
                }
                Some(_) => {}
                None => {
                    rib.poll_transmit(id, out, limit - (first - before));
                }
            }
            let (updates, refreshes) = count_messages(&out[first..]);
            if updates + refreshes > 0 {
                self.session.handle_sent(now, updates, refreshes);
            }
        }
        let bytes = out.len() - before;
        if let Some(conn) = self.conns.iter_mut().find(|open| open.id == conn) {
            conn.handed += bytes as u64;
            conn.asked = if bytes > 0 { Asked::Some } else { Asked::Nothing };
        }
        self.delivery.handed(conn, bytes, rib.has_service_pending(id));
        bytes
    }
}

/// How many UPDATE and how many ROUTE-REFRESH messages lie back to back in `bytes` (RFC 4271 section
/// 4.1: octets 16 and 17 are the length, 18 the type).
fn count_messages(mut bytes: &[u8]) -> (u64, u64) {
    let (mut updates, mut refreshes) = (0, 0);
    while let Some(&[high, low, kind]) = bytes.get(16..19) {
        let length = usize::from(u16::from_be_bytes([high, low])).max(1);
        bytes = bytes.get(length..).unwrap_or_default();
        match kind == Kind::RouteRefresh.code() {
            true => refreshes += 1,
            false => updates += 1,
        }
    }
    (updates, refreshes)
}

/// Takes a session's UPDATEs to the routes.
pub(crate) struct Routes<'a> {
    pub(crate) rib: &'a mut Rib,
    pub(crate) peer: PeerId,
    pub(crate) limits: MaxPrefixes,
    /// The first fault that the session survived (RFC 7606), with the octets it is about.
    pub(crate) fault: Option<String>,
    /// UPDATEs with faults after that one.
    pub(crate) more_faults: u32,
}

impl Sink for Routes<'_> {
    fn update(
        &mut self,
        update: &UpdateView<'_>,
        context: &DecodeContext,
    ) -> Result<(), Notification> {
        if let Some(fault) = self.rib.update(self.peer, update, context) {
            match self.fault {
                None => self.fault = Some(format!("{fault}{}", Octets(update.offending(&fault)))),
                Some(_) => self.more_faults += 1,
            }
        }
        match limits::refusal(self.rib, self.peer, &self.limits) {
            Some(notification) => Err(notification),
            None => Ok(()),
        }
    }

    fn route_refresh(&mut self, refresh: RouteRefresh) {
        let RouteRefresh { family, subtype } = refresh;
        match subtype {
            RefreshSubtype::Request => self.rib.refresh(self.peer, family),
            RefreshSubtype::Begin => self.rib.begin_refresh(self.peer, family),
            RefreshSubtype::End => self.rib.end_refresh(self.peer, family),
            RefreshSubtype::Unknown(_) => {}
        }
    }
}
