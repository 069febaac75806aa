//! What tests of the hot loop's parts begin with.

use std::future::poll_fn;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use pathvane_engine::{Engine, PeerId};

use crate::alarm::now;
use crate::config::{Loaded, load};
use crate::tcp::{Connection, Hops, Listener, Options, Roster};

/// An example configuration.
pub(super) fn loaded(name: &str) -> Loaded {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/configs/good");
    load(&folder.join(name)).expect("a file").loaded.expect("a good one")
}

/// Its engine, at rest.
pub(super) fn engine(loaded: &Loaded) -> Engine {
    Engine::new(now(), loaded.engine.clone(), 1, super::epoch())
}

/// Runs a test on a runtime like that of the hot loop.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

/// A connection that was accepted on loopback, and its other end.
pub(super) async fn pair() -> (Connection, TcpStream) {
    let options = Options {
        peer: SocketAddr::from(([127, 0, 0, 1], 179)),
        local: None,
        interface: None,
        hops: Hops::Limit(1),
        password: None,
        hold_time: Duration::from_secs(90),
        user_timeout: None,
    };
    let mut roster = Roster::default();
    roster.add(PeerId(0), options);
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut listener = Listener::bind(address, &roster).expect("a listener");
    let client = TcpStream::connect(listener.address()).expect("a handshake");
    let accepted = poll_fn(|cx| listener.poll_accept(cx, &roster)).await;
    (accepted.expect("accepted").1, client)
}
