//! Network interfaces.

use super::message::{Batch, Body};
use super::{flag, kind};

/// The length of `ifinfomsg`.
const FIXED: usize = 16;

const IFLA_IFNAME: u16 = 3;

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// Administratively up, with a carrier or without the notion of one.
    pub(crate) up: bool,
    /// Has no link layer addresses to resolve, so needs no gateway.
    pub(crate) point_to_point: bool,
}

impl Link {
    pub(crate) fn request_all(batch: &mut Batch) {
        batch.begin(kind::GET_LINK, flag::DUMP, &[0; FIXED]);
    }

    /// Asks for the link of that name.
    pub(crate) fn request(batch: &mut Batch, name: &str) {
        batch.begin(kind::GET_LINK, 0, &[0; FIXED]);
        let mut text = name.as_bytes().to_vec();
        text.push(0);
        batch.attribute(IFLA_IFNAME, &text);
    }

    /// Asks for the link of that number.
    pub(crate) fn request_index(batch: &mut Batch, index: u32) {
        let mut fixed = [0; FIXED];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        batch.begin(kind::GET_LINK, 0, &fixed);
    }

    /// Reads a link; `None` for reports of its role elsewhere, such as in a bridge.
    pub(crate) fn read(body: Body<'_>) -> Option<Self> {
        let fixed = body.fixed::<FIXED>()?;
        if fixed[0] != libc::AF_UNSPEC as u8 {
            return None;
        }
        let index = u32::from_ne_bytes(*fixed[4..].first_chunk()?);
        let flags = u32::from_ne_bytes(*fixed[8..].first_chunk()?);
        let set = |bits: i32| flags & bits as u32 == bits as u32;
        let mut names = body.attributes(FIXED);
        let (_, name) = names.find(|(kind, _)| *kind == IFLA_IFNAME)?;
        Some(Self {
            index,
            name: name.text()?,
            up: set(libc::IFF_UP | libc::IFF_RUNNING),
            point_to_point: set(libc::IFF_POINTOPOINT) || set(libc::IFF_NOARP),
        })
    }
}
