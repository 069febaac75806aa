//! The second runtime: control interface and health checks, on a thread of their own.

use std::path::PathBuf;
use std::thread::JoinHandle;

use pathvane_engine::Report;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::Failure;
use super::outside::Channels;
use crate::checks::{self, Check, Outcome};
use crate::config::Loaded;
use crate::control::{self, EventLog, Reloader, Request, Server};
use crate::intake::{Intake, Names};

/// Outcomes of health checks that may wait for the hot loop.
const OUTCOMES: usize = 64;
/// Measurements from outside that may wait for it.
const REPORTS: usize = 256;

/// The running second runtime.
pub(super) struct Slow {
    shutdown: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Starts it. The control socket is bound when this returns, so that a second speaker is refused
/// before it touches anything.
pub(super) fn start(loaded: &Loaded, file: PathBuf) -> Result<(Slow, Channels), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = {
        let _inside = runtime.enter();
        Server::bind(&loaded.shell.control)?
    };
    let follows_a_crash = server.follows_a_crash();
    let (asking, requests) = control::requests();
    let (reloader, reloads) = Reloader::new(file);
    let (publisher, events) = control::events();
    let intake = match &loaded.shell.intake {
        Some(socket) => Some(Intake::bind(socket, Names::of(loaded))?),
        None => None,
    };
    let (reporting, reports) = mpsc::channel(REPORTS);
    let (outcomes, health) = mpsc::channel(OUTCOMES);
    let (shutdown, stop) = watch::channel(false);
    let checks = loaded.shell.checks.clone();
    let thread = std::thread::Builder::new().name("slow".into()).spawn(move || {
        let intake = (intake, reporting);
        runtime.block_on(serve(
            server,
            (asking, events, reloader),
            (checks, outcomes),
            intake,
            stop,
        ))
    })?;
    Ok((
        Slow { shutdown, thread },
        Channels { health, reports, requests, reloads, publisher, follows_a_crash },
    ))
}

async fn serve(
    server: Server,
    (asking, events, reloader): (mpsc::Sender<Request>, EventLog, Reloader),
    (checks, outcomes): (Vec<Check>, mpsc::Sender<Outcome>),
    (intake, reports): (Option<Intake>, mpsc::Sender<Report>),
    stop: watch::Receiver<bool>,
) {
    let checking = checks::run(checks, outcomes, stopped(stop.clone()));
    let ending = stopped(stop.clone());
    let taking = async move {
        if let Some(intake) = intake {
            intake.run(reports, ending).await;
        }
    };
    let reloading = on_hangup(reloader.clone(), stopped(stop.clone()));
    let serving = server.run((asking, reloader), events.clone(), stopped(stop));
    let (served, ..) = tokio::join!(serving, checking, reloading, taking, events.run());
    if let Err(error) = served {
        tracing::error!("the control interface ended: {error}; the speaker goes on without it");
    }
}

/// Reads the configuration again at each SIGHUP, until `shutdown`.
async fn on_hangup(reloader: Reloader, shutdown: impl Future<Output = ()>) {
    let hangups = async {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        while hangup.recv().await.is_some() {
            // What became of it is in the log.
            let _ = reloader.reload().await;
        }
    };
    tokio::select! {
        () = hangups => {}
        () = shutdown => {}
    }
}

/// Completes when the hot loop has ended.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the hot loop is gone, which ends it as well.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

impl Slow {
    /// Ends it and waits for its end.
    pub(super) fn stop(self) {
        let _ = self.shutdown.send(true);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the control interface panicked");
        }
    }
}
