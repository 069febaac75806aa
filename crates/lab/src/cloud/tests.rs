//! The cloud against a small scripted peer made of a real session.

use pathvane_session::{Config, Session, Sink};
use pathvane_wire::{
    AsPath, Attrs, DecodeContext, Family, NextHop, Notification, RouteRefresh, UpdateView,
    encode_announcements, encode_end_of_rib,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::seen::Seen;
use crate::voice::Endpoints;

struct Ignore;

impl Sink for Ignore {
    fn update(&mut self, _: &UpdateView<'_>, _: &DecodeContext) -> Result<(), Notification> {
        Ok(())
    }
    fn route_refresh(&mut self, _: RouteRefresh) {}
}

/// A site speaker with one session.
struct Site {
    session: Session,
    stream: TcpStream,
}

const CONN: ConnId = ConnId(1);

impl Site {
    /// Dials and comes to Established.
    async fn connect(router: SocketAddr) -> Self {
        let id = BgpId::from(Ipv4Addr::new(10, 255, 0, 1));
        let mut session = Session::new(Config::new(Asn(ASN), id, Asn(16550)), 1);
        let stream = TcpStream::connect(router).await.expect("connect");
        let now = mono::now();
        session.handle_start(now);
        session.handle_connected(now, CONN, Dialled::Outbound);
        let mut site = Self { session, stream };
        while site.session.established().is_none() {
            site.turn().await;
        }
        site
    }

    async fn turn(&mut self) {
        while self.session.poll_action().is_some() {}
        let mut out = BytesMut::new();
        self.session.poll_transmit(CONN, &mut out);
        self.stream.write_all(&out).await.expect("write");
        let mut bytes = [0; 4096];
        let n = self.stream.read(&mut bytes).await.expect("read");
        assert!(n > 0, "closed by the router");
        self.session.handle_bytes(mono::now(), CONN, &bytes[..n], &mut Ignore);
        while self.session.poll_action().is_some() {}
    }

    async fn announce(&mut self, med: u32) {
        let mut out = BytesMut::new();
        self.session.poll_transmit(CONN, &mut out);
        let (_, terms) = self.session.established().expect("Established");
        let attrs =
            Attrs { med: Some(med), as_path: AsPath::sequence([Asn(ASN)]), ..Attrs::default() };
        let mut bytes = BytesMut::new();
        attrs.encode(&terms.encode, &mut bytes);
        let next_hop = NextHop::from(IpAddr::from([10, 0, 0, 1]));
        let prefix: IpNet = AGENTS.parse().expect("prefix");
        let family = Family::IPV4_UNICAST;
        encode_announcements(family, &next_hop, &bytes, [(0, prefix)], &terms.encode, &mut out)
            .expect("fits");
        encode_end_of_rib(family, &mut out);
        self.stream.write_all(&out).await.expect("write");
    }
}

/// Reads the record until the VPC chooses `routers`; what was seen on the way.
async fn until_choice(seen: &mut UnboundedReceiver<Seen>, routers: &[usize]) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let wait = tokio::time::timeout(Duration::from_secs(5), seen.recv());
        let next = wait.await.unwrap_or_else(|_| panic!("no choice of {routers:?} in {all:?}"));
        let next = next.expect("the cloud runs");
        let chosen = next.what == What::Return { routers: routers.to_vec() };
        all.push(next);
        if chosen {
            return all;
        }
    }
}

#[tokio::test]
async fn sessions_come_up_and_the_vpc_follows_the_lower_med() {
    let site = Ipv4Addr::new(127, 79, 0, 1);
    let endpoints = Endpoints::bind(site, &[site, site]).expect("loopback");
    let call = Arc::new(Call::start(endpoints, Vec::new()).expect("call"));
    let spec = |last, region: &str| RouterSpec {
        address: Ipv4Addr::new(127, 79, 0, last),
        region: region.to_owned(),
    };
    let specs = vec![spec(11, "us-east1"), spec(12, "us-west1")];
    let mut cloud = Cloud::bind(specs, Duration::from_millis(30)).await.expect("bind");
    let addresses = [cloud.address(0).expect("address"), cloud.address(1).expect("address")];
    let (reporter, mut seen) = Reporter::new();
    cloud.start(call, reporter);

    let mut east = Site::connect(addresses[0]).await;
    let mut west = Site::connect(addresses[1]).await;
    east.announce(20_000).await;
    let record = until_choice(&mut seen, &[0]).await;
    assert!(record.iter().any(|s| matches!(s.what, What::Session { router: 0, up: true, .. })));
    let known = record.iter().find_map(|s| match s.what {
        What::Update { router: 0, med: Some(20_000), .. } => Some(s.at),
        _ => None,
    });
    let used = record.last().expect("the choice").at;
    assert!(used.since(known.expect("the UPDATE")) >= Duration::from_millis(30));

    west.announce(30_000).await;
    west.announce(10_000).await;
    until_choice(&mut seen, &[1]).await;
    drop(west);
    let record = until_choice(&mut seen, &[0]).await;
    assert!(record.iter().any(|s| matches!(s.what, What::Session { router: 1, up: false, .. })));
}
