//! From the engine's getters to what the interface says.

mod overview;
mod routes;
mod services;

use core::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::{Engine, PathId, PeerId};
use pathvane_wire::FamilySet;

use super::dto::Refused;
use super::{Answer, Query, Reply, Shell};
use crate::alarm;

pub(super) use overview::said;

/// Answers a question that changes nothing.
pub(super) fn read(engine: &Engine, shell: Shell<'_>, query: &Query) -> Reply {
    let now = alarm::now();
    match query {
        Query::Status => Ok(Answer::Status(overview::status(engine, (shell.fib)()))),
        Query::Peers => Ok(Answer::Peers(overview::peers(engine, shell, now))),
        Query::Paths => Ok(Answer::Paths(overview::paths(engine, shell, now))),
        Query::Services => Ok(Answer::Services(services::services(engine, shell, now))),
        Query::Routes { table, from, limit } => routes::page(engine, table, *from, *limit),
        Query::Explain(prefix) => Ok(Answer::Explain(Box::new(routes::explain(engine, *prefix)))),
        Query::Bfd => unreachable!("the engine does not know BFD sessions"),
        Query::Freeze
        | Query::Unfreeze
        | Query::Drain(_)
        | Query::TakeOut(..)
        | Query::Refresh(..)
        | Query::Reset(..) => {
            unreachable!("commands are not read")
        }
    }
}

/// The path of this name.
pub(super) fn path_id(engine: &Engine, name: &str) -> Result<PathId, Refused> {
    let paths = &engine.config().paths;
    let found = engine.config().path_ids().find(|id| paths[id.index()].name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = paths.iter().map(|path| path.name.as_str()).collect();
        Refused {
            error: format!("no path is called {name}"),
            remedy: format!("paths: {}", known.join(", ")),
        }
    })
}

/// The peer of this name.
pub(super) fn peer_id(engine: &Engine, name: &str) -> Result<PeerId, Refused> {
    let peers = &engine.config().peers;
    let found = engine.peers().find(|id| peers[id.index()].name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = engine.peers().map(|id| peers[id.index()].name.as_str()).collect();
        Refused {
            error: format!("no peer is called {name}"),
            remedy: format!("peers: {}", known.join(", ")),
        }
    })
}

pub(crate) fn peer_name(engine: &Engine, id: PeerId) -> String {
    if id == PeerId::LOCAL {
        return "local".to_owned();
    }
    engine.config().peers[id.index()].name.clone()
}

pub(crate) fn path_name(engine: &Engine, id: PathId) -> String {
    engine.config().paths[id.index()].name.clone()
}

fn families(set: FamilySet) -> Vec<String> {
    set.iter().map(|family| family.to_string()).collect()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How long ago.
fn ago(now: Instant, then: Instant) -> u64 {
    nanos(now.since(then))
}
