//! The ROUTE-REFRESH message (RFC 2918, RFC 7313).

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::{be_u8, be_u16};

use crate::frame::put_message;
use crate::parse::Parsed;
use crate::{Family, Kind, Notification};

/// Asks for all routes of a family again, or marks where such a round begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteRefresh {
    /// The family.
    pub family: Family,
    /// What is said about it.
    pub subtype: RefreshSubtype,
}

/// The message subtype (RFC 7313 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefreshSubtype {
    /// Send the routes again.
    Request,
    /// The routes begin to be sent again (BoRR).
    Begin,
    /// All routes have been sent again (EoRR).
    End,
    /// Any other, which the receiver ignores.
    Unknown(u8),
}

impl RefreshSubtype {
    const fn from_code(code: u8) -> RefreshSubtype {
        match code {
            0 => RefreshSubtype::Request,
            1 => RefreshSubtype::Begin,
            2 => RefreshSubtype::End,
            code => RefreshSubtype::Unknown(code),
        }
    }

    const fn code(self) -> u8 {
        match self {
            RefreshSubtype::Request => 0,
            RefreshSubtype::Begin => 1,
            RefreshSubtype::End => 2,
            RefreshSubtype::Unknown(code) => code,
        }
    }
}

impl RouteRefresh {
    /// Reads the body of a ROUTE-REFRESH.
    ///
    /// What follows the four octets of a plain request (outbound route filters, RFC 5291, which we
    /// never negotiate) is ignored.
    ///
    /// # Errors
    /// ROUTE-REFRESH Message Error with the whole message as data, if the body is shorter than
    /// four octets, or longer where it marks a begin or end (RFC 7313 section 5).
    pub fn decode(body: &[u8]) -> Result<RouteRefresh, Notification> {
        let invalid = || {
            let mut message = BytesMut::new();
            put_message(&mut message, Kind::RouteRefresh, |out| out.put_slice(body));
            Notification::invalid_refresh_length(&message)
        };
        let (rest, (afi, subtype, safi)) = fields(body).map_err(|_| invalid())?;
        let subtype = RefreshSubtype::from_code(subtype);
        if matches!(subtype, RefreshSubtype::Begin | RefreshSubtype::End) && !rest.is_empty() {
            return Err(invalid());
        }
        Ok(RouteRefresh { family: Family { afi, safi }, subtype })
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut BytesMut) {
        put_message(out, Kind::RouteRefresh, |out| {
            out.put_u16(self.family.afi);
            out.put_u8(self.subtype.code());
            out.put_u8(self.family.safi);
        });
    }
}

fn fields(input: &[u8]) -> Parsed<'_, (u16, u8, u8)> {
    (be_u16, be_u8, be_u8).parse(input)
}
