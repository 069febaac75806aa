//! The engine itself: one input in, outputs out.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::BytesMut;
use pathvane_clock::{Alarms, Instant};
use pathvane_probe::{Seen, Timestamp};
use pathvane_rib::{Budget, PeerId, Pending, Rib, RibConfig};
use pathvane_score::{Reasons, State, Verdict};
use pathvane_session::Session;

use crate::config::{Condition, Config, Mode, Path};
use crate::drain::Life;
use crate::event::EventKind;
use crate::forward::Forward;
use crate::ids::{ConnId, PathId, ServiceId};
use crate::io::{Command, Input, Output};
use crate::ledger::Ledger;
use crate::measure::{Arrival, Measure};
use crate::peer::Peer;
use crate::record::Record;
use crate::reports::Subject;
use crate::signal::Role;
use crate::steer::Steer;

/// Timers of the engine's own; sessions' and probes' are kept by their owners.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Alarm {
    /// A session's earliest timer.
    Session(PeerId),
    /// Stale routes of a lost session expire (RFC 4724).
    Stale(PeerId),
    /// A peer has had time enough to send its routes again (RFC 7313).
    Refresh(PeerId),
    /// A lost peer cannot hold our routes any longer.
    Held(PeerId),
    /// A session that was closed for its limit of prefixes may open again.
    Reopen(PeerId),
    /// A selector wants to decide again.
    Check(ServiceId),
    /// A paced signal may be sent.
    Signals,
    /// Kernel routes of an earlier run are pruned at the latest.
    Prune,
    /// The next step of a drain.
    Drain,
    /// Peers have had time to tell what they have (RFC 4724).
    Deferral,
}

/// What a service's traffic and its peers follow at present.
#[derive(Clone, Debug)]
pub(crate) struct Acting {
    /// The paths that carry it, the leader first.
    pub(crate) carry: Vec<PathId>,
    /// What each path of the service is to it, in the service's order.
    pub(crate) roles: Vec<Role>,
}

impl Acting {
    /// The path that leads.
    pub(crate) fn leader(&self) -> Option<PathId> {
        self.carry.first().copied()
    }
}

/// The one core: sessions, routes, probes, scores and steering of a speaker.
///
/// Feed it with [`Engine::handle`], then drain [`Engine::poll`] until [`Output::Timeout`]; give
/// routes their turn with [`Engine::work`]; fetch bytes with [`Engine::poll_transmit`]. The same
/// configuration, seed and inputs give the same outputs.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) record: Record,
    pub(crate) peers: Vec<Peer>,
    pub(crate) rib: Rib,
    pub(crate) measure: Measure,
    pub(crate) steers: Vec<Steer>,
    pub(crate) acting: Vec<Acting>,
    pub(crate) forward: Forward,
    pub(crate) ledger: Ledger,
    pub(crate) alarms: Alarms<Alarm>,
    pub(crate) life: Life,
    /// Selection waits for what peers have to tell after our restart.
    pub(crate) deferring: bool,
    /// What peers are told when we leave (RFC 9003).
    pub(crate) last_words: String,
    pub(crate) frozen: bool,
    pub(crate) last_move: u64,
    /// Per service the number of its latest move that was carried out.
    pub(crate) moves_of: Vec<u64>,
    /// Per path the state last reported, and the side of its first hop that a fault was said to be on.
    pub(crate) states: Vec<(State, Option<Reasons>)>,
    /// Per path what was last heard of its link.
    links: Vec<Option<bool>>,
    pub(crate) fib_synced: bool,
    /// When to look again at a withdrawal that is in doubt.
    pub(crate) look_again: Option<Instant>,
    /// Something that steering depends on changed.
    pub(crate) dirty: bool,
    /// Services whose selector has to decide again, though nothing changed that concerns all.
    pub(crate) reviews: Vec<ServiceId>,
    /// Verdicts changed since peers were last told.
    pub(crate) verdicts_changed: bool,
    /// Routes wait for [`Engine::work`].
    pub(crate) busy: bool,
    /// Chance for the sessions of peers to come.
    pub(crate) rng: fastrand::Rng,
    /// Scratch for changed verdicts.
    pub(crate) changed: Vec<(PathId, Verdict)>,
}

