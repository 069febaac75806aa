//! Checks against a tiny server on loopback.

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use pathvane_engine::ServiceId;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Ask, Check, Endpoint, Http, Outcome, Roots, run};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_secs(10);

/// An instance whose status can be changed; 0 accepts and never answers.
struct Instance {
    addr: SocketAddr,
    status: Arc<AtomicU16>,
}

impl Instance {
    async fn plain(status: u16) -> Self {
        Self::start(status, None).await
    }

    async fn start(status: u16, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(status));
        let shared = status.clone();
        tokio::spawn(async move {
            while let Ok((stream, from)) = listener.accept().await {
                let (status, tls) = (shared.load(Relaxed), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, status, from).await;
                            }
                        }
                        None => answer(stream, status, from).await,
                    }
                });
            }
        });
        Self { addr, status }
    }

    fn http(&self, path: &str) -> Http {
        Http {
            endpoint: endpoint(self.addr),
            tls: None,
            host: "instance.example".into(),
            path: path.into(),
            status: 200..=399,
            body: None,
        }
    }
}

/// Answers one request; the body tells what was asked, by whom, and under which name.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, status: u16, from: SocketAddr) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    if status == 0 {
        pending::<()>().await;
    }
    let body = format!("from {} asked {}", from.ip(), String::from_utf8_lossy(&request));
    let head = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.ok();
    stream.write_all(body.as_bytes()).await.ok();
    stream.shutdown().await.ok();
}

fn endpoint(addr: SocketAddr) -> Endpoint {
    Endpoint { host: addr.ip().to_string(), port: addr.port() }
}

fn check(ask: Ask) -> Check {
    Check {
        service: ServiceId(3),
        check: 5,
        ask,
        source: None,
        device: None,
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(5),
        fall: 2,
        rise: 3,
    }
}

fn start(check: Check) -> mpsc::Receiver<Outcome> {
    let (outcomes, told) = mpsc::channel(4);
    tokio::spawn(run(vec![check], outcomes, pending()));
    told
}

async fn next(told: &mut mpsc::Receiver<Outcome>) -> Outcome {
    timeout(PATIENCE, told.recv()).await.expect("an answer in time").expect("a running check")
}

async fn first(check: Check) -> Outcome {
    next(&mut start(check)).await
}

#[tokio::test]
async fn a_good_answer_is_told_with_its_status_and_time() {
    let instance = Instance::plain(204).await;
    let outcome = first(check(Ask::Http(instance.http("/healthz?deep=1")))).await;
    assert_eq!((outcome.service, outcome.check), (ServiceId(3), 5));
    assert!(outcome.ok && outcome.healthy && outcome.changed);
    assert!(outcome.detail.starts_with("status 204"), "{}", outcome.detail);
    assert!(outcome.response_time > Duration::ZERO);
}

/// An instance that sends the head of an answer, waits, and sends so many octets of the ten promised.
async fn hesitant(octets: usize) -> Outcome {
    const PAUSE: Duration = Duration::from_millis(60);
    let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 Fine\r\ncontent-length: 10\r\n\r\n").await.unwrap();
        tokio::time::sleep(PAUSE).await;
        stream.write_all(&b"0123456789"[..octets]).await.unwrap();
    });
    let instance = Instance { addr, status: Arc::default() };
    first(check(Ask::Http(instance.http("/")))).await
}

#[tokio::test]
async fn the_head_of_an_answer_and_its_end_have_times_of_their_own() {
    let outcome = hesitant(10).await;
    let first_byte = outcome.first_byte.expect("a head");
    assert!(outcome.ok && first_byte > Duration::ZERO, "{outcome:?}");
    assert!(outcome.response_time >= first_byte + Duration::from_millis(50), "{outcome:?}");
}

#[tokio::test]
async fn an_instance_that_stops_in_the_middle_of_an_answer_is_not_well() {
    let outcome = hesitant(5).await;
    assert!(!outcome.ok && outcome.first_byte.is_some(), "{outcome:?}");
    assert!(outcome.detail.starts_with("reading the body"), "{}", outcome.detail);
}

#[tokio::test]
async fn the_status_must_be_among_the_expected() {
    for (status, expected, ok) in
        [(503, 200..=399, false), (302, 200..=399, true), (503, 503..=503, true)]
    {
        let instance = Instance::plain(status).await;
        let ask = Http { status: expected, ..instance.http("/") };
        let outcome = first(check(Ask::Http(ask))).await;
        assert_eq!(outcome.ok, ok, "{}", outcome.detail);
        assert!(outcome.detail.contains(&status.to_string()), "{}", outcome.detail);
    }
}

#[tokio::test]
async fn the_body_must_contain_the_text() {
    let instance = Instance::plain(200).await;
    for (text, ok) in [("GET /ready", true), ("host: instance.example", true), ("absent", false)] {
        let ask = Http { body: Some(text.into()), ..instance.http("/ready") };
        let outcome = first(check(Ask::Http(ask))).await;
        assert_eq!(outcome.ok, ok, "{}", outcome.detail);
    }
}

