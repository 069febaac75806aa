//! A set kept as a sorted list: the canonical form of communities.

use alloc::vec::Vec;
use core::ops::Deref;

/// A set kept as a sorted list without duplicates, so that equal sets are equal bytes.
///
/// Reads like a slice. The order in which a peer listed communities means nothing (RFC 1997,
/// RFC 8092 section 5), so it is not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortedSet<T>(Vec<T>);

impl<T> Default for SortedSet<T> {
    fn default() -> SortedSet<T> {
        SortedSet(Vec::new())
    }
}

impl<T: Ord> SortedSet<T> {
    /// Whether the set holds the item.
    pub fn contains(&self, item: &T) -> bool {
        self.0.binary_search(item).is_ok()
    }

    /// Adds an item; `false` if it was there.
    pub fn insert(&mut self, item: T) -> bool {
        let at = self.0.binary_search(&item);
        if let Err(at) = at {
            self.0.insert(at, item);
        }
        at.is_err()
    }

    /// Takes an item out; `false` if it was not there.
    pub fn remove(&mut self, item: &T) -> bool {
        let at = self.0.binary_search(item);
        if let Ok(at) = at {
            self.0.remove(at);
        }
        at.is_ok()
    }

    /// Keeps the items that satisfy the condition.
    pub fn retain(&mut self, condition: impl FnMut(&T) -> bool) {
        self.0.retain(condition);
    }

    /// Takes all items out.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T> Deref for SortedSet<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> SortedSet<T> {
        let mut all: Vec<T> = items.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        SortedSet(all)
    }
}

impl<T: Ord> Extend<T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        self.0.extend(items);
        self.0.sort_unstable();
        self.0.dedup();
    }
}

impl<'a, T> IntoIterator for &'a SortedSet<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> core::slice::Iter<'a, T> {
        self.0.iter()
    }
}
