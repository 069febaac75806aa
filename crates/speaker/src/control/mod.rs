//! The control interface: HTTP and JSON under `/v1` on a unix socket, and a client for it.
//!
//! Promises: the hot loop never waits for anybody here. Questions come to it over a bounded
//! channel and are answered from what is there ([`Request::answer`]), at most [`PAGE`] routes at a
//! time; events leave it over another bounded channel, and what does not fit is dropped and
//! counted ([`Publisher`]). The server, the record of events and all waiting live in the slow runtime.
//!
//! Does not know: how the speaker works. It shows the engine's getters under the names of the
//! configuration ([`dto`]) and passes commands on.

mod answer;
pub mod client;
pub mod dto;
mod events;
mod reload;
mod server;

#[cfg(test)]
mod tests;

use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_engine::{Command, ConnId, Engine, ServiceId, StreamId};
use pathvane_rib::Cursor;
use pathvane_wire::{Family, FamilySet};
use tokio::sync::{mpsc, oneshot};

use crate::checks::Outcome;
use crate::fib;
use crate::tcp::TcpFacts;
use dto::{Bfd, Done, ExplainPrefix, Path, Peer, Refused, Route, Service, Status};

pub(crate) use answer::{path_name, peer_name};
pub use events::{EventLog, Latest, Publisher, events};
pub use reload::{Reload, Reloader};
pub use server::Server;

/// The most routes that the hot loop shows in one go.
pub const PAGE: usize = 200;

/// The most questions that wait for the hot loop.
pub const QUEUE: usize = 32;

/// A question to the hot loop and where the answer goes.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub query: Query,
    /// Gets the answer; whoever asked may have gone.
    pub reply: oneshot::Sender<Reply>,
}

/// What can be asked of a running speaker.
#[derive(Clone, PartialEq, Debug)]
pub enum Query {
    /// How the speaker is doing.
    Status,
    /// All peers.
    Peers,
    /// All paths.
    Paths,
    /// All services.
    Services,
    /// All BFD sessions.
    Bfd,
    /// A page of a table.
    Routes {
        /// Which table.
        table: Table,
        /// Where the page begins.
        from: Cursor,
        /// At most so many routes; cut to [`PAGE`].
        limit: usize,
    },
    /// Everything about one prefix.
    Explain(IpNet),
    /// Stop all moves.
    Freeze,
    /// Move again.
    Unfreeze,
    /// Leave, with these last words to the peers.
    Drain(String),
    /// Take this path out, or give it back.
    TakeOut(String, bool),
    /// Ask this peer for its routes again, of one family or of all.
    Refresh(String, Option<Family>),
    /// Close and reopen the session with this peer, with these words to it.
    Reset(String, String),
}

/// A table of routes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Table {
    /// The Loc-RIB.
    Loc,
    /// The Adj-RIB-In of this peer.
    In(String),
    /// The Adj-RIB-Out of this peer.
    Out(String),
}

/// An answer, or why there is none.
pub type Reply = Result<Answer, Refused>;

/// The answers to [`Query`], in the same order.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// Uptime and events are left for the server to fill in.
    Status(Status),
    /// All peers.
    Peers(Vec<Peer>),
    /// All paths.
    Paths(Vec<Path>),
    /// All services.
    Services(Vec<Service>),
    /// All BFD sessions.
    Bfd(Vec<Bfd>),
    /// A page of a table and where the next one begins.
    Routes(Vec<Route>, Option<Cursor>),
    /// Everything about one prefix.
    Explain(Box<ExplainPrefix>),
    /// A command is being carried out.
    Done(Done),
}

/// A channel for questions: one end for [`Server::run`], the other for the hot loop.
pub fn requests() -> (mpsc::Sender<Request>, mpsc::Receiver<Request>) {
    mpsc::channel(QUEUE)
}

