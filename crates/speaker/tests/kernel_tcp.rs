//! BGP's TCP connections against a real kernel: keys, TTLs, progress and orderly closing.

mod netns;

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::task::Poll;
use std::time::Duration;

use netns::{in_namespace_async, veth};
use pathvane_engine::PeerId;
use pathvane_speaker::OsError;
use pathvane_speaker::config::Secret;
use pathvane_speaker::tcp::{Connection, Dialing, Hops, Listener, Options, Roster, Who};
use socket2::SockRef;
use tokio::time::timeout;

/// Long enough for a handshake, short enough to wait for one that does not come.
const HANDSHAKE: Duration = Duration::from_secs(5);
const NO_HANDSHAKE: Duration = Duration::from_millis(300);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn options(peer: &str, local: &str) -> Options {
    Options {
        peer: address(peer),
        local: Some(local.parse().expect("an address")),
        interface: None,
        hops: Hops::Limit(1),
        password: None,
        hold_time: Duration::from_secs(90),
        user_timeout: None,
    }
}

/// The options by which the dialler's peer knows the dialler.
fn mirrored(options: &Options) -> Options {
    let local = options.local.expect("a source address");
    Options { peer: SocketAddr::new(local, 179), local: Some(options.peer.ip()), ..options.clone() }
}

fn roster(options: Options) -> Roster {
    let mut roster = Roster::default();
    roster.add(PeerId(7), options);
    roster
}

async fn dial(options: &Options) -> Result<Connection, OsError> {
    let mut dialing = Dialing::start(options)?;
    poll_fn(|cx| dialing.poll(cx)).await
}

async fn accept(listener: &mut Listener, roster: &Roster) -> Connection {
    let accepted = timeout(HANDSHAKE, poll_fn(|cx| listener.poll_accept(cx, roster))).await;
    let (peer, connection) = accepted.expect("a connection in time").expect("a connection");
    assert_eq!(peer, Who::Peer(PeerId(7)));
    connection
}

/// Both ends of a connection that is dialled with `ours` and accepted with `theirs`.
async fn connect(mut ours: Options, theirs: Options) -> (Connection, Connection) {
    let roster = roster(theirs);
    let wildcard = if ours.peer.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let mut listener = Listener::bind(address(wildcard), &roster).expect("a listener");
    ours.peer.set_port(listener.address().port());
    let dialled = timeout(HANDSHAKE, dial(&ours)).await.expect("in time").expect("dialled");
    (dialled, accept(&mut listener, &roster).await)
}

/// Whether a connection comes about.
async fn connects(mut ours: Options, theirs: Options) -> bool {
    let roster = roster(theirs);
    let wildcard = if ours.peer.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let listener = Listener::bind(address(wildcard), &roster).expect("a listener");
    ours.peer.set_port(listener.address().port());
    matches!(timeout(NO_HANDSHAKE, dial(&ours)).await, Ok(Ok(_)))
}

async fn read_all(connection: &mut Connection, wanted: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while bytes.len() < wanted {
        let read = timeout(HANDSHAKE, poll_fn(|cx| connection.poll_read(cx, &mut buffer)));
        match read.await.expect("bytes").expect("open") {
            0 => break,
            len => bytes.extend_from_slice(&buffer[..len]),
        }
    }
    bytes
}

#[test]
fn bytes_pass_both_ways_and_the_peer_is_known_by_its_address() {
    in_namespace_async(|| async {
        for (peer, local) in [("127.0.0.1:0", "127.0.0.2"), ("[::1]:0", "::1")] {
            let ours = options(peer, local);
            let (mut dialled, mut accepted) = connect(ours.clone(), mirrored(&ours)).await;
            assert_eq!(dialled.local().ip(), accepted.peer().ip());
            assert_eq!(dialled.try_write(b"OPEN").expect("open"), 4);
            assert_eq!(read_all(&mut accepted, 4).await, b"OPEN");
            accepted.try_write(b"KEEPALIVE").expect("open");
            assert_eq!(read_all(&mut dialled, 9).await, b"KEEPALIVE");
            let more = poll_fn(|cx| Poll::Ready(dialled.poll_read(cx, &mut [0; 9]).is_ready()));
            assert!(!more.await);
        }
    });
}

