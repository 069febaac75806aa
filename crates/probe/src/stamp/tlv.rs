//! The optional extensions of RFC 8972: what follows the base packet as type, length, value.
//!
//! Understood: Extra Padding, Class of Service, Direct Measurement, HMAC (sections 4.1, 4.4, 4.5, 4.8).

use alloc::vec::Vec;

use super::key::{Key, TAG_LEN};

const HEADER: usize = 4;
const EXTRA_PADDING: u8 = 1;
const CLASS_OF_SERVICE: u8 = 4;
const DIRECT_MEASUREMENT: u8 = 5;
const HMAC: u8 = 8;
/// Octets of the three counts of Direct Measurement.
const COUNTS_LEN: usize = 12;

/// U: the reflector does not know the type. Senders set it.
const UNRECOGNISED: u8 = 0x80;
/// M: the length does not fit the type or the packet.
const MALFORMED: u8 = 0x40;
/// I: the HMAC of the extensions is wrong or missing.
const INTEGRITY: u8 = 0x20;

/// DSCPs from here on are for network control (RFC 4594 section 3); no sender may ask for them.
const FIRST_CONTROL_DSCP: u8 = 48;

/// What a sender appends to its packets. The default appends nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Signs packets and believes signed replies only: the authenticated mode.
    pub key: Option<Key>,
    /// Octets that the packet is padded to; what is longer already is left. At most
    /// [`Options::MAX_SIZE`]. 172 are those of a G.711 voice packet of 20 ms (RTP header and samples).
    pub size: u16,
    /// The DSCP that probes are sent with and replies are asked to carry, 0 to 63: adds a Class of
    /// Service TLV, with which remarking shows.
    pub dscp: Option<u8>,
    /// Adds a Direct Measurement TLV: the reflector tells how many packets of the session it
    /// received and sent, even if it numbers statelessly.
    pub direct: bool,
}

impl Options {
    /// The largest packet: what fits an Ethernet frame behind the headers of IPv4 and UDP.
    pub const MAX_SIZE: u16 = 1472;
    /// The same for ICMP, whose message begins where UDP's header does.
    pub const MAX_ICMP_SIZE: u16 = 1480;

    /// Appends the TLVs of the packet `seq`, the `nth` of its session, to the base packet in `out`.
    pub(crate) fn append(&self, seq: u32, nth: u32, out: &mut Vec<u8>) {
        let start = out.len();
        if let Some(dscp) = self.dscp {
            put(out, CLASS_OF_SERVICE, &[dscp << 2, 0, 0, 0]);
        }
        if self.direct {
            let mut counts = [0; COUNTS_LEN];
            counts[..4].copy_from_slice(&nth.to_be_bytes());
            put(out, DIRECT_MEASUREMENT, &counts);
        }
        if let Some(key) = self.key.as_ref().filter(|_| out.len() > start) {
            let tag = key.tag(&[&seq.to_be_bytes(), &out[start..]]);
            put(out, HMAC, &tag);
        }
        let size = usize::from(self.size.min(Self::MAX_SIZE));
        if size > out.len() {
            let padding = (size - out.len()).saturating_sub(HEADER);
            out.extend_from_slice(&[UNRECOGNISED, EXTRA_PADDING]);
            out.extend_from_slice(&u16::try_from(padding).unwrap_or(0).to_be_bytes());
            pad(out, out.len() + padding);
        }
    }
}

/// Fills `out` up to `len` octets with what no link compresses away, the same in each packet.
pub(crate) fn pad(out: &mut Vec<u8>, len: usize) {
    let mut rng = fastrand::Rng::with_seed(len as u64);
    while out.len() < len {
        out.push(rng.u8(..));
    }
}

fn put(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    out.extend_from_slice(&[UNRECOGNISED, kind, 0, value.len() as u8]);
    out.extend_from_slice(value);
}

