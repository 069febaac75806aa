//! AS_PATH (RFC 4271 section 5.1.2).

use alloc::vec::Vec;
use core::fmt;
use core::iter::repeat_n;
use core::str::FromStr;

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{Attrs, Draft, Row, code};
use crate::parse::{Parsed, octets, take, words};
use crate::{Asn, EncodeContext, FaultReason, Invalid, PeerKind};

pub(super) const ROW: Row = Row::well_known(code::AS_PATH, "AS_PATH", decode, encode);

/// The most AS numbers of one segment on the wire.
const SEGMENT_MAX: usize = u8::MAX as usize;

/// The ASes that the route came through, the nearest first.
///
/// Canonical: sequences that follow each other are one, however the peer cut them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPath {
    /// The AS numbers of all segments.
    asns: Vec<Asn>,
    /// Kind and size of each segment. Empty for the most frequent path, a single sequence, so that
    /// it costs one allocation.
    runs: Vec<(SegmentKind, usize)>,
}

/// The kinds of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentKind {
    /// AS_SET: in no order, from aggregation.
    Set,
    /// AS_SEQUENCE: in order.
    Sequence,
    /// AS_CONFED_SEQUENCE (RFC 5065).
    ConfedSequence,
    /// AS_CONFED_SET (RFC 5065).
    ConfedSet,
}

impl SegmentKind {
    const fn from_code(code: u8) -> Option<SegmentKind> {
        Some(match code {
            1 => SegmentKind::Set,
            2 => SegmentKind::Sequence,
            3 => SegmentKind::ConfedSequence,
            4 => SegmentKind::ConfedSet,
            _ => return None,
        })
    }

    const fn code(self) -> u8 {
        match self {
            SegmentKind::Set => 1,
            SegmentKind::Sequence => 2,
            SegmentKind::ConfedSequence => 3,
            SegmentKind::ConfedSet => 4,
        }
    }

    /// Whether the segment is of a confederation, and so counts for nothing outside.
    pub const fn is_confederation(self) -> bool {
        matches!(self, SegmentKind::ConfedSequence | SegmentKind::ConfedSet)
    }

    const fn is_sequence(self) -> bool {
        matches!(self, SegmentKind::Sequence | SegmentKind::ConfedSequence)
    }

    /// The marks around the segment in text.
    const fn brackets(self) -> (&'static str, &'static str) {
        match self {
            SegmentKind::Sequence => ("", ""),
            SegmentKind::Set => ("{", "}"),
            SegmentKind::ConfedSequence => ("(", ")"),
            SegmentKind::ConfedSet => ("[", "]"),
        }
    }
}

/// One segment of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// What the AS numbers mean.
    pub kind: SegmentKind,
    /// The AS numbers; never none.
    pub asns: &'a [Asn],
}

impl Segment<'_> {
    /// What the segment adds to the length of the path (RFC 4271 section 9.1.2.2 item a).
    fn length(&self) -> usize {
        match self.kind {
            SegmentKind::Sequence => self.asns.len(),
            SegmentKind::Set => 1,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        }
    }

    /// The sizes to send it in: the far end in full segments, as prepending one by one would.
    fn sizes(&self) -> impl Iterator<Item = usize> + use<> {
        let (full, odd) = (self.asns.len() / SEGMENT_MAX, self.asns.len() % SEGMENT_MAX);
        (odd > 0).then_some(odd).into_iter().chain(repeat_n(SEGMENT_MAX, full))
    }
}

impl AsPath {
    /// A path of one sequence, nearest AS first.
    pub fn sequence(asns: impl IntoIterator<Item = Asn>) -> AsPath {
        AsPath { asns: asns.into_iter().collect(), runs: Vec::new() }
    }

    /// Adds a segment at the far end; sequences join.
    fn push(&mut self, kind: SegmentKind, asns: impl Iterator<Item = Asn>) {
        let before = self.asns.len();
        self.asns.extend(asns);
        let added = self.asns.len() - before;
        if self.runs.is_empty() && before > 0 && kind != SegmentKind::Sequence {
            self.runs.push((SegmentKind::Sequence, before));
        }
        match self.runs.last_mut() {
            _ if added == 0 => {}
            None if kind == SegmentKind::Sequence => {}
            Some((last, size)) if *last == kind && kind.is_sequence() => *size += added,
            _ => self.runs.push((kind, added)),
        }
    }

