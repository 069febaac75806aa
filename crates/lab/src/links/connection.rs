//! One relayed TCP connection: two sockets and a [`Stream`] each way.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use nix::poll::PollFlags;
use pathvane_clock::Instant;
use socket2::{SockFilter, SockRef};

use super::stream::{Chunk, Stream};
use super::{Direction, Shared};

/// Bytes a direction may hold before the writer is slowed down.
const MAX_HELD: usize = 1 << 20;

/// A socket filter (classic BPF) of one instruction: return 0, keep nothing of the packet.
const DROP_ALL: SockFilter = SockFilter::new(0x06, 0, 0, 0);

/// A connection through the link.
pub(super) struct Connection {
    site: Side,
    region: Side,
    streams: [Stream; 2],
}

/// One socket and what waits to be written to it.
struct Side {
    socket: TcpStream,
    outbox: VecDeque<u8>,
    ended: bool,
    shut: bool,
    deaf: bool,
}

impl Connection {
    /// Joins an accepted connection to a new one to `router`.
    pub(super) fn open(site: TcpStream, router: SocketAddr) -> io::Result<Self> {
        let region = TcpStream::connect_timeout(&router, Duration::from_millis(500))?;
        Ok(Self {
            site: Side::new(site)?,
            region: Side::new(region)?,
            streams: [Stream::default(), Stream::default()],
        })
    }

    /// The sockets and what each waits for: site, then region.
    pub(super) fn interests(&self) -> [(&TcpStream, PollFlags); 2] {
        let [forward, back] = &self.streams;
        [
            (&self.site.socket, self.site.interest(forward)),
            (&self.region.socket, self.region.interest(back)),
        ]
    }

    /// Reads, moves and writes what can be; whether the connection is still of use.
    pub(super) fn advance(&mut self, now: Instant, shared: &Shared) -> bool {
        let [forward, back] = &mut self.streams;
        let alive = self.site.read_into(now, forward) && self.region.read_into(now, back);
        forward.advance(now, &mut shared.line(Direction::Forward));
        back.advance(now, &mut shared.line(Direction::Return));
        let written = self.region.write_from(now, forward) && self.site.write_from(now, back);
        alive && written && !(self.site.shut && self.region.shut)
    }

    /// Makes the kernel drop what arrives from the site, and from the region, before it is
    /// acknowledged; TCP on the other side then retransmits as over a dead path.
    pub(super) fn set_deaf(&mut self, [forward, back]: [bool; 2]) {
        self.site.set_deaf(forward);
        self.region.set_deaf(back);
    }

    /// When something held is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.streams.iter().filter_map(Stream::poll_timeout).min()
    }

    /// Ends it with a reset on both sides.
    pub(super) fn reset(self) {
        for side in [self.site, self.region] {
            // If the option is refused the close below is an orderly one; still an end.
            let _ = SockRef::from(&side.socket).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Side {
    fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, outbox: VecDeque::new(), ended: false, shut: false, deaf: false })
    }

    fn set_deaf(&mut self, deaf: bool) {
        if std::mem::replace(&mut self.deaf, deaf) == deaf {
            return;
        }
        let socket = SockRef::from(&self.socket);
        // If the kernel refuses, bytes are acknowledged and then stall all the same.
        let _ = match deaf {
            true => socket.attach_filter(&[DROP_ALL]),
            false => socket.detach_filter(),
        };
    }

    fn interest(&self, from_here: &Stream) -> PollFlags {
        let mut flags = PollFlags::empty();
        if !self.ended && from_here.held() < MAX_HELD {
            flags |= PollFlags::POLLIN;
        }
        if !self.outbox.is_empty() {
            flags |= PollFlags::POLLOUT;
        }
        flags
    }

    /// Moves what can be read into `stream`; false if the socket broke.
    fn read_into(&mut self, now: Instant, stream: &mut Stream) -> bool {
        let mut buffer = [0; 16 * 1024];
        while !self.ended && stream.held() < MAX_HELD {
            match self.socket.read(&mut buffer) {
                Ok(0) => {
                    self.ended = true;
                    stream.write(now, Chunk::End);
                }
                Ok(n) => stream.write(now, Chunk::Bytes(buffer[..n].to_vec())),
                Err(error) => return retry(&error),
            }
        }
        true
    }

    /// Moves what has arrived from `stream` to the socket; false if the socket broke.
    fn write_from(&mut self, now: Instant, stream: &mut Stream) -> bool {
        let mut end = false;
        while let Some(chunk) = stream.read(now) {
            match chunk {
                Chunk::Bytes(bytes) => self.outbox.extend(bytes),
                Chunk::End => end = true,
            }
        }
        while !self.outbox.is_empty() {
            match self.socket.write(self.outbox.as_slices().0) {
                Ok(n) => drop(self.outbox.drain(..n)),
                Err(error) => return retry(&error),
            }
        }
        if end {
            self.shut = true;
            return self.socket.shutdown(Shutdown::Write).is_ok();
        }
        true
    }
}

/// Whether an error only means "not now".
fn retry(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
