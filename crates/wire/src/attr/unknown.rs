//! Attributes that this crate cannot read, kept as they came (RFC 4271 section 5).

use alloc::boxed::Box;

use bytes::{BufMut, BytesMut};

use super::AttrFlags;
use super::raw::put_header;

/// An optional attribute that we do not know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownAttr {
    /// Its flags as received, less Extended Length, which follows from the value.
    pub flags: AttrFlags,
    /// Attribute type code.
    pub code: u8,
    /// The value.
    pub value: Box<[u8]>,
}

impl UnknownAttr {
    pub(super) fn put(&self, out: &mut BytesMut) {
        put_header(out, self.flags, self.code, self.value.len());
        out.put_slice(&self.value);
    }
}
