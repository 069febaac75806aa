//! What another configuration changes on a running speaker, and what it cannot change there.
//!
//! Peers, groups, ranges, policies and BFD sessions may come, change and go. Everything else is
//! compared by how it prints, so that a key that is added later is not forgotten here.

use std::collections::BTreeMap;
use std::sync::Arc;

use pathvane_engine::{BfdUser, Config, PeerId};
use pathvane_rib::Policy;

use super::shell::PeerTcp;
use super::{BfdSession, Loaded, ShellConfig};

/// One change of a peer, by name.
#[derive(Clone, Debug)]
pub enum PeerChange {
    /// A new one.
    Add(Box<pathvane_engine::config::Peer>, Box<PeerTcp>),
    /// It is there already; whether its connection has to be made anew. Numbers of policies may
    /// have changed though nothing else has.
    Keep(Box<pathvane_engine::config::Peer>, Box<PeerTcp>, bool),
    /// It is not there any more.
    Remove(String),
}

/// The changes that lead from `old` to `new`: those that go go first, so that their addresses are free.
///
/// # Errors
///
/// What cannot be changed without a restart, each in a few words.
pub fn changes(old: &Loaded, new: &Loaded) -> Result<Vec<PeerChange>, Vec<String>> {
    let (before, after) = (fixed(old), fixed(new));
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut differ: Vec<String> =
        keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).cloned().collect();
    // A key does not print.
    if differ.is_empty() && keys_of_probes(old) != keys_of_probes(new) {
        differ.push("the key of a probe".to_owned());
    }
    if !differ.is_empty() {
        return Err(differ);
    }
    let find =
        |loaded: &Loaded, name: &str| loaded.engine.peers.iter().position(|peer| peer.name == name);
    let gone = old.engine.peers.iter().filter(|peer| find(new, &peer.name).is_none());
    let gone = gone.map(|peer| PeerChange::Remove(peer.name.clone()));
    let there = new.engine.peers.iter().zip(&new.shell.peers).map(|(peer, tcp)| {
        let (peer, tcp) = (Box::new(peer.clone()), Box::new(tcp.clone()));
        match find(old, &peer.name) {
            None => PeerChange::Add(peer, tcp),
            Some(at) => {
                let reconnect = old.shell.peers[at].options != tcp.options;
                PeerChange::Keep(peer, tcp, reconnect)
            }
        }
    });
    Ok(gone.chain(there).collect())
}

/// What signs the probes.
fn keys_of_probes(loaded: &Loaded) -> Vec<Option<pathvane_probe::stamp::Key>> {
    let probes = loaded.engine.paths.iter().flat_map(|path| &path.probes);
    probes.map(|probe| probe.options.key.clone()).collect()
}

/// The policies of a configuration for a speaker that numbers its peers in another way: `number` is
/// that of the peer of a name, if it is there.
pub fn policies(loaded: &Loaded, number: impl Fn(&str) -> Option<PeerId>) -> Vec<Arc<Policy>> {
    let Config { policies, peers, .. } = &loaded.engine;
    let by_name = |id: PeerId| number(&peers[id.index()].name);
    let renumbered = |policy: &Arc<Policy>| match policy.names_peers() {
        true => Arc::new(policy.renumbered(by_name)),
        false => Arc::clone(policy),
    };
    policies.iter().map(renumbered).collect()
}

/// The BFD sessions of a configuration for a speaker that numbers its peers in another way.
pub fn bfd(loaded: &Loaded, number: impl Fn(&str) -> Option<PeerId>) -> Vec<BfdSession> {
    let renumbered = |user: &BfdUser| match *user {
        BfdUser::Peer(id) => number(&loaded.engine.peers[id.index()].name).map(BfdUser::Peer),
        // Paths keep their places, or a restart is needed.
        path @ BfdUser::Path(_) => Some(path),
    };
    let of = |session: &BfdSession| BfdSession {
        wanted: session.wanted.clone(),
        users: session.users.iter().filter_map(renumbered).collect(),
    };
    loaded.shell.bfd.iter().map(of).filter(|session| !session.users.is_empty()).collect()
}

/// What a restart is needed for, by its name in the file.
fn fixed(loaded: &Loaded) -> BTreeMap<String, String> {
    let Loaded { engine, shell } = loaded;
    let ShellConfig { listen, control, fib, log, paths, streams, conditions, checks, .. } = shell;
    let streams = || streams.iter().chain(&shell.full_size);
    let mut fixed = BTreeMap::new();
    let mut put = |key: String, value: String| fixed.insert(key, value);
    put("`asn`".into(), format!("{}", engine.asn));
    put("`bgp_identifier`".into(), format!("{}", engine.id));
    put("`cluster_id`".into(), format!("{}", engine.cluster_id));
    put("`multipath`, or what `balance` needs of it".into(), format!("{}", engine.multipath));
    put("`multipath_relax`".into(), format!("{}", engine.multipath_relax));
    put("`steering`".into(), format!("{:?}", engine.mode));
    put("`listen`".into(), format!("{listen:?}"));
    put("`control`".into(), format!("{control:?}"));
    put("`bfd_socket`".into(), format!("{:?}", shell.bfd_socket));
    put("`probe_rate`".into(), format!("{}", engine.probe_rate));
    put("`fib`".into(), format!("{fib:?}"));
    put("`log`".into(), format!("{log:?}"));
    put(
        "[classes], [choice], [timing] or `drain_wait`".into(),
        format!("{:?}{:?}", engine.timing, engine.probe_timeout),
    );
    put("[intake]".into(), format!("{:?}{}", shell.intake, engine.trust_reports));
    put("the MED plan".into(), format!("{:?}", engine.med));
    let numbered = |id: &PeerId| engine.peers[id.index()].name.clone();
    for (nth, (path, link)) in engine.paths.iter().zip(paths).enumerate() {
        let mut plain = path.clone();
        let via: Vec<_> = path.announce_via.iter().map(numbered).collect();
        plain.announce_via.clear();
        let sockets: Vec<_> = streams().filter(|stream| stream.path.index() == nth).collect();
        put(format!("path `{}`", path.name), format!("{nth}{plain:?}{via:?}{link:?}{sockets:?}"));
    }
    for (nth, service) in engine.services.iter().enumerate() {
        put(format!("service `{}`", service.name), format!("{nth}{}", service_text(engine, nth)));
    }
    put("the checks of services".into(), format!("{checks:?}"));
    let watched = conditions.iter().map(|watched| format!("{watched:?}"));
    put("the conditions of services".into(), watched.collect());
    fixed
}

/// A service as it prints, with the names of peers for their numbers.
fn service_text(engine: &Config, nth: usize) -> String {
    use pathvane_engine::config::Condition;
    let mut plain = engine.services[nth].clone();
    let mut peers = Vec::new();
    for announce in &mut plain.announce {
        if let Condition::PeerRoute(id) = announce.condition {
            peers.push(engine.peers[id.index()].name.clone());
            announce.condition = Condition::PeerRoute(PeerId(0));
        }
    }
    format!("{plain:?}{peers:?}")
}
