//! Another configuration for a speaker that runs: all of it, or nothing.

use pathvane_engine::{Engine, PeerId};

use super::outside::Outside;
use super::peers::Peers;
use crate::alarm::now;
use crate::config::Loaded;
use crate::config::reload::{PeerChange, bfd, changes, policies};
use crate::control::Reload;
use crate::control::dto::Refused;

/// The configuration in force.
pub(super) struct Running(pub(super) Loaded);

impl Running {
    /// Does what a new configuration changes, or says why that cannot be.
    pub(super) fn reload(
        &mut self,
        engine: &mut Engine,
        (peers, outside): (&mut Peers, &mut Outside),
        reload: Reload,
    ) {
        let Reload { loaded: new, reply } = reload;
        let outcome = match changes(&self.0, &new) {
            Ok(changes) => {
                let mut done = apply(engine, peers, &new, changes);
                let sessions = bfd(&new, |name| find(engine, name));
                if outside.claim_bfd(engine, sessions) {
                    done.push_str("; BFD sessions claimed anew");
                }
                self.0 = *new;
                Ok(done)
            }
            Err(differ) => Err(Refused {
                error: format!("a restart is needed to change {}", differ.join(", ")),
                remedy: "nothing was changed: restart, or undo that and reload again".to_owned(),
            }),
        };
        // Whoever asked may have hung up.
        let _ = reply.send(outcome);
    }
}

/// Carries changes out, and says what they were.
fn apply(engine: &mut Engine, peers: &mut Peers, new: &Loaded, changes: Vec<PeerChange>) -> String {
    engine.set_policies(policies(new, |name| find(engine, name)));
    let taken = new.engine.peers.iter().map(|peer| peer.address).collect();
    let mut reopened = peers.set_ranges(engine, new.shell.ranges.clone(), &taken);
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for change in changes {
        match change {
            PeerChange::Add(peer, tcp) => {
                added.push(peer.name.clone());
                let id = engine.add_peer(now(), *peer);
                peers.set(id, *tcp);
            }
            PeerChange::Keep(peer, tcp, reconnect) => {
                let Some(id) = find(engine, &peer.name) else { continue };
                if reconnect {
                    peers.set(id, *tcp);
                }
                let name = peer.name.clone();
                if engine.change_peer(now(), id, *peer, reconnect) {
                    reopened.push(name);
                }
            }
            PeerChange::Remove(name) => {
                let Some(id) = find(engine, &name) else { continue };
                engine.remove_peer(now(), id);
                peers.remove(id);
                removed.push(name);
            }
        }
    }
    if !added.is_empty() && new.engine.policies.iter().any(|policy| policy.names_peers()) {
        judge_anew(engine, new);
    }
    let list = |what: &str, names: Vec<String>| match names.is_empty() {
        true => String::new(),
        false => format!("; {what} {}", names.join(", ")),
    };
    format!(
        "reloaded{}{}{}",
        list("added", added),
        list("removed", removed),
        list("sessions opened anew:", reopened)
    )
}

/// The peer of a name, which need not have the number that it has in the file.
fn find(engine: &Engine, name: &str) -> Option<PeerId> {
    engine.peers().find(|id| engine.config().peers[id.index()].name == name)
}

/// Lets policies name the peers that have just come, and have a number only now.
fn judge_anew(engine: &mut Engine, new: &Loaded) {
    engine.set_policies(policies(new, |name| find(engine, name)));
    let present: Vec<PeerId> = engine.peers().collect();
    for id in present {
        let peer = engine.config().peers[id.index()].clone();
        engine.change_peer(now(), id, peer, false);
    }
}
