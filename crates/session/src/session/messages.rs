//! From messages to events (RFC 4271 sections 4 and 6).

use alloc::boxed::Box;

use pathvane_clock::Instant;
use pathvane_wire::{
    Frame, Kind, MAX_LEN, Notification, Open, RefreshSubtype, RouteRefresh, code, open_error,
};

use super::{Session, Which};
use crate::action::Sink;
use crate::fsm::{Event, Fsm};
use crate::link::ConnId;
use crate::negotiate::{Negotiated, negotiate};
use crate::stats::FsmState;

impl Session {
    /// The longest message that may arrive at `which` now (RFC 8654).
    pub(super) fn max_len(&self, which: Which) -> usize {
        let terms = self.machine(which).and_then(Fsm::negotiated);
        terms.map_or(MAX_LEN, |terms| terms.max_len_in)
    }

    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        (conn, which): (ConnId, Which),
        message: Frame<'_>,
        sink: &mut impl Sink,
    ) {
        let received = &mut self.peering.stats.received;
        match message.kind {
            Kind::Open => {
                received.open += 1;
                self.handle_open(now, conn, which, message.body);
            }
            Kind::Update => {
                received.update += 1;
                self.handle_update(now, which, message.body, sink);
            }
            Kind::Notification => {
                received.notification += 1;
                self.step(now, which, notification_event(message.body));
            }
            Kind::Keepalive => {
                received.keepalive += 1;
                self.handle_keepalive(now, which);
            }
            Kind::RouteRefresh => {
                received.route_refresh += 1;
                self.handle_route_refresh(now, which, message.body, sink);
            }
        }
    }

    fn handle_open(&mut self, now: Instant, conn: ConnId, which: Which, body: &[u8]) {
        let checked = Open::decode(body).and_then(|open| negotiate(&self.peering.config, &open));
        let terms = match checked {
            Ok(terms) => terms,
            Err(notification) => {
                return self.step(now, which, Event::BgpOpenMsgErr(notification));
            }
        };
        let second_open = self.machine(which).map(Fsm::state) > Some(FsmState::OpenSent);
        if !second_open {
            self.resolve_collision(now, which, &terms);
        }
        let Some(which) = self.machine_of(conn) else { return };
        let event = match self.machine(which).map(Fsm::state) {
            Some(FsmState::Connect | FsmState::Active) => Event::BgpOpenWithDelayOpenTimer,
            _ => Event::BgpOpen,
        };
        self.step(now, which, event(Box::new(terms)));
    }

    /// The hot path: in Established no state moves unless something is wrong.
    fn handle_update(&mut self, now: Instant, which: Which, body: &[u8], sink: &mut impl Sink) {
        let taken = self.machine_mut(which).and_then(|fsm| fsm.update(now, body, sink));
        let event = match taken {
            Some(Ok(())) => return,
            Some(Err(notification)) => {
                self.peering.stats.session_resets += 1;
                Event::UpdateMsgErr(notification)
            }
            None => Event::UpdateMsg,
        };
        self.step(now, which, event);
    }

    /// Passes on what we offered to understand; anything else is ignored (RFC 2918 section 4,
    /// RFC 7313 section 5).
    fn handle_route_refresh(
        &mut self,
        now: Instant,
        which: Which,
        body: &[u8],
        sink: &mut impl Sink,
    ) {
        // A second connection has no say in what the first one has agreed on.
        let session = self.established().filter(|(conn, _)| self.machine_of(*conn) == Some(which));
        let event = match (session, RouteRefresh::decode(body)) {
            (Some((_, terms)), Ok(refresh)) => {
                if understands(terms, &refresh) {
                    sink.route_refresh(refresh);
                }
                return;
            }
            (Some(_), Err(notification)) => Event::UpdateMsgErr(notification),
            (None, _) => Event::RouteRefreshMsg,
        };
        self.step(now, which, event);
    }
}

fn understands(terms: &Negotiated, refresh: &RouteRefresh) -> bool {
    let offered = match refresh.subtype {
        RefreshSubtype::Request => terms.refresh,
        RefreshSubtype::Begin | RefreshSubtype::End => terms.enhanced_refresh,
        RefreshSubtype::Unknown(_) => false,
    };
    offered && terms.families.contains(refresh.family)
}

fn notification_event(body: &[u8]) -> Event {
    // Too short to say anything, it ends the session all the same.
    let notification = Notification::decode(body).unwrap_or(Notification::new(0, 0));
    match (notification.code, notification.subcode) {
        (code::OPEN, open_error::UNSUPPORTED_VERSION) => Event::NotifMsgVerErr(notification),
        _ => Event::NotifMsg(notification),
    }
}
