//! The whole interface over a real socket, with an engine that a stand-in for the hot loop serves.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pathvane_clock::Instant;
use pathvane_engine::{Engine, Event, EventKind, Input, Output, PathId, ServiceId, Share};
use pathvane_probe::Timestamp;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::client::{Client, Error};
use super::dto::{self, Done, Kind};
use super::*;
use crate::config;

const LAB: &str = include_str!("../../../../fixtures/configs/good/report-lab.toml");

fn engine() -> Engine {
    let loaded = config::parse("lab", LAB).loaded.unwrap();
    Engine::new(Instant::ZERO, loaded.engine, 1, Timestamp::from_unix_nanos(0))
}

/// A speaker as far as the control interface sees it.
struct Speaker {
    directory: TempDir,
    publisher: Publisher,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
    log: EventLog,
}

impl Speaker {
    /// Serves requests with `serve` in place of the hot loop.
    fn with(serve: impl AsyncFnOnce(mpsc::Receiver<Request>) + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (asking, asked) = requests();
        let (reloader, _) = Reloader::new(directory.path().join("none.toml"));
        let (publisher, log) = events();
        let server = Server::bind(&socket(directory.path())).unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let server = tokio::spawn(server.run((asking, reloader), log.clone(), shutdown));
        tokio::spawn(log.clone().run());
        tokio::task::spawn_local(serve(asked));
        Self { directory, publisher, stop, server, log }
    }

    fn start() -> Self {
        Self::with(async |mut asked: mpsc::Receiver<Request>| {
            let mut engine = engine();
            while let Some(request) = asked.recv().await {
                let stats = fib::Stats::default();
                if let Some(command) = request.answer(&engine, shell(&|| stats), Vec::new) {
                    engine.handle(Instant::from_secs(1), Input::Command(command));
                    while !matches!(engine.poll(), Output::Timeout(_)) {}
                }
            }
        })
    }

    fn client(&self) -> Client {
        Client::new(socket(self.directory.path()))
    }