    /// The segments, nearest first.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> + Clone {
        let single = self.runs.is_empty() && !self.asns.is_empty();
        let whole = single.then_some(Segment { kind: SegmentKind::Sequence, asns: &self.asns });
        let parts = self.runs.iter().scan(self.asns.as_slice(), |rest, (kind, size)| {
            let (asns, after) = rest.split_at_checked(*size)?;
            *rest = after;
            Some(Segment { kind: *kind, asns })
        });
        whole.into_iter().chain(parts)
    }

    /// The length that the Decision Process compares: a set counts as one, confederation segments
    /// as nothing (RFC 4271 section 9.1.2.2 item a, RFC 5065 section 5.3).
    pub fn len(&self) -> usize {
        self.segments().map(|segment| segment.length()).sum()
    }

    /// Whether the path has no AS number at all: the route originates in our AS.
    pub fn is_empty(&self) -> bool {
        self.asns.is_empty()
    }

    /// The AS numbers of all segments, nearest first.
    pub fn asns(&self) -> &[Asn] {
        &self.asns
    }

    /// Whether an AS number is anywhere in the path: a loop, if it is ours.
    pub fn contains(&self, asn: Asn) -> bool {
        self.asns.contains(&asn)
    }

    /// The AS that the route came from: the leftmost of a leading sequence. `None` if the path is
    /// empty or begins with a set; confederation segments before it do not count.
    pub fn neighbor_as(&self) -> Option<Asn> {
        let first = self.segments().find(|segment| !segment.kind.is_confederation())?;
        (first.kind == SegmentKind::Sequence).then(|| first.asns.first().copied())?
    }

    /// The AS that the route originates in: the rightmost of a final sequence.
    pub fn origin_as(&self) -> Option<Asn> {
        let last = self.segments().last()?;
        (last.kind == SegmentKind::Sequence).then(|| last.asns.last().copied())?
    }

    /// Puts an AS number before the path, `times` times (RFC 4271 section 5.1.2).
    pub fn prepend(&mut self, asn: Asn, times: usize) {
        match self.runs.first_mut() {
            _ if times == 0 => {}
            None => {}
            Some((SegmentKind::Sequence, size)) => *size += times,
            Some(_) => self.runs.insert(0, (SegmentKind::Sequence, times)),
        }
        let mut asns = Vec::with_capacity(times + self.asns.len());
        asns.extend(repeat_n(asn, times));
        asns.append(&mut self.asns);
        self.asns = asns;
    }

    /// Exchanges AS numbers, or takes those out for which `by` has none. A segment that loses all of
    /// its members goes with them.
    pub fn rewrite(&mut self, by: impl Fn(Asn) -> Option<Asn>) {
        let mut path = AsPath::default();
        for segment in self.segments() {
            path.push(segment.kind, segment.asns.iter().copied().filter_map(&by));
        }
        *self = path;
    }

    /// Takes the segments of confederations out.
    pub(super) fn remove_confederation(&mut self) {
        if self.has_confederation() {
            let mut path = AsPath::default();
            self.segments()
                .filter(|segment| !segment.kind.is_confederation())
                .for_each(|segment| path.push(segment.kind, segment.asns.iter().copied()));
            *self = path;
        }
    }

    fn has_confederation(&self) -> bool {
        self.runs.iter().any(|(kind, _)| kind.is_confederation())
    }

    /// Replaces the far end of the path by that of AS4_PATH (RFC 6793 section 4.2.3).
    ///
    /// AS4_PATH covers as many ASes as it counts; what the path has before them stays, with the
    /// confederation segments that lead it or follow it. One that counts more is ignored.
    pub(super) fn merge_as4(&mut self, wide: &AsPath) {
        let Some(mut keep) = self.len().checked_sub(wide.len()) else { return };
        let mut merged = AsPath::default();
        for segment in self.segments() {
            let length = segment.length();
            if keep == 0 && !segment.kind.is_confederation() {
                break;
            }
            if segment.kind == SegmentKind::Sequence && keep < length {
                merged.push(segment.kind, segment.asns.iter().copied().take(keep));
                break;
            }
            merged.push(segment.kind, segment.asns.iter().copied());
            keep -= length;
        }
        for segment in wide.segments() {
            merged.push(segment.kind, segment.asns.iter().copied());
        }
        *self = merged;
    }

    /// Whether all AS numbers fit two octets.
    pub(super) fn fits_two_octets(&self) -> bool {
        self.asns.iter().all(|asn| asn.0 <= u32::from(u16::MAX))
    }

    /// Reads segments whose AS numbers have four octets or two (RFC 7606 section 7.2).
    pub(super) fn decode(value: &[u8], four_octet_as: bool) -> Result<AsPath, FaultReason> {
        let mut path = AsPath::default();
        let mut rest = value;
        while !rest.is_empty() {
            let (after, (kind, members)) =
                segment(rest, four_octet_as).map_err(|_| FaultReason::Segment)?;
            let kind = SegmentKind::from_code(kind).ok_or(FaultReason::Segment)?;
            path.push_members(kind, members, four_octet_as).ok_or(FaultReason::Segment)?;
            rest = after;
        }
        if path.contains(Asn(0)) { Err(FaultReason::AsZero) } else { Ok(path) }
    }

    /// Adds a segment as it was sent; `None` if it has no members.
    fn push_members(&mut self, kind: SegmentKind, members: &[u8], wide: bool) -> Option<()> {
        if wide {
            self.push(kind, words(members)?.map(Asn));
        } else {
            let (pairs, _) = members.as_chunks::<2>();
            let asns = pairs.iter().map(|pair| Asn(u32::from(u16::from_be_bytes(*pair))));
            self.push(kind, asns);
        }
        (!members.is_empty()).then_some(())
    }

    /// Octets of the encoded path.
    pub(super) fn encoded_len(&self, four_octet_as: bool) -> usize {
        let octets = if four_octet_as { 4 } else { 2 };
        let len = |segment: Segment<'_>| segment.sizes().count() * 2 + segment.asns.len() * octets;
        self.segments().map(len).sum()
    }

    /// Appends the segments with AS numbers of four octets, or of two with AS_TRANS for those
    /// that do not fit.
    pub(super) fn encode(&self, four_octet_as: bool, out: &mut BytesMut) {
        for segment in self.segments() {
            let mut asns = segment.asns.iter();
            for size in segment.sizes() {
                out.put_u8(segment.kind.code());
                out.put_u8(u8::try_from(size).unwrap_or(u8::MAX));
                for asn in asns.by_ref().take(size) {
                    if four_octet_as {
                        out.put_u32(asn.0);
                    } else {
                        out.put_u16(asn.two_octets());
                    }
                }
            }
        }
    }
}

