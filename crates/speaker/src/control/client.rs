//! A client for the control interface, for the commands and for laboratories.

use std::fmt;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::dto::{Event, Refused};

/// The longest answer that is read.
const LONGEST: usize = 64 << 20;

/// The longest line of the event stream.
const LONGEST_LINE: usize = 1 << 20;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a speaker listens for its operator.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Error {
    /// Nobody answers at the socket.
    Nobody {
        /// The socket.
        socket: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The speaker answers that it will not.
    Refused(Refused),
    /// What came is not an answer.
    Broken(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody { socket, source } => {
                write!(f, "no speaker answers on {}: {source}", socket.display())
            }
            Self::Refused(refused) => f.write_str(&refused.error),
            Self::Broken(what) => write!(f, "the speaker's answer makes no sense: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Nobody { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run this as a member of the socket's group, or as root".to_owned()
            }
            Self::Nobody { .. } => "is `pathvane run` running? If its configuration sets \
                                    `control`, name that path with --socket or PATHVANE_SOCKET"
                .to_owned(),
            Self::Refused(refused) => refused.remedy.clone(),
            Self::Broken(_) => {
                "are program and speaker of the same version? See `pathvane --version`".to_owned()
            }
        }
    }

    fn broken(error: impl fmt::Display) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Client {
    /// A client of the speaker that listens at `socket`. Connects only when asked something.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The socket.
    pub fn socket(&self) -> &FilePath {
        &self.socket
    }

    /// Reads what is at `path`, such as "/v1/peers".
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.whole(Method::GET, path).await
    }

    /// Gives the command at `path`, such as "/v1/freeze".
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.whole(Method::POST, path).await
    }

    /// Follows the events after the one numbered `since`; `None`: those to come.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn events(&self, since: Option<u64>) -> Result<Events, Error> {
        let path = match since {
            Some(id) => format!("/v1/events/stream?since={id}"),
            None => "/v1/events/stream".to_owned(),
        };
        let response = self.send(Method::GET, &path).await?;
        if !response.status().is_success() {
            return Err(refusal(&collect(response).await?));
        }
        Ok(Events { body: response.into_body(), buffer: BytesMut::new() })
    }

    async fn whole<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Error> {
        let exchange = async {
            let response = self.send(method, path).await?;
            let success = response.status().is_success();
            let body = collect(response).await?;
            match success {
                true => serde_json::from_slice(&body).map_err(Error::broken),
                false => Err(refusal(&body)),
            }
        };
        let late = |_| Err(Error::broken("it did not come within 30 seconds"));
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(late)
    }

    async fn send(&self, method: Method, path: &str) -> Result<Response<Incoming>, Error> {
        let nobody = |source| Error::Nobody { socket: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket).await.map_err(nobody)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(Error::broken)?;
        // Ends with the connection; its errors come out of the request as well.
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "pathvane")
            .body(Empty::<Bytes>::new())
            .map_err(Error::broken)?;
        sender.send_request(request).await.map_err(Error::broken)
    }
}

/// A string as one part of a request's path or query.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, Error> {
    let limited = http_body_util::Limited::new(response.into_body(), LONGEST);
    limited.collect().await.map(http_body_util::Collected::to_bytes).map_err(Error::broken)
}

fn refusal(body: &[u8]) -> Error {
    serde_json::from_slice(body).map_or_else(Error::broken, Error::Refused)
}

/// Events as they happen.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    buffer: BytesMut,
}

impl Events {
    /// The next event; `None` when the speaker has gone.
    ///
    /// # Errors
    ///
    /// If a line is not an event.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return serde_json::from_slice(&line).map(Some).map_err(Error::broken);
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(Error::broken("a line of the event stream does not end"));
            }
            match self.body.frame().await {
                // A speaker that exits cuts its connections.
                None | Some(Err(_)) => return Ok(None),
                Some(Ok(frame)) => {
                    self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
            }
        }
    }
}
