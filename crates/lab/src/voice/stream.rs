//! The thread that speaks and listens on both ends of a call.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use pathvane_clock::Instant;

use super::ledger::Ledger;
use super::packet::Packet;
use crate::haste::hurry;
use crate::links::{Direction, Ends};
use crate::mono;

/// The time between two packets of one direction.
pub const PACKET_INTERVAL: Duration = Duration::from_millis(20);

/// The sockets of a call, bound before the links that carry it exist.
#[derive(Debug)]
pub struct Endpoints {
    site: UdpSocket,
    regions: Vec<UdpSocket>,
}

impl Endpoints {
    /// Binds one socket at the site and one per region.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bind(site: Ipv4Addr, regions: &[Ipv4Addr]) -> io::Result<Self> {
        let bind = |address: Ipv4Addr| {
            let socket = UdpSocket::bind((address, 0))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let regions = regions.iter().map(|address| bind(*address)).collect::<io::Result<_>>()?;
        Ok(Self { site: bind(site)?, regions })
    }

    /// Where the site's end is.
    ///
    /// # Errors
    /// The operating system's.
    pub fn site(&self) -> io::Result<SocketAddr> {
        self.site.local_addr()
    }

    /// Where the end in region `index` is.
    ///
    /// # Errors
    /// The operating system's.
    pub fn region(&self, index: usize) -> io::Result<SocketAddr> {
        self.regions[index].local_addr()
    }
}

/// A running call; stops when dropped.
#[derive(Debug)]
pub struct Call {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    routes: [AtomicU8; 2],
    ledgers: [Mutex<Ledger>; 2],
    stop: AtomicBool,
}

impl Call {
    /// No path: packets are booked as sent and go nowhere.
    pub const NOWHERE: u8 = u8::MAX;

    /// Starts speaking; `links` holds one flow per path.
    ///
    /// # Errors
    /// The operating system's, when no thread can be made.
    pub fn start(endpoints: Endpoints, links: Vec<Ends>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            routes: [AtomicU8::new(Self::NOWHERE), AtomicU8::new(Self::NOWHERE)],
            ledgers: [Mutex::default(), Mutex::default()],
            stop: AtomicBool::new(false),
        });
        let speaker = Talker { endpoints, links, shared: Arc::clone(&shared) };
        let thread =
            std::thread::Builder::new().name("voice".into()).spawn(move || speaker.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Sends what goes in `direction` over `path` from now on.
    pub fn route(&self, direction: Direction, path: u8) {
        self.shared.routes[direction as usize].store(path, Ordering::Release);
    }

    /// The books of one direction.
    pub fn ledger(&self, direction: Direction) -> MutexGuard<'_, Ledger> {
        self.shared.ledger(direction)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panicked thread has already said so on stderr.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn ledger(&self, direction: Direction) -> MutexGuard<'_, Ledger> {
        self.ledgers[direction as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread owns.
struct Talker {
    endpoints: Endpoints,
    links: Vec<Ends>,
    shared: Arc<Shared>,
}

impl Talker {
    fn run(self) {
        hurry();
        let mut next = mono::now();
        while !self.shared.stop.load(Ordering::Acquire) {
            let now = mono::now();
            if now >= next {
                Direction::BOTH.into_iter().for_each(|direction| self.speak(direction));
                next = (next + PACKET_INTERVAL).max(now);
            }
            self.listen();
            self.wait(next);
        }
    }

    /// Sends and books one packet.
    fn speak(&self, direction: Direction) {
        let path = self.shared.routes[direction as usize].load(Ordering::Acquire);
        let sent = mono::now();
        let seq = self.shared.ledger(direction).sent(sent, path);
        let (Some(link), Some(region)) =
            (self.links.get(usize::from(path)), self.endpoints.regions.get(usize::from(path)))
        else {
            return;
        };
        let bytes = Packet { direction, seq, sent }.encode();
        // What the socket does not take is a lost packet, and booked as one.
        let _ = match direction {
            Direction::Forward => self.endpoints.site.send_to(&bytes, link.near),
            Direction::Return => region.send_to(&bytes, link.far),
        };
    }

    fn listen(&self) {
        let mut buffer = [0; 256];
        for socket in self.sockets() {
            while let Ok(len) = socket.recv(&mut buffer) {
                let now = mono::now();
                if let Some(packet) = Packet::decode(&buffer[..len]) {
                    self.shared.ledger(packet.direction).arrived(packet.seq, now);
                }
            }
        }
    }

    fn wait(&self, next: Instant) {
        let mut fds: Vec<PollFd<'_>> =
            self.sockets().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        let left = TimeSpec::from_duration(next.since(mono::now()));
        // An interrupted wait is a short one.
        let _ = ppoll(&mut fds, Some(left), None);
    }

    fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        std::iter::once(&self.endpoints.site).chain(&self.endpoints.regions)
    }
}
