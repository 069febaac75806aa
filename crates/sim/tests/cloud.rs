//! An emulated cloud router against a bare session that plays the speaker.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_session::{
    Action as SessionAction, Config, ConnId, Direction, DownReason, Farewell, GracefulRestart,
    Session, Sink,
};
use pathvane_sim::cloud::{
    Action, Advertised, BestPath, Cause, Change, CloudRouter, ProgrammingDelay, RouterConfig,
    RouterId, Status, Vpc, VpcConfig,
};
use pathvane_wire::{
    AsPath, Asn, Attrs, BgpId, DecodeContext, Family, FamilySet, NextHop, Notification,
    RefreshSubtype, RouteRefresh, UpdateView, cease, code, encode_announcements, encode_end_of_rib,
    encode_withdrawals,
};

const SECOND: Duration = Duration::from_secs(1);

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

/// What the speaker hears: prefixes with MED, and End-of-RIB.
#[derive(Default)]
struct Heard {
    announced: Vec<(IpNet, Option<u32>)>,
    complete: usize,
}

impl Sink for Heard {
    fn update(&mut self, view: &UpdateView<'_>, ctx: &DecodeContext) -> Result<(), Notification> {
        let med = view.attrs().check(ctx).attrs.med;
        for reach in view.reaches() {
            self.announced.extend(reach.nlri.map(|nlri| (nlri.prefix, med)));
        }
        self.complete += usize::from(view.end_of_rib().is_some());
        Ok(())
    }

    fn route_refresh(&mut self, _: RouteRefresh) {}
}

/// A router, a bare session that dials it, and instant delivery between them.
struct Bench {
    now: Instant,
    router: CloudRouter,
    speaker: Session,
    heard: Heard,
    downs: Vec<DownReason>,
    conn: Option<ConnId>,
    next_conn: u32,
    reachable: bool,
}

fn router_config() -> RouterConfig {
    let next_hop = "169.254.10.1".parse().expect("an address");
    let mut config = RouterConfig::new("east", BgpId(0xa9fe_0a01), Asn(65_010), next_hop);
    config.passive = true;
    for (prefix, region) in [("10.128.0.0/20", "east"), ("10.132.0.0/20", "west")] {
        config.advertised.push(Advertised { prefix: net(prefix), region: region.to_owned() });
    }
    config
}

fn speaker_config(graceful: bool) -> Config {
    let mut config = Config::new(Asn(65_010), BgpId(0x0aff_0001), Asn(16_550));
    config.hold_time = 180;
    if graceful {
        config.graceful_restart = Some(GracefulRestart {
            restart_time: 10,
            restarting: false,
            notification: false,
            families: FamilySet::IPV4,
            forwarding: FamilySet::IPV4,
        });
    }
    config
}

impl Bench {
    fn new(router: RouterConfig, speaker: Config) -> Self {
        let now = Instant::from_secs(100);
        let mut bench = Self {
            now,
            router: CloudRouter::new(router, now),
            speaker: Session::new(speaker, 7),
            heard: Heard::default(),
            downs: Vec::new(),
            conn: None,
            next_conn: 1,
            reachable: true,
        };
        bench.speaker.handle_start(now);
        bench.pump();
        bench
    }

    fn pump(&mut self) {
        loop {
            let mut idle = true;
            while let Some(action) = self.speaker.poll_action() {
                idle = false;
                self.carry_out(action);
            }
            while let Some(action) = self.router.poll_action() {
                idle = false;
                if let Action::Close { conn } = action {
                    self.conn = None;
                    self.speaker.handle_closed(self.now, conn);
                }
            }
            idle &= !self.deliver();
            if idle {
                return;
            }
        }
    }

