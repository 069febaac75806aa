//! One open connection: bytes in, bytes out, and how far the latter have come.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use crate::sys::{self, TcpFacts};

/// What is read and thrown away while waiting for the peer's FIN, at most.
const LINGER_BYTES: usize = 256 * 1024;

/// An open connection with a peer.
///
/// Nothing here waits. After "nothing now" from [`Self::try_write`] poll for readiness with the
/// context of the waker that is to be woken; readiness is edge-triggered, so read or write until
/// "nothing now" or go on next turn without waiting for a wake.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    written: u64,
}

/// How far the bytes of a connection have come, counted from its first byte.
///
/// `acked <= sent <= written`. A byte is "on the wire" when it is `sent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes handed to the kernel.
    pub written: u64,
    /// Of these, bytes that left the socket's unsent queue.
    pub sent: u64,
    /// Of these, bytes that the peer's TCP acknowledged.
    pub acked: u64,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
        Ok(Self { stream, local, peer, written: 0 })
    }

    /// Our end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The peer's end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Ready when there may be bytes to read, or the peer closed.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx)
    }

    /// Ready when there may be room to write: little is left unsent.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(cx)
    }

    /// Reads what has arrived; zero if the peer closed. Where less came than there is room for,
    /// the connection is not readable until the kernel says so.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Bytes handed to the kernel so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes the front of `bytes`; returns how many the kernel took, zero if none now.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.try_write(bytes) {
            Ok(len) => {
                self.written += len as u64;
                Ok(len)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Asks the kernel how far the written bytes have come; two system calls, or none if
    /// nothing was written.
    pub fn progress(&self) -> io::Result<Progress> {
        let written = self.written;
        if written == 0 {
            return Ok(Progress::default());
        }
        // Acknowledged first: what an ACK takes off in between can only make `sent` larger.
        let acked = written.saturating_sub(sys::unacknowledged(self.stream.as_fd())?.into());
        let sent = written.saturating_sub(sys::unsent(self.stream.as_fd())?.into());
        Ok(Progress { written, sent, acked })
    }

    /// What TCP has seen of the way to the peer.
    pub fn facts(&self) -> io::Result<TcpFacts> {
        sys::tcp_facts(self.stream.as_fd())
    }

    /// Closes in order: what was written is delivered, then a FIN.
    ///
    /// The receiving side stays open until the peer's FIN, since closing over unread bytes
    /// would send a RST, which can destroy a NOTIFICATION on its way.
    pub fn close(self) -> Closing {
        // An error means that the connection is gone already; then reading says so as well.
        let _ = SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write);
        Closing { stream: self.stream, discarded: 0 }
    }

    /// Closes at once with a RST; unsent bytes are lost.
    pub fn abort(self) {
        // Without the option the close is merely polite.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A connection that waits for the peer's FIN. Drop it after a grace time of a second or two:
/// the kernel then delivers what is still queued by itself.
#[derive(Debug)]
pub struct Closing {
    stream: TcpStream,
    discarded: usize,
}

impl Closing {
    /// Ready when the peer has closed too, failed, or keeps talking regardless: drop it then.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut sink = [0; 4096];
        while self.discarded < LINGER_BYTES {
            if ready!(self.stream.poll_read_ready(cx)).is_err() {
                break;
            }
            match self.stream.try_read(&mut sink) {
                Ok(0) => break,
                Ok(len) => self.discarded += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}
