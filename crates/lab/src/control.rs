//! A listener to the speaker's event stream: what the speaker says becomes things seen.

use std::sync::Arc;
use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_speaker::control::client::{Client, Error};
use pathvane_speaker::control::dto::{Event, Kind, Service};
use tokio::task::JoinHandle;

use crate::links::Direction;
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

/// The paths whose quality is not proven yet to keep the limits of every service that uses them.
///
/// # Errors
/// If the speaker does not answer.
pub async fn unproven(client: &Client) -> Result<Vec<String>, Error> {
    let services: Vec<Service> = client.get("/v1/services").await?;
    let paths = services.into_iter().flat_map(|service| service.paths);
    let unproven = paths.filter(|path| path.compliance != "complies");
    Ok(unproven.map(|path| format!("{} is {}", path.path, path.compliance)).collect())
}

impl Listener {
    /// Waits for the control socket, then listens to every event since the speaker's start.
    pub fn start(self, client: Client) -> Listening {
        Listening(tokio::spawn(async move {
            let mut events = loop {
                match client.events(Some(0)).await {
                    Ok(events) => break events,
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            };
            // The end of the stream is the end of the speaker, which its owner notices.
            while let Ok(Some(event)) = events.next().await {
                self.take(event);
            }
        }))
    }

    fn take(&self, event: Event) {
        // Both clocks are CLOCK_MONOTONIC.
        let at = Instant::from_nanos;
        let what = match event.kind {
            Kind::Verdict { path, from, to, evidence, detected_at_ns } => {
                let detected_at = at(detected_at_ns);
                self.path(&path).map(|path| What::Verdict { path, from, to, evidence, detected_at })
            }
            Kind::Move { to, cause, detected_at_ns, done, .. } => {
                let (to, detected_at) = (self.path(&to), at(detected_at_ns));
                Some(What::Moved { to, cause, detected_at, done })
            }
            Kind::Wire { peer, sent_at_ns, .. } => {
                if let Some(router) = self.router(&peer) {
                    self.reporter.at(at(sent_at_ns), What::Wire { router });
                }
                None
            }
            Kind::FibGroup { carry, .. } => {
                self.switch(&carry);
                None
            }
            Kind::Health { check, healthy, .. } => Some(What::Health { check, well: healthy }),
            Kind::Held { reason, .. } => Some(What::Held { reason }),
            Kind::Missed { count } => Some(What::Held { reason: format!("{count} events missed") }),
            _ => None,
        };
        if let Some(what) = what {
            self.reporter.at(at(event.at_ns), what);
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
