//! The line to a BFD process, which is played by hand.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;

use pathvane_engine::{EventKind, Output, PeerId};

use super::*;
use crate::ready::{Class, ReadySet};
use crate::run::fixtures::{engine, loaded, run};

/// The process at the other end of the line.
struct ByHand(BufReader<StdStream>);

impl ByHand {
    fn heard(&mut self) -> Request {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line in time");
        serde_json::from_str(&line).expect("a request")
    }

    /// How many sessions were claimed.
    fn claimed(&mut self) -> usize {
        match self.heard() {
            Request::Claim { sessions, .. } => sessions.len(),
            other => panic!("{other:?}"),
        }
    }

    /// Says how a session is, which it became just now.
    fn says(&mut self, key: &Key, liveness: Liveness) {
        let text = String::new;
        let session = Session {
            key: key.clone(),
            liveness,
            independent: true,
            state: text(),
            diagnostic: text(),
            remote_state: text(),
            remote_diagnostic: text(),
            since_ns: now().as_nanos(),
            transmit_us: 0,
            detection_us: 0,
            sent: 0,
            received: 0,
            failures: 0,
        };
        let line = serde_json::to_string(&Reply::Session(session)).expect("text") + "\n";
        self.0.get_mut().write_all(line.as_bytes()).expect("written");
    }
}

/// What the engine was told of BFD.
fn told(engine: &mut Engine) -> Vec<(BfdUser, BfdState)> {
    let mut told = Vec::new();
    loop {
        match engine.poll() {
            Output::Event(event) => {
                if let EventKind::Bfd { user, state } = event.kind {
                    told.push((user, state));
                }
            }
            Output::Timeout(_) => return told,
            _ => {}
        }
    }
}

/// Serves the line until the engine has been told so much.
async fn serve(bfd: &mut Bfd, engine: &mut Engine, much: usize) -> Vec<(BfdUser, BfdState)> {
    let (begin, mut all) = (now(), Vec::new());
    while all.len() < much {
        assert!(now().since(begin) < Duration::from_secs(10), "{all:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
        bfd.serve(engine);
        all.extend(told(engine));
    }
    all
}

fn taken_after(bfd: &Bfd, engine: &Engine) -> Vec<Option<u64>> {
    let shown = bfd.show(engine).into_iter();
    shown.map(|bfd| bfd.session.expect("a session").taken_after_ns).collect()
}

#[test]
fn another_configuration_is_claimed_and_whom_it_leaves_out_hears_nothing_more() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("bfd.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let loaded = loaded("bfd.toml");
        let (mut engine, sessions) = (engine(&loaded), loaded.shell.bfd);
        let source = ReadySet::default().add(Class::Urgent, ());
        let mut bfd = Bfd::new(socket, sessions.clone(), source);
        bfd.tick(now());
        let (stream, _) = listener.accept().expect("a line");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let mut process = ByHand(BufReader::new(stream));
        assert_eq!(process.claimed(), 4);
        for session in &sessions {
            process.says(&session.wanted.key, Liveness::Up);
        }
        assert_eq!(serve(&mut bfd, &mut engine, 5).await.len(), 5, "one informs two");
        assert_eq!(taken_after(&bfd, &engine), [None; 4], "what was so before we listened");
        process.says(&sessions[0].wanted.key, Liveness::Down);
        serve(&mut bfd, &mut engine, 1).await;
        process.says(&sessions[0].wanted.key, Liveness::Up);
        serve(&mut bfd, &mut engine, 1).await;
        let [Some(after), None, None, None] = taken_after(&bfd, &engine)[..] else { panic!() };
        assert!(after > 0 && after < 10_000_000_000, "{after}");

        // Without the first peer's; another peer asks for the second one's.
        assert!(!bfd.follow(&mut engine, sessions.clone()), "nothing changes");
        let (newcomer, gone) = (BfdUser::Peer(PeerId(2)), &sessions[0].wanted.key);
        let mut fewer = sessions[1..].to_vec();
        fewer[0].users.push(newcomer);
        assert!(bfd.follow(&mut engine, fewer.clone()));
        assert_eq!(told(&mut engine), [(BfdUser::Peer(PeerId(0)), BfdState::Off)]);
        assert_eq!(process.claimed(), 3);
        process.says(gone, Liveness::Down);
        process.says(&fewer[0].wanted.key, Liveness::Up);
        assert_eq!(serve(&mut bfd, &mut engine, 1).await, [(newcomer, BfdState::Up)]);
        assert_eq!(bfd.show(&engine).iter().filter(|shown| shown.session.is_some()).count(), 3);

        // Without any, the process may end; with one again, it is looked for.
        assert!(bfd.follow(&mut engine, Vec::new()));
        assert_eq!(process.heard(), Request::Release);
        assert_eq!((told(&mut engine).len(), bfd.next()), (5, None));
        assert!(bfd.follow(&mut engine, fewer) && bfd.next().is_some());
    });
}
