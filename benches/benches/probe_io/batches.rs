//! What system calls for many datagrams would save: a hot socket, 64 probes at a time, each step once
//! with a call for each datagram and once with one for all (`sendmmsg`, `recvmmsg`).
//!
//! Says nothing of a speaker, whose sockets have one datagram each when their turn comes
//! (`docs/adr/0013-one-call-for-each-datagram.md`).

use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Instant;

use nix::sys::socket::sockopt::Timestamping;
use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrStorage, TimestampingFlag, Timestamps, recvmmsg, recvmsg,
    sendmmsg, setsockopt,
};

const AT_ONCE: usize = 64;
const ROUNDS: usize = 2_000;
const OCTETS: usize = 44;

/// Microseconds a datagram of each step.
#[derive(Clone, Copy, Default)]
struct Steps {
    send: f64,
    departure: f64,
    reply: f64,
}

/// Measures both ways in turn, and prints the medians of some runs.
pub(crate) fn print() {
    let mut all = [Vec::new(), Vec::new()];
    for _ in 0..7 {
        for (nth, batched) in [false, true].into_iter().enumerate() {
            all[nth].push(round_trips(batched));
        }
    }
    for (name, runs) in ["a call for each", "a call for 64 "].into_iter().zip(&all) {
        let median = |of: fn(&Steps) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        println!(
            "{name}: send {:.2} us, its departure {:.2} us, the reply {:.2} us",
            median(|steps| steps.send),
            median(|steps| steps.departure),
            median(|steps| steps.reply),
        );
    }
}

fn round_trips(batched: bool) -> Steps {
    let (near, far) = (socket(), socket());
    near.connect(far.local_addr().expect("bound")).expect("connected");
    far.connect(near.local_addr().expect("bound")).expect("connected");
    let flags = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    setsockopt(&near, Timestamping, &flags).expect("timestamps");
    let (mut steps, mut room) = (Steps::default(), vec![[0; 2048]; AT_ONCE]);
    for _ in 0..ROUNDS {
        steps.send += timed(|| send(&near, batched));
        for _ in 0..AT_ONCE {
            let mut probe = [0; OCTETS];
            far.recv(&mut probe).expect("a probe");
            far.send(&probe).expect("a reply");
        }
        steps.departure += timed(|| receive(&near, &mut room, batched, MsgFlags::MSG_ERRQUEUE));
        steps.reply += timed(|| receive(&near, &mut room, batched, MsgFlags::empty()));
    }
    let each = |seconds: f64| seconds * 1e6 / (ROUNDS * AT_ONCE) as f64;
    Steps { send: each(steps.send), departure: each(steps.departure), reply: each(steps.reply) }
}

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a socket")
}

fn timed(act: impl FnOnce()) -> f64 {
    let began = Instant::now();
    act();
    began.elapsed().as_secs_f64()
}

fn send(socket: &UdpSocket, batched: bool) {
    let probe = [7; OCTETS];
    if !batched {
        (0..AT_ONCE).for_each(|_| assert_eq!(socket.send(&probe).expect("sent"), OCTETS));
        return;
    }
    let slices = [[IoSlice::new(&probe)]; AT_ONCE];
    let to = [None::<SockaddrStorage>; AT_ONCE];
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(AT_ONCE, None);
    let sent = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, to, [], MsgFlags::empty());
    assert_eq!(sent.expect("sent").count(), AT_ONCE);
}

fn receive(socket: &UdpSocket, room: &mut [[u8; 2048]], batched: bool, flags: MsgFlags) {
    let (fd, flags) = (socket.as_raw_fd(), flags | MsgFlags::MSG_DONTWAIT);
    let space =
        || nix::cmsg_space!(Timestamps, (nix::libc::sock_extended_err, nix::libc::sockaddr_in6));
    if !batched {
        let mut control = space();
        for octets in room {
            let mut parts = [IoSliceMut::new(octets)];
            recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags).expect("one");
        }
        return;
    }
    let mut slices: Vec<_> = room.iter_mut().map(|one| [IoSliceMut::new(one)]).collect();
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(AT_ONCE, Some(space()));
    let received = recvmmsg(fd, &mut headers, &mut slices, flags, None).expect("all");
    assert_eq!(received.count(), AT_ONCE);
}
