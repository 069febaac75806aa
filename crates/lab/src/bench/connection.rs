//! One BGP session, with the least that a daemon asks of its peer.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use super::message::{self, HEADER, KEEPALIVE, NOTIFICATION, OPEN};
use crate::mono;

/// Well within the hold time of 240 s.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(60);
/// How long one attempt to open a session may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Octets sent at most before others have their turn.
const AT_ONCE: usize = 256 * 1024;
/// Room for what is received: at least one message, and much at once.
const INBOX: usize = 512 * 1024;

/// What is read at a time where stamps are asked for: the kernel has one for each read.
const STAMPED: usize = 16 * 1024;

/// A session that is up.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    inbox: Box<[u8]>,
    /// What was received and not yet read: from, to.
    unread: (usize, usize),
    outbox: VecDeque<(Rc<Vec<u8>>, usize)>,
    sent_at: Instant,
    pub(super) received: u64,
    stamped: bool,
    /// CLOCK_MONOTONIC of when the kernel got the last octet that was read; zero without stamps.
    pub(super) arrived_ns: u64,
    /// Why it ended, if not here.
    pub(super) ended: Option<String>,
    cut: bool,
}

impl Connection {
    /// Dials from `local` until the session is up or `deadline` has passed.
    pub(super) fn dial(
        local: Ipv4Addr,
        remote: SocketAddrV4,
        asn: u32,
        deadline: Instant,
    ) -> io::Result<Self> {
        loop {
            let attempt = connect(local, remote).and_then(|stream| Self::open(stream, asn, local));
            match attempt {
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                done => return done,
            }
        }
    }

