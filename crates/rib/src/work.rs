//! What concerns the whole table, done in slices.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::net_set::ZoneKey;
use crate::peer::{FAMILIES, place_of};
use crate::rib::Rib;
use crate::table::{Entry, Route};
use crate::{Budget, PeerId};

/// A walk over all entries: first those in the zone, then the slab, round to where it began.
#[derive(Debug)]
pub(crate) struct Job {
    task: Task,
    /// Where to go on in the zone; `None` when that is done.
    zone: Option<ZoneKey>,
    next: u32,
    /// Where the round began, and whether the walk has passed the end of the slab since.
    began: u32,
    wrapped: bool,
}

/// What is done with each entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Remove the dead routes of a peer.
    Sweep(PeerId),
    /// Judge the routes of a peer by its import policy again.
    Reimport(PeerId),
    /// Decide about prefixes with a route to this next hop.
    NextHop(IpAddr),
    /// Decide about prefixes inside these nets, which are in the zone.
    Preference(Vec<IpNet>),
    /// Find out what the zone holds.
    Rezone,
}

/// The first key at `from` or after it that something inside one of the nets can have.
fn first_inside(nets: &[IpNet], from: ZoneKey) -> Option<ZoneKey> {
    let ahead = nets.iter().filter(|net| ZoneKey::last_inside(net) >= from);
    ahead.map(|net| ZoneKey::of(net).max(from)).min()
}

/// Entries that are only looked at, for the price of one that changes.
const LOOKS: u32 = 16;

impl Rib {
    /// Queues a task. One that is queued begins a new round where it stands.
    pub(crate) fn start(&mut self, task: Task) {
        match self.jobs.iter_mut().find(|job| job.task == task) {
            Some(job) => {
                job.zone = Some(ZoneKey::START);
                (job.began, job.wrapped) = (job.next, false);
            }
            None => self.jobs.push(Job {
                task,
                zone: Some(ZoneKey::START),
                next: 0,
                began: 0,
                wrapped: false,
            }),
        }
    }

    /// Does a part of what concerns the whole table; returns whether there is more.
    ///
    /// Steered preferences come first, then the service and watched prefixes of every task, then
    /// all others, task by task.
    pub fn work(&mut self, budget: Budget) -> bool {
        let mut left = budget.routes.saturating_mul(LOOKS).max(1);
        while left > 0 {
            let urgent = self.jobs.iter().position(|job| matches!(job.task, Task::Preference(_)));
            let Some(at) = urgent.or_else(|| self.jobs.iter().position(|job| job.zone.is_some()))
            else {
                break;
            };
            self.work_zone(at, &mut left);
        }
        while left > 0 && !self.jobs.is_empty() {
            self.work_slab(0, &mut left);
        }
        let trimmed = self.trim_queues(&mut left);
        !trimmed || !self.jobs.is_empty()
    }

    /// Whether [`Rib::work`] has something to do.
    pub fn has_work(&self) -> bool {
        !self.jobs.is_empty()
            || self.groups.iter().flatten().any(|group| group.queue.has_leavings())
    }

    /// Drops what lost peers have left behind in queues; false if there is more.
    fn trim_queues(&mut self, left: &mut u32) -> bool {
        for group in self.groups.iter_mut().flatten() {
            while group.queue.trim_some(&mut self.done) {
                *left = left.saturating_sub(crate::queue::TRIM);
                if *left == 0 {
                    self.reap_done();
                    return false;
                }
            }
        }
        self.reap_done();
        true
    }

    /// Ends the sweep for a peer now, whatever it takes.
    pub(crate) fn finish_sweep(&mut self, peer: PeerId) {
        let task = Task::Sweep(peer);
        self.start(task.clone());
        while let Some(at) = self.jobs.iter().position(|job| job.task == task) {
            self.jobs[at].zone = None;
            let mut all = u32::MAX;
            self.work_slab(at, &mut all);
        }
        self.reap_done();
    }