/// What the shell knows and the engine does not.
#[derive(Clone, Copy)]
pub struct Shell<'a> {
    /// Routes in the kernel; a walk over all of them.
    pub fib: &'a dyn Fn() -> fib::Stats,
    /// What TCP has seen of a connection's way.
    pub tcp: &'a dyn Fn(ConnId) -> Option<TcpFacts>,
    /// The UDP port that is a stream's source port number so and so.
    pub source_port: &'a dyn Fn(StreamId, u8) -> Option<u16>,
    /// The last answer to a service's check number so and so.
    pub checked: &'a dyn Fn(ServiceId, u16) -> Option<Checked>,
}

/// The last answer of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// When it was complete.
    pub at: Instant,
    /// What became of the question.
    pub outcome: Outcome,
}

impl Request {
    /// Answers, in the hot loop. What comes back is the command that was asked for, if one was:
    /// hand it to the engine.
    pub fn answer(
        self,
        engine: &Engine,
        shell: Shell<'_>,
        bfd: impl FnOnce() -> Vec<Bfd>,
    ) -> Option<Command> {
        let (reply, command) = match command(engine, &self.query) {
            Some(Ok((command, done))) => (Ok(Answer::Done(Done { done })), Some(command)),
            Some(Err(refused)) => (Err(refused), None),
            None if self.query == Query::Bfd => (Ok(Answer::Bfd(bfd())), None),
            None => (answer::read(engine, shell, &self.query), None),
        };
        // Whoever asked may have hung up; then nobody misses the answer.
        let _ = self.reply.send(reply);
        command
    }
}

/// The command that `query` asks for, and what it does, in words; `None` if it only reads.
fn command(engine: &Engine, query: &Query) -> Option<Result<(Command, String), Refused>> {
    let known = |command, done: &str| Some(Ok((command, done.to_owned())));
    match query {
        Query::Freeze => known(Command::Freeze, "all moves are stopped; measuring goes on"),
        Query::Unfreeze => known(Command::Unfreeze, "moves are carried out again"),
        Query::Drain(text) => known(
            Command::Drain { text: text.clone() },
            "leaving: MED is raised, then prefixes are withdrawn",
        ),
        Query::TakeOut(name, out) => Some(answer::path_id(engine, name).map(|path| {
            let done = if *out { "is taken out" } else { "is given back, and begins anew" };
            (Command::TakeOut { path, out: *out }, format!("path {name} {done}"))
        })),
        Query::Refresh(name, family) => Some(refresh(engine, name, *family)),
        Query::Reset(name, text) => Some(answer::peer_id(engine, name).map(|peer| {
            (
                Command::Reset { peer, text: text.clone() },
                format!("the session with {name} is closed and reopened"),
            )
        })),
        _ => None,
    }
}

/// The command to ask a peer for its routes again, if it can be asked (RFC 2918).
fn refresh(
    engine: &Engine,
    name: &str,
    family: Option<Family>,
) -> Result<(Command, String), Refused> {
    let refuse = |error: String, remedy: String| Err(Refused { error, remedy });
    let peer = answer::peer_id(engine, name)?;
    let Some((_, terms)) = engine.peer(peer).session.established() else {
        let remedy = "it sends everything when it is; `pathvane show peers` says why it is not";
        return refuse(format!("the session with {name} is not Established"), remedy.to_owned());
    };
    if !terms.refresh {
        let remedy =
            format!("`pathvane reset {name}` closes and opens the session: it sends all then");
        return refuse(format!("{name} did not offer route refresh (RFC 2918)"), remedy);
    }
    let families: FamilySet = match family {
        None => terms.families,
        Some(family) if terms.families.contains(family) => family.into(),
        Some(family) => {
            let remedy = format!("spoken with it: {}", terms.families);
            return refuse(format!("{name} sends no routes of {family}"), remedy);
        }
    };
    let done = format!("{name} is asked for its routes again: {families}");
    Ok((Command::Refresh { peer, families }, done))
}
