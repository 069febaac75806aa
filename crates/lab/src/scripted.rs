//! A small scripted peer made of a real session, for tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_session::{Config, ConnId, Direction, GracefulRestart, Session, Sink};
use pathvane_wire::{
    AsPath, Asn, Attrs, BgpId, DecodeContext, Family, FamilySet, NextHop, Notification,
    RouteRefresh, UpdateView, encode_announcements, encode_end_of_rib,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::configuration::{AGENTS, ASN};
use crate::mono;
use crate::seen::{Seen, What};

struct Ignore;

impl Sink for Ignore {
    fn update(&mut self, _: &UpdateView<'_>, _: &DecodeContext) -> Result<(), Notification> {
        Ok(())
    }
    fn route_refresh(&mut self, _: RouteRefresh) {}
}

/// A site speaker with one session.
pub(crate) struct Site {
    session: Session,
    stream: TcpStream,
}

const CONN: ConnId = ConnId(1);

impl Site {
    /// Dials and comes to Established.
    pub(crate) async fn connect(router: SocketAddr) -> Self {
        let id = BgpId::from(Ipv4Addr::new(10, 255, 0, 1));
        let mut config = Config::new(Asn(ASN), id, Asn(16550));
        config.graceful_restart = Some(GracefulRestart {
            restart_time: 10,
            restarting: false,
            notification: false,
            families: FamilySet::IPV4,
            forwarding: FamilySet::IPV4,
        });
        let mut session = Session::new(config, 1);
        let stream = TcpStream::connect(router).await.expect("connect");
        let now = mono::now();
        session.handle_start(now);
        session.handle_connected(now, CONN, Direction::Outbound);
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
        let mut rest = Some(&bytes[..n]);
        while let Some(bytes) = rest {
            rest = self.session.handle_bytes(mono::now(), CONN, bytes, &mut Ignore);
        }
        while self.session.poll_action().is_some() {}
    }

    pub(crate) async fn announce(&mut self, med: u32) {
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
pub(crate) async fn until_choice(
    seen: &mut UnboundedReceiver<Seen>,
    routers: &[usize],
) -> Vec<Seen> {
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
