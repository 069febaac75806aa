//! MULTI_EXIT_DISC (RFC 4271 section 5.1.4).

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{AttrFlags, Attrs, Draft, Row, code};
use crate::parse::whole_u32;
use crate::{EncodeContext, FaultReason};

pub(super) const ROW: Row =
    Row::well_known(code::MED, "MULTI_EXIT_DISC", decode, encode).flags(AttrFlags::OPTIONAL);

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    draft.attrs.med = Some(whole_u32(value).ok_or(FaultReason::Length)?);
    Ok(())
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if let Some(med) = attrs.med {
        put_header(out, ROW.flags, ROW.code, 4);
        out.put_u32(med);
    }
}