    /// Opens the session on a connection that was dialled or accepted.
    pub(super) fn open(stream: TcpStream, asn: u32, id: Ipv4Addr) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ATTEMPT))?;
        let mut connection = Self {
            stream,
            inbox: vec![0; INBOX].into_boxed_slice(),
            unread: (0, 0),
            outbox: VecDeque::new(),
            sent_at: Instant::now(),
            received: 0,
            stamped: false,
            arrived_ns: 0,
            ended: None,
            cut: false,
        };
        let mut bytes = Vec::new();
        message::open(&mut bytes, asn, id.to_bits());
        connection.stream.write_all(&bytes)?;
        connection.wait_for(OPEN)?;
        bytes.clear();
        message::keepalive(&mut bytes);
        connection.stream.write_all(&bytes)?;
        connection.wait_for(KEEPALIVE)?;
        connection.stream.set_nonblocking(true)?;
        Ok(connection)
    }

    /// Reads the next message, which must be of this type.
    fn wait_for(&mut self, kind: u8) -> io::Result<()> {
        loop {
            if let Some((found, end)) = self.whole_message()? {
                let body = self.inbox[self.unread.0 + HEADER..end].to_vec();
                self.unread.0 = end;
                return match found {
                    _ if found == kind => Ok(()),
                    NOTIFICATION => Err(io::Error::other(format!("NOTIFICATION {body:?}"))),
                    _ => Err(io::Error::other(format!("message {found} instead of {kind}"))),
                };
            }
            let read = self.stream.read(&mut self.inbox[self.unread.1..])?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.unread.1 += read;
        }
    }

    /// Type and end of the first message if all of it is there.
    fn whole_message(&self) -> io::Result<Option<(u8, usize)>> {
        let (from, to) = self.unread;
        let Some(header) = self.inbox[from..to].first_chunk::<HEADER>() else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes([header[16], header[17]]));
        if !(HEADER..=4096).contains(&len) {
            return Err(io::Error::other(format!("a message of {len} octets")));
        }
        Ok((from + len <= to).then_some((header[18], from + len)))
    }

    /// From now on the kernel notes when what is read arrived.
    pub(super) fn ask_for_stamps(&mut self) -> io::Result<()> {
        setsockopt(&self.stream, sockopt::ReceiveTimestampns, &true)?;
        self.stamped = true;
        Ok(())
    }

    fn read(&mut self) -> io::Result<usize> {
        let room = &mut self.inbox[self.unread.1..];
        if !self.stamped {
            return self.stream.read(room);
        }
        let most = room.len().min(STAMPED);
        let mut stamp = nix::cmsg_space!(TimeSpec);
        let mut room = [IoSliceMut::new(&mut room[..most])];
        let (fd, flags) = (self.stream.as_raw_fd(), MsgFlags::empty());
        let message = recvmsg::<()>(fd, &mut room, Some(&mut stamp), flags)?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmTimestampns(at) = control {
                let age =
                    i128::from(mono::wall_ns()) - i128::from(Duration::from(at).as_nanos() as u64);
                let now = mono::now().as_nanos();
                self.arrived_ns = now.saturating_sub(u64::try_from(age).unwrap_or(0));
            }
        }
        Ok(message.bytes)
    }

    /// Reads what is there, at most one buffer full, and calls `visit` with type and body of each
    /// message.
    pub(super) fn receive(&mut self, mut visit: impl FnMut(u8, &[u8])) {
        if let Err(error) = self.try_receive(&mut visit)
            && error.kind() != ErrorKind::WouldBlock
        {
            self.ended.get_or_insert_with(|| error.to_string());
        }
    }

    fn try_receive(&mut self, visit: &mut impl FnMut(u8, &[u8])) -> io::Result<()> {
        let read = self.read()?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.received += read as u64;
        self.unread.1 += read;
        while let Some((kind, end)) = self.whole_message()? {
            let body = &self.inbox[self.unread.0 + HEADER..end];
            if kind == NOTIFICATION {
                self.ended.get_or_insert_with(|| format!("NOTIFICATION {body:?}"));
            }
            visit(kind, body);
            self.unread.0 = end;
        }
        let (from, to) = self.unread;
        self.inbox.copy_within(from..to, 0);
        self.unread = (0, to - from);
        Ok(())
    }

    /// Queues bytes to be sent; whole messages only.
    pub(super) fn send(&mut self, bytes: Rc<Vec<u8>>) {
        self.outbox.push_back((bytes, 0));
    }

    /// Sends what the socket takes, but not so much that other sessions have to wait.
    pub(super) fn flush(&mut self) {
        if self.outbox.is_empty() && self.sent_at.elapsed() > KEEPALIVE_EVERY {
            let mut bytes = Vec::new();
            message::keepalive(&mut bytes);
            self.send(Rc::new(bytes));
        }
        let mut left = AT_ONCE;
        while let Some((bytes, done)) = self.outbox.front_mut().filter(|_| left > 0) {
            let end = bytes.len().min(*done + left);
            match self.stream.write(&bytes[*done..end]) {
                Ok(written) => {
                    *done += written;
                    left -= written;
                    self.sent_at = Instant::now();
                    if *done == bytes.len() {
                        self.outbox.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.ended.get_or_insert_with(|| error.to_string());
                    self.outbox.clear();
                }
            }
        }
    }

    /// Ends the connection with a FIN, without a NOTIFICATION and without another word.
    pub(super) fn cut(&mut self) {
        // It fails only if the connection is gone already.
        let _ = self.stream.shutdown(Shutdown::Write);
        self.outbox.clear();
        self.cut = true;
    }

    /// Whether it can still be read from and written to.
    pub(super) fn is_up(&self) -> bool {
        !self.cut && self.ended.is_none()
    }

    /// Octets queued and not yet taken by the socket.
    pub(super) fn unsent(&self) -> usize {
        self.outbox.iter().map(|(bytes, done)| bytes.len() - done).sum()
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.outbox.is_empty()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn connect(local: Ipv4Addr, remote: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::from((local, 0)).into())?;
    socket.connect_timeout(&SocketAddr::from(remote).into(), ATTEMPT)?;
    Ok(socket.into())
}
