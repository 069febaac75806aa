//! Decisions into deeds: next hops here, then signals there (law 2).

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use pathvane_clock::{Duration, Instant};
use pathvane_rib::{Directive, PeerId};
use pathvane_score::{Reasons, Role as ProbeRole, Strategy, Verdict};
use pathvane_wire::Community;

use crate::config::{Ranking, Service};
use crate::engine::{Acting, Alarm, Engine};
use crate::event::{EventKind, Move, Signal};
use crate::ids::{PathId, ServiceId};
use crate::ledger::{Owner, Steered, Wish};
use crate::signal::{Role, Urgency, med_for};
use crate::steer::{Facts, numbers, path_of};

/// A survivor that has not been heard of since a path died is looked at again this soon.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Paths that come out of a shared fault do so within this time of each other.
const SETTLE: Duration = Duration::from_secs(1);

/// High, medium and low preference at Direct Connect, heeded before AS path and MED.
const DIRECT_CONNECT: [Community; 3] =
    [Community::new(7224, 7300), Community::new(7224, 7200), Community::new(7224, 7100)];

/// Whether a prefix may be withdrawn from the peer of a dead path (law 3).
enum Withdrawal {
    /// Another way holds, or the operator opted in.
    Allowed,
    /// The other way may be failing of the same fault and not have shown it yet (law 6).
    InDoubt,
    /// It is the last usable way.
    Refused,
}

/// What a service follows before anything was decided, and for good while only observing: the
/// first path of the configuration leads, the others stand by; or all carry it, if they are to balance.
pub(crate) fn neutral(service: &Service) -> Acting {
    let carrying = match service.strategy {
        Strategy::Balance => service.paths.len(),
        Strategy::Best | Strategy::Ordered => service.paths.len().min(1),
    };
    let role = |nth| if nth < carrying { Role::Leader } else { Role::Standby };
    Acting {
        carry: service.paths[..carrying].to_vec(),
        roles: (0..service.paths.len()).map(role).collect(),
    }
}

impl Engine {
    /// Decides for every service and carries the decisions out.
    pub(crate) fn steer(&mut self, now: Instant) {
        self.reviews.clear();
        self.verdicts_changed = false;
        for service in self.config.service_ids() {
            let move_id = self.decide(now, service);
            self.carry_out(now, service, move_id);
        }
        self.set_probe_roles(now);
        self.send_signals(now, None);
    }

    /// Lets the selectors decide again that wanted to by now, or that use a path whose verdict
    /// changed. No other service is concerned, unless something comes of it.
    pub(crate) fn review(&mut self, now: Instant) {
        let mut reviews = core::mem::take(&mut self.reviews);
        // In the order of the configuration, as when all decide: who is first gets the room.
        reviews.sort_unstable();
        reviews.dedup();
        for service in reviews.drain(..) {
            let before = self.probed_for(service);
            let move_id = self.decide(now, service);
            let changed = self.carry_out(now, service, move_id);
            if changed || self.probed_for(service) != before {
                self.steer(now);
                break;
            }
        }
        self.reviews = reviews;
        if core::mem::take(&mut self.verdicts_changed) {
            self.set_probe_roles(now);
            if self.acts() {
                // Whether a dead way may be withdrawn depends on what is known of the others.
                self.send_signals(now, None);
            }
        }
    }

    /// Which paths are probed more because of a service: those that carry it, those that would if steering
    /// acted, and, while something is wrong with one of them, the one that would take over.
    fn probed_for(&self, service: ServiceId) -> (Vec<PathId>, Option<PathId>) {
        let steer = &self.steers[service.index()];
        let alerted = steer.wanted().and_then(|_| steer.decision().alerted.map(path_of));
        let mut carry = self.acting[service.index()].carry.clone();
        // One that is there twice is probed no more for it.
        carry.extend_from_slice(steer.carry());
        (carry, alerted)
    }

