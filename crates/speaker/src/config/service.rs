//! `[services.NAME]`: what we announce and reach, over which paths, and who checks it.

use core::cell::RefCell;
use core::net::IpAddr;
use core::ops::Range;
use core::time::Duration;
use std::path::PathBuf;

use ipnet::IpNet;
use pathvane_engine::config::{Announce, Condition};
use pathvane_engine::{PathId, ServiceId};
use pathvane_rib::PeerId;
use pathvane_score::{Class, Strategy};
use toml::Spanned;

use super::finding::Findings;
use super::names::Names;
use super::read::Section;
use super::schema;
use super::shell::Watched;
use super::value::{BitRate, Interface, Number, Refusal, words};
use super::web::{HostPort, StatusRange, Url};
use crate::checks::{Ask, Check, Http, Roots};

words!(
    Class, "a class of service",
    "voice" => Class::Voice, "interactive" => Class::Interactive, "bulk" => Class::Bulk
);
words!(
    Strategy, "a strategy",
    "best" => Strategy::Best, "ordered" => Strategy::Ordered, "balance" => Strategy::Balance
);

/// The DSCP that traffic of a class is marked with: EF, AF31, default (RFC 2597, RFC 3246).
pub(super) const fn dscp(class: Class) -> u8 {
    match class {
        Class::Voice => 46,
        Class::Interactive => 26,
        Class::Bulk => 0,
    }
}

/// The table as read.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: Spanned<String>,
    pub(super) span: Range<usize>,
    pub(super) class: Option<Spanned<String>>,
    pub(super) announce: Vec<Announced>,
    pub(super) reach: Vec<Spanned<IpNet>>,
    pub(super) paths: Vec<Spanned<String>>,
    pub(super) strategy: Spanned<Strategy>,
    pub(super) load: Option<Spanned<BitRate>>,
    pub(super) symmetric: bool,
    pub(super) withdraw_last: Spanned<bool>,
    pub(super) checks: Vec<CheckRead>,
}

/// One element of `announce`.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) prefix: Spanned<IpNet>,
    condition: While,
}

/// `while`, with names not yet resolved.
#[derive(Debug)]
enum While {
    KernelRoute,
    InterfaceUp(String),
    PeerRoute(Spanned<String>),
}

/// One element of `checks`.
#[derive(Debug)]
pub(super) struct CheckRead {
    name: String,
    pub(super) region: Option<Spanned<String>>,
    pub(super) span: Range<usize>,
    ask: Ask,
    source: Option<IpAddr>,
    device: Option<Interface>,
    interval: Duration,
    timeout: Duration,
    fall: u8,
    rise: u8,
}

impl Service {
    /// Whether several paths carry it together.
    pub(super) fn is_balanced(&self) -> bool {
        *self.strategy.get_ref() == Strategy::Balance
    }

    pub(super) fn read(name: Spanned<String>, section: &Section<'_>) -> Self {
        let announce = section.sections("announce", "prefix", schema::ANNOUNCE);
        let checks = section.sections("checks", "check", schema::CHECK);
        Self {
            name,
            span: section.span.clone(),
            class: section.required("class", "\"voice\""),
            announce: announce.iter().filter_map(announced).collect(),
            reach: section.list("reach").unwrap_or_default(),
            paths: section.list("paths").unwrap_or_default(),
            strategy: section.spanned_or("strategy", Strategy::Best),
            load: section.optional("load"),
            symmetric: section.or("symmetric", false),
            withdraw_last: section.spanned_or("withdraw_last", false),
            checks: checks.iter().filter_map(check).collect(),
        }
    }

    /// The name as text.
    pub(super) fn name(&self) -> &str {
        self.name.get_ref()
    }

    /// Whether it may use `path`.
    pub(super) fn uses(&self, path: &str) -> bool {
        self.paths.iter().any(|name| name.get_ref() == path)
    }

