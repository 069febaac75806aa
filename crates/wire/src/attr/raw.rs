//! Attributes as bytes: cutting them apart, and comparing them without decoding.

use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};

use super::AttrFlags;
use crate::parse::{Parsed, octets, take};

/// One attribute, not yet looked into.
#[derive(Clone, Copy)]
pub(crate) struct Tlv<'a> {
    pub(crate) flags: AttrFlags,
    pub(crate) code: u8,
    pub(crate) value: &'a [u8],
}

/// Cuts off one attribute.
#[inline]
pub(crate) fn tlv(input: &[u8]) -> Parsed<'_, Tlv<'_>> {
    let (input, [flags, code]) = octets(input)?;
    let flags = AttrFlags::from_bits_truncate(flags);
    let (input, len) = if flags.contains(AttrFlags::EXTENDED_LENGTH) {
        octets(input)?
    } else {
        let (input, [len]) = octets(input)?;
        (input, [0, len])
    };
    let (input, value) = take(input, usize::from(u16::from_be_bytes(len)))?;
    Ok((input, Tlv { flags, code, value }))
}

/// Appends the header of an attribute; a length of two octets is used only where one is not enough.
///
/// A value longer than 65535 octets cannot be sent: its message is refused as too big.
pub(super) fn put_header(out: &mut BytesMut, flags: AttrFlags, code: u8, len: usize) {
    let flags = flags.difference(AttrFlags::EXTENDED_LENGTH);
    match u8::try_from(len) {
        Ok(len) => out.put_slice(&[flags.bits(), code, len]),
        Err(_) => {
            out.put_slice(&[flags.union(AttrFlags::EXTENDED_LENGTH).bits(), code]);
            out.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
        }
    }
}

/// Splits encoded attributes before the first with that code or a higher one.
pub(crate) fn split_before(attributes: &[u8], code: u8) -> (&[u8], &[u8]) {
    let mut rest = attributes;
    while let Ok((after, attribute)) = tlv(rest) {
        if attribute.code >= code {
            break;
        }
        rest = after;
    }
    attributes.split_at_checked(attributes.len() - rest.len()).unwrap_or((attributes, &[]))
}

/// One attribute of a list, cut out and not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawAttr<'a> {
    /// Its first octet, counted in the list.
    pub offset: usize,
    /// Octets with its header.
    pub len: usize,
    /// Its flags as they stand.
    pub flags: AttrFlags,
    /// Attribute type code.
    pub code: u8,
    /// The value.
    pub value: &'a [u8],
}

/// Cuts a list of attributes apart; ends before one that the list does not hold to its end.
pub fn each(list: &[u8]) -> impl Iterator<Item = RawAttr<'_>> + Clone {
    let mut rest = list;
    core::iter::from_fn(move || {
        let (after, Tlv { flags, code, value }) = tlv(rest).ok()?;
        let (offset, len) = (list.len() - rest.len(), rest.len() - after.len());
        rest = after;
        Some(RawAttr { offset, len, flags, code, value })
    })
}

/// The attributes of an UPDATE less MP_REACH_NLRI and MP_UNREACH_NLRI, as bytes.
///
/// Two equal byte strings under one [`crate::DecodeContext`] have one outcome, so that can be
/// remembered by [`RawAttrs::contiguous`] instead of being worked out again.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawAttrs<'a> {
    parts: [&'a [u8]; 3],
}

impl<'a> RawAttrs<'a> {
    /// Attributes that someone kept as bytes, in one piece.
    pub const fn from_bytes(attributes: &'a [u8]) -> RawAttrs<'a> {
        RawAttrs { parts: [attributes, &[], &[]] }
    }

    pub(crate) const fn from_parts(parts: [&'a [u8]; 3]) -> RawAttrs<'a> {
        RawAttrs { parts }
    }

    /// The bytes in order, in up to three pieces. Each piece is a whole number of attributes,
    /// except that the last may end in a broken one.
    pub fn parts(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        self.parts.into_iter().filter(|part| !part.is_empty())
    }

    /// Octets in all pieces.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether there is no attribute.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in one piece: borrowed if they are, otherwise gathered in `scratch`.
    ///
    /// They are in one piece unless MP_REACH_NLRI or MP_UNREACH_NLRI stands between others.
    pub fn contiguous<'s>(&self, scratch: &'s mut Vec<u8>) -> &'s [u8]
    where
        'a: 's,
    {
        let mut parts = self.parts();
        let first = parts.next().unwrap_or_default();
        if parts.next().is_none() {
            return first;
        }
        scratch.clear();
        self.parts().for_each(|part| scratch.extend_from_slice(part));
        scratch
    }
}

impl PartialEq<[u8]> for RawAttrs<'_> {
    fn eq(&self, mut other: &[u8]) -> bool {
        self.len() == other.len()
            && self.parts().all(|part| match other.split_at_checked(part.len()) {
                Some((start, rest)) => {
                    other = rest;
                    start == part
                }
                None => false,
            })
    }
}
