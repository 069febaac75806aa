//! One session of an emulated cloud router.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_session::{
    Action as SessionAction, ConnId, Direction, DownCause, DownReason, Farewell, FsmState,
    Negotiated, Session,
};
use pathvane_wire::{
    AsPath, Attrs, EncodeContext, Family, FamilySet, NextHop, Notification, Origin,
    encode_announcements, encode_end_of_rib,
};

use super::config::RouterConfig;
use super::table::{Cause, Change, Route, Table};

/// What the router asks of whoever moves its bytes.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Dial the peer, in place of any attempt under way.
    Connect,
    /// Give up dialling.
    CancelConnect,
    /// Close this connection, after what `poll_transmit` gave.
    Close {
        /// Which.
        conn: ConnId,
    },
}

/// How the router's console would show the session.
#[derive(Clone, PartialEq, Debug)]
pub enum Status {
    /// Established.
    Up,
    /// Not established, trying.
    Down(FsmState),
    /// Gone for maintenance; comes back by itself.
    Maintenance,
    /// Not established, and staying so until [`CloudRouter::handle_enable`].
    Disabled,
}

/// One session of a cloud router: give it time and bytes, drain it, and pass its
/// [`Change`]s on to the VPC.
#[derive(Debug)]
pub struct CloudRouter {
    config: RouterConfig,
    now: Instant,
    session: Session,
    table: Table,
    /// Our announcements on the Established connection.
    outbox: BytesMut,
    actions: VecDeque<Action>,
    last_down: Option<DownReason>,
    disabled: bool,
    /// When maintenance ends.
    back_at: Option<Instant>,
    /// We, not the peer, were away: its forwarding is not in doubt.
    was_away: bool,
    /// When stale routes are removed at the latest.
    stale_until: Option<Instant>,
}

/// # Getters
impl CloudRouter {
    /// A router that starts to seek its peer at `now`.
    pub fn new(config: RouterConfig, now: Instant) -> Self {
        let mut router = Self {
            session: Session::new(config.session(), config.seed),
            table: Table::new(config.asn, config.max_prefixes),
            config,
            now,
            outbox: BytesMut::new(),
            actions: VecDeque::new(),
            last_down: None,
            disabled: false,
            back_at: None,
            was_away: false,
            stale_until: None,
        };
        router.session.handle_start(now);
        router.settle();
        router
    }

    /// What the router was told to be.
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// The session's status.
    pub fn status(&self) -> Status {
        match self.session.state() {
            FsmState::Established => Status::Up,
            _ if self.disabled => Status::Disabled,
            _ if self.back_at.is_some() => Status::Maintenance,
            state => Status::Down(state),
        }
    }

    /// Why the session last ended.
    pub fn last_down(&self) -> Option<&DownReason> {
        self.last_down.as_ref()
    }

    /// The session itself, for its counters.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The routes learned, and whether each is stale.
    pub fn routes(&self) -> impl Iterator<Item = (&IpNet, &Route, bool)> {
        self.table.routes()
    }
}

/// # What happened
impl CloudRouter {
    /// A TCP connection with the peer is open.
    pub fn handle_connected(&mut self, now: Instant, conn: ConnId, direction: Direction) {
        self.act(now, |session, _| session.handle_connected(now, conn, direction));
    }

    /// Dialling came to nothing.
    pub fn handle_connect_failed(&mut self, now: Instant) {
        self.act(now, |session, _| session.handle_connect_failed(now));
    }

    /// Bytes arrived.
    pub fn handle_bytes(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        let mut rest = Some(bytes);
        while let Some(bytes) = rest {
            self.act(now, |session, table| rest = session.handle_bytes(now, conn, bytes, table));
        }
        let complete = self.table.take_complete();
        if !complete.is_empty() {
            self.forget_stale(Cause::NotRenewed, complete);
        }
        let wanted = self.table.take_refresh();
        if let Some((_, terms)) = self.session.established() {
            let context = terms.encode;
            self.announce(&context, wanted);
        }
    }

    /// The connection ended: FIN, RST or an error.
    pub fn handle_closed(&mut self, now: Instant, conn: ConnId) {
        self.act(now, |session, _| session.handle_closed(now, conn));
    }

    /// The alarm of [`Self::poll_timeout`] rang.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.act(now, |session, _| session.handle_timeout(now));
        if self.back_at.take_if(|at| *at <= now).is_some() {
            self.act(now, |session, _| session.handle_start(now));
        }
        if self.stale_until.take_if(|at| *at <= now).is_some() {
            self.forget_stale(Cause::RestartTimeOver, FamilySet::ALL);
        }
    }
}

/// # Commands
impl CloudRouter {
    /// Maintenance: the session's task moves. Closes with a FIN, is away for `away`, then
    /// comes back with the R bit set. The VPC keeps forwarding meanwhile.
    pub fn handle_maintenance(&mut self, now: Instant, away: Duration) {
        self.back_at = Some(now + away);
        self.was_away = true;
        let mut config = self.config.session();
        if let Some(gr) = &mut config.graceful_restart {
            gr.restarting = true;
        }
        self.act(now, |session, _| {
            session.handle_stop(now, Farewell::Silent);
            session.set_config(config);
        });
    }

    /// The tunnel or link beneath the session is down: its routes go at once.
    pub fn handle_link_down(&mut self, now: Instant) {
        self.act(now, |session, _| session.handle_reset(now, Farewell::Silent));
    }

