//! The reflector over loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pathvane_probe::WireTime;
use pathvane_probe::stamp::{ErrorEstimate, Key, Reply, Request};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::listener::Listener;
use super::{Config, Counters, Neglect, Reflector};
use crate::os_error::OsError;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

struct Running {
    addrs: Vec<SocketAddr>,
    counters: Arc<Counters>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), OsError>>,
}

fn start(config: Config) -> Running {
    let reflector = Reflector::bind(config).unwrap();
    let (addrs, counters) = (reflector.local_addrs(), reflector.counters());
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(reflector.run(async {
        stopped.await.ok();
    }));
    Running { addrs, counters, stop, task }
}

fn on(addr: IpAddr) -> Config {
    Config { listen: vec![(addr, 0).into()], ..Config::default() }
}

fn request(seq: u32, ssid: u16) -> [u8; 44] {
    let error = ErrorEstimate(0x8001);
    Request { seq, time: WireTime(0xe9d3_a1b2_8000_0000), error, ssid }.encode()
}

async fn ask(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    socket.send_to(bytes, to).await.unwrap();
    let mut reply = vec![0; 4096];
    let received = timeout(Duration::from_millis(300), socket.recv_from(&mut reply)).await.ok()?;
    let (len, from) = received.unwrap();
    assert_eq!(from, to, "the address asked is the address that answers");
    reply.truncate(len);
    Some(reply)
}

