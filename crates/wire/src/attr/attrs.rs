//! All attributes of a route but its next hop, typed and in canonical form.

use alloc::vec::Vec;

use bytes::BytesMut;

use super::{
    Aggregator, AsPath, AttrFlags, CodeSet, Communities, ExtCommunities, LargeCommunities, Origin,
    TABLE, UnknownAttr,
};
use crate::{Asn, BgpId, EncodeContext, PeerKind};

/// The attributes of a route, without next hop and NLRI.
///
/// Canonical: attributes that mean the same compare equal. The next hop travels beside it, because
/// routes that differ in nothing else are many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attrs {
    /// ORIGIN.
    pub origin: Origin,
    /// AS_PATH, with AS4_PATH merged in (RFC 6793).
    pub as_path: AsPath,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF; only internal peers send and get it.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR, with AS4_AGGREGATOR merged in (RFC 6793).
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES (RFC 1997).
    pub communities: Communities,
    /// EXTENDED COMMUNITIES (RFC 4360).
    pub ext_communities: ExtCommunities,
    /// LARGE_COMMUNITY (RFC 8092).
    pub large_communities: LargeCommunities,
    /// ORIGINATOR_ID (RFC 4456); only internal peers send and get it.
    pub originator_id: Option<BgpId>,
    /// CLUSTER_LIST (RFC 4456), latest first; only internal peers send and get it.
    pub cluster_list: Vec<BgpId>,
    /// Only to Customer (RFC 9234).
    pub otc: Option<Asn>,
    /// AIGP (RFC 7311), not looked into.
    pub aigp: Option<Vec<u8>>,
    /// Attributes that we do not know, in the order of their codes.
    pub unknown: Vec<UnknownAttr>,
    /// The optional transitive attributes above that came with the Partial bit set, which stays
    /// set (RFC 4271 section 5).
    pub partial: CodeSet,
}

impl Attrs {
    /// Appends all attributes in the order of their codes, except NEXT_HOP and MP_REACH_NLRI,
    /// which [`crate::encode_announcements`] puts among them.
    ///
    /// ORIGIN and AS_PATH are always written. What only internal peers may have is not written for
    /// external ones. Where AS numbers have two octets, AS4_PATH and AS4_AGGREGATOR are added as
    /// needed (RFC 6793 section 4.2.2).
    pub fn encode(&self, ctx: &EncodeContext, out: &mut BytesMut) {
        let mut unknown = self.unknown.iter().peekable();
        for row in &TABLE {
            while let Some(attribute) = unknown.next_if(|attribute| attribute.code < row.code) {
                attribute.put(out);
            }
            if !row.internal_only || ctx.peer == PeerKind::Internal {
                (row.encode)(self, ctx, out);
            }
        }
        unknown.for_each(|attribute| attribute.put(out));
    }

    /// Prepares received attributes for being passed on to a peer (RFC 4271 section 5).
    ///
    /// Of the attributes that we do not know, those that are not transitive are dropped and the
    /// others marked Partial. AIGP is dropped, since we do not take part in it (RFC 7311
    /// section 3.3). Extended communities that do not leave their AS are dropped for external
    /// peers (RFC 4360 section 6), and so are segments of a confederation (RFC 5065 section 4.1).
    pub fn readvertise(&mut self, to: PeerKind) {
        self.unknown.retain(|attribute| attribute.flags.contains(AttrFlags::TRANSITIVE));
        for attribute in &mut self.unknown {
            attribute.flags.insert(AttrFlags::PARTIAL);
        }
        self.aigp = None;
        if to == PeerKind::External {
            self.ext_communities.retain(|community| community.is_transitive());
            self.as_path.remove_confederation();
        }
    }

    /// The flags to send one of our optional transitive attributes with.
    pub(super) fn transitive_flags(&self, code: u8) -> AttrFlags {
        let partial =
            if self.partial.contains(code) { AttrFlags::PARTIAL } else { AttrFlags::empty() };
        super::OPTIONAL_TRANSITIVE | partial
    }
}