    /// The numbers of its paths; reports names that no path has.
    pub(super) fn path_ids(&self, names: &Names, findings: &RefCell<Findings>) -> Vec<PathId> {
        let user = format!("service `{}`", self.name());
        let resolve = |name| names.paths.resolve(&user, name, findings).map(PathId);
        self.paths.iter().filter_map(resolve).collect()
    }

    /// Its class; reports one that is not there.
    pub(super) fn class(&self, names: &Names, findings: &RefCell<Findings>) -> Option<u16> {
        let user = format!("service `{}`", self.name());
        names.classes.resolve(&user, self.class.as_ref()?, findings)
    }

    /// Its announcements; reports peers that are not there.
    pub(super) fn announces(&self, names: &Names, findings: &RefCell<Findings>) -> Vec<Announce> {
        let user = format!("service `{}`", self.name());
        let resolve = |announced: &Announced| {
            let condition = match &announced.condition {
                While::KernelRoute => Condition::KernelRoute,
                While::InterfaceUp(name) => Condition::InterfaceUp(name.clone()),
                While::PeerRoute(peer) => {
                    Condition::PeerRoute(PeerId(names.peers.resolve(&user, peer, findings)?))
                }
            };
            Some(Announce { prefix: *announced.prefix.get_ref(), condition })
        };
        self.announce.iter().filter_map(resolve).collect()
    }

    /// The engine's half.
    pub(super) fn engine(
        &self,
        announce: Vec<Announce>,
        paths: Vec<PathId>,
        default_region: &str,
        (class, own_class): (Class, Option<usize>),
    ) -> pathvane_engine::config::Service {
        let check = |check: &CheckRead| pathvane_engine::config::Check {
            name: check.name.clone(),
            region: check
                .region
                .as_ref()
                .map_or(default_region, |region| region.get_ref())
                .to_owned(),
        };
        pathvane_engine::config::Service {
            name: self.name().to_owned(),
            class,
            own_class,
            announce,
            reach: self.reach.iter().map(|net| *net.get_ref()).collect(),
            paths,
            strategy: *self.strategy.get_ref(),
            load: self.load.as_ref().map(|it| it.get_ref().bits()),
            checks: self.checks.iter().map(check).collect(),
            symmetric: self.symmetric,
            withdraw_last: *self.withdraw_last.get_ref(),
        }
    }

    /// What the shell asks its instances.
    pub(super) fn health_checks(&self, service: ServiceId) -> Vec<Check> {
        let check = |(check, read): (u16, &CheckRead)| Check {
            service,
            check,
            ask: read.ask.clone(),
            source: read.source,
            device: read.device.clone().map(Interface::into_name),
            interval: read.interval,
            timeout: read.timeout,
            fall: read.fall,
            rise: read.rise,
        };
        (0..).zip(&self.checks).map(check).collect()
    }
}

/// The conditions that the shell watches: those on kernel routes and interfaces.
pub(super) fn watched(service: ServiceId, announces: &[Announce]) -> Vec<Watched> {
    let watch = |(announce, entry): (u16, &Announce)| Watched {
        service,
        announce,
        prefix: entry.prefix,
        condition: entry.condition.clone(),
    };
    let ours = |entry: &&Announce| !matches!(entry.condition, Condition::PeerRoute(_));
    (0..).zip(announces).filter(|(_, entry)| ours(entry)).map(watch).collect()
}

fn announced(section: &Section<'_>) -> Option<Announced> {
    let prefix = section.required("prefix", "\"10.20.0.0/16\"");
    let condition = section.required::<String>("while", "\"kernel-route\"");
    let condition = condition.and_then(|text| match parse_while(&text) {
        Ok(condition) => Some(condition),
        Err(refusal) => {
            let message = format!("`while` of {}: {}", section.what, refusal.message);
            section.findings().borrow_mut().error(text.span(), message, refusal.remedy);
            None
        }
    });
    Some(Announced { prefix: prefix?, condition: condition? })
}

