//! AIGP (RFC 7311), carried but not looked into.

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{AttrFlags, Attrs, Draft, Row, code};
use crate::{EncodeContext, FaultReason};

pub(super) const ROW: Row = Row::well_known(code::AIGP, "AIGP", decode, encode)
    .flags(AttrFlags::OPTIONAL)
    .discard_malformed()
    .discard_wrong_flags();

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    if value.is_empty() {
        return Err(FaultReason::Length);
    }
    draft.attrs.aigp = Some(value.to_vec());
    Ok(())
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if let Some(value) = &attrs.aigp {
        put_header(out, ROW.flags, ROW.code, value.len());
        out.put_slice(value);
    }
}
