//! What bgpkit-parser says. It has one ADD-PATH flag for all families.

use bgpkit_parser::models::{
    AsPathSegment, AsnLength, AttributeValue, BgpMessage, Community, MetaCommunity, NetworkPrefix,
    NextHopAddress,
};
use bgpkit_parser::parser::bgp::messages::parse_bgp_message;
use bytes::Bytes;
use pathvane_wire::DecodeContext;

use crate::said::{Path, Said, Verdict, path};

fn read(message: &[u8], ctx: &DecodeContext) -> Option<BgpMessage> {
    let width = if ctx.four_octet_as { AsnLength::Bits32 } else { AsnLength::Bits16 };
    let mut message = Bytes::copy_from_slice(message);
    parse_bgp_message(&mut message, !ctx.add_path.is_empty(), &width).ok()
}

fn plain(prefix: &NetworkPrefix) -> Path {
    (prefix.prefix.trunc(), prefix.path_id.unwrap_or(0))
}

fn hop(address: &NextHopAddress) -> String {
    match address {
        NextHopAddress::Ipv4(v4) => v4.to_string(),
        NextHopAddress::Ipv6(v6) => v6.to_string(),
        NextHopAddress::Ipv6LinkLocal(v6, local) => format!("{v6} ({local})"),
        other => format!("{other:?}"),
    }
}

/// What an UPDATE says; `None` if it is refused.
pub(crate) fn said(message: &[u8], ctx: &DecodeContext) -> Option<Said> {
    let Some(BgpMessage::Update(update)) = read(message, ctx) else {
        return None;
    };
    let attributes = &update.attributes;
    let mut said = Said {
        withdrawn: update.withdrawn_prefixes.iter().map(plain).collect(),
        med: attributes.multi_exit_discriminator(),
        local_pref: attributes.local_preference(),
        atomic_aggregate: attributes.atomic_aggregate(),
        originator_id: attributes.origin_id().map(|id| id.to_string()),
        cluster_list: attributes.clusters().unwrap_or_default().to_vec(),
        otc: attributes.only_to_customer().map(u32::from),
        ..Said::default()
    };
    let next_hop = attributes.next_hop().map(|addr| addr.to_string()).unwrap_or_default();
    said.announced =
        update.announced_prefixes.iter().map(|p| (plain(p), next_hop.clone())).collect();
    if let Some(nlri) = attributes.get_reachable_nlri() {
        let next_hop = nlri.next_hop.as_ref().map(hop).unwrap_or_default();
        said.announced.extend(nlri.prefixes.iter().map(|p| (plain(p), next_hop.clone())));
    }
    if let Some(nlri) = attributes.get_unreachable_nlri() {
        said.withdrawn.extend(nlri.prefixes.iter().map(plain));
    }
    for attribute in attributes {
        if let AttributeValue::Origin(origin) = attribute {
            said.origin = Some(origin.to_string().to_lowercase());
        }
    }
    if let Some(whole) = attributes.effective_as_path() {
        said.as_path = path(whole.iter_segments().map(|segment| {
            let (kind, asns) = match segment {
                AsPathSegment::AsSet(asns) => (1, asns),
                AsPathSegment::AsSequence(asns) => (2, asns),
                AsPathSegment::ConfedSequence(asns) => (3, asns),
                AsPathSegment::ConfedSet(asns) => (4, asns),
            };
            (kind, asns.iter().map(|asn| u32::from(*asn)).collect())
        }));
    }
    for community in attributes.iter_communities() {
        match community {
            MetaCommunity::Plain(plain) => {
                said.communities.insert(match plain {
                    Community::NoExport => 0xffff_ff01,
                    Community::NoAdvertise => 0xffff_ff02,
                    Community::NoExportSubConfed => 0xffff_ff03,
                    Community::Custom(asn, value) => u32::from(asn) << 16 | u32::from(value),
                });
            }
            MetaCommunity::Large(large) => {
                let [local1, local2] = large.local_data;
                said.large_communities.insert([large.global_admin, local1, local2]);
            }
            _ => {}
        }
    }
    Some(said)
}

/// What becomes of a message of any kind.
pub(crate) fn verdict(message: &[u8], ctx: &DecodeContext) -> Verdict {
    match read(message, ctx) {
        None => Verdict::Broken,
        Some(BgpMessage::Update(update)) if update.attributes.has_validation_warnings() => {
            Verdict::Faulty
        }
        Some(_) => Verdict::Fine,
    }
}
