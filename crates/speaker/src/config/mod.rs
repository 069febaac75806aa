//! The configuration file: read, checked, and turned into what the engine and the shell are told.
//!
//! What it promises: a wrong configuration never starts half-way. Every mistake is reported,
//! not only the first, each with file, line, column, the offending text and a remedy; unknown
//! keys come with a suggestion; passwords are never shown. What it does not know: whether
//! interfaces, peers or reflectors exist.
//!
//! The way of a file: text -> spanned tree ([`toml`]) -> tables as read (`speaker`, `peer`,
//! `path`, `service`, `policy`, `timing`) -> rules between them (`rules`) -> [`Loaded`].

mod bfd;
mod finding;
mod intake;
mod judging;
mod limits;
mod names;
mod path;
mod peer;
mod policy;
mod profile;
mod read;
pub mod reload;
mod rules;
pub mod schema;
mod secret;
mod service;
mod shell;
mod speaker;
pub mod timing;
mod value;
mod web;

#[cfg(test)]
mod tests;

use core::cell::RefCell;
use core::time::Duration;
use std::path::Path as FilePath;
use std::sync::Arc;

use pathvane_engine::config::{MedPlan, Mode, Timing};
use pathvane_engine::{Config, PathId, ServiceId};
use pathvane_rib::Policy;
use pathvane_score::Class;
use toml::Spanned;
use toml::de::DeTable;

pub use bfd::BfdSession;
pub use finding::{Finding, Findings, Severity};
pub use intake::IntakeSocket;
pub use policy::BUILT_IN as BUILT_IN_POLICIES;
pub use secret::Secret;
pub use shell::{FibMode, PathLink, PeerTcp, Range, ShellConfig, StreamSocket, Watched};
pub use speaker::DEFAULT_CONTROL;
pub use value::parse_duration;

use intake::Intake;
use names::{NameList, Names};
use path::Path;
use peer::Peer;
use read::Section;
use service::Service;
use speaker::Speaker;

/// A configuration that may start.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// For the engine.
    pub engine: Config,
    /// For the shell.
    pub shell: ShellConfig,
}

impl Loaded {
    /// Whether moves are carried out, or only recorded.
    pub fn acts(&self) -> bool {
        self.engine.mode == Mode::Act
    }
}

/// What came of a file: the configuration unless there are errors, and all findings either way.
#[derive(Debug)]
pub struct Outcome {
    /// The configuration; `None` if the findings contain an error.
    pub loaded: Option<Loaded>,
    /// Errors, warnings and notes.
    pub findings: Findings,
}

/// Reads and checks a file.
///
/// # Errors
///
/// If the file cannot be read at all.
pub fn load(path: &FilePath) -> std::io::Result<Outcome> {
    let text = std::fs::read_to_string(path)?;
    Ok(parse(&path.display().to_string(), &text))
}

/// Checks a text, which messages call `file`.
pub fn parse(file: &str, text: &str) -> Outcome {
    let findings = RefCell::new(Findings::new(file, text));
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let message = format!("not TOML: {}", error.message().trim_end());
        let span = error.span().unwrap_or_default();
        findings.borrow_mut().error(span, message, "strings are quoted, tables are in brackets");
    }
    if !errors.is_empty() {
        return Outcome { loaded: None, findings: findings.into_inner() };
    }
    let root_section = Section::open("the file", 0..0, root.get_ref(), schema::FILE, &findings);
    let loaded = File::read(&root_section).and_then(|file| {
        rules::apply(&file, &findings);
        file.build(&findings)
    });
    let findings = findings.into_inner();
    Outcome { loaded: loaded.filter(|_| !findings.has_errors()), findings }
}

/// The tables as read, names not yet resolved.
#[derive(Debug)]
struct File {
    speaker: Speaker,
    peers: Vec<Peer>,
    /// Peers by range of addresses.
    ranges: Vec<Peer>,
    paths: Vec<Path>,
    services: Vec<Service>,
    policies: Vec<Policy>,
    timing: Timing,
    probe_timeout: Duration,
    intake: Intake,
    /// The operator's own classes.
    classes: Vec<Spanned<String>>,
    names: Names,
}