    fn publish(&self, id: u64) {
        let kind = EventKind::FibGroup {
            service: ServiceId(0),
            generation: id,
            carry: [1, 0].map(|path| Share { path: PathId(path), weight: 1 }).into(),
        };
        self.publisher.publish(&engine(), Event { id, at: Instant::from_secs(1), kind });
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("control.sock")
}

fn in_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

fn refusal<T: core::fmt::Debug>(answer: Result<T, Error>) -> dto::Refused {
    match answer {
        Err(Error::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_is_shown_under_the_names_of_the_configuration() {
    in_runtime(async {
        let speaker = Speaker::start();
        let client = speaker.client();
        let status: dto::Status = client.get("/v1/status").await.unwrap();
        assert_eq!((status.asn, status.peers, status.established), (65010, 2, 0));
        assert_eq!((status.steering.as_str(), status.frozen), ("act", false));
        let peers: Vec<dto::Peer> = client.get("/v1/peers").await.unwrap();
        assert_eq!((peers[1].name.as_str(), peers[1].state.as_str()), ("west", "Idle"));
        assert_eq!(peers[1].paths, ["west"]);
        let paths: Vec<dto::Path> = client.get("/v1/paths").await.unwrap();
        assert_eq!((paths[0].name.as_str(), paths[0].state.as_str()), ("east", "init"));
        assert_eq!(paths[0].probes[1].target, "127.0.1.3:8620");
        let services: Vec<dto::Service> = client.get("/v1/services").await.unwrap();
        assert_eq!(services[0].announced[0].condition, "interface-up:lo");
        assert!(!services[0].announced[0].holds);
        let voice: dto::Service = client.get("/v1/explain/service/voice").await.unwrap();
        assert_eq!(voice.paths.len(), 2);
        let page: dto::Routes = client.get("/v1/routes?table=in&peer=east").await.unwrap();
        assert_eq!((page.routes.len(), page.cursor), (0, None));
        let prefix = client::encode("10.128.0.0/24");
        let explained: dto::ExplainPrefix =
            client.get(&format!("/v1/explain/prefix?prefix={prefix}")).await.unwrap();
        assert_eq!(explained.service.as_deref(), Some("voice"));
        assert_eq!(explained.recipients.len(), 2);
    });
}

#[test]
fn commands_reach_the_engine() {
    in_runtime(async {
        let speaker = Speaker::start();
        let client = speaker.client();
        let frozen = async || client.get::<dto::Status>("/v1/status").await.unwrap().frozen;
        client.post::<Done>("/v1/freeze").await.unwrap();
        assert!(frozen().await);
        client.post::<Done>("/v1/unfreeze").await.unwrap();
        assert!(!frozen().await);
        let done: Done = client.post("/v1/peers/east/reset").await.unwrap();
        assert!(done.done.contains("east"), "{}", done.done);
        client.post::<Done>("/v1/drain").await.unwrap();
        assert!(client.get::<dto::Status>("/v1/status").await.unwrap().draining);
    });
}

#[test]
fn what_cannot_be_answered_is_refused_with_a_remedy() {
    in_runtime(async {
        let speaker = Speaker::start();
        let client = speaker.client();
        for (path, error, remedy) in [
            ("/v1/routes?table=in", "no peer is given", "&peer="),
            ("/v1/routes?table=fib", "no such table", "loc"),
            ("/v1/routes?table=out&peer=nobody", "nobody", "east, west"),
            ("/v1/routes?cursor=7", "cursor 7", "without a cursor"),
            ("/v1/routes?limit=many", "not understood", "OPERATING"),
            ("/v1/explain/prefix", "no prefix", "?prefix="),
            ("/v1/explain/prefix?prefix=ten", "ten is not a prefix", "10.0.0.0/8"),
            ("/v1/explain/service/desk", "desk", "voice"),
            ("/v1/nothing", "nothing is here", "OPERATING"),
            ("/v1/freeze", "cannot be done", "POST"),
        ] {
            let refused = refusal(client.get::<dto::Status>(path).await);
            assert!(refused.error.contains(error), "{path}: {}", refused.error);
            assert!(refused.remedy.contains(remedy), "{path}: {}", refused.remedy);
        }
        for (path, error, remedy) in [
            ("/v1/peers/nobody/reset", "nobody", "east, west"),
            ("/v1/peers/nobody/refresh", "nobody", "east, west"),
            ("/v1/peers/east/refresh", "not Established", "show peers"),
            ("/v1/peers/east/refresh?family=vpnv4", "vpnv4 is not a family", "ipv4, ipv6"),
        ] {
            let refused = refusal(client.post::<Done>(path).await);
            assert!(refused.error.contains(error), "{path}: {}", refused.error);
            assert!(refused.remedy.contains(remedy), "{path}: {}", refused.remedy);
        }
    });
}

#[test]
fn a_hot_loop_that_does_not_answer_is_said_to_be_busy() {
    in_runtime(async {
        let speaker = Speaker::with(
            async |mut asked: mpsc::Receiver<Request>| {
                while asked.recv().await.is_some() {}
            },
        );
        let refused = refusal(speaker.client().get::<dto::Status>("/v1/status").await);
        assert!(refused.error.contains("busy"));
    });
}

#[test]
fn without_a_speaker_the_client_says_what_to_do() {
    in_runtime(async {
        let directory = tempfile::tempdir().unwrap();
        let client = Client::new(socket(directory.path()));
        let error = client.get::<dto::Status>("/v1/status").await.unwrap_err();
        assert!(error.to_string().contains("no speaker answers on"));
        assert!(error.remedy().contains("pathvane run"));
    });
}

#[test]
fn the_socket_is_taken_from_the_dead_only() {
    in_runtime(async {
        let speaker = Speaker::start();
        let path = socket(speaker.directory.path());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let error = Server::bind(&path).unwrap_err();
        assert!(error.to_string().contains("another speaker answers"), "{error}");
        speaker.stop.send(()).unwrap();
        speaker.server.await.unwrap().unwrap();
        assert!(!path.exists(), "left behind");

        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dead speaker's");
        drop(Server::bind(&path).unwrap());
        std::fs::write(&path, "precious").unwrap();
        let error = Server::bind(&path).unwrap_err();
        assert!(error.to_string().contains("no socket"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    });
}

#[test]
fn events_are_streamed_as_they_happen_and_kept_for_later() {
    in_runtime(async {
        let speaker = Speaker::start();
        let client = speaker.client();
        let mut stream = client.events(Some(0)).await.unwrap();
        for id in 1..=3 {
            speaker.publish(id);
            let event = stream.next().await.unwrap().unwrap();
            assert_eq!((event.id, event.schema), (id, dto::SCHEMA));
            let Kind::FibGroup { service, carry, .. } = event.kind else { panic!("{event:?}") };
            assert_eq!((service.as_str(), carry), ("voice", vec!["west".into(), "east".into()]));
        }
        let kept: Vec<dto::Event> = client.get("/v1/events?since=1&limit=1").await.unwrap();
        assert_eq!(kept.iter().map(|event| event.id).collect::<Vec<_>>(), [2]);
        drop(speaker.publisher);
        assert_eq!(stream.next().await.unwrap(), None, "the end of the speaker is the end");
    });
}

#[test]
fn a_reader_that_is_too_slow_is_told_what_it_missed() {
    in_runtime(async {
        let speaker = Speaker::start();
        let mut latest = speaker.log.watch();
        for id in 1..=5_000 {
            speaker.publish(id);
            latest.wait_for(|seen| seen.id == id).await.unwrap();
        }
        let events = speaker.log.since(0, 2);
        assert_eq!(events[0].kind, Kind::Missed { count: 904 });
        assert_eq!((events[0].id, events[1].id), (904, 905));
    });
}

#[test]
fn events_beyond_the_channel_are_dropped_and_counted() {
    let (publisher, log) = events();
    let engine = engine();
    for id in 1..=2_000 {
        let event = Event { id, at: Instant::ZERO, kind: EventKind::Frozen(true) };
        publisher.publish(&engine, event);
    }
    assert_eq!(log.dropped(), 2_000 - 1_024);
}

#[test]
fn event_lines_have_the_shape_that_readers_rely_on() {
    let event = dto::Event {
        schema: dto::SCHEMA,
        id: 7,
        at_ns: 1,
        wall_ns: 2,
        kind: Kind::Move {
            move_id: 1,
            service: "voice".into(),
            from: Some("east".into()),
            to: "west".into(),
            carry: vec!["west".into()],
            cause: "nothing gets through east".into(),
            evidence: String::new(),
            alternatives: Vec::new(),
            detected_at_ns: 1,
            decided_at_ns: 1,
            done: true,
        },
    };
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(json["kind"], "move");
    assert_eq!((json["id"].as_u64(), json["schema"].as_u64()), (Some(7), Some(1)));
    assert_eq!((json["to"].as_str(), json["done"].as_bool()), (Some("west"), Some(true)));
    let future = r#"{"schema":1,"id":8,"at_ns":1,"wall_ns":2,"kind":"eclipse","sun":false}"#;
    let event: dto::Event = serde_json::from_str(future).unwrap();
    assert_eq!(event.kind, Kind::Unknown);
}

/// A shell that knows nothing but its routes.
fn shell(fib: &dyn Fn() -> crate::fib::Stats) -> Shell<'_> {
    Shell { fib, tcp: &|_| None, source_port: &|_, _| None, checked: &|_, _| None }
}
