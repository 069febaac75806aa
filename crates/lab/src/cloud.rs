//! The cloud over real TCP: emulated routers that accept sessions, and the VPC behind them.
//!
//! What routers and VPC do is the pure emulation of `pathvane_sim::cloud`; here it gets
//! sockets and a clock. One task owns all of it, so what it reports is in order.

mod connection;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_session::{ConnId, Direction as Dialled};
use pathvane_sim::cloud::{
    Action, Advertised, Cause, CloudRouter, ProgrammingDelay, RouterConfig, RouterId, Status, Vpc,
    VpcConfig,
};
use pathvane_wire::{Asn, BgpId};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::configuration::{AGENTS, ASN, REGIONS};
use crate::links::Direction;
use crate::mono;
use crate::seen::{PathIndex, Reporter, What};
use crate::voice::Call;
use connection::{Connection, Fact, accept};

/// Sleep at most this long when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// One router.
#[derive(Clone, Debug)]
pub struct RouterSpec {
    /// Where it listens, on a free port.
    pub address: Ipv4Addr,
    /// The region it stands in.
    pub region: String,
}

/// The cloud; stops when dropped.
#[derive(Debug)]
pub struct Cloud {
    specs: Vec<RouterSpec>,
    listeners: Vec<TcpListener>,
    delay: Duration,
    tasks: Vec<JoinHandle<()>>,
}