impl File {
    fn read(root: &Section<'_>) -> Option<Self> {
        let speaker = root.section("speaker", "[speaker]", schema::SPEAKER);
        if !root.has("speaker") {
            root.findings().borrow_mut().error(
                0..0,
                "the file has no [speaker]",
                "begin it with [speaker], `asn = ...` and `bgp_identifier = \"...\"`",
            );
        }
        let groups = root.named_sections("groups", "group", schema::GROUP);
        let mut peers = root.named_sections("peers", "peer", schema::PEER);
        join_groups(&mut peers, &groups);
        let paths = root.named_sections("paths", "path", schema::PATH);
        let services = root.named_sections("services", "service", schema::SERVICE);
        let policies = root.named_sections("policies", "policy", schema::POLICY);
        let timing = root.section("timing", "[timing]", timing::KEYS);
        let mut names = Names {
            classes: NameList::new("class", Vec::new()),
            peers: peer_names(&peers),
            paths: NameList::new("path", names_of(&paths)),
            policies: NameList::new("policy", policy_names(&policies)),
        };
        let speaker = speaker.as_ref().map(Speaker::read);
        let read_peer = |(name, section)| Peer::read(name, &section);
        let all: Vec<Peer> = peers.into_iter().map(read_peer).collect();
        let (ranges, peers): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|peer| peer.range.is_some());
        let read_path = |(index, (name, section))| Path::read(index, name, &section);
        let read_service = |(name, section)| Service::read(name, &section);
        let drain_wait = speaker.as_ref().map(|speaker| speaker.drain_wait).unwrap_or_default();
        let probe_timeout = timing::probe_timeout(timing.as_ref());
        let mut timing = timing::read(timing.as_ref(), drain_wait);
        let classes = judging::read(root, &mut timing);
        let standard = Class::ALL.iter().map(|class| class.name().to_owned());
        let own = classes.iter().map(|name| name.get_ref().clone());
        names.classes = NameList::new("class", standard.chain(own).collect());
        let file = |speaker: Speaker| Self {
            peers,
            ranges,
            paths: (0..).zip(paths).map(read_path).collect(),
            services: services.into_iter().map(read_service).collect(),
            policies: policy::read(&policies, &names.peers),
            timing,
            probe_timeout,
            intake: Intake::read(root),
            classes,
            names,
            speaker,
        };
        speaker.map(file)
    }

    /// Peers with an address of their own, and ranges of peers.
    fn all_peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().chain(&self.ranges)
    }

    /// Resolves names to numbers. `None` only if a mistake was reported.
    fn build(self, findings: &RefCell<Findings>) -> Option<Loaded> {
        let mut loaded = self.skeleton()?;
        for (id, path) in (0..).map(PathId).zip(&self.paths) {
            let peers = path.peers(&self.names, findings);
            loaded.shell.paths.extend(path.link(loaded.shell.fib));
            let dscp = self.dscp(path);
            loaded.shell.streams.extend(path.streams(id, dscp).unwrap_or_default());
            loaded.shell.full_size.extend(path.full_size(id, dscp));
            loaded.engine.paths.extend(path.engine(peers, dscp));
        }
        for (id, service) in (0..).map(ServiceId).zip(&self.services) {
            let announces = service.announces(&self.names, findings);
            let paths = service.path_ids(&self.names, findings);
            let first = paths.first().and_then(|path| self.paths.get(path.index()));
            let region = first.map_or("", |path| path.region.as_str());
            loaded.shell.conditions.extend(service::watched(id, &announces));
            loaded.shell.checks.extend(service.health_checks(id));
            let class = service.class(&self.names, findings).and_then(|_| self.class_of(service));
            let engine = class.map(|class| service.engine(announces, paths, region, class));
            loaded.engine.services.extend(engine);
        }
        loaded.engine.multipath = loaded.engine.multipath.max(self.carrying_together());
        let engine = &loaded.engine;
        let complete = (engine.peers.len(), engine.paths.len(), engine.services.len())
            == (self.peers.len(), self.paths.len(), self.services.len());
        complete.then_some(loaded)
    }

    /// As many paths as carry one service together at most: so many equal routes are of use.
    fn carrying_together(&self) -> u8 {
        let together = self.services.iter().filter(|service| service.is_balanced());
        let most = together.map(|service| service.paths.len()).max().unwrap_or(1);
        u8::try_from(most).unwrap_or(u8::MAX)
    }

    fn skeleton(&self) -> Option<Loaded> {
        let speaker = &self.speaker;
        let peer = |peer: &Peer| peer.engine(speaker, &self.names);
        let engine = Config {
            asn: *speaker.asn.as_ref()?.get_ref(),
            id: *speaker.id.as_ref()?.get_ref(),
            cluster_id: speaker.cluster_id.unwrap_or(*speaker.id.as_ref()?.get_ref()),
            multipath: speaker.multipath.small(),
            multipath_relax: *speaker.multipath_relax.get_ref(),
            mode: *speaker.steering.get_ref(),
            peers: self.peers.iter().filter_map(peer).collect(),
            paths: Vec::new(),
            services: Vec::new(),
            policies: self.policies.iter().cloned().map(Arc::new).collect(),
            med: MedPlan::default(),
            timing: self.timing.clone(),
            probe_timeout: self.probe_timeout,
            trust_reports: self.intake.trusted,
            probe_rate: speaker.probe_rate.get_ref().0,
        };
        let shell = ShellConfig {
            listen: speaker.listen.clone(),
            control: speaker.control.get_ref().clone(),
            fib: *speaker.fib.get_ref(),
            log: speaker.log.get_ref().clone(),
            peers: self.peers.iter().filter_map(|peer| peer.tcp(speaker)).collect(),
            ranges: self
                .ranges
                .iter()
                .filter_map(|peer| peer.range(speaker, &self.names))
                .collect(),
            paths: Vec::new(),
            streams: Vec::new(),
            full_size: Vec::new(),
            conditions: Vec::new(),
            checks: Vec::new(),
            bfd_socket: speaker.bfd_socket(),
            intake: self.intake.socket.clone(),
            bfd: bfd::sessions(self),
        };
        Some(Loaded { engine, shell })
    }

    /// The marking of the most demanding class among the services that use `path`.
    fn dscp(&self, path: &Path) -> u8 {
        let uses = |service: &&Service| service.uses(path.name());
        let classes = self.services.iter().filter(uses).filter_map(|it| self.class_of(it));
        service::dscp(classes.map(|(class, _)| class).min().unwrap_or(Class::Bulk))
    }

    /// How a service is scored, and its class among the operator's own.
    fn class_of(&self, service: &Service) -> Option<(Class, Option<usize>)> {
        let at = self.names.classes.position(service.class.as_ref()?.get_ref())?;
        Some(match Class::ALL.get(at) {
            Some(class) => (*class, None),
            None => {
                let nth = at - Class::ALL.len();
                (self.timing.monitor.own.get(nth)?.like, Some(nth))
            }
        })
    }
}

