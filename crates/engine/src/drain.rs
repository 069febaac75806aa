//! Leaving without cutting a call: raise MED, wait, withdraw, CEASE, close (law 10).

use alloc::string::String;
use core::time::Duration;

use pathvane_clock::Instant;
use pathvane_session::Farewell;
use pathvane_wire::{Notification, cease};

use crate::engine::{Alarm, Engine};
use crate::event::EventKind;
use crate::io::Output;
use crate::peer::Peer;
use crate::policies::peer_config;

/// How long the last UPDATEs may take to be acknowledged, and the last NOTIFICATIONs to be sent.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where a speaker stands in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    /// It steers.
    Running,
    /// Every prefix is announced as a last resort, so that traffic leaves.
    Raised,
    /// Every prefix is withdrawn.
    Withdrawn,
    /// Sessions are being closed.
    Closing,
    /// The process may exit.
    Done,
}

impl Life {
    /// Whether verdicts move traffic.
    pub(crate) fn steers(self) -> bool {
        self == Self::Running
    }

    /// Whether every prefix is to look like a last resort.
    pub(crate) fn raises(self) -> bool {
        self == Self::Raised
    }

    /// Whether every prefix is to be withdrawn.
    pub(crate) fn withdraws(self) -> bool {
        matches!(self, Self::Withdrawn | Self::Closing | Self::Done)
    }
}

/// A Cease with the operator's words, if there are any (RFC 9003).
pub(crate) fn said(subcode: u8, text: &str) -> Notification {
    match (text, subcode) {
        ("", _) => Notification::cease(subcode),
        (text, cease::ADMINISTRATIVE_SHUTDOWN) => Notification::administrative_shutdown(text),
        (text, _) => Notification::administrative_reset(text),
    }
}

impl Engine {
    /// Begins to leave; nothing happens if it has begun.
    pub(crate) fn drain(&mut self, now: Instant, text: String) {
        if self.life == Life::Running {
            self.last_words = text;
            self.end_deferral();
            self.mark_graceful_shutdown();
            self.enter(now, Life::Raised, self.config.timing.drain_wait, "MED raised");
        }
    }

    /// Marks everything that peers are told, not only what is steered (RFC 8326 section 4.1).
    fn mark_graceful_shutdown(&mut self) {
        for peer in self.config.peer_ids() {
            self.rib.set_policy(peer, peer_config(&self.config, peer, true));
        }
        self.busy = true;
    }

    /// The next step is due.
    pub(crate) fn drain_step(&mut self, now: Instant) {
        match self.life {
            Life::Raised => self.enter(now, Life::Withdrawn, LAST_WORDS, "prefixes withdrawn"),
            Life::Withdrawn => {
                self.enter(now, Life::Closing, LAST_WORDS, "sessions closed");
                let text = core::mem::take(&mut self.last_words);
                for peer in self.config.peer_ids() {
                    let farewell = Farewell::Notify(said(cease::ADMINISTRATIVE_SHUTDOWN, &text));
                    self.with_session(now, peer, |session| session.handle_stop(now, farewell));
                }
            }
            Life::Closing => self.drained(),
            Life::Running | Life::Done => {}
        }
    }

    /// Goes on before the alarm when there is nothing left to wait for.
    pub(crate) fn hurry_drain(&mut self, now: Instant) {
        if self.life == Life::Withdrawn && !self.peers.iter().any(|p| p.delivery.unconfirmed()) {
            self.drain_step(now);
        }
        if self.life == Life::Closing && !self.peers.iter().any(Peer::connected) {
            self.drain_step(now);
        }
    }

    fn enter(&mut self, now: Instant, life: Life, wait: Duration, step: &'static str) {
        self.life = life;
        self.alarms.set(Alarm::Drain, Some(now + wait));
        self.record.event(now, EventKind::Drain(step));
        self.dirty = true;
    }

    fn drained(&mut self) {
        self.life = Life::Done;
        self.alarms.set(Alarm::Drain, None);
        self.record.ask(Output::Drained);
    }
}