    fn work_zone(&mut self, at: usize, left: &mut u32) {
        while *left > 0 {
            let job = &self.jobs[at];
            let from = match &job.task {
                Task::Preference(nets) => job.zone.and_then(|from| first_inside(nets, from)),
                _ => job.zone,
            };
            let found = from.and_then(|from| self.zone.first(from));
            self.jobs[at].zone = found.and_then(|(key, _)| key.next());
            match found {
                Some((_, id)) => {
                    let task = self.jobs[at].task.clone();
                    self.visit(&task, id, left);
                }
                None if matches!(self.jobs[at].task, Task::Preference(_)) => {
                    self.jobs.remove(at);
                    return;
                }
                None => return,
            }
        }
    }

    fn work_slab(&mut self, at: usize, left: &mut u32) {
        let task = self.jobs[at].task.clone();
        while *left > 0 {
            let slots = self.table.slots();
            let job = &mut self.jobs[at];
            if job.next >= slots && !job.wrapped {
                (job.next, job.wrapped) = (0, true);
            }
            if job.wrapped && (job.next >= job.began || job.next >= slots) {
                self.jobs.remove(at);
                self.finished(&task);
                return;
            }
            let id = job.next;
            job.next += 1;
            self.visit(&task, id, left);
        }
    }

    fn finished(&mut self, task: &Task) {
        if let Task::Sweep(peer) = task
            && let Some(peer) = self.peer_mut(*peer)
        {
            peer.unswept = 0;
        }
    }

    fn visit(&mut self, task: &Task, id: u32, left: &mut u32) {
        let changed = self.table.entry(id).is_used()
            && match task {
                Task::Sweep(peer) => self.sweep(*peer, id),
                Task::Reimport(peer) => self.reimport(*peer, id),
                Task::NextHop(addr) => self.settle_next_hop(*addr, id),
                Task::Preference(nets) => self.settle_inside(nets, id),
                Task::Rezone => self.rezone(id),
            };
        *left = left.saturating_sub(if changed { LOOKS } else { 1 });
    }

    /// Removes the dead routes of a peer from an entry.
    fn sweep(&mut self, peer: PeerId, id: u32) -> bool {
        let mut changed = false;
        while let Some(at) = self.dead_route(peer, id) {
            match self.table.entry(id).sole(peer) {
                Some(route) => self.take_sole(id, &route),
                None => self.take(id, at),
            }
            changed = true;
        }
        if self.table.entry(id).count() == 0 {
            // The peer may have been the last one to be told so.
            self.done.push(id);
        }
        changed
    }

    fn dead_route(&self, peer: PeerId, id: u32) -> Option<usize> {
        let mut routes = self.table.routes(id);
        routes.position(|route| route.peer == peer && !self.is_alive(id, &route))
    }

    /// Judges the routes of a peer in an entry again, from what the peer sent.
    fn reimport(&mut self, peer: PeerId, id: u32) -> bool {
        let mut changed = self.drop_unkept(peer, id);
        for at in 0..self.table.entry(id).count() {
            // Deciding may move routes, but the one that moves has been judged, or will be again.
            let Some((at, route)) = self.nth_of(peer, id, at) else { break };
            let prefix = self.table.prefix(id);
            let received = self.sets.base(route.set);
            let (set, candidate) = self.judge_again(peer, &prefix, &route, received);
            let meta = route.meta.with_candidate(candidate);
            let other = (set, meta) != (route.set, route.meta);
            changed |= other;
            self.put(id, Some(at), Route { set, meta, ..route });
            if other && self.is_kept_for_long(peer, prefix.addr().is_ipv6(), &route) {
                self.note_change(id, self.table.best(id), true);
            }
        }
        changed
    }