/// A short read says that there is no more for now; it must not hide a FIN that came with the
/// bytes, or after the reactor told of them.
#[test]
fn a_fin_behind_a_short_read_is_seen() {
    in_namespace_async(|| async {
        for told_before in [false, true] {
            let ours = options("127.0.0.1:0", "127.0.0.2");
            let (mut dialled, mut accepted) = connect(ours.clone(), mirrored(&ours)).await;
            assert_eq!(dialled.try_write(b"NOTIFICATION").expect("open"), 12);
            if told_before {
                poll_fn(|cx| accepted.poll_readable(cx)).await.expect("open");
            }
            let _closing = dialled.close();
            assert_eq!(read_all(&mut accepted, 100).await, b"NOTIFICATION");
        }
    });
}

#[test]
fn a_stranger_is_turned_away_and_counted() {
    in_namespace_async(|| async {
        let ours = options("127.0.0.1:0", "127.0.0.2");
        let roster = roster(mirrored(&ours));
        let mut listener = Listener::bind(address("127.0.0.1:0"), &roster).expect("a listener");
        let mut stranger = TcpStream::connect(listener.address()).expect("a handshake");
        let known = Options { peer: listener.address(), ..ours };
        let _dialled = dial(&known).await.expect("dialled");
        accept(&mut listener, &roster).await;
        assert_eq!(listener.unknown(), 1);
        assert_eq!(stranger.read(&mut [0; 1]).expect("a FIN"), 0);
    });
}

#[test]
fn a_crowd_of_strangers_is_turned_away_a_few_at_a_time() {
    in_namespace_async(|| async {
        let roster = Roster::default();
        let mut listener = Listener::bind(address("127.0.0.1:0"), &roster).expect("a listener");
        let crowd: Vec<_> = (0..50).map(|_| TcpStream::connect(listener.address())).collect();
        assert!(crowd.iter().all(Result::is_ok));
        let mut turns = 0;
        std::future::poll_fn(|cx| {
            turns += 1;
            assert!(listener.poll_accept(cx, &roster).is_pending(), "nobody gets in");
            match listener.unknown() {
                50 => std::task::Poll::Ready(()),
                _ => std::task::Poll::Pending,
            }
        })
        .await;
        assert!(turns > 3, "{turns}");
    });
}

/// A range in front of a listener: who gets in, if anybody.
async fn enters(ours: Options, range: &str, theirs: Options) -> Option<Who> {
    let mut roster = Roster::default();
    roster.add_range(range.parse().expect("a prefix"), theirs);
    let mut listener = Listener::bind(address("127.0.0.1:0"), &roster).expect("a listener");
    let ours = Options { peer: listener.address(), ..ours };
    let dialled = timeout(NO_HANDSHAKE, dial(&ours)).await;
    let _open = dialled.ok()?.ok()?;
    let accepted = poll_fn(|cx| listener.poll_accept(cx, &roster));
    timeout(NO_HANDSHAKE, accepted).await.ok()?.ok().map(|(who, _)| who)
}

#[test]
fn a_range_takes_its_own_and_has_one_key_for_all() {
    in_namespace_async(|| async {
        let plain = options("127.0.0.1:0", "127.0.3.4");
        let keyed = |text: &str| Options { password: Some(Secret::new(text)), ..plain.clone() };
        let theirs =
            |options: Options| Options { peer: address("127.0.3.0:179"), local: None, ..options };
        let who = Some(Who::Range(0, plain.local.expect("a source")));
        assert_eq!(enters(plain.clone(), "127.0.3.0/24", theirs(plain.clone())).await, who);
        assert_eq!(enters(plain.clone(), "127.0.4.0/24", theirs(plain.clone())).await, None);
        assert_eq!(enters(keyed("a"), "127.0.3.0/24", theirs(keyed("a"))).await, who);
        assert_eq!(enters(keyed("b"), "127.0.3.0/24", theirs(keyed("a"))).await, None);
        assert_eq!(enters(plain.clone(), "127.0.3.0/24", theirs(keyed("a"))).await, None);
    });
}

