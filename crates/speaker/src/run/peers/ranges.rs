//! Peers that come by a range of addresses, and ranges that a reload changes.

use std::collections::HashSet;
use std::net::IpAddr;

use pathvane_engine::{Engine, PeerId};

use super::Peers;
use crate::alarm::now;
use crate::config::Range;

/// Whether those who came by `old` may stay as they are connected, if `new` has their addresses.
fn connects_alike(old: &Range, new: &Range) -> bool {
    let mut options = new.tcp.options.clone();
    // The first address of the range.
    options.peer.set_ip(old.tcp.options.peer.ip());
    old.tcp.options == options
}

impl Peers {
    /// Makes a peer of somebody in a range, unless there are enough.
    pub(super) fn admit(
        &mut self,
        engine: &mut Engine,
        at: usize,
        address: IpAddr,
    ) -> Option<PeerId> {
        let range = &self.ranges[at];
        if self.dynamic.values().filter(|of| **of == at).count() >= range.max_peers {
            self.turned_away += 1;
            if self.turned_away.is_power_of_two() {
                let (name, away) = (&range.peer.name, self.turned_away);
                tracing::warn!(%address, range = name, away, "the range has as many peers as it may");
            }
            return None;
        }
        let peer = engine.add_peer(now(), range.peer_at(address));
        let tcp = range.tcp_at(address);
        // The listening sockets have the key of the range already.
        self.roster.add(peer, tcp.options.clone());
        self.config.insert(peer, tcp);
        self.dynamic.insert(peer, at);
        Some(peer)
    }

    /// Follows a new configuration: ranges come, change and go. Those who came by one stay if it still
    /// has their address and connects in the same way; the others' sessions end. `taken` are the
    /// addresses of peers that are configured by themselves. Returns the names of peers that went or
    /// whose sessions are opened anew.
    pub(in crate::run) fn set_ranges(
        &mut self,
        engine: &mut Engine,
        ranges: Vec<Range>,
        taken: &HashSet<IpAddr>,
    ) -> Vec<String> {
        let old = std::mem::replace(&mut self.ranges, ranges);
        let listed = self.ranges.iter().map(|range| (range.net, range.tcp.options.clone()));
        self.roster.set_ranges(listed.collect());
        self.follow_ranges(&old);
        let mut disturbed = Vec::new();
        for (peer, at) in self.dynamic.clone() {
            let config = &engine.config().peers[peer.index()];
            let (address, name) = (config.address, config.name.clone());
            let before = &old[at];
            let now_at = self.ranges.iter().position(|range| {
                range.peer.name == before.peer.name
                    && range.net.contains(&address)
                    && connects_alike(before, range)
            });
            match now_at.filter(|_| !taken.contains(&address)) {
                Some(now_at) => {
                    self.dynamic.insert(peer, now_at);
                    let config = self.ranges[now_at].peer_at(address);
                    if engine.change_peer(now(), peer, config, false) {
                        disturbed.push(name);
                    }
                }
                None => {
                    engine.remove_peer(now(), peer);
                    self.remove(peer);
                    disturbed.push(name);
                }
            }
        }
        disturbed.sort();
        disturbed
    }

    /// Lets the listening sockets know of the ranges' keys.
    fn follow_ranges(&self, old: &[Range]) {
        let of = |range: &Range| (range.net, range.tcp.options.clone());
        let gone: Vec<_> = old.iter().map(of).collect();
        for (listener, _) in &self.listeners {
            if let Err(error) = listener.follow_ranges(&gone, &self.roster) {
                tracing::error!("{error}");
            }
        }
    }
}