impl Engine {
    /// An engine at rest; [`Command::Start`] opens its sessions. Probing begins at once.
    ///
    /// `config` has valid indices. `seed` decides all jitter, phases and hashes; `epoch` is the wall
    /// clock at [`Instant::ZERO`], for the timestamps in probes.
    pub fn new(now: Instant, config: Config, seed: u64, epoch: Timestamp) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut rib = Rib::new(RibConfig {
            cluster_id: config.cluster_id,
            multipath: config.multipath,
            multipath_relax: config.multipath_relax,
            ..RibConfig::new(config.asn, config.id, rng.u64(..))
        });
        for peer in config.peer_ids() {
            rib.add_peer(peer, crate::policies::peer_config(&config, peer, false));
            rib.set_quota(peer, crate::limits::quota(&config, peer));
        }
        let sessions = config.peers.iter();
        let peers = sessions
            .map(|peer| Peer::new(Session::new(peer.session.clone(), rng.u64(..))))
            .collect();
        let risks = config.shared_risks();
        let steers: Vec<_> = config
            .service_ids()
            .map(|service| Steer::new(now, &config, &risks, service, rng.u64(..)))
            .collect();
        let measure = Measure::new(now, &config, rng.u64(..), epoch);
        let mut engine = Self {
            record: Record::default(),
            peers,
            rib,
            measure,
            steers,
            acting: config.services.iter().map(crate::steering::neutral).collect(),
            forward: Forward::new(&config),
            ledger: Ledger::new(&config),
            alarms: Alarms::default(),
            life: Life::Running,
            deferring: crate::deferral::is_due(&config),
            last_words: String::new(),
            frozen: false,
            last_move: 0,
            moves_of: config.services.iter().map(|_| 0).collect(),
            states: config.paths.iter().map(|_| (State::Init, None)).collect(),
            links: config.paths.iter().map(|_| None).collect(),
            fib_synced: false,
            look_again: None,
            dirty: true,
            reviews: Vec::new(),
            verdicts_changed: false,
            busy: false,
            changed: Vec::new(),
            rng,
            config,
        };
        engine.alarms.set(Alarm::Prune, Some(now + engine.config.timing.prune_after));
        engine.set_up_routes();
        engine.begin_deferral(now);
        engine.settle(now);
        engine
    }

    /// Takes one fact. Bytes and probes that have arrived must be told before [`Input::Timeout`].
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Connected { peer, conn, direction, local } => {
                self.peers[peer.index()].opened(conn, local);
                self.with_session(now, peer, |s| s.handle_connected(now, conn, direction));
            }
            Input::ConnectFailed { peer } => {
                self.with_session(now, peer, |s| s.handle_connect_failed(now));
            }
            Input::Bytes { peer, conn, bytes } => self.handle_bytes(now, peer, conn, bytes),
            Input::Progress { peer, conn, sent, acked } => {
                self.handle_progress(now, peer, conn, sent, acked);
            }
            Input::Closed { peer, conn } => {
                self.with_session(now, peer, |s| s.handle_closed(now, conn));
                self.peers[peer.index()].gone(conn);
                self.leave_if_dynamic(now, peer);
            }
            Input::Timeout => self.handle_timeout(now),
            Input::Command(command) => self.handle_command(now, command),
            probe @ (Input::ProbeSent { .. }
            | Input::ProbeStamped { .. }
            | Input::ProbeReceived { .. }) => {
                self.handle_fact(now, probe);
                // Thousands a second change no verdict, and nothing follows from them.
                if self.changed.is_empty() {
                    return;
                }
            }
            other => self.handle_fact(now, other),
        }
        self.settle(now);
    }

    /// What measuring, the kernel and the checks tell.
    fn handle_fact(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::ProbeSent { stream, seq } => self.measure.handle_sent(now, stream, seq),
            Input::ProbeStamped { stream, seq, at } => self.measure.handle_stamped(stream, seq, at),
            Input::ProbeFailed { stream, seq } => self.measure.handle_send_failed(stream, seq),
            Input::ProbeReceived { stream, bytes, at, ttl, class, stamped } => {
                let arrival = Arrival { at, seen: Seen { ttl, class }, stamped };
                self.measure.handle_received(now, stream, bytes, arrival, &mut self.changed);
            }
            Input::PathMtu { path, octets } => {
                if let Some(wanted) = self.measure.handle_path_mtu(now, path, octets) {
                    self.record.event(now, EventKind::PathMtu { path, octets, wanted });
                }
            }
            Input::Report(report) => {
                let path = match report.on {
                    Subject::Path(path) => Some(path),
                    Subject::Service(service) => self.acting[service.index()].leader(),
                };
                if let Some(path) = path
                    && let Some(count) =
                        self.measure.handle_report(now, path, report, &mut self.changed)
                {
                    self.record.event(now, EventKind::ReportsDisplaced { path, count });
                }
            }
            Input::Stalled { .. } => self.measure.handle_stall(now),
            Input::Link { path, up } => {
                if self.links[path.index()].replace(up) != Some(up) {
                    self.record.event(now, EventKind::Link { path, up });
                }
                self.measure.handle_link(now, path, up, &mut self.changed);
            }
            Input::Bfd { user, state, independent } => {
                self.handle_bfd(now, user, state, independent);
            }
            Input::Condition { service, announce, holds } => {
                self.handle_condition(now, service, usize::from(announce), holds);
            }
            Input::Health { service, check, healthy } => {
                self.handle_health(now, service, usize::from(check), healthy);
            }
            Input::FibDone { service, generation, ok } => {
                self.handle_fib_done(now, service, generation, ok);
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let record = &mut self.record;
        self.measure.handle_timeout(now, &mut self.changed, |output| record.ask(output));
        while let Some((path, nth)) = self.measure.poll_mute() {
            let target = self.config.paths[path.index()].probes[nth].target.ip();
            self.record.event(now, EventKind::FirstHopMute { path, target });
        }
        while let Some(alarm) = self.alarms.expire(now) {
            match alarm {
                Alarm::Session(peer) => {
                    self.with_session(now, peer, |session| session.handle_timeout(now));
                }
                Alarm::Stale(peer) => self.expire_stale(now, peer),
                Alarm::Refresh(peer) => self.end_refreshes(now, peer),
                Alarm::Held(peer) => self.purge(peer),
                Alarm::Reopen(peer) => {
                    self.reopen(now, peer);
                }
                Alarm::Check(service) => self.reviews.push(service),
                Alarm::Signals => self.dirty = true,
                Alarm::Prune => self.sync_fib(),
                Alarm::Drain => self.drain_step(now),
                Alarm::Deferral => self.end_deferral(),
            }
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Start => {
                for peer in self.config.peer_ids() {
                    self.start(now, peer);
                }
            }
            Command::Drain { text } => self.drain(now, text),
            Command::Freeze => self.freeze(now, true),
            Command::Unfreeze => self.freeze(now, false),
            Command::TakeOut { path, out } => {
                self.measure.handle_take_out(now, path, out, &mut self.changed);
            }
            Command::Refresh { peer, families } => self.with_session(now, peer, |session| {
                families.iter().for_each(|family| session.handle_refresh(now, family));
            }),
            Command::Reset { peer, text } => self.reset(now, peer, &text),
        }
    }

    /// Does at most `budget` of the work that walks routes. True if there is more.
    pub fn work(&mut self, now: Instant, budget: Budget) -> bool {
        self.busy = self.rib.work(budget);
        self.settle(now);
        self.busy
    }

    /// Whether routes wait for [`Engine::work`].
    pub fn busy(&self) -> bool {
        self.busy
    }

    /// Appends to `out` what waits for a connection, what is urgent first, about `limit` bytes at most (one message more
    /// may be begun). Returns how many were appended; after none, [`Output::Transmit`] says if
    /// more waits.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        peer: PeerId,
        conn: ConnId,
        out: &mut BytesMut,
        limit: usize,
    ) -> usize {
        let ahead = self.deferring.then(|| self.probe_sources(peer));
        let (known, ahead) = (&mut self.peers[peer.index()], ahead.as_deref());
        let bytes = known.transmit(now, (peer, conn), &mut self.rib, out, limit, ahead);
        self.watch_told(now, peer);
        self.after_session(now, peer);
        if bytes == 0 {
            // Of much that was looked at nothing concerned this peer; more may lie behind it.
            self.ask_transmits();
        }
        bytes
    }

    /// Whether something waits for the peer that goes before bulk: its session's own messages, prefixes
    /// of services, prefixes that others changed a few at a time.
    pub fn urgent(&self, peer: PeerId) -> bool {
        let own = self.peers[peer.index()].session.transmits().next().is_some();
        own || self.pending(peer) == Pending::Urgent
    }

    /// Whether what the peer says changes what is told for a service: it speaks for a path, or a
    /// prefix is announced while its route is there.
    pub fn matters_to_services(&self, peer: PeerId) -> bool {
        let speaks = |path: &Path| path.announce_via.contains(&peer);
        let mut announced = self.config.services.iter().flat_map(|service| &service.announce);
        self.config.paths.iter().any(speaks)
            || announced.any(|announce| announce.condition == Condition::PeerRoute(peer))
    }

    /// Whether progress of the peer's connection is waited for: the shell then reports it soon and
    /// again, otherwise only now and then.
    pub fn wants_progress(&self, peer: PeerId) -> bool {
        self.peers[peer.index()].delivery.waiting()
    }

    /// The next thing to do; [`Output::Timeout`] when there is nothing more.
    pub fn poll(&mut self) -> Output {
        let next = || [self.measure.poll_timeout(), self.alarms.next()].into_iter().flatten().min();
        let output = self.record.next().unwrap_or_else(|| Output::Timeout(next()));
        if let Output::Gone(peer) = output {
            self.peers[peer.index()].going = false;
        }
        output
    }

    /// Draws the consequences of what was told.
    pub(crate) fn settle(&mut self, now: Instant) {
        let mut changed = core::mem::take(&mut self.changed);
        for (path, verdict) in changed.drain(..) {
            self.report_verdict(now, path, &verdict);
        }
        self.changed = changed;
        if core::mem::take(&mut self.dirty) {
            self.steer(now);
        }
        self.review(now);
        self.follow_routes(now);
        self.hurry_drain(now);
        self.ask_transmits();
    }

    /// Whether decisions touch the network.
    pub(crate) fn acts(&self) -> bool {
        self.config.mode == Mode::Act
    }
}
