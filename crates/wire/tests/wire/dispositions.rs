//! Each attribute and each way it can be wrong, from an external and from an internal peer: what
//! becomes of the UPDATE, as the RFCs decide it.
//!
//! The rows stand on RFC 7606 where they name a bare section. Attributes that this crate does not
//! know are unrecognized optional ones, whatever their own RFC asks of those who do: passed on or
//! dropped by their flags (RFC 4271 section 9), and never looked into.

use pathvane_wire::{
    DecodeContext, Disposition, FaultReason, Notification, RawAttrs, UpdateView, update_error,
};

use crate::common::{EXTERNAL, INTERNAL, TEN, body, mandatory};

use FaultReason::{
    AsZero, Duplicate, Flags, FourOctetSession, Length, Missing, NotFromExternal, Segment,
    Truncated, UnknownWellKnown, Value,
};
use Outcome::{Discard, Keep, Reset, Withdraw};

/// What becomes of an UPDATE that announces a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing is wrong.
    Keep,
    /// The attribute is dropped.
    Discard(FaultReason),
    /// The routes are handled as withdrawn.
    Withdraw(FaultReason),
    /// The session ends with this subcode of UPDATE Message Error.
    Reset(u8),
}

impl Outcome {
    /// What an event and a counter will say.
    fn disposition(self) -> Disposition {
        match self {
            Keep => Disposition::Accept,
            Discard(_) => Disposition::AttributeDiscard,
            Withdraw(_) => Disposition::TreatAsWithdraw,
            Reset(_) => Disposition::SessionReset,
        }
    }
}

/// Whether the peer has four-octet AS numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// It has.
    Wide,
    /// It has two octets, and so has AS_PATH.
    Narrow,
    /// It makes no difference.
    Any,
}
use Width::{Any, Narrow, Wide};

