//! One question to one instance, and what counts as a good answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::Check;
use super::tls::{Roots, client};

/// What is asked of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// A TCP connection comes about.
    Tcp(Endpoint),
    /// An HTTP or HTTPS GET is answered as expected.
    Http(Http),
}

/// Where an instance listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// A name, resolved before each question, or an address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// An HTTP question and the answers it takes. Redirections are answers; they are not followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Http {
    /// Where to connect; with TLS its host is also the name the certificate must have.
    pub endpoint: Endpoint,
    /// HTTPS, trusting these roots; `None` is plain HTTP.
    pub tls: Option<Roots>,
    /// The Host header.
    pub host: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Status codes that are good; 200 to 399 is usual.
    pub status: RangeInclusive<u16>,
    /// Text that the body must contain within its first 64 KiB.
    pub body: Option<String>,
}

/// How an answer ended: what the instance said, or why it is no good.
type Answer = Result<String, String>;

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// Asks one check's question, again and again.
pub(super) struct Asker {
    ask: Ask,
    source: Option<IpAddr>,
    device: Option<String>,
    /// For HTTPS: the client, or why there is none.
    tls: Result<Option<Arc<ClientConfig>>, String>,
}

impl Asker {
    /// Octets of a body that are searched.
    const BODY: usize = 64 << 10;

    pub(super) fn new(check: &Check) -> Self {
        let tls = match &check.ask {
            Ask::Http(Http { tls: Some(roots), .. }) => client(roots).map(Some),
            _ => Ok(None),
        };
        Self { ask: check.ask.clone(), source: check.source, device: check.device.clone(), tls }
    }

    /// Asks, and notes in `head` when the head of an HTTP answer was there.
    pub(super) async fn ask(&self, head: &mut Option<Instant>) -> Answer {
        match &self.ask {
            Ask::Tcp(endpoint) => {
                let stream = self.connect(endpoint).await?;
                Ok(stream.peer_addr().map_or("connected".into(), |at| format!("connected to {at}")))
            }
            Ask::Http(http) => self.ask_http(http, head).await,
        }
    }

    async fn ask_http(&self, http: &Http, head: &mut Option<Instant>) -> Answer {
        let tls = self.tls.clone()?;
        let tcp = self.connect(&http.endpoint).await?;
        let stream: Pin<Box<dyn Stream>> = match tls {
            Some(config) => {
                let host = http.endpoint.host.clone();
                let name = ServerName::try_from(host).map_err(told("no name for a certificate"))?;
                let stream = TlsConnector::from(config).connect(name, tcp).await;
                Box::pin(stream.map_err(told("TLS"))?)
            }
            None => Box::pin(tcp),
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(told("HTTP"))?;
        let request = Request::get(&http.path)
            .header("host", &http.host)
            .header("user-agent", concat!("pathvane/", env!("CARGO_PKG_VERSION")))
            .header("connection", "close")
            .body(Empty::<Bytes>::new())
            .map_err(told("no HTTP request"))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(told("HTTP"))?;
            *head = Some(Instant::now());
            judge(http, response).await
        };
        // The connection works for the exchange; where it ends first, the exchange hears of it.
        let connection = async {
            connection.await.ok();
            std::future::pending().await
        };
        tokio::select! {
            answer = exchange => answer,
            never = connection => never,
        }
    }

    /// Connects to the first address of `endpoint` that accepts, from the source and device asked for.
    async fn connect(&self, endpoint: &Endpoint) -> Result<TcpStream, String> {
        let found = lookup_host((endpoint.host.as_str(), endpoint.port)).await;
        let addresses = found.map_err(told(&format!("resolving {}", endpoint.host)))?;
        let usable =
            |to: &SocketAddr| self.source.is_none_or(|from| from.is_ipv4() == to.is_ipv4());
        let mut failure = format!("no usable address for {}", endpoint.host);
        for to in addresses.filter(usable) {
            match self.connect_to(to).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = format!("connecting to {to}: {error}"),
            }
        }
        Err(failure)
    }

    async fn connect_to(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let (socket, any): (_, IpAddr) = match to {
            SocketAddr::V4(_) => (TcpSocket::new_v4()?, Ipv4Addr::UNSPECIFIED.into()),
            SocketAddr::V6(_) => (TcpSocket::new_v6()?, Ipv6Addr::UNSPECIFIED.into()),
        };
        if let Some(device) = &self.device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        socket.bind((self.source.unwrap_or(any), 0).into())?;
        socket.connect(to).await
    }
}

/// Compares an answer with what is expected.
async fn judge(http: &Http, response: Response<Incoming>) -> Answer {
    let status = response.status();
    if !http.status.contains(&status.as_u16()) {
        let (low, high) = (http.status.start(), http.status.end());
        return Err(format!("status {status}, expected {low} to {high}"));
    }
    let body = read(response.into_body()).await?;
    match &http.body {
        Some(text) if !contains(&body, text.as_bytes()) => {
            Err(format!("status {status}, but the body lacks {text:?}"))
        }
        _ => Ok(format!("status {status}")),
    }
}

/// The body, or of a long one the beginning: an instance that stops in the middle has not answered.
async fn read(mut body: Incoming) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(told("reading the body"))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if bytes.len() >= Asker::BODY {
            bytes.truncate(Asker::BODY);
            break;
        }
    }
    Ok(bytes)
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// Puts what was tried before an error.
fn told<E: std::error::Error>(what: &str) -> impl Fn(E) -> String {
    move |error| {
        let mut text = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    }
}
