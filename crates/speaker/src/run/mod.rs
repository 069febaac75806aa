//! Runs a speaker: the shell around one engine.
//!
//! Two runtimes. The hot one has a single thread and a single task (`hot.rs`): peers, probes, links
//! and the engine. The other one has what may be slow: control interface and health checks; the two
//! talk over bounded channels, and the hot one never waits.

mod bfd;
mod full_size;
mod hot;
mod leaving;
mod open;
mod outside;
mod pace;
mod peers;
mod probes;
mod reload;
mod slow;

#[cfg(test)]
mod fixtures;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Instant as Monotonic, SystemTime, UNIX_EPOCH};

use pathvane_clock::Duration;
use pathvane_engine::{ConnId, Engine, PeerId};
use pathvane_probe::Timestamp;

use crate::OsError;
use crate::alarm::{Alarm, now};
use crate::config::{FibMode, Loaded, ShellConfig};
use crate::ready::{Class, ReadySet};
use crate::tcp::Listener;
use hot::Hot;
use outside::{Channels, Outside};
use peers::Peers;
use probes::Probes;
use reload::Running;

/// What became ready.
#[derive(Clone, Copy, Debug)]
enum Token {
    /// The engine's alarm.
    Alarm,
    /// Work on routes.
    Work,
    /// Probe sockets.
    Probes,
    /// A connection being dialled.
    Dial(PeerId),
    /// A listening socket.
    Listener(usize),
    /// An open or closing connection.
    Conn(ConnId),
    /// Something beside peers and probes.
    Outside(outside::Which),
}

/// Why a speaker did not start, or ended without having left.
#[derive(Debug)]
pub enum Failure {
    /// The operating system refused something the speaker cannot do without.
    Os(OsError),
    /// A second signal came while it was leaving.
    Interrupted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Os(error) => error.fmt(f),
            Self::Interrupted => f.write_str("interrupted while leaving; sessions were cut"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<OsError> for Failure {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Os(OsError::new("serve the hot loop", error))
    }
}

/// Runs until the speaker has left (a drain, SIGTERM or SIGINT). `file` is where the configuration is
/// read again (a reload, SIGHUP).
///
/// # Errors
///
/// If a socket, the kernel's tables or the control interface cannot be had: nothing is then left
/// half-way, sessions are not opened.
pub fn run(loaded: Loaded, file: PathBuf) -> Result<(), Failure> {
    let hot = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // After every slice the reactor looks for what has become ready.
        .event_interval(1)
        .build()?;
    let (slow, channels) = slow::start(&loaded, file)?;
    let ended = hot.block_on(async { set_up(loaded, channels)?.run().await });
    slow.stop();
    ended
}

/// Opens everything; the engine is at rest until the loop runs.
fn set_up(loaded: Loaded, channels: Channels) -> Result<Hot, Failure> {
    let running = Running(loaded.clone());
    let Loaded { mut engine, shell } = loaded;
    let mut ready = ReadySet::default();
    let outside = Outside::open(&shell, &mut ready, channels)?;
    if shell.fib == FibMode::Kernel && outside.restarts() {
        claim_forwarding(&mut engine);
    }
    let probes = Probes::open(&shell, &mut ready, origin())?;
    let peers = listen(&shell, &mut ready)?;
    let alarm = Alarm::new()?;
    let alarm_source = ready.add(Class::Urgent, Token::Alarm);
    let engine = Engine::new(now(), engine, seed()?, epoch());
    Ok(Hot::new(engine, ready, peers, probes, outside, (alarm, alarm_source), running))
}

/// Graceful restart claims what is true (RFC 4724 section 3): after a restart that the kernel
/// forwarded through, both R and F bits; after anything else, such as a reboot, neither.
fn claim_forwarding(engine: &mut pathvane_engine::Config) {
    for peer in &mut engine.peers {
        if let Some(restart) = &mut peer.session.graceful_restart {
            (restart.restarting, restart.forwarding) = (true, restart.families);
        }
    }
    tracing::info!("this run follows another one; peers are told that we restart");
}

fn listen(shell: &ShellConfig, ready: &mut ReadySet<Token>) -> Result<Peers, Failure> {
    let mut peers = Peers::new(shell.peers.clone(), shell.ranges.clone());
    for address in &shell.listen {
        let listener = Listener::bind(*address, peers.roster())?;
        tracing::info!(address = %listener.address(), "listening");
        peers.listen(ready, listener);
    }
    Ok(peers)
}

/// The moment that the engine's instants count from: `CLOCK_MONOTONIC`'s zero.
fn origin() -> Monotonic {
    let since = Duration::from_nanos(now().as_nanos());
    Monotonic::now().checked_sub(since).unwrap_or_else(Monotonic::now)
}

/// The wall clock at the engine's zero, for the timestamps in probes.
fn epoch() -> Timestamp {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = Duration::from_nanos(now().as_nanos());
    let nanos = wall.saturating_sub(since).as_nanos();
    Timestamp::from_unix_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// Chance for jitter, phases and hashes, from the kernel.
pub(crate) fn seed() -> io::Result<u64> {
    use std::io::Read;
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
