//! Which way probes were lost, as a reflector that counts them tells.

use alloc::vec;
use alloc::vec::Vec;

use crate::stamp::Direct;

/// Probes lost on either way between the reply before, of the same source port, and this one.
///
/// Negative where a reply that others overtook shows that its probe was not lost after all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ways {
    /// On the way to the reflector.
    pub fwd: i32,
    /// On the way back.
    pub rev: i32,
}

/// Compares what a reflector has counted from one reply to the next.
///
/// Each source port is a session of its own (RFC 8972 section 3), counted for itself. There are two
/// sources: the counts of Direct Measurement (RFC 8972 section 4.5), and the number that a stateful
/// reflector gives its replies (RFC 8762 section 4.2).
#[derive(Clone, Debug)]
pub struct Comparison {
    ports: Vec<Port>,
    /// Replies with counts that can be those of probes before Direct Measurement is believed again.
    doubts: u8,
}

/// One source port.
#[derive(Clone, Copy, Debug, Default)]
struct Port {
    /// Probes sent from it.
    sent: u32,
    /// The newest of them that was answered, and the how manyth from here it was, as far as numbers say.
    newest: Option<(u32, u32)>,
    /// What the newest reply told by Direct Measurement, and by its number.
    direct: Option<Direct>,
    numbered: Option<Direct>,
}

impl Comparison {
    /// What a reflector counts is left to it (RFC 8972 section 4.5): it may be other traffic. So many
    /// replies in a row that speak of probes are no chance.
    const DOUBTS: u8 = 32;

    /// Of a stream whose probe `seq` leaves from port `seq % ports`.
    pub fn new(ports: u8) -> Self {
        Self { ports: vec![Port::default(); usize::from(ports.max(1))], doubts: 0 }
    }

    /// Whether all probes leave from one port.
    pub(crate) fn has_one_port(&self) -> bool {
        self.ports.len() == 1
    }

    /// Counts probe `seq` as sent; returns the how manyth of its session it is.
    pub(crate) fn sent(&mut self, seq: u32) -> u32 {
        let port = self.port(seq);
        port.sent = port.sent.wrapping_add(1);
        port.sent
    }

    /// Probe `seq` was not sent after all.
    pub(crate) fn unsent(&mut self, seq: u32) {
        let port = self.port(seq);
        port.sent = port.sent.wrapping_sub(1);
    }

    /// Takes the first reply to probe `seq`: the counts in it, and its number, which is the
    /// reflector's own if `by_itself`. `None` if neither tells the ways of loss.
    pub fn reply(
        &mut self,
        seq: u32,
        direct: Option<Direct>,
        (number, by_itself): (u32, bool),
    ) -> Option<Ways> {
        let count = self.ports.len() as i32;
        let port = self.port(seq);
        let (newest, nth) = port.newest.unwrap_or((seq, 0));
        // Numbers wrap; the quotient of one would not.
        let ahead = seq.wrapping_sub(newest) as i32 / count;
        let sent = nth.wrapping_add_signed(ahead);
        if ahead >= 0 {
            port.newest = Some((seq, sent));
        }
        let own = Direct { sent, received: number, returned: number };
        // Compared from the first reply on, though it may not show yet whose number it is.
        let numbered = since(&mut port.numbered, own);
        let counted = direct.map(|direct| since(&mut port.direct, direct));
        match counted {
            Some(None) => self.doubts = Self::DOUBTS,
            Some(Some(_)) => self.doubts = self.doubts.saturating_sub(1),
            None => {}
        }
        let counted = counted.filter(|_| self.doubts == 0).flatten();
        counted.or_else(|| by_itself.then(|| numbered.unwrap_or_default()))
    }

    fn port(&mut self, seq: u32) -> &mut Port {
        let at = seq as usize % self.ports.len();
        &mut self.ports[at]
    }
}

