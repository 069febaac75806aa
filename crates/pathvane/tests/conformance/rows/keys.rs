//! TCP MD5 (RFC 2385): whose segments are not signed with the key is not there.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use pathvane_speaker::config::Secret;
use pathvane_speaker::tcp::{Dialing, Hops, Options};

use crate::peer::{Peer, fresh, try_dial};
use crate::row::Level::Must;
use crate::row::{Row, row};
use crate::world::{EXTERNAL, KEYED, World};

/// No answer for so long is none.
const SILENCE: Duration = Duration::from_secs(2);

/// A connection whose segments are signed with `key`. Only the speaker's own shell wraps the kernel's
/// option; what is sent and read is ours.
fn signed(from: Ipv4Addr, to: SocketAddr, key: &str) -> Option<TcpStream> {
    let options = Options {
        peer: to,
        local: Some(from.into()),
        interface: None,
        hops: Hops::Limit(1),
        password: Some(Secret::new(key)),
        hold_time: Duration::from_secs(90),
        user_timeout: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let connected = runtime.expect("a runtime").block_on(async {
        let mut dialing = Dialing::start(&options).expect("a key");
        let dialled = poll_fn(|cx| dialing.poll(cx));
        let connection = tokio::time::timeout(SILENCE, dialled).await.ok()?.ok()?;
        Some(connection.as_fd().try_clone_to_owned().expect("a copy"))
    });
    let stream = TcpStream::from(connected?);
    stream.set_nonblocking(false).expect("wait for what comes");
    Some(stream)
}

fn others_are_served(world: &World) {
    world.settled(&mut world.up(EXTERNAL));
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("2385-2-right", Must, "with the right key there is a session, with routes", |w| {
            let address = fresh(KEYED);
            let stream = signed(address, w.speaker.address(), "sesame").expect("a connection");
            let mut peer = Peer::on(stream, KEYED, address);
            peer.establish(&[]);
            let prefix = w.prefix();
            peer.announce(prefix, &[]);
            w.external.route(prefix);
        }),
        row("2385-2-wrong", Must, "with another key there is no answer; others are served", |w| {
            let stream = signed(fresh(KEYED), w.speaker.address(), "open");
            assert!(stream.is_none(), "a connection with the wrong key");
            others_are_served(w);
        }),
        row("2385-2-unsigned", Must, "without a key there is none either", |w| {
            let stream = try_dial(fresh(KEYED).into(), w.speaker.address(), None, SILENCE);
            assert!(stream.is_none(), "a connection without a key");
            others_are_served(w);
        }),
        row("2385-2-unasked", Must, "whoever signs where no key is set gets none", |w| {
            let stream = signed(fresh(EXTERNAL), w.speaker.address(), "sesame");
            assert!(stream.is_none(), "a signed connection where none is expected");
            others_are_served(w);
        }),
    ]
}
