//! The state machine of RFC 4271 section 8.2.2: one per connection or attempt at one.
//!
//! A state owns what only it needs: the connection from the moment there is one, the
//! negotiated terms from OpenConfirm on. Timers stand in a table, so that "stops the
//! ConnectRetryTimer" reads as in the RFC and one look finds the next alarm.
//!
//! # Deviations, all of them towards robustness
//!
//! - Connect, Event 18 without DelayOpen: the RFC goes to Idle, which refuses the peer's own
//!   attempts; we listen on in Active until the ConnectRetryTimer expires.
//! - A peer with PassiveTcpEstablishment is never dialled, not even from Active by Event 9.
//! - A NOTIFICATION is never answered with a NOTIFICATION (OpenSent, Event 25).
//! - Established, Event 21 (a bad header) sends the header error of section 6.1, not an FSM error.
//! - A new connection of a peer that restarts gracefully does not end an Established session
//!   at once (RFC 4724 section 5), but when its OPEN has come: it may be a late collision.
//! - SendNOTIFICATIONwithoutOPEN is TRUE: a peer that is refused learns why.

mod active;
mod connect;
mod cx;
mod ending;
mod established;
mod event;
mod idle;
mod open_confirm;
mod open_sent;
mod timer;

#[cfg(test)]
mod tests;

use pathvane_clock::Instant;
use pathvane_wire::{Notification, UpdateView};

pub(crate) use active::Active;
pub(crate) use connect::Connect;
pub(crate) use cx::{Cx, Restart};
pub(crate) use established::Established;
pub(crate) use event::Event;
pub(crate) use idle::Idle;
pub(crate) use open_confirm::OpenConfirm;
pub(crate) use open_sent::OpenSent;
pub(crate) use timer::{FsmTimers, Timer};

use crate::action::Sink;
use crate::link::Link;
use crate::negotiate::Negotiated;
use crate::peering::Peering;
use crate::stats::FsmState;

/// A state with all it owns.
#[derive(Debug)]
pub(crate) enum State {
    Idle(Idle),
    Connect(Connect),
    Active(Active),
    OpenSent(OpenSent),
    OpenConfirm(OpenConfirm),
    Established(Established),
}

/// One state machine: a state and the timers that run in it.
#[derive(Debug)]
pub(crate) struct Fsm {
    state: State,
    timers: FsmTimers,
}

impl Fsm {
    /// A machine at rest.
    pub(crate) fn idle() -> Self {
        Self { state: State::Idle(Idle), timers: FsmTimers::default() }
    }

    /// A machine for a connection beside the session's own (section 8.2.1.3), which listens.
    pub(crate) fn listening() -> Self {
        Self { state: State::Active(Active { delayed: None }), timers: FsmTimers::default() }
    }

    /// A machine for a connection beside an Established session: it sends nothing before the
    /// peer's OPEN has come, as with DelayOpen, and waits for that as long as OpenSent would.
    pub(crate) fn tracking(now: Instant, link: Link) -> Self {
        let mut fsm = Self::listening();
        fsm.state = State::Active(Active { delayed: Some(link) });
        fsm.timers.set(Timer::Hold, now + cx::LARGE_HOLD_TIME);
        fsm
    }

    /// Whether the machine is as [`Self::tracking`] made it.
    pub(crate) fn tracks(&self) -> bool {
        let delayed = matches!(&self.state, State::Active(Active { delayed: Some(_) }));
        delayed && self.timers.get(Timer::DelayOpen).is_none()
    }

    /// Answers one event.
    pub(crate) fn step(&mut self, now: Instant, peering: &mut Peering, event: Event) {
        let state = core::mem::replace(&mut self.state, State::Idle(Idle));
        let mut cx = Cx { now, peering, timers: &mut self.timers };
        self.state = match state {
            State::Idle(state) => state.on(event, &mut cx),
            State::Connect(state) => state.on(event, &mut cx),
            State::Active(state) => state.on(event, &mut cx),
            State::OpenSent(state) => state.on(event, &mut cx),
            State::OpenConfirm(state) => state.on(event, &mut cx),
            State::Established(state) => state.on(event, &mut cx),
        };
    }

