//! The paths' next-hop objects and the services' groups.
//!
//! Object numbers are shared by the whole network namespace; ours are `0x50` (the protocol
//! number), a run (8 bits), group or object (1 bit), index (14 bits), variant (1 bit). Each run
//! takes a number of its own, so that its objects never change what the routes of an
//! earlier run point at.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;

use pathvane_engine::{PathId, ServiceId, Share, Via};

use crate::config::PathLink;
use crate::netlink::{Batch, Link, Member, NextHop, OURS, Refusal, Route, Socket, flag};

const GROUP: u32 = 1 << 15;

/// The objects and groups of this run, as far as known, and what they should be.
#[derive(Debug)]
pub(super) struct NextHops {
    run: u32,
    paths: Vec<PathLink>,
    /// The paths each service is to use, and how much of each.
    wanted: HashMap<ServiceId, Vec<Share>>,
    /// What the kernel holds, by number.
    live: HashMap<u32, NextHop>,
    /// Objects and groups of earlier runs.
    earlier: Vec<NextHop>,
}

/// What [`NextHops::reconcile`] found and did.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Objects and groups that were gone, and with them the routes that used them.
    pub(super) lost: HashSet<u32>,
    /// What the kernel did not want.
    pub(super) refusals: Vec<Refusal>,
}

impl NextHops {
    /// Takes stock of earlier runs and takes a number that none of them uses.
    pub(super) fn open(paths: &[PathLink], socket: &mut Socket) -> io::Result<Self> {
        let earlier: Vec<_> = dump(socket)?.into_values().collect();
        let used: HashSet<u32> = earlier.iter().map(|object| object.id >> 16).collect();
        let runs = (0..=0xFF).map(|run| u32::from(OURS) << 8 | run);
        let run = runs.into_iter().find(|run| !used.contains(run)).ok_or_else(|| {
            io::Error::other("next-hop objects of 256 earlier runs; `ip nexthop flush protocol 80`")
        })?;
        let (wanted, live) = (HashMap::new(), HashMap::new());
        Ok(Self { run: run << 16, paths: paths.to_vec(), wanted, live, earlier })
    }

    /// Whether the object or group was made by this run.
    pub(super) fn is_of_this_run(&self, id: u32) -> bool {
        id >> 16 == self.run >> 16
    }

    /// The object or group that a route through `via` refers to, if it is installed.
    pub(super) fn target(&self, via: Via, ipv6: bool) -> Option<u32> {
        let id = match via {
            Via::Service(service) => self.group_id(service, ipv6),
            Via::Path(path) => self.object_id(path, ipv6),
        };
        self.live.contains_key(&id).then_some(id)
    }

    /// Points the service's groups at `carry`: one message, or two if the service's paths can
    /// carry both families, sent even if nothing changes, as the kernel may have dropped what it
    /// held. Returns the refusals, and whether a group is new.
    pub(super) fn switch(
        &mut self,
        service: ServiceId,
        carry: &[Share],
        socket: &mut Socket,
        batch: &mut Batch,
    ) -> io::Result<(Vec<Refusal>, bool)> {
        let wanted = self.wanted.entry(service).or_default();
        wanted.clear();
        wanted.extend_from_slice(carry);
        let groups = self.groups_of(service);
        let mut new = false;
        batch.clear();
        for group in &groups {
            let exists = self.live.contains_key(&group.id);
            new |= !exists;
            let flags = if exists { flag::REPLACE } else { flag::CREATE | flag::EXCLUSIVE };
            write(batch, flags, group);
        }
        if batch.is_empty() {
            return Ok((Vec::new(), false));
        }
        let refusals = socket.transact(batch)?;
        self.record(groups, &refusals);
        Ok((refusals, new))
    }

    /// Whether the service's traffic goes over all the paths that it should.
    pub(super) fn is_carried(&self, service: ServiceId) -> bool {
        let Some(carry) = self.wanted.get(&service) else { return false };
        carry.iter().all(|&Share { path, .. }| {
            let ipv6 = self.next_hop(path).is_some_and(|next_hop| next_hop.is_ipv6());
            let group = self.live.get(&self.group_id(service, ipv6));
            let object = self.object_id(path, ipv6);
            group.is_some_and(|group| group.group.iter().any(|member| member.id == object))
        })
    }

    /// Compares the kernel's objects and groups with what should be there, and repairs.
    pub(super) fn reconcile(&mut self, socket: &mut Socket) -> io::Result<Changes> {
        let mut seen = dump(socket)?;
        seen.retain(|&id, _| self.is_of_this_run(id));
        let lost = self.live.keys().copied().filter(|id| !seen.contains_key(id)).collect();
        self.live = seen;
        let mut changes = Changes { lost, ..Changes::default() };
        let objects = self.objects(socket)?;
        self.install(objects, socket, &mut changes)?;
        // After the objects, since groups are made of those that are installed.
        let services: Vec<_> = self.wanted.keys().copied().collect();
        let groups = services.into_iter().flat_map(|service| self.groups_of(service)).collect();
        self.install(groups, socket, &mut changes)?;
        Ok(changes)
    }

    /// Removes what earlier runs left; no route uses it any more.
    pub(super) fn retire(&mut self, socket: &mut Socket) -> io::Result<Vec<Refusal>> {
        let earlier = std::mem::take(&mut self.earlier);
        remove(earlier, socket)
    }

