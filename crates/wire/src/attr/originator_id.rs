//! ORIGINATOR_ID (RFC 4456 section 8).

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{AttrFlags, Attrs, Draft, Row, code};
use crate::parse::whole_u32;
use crate::{BgpId, EncodeContext, FaultReason};

pub(super) const ROW: Row = Row::well_known(code::ORIGINATOR_ID, "ORIGINATOR_ID", decode, encode)
    .flags(AttrFlags::OPTIONAL)
    .internal_only();

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    draft.attrs.originator_id = Some(BgpId(whole_u32(value).ok_or(FaultReason::Length)?));
    Ok(())
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if let Some(id) = attrs.originator_id {
        put_header(out, ROW.flags, ROW.code, 4);
        out.put_u32(id.0);
    }
}
