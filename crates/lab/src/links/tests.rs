//! A link in operation, on loopback.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};

use super::*;
use crate::mono;

const DELAY: Duration = Duration::from_millis(10);

struct Bench {
    site: UdpSocket,
    region: UdpSocket,
    router: TcpListener,
    link: Link,
}

fn bench(near: [u8; 4], far: [u8; 4]) -> Bench {
    let site = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let region = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let router = TcpListener::bind("127.0.0.1:0").expect("bind");
    for socket in [&site, &region] {
        socket.set_read_timeout(Some(Duration::from_millis(400))).expect("timeout");
    }
    let link = Link::start(&Spec {
        near: near.into(),
        far: far.into(),
        delay: DELAY,
        ambient: Loss::None,
        seed: 1,
        flows: vec![Flow {
            near: near.into(),
            site: None,
            region: region.local_addr().expect("address"),
        }],
        router: router.local_addr().expect("address"),
    })
    .expect("link");
    Bench { site, region, router, link }
}

fn blackhole() -> Fault {
    Fault { blackhole: true, ..Fault::default() }
}

#[test]
fn datagrams_arrive_as_they_were_marked() {
    let bench = bench([127, 77, 0, 9], [127, 77, 0, 10]);
    let region = socket2::SockRef::from(&bench.region);
    region.set_recv_tos_v4(true).expect("ask for marks");
    for tos in [46 << 2, 0] {
        marked::send(&bench.site, b"ping", tos, bench.link.flows()[0].near);
        let mut room = [0; 64];
        bench.region.peek(&mut room).expect("forward");
        let (packet, _) = marked::receive(&bench.region, &mut room).expect("forward");
        assert_eq!((packet.tos, &packet.bytes[..]), (tos, &b"ping"[..]));
    }
}

#[test]
fn datagrams_take_the_line_s_time_each_way() {
    let bench = bench([127, 77, 0, 1], [127, 77, 0, 2]);
    let ends = bench.link.flows()[0];
    let mut buffer = [0; 64];
    let start = mono::now();
    bench.site.send_to(b"ping", ends.near).expect("send");
    let (n, from) = bench.region.recv_from(&mut buffer).expect("forward");
    assert_eq!((&buffer[..n], from), (&b"ping"[..], ends.far));
    bench.region.send_to(b"pong", ends.far).expect("send");
    let (n, from) = bench.site.recv_from(&mut buffer).expect("return");
    assert_eq!((&buffer[..n], from), (&b"pong"[..], ends.near));
    assert!(mono::now().since(start) >= 2 * DELAY);
}

#[test]
fn a_one_way_blackhole_stops_one_way_only() {
    let bench = bench([127, 77, 1, 1], [127, 77, 1, 2]);
    let ends = bench.link.flows()[0];
    let mut buffer = [0; 64];
    bench.site.send_to(b"hello", ends.near).expect("send");
    bench.region.recv_from(&mut buffer).expect("the site is known now");
    bench.link.set_fault(Direction::Forward, blackhole());
    bench.site.send_to(b"lost", ends.near).expect("send");
    bench.region.send_to(b"arrives", ends.far).expect("send");
    assert!(bench.site.recv_from(&mut buffer).is_ok());
    assert_eq!(
        bench.region.recv_from(&mut buffer).expect_err("nothing").kind(),
        ErrorKind::WouldBlock
    );
}

/// Bytes that the kernel holds for `socket` because nobody acknowledged them.
fn unacknowledged(socket: &TcpStream) -> u64 {
    let port = format!(":{:04X} ", socket.local_addr().expect("address").port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("procfs");
    let mine =
        |line: &&str| line.split_once(": ").is_some_and(|(_, rest)| rest[8..].starts_with(&port));
    let line = table.lines().find(mine).expect("the connection");
    let queues = line.split_whitespace().nth(4).expect("queues");
    u64::from_str_radix(queues.split(':').next().expect("tx"), 16).expect("hexadecimal")
}

#[test]
fn in_a_blackhole_nothing_is_acknowledged_and_everything_arrives_after_it() {
    let bench = bench([127, 77, 3, 1], [127, 77, 3, 2]);
    let mut site = TcpStream::connect(bench.link.bgp()).expect("connect");
    let (mut router, _) = bench.router.accept().expect("accept");
    router.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
    let mut buffer = [0; 16];
    site.write_all(b"open").expect("write");
    assert_eq!(router.read(&mut buffer).expect("read"), 4);

    bench.link.set_fault(Direction::Forward, blackhole());
    std::thread::sleep(Duration::from_millis(100));
    site.write_all(b"update").expect("write");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(unacknowledged(&site), 6);
    bench.link.set_fault(Direction::Forward, Fault::default());
    assert_eq!(router.read(&mut buffer).expect("retransmitted"), 6);
    assert_eq!(unacknowledged(&site), 0);
}

#[test]
fn connections_are_relayed_stalled_by_a_blackhole_and_reset_by_a_cut() {
    let bench = bench([127, 77, 2, 1], [127, 77, 2, 2]);
    let mut site = TcpStream::connect(bench.link.bgp()).expect("connect");
    let (mut router, _) = bench.router.accept().expect("accept");
    for socket in [&site, &router] {
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("timeout");
    }
    let mut buffer = [0; 16];
    site.write_all(b"open").expect("write");
    assert_eq!(router.read(&mut buffer).expect("read"), 4);

    bench.link.set_fault(Direction::Return, blackhole());
    router.write_all(b"update").expect("write");
    assert_eq!(site.read(&mut buffer).expect_err("stalled").kind(), ErrorKind::WouldBlock);
    bench.link.set_fault(Direction::Return, Fault::default());
    site.set_read_timeout(Some(Duration::from_secs(3))).expect("timeout");
    assert_eq!(site.read(&mut buffer).expect("delivered late"), 6);

    bench.link.cut_connections();
    assert_eq!(site.read(&mut buffer).expect_err("reset").kind(), ErrorKind::ConnectionReset);
    assert_eq!(router.read(&mut buffer).expect_err("reset").kind(), ErrorKind::ConnectionReset);
}
