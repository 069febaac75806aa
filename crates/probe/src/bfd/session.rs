//! One session: the state machine of RFC 5880 section 6.8.
//!
//! Variables carry the RFC's names without their `bfd.` prefix where it has one. We take the
//! active role, in asynchronous mode.

use core::time::Duration;

use fastrand::Rng;
use pathvane_clock::Instant;

use super::packet::{Diagnostic, LEN, Packet, Refused, State};

/// The least interval we offer to send at unless Up (section 6.8.3), in microseconds.
const SLOW_US: u32 = 1_000_000;
/// Deadlines in a row that are put off because our own loop stood still.
const HOLDS_MAX: u8 = 3;

/// What a session is told to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// DesiredMinTxInterval while Up, and RequiredMinRxInterval always; 1 us to 4294 s.
    pub interval: Duration,
    /// DetectMult: as many packets of ours may be missed, less one; 1 to 255.
    pub multiplier: u8,
    /// Over several hops (RFC 5883): any TTL is taken.
    pub multihop: bool,
}

impl Config {
    fn interval_us(&self) -> u32 {
        u32::try_from(self.interval.as_micros()).unwrap_or(u32::MAX).max(1)
    }
}

/// What a session says about the path, to its clients (RFC 5882 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Liveness {
    /// Nothing: it never was up, or an operator took it down at either end.
    #[default]
    Off,
    /// Both directions work.
    Up,
    /// It was up and failed.
    Down,
}

/// What there is to know about a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// What clients are told.
    pub liveness: Liveness,
    /// SessionState.
    pub state: State,
    /// LocalDiag.
    pub diag: Diagnostic,
    /// RemoteSessionState; Down until the peer is heard.
    pub remote_state: State,
    /// The Diagnostic that the peer sent last.
    pub remote_diag: Diagnostic,
    /// The C bit in both directions: a failure is none of a control plane that restarts
    /// (RFC 5882 section 4.3).
    pub independent: bool,
    /// LocalDiscr.
    pub discriminator: u32,
    /// RemoteDiscr; zero if unknown.
    pub remote_discriminator: u32,
    /// How often we send, before jitter; zero: not at all.
    pub transmit: Duration,
    /// After how long a silence the session is down; zero until the peer is heard.
    pub detection: Duration,
    /// When the state was entered.
    pub since: Instant,
    /// Control packets sent.
    pub sent: u64,
    /// Control packets received and not discarded.
    pub received: u64,
    /// Failures: changes from Up to Down other than by an operator.
    pub failures: u64,
}

/// What the peer said last.
#[derive(Clone, Copy, Debug)]
struct Remote {
    discriminator: u32,
    state: State,
    diag: Diagnostic,
    min_rx_us: u32,
    desired_tx_us: u32,
    multiplier: u8,
    demand: bool,
    independent: bool,
}

impl Remote {
    /// Before the peer is heard (section 6.8.1).
    const UNKNOWN: Self = Self {
        discriminator: 0,
        state: State::Down,
        diag: Diagnostic::NONE,
        min_rx_us: 1,
        desired_tx_us: 0,
        multiplier: 0,
        demand: false,
        independent: false,
    };
}

/// A Poll Sequence (section 6.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Poll {
    Idle,
    /// P is set until F is received.
    Running,
    /// Something changed again since: another one follows.
    Again,
}

/// One BFD session.
#[derive(Clone, Debug)]
pub struct Session {
    config: Config,
    rng: Rng,
    discriminator: u32,
    remote: Remote,
    state: State,
    since: Instant,
    diag: Diagnostic,
    failed: bool,
    /// DesiredMinTxInterval as told, and as in force (section 6.8.3).
    tx_told_us: u32,
    tx_us: u32,
    /// RequiredMinRxInterval as told, and as in force.
    rx_told_us: u32,
    rx_us: u32,
    poll: Poll,
    /// A packet with P waits for its answer.
    asked: bool,
    last_sent: Option<Instant>,
    /// When the next periodic packet is due, and the interval that this follows from.
    due: Option<Instant>,
    spacing: Option<Duration>,
    /// When the peer counts as lost.
    deadline: Option<Instant>,
    /// When the end of an AdminDown session has been told for long enough.
    quiet_at: Option<Instant>,
    holds: u8,
    sent: u64,
    received: u64,
    failures: u64,
}

