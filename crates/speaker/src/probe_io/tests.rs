//! Probe sockets over loopback, with the kernel as the judge.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Instant as Monotonic;

use pathvane_clock::{Duration, Instant};
use pathvane_probe::icmp::Version;
use pathvane_probe::stamp::Options;
use pathvane_probe::{Config, Kind, Sample, Sender, Stamps, reflect};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{Carrier, KernelClock, ProbeSocket, Spec, Waiting, Watch};
use crate::os_error::OsError;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_secs(5);

/// A stream that sends every millisecond.
fn sender(kind: Kind, clock: &KernelClock) -> Sender {
    let config = Config {
        kind,
        interval: Duration::from_millis(1),
        fastest: Duration::from_millis(1),
        timeout: Duration::from_secs(1),
        epoch: clock.epoch(),
        seed: 3,
        ports: 1,
        options: Options::default(),
    };
    Sender::new(clock.now(), &config)
}

/// Answers requests on loopback until dropped; replies carry the times of this process.
async fn far_end(addr: IpAddr) -> SocketAddr {
    let socket = UdpSocket::bind((addr, 0)).await.unwrap();
    let local = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let clock = KernelClock::new(Monotonic::now());
        let epoch = clock.epoch();
        let (mut bytes, mut out, mut seq) = ([0; 2048], Vec::new(), 0);
        while let Ok((len, from)) = socket.recv_from(&mut bytes).await {
            let now = epoch.plus(clock.now().since(Instant::ZERO));
            let stamps = Stamps { received: now, sent: now, seq, ..Stamps::default() };
            assert!(reflect(&bytes[..len], None, &stamps, &mut out).is_some());
            socket.send_to(&out, from).await.unwrap();
            seq += 1;
        }
    });
    local
}