    /// Asks the service's selector. Returns the number of the move, if one is to be carried out.
    fn decide(&mut self, now: Instant, service: ServiceId) -> Option<u64> {
        if self.frozen || !self.life.steers() {
            return None;
        }
        let signalled = |path: PathId| {
            let via = &self.config.paths[path.index()].announce_via;
            via.iter().any(|peer| self.peers[peer.index()].established().is_some())
        };
        let paths = &self.config.services[service.index()].paths;
        let utilisation: Vec<_> = paths.iter().map(|path| self.used_by(service, *path)).collect();
        let facts = Facts {
            config: &self.config,
            measure: &self.measure,
            signalled: &signalled,
            utilisation: &utilisation,
        };
        let decided = self.steers[service.index()].decide(now, &facts);
        let next = self.steers[service.index()].decision().next_check;
        self.alarms.set(Alarm::Check(service), next);
        if let Some(reason) = self.steers[service.index()].refusal() {
            self.record.event(now, EventKind::Held { service, reason: reason.to_string() });
        }
        decided.and_then(|decided| self.record_move(now, decided))
    }

    /// Writes a move down; its number if it is to be carried out.
    fn record_move(&mut self, now: Instant, mut decided: Move) -> Option<u64> {
        self.last_move += 1;
        decided.id = self.last_move;
        decided.done = self.acts();
        let id = decided.done.then_some(decided.id);
        if id.is_some() {
            // A move for what is measured now outranks what peers may yet have to tell. The first choice
            // of a run can wait: peers keep what the run before told them.
            if decided.from.is_some() {
                self.end_deferral();
            }
            self.moves_of[decided.service.index()] = decided.id;
        }
        self.record.event(now, EventKind::Move(decided));
        id
    }

    /// Brings next hops, roles and preferences in line with what the service's selector wants.
    /// Returns whether a role changed.
    fn carry_out(&mut self, now: Instant, service: ServiceId, move_id: Option<u64>) -> bool {
        if !self.acts() || self.frozen || !self.life.steers() {
            return false;
        }
        let steer = &self.steers[service.index()];
        let carry = steer.carry().to_vec();
        if carry.is_empty() {
            return false;
        }
        let facts = Facts {
            config: &self.config,
            measure: &self.measure,
            signalled: &|_| true,
            utilisation: &[],
        };
        let roles = steer.roles(&facts, &carry);
        self.switch(now, service, &carry);
        let acting = &mut self.acting[service.index()];
        let changed = acting.roles != roles;
        *acting = Acting { carry, roles };
        // The first choice often is what the roles said before anything was chosen.
        if changed || move_id.is_some() {
            self.set_preferences(service);
        }
        if let Some(id) = move_id {
            self.send_signals(now, Some((service, id)));
        }
        changed
    }

    /// Points the service's next-hop group at the paths that carry it.
    fn switch(&mut self, now: Instant, service: ServiceId, carry: &[PathId]) {
        let now_carry = self.forward.carry(service).iter().map(|share| share.path);
        if now_carry.eq(carry.iter().copied()) {
            return;
        }
        let at = &self.config.services[service.index()];
        let shares = crate::load::shares(&self.config, at, carry);
        let Some(switch) = self.forward.switch(service, &shares) else { return };
        if let crate::Output::FibGroup { generation, carry, .. } = &switch {
            let (generation, carry) = (*generation, carry.clone());
            self.record.ask(switch);
            self.record.event(now, EventKind::FibGroup { service, generation, carry });
        }
    }

    /// Site side: the routes of the service's reach are preferred in the order of the roles.
    fn set_preferences(&mut self, service: ServiceId) {
        let at = &self.config.services[service.index()];
        let roles = &self.acting[service.index()].roles;
        for peer in self.config.peer_ids() {
            let Some(role) = best_role(&self.config, at, roles, peer) else { continue };
            self.rib.set_preference(peer, &at.reach, preference(role));
        }
        self.busy = true;
    }