#[tokio::test]
async fn a_state_changes_only_after_several_equal_answers() {
    let instance = Instance::plain(200).await;
    let mut told = start(check(Ask::Http(instance.http("/"))));
    assert!(next(&mut told).await.healthy);
    instance.status.store(500, Relaxed);
    let mut failures = 0;
    loop {
        let outcome = next(&mut told).await;
        failures += u32::from(!outcome.ok);
        assert_eq!(outcome.healthy, failures < 2);
        assert_eq!(outcome.changed, failures == 2);
        if outcome.changed {
            break;
        }
    }
    instance.status.store(200, Relaxed);
    let mut successes = 0;
    while successes < 3 {
        let outcome = next(&mut told).await;
        successes += u32::from(outcome.ok);
        assert_eq!(outcome.healthy, successes == 3);
    }
}

#[tokio::test]
async fn an_instance_that_hangs_fails_after_the_timeout() {
    let instance = Instance::plain(0).await;
    let hanging = check(Ask::Http(instance.http("/")));
    let outcome = first(Check { timeout: Duration::from_millis(50), ..hanging }).await;
    assert!(!outcome.ok && outcome.detail.contains("within 50ms"), "{}", outcome.detail);
    assert!(outcome.response_time >= Duration::from_millis(50));
}

#[tokio::test]
async fn tcp_checks_connect_or_say_why_not() {
    let instance = Instance::plain(0).await;
    assert!(first(check(Ask::Tcp(endpoint(instance.addr)))).await.ok);
    let free = TcpListener::bind((LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let refused = first(check(Ask::Tcp(endpoint(free)))).await;
    assert!(!refused.ok && refused.detail.contains("refused"), "{}", refused.detail);
    // A name that fails without asking anybody.
    let nowhere = Endpoint { host: "no\0host".into(), port: 1 };
    let unresolved = first(check(Ask::Tcp(nowhere))).await;
    assert!(!unresolved.ok && unresolved.detail.contains("resolving"), "{}", unresolved.detail);
}

#[tokio::test]
async fn the_source_and_device_are_ours_to_choose_and_names_are_resolved() {
    let instance = Instance::plain(200).await;
    let source = IpAddr::from([127, 0, 0, 9]);
    let named = Endpoint { host: "localhost".into(), port: instance.addr.port() };
    let body = Some("from 127.0.0.9 ".into());
    let ask = Ask::Http(Http { endpoint: named, body, ..instance.http("/") });
    let sourced = Check { source: Some(source), device: Some("lo".into()), ..check(ask.clone()) };
    let outcome = first(sourced).await;
    assert!(outcome.ok, "{}", outcome.detail);
    let elsewhere = Check { source: Some([192, 0, 2, 99].into()), ..check(ask) };
    assert!(!first(elsewhere).await.ok, "an address that is not ours");
}

/// A server certificate for `name`, and a file with the root that signed it.
fn certified(name: &str) -> (TlsAcceptor, tempfile::NamedTempFile) {
    let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), issued.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}

#[tokio::test]
async fn https_is_trusted_by_the_configured_roots_only() {
    let (acceptor, roots) = certified("127.0.0.1");
    let instance = Instance::start(200, Some(acceptor)).await;
    let with = |roots| Ask::Http(Http { tls: Some(roots), ..instance.http("/") });
    let trusted = first(check(with(Roots::Pem(roots.path().into())))).await;
    assert!(trusted.ok, "{}", trusted.detail);

    let (_, other) = certified("127.0.0.1");
    let untrusted = first(check(with(Roots::Pem(other.path().into())))).await;
    assert!(!untrusted.ok && untrusted.detail.contains("certificate"), "{}", untrusted.detail);

    let missing = first(check(with(Roots::Pem(PathBuf::from("/nonexistent/ca.pem"))))).await;
    assert!(!missing.ok && missing.detail.contains("ca.pem"), "{}", missing.detail);

    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = first(check(with(Roots::Pem(empty.path().into())))).await;
    assert!(!empty.ok && empty.detail.contains("no certificate"), "{}", empty.detail);

    let plain = Instance::plain(200).await;
    let ask = Http { tls: Some(Roots::Pem(roots.path().into())), ..plain.http("/") };
    let brief = Check { timeout: Duration::from_millis(200), ..check(Ask::Http(ask)) };
    assert!(!first(brief).await.ok, "no TLS at the other end");
}

#[tokio::test]
async fn a_trusted_certificate_for_another_name_is_not_that_of_the_instance() {
    let (acceptor, roots) = certified("elsewhere.example");
    let instance = Instance::start(200, Some(acceptor)).await;
    let tls = Some(Roots::Pem(roots.path().into()));
    let told = first(check(Ask::Http(Http { tls, ..instance.http("/") }))).await;
    assert!(!told.ok && told.detail.contains("not valid for name"), "{}", told.detail);
}

#[tokio::test]
async fn checks_end_with_their_listener_and_with_shutdown() {
    let instance = Instance::plain(200).await;
    let (outcomes, told) = mpsc::channel(1);
    let checks = vec![check(Ask::Http(instance.http("/"))); 3];
    let running = tokio::spawn(run(checks.clone(), outcomes, pending()));
    drop(told);
    timeout(PATIENCE, running).await.expect("ends with its listener").unwrap();

    let (outcomes, mut told) = mpsc::channel(1);
    let running = tokio::spawn(run(checks, outcomes, async {}));
    timeout(PATIENCE, running).await.expect("ends when told").unwrap();
    while let Some(outcome) = timeout(PATIENCE, told.recv()).await.expect("the channel closes") {
        assert!(outcome.ok, "{}", outcome.detail);
    }
}