    fn carry_out(&mut self, action: SessionAction) {
        match action {
            SessionAction::Connect if self.reachable => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.conn = Some(conn);
                self.router.handle_connected(self.now, conn, Direction::Inbound);
                self.speaker.handle_connected(self.now, conn, Direction::Outbound);
            }
            SessionAction::Connect => self.speaker.handle_connect_failed(self.now),
            SessionAction::Close { conn } => {
                self.conn = None;
                self.router.handle_closed(self.now, conn);
            }
            SessionAction::Down(reason) => self.downs.push(reason),
            _ => {}
        }
    }

    fn deliver(&mut self) -> bool {
        let Some(conn) = self.conn else { return false };
        let (mut out, mut back) = (BytesMut::new(), BytesMut::new());
        let moved =
            self.speaker.poll_transmit(conn, &mut out) + self.router.poll_transmit(conn, &mut back);
        if self.reachable {
            self.router.handle_bytes(self.now, conn, &out);
            let mut rest = Some(&back[..]);
            while let Some(bytes) = rest {
                rest = self.speaker.handle_bytes(self.now, conn, bytes, &mut self.heard);
            }
        }
        moved > 0
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let next = |bench: &Self| {
            let alarms = [bench.router.poll_timeout(), bench.speaker.poll_timeout()];
            alarms.into_iter().flatten().min().filter(|at| *at <= end)
        };
        while let Some(at) = next(self) {
            self.now = self.now.max(at);
            self.router.handle_timeout(self.now);
            self.speaker.handle_timeout(self.now);
            self.pump();
        }
        self.now = end;
    }

    fn send(&mut self, write: impl FnOnce(&Session, &mut BytesMut)) {
        let mut bytes = BytesMut::new();
        write(&self.speaker, &mut bytes);
        let conn = self.conn.expect("connected");
        self.router.handle_bytes(self.now, conn, &bytes);
        self.pump();
    }

    fn announce(&mut self, prefixes: &[IpNet], med: Option<u32>) {
        let as_path = AsPath::sequence([Asn(65_010)]);
        let attrs = Attrs { as_path, med, ..Attrs::default() };
        self.send(|session, out| {
            let context = session.established().expect("Established").1.encode;
            let mut bytes = BytesMut::new();
            attrs.encode(&context, &mut bytes);
            let next_hop = NextHop::from("169.254.10.2".parse::<IpAddr>().expect("an address"));
            let nlri = prefixes.iter().map(|prefix| (0, *prefix));
            let family = Family::IPV4_UNICAST;
            encode_announcements(family, &next_hop, &bytes, nlri, &context, out).expect("fits");
        });
    }

    fn changes(&mut self) -> Vec<Change> {
        std::iter::from_fn(|| self.router.poll_change()).collect()
    }

    fn routes(&self) -> Vec<(IpNet, u32, bool)> {
        self.router.routes().map(|(prefix, route, stale)| (*prefix, route.med, stale)).collect()
    }
}

#[test]
fn the_router_announces_its_subnets_with_med_by_region_and_end_of_rib() {
    let bench = Bench::new(router_config(), speaker_config(true));
    assert_eq!(bench.router.status(), Status::Up);
    let expected = [(net("10.128.0.0/20"), Some(100)), (net("10.132.0.0/20"), Some(350))];
    assert_eq!(bench.heard.announced, expected);
    assert_eq!(bench.heard.complete, 1);
    let (_, terms) = bench.speaker.established().expect("Established");
    assert_eq!((terms.hold_time, terms.keepalive), (60 * SECOND, 20 * SECOND));
    assert_eq!(terms.graceful_restart.expect("offered").restart_time, 120 * SECOND);
    assert!(!terms.refresh);
}

#[test]
fn a_missing_med_counts_as_zero() {
    let mut bench = Bench::new(router_config(), speaker_config(true));
    bench.announce(&[net("10.20.0.0/16")], None);
    assert_eq!(bench.routes(), [(net("10.20.0.0/16"), 0, false)]);
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    assert_eq!(bench.routes(), [(net("10.20.0.0/16"), 20_000, false)]);
    assert_eq!(bench.changes().len(), 2);
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    assert_eq!(bench.changes(), [], "the same again is no change");
}