/// Lets each peer that names a group inherit from it.
fn join_groups<'a>(
    peers: &mut [(Spanned<String>, Section<'a>)],
    groups: &[(Spanned<String>, Section<'a>)],
) {
    let names = NameList::new("group", names_of(groups));
    let mut used = vec![false; groups.len()];
    for (name, section) in peers {
        let Some(group) = section.own::<String>("group") else { continue };
        let user = format!("peer `{}`", name.get_ref());
        if let Some(at) = names.resolve(&user, &group, section.findings()).map(usize::from) {
            used[at] = true;
            section.within(&groups[at].1);
        }
    }
    for ((name, section), _) in groups.iter().zip(used).filter(|(_, used)| !used) {
        section.findings().borrow_mut().warning(
            section.span.clone(),
            format!("no peer is in group `{}`, and what it says is not checked", name.get_ref()),
            "add `group = \"...\"` to its peers, or remove it",
        );
    }
}

/// The names of peers with an address of their own; those of ranges name nobody.
fn peer_names(sections: &[(Spanned<String>, Section<'_>)]) -> NameList {
    let named = |range: bool| {
        let those = sections.iter().filter(move |(_, section)| section.has("range") == range);
        those.map(|(name, _)| name.get_ref().clone()).collect()
    };
    let why = "is a range, whose peers come and go";
    NameList::new("peer", named(false)).besides(named(true), why)
}

fn names_of(sections: &[(Spanned<String>, Section<'_>)]) -> Vec<String> {
    sections.iter().map(|(name, _)| name.get_ref().clone()).collect()
}

fn policy_names(sections: &[(Spanned<String>, Section<'_>)]) -> Vec<String> {
    let built_in = BUILT_IN_POLICIES.iter().map(|name| (*name).to_owned());
    built_in.chain(names_of(sections)).collect()
}
