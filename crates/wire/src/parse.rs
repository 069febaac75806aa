//! The small vocabulary that all parsers of this crate share.

use bytes::{BufMut, BytesMut};
use nom::IResult;

/// A parser's outcome. The error is empty on purpose: what a failure means to the peer depends on
/// the field, and the caller knows the field.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, ()>;

/// So many octets.
///
/// This and the next stand in for nom's `take` and `be_u8` to `be_u32` where every octet of an
/// UPDATE passes: those are generic over inputs, and cost five times the instructions.
#[inline]
pub(crate) fn take(input: &[u8], len: usize) -> Parsed<'_, &[u8]> {
    match input.split_at_checked(len) {
        Some((taken, rest)) => Ok((rest, taken)),
        None => Err(nom::Err::Error(())),
    }
}

/// So many octets by value, for a number of that size.
#[inline]
pub(crate) fn octets<const N: usize>(input: &[u8]) -> Parsed<'_, [u8; N]> {
    match input.split_first_chunk() {
        Some((taken, rest)) => Ok((rest, *taken)),
        None => Err(nom::Err::Error(())),
    }
}

/// A field preceded by its length in two octets.
#[inline]
pub(crate) fn sized(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (input, len) = octets(input)?;
    take(input, usize::from(u16::from_be_bytes(len)))
}

/// The four octets of a value that must be exactly that long.
pub(crate) fn whole_u32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// Appends what `write` appends, preceded by its length in two octets.
///
/// A longer content than the length can say is for the caller to prevent.
pub(crate) fn put_sized(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u16(0);
    write(out);
    let len = out.len() - at - 2;
    patch_u16(out, at, len);
}

/// Writes a length in two octets over those at `at`; one that does not fit saturates.
pub(crate) fn patch_u16(out: &mut BytesMut, at: usize, len: usize) {
    let len = u16::try_from(len).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&len.to_be_bytes());
    }
}

/// The words of a value that must hold a whole number of them, and not none.
pub(crate) fn words(value: &[u8]) -> Option<impl Iterator<Item = u32>> {
    let (words, rest) = value.as_chunks::<4>();
    (rest.is_empty() && !words.is_empty()).then(|| words.iter().copied().map(u32::from_be_bytes))
}
