//! Routing policy: ordered terms that match routes, change them, and accept or reject them.
//!
//! A [`Policy`] is a value without state. Its outcome depends on the attribute set of a route (next
//! hop included) and on which of its matches on prefix and sender hold; the latter is a bitmap, so
//! that the RIB can keep the outcome for all routes that share both.

mod as_path;
mod communities;
mod eval;
mod prefixes;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;
use pathvane_wire::{Asn, Community, ExtCommunity, Family, Invalid, LargeCommunity, Origin};

pub use as_path::AsPathRegex;
pub use communities::{CommunityPattern, ExtCommunityPattern, ExtGlobal, LargeCommunityPattern};
pub use eval::{Accepted, Speaker};
pub use prefixes::{PrefixList, PrefixRange};

use crate::PeerId;

/// A named list of terms. The first term that accepts or rejects decides; a route that none
/// decides about is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: String,
    terms: Vec<Term>,
    by_bitmap: bool,
    rewrites_paths: bool,
}

impl Policy {
    /// The most matches on prefixes, families or peers in one policy.
    pub const MAX_PREFIX_MATCHES: usize = 64;

    /// A policy of these terms, tried in order.
    ///
    /// # Errors
    ///
    /// If more than [`Policy::MAX_PREFIX_MATCHES`] matches look at prefix or sender.
    pub fn new(name: impl Into<String>, terms: Vec<Term>) -> Result<Policy, Invalid> {
        let count = terms.iter().flat_map(|t| &t.matches).filter(|m| m.is_by_bitmap()).count();
        if count > Policy::MAX_PREFIX_MATCHES {
            return Err(Invalid {
                field: "terms",
                reason: "more than 64 matches on prefixes, families or peers in one policy",
            });
        }
        let mut actions = terms.iter().flat_map(|term| &term.actions);
        let rewrites_paths = actions.any(|action| matches!(action, Action::PrivateAs(_)));
        Ok(Policy { name: name.into(), terms, by_bitmap: count > 0, rewrites_paths })
    }

    /// The policy that accepts everything unchanged.
    pub fn accept_all(name: impl Into<String>) -> Policy {
        let term = Term {
            name: "all".into(),
            matches: Vec::new(),
            actions: Vec::new(),
            verdict: Some(Verdict::Accept),
        };
        let terms = alloc::vec![term];
        Policy { name: name.into(), terms, by_bitmap: false, rewrites_paths: false }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether prefix or sender matter to it.
    pub(crate) const fn is_by_bitmap(&self) -> bool {
        self.by_bitmap
    }

    /// Whether it may make like AS paths of unlike ones.
    pub(crate) const fn rewrites_paths(&self) -> bool {
        self.rewrites_paths
    }

    /// Whether it looks at who sent a route.
    pub fn names_peers(&self) -> bool {
        let mut matches = self.terms.iter().flat_map(|term| &term.matches);
        matches.any(|m| matches!(m, Match::Peer(_)))
    }

    /// The same with other numbers for the peers it names; one that gets none matches nothing.
    #[must_use]
    pub fn renumbered(&self, number: impl Fn(PeerId) -> Option<PeerId>) -> Policy {
        let mut policy = self.clone();
        for m in policy.terms.iter_mut().flat_map(|term| &mut term.matches) {
            if let Match::Peer(peers) = m {
                *peers = peers.iter().filter_map(|peer| number(*peer)).collect();
            }
        }
        policy
    }

    /// Whether it sets next hops, which only export heeds.
    pub fn sets_next_hop(&self) -> bool {
        let mut actions = self.terms.iter().flat_map(|term| &term.actions);
        actions.any(|action| matches!(action, Action::SetNextHop(_)))
    }

    /// Its terms, in order.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }
}

/// One term: if all matches hold, the actions are done and the verdict, if any, is final.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// Its name, for explanations.
    pub name: String,
    /// What must hold; nothing holds always.
    pub matches: Vec<Match>,
    /// What to change, in order.
    pub actions: Vec<Action>,
    /// Whether that settles it; `None` goes on with the next term.
    pub verdict: Option<Verdict>,
}

/// What a term says about a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Take it.
    Accept,
    /// Leave it.
    Reject,
}

/// A condition on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The prefix is in the list.
    Prefix(PrefixList),
    /// The route is of this family.
    Family(Family),
    /// It was received from one of these peers.
    Peer(Vec<PeerId>),
    /// Its next hop, as received, is in the list; an address counts as its host prefix.
    NextHop(PrefixList),
    /// Its ORIGIN.
    Origin(Origin),
    /// It has such a community.
    Community(CommunityPattern),
    /// It has such an extended community.
    ExtCommunity(ExtCommunityPattern),
    /// It has such a large community.
    LargeCommunity(LargeCommunityPattern),
    /// Its AS path has this in it.
    AsPath(AsPathRegex),
    /// This AS is anywhere in its AS path.
    AsPathContains(Asn),
    /// This AS announced it to us: the leftmost of its AS path.
    NeighborAs(Asn),
    /// What its OTC attribute says (RFC 9234).
    Otc(Otc),
}

/// A condition on the attribute Only to Customer (RFC 9234 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otc {
    /// It is not there.
    Absent,
    /// It is there.
    Present,
    /// It is there, and does not name this AS.
    NotBy(Asn),
}

impl Match {
    fn is_by_bitmap(&self) -> bool {
        matches!(self, Match::Prefix(_) | Match::Family(_) | Match::Peer(_))
    }

    /// Whether a match on prefix or sender holds; false for the other kinds.
    fn holds_for(&self, prefix: &IpNet, from: PeerId) -> bool {
        match self {
            Match::Prefix(list) => list.contains(prefix),
            Match::Family(family) => Family::of(prefix) == *family,
            Match::Peer(peers) => peers.contains(&from),
            _ => false,
        }
    }
}

/// A change to a route's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Set MED.
    SetMed(u32),
    /// Add to MED, from 0 if there is none; stays within 0 and 2^32 - 1.
    AddMed(i32),
    /// Set LOCAL_PREF.
    SetLocalPref(u32),
    /// Add to LOCAL_PREF, from the default if there is none; stays within 0 and 2^32 - 1.
    AddLocalPref(i32),
    /// Add a community.
    AddCommunity(Community),
    /// Remove such communities.
    RemoveCommunity(CommunityPattern),
    /// Replace all communities.
    SetCommunities(Vec<Community>),
    /// Add an extended community.
    AddExtCommunity(ExtCommunity),
    /// Remove such extended communities.
    RemoveExtCommunity(ExtCommunityPattern),
    /// Replace all extended communities.
    SetExtCommunities(Vec<ExtCommunity>),
    /// Add a large community.
    AddLargeCommunity(LargeCommunity),
    /// Remove such large communities.
    RemoveLargeCommunity(LargeCommunityPattern),
    /// Replace all large communities.
    SetLargeCommunities(Vec<LargeCommunity>),
    /// Set the OTC attribute (RFC 9234).
    SetOtc(Asn),
    /// Prepend our own AS this many times, beside the one that export to an external peer adds.
    Prepend(u8),
    /// Take private AS numbers (RFC 6996) out of the AS path, or put our own in their place.
    PrivateAs(PrivateAs),
    /// Set the next hop; only export heeds it.
    SetNextHop(NextHopChange),
}

/// What becomes of private AS numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateAs {
    /// They are taken out.
    Remove,
    /// Ours stands in their place, so that the path stays as long.
    Replace,
}

/// What becomes of the next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopChange {
    /// Our own address.
    Own,
    /// As received, even towards an external peer.
    Unchanged,
    /// This one.
    Address(IpAddr),
}
