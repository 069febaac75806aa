//! A slab in chunks: numbers for values, stable, reused, and never moved to grow.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

const CHUNK_BITS: u32 = 10;
const CHUNK: usize = 1 << CHUNK_BITS;

const fn split(id: u32) -> (usize, usize) {
    ((id >> CHUNK_BITS) as usize, id as usize & (CHUNK - 1))
}

/// Values by number. A released value stays in place until its number is used again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    slots: u32,
    free: Stack,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Slab<T> {
        Slab { chunks: Vec::new(), slots: 0, free: Stack::new() }
    }

    /// Stores a value under the number most recently released, or a new one.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(id) = self.free.pop() {
            self[id] = value;
            return id;
        }
        let id = self.slots;
        let (chunk, _) = split(id);
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[chunk].push(value);
        self.slots += 1;
        id
    }

    /// The number that the next value will be stored under.
    pub(crate) fn next(&self) -> u32 {
        self.free.last().unwrap_or(self.slots)
    }

    /// Gives a number back, which must be in use.
    pub(crate) fn release(&mut self, id: u32) {
        self.free.push(id);
    }

    /// Numbers given out so far, in use or not: all are below this.
    pub(crate) const fn slots(&self) -> u32 {
        self.slots
    }

    /// Numbers in use.
    pub(crate) const fn in_use(&self) -> u32 {
        self.slots - self.free.len()
    }

    /// Octets held.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<T>() + self.free.bytes()
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, id: u32) -> &T {
        let (chunk, slot) = split(id);
        &self.chunks[chunk][slot]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, id: u32) -> &mut T {
        let (chunk, slot) = split(id);
        &mut self.chunks[chunk][slot]
    }
}

/// A stack in chunks, so that a long one is never copied to grow.
#[derive(Debug)]
struct Stack {
    top: Vec<u32>,
    /// The chunks below it.
    full: Vec<Vec<u32>>,
    /// An empty one, so that a stack around a border does not allocate each time.
    spare: Vec<u32>,
}

impl Stack {
    const fn new() -> Stack {
        Stack { top: Vec::new(), full: Vec::new(), spare: Vec::new() }
    }

    const fn len(&self) -> u32 {
        (self.full.len() * CHUNK + self.top.len()) as u32
    }

    #[inline]
    fn push(&mut self, id: u32) {
        if self.top.len() == CHUNK {
            let empty = core::mem::take(&mut self.spare);
            self.full.push(core::mem::replace(&mut self.top, empty));
        }
        self.top.push(id);
    }

    fn last(&self) -> Option<u32> {
        self.top.last().or_else(|| self.full.last()?.last()).copied()
    }

    #[inline]
    fn pop(&mut self) -> Option<u32> {
        self.top.pop().or_else(|| {
            let below = self.full.pop()?;
            self.spare = core::mem::replace(&mut self.top, below);
            self.top.pop()
        })
    }

    /// Octets held.
    fn bytes(&self) -> usize {
        let open = self.top.capacity() + self.spare.capacity();
        (self.full.len() * CHUNK + open) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_reused_before_new_ones_are_made() {
        let mut slab = Slab::new();
        let ids: Vec<u32> = (0..5000_u32).map(|n| slab.insert(n)).collect();
        assert_eq!(ids, (0..5000).collect::<Vec<u32>>());
        for id in (0..5000).step_by(2) {
            slab.release(id);
        }
        assert_eq!((slab.in_use(), slab.slots()), (2500, 5000));
        for n in 0..2500 {
            let next = slab.next();
            assert!(next < 5000 && slab.insert(10_000 + n) == next);
        }
        assert_eq!((slab.in_use(), slab.slots()), (5000, 5000));
        assert!((0..5000).step_by(2).all(|id| slab[id] >= 10_000 && slab[id + 1] == id + 1));
    }
}
