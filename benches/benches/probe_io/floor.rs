//! What the same probes cost without a speaker: the system calls alone, over as many sockets.
//!
//! A send, a receipt from the error queue (when did it leave?) and a receipt of the reply, with the
//! kernel's timestamps on, for sockets that are due on a grid of half a millisecond; one wait for all
//! sockets. No probing over sockets of their own costs less. Over loopback the kernel delivers within
//! the call that sends, so the way of the probe to the far end is in it, and waking who waits there.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::sockopt::{Ipv4RecvTtl, Timestamping};
use nix::sys::socket::{MsgFlags, SockaddrStorage, TimestampingFlag, recvmsg, setsockopt};

/// Time between two turns, as the schedule of probes has it.
const GRID: Duration = Duration::from_micros(500);
/// Turns in which every standby path is probed once, and every active path 25 times.
const ROUND: usize = 1000;
const ACTIVE_EVERY: usize = 40;

/// Processor time and probes of the loop, over some seconds.
pub(crate) struct Cost {
    /// Processor seconds a second.
    pub(crate) share: f64,
    /// Replies a second.
    pub(crate) rate: f64,
}

/// Sockets at `sources`, of which the first `active` are probed 50 times a second and the others twice,
/// against the reflector at `to`.
pub(crate) fn measure(
    sources: Vec<SocketAddr>,
    active: usize,
    to: SocketAddr,
    seconds: u64,
) -> Cost {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut bare = Bare::open(&sources, active, to);
        bare.run(Duration::from_secs(2));
        let (cpu, began) = (crate::cpu_ns(nix::unistd::gettid()), Instant::now());
        let replies = bare.run(Duration::from_secs(seconds));
        let elapsed = began.elapsed().as_secs_f64();
        let cpu = (crate::cpu_ns(nix::unistd::gettid()) - cpu) as f64 / 1e9;
        tell.send(Cost { share: cpu / elapsed, rate: replies as f64 / elapsed }).expect("main");
    });
    told.recv().expect("a figure")
}

struct Bare {
    sockets: Vec<UdpSocket>,
    watch: Epoll,
    /// Which sockets are due in which turn of a round.
    turns: Vec<Vec<usize>>,
    bytes: [u8; 2048],
    control: Vec<u8>,
}

impl Bare {
    fn open(sources: &[SocketAddr], active: usize, to: SocketAddr) -> Self {
        let watch = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll set");
        let flags = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
        let open = |(number, source): (usize, &SocketAddr)| {
            let socket = UdpSocket::bind(source).expect("a socket");
            // So that the kernel looks for the way once, as for a speaker's sockets.
            socket.connect(to).expect("the reflector");
            setsockopt(&socket, Timestamping, &flags).expect("timestamps");
            setsockopt(&socket, Ipv4RecvTtl, &true).expect("the TTL of replies");
            let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
            watch.add(&socket, event).expect("watched");
            socket
        };
        let sockets: Vec<_> = sources.iter().enumerate().map(open).collect();
        let mut turns = vec![Vec::new(); ROUND];
        for number in 0..sockets.len() {
            let (every, phase) = match number < active {
                true => (ACTIVE_EVERY, fastrand::usize(..ACTIVE_EVERY)),
                false => (ROUND, fastrand::usize(..ROUND)),
            };
            turns.iter_mut().skip(phase).step_by(every).for_each(|turn| turn.push(number));
        }
        let control = nix::cmsg_space!(
            nix::sys::socket::Timestamps,
            i32,
            i32,
            (nix::libc::sock_extended_err, nix::libc::sockaddr_in6)
        );
        Self { sockets, watch, turns, bytes: [0; 2048], control }
    }

    /// Probes for `time`; how many replies came.
    fn run(&mut self, time: Duration) -> u64 {
        let (began, mut replies) = (Instant::now(), 0);
        for turn in 1_u32.. {
            let now = began.elapsed();
            if now >= time {
                break;
            }
            thread::sleep((GRID * turn).saturating_sub(now));
            replies += self.read();
            for &number in &self.turns[turn as usize % ROUND] {
                self.sockets[number].send(&request(turn)).expect("sent");
            }
        }
        replies
    }

    /// What a speaker does with whatever waits, but for looking at it.
    fn read(&mut self) -> u64 {
        let (mut replies, mut found) = (0, [EpollEvent::empty(); 128]);
        loop {
            let count = self.watch.wait(&mut found, EpollTimeout::ZERO).expect("the set");
            if count == 0 {
                return replies;
            }
            for event in &found[..count] {
                let number = event.data() as usize;
                if event.events().contains(EpollFlags::EPOLLERR) {
                    self.receive(number, MsgFlags::MSG_ERRQUEUE);
                }
                if event.events().contains(EpollFlags::EPOLLIN) {
                    replies += u64::from(self.receive(number, MsgFlags::empty()));
                }
            }
        }
    }

    fn receive(&mut self, number: usize, flags: MsgFlags) -> bool {
        let mut parts = [std::io::IoSliceMut::new(&mut self.bytes)];
        let control = Some(self.control.as_mut_slice());
        let (fd, flags) = (self.sockets[number].as_raw_fd(), flags | MsgFlags::MSG_DONTWAIT);
        recvmsg::<SockaddrStorage>(fd, &mut parts, control, flags).is_ok()
    }
}

/// A STAMP request (RFC 8762 section 4.2.1): number, time (none), error estimate.
fn request(number: u32) -> [u8; 44] {
    let mut packet = [0; 44];
    packet[..4].copy_from_slice(&number.to_be_bytes());
    packet[12..14].copy_from_slice(&[0, 1]);
    packet
}
