//! Rules that choose a routing table.

use std::net::IpAddr;

use super::message::{Batch, Body};
use super::{OURS, family, flag, kind};

/// The length of `fib_rule_hdr`.
const FIXED: usize = 12;

const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_PROTOCOL: u16 = 21;

/// A rule that sends packets to a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Rule {
    pub(crate) ipv6: bool,
    pub(crate) priority: u32,
    pub(crate) mark: Option<u32>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) table: u32,
}

impl Rule {
    pub(crate) fn request_all(batch: &mut Batch, ipv6: bool) {
        let mut fixed = [0; FIXED];
        fixed[0] = family(ipv6);
        batch.begin(kind::GET_RULE, flag::DUMP, &fixed);
    }

    /// Writes the rule, marked ours, with `message` saying whether to add or remove it.
    pub(crate) fn write(&self, batch: &mut Batch, message: u16, flags: u16) {
        const TO_TABLE: u8 = 1;
        let mut fixed = [0; FIXED];
        fixed[0] = family(self.ipv6);
        fixed[2] = match self.source {
            Some(IpAddr::V4(_)) => 32,
            Some(IpAddr::V6(_)) => 128,
            None => 0,
        };
        fixed[7] = TO_TABLE;
        batch.begin(message, flags, &fixed);
        batch.attribute(FRA_PROTOCOL, &[OURS]);
        batch.number(FRA_PRIORITY, self.priority);
        batch.number(FRA_TABLE, self.table);
        if let Some(mark) = self.mark {
            batch.number(FRA_FWMARK, mark);
        }
        if let Some(source) = self.source {
            batch.address(FRA_SRC, source);
        }
    }

    /// Reads a rule if it is ours.
    pub(crate) fn read_ours(body: Body<'_>) -> Option<Self> {
        let fixed = body.fixed::<FIXED>()?;
        let mut ours = false;
        let mut rule = Self {
            ipv6: i32::from(fixed[0]) == libc::AF_INET6,
            priority: 0,
            mark: None,
            source: None,
            table: u32::from(fixed[4]),
        };
        for (kind, value) in body.attributes(FIXED) {
            match kind {
                FRA_PROTOCOL => ours = value.0 == [OURS],
                FRA_PRIORITY => rule.priority = value.number()?,
                FRA_TABLE => rule.table = value.number()?,
                FRA_FWMARK => rule.mark = value.number(),
                FRA_SRC => rule.source = value.address(),
                _ => {}
            }
        }
        ours.then_some(rule)
    }
}