#[test]
fn a_listener_follows_keys_that_change() {
    in_namespace_async(|| async {
        let ours = options("127.0.0.1:0", "127.0.0.2");
        let keyed = Options { password: Some(Secret::new("secret")), ..mirrored(&ours) };
        let mut roster = roster(keyed.clone());
        let listener = Listener::bind(address("127.0.0.1:0"), &roster).expect("a listener");
        let known = Options { peer: listener.address(), ..ours };
        let reaches = async || matches!(timeout(NO_HANDSHAKE, dial(&known)).await, Ok(Ok(_)));
        assert!(!reaches().await);
        let old = roster.remove(PeerId(7)).expect("it was there");
        listener.follow(&old, &roster).expect("the key goes");
        assert!(reaches().await);
        roster.add(PeerId(7), keyed.clone());
        listener.follow(&keyed, &roster).expect("the key comes back");
        assert!(!reaches().await);
    });
}

#[test]
fn a_listener_follows_ttl_security_that_changes() {
    in_namespace_async(|| async {
        for (peer, local) in [("127.0.0.1:0", "127.0.0.2"), ("[::1]:0", "::1")] {
            let ours = options(peer, local);
            let (plain, security) = (mirrored(&ours), Hops::Security(1));
            let secure = Options { hops: security, ..plain.clone() };
            let mut roster = roster(secure.clone());
            let listener = Listener::bind(address(peer), &roster).expect("a listener");
            let known = Options { peer: listener.address(), ..ours };
            let reaches = async || matches!(timeout(NO_HANDSHAKE, dial(&known)).await, Ok(Ok(_)));
            assert!(!reaches().await);
            for (now, passes) in [(&plain, true), (&secure, false), (&plain, true)] {
                roster.remove(PeerId(7)).expect("it was there");
                roster.add(PeerId(7), now.clone());
                listener.follow(now, &roster).expect("followed");
                assert_eq!(reaches().await, passes, "{peer}");
            }
        }
    });
}

#[test]
fn a_peer_without_ttl_security_may_join_one_with_it() {
    in_namespace_async(|| async {
        let ours = options("127.0.0.1:0", "127.0.0.3");
        let secured = options("127.0.0.1:0", "127.0.0.2");
        let secured = Options { hops: Hops::Security(1), ..mirrored(&secured) };
        let mut roster = roster(secured);
        let listener = Listener::bind(address("127.0.0.1:0"), &roster).expect("a listener");
        let known = Options { peer: listener.address(), ..ours.clone() };
        let reaches = async || matches!(timeout(NO_HANDSHAKE, dial(&known)).await, Ok(Ok(_)));
        assert!(!reaches().await, "strangers are held to it where everybody is secured");
        roster.add(PeerId(8), mirrored(&ours));
        listener.follow(&mirrored(&ours), &roster).expect("followed");
        assert!(reaches().await);
    });
}

#[test]
fn md5_keys_must_match() {
    in_namespace_async(|| async {
        let key = |text: &str| Some(Secret::new(text));
        for (peer, local) in [("127.0.0.1:0", "127.0.0.2"), ("[::1]:0", "::1")] {
            let plain = options(peer, local);
            let keyed = |text| Options { password: key(text), ..plain.clone() };
            assert!(connects(keyed("secret"), mirrored(&keyed("secret"))).await);
            assert!(!connects(keyed("secret"), mirrored(&keyed("other"))).await);
            assert!(!connects(plain.clone(), mirrored(&keyed("secret"))).await);
            assert!(!connects(keyed("secret"), mirrored(&plain)).await);
        }
        let too_long =
            Options { password: key(&"x".repeat(81)), ..options("127.0.0.1:1", "127.0.0.2") };
        let error = Dialing::start(&too_long).expect_err("81 bytes");
        assert!(error.to_string().contains("80 bytes"), "{error}");
    });
}

