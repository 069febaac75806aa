//! What NetGauze says. It knows neither what was negotiated beside ADD-PATH and the width of AS
//! numbers, nor the kind of the peer.

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;
use netgauze_bgp_pkt::BgpMessage;
use netgauze_bgp_pkt::nlri::{Ipv4UnicastAddress, Ipv6UnicastAddress};
use netgauze_bgp_pkt::path_attribute::{AsPath, MpReach, MpUnreach, Origin, PathAttributeValue};
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_iana::address_family::AddressType;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;
use pathvane_wire::{DecodeContext, Family};

use crate::said::{Path, Said, Verdict, path};

fn read(message: &[u8], ctx: &DecodeContext, strict: bool) -> Option<BgpMessage> {
    let families = [
        (AddressType::Ipv4Unicast, Family::IPV4_UNICAST),
        (AddressType::Ipv6Unicast, Family::IPV6_UNICAST),
    ];
    let add_path: HashMap<AddressType, bool> =
        families.into_iter().map(|(theirs, ours)| (theirs, ctx.add_path.contains(ours))).collect();
    let mut theirs = BgpParsingContext::new(
        ctx.four_octet_as,
        HashMap::new(),
        add_path,
        strict,
        strict,
        strict,
        strict,
    );
    BgpMessage::parse(&mut SliceReader::new(message), &mut theirs).ok()
}

fn net(text: &str) -> IpNet {
    text.parse::<IpNet>().expect("a prefix").trunc()
}

fn v4(address: &Ipv4UnicastAddress) -> Path {
    (net(&address.network().to_string()), address.path_id().unwrap_or(0))
}

fn v6(address: &Ipv6UnicastAddress) -> Path {
    (net(&address.network().to_string()), address.path_id().unwrap_or(0))
}

fn hop(addr: impl ToString, local: &Option<std::net::Ipv6Addr>) -> String {
    match local {
        Some(local) => format!("{} ({local})", addr.to_string()),
        None => addr.to_string(),
    }
}

/// What an UPDATE says; `None` if it is refused. Attributes that it cannot read it passes over.
pub(crate) fn said(message: &[u8], ctx: &DecodeContext) -> Option<Said> {
    let Some(BgpMessage::Update(update)) = read(message, ctx, false) else {
        return None;
    };
    let mut said =
        Said { withdrawn: update.withdraw_routes().iter().map(v4).collect(), ..Said::default() };
    let mut next_hop = String::new();
    let mut as4_path = None;
    for attribute in update.path_attributes() {
        match attribute.value() {
            PathAttributeValue::Origin(origin) => {
                said.origin = Some(
                    match origin {
                        Origin::IGP => "igp",
                        Origin::EGP => "egp",
                        Origin::Incomplete => "incomplete",
                    }
                    .to_owned(),
                );
            }
            PathAttributeValue::AsPath(AsPath::As2PathSegments(segments)) => {
                said.as_path = path(segments.iter().map(|segment| {
                    let asns = segment.as_numbers().iter().map(|asn| u32::from(*asn)).collect();
                    (segment.segment_type().into(), asns)
                }));
            }
            PathAttributeValue::AsPath(AsPath::As4PathSegments(segments)) => {
                said.as_path =
                    path(segments.iter().map(|segment| {
                        (segment.segment_type().into(), segment.as_numbers().to_vec())
                    }));
            }
            PathAttributeValue::As4Path(wide) => {
                as4_path = Some(path(wide.segments().iter().map(|segment| {
                    (segment.segment_type().into(), segment.as_numbers().to_vec())
                })));
            }
            PathAttributeValue::NextHop(hop) => next_hop = hop.next_hop().to_string(),
            PathAttributeValue::MultiExitDiscriminator(med) => said.med = Some(med.metric()),
            PathAttributeValue::LocalPreference(pref) => said.local_pref = Some(pref.metric()),
            PathAttributeValue::AtomicAggregate(_) => said.atomic_aggregate = true,
            PathAttributeValue::Communities(all) => {
                said.communities = all.communities().iter().map(|it| it.value()).collect();
            }
            PathAttributeValue::LargeCommunities(all) => {
                said.large_communities = all
                    .communities()
                    .iter()
                    .map(|it| [it.global_admin(), it.local_data1(), it.local_data2()])
                    .collect();
            }
            PathAttributeValue::Originator(id) => said.originator_id = Some(id.id().to_string()),
            PathAttributeValue::ClusterList(list) => {
                said.cluster_list =
                    list.cluster_list().iter().map(|id| id.id().to_bits()).collect();
            }
            PathAttributeValue::OnlyToCustomer(otc) => said.otc = Some(otc.asn()),
            PathAttributeValue::MpReach(MpReach::Ipv4Unicast {
                next_hop,
                next_hop_local,
                nlri,
            }) => {
                let hop = hop(next_hop, next_hop_local);
                said.announced.extend(nlri.iter().map(|it| (v4(it), hop.clone())));
            }
            PathAttributeValue::MpReach(MpReach::Ipv6Unicast {
                next_hop_global,
                next_hop_local,
                nlri,
            }) => {
                let hop = hop(next_hop_global, next_hop_local);
                said.announced.extend(nlri.iter().map(|it| (v6(it), hop.clone())));
            }
            PathAttributeValue::MpUnreach(MpUnreach::Ipv4Unicast { nlri }) => {
                said.withdrawn.extend(nlri.iter().map(v4));
            }
            PathAttributeValue::MpUnreach(MpUnreach::Ipv6Unicast { nlri }) => {
                said.withdrawn.extend(nlri.iter().map(v6));
            }
            _ => {}
        }
    }
    let classic: BTreeSet<_> = update.nlri().iter().map(|it| (v4(it), next_hop.clone())).collect();
    said.announced.extend(classic);
    // It leaves the merging of RFC 6793 to others: where AS4_PATH is there, it is the whole path of
    // a generated message.
    said.as_path = as4_path.unwrap_or(said.as_path);
    Some(said)
}

/// What becomes of a message of any kind.
pub(crate) fn verdict(message: &[u8], ctx: &DecodeContext) -> Verdict {
    match (read(message, ctx, true), read(message, ctx, false)) {
        (Some(_), _) => Verdict::Fine,
        (None, Some(_)) => Verdict::Faulty,
        (None, None) => Verdict::Broken,
    }
}
