//! A queue with many readers, in which each entry has at most one place.

use alloc::vec::Vec;

use crate::store::{PagedMap, Slab};

/// What is to be sent first, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    ServiceWithdraw,
    ServiceAnnounce,
    /// Whatever changed a few at a time.
    Haste,
    Withdraw,
    Announce,
}

impl Lane {
    pub(crate) const SERVICE: [Lane; 2] = [Lane::ServiceWithdraw, Lane::ServiceAnnounce];
    pub(crate) const BULK: [Lane; 2] = [Lane::Withdraw, Lane::Announce];
    const ALL: [Lane; Lane::COUNT] =
        [Lane::ServiceWithdraw, Lane::ServiceAnnounce, Lane::Haste, Lane::Withdraw, Lane::Announce];
    const COUNT: usize = 5;
}

/// Nodes dropped at a time beside those just read. A reader who leaves may leave a whole table behind.
pub(crate) const TRIM: u32 = 64;

const NONE: u32 = u32::MAX;

/// The entries that a group's peers have yet to be told about.
///
/// Each lane is a linked list that ends in an empty node. A reader's mark is the next node it
/// will read; nodes before the first mark are gone. An entry that is pushed again moves to the end.
#[derive(Debug)]
pub(crate) struct Queue {
    nodes: Slab<Node>,
    by_entry: PagedMap,
    ends: [Ends; Lane::COUNT],
    /// By reader; `None` where a reader has left.
    marks: Vec<Option<[u32; Lane::COUNT]>>,
    readers: usize,
    /// Counts the nodes made.
    made: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    head: u32,
    /// The empty node.
    end: u32,
}

#[derive(Debug)]
struct Node {
    entry: u32,
    prev: u32,
    next: u32,
    /// Grows along a lane.
    order: u32,
    marks: u16,
    lane: Lane,
}

impl Queue {
    pub(crate) fn new() -> Queue {
        let mut nodes = Slab::new();
        let ends = Lane::ALL.map(|lane| {
            let end = nodes.insert(Node::empty(lane, NONE, 0));
            Ends { head: end, end }
        });
        let by_entry = PagedMap::default();
        Queue { nodes, by_entry, ends, marks: Vec::new(), readers: 0, made: 0 }
    }

    /// A new reader, who has nothing to read yet.
    pub(crate) fn join(&mut self) -> usize {
        let marks = self.ends.map(|ends| ends.end);
        for mark in marks {
            self.nodes[mark].marks += 1;
        }
        self.readers += 1;
        match self.marks.iter().position(Option::is_none) {
            Some(reader) => {
                self.marks[reader] = Some(marks);
                reader
            }
            None => {
                self.marks.push(Some(marks));
                self.marks.len() - 1
            }
        }
    }

    /// Takes a reader away. Entries that only it had yet to read go to `done`, now or by
    /// [`Queue::trim_some`].
    pub(crate) fn leave(&mut self, reader: usize, done: &mut Vec<u32>) {
        let Some(marks) = self.marks[reader].take() else { return };
        self.readers -= 1;
        for mark in marks {
            let node = &mut self.nodes[mark];
            node.marks -= 1;
            let lane = node.lane;
            self.trim(lane, TRIM, done);
        }
    }

    /// Whether somebody has yet to read this entry.
    pub(crate) fn contains(&self, entry: u32) -> bool {
        self.by_entry.get(entry).is_some()
    }

    /// Whether this reader has yet to read this entry.
    pub(crate) fn is_unread(&self, reader: usize, entry: u32) -> bool {
        let (Some(at), Some(marks)) = (self.by_entry.get(entry), self.marks[reader]) else {
            return false;
        };
        let node = &self.nodes[at];
        let mark = &self.nodes[marks[node.lane as usize]];
        // Less than half of all numbers are in use at a time, so the difference has a sign.
        node.order.wrapping_sub(mark.order) < u32::MAX / 2
    }

