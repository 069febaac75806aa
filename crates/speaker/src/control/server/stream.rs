//! The record of events, in pages and as a stream of lines.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query as Params, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::watch;

use super::Desk;
use crate::control::dto::Event;
use crate::control::events::{EventLog, Latest};

/// Events in one page, and in one chunk of a stream.
const PAGE: usize = 256;

#[derive(Deserialize)]
pub(super) struct Since {
    /// Only events after this one.
    since: Option<u64>,
    /// At most so many.
    limit: Option<usize>,
}

/// `GET /v1/events?since=ID&limit=N`
pub(super) async fn page(
    State(desk): State<Desk>,
    Params(param): Params<Since>,
) -> Json<Vec<Event>> {
    let limit = param.limit.unwrap_or(PAGE);
    let events = desk.events.since(param.since.unwrap_or(0), limit);
    Json(events.iter().map(|event| Event::clone(event)).collect())
}

/// `GET /v1/events/stream?since=ID`: one event per line, from now on unless `since` says otherwise.
pub(super) async fn stream(State(desk): State<Desk>, Params(param): Params<Since>) -> Response {
    let reader = Reader {
        told: param.since.unwrap_or_else(|| desk.events.latest()),
        latest: desk.events.watch(),
        log: desk.events,
    };
    let chunks = stream::unfold(reader, |mut reader| async {
        let chunk = reader.next().await?;
        Some((Ok::<_, Infallible>(chunk), reader))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(chunks)).into_response()
}

/// One reader of the stream.
struct Reader {
    /// The id of the last event told.
    told: u64,
    log: EventLog,
    latest: watch::Receiver<Latest>,
}

impl Reader {
    /// The lines of all events that are there, waiting for one if there is none; `None` once the
    /// speaker has gone.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let ended = self.latest.borrow_and_update().last;
            let events = self.log.since(self.told, PAGE);
            if let Some(last) = events.last() {
                self.told = last.id;
                return Some(lines(&events));
            }
            if ended {
                return None;
            }
            self.latest.changed().await.ok()?;
        }
    }
}

fn lines(events: &[Arc<Event>]) -> Bytes {
    let mut text = Vec::new();
    for event in events {
        // Writing plain data to memory does not fail.
        let _ = serde_json::to_writer(&mut text, &**event);
        text.push(b'\n');
    }
    Bytes::from(text)
}