    /// Removes this run's objects too.
    pub(super) fn leave(&mut self, socket: &mut Socket) -> io::Result<Vec<Refusal>> {
        self.wanted.clear();
        let mut all = std::mem::take(&mut self.earlier);
        all.extend(self.live.drain().map(|(_, object)| object));
        remove(all, socket)
    }

    /// Writes those of `wanted` that the kernel does not hold as they are.
    fn install(
        &mut self,
        mut wanted: Vec<NextHop>,
        socket: &mut Socket,
        changes: &mut Changes,
    ) -> io::Result<()> {
        wanted.retain(|object| self.live.get(&object.id) != Some(object));
        if wanted.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for object in &wanted {
            write(&mut batch, flag::CREATE | flag::REPLACE, object);
        }
        let refusals = socket.transact(&mut batch)?;
        self.record(wanted, &refusals);
        changes.refusals.extend(refusals);
        Ok(())
    }

    fn record(&mut self, written: Vec<NextHop>, refusals: &[Refusal]) {
        for (index, object) in written.into_iter().enumerate() {
            if refusals.iter().all(|refusal| refusal.index != index) {
                self.live.insert(object.id, object);
            }
        }
    }

    /// The objects that the paths should have, for as many as have an interface that is up.
    fn objects(&self, socket: &mut Socket) -> io::Result<Vec<NextHop>> {
        let mut objects = Vec::new();
        for (index, path) in self.paths.iter().enumerate() {
            let id = self.run | (index as u32) << 1;
            let Some(link) = interface(path, socket)?.filter(|link| link.up) else { continue };
            let interface = Some(link.index);
            let object = |id, gateway| NextHop { id, interface, gateway, group: Vec::new() };
            objects.push(object(id, Some(path.next_hop)));
            if path.next_hop.is_ipv4() && link.point_to_point {
                // IPv6 cannot go through an IPv4 gateway, but through a tunnel as such.
                objects.push(object(id | 1, None));
            }
        }
        Ok(objects)
    }

    /// The service's groups as they should be, of the objects that are installed. A family that
    /// none of its paths can carry now has none, and an existing group then stays as it is.
    fn groups_of(&self, service: ServiceId) -> Vec<NextHop> {
        let Some(carry) = self.wanted.get(&service) else { return Vec::new() };
        let group = |ipv6| {
            let member = |share: &Share| Member {
                id: self.object_id(share.path, ipv6),
                weight: share.weight,
            };
            let members = carry.iter().map(member);
            let group: Vec<_> =
                members.filter(|member| self.live.contains_key(&member.id)).collect();
            let id = self.group_id(service, ipv6);
            NextHop { id, interface: None, gateway: None, group }
        };
        [false, true].into_iter().map(group).filter(|group| !group.group.is_empty()).collect()
    }

    fn group_id(&self, service: ServiceId, ipv6: bool) -> u32 {
        self.run | GROUP | u32::from(service.0) << 1 | u32::from(ipv6)
    }

    /// The object for a family's routes; an object with an IPv6 gateway serves both.
    fn object_id(&self, path: PathId, ipv6: bool) -> u32 {
        let bare = ipv6 && self.next_hop(path).is_some_and(|next_hop| next_hop.is_ipv4());
        self.run | u32::from(path.0) << 1 | u32::from(bare)
    }

    fn next_hop(&self, path: PathId) -> Option<IpAddr> {
        self.paths.get(path.index()).map(|path| path.next_hop)
    }
}

/// The interface that a path's traffic leaves through: the one named, or the one that the next
/// hop is reached over.
pub(super) fn interface(path: &PathLink, socket: &mut Socket) -> io::Result<Option<Link>> {
    let mut batch = Batch::default();
    let mut link = None;
    match &path.interface {
        Some(name) => Link::request(&mut batch, name),
        None => {
            let mut index = None;
            Route::request(&mut batch, path.next_hop);
            socket.ask(&mut batch, |body| index = Route::read_interface(body))?;
            let Some(index) = index else { return Ok(None) };
            batch.clear();
            Link::request_index(&mut batch, index);
        }
    }
    // Refused if there is no such link.
    socket.ask(&mut batch, |body| link = Link::read(body))?;
    Ok(link)
}

/// All next-hop objects of ours.
fn dump(socket: &mut Socket) -> io::Result<HashMap<u32, NextHop>> {
    let mut batch = Batch::default();
    NextHop::request_all(&mut batch);
    let mut objects = HashMap::new();
    socket.dump(&mut batch, |_, body| {
        if let Some(object) = NextHop::read_ours(body) {
            objects.insert(object.id, object);
        }
    })?;
    Ok(objects)
}

fn write(batch: &mut Batch, flags: u16, object: &NextHop) {
    match object.interface {
        Some(interface) => NextHop::write(batch, flags, object.id, interface, object.gateway),
        None => NextHop::write_group(batch, flags, object.id, &object.group),
    }
}

/// Removes groups first: an object that leaves a group would shrink it for a moment.
fn remove(mut objects: Vec<NextHop>, socket: &mut Socket) -> io::Result<Vec<Refusal>> {
    if objects.is_empty() {
        return Ok(Vec::new());
    }
    objects.sort_by_key(|object| object.group.is_empty());
    let mut batch = Batch::default();
    for object in &objects {
        NextHop::remove(&mut batch, object.id);
    }
    let mut refusals = socket.transact(&mut batch)?;
    refusals.retain(|refusal| refusal.errno != libc::ENOENT);
    Ok(refusals)
}