    /// The operator disables the session (Cease, Administrative Shutdown).
    pub fn handle_disable(&mut self, now: Instant) {
        self.disabled = true;
        self.back_at = None;
        let goodbye = Farewell::Notify(Notification::administrative_shutdown(""));
        self.act(now, |session, _| session.handle_stop(now, goodbye));
    }

    /// The operator enables the session again, also one closed for too many prefixes.
    pub fn handle_enable(&mut self, now: Instant) {
        self.disabled = false;
        self.act(now, |session, _| session.handle_start(now));
    }
}

/// # What to do about it
impl CloudRouter {
    /// The next thing to do; drain after every `handle_*` and after [`Self::poll_transmit`].
    pub fn poll_action(&mut self) -> Option<Action> {
        self.settle();
        self.actions.pop_front()
    }

    /// Appends what waits to be sent on `conn` to `out`; returns how many bytes.
    pub fn poll_transmit(&mut self, conn: ConnId, out: &mut BytesMut) -> usize {
        let before = out.len();
        self.session.poll_transmit(conn, out);
        if self.session.established().is_some_and(|(owner, _)| owner == conn) {
            out.unsplit(self.outbox.split());
        }
        out.len() - before
    }

    /// The connections for which [`Self::poll_transmit`] has bytes.
    pub fn transmits(&self) -> impl Iterator<Item = ConnId> + '_ {
        let announcing = self.session.established().filter(|_| !self.outbox.is_empty());
        let announcing = announcing.map(|(conn, _)| conn);
        let others = self.session.transmits().filter(move |conn| Some(*conn) != announcing);
        others.chain(announcing)
    }

    /// The next change for the VPC.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.table.pop_change()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = [self.session.poll_timeout(), self.back_at, self.stale_until];
        own.into_iter().flatten().min()
    }
}

impl CloudRouter {
    fn act(&mut self, now: Instant, act: impl FnOnce(&mut Session, &mut Table)) {
        self.now = now;
        self.table.now = now;
        act(&mut self.session, &mut self.table);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match action {
                SessionAction::Connect => self.actions.push_back(Action::Connect),
                SessionAction::CancelConnect => self.actions.push_back(Action::CancelConnect),
                SessionAction::Close { conn } => self.actions.push_back(Action::Close { conn }),
                SessionAction::Up { negotiated, .. } => self.up(&negotiated),
                SessionAction::Down(reason) => self.down(reason),
                SessionAction::Failed(reason) => self.last_down = Some(reason),
            }
        }
    }

    /// Announces everything, and gives a peer that restarted the time to do so.
    fn up(&mut self, terms: &Negotiated) {
        self.announce(&terms.encode, terms.families);
        if !self.table.has_stale() {
            return;
        }
        if !std::mem::take(&mut self.was_away) {
            // RFC 4724 section 4.2: what the peer did not keep forwarding is not kept.
            let kept = terms.graceful_restart.map_or(FamilySet::EMPTY, |gr| gr.forwarding);
            self.table.remove(Cause::NotRenewed, |family, stale| stale && !kept.contains(family));
        }
        self.stale_until = Some(self.now + self.config.stale_time);
    }

    /// FIN and RST keep the peer's routes for its restart time, anything said ends them.
    fn down(&mut self, reason: DownReason) {
        self.outbox.clear();
        self.stale_until = None;
        let away = self.back_at.is_some() && reason.cause == DownCause::ClosedSilently;
        match reason.retain {
            _ if away => self.table.retain_as_stale(FamilySet::ALL),
            Some(gr) => {
                self.table.retain_as_stale(gr.families);
                self.stale_until = Some(self.now + gr.restart_time);
            }
            None => self.table.remove(Cause::SessionDown, |_, _| true),
        }
        if std::mem::take(&mut self.table.overflowed) {
            self.disabled = true;
            self.session.handle_stop(self.now, Farewell::Silent);
        }
        self.last_down = Some(reason);
    }

    fn forget_stale(&mut self, cause: Cause, families: FamilySet) {
        self.table.remove(cause, |family, stale| stale && families.contains(family));
        if !self.table.has_stale() {
            self.stale_until = None;
        }
    }

    fn announce(&mut self, context: &EncodeContext, families: FamilySet) {
        let mut messages = 0;
        for family in families.iter() {
            let Some(next_hop) = self.next_hop(family) else { continue };
            let ours = self.config.advertised.iter().filter(|a| Family::of(&a.prefix) == family);
            for advertised in ours {
                let attrs = Attrs {
                    origin: Origin::Incomplete,
                    as_path: AsPath::sequence([self.config.asn]),
                    med: Some(self.config.med(advertised)),
                    ..Attrs::default()
                };
                let mut bytes = BytesMut::new();
                attrs.encode(context, &mut bytes);
                let nlri = [(0, advertised.prefix)];
                let out = &mut self.outbox;
                let packed = encode_announcements(family, &next_hop, &bytes, nlri, context, out);
                messages += packed.map_or(0, |packed| packed.messages as u64);
            }
            encode_end_of_rib(family, &mut self.outbox);
            messages += 1;
        }
        if messages > 0 {
            self.session.handle_sent(self.now, messages, 0);
        }
    }

    fn next_hop(&self, family: Family) -> Option<NextHop> {
        let addr = match family {
            Family::IPV6_UNICAST => self.config.next_hop_v6?,
            _ => self.config.next_hop_v4,
        };
        Some(NextHop::from(addr))
    }
}
