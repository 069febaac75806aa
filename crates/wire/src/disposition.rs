//! What becomes of a faulty UPDATE (RFC 7606), and what is wrong with an operator's text.

use alloc::vec::Vec;
use core::fmt;

use crate::attr::{RawAttrs, code};
use crate::{Notification, update_error};

/// What becomes of an UPDATE or of one attribute in it, mildest first (RFC 7606 section 2).
///
/// Several faults in one UPDATE combine with `max` (section 3 item h). This crate settles every
/// fault as one of the first three or as a session reset, which it returns as a
/// [`crate::Notification`]; disabling one family has its place in the order for those who
/// would rather lose a family than the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Nothing is wrong.
    #[default]
    Accept,
    /// The attribute is dropped, the routes stay.
    AttributeDiscard,
    /// Every route in the UPDATE is handled as withdrawn.
    TreatAsWithdraw,
    /// All routes of the family are dropped, and the family is ignored from now on.
    AfiSafiDisable,
    /// A NOTIFICATION ends the session.
    SessionReset,
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Disposition::Accept => "accept",
            Disposition::AttributeDiscard => "attribute discard",
            Disposition::TreatAsWithdraw => "treat-as-withdraw",
            Disposition::AfiSafiDisable => "AFI/SAFI disable",
            Disposition::SessionReset => "session reset",
        })
    }
}

/// One fault in an UPDATE: where, what, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Type code of the attribute; 0 where the attribute list itself is broken.
    pub code: u8,
    /// What becomes of the attribute or the UPDATE.
    pub disposition: Disposition,
    /// First octet of the attribute, counted in the bytes examined.
    pub offset: usize,
    /// Octets of the attribute with its header; 0 for one that is missing.
    pub len: usize,
    /// What is wrong.
    pub reason: FaultReason,
}

impl Fault {
    /// The NOTIFICATION that RFC 4271 section 6.3 has for the fault, for where a session reset is
    /// called for after all.
    pub(crate) fn notification(&self, attributes: RawAttrs<'_>) -> Notification {
        let subcode = match (self.reason, self.code) {
            (FaultReason::Truncated | FaultReason::Duplicate, _) => {
                return Notification::update(update_error::MALFORMED_ATTRIBUTE_LIST, &[]);
            }
            (FaultReason::Segment | FaultReason::AsZero, code::AS_PATH) => {
                return Notification::update(update_error::MALFORMED_AS_PATH, &[]);
            }
            (FaultReason::Missing, code) => {
                return Notification::update(update_error::MISSING_WELL_KNOWN, &[code]);
            }
            (FaultReason::UnknownWellKnown, _) => update_error::UNRECOGNIZED_WELL_KNOWN,
            (FaultReason::Flags, _) => update_error::ATTRIBUTE_FLAGS,
            (FaultReason::Length, _) => update_error::ATTRIBUTE_LENGTH,
            (FaultReason::Value, code::ORIGIN) => update_error::INVALID_ORIGIN,
            _ => update_error::OPTIONAL_ATTRIBUTE,
        };
        let mut gathered = Vec::new();
        let all = attributes.contiguous(&mut gathered);
        let attribute = all.get(self.offset..self.offset + self.len).unwrap_or_default();
        Notification::update(subcode, attribute)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match crate::attr::name(self.code) {
            Some(name) => f.write_str(name)?,
            None if self.code == 0 => f.write_str("path attributes")?,
            None => write!(f, "attribute {}", self.code)?,
        }
        write!(f, ": {} ({})", self.reason, self.disposition)
    }
}

/// What is wrong with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultReason {
    /// The attributes end in the middle of one (RFC 7606 section 4).
    Truncated,
    /// The Optional or Transitive bit is not as specified (RFC 7606 section 3 item c).
    Flags,
    /// The value has an impossible length.
    Length,
    /// The value has the right length, but no meaning.
    Value,
    /// An AS_PATH segment has no members, an unknown type, or ends early (RFC 7606 section 7.2).
    Segment,
    /// The AS number 0, which is nobody's (RFC 7607).
    AsZero,
    /// The attribute was there before; the first one counts (RFC 7606 section 3 item g).
    Duplicate,
    /// A mandatory attribute is absent (RFC 7606 section 3 item d).
    Missing,
    /// The attribute is for internal peers, this one is external.
    NotFromExternal,
    /// AS4_PATH or AS4_AGGREGATOR from a peer with four-octet AS numbers (RFC 6793 section 6).
    FourOctetSession,
    /// An attribute that we do not know claims to be well-known.
    UnknownWellKnown,
    /// Routes of a family that was not negotiated.
    Family,
}

impl fmt::Display for FaultReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FaultReason::Truncated => "end in the middle of one",
            FaultReason::Flags => "wrong attribute flags",
            FaultReason::Length => "wrong length",
            FaultReason::Value => "invalid value",
            FaultReason::Segment => "malformed AS path segment",
            FaultReason::AsZero => "AS number 0",
            FaultReason::Duplicate => "present more than once",
            FaultReason::Missing => "mandatory, but missing",
            FaultReason::NotFromExternal => "not expected from an external peer",
            FaultReason::FourOctetSession => "not expected where AS numbers have four octets",
            FaultReason::UnknownWellKnown => "unknown, but not optional",
            FaultReason::Family => "family not negotiated",
        })
    }
}

/// Octets of a peer for people: `: c0 08 01 00`, the first 64 of them, or nothing if there are none.
#[derive(Clone, Copy, Debug)]
pub struct Octets<'a>(pub &'a [u8]);

impl fmt::Display for Octets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        for (i, octet) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{octet:02x}", if i == 0 { ": " } else { " " })?;
        }
        match self.0.len() {
            0..=SHOWN => Ok(()),
            len => write!(f, " and {} octets more", len - SHOWN),
        }
    }
}

/// An operator's text that cannot be read: which part, and what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Invalid {
    /// What was to be read, as a configuration would name it.
    pub field: &'static str,
    /// Why it was refused.
    pub reason: &'static str,
}

impl Invalid {
    pub(crate) const fn new(field: &'static str, reason: &'static str) -> Invalid {
        Invalid { field, reason }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

impl core::error::Error for Invalid {}
