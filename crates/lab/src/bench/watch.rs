//! A receiver's table, compared with what it should be while it grows.

use serde::{Deserialize, Serialize};

use super::message::{self, Prefix, Update};
use crate::mono;

/// First octet and second of the prefixes that latency is measured with: no table has them.
pub(super) const PING: u32 = 172 << 16 | 20 << 8;

/// Numbers prefixes by their address: three megabytes, whatever the table's size.
#[derive(Debug)]
pub(super) struct Numbers {
    /// One bit for each of the 2^24 places a prefix can begin at.
    bits: Vec<u64>,
    /// Prefixes before each word of `bits`.
    before: Vec<u32>,
    lens: Vec<u8>,
}

impl Numbers {
    /// `prefixes` in the order of addresses.
    pub(super) fn new(prefixes: &[Prefix]) -> Self {
        let mut bits = vec![0_u64; 1 << 18];
        for prefix in prefixes {
            bits[prefix.base as usize / 64] |= 1 << (prefix.base % 64);
        }
        let mut count = 0;
        let before = bits
            .iter()
            .map(|word| {
                let before = count;
                count += word.count_ones();
                before
            })
            .collect();
        Self { bits, before, lens: prefixes.iter().map(|prefix| prefix.len).collect() }
    }

    fn of(&self, prefix: Prefix) -> Option<usize> {
        let (word, bit) = (prefix.base as usize / 64, 1 << (prefix.base % 64));
        let bits = self.bits[word];
        let number = (self.before[word] + (bits & (bit - 1)).count_ones()) as usize;
        (bits & bit != 0 && self.lens[number] == prefix.len).then_some(number)
    }

    fn len(&self) -> usize {
        self.lens.len()
    }
}

/// A ping prefix that was announced or withdrawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Echo {
    pub(super) base: u32,
    pub(super) announced: bool,
    /// CLOCK_MONOTONIC of when it was read.
    pub(super) at_ns: u64,
    /// The same of when the octets were with the kernel; zero if it was not asked.
    pub(super) arrived_ns: u64,
}

/// What one receiver was told.
#[derive(Debug)]
pub(super) struct Watch {
    /// Fingerprints by prefix; zero where there is no route.
    have: Vec<u64>,
    present: usize,
    /// How many prefixes have what they should have.
    right: usize,
    pub(super) updates: u64,
    /// Prefixes that nobody announced, and UPDATEs that cannot be read.
    strange: u64,
    pub(super) echoes: Vec<Echo>,
}

/// How a table compares with what it should be.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Difference {
    /// Prefixes with a route.
    pub(super) present: u64,
    /// Prefixes without a route that should have one.
    pub(super) missing: u64,
    /// Prefixes with other attributes than they should have, or with a route they should not have.
    pub(super) wrong: u64,
    /// Prefixes of no table, and UPDATEs that cannot be read.
    pub(super) strange: u64,
}

impl Difference {
    pub(super) fn mismatches(&self) -> u64 {
        self.missing + self.wrong + self.strange
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.present += other.present;
        self.missing += other.missing;
        self.wrong += other.wrong;
        self.strange += other.strange;
    }
}

impl Watch {
    pub(super) fn new(numbers: &Numbers) -> Self {
        let have = vec![0; numbers.len()];
        let right = have.len();
        Self { have, present: 0, right, updates: 0, strange: 0, echoes: Vec::new() }
    }

    /// From now on each prefix should have the fingerprint in `want`.
    pub(super) fn expect(&mut self, want: &[u64]) {
        self.right = self.have.iter().zip(want).filter(|(have, want)| have == want).count();
    }

    /// Whether every prefix has what it should have, and no other has a route.
    pub(super) fn is_complete(&self) -> bool {
        self.right == self.have.len()
    }

    /// Prefixes with a route.
    pub(super) fn present(&self) -> u64 {
        self.present as u64
    }

    /// Takes the body of an UPDATE.
    pub(super) fn update(&mut self, body: &[u8], numbers: &Numbers, want: &[u64]) {
        let Some(update) = Update::parse(body) else {
            self.strange += 1;
            return;
        };
        // An End-of-RIB marker is no UPDATE of routes.
        if update.withdrawn.is_empty() && update.attributes.is_empty() {
            return;
        }
        self.updates += 1;
        for prefix in message::each_prefix(update.withdrawn) {
            self.set(prefix, 0, numbers, want);
        }
        if !update.announced.is_empty() {
            let print = message::fingerprint(update.attributes);
            for prefix in message::each_prefix(update.announced) {
                self.set(prefix, print, numbers, want);
            }
        }
    }

