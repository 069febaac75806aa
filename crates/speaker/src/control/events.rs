//! The record of events: a bounded ring in the slow runtime, fed by the hot loop without waiting.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use pathvane_clock::Instant;
use pathvane_engine::{BfdUser, Engine, EventKind, LimitStep, Move, ServiceId};
use pathvane_score::BfdState;
use tokio::sync::{mpsc, watch};

use super::answer::{path_name, peer_name, said};
use super::dto::{Alternative, Event, Kind, SCHEMA};
use crate::alarm;

/// Events that may wait between the hot loop and the record.
const CHANNEL: usize = 1024;

/// Events that the record keeps.
const KEPT: usize = 4096;

/// A record and the hot loop's end of it. [`EventLog::run`] connects the two.
pub fn events() -> (Publisher, EventLog) {
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let dropped = Arc::new(AtomicU64::new(0));
    let log = EventLog {
        shared: Arc::new(Shared {
            ring: Mutex::new(VecDeque::new()),
            latest: watch::channel(Latest::default()).0,
            incoming: Mutex::new(Some(receiver)),
            dropped: Arc::clone(&dropped),
        }),
    };
    (Publisher { sender, dropped }, log)
}

/// The hot loop's end: takes events, never waits.
#[derive(Clone, Debug)]
pub struct Publisher {
    sender: mpsc::Sender<Event>,
    dropped: Arc<AtomicU64>,
}

impl Publisher {
    /// Hands an event of `engine` to the record; one that does not fit is dropped and counted.
    pub fn publish(&self, engine: &Engine, event: pathvane_engine::Event) {
        self.append(translate(engine, event));
    }

    fn append(&self, event: Event) {
        if self.sender.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The record, shared by all who read it.
#[derive(Clone, Debug)]
pub struct EventLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<VecDeque<Arc<Event>>>,
    latest: watch::Sender<Latest>,
    incoming: Mutex<Option<mpsc::Receiver<Event>>>,
    dropped: Arc<AtomicU64>,
}

/// How far the record has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Latest {
    /// The id of the latest event; 0 before the first.
    pub id: u64,
    /// The speaker has gone: there will be no more.
    pub last: bool,
}

impl EventLog {
    /// Takes in events until the hot loop is gone. Runs once; further calls return at once.
    pub async fn run(self) {
        let Some(mut incoming) = lock(&self.shared.incoming).take() else { return };
        while let Some(event) = incoming.recv().await {
            log(&event);
            self.append(event);
        }
        self.shared.latest.send_modify(|latest| latest.last = true);
    }

    fn append(&self, event: Event) {
        let id = event.id;
        let mut ring = lock(&self.shared.ring);
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(Arc::new(event));
        drop(ring);
        self.shared.latest.send_modify(|latest| latest.id = id);
    }

    /// At most `limit` events after the one numbered `id`, oldest first. Where some are gone, the
    /// first one returned says how many.
    pub fn since(&self, id: u64, limit: usize) -> Vec<Arc<Event>> {
        let ring = lock(&self.shared.ring);
        let begin = ring.partition_point(|event| event.id <= id);
        let mut events: Vec<_> = ring.range(begin..).take(limit).cloned().collect();
        drop(ring);
        if let Some(first) = events.first()
            && first.id > id + 1
        {
            let missed = Event { kind: Kind::Missed { count: first.id - id - 1 }, ..**first };
            events.insert(0, Arc::new(Event { id: first.id - 1, ..missed }));
        }
        events
    }

    /// The id of the latest event; 0 before the first.
    pub fn latest(&self) -> u64 {
        self.shared.latest.borrow().id
    }

    /// Tells how far the record has come whenever it grows or ends.
    pub fn watch(&self) -> watch::Receiver<Latest> {
        self.shared.latest.subscribe()
    }

    /// Events dropped because the record did not keep up.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

/// Writes the event to the log, as people read it. Here and not in the hot loop, which must not
/// wait for whoever reads the log.
fn log(event: &Event) {
    match &event.kind {
        Kind::Signal { .. } | Kind::Wire { .. } | Kind::PeerFailed { .. } => {
            tracing::debug!(id = event.id, "{}", event.kind);
        }
        kind => tracing::info!(id = event.id, "{kind}"),
    }
}

/// A panic elsewhere does not spoil a list of finished events.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wall clock's reading at `at`, from the difference of both clocks now.
fn wall_ns(at: Instant) -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
    wall.saturating_sub(alarm::now().as_nanos().saturating_sub(at.as_nanos()))
}

fn translate(engine: &Engine, event: pathvane_engine::Event) -> Event {
    Event {
        schema: SCHEMA,
        id: event.id,
        at_ns: event.at.as_nanos(),
        wall_ns: wall_ns(event.at),
        kind: kind(engine, event.kind),
    }
}

