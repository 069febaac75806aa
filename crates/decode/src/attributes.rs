//! Attribute lists: every attribute with its offset, value and disposition.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pathvane_wire::attr::{self, code};
use pathvane_wire::{
    AttrFlags, Attrs, DecodeContext, Disposition, Family, Fault, FaultReason, PeerKind, RawAttr,
    RawAttrs,
};
use serde_json::{Value, json};

use crate::record::Attribute;

/// Digits of some octets.
pub(crate) fn digits(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// All attributes of a list that begins at `start`, and the faults that belong to none of them.
pub(crate) fn list(
    octets: &[u8],
    start: usize,
    ctx: &DecodeContext,
    faults: &[Fault],
) -> (Vec<Attribute>, Vec<String>) {
    let mut seen = [0_u32; 256];
    let attributes = attr::each(octets)
        .map(|raw| {
            let before = &mut seen[usize::from(raw.code)];
            let again = *before > 0;
            *before += 1;
            let fault = faults.iter().find(|fault| is_about(fault, &raw, again));
            one(octets, start, &raw, ctx, fault)
        })
        .collect();
    let whole =
        |fault: &&Fault| matches!(fault.reason, FaultReason::Truncated | FaultReason::Missing);
    let others = faults.iter().filter(whole).map(|fault| match fault.reason {
        FaultReason::Truncated => {
            let end = attr::each(octets).last().map_or(0, |raw| raw.offset + raw.len);
            format!("{fault}, at {}", start + end)
        }
        _ => fault.to_string(),
    });
    (attributes, others.collect())
}

fn is_about(fault: &Fault, raw: &RawAttr<'_>, again: bool) -> bool {
    fault.code == raw.code
        && !matches!(fault.reason, FaultReason::Truncated | FaultReason::Missing)
        && (fault.reason == FaultReason::Duplicate) == again
}

fn one(
    octets: &[u8],
    start: usize,
    raw: &RawAttr<'_>,
    ctx: &DecodeContext,
    fault: Option<&Fault>,
) -> Attribute {
    let bytes = &octets[raw.offset..raw.offset + raw.len];
    let disposition = fault.map_or(Disposition::Accept, |fault| fault.disposition);
    Attribute {
        offset: start + raw.offset,
        code: raw.code,
        name: attr::name(raw.code),
        flags: raw.flags.bits(),
        length: raw.value.len(),
        value: value(raw, bytes, ctx).unwrap_or_else(|| json!(digits(raw.value))),
        fault: fault.map(|fault| fault.reason.to_string()),
        disposition: disposition.to_string(),
    }
}

/// The typed value; `None` if the attribute is not known or not sound.
fn value(raw: &RawAttr<'_>, bytes: &[u8], ctx: &DecodeContext) -> Option<Value> {
    match raw.code {
        code::NEXT_HOP => Some(json!(Ipv4Addr::from(<[u8; 4]>::try_from(raw.value).ok()?))),
        code::MP_REACH_NLRI => mp_reach(raw.value),
        code::MP_UNREACH_NLRI => Some(json!({ "family": family(raw.value)?.0.to_string() })),
        // The AS4 attributes are read as those that they stand for, with four octets.
        code::AS4_PATH => as4(AttrFlags::TRANSITIVE, code::AS_PATH, raw.value),
        code::AS4_AGGREGATOR => {
            as4(AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE, code::AGGREGATOR, raw.value)
        }
        _ => {
            // Who may send it is not the question here.
            let ctx = DecodeContext { peer: PeerKind::Internal, ..*ctx };
            let checked = RawAttrs::from_bytes(bytes).check(&ctx);
            checked.faults.is_empty().then(|| of(&checked.attrs, raw.code))?
        }
    }
}

fn as4(flags: AttrFlags, code: u8, value: &[u8]) -> Option<Value> {
    let [high, low] = u16::try_from(value.len()).ok()?.to_be_bytes();
    let bytes = [&[flags.bits() | 0x10, code, high, low], value].concat();
    let ctx = DecodeContext { four_octet_as: true, ..crate::context::PLAIN };
    let checked = RawAttrs::from_bytes(&bytes).check(&ctx);
    checked.faults.is_empty().then(|| of(&checked.attrs, code))?
}

fn of(attrs: &Attrs, code: u8) -> Option<Value> {
    fn texts<T: ToString>(items: &[T]) -> Value {
        json!(items.iter().map(T::to_string).collect::<Vec<_>>())
    }
    Some(match code {
        code::ORIGIN => json!(attrs.origin.to_string()),
        code::AS_PATH => json!(attrs.as_path.to_string()),
        code::MED => json!(attrs.med?),
        code::LOCAL_PREF => json!(attrs.local_pref?),
        code::ATOMIC_AGGREGATE => json!(attrs.atomic_aggregate),
        code::AGGREGATOR => json!(attrs.aggregator?.to_string()),
        code::COMMUNITIES => texts(&attrs.communities),
        code::ORIGINATOR_ID => json!(attrs.originator_id?.to_string()),
        code::CLUSTER_LIST => texts(&attrs.cluster_list),
        code::EXT_COMMUNITIES => texts(&attrs.ext_communities),
        code::LARGE_COMMUNITIES => texts(&attrs.large_communities),
        code::OTC => json!(attrs.otc?.0),
        _ => return None,
    })
}

fn family(value: &[u8]) -> Option<(Family, &[u8])> {
    let ([high, low, safi], rest) = value.split_first_chunk()?;
    Some((Family { afi: u16::from_be_bytes([*high, *low]), safi: *safi }, rest))
}

fn mp_reach(value: &[u8]) -> Option<Value> {
    if let Some(next_hop) = abbreviated_next_hop(value) {
        return Some(json!({ "next_hop": next_hop }));
    }
    let (family, rest) = family(value)?;
    let (len, rest) = rest.split_first()?;
    let next_hop = address(rest.get(..usize::from(*len))?);
    Some(json!({ "family": family.to_string(), "next_hop": next_hop }))
}

/// The next hop of an MP_REACH_NLRI of a table, which is all that it has (RFC 6396 section 4.3.4).
fn abbreviated_next_hop(value: &[u8]) -> Option<String> {
    let (len, hop) = value.split_first()?;
    (usize::from(*len) == hop.len()).then(|| address(hop))
}

fn address(octets: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return IpAddr::from(v4).to_string();
    }
    let (v6, rest) = octets.as_chunks::<16>();
    let all: Vec<String> = v6.iter().map(|v6| Ipv6Addr::from(*v6).to_string()).collect();
    if all.is_empty() || !rest.is_empty() { digits(octets) } else { all.join(" ") }
}

/// The next hop of the attributes of a table entry.
pub(crate) fn table_next_hop(octets: &[u8]) -> Option<String> {
    let find = |code| attr::each(octets).find(|raw| raw.code == code);
    let of_mp =
        |raw: RawAttr<'_>| mp_reach(raw.value)?.get("next_hop")?.as_str().map(str::to_owned);
    find(code::MP_REACH_NLRI)
        .and_then(of_mp)
        .or_else(|| find(code::NEXT_HOP).map(|raw| address(raw.value)))
}