impl Session {
    /// A session in state Down that begins to send at once. `discriminator` is not zero and
    /// nobody else's here; `seed` decides the jitter.
    pub fn new(now: Instant, config: Config, discriminator: u32, seed: u64) -> Self {
        let (slow, rx) = (config.interval_us().max(SLOW_US), config.interval_us());
        Self {
            config,
            rng: Rng::with_seed(seed),
            discriminator,
            remote: Remote::UNKNOWN,
            state: State::Down,
            since: now,
            diag: Diagnostic::NONE,
            failed: false,
            tx_told_us: slow,
            tx_us: slow,
            rx_told_us: rx,
            rx_us: rx,
            poll: Poll::Idle,
            asked: false,
            last_sent: None,
            due: Some(now),
            spacing: None,
            deadline: None,
            quiet_at: None,
            holds: 0,
            sent: 0,
            received: 0,
            failures: 0,
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What there is to know.
    pub fn status(&self) -> Status {
        Status {
            liveness: self.liveness(),
            state: self.state,
            diag: self.diag,
            remote_state: self.remote.state,
            remote_diag: self.remote.diag,
            independent: self.remote.independent,
            discriminator: self.discriminator,
            remote_discriminator: self.remote.discriminator,
            transmit: self.transmit_interval().unwrap_or_default(),
            detection: self.detection_time(),
            since: self.since,
            sent: self.sent,
            received: self.received,
            failures: self.failures,
        }
    }

    /// What clients are told.
    pub fn liveness(&self) -> Liveness {
        match self.state {
            State::Up => Liveness::Up,
            _ if self.failed => Liveness::Down,
            _ => Liveness::Off,
        }
    }

    /// Whether an AdminDown session has told its end for long enough to be forgotten.
    pub fn is_over(&self) -> bool {
        self.state == State::AdminDown && self.quiet_at.is_none()
    }

    /// Changes the settings; the peer is asked to agree by a Poll Sequence (section 6.8.3).
    pub fn set_config(&mut self, now: Instant, config: Config) {
        self.config = config;
        self.retime(now);
    }

    /// Takes the session down at the operator's wish, or gives it back (section 6.8.16).
    ///
    /// The peer is told for a detection time, then nothing more is sent.
    pub fn set_admin_down(&mut self, now: Instant, down: bool) {
        match (down, self.state) {
            (true, State::AdminDown) => {}
            (true, _) => {
                self.failed = false;
                let slow = Duration::from_micros(u64::from(self.config.interval_us().max(SLOW_US)));
                self.quiet_at = Some(now + slow * u32::from(self.config.multiplier));
                self.enter(now, State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN);
            }
            (false, State::AdminDown) => {
                self.quiet_at = None;
                self.enter(now, State::Down, Diagnostic::NONE);
            }
            (false, _) => {}
        }
    }

    /// Takes a packet that was found to be for this session (section 6.8.6, from the
    /// authentication check on).
    ///
    /// # Errors
    ///
    /// If the packet is to be discarded.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet) -> Result<(), Refused> {
        if packet.authentication {
            return Err(Refused::Authentication);
        }
        self.remote = Remote {
            discriminator: packet.mine,
            state: packet.state,
            diag: packet.diag,
            min_rx_us: packet.required_min_rx_us,
            desired_tx_us: packet.desired_min_tx_us,
            multiplier: packet.multiplier,
            demand: packet.demand,
            independent: packet.independent,
        };
        if packet.answer {
            self.end_poll();
        }
        if self.state == State::AdminDown {
            return Err(Refused::AdminDown);
        }
        self.received += 1;
        self.holds = 0;
        self.advance(now, packet.state);
        self.deadline = Some(now + self.detection_time());
        self.asked |= packet.poll;
        self.reschedule(now);
        Ok(())
    }

    /// Fires what is due: the loss of the peer.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.quiet_at = self.quiet_at.filter(|&at| at > now);
        if self.deadline.is_none_or(|at| at > now) {
            return;
        }
        self.deadline = None;
        self.remote = Remote { independent: self.remote.independent, ..Remote::UNKNOWN };
        if matches!(self.state, State::Init | State::Up) {
            self.failed |= self.state == State::Up;
            self.enter(now, State::Down, Diagnostic::DETECTION_TIME_EXPIRED);
        }
        self.reschedule(now);
    }

