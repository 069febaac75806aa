//! The UPDATE message (RFC 4271 section 4.3) as a checked view of its bytes.

use nom::Parser;
use nom::combinator::map;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};

use crate::attr::{AttrFlags, CodeSet, RawAttrs, Tlv, code, name, tlv};
use crate::parse::{Parsed, sized};
use crate::{
    DecodeContext, Disposition, Family, Fault, FaultReason, NextHop, Nlri, NlriIter, Notification,
    update_error,
};

/// An UPDATE whose structure is sound: every field is where it should be, and every prefix can be
/// read. The attributes are only cut apart; [`RawAttrs::check`] looks into them.
///
/// Faults of the message itself (attributes that end in the middle of one, mandatory ones that are
/// missing, an impossible next hop) are settled here: where RFC 7606 wants treat-as-withdraw,
/// [`UpdateView::withdrawn`] yields every prefix and [`UpdateView::reaches`] nothing.
#[derive(Clone, Copy, Debug)]
pub struct UpdateView<'a> {
    /// Withdrawn routes, MP_UNREACH_NLRI, and what is treated as withdrawn.
    unreaches: [NlriIter<'a>; 4],
    reaches: [Option<Reach<'a>>; 2],
    attrs: RawAttrs<'a>,
    /// The whole attribute list.
    list: &'a [u8],
    fault: Option<Fault>,
    end_of_rib: Option<Family>,
}

/// Prefixes that an UPDATE announces with one next hop.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// The family of the prefixes.
    pub family: Family,
    /// Where to send what follows the routes.
    pub next_hop: NextHop,
    /// The prefixes; never none.
    pub nlri: NlriIter<'a>,
}

impl<'a> UpdateView<'a> {
    /// Checks the structure of the body of an UPDATE, in one pass and without allocation.
    ///
    /// # Errors
    /// The NOTIFICATION to send where RFC 7606 leaves nothing but a session reset: fields that
    /// exceed the message, prefixes that cannot be read, MP_REACH_NLRI or MP_UNREACH_NLRI that
    /// cannot be read to their end or are there twice, unknown attributes that claim to be well-known, and attribute
    /// errors stronger than attribute discard in an UPDATE that announces nothing (section 5.2).
    pub fn parse(body: &'a [u8], ctx: &DecodeContext) -> Result<UpdateView<'a>, Notification> {
        UpdateView::examine(body, ctx).map_err(|reset| reset.notification)
    }

    /// [`UpdateView::parse`] for whoever tells people what is wrong where.
    ///
    /// # Errors
    /// As of `parse`, with the octets that are to blame.
    pub fn examine(body: &'a [u8], ctx: &DecodeContext) -> Result<UpdateView<'a>, Reset> {
        let [withdrawn, attributes, nlri] =
            UpdateView::fields(body).ok_or_else(|| Reset::of_lengths(body))?;
        let list = LENGTH_LEN + withdrawn.len() + LENGTH_LEN;
        let mut scan = Scan::new(ctx);
        scan.attributes(attributes).map_err(|reset| reset.behind(list))?;
        let withdrawn = classic_nlri(withdrawn, ctx).map_err(|reset| reset.behind(LENGTH_LEN))?;
        let nlri =
            classic_nlri(nlri, ctx).map_err(|reset| reset.behind(list + attributes.len()))?;
        if nlri.is_empty() && !scan.announces {
            scan.reset_on_fault(attributes).map_err(|reset| reset.behind(list))?;
        } else {
            scan.require_mandatory(!nlri.is_empty());
        }
        Ok(scan.finish(attributes, withdrawn, nlri))
    }

    /// The three fields of a body as they stand, unread: withdrawn routes, path attributes, NLRI.
    /// `None` where lengths exceed the message.
    pub fn fields(body: &[u8]) -> Option<[&[u8]; 3]> {
        let (nlri, (withdrawn, attributes)) = (sized, sized).parse(body).ok()?;
        Some([withdrawn, attributes, nlri])
    }

    /// The prefixes withdrawn, of all families: by the classic field, by MP_UNREACH_NLRI, or
    /// because [`UpdateView::fault`] says so.
    pub fn withdrawn(&self) -> impl Iterator<Item = Nlri> + Clone + use<'a> {
        self.unreaches.into_iter().flatten()
    }

    /// The prefixes announced, at most once by the classic field and once by MP_REACH_NLRI.
    ///
    /// A prefix that is withdrawn too counts as announced (RFC 4271 section 4.3): handle
    /// [`UpdateView::withdrawn`] first.
    pub fn reaches(&self) -> impl Iterator<Item = Reach<'a>> + Clone + use<'a> {
        self.reaches.into_iter().flatten()
    }

    /// The attributes of what is announced, less MP_REACH_NLRI and MP_UNREACH_NLRI.
    pub fn attrs(&self) -> RawAttrs<'a> {
        self.attrs
    }

