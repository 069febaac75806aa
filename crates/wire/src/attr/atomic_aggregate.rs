//! ATOMIC_AGGREGATE (RFC 4271 section 5.1.6).

use bytes::BytesMut;

use super::raw::put_header;
use super::{Attrs, Draft, Row, code};
use crate::{EncodeContext, FaultReason};

pub(super) const ROW: Row =
    Row::well_known(code::ATOMIC_AGGREGATE, "ATOMIC_AGGREGATE", decode, encode).discard_malformed();

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    draft.attrs.atomic_aggregate = value.is_empty();
    if value.is_empty() { Ok(()) } else { Err(FaultReason::Length) }
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if attrs.atomic_aggregate {
        put_header(out, ROW.flags, ROW.code, 0);
    }
}