#[tokio::test]
async fn each_session_is_numbered_and_stamped_on_ipv4_and_ipv6() {
    let config = Config { listen: vec![(V4, 0).into(), (V6, 0).into()], ..Config::default() };
    let running = start(config);
    for &to in &running.addrs {
        let socket = UdpSocket::bind((to.ip(), 0)).await.unwrap();
        let mut last = None;
        for (turn, seq) in [5, 9, 10].into_iter().enumerate() {
            let reply = Reply::decode(&ask(&socket, to, &request(seq, 42)).await.unwrap()).unwrap();
            assert_eq!((reply.seq, reply.sender_seq, reply.ssid), (turn as u32, seq, 42));
            assert_eq!(reply.sender_time, WireTime(0xe9d3_a1b2_8000_0000));
            assert_eq!(reply.sender_error, ErrorEstimate(0x8001));
            assert_eq!(reply.sender_ttl, 64, "as it arrived");
            let (t2, t3) = (reply.received.read(reply.error), reply.time.read(reply.error));
            assert!((0..1_000_000_000).contains(&t3.since(t2)));
            assert!(last.is_none_or(|last| t2.since(last) > 0));
            last = Some(t3);
        }
        let other = Reply::decode(&ask(&socket, to, &request(1, 43)).await.unwrap()).unwrap();
        assert_eq!(other.seq, 0, "another SSID, another session");
    }
    assert_eq!(running.counters.replied.load(Relaxed), 8);
    running.stop.send(()).unwrap();
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_asked_address_answers_although_the_reflector_listens_on_all() {
    let running = start(on(Ipv4Addr::UNSPECIFIED.into()));
    let port = running.addrs[0].port();
    let socket = UdpSocket::bind((V4, 0)).await.unwrap();
    for last in [1, 2, 77] {
        let to = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
        assert!(ask(&socket, to, &request(0, 1)).await.is_some());
    }
}

#[tokio::test]
async fn no_reply_to_a_stranger_is_longer_than_its_request() {
    let running = start(on(V4));
    let socket = UdpSocket::bind((V4, 0)).await.unwrap();
    let mut long = request(1, 1).to_vec();
    long.extend([0, 1, 0, 116]);
    long.resize(164, 0);
    for len in [44, 45, 48, 164] {
        let reply = ask(&socket, running.addrs[0], &long[..len]).await.unwrap();
        assert_eq!(reply.len(), len);
    }
    for len in [14, 41, 43] {
        socket.send_to(&long[..len], running.addrs[0]).await.unwrap();
    }
    assert!(ask(&socket, running.addrs[0], &long[..13]).await.is_none());
    assert_eq!(running.counters.short.load(Relaxed), 3);
    long.resize(3_000, 0);
    assert!(ask(&socket, running.addrs[0], &long).await.is_none());
    assert_eq!(running.counters.malformed.load(Relaxed), 2);
}

#[tokio::test]
async fn senders_of_twamp_light_on_the_allow_list_get_44_octets() {
    let running = start(Config { allow: vec!["127.0.0.0/8".parse().unwrap()], ..on(V4) });
    let socket = UdpSocket::bind((V4, 0)).await.unwrap();
    for len in [14, 41, 43] {
        let reply = ask(&socket, running.addrs[0], &request(1, 1)[..len]).await.unwrap();
        assert_eq!(reply.len(), 44);
    }
}

#[tokio::test]
async fn with_a_key_signed_requests_are_answered_and_others_silently_dropped() {
    let key = Key::new(b"0123456789abcdef");
    for addr in [V4, V6] {
        let running = start(Config { key: Some(key.clone()), ..on(addr) });
        let socket = UdpSocket::bind((addr, 0)).await.unwrap();
        let time = WireTime(0xe9d3_a1b2_8000_0000);
        let asked = Request { seq: 3, time, error: ErrorEstimate(0x8001), ssid: 9 };
        let signed = asked.encode_signed(&key);
        for expected in 0..2 {
            let reply = ask(&socket, running.addrs[0], &signed).await.unwrap();
            let reply = Reply::decode_signed(&reply, &key).expect("a signed reply");
            assert_eq!((reply.seq, reply.sender_seq, reply.ssid), (expected, 3, 9));
            assert_eq!(reply.sender_ttl, 64);
        }
        let stranger = asked.encode_signed(&Key::new(b"another"));
        socket.send_to(&stranger, running.addrs[0]).await.unwrap();
        assert!(ask(&socket, running.addrs[0], &request(3, 9)).await.is_none());
        assert_eq!(running.counters.unauthenticated.load(Relaxed), 2);
        assert!(running.counters.to_string().contains("replied=2 "), "{}", running.counters);
    }
}

#[tokio::test]
async fn forged_requests_use_up_nobodys_rate() {
    let key = Key::new(b"0123456789abcdef");
    let running = start(Config { key: Some(key.clone()), rate: 4, ..on(V4) });
    let socket = UdpSocket::bind((V4, 0)).await.unwrap();
    for seq in 0..100 {
        socket.send_to(&request(seq, 1), running.addrs[0]).await.unwrap();
    }
    let asked = Request::decode(&request(0, 1)).unwrap();
    assert!(ask(&socket, running.addrs[0], &asked.encode_signed(&key)).await.is_some());
    assert_eq!(running.counters.unauthenticated.load(Relaxed), 100);
}

#[tokio::test]
async fn all_sources_together_get_the_total_rate() {
    let running = start(Config { total_rate: 40, ..on(V4) });
    let mut answered = 0;
    for last in 1..=30_u8 {
        let source = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).await.unwrap();
        source.send_to(&request(0, 1), running.addrs[0]).await.unwrap();
        let mut reply = [0; 64];
        let wait = timeout(Duration::from_millis(5), source.recv_from(&mut reply));
        answered += usize::from(wait.await.is_ok());
    }
    let refused = running.counters.over_total_rate.load(Relaxed);
    assert!(refused >= 1, "a burst of ten, and forty a second: {answered} of 30 answered");
    assert_eq!(running.counters.over_rate.load(Relaxed), 0);
}

