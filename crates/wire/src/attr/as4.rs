//! AS4_PATH and AS4_AGGREGATOR: four-octet AS numbers through those who have two (RFC 6793).

use bytes::BytesMut;

use super::raw::put_header;
use super::{Aggregator, AsPath, Attrs, Draft, OPTIONAL_TRANSITIVE, Row, code};
use crate::{Asn, EncodeContext, FaultReason};

pub(super) const PATH_ROW: Row =
    Row::well_known(code::AS4_PATH, "AS4_PATH", decode_path, encode_path)
        .flags(OPTIONAL_TRANSITIVE)
        .discard_malformed()
        .two_octet_only();

pub(super) const AGGREGATOR_ROW: Row =
    Row::well_known(code::AS4_AGGREGATOR, "AS4_AGGREGATOR", decode_aggregator, encode_aggregator)
        .flags(OPTIONAL_TRANSITIVE)
        .discard_malformed()
        .two_octet_only();

fn decode_path(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    let mut path = AsPath::decode(value, true)?;
    if path.is_empty() {
        return Err(FaultReason::Length);
    }
    path.remove_confederation();
    draft.as4_path = Some(path);
    Ok(())
}

fn decode_aggregator(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    draft.as4_aggregator = Some(Aggregator::from_wide(value)?);
    Ok(())
}

/// Puts the four-octet numbers in their places (RFC 6793 section 4.2.3).
///
/// An AGGREGATOR beside AS4_AGGREGATOR that names another AS than AS_TRANS was written by someone
/// with two octets after the AS4 attributes were: both of those are stale then. Nothing is left of
/// them, nor of their Partial bits.
pub(super) fn merge(draft: &mut Draft<'_>) {
    let attrs = &mut draft.attrs;
    attrs.partial.remove(code::AS4_PATH);
    attrs.partial.remove(code::AS4_AGGREGATOR);
    if let (Some(narrow), Some(wide)) = (&mut attrs.aggregator, draft.as4_aggregator) {
        if narrow.asn != Asn::TRANS {
            return;
        }
        *narrow = wide;
    }
    if let Some(wide) = &draft.as4_path {
        attrs.as_path.merge_as4(wide);
    }
}

fn encode_path(attrs: &Attrs, ctx: &EncodeContext, out: &mut BytesMut) {
    if ctx.four_octet_as || attrs.as_path.fits_two_octets() {
        return;
    }
    let mut path = attrs.as_path.clone();
    path.remove_confederation();
    if path.fits_two_octets() {
        return;
    }
    put_header(out, PATH_ROW.flags, PATH_ROW.code, path.encoded_len(true));
    path.encode(true, out);
}

fn encode_aggregator(attrs: &Attrs, ctx: &EncodeContext, out: &mut BytesMut) {
    let wide = attrs.aggregator.filter(|aggregator| aggregator.asn.0 > u32::from(u16::MAX));
    if let (false, Some(aggregator)) = (ctx.four_octet_as, wide) {
        put_header(out, AGGREGATOR_ROW.flags, AGGREGATOR_ROW.code, 8);
        aggregator.put_wide(out);
    }
}
