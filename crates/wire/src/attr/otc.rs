//! OTC, Only to Customer (RFC 9234 section 5).

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{Attrs, Draft, OPTIONAL_TRANSITIVE, Row, code};
use crate::parse::whole_u32;
use crate::{Asn, EncodeContext, FaultReason};

pub(super) const ROW: Row =
    Row::well_known(code::OTC, "OTC", decode, encode).flags(OPTIONAL_TRANSITIVE);

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    draft.attrs.otc = Some(Asn(whole_u32(value).ok_or(FaultReason::Length)?));
    Ok(())
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if let Some(asn) = attrs.otc {
        put_header(out, attrs.transitive_flags(ROW.code), ROW.code, 4);
        out.put_u32(asn.0);
    }
}
