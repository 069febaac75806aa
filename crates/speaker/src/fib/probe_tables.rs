//! A routing table per path, so that its probes go over it whatever else is decided (law 1).
//!
//! Packets with the path's mark, and packets from its probe source, use its table. There a
//! default route leads to the path's next hop; behind it an unreachable route of the last metric
//! stands guard, since a lookup that finds nothing would go on to the main table, and the probe
//! of a dead path would come home over a healthy one.
//!
//! The rule by source address is what makes answers pass strict reverse path filtering
//! (RFC 3704), which looks answers up backwards and without the mark.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::next_hops::interface;
use crate::config::PathLink;
use crate::netlink::{
    Batch, MAIN_TABLE, OURS, Refusal, Route, RouteKey, Rule, Socket, Target, flag, kind,
};

/// The priority of the rules by mark, which come first, and of those by source: behind the
/// table of local addresses (0), ahead of whatever an operator is likely to have.
const BY_MARK: u32 = 800;
const BY_SOURCE: u32 = 801;

/// Metrics of the default route and of its guard.
const METRIC: u32 = 80;
const LAST_METRIC: u32 = u32::MAX;

/// The paths' tables and rules.
#[derive(Debug)]
pub(super) struct ProbeTables {
    paths: Vec<PathLink>,
}

impl ProbeTables {
    /// Makes the kernel's rules of ours and the tables they select those of `paths`.
    pub(super) fn open(paths: &[PathLink], socket: &mut Socket) -> io::Result<Self> {
        let mut tables = Self { paths: paths.to_vec() };
        for refusal in tables.repair(socket)? {
            // Next hops may be down for now; guards and rules have no excuse.
            tracing::debug!(refusal = %io::Error::from(refusal), "probe table incomplete");
        }
        sync_rules(tables.rules(), socket)?;
        tables.remove_strangers(socket)?;
        Ok(tables)
    }

    /// Writes the tables' routes; those of interfaces that are down are refused.
    pub(super) fn repair(&mut self, socket: &mut Socket) -> io::Result<Vec<Refusal>> {
        let mut batch = Batch::default();
        let flags = flag::CREATE | flag::REPLACE;
        for path in self.paths.iter().filter(|path| path.mark.is_some()) {
            let prefix = default_of(path.probe_source.is_ipv6());
            let table = path.table;
            let guard = RouteKey { prefix, table, metric: LAST_METRIC };
            guard.write(&mut batch, flags, Target::Unreachable);
            let Some(link) = interface(path, socket)? else { continue };
            let gateway = match (path.probe_source, path.next_hop) {
                (IpAddr::V6(_), IpAddr::V4(_)) => None,
                (_, gateway) => Some(gateway),
            };
            let target = Target::Via { interface: link.index, gateway };
            RouteKey { prefix, table, metric: METRIC }.write(&mut batch, flags, target);
        }
        if batch.is_empty() { Ok(Vec::new()) } else { socket.transact(&mut batch) }
    }

    /// Removes rules and tables.
    pub(super) fn leave(&mut self, socket: &mut Socket) -> io::Result<()> {
        self.paths.clear();
        sync_rules(HashSet::new(), socket)?;
        self.remove_strangers(socket)
    }

    fn rules(&self) -> HashSet<Rule> {
        let mut sources: HashMap<IpAddr, usize> = HashMap::new();
        for path in &self.paths {
            *sources.entry(path.probe_source).or_default() += 1;
        }
        let rules = |path: &PathLink| {
            let mark = Rule {
                ipv6: path.probe_source.is_ipv6(),
                priority: BY_MARK,
                mark: path.mark,
                source: None,
                table: path.table,
            };
            let source = Some(path.probe_source);
            let source = Rule { priority: BY_SOURCE, mark: None, source, ..mark };
            // An address that paths share tells nothing about the path.
            let alone = sources[&path.probe_source] == 1;
            path.mark
                .into_iter()
                .flat_map(move |_| [Some(mark), alone.then_some(source)].into_iter().flatten())
        };
        self.paths.iter().flat_map(rules).collect()
    }

    /// Removes routes of ours from tables that are neither the main one nor a path's.
    fn remove_strangers(&self, socket: &mut Socket) -> io::Result<()> {
        let mut batch = Batch::default();
        for ipv6 in [false, true] {
            let tables: HashSet<u32> = self
                .paths
                .iter()
                .filter(|path| path.mark.is_some() && path.probe_source.is_ipv6() == ipv6)
                .map(|path| path.table)
                .collect();
            let mut request = Batch::default();
            Route::request_all(&mut request, ipv6, 0, OURS);
            socket.dump(&mut request, |_, body| {
                let stranger = |route: &Route| {
                    let kept = route.key.table == MAIN_TABLE || tables.contains(&route.key.table);
                    route.protocol == OURS && !kept
                };
                if let Some(route) = Route::read(body).filter(stranger) {
                    route.key.remove(&mut batch);
                }
            })?;
        }
        if !batch.is_empty() {
            socket.transact(&mut batch)?;
        }
        Ok(())
    }
}

/// Adds the rules that are missing, then removes those of ours that are not wanted.
fn sync_rules(wanted: HashSet<Rule>, socket: &mut Socket) -> io::Result<()> {
    let mut present = HashSet::new();
    for ipv6 in [false, true] {
        let mut request = Batch::default();
        Rule::request_all(&mut request, ipv6);
        socket.dump(&mut request, |_, body| present.extend(Rule::read_ours(body)))?;
    }
    let mut batch = Batch::default();
    for rule in wanted.difference(&present) {
        rule.write(&mut batch, kind::NEW_RULE, flag::CREATE | flag::EXCLUSIVE);
    }
    for rule in present.difference(&wanted) {
        rule.write(&mut batch, kind::DEL_RULE, 0);
    }
    if batch.is_empty() {
        return Ok(());
    }
    match socket.transact(&mut batch)?.into_iter().next() {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

fn default_of(ipv6: bool) -> IpNet {
    if ipv6 { Ipv6Net::default().into() } else { Ipv4Net::default().into() }
}
