//! What the machines of one peer share: settings, chance, counters, and the way out.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::BytesMut;
use pathvane_clock::Instant;
use pathvane_wire::{Family, Notification, RefreshSubtype, RouteRefresh, encode_keepalive};

use crate::action::Action;
use crate::config::Config;
use crate::fsm::Restart;
use crate::link::{ConnId, Link};
use crate::negotiate;
use crate::stats::Stats;

/// How long a connection that we close may take to send its last words.
const LINGER: Duration = Duration::from_secs(1);
/// How many connections may be on their way out; one more hurries the oldest.
const MAX_LEAVING: usize = 4;

/// A connection that no machine owns any more, until its NOTIFICATION is taken.
#[derive(Debug)]
struct Leaving {
    conn: ConnId,
    outbox: BytesMut,
    until: Instant,
}

/// The peer's side of things that outlives every single connection.
#[derive(Debug)]
pub(crate) struct Peering {
    pub(crate) config: Config,
    pub(crate) stats: Stats,
    rng: fastrand::Rng,
    actions: VecDeque<Action>,
    leaving: VecDeque<Leaving>,
    /// An attempt to dial is under way.
    dialling: bool,
    /// How often the idle hold time has doubled.
    oscillations: u32,
}

impl Peering {
    pub(crate) fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            stats: Stats::default(),
            rng: fastrand::Rng::with_seed(seed),
            actions: VecDeque::new(),
            leaving: VecDeque::new(),
            dialling: false,
            oscillations: 0,
        }
    }

    pub(crate) fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// The next action; a `Close` as soon as the connection's last bytes are taken.
    pub(crate) fn pop(&mut self) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        let drained = self.leaving.iter().position(|leaving| leaving.outbox.is_empty())?;
        self.leaving.remove(drained).map(|leaving| Action::Close { conn: leaving.conn })
    }

    pub(crate) fn dial(&mut self) {
        self.dialling = true;
        self.push(Action::Connect);
    }

    pub(crate) fn cancel_dial(&mut self) {
        if core::mem::take(&mut self.dialling) {
            self.push(Action::CancelConnect);
        }
    }

    /// Takes note that dialling ended; tells whether it was still wanted.
    pub(crate) fn dialled(&mut self) -> bool {
        core::mem::take(&mut self.dialling)
    }

    pub(crate) fn send_open(&mut self, link: &mut Link) {
        negotiate::our_open(&self.config).encode(&mut link.outbox);
        self.stats.sent.open += 1;
    }

    /// A KEEPALIVE, unless one still waits to be taken: a peer that reads nothing must not
    /// make us hold more and more of them.
    pub(crate) fn send_keepalive(&mut self, link: &mut Link) {
        if link.keepalive_waits {
            return;
        }
        encode_keepalive(&mut link.outbox);
        link.keepalive_waits = true;
        self.stats.sent.keepalive += 1;
    }

    /// Asks for a family's routes again, unless that still waits to be taken.
    pub(crate) fn send_refresh(&mut self, link: &mut Link, family: Family) {
        if link.refresh_waits.contains(family) {
            return;
        }
        RouteRefresh { family, subtype: RefreshSubtype::Request }.encode(&mut link.outbox);
        link.refresh_waits.insert(family);
        self.stats.sent.route_refresh += 1;
    }

    pub(crate) fn send_notification(&mut self, link: &mut Link, notification: &Notification) {
        notification.encode(&mut link.outbox);
        self.stats.sent.notification += 1;
    }

    /// Closes a connection once what it has to say is taken, or after a moment anyway.
    pub(crate) fn close(&mut self, now: Instant, link: Link) {
        self.leaving.push_back(Leaving {
            conn: link.conn,
            outbox: link.outbox,
            until: now + LINGER,
        });
        if self.leaving.len() > MAX_LEAVING
            && let Some(oldest) = self.leaving.iter_mut().find(|l| !l.outbox.is_empty())
        {
            oldest.outbox.clear();
        }
    }

    /// Moves the last words of a closing connection to `out`.
    pub(crate) fn take_leaving(&mut self, conn: ConnId, out: &mut BytesMut) -> usize {
        let Some(leaving) = self.leaving.iter_mut().find(|leaving| leaving.conn == conn) else {
            return 0;
        };
        let taken = leaving.outbox.len();
        out.extend_from_slice(&leaving.outbox);
        leaving.outbox.clear();
        taken
    }

    /// The closing connections that still have something to say.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.leaving.iter().filter(|leaving| !leaving.outbox.is_empty()).map(|l| l.conn)
    }

    /// Forgets a closing connection that is already gone.
    pub(crate) fn gone(&mut self, conn: ConnId) {
        self.leaving.retain(|leaving| leaving.conn != conn);
    }

    /// When the first closing connection has lingered long enough.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.leaving.iter().filter(|l| !l.outbox.is_empty()).map(|l| l.until).min()
    }

    /// Cuts short what has lingered long enough.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for leaving in self.leaving.iter_mut().filter(|leaving| leaving.until <= now) {
            leaving.outbox.clear();
        }
    }

    /// A duration times a random factor from 0.75 to 1 (RFC 4271 section 10).
    pub(crate) fn jitter(&mut self, full: Duration) -> Duration {
        let quarter = full / 4;
        let nanos = u64::try_from(quarter.as_nanos()).unwrap_or(u64::MAX);
        full - quarter + Duration::from_nanos(self.rng.u64(0..=nanos))
    }

    /// ConnectRetryTime, jittered.
    pub(crate) fn connect_retry(&mut self) -> Duration {
        self.jitter(self.config.connect_retry.max(Duration::from_secs(1)))
    }

    /// How long to pause in Idle; `None` until the operator starts again.
    pub(crate) fn idle_hold(&mut self, restart: Restart) -> Option<Duration> {
        let hold = self.config.idle_hold;
        let pause = match restart {
            Restart::Never => {
                self.stats.connect_retry_counter = 0;
                self.oscillations = 0;
                return None;
            }
            Restart::Undamped => hold.first,
            Restart::Damped => {
                let doubled = hold.first.saturating_mul(1 << self.oscillations.min(30));
                self.oscillations += 1;
                self.stats.connect_retry_counter += 1;
                doubled.min(hold.max)
            }
        };
        Some(self.jitter(pause))
    }

    /// Counts a session that became Established; from now on we are not restarting.
    pub(crate) fn came_up(&mut self, now: Instant) {
        self.cancel_dial();
        self.stats.established += 1;
        self.stats.last_up = Some(now);
        if let Some(gr) = &mut self.config.graceful_restart {
            gr.restarting = false;
            gr.forwarding = gr.families;
        }
    }

    /// Counts the end of a session Established `since`; a long one makes up for past failures.
    pub(crate) fn went_down(&mut self, now: Instant, since: Instant) {
        self.stats.flaps += 1;
        self.stats.last_down = Some(now);
        if now.since(since) >= self.config.idle_hold.stable {
            self.oscillations = 0;
        }
    }
}