#[tokio::test]
async fn what_the_kernel_drops_for_want_of_room_is_counted() {
    let reflector = Reflector::bind(Config { rate: u32::MAX, total_rate: u32::MAX, ..on(V4) });
    let reflector = reflector.unwrap();
    let (to, counters) = (reflector.local_addrs()[0], reflector.counters());
    // It does not run yet, and the room that it has is used up.
    let socket = std::net::UdpSocket::bind((V4, 0)).unwrap();
    let sent = 40_000;
    (0..sent).for_each(|seq| assert_eq!(socket.send_to(&request(seq, 1), to).unwrap(), 44));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(reflector.run(async {
        stopped.await.ok();
    }));
    let seen = || counters.received.load(Relaxed) + counters.overflowed.load(Relaxed);
    // The kernel tells with the next that it takes.
    let asking = UdpSocket::bind((V4, 0)).await.unwrap();
    for seq in 0..100 {
        if counters.overflowed.load(Relaxed) > 0 {
            break;
        }
        ask(&asking, to, &request(seq, 2)).await;
    }
    let dropped = counters.overflowed.load(Relaxed);
    assert!(dropped > 0 && seen() >= sent.into(), "{counters}");
    // As much as a socket of ours may have here, of which the kernel counts less than a kilobyte for each.
    let like = std::net::UdpSocket::bind((V4, 0)).unwrap();
    crate::receive_buffer::enlarge(&like, Listener::WAITING).unwrap();
    let room = nix::sys::socket::getsockopt(&like, nix::sys::socket::sockopt::RcvBuf).unwrap();
    let kept = u64::from(sent) - dropped;
    assert!(kept >= room as u64 / 1024, "{kept} waited in {room} octets");
    let news = Neglect::default().news(&counters).expect("news");
    assert!(news.starts_with(&format!("overflowed={dropped} (")), "{news}");
    stop.send(()).unwrap();
    task.await.unwrap().unwrap();
}

#[test]
fn a_neglect_is_told_once_and_with_its_remedy() {
    let (counters, mut neglect) = (Counters::default(), Neglect::default());
    assert_eq!(neglect.news(&counters), None);
    counters.over_total_rate.store(7, Relaxed);
    let news = neglect.news(&counters).expect("news");
    let remedy = "not answered: raise --total-rate, or run another reflector";
    assert_eq!(news, format!("over_total_rate=7 ({remedy})"));
    assert_eq!(neglect.news(&counters), None);
    counters.over_total_rate.store(9, Relaxed);
    assert!(neglect.news(&counters).is_some_and(|news| news.starts_with("over_total_rate=2 ")));
}

/// The traffic class with which a reply to `bytes` arrives.
fn class_of_reply(to: SocketAddr, sent_with: u32, bytes: &[u8]) -> u8 {
    let domain = socket2::Domain::for_address(to);
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None).unwrap();
    socket.bind(&SocketAddr::new(to.ip(), 0).into()).unwrap();
    if to.is_ipv4() {
        socket.set_tos_v4(sent_with).unwrap();
        socket.set_recv_tos_v4(true).unwrap();
    } else {
        socket.set_tclass_v6(sent_with).unwrap();
        socket.set_recv_tclass_v6(true).unwrap();
    }
    socket.send_to(bytes, &to.into()).unwrap();
    let mut inbox = crate::probe_io::Inbox::new();
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(5));
        if let Ok(message) = inbox.receive(std::os::fd::AsFd::as_fd(&socket)) {
            return message.details.traffic_class.expect("a traffic class");
        }
    }
    panic!("no reply from {to}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_carry_the_dscp_asked_for_and_tell_the_one_that_arrived() {
    for addr in [V4, V6] {
        let running = start(on(addr));
        let to = running.addrs[0];
        let ask = move |class, bytes: Vec<u8>| class_of_reply(to, class, &bytes);
        let plain = request(0, 1).to_vec();
        let mut asking = plain.clone();
        asking.extend([0x80, 4, 0, 4, 46 << 2, 0, 0, 0]);
        let run = tokio::task::spawn_blocking(move || (ask(10 << 2, plain), ask(0, asking)));
        assert_eq!(run.await.unwrap(), (10 << 2, 46 << 2), "{addr}");
    }
}

