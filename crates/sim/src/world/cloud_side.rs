//! The cloud: routers, the VPC, and reflectors in its regions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bytes::BytesMut;
use pathvane_clock::Instant;
use pathvane_probe::stamp::Request;
use pathvane_probe::{Stamps, Timestamp};
use pathvane_session::Direction;

use super::{Datagram, World, conn_id, setup};
use crate::cloud::{Action, CloudRouter, RouterConfig, RouterId, Vpc, VpcConfig};
use crate::net::{End, StreamId};

/// A STAMP reflector.
#[derive(Debug)]
pub(super) struct Reflector {
    /// Whether it answers.
    pub(super) alive: bool,
    /// It numbers its replies itself (RFC 8762 section 4.2, stateful).
    stateful: bool,
    /// It says in Direct Measurement what it counts.
    counts: bool,
    /// Replies per session, by stream and source port.
    replies: BTreeMap<(u16, u32), u32>,
}

#[derive(Debug)]
pub(super) struct CloudSide {
    routers: Vec<CloudRouter>,
    vpc: Vpc,
    /// By region and number.
    reflectors: Vec<[Reflector; 2]>,
    /// Paths whose first hop answers no echoes.
    mute: BTreeSet<usize>,
    /// Dials under way, by router.
    dials: BTreeMap<usize, StreamId>,
    epoch: Timestamp,
}

impl CloudSide {
    pub(super) fn new(
        now: Instant,
        routers: Vec<RouterConfig>,
        vpc: VpcConfig,
        epoch: Timestamp,
    ) -> Self {
        let regions = vpc.regions.len();
        let mut vpc = Vpc::new(vpc);
        for router in &routers {
            vpc.add_router(&router.region);
        }
        let reflector =
            || Reflector { alive: true, stateful: true, counts: true, replies: BTreeMap::new() };
        Self {
            routers: routers.into_iter().map(|config| CloudRouter::new(config, now)).collect(),
            vpc,
            reflectors: (0..regions).map(|_| [reflector(), reflector()]).collect(),
            mute: BTreeSet::new(),
            dials: BTreeMap::new(),
            epoch,
        }
    }

    pub(super) fn routers(&self) -> &[CloudRouter] {
        &self.routers
    }

    pub(super) fn router(&mut self, nth: usize) -> &mut CloudRouter {
        &mut self.routers[nth]
    }

    pub(super) fn vpc(&self) -> &Vpc {
        &self.vpc
    }

    pub(super) fn gateway(&mut self, path: usize, answers: bool) {
        if answers {
            self.mute.remove(&path);
        } else {
            self.mute.insert(path);
        }
    }

    pub(super) fn counting(&mut self, stateful: bool, counts: bool) {
        for reflector in self.reflectors.iter_mut().flatten() {
            reflector.stateful = stateful;
            reflector.counts = counts;
        }
    }

    pub(super) fn reflector(&mut self, region: usize, nth: usize) -> &mut Reflector {
        &mut self.reflectors[region][nth]
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let routers = self.routers.iter().filter_map(CloudRouter::poll_timeout);
        routers.chain(self.vpc.poll_timeout()).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for router in &mut self.routers {
            if router.poll_timeout().is_some_and(|at| at <= now) {
                router.handle_timeout(now);
            }
        }
        self.vpc.handle_timeout(now);
    }

    /// The path by which the first region reaches a host of the site; `flow` spreads over equal ones.
    pub(super) fn way_to_site(&self, flow: usize) -> Option<usize> {
        self.way(0, setup::site_host(), flow)
    }

    /// The path by which a region reaches an address; `flow` spreads over equal ones.
    fn way(&self, region: usize, to: IpAddr, flow: usize) -> Option<usize> {
        let next_hops = self.vpc.next_hops(region, to);
        let RouterId(router) = next_hops.get(flow.checked_rem(next_hops.len())?)?;
        Some(usize::from(*router))
    }

    pub(super) fn opened(
        &mut self,
        now: Instant,
        nth: usize,
        stream: StreamId,
        direction: Direction,
    ) {
        if direction == Direction::Outbound && self.dials.remove(&nth) != Some(stream) {
            return;
        }
        self.routers[nth].handle_connected(now, conn_id(stream), direction);
    }

    pub(super) fn closed(&mut self, now: Instant, nth: usize, stream: StreamId) {
        if self.dials.get(&nth) == Some(&stream) {
            self.dials.remove(&nth);
            self.routers[nth].handle_connect_failed(now);
        } else {
            self.routers[nth].handle_closed(now, conn_id(stream));
        }
    }
}