#[test]
fn a_fin_keeps_routes_for_our_restart_time() {
    let mut bench = Bench::new(router_config(), speaker_config(true));
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    bench.changes();
    bench.reachable = false;
    let conn = bench.conn.take().expect("connected");
    let cut = bench.now;
    bench.router.handle_closed(cut, conn);
    bench.run_for(9 * SECOND);
    assert_eq!(bench.routes(), [(net("10.20.0.0/16"), 20_000, true)]);
    bench.run_for(2 * SECOND);
    assert_eq!(bench.routes(), []);
    let gone = &bench.changes()[0];
    assert_eq!((gone.cause, gone.at.since(cut)), (Cause::RestartTimeOver, 10 * SECOND));
}

#[test]
fn without_graceful_restart_a_fin_removes_routes_at_once() {
    let mut bench = Bench::new(router_config(), speaker_config(false));
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    let conn = bench.conn.take().expect("connected");
    bench.router.handle_closed(bench.now, conn);
    assert_eq!(bench.routes(), []);
}

#[test]
fn a_cease_removes_routes_at_once() {
    let mut bench = Bench::new(router_config(), speaker_config(true));
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    let bye = Farewell::Notify(Notification::administrative_shutdown("drain"));
    bench.speaker.handle_stop(bench.now, bye);
    bench.pump();
    assert_eq!(bench.routes(), []);
    assert_eq!(bench.changes().last().map(|change| change.cause), Some(Cause::SessionDown));
}

#[test]
fn silence_keeps_routes_until_the_hold_timer() {
    let mut bench = Bench::new(router_config(), speaker_config(true));
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    bench.reachable = false;
    bench.run_for(39 * SECOND);
    assert_eq!(bench.routes().len(), 1);
    bench.run_for(22 * SECOND);
    assert_eq!(bench.routes(), []);
}

#[test]
fn after_a_restart_what_is_not_announced_again_goes_with_end_of_rib() {
    let mut bench = Bench::new(router_config(), speaker_config(true));
    bench.announce(&[net("10.20.0.0/16"), net("10.21.0.0/16")], Some(20_000));
    bench.changes();
    let conn = bench.conn.take().expect("connected");
    bench.router.handle_closed(bench.now, conn);
    bench.speaker = Session::new(speaker_config(true), 8);
    bench.speaker.handle_start(bench.now + 2 * SECOND);
    bench.run_for(3 * SECOND);
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    assert_eq!(bench.routes().len(), 2);
    bench.send(|_, out| encode_end_of_rib(Family::IPV4_UNICAST, out));
    assert_eq!(bench.routes(), [(net("10.20.0.0/16"), 20_000, false)]);
    assert_eq!(bench.changes().len(), 1, "the route that stayed never changed");
}

#[test]
fn a_restart_without_preserved_forwarding_flushes_stale_routes() {
    let mut bench = Bench::new(router_config(), speaker_config(true));
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    let conn = bench.conn.take().expect("connected");
    bench.router.handle_closed(bench.now, conn);
    let mut honest = speaker_config(true);
    honest.graceful_restart.as_mut().expect("set").forwarding = FamilySet::EMPTY;
    bench.speaker = Session::new(honest, 8);
    bench.speaker.handle_start(bench.now + SECOND);
    bench.run_for(3 * SECOND);
    assert_eq!(bench.router.status(), Status::Up);
    assert_eq!(bench.routes(), []);
}

#[test]
fn too_many_prefixes_close_the_session_until_it_is_enabled_again() {
    let mut config = router_config();
    config.max_prefixes = 3;
    let mut bench = Bench::new(config, speaker_config(true));
    let prefixes = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"].map(net);
    bench.announce(&prefixes[..3], Some(20_000));
    assert_eq!(bench.router.status(), Status::Up);
    bench.announce(&prefixes[3..], Some(20_000));
    assert_eq!(bench.router.status(), Status::Disabled);
    let told = bench.downs[0].notification().expect("a NOTIFICATION");
    assert_eq!((told.code, told.subcode), (code::CEASE, cease::MAX_PREFIXES));
    assert_eq!(bench.routes(), []);
    bench.run_for(3600 * SECOND);
    assert_eq!(bench.router.status(), Status::Disabled);
    bench.router.handle_enable(bench.now);
    bench.run_for(90 * SECOND);
    assert_eq!(bench.router.status(), Status::Up);
}