    /// The family whose routes have all been sent now (RFC 4724 section 2).
    pub fn end_of_rib(&self) -> Option<Family> {
        self.end_of_rib
    }

    /// The strongest fault of the message itself, already acted upon: for counting and telling.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The octets that a fault of this UPDATE is about: an attribute with its header, or the end
    /// of a list that was cut short. Empty for an attribute that is missing.
    pub fn offending(&self, fault: &Fault) -> &'a [u8] {
        let mut others = usize::from(fault.reason == FaultReason::Duplicate);
        let mut rest = self.list;
        while let Ok((after, attribute)) = tlv(rest) {
            if attribute.code == fault.code && fault.reason != FaultReason::Truncated {
                if others == 0 {
                    return start_of(rest, after);
                }
                others -= 1;
            }
            rest = after;
        }
        if fault.reason == FaultReason::Truncated { rest } else { &[] }
    }
}

/// Octets of the length before withdrawn routes and before attributes.
const LENGTH_LEN: usize = 2;

/// What ends a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reset {
    /// The answer.
    pub notification: Notification,
    /// What is to blame: the first of these octets, counted in the UPDATE's body, and how many.
    pub place: Place,
}

impl Reset {
    /// A length that exceeds the message.
    fn of_lengths(body: &[u8]) -> Reset {
        let second = sized(body).map_or(0, |(rest, _)| body.len() - rest.len());
        let notification = Notification::update(update_error::MALFORMED_ATTRIBUTE_LIST, &[]);
        Reset { notification, place: (second, LENGTH_LEN.min(body.len() - second)) }
    }

    /// The same, so many octets further back.
    fn behind(self, octets: usize) -> Reset {
        let (offset, len) = self.place;
        Reset { place: (octets + offset, len), ..self }
    }
}

/// The classic fields' prefixes; none where IPv4 unicast was not negotiated.
fn classic_nlri<'a>(field: &'a [u8], ctx: &DecodeContext) -> Result<NlriIter<'a>, Reset> {
    let family = Family::IPV4_UNICAST;
    let nlri =
        NlriIter::checked(field, family, ctx.add_path.contains(family)).map_err(|at| Reset {
            notification: Notification::update(update_error::INVALID_NETWORK_FIELD, &[]),
            place: (at, field.len() - at),
        })?;
    let wanted = ctx.families.contains(family);
    Ok(if wanted { nlri } else { NlriIter::empty(family) })
}

/// Offset and length of some octets.
type Place = (usize, usize);

/// What one pass over the attributes finds.
struct Scan<'a, 'c> {
    ctx: &'c DecodeContext,
    seen: CodeSet,
    /// NEXT_HOP, or what is wrong with it and where.
    next_hop: Option<Result<NextHop, (FaultReason, Place)>>,
    reach: Option<Reach<'a>>,
    unreach: Option<NlriIter<'a>>,
    /// MP_REACH_NLRI has prefixes, be it of a family that we skip.
    announces: bool,
    /// The attributes before, between and after MP_REACH_NLRI and MP_UNREACH_NLRI.
    parts: [&'a [u8]; 3],
    fault: Option<Fault>,
}

impl<'a, 'c> Scan<'a, 'c> {
    fn new(ctx: &'c DecodeContext) -> Scan<'a, 'c> {
        Scan {
            ctx,
            seen: CodeSet::default(),
            next_hop: None,
            reach: None,
            unreach: None,
            announces: false,
            parts: [&[]; 3],
            fault: None,
        }
    }

    /// Places in what it returns are counted in `all`.
    fn attributes(&mut self, all: &'a [u8]) -> Result<(), Reset> {
        let mut rest = all;
        let mut part = 0;
        let mut part_start = all;
        while !rest.is_empty() {
            let offset = all.len() - rest.len();
            let Ok((after, attribute)) = tlv(rest) else {
                self.note(0, FaultReason::Truncated, (offset, rest.len()));
                break;
            };
            let bytes = start_of(rest, after);
            let here = |notification| Reset { notification, place: (offset, bytes.len()) };
            if matches!(attribute.code, code::MP_REACH_NLRI | code::MP_UNREACH_NLRI) {
                self.multiprotocol(attribute, bytes, offset).map_err(here)?;
                self.set_part(part, start_of(part_start, rest));
                part += 1;
                part_start = after;
            } else {
                self.attribute(attribute, bytes, offset).map_err(here)?;
            }
            rest = after;
        }
        self.set_part(part, part_start);
        Ok(())
    }

