//! Arrays over entry numbers of which only the pages in use exist.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A set of entry numbers: one bit each, in pages of 512 octets.
#[derive(Debug, Default)]
pub(crate) struct Bits {
    pages: Vec<Option<Box<BitPage>>>,
}

#[derive(Debug)]
struct BitPage {
    words: [u64; 64],
    ones: u16,
}

impl Bits {
    const fn place(id: u32) -> (usize, usize, u64) {
        ((id >> 12) as usize, (id >> 6) as usize & 63, 1 << (id & 63))
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        let (page, word, bit) = Bits::place(id);
        matches!(self.pages.get(page), Some(Some(page)) if page.words[word] & bit != 0)
    }

    /// Adds a number; false if it was there.
    pub(crate) fn insert(&mut self, id: u32) -> bool {
        let (page, word, bit) = Bits::place(id);
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let page =
            self.pages[page].get_or_insert_with(|| Box::new(BitPage { words: [0; 64], ones: 0 }));
        let new = page.words[word] & bit == 0;
        page.words[word] |= bit;
        page.ones += u16::from(new);
        new
    }

    /// Takes a number out; false if it was not there.
    pub(crate) fn remove(&mut self, id: u32) -> bool {
        let (at, word, bit) = Bits::place(id);
        let Some(Some(page)) = self.pages.get_mut(at) else { return false };
        if page.words[word] & bit == 0 {
            return false;
        }
        page.words[word] &= !bit;
        page.ones -= 1;
        if page.ones == 0 {
            self.pages[at] = None;
        }
        true
    }

    /// Octets held.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.len() * size_of::<Option<Box<BitPage>>>()
            + self.pages.iter().flatten().count() * size_of::<BitPage>()
    }
}

/// Numbers for entry numbers, in pages of 4 KiB.
#[derive(Debug, Default)]
pub(crate) struct PagedMap {
    pages: Vec<Option<Box<MapPage>>>,
    spare: Option<Box<MapPage>>,
}

#[derive(Debug)]
struct MapPage {
    /// The number plus one; 0 for none.
    values: [u32; 1024],
    used: u16,
}

impl PagedMap {
    const fn place(id: u32) -> (usize, usize) {
        ((id >> 10) as usize, id as usize & 1023)
    }

    pub(crate) fn get(&self, id: u32) -> Option<u32> {
        let (page, slot) = PagedMap::place(id);
        self.pages.get(page)?.as_ref()?.values[slot].checked_sub(1)
    }

    /// Sets the number for `id`, which is below `u32::MAX`. Returns the one before.
    pub(crate) fn insert(&mut self, id: u32, value: u32) -> Option<u32> {
        let (page, slot) = PagedMap::place(id);
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let spare = &mut self.spare;
        let page = self.pages[page].get_or_insert_with(|| {
            spare.take().unwrap_or_else(|| Box::new(MapPage { values: [0; 1024], used: 0 }))
        });
        let before = core::mem::replace(&mut page.values[slot], value + 1);
        page.used += u16::from(before == 0);
        before.checked_sub(1)
    }

    pub(crate) fn remove(&mut self, id: u32) {
        let (at, slot) = PagedMap::place(id);
        let Some(Some(page)) = self.pages.get_mut(at) else { return };
        if page.values[slot] == 0 {
            return;
        }
        page.values[slot] = 0;
        page.used -= 1;
        if page.used == 0 {
            self.spare = self.pages[at].take();
        }
    }

    /// Octets held.
    pub(crate) fn bytes(&self) -> usize {
        let pages = self.pages.iter().flatten().count() + usize::from(self.spare.is_some());
        self.pages.len() * size_of::<Option<Box<MapPage>>>() + pages * size_of::<MapPage>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_and_go_and_pages_with_them() {
        let mut bits = Bits::default();
        for id in [0, 63, 64, 4095, 4096, 1_000_000] {
            assert!(!bits.contains(id));
            assert!(bits.insert(id) && !bits.insert(id) && bits.contains(id));
        }
        let full = bits.bytes();
        assert!(bits.remove(1_000_000) && !bits.remove(1_000_000) && !bits.contains(1_000_000));
        assert_eq!(bits.bytes(), full - size_of::<BitPage>());
        assert!(bits.contains(4096) && !bits.contains(4097));
    }

    #[test]
    fn a_map_forgets_what_is_removed() {
        let mut map = PagedMap::default();
        assert_eq!(map.insert(5, 0), None);
        assert_eq!(map.insert(5, 7), Some(0));
        assert_eq!(map.insert(70_000, 1), None);
        assert_eq!((map.get(5), map.get(70_000), map.get(6)), (Some(7), Some(1), None));
        map.remove(5);
        map.remove(5);
        map.remove(1_000_000);
        assert_eq!((map.get(5), map.get(70_000)), (None, Some(1)));
    }
}
