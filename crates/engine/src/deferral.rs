//! After a restart that peers bridge for us: nothing is selected before they told what they have
//! (RFC 4724 section 4.1).
//!
//! While this lasts, peers keep what the run before told them, and the kernel forwards by the routes
//! it left. What is learned meanwhile is decided about, but neither told nor installed, so that the
//! first table to arrive is not taken for all there is. The sources of probes alone are told at once:
//! they depend on nothing, and without them no path could be measured (law 1).

use alloc::vec::Vec;
use core::time::Duration;

use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_rib::PeerId;

use crate::config::Config;
use crate::engine::{Alarm, Engine};

/// How long peers may take (RFC 4724's Selection_Deferral_Timer): as long as they keep our routes.
const LONGEST: Duration = Duration::from_secs(10);

/// Whether a peer of this configuration is told that we restart.
pub(crate) fn is_due(config: &Config) -> bool {
    let restarting = |peer: &crate::config::Peer| {
        peer.session.graceful_restart.is_some_and(|gr| gr.restarting && !gr.families.is_empty())
    };
    config.peers.iter().any(restarting)
}

impl Engine {
    /// Begins to wait, if this run follows another one.
    pub(crate) fn begin_deferral(&mut self, now: Instant) {
        if self.deferring {
            self.alarms.set(Alarm::Deferral, Some(now + LONGEST));
        }
    }

    /// The sources of probes over paths that a peer speaks for.
    pub(crate) fn probe_sources(&self, peer: PeerId) -> Vec<IpNet> {
        let paths = self.config.paths.iter().filter(|path| path.announce_via.contains(&peer));
        paths.map(|path| IpNet::from(path.probe_source)).collect()
    }

    /// Selects, tells and installs from now on.
    pub(crate) fn end_deferral(&mut self) {
        if core::mem::take(&mut self.deferring) {
            self.alarms.set(Alarm::Deferral, None);
            self.busy = true;
        }
    }

    /// Ends the wait when nobody is left to wait for.
    pub(crate) fn end_deferral_if_complete(&mut self) {
        if self.deferring && (0..self.peers.len()).all(|at| self.need_not_wait_for(at)) {
            self.end_deferral();
        }
    }

    /// Whether a peer has told everything, keeps nothing over restarts, or has itself restarted.
    fn need_not_wait_for(&self, at: usize) -> bool {
        let Some(id) = u16::try_from(at).ok().map(PeerId) else { return true };
        let bridges = self.config.peers[at].session.graceful_restart;
        if bridges.is_none_or(|gr| gr.families.is_empty()) || self.has_told_all(id) {
            return true;
        }
        let established = self.peers[at].session.established();
        established.is_some_and(|(_, terms)| terms.graceful_restart.is_none_or(|gr| gr.restarting))
    }
}