    fn set_part(&mut self, at: usize, bytes: &'a [u8]) {
        if let Some(part) = self.parts.get_mut(at) {
            *part = bytes;
        }
    }

    /// Remembers the strongest fault, and the first of equals.
    fn note(&mut self, code: u8, reason: FaultReason, (offset, len): Place) {
        let disposition = match reason {
            FaultReason::Family => Disposition::AttributeDiscard,
            _ => Disposition::TreatAsWithdraw,
        };
        if self.fault.is_none_or(|fault| fault.disposition < disposition) {
            self.fault = Some(Fault { code, disposition, offset, len, reason });
        }
    }

    fn attribute(
        &mut self,
        attribute: Tlv<'a>,
        bytes: &[u8],
        offset: usize,
    ) -> Result<(), Notification> {
        let Tlv { flags, code, value } = attribute;
        if !flags.contains(AttrFlags::OPTIONAL) && name(code).is_none() {
            return Err(Notification::update(update_error::UNRECOGNIZED_WELL_KNOWN, bytes));
        }
        if code == code::NEXT_HOP && self.next_hop.is_none() {
            let read = NextHop::from_attribute(flags, value);
            self.next_hop = Some(read.map_err(|reason| (reason, (offset, bytes.len()))));
        }
        self.seen.insert(code);
        Ok(())
    }

    /// Reads MP_REACH_NLRI or MP_UNREACH_NLRI. Errors that leave prefixes unread end the session
    /// (RFC 7606 sections 3 item g, 5.3 and 7.11); wrong flags hide none, so they withdraw
    /// (section 3 item c).
    fn multiprotocol(
        &mut self,
        attribute: Tlv<'a>,
        bytes: &[u8],
        offset: usize,
    ) -> Result<(), Notification> {
        let Tlv { flags, code, value } = attribute;
        if self.seen.contains(code) {
            return Err(Notification::update(update_error::MALFORMED_ATTRIBUTE_LIST, &[]));
        }
        self.seen.insert(code);
        let place = (offset, bytes.len());
        let malformed = || Notification::update(update_error::OPTIONAL_ATTRIBUTE, bytes);
        if flags.kind() != AttrFlags::OPTIONAL {
            self.note(code, FaultReason::Flags, place);
        }
        let (rest, family) = family(value).map_err(|_| malformed())?;
        let wanted = self.ctx.families.contains(family);
        if !wanted {
            self.note(code, FaultReason::Family, place);
        }
        if code == code::MP_REACH_NLRI {
            let (nlri, next_hop) = next_hop_field(rest).map_err(|_| malformed())?;
            self.announces = !nlri.is_empty();
            if wanted {
                self.reach(family, next_hop, nlri, place).ok_or_else(malformed)?;
            }
        } else if wanted {
            self.unreach = Some(self.checked(rest, family).ok_or_else(malformed)?);
        }
        Ok(())
    }

    /// Takes the content of MP_REACH_NLRI; `None` if it is malformed.
    fn reach(
        &mut self,
        family: Family,
        next_hop: &[u8],
        nlri: &'a [u8],
        place: Place,
    ) -> Option<()> {
        let extended = self.ctx.extended_next_hop.contains(family);
        let next_hop = NextHop::from_mp(family, extended, next_hop)?;
        let nlri = self.checked(nlri, family)?;
        if !nlri.is_empty() {
            self.reach = Some(Reach { family, next_hop, nlri });
            if !next_hop.is_host() {
                self.note(code::MP_REACH_NLRI, FaultReason::Value, place);
            }
        }
        Some(())
    }

