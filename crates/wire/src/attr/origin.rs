//! ORIGIN (RFC 4271 section 5.1.1).

use core::fmt;

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{Attrs, Draft, Row, code};
use crate::{EncodeContext, FaultReason};

pub(super) const ROW: Row = Row::well_known(code::ORIGIN, "ORIGIN", decode, encode);

/// Where the route came from in the first place. The smaller, the more preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// From inside the originating AS.
    #[default]
    Igp,
    /// From the Exterior Gateway Protocol of old.
    Egp,
    /// From anywhere else.
    Incomplete,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Origin::Igp => "igp",
            Origin::Egp => "egp",
            Origin::Incomplete => "incomplete",
        })
    }
}

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    draft.attrs.origin = match value {
        [0] => Origin::Igp,
        [1] => Origin::Egp,
        [2] => Origin::Incomplete,
        [_] => return Err(FaultReason::Value),
        _ => return Err(FaultReason::Length),
    };
    Ok(())
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    put_header(out, ROW.flags, ROW.code, 1);
    out.put_u8(match attrs.origin {
        Origin::Igp => 0,
        Origin::Egp => 1,
        Origin::Incomplete => 2,
    });
}
