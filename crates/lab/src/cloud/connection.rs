//! Sockets of the cloud: bytes in as facts, bytes out in order.

use bytes::BytesMut;
use pathvane_session::ConnId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::seen::PathIndex;

/// What sockets tell the cloud.
#[derive(Debug)]
pub(super) enum Fact {
    /// Somebody dialled a router.
    Accepted {
        /// Which router.
        router: PathIndex,
        /// The connection.
        stream: TcpStream,
    },
    /// Bytes arrived.
    Bytes {
        /// At which router.
        router: PathIndex,
        /// On which connection.
        conn: ConnId,
        /// The bytes.
        bytes: BytesMut,
    },
    /// A connection ended.
    Closed {
        /// Whose.
        router: PathIndex,
        /// Which.
        conn: ConnId,
    },
}

/// Tells of every connection that `router` accepts.
pub(super) async fn accept(router: PathIndex, listener: TcpListener, facts: UnboundedSender<Fact>) {
    while let Ok((stream, _)) = listener.accept().await {
        if facts.send(Fact::Accepted { router, stream }).is_err() {
            return;
        }
    }
}

/// One open connection; closes, after what was written, when dropped.
#[derive(Debug)]
pub(super) struct Connection {
    out: UnboundedSender<BytesMut>,
    reader: JoinHandle<()>,
}

impl Connection {
    /// Starts reading and writing.
    pub(super) fn start(
        router: PathIndex,
        conn: ConnId,
        stream: TcpStream,
        facts: UnboundedSender<Fact>,
    ) -> Self {
        // Without it small messages may wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let (out, queue) = unbounded_channel();
        tokio::spawn(write_all(write, queue));
        let reader = tokio::spawn(read_all(router, conn, read, facts));
        Self { out, reader }
    }

    /// Sends `bytes` after what was sent before.
    pub(super) fn write(&self, bytes: BytesMut) {
        // A writer that is gone means a broken connection, which the reader tells.
        let _ = self.out.send(bytes);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut queue: UnboundedReceiver<BytesMut>) {
    while let Some(bytes) = queue.recv().await {
        if write.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read_all(
    router: PathIndex,
    conn: ConnId,
    mut read: OwnedReadHalf,
    facts: UnboundedSender<Fact>,
) {
    loop {
        let mut bytes = BytesMut::with_capacity(16 * 1024);
        let open = matches!(read.read_buf(&mut bytes).await, Ok(n) if n > 0);
        let fact = match open {
            true => Fact::Bytes { router, conn, bytes },
            false => Fact::Closed { router, conn },
        };
        if facts.send(fact).is_err() || !open {
            return;
        }
    }
}