    fn checked(&self, nlri: &'a [u8], family: Family) -> Option<NlriIter<'a>> {
        NlriIter::checked(nlri, family, self.ctx.add_path.contains(family)).ok()
    }

    /// Where nothing is announced, an attribute error stronger than attribute discard may mean that
    /// an announcement was overlooked (RFC 7606 section 5.2). An UPDATE with MP_UNREACH_NLRI alone
    /// is not in doubt, whatever its flags. `all` are the attributes with those two.
    fn reset_on_fault(&self, all: &[u8]) -> Result<(), Reset> {
        let attrs = RawAttrs::from_parts(self.parts);
        if attrs.is_empty() && !self.seen.contains(code::MP_REACH_NLRI) {
            return Ok(());
        }
        let ends = |fault: &Fault| fault.disposition > Disposition::AttributeDiscard;
        let of_one = attrs.check(self.ctx).faults.into_iter().find(ends);
        let Some(fault) = of_one.or(self.fault.filter(ends)) else { return Ok(()) };
        // Those of one attribute are counted without the two that were cut out.
        let whole = RawAttrs::from_bytes(all);
        let same = |other: &Fault| (other.code, other.reason) == (fault.code, fault.reason);
        let placed = match of_one {
            Some(_) => whole.check(self.ctx).faults.into_iter().find(same).unwrap_or(fault),
            None => fault,
        };
        let notification = placed.notification(whole);
        Err(Reset { notification, place: (placed.offset, placed.len) })
    }

    /// An announcement needs ORIGIN and AS_PATH, and NEXT_HOP if it uses the classic field
    /// (RFC 7606 section 3 item d); otherwise NEXT_HOP is ignored (RFC 4760 section 3). LOCAL_PREF
    /// of an internal peer may be missing: then the receiver's default stands in.
    fn require_mandatory(&mut self, classic: bool) {
        for code in [code::ORIGIN, code::AS_PATH] {
            if !self.seen.contains(code) {
                self.note(code, FaultReason::Missing, (0, 0));
            }
        }
        match self.next_hop {
            Some(Err((reason, place))) if classic => self.note(code::NEXT_HOP, reason, place),
            None if classic => self.note(code::NEXT_HOP, FaultReason::Missing, (0, 0)),
            _ => {}
        }
    }

    fn finish(self, list: &'a [u8], withdrawn: NlriIter<'a>, nlri: NlriIter<'a>) -> UpdateView<'a> {
        let none = NlriIter::empty(Family::IPV4_UNICAST);
        let attrs = RawAttrs::from_parts(self.parts);
        let withdraw =
            self.fault.is_some_and(|fault| fault.disposition == Disposition::TreatAsWithdraw);
        let end_of_rib = self.end_of_rib(&withdrawn, &nlri, attrs).filter(|_| !withdraw);
        let unreach = self.unreach.unwrap_or(none);
        let next_hop = self.next_hop.and_then(Result::ok).filter(|_| !nlri.is_empty());
        let classic =
            next_hop.map(|next_hop| Reach { family: Family::IPV4_UNICAST, next_hop, nlri });
        let (unreaches, reaches) = if withdraw {
            let announced = self.reach.map_or(none, |reach| reach.nlri);
            ([withdrawn, unreach, nlri, announced], [None, None])
        } else {
            ([withdrawn, unreach, none, none], [classic, self.reach])
        };
        UpdateView { unreaches, reaches, attrs, list, fault: self.fault, end_of_rib }
    }

    /// An UPDATE with nothing in it, or with nothing but an MP_UNREACH_NLRI without prefixes.
    fn end_of_rib(
        &self,
        withdrawn: &NlriIter<'_>,
        nlri: &NlriIter<'_>,
        attrs: RawAttrs<'_>,
    ) -> Option<Family> {
        let reaches = self.seen.contains(code::MP_REACH_NLRI);
        if !withdrawn.is_empty() || !nlri.is_empty() || !attrs.is_empty() || reaches {
            return None;
        }
        let family = match &self.unreach {
            Some(unreach) if unreach.is_empty() => unreach.family(),
            None if !self.seen.contains(code::MP_UNREACH_NLRI) => Family::IPV4_UNICAST,
            _ => return None,
        };
        self.ctx.families.contains(family).then_some(family)
    }
}

/// What of `bytes` stands before its tail `rest`.
fn start_of<'a>(bytes: &'a [u8], rest: &[u8]) -> &'a [u8] {
    bytes.len().checked_sub(rest.len()).and_then(|len| bytes.get(..len)).unwrap_or_default()
}

fn family(input: &[u8]) -> Parsed<'_, Family> {
    map((be_u16, be_u8), |(afi, safi)| Family { afi, safi }).parse(input)
}

/// The next hop of MP_REACH_NLRI with its length, and the reserved octet.
fn next_hop_field(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (input, next_hop) = length_data(be_u8).parse(input)?;
    let (input, _) = be_u8(input)?;
    Ok((input, next_hop))
}