fn parse_while(text: &Spanned<String>) -> Result<While, Refusal> {
    let remedy = "write \"kernel-route\", \"interface-up:NAME\" or \"peer-route:PEER\"";
    match text.get_ref().split_once(':') {
        None if text.get_ref() == "kernel-route" => Ok(While::KernelRoute),
        Some(("interface-up", name)) => {
            Interface::new(name).map(|name| While::InterfaceUp(name.into_name()))
        }
        Some(("peer-route", peer)) => {
            Ok(While::PeerRoute(Spanned::new(text.span(), peer.to_owned())))
        }
        _ => Err(Refusal::new(format!("`{}` is not a condition", text.get_ref()), remedy)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CheckKind {
    Http,
    Tcp,
}

words!(CheckKind, "a kind of check", "http" => CheckKind::Http, "tcp" => CheckKind::Tcp);

fn check(section: &Section<'_>) -> Option<CheckRead> {
    let kind = section.required("kind", "\"http\"").map(Spanned::into_inner);
    let asked = kind.and_then(|kind| match kind {
        CheckKind::Http => http(section),
        CheckKind::Tcp => tcp(section),
    });
    let mut read = CheckRead {
        name: String::new(),
        region: section.optional("region"),
        span: section.span.clone(),
        source: section.optional("source").map(Spanned::into_inner),
        device: section.optional("interface").map(Spanned::into_inner),
        interval: section.or("interval", Duration::from_secs(1)),
        timeout: section.or("timeout", Duration::from_millis(500)),
        fall: section.or("fall", Number::<1, 255>(2)).small(),
        rise: section.or("rise", Number::<1, 255>(3)).small(),
        ask: asked.as_ref()?.1.clone(),
    };
    check_pace(section, &read);
    read.name = asked?.0;
    Some(read)
}

fn check_pace(section: &Section<'_>, read: &CheckRead) {
    let too_fast = read.interval < Duration::from_millis(100);
    if too_fast || read.timeout.is_zero() || read.timeout > read.interval {
        section.findings().borrow_mut().error(
            section.span_of(if too_fast { "interval" } else { "timeout" }),
            format!("{} would overlap itself or flood its instance", section.what),
            "use an `interval` of at least \"100ms\" and a `timeout` no longer than it",
        );
    }
}

/// What is asked, and what messages call it.
fn tcp(section: &Section<'_>) -> Option<(String, Ask)> {
    refuse_keys(section, "tcp", &["url", "status", "body", "roots"]);
    let target = section.required::<HostPort>("target", "\"10.128.0.10:443\"")?.into_inner();
    Some((format!("tcp://{}", target.text), Ask::Tcp(target.endpoint)))
}

fn http(section: &Section<'_>) -> Option<(String, Ask)> {
    refuse_keys(section, "http", &["target"]);
    let url = section.required::<Url>("url", "\"http://10.128.0.10/healthz\"");
    let StatusRange(low, high) = section.or("status", StatusRange(200, 399));
    let body = section.optional::<String>("body").map(Spanned::into_inner);
    let roots = section.optional::<PathBuf>("roots");
    let Url { text, tls, host, path } = url?.into_inner();
    if let (false, Some(roots)) = (tls, &roots) {
        section.findings().borrow_mut().error(
            roots.span(),
            format!("{} has `roots`, but its URL is not https", section.what),
            "remove `roots`, or write https://",
        );
    }
    let roots = roots.map_or(Roots::System, |path| Roots::Pem(path.into_inner()));
    let ask = Http {
        endpoint: host.endpoint,
        tls: tls.then_some(roots),
        host: host.text,
        path,
        status: low..=high,
        body,
    };
    Some((text, Ask::Http(ask)))
}

fn refuse_keys(section: &Section<'_>, kind: &str, keys: &[&str]) {
    for key in keys.iter().filter(|key| section.has(key)) {
        section.findings().borrow_mut().error(
            section.span_of(key),
            format!("{} is of kind {kind}, which has no `{key}`", section.what),
            format!("remove `{key}` or change `kind`"),
        );
    }
}