#[test]
fn maintenance_keeps_routes_and_comes_back_restarting() {
    let mut bench = Bench::new(router_config(), speaker_config(true));
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    bench.changes();
    bench.router.handle_maintenance(bench.now, 20 * SECOND);
    bench.pump();
    assert_eq!(bench.router.status(), Status::Maintenance);
    assert_eq!(bench.downs[0].retain.expect("graceful").restart_time, 120 * SECOND);
    bench.run_for(19 * SECOND);
    assert_eq!(bench.routes().len(), 1);
    bench.run_for(80 * SECOND);
    assert_eq!(bench.router.status(), Status::Up);
    let (_, terms) = bench.speaker.established().expect("Established");
    assert!(terms.graceful_restart.expect("offered").restarting);
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    bench.send(|_, out| encode_end_of_rib(Family::IPV4_UNICAST, out));
    assert_eq!(bench.routes(), [(net("10.20.0.0/16"), 20_000, false)]);
    assert_eq!(bench.changes(), [], "the VPC never noticed");
}

#[test]
fn a_withdrawal_and_our_own_as_in_the_path_remove_a_route() {
    let mut bench = Bench::new(router_config(), speaker_config(true));
    bench.announce(&[net("10.20.0.0/16")], Some(20_000));
    bench.send(|session, out| {
        let context = session.established().expect("Established").1.encode;
        encode_withdrawals(Family::IPV4_UNICAST, [(0, net("10.20.0.0/16"))], &context, out);
    });
    assert_eq!(bench.routes(), []);
    assert_eq!(bench.changes().len(), 2);
}

#[test]
fn a_refresh_brings_everything_again() {
    let mut config = router_config();
    config.route_refresh = true;
    let mut bench = Bench::new(config, speaker_config(true));
    let first = std::mem::take(&mut bench.heard.announced);
    let subtype = RefreshSubtype::Request;
    bench.send(|_, out| RouteRefresh { family: Family::IPV4_UNICAST, subtype }.encode(out));
    assert_eq!(bench.heard.announced, first);
}

fn route_change(at: Instant, prefix: &str, med: Option<u32>) -> Change {
    // Routes are made by a router; the VPC only compares them.
    let mut bench = Bench::new(router_config(), speaker_config(true));
    bench.announce(&[net(prefix)], med);
    let mut change = bench.changes().remove(0);
    change.at = at;
    change
}

fn gone(at: Instant, prefix: &str) -> Change {
    Change { at, prefix: net(prefix), route: None, cause: Cause::Update }
}

fn two_regions(delay: ProgrammingDelay) -> (Vpc, RouterId, RouterId) {
    let mut config = VpcConfig::new(&["east", "west"]);
    config.delay = delay;
    let mut vpc = Vpc::new(config);
    let (east, west) = (vpc.add_router("east"), vpc.add_router("west"));
    (vpc, east, west)
}

const EAST: usize = 0;
const WEST: usize = 1;

#[test]
fn the_vpc_adds_the_inter_region_cost_and_ties_share() {
    let (mut vpc, east, west) = two_regions(ProgrammingDelay::default());
    let at = Instant::from_secs(1);
    let site: IpAddr = "10.20.1.1".parse().expect("an address");
    vpc.handle_change(east, &route_change(at, "10.20.0.0/16", Some(20_000)));
    vpc.handle_change(west, &route_change(at, "10.20.0.0/16", Some(20_000)));
    assert_eq!((vpc.next_hops(EAST, site), vpc.next_hops(WEST, site)), (&[east][..], &[west][..]));
    vpc.handle_change(west, &route_change(at, "10.20.0.0/16", Some(30_000)));
    assert_eq!(vpc.next_hops(WEST, site), [east], "MED steps outweigh the cost");
    vpc.handle_change(west, &route_change(at, "10.20.0.0/16", Some(19_750)));
    assert_eq!(vpc.next_hops(EAST, site), [east, west], "20000 here, 19750 + 250 there");
    vpc.handle_change(east, &gone(at, "10.20.0.0/16"));
    assert_eq!(vpc.next_hops(EAST, site), [west]);
    assert_eq!(vpc.next_hops(EAST, "10.99.0.1".parse().expect("an address")), []);
}

