//! AGGREGATOR (RFC 4271 section 5.1.7).

use core::fmt;
use core::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{Attrs, Draft, OPTIONAL_TRANSITIVE, Row, code};
use crate::{Asn, EncodeContext, FaultReason};

pub(super) const ROW: Row = Row::well_known(code::AGGREGATOR, "AGGREGATOR", decode, encode)
    .flags(OPTIONAL_TRANSITIVE)
    .discard_malformed();

/// Who aggregated the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aggregator {
    /// Its AS number.
    pub asn: Asn,
    /// Its address, usually its BGP Identifier.
    pub addr: Ipv4Addr,
}

impl fmt::Display for Aggregator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.asn, self.addr)
    }
}

impl Aggregator {
    /// Reads an AS number of four octets and an address.
    pub(super) fn from_wide(value: &[u8]) -> Result<Aggregator, FaultReason> {
        let (asn, addr) = value.split_first_chunk().ok_or(FaultReason::Length)?;
        Aggregator::new(u32::from_be_bytes(*asn), addr)
    }

    fn from_narrow(value: &[u8]) -> Result<Aggregator, FaultReason> {
        let (asn, addr) = value.split_first_chunk().ok_or(FaultReason::Length)?;
        Aggregator::new(u32::from(u16::from_be_bytes(*asn)), addr)
    }

    fn new(asn: u32, addr: &[u8]) -> Result<Aggregator, FaultReason> {
        let addr: [u8; 4] = addr.try_into().map_err(|_| FaultReason::Length)?;
        if asn == 0 {
            return Err(FaultReason::AsZero);
        }
        Ok(Aggregator { asn: Asn(asn), addr: addr.into() })
    }

    pub(super) fn put_wide(&self, out: &mut BytesMut) {
        out.put_u32(self.asn.0);
        out.put_slice(&self.addr.octets());
    }
}

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    let read =
        if draft.ctx.four_octet_as { Aggregator::from_wide } else { Aggregator::from_narrow };
    draft.attrs.aggregator = Some(read(value)?);
    Ok(())
}

fn encode(attrs: &Attrs, ctx: &EncodeContext, out: &mut BytesMut) {
    let Some(aggregator) = attrs.aggregator else { return };
    let flags = attrs.transitive_flags(ROW.code);
    if ctx.four_octet_as {
        put_header(out, flags, ROW.code, 8);
        aggregator.put_wide(out);
    } else {
        put_header(out, flags, ROW.code, 6);
        out.put_u16(aggregator.asn.two_octets());
        out.put_slice(&aggregator.addr.octets());
    }
}
