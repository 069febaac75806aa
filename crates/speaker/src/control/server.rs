//! The server: HTTP over a unix socket, in the slow runtime.

mod routes;
mod stream;

use std::future::{Future, IntoFuture};
use std::io;
use std::path::Path as FilePath;
use std::time::{Duration, Instant};

use axum::extract::{Path, Query as Params, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use ipnet::IpNet;
use pathvane_wire::Family;
use serde::Deserialize;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

use super::dto::{self, Refused};
use super::{Answer, EventLog, Query, Reloader, Request};
use crate::OsError;
use crate::socket_file::{MODE, Remedies, SocketFile};
use routes::Cursors;

/// How long the hot loop may take to answer before the asker is told that it is busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long connections may take to end when the speaker leaves.
const FAREWELL: Duration = Duration::from_secs(1);

const REMEDIES: Remedies = Remedies {
    alive: "another speaker answers there: stop it, or set `control` to another path",
    no_socket: "a file that is no socket is there: remove it, or set `control` to another path",
    other: "create the directory, or set `control` to a path this user may write to",
};

/// The control interface, bound and ready to serve.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    socket: SocketFile,
}

impl Server {
    /// Binds the socket, readable and writable for owner and group. A socket left by a speaker
    /// that is gone is replaced; one that answers is not. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// If another speaker answers there, or the file system refuses.
    pub fn bind(path: &FilePath) -> Result<Self, OsError> {
        let (listener, socket) = SocketFile::bind(path, MODE, "the control socket", &REMEDIES)?;
        let watched =
            listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
        let failed = |error| OsError::new("watch the control socket", error);
        Ok(Self { listener: watched.map_err(failed)?, socket })
    }

    /// Whether the speaker before ended without leaving: its socket was still there.
    pub fn follows_a_crash(&self) -> bool {
        self.socket.replaced
    }

    /// Serves until `shutdown` completes, then removes the socket and lets answers under way and
    /// streams come to their ends for a moment.
    ///
    /// # Errors
    ///
    /// If the socket cannot be served any more.
    pub async fn run(
        self,
        (requests, reloader): (mpsc::Sender<Request>, Reloader),
        events: EventLog,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let Self { listener, socket } = self;
        let (started, cursors) = (Instant::now(), Cursors::default());
        let desk = Desk { requests, reloader, events, started, cursors };
        let (leave, leaving) = oneshot::channel::<()>();
        let told = async move {
            shutdown.await;
            drop((socket, leave));
        };
        let served = axum::serve(listener, router(desk)).with_graceful_shutdown(told);
        let patience = async {
            // Completes when the sender is dropped.
            let _ = leaving.await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            ended = served.into_future() => ended,
            () = patience => Ok(()),
        }
    }
}

/// What every handler needs.
#[derive(Clone, Debug)]
struct Desk {
    requests: mpsc::Sender<Request>,
    reloader: Reloader,
    events: EventLog,
    started: Instant,
    cursors: Cursors,
}

impl Desk {
    /// Asks the hot loop.
    async fn ask(&self, query: Query) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(Request { query, reply }).map_err(|_| Refusal::busy())?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(refused))) => Err(Refusal(StatusCode::NOT_FOUND, refused)),
            Ok(Err(_)) | Err(_) => Err(Refusal::busy()),
        }
    }
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/peers", get(peers))
        .route("/v1/paths", get(paths))
        .route("/v1/services", get(services))
        .route("/v1/bfd", get(bfd))
        .route("/v1/routes", get(routes::routes))
        .route("/v1/explain/prefix", get(explain_prefix))
        .route("/v1/explain/service/{name}", get(explain_service))
        .route("/v1/events", get(stream::page))
        .route("/v1/events/stream", get(stream::stream))
        .route("/v1/freeze", post(freeze))
        .route("/v1/unfreeze", post(unfreeze))
        .route("/v1/drain", post(drain))
        .route("/v1/reload", post(reload))
        .route("/v1/paths/{name}/out", post(take_out))
        .route("/v1/paths/{name}/back", post(give_back))
        .route("/v1/peers/{name}/refresh", post(refresh))
        .route("/v1/peers/{name}/reset", post(reset))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::map_response(in_json))
        .with_state(desk)
}

/// Why a request is not answered, with its status.
#[derive(Debug)]
struct Refusal(StatusCode, Refused);

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self(status, Refused { error: error.into(), remedy: remedy.into() })
    }

    fn busy() -> Self {
        let error = "the speaker is busy or leaving and did not answer";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, "try again in a moment")
    }

    /// An answer of the wrong kind, which only a mistake of ours can cause.
    fn mismatch() -> Self {
        let error = "the answer does not fit the question";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, "please report this")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

/// Asks, and takes the answer apart by the pattern given.
macro_rules! answer {
    ($desk:expr, $query:expr, $pattern:pat => $value:expr) => {
        match $desk.ask($query).await? {
            $pattern => $value,
            _ => return Err(Refusal::mismatch()),
        }
    };
}
use answer;

