//! The RIB as one thing: its parts, and the commands that concern them all.
use alloc::sync::Arc;
use core::net::IpAddr;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_wire::{DecodeContext, Family, FamilySet, Notification, UpdateView};

use crate::*;

/// All routes of a speaker.
#[derive(Debug)]
pub struct Rib {
    config: RibConfig,
}
#[expect(unused_variables, clippy::missing_docs_in_private_items, reason = "signatures first")]
impl Rib {
    /// A RIB without peers.
    pub fn new(config: RibConfig) -> Rib { Rib { config } }
    /// Adds a peer, or gives one that is there another configuration.
    pub fn add_peer(&mut self, peer: PeerId, config: PeerConfig) {}
    /// Forgets a peer and its routes.
    pub fn remove_peer(&mut self, peer: PeerId) {}
    /// Other policies for a peer; routes are re-evaluated by `work`.
    pub fn set_policy(&mut self, peer: PeerId, import: Option<Arc<Policy>>, export: Option<Arc<Policy>>) {}
    /// A session reached Established.
    pub fn peer_up(&mut self, peer: PeerId, up: PeerUp) {}
    /// A session left Established; the routes of `retain` stay, stale (RFC 4724).
    pub fn peer_down(&mut self, peer: PeerId, retain: FamilySet) {}
    /// Removes the stale routes of a peer.
    pub fn flush_stale(&mut self, peer: PeerId) {}
    /// Takes in an UPDATE.
    pub fn update(&mut self, peer: PeerId, update: &UpdateView<'_>, ctx: &DecodeContext) -> Result<(), Notification> { Ok(()) }
    /// The peer asked for all routes again (RFC 2918).
    pub fn refresh(&mut self, peer: PeerId, family: Family) {}
    /// Families whose End-of-RIB has come from the peer in this session.
    pub fn end_of_rib_received(&self, peer: PeerId) -> FamilySet { FamilySet::EMPTY }
    /// Families whose End-of-RIB has been encoded for the peer in this session.
    pub fn end_of_rib_sent(&self, peer: PeerId) -> FamilySet { FamilySet::EMPTY }
    /// Does a part of the queued work; true if there is more.
    pub fn work(&mut self, budget: Budget) -> bool { false }
    /// Tells changes inside these nets.
    pub fn watch(&mut self, nets: &[IpNet]) {}
    /// The next change of a watched prefix.
    pub fn poll_change(&mut self) -> Option<Change> { None }
    /// Whether `poll_transmit` has something for the peer.
    pub fn has_pending(&self, peer: PeerId) -> bool { false }
    /// Encodes pending UPDATEs, at most about `limit` octets; true if there is more.
    pub fn poll_transmit(&mut self, peer: PeerId, out: &mut BytesMut, limit: usize) -> bool { false }
    /// Originates a route.
    pub fn originate(&mut self, prefix: IpNet, attrs: &OriginAttrs) {}
    /// Stops originating it.
    pub fn withdraw_origin(&mut self, prefix: IpNet) {}
    /// Prefixes inside these nets go first and can be directed.
    pub fn set_services(&mut self, nets: &[IpNet]) {}
    /// What to tell one peer about one service prefix; `None`: what policy says.
    pub fn direct(&mut self, peer: PeerId, prefix: IpNet, directive: Option<Directive>) {}
    /// Offsets the degree of preference of a peer's routes inside `reach`; 0 clears.
    pub fn set_preference(&mut self, peer: PeerId, reach: &[IpNet], offset: i32) {}
    /// Whether a next hop is reachable; all are until said otherwise.
    pub fn set_next_hop_reachable(&mut self, next_hop: IpAddr, reachable: bool) {}
    /// The best route of a prefix.
    pub fn best(&self, prefix: &IpNet) -> Option<Best> { None }
    /// Everything about one prefix.
    pub fn explain(&self, prefix: &IpNet) -> Option<Explain> { None }
    /// What a peer was told about a prefix.
    pub fn advertised(&self, peer: PeerId, prefix: &IpNet) -> Option<Advertised> { None }
    /// Routes of a peer in one family.
    pub fn counts(&self, peer: PeerId, family: Family) -> Counts { Counts::default() }
    /// Faults of a peer.
    pub fn faults(&self, peer: PeerId) -> Option<&Faults> { None }
    /// A page of what a peer announced.
    pub fn adj_rib_in(&self, peer: PeerId, from: Cursor, limit: usize) -> Page<RouteView> { Page { items: alloc::vec![], next: None } }
    /// A page of the best routes.
    pub fn loc_rib(&self, from: Cursor, limit: usize) -> Page<RouteView> { Page { items: alloc::vec![], next: None } }
    /// A page of what a peer was told.
    pub fn adj_rib_out(&self, peer: PeerId, from: Cursor, limit: usize) -> Page<Advertised> { Page { items: alloc::vec![], next: None } }
}