    /// Whether this reader has anything to read.
    pub(crate) fn has_unread(&self, reader: usize) -> bool {
        let Some(marks) = self.marks[reader] else { return false };
        marks.iter().zip(&self.ends).any(|(mark, ends)| *mark != ends.end)
    }

    /// Puts an entry at the end of a lane, for all readers; its old place is given up.
    pub(crate) fn push(&mut self, entry: u32, lane: Lane) {
        if self.readers == 0 {
            return;
        }
        let old_end = self.ends[lane as usize].end;
        self.made = self.made.wrapping_add(1);
        let empty = Node::empty(lane, old_end, self.made);
        let fresh = match self.by_entry.insert(entry, old_end) {
            Some(node) => {
                self.unlink(node);
                self.nodes[node] = empty;
                node
            }
            None => self.nodes.insert(empty),
        };
        self.ends[lane as usize].end = fresh;
        let node = &mut self.nodes[old_end];
        node.entry = entry;
        node.next = fresh;
    }

    /// The next entry of a reader in a lane.
    pub(crate) fn peek(&self, reader: usize, lane: Lane) -> Option<u32> {
        let mark = self.marks[reader]?[lane as usize];
        (mark != self.ends[lane as usize].end).then(|| self.nodes[mark].entry)
    }

    /// Where a reader is in a lane, and the state of the queue, if it has anything to read there.
    pub(crate) fn place(&self, reader: usize, lane: Lane) -> Option<(u32, u32)> {
        let mark = self.marks[reader]?[lane as usize];
        (mark != self.ends[lane as usize].end).then_some((mark, self.made))
    }

    /// All that a reader has yet to read in a lane, in order.
    pub(crate) fn unread(&self, reader: usize, lane: Lane) -> impl Iterator<Item = u32> {
        let end = self.ends[lane as usize].end;
        let mut at = self.marks[reader].map_or(end, |marks| marks[lane as usize]);
        core::iter::from_fn(move || {
            let node = (at != end).then(|| &self.nodes[at])?;
            at = node.next;
            Some(node.entry)
        })
    }

    /// Moves a reader past so many entries that [`Queue::unread`] showed. Those that all have read
    /// now go to `done`, and a few of those that a reader who left has left behind.
    pub(crate) fn skip(&mut self, reader: usize, lane: Lane, count: usize, done: &mut Vec<u32>) {
        let Some(marks) = &mut self.marks[reader] else { return };
        let mark = &mut marks[lane as usize];
        let Ends { head, end } = self.ends[lane as usize];
        let from = *mark;
        for _ in 0..count {
            if *mark == end {
                break;
            }
            *mark = self.nodes[*mark].next;
        }
        self.nodes[*mark].marks += 1;
        let node = &mut self.nodes[from];
        node.marks -= 1;
        if node.marks == 0 && from == head {
            self.trim(lane, TRIM + count as u32, done);
        }
    }

    /// Drops nodes at the head that nobody has yet to read, so many of them at most.
    fn trim(&mut self, lane: Lane, mut left: u32, done: &mut Vec<u32>) {
        let Ends { mut head, end } = self.ends[lane as usize];
        while head != end && self.nodes[head].marks == 0 && left > 0 {
            let Node { entry, next, .. } = self.nodes[head];
            self.by_entry.remove(entry);
            self.nodes.release(head);
            done.push(entry);
            head = next;
            left -= 1;
        }
        self.nodes[head].prev = NONE;
        self.ends[lane as usize].head = head;
    }

    /// Drops some of the nodes that a reader who left has left behind; false if there are none.
    pub(crate) fn trim_some(&mut self, done: &mut Vec<u32>) -> bool {
        let lane = Lane::ALL.into_iter().find(|lane| self.leaves(*lane));
        lane.inspect(|lane| self.trim(*lane, TRIM, done)).is_some()
    }