/// Where one TLV lies in a packet's extensions.
#[derive(Clone, Copy)]
struct Place {
    kind: u8,
    start: usize,
    /// `None` if it claims to be longer than what is left, or has no whole header.
    end: Option<usize>,
}

/// The TLV that begins at `at`; `None` at the end.
fn place(tlvs: &[u8], at: usize) -> Option<Place> {
    let (kind, end) = match *tlvs.get(at..)? {
        [] => return None,
        [_, kind, high, low, ..] => {
            let end = at + HEADER + usize::from(u16::from_be_bytes([high, low]));
            (kind, Some(end).filter(|&end| end <= tlvs.len()))
        }
        _ => (EXTRA_PADDING, None),
    };
    Some(Place { kind, start: at, end })
}

/// The TLVs one after the other; one that does not fit is the last.
fn places(tlvs: &[u8]) -> impl Iterator<Item = Place> {
    let next = |last: &Place| place(tlvs, last.end?);
    core::iter::successors(place(tlvs, 0), next)
}

/// Whether extensions carry the HMAC that a session with a key demands (RFC 8972 section 4.8):
/// after all TLVs but padding; none is needed for padding alone.
fn are_authentic(tlvs: &[u8], seq: u32, key: &Key) -> bool {
    let (mut signed, mut bare) = (false, false);
    for place in places(tlvs) {
        match place {
            Place { end: None, .. } => return false,
            Place { kind: EXTRA_PADDING, .. } => {}
            _ if signed => return false,
            Place { kind: HMAC, start, end: Some(end) } => {
                let Ok(tag) = tlvs[start + HEADER..end].try_into() else { return false };
                if !key.verifies(&[&seq.to_be_bytes(), &tlvs[..start]], tag) {
                    return false;
                }
                signed = true;
            }
            _ => bare = true,
        }
    }
    signed || !bare
}

/// What a reflector knows when it fills in a reply's TLVs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Traffic class of the request: DSCP and ECN.
    pub(crate) class: u8,
    /// Packets of the session received, and sent with this reply.
    pub(crate) counts: (u32, u32),
    /// Sequence number of the request, and of the reply.
    pub(crate) seqs: (u32, u32),
}

/// Turns the TLVs of a request, copied into the reply, into those of the reply (RFC 8972 section 4).
/// Returns the DSCP that the reply is to be sent with.
pub(crate) fn answer(tlvs: &mut [u8], key: Option<&Key>, facts: &Facts) -> u8 {
    let mut dscp = facts.class >> 2;
    let authentic = key.is_none_or(|key| are_authentic(tlvs, facts.seqs.0, key));
    let mut at = 0;
    while let Some(Place { kind, start, end }) = place(tlvs, at) {
        // Cleared first: the HMAC of the reply covers the flags that it is sent with.
        tlvs[start] = 0;
        tlvs[start] = match end {
            Some(_) if !authentic => INTEGRITY,
            Some(end) => fill(kind, &mut tlvs[..end], start, key, facts, &mut dscp),
            None if authentic => MALFORMED,
            None => MALFORMED | INTEGRITY,
        };
        at = end.unwrap_or(tlvs.len());
    }
    dscp
}

/// Writes a reflector's part into the TLV that begins at `start` and ends with `tlvs`; returns its flags.
fn fill(
    kind: u8,
    tlvs: &mut [u8],
    start: usize,
    key: Option<&Key>,
    facts: &Facts,
    dscp: &mut u8,
) -> u8 {
    let (before, value) = tlvs.split_at_mut(start + HEADER);
    match (kind, value, key) {
        (EXTRA_PADDING, ..) => 0,
        (CLASS_OF_SERVICE, [asked, low, _, _], _) => {
            *dscp = class_of_service(asked, low, facts.class);
            0
        }
        (DIRECT_MEASUREMENT, value, _) if value.len() == COUNTS_LEN => {
            value[4..8].copy_from_slice(&facts.counts.0.to_be_bytes());
            value[8..].copy_from_slice(&facts.counts.1.to_be_bytes());
            0
        }
        (HMAC, value, Some(key)) if value.len() == TAG_LEN => {
            let seq = facts.seqs.1.to_be_bytes();
            value.copy_from_slice(&key.tag(&[&seq, &before[..start]]));
            0
        }
        // Without a key there is nothing to check it with.
        (HMAC, _, None) => UNRECOGNISED,
        (CLASS_OF_SERVICE | DIRECT_MEASUREMENT | HMAC, ..) => MALFORMED,
        _ => UNRECOGNISED,
    }
}

