//! Attribute flags, and sets of attribute codes.

bitflags::bitflags! {
    /// The attribute flags octet (RFC 4271 section 4.3); the four unused bits are ignored.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct AttrFlags: u8 {
        /// Not well-known.
        const OPTIONAL = 0x80;
        /// Passed on by those who do not know it.
        const TRANSITIVE = 0x40;
        /// Someone on the way did not know it.
        const PARTIAL = 0x20;
        /// The length has two octets.
        const EXTENDED_LENGTH = 0x10;
    }
}

impl AttrFlags {
    /// The two bits that each attribute has its own values of: Optional and Transitive.
    pub(crate) const fn kind(self) -> AttrFlags {
        self.intersection(AttrFlags::OPTIONAL.union(AttrFlags::TRANSITIVE))
    }
}

/// A set of attribute codes below 64; all attributes that this crate reads are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeSet(u64);

impl CodeSet {
    const fn bit(code: u8) -> u64 {
        if code < 64 { 1 << code } else { 0 }
    }

    /// Whether the code is in the set; never true of 64 and above.
    pub const fn contains(self, code: u8) -> bool {
        self.0 & CodeSet::bit(code) != 0
    }

    /// Adds a code; 64 and above are left out.
    pub const fn insert(&mut self, code: u8) {
        self.0 |= CodeSet::bit(code);
    }

    /// Takes a code out.
    pub const fn remove(&mut self, code: u8) {
        self.0 &= !CodeSet::bit(code);
    }
}