fn kind(engine: &Engine, kind: EventKind) -> Kind {
    match kind {
        EventKind::PeerAdded { peer } => Kind::PeerAdded { peer: peer_name(engine, peer) },
        EventKind::PeerChanged { peer } => Kind::PeerChanged { peer: peer_name(engine, peer) },
        EventKind::PeerRemoved { peer } => Kind::PeerRemoved { peer: peer_name(engine, peer) },
        EventKind::PeerUp { peer, detail } => {
            Kind::PeerUp { peer: peer_name(engine, peer), detail }
        }
        EventKind::PeerDown { peer, reason, retained } => {
            Kind::PeerDown { peer: peer_name(engine, peer), reason, retained }
        }
        EventKind::PeerFailed { peer, reason } => {
            Kind::PeerFailed { peer: peer_name(engine, peer), reason }
        }
        EventKind::StaleDropped { peer } => Kind::StaleDropped { peer: peer_name(engine, peer) },
        EventKind::LongLived { peer, family } => {
            Kind::LongLived { peer: peer_name(engine, peer), family: family.to_string() }
        }
        EventKind::PrefixLimit { peer, family, count, limit, step } => {
            prefix_limit(peer_name(engine, peer), family.to_string(), (count, limit), step)
        }
        EventKind::Fault { peer, detail } => Kind::Fault { peer: peer_name(engine, peer), detail },
        EventKind::Verdict { path, from, to, evidence, detected_at } => Kind::Verdict {
            path: path_name(engine, path),
            from: from.to_string(),
            to: to.to_string(),
            evidence,
            detected_at_ns: detected_at.as_nanos(),
        },
        EventKind::Move(moved) => move_kind(engine, moved),
        EventKind::Wire { move_id, peer, at } => {
            Kind::Wire { move_id, peer: peer_name(engine, peer), sent_at_ns: at.as_nanos() }
        }
        EventKind::Kernel { move_id, ok, at } => {
            Kind::Kernel { move_id, ok, done_at_ns: at.as_nanos() }
        }
        EventKind::FibGroup { service, generation, carry } => Kind::FibGroup {
            service: service_name(engine, service),
            generation,
            weights: carry.iter().map(|share| share.weight).collect(),
            carry: carry.into_iter().map(|share| path_name(engine, share.path)).collect(),
        },
        EventKind::Signal { move_id, peer, prefix, signal, reason } => {
            let (say, med) = said(Some(signal));
            let (peer, reason) = (peer_name(engine, peer), reason.to_owned());
            Kind::Signal { move_id, peer, prefix, say, med, reason }
        }
        EventKind::PathMtu { path, octets, wanted } => {
            Kind::PathMtu { path: path_name(engine, path), octets, wanted }
        }
        EventKind::FirstHopMute { path, target } => {
            Kind::FirstHopMute { path: path_name(engine, path), target }
        }
        EventKind::ReportsDisplaced { path, count } => {
            Kind::ReportsDisplaced { path: path_name(engine, path), count }
        }
        EventKind::Link { path, up } => Kind::Link { path: path_name(engine, path), up },
        EventKind::Bfd { user, state } => {
            let says = match state {
                BfdState::Off => "off",
                BfdState::Up => "up",
                BfdState::Down => "down",
            };
            let (peer, path) = match user {
                BfdUser::Peer(peer) => (Some(peer_name(engine, peer)), None),
                BfdUser::Path(path) => (None, Some(path_name(engine, path))),
            };
            Kind::Bfd { peer, path, says: says.to_owned() }
        }
        EventKind::Condition { service, prefix, holds } => {
            Kind::Condition { service: service_name(engine, service), prefix, holds }
        }
        EventKind::Health { service, check, region, healthy } => {
            Kind::Health { service: service_name(engine, service), check, region, healthy }
        }
        EventKind::Held { service, reason } => {
            Kind::Held { service: service_name(engine, service), reason }
        }
        EventKind::Frozen(frozen) => Kind::Frozen { frozen },
        EventKind::Drain(step) => Kind::Drain { step: step.to_owned() },
    }
}

fn prefix_limit(peer: String, family: String, (count, limit): (u32, u32), step: LimitStep) -> Kind {
    let (step, pause) = match step {
        LimitStep::Near => ("near", None),
        LimitStep::Beyond => ("beyond", None),
        LimitStep::Closed(pause) => ("closed", pause),
        LimitStep::NearlyFull => ("nearly-full", None),
        LimitStep::Withheld => ("withheld", None),
        LimitStep::Room => ("room", None),
    };
    let reopens_in_ns = pause.map(|pause| u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
    Kind::PrefixLimit { peer, family, count, limit, step: step.to_owned(), reopens_in_ns }
}

fn move_kind(engine: &Engine, moved: Move) -> Kind {
    let alternative = |(path, standing)| Alternative { path: path_name(engine, path), standing };
    Kind::Move {
        move_id: moved.id,
        service: service_name(engine, moved.service),
        from: moved.from.map(|path| path_name(engine, path)),
        to: path_name(engine, moved.to),
        carry: moved.carry[1].iter().map(|share| path_name(engine, share.path)).collect(),
        cause: moved.cause,
        evidence: moved.evidence,
        alternatives: moved.alternatives.into_iter().map(alternative).collect(),
        detected_at_ns: moved.detected_at.as_nanos(),
        decided_at_ns: moved.decided_at.as_nanos(),
        done: moved.done,
    }
}

fn service_name(engine: &Engine, id: ServiceId) -> String {
    engine.config().services[id.index()].name.clone()
}