/// Runs `sender` over `socket` until `count` samples came.
async fn samples(
    sender: &mut Sender,
    socket: &mut ProbeSocket,
    clock: &KernelClock,
    to: SocketAddr,
    count: usize,
) -> Vec<Sample> {
    let (mut out, mut samples) = (Vec::new(), Vec::new());
    let deadline = clock.now() + PATIENCE;
    while samples.len() < count {
        assert!(clock.now() < deadline, "{:?} {:?}", sender.counters(), socket.counters());
        if let Some(seq) = sender.poll_transmit(clock.now(), &mut out) {
            socket.try_send(&out, to, seq.into()).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        socket.drain_sent(64, |tag, at| sender.handle_sent(tag as u32, at));
        socket.recv_batch(64, |datagram| {
            assert_eq!(datagram.from.ip(), to.ip());
            samples.extend(sender.handle_received(datagram.bytes, datagram.at, datagram.ttl));
        });
    }
    samples
}

/// Without a privilege the error must say which; `PATHVANE_REQUIRE_ROOT=1` makes that a failure.
fn skip(error: &OsError, capability: &str) {
    assert!(error.to_string().contains(capability), "{error}");
    let required = std::env::var_os("PATHVANE_REQUIRE_ROOT").is_some_and(|value| value == "1");
    assert!(!required, "PATHVANE_REQUIRE_ROOT=1, but: {error}");
    eprintln!("skipped: {error}");
}

fn origin() -> Monotonic {
    Monotonic::now() - Duration::from_secs(100)
}

#[tokio::test]
async fn stamp_probes_come_back_with_kernel_times_on_both_ends_of_the_round_trip() {
    for addr in [V4, V6] {
        let origin = origin();
        let to = far_end(addr).await;
        let mut spec = Spec::new(Carrier::Udp, (addr, 0).into());
        spec.device = Some("lo".into());
        let mut socket = ProbeSocket::open(&spec, origin).unwrap();
        let clock = KernelClock::new(origin);
        let mut sender = sender(Kind::Stamp { ssid: 7 }, &clock);
        let samples = samples(&mut sender, &mut socket, &clock, to, 20).await;
        assert!(samples.iter().all(|sample| sample.rev_ttl.is_some_and(|ttl| ttl >= 64)));
        assert!(samples.iter().all(|sample| sample.rtt_ns < 1_000_000_000));
        let stamped = samples.iter().filter(|sample| sample.kernel_sent).count();
        // The first packets after enabling may be without.
        assert!(stamped >= 15, "{addr}: {stamped} of 20 departures stamped");
        let counters = socket.counters();
        assert!(counters.user_stamped <= 5, "{addr}: {counters:?}");
        assert_eq!((counters.send_errors, counters.receive_errors), (0, 0));
        assert_eq!(sender.counters().unsolicited + sender.counters().mismatched, 0);
    }
}

#[tokio::test]
async fn icmp_probes_are_answered_by_the_kernel_and_nobody_elses_replies_arrive() {
    for (addr, version) in [(V4, Version::V4), (V6, Version::V6)] {
        let origin = origin();
        let identifier = 0x6a01;
        let spec = Spec::new(Carrier::Icmp { identifier }, (addr, 0).into());
        let mut socket = match ProbeSocket::open(&spec, origin) {
            Ok(socket) => socket,
            Err(error) => return skip(&error, "CAP_NET_RAW"),
        };
        let stranger = Spec::new(Carrier::Icmp { identifier: 0x6a02 }, (addr, 0).into());
        let mut stranger = ProbeSocket::open(&stranger, origin).unwrap();
        let clock = KernelClock::new(origin);
        let mut sender = sender(Kind::Icmp { version, identifier }, &clock);
        let to = (addr, 9).into();
        let samples = samples(&mut sender, &mut socket, &clock, to, 10).await;
        assert!(samples.iter().all(|sample| sample.reflector_seq.is_none()));
        assert!(samples.iter().filter(|sample| sample.kernel_sent).count() >= 5);
        assert_eq!(sender.counters().foreign, 0, "the filter keeps requests and others' out");
        assert_eq!(stranger.recv_batch(64, |_| panic!("a reply to another identifier")), 0);
    }
}

#[tokio::test]
async fn a_batch_is_bounded_and_says_when_more_may_wait() {
    let spec = Spec::new(Carrier::Udp, (V4, 0).into());
    let mut socket = ProbeSocket::open(&spec, origin()).unwrap();
    let to = socket.local_addr().unwrap();
    let peer = std::net::UdpSocket::bind((V4, 0)).unwrap();
    for turn in 0..10_u8 {
        peer.send_to(&[turn], to).unwrap();
    }
    let mut got = Vec::new();
    assert_eq!(socket.recv_batch(4, |datagram| got.push(datagram.bytes[0])), 4);
    assert_eq!(socket.recv_batch(64, |datagram| got.push(datagram.bytes[0])), 6);
    assert_eq!(got, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_watch_tells_what_waits_where_until_it_is_read() {
    let spec = Spec::new(Carrier::Udp, (V4, 0).into());
    let mut watch = Watch::new().unwrap();
    let mut sockets = [0, 1, 2].map(|_| ProbeSocket::open(&spec, origin()).unwrap());
    for (number, socket) in (10..).zip(&sockets) {
        watch.add(socket, number).unwrap();
    }
    assert_eq!(watch.ready().count(), 0);
    let silence = timeout(Duration::from_millis(20), poll_fn(|cx| watch.poll_any(cx)));
    assert!(silence.await.is_err(), "nothing waits");

    let peer = std::net::UdpSocket::bind((V4, 0)).unwrap();
    for _ in 0..3 {
        peer.send_to(&[1], sockets[1].local_addr().unwrap()).unwrap();
        let any = timeout(PATIENCE, poll_fn(|cx| watch.poll_any(cx))).await;
        any.expect("each arrival wakes").unwrap();
        let arrived = Waiting { number: 11, departures: false, arrivals: true };
        assert_eq!(watch.ready().collect::<Vec<_>>(), [arrived]);
        assert_eq!(watch.ready().collect::<Vec<_>>(), [arrived], "not read yet");
        assert_eq!(sockets[1].recv_batch(1, |_| ()), 1);
        assert_eq!(watch.ready().count(), 0);
        let silence = timeout(Duration::from_millis(20), poll_fn(|cx| watch.poll_any(cx)));
        assert!(silence.await.is_err(), "read by the way, and no spinning");
    }

    sockets[2].try_send(&[0; 44], peer.local_addr().unwrap(), 7).unwrap();
    let any = timeout(PATIENCE, poll_fn(|cx| watch.poll_any(cx))).await;
    any.expect("a departure wakes").unwrap();
    let left = Waiting { number: 12, departures: true, arrivals: false };
    assert_eq!(watch.ready().collect::<Vec<_>>(), [left]);
    assert_eq!(sockets[2].drain_sent(64, |tag, _| assert_eq!(tag, 7)), 1);
    assert_eq!(watch.ready().count(), 0);
}

/// Counts how often a task would have been woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_watch_at_rest_wakes_nobody_and_loses_nothing() {
    let spec = Spec::new(Carrier::Udp, (V4, 0).into());
    let mut watch = Watch::new().unwrap();
    let mut socket = ProbeSocket::open(&spec, origin()).unwrap();
    watch.add(&socket, 0).unwrap();
    let to = socket.local_addr().unwrap();
    let peer = std::net::UdpSocket::bind((V4, 0)).unwrap();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let a_moment = || tokio::time::sleep(Duration::from_millis(20));
    for turn in 0..3 {
        assert!(watch.poll_any(&mut cx).is_pending());
        watch.rest().unwrap();
        peer.send_to(&[1], to).unwrap();
        a_moment().await;
        assert_eq!(wakes.0.load(Ordering::Relaxed), turn, "at rest");
        assert!(watch.poll_any(&mut cx).is_ready(), "what came meanwhile is there");
        assert_eq!(socket.recv_batch(8, |_| ()), 1);
        assert!(watch.poll_any(&mut cx).is_pending());
        peer.send_to(&[1], to).unwrap();
        a_moment().await;
        assert_eq!(wakes.0.load(Ordering::Relaxed), turn + 1, "awake again");
        assert!(watch.poll_any(&mut cx).is_ready());
        // Read by who looks anyway, and at rest with that news untold.
        watch.rest().unwrap();
        assert_eq!(socket.recv_batch(8, |_| ()), 1);
    }
}

#[tokio::test]
async fn datagrams_too_large_are_counted_and_dropped() {
    let spec = Spec::new(Carrier::Udp, (V4, 0).into());
    let mut socket = ProbeSocket::open(&spec, origin()).unwrap();
    let peer = std::net::UdpSocket::bind((V4, 0)).unwrap();
    peer.send_to(&[0; 5000], socket.local_addr().unwrap()).unwrap();
    socket.recv_batch(8, |_| panic!("truncated"));
    assert_eq!(socket.counters().receive_errors, 1);
}

#[tokio::test]
async fn a_failed_send_does_not_shift_the_stamps_of_later_ones() {
    let spec = Spec::new(Carrier::Udp, (V4, 0).into());
    let mut socket = ProbeSocket::open(&spec, origin()).unwrap();
    let good = far_end(V4).await;
    let mut told = Vec::new();
    for tag in 0..20 {
        if tag % 3 == 0 {
            // Too long for a datagram: refused by the kernel.
            assert!(socket.try_send(&[0; 70_000], good, 100 + tag).is_err());
        }
        let before = KernelClock::new(origin()).now();
        socket.try_send(&[0; 44], good, tag).unwrap();
        socket.drain_sent(64, |tag, at| told.push((tag, at, before)));
    }
    assert!(told.len() >= 15, "{told:?}");
    assert!(told.iter().all(|&(tag, ..)| tag < 20));
    assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    assert_eq!(socket.counters().send_errors, 7);
}

/// The kernel tells a connected socket that nobody listens there, instead of sending the next one.
#[tokio::test]
async fn a_far_end_that_refuses_costs_no_later_probe() {
    let spec = Spec::new(Carrier::Udp, (V4, 0).into());
    let mut socket = ProbeSocket::open(&spec, origin()).unwrap();
    let mut watch = Watch::new().unwrap();
    watch.add(&socket, 0).unwrap();
    let far = std::net::UdpSocket::bind((V4, 0)).unwrap();
    let to = far.local_addr().unwrap();
    drop(far);
    socket.connect(to).unwrap();
    for tag in 0..5 {
        socket.try_send(&[0; 44], to, tag).expect("what is refused is the probe before");
        assert_eq!(socket.drain_sent(64, |_, _| ()), 1);
    }
    // A refusal that waits is told until it is read, and then no more.
    let refused = watch.ready().collect::<Vec<_>>();
    assert!(refused.iter().all(|waiting| waiting.departures), "{refused:?}");
    socket.recv_batch(8, |_| panic!("an answer of nobody"));
    assert_eq!(watch.ready().count(), 0);

    let far = std::net::UdpSocket::bind(to).unwrap();
    socket.try_send(&[7; 44], to, 5).unwrap();
    let (len, from) = far.recv_from(&mut [0; 64]).unwrap();
    far.send_to(&[8; 44], from).unwrap();
    assert_eq!((len, socket.recv_batch(8, |it| assert_eq!(it.from, to))), (44, 1));
    assert_eq!(socket.counters().send_errors, 0);
}

#[tokio::test]
async fn traffic_class_ttl_and_mark_reach_the_packet() {
    let mut spec = Spec::new(Carrier::Udp, (V4, 0).into());
    spec.mark = Some(0x7070);
    let mut socket = match ProbeSocket::open(&spec, origin()) {
        Ok(socket) => socket,
        Err(error) => return skip(&error, "CAP_NET_ADMIN"),
    };
    let far = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    far.bind(&SocketAddr::from((V4, 0)).into()).unwrap();
    far.set_recv_tos_v4(true).unwrap();
    super::receive_details(&far, socket2::Domain::IPV4).unwrap();
    let to = far.local_addr().unwrap().as_socket().unwrap();
    socket.try_send(&[1; 44], to, 0).unwrap();
    let mut inbox = super::Inbox::new();
    let message = inbox.receive(std::os::fd::AsFd::as_fd(&far)).unwrap();
    assert_eq!(message.details.traffic_class, Some(Spec::EF));
    assert_eq!(message.details.ttl, Some(255));
}

#[tokio::test]
async fn what_is_refused_is_named_with_its_remedy() {
    let mut spec = Spec::new(Carrier::Udp, (V4, 0).into());
    spec.device = Some("no-such-if0".into());
    let error = ProbeSocket::open(&spec, origin()).err().unwrap();
    let text = error.to_string();
    assert!(text.contains("SO_BINDTODEVICE no-such-if0"), "{text}");
    assert!(text.contains("check that the interface exists"), "{text}");

    let elsewhere = SocketAddr::from(([192, 0, 2, 77], 0));
    let error = ProbeSocket::open(&Spec::new(Carrier::Udp, elsewhere), origin()).err().unwrap();
    let text = error.to_string();
    assert!(text.contains("192.0.2.77") && text.contains("interface of this host"), "{text}");
}

/// The answers that come to `socket` within `wait`.
async fn tickets(socket: &mut ProbeSocket, wait: Duration) -> Vec<(Vec<u8>, SocketAddr)> {
    let mut watch = Watch::new().unwrap();
    watch.add(socket, 0).unwrap();
    let mut found = Vec::new();
    let end = tokio::time::Instant::now() + wait;
    while found.is_empty() {
        let any = tokio::time::timeout_at(end, poll_fn(|cx| watch.poll_any(cx)));
        if any.await.is_err() {
            break;
        }
        assert!(watch.ready().all(|waiting| waiting.arrivals));
        socket.recv_batch(8, |it| {
            assert!(!it.kernel_stamped);
            found.push((it.bytes.to_vec(), it.from));
        });
    }
    found
}

#[tokio::test]
async fn a_connection_is_answered_by_who_accepts_and_by_who_refuses() {
    for (source, far) in [("127.0.0.5", V4), ("::1", V6)] {
        let source: IpAddr = source.parse().unwrap();
        let spec = Spec {
            device: Some("lo".to_owned()),
            ..Spec::new(Carrier::Tcp, SocketAddr::new(source, 0))
        };
        let mut socket = ProbeSocket::open(&spec, Monotonic::now()).unwrap();
        let listener = tokio::net::TcpListener::bind((far, 0)).await.unwrap();
        let to = listener.local_addr().unwrap();
        socket.try_send(b"first ticket", to, 0).unwrap();
        let answers = tickets(&mut socket, PATIENCE).await;
        assert_eq!(answers, [(b"first ticket".to_vec(), to)]);
        let (mut stream, from) = listener.accept().await.unwrap();
        assert_eq!(from.ip(), source, "pinned to the source of the path");
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 8]).await;
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "no farewell");
        drop(listener);
        socket.try_send(b"other ticket", to, 0).unwrap();
        let answers = tickets(&mut socket, PATIENCE).await;
        assert_eq!(answers, [(b"other ticket".to_vec(), to)], "a reset is an answer");
        assert_eq!((socket.counters().sent, socket.counters().received), (2, 2));
    }
}

/// The kernel of a listener whose queue is full drops requests, and accepts the one it gets
/// when they are asked again.
#[tokio::test]
async fn an_answer_to_a_repeated_request_is_none() {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::new(V4, 0).into()).unwrap();
    listener.listen(0).unwrap();
    let to = listener.local_addr().unwrap().as_socket().unwrap();
    let _full = std::net::TcpStream::connect(to).unwrap();
    let spec = Spec::new(Carrier::Tcp, SocketAddr::new(V4, 0));
    let mut socket = ProbeSocket::open(&spec, Monotonic::now()).unwrap();
    socket.try_send(b"ticket", to, 0).unwrap();
    assert_eq!(tickets(&mut socket, Duration::from_millis(300)).await, [], "dropped");
    let _first = listener.accept().unwrap();
    assert_eq!(tickets(&mut socket, Duration::from_millis(1500)).await, [], "too late");
    assert_eq!(socket.counters().receive_errors, 1, "accepted in the end");
}
