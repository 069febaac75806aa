//! Decoding a list of attributes, with an outcome for every fault (RFC 7606).

use alloc::vec::Vec;

use super::{
    AsPath, AttrFlags, Attrs, RawAttrs, Row, Tlv, UnknownAttr, as4, is_of_update, name, row, tlv,
};
use crate::{Aggregator, DecodeContext, Disposition, Fault, FaultReason, PeerKind};

/// What a list of attributes says, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The attributes that can be used. Only to be used if the disposition allows.
    pub attrs: Attrs,
    /// The faults, in order of appearance.
    pub faults: Vec<Fault>,
}

impl Checked {
    /// What becomes of the UPDATE: the strongest of its faults (RFC 7606 section 3 item h).
    pub fn disposition(&self) -> Disposition {
        self.faults.iter().map(|fault| fault.disposition).max().unwrap_or_default()
    }
}

/// Attributes while they are being read.
pub(super) struct Draft<'c> {
    pub(super) ctx: &'c DecodeContext,
    pub(super) attrs: Attrs,
    /// What AS4_PATH says, for the end (RFC 6793 section 4.2.3).
    pub(super) as4_path: Option<AsPath>,
    /// What AS4_AGGREGATOR says.
    pub(super) as4_aggregator: Option<Aggregator>,
}

impl RawAttrs<'_> {
    /// Decodes all attributes and settles every fault in them.
    ///
    /// NEXT_HOP is passed over: it belongs to the routes, as does what is missing, and
    /// [`crate::UpdateView`] has seen to both.
    pub fn check(&self, ctx: &DecodeContext) -> Checked {
        let mut checker = Checker {
            draft: Draft { ctx, attrs: Attrs::default(), as4_path: None, as4_aggregator: None },
            faults: Vec::new(),
            seen: [0; 4],
        };
        let mut offset = 0;
        for part in self.parts() {
            checker.part(part, offset);
            offset += part.len();
        }
        let Checker { mut draft, faults, .. } = checker;
        as4::merge(&mut draft);
        draft.attrs.unknown.sort_by_key(|attribute| attribute.code);
        Checked { attrs: draft.attrs, faults }
    }
}

struct Checker<'c> {
    draft: Draft<'c>,
    faults: Vec<Fault>,
    /// One bit for each attribute code.
    seen: [u64; 4],
}

impl Checker<'_> {
    fn part(&mut self, part: &[u8], start: usize) {
        let mut rest = part;
        while !rest.is_empty() {
            let offset = start + part.len() - rest.len();
            let Ok((after, attribute)) = tlv(rest) else {
                self.faults.push(Fault {
                    code: 0,
                    disposition: Disposition::TreatAsWithdraw,
                    offset,
                    len: rest.len(),
                    reason: FaultReason::Truncated,
                });
                return;
            };
            if let Err((disposition, reason)) = self.attribute(attribute) {
                let len = rest.len() - after.len();
                self.faults.push(Fault { code: attribute.code, disposition, offset, len, reason });
            }
            rest = after;
        }
    }

    fn attribute(&mut self, attribute: Tlv<'_>) -> Result<(), (Disposition, FaultReason)> {
        if !self.first_of(attribute.code) {
            return Err((Disposition::AttributeDiscard, FaultReason::Duplicate));
        }
        match row(attribute.code) {
            Some(row) => self.known(row, attribute),
            None if is_of_update(attribute.code) => Ok(()),
            None => self.unknown(attribute),
        }
    }

    fn first_of(&mut self, code: u8) -> bool {
        let Some(word) = self.seen.get_mut(usize::from(code / 64)) else { return false };
        let bit = 1 << (code % 64);
        let first = *word & bit == 0;
        *word |= bit;
        first
    }

    /// The order of checks is that of RFC 7606: who may send it, then flags, then value.
    fn known(&mut self, row: &Row, attribute: Tlv<'_>) -> Result<(), (Disposition, FaultReason)> {
        if row.internal_only && self.draft.ctx.peer == PeerKind::External {
            return Err((Disposition::AttributeDiscard, FaultReason::NotFromExternal));
        }
        if row.two_octet_only && self.draft.ctx.four_octet_as {
            return Err((Disposition::AttributeDiscard, FaultReason::FourOctetSession));
        }
        if attribute.flags.kind() != row.flags {
            return Err((row.wrong_flags, FaultReason::Flags));
        }
        (row.decode)(&mut self.draft, attribute.value).map_err(|reason| (row.malformed, reason))?;
        if attribute.flags.contains(AttrFlags::PARTIAL) && row.flags == super::OPTIONAL_TRANSITIVE {
            self.draft.attrs.partial.insert(row.code);
        }
        Ok(())
    }

    fn unknown(&mut self, attribute: Tlv<'_>) -> Result<(), (Disposition, FaultReason)> {
        if !attribute.flags.contains(AttrFlags::OPTIONAL) {
            return Err(match name(attribute.code) {
                Some(_) => (Disposition::TreatAsWithdraw, FaultReason::Flags),
                None => (Disposition::SessionReset, FaultReason::UnknownWellKnown),
            });
        }
        self.draft.attrs.unknown.push(UnknownAttr {
            flags: attribute.flags.difference(AttrFlags::EXTENDED_LENGTH),
            code: attribute.code,
            value: attribute.value.into(),
        });
        Ok(())
    }
}
