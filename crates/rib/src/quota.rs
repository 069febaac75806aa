//! How many prefixes a peer may be told: what it would not bear is kept from it.

use pathvane_wire::Family;

use crate::PeerId;
use crate::net_set::ZoneKey;
use crate::peer::{FAMILIES, Frame, Peer, Session};
use crate::rib::Rib;
use crate::table::Entry;
use crate::transmit::Outlet;

/// How many prefixes a peer may be told, by family (IPv4, IPv6).
///
/// What a product closes its session over is withheld here, before it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// At most so many; `None`: any number.
    pub most: [Option<u32>; 2],
    /// So many of these are kept free for prefixes of services.
    pub reserved: [u32; 2],
}

impl Quota {
    pub(crate) fn is_set(&self) -> bool {
        self.most.iter().any(Option::is_some)
    }
}

impl Rib {
    /// Says how many prefixes a peer may be told. What exceeds a new quota and was told already stays
    /// until it changes; what was withheld and has room now is told by [`Rib::poll_transmit`].
    pub fn set_quota(&mut self, peer: PeerId, quota: Quota) {
        let told = self
            .session(peer)
            .map(|session| [false, true].map(|v6| self.services_told(session, v6)));
        if let Some(known) = self.peer_mut(peer) {
            known.quota = quota;
            if let (Some(session), Some(told)) = (&mut known.session, told) {
                session.services_held = told;
            }
        }
        self.tell_withheld(peer);
    }

    /// Prefixes of a family that the peer's quota keeps from it.
    pub fn withheld(&self, peer: PeerId, family: Family) -> u32 {
        let place = FAMILIES.iter().position(|known| *known == family);
        self.session(peer).zip(place).map_or(0, |(session, at)| session.withheld_count[at])
    }

    /// Whether a prefix that the peer does not hold would be one too many.
    pub(crate) fn is_over_quota(&self, outlet: &Outlet, id: u32, v6: bool) -> bool {
        let Some(known) = self.peer(outlet.peer) else { return false };
        let (place, told) = (usize::from(v6), outlet.advertised[usize::from(v6)]);
        let Some(most) = known.quota.most[place] else { return false };
        match self.table.entry(id).has(Entry::SERVICE) {
            true => told >= most,
            false => !self.has_quota_left(&known.quota, &outlet.session, told, v6),
        }
    }

    /// Whether a peer that was told so many prefixes may be told one more that is no service's.
    fn has_quota_left(&self, quota: &Quota, session: &Session, told: u32, v6: bool) -> bool {
        let place = usize::from(v6);
        let Some(most) = quota.most[place] else { return true };
        let reserved = quota.reserved[place];
        let wanted = |reserved: u32| told.saturating_add(reserved) < most;
        let held = session.services_held[place];
        debug_assert_eq!(held, self.services_told(session, v6));
        wanted(reserved) || wanted(0) && wanted(reserved.saturating_sub(held))
    }

    /// How many prefixes of services the peer holds, by a walk over them.
    fn services_told(&self, session: &Session, v6: bool) -> u32 {
        let (mut count, mut from) = (0, Some(ZoneKey::START));
        while let Some((key, id)) = from.and_then(|from| self.zone.first(from)) {
            let entry = self.table.entry(id);
            let told =
                entry.has(Entry::SERVICE) && entry.is_v6() == v6 && session.held.contains(id);
            count += u32::from(told);
            from = key.next();
        }
        count
    }

    /// An entry has become a service's prefix, or is none any more.
    pub(crate) fn recount_service(&mut self, id: u32, is_one: bool) {
        let place = usize::from(self.table.entry(id).is_v6());
        for peer in self.peers.iter_mut().flatten().filter(|peer| peer.quota.is_set()) {
            if let Some(session) = peer.session.as_mut().filter(|session| session.held.contains(id))
            {
                let held = &mut session.services_held[place];
                *held = if is_one { *held + 1 } else { held.saturating_sub(1) };
            }
        }
    }

    /// An entry is about to go: nobody waits for it any more.
    pub(crate) fn forget_withheld(&mut self, id: u32) {
        let place = usize::from(self.table.entry(id).is_v6());
        let sessions = self.peers.iter_mut().flatten().filter_map(|peer| peer.session.as_mut());
        for session in sessions.filter(|session| session.withheld_count[place] > 0) {
            session.withheld_count[place] -= u32::from(session.withheld.remove(id));
        }
    }

    /// Goes over the table again for what was withheld, where there is room now.
    pub(crate) fn tell_withheld(&mut self, peer: PeerId) {
        let walk = self.walk(false, Frame::Silent);
        for at in 0..FAMILIES.len() {
            let waits = |known: &Peer| {
                let told = known.counts[at].advertised;
                known.session.as_deref().is_some_and(|session| {
                    session.withheld_count[at] > 0
                        && session.walks[at].is_none()
                        && self.has_quota_left(&known.quota, session, told, at == 1)
                })
            };
            if self.peer(peer).is_some_and(waits)
                && let Some(session) = self.session_mut(peer)
            {
                session.walks[at] = Some(walk);
            }
        }
    }
}

impl Session {
    /// Notes whether the quota keeps a prefix from the peer.
    pub(crate) fn note_withheld(&mut self, id: u32, v6: bool, withheld: bool) {
        let count = &mut self.withheld_count[usize::from(v6)];
        if withheld {
            *count += u32::from(self.withheld.insert(id));
        } else if *count > 0 {
            *count -= u32::from(self.withheld.remove(id));
        }
    }
}
