//! The intake: a unix socket that takes measurements from outside, a JSON object per line.
//!
//! Promises: whoever connects costs a bounded amount of memory, and nobody else anything. Lines,
//! connections and waiting reports are bounded; a line that is no good is answered by a JSON object
//! that names the field and the remedy, one that is good by nothing. Lives in the slow runtime.
//!
//! Does not know: what a report means. It names paths and services and hands on
//! [`pathvane_engine::Report`]s.

mod line;

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use pathvane_engine::Report;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::OsError;
use crate::config::IntakeSocket;
use crate::socket_file::{Remedies, SocketFile};

pub use line::{Names, Refusal, read};

/// Octets of the longest line.
const LINE: usize = 4096;
/// Connections at a time.
const CONNECTIONS: usize = 32;
/// A connection that says nothing for this long is closed: others may want its place.
const IDLE: Duration = Duration::from_secs(600);
/// Whoever does not take an answer for this long is not waited for.
const SLOW: Duration = Duration::from_secs(1);

const REMEDIES: Remedies = Remedies {
    alive: "another speaker takes measurements there; give this one another `socket` in [intake]",
    no_socket: "something that is no socket is there; remove it, or choose another `socket`",
    other: "make its directory, owned by the speaker's user",
};

/// The bound socket.
#[derive(Debug)]
pub struct Intake {
    listener: StdListener,
    names: Arc<Names>,
    _file: SocketFile,
}

impl Intake {
    /// Binds the socket; what a dead speaker left is replaced.
    pub fn bind(socket: &IntakeSocket, names: Names) -> Result<Self, OsError> {
        let (listener, file) =
            SocketFile::bind(&socket.path, socket.mode, "the intake socket", &REMEDIES)?;
        listener
            .set_nonblocking(true)
            .map_err(|error| OsError::new("watch the intake socket", error))?;
        Ok(Self { listener, names: Arc::new(names), _file: file })
    }

    /// Takes measurements until `shutdown` completes.
    pub async fn run(self, reports: mpsc::Sender<Report>, shutdown: impl Future<Output = ()>) {
        let serving = async {
            let Ok(listener) = UnixListener::from_std(self.listener) else { return };
            let places = Arc::new(Semaphore::new(CONNECTIONS));
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of descriptors, most likely: others give some back.
                    tokio::time::sleep(SLOW).await;
                    continue;
                };
                let (names, reports) = (Arc::clone(&self.names), reports.clone());
                let place = Arc::clone(&places).try_acquire_owned();
                tokio::spawn(async move {
                    // Whoever is gone hears nothing more.
                    let _ = match place {
                        Ok(_place) => serve(stream, &names, &reports).await,
                        Err(_) => refuse(stream).await,
                    };
                });
            }
        };
        tokio::select! {
            () = serving => {}
            () = shutdown => {}
        }
    }
}

async fn refuse(mut stream: UnixStream) -> io::Result<()> {
    let refusal = Refusal {
        field: String::new(),
        error: format!("{CONNECTIONS} connections are open already"),
        remedy: "close one, or send everything over one".to_owned(),
    };
    answer(&mut stream, 0, &refusal).await
}

/// Reads lines until the end, or until one is longer than any may be.
async fn serve(
    mut stream: UnixStream,
    names: &Names,
    reports: &mpsc::Sender<Report>,
) -> io::Result<()> {
    let (mut bytes, mut number) = (Vec::with_capacity(LINE), 0_u64);
    loop {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            number += 1;
            if let Err(refusal) = take(&bytes[..end], names, reports) {
                answer(&mut stream, number, &refusal).await?;
            }
            bytes.drain(..=end);
        }
        if bytes.len() >= LINE {
            let refusal = Refusal {
                field: String::new(),
                error: format!("the line is longer than {LINE} octets"),
                remedy: "write one JSON object per line; the connection is closed".to_owned(),
            };
            return answer(&mut stream, number + 1, &refusal).await;
        }
        let mut room = (&mut stream).take((LINE - bytes.len()) as u64);
        match timeout(IDLE, room.read_buf(&mut bytes)).await {
            Ok(Ok(0)) | Err(_) => return Ok(()),
            Ok(read) => read.map(|_| ())?,
        }
    }
}

/// Hands on what a line says.
fn take(line: &[u8], names: &Names, reports: &mpsc::Sender<Report>) -> Result<(), Refusal> {
    for report in read(line, names)? {
        reports.try_send(report).map_err(|_| Refusal {
            field: String::new(),
            error: "the speaker is behind with earlier measurements".to_owned(),
            remedy: "send fewer: one for each source every few seconds is plenty".to_owned(),
        })?;
    }
    Ok(())
}

async fn answer(stream: &mut UnixStream, line: u64, refusal: &Refusal) -> io::Result<()> {
    let mut text = serde_json::json!({
        "line": line, "field": refusal.field, "error": refusal.error, "remedy": refusal.remedy,
    })
    .to_string();
    text.push('\n');
    match timeout(SLOW, stream.write_all(text.as_bytes())).await {
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