#[test]
fn ttl_security_drops_what_may_have_come_from_afar() {
    in_namespace_async(|| async {
        for (peer, local) in [("127.0.0.1:0", "127.0.0.2"), ("[::1]:0", "::1")] {
            let with = |hops| Options { hops, ..options(peer, local) };
            let secure = with(Hops::Security(1));
            assert!(connects(secure.clone(), mirrored(&secure)).await);
            assert!(!connects(with(Hops::Limit(64)), mirrored(&secure)).await);
            let two_hops = with(Hops::Security(2));
            assert!(connects(with(Hops::Limit(254)), mirrored(&two_hops)).await);
            assert!(!connects(with(Hops::Limit(253)), mirrored(&two_hops)).await);
            assert!(!connects(secure, mirrored(&with(Hops::Limit(64)))).await, "SYN-ACK from afar");
        }
    });
}

/// A listener for a peer with TTL security, one without, and a range with it in which there is one without.
fn mixed(wildcard: &str, addresses: [&str; 4]) -> (Listener, Roster) {
    let [near, far, range, inside] = addresses;
    let theirs = |peer: &str, hops| Options {
        peer: SocketAddr::new(peer.parse().expect("an address"), 179),
        local: None,
        hops,
        ..options("127.0.0.1:0", "127.0.0.1")
    };
    let mut roster = Roster::default();
    roster.add(PeerId(7), theirs(near, Hops::Security(1)));
    roster.add(PeerId(8), theirs(far, Hops::Limit(64)));
    roster.add(PeerId(9), theirs(inside, Hops::Limit(64)));
    let net: ipnet::IpNet = range.parse().expect("a prefix");
    roster.add_range(net, theirs(&net.addr().to_string(), Hops::Security(2)));
    (Listener::bind(address(wildcard), &roster).expect("a listener"), roster)
}

#[test]
fn ttl_security_guards_the_handshakes_of_its_peers_beside_others() {
    in_namespace_async(|| async {
        for extra in
            ["2001:db8:1::4/128", "2001:db8:1::5/128", "2001:db8::2/128", "2001:db8::3/128"]
        {
            netns::ip(&format!("-6 address add {extra} dev lo nodad"));
        }
        let v4 = ["127.0.0.2", "127.0.0.3", "127.0.3.0/24", "127.0.3.4"];
        let v6 = ["2001:db8::2", "2001:db8::3", "2001:db8:1::/48", "2001:db8:1::4"];
        for (wildcard, to, known, other) in
            [("0.0.0.0:0", "127.0.0.1", v4, "127.0.3.5"), ("[::]:0", "::1", v6, "2001:db8:1::5")]
        {
            let (listener, mut roster) = mixed(wildcard, known);
            let port = listener.address().port();
            let reaches = async |from: &str, ttl| {
                let peer = SocketAddr::new(to.parse().expect("an address"), port);
                let dialler = options(&peer.to_string(), from);
                let dialler = Options { hops: Hops::Limit(ttl), ..dialler };
                matches!(timeout(NO_HANDSHAKE, dial(&dialler)).await, Ok(Ok(_)))
            };
            let [near, far, _, inside] = known;
            assert!(reaches(near, 255).await && !reaches(near, 254).await);
            assert!(reaches(far, 1).await, "others come from where they like");
            assert!(reaches(other, 254).await && !reaches(other, 253).await, "a range");
            assert!(reaches(inside, 1).await, "one of its own address counts before a range");
            let gone = roster.remove(PeerId(7)).expect("it was there");
            listener.follow(&gone, &roster).expect("followed");
            assert!(reaches(near, 1).await, "nobody asks for more any longer");
        }
    });
}

