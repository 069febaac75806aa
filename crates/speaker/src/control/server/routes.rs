//! Tables of routes, page by page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Query as Params, State};
use axum::http::StatusCode;
use axum::response::Json;
use pathvane_rib::Cursor;
use serde::Deserialize;

use super::{Desk, Refusal, answer, prefix};
use crate::control::dto::{Route, Routes};
use crate::control::{Answer, PAGE, Query, Table};

/// Routes in one response unless asked otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 10_000;

/// Questions to the hot loop for one response; entries of the table may be empty.
const TURNS: usize = 256;

#[derive(Deserialize)]
pub(super) struct Wanted {
    /// `loc`, `in` or `out`.
    table: Option<String>,
    /// Whose `in` or `out`.
    peer: Option<String>,
    /// Only this prefix.
    prefix: Option<String>,
    /// At most so many routes.
    limit: Option<usize>,
    /// From an earlier response.
    cursor: Option<String>,
}

/// `GET /v1/routes`
pub(super) async fn routes(
    State(desk): State<Desk>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Routes>, Refusal> {
    let table = table(&wanted)?;
    if let Some(prefix) = prefix(wanted.prefix.as_deref())? {
        let query = Query::Explain(prefix);
        let explained = answer!(desk, query, Answer::Explain(explained) => explained);
        if explained.prefix != prefix {
            return Ok(Json(Routes { routes: Vec::new(), cursor: None }));
        }
        let candidates = explained.candidates.into_iter().map(|candidate| candidate.route);
        let routes = match &table {
            Table::Loc => candidates.filter(|route| route.best).collect(),
            Table::In(peer) => candidates.filter(|route| route.peer == *peer).collect(),
            Table::Out(peer) => {
                let told = explained.recipients.into_iter().filter(|told| told.peer == *peer);
                told.filter_map(|told| told.route).collect()
            }
        };
        return Ok(Json(Routes { routes, cursor: None }));
    }
    let from = match &wanted.cursor {
        Some(token) => desk.cursors.find(token)?,
        None => Cursor::default(),
    };
    let limit = wanted.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let (routes, next) = pages(&desk, &table, from, limit).await?;
    Ok(Json(Routes { routes, cursor: next.map(|next| desk.cursors.keep(next)) }))
}

/// As many pages as the limit asks for; the hot loop does other things between them.
async fn pages(
    desk: &Desk,
    table: &Table,
    from: Cursor,
    limit: usize,
) -> Result<(Vec<Route>, Option<Cursor>), Refusal> {
    let (mut routes, mut next) = (Vec::new(), Some(from));
    for _ in 0..TURNS {
        let Some(from) = next.filter(|_| routes.len() < limit) else { break };
        let limit = (limit - routes.len()).min(PAGE);
        let query = Query::Routes { table: table.clone(), from, limit };
        let (page, after) = answer!(desk, query, Answer::Routes(page, after) => (page, after));
        routes.extend(page);
        next = after;
    }
    Ok((routes, next))
}

fn table(wanted: &Wanted) -> Result<Table, Refusal> {
    let bad = |error: &str, remedy: &str| Err(Refusal::new(StatusCode::BAD_REQUEST, error, remedy));
    match (wanted.table.as_deref().unwrap_or("loc"), &wanted.peer) {
        ("loc", None) => Ok(Table::Loc),
        ("loc", Some(_)) => bad("the Loc-RIB has no peer", "ask for table=in or table=out"),
        ("in", Some(peer)) => Ok(Table::In(peer.clone())),
        ("out", Some(peer)) => Ok(Table::Out(peer.clone())),
        ("in" | "out", None) => bad("no peer is given", "add &peer=NAME"),
        _ => bad("no such table", "ask for table=loc, in or out"),
    }
}

/// Cursors given out, the latest ones; clients hold numbers that stand for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursors(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    cursors: VecDeque<(u64, Cursor)>,
}

impl Cursors {
    /// How many clients can be in the middle of a table.
    const MAX: usize = 256;

    fn keep(&self, cursor: Cursor) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let number = kept.last;
        if kept.cursors.len() == Self::MAX {
            kept.cursors.pop_front();
        }
        kept.cursors.push_back((number, cursor));
        number.to_string()
    }

    fn find(&self, token: &str) -> Result<Cursor, Refusal> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = token.parse::<u64>().ok();
        let found = kept.cursors.iter().find(|(known, _)| Some(*known) == number);
        found.map(|(_, cursor)| *cursor).ok_or_else(|| {
            let error = format!("the cursor {token} is unknown or too old");
            Refusal::new(StatusCode::GONE, error, "begin again without a cursor")
        })
    }
}