    /// Tells the measuring what each path does, which sets probe rates: a path carries, may have to
    /// soon (something is wrong with one that does), or stands by.
    fn set_probe_roles(&mut self, now: Instant) {
        let mut roles: Vec<_> = self.config.paths.iter().map(|_| ProbeRole::Standby).collect();
        for service in self.config.service_ids() {
            let (carry, alerted) = self.probed_for(service);
            let carry = carry.into_iter().map(|path| (path, ProbeRole::Active));
            for (path, role) in carry.chain(alerted.map(|path| (path, ProbeRole::Alerted))) {
                roles[path.index()] = roles[path.index()].max(role);
            }
        }
        for (path, role) in self.config.path_ids().zip(roles) {
            self.measure.set_role(now, path, role);
        }
    }

    /// Cloud side: tells every peer what it should now hear about every steered prefix. `moved`: the
    /// service whose leader was chosen at this moment, and the move.
    pub(crate) fn send_signals(&mut self, now: Instant, moved: Option<(ServiceId, u64)>) {
        let mut next = None;
        for at in 0..self.ledger.steered().len() {
            let steered = self.ledger.steered()[at];
            // That one service has moved says nothing of the doubts about another's paths.
            let mine = |id| matches!(steered.owner, Owner::Service(service, _) if service == id);
            let move_id = moved.filter(|(service, _)| mine(*service)).map(|(_, id)| id);
            for peer in self.config.peer_ids() {
                let moving = move_id.is_some();
                let Some(wish) = self.wish(now, at, &steered, peer, moving) else { continue };
                match self.ledger.due(now, &self.config, peer, at, &wish) {
                    Some(due) if due <= now => self.tell(now, at, peer, &wish, move_id),
                    Some(due) => next = Some(next.map_or(due, |next: Instant| next.min(due))),
                    None => {}
                }
            }
        }
        let relax = self.ledger.next_relax();
        let look = self.look_again.take();
        self.alarms.set(Alarm::Signals, [next, relax, look].into_iter().flatten().min());
    }

    /// What `peer` should hear about a steered prefix; `None` if it is none of its business.
    /// `moving` says that the service's leader was chosen at this moment.
    fn wish(
        &mut self,
        now: Instant,
        at: usize,
        steered: &Steered,
        peer: PeerId,
        moving: bool,
    ) -> Option<Wish> {
        let plan = self.config.med;
        self.peers[peer.index()].established()?;
        match steered.owner {
            Owner::Probe(path) => {
                let own = self.config.paths[path.index()].announce_via.contains(&peer);
                if !own && !self.config.paths.iter().any(|path| path.announce_via.contains(&peer)) {
                    return None;
                }
                let announced = own && !self.life.withdraws();
                let signal = if announced { announce(plan.primary) } else { Signal::Withhold };
                Some(Wish { signal, urgency: Urgency::Now, reason: "probe source of a path" })
            }
            Owner::Service(service, nth) => {
                self.service_wish(now, (at, nth), service, peer, moving)
            }
        }
    }

    fn service_wish(
        &mut self,
        now: Instant,
        (at, nth): (usize, usize),
        service: ServiceId,
        peer: PeerId,
        moving: bool,
    ) -> Option<Wish> {
        let acting = &self.acting[service.index()];
        let role =
            best_role(&self.config, &self.config.services[service.index()], &acting.roles, peer)?;
        acting.leader()?;
        // Only a leader has an undercut to give back.
        let relax_at = self.ledger.told_mut(peer, at).relax_at.take();
        let now_wish = |signal, reason| Some(Wish { signal, urgency: Urgency::Now, reason });
        if !self.steers[service.index()].holds(nth) {
            return now_wish(Signal::Withhold, "its condition does not hold");
        }
        if self.life.withdraws() {
            return now_wish(Signal::Withhold, "leaving");
        }
        let plan = self.config.med;
        if self.life.raises() {
            return now_wish(announce(plan.degraded), "about to leave");
        }
        match role {
            Role::Leader => self.leader_wish(now, at, service, peer, relax_at),
            Role::Out => match self.withdrawal(now, at, service, peer, moving) {
                Withdrawal::Allowed => now_wish(Signal::Withhold, "nothing gets through its path"),
                Withdrawal::InDoubt => {
                    self.look_again = Some(now + LOOK_AGAIN);
                    None
                }
                Withdrawal::Refused => now_wish(
                    announce(plan.degraded),
                    "dead, but the last usable way is not withdrawn",
                ),
            },
            Role::Standby | Role::Degraded => {
                // Making room for a new leader is part of the move; the rest is paced (law 9).
                let before = self.ledger.told(peer, at).now();
                let led = matches!(before, Some(Signal::Announce { med }) if med < plan.backup);
                let urgency = if led { Urgency::Now } else { Urgency::Paced };
                let signal = announce(med_for(role, &plan, None));
                Some(Wish { signal, urgency, reason: role.word() })
            }
        }
    }