#[test]
fn ttl_security_guards_octets_that_come_before_the_connection_is_accepted() {
    in_namespace_async(|| async {
        let (mut listener, roster) =
            mixed("127.0.0.1:0", ["127.0.0.2", "127.0.0.3", "127.0.3.0/24", "127.0.3.4"]);
        let near = options(&listener.address().to_string(), "127.0.0.2");
        let near = Options { hops: Hops::Limit(255), ..near };
        let mut dialled = timeout(HANDSHAKE, dial(&near)).await.expect("in time").expect("dialled");
        SockRef::from(&dialled.as_fd()).set_ttl_v4(254).expect("an option");
        dialled.try_write(b"OPEN").expect("open");
        tokio::time::sleep(NO_HANDSHAKE).await;
        let mut accepted = accept(&mut listener, &roster).await;
        let read = async |accepted: &mut Connection, time| {
            let mut buffer = [0; 9];
            let read = poll_fn(|cx| accepted.poll_read(cx, &mut buffer));
            timeout(time, read).await.ok().map(|len| len.expect("open"))
        };
        assert_eq!(read(&mut accepted, NO_HANDSHAKE).await, None, "from afar");
        SockRef::from(&dialled.as_fd()).set_ttl_v4(255).expect("an option");
        // TCP sends it again.
        assert_eq!(read(&mut accepted, HANDSHAKE).await, Some(4));
    });
}

#[test]
fn both_ends_get_all_options() {
    in_namespace_async(|| async {
        let ours = Options { hops: Hops::Limit(3), ..options("127.0.0.1:0", "127.0.0.2") };
        let theirs = Options { user_timeout: Some(Duration::from_secs(120)), ..mirrored(&ours) };
        let (dialled, accepted) = connect(ours, theirs).await;
        for (connection, user_timeout) in [(&dialled, 90), (&accepted, 120)] {
            let fd = connection.as_fd();
            let socket = SockRef::from(&fd);
            let timeout = socket.tcp_user_timeout().expect("an option");
            assert_eq!(timeout, Some(Duration::from_secs(user_timeout)));
            assert_eq!(socket.ttl_v4().expect("an option"), 3);
            assert_eq!(socket.tos_v4().expect("an option"), 0xC0);
            assert!(socket.tcp_nodelay().expect("an option"));
            assert_eq!(socket.tcp_notsent_lowat().expect("an option"), 16 * 1024);
        }
    });
}

#[test]
fn a_connection_is_bound_to_its_interface() {
    in_namespace_async(|| async {
        let bound = |interface: &str| Options {
            interface: Some(interface.to_owned()),
            ..options("127.0.0.1:0", "127.0.0.2")
        };
        let (dialled, accepted) = connect(bound("lo"), mirrored(&bound("lo"))).await;
        for connection in [&dialled, &accepted] {
            let device = SockRef::from(&connection.as_fd()).device().expect("an option");
            assert_eq!(device.as_deref(), Some(&b"lo"[..]));
        }
        veth("west", "10.2.0.1/24");
        assert!(!connects(bound("west"), mirrored(&bound("west"))).await, "not that way");
        let error = Dialing::start(&bound("south")).expect_err("no such interface");
        assert!(error.to_string().contains("no such interface"), "{error}");
    });
}

