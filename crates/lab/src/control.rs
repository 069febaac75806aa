//! A listener to the speaker's event stream: what the speaker says becomes things seen.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use pathvane_clock::Instant;

use crate::links::Direction;
use crate::mono;
use crate::seen::{PathIndex, Reporter, What};
use crate::voice::Call;

/// How often the control socket is tried until it is there.
const RETRY: Duration = Duration::from_millis(20);

/// What turns names into indices and carries out next-hop switches.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The paths' names; the router of path NAME is the peer `cr-NAME`.
    pub paths: Vec<String>,
    /// The call that follows the speaker's next hop.
    pub call: Arc<Call>,
    /// Where to report.
    pub reporter: Reporter,
}

/// A running listener; ends when dropped.
#[derive(Debug)]
pub struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listener {
    /// Waits for the control socket, then listens to every event since the speaker's start.
    pub fn start(self, socket: &Path) -> Listening {
        let socket = socket.to_owned();
        Listening(tokio::spawn(async move {
            let stream = loop {
                match UnixStream::connect(&socket).await {
                    Ok(stream) => break stream,
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            };
            // The end of the stream is the end of the speaker, which its owner notices.
            let _ = self.listen(stream).await;
        }))
    }

    /// HTTP/1.0 asks for a body without chunks: the events, line by line.
    async fn listen(&self, mut stream: UnixStream) -> io::Result<()> {
        stream.write_all(b"GET /v1/events/stream?since=0 HTTP/1.0\r\n\r\n").await?;
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next_line().await? {
            if let Ok(event) = serde_json::from_str::<Event>(&line) {
                self.take(event);
            }
        }
        Ok(())
    }

    fn take(&self, event: Event) {
        // Within one event the clocks are told together, so their difference converts the rest.
        let here = event.wall_ns.saturating_sub(mono::wall_minus_mono_ns());
        let to_mono = |at_ns: u64| {
            let before = event.at_ns.saturating_sub(at_ns);
            Instant::from_nanos(here.saturating_sub(before))
        };
        let at = Instant::from_nanos(here);
        let what = match event.kind {
            Kind::Verdict { path, from, to, evidence, detected_at_ns } => {
                self.path(&path).map(|path| What::Verdict {
                    path,
                    from,
                    to,
                    evidence,
                    detected_at: to_mono(detected_at_ns),
                })
            }
            Kind::Move { to, cause, detected_at_ns, done } => Some(What::Moved {
                to: self.path(&to),
                cause,
                detected_at: to_mono(detected_at_ns),
                done,
            }),
            Kind::Wire { peer, .. } => self.router(&peer).map(|router| What::Wire { router }),
            Kind::FibGroup { carry } => return self.switch(&carry),
            Kind::Health { check, healthy } => Some(What::Health { check, well: healthy }),
            Kind::Held { reason } => Some(What::Held { reason }),
            Kind::Other => None,
        };
        if let Some(what) = what {
            self.reporter.at(at, what);
        }
    }

    /// Sends voice over the path that leads now. What counts is when that is done.
    fn switch(&self, carry: &[String]) {
        let Some(path) = carry.first().and_then(|name| self.path(name)) else { return };
        self.call.route(Direction::Forward, u8::try_from(path).unwrap_or(Call::NOWHERE));
        self.reporter.now(What::Forward { path });
    }

    fn path(&self, name: &str) -> Option<PathIndex> {
        self.paths.iter().position(|path| path == name)
    }

    fn router(&self, peer: &str) -> Option<PathIndex> {
        self.path(peer.strip_prefix("cr-")?)
    }
}

/// One event of the stream.
#[derive(Debug, Deserialize)]
struct Event {
    at_ns: u64,
    wall_ns: u64,
    #[serde(flatten)]
    kind: Kind,
}

/// The events that matter here.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    Verdict {
        path: String,
        from: String,
        to: String,
        evidence: String,
        detected_at_ns: u64,
    },
    Move {
        to: String,
        cause: String,
        detected_at_ns: u64,
        done: bool,
    },
    Wire {
        peer: String,
    },
    FibGroup {
        carry: Vec<String>,
    },
    Health {
        check: String,
        healthy: bool,
    },
    Held {
        reason: String,
    },
    #[serde(other)]
    Other,
}