#[test]
fn standard_comparison_looks_at_the_as_path_first() {
    let at = Instant::from_secs(1);
    let site: IpAddr = "10.20.1.1".parse().expect("an address");
    let near = route_change(at, "10.20.0.0/16", Some(30_000));
    let mut far = route_change(at, "10.20.0.0/16", Some(20_000));
    far.route.as_mut().expect("announced").as_path_len += 1;
    for (best_path, expected) in [(BestPath::Standard, 0), (BestPath::Legacy, 1)] {
        let mut config = VpcConfig::new(&["east"]);
        config.best_path = best_path;
        let mut vpc = Vpc::new(config);
        let routers = [vpc.add_router("east"), vpc.add_router("east")];
        vpc.handle_change(routers[0], &near);
        vpc.handle_change(routers[1], &far);
        assert_eq!(vpc.next_hops(EAST, site), [routers[expected]]);
    }
}

#[test]
fn an_undercut_wins_over_a_dead_sessions_better_order() {
    let (mut vpc, east, west) = two_regions(ProgrammingDelay::default());
    let at = Instant::from_secs(1);
    let site: IpAddr = "10.20.1.1".parse().expect("an address");
    vpc.handle_change(east, &route_change(at, "10.20.0.0/16", Some(20_000)));
    vpc.handle_change(west, &route_change(at, "10.20.0.0/16", Some(30_000)));
    assert_eq!(vpc.next_hops(EAST, site), [east]);
    vpc.handle_change(west, &route_change(at, "10.20.0.0/16", Some(10_000)));
    assert_eq!((vpc.next_hops(EAST, site), vpc.next_hops(WEST, site)), (&[west][..], &[west][..]));
}

#[test]
fn programming_takes_its_time_in_order_and_is_recorded() {
    let delay = ProgrammingDelay { add: 5 * SECOND, change: SECOND, withdraw: 2 * SECOND };
    let (mut vpc, east, west) = two_regions(delay);
    let site: IpAddr = "10.20.1.1".parse().expect("an address");
    let at = |secs| Instant::from_secs(secs);
    vpc.handle_change(east, &route_change(at(10), "10.20.0.0/16", Some(20_000)));
    assert_eq!((vpc.next_hops(EAST, site), vpc.poll_timeout()), (&[][..], Some(at(15))));
    vpc.handle_timeout(at(15));
    assert_eq!(vpc.next_hops(EAST, site), [east]);
    vpc.handle_change(west, &route_change(at(20), "10.20.0.0/16", Some(10_000)));
    vpc.handle_change(west, &gone(at(21), "10.20.0.0/16"));
    vpc.handle_timeout(at(24));
    assert_eq!(vpc.next_hops(EAST, site), [east], "not yet");
    vpc.handle_timeout(at(25));
    assert_eq!(vpc.next_hops(EAST, site), [east], "the withdrawal did not overtake");
    let record: VecDeque<_> = std::iter::from_fn(|| vpc.poll_event())
        .filter(|event| event.region == EAST)
        .map(|event| (event.at, event.known_at, event.next_hops))
        .collect();
    let expected =
        [(at(15), at(10), vec![east]), (at(25), at(20), vec![west]), (at(25), at(21), vec![east])];
    assert_eq!(record, expected);
    assert_eq!(vpc.poll_timeout(), None);
}

#[test]
fn regional_routing_uses_the_regions_own_routers_only() {
    let mut config = VpcConfig::new(&["east", "west"]);
    config.global = false;
    config.best_path = BestPath::Standard;
    let mut vpc = Vpc::new(config);
    let east = vpc.add_router("east");
    vpc.handle_change(east, &route_change(Instant::from_secs(1), "10.20.0.0/16", None));
    let site: IpAddr = "10.20.1.1".parse().expect("an address");
    assert_eq!((vpc.next_hops(EAST, site), vpc.next_hops(WEST, site)), (&[east][..], &[][..]));
}