#[test]
fn progress_follows_the_bytes_from_the_queue_to_the_peer() {
    in_namespace_async(|| async {
        let ours = options("127.0.0.1:0", "127.0.0.2");
        let (mut dialled, mut accepted) = connect(ours.clone(), mirrored(&ours)).await;
        assert_eq!(dialled.progress().expect("open"), Default::default());

        assert_eq!(dialled.try_write(&[1; 100]).expect("open"), 100);
        read_all(&mut accepted, 100).await;
        netns::until("the acknowledgement", || dialled.progress().expect("open").acked == 100);
        let facts = dialled.facts().expect("open");
        assert!(facts.rtt_us > 0 && facts.rtt_us < 5_000_000, "{facts:?}");
        assert!(facts.min_rtt_us > 0 && facts.min_rtt_us <= facts.rtt_us.max(1_000), "{facts:?}");
        assert_eq!(facts.retransmits, 0);
        let all = dialled.progress().expect("open");
        assert_eq!((all.written, all.sent), (100, 100));

        // Nobody reads now: windows and queues fill up until nothing more is taken.
        let chunk = [2; 16 * 1024];
        let mut stuck = 0;
        while stuck < 20 {
            match dialled.try_write(&chunk).expect("open") {
                0 => {
                    stuck += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                _ => stuck = 0,
            }
        }
        let full = dialled.progress().expect("open");
        assert!(full.acked <= full.sent && full.sent < full.written, "{full:?}");
        let unsent = full.written - full.sent;
        assert!(unsent <= 256 * 1024, "little is handed over ahead of time: {unsent}");

        read_all(&mut accepted, (full.written - 100) as usize).await;
        netns::until("everything", || {
            let now = dialled.progress().expect("open");
            now.sent == now.written && now.acked == now.written
        });
    });
}

#[test]
fn closing_delivers_what_was_written_even_if_the_peer_still_talks() {
    in_namespace_async(|| async {
        let ours = options("127.0.0.1:0", "127.0.0.2");
        let (mut dialled, mut accepted) = connect(ours.clone(), mirrored(&ours)).await;
        accepted.try_write(&[3; 5000]).expect("open");
        dialled.try_write(b"NOTIFICATION").expect("open");
        let mut closing = dialled.close();
        assert_eq!(read_all(&mut accepted, 100).await, b"NOTIFICATION");
        drop(accepted.close());
        timeout(HANDSHAKE, poll_fn(|cx| closing.poll(cx))).await.expect("the peer's FIN");
    });
}

#[test]
fn a_peer_that_never_stops_talking_does_not_keep_a_connection() {
    in_namespace_async(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let peer = listener.local_addr().expect("its address").to_string();
        let dialled = dial(&options(&peer, "127.0.0.2")).await.expect("dialled");
        let (mut talker, _) = listener.accept().expect("accepted");
        let talking = std::thread::spawn(move || while talker.write_all(&[4; 4096]).is_ok() {});
        let mut closing = dialled.close();
        timeout(HANDSHAKE, poll_fn(|cx| closing.poll(cx))).await.expect("patience ends");
        drop(closing);
        talking.join().expect("its connection was reset");
    });
}

#[test]
fn an_abort_is_a_reset() {
    in_namespace_async(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let peer = listener.local_addr().expect("its address").to_string();
        let dialled = dial(&options(&peer, "127.0.0.2")).await.expect("dialled");
        let (mut far, _) = listener.accept().expect("accepted");
        dialled.abort();
        let error = far.read(&mut [0; 1]).expect_err("a RST");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn errors_name_what_was_tried_and_what_helps() {
    in_namespace_async(|| async {
        let refused = dial(&options("127.0.0.1:9", "127.0.0.2")).await.expect_err("nobody there");
        assert!(refused.to_string().contains("127.0.0.1:9"), "{refused}");
        assert!(refused.remedy().expect("one").contains("not listening"));

        let elsewhere = Dialing::start(&options("127.0.0.1:9", "192.0.2.1"));
        let elsewhere = elsewhere.expect_err("not our address");
        assert!(elsewhere.to_string().contains("192.0.2.1"), "{elsewhere}");
        assert!(elsewhere.remedy().expect("one").contains("no interface"));

        let taken = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = taken.local_addr().expect("its address");
        let error = Listener::bind(address, &Roster::default()).expect_err("taken");
        assert!(error.remedy().expect("one").contains("another process"));
    });
}
