//! Routing policy: ordered terms that match routes, change them, and accept or reject them.
//!
//! A [`Policy`] is a value without state. Its outcome depends on the attributes of a route and on
//! which of its prefix matches hold; the latter is a bitmap, so that the RIB can keep the outcome
//! for all routes that share both.

mod eval;
mod prefixes;

use alloc::string::String;
use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_wire::{Asn, Community, Family, Invalid, LargeCommunity};

pub use prefixes::{PrefixList, PrefixRange};

pub(crate) use eval::Speaker;

/// A named list of terms. The first term that accepts or rejects decides; a route that none
/// decides about is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: String,
    terms: Vec<Term>,
    by_prefix: bool,
}

impl Policy {
    /// The most matches on prefixes or families in one policy.
    pub const MAX_PREFIX_MATCHES: usize = 64;

    /// A policy of these terms, tried in order.
    ///
    /// # Errors
    ///
    /// If more than [`Policy::MAX_PREFIX_MATCHES`] matches look at the prefix.
    pub fn new(name: impl Into<String>, terms: Vec<Term>) -> Result<Policy, Invalid> {
        let count = terms.iter().flat_map(|t| &t.matches).filter(|m| m.is_by_prefix()).count();
        if count > Policy::MAX_PREFIX_MATCHES {
            return Err(Invalid {
                field: "terms",
                reason: "more than 64 matches on prefixes or families in one policy",
            });
        }
        Ok(Policy { name: name.into(), terms, by_prefix: count > 0 })
    }

    /// The policy that accepts everything unchanged.
    pub fn accept_all(name: impl Into<String>) -> Policy {
        let term = Term {
            name: "all".into(),
            matches: Vec::new(),
            actions: Vec::new(),
            verdict: Some(Verdict::Accept),
        };
        Policy { name: name.into(), terms: alloc::vec![term], by_prefix: false }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the prefix matters to it.
    pub(crate) const fn is_by_prefix(&self) -> bool {
        self.by_prefix
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
    /// It has this community.
    Community(Community),
    /// It has this large community.
    LargeCommunity(LargeCommunity),
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
    fn is_by_prefix(&self) -> bool {
        matches!(self, Match::Prefix(_) | Match::Family(_))
    }

    /// Whether a match on the prefix holds; false for the other kinds.
    fn holds_for(&self, prefix: &IpNet) -> bool {
        match self {
            Match::Prefix(list) => list.contains(prefix),
            Match::Family(family) => Family::of(prefix) == *family,
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
    /// Remove a community.
    RemoveCommunity(Community),
    /// Replace all communities.
    SetCommunities(Vec<Community>),
    /// Add a large community.
    AddLargeCommunity(LargeCommunity),
    /// Remove a large community.
    RemoveLargeCommunity(LargeCommunity),
    /// Replace all large communities.
    SetLargeCommunities(Vec<LargeCommunity>),
    /// Set the OTC attribute (RFC 9234).
    SetOtc(Asn),
    /// Prepend our own AS this many times, beside the one that export to an external peer adds.
    Prepend(u8),
}