    /// What was read last arrived then.
    pub(super) fn stamp(&mut self, arrived_ns: u64) {
        for echo in self.echoes.iter_mut().filter(|echo| echo.arrived_ns == 0) {
            echo.arrived_ns = arrived_ns;
        }
    }

    fn set(&mut self, prefix: Prefix, print: u64, numbers: &Numbers, want: &[u64]) {
        let Some(number) = numbers.of(prefix) else {
            match prefix.base {
                base if base & 0xFF_FF_00 == PING => {
                    let at_ns = mono::now().as_nanos();
                    let announced = print != 0;
                    self.echoes.push(Echo { base, announced, at_ns, arrived_ns: 0 });
                }
                // The daemon's own addresses.
                base if [10, 127].contains(&(base >> 16)) => {}
                _ => self.strange += 1,
            }
            return;
        };
        let (have, want) = (&mut self.have[number], want[number]);
        let (was_right, is_right) = (*have == want, print == want);
        self.right = self.right + usize::from(is_right) - usize::from(was_right);
        self.present = self.present + usize::from(print != 0) - usize::from(*have != 0);
        *have = print;
    }

    /// Compares everything, from scratch.
    pub(super) fn compare(&self, want: &[u64]) -> Difference {
        let mut difference =
            Difference { present: self.present(), strange: self.strange, ..Difference::default() };
        for (have, want) in self.have.iter().zip(want) {
            match (have, want) {
                _ if have == want => {}
                (0, _) => difference.missing += 1,
                _ => difference.wrong += 1,
            }
        }
        difference
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{HEADER, announce, pass_on, withdraw};
    use super::super::table::{Best, Spec, Table};
    use super::*;

    #[test]
    fn a_table_that_lacks_a_route_or_has_another_is_not_complete() {
        let spec = Spec { seed: 3, routes: 500, feeds: 1, best: Best::Spread, regroup: false };
        let table = Table::new(spec);
        let numbers = Numbers::new(table.prefixes());
        let want = table.expected([(0, 65_101)], 65_000, 9);
        let mut watch = Watch::new(&numbers);
        watch.expect(&want);
        let mut rest = &table.announcements(0, 65_101, 1).bytes[..];
        let mut first = Vec::new();
        while !rest.is_empty() {
            assert!(!watch.is_complete());
            let (message, more) = rest.split_at(usize::from(rest[16]) << 8 | usize::from(rest[17]));
            let mut passed = Vec::new();
            pass_on(&mut passed, &message[HEADER..], 65_000, 9);
            watch.update(&passed[HEADER..], &numbers, &want);
            if first.is_empty() {
                first = message.to_vec();
            }
            rest = more;
        }
        assert!(watch.is_complete());
        assert_eq!(watch.compare(&want).mismatches(), 0);

        let mut wrong_hop = Vec::new();
        pass_on(&mut wrong_hop, &first[HEADER..], 65_000, 8);
        watch.update(&wrong_hop[HEADER..], &numbers, &want);
        assert!(!watch.is_complete() && watch.compare(&want).wrong > 0);
    }

    #[test]
    fn a_withdrawn_table_is_complete_when_nothing_is_left() {
        let spec = Spec { seed: 3, routes: 100, feeds: 1, best: Best::Spread, regroup: false };
        let table = Table::new(spec);
        let numbers = Numbers::new(table.prefixes());
        let nothing = vec![0; 100];
        let mut watch = Watch::new(&numbers);
        watch.expect(&nothing);
        let prefix = table.prefixes()[40];
        let mut out = Vec::new();
        let attributes =
            super::super::message::Attributes { path: vec![1], med: None, communities: vec![] };
        announce(&mut out, &attributes, 1, std::iter::once(prefix));
        watch.update(&out[HEADER..], &numbers, &nothing);
        assert_eq!((watch.is_complete(), watch.compare(&nothing).wrong), (false, 1));
        out.clear();
        withdraw(&mut out, std::iter::once(prefix));
        watch.update(&out[HEADER..], &numbers, &nothing);
        assert!(watch.is_complete());
        out.clear();
        withdraw(&mut out, std::iter::once(Prefix { base: prefix.base, len: 8 }));
        watch.update(&out[HEADER..], &numbers, &nothing);
        assert_eq!(watch.compare(&nothing).strange, 1);
    }
}