fn segment(input: &[u8], four_octet_as: bool) -> Parsed<'_, (u8, &[u8])> {
    let (input, [kind, count]) = octets(input)?;
    let size = if four_octet_as { 4 } else { 2 };
    let (input, members) = take(input, usize::from(count) * size)?;
    Ok((input, (kind, members)))
}

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    let path = AsPath::decode(value, draft.ctx.four_octet_as)?;
    if path.has_confederation() && draft.ctx.peer == PeerKind::External {
        return Err(FaultReason::Segment);
    }
    draft.attrs.as_path = path;
    Ok(())
}

fn encode(attrs: &Attrs, ctx: &EncodeContext, out: &mut BytesMut) {
    put_header(out, ROW.flags, ROW.code, attrs.as_path.encoded_len(ctx.four_octet_as));
    attrs.as_path.encode(ctx.four_octet_as, out);
}

impl fmt::Display for AsPath {
    /// `65001 65002 {65003 65004}`; confederation sequences in `()`, sets in `[]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for segment in self.segments() {
            let (open, close) = segment.kind.brackets();
            write!(f, "{gap}{open}")?;
            for (i, asn) in segment.asns.iter().enumerate() {
                write!(f, "{}{asn}", if i == 0 { "" } else { " " })?;
            }
            f.write_str(close)?;
            gap = " ";
        }
        Ok(())
    }
}

impl FromStr for AsPath {
    type Err = Invalid;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<AsPath, Invalid> {
        let invalid = Invalid::new("as_path", "not AS numbers as in 65001 65002 {65003 65004}");
        let mut path = AsPath::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (kind, members, after) = text_segment(rest).ok_or(invalid)?;
            let asns: Vec<Asn> =
                members.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            if asns.is_empty() || asns.contains(&Asn(0)) {
                return Err(invalid);
            }
            if !kind.is_sequence() && asns.len() > SEGMENT_MAX {
                return Err(Invalid::new("as_path", "more than 255 AS numbers in a set"));
            }
            path.push(kind, asns.into_iter());
            rest = after.trim_start();
        }
        Ok(path)
    }
}

/// Kind, members and rest of the first segment of a text.
fn text_segment(text: &str) -> Option<(SegmentKind, &str, &str)> {
    let bracketed = [SegmentKind::Set, SegmentKind::ConfedSequence, SegmentKind::ConfedSet];
    for kind in bracketed {
        let (open, close) = kind.brackets();
        if let Some(inside) = text.strip_prefix(open) {
            let (members, after) = inside.split_once(close)?;
            return Some((kind, members, after));
        }
    }
    let end = text.find(['{', '(', '[']).unwrap_or(text.len());
    let (members, after) = text.split_at_checked(end)?;
    Some((SegmentKind::Sequence, members, after))
}