#[tokio::test]
async fn only_listed_sources_are_served() {
    let allow = vec!["127.0.0.2/32".parse().unwrap()];
    let running = start(Config { allow, ..on(V4) });
    let listed = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    assert!(ask(&stranger, running.addrs[0], &request(0, 1)).await.is_none());
    assert!(ask(&listed, running.addrs[0], &request(0, 1)).await.is_some());
    assert_eq!(running.counters.not_allowed.load(Relaxed), 1);
}

#[tokio::test]
async fn a_flood_is_answered_at_the_rate_only() {
    let running = start(Config { rate: 40, ..on(V4) });
    let flood = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    for seq in 0..100 {
        flood.send_to(&request(seq, 1), running.addrs[0]).await.unwrap();
    }
    let other = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    assert!(ask(&other, running.addrs[0], &request(0, 1)).await.is_some(), "others are served");
    let refused = running.counters.over_rate.load(Relaxed);
    assert!(refused >= 50, "a burst of ten, and forty a second: {refused} of 100 refused");
}

#[tokio::test]
async fn another_reflector_is_not_answered() {
    let first = start(on(V4));
    // The same port on another address, as two reflectors would have.
    let port = first.addrs[0].port();
    let socket = UdpSocket::bind(("127.0.0.2", port)).await.unwrap();
    assert!(ask(&socket, first.addrs[0], &request(0, 1)).await.is_none());
    assert_eq!(first.counters.looping.load(Relaxed), 1);
}

#[tokio::test]
async fn what_another_reflector_answers_on_any_port_is_not_answered() {
    let key = Key::new(b"0123456789abcdef");
    for key in [None, Some(key)] {
        let running = start(Config { key: key.clone(), ..on(V4) });
        let other = UdpSocket::bind((V4, 0)).await.unwrap();
        let asked = Request::decode(&request(0, 1)).unwrap();
        let (first, read): (Vec<u8>, _) = match &key {
            Some(key) => (asked.encode_signed(key).into(), Reply::decode_signed as fn(_, _) -> _),
            None => (asked.encode().into(), (|bytes, _| Reply::decode(bytes)) as fn(_, _) -> _),
        };
        let signed_by = key.clone().unwrap_or_else(|| Key::new(b"none"));
        // A forged packet from the other one's port begins it.
        let told = ask(&other, running.addrs[0], &first).await.expect("a reply");
        let told: Reply = read(&told, &signed_by).expect("a reply");
        let back = Reply { sender_seq: told.seq, sender_time: told.time, seq: 0, ..told };
        let back: Vec<u8> = match &key {
            Some(key) => back.encode_signed(key).into(),
            None => back.encode().into(),
        };
        assert!(ask(&other, running.addrs[0], &back).await.is_none());
        assert_eq!(running.counters.looping.load(Relaxed), 1);
        assert!(ask(&other, running.addrs[0], &first).await.is_some(), "a sender on that port");
    }
}

#[tokio::test]
async fn full_session_tables_answer_statelessly() {
    let running = start(Config { sessions: 1, ..on(V4) });
    let socket = UdpSocket::bind((V4, 0)).await.unwrap();
    for (ssid, seq, expected) in [(1, 7, 0), (2, 7, 7), (1, 8, 1), (2, 9, 9)] {
        let reply = ask(&socket, running.addrs[0], &request(seq, ssid)).await.unwrap();
        assert_eq!(Reply::decode(&reply).unwrap().seq, expected);
    }
    assert_eq!(running.counters.stateless.load(Relaxed), 2);
}

#[tokio::test]
async fn what_cannot_be_bound_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = std::net::UdpSocket::bind(taken).unwrap();
    let error = Reflector::bind(Config { listen: vec![taken], ..Config::default() }).err().unwrap();
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    assert!(Reflector::bind(Config { rate: 0, ..on(V4) }).is_err());
}
