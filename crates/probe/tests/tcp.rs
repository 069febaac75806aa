//! A stream of TCP connections: tickets out, the same tickets back.

mod common;

use common::{MS, at, config, next};
use pathvane_probe::{Config, Kind, Sender};

fn stream(seed: u64) -> Sender {
    Sender::new(at(0), &Config { kind: Kind::Tcp, seed, ..config() })
}

#[test]
fn a_ticket_that_comes_back_is_an_answer_once() {
    let mut sender = stream(1);
    let (_, sent, ticket) = next(&mut sender, at(0));
    let sample = sender.handle_received(&ticket, sent + 7 * MS, None).unwrap();
    assert_eq!(sample.rtt_ns, 7_000_000);
    assert!(sample.one_way.is_none() && !sample.kernel_sent);
    assert!(sender.handle_received(&ticket, sent + 8 * MS, None).unwrap().duplicate);
    assert_eq!(sender.counters().answered, 1);
}

#[test]
fn tickets_of_others_and_damaged_ones_are_no_answer() {
    let (mut sender, mut other) = (stream(1), stream(2));
    let (_, sent, ticket) = next(&mut sender, at(0));
    let (_, _, foreign) = next(&mut other, at(0));
    assert_ne!(ticket, foreign);
    for wrong in [&foreign[..], &ticket[..11], &[], &[0; 12], &[1; 13]] {
        assert!(sender.handle_received(wrong, sent + MS, None).is_none(), "{wrong:?}");
    }
    for octet in 0..ticket.len() {
        let mut damaged = ticket.clone();
        damaged[octet] ^= 1;
        assert!(sender.handle_received(&damaged, sent + MS, None).is_none(), "octet {octet}");
    }
    assert_eq!(sender.counters().malformed, 3);
    assert_eq!(sender.counters().answered, 0);
}