/// Where it is decided, what is wrong, the width, the attribute (flags, code, value), the outcome
/// from an external peer, and from an internal one.
type Row = (&'static str, &'static str, Width, (u8, u8, &'static [u8]), Outcome, Outcome);

/// Well-known, optional, optional transitive.
const W: u8 = 0x40;
const O: u8 = 0x80;
const T: u8 = 0xc0;
/// Partial, and the four bits that nobody uses (RFC 4271 section 4.3: ignored).
const PARTIAL: u8 = 0x20;
const UNUSED: u8 = 0x0f;

/// An outcome that does not depend on the peer's kind.
const fn both(
    section: &'static str,
    what: &'static str,
    width: Width,
    attribute: (u8, u8, &'static [u8]),
    outcome: Outcome,
) -> Row {
    (section, what, width, attribute, outcome, outcome)
}

/// An attribute for internal peers only: an external one's is discarded unread (7.5, 7.9, 7.10).
const fn inside(
    section: &'static str,
    what: &'static str,
    attribute: (u8, u8, &'static [u8]),
    internal: Outcome,
) -> Row {
    (section, what, Any, attribute, Discard(NotFromExternal), internal)
}

/// 2001:db8::/32 with the next hop 2001:db8::1.
const REACH: &[u8] =
    b"\x00\x02\x01\x10\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x20\x20\x01\x0d\xb8";
/// The same with a next hop of 15 octets.
const REACH_SHORT_HOP: &[u8] =
    b"\x00\x02\x01\x0f\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x20\x20\x01\x0d\xb8";
/// The same with the next hop ::.
const REACH_NO_HOP: &[u8] =
    b"\x00\x02\x01\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x20\x20\x01\x0d\xb8";
/// The same with a prefix of 129 bits.
const REACH_LONG_PREFIX: &[u8] =
    b"\x00\x02\x01\x10\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x81\x20\x01\x0d\xb8";
/// The same with a prefix that ends early.
const REACH_CUT_PREFIX: &[u8] =
    b"\x00\x02\x01\x10\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x20\x20\x01\x0d";

const LIST: u8 = update_error::MALFORMED_ATTRIBUTE_LIST;
const OPTIONAL_ERROR: u8 = update_error::OPTIONAL_ATTRIBUTE;
const UNRECOGNIZED: u8 = update_error::UNRECOGNIZED_WELL_KNOWN;

/// AS_PATH 65001, for peers with two octets.
const NARROW_PATH: &[u8] = &[2, 1, 0xfd, 0xe9];
const WIDE_PATH: &[u8] = &[2, 1, 0, 0, 0xfd, 0xe9];

const ROWS: &[Row] = &[
    // ORIGIN
    both("7.1", "sound", Any, (W, 1, &[2]), Keep),
    both("7.1", "no octets", Any, (W, 1, &[]), Withdraw(Length)),
    both("7.1", "two octets", Any, (W, 1, &[0, 0]), Withdraw(Length)),
    both("7.1", "undefined value", Any, (W, 1, &[3]), Withdraw(Value)),
    both("3 c", "optional", Any, (O, 1, &[0]), Withdraw(Flags)),
    both("3 c", "optional transitive", Any, (T, 1, &[0]), Withdraw(Flags)),
    both("3 c", "neither bit", Any, (0, 1, &[0]), Withdraw(Flags)),
    both("RFC 4271 4.3", "unused flag bits", Any, (W | UNUSED, 1, &[0]), Keep),
    // AS_PATH
    both("4", "no octets: the route is of the peer's own AS", Any, (W, 2, &[]), Keep),
    both("7.2", "sound", Wide, (W, 2, WIDE_PATH), Keep),
    both("7.2", "sound", Narrow, (W, 2, NARROW_PATH), Keep),
    both("7.2", "no such segment", Wide, (W, 2, &[5, 1, 0, 0, 0, 1]), Withdraw(Segment)),
    both("7.2", "segment 0", Wide, (W, 2, &[0, 1, 0, 0, 0, 1]), Withdraw(Segment)),
    both("7.2", "segment without members", Any, (W, 2, &[2, 0]), Withdraw(Segment)),
    both("7.2", "overrun", Wide, (W, 2, &[2, 2, 0, 0, 0, 1]), Withdraw(Segment)),
    both("7.2", "overrun", Narrow, (W, 2, &[2, 2, 0, 1]), Withdraw(Segment)),
    both(
        "7.2",
        "underrun: one octet left",
        Wide,
        (W, 2, &[2, 1, 0, 0, 0, 1, 2]),
        Withdraw(Segment),
    ),
    both("7.2", "underrun: one octet left", Narrow, (W, 2, &[2, 1, 0, 1, 2]), Withdraw(Segment)),
    both("7.2", "two octets where four are due", Wide, (W, 2, NARROW_PATH), Withdraw(Segment)),
    both("7.2", "four octets where two are due", Narrow, (W, 2, WIDE_PATH), Withdraw(Segment)),
    both("RFC 7607 2", "AS 0", Wide, (W, 2, &[2, 1, 0, 0, 0, 0]), Withdraw(AsZero)),
    both("RFC 7607 2", "AS 0 in a set", Wide, (W, 2, &[1, 1, 0, 0, 0, 0]), Withdraw(AsZero)),
    both("RFC 7607 2", "AS 0", Narrow, (W, 2, &[2, 1, 0, 0]), Withdraw(AsZero)),
    // A confederation we are not in ends at an external peer; an internal peer's is let through,
    // since who is inside one shares our AS number.
    ("RFC 5065 5", "confederation", Wide, (W, 2, &[3, 1, 0, 0, 0, 1]), Withdraw(Segment), Keep),
    ("RFC 5065 5", "confederation set", Wide, (W, 2, &[4, 1, 0, 0, 0, 1]), Withdraw(Segment), Keep),
    both("3 c", "optional", Wide, (O, 2, WIDE_PATH), Withdraw(Flags)),
    both("3 c", "not transitive", Wide, (0, 2, WIDE_PATH), Withdraw(Flags)),
    // NEXT_HOP
    both("7.3", "sound", Any, (W, 3, &[192, 0, 2, 9]), Keep),
    both("7.3", "no octets", Any, (W, 3, &[]), Withdraw(Length)),
    both("7.3", "three octets", Any, (W, 3, &[192, 0, 2]), Withdraw(Length)),
    both("7.3", "sixteen octets", Any, (W, 3, &[1; 16]), Withdraw(Length)),
    both("RFC 4271 6.3", "0.0.0.0", Any, (W, 3, &[0; 4]), Withdraw(Value)),
    both("RFC 4271 6.3", "multicast", Any, (W, 3, &[224, 0, 0, 1]), Withdraw(Value)),
    both("RFC 4271 6.3", "broadcast", Any, (W, 3, &[255; 4]), Withdraw(Value)),
    both("3 c", "optional", Any, (T, 3, &[192, 0, 2, 9]), Withdraw(Flags)),
    // MULTI_EXIT_DISC
    both("7.4", "sound", Any, (O, 4, &[0; 4]), Keep),
    both("7.4", "no octets", Any, (O, 4, &[]), Withdraw(Length)),
    both("7.4", "five octets", Any, (O, 4, &[0; 5]), Withdraw(Length)),
    both("3 c", "transitive", Any, (T, 4, &[0; 4]), Withdraw(Flags)),
    both("3 c", "well-known", Any, (W, 4, &[0; 4]), Withdraw(Flags)),
    // LOCAL_PREF
    inside("7.5", "sound", (W, 5, &[0; 4]), Keep),
    inside("7.5", "no octets", (W, 5, &[]), Withdraw(Length)),
    inside("7.5", "three octets", (W, 5, &[0; 3]), Withdraw(Length)),
    inside("3 c", "optional", (O, 5, &[0; 4]), Withdraw(Flags)),
    // ATOMIC_AGGREGATE
    both("7.6", "sound", Any, (W, 6, &[]), Keep),
    both("7.6", "one octet", Any, (W, 6, &[1]), Discard(Length)),
    // Section 3 f discards only what had specified a session reset; flags are section 3 c's.
    both("3 c", "optional", Any, (O, 6, &[]), Withdraw(Flags)),
    // AGGREGATOR
    both("7.7", "sound", Wide, (T, 7, &[0, 0, 0, 1, 10, 0, 0, 1]), Keep),
    both("7.7", "sound", Narrow, (T, 7, &[0, 1, 10, 0, 0, 1]), Keep),
    both("7.7", "six octets", Wide, (T, 7, &[0, 1, 10, 0, 0, 1]), Discard(Length)),
    both("7.7", "eight octets", Narrow, (T, 7, &[0, 0, 0, 1, 10, 0, 0, 1]), Discard(Length)),
    both("7.7", "no octets", Any, (T, 7, &[]), Discard(Length)),
    both("RFC 7607 2", "AS 0", Wide, (T, 7, &[0, 0, 0, 0, 10, 0, 0, 1]), Discard(AsZero)),
    both("RFC 7607 2", "AS 0", Narrow, (T, 7, &[0, 0, 10, 0, 0, 1]), Discard(AsZero)),
    both("3 c", "not transitive", Wide, (O, 7, &[0, 0, 0, 1, 10, 0, 0, 1]), Withdraw(Flags)),
    // COMMUNITIES
    both("7.8", "sound, Partial", Any, (T | PARTIAL, 8, &[0, 1, 0, 1]), Keep),
    both("7.8", "no octets", Any, (T, 8, &[]), Withdraw(Length)),
    both("7.8", "six octets", Any, (T, 8, &[0; 6]), Withdraw(Length)),
    both("3 c", "not transitive", Any, (O, 8, &[0; 4]), Withdraw(Flags)),
    both("3 c", "well-known", Any, (W, 8, &[0; 4]), Withdraw(Flags)),
    // ORIGINATOR_ID, CLUSTER_LIST
    inside("7.9", "sound", (O, 9, &[10, 0, 0, 1]), Keep),
    inside("7.9", "no octets", (O, 9, &[]), Withdraw(Length)),
    inside("7.9", "eight octets", (O, 9, &[1; 8]), Withdraw(Length)),
    inside("3 c", "transitive", (T, 9, &[10, 0, 0, 1]), Withdraw(Flags)),
    inside("7.10", "sound", (O, 10, &[1; 8]), Keep),
    inside("7.10", "no octets", (O, 10, &[]), Withdraw(Length)),
    inside("7.10", "seven octets", (O, 10, &[1; 7]), Withdraw(Length)),
    inside("3 c", "well-known", (W, 10, &[1; 8]), Withdraw(Flags)),
    // MP_REACH_NLRI: what hides prefixes ends the session (the other choice that 7.11 and 5.3
    // leave, AFI/SAFI disable, would let the peer go on believing that we have its routes).
    both("7.11", "sound", Any, (O, 14, REACH), Keep),
    both("7.11", "next hop of 15 octets", Any, (O, 14, REACH_SHORT_HOP), Reset(OPTIONAL_ERROR)),
    both("5.3", "no octets", Any, (O, 14, &[]), Reset(OPTIONAL_ERROR)),
    both("5.3", "ends before the next hop", Any, (O, 14, &[0, 2, 1, 16]), Reset(OPTIONAL_ERROR)),
    both("5.3", "prefix of 129 bits", Any, (O, 14, REACH_LONG_PREFIX), Reset(OPTIONAL_ERROR)),
    both("5.3", "prefix cut short", Any, (O, 14, REACH_CUT_PREFIX), Reset(OPTIONAL_ERROR)),
    both("RFC 4271 6.3", "next hop ::", Any, (O, 14, REACH_NO_HOP), Withdraw(Value)),
    both("3 c", "transitive", Any, (T, 14, REACH), Withdraw(Flags)),
    both("3 c", "well-known", Any, (W, 14, REACH), Withdraw(Flags)),
    both("3 h", "transitive, and cut short", Any, (T, 14, REACH_CUT_PREFIX), Reset(OPTIONAL_ERROR)),
    // MP_UNREACH_NLRI
    both("7.12", "sound", Any, (O, 15, &[0, 2, 1, 8, 0x20]), Keep),
    both("5.3", "two octets", Any, (O, 15, &[0, 2]), Reset(OPTIONAL_ERROR)),
    both("5.3", "prefix cut short", Any, (O, 15, &[0, 2, 1, 8]), Reset(OPTIONAL_ERROR)),
    both("5.3", "IPv4 prefix of 33 bits", Any, (O, 15, &[0, 1, 1, 33, 1, 2, 3, 4, 5]), {
        Reset(OPTIONAL_ERROR)
    }),
    both("3 c", "transitive", Any, (T, 15, &[0, 2, 1, 8, 0x20]), Withdraw(Flags)),
    // EXTENDED COMMUNITIES
    both("7.14", "unrecognized type", Any, (T, 16, &[0xbf; 8]), Keep),
    both("7.14", "no octets", Any, (T, 16, &[]), Withdraw(Length)),
    both("7.14", "nine octets", Any, (T, 16, &[0; 9]), Withdraw(Length)),
    both("3 c", "not transitive", Any, (O, 16, &[0; 8]), Withdraw(Flags)),
    // AS4_PATH, AS4_AGGREGATOR: only from peers with two octets (RFC 6793 section 6)
    both("RFC 6793 6", "from four octets", Wide, (T, 17, WIDE_PATH), Discard(FourOctetSession)),
    both("RFC 6793 6", "the same, flags wrong", Wide, (O, 17, &[]), Discard(FourOctetSession)),
    both("RFC 6793 6", "sound", Narrow, (T, 17, WIDE_PATH), Keep),
    both("RFC 6793 6", "no octets", Narrow, (T, 17, &[]), Discard(Length)),
    both("RFC 6793 6", "overrun", Narrow, (T, 17, &[2, 2, 0, 0, 0, 1]), Discard(Segment)),
    both("RFC 6793 6", "segment without members", Narrow, (T, 17, &[2, 0]), Discard(Segment)),
    both("RFC 6793 6", "no such segment", Narrow, (T, 17, &[9, 1, 0, 0, 0, 1]), Discard(Segment)),
    both("RFC 7607 2", "AS 0", Narrow, (T, 17, &[2, 1, 0, 0, 0, 0]), Discard(AsZero)),
    both("RFC 6793 3", "confederation, left out", Narrow, (T, 17, &[3, 1, 0, 0, 0, 1]), Keep),
    both("3 c", "not transitive", Narrow, (O, 17, WIDE_PATH), Withdraw(Flags)),
    both("RFC 6793 6", "from four octets", Wide, (T, 18, &[1; 8]), Discard(FourOctetSession)),
    both("RFC 6793 6", "sound", Narrow, (T, 18, &[1; 8]), Keep),
    both("RFC 6793 6", "six octets", Narrow, (T, 18, &[1; 6]), Discard(Length)),
    both("RFC 7607 2", "AS 0", Narrow, (T, 18, &[0, 0, 0, 0, 1, 1, 1, 1]), Discard(AsZero)),
    both("3 c", "well-known", Narrow, (W, 18, &[1; 8]), Withdraw(Flags)),
    // AIGP: malformed as if unrecognized and not transitive (RFC 7311 section 3)
    both("RFC 7311 3", "sound", Any, (O, 26, &[1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 5]), Keep),
    both("RFC 7311 3", "no octets", Any, (O, 26, &[]), Discard(Length)),
    both("RFC 7311 3", "transitive", Any, (T, 26, &[1, 0, 3]), Discard(Flags)),
    // LARGE_COMMUNITY
    both("RFC 8092 5", "sound", Any, (T, 32, &[1; 24]), Keep),
    both("RFC 8092 6", "no octets", Any, (T, 32, &[]), Withdraw(Length)),
    both("RFC 8092 6", "thirteen octets", Any, (T, 32, &[1; 13]), Withdraw(Length)),
    both("3 c", "not transitive", Any, (O, 32, &[1; 12]), Withdraw(Flags)),
    // OTC
    both("RFC 9234 5", "sound", Any, (T, 35, &[0, 0, 0xfd, 0xe9]), Keep),
    both("RFC 9234 5", "three octets", Any, (T, 35, &[0; 3]), Withdraw(Length)),
    both("RFC 9234 5", "no octets", Any, (T, 35, &[]), Withdraw(Length)),
    both("3 c", "not transitive", Any, (O, 35, &[0; 4]), Withdraw(Flags)),
    // Registered, and not ours: whatever they hold is let through; only marked well-known, against
    // their specification, do they cost the routes. None of them ends a session.
    both("RFC 4271 9", "Connector, empty", Any, (T, 20, &[]), Keep),
    both("RFC 4271 9", "AS_PATHLIMIT, garbage", Any, (T, 21, &[7; 3]), Keep),
    both("RFC 4271 9", "PMSI_TUNNEL, cut short", Any, (T, 22, &[0, 1]), Keep),
    both("RFC 4271 9", "Tunnel Encapsulation, overrun", Any, (T, 23, &[0, 8, 0, 99, 1]), Keep),
    both("RFC 4271 9", "Traffic Engineering, cut short", Any, (O, 24, &[1]), Keep),
    both("RFC 4271 9", "IPv6 communities, 19 octets", Any, (T, 25, &[0; 19]), Keep),
    both("RFC 4271 9", "PE Distinguisher Labels, empty", Any, (T, 27, &[]), Keep),
    both("RFC 7447 2", "Entropy Label, garbage", Any, (T, 28, &[0xde, 0xad]), Keep),
    both("RFC 4271 9", "BGP-LS, overrun", Any, (O, 29, &[4, 0, 0, 99]), Keep),
    both("RFC 8093 3", "30, squatted on", Any, (T, 30, &[1]), Keep),
    both("RFC 8093 3", "31, squatted on", Any, (O, 31, &[]), Keep),
    both("RFC 4271 9", "BGPsec_PATH, cut short", Any, (O, 33, &[0]), Keep),
    both("RFC 4271 9", "Community Container, empty", Any, (T, 34, &[]), Keep),
    both("RFC 4271 9", "D-PATH, overrun", Any, (T, 36, &[9]), Keep),
    both("RFC 4271 9", "SFP, garbage", Any, (T, 37, &[0xff; 5]), Keep),
    both("RFC 4271 9", "BFD Discriminator, cut short", Any, (T, 38, &[1, 0]), Keep),
    both("RFC 4271 9", "39, garbage", Any, (T, 39, &[0xff]), Keep),
    both("RFC 4271 9", "Prefix-SID, overrun", Any, (T, 40, &[1, 0, 7, 0]), Keep),
    both("RFC 4271 9", "ATTR_SET, garbage", Any, (T, 128, &[0xff; 9]), Keep),
    both("3 c", "Entropy Label, well-known", Any, (W, 28, &[0]), Withdraw(Flags)),
    both("3 c", "Prefix-SID, neither bit", Any, (0, 40, &[0]), Withdraw(Flags)),
    both("3 c", "BGPsec_PATH, well-known", Any, (W, 33, &[0]), Withdraw(Flags)),
    both("3 c", "Tunnel Encapsulation, well-known", Any, (W, 23, &[]), Withdraw(Flags)),
    // Nobody's
    both("RFC 4271 9", "unknown, optional", Any, (O, 200, &[1]), Keep),
    both("RFC 4271 9", "unknown, transitive, empty", Any, (T, 255, &[]), Keep),
    both("RFC 4271 6.3", "unknown, well-known", Any, (W, 200, &[1]), Reset(UNRECOGNIZED)),
    both("RFC 4271 6.3", "code 0, well-known", Any, (W, 0, &[]), Reset(UNRECOGNIZED)),
];

fn attribute((flags, code, value): (u8, u8, &[u8]), extended: bool) -> Vec<u8> {
    let len = u16::try_from(value.len()).expect("short").to_be_bytes();
    if extended {
        [&[flags | 0x10, code], &len[..], value].concat()
    } else {
        [&[flags, code, len[1]], value].concat()
    }
}

/// The mandatory attributes less those of these codes, which the row brings itself.
fn others(codes: &[u8], narrow: bool) -> Vec<u8> {
    let path = attribute((W, 2, if narrow { NARROW_PATH } else { WIDE_PATH }), false);
    let [origin, hop] = [mandatory()[..4].to_vec(), mandatory()[13..].to_vec()];
    let all = [(1, origin), (2, path), (3, hop)];
    all.into_iter().filter(|(code, _)| !codes.contains(code)).flat_map(|(_, bytes)| bytes).collect()
}

/// The outcome of a message, in the words of the table.
fn outcome(message: &[u8], ctx: &DecodeContext) -> Outcome {
    let view = match UpdateView::parse(message, ctx) {
        Ok(view) => view,
        Err(error) => return Reset(error.subcode),
    };
    let checked = view.attrs().check(ctx);
    let all = view.fault().into_iter().chain(checked.faults);
    // The strongest, and the first of equals.
    let worst = all.fold(None, |worst: Option<pathvane_wire::Fault>, fault| {
        worst.filter(|worst| worst.disposition >= fault.disposition).or(Some(fault))
    });
    let Some(fault) = worst else { return Keep };
    match fault.disposition {
        Disposition::AttributeDiscard => Discard(fault.reason),
        Disposition::TreatAsWithdraw => Withdraw(fault.reason),
        other => panic!("{other} is not for an attribute"),
    }
}

/// Every row under every context it is for, with the outcome expected.
fn cases() -> impl Iterator<Item = (String, (u8, u8, &'static [u8]), DecodeContext, Outcome)> {
    ROWS.iter().flat_map(|&(section, what, width, attribute, external, internal)| {
        let widths: &[bool] = match width {
            Wide => &[true],
            Narrow => &[false],
            Any => &[true, false],
        };
        widths.iter().flat_map(move |&four_octet_as| {
            [(EXTERNAL, external), (INTERNAL, internal)].map(|(ctx, expected)| {
                let ctx = DecodeContext { four_octet_as, ..ctx };
                let peer = format!("{:?}, {four_octet_as}", ctx.peer);
                (
                    format!("{section} attribute {} {what} ({peer})", attribute.1),
                    attribute,
                    ctx,
                    expected,
                )
            })
        })
    })
}

#[test]
fn every_row_has_its_outcome_with_either_form_of_length() {
    assert!(ROWS.len() > 120, "{} rows", ROWS.len());
    for (row, bad, ctx, expected) in cases() {
        for extended in [false, true] {
            let attributes =
                [attribute(bad, extended), others(&[bad.1], !ctx.four_octet_as)].concat();
            let message = body(&[], &attributes, &TEN);
            assert_eq!(outcome(&message, &ctx), expected, "{row}");
        }
    }
}

#[test]
fn what_is_discarded_leaves_nothing_and_what_is_kept_stays() {
    for (row, bad, ctx, expected) in cases() {
        let code = bad.1;
        if matches!(code, 1..=3 | 14 | 15 | 17 | 18) {
            continue; // always there, not among the attributes, or merged into others
        }
        let bytes = attribute(bad, false);
        let attrs = RawAttrs::from_bytes(&bytes).check(&ctx).attrs;
        let left = attrs != pathvane_wire::Attrs::default();
        assert_eq!(left, expected == Keep, "{row}");
    }
}

#[test]
fn of_two_faults_the_severer_decides_in_either_order() {
    for (row, first, ctx, one) in cases() {
        for (other, second, context, two) in cases() {
            if context != ctx || first.1 == second.1 {
                continue;
            }
            let pair = [attribute(first, false), attribute(second, false)].concat();
            let rest = others(&[first.1, second.1], !ctx.four_octet_as);
            let message = body(&[], &[pair, rest].concat(), &TEN);
            let found = outcome(&message, &ctx).disposition();
            assert_eq!(found, one.disposition().max(two.disposition()), "{row} and {other}");
        }
    }
}

/// RFC 7606 section 5.2; but NEXT_HOP is ignored where no classic route needs it (RFC 4760 section
/// 3), and MP_UNREACH_NLRI alone is not in doubt.
#[test]
fn where_nothing_is_announced_what_would_withdraw_ends_the_session() {
    for (row, bad, ctx, announced) in cases() {
        let code = bad.1;
        if code == 14 && announced != Withdraw(Flags) {
            continue; // it announces
        }
        let expected = match announced {
            Withdraw(_) if code == 3 => Keep,
            Withdraw(reason) if code == 14 || (code == 15 && reason == Flags) => Withdraw(reason),
            Withdraw(_) => Reset(subcode_of(&announced, code)),
            other => other,
        };
        let mut attributes = attribute(bad, false);
        if code == 14 {
            attributes.extend(others(&[], !ctx.four_octet_as));
        }
        assert_eq!(outcome(&body(&TEN, &attributes, &[]), &ctx), expected, "{row}");
    }
}

/// The subcode that RFC 4271 section 6.3 has for a fault.
fn subcode_of(outcome: &Outcome, code: u8) -> u8 {
    match (outcome, code) {
        (Withdraw(Segment | AsZero), _) => update_error::MALFORMED_AS_PATH,
        (Withdraw(Flags), _) => update_error::ATTRIBUTE_FLAGS,
        (Withdraw(Length), _) => update_error::ATTRIBUTE_LENGTH,
        (Withdraw(Value), 1) => update_error::INVALID_ORIGIN,
        _ => panic!("{outcome:?} of {code} is not in the table"),
    }
}

#[test]
fn wrong_flags_of_multiprotocol_attributes_withdraw_all_they_name() {
    let names = |message: &[u8]| -> Vec<String> {
        let view = UpdateView::parse(message, &EXTERNAL).expect("no reset");
        assert_eq!((view.reaches().count(), view.end_of_rib()), (0, None));
        view.withdrawn().map(|nlri| nlri.prefix.to_string()).collect()
    };
    let reach = [attribute((T, 14, REACH), false), others(&[], false)].concat();
    assert_eq!(names(&body(&[], &reach, &TEN)), ["10.0.0.0/8", "2001:db8::/32"]);
    let unreach = attribute((T, 15, &[0, 2, 1, 8, 0x20]), false);
    assert_eq!(names(&body(&[], &unreach, &[])), ["2000::/8"]);
    // An End-of-RIB that is malformed is none.
    assert!(names(&body(&[], &attribute((T, 15, &[0, 2, 1]), false), &[])).is_empty());
}

#[test]
fn wrong_flags_of_an_mp_reach_that_announces_nothing_end_the_session_with_the_attribute_as_data() {
    let empty = attribute((T, 14, &REACH[..21]), false);
    let message = body(&[], &[others(&[], false), empty.clone()].concat(), &[]);
    let error = UpdateView::parse(&message, &EXTERNAL).expect_err("section 5.2");
    assert_eq!(error, Notification::update(update_error::ATTRIBUTE_FLAGS, &empty));
}

#[test]
fn the_list_itself_can_be_wrong() {
    let good = others(&[], false);
    let med = attribute((O, 4, &[0; 4]), false);
    let twice = attribute((O, 14, REACH), false);
    let cases: &[(&str, Vec<u8>, Outcome)] = &[
        ("4: one octet left", [&good[..], &[W]].concat(), Withdraw(Truncated)),
        ("4: two octets left", [&good[..], &[W, 6]].concat(), Withdraw(Truncated)),
        ("4: three octets, extended", [&good[..], &[W | 0x10, 6, 0]].concat(), Withdraw(Truncated)),
        ("4: a length beyond the end", [&good[..], &[O, 4, 5, 0]].concat(), Withdraw(Truncated)),
        ("3 d: no ORIGIN", others(&[1], false), Withdraw(Missing)),
        ("3 d: no AS_PATH", others(&[2], false), Withdraw(Missing)),
        ("3 d: no NEXT_HOP", others(&[3], false), Withdraw(Missing)),
        ("3 d: nothing", vec![], Withdraw(Missing)),
        ("3 g: MED twice", [&good[..], &med, &med].concat(), Discard(Duplicate)),
        ("3 g: ORIGIN twice", [&good[..], &good[..4]].concat(), Discard(Duplicate)),
        ("3 g: MP_REACH twice", [&good[..], &twice, &twice].concat(), Reset(LIST)),
    ];
    for (name, attributes, expected) in cases {
        assert_eq!(outcome(&body(&[], attributes, &TEN), &EXTERNAL), *expected, "{name}");
    }
    let claims = attribute((W, 200, &[]), false);
    let checked = RawAttrs::from_bytes(&claims).check(&EXTERNAL);
    assert_eq!(checked.faults[0].reason, UnknownWellKnown);
}