    /// Whether a reader who left has left nodes behind that [`Queue::trim_some`] drops.
    pub(crate) fn has_leavings(&self) -> bool {
        Lane::ALL.into_iter().any(|lane| self.leaves(lane))
    }

    fn leaves(&self, lane: Lane) -> bool {
        let Ends { head, end } = self.ends[lane as usize];
        head != end && self.nodes[head].marks == 0
    }

    /// Takes a node out of its lane; readers about to read it go on with the next one.
    fn unlink(&mut self, at: u32) {
        let Node { prev, next, marks, lane, .. } = self.nodes[at];
        if marks > 0 {
            let on_it = self.marks.iter_mut().flatten().map(|m| &mut m[lane as usize]);
            on_it.filter(|mark| **mark == at).for_each(|mark| *mark = next);
            self.nodes[next].marks += marks;
        }
        self.nodes[next].prev = prev;
        match prev {
            NONE => self.ends[lane as usize].head = next,
            prev => self.nodes[prev].next = next,
        }
    }

    /// Octets held.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.bytes() + self.by_entry.bytes()
    }
}

impl Node {
    const fn empty(lane: Lane, prev: u32, order: u32) -> Node {
        Node { entry: NONE, prev, next: NONE, order, marks: 0, lane }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn drain(queue: &mut Queue, reader: usize, lane: Lane, done: &mut Vec<u32>) -> Vec<u32> {
        let mut read = Vec::new();
        while let Some(entry) = queue.peek(reader, lane) {
            read.push(entry);
            queue.skip(reader, lane, 1, done);
        }
        read
    }

    #[test]
    fn each_reader_reads_each_entry_once_at_its_newest_place() {
        let mut queue = Queue::new();
        let mut done = Vec::new();
        let (quick, slow) = (queue.join(), queue.join());
        for entry in [1, 2, 3] {
            queue.push(entry, Lane::Announce);
        }
        assert_eq!(drain(&mut queue, quick, Lane::Announce, &mut done), [1, 2, 3]);
        assert!(done.is_empty());
        for _ in 0..1000 {
            queue.push(1, Lane::Announce);
        }
        queue.push(2, Lane::Withdraw);
        assert!(
            queue.is_unread(quick, 1) && !queue.is_unread(quick, 3) && queue.is_unread(slow, 3)
        );
        assert_eq!(drain(&mut queue, quick, Lane::Announce, &mut done), [1]);
        assert_eq!(drain(&mut queue, slow, Lane::Announce, &mut done), [3, 1]);
        assert_eq!(done, [3, 1]);
        assert!(queue.contains(2) && queue.has_unread(quick) && queue.has_unread(slow));
        assert_eq!(drain(&mut queue, slow, Lane::Withdraw, &mut done), [2]);
        assert_eq!(drain(&mut queue, quick, Lane::Withdraw, &mut done), [2]);
        assert!(!queue.contains(2) && !queue.has_unread(quick) && !queue.has_unread(slow));
        assert_eq!(queue.nodes.in_use(), Lane::COUNT as u32);
    }

    #[test]
    fn who_joins_late_reads_only_what_comes_later_and_who_leaves_frees() {
        let mut queue = Queue::new();
        let mut done = Vec::new();
        queue.push(9, Lane::Announce);
        assert!(!queue.contains(9));
        let first = queue.join();
        queue.push(1, Lane::Announce);
        let second = queue.join();
        queue.push(2, Lane::Announce);
        assert!(!queue.is_unread(second, 1) && queue.is_unread(second, 2));
        assert_eq!(drain(&mut queue, second, Lane::Announce, &mut done), [2]);
        queue.leave(first, &mut done);
        assert_eq!(done, [1, 2]);
        assert!(!queue.trim_some(&mut done));
        assert_eq!(queue.readers, 1);
        assert_eq!(queue.join(), first);
        assert!(!queue.has_unread(first));
    }
    #[test]
    fn what_a_reader_leaves_behind_is_dropped_bit_by_bit() {
        let mut queue = Queue::new();
        let mut done = Vec::new();
        let (quick, slow) = (queue.join(), queue.join());
        (0..1000).for_each(|entry| queue.push(entry, Lane::Announce));
        drain(&mut queue, quick, Lane::Announce, &mut done);
        queue.leave(slow, &mut done);
        assert_eq!(done.len(), TRIM as usize);
        queue.push(500, Lane::Withdraw);
        queue.push(1000, Lane::Announce);
        while queue.trim_some(&mut done) {}
        assert_eq!(done.len(), 999, "all but the one that is pending again");
        assert_eq!(drain(&mut queue, quick, Lane::Withdraw, &mut done), [500]);
        assert_eq!(drain(&mut queue, quick, Lane::Announce, &mut done), [1000]);
        assert_eq!(queue.nodes.in_use(), Lane::COUNT as u32);
    }
    /// What the queue promises, in plain lists.
    #[derive(Default)]
    struct Plain {
        /// By lane, in order.
        lanes: [Vec<u32>; Lane::COUNT],
        /// By reader: what it has yet to read.
        unread: BTreeMap<usize, BTreeSet<u32>>,
    }

    impl Plain {
        fn push(&mut self, entry: u32, lane: Lane) {
            self.lanes.iter_mut().for_each(|lane| lane.retain(|other| *other != entry));
            self.lanes[lane as usize].push(entry);
            for unread in self.unread.values_mut() {
                unread.insert(entry);
            }
        }

        fn peek(&self, reader: usize, lane: Lane) -> Option<u32> {
            let unread = &self.unread[&reader];
            self.lanes[lane as usize].iter().copied().find(|entry| unread.contains(entry))
        }

        fn is_pending(&self, entry: u32) -> bool {
            self.unread.values().any(|unread| unread.contains(&entry))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn readers_see_what_plain_lists_say(
            ops in prop::collection::vec((0..10_u8, 0..6_u32, 0..Lane::COUNT), 1..200),
        ) {
            let (mut queue, mut plain) = (Queue::new(), Plain::default());
            let mut done = Vec::new();
            for (op, entry, lane) in ops {
                let reader = plain.unread.keys().nth(entry as usize).copied();
                match (op, reader) {
                    (0, _) if plain.unread.len() < 4 => {
                        plain.unread.insert(queue.join(), BTreeSet::new());
                    }
                    (1, Some(reader)) => {
                        queue.leave(reader, &mut done);
                        plain.unread.remove(&reader);
                    }
                    (2..6, Some(reader)) => {
                        let lane = Lane::ALL[lane];
                        let next = plain.peek(reader, lane);
                        queue.skip(reader, lane, 1, &mut done);
                        let unread = plain.unread.entry(reader).or_default();
                        unread.retain(|entry| Some(*entry) != next);
                    }
                    _ if !plain.unread.is_empty() => {
                        queue.push(entry, Lane::ALL[lane]);
                        plain.push(entry, Lane::ALL[lane]);
                    }
                    _ => {}
                }
                for (reader, unread) in &plain.unread {
                    prop_assert_eq!(queue.has_unread(*reader), !unread.is_empty());
                    let listed: BTreeSet<u32> =
                        Lane::ALL.iter().flat_map(|lane| queue.unread(*reader, *lane)).collect();
                    prop_assert_eq!(&listed, unread);
                    for lane in Lane::ALL {
                        prop_assert_eq!(queue.peek(*reader, lane), plain.peek(*reader, lane));
                    }
                    for entry in 0..6 {
                        prop_assert_eq!(queue.is_unread(*reader, entry), unread.contains(&entry));
                    }
                }
                while queue.trim_some(&mut done) {}
                prop_assert!((0..6).all(|e| queue.contains(e) == plain.is_pending(e)));
            }
        }
    }
}
