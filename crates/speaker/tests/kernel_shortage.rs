//! A listener without file descriptors to spare; alone in its process, all of whose it takes.

mod netns;

use std::future::poll_fn;
use std::net::{SocketAddr, TcpStream};
use std::task::Poll;
use std::time::Duration;

use netns::in_namespace_async;
use pathvane_engine::PeerId;
use pathvane_speaker::tcp::{Hops, Listener, Options, Roster, Who};

#[test]
fn a_listener_without_descriptors_says_so_rests_and_goes_on() {
    in_namespace_async(|| async {
        let mut roster = Roster::default();
        let options = Options {
            peer: SocketAddr::from(([127, 0, 0, 1], 179)),
            local: None,
            interface: None,
            hops: Hops::Limit(1),
            password: None,
            hold_time: Duration::from_secs(90),
            user_timeout: None,
        };
        roster.add(PeerId(1), options);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut listener = Listener::bind(address, &roster).expect("a listener");
        let _client = TcpStream::connect(listener.address()).expect("a handshake");

        let mut hoard = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        let error = poll_fn(|cx| listener.poll_accept(cx, &roster)).await.expect_err("no room");
        assert!(error.remedy().expect("one").contains("descriptors"), "{error}");
        let again = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx, &roster).is_pending()));
        assert!(again.await, "it does not spin");

        drop(hoard);
        let (peer, _connection) =
            poll_fn(|cx| listener.poll_accept(cx, &roster)).await.expect("after the rest");
        assert_eq!(peer, Who::Peer(PeerId(1)));
    });
}
