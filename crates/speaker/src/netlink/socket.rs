//! A netlink socket: requests with their answers, dumps, and multicast events.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket,
};
use tokio::io::unix::AsyncFd;

use super::message::{Batch, Body, Header, messages};
use super::{flag, kind};
use crate::{receive_buffer, sys};

/// The size that the kernel fills a dump's datagrams up to.
const DATAGRAM: usize = 32 * 1024;
/// Room for answers and for bursts of events, in bytes.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// `NLMSGERR_ATTR_MSG`: the kernel's explanation of an error.
const EXPLANATION: u16 = 1;

/// A socket of family `NETLINK_ROUTE`; never waits.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    seq: u32,
    buffer: Box<[u8]>,
}

/// The kernel's "no" to one message.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Which message of the batch.
    pub(crate) index: usize,
    /// The error number.
    pub(crate) errno: i32,
    /// The kernel's explanation; may be empty.
    pub(crate) text: String,
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        let error = Self::from_raw_os_error(refusal.errno);
        match refusal.text.is_empty() {
            true => error,
            false => Self::new(error.kind(), format!("{error}: {}", refusal.text)),
        }
    }
}

impl Socket {
    /// A socket that receives the multicast groups of the bit mask `groups`.
    pub(crate) fn open(groups: u32) -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkRoute,
        )?;
        // Both are comforts: explanations in words, and errors without an echo of the request.
        for comfort in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            let _ = sys::set_netlink_flag(fd.as_fd(), comfort);
        }
        // Lets dumps be filtered by the kernel; one that cannot dumps more, which is filtered here.
        let _ = sys::set_netlink_flag(fd.as_fd(), libc::NETLINK_GET_STRICT_CHK);
        receive_buffer::enlarge(&fd, RECEIVE_BUFFER)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self { fd, seq: 0, buffer: vec![0; DATAGRAM].into() })
    }

    /// A descriptor that tokio watches for events of this socket.
    pub(crate) fn watch(&self) -> io::Result<AsyncFd<OwnedFd>> {
        sys::watch(self.fd.try_clone()?)
    }

    /// Sends the batch, which must not be empty, as one system call; returns the refusals.
    ///
    /// All messages are attempted, in order, whatever happens to the ones before. An error means
    /// that it is not known what was done.
    pub(crate) fn transact(&mut self, batch: &mut Batch) -> io::Result<Vec<Refusal>> {
        self.ask(batch, |_| {})
    }

    /// [`Self::transact`] for requests that are answered with something, which goes to `each`.
    pub(crate) fn ask(
        &mut self,
        batch: &mut Batch,
        mut each: impl FnMut(Body<'_>),
    ) -> io::Result<Vec<Refusal>> {
        let first = self.number(batch.len());
        self.send(batch.finish(first))?;
        let last = batch.len() - 1;
        let mut refusals = Vec::new();
        let mut answered = false;
        while !answered {
            self.receive(|header, body| {
                let index = header.seq.wrapping_sub(first) as usize;
                match header.kind {
                    _ if index > last => {}
                    kind::ERROR => {
                        answered |= index == last;
                        refusals.extend(refusal(header, body, index));
                    }
                    _ => each(body),
                }
            })?;
        }
        Ok(refusals)
    }

    /// Sends one request and passes what it asks for to `each`; again if it changed meanwhile,
    /// so `each` may see an entry more than once.
    pub(crate) fn dump(
        &mut self,
        request: &mut Batch,
        mut each: impl FnMut(Header, Body<'_>),
    ) -> io::Result<()> {
        const ATTEMPTS: usize = 8;
        for _ in 0..ATTEMPTS {
            let seq = self.begin_dump(request)?;
            let mut progress = Dump::More;
            let mut interrupted = false;
            while progress == Dump::More {
                progress = self.continue_dump(seq, &mut interrupted, &mut each)?;
            }
            if !interrupted {
                return Ok(());
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the kernel's tables change all the time"))
    }

    /// Sends a dump request; [`Self::continue_dump`] reads its answer piece by piece.
    pub(crate) fn begin_dump(&mut self, request: &mut Batch) -> io::Result<u32> {
        let seq = self.number(1);
        self.send(request.finish(seq))?;
        Ok(seq)
    }

    /// Reads the next piece, up to 32 KiB, of the dump numbered `seq`.
    pub(crate) fn continue_dump(
        &mut self,
        seq: u32,
        interrupted: &mut bool,
        mut each: impl FnMut(Header, Body<'_>),
    ) -> io::Result<Dump> {
        let mut progress = Ok(Dump::More);
        self.receive(|header, body| {
            if header.seq != seq {
                return;
            }
            *interrupted |= header.flags & flag::DUMP_INTERRUPTED != 0;
            match header.kind {
                kind::DONE => progress = Ok(Dump::Done),
                kind::ERROR => {
                    progress = match refusal(header, body, 0) {
                        Some(refusal) => Err(refusal.into()),
                        None => Ok(Dump::Done),
                    };
                }
                _ => each(header, body),
            }
        })?;
        progress
    }

    /// Reads one datagram; `WouldBlock` if there is none.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(Header, Body<'_>)) -> io::Result<()> {
        let len = loop {
            match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Err(nix::errno::Errno::EINTR) => {}
                result => break result?,
            }
        };
        for (header, body) in messages(&self.buffer[..len]) {
            each(header, body);
        }
        Ok(())
    }

    /// Takes `count` sequence numbers and returns the first.
    fn number(&mut self, count: usize) -> u32 {
        let first = self.seq.wrapping_add(1);
        self.seq = self.seq.wrapping_add(count as u32);
        first
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        send(self.fd.as_raw_fd(), bytes, MsgFlags::empty())?;
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether a dump goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dump {
    More,
    Done,
}

/// Reads an `nlmsgerr`; `None` if it says that all is well.
fn refusal(header: Header, body: Body<'_>, index: usize) -> Option<Refusal> {
    const HEADER: usize = 16;
    let errno = -i32::from_ne_bytes(*body.fixed::<4>()?);
    if errno == 0 {
        return None;
    }
    let echo = match header.flags & flag::CAPPED {
        0 => u32::from_ne_bytes(*body.0.get(4..)?.first_chunk()?) as usize,
        _ => HEADER,
    };
    let text = body.attributes(4 + echo).find(|(kind, _)| *kind == EXPLANATION);
    let text = text.and_then(|(_, value)| value.text()).unwrap_or_default();
    Some(Refusal { index, errno, text })
}
