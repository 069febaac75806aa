//! The tables that are sent: the same prefixes, groups and attributes for the same [`Spec`].
//!
//! Prefixes are numbered in the order of their addresses; no two begin at the same address. Groups of
//! one to thirteen share one attribute set and one UPDATE, seven on average. Every feed sends its
//! groups in an order of its own.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::message::{self, Attributes, Prefix};

/// The most routes a table can have: the address space has no room for many more.
pub(super) const MOST_ROUTES: u32 = 1_500_000;

/// What decides a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) seed: u64,
    /// Prefixes; every feed sends all of them.
    pub(super) routes: u32,
    pub(super) feeds: u16,
    pub(super) best: Best,
    /// Each feed groups the prefixes in its own way, so that what a daemon packs together is not
    /// what came together.
    pub(super) regroup: bool,
}

/// Which feed has the best route.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Best {
    /// Each feed for its share of the prefixes.
    Spread,
    /// Feed 0 for all of them, feed 1 is the second best.
    First,
}

/// How good a feed's route is among those of all feeds. The best and the second best are unique.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Standing {
    Best,
    Second,
    Other,
}

/// Messages ready to be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    pub(super) bytes: Vec<u8>,
    pub(super) updates: u64,
}

/// Prefixes and their groups.
#[derive(Debug)]
pub(super) struct Table {
    spec: Spec,
    prefixes: Vec<Prefix>,
    /// The prefixes of block `n` are those from `blocks[n - 1]` to `blocks[n]`.
    blocks: Vec<u32>,
}

impl Table {
    pub(super) fn new(spec: Spec) -> Self {
        let mut rng = Rng::with_seed(spec.seed);
        let prefixes = prefixes(&mut rng, spec.routes.min(MOST_ROUTES));
        let blocks = cut(&mut rng, prefixes.len() as u32);
        Self { spec, prefixes, blocks }
    }

    pub(super) fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
    }

    /// Everything that `feed` announces, from AS `asn`.
    pub(super) fn announcements(&self, feed: u16, asn: u32, next_hop: u32) -> Stream {
        let mut stream = Stream::default();
        self.each_group(feed, asn, |ids, _, attributes| {
            let prefixes = ids.iter().map(|&id| self.prefixes[id as usize]);
            message::announce(&mut stream.bytes, attributes, next_hop, prefixes);
            stream.updates += 1;
        });
        stream
    }

    /// The same withdrawn, in the same groups.
    pub(super) fn withdrawals(&self, feed: u16) -> Stream {
        let mut stream = Stream::default();
        self.each_group(feed, 0, |ids, _, _| {
            message::withdraw(&mut stream.bytes, ids.iter().map(|&id| self.prefixes[id as usize]));
            stream.updates += 1;
        });
        stream
    }

    /// By prefix, the fingerprint of what a receiver must be told: the best route of `feeds` (number
    /// and AS number of each), with `asn` before its path and this next hop; zero without a route.
    pub(super) fn expected(
        &self,
        feeds: impl IntoIterator<Item = (u16, u32)>,
        asn: u32,
        next_hop: u32,
    ) -> Vec<u64> {
        let mut best = vec![(0, None); self.prefixes.len()];
        for (feed, feed_asn) in feeds {
            self.each_group(feed, feed_asn, |ids, standing, attributes| {
                let print = attributes.behind(asn).fingerprint(next_hop);
                for &id in ids {
                    let (known, rank) = &mut best[id as usize];
                    if rank.is_none_or(|rank| standing < rank) {
                        (*known, *rank) = (print, Some(standing));
                    }
                }
            });
        }
        best.into_iter().map(|(print, _)| print).collect()
    }

    /// Calls `visit` for each group of a feed, in the order sent.
    fn each_group(
        &self,
        feed: u16,
        asn: u32,
        mut visit: impl FnMut(&[u32], Standing, &Attributes),
    ) {
        let mut rng = Rng::with_seed(self.spec.seed ^ (u64::from(feed) + 1) << 32);
        let (ids, mut groups) =
            if self.spec.regroup { self.regrouped(feed, &mut rng) } else { self.grouped(feed) };
        rng.shuffle(&mut groups);
        for (start, end, standing) in groups {
            let attributes = self.attributes(&mut rng, asn, standing);
            visit(&ids[start as usize..end as usize], standing, &attributes);
        }
    }

    /// All prefixes, and where its groups start and end: the blocks.
    fn grouped(&self, feed: u16) -> Groups {
        let mut start = 0;
        let mut groups = Vec::with_capacity(self.blocks.len());
        for (block, &end) in (0..).zip(&self.blocks) {
            groups.push((start, end, self.standing(feed, block)));
            start = end;
        }
        ((0..self.prefixes.len() as u32).collect(), groups)
    }

    /// The same prefixes in groups that no other feed has. A group's prefixes have the same standing.
    fn regrouped(&self, feed: u16, rng: &mut Rng) -> Groups {
        let (mut ids, mut groups) = (Vec::with_capacity(self.prefixes.len()), Vec::new());
        let (_, blocks) = self.grouped(feed);
        for standing in [Standing::Best, Standing::Second, Standing::Other] {
            let of_it = blocks.iter().filter(|(_, _, its)| *its == standing);
            let mut some: Vec<u32> = of_it.flat_map(|&(start, end, _)| start..end).collect();
            rng.shuffle(&mut some);
            let mut start = ids.len() as u32;
            for end in cut(rng, some.len() as u32) {
                let end = ids.len() as u32 + end;
                groups.push((start, end, standing));
                start = end;
            }
            ids.append(&mut some);
        }
        (ids, groups)
    }

    fn standing(&self, feed: u16, block: u64) -> Standing {
        let feeds = u64::from(self.spec.feeds);
        let feed = u64::from(feed);
        if feeds < 2 {
            return Standing::Best;
        }
        let (best, second) = match self.spec.best {
            Best::First => (0, 1),
            Best::Spread => {
                let best = block % feeds;
                (best, (best + 1 + block / feeds % (feeds - 1)) % feeds)
            }
        };
        match feed {
            _ if feed == best => Standing::Best,
            _ if feed == second => Standing::Second,
            _ => Standing::Other,
        }
    }

    fn attributes(&self, rng: &mut Rng, asn: u32, standing: Standing) -> Attributes {
        let hops = match standing {
            _ if self.spec.feeds < 2 => rng.usize(2..=6),
            Standing::Best => rng.usize(2..=3),
            Standing::Second => 4,
            Standing::Other => rng.usize(5..=6),
        };
        let mut path = vec![asn];
        path.extend((2..hops).map(|_| rng.u32(1_000..60_000)));
        path.push(match rng.u8(0..5) {
            0 => rng.u32(131_072..400_000),
            _ => rng.u32(1_000..60_000),
        });
        let count = if rng.bool() { rng.usize(1..=4) } else { 0 };
        let med = rng.bool().then(|| rng.u32(0..1_000));
        let mut communities: Vec<u32> =
            (0..count).map(|_| rng.u32(1_000..60_000) << 16 | rng.u32(1..1_000)).collect();
        communities.sort_unstable();
        communities.dedup();
        Attributes { path, med, communities }
    }
}

