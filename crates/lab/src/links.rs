//! Impaired links: one userspace link per path, each direction with a life of its own.
//!
//! A link stands between the site and a region on loopback addresses. Its near end takes
//! what the site sends, its far end what the region sends; in between a [`Line`] per
//! direction delays, varies, loses or swallows it. Datagrams (probes, voice) are relayed
//! one by one; a BGP connection is relayed as a byte stream that loss makes late. In a blackhole
//! the kernel at the far side of it is deaf: what a peer sends is not even acknowledged, so
//! whoever watches acknowledgements sees what it would see on a real path.

mod connection;
mod line;
mod relay;
mod stream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::marked;

pub use line::{Fault, Line, Loss};

/// A direction of a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Direction {
    /// Site to region.
    Forward,
    /// Region to site.
    Return,
}

impl Direction {
    /// Both, forward first.
    pub const BOTH: [Self; 2] = [Self::Forward, Self::Return];

    /// What people read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Return => "return",
        }
    }
}

/// What a link connects and how good it is without faults.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Address of its near end, where the site dials the cloud router.
    pub near: Ipv4Addr,
    /// Address of its far end, where the region sends to.
    pub far: Ipv4Addr,
    /// One-way delay, the same in both directions.
    pub delay: Duration,
    /// Loss of its own in each direction.
    pub ambient: Loss,
    /// Makes its losses and delays repeatable.
    pub seed: u64,
    /// The datagram flows it carries.
    pub flows: Vec<Flow>,
    /// The cloud router that a connection to the near end reaches.
    pub router: SocketAddr,
}

/// One datagram flow over a link.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Address of the near end, where the site sends to.
    pub near: Ipv4Addr,
    /// Who is at the site; if unknown, whoever sent last.
    pub site: Option<SocketAddr>,
    /// Who is in the region.
    pub region: SocketAddr,
}

/// Where a flow enters its link.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// For the site.
    pub near: SocketAddr,
    /// For the region.
    pub far: SocketAddr,
}

/// A running link; stops when dropped.
#[derive(Debug)]
pub struct Link {
    flows: Vec<Ends>,
    bgp: SocketAddr,
    shared: Arc<Shared>,
    waker: UnixDatagram,
    thread: Option<JoinHandle<()>>,
}

/// What the link's thread and its owner both touch.
#[derive(Debug)]
struct Shared {
    lines: [Mutex<Line>; 2],
    cut: AtomicBool,
    stop: AtomicBool,
    /// The most that a datagram left after its time.
    late_ns: AtomicU64,
}

impl Shared {
    fn line(&self, direction: Direction) -> MutexGuard<'_, Line> {
        self.lines[direction as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Binds the ends and starts the link's thread.
    ///
    /// # Errors
    /// The operating system's, when an address cannot be used.
    pub fn start(spec: &Spec) -> io::Result<Self> {
        let listener = TcpListener::bind((spec.near, 0))?;
        listener.set_nonblocking(true)?;
        let bgp = listener.local_addr()?;
        let mut flows = Vec::new();
        let mut sockets = Vec::new();
        for flow in &spec.flows {
            let (near, far) = (marked::bind(flow.near)?, marked::bind(spec.far)?);
            flows.push(Ends { near: near.local_addr()?, far: far.local_addr()? });
            let Flow { site, region, .. } = *flow;
            let learn_site = site.is_none();
            sockets.push(relay::FlowSockets { near, far, site, learn_site, region });
        }
        let line = |salt| Mutex::new(Line::new(spec.delay, spec.ambient, spec.seed ^ salt));
        let shared = Arc::new(Shared {
            lines: [line(0), line(0x5DEE_CE66)],
            cut: AtomicBool::new(false),
            late_ns: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let (waker, woken) = UnixDatagram::pair()?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let relay = relay::Relay::new(listener, woken, spec.router, sockets, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("link".into()).spawn(move || relay.run())?;
        Ok(Self { flows, bgp, shared, waker, thread: Some(thread) })
    }

    /// Where each flow enters, in the order of [`Spec::flows`].
    pub fn flows(&self) -> &[Ends] {
        &self.flows
    }

    /// Where the site dials the cloud router.
    pub fn bgp(&self) -> SocketAddr {
        self.bgp
    }

    /// Replaces the fault of one direction, from the next packet on.
    pub fn set_fault(&self, direction: Direction, fault: Fault) {
        self.shared.line(direction).set_fault(fault);
        self.wake();
    }

    /// Resets (RST) every open connection; packets are not touched.
    pub fn cut_connections(&self) {
        self.shared.cut.store(true, Ordering::Release);
        self.wake();
    }

    /// The most that a datagram left after its time since this was last asked: what a busy machine
    /// did to the path on top of what the link was told to do.
    pub fn take_lateness(&self) -> Duration {
        Duration::from_nanos(self.shared.late_ns.swap(0, Ordering::Relaxed))
    }

    fn wake(&self) {
        // Full means that it is awake already; gone, that nothing is relayed any more.
        let _ = self.waker.send(&[0]);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panicked relay has already said so on stderr.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