/// What was lost from the counts of `last` to those of `now`, which take their place; nothing if they
/// are the first. `None` if the two cannot be counts of the same probes: the reflector began anew.
fn since(last: &mut Option<Direct>, now: Direct) -> Option<Ways> {
    let Some(before) = last.replace(now) else { return Some(Ways::default()) };
    let [sent, received, returned] = [
        now.sent.wrapping_sub(before.sent),
        now.received.wrapping_sub(before.received),
        now.returned.wrapping_sub(before.returned),
    ]
    .map(|count| count as i32);
    if sent < 0 {
        // Overtaken: ahead of the reflector if that counted it later, otherwise behind it.
        let ahead = returned > 0;
        *last = Some(if ahead { Direct { sent: before.sent, ..now } } else { before });
        return Some(if ahead { Ways { fwd: -1, rev: 0 } } else { Ways { fwd: 0, rev: -1 } });
    }
    let possible = 1 <= returned && returned <= received && received <= sent;
    possible.then(|| Ways { fwd: sent - received, rev: returned - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(sent: u32, received: u32, returned: u32) -> Option<Direct> {
        Some(Direct { sent, received, returned })
    }

    fn ways(fwd: i32, rev: i32) -> Option<Ways> {
        Some(Ways { fwd, rev })
    }

    #[test]
    fn numbers_wrap_with_any_number_of_ports() {
        for ports in [1_u8, 2, 3, 8] {
            let mut stream = Comparison::new(ports);
            let mut numbers = vec![0_u32; usize::from(ports)];
            let mut seq = u32::MAX - 31;
            let mut wrong = 0;
            for _ in 0..2000 {
                let number = &mut numbers[seq as usize % usize::from(ports)];
                let told = stream.reply(seq, None, (*number, true));
                wrong += u32::from(told != Some(Ways::default()));
                *number += 1;
                seq = seq.wrapping_add(1);
            }
            // Where numbers of a port are not as far apart as before at the wrap, one of each may seem lost or late.
            assert!(wrong <= u32::from(ports) && (wrong == 0 || ports == 3), "{ports}: {wrong}");
        }
    }

    #[test]
    fn numbers_tell_which_way_probes_were_lost() {
        let mut stream = Comparison::new(1);
        let mut reply = |seq, number| stream.reply(seq, None, (number, true));
        assert_eq!(reply(u32::MAX - 2, u32::MAX - 1), ways(0, 0));
        assert_eq!(reply(u32::MAX, u32::MAX), ways(1, 0));
        assert_eq!(reply(3, 3), ways(0, 3), "numbers wrap");
        assert_eq!(reply(6, 5), ways(1, 1));
        assert_eq!(reply(8, 7), ways(0, 1));
        assert_eq!(reply(7, 6), ways(0, -1), "overtaken on the way back");
        assert_eq!(reply(10, 8), ways(1, 0));
        assert_eq!(reply(9, 9), ways(-1, 0), "overtaken on the way there");
        assert_eq!(reply(11, 10), ways(0, 0));
        assert_eq!(reply(12, 0), ways(0, 0), "it began anew");
        assert_eq!(reply(14, 2), ways(0, 1));
    }

    #[test]
    fn numbers_that_are_ours_tell_nothing_until_they_differ() {
        let mut stream = Comparison::new(1);
        assert_eq!(stream.reply(1, None, (1, false)), None);
        assert_eq!(stream.reply(4, None, (2, true)), ways(2, 0), "from the reply before on");
    }

    #[test]
    fn each_port_is_a_session_of_its_own() {
        let mut stream = Comparison::new(4);
        // Port 1 loses its second reply, port 2 its second probe; both go on.
        let mut told = Vec::new();
        for (seq, number) in [(1, 0), (2, 0), (3, 0), (4, 0), (7, 1), (8, 1), (9, 2), (10, 1)] {
            told.push(stream.reply(seq, None, (number, true)));
        }
        let none = ways(0, 0);
        assert_eq!(told, [none, none, none, none, none, none, ways(0, 1), ways(1, 0)]);
        assert_eq!([1, 5, 6, 9].map(|seq| stream.sent(seq)), [1, 2, 1, 3]);
        stream.unsent(9);
        assert_eq!(stream.sent(13), 3, "the next from its port");
    }

    #[test]
    fn counts_tell_more_than_numbers_that_are_ours() {
        let mut stream = Comparison::new(1);
        assert_eq!(stream.reply(1, direct(1, 1, 1), (1, false)), ways(0, 0));
        assert_eq!(stream.reply(4, direct(4, 2, 2), (4, false)), ways(2, 0));
        assert_eq!(stream.reply(7, direct(7, 5, 5), (7, false)), ways(0, 2));
        // Two were received and not answered: lost on neither way.
        assert_eq!(stream.reply(12, direct(12, 9, 7), (12, false)), ways(1, 1));
    }

    #[test]
    fn counts_of_other_traffic_are_not_believed() {
        let mut stream = Comparison::new(1);
        stream.reply(1, direct(1, 500, 300), (0, true));
        // Numbers count meanwhile.
        assert_eq!(stream.reply(3, direct(3, 900, 301), (2, true)), ways(0, 1));
        for seq in 4..35 {
            let counts = direct(seq, 897 + seq, 298 + seq);
            assert_eq!(stream.reply(seq, counts, (seq - 1, true)), ways(0, 0));
        }
        assert_eq!(stream.doubts, 1);
        stream.reply(35, direct(35, 932, 333), (34, true));
        assert_eq!(stream.reply(37, direct(37, 933, 334), (36, true)), ways(1, 0), "now they are");
        assert_eq!(stream.reply(38, direct(38, 1, 1), (37, false)), None);
    }
}
