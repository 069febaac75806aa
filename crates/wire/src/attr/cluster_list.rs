//! CLUSTER_LIST (RFC 4456 section 8).

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{AttrFlags, Attrs, Draft, Row, code};
use crate::parse::words;
use crate::{BgpId, EncodeContext, FaultReason};

pub(super) const ROW: Row = Row::well_known(code::CLUSTER_LIST, "CLUSTER_LIST", decode, encode)
    .flags(AttrFlags::OPTIONAL)
    .internal_only();

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    draft.attrs.cluster_list = words(value).ok_or(FaultReason::Length)?.map(BgpId).collect();
    Ok(())
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if !attrs.cluster_list.is_empty() {
        put_header(out, ROW.flags, ROW.code, attrs.cluster_list.len() * 4);
        attrs.cluster_list.iter().for_each(|id| out.put_u32(id.0));
    }
}