impl Cloud {
    /// Binds the routers' listening sockets; `delay` is from a route's change in a router to
    /// its use by the VPC.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(specs: Vec<RouterSpec>, delay: Duration) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for spec in &specs {
            listeners.push(TcpListener::bind((spec.address, 0)).await?);
        }
        Ok(Self { specs, listeners, delay, tasks: Vec::new() })
    }

    /// Where router `index` listens.
    ///
    /// # Errors
    /// The operating system's, or that the cloud runs already.
    pub fn address(&self, index: usize) -> io::Result<SocketAddr> {
        self.listeners.get(index).ok_or(io::ErrorKind::NotFound)?.local_addr()
    }

    /// Starts the routers; `call` follows the VPC's choice.
    pub fn start(&mut self, call: Arc<Call>, reporter: Reporter) {
        let (facts, inbox) = unbounded_channel();
        let now = mono::now();
        let mut vpc = vpc(&self.specs, self.delay);
        for spec in &self.specs {
            vpc.add_router(&spec.region);
        }
        let routers = self.specs.iter().map(|spec| CloudRouter::new(router(spec), now)).collect();
        let running = Running {
            up: vec![false; self.specs.len()],
            routers,
            vpc,
            chosen: Vec::new(),
            connections: BTreeMap::new(),
            last_conn: 0,
            call,
            reporter,
            facts: facts.clone(),
        };
        self.tasks.push(tokio::spawn(running.run(inbox)));
        for (index, listener) in self.listeners.drain(..).enumerate() {
            self.tasks.push(tokio::spawn(accept(index, listener, facts.clone())));
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// A router as the product comes, which waits to be dialled and announces the regions' services.
fn router(spec: &RouterSpec) -> RouterConfig {
    let address = IpAddr::V4(spec.address);
    let mut config = RouterConfig::new(&spec.region, BgpId::from(spec.address), Asn(ASN), address);
    config.passive = true;
    config.seed = u64::from(u32::from(spec.address));
    let region = spec.region.clone();
    config.advertised =
        REGIONS.parse().map(|prefix| Advertised { prefix, region }).into_iter().collect();
    config
}

fn vpc(specs: &[RouterSpec], delay: Duration) -> Vpc {
    let regions: Vec<&str> = specs.iter().map(|spec| spec.region.as_str()).collect();
    let mut config = VpcConfig::new(&regions);
    config.delay = ProgrammingDelay { add: delay, change: delay, withdraw: delay };
    Vpc::new(config)
}

/// What the task owns.
struct Running {
    routers: Vec<CloudRouter>,
    /// Whether each session was Established when last looked at.
    up: Vec<bool>,
    vpc: Vpc,
    /// The routers in use for the agents when last looked at.
    chosen: Vec<PathIndex>,
    connections: BTreeMap<ConnId, Connection>,
    last_conn: u32,
    call: Arc<Call>,
    reporter: Reporter,
    facts: UnboundedSender<Fact>,
}

impl Running {
    async fn run(mut self, mut inbox: UnboundedReceiver<Fact>) {
        loop {
            let left = self.due().map_or(IDLE, |at| at.since(mono::now()).min(IDLE));
            match tokio::time::timeout(left, inbox.recv()).await {
                Ok(Some(fact)) => self.take(fact),
                Ok(None) => return,
                Err(_) => self.wake(),
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        let routers = self.routers.iter().filter_map(CloudRouter::poll_timeout);
        routers.chain(self.vpc.poll_timeout()).min()
    }

    fn take(&mut self, fact: Fact) {
        let now = mono::now();
        match fact {
            Fact::Accepted { router, stream } => {
                self.last_conn += 1;
                let conn = ConnId(self.last_conn);
                let connection = Connection::start(router, conn, stream, self.facts.clone());
                self.connections.insert(conn, connection);
                self.routers[router].handle_connected(now, conn, Dialled::Inbound);
                self.settle(router);
            }
            Fact::Bytes { router, conn, bytes } => {
                self.routers[router].handle_bytes(now, conn, &bytes);
                self.settle(router);
            }
            Fact::Closed { router, conn } => {
                self.connections.remove(&conn);
                self.routers[router].handle_closed(now, conn);
                self.settle(router);
            }
        }
    }

    fn wake(&mut self) {
        let now = mono::now();
        for index in 0..self.routers.len() {
            if self.routers[index].poll_timeout().is_some_and(|at| at <= now) {
                self.routers[index].handle_timeout(now);
                self.settle(index);
            }
        }
        self.vpc.handle_timeout(now);
        self.follow();
    }

    /// Carries out what a router wants after something happened to it.
    fn settle(&mut self, index: PathIndex) {
        self.send(index);
        while let Some(action) = self.routers[index].poll_action() {
            if let Action::Close { conn } = action {
                self.send(index);
                self.connections.remove(&conn);
            }
        }
        self.send(index);
        self.tell_session(index);
        while let Some(change) = self.routers[index].poll_change() {
            let med = change.route.as_ref().map(|route| route.med);
            let why = why(change.cause);
            let what = What::Update { router: index, prefix: change.prefix, med, why };
            self.reporter.at(change.at, what);
            self.vpc.handle_change(RouterId(index as u16), &change);
        }
        self.follow();
    }

    fn send(&mut self, index: PathIndex) {
        let waiting: Vec<ConnId> = self.routers[index].transmits().collect();
        for conn in waiting {
            let mut out = BytesMut::new();
            self.routers[index].poll_transmit(conn, &mut out);
            if let Some(connection) = self.connections.get(&conn) {
                connection.write(out);
            }
        }
    }

    fn tell_session(&mut self, index: PathIndex) {
        let router = &self.routers[index];
        let up = router.status() == Status::Up;
        if std::mem::replace(&mut self.up[index], up) == up {
            return;
        }
        let detail = match router.last_down() {
            _ if up => "Established".to_owned(),
            None => "closed".to_owned(),
            Some(reason) => {
                let kept = router.routes().count();
                format!("{reason}; {kept} routes kept as stale")
            }
        };
        self.reporter.now(What::Session { router: index, up, detail });
    }

    /// Sends the call where the VPC sends what is for the agents.
    fn follow(&mut self) {
        let agents: Option<IpNet> = AGENTS.parse().ok();
        while let Some(event) = self.vpc.poll_event() {
            if Some(event.prefix) != agents {
                continue;
            }
            // The call comes from the first region; the choice counts when every region made it.
            if event.region == 0 {
                let path = event.next_hops.first().and_then(|id| u8::try_from(id.0).ok());
                self.call.route(Direction::Return, path.unwrap_or(Call::NOWHERE));
            }
            let routers = self.choice(event.prefix.addr());
            if self.chosen != routers {
                self.chosen.clone_from(&routers);
                self.reporter.at(event.at, What::Return { routers });
            }
        }
    }

    /// The routers in use for `to` in any region.
    fn choice(&self, to: IpAddr) -> Vec<PathIndex> {
        let regions = 0..self.vpc.config().regions.len();
        let hops = regions.flat_map(|region| self.vpc.next_hops(region, to));
        let mut routers: Vec<PathIndex> = hops.map(|id| usize::from(id.0)).collect();
        routers.sort_unstable();
        routers.dedup();
        routers
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Update => "UPDATE",
        Cause::SessionDown => "session down",
        Cause::NotRenewed => "not announced again",
        Cause::RestartTimeOver => "restart time over",
    }
}

#[cfg(test)]
mod tests;
