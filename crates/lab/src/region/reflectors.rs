//! Real STAMP session-reflectors (RFC 8762), all on one thread.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use pathvane_probe::stamp::Request;
use pathvane_probe::{SessionKey, Sessions, Stamps, Timestamp, reflect};

use crate::haste::hurry;
use crate::marked;
use crate::mono;

/// Sessions per reflector, and how long an idle one is remembered.
const SESSIONS: usize = 64;
const IDLE: Duration = Duration::from_secs(60);
/// How often the thread looks whether it should stop.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Running reflectors; they stop when dropped.
#[derive(Debug)]
pub struct Reflectors {
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reflectors {
    /// Starts one reflector on a free port of each address.
    ///
    /// # Errors
    /// The operating system's, when an address cannot be used.
    pub fn start(addresses: &[Ipv4Addr]) -> io::Result<Self> {
        let mut reflectors = Vec::new();
        let mut bound = Vec::new();
        for address in addresses {
            let socket = marked::bind(*address)?;
            bound.push(socket.local_addr()?);
            reflectors.push(Reflector { socket, sessions: Sessions::new(SESSIONS, IDLE) });
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("reflectors".into())
            .spawn(move || run(reflectors, &stopped))?;
        Ok(Self { addresses: bound, stop, thread: Some(thread) })
    }

    /// Where they listen, in the order asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Reflectors {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panicked thread has already said so on stderr.
            let _ = thread.join();
        }
    }
}

struct Reflector {
    socket: UdpSocket,
    sessions: Sessions,
}

fn run(mut reflectors: Vec<Reflector>, stop: &AtomicBool) {
    hurry();
    while !stop.load(Ordering::Acquire) {
        reflectors.iter_mut().for_each(Reflector::answer);
        let mut fds: Vec<PollFd<'_>> = reflectors
            .iter()
            .map(|reflector| PollFd::new(reflector.socket.as_fd(), PollFlags::POLLIN))
            .collect();
        // An interrupted wait is a short one.
        let _ = ppoll(&mut fds, Some(TimeSpec::from_duration(LOOK_UP)), None);
    }
}

impl Reflector {
    /// Answers every request that waits.
    fn answer(&mut self) {
        let mut buffer = [0; 2048];
        let mut reply = Vec::new();
        while let Some((asked, from)) = marked::receive(&self.socket, &mut buffer) {
            let received = timestamp();
            let Some(request) = Request::decode(&asked.bytes) else { continue };
            let key = SessionKey { addr: from.ip(), port: from.port(), ssid: request.ssid };
            let seq = self.sessions.number(mono::now(), key, request.seq);
            let (sent, class) = (timestamp(), asked.tos);
            let stamps = Stamps { received, sent, seq, class, ..Stamps::default() };
            if let Some(told) = reflect(&asked.bytes, None, &stamps, &mut reply) {
                marked::send(&self.socket, &reply, told.dscp << 2, from);
            }
        }
    }
}

fn timestamp() -> Timestamp {
    Timestamp::from_unix_nanos(mono::wall_ns())
}

#[cfg(test)]
mod tests {
    use pathvane_probe::WireTime;
    use pathvane_probe::stamp::{ErrorEstimate, LEN, Reply};

    use super::*;

    #[test]
    fn each_request_is_answered_and_numbered() {
        let reflectors = Reflectors::start(&[Ipv4Addr::LOCALHOST]).expect("start");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bind");
        sender.set_read_timeout(Some(Duration::from_secs(2))).expect("timeout");
        for number in 0..3 {
            let request = Request {
                seq: 40 + number,
                time: WireTime(0),
                error: ErrorEstimate::UNSYNCHRONISED,
                ssid: 7,
            };
            sender.send_to(&request.encode(), reflectors.addresses()[0]).expect("send");
            let mut buffer = [0; 128];
            let len = sender.recv(&mut buffer).expect("reply");
            assert_eq!(len, LEN);
            let reply = Reply::decode(&buffer[..len]).expect("a reply");
            assert_eq!((reply.seq, reply.sender_seq, reply.ssid), (number, 40 + number, 7));
        }
    }
}