/// Fills in a Class of Service TLV whose first two octets these are, from the request's traffic class:
/// `DSCP1[6] DSCP2[6] ECN[2] RP[2]`. Returns the DSCP of the reply: the one asked for, or if that
/// is for network control the request's, which RP = 1 then tells.
fn class_of_service(asked: &mut u8, low: &mut u8, class: u8) -> u8 {
    let dscp1 = *asked >> 2;
    let (dscp2, ecn) = (class >> 2, class & 0b11);
    let refused = dscp1 >= FIRST_CONTROL_DSCP;
    *asked = dscp1 << 2 | dscp2 >> 4;
    *low = dscp2 << 4 | ecn << 2 | u8::from(refused);
    if refused { dscp2 } else { dscp1 }
}

/// What a reply's TLVs tell its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// From the Class of Service TLV.
    pub class: Option<ClassOfService>,
    /// From the Direct Measurement TLV.
    pub direct: Option<Direct>,
    /// TLVs that came back as not understood (U), malformed (M) or not authentic (I), or that
    /// fail our own check of their HMAC: nothing of them is used.
    pub unusable: bool,
}

/// How a probe arrived at the reflector (RFC 8972 section 4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassOfService {
    /// The DSCP with which the probe arrived.
    pub fwd_dscp: u8,
    /// The ECN bits with which the probe arrived.
    pub fwd_ecn: u8,
    /// The reflector's policy did not permit the DSCP that was asked for.
    pub refused: bool,
}

/// Packets of a session as its two ends count them, modulo 2^32 (RFC 8972 section 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Direct {
    /// Sent by the sender, this probe included.
    pub sent: u32,
    /// Received by the reflector, this probe included.
    pub received: u32,
    /// Sent by the reflector, this reply included.
    pub returned: u32,
}

/// Reads the TLVs of the reply with the number `seq`.
pub(crate) fn read(tlvs: &[u8], key: Option<&Key>, seq: u32) -> Told {
    let mut told = Told::default();
    if key.is_some_and(|key| !are_authentic(tlvs, seq, key)) {
        return Told { unusable: true, ..told };
    }
    for Place { kind, start, end } in places(tlvs) {
        let Some(value) = end.map(|end| &tlvs[start + HEADER..end]) else {
            told.unusable = true;
            break;
        };
        match (tlvs[start] & (UNRECOGNISED | MALFORMED | INTEGRITY), kind, value) {
            (0, CLASS_OF_SERVICE, &[high, low, _, _]) => {
                told.class = Some(ClassOfService {
                    fwd_dscp: (high & 0b11) << 4 | low >> 4,
                    fwd_ecn: low >> 2 & 0b11,
                    refused: low & 0b11 != 0,
                });
            }
            (0, DIRECT_MEASUREMENT, value) if value.len() == COUNTS_LEN => {
                let count = |at: usize| {
                    u32::from_be_bytes([value[at], value[at + 1], value[at + 2], value[at + 3]])
                };
                let (sent, received, returned) = (count(0), count(4), count(8));
                // A reflector that does not count leaves zeros.
                told.direct = (received != 0).then_some(Direct { sent, received, returned });
            }
            (0, ..) => {}
            _ => told.unusable = true,
        }
    }
    told
}