    /// Our own loop stood still until `now`: the peer gets the time for one more packet, since
    /// what it sent may still be on its way to us. Not more than three times in a row, so that
    /// a machine that is always late does notice in the end.
    pub fn handle_stall(&mut self, now: Instant) {
        let Some(deadline) = self.deadline.filter(|_| self.holds < HOLDS_MAX) else { return };
        let one = self.detection_time() / u32::from(self.remote.multiplier.max(1));
        if deadline < now + one {
            self.holds += 1;
            self.deadline = Some(now + one);
        }
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_transmit`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let answer = self.asked.then_some(Instant::ZERO);
        [answer, self.due, self.deadline, self.quiet_at].into_iter().flatten().min()
    }

    /// The packet to send at `now`, if one is due; call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<[u8; LEN]> {
        if core::mem::take(&mut self.asked) {
            self.sent += 1;
            return Some(self.packet(true).encode());
        }
        self.due.filter(|&due| due <= now)?;
        self.last_sent = Some(now);
        self.sent += 1;
        let packet = self.packet(false);
        self.due = self.next_due(now);
        Some(packet.encode())
    }

    /// The packet of now (section 6.8.7); P and F are never set together.
    fn packet(&self, answer: bool) -> Packet {
        Packet {
            diag: self.diag,
            state: self.state,
            poll: !answer && self.poll != Poll::Idle,
            answer,
            independent: true,
            authentication: false,
            demand: false,
            multiplier: self.config.multiplier,
            mine: self.discriminator,
            yours: self.remote.discriminator,
            desired_min_tx_us: self.tx_told_us,
            required_min_rx_us: self.rx_told_us,
            required_min_echo_rx_us: 0,
        }
    }

    /// The state machine of section 6.8.6, for a packet with the peer's state `heard`.
    fn advance(&mut self, now: Instant, heard: State) {
        let next = match (self.state, heard) {
            (State::AdminDown, _) => return,
            (State::Down, State::Down) => State::Init,
            (State::Down, State::Init) => State::Up,
            (State::Init, State::Init | State::Up) => State::Up,
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => State::Down,
            (state, _) => state,
        };
        if heard == State::AdminDown {
            // No failure: an operator's wish (RFC 5882 section 4.2).
            self.failed = false;
        } else {
            self.failed |= self.state == State::Up && next == State::Down;
        }
        if next == State::Down && self.state != State::Down {
            self.enter(now, State::Down, Diagnostic::NEIGHBOR_SIGNALED_DOWN);
        } else if next != self.state {
            // The diagnostic of the last failure stays until the session is Up again.
            let diag = if next == State::Up { Diagnostic::NONE } else { self.diag };
            self.enter(now, next, diag);
        }
    }

    /// Changes state; the peer learns of it at once (section 6.8.7).
    fn enter(&mut self, now: Instant, state: State, diag: Diagnostic) {
        self.failures += u64::from(self.state == State::Up && self.failed);
        self.failed &= state != State::Up;
        self.state = state;
        self.since = now;
        self.diag = diag;
        self.retime(now);
        if self.transmit_interval().is_some() {
            self.due = Some(now);
        }
    }

    /// Offers the intervals that fit state and settings (section 6.8.3).
    fn retime(&mut self, now: Instant) {
        let is_up = self.state == State::Up;
        let rx = self.config.interval_us();
        let tx = if is_up { rx } else { rx.max(SLOW_US) };
        if (tx, rx) != (self.tx_told_us, self.rx_told_us) {
            (self.tx_told_us, self.rx_told_us) = (tx, rx);
            self.poll = if self.poll == Poll::Idle { Poll::Running } else { Poll::Again };
        }
        // While Up, sending less and expecting more wait for the end of the poll.
        if !is_up || tx < self.tx_us {
            self.tx_us = tx;
        }
        if !is_up || rx > self.rx_us {
            self.rx_us = rx;
        }
        self.reschedule(now);
    }

    /// F was received: the terms that it answers hold.
    fn end_poll(&mut self) {
        match self.poll {
            Poll::Idle => {}
            Poll::Running => {
                self.poll = Poll::Idle;
                (self.tx_us, self.rx_us) = (self.tx_told_us, self.rx_told_us);
            }
            Poll::Again => self.poll = Poll::Running,
        }
    }

    /// How often to send, before jitter (section 6.8.7); `None`: not periodically.
    fn transmit_interval(&self) -> Option<Duration> {
        let both_up = self.state == State::Up && self.remote.state == State::Up;
        let spared = self.remote.demand && both_up && self.poll == Poll::Idle;
        let over = self.is_over();
        let wanted = self.remote.min_rx_us != 0 && !spared && !over;
        let micros = u64::from(self.tx_us.max(self.remote.min_rx_us));
        wanted.then_some(Duration::from_micros(micros))
    }

    /// Moves the next periodic packet where a changed interval wants it; never later than it was
    /// due, unless nothing is to be sent (section 6.8.3).
    fn reschedule(&mut self, now: Instant) {
        let spacing = self.transmit_interval();
        if core::mem::replace(&mut self.spacing, spacing) == spacing {
            return;
        }
        let next = self.next_due(now);
        self.due = match (self.due, next) {
            (Some(due), Some(next)) => Some(due.min(next)),
            (_, next) => next,
        };
    }

    /// When the next periodic packet is due after the last one, jittered (section 6.8.7).
    fn next_due(&mut self, now: Instant) -> Option<Instant> {
        let interval = self.transmit_interval()?;
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        let (most, least) = match self.config.multiplier {
            1 => (nanos / 10 * 9, nanos / 4 * 3),
            _ => (nanos, nanos / 4 * 3),
        };
        let wait = Duration::from_nanos(self.rng.u64(least..=most.max(least)));
        Some((self.last_sent.unwrap_or(now) + wait).max(now))
    }

    /// The detection time of section 6.8.4; zero until the peer is heard.
    fn detection_time(&self) -> Duration {
        let micros = u64::from(self.rx_us.max(self.remote.desired_tx_us));
        Duration::from_micros(micros) * u32::from(self.remote.multiplier)
    }
}
