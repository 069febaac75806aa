//! All sessions of a process: who a packet is for, what is due, what changed.

use alloc::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use pathvane_clock::{Alarms, Instant};

use super::TTL;
use super::packet::{LEN, Packet, Refused, State};
use super::session::{Config, Session, Status};

/// How a packet came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<K> {
    /// Whom a packet that names no discriminator would be for: the addresses and the interface.
    pub key: K,
    /// It came to the port of multihop sessions.
    pub multihop: bool,
    /// The TTL or hop limit that was left, if the socket told.
    pub ttl: Option<u8>,
}

/// What of a session is told when it changes: not counters.
fn shown(session: &Session) -> Status {
    Status { sent: 0, received: 0, ..session.status() }
}

/// Sessions by `K`, which stands for addresses and interface.
///
/// Feed it with [`Table::handle_packet`] and [`Table::handle_timeout`], then drain
/// [`Table::poll_transmit`] and [`Table::poll_change`]; wake at [`Table::poll_timeout`].
/// Packets that have arrived must be told before time is.
#[derive(Clone, Debug)]
pub struct Table<K> {
    rng: Rng,
    by_discriminator: BTreeMap<u32, (K, Session)>,
    by_key: BTreeMap<K, u32>,
    alarms: Alarms<u32>,
    /// Sessions that may have something to send.
    ready: BTreeSet<u32>,
    /// Sessions of which something changed that is told.
    changed: BTreeSet<u32>,
    refused: BTreeMap<Refused, u64>,
}

impl<K: Ord + Clone> Table<K> {
    /// No sessions; `seed` decides discriminators and jitter.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            by_discriminator: BTreeMap::new(),
            by_key: BTreeMap::new(),
            alarms: Alarms::default(),
            ready: BTreeSet::new(),
            changed: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Begins a session, changes the settings of one that runs, or takes one back that was
    /// administratively down.
    pub fn set(&mut self, now: Instant, key: K, config: Config) {
        let discriminator = match self.by_key.get(&key) {
            Some(&known) => known,
            None => self.begin(now, key, config),
        };
        if let Some((_, session)) = self.by_discriminator.get_mut(&discriminator) {
            session.set_config(now, config);
            session.set_admin_down(now, false);
        }
        self.changed.insert(discriminator);
        self.rearm(discriminator);
    }

    fn begin(&mut self, now: Instant, key: K, config: Config) -> u32 {
        let discriminator = loop {
            let draw = self.rng.u32(1..);
            if !self.by_discriminator.contains_key(&draw) {
                break draw;
            }
        };
        let session = Session::new(now, config, discriminator, self.rng.u64(..));
        self.by_discriminator.insert(discriminator, (key.clone(), session));
        self.by_key.insert(key, discriminator);
        discriminator
    }

    /// Takes a session down administratively; it is forgotten once its peer has been told.
    pub fn take_down(&mut self, now: Instant, key: &K) {
        let Some(&discriminator) = self.by_key.get(key) else { return };
        if let Some((_, session)) = self.by_discriminator.get_mut(&discriminator) {
            session.set_admin_down(now, true);
        }
        self.changed.insert(discriminator);
        self.rearm(discriminator);
    }

    /// The sessions, in the order of their keys.
    pub fn sessions(&self) -> impl Iterator<Item = (&K, &Session)> {
        let of = |(key, discriminator)| {
            self.by_discriminator.get(discriminator).map(|(_, session)| (key, session))
        };
        self.by_key.iter().filter_map(of)
    }

    /// One session.
    pub fn get(&self, key: &K) -> Option<&Session> {
        let discriminator = self.by_key.get(key)?;
        self.by_discriminator.get(discriminator).map(|(_, session)| session)
    }

    /// How many packets were discarded, and why.
    pub fn refused(&self) -> impl Iterator<Item = (Refused, u64)> + '_ {
        self.refused.iter().map(|(why, count)| (*why, *count))
    }

    /// Takes a datagram.
    ///
    /// # Errors
    ///
    /// Why it was discarded; counted, too.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        arrival: &Arrival<K>,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        let taken = self.take_packet(now, arrival, bytes);
        if let Err(why) = taken {
            *self.refused.entry(why).or_default() += 1;
        }
        taken
    }

    fn take_packet(
        &mut self,
        now: Instant,
        arrival: &Arrival<K>,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        let packet = Packet::decode(bytes)?;
        let discriminator = match packet.yours {
            0 if matches!(packet.state, State::Init | State::Up) => {
                return Err(Refused::MissingDiscriminator);
            }
            0 => *self.by_key.get(&arrival.key).ok_or(Refused::UnknownSender)?,
            yours => yours,
        };
        let (_, session) =
            self.by_discriminator.get_mut(&discriminator).ok_or(Refused::UnknownDiscriminator)?;
        if session.config().multihop != arrival.multihop {
            return Err(Refused::WrongPort);
        }
        if !arrival.multihop && arrival.ttl != Some(TTL) {
            return Err(Refused::Ttl);
        }
        let before = shown(session);
        let taken = session.handle_packet(now, &packet);
        if shown(session) != before {
            self.changed.insert(discriminator);
        }
        self.rearm(discriminator);
        taken
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(discriminator) = self.alarms.expire(now) {
            let Some((_, session)) = self.by_discriminator.get_mut(&discriminator) else {
                continue;
            };
            let before = shown(session);
            session.handle_timeout(now);
            if shown(session) != before {
                self.changed.insert(discriminator);
            }
            self.ready.insert(discriminator);
            if session.is_over() {
                self.forget(discriminator);
            }
        }
    }

    fn forget(&mut self, discriminator: u32) {
        if let Some((key, _)) = self.by_discriminator.remove(&discriminator) {
            self.by_key.remove(&key);
        }
        self.alarms.set(discriminator, None);
        self.ready.remove(&discriminator);
        self.changed.remove(&discriminator);
    }

    /// Our own loop stood still until `now`: no peer counts as lost for that.
    pub fn handle_stall(&mut self, now: Instant) {
        let all: alloc::vec::Vec<u32> = self.by_discriminator.keys().copied().collect();
        for discriminator in all {
            if let Some((_, session)) = self.by_discriminator.get_mut(&discriminator) {
                session.handle_stall(now);
            }
            self.rearm(discriminator);
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.alarms.next()
    }

    /// The next packet to send, and by which session; call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(K, [u8; LEN])> {
        while let Some(&discriminator) = self.ready.first() {
            if let Some((key, session)) = self.by_discriminator.get_mut(&discriminator)
                && let Some(packet) = session.poll_transmit(now)
            {
                return Some((key.clone(), packet));
            }
            self.ready.remove(&discriminator);
            self.set_alarm(discriminator);
        }
        None
    }

    /// The next session of which something but counters changed; call until `None`.
    pub fn poll_change(&mut self) -> Option<(&K, &Session)> {
        let discriminator = self.changed.pop_first()?;
        self.by_discriminator.get(&discriminator).map(|(key, session)| (key, session))
    }

    /// A session was told something: it may have something to send.
    fn rearm(&mut self, discriminator: u32) {
        self.ready.insert(discriminator);
        self.set_alarm(discriminator);
    }

    fn set_alarm(&mut self, discriminator: u32) {
        let session = self.by_discriminator.get(&discriminator);
        let due = session.and_then(|(_, session)| session.poll_timeout());
        self.alarms.set(discriminator, due);
    }
}