impl World {
    /// Does what the routers ask, and tells the VPC what they learned.
    pub(super) fn follow_routers(&mut self) {
        for nth in 0..self.cloud.routers.len() {
            self.transmit_router(nth);
            while let Some(action) = self.cloud.routers[nth].poll_action() {
                self.carry_out_router(nth, &action);
                self.transmit_router(nth);
            }
            let id = RouterId(u16::try_from(nth).unwrap_or(u16::MAX));
            while let Some(change) = self.cloud.routers[nth].poll_change() {
                self.cloud.vpc.handle_change(id, &change);
            }
        }
    }

    fn carry_out_router(&mut self, nth: usize, action: &Action) {
        match action {
            Action::Connect => {
                self.hang_up_router(nth);
                let stream = self.dial(nth, false);
                self.cloud.dials.insert(nth, stream);
            }
            Action::CancelConnect => self.hang_up_router(nth),
            Action::Close { conn } => {
                let stream = StreamId::from_number(conn.0 as usize);
                let end = self.cloud_end(stream);
                self.net.close(self.now, stream, end);
            }
        }
    }

    fn hang_up_router(&mut self, nth: usize) {
        if let Some(stream) = self.cloud.dials.remove(&nth) {
            self.net.cut(self.now, stream);
        }
    }

    fn transmit_router(&mut self, nth: usize) {
        let conns: Vec<_> = self.cloud.routers[nth].transmits().collect();
        for conn in conns {
            let mut out = BytesMut::new();
            self.cloud.routers[nth].poll_transmit(conn, &mut out);
            let stream = StreamId::from_number(conn.0 as usize);
            let end = self.cloud_end(stream);
            self.net.write(self.now, stream, end, out.to_vec());
        }
    }

    pub(super) fn cloud_end(&self, stream: StreamId) -> End {
        match self.conns[stream.number()].site_dialled {
            true => End::Acceptor,
            false => End::Dialler,
        }
    }

    /// An echo request reached the first hop, which answers from where it stands.
    pub(super) fn answer_as_gateway(&mut self, path: usize, stream: u16, bytes: &[u8]) {
        if self.cloud.mute.contains(&path) {
            return;
        }
        let mut reply = bytes.to_vec();
        if let Some(kind) = reply.first_mut() {
            // An echo reply differs in its type alone (RFC 792); the kernel looks at the checksum.
            *kind = 0;
        }
        let links = self.to_gateway().1;
        self.net.send(self.now, &links, Datagram::Reply { stream, bytes: reply });
    }

    /// A probe reached its reflector; the reply goes where the VPC sends its source.
    pub(super) fn reflect(&mut self, path: usize, stream: u16, bytes: &[u8]) {
        let now = self.now;
        let config = self.site.engine.config();
        let nth = config.streams().find(|(id, ..)| id.0 == stream).map_or(0, |(.., nth)| nth);
        let (source, target, ports) = {
            let path = &config.paths[path];
            let probe = &path.probes[nth];
            (path.probe_source, probe.target.ip(), u32::from(probe.ports))
        };
        let Some(request) = Request::decode(bytes) else { return };
        let regions = self.cloud.reflectors.len();
        let Some(region) = setup::region_of(target, regions) else { return };
        let nth = usize::from(target != setup::reflector(region, 0));
        let epoch = self.cloud.epoch;
        let reflector = &mut self.cloud.reflectors[region][nth];
        if !reflector.alive {
            return;
        }
        let replies = reflector.replies.entry((stream, request.seq % ports)).or_default();
        let at = epoch.plus(now.since(Instant::ZERO));
        let seq = if reflector.stateful { *replies } else { request.seq };
        *replies = replies.wrapping_add(1);
        let counts = if reflector.counts { (*replies, *replies) } else { (0, 0) };
        let stamps = Stamps { received: at, sent: at, ttl: 64, seq, counts, ..Stamps::default() };
        let mut reply = Vec::new();
        if pathvane_probe::reflect(bytes, None, &stamps, &mut reply).is_none() {
            return;
        }
        if let Some(way) = self.cloud.way(region, source, usize::from(stream)) {
            let links = self.to_site(way);
            self.net.send(now, &links, Datagram::Reply { stream, bytes: reply });
        }
    }
}