async fn status(State(desk): State<Desk>) -> Result<Json<dto::Status>, Refusal> {
    let mut status = answer!(desk, Query::Status, Answer::Status(status) => status);
    status.uptime_ns = u64::try_from(desk.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    status.last_event = desk.events.latest();
    status.events_dropped = desk.events.dropped();
    Ok(Json(status))
}

async fn peers(State(desk): State<Desk>) -> Result<Json<Vec<dto::Peer>>, Refusal> {
    Ok(Json(answer!(desk, Query::Peers, Answer::Peers(peers) => peers)))
}

async fn paths(State(desk): State<Desk>) -> Result<Json<Vec<dto::Path>>, Refusal> {
    Ok(Json(answer!(desk, Query::Paths, Answer::Paths(paths) => paths)))
}

async fn services(State(desk): State<Desk>) -> Result<Json<Vec<dto::Service>>, Refusal> {
    Ok(Json(answer!(desk, Query::Services, Answer::Services(services) => services)))
}

async fn bfd(State(desk): State<Desk>) -> Result<Json<Vec<dto::Bfd>>, Refusal> {
    Ok(Json(answer!(desk, Query::Bfd, Answer::Bfd(sessions) => sessions)))
}

#[derive(Deserialize)]
struct PrefixParam {
    prefix: Option<String>,
}

async fn explain_prefix(
    State(desk): State<Desk>,
    Params(param): Params<PrefixParam>,
) -> Result<Json<dto::ExplainPrefix>, Refusal> {
    let prefix = prefix(param.prefix.as_deref())?.ok_or_else(|| {
        Refusal::new(StatusCode::BAD_REQUEST, "no prefix is given", "add ?prefix=10.0.0.0/8")
    })?;
    let explained = answer!(desk, Query::Explain(prefix), Answer::Explain(explained) => explained);
    Ok(Json(*explained))
}

/// The prefix in a parameter, host bits off.
fn prefix(text: Option<&str>) -> Result<Option<IpNet>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let net = text.parse::<IpNet>().map_err(|_| {
        let error = format!("{text} is not a prefix");
        Refusal::new(StatusCode::BAD_REQUEST, error, "write it like 10.0.0.0/8")
    })?;
    Ok(Some(net.trunc()))
}

async fn explain_service(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<Json<dto::Service>, Refusal> {
    let services = answer!(desk, Query::Services, Answer::Services(services) => services);
    let names: Vec<String> = services.iter().map(|service| service.name.clone()).collect();
    services.into_iter().find(|service| service.name == name).map(Json).ok_or_else(|| {
        let error = format!("no service is called {name}");
        Refusal::new(StatusCode::NOT_FOUND, error, format!("services: {}", names.join(", ")))
    })
}

async fn freeze(State(desk): State<Desk>) -> Result<Json<dto::Done>, Refusal> {
    done(&desk, Query::Freeze).await
}

async fn unfreeze(State(desk): State<Desk>) -> Result<Json<dto::Done>, Refusal> {
    done(&desk, Query::Unfreeze).await
}

async fn take_out(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<Json<dto::Done>, Refusal> {
    done(&desk, Query::TakeOut(name, true)).await
}

async fn give_back(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<Json<dto::Done>, Refusal> {
    done(&desk, Query::TakeOut(name, false)).await
}

/// What peers are told with a CEASE (RFC 9003).
#[derive(Deserialize)]
struct Words {
    #[serde(default)]
    text: String,
}

impl Words {
    /// The most octets that a peer can be told.
    const MAX: usize = 255;

    fn checked(self) -> Result<String, Refusal> {
        if self.text.len() <= Self::MAX {
            return Ok(self.text);
        }
        let error = format!("the text has {} octets", self.text.len());
        Err(Refusal::new(StatusCode::BAD_REQUEST, error, "use at most 255 (RFC 9003)"))
    }
}

async fn drain(
    State(desk): State<Desk>,
    Params(words): Params<Words>,
) -> Result<Json<dto::Done>, Refusal> {
    done(&desk, Query::Drain(words.checked()?)).await
}

#[derive(Deserialize)]
struct FamilyParam {
    family: Option<String>,
}

async fn refresh(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Params(param): Params<FamilyParam>,
) -> Result<Json<dto::Done>, Refusal> {
    let family = match param.family.as_deref() {
        None => None,
        Some("ipv4") => Some(Family::IPV4_UNICAST),
        Some("ipv6") => Some(Family::IPV6_UNICAST),
        Some(other) => {
            let error = format!("{other} is not a family");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, error, "families: ipv4, ipv6"));
        }
    };
    done(&desk, Query::Refresh(name, family)).await
}

async fn reset(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Params(words): Params<Words>,
) -> Result<Json<dto::Done>, Refusal> {
    done(&desk, Query::Reset(name, words.checked()?)).await
}

async fn reload(State(desk): State<Desk>) -> Result<Json<dto::Done>, Refusal> {
    match desk.reloader.reload().await {
        Ok(Answer::Done(done)) => Ok(Json(done)),
        Ok(_) => Err(Refusal::mismatch()),
        Err(refused) => Err(Refusal(StatusCode::CONFLICT, refused)),
    }
}

async fn done(desk: &Desk, command: Query) -> Result<Json<dto::Done>, Refusal> {
    Ok(Json(answer!(desk, command, Answer::Done(done) => done)))
}

async fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "nothing is here", "docs/OPERATING.md lists what there is")
}

async fn wrong_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this cannot be done here",
        "read with GET, command with POST",
    )
}

/// Gives refusals of the framework (a parameter that is no number) the shape of our own.
async fn in_json(response: Response) -> Response {
    let is_json = response.headers().contains_key("content-type")
        && !response.headers()["content-type"].as_bytes().starts_with(b"text/");
    if response.status().is_success() || is_json {
        return response;
    }
    let status = response.status();
    Refusal::new(status, "the request was not understood", "docs/OPERATING.md says how to ask")
        .into_response()
}
