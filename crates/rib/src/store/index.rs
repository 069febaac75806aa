//! From a hash to entry numbers: open addressing in 64-bit slots, in 256 subtables.

use alloc::vec::Vec;

const SUBTABLES: usize = 256;
const SMALLEST: usize = 8;

/// Entry numbers by hash. The caller compares the keys.
///
/// A slot holds 32 bits of the hash above the entry number plus one; 0 is empty. Its place is the
/// hash scaled to the table, so tables of any size work, and growing keeps the order.
#[derive(Debug)]
pub(crate) struct Index {
    tables: Vec<Table>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    slots: Vec<u64>,
    used: usize,
}

impl Index {
    pub(crate) fn new() -> Index {
        Index { tables: alloc::vec![Table::default(); SUBTABLES] }
    }

    fn table(hash: u64) -> usize {
        (hash >> 56) as usize
    }

    /// The slot where a search for `hash` begins; 0 if there is none.
    pub(crate) fn first_slot(&self, hash: u64) -> u64 {
        let table = &self.tables[Index::table(hash)];
        table.slots.get(table.home(hash as u32)).copied().unwrap_or(0)
    }

    /// The entry number where a search for `hash` begins, if it is likely the one.
    pub(crate) fn early(&self, hash: u64) -> Option<u32> {
        let slot = self.first_slot(hash);
        if (slot >> 32) as u32 == hash as u32 { (slot as u32).checked_sub(1) } else { None }
    }

    /// The entry with this hash that `is_it` confirms.
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let table = &self.tables[Index::table(hash)];
        if table.slots.is_empty() {
            return None;
        }
        let mut place = table.home(hash as u32);
        loop {
            let slot = table.slots[place];
            let id = (slot as u32).checked_sub(1)?;
            if (slot >> 32) as u32 == hash as u32 && is_it(id) {
                return Some(id);
            }
            place = table.after(place);
        }
    }

    /// Adds an entry that is not there.
    pub(crate) fn insert(&mut self, hash: u64, id: u32) {
        self.find_or_insert(hash, id, |_| false);
    }

    /// The entry with this hash that `is_it` confirms; if there is none, `id` is added.
    pub(crate) fn find_or_insert(
        &mut self,
        hash: u64,
        id: u32,
        mut is_it: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let table = &mut self.tables[Index::table(hash)];
        // A search for what is not there looks at 8 slots on average at this load, and at 32 if 7 in 8
        // were used.
        if (table.used + 1) * 4 > table.slots.len() * 3 {
            table.resize((table.slots.len() * 3 / 2).max(SMALLEST));
        }
        let mut place = table.home(hash as u32);
        while let Some(other) = (table.slots[place] as u32).checked_sub(1) {
            if (table.slots[place] >> 32) as u32 == hash as u32 && is_it(other) {
                return Some(other);
            }
            place = table.after(place);
        }
        table.slots[place] = u64::from(hash as u32) << 32 | u64::from(id + 1);
        table.used += 1;
        None
    }

    /// Removes an entry that is there.
    pub(crate) fn remove(&mut self, hash: u64, id: u32) {
        let table = &mut self.tables[Index::table(hash)];
        let wanted = u64::from(hash as u32) << 32 | u64::from(id + 1);
        if table.slots.is_empty() {
            return;
        }
        let mut place = table.home(hash as u32);
        while table.slots[place] != wanted {
            if table.slots[place] == 0 {
                debug_assert!(false, "entry {id} is not in the index");
                return;
            }
            place = table.after(place);
        }
        table.close_gap(place);
        table.used -= 1;
        if table.slots.len() > 4 * SMALLEST && table.used * 4 < table.slots.len() {
            table.resize(table.slots.len() / 2);
        }
    }

    /// Octets held.
    pub(crate) fn bytes(&self) -> usize {
        let slots: usize = self.tables.iter().map(|t| t.slots.capacity()).sum();
        SUBTABLES * size_of::<Table>() + slots * size_of::<u64>()
    }
}

impl Table {
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.slots.len() as u64) >> 32) as usize
    }

    fn after(&self, place: usize) -> usize {
        if place + 1 == self.slots.len() { 0 } else { place + 1 }
    }

    fn put(&mut self, slot: u64) {
        let mut place = self.home((slot >> 32) as u32);
        while self.slots[place] != 0 {
            place = self.after(place);
        }
        self.slots[place] = slot;
    }

    fn resize(&mut self, len: usize) {
        let old = core::mem::replace(&mut self.slots, alloc::vec![0; len]);
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            self.put(slot);
        }
    }

    /// Empties a slot and moves up what was displaced past it.
    fn close_gap(&mut self, mut gap: usize) {
        let len = self.slots.len();
        let mut place = gap;
        loop {
            place = self.after(place);
            let slot = self.slots[place];
            if slot == 0 {
                break;
            }
            let home = self.home((slot >> 32) as u32);
            // It may move if its search, which starts at home, passes the gap.
            let behind = |from: usize| if place < from { place + len - from } else { place - from };
            if behind(home) >= behind(gap) {
                self.slots[gap] = slot;
                gap = place;
            }
        }
        self.slots[gap] = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes that collide on purpose: few subtables, few distinct 32-bit parts.
    fn hash(id: u32) -> u64 {
        u64::from(id % 3) << 56 | u64::from(id.wrapping_mul(0x9e37_79b9) & 0xfff0_0000)
    }

    #[test]
    fn what_is_inserted_is_found_until_removed() {
        let mut index = Index::new();
        let mut present = alloc::collections::BTreeSet::new();
        let mut state = 1_u32;
        for _ in 0..60_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let id = (state >> 8) % 4000;
            if present.insert(id) {
                assert_eq!(index.find_or_insert(hash(id), id, |other| other == id), None);
                assert_eq!(index.find_or_insert(hash(id), 9999, |other| other == id), Some(id));
            } else {
                present.remove(&id);
                index.remove(hash(id), id);
            }
        }
        for id in 0..4000 {
            let found = index.find(hash(id), |other| other == id);
            assert_eq!(found.is_some(), present.contains(&id), "{id}");
        }
        for id in present {
            index.remove(hash(id), id);
        }
        assert!(index.tables.iter().all(|t| t.used == 0 && t.slots.len() <= 4 * SMALLEST));
    }

    #[test]
    fn growth_keeps_every_entry() {
        let mut index = Index::new();
        for id in 0..10_000 {
            index.insert(hash(id), id);
        }
        assert!((0..10_000).all(|id| index.find(hash(id), |o| o == id) == Some(id)));
    }
}