    /// The leader's MED: lowered at once when it must win, given back after a while.
    fn leader_wish(
        &mut self,
        now: Instant,
        at: usize,
        service: ServiceId,
        peer: PeerId,
        relax_at: Option<Instant>,
    ) -> Option<Wish> {
        let plan = &self.config.med;
        let carry = &self.acting[service.index()].carry;
        let elsewhere = self.ledger.lowest_elsewhere(&self.config, at, carry, peer);
        let med = med_for(Role::Leader, plan, elsewhere);
        let reason = if med < plan.primary {
            "undercut: another peer may still hold an older route"
        } else {
            "leader"
        };
        let told = self.ledger.told(peer, at).now();
        let relaxes = matches!(told, Some(Signal::Announce { med: before }) if before < med && before < plan.primary);
        let relax_at = relax_at.unwrap_or(now + self.config.timing.undercut_restore);
        if relaxes && now < relax_at {
            self.ledger.told_mut(peer, at).relax_at = Some(relax_at);
            return None;
        }
        Some(Wish { signal: announce(med), urgency: Urgency::Now, reason })
    }

    /// Law 3: the prefix may be withdrawn from `peer` if another Established peer of the same domain
    /// holds it over a path that passes, or if the operator opted in. Unless a leader was chosen just
    /// now, which the selector does not do in doubt, that path has to have outlived the fault.
    fn withdrawal(
        &self,
        now: Instant,
        at: usize,
        id: ServiceId,
        peer: PeerId,
        moving: bool,
    ) -> Withdrawal {
        let service = &self.config.services[id.index()];
        if service.withdraw_last {
            return Withdrawal::Allowed;
        }
        let fault = self.fault_of(service, peer);
        let mut withdrawal = Withdrawal::Refused;
        for &path in service.paths.iter().filter(|path| self.holds_elsewhere(at, **path, peer)) {
            let survivor = self.measure.verdict(path);
            if moving || fault.is_none_or(|fault| outlived(now, survivor, fault)) {
                return Withdrawal::Allowed;
            }
            withdrawal = Withdrawal::InDoubt;
        }
        withdrawal
    }

    /// Whether the path passes, and an Established peer of it in the domain of `peer`, but not `peer`,
    /// has been told of the prefix.
    fn holds_elsewhere(&self, at: usize, path: PathId, peer: PeerId) -> bool {
        let config = &self.config;
        let domain = &config.peers[peer.index()].domain;
        let mut others = config.paths[path.index()].announce_via.iter();
        self.measure.verdict(path).passes()
            && others.any(|other| {
                *other != peer
                    && config.peers[other.index()].domain == *domain
                    && self.peers[other.index()].established().is_some()
                    && matches!(self.ledger.told(*other, at).now(), Some(Signal::Announce { .. }))
            })
    }

    /// When the silence of the service's paths that `peer` speaks for began; `None` if they are down
    /// for another reason, such as their link.
    fn fault_of(&self, service: &Service, peer: PeerId) -> Option<Instant> {
        let speaks = |path: &&PathId| self.config.paths[path.index()].announce_via.contains(&peer);
        let verdicts = service.paths.iter().filter(speaks).map(|path| self.measure.verdict(*path));
        verdicts
            .filter(|verdict| verdict.reasons.contains(Reasons::SILENCE))
            .filter_map(|verdict| verdict.evidence.missed_since)
            .max()
    }

