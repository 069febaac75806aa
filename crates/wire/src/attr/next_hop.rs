//! NEXT_HOP (RFC 4271 section 5.1.3): checked here, kept beside the attributes.

use bytes::BytesMut;

use super::{Attrs, Draft, Row, code};
use crate::{EncodeContext, FaultReason, NextHop};

pub(super) const ROW: Row = Row::well_known(code::NEXT_HOP, "NEXT_HOP", decode, encode);

fn decode(_: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    NextHop::from_attribute(value).map(|_| ())
}

/// [`crate::encode_announcements`] writes it.
fn encode(_: &Attrs, _: &EncodeContext, _: &mut BytesMut) {}