    /// What import makes of a received set for a route that is there already. The set is held once.
    fn judge_again(
        &mut self,
        peer: PeerId,
        prefix: &IpNet,
        route: &Route,
        received: u32,
    ) -> (u32, bool) {
        let (set, candidate) = self.import(peer, prefix, received);
        let kept = candidate && self.is_kept_for_long(peer, prefix.addr().is_ipv6(), route);
        if !kept {
            return (set, candidate);
        }
        let marked = self.sets.long_lived(set);
        self.sets.hold(marked);
        self.sets.release(set);
        (marked, candidate)
    }

    fn is_kept_for_long(&self, peer: PeerId, v6: bool, route: &Route) -> bool {
        self.peer(peer).is_some_and(|known| {
            known.long_lived.contains(FAMILIES[place_of(v6)]) && known.is_stale(route, v6)
        })
    }

    /// Removes the routes of a peer that are not to be kept for long though its stale ones are.
    fn drop_unkept(&mut self, peer: PeerId, id: u32) -> bool {
        let v6 = self.table.entry(id).is_v6();
        let mut changed = false;
        while let Some(at) = (0..self.table.entry(id).count()).find(|at| {
            let route = self.table.route(id, *at);
            route.peer == peer
                && self.is_kept_for_long(peer, v6, &route)
                && self.sets.refuses_long_lived(route.set)
        }) {
            self.take(id, at);
            changed = true;
        }
        changed
    }

    /// The `n`th of a peer's routes by path identifier, and its place.
    fn nth_of(&self, peer: PeerId, id: u32, n: usize) -> Option<(usize, Route)> {
        let mut theirs: SmallVec<[(usize, Route); 4]> =
            self.table.routes(id).enumerate().filter(|(_, route)| route.peer == peer).collect();
        theirs.sort_unstable_by_key(|(_, route)| route.path_id);
        theirs.get(n).copied()
    }

    fn settle_next_hop(&mut self, addr: IpAddr, id: u32) -> bool {
        let concerned = self.table.routes(id).any(|r| self.sets.next_hop(r.set).addr == addr);
        if concerned {
            let before = self.table.best(id);
            self.note_change(id, before, true);
            self.settle_anew(id, before);
            self.requeue_paths(id);
        }
        concerned
    }

    fn settle_inside(&mut self, nets: &[IpNet], id: u32) -> bool {
        let prefix = self.table.prefix(id);
        let concerned = nets.iter().any(|net| net.contains(&prefix));
        if concerned {
            self.settle_preference(id);
        }
        concerned
    }

    /// Brings the flags of an entry up to date with the nets of the zone.
    fn rezone(&mut self, id: u32) -> bool {
        let prefix = self.table.prefix(id);
        let flags = self.zone.flags(&prefix);
        let entry = self.table.entry(id);
        let all = Entry::ZONE | Entry::SERVICE | Entry::WATCHED;
        let (came, was) = (flags & !entry.flags_in(all), entry.flags_in(Entry::SERVICE));
        if entry.flags_in(all) == flags {
            return false;
        }
        self.zone.version = self.zone.version.wrapping_add(1);
        self.table.set_flag(id, all, false);
        self.table.set_flag(id, flags, true);
        if flags == 0 {
            self.zone.remove(&prefix);
        } else {
            self.zone.insert(&prefix, id);
        }
        if was != (flags & Entry::SERVICE) {
            self.recount_service(id, flags & Entry::SERVICE != 0);
        }
        if came & Entry::SERVICE != 0 {
            self.requeue(id);
        }
        if came & Entry::WATCHED != 0 && self.table.best(id).is_some() {
            self.changes.note(prefix, None, true);
        }
        // Directives hold for service prefixes, offsets in the zone.
        for peer in self.peers.iter_mut().flatten() {
            if let Some(session) =
                peer.session.as_mut().filter(|_| peer.directives.contains_key(&prefix))
            {
                session.urgent.insert(id);
            }
        }
        if self.peers.iter().flatten().any(|peer| peer.offset(&prefix) != 0) {
            self.settle_preference(id);
        }
        true
    }
}