    fn tell(&mut self, now: Instant, at: usize, peer: PeerId, wish: &Wish, move_id: Option<u64>) {
        let Steered { prefix, .. } = self.ledger.steered()[at];
        self.ledger.told_mut(peer, at).tell(now, wish.signal);
        let directive = match wish.signal {
            Signal::Announce { med } => self.announcement(peer, med),
            Signal::Withhold => Directive::Withhold,
        };
        self.rib.direct(peer, prefix, Some(directive));
        self.peers[peer.index()].delivery.decided(move_id);
        let Wish { signal, reason, .. } = *wish;
        self.record.event(now, EventKind::Signal { move_id, peer, prefix, signal, reason });
    }

    /// How a peer is told of a rank that MED expresses, in the terms that it ranks by.
    fn announcement(&self, peer: PeerId, med: u32) -> Directive {
        let plan = &self.config.med;
        let rank = u8::from(med > plan.primary) + u8::from(med > plan.backup);
        let (communities, prepend) = match self.config.peers[peer.index()].ranking {
            Ranking::Med => (Vec::new(), 0),
            Ranking::AwsCommunities => (vec![DIRECT_CONNECT[usize::from(rank)]], 0),
            Ranking::AsPath => (Vec::new(), rank),
        };
        Directive::Announce { med: Some(med), communities, prepend }
    }

    /// A path's verdict changed.
    pub(crate) fn report_verdict(&mut self, now: Instant, path: PathId, verdict: &Verdict) {
        self.verdicts_changed = true;
        let services = &self.config.services;
        let uses = |service: &ServiceId| services[service.index()].paths.contains(&path);
        self.reviews.extend(self.config.service_ids().filter(uses));
        // A first hop shows its side of a fault a moment after the fault itself.
        let sides = [Reasons::LAST_MILE, Reasons::TRANSIT];
        let side = sides.into_iter().find(|side| verdict.reasons.contains(*side));
        let told = &mut self.states[path.index()];
        let (from, side_before) = core::mem::replace(told, (verdict.state, side));
        if from == verdict.state && (side.is_none() || side == side_before) {
            return;
        }
        let mut evidence = numbers(verdict);
        if let Some(place) = self.place_text(path) {
            evidence += "; ";
            evidence += &place;
        }
        let (to, detected_at) = (verdict.state, verdict.detected_at);
        self.record.event(now, EventKind::Verdict { path, from, to, evidence, detected_at });
    }

    /// The operator stops or releases all moves.
    pub(crate) fn freeze(&mut self, now: Instant, frozen: bool) {
        if self.frozen != frozen {
            self.frozen = frozen;
            self.dirty = true;
            self.record.event(now, EventKind::Frozen(frozen));
        }
    }

    /// The kernel answered a switch: the newest move of the service is in place, or was refused.
    pub(crate) fn handle_fib_done(
        &mut self,
        now: Instant,
        service: ServiceId,
        generation: u64,
        ok: bool,
    ) {
        if self.forward.generation(service) == generation {
            let move_id = self.moves_of[service.index()];
            self.record.event(now, EventKind::Kernel { move_id, ok, at: now });
        }
    }
}

/// Whether a path was heard of since a fault on another one began, and did not just come out of the
/// same fault itself.
fn outlived(now: Instant, survivor: &Verdict, fault: Instant) -> bool {
    let heard = survivor.evidence.not_before.is_some_and(|sent| sent >= fault);
    heard && (survivor.since < fault || now.since(survivor.since) >= SETTLE)
}

fn announce(med: u32) -> Signal {
    Signal::Announce { med }
}

/// The best role of the paths that `peer` speaks for; `None` if it speaks for none of the service.
fn best_role(
    config: &crate::Config,
    service: &Service,
    roles: &[Role],
    peer: PeerId,
) -> Option<Role> {
    let speaks = |path: &PathId| config.paths[path.index()].announce_via.contains(&peer);
    service.paths.iter().zip(roles).filter(|(path, _)| speaks(path)).map(|(_, role)| *role).min()
}

/// The offset to the degree of preference of routes learned from a path's peers.
fn preference(role: Role) -> i32 {
    match role {
        Role::Leader => 100,
        Role::Standby => 80,
        Role::Degraded => 60,
        Role::Out => 40,
    }
}
