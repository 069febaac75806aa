//! LOCAL_PREF (RFC 4271 section 5.1.5).

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{Attrs, Draft, Row, code};
use crate::parse::whole_u32;
use crate::{EncodeContext, FaultReason};

pub(super) const ROW: Row =
    Row::well_known(code::LOCAL_PREF, "LOCAL_PREF", decode, encode).internal_only();

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    draft.attrs.local_pref = Some(whole_u32(value).ok_or(FaultReason::Length)?);
    Ok(())
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if let Some(local_pref) = attrs.local_pref {
        put_header(out, ROW.flags, ROW.code, 4);
        out.put_u32(local_pref);
    }
}
