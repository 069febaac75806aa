//! The network behaves as its links say.

use std::time::Duration;

use pathvane_clock::Instant;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn collect(net: &mut Net<u32>, until: Instant) -> Vec<(Instant, Delivery<u32>)> {
    let mut out = Vec::new();
    while let Some(at) = net.poll_timeout().filter(|at| *at <= until) {
        while let Some(delivery) = net.pop(at) {
            out.push((at, delivery));
        }
    }
    out
}

fn bytes_at(deliveries: &[(Instant, Delivery<u32>)], wanted: End) -> Vec<u8> {
    let of = |delivery: &Delivery<u32>| match delivery {
        Delivery::Bytes { end, bytes, .. } if *end == wanted => bytes.clone(),
        _ => Vec::new(),
    };
    deliveries.iter().flat_map(|(_, delivery)| of(delivery)).collect()
}

#[test]
fn a_datagram_takes_the_sum_of_its_links() {
    let mut net = Net::new(1);
    let links = [net.add_link(Link::new(10 * MS)), net.add_link(Link::new(5 * MS))];
    net.send(Instant::from_secs(1), &links, 7);
    assert_eq!(
        collect(&mut net, Instant::MAX),
        [(Instant::from_secs(1) + 15 * MS, Delivery::Datagram(7))]
    );
}

#[test]
fn losses_come_as_often_and_as_bunched_as_they_should() {
    let share = |loss| {
        let mut net = Net::new(2);
        let mut link = Link::new(MS);
        link.loss = loss;
        let link = net.add_link(link);
        for n in 0..100_000 {
            net.send(Instant::from_nanos(u64::from(n)), &[link], n);
        }
        let got: Vec<_> = collect(&mut net, Instant::MAX)
            .into_iter()
            .filter_map(|(_, d)| if let Delivery::Datagram(n) = d { Some(n) } else { None })
            .collect();
        let gaps = got.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
        (100_000 - got.len(), gaps)
    };
    let (lost, gaps) = share(Loss::Bernoulli { ppm: 50_000 });
    assert!((4_700..5_300).contains(&lost), "{lost}");
    assert!(gaps * 100 > lost * 90, "single losses: {gaps} gaps for {lost}");
    let bursts =
        Loss::GilbertElliott { to_bad_ppm: 5_000, to_good_ppm: 100_000, bad_loss_ppm: 1_000_000 };
    let (lost, gaps) = share(bursts);
    assert!((4_000..5_600).contains(&lost), "{lost}");
    assert!((8..12).contains(&(lost / gaps)), "bursts of ten: {gaps} gaps for {lost}");
}

#[test]
fn a_stream_opens_in_a_round_trip_and_keeps_order_under_jitter_and_loss() {
    let mut net = Net::new(3);
    let mut link = Link::new(10 * MS);
    let (out, back) = (net.add_link(link.clone()), net.add_link(link.clone()));
    let start = Instant::from_secs(1);
    let stream = net.dial(start, &[out], &[back]);
    let opened = collect(&mut net, start + 20 * MS);
    let expected = [
        (start + 10 * MS, Delivery::Opened { stream, end: End::Acceptor }),
        (start + 20 * MS, Delivery::Opened { stream, end: End::Dialler }),
    ];
    assert_eq!(opened, expected);

    link.jitter = 30 * MS;
    link.loss = Loss::Bernoulli { ppm: 200_000 };
    *net.link_mut(out) = link;
    let sent: Vec<u8> = (0..200).collect();
    for (n, byte) in (0..).zip(&sent) {
        net.write(start + n * MS, stream, End::Dialler, vec![*byte]);
    }
    let deliveries = collect(&mut net, Instant::MAX);
    assert_eq!(bytes_at(&deliveries, End::Acceptor), sent);
    let acked = deliveries.iter().filter_map(|(_, d)| match d {
        Delivery::Acked { position, .. } => Some(*position),
        _ => None,
    });
    assert_eq!(acked.max(), Some(200));
}

#[test]
fn a_stream_stalls_over_a_blackhole_and_goes_on_after_it() {
    let mut net = Net::new(4);
    let (out, back) = (net.add_link(Link::new(MS)), net.add_link(Link::new(MS)));
    let start = Instant::from_secs(1);
    let stream = net.dial(start, &[out], &[back]);
    collect(&mut net, start + 5 * MS);
    net.link_mut(out).blackhole = true;
    net.write(start + 10 * MS, stream, End::Dialler, vec![1]);
    net.close(start + 20 * MS, stream, End::Dialler);
    assert_eq!(collect(&mut net, start + 5_000 * MS), []);
    net.link_mut(out).blackhole = false;
    let deliveries = collect(&mut net, Instant::MAX);
    assert_eq!(bytes_at(&deliveries, End::Acceptor), [1]);
    let last = deliveries.last().map(|(_, delivery)| delivery.clone());
    assert_eq!(last, Some(Delivery::Closed { stream, end: End::Acceptor }));
}

#[test]
fn a_cut_is_heard_once_at_both_ends_and_nothing_after_it() {
    let mut net = Net::new(5);
    let (out, back) = (net.add_link(Link::new(MS)), net.add_link(Link::new(MS)));
    let start = Instant::from_secs(1);
    let stream = net.dial(start, &[out], &[back]);
    collect(&mut net, start + 5 * MS);
    net.write(start + 5 * MS, stream, End::Dialler, vec![1]);
    net.cut(start + 5 * MS, stream);
    net.cut(start + 5 * MS, stream);
    let heard: Vec<_> = collect(&mut net, Instant::MAX).into_iter().map(|(_, d)| d).collect();
    let closed = |end| Delivery::Closed { stream, end };
    assert_eq!(heard, [closed(End::Dialler), closed(End::Acceptor)]);
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let run = |seed| {
        let mut net = Net::new(seed);
        let mut link = Link::new(MS);
        link.jitter = 5 * MS;
        link.loss = Loss::Bernoulli { ppm: 300_000 };
        let link = net.add_link(link);
        (0..100).for_each(|n| net.send(Instant::from_millis(u64::from(n)), &[link], n));
        collect(&mut net, Instant::MAX)
    };
    assert_eq!(run(9), run(9));
    assert_ne!(run(9), run(10));
}