/// Prefixes by number, and the groups as ranges of that list.
type Groups = (Vec<u32>, Vec<(u32, u32, Standing)>);

/// Where groups of one to thirteen end.
fn cut(rng: &mut Rng, count: u32) -> Vec<u32> {
    let mut ends = Vec::with_capacity(count as usize / 7 + 1);
    let mut end = 0;
    while end < count {
        end = (end + rng.u32(1..=13)).min(count);
        ends.push(end);
    }
    ends
}

/// First octets that a table does not use: private, loopback and special addresses, and those of
/// the benchmark itself.
const UNUSED: [u32; 7] = [0, 10, 100, 127, 169, 172, 192];

/// Prefixes in the order of addresses, with the mix of lengths of the Internet's table.
fn prefixes(rng: &mut Rng, count: u32) -> Vec<Prefix> {
    let mut taken = vec![false; 1 << 24];
    let mut prefixes = Vec::with_capacity(count as usize);
    while prefixes.len() < count as usize {
        let len = match rng.u8(0..20) {
            0..12 => 24,
            12..14 => 23,
            14..16 => 22,
            16 => 21,
            17 => 20,
            _ => rng.u8(16..=19),
        };
        let base = rng.u32(1 << 16..224 << 16) >> (24 - len) << (24 - len);
        if UNUSED.contains(&(base >> 16)) || std::mem::replace(&mut taken[base as usize], true) {
            continue;
        }
        prefixes.push(Prefix { base, len });
    }
    prefixes.sort_unstable_by_key(|prefix| prefix.base);
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(feeds: u16, best: Best, regroup: bool) -> Spec {
        Spec { seed: 1, routes: 20_000, feeds, best, regroup }
    }

    #[test]
    fn the_mix_is_the_one_asked_for_and_repeats() {
        let table = Table::new(spec(1, Best::Spread, false));
        let share = |len: u8| {
            let count = table.prefixes().iter().filter(|prefix| prefix.len == len).count();
            count as f64 / table.prefixes().len() as f64
        };
        assert!((share(24) - 0.6).abs() < 0.02 && (share(22) - 0.1).abs() < 0.02);
        let stream = table.announcements(0, 65_101, 1);
        let per_update = table.prefixes().len() as f64 / stream.updates as f64;
        assert!((per_update - 7.0).abs() < 0.3, "{per_update} prefixes an UPDATE");
        let again = Table::new(spec(1, Best::Spread, false)).announcements(0, 65_101, 1);
        assert_eq!(stream.bytes, again.bytes);
    }

    #[test]
    fn the_best_and_the_second_best_are_unique() {
        for (best, regroup) in [(Best::Spread, false), (Best::Spread, true), (Best::First, true)] {
            let table = Table::new(spec(4, best, regroup));
            let mut seen = vec![[0_u8; 3]; table.prefixes().len()];
            for feed in 0..4 {
                table.each_group(feed, 65_101, |ids, standing, attributes| {
                    let hops = attributes.path.len();
                    let right = match standing {
                        Standing::Best => hops <= 3,
                        Standing::Second => hops == 4,
                        Standing::Other => hops > 4,
                    };
                    assert!(right, "{standing:?} with {hops} hops");
                    ids.iter().for_each(|&id| seen[id as usize][standing as usize] += 1);
                });
            }
            assert!(seen.iter().all(|count| *count == [1, 1, 2]), "{best:?}");
        }
    }
}