    /// The event of the earliest timer that is due at `now`; call until `None`.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Event> {
        self.timers.expire(now).map(Timer::event)
    }

    /// When the next timer is due.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The RFC's name of the state.
    pub(crate) fn state(&self) -> FsmState {
        match self.state {
            State::Idle(_) => FsmState::Idle,
            State::Connect(_) => FsmState::Connect,
            State::Active(_) => FsmState::Active,
            State::OpenSent(_) => FsmState::OpenSent,
            State::OpenConfirm(_) => FsmState::OpenConfirm,
            State::Established(_) => FsmState::Established,
        }
    }

    /// The machine's connection, if it has one.
    pub(crate) fn link(&self) -> Option<&Link> {
        match &self.state {
            State::Idle(_) => None,
            State::Connect(state) => state.delayed.as_ref(),
            State::Active(state) => state.delayed.as_ref(),
            State::OpenSent(state) => Some(&state.link),
            State::OpenConfirm(state) => Some(&state.link),
            State::Established(state) => Some(&state.link),
        }
    }

    /// The machine's connection, if it has one.
    pub(crate) fn link_mut(&mut self) -> Option<&mut Link> {
        match &mut self.state {
            State::Idle(_) => None,
            State::Connect(state) => state.delayed.as_mut(),
            State::Active(state) => state.delayed.as_mut(),
            State::OpenSent(state) => Some(&mut state.link),
            State::OpenConfirm(state) => Some(&mut state.link),
            State::Established(state) => Some(&mut state.link),
        }
    }

    /// The terms agreed on, from OpenConfirm on.
    pub(crate) fn negotiated(&self) -> Option<&Negotiated> {
        match &self.state {
            State::OpenConfirm(state) => Some(&state.negotiated),
            State::Established(state) => Some(&state.negotiated),
            _ => None,
        }
    }

    /// Notes in OpenConfirm that the peer confirmed; `false` if that was noted before.
    pub(crate) fn note_confirmed(&mut self) -> bool {
        match &mut self.state {
            State::OpenConfirm(state) => !core::mem::replace(&mut state.confirmed, true),
            _ => false,
        }
    }

    /// Whether the machine is in OpenConfirm although the peer did confirm.
    pub(crate) fn confirmed(&self) -> bool {
        matches!(&self.state, State::OpenConfirm(state) if state.confirmed)
    }

    /// Takes an UPDATE if Established, without moving the state (Event 27); what is wrong
    /// with it, if anything, is for [`Self::step`].
    pub(crate) fn update(
        &mut self,
        now: Instant,
        body: &[u8],
        sink: &mut impl Sink,
    ) -> Option<Result<(), Notification>> {
        let State::Established(Established { negotiated, .. }) = &self.state else { return None };
        let context = &negotiated.decode;
        let taken = UpdateView::parse(body, context).and_then(|view| sink.update(&view, context));
        cx::restart_hold(&mut self.timers, now, negotiated);
        Some(taken)
    }

    /// Takes note of messages that the caller sent: they spare a KEEPALIVE (section 4.4).
    pub(crate) fn sent(&mut self, now: Instant, peering: &mut Peering) {
        if let State::Established(Established { negotiated, .. }) = &self.state {
            Cx { now, peering, timers: &mut self.timers }.restart_keepalive(negotiated);
        }
    }

    /// Starts the SendHoldTimer if the peer takes nothing and it does not run yet, or stops
    /// it when the peer does (RFC 9687).
    pub(crate) fn send_hold(&mut self, until: Option<Instant>) {
        match until {
            Some(at) if self.timers.get(Timer::SendHold).is_none() => {
                self.timers.set(Timer::SendHold, at);
            }
            Some(_) => {}
            None => self.timers.stop(Timer::SendHold),
        }
    }
}
