//! `[paths.NAME]`: forwarding paths and the probes that measure them.

use core::cell::RefCell;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use std::path::PathBuf;

use pathvane_engine::config::{FIRST_HOP_RATE, ProbeKind};
use pathvane_engine::{PathId, ProbePacket};
use pathvane_probe::stamp::{Key, Options};
use pathvane_probe::{stamp, stun};
use pathvane_rib::PeerId;
use pathvane_score::MAX_PORTS;
use toml::Spanned;
use toml::de::DeValue;

use super::bfd::Bfd;
use super::finding::Findings;
use super::names::Names;
use super::read::Section;
use super::schema;
use super::shell::{FibMode, PathLink, StreamSocket};
use super::value::{BitRate, FromToml, Interface, Number, Refusal, words};
use crate::probe_io::unspecified;
use crate::probing::{FASTEST_TCP, TCP_PORT};
use crate::stamp_key;

words!(
    ProbeKind, "a kind of probe",
    "stamp" => ProbeKind::Stamp, "icmp" => ProbeKind::Icmp, "stun" => ProbeKind::Stun,
    "tcp" => ProbeKind::Tcp
);

/// Time between two TCP probes, unless told.
const TCP_INTERVAL: Duration = Duration::from_secs(1);

/// And at most.
const SLOWEST_TCP: Duration = Duration::from_secs(60);

/// The fwmark of the first path's probes; the following ones count up.
const FIRST_MARK: u32 = 0x7076_0001;

/// The routing table of the first path's probes; the following ones count up.
const FIRST_TABLE: u32 = 7_076_001;

/// The table as read.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) name: Spanned<String>,
    pub(super) span: Range<usize>,
    pub(super) interface: Option<Interface>,
    pub(super) next_hop: Option<Spanned<IpAddr>>,
    pub(super) announce_via: Vec<Spanned<String>>,
    pub(super) shared_risk: Vec<Spanned<String>>,
    pub(super) region: String,
    pub(super) probe_source: Option<Spanned<IpAddr>>,
    pub(super) probes: Vec<Probe>,
    pub(super) probes_span: Range<usize>,
    pub(super) cost: Number<0, 100>,
    pub(super) capacity: Option<Spanned<BitRate>>,
    pub(super) mtu_probe: Spanned<MtuProbe>,
    pub(super) mark: Spanned<u32>,
    pub(super) table: Spanned<Number<1, 0xffff_fffe>>,
    pub(super) bfd: Option<Bfd>,
}

/// One element of `probes`.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) kind: ProbeKind,
    pub(super) target: Spanned<IpAddr>,
    pub(super) port: u16,
    pub(super) ports: u8,
    /// Time between TCP probes; zero for other kinds.
    pub(super) interval: Duration,
    pub(super) key: Option<Key>,
    pub(super) size: u16,
    /// Ask the reflector how probes arrived.
    pub(super) class_of_service: bool,
    /// Ask it how many it received.
    pub(super) direct_measurement: bool,
    /// It goes to the first hop, and tells where a fault is.
    pub(super) first_hop: Option<Range<usize>>,
}

impl Path {
    /// Reads the `index`-th path of the file.
    pub(super) fn read(index: u32, name: Spanned<String>, section: &Section<'_>) -> Self {
        let own = name.get_ref().clone();
        let next_hop = section.required("next_hop", "\"169.254.10.1\"");
        Self {
            probes: probes(section, next_hop.as_ref()),
            span: section.span.clone(),
            interface: section.optional("interface").map(Spanned::into_inner),
            next_hop,
            announce_via: section.list("announce_via").unwrap_or_default(),
            shared_risk: section
                .list("shared_risk")
                .unwrap_or_else(|| vec![Spanned::new(section.span.clone(), own.clone())]),
            region: section.or("region", own),
            probe_source: section.required("probe_source", "\"10.255.1.1\""),
            probes_span: section.span_of("probes"),
            cost: section.or("cost", Number(0)),
            capacity: section.optional("capacity"),
            mtu_probe: section.spanned_or("mtu_probe", MtuProbe::Off),
            mark: section.spanned_or("mark", FIRST_MARK + index),
            table: section.spanned_or("table", Number(FIRST_TABLE + index)),
            bfd: Bfd::of_path(section),
            name,
        }
    }

    /// The name as text.
    pub(super) fn name(&self) -> &str {
        self.name.get_ref()
    }

    /// What it may fail of together with others.
    pub(super) fn risks(&self) -> Vec<String> {
        self.shared_risk.iter().map(|name| name.get_ref().clone()).collect()
    }

    /// Whether the session with `peer` speaks for it.
    pub(super) fn announced_via(&self, peer: &str) -> bool {
        self.announce_via.iter().any(|name| name.get_ref() == peer)
    }

    /// The far ends measured, each once.
    pub(super) fn reflectors(&self) -> Vec<IpAddr> {
        let far = self.probes.iter().filter(|probe| probe.first_hop.is_none());
        let mut targets: Vec<IpAddr> = far.map(|probe| *probe.target.get_ref()).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// The numbers of the peers in `announce_via`; reports names that no peer has.
    pub(super) fn peers(&self, names: &Names, findings: &RefCell<Findings>) -> Vec<PeerId> {
        let user = format!("path `{}`", self.name());
        let resolve = |name| names.peers.resolve(&user, name, findings).map(PeerId);
        self.announce_via.iter().filter_map(resolve).collect()
    }

    /// The engine's half; probes are marked `dscp`.
    pub(super) fn engine(
        &self,
        peers: Vec<PeerId>,
        dscp: u8,
    ) -> Option<pathvane_engine::config::Path> {
        let probe = |probe: &Probe| pathvane_engine::config::Probe {
            kind: probe.kind,
            target: SocketAddr::new(*probe.target.get_ref(), probe.port),
            ports: probe.ports,
            slowest: probe.interval,
            first_hop: probe.first_hop.is_some(),
            options: Options {
                key: probe.key.clone(),
                size: probe.size,
                dscp: probe.class_of_service.then_some(dscp),
                direct: probe.direct_measurement,
            },
        };
        Some(pathvane_engine::config::Path {
            name: self.name().to_owned(),
            interface: self.interface.clone().map(Interface::into_name),
            next_hop: *self.next_hop.as_ref()?.get_ref(),
            announce_via: peers,
            shared_risk: self.risks(),
            region: self.region.clone(),
            probe_source: *self.probe_source.as_ref()?.get_ref(),
            probes: self.probes.iter().map(probe).collect(),
            cost: self.cost.small(),
            capacity: self.capacity.as_ref().map(|it| it.get_ref().bits()),
            mtu_probe: self.full_size_like().map(|like| pathvane_engine::config::MtuProbe {
                like,
                octets: self.mtu_probe.get_ref().octets(),
            }),
        })
    }

    /// The shell's half.
    pub(super) fn link(&self, fib: FibMode) -> Option<PathLink> {
        Some(PathLink {
            name: self.name().to_owned(),
            interface: self.interface.clone().map(Interface::into_name),
            next_hop: *self.next_hop.as_ref()?.get_ref(),
            probe_source: *self.probe_source.as_ref()?.get_ref(),
            mark: (fib == FibMode::Kernel).then_some(*self.mark.get_ref()),
            table: self.table.get_ref().0,
        })
    }

    /// The sockets of its probe streams.
    pub(super) fn streams(&self, path: PathId, dscp: u8) -> Option<Vec<StreamSocket>> {
        let source = *self.probe_source.as_ref()?.get_ref();
        Some(self.probes.iter().map(|probe| probe.socket(path, source, dscp)).collect())
    }

    /// The probe whose far end full-size probes share, if there are to be any: the first whose
    /// packets can have any size.
    pub(super) fn full_size_like(&self) -> Option<usize> {
        let sized = |probe: &Probe| {
            probe.first_hop.is_none() && matches!(probe.kind, ProbeKind::Stamp | ProbeKind::Icmp)
        };
        let wanted = *self.mtu_probe.get_ref() != MtuProbe::Off;
        wanted.then(|| self.probes.iter().position(sized)).flatten()
    }

    /// The socket of its full-size probes.
    pub(super) fn full_size(&self, path: PathId, dscp: u8) -> Option<StreamSocket> {
        let like = &self.probes[self.full_size_like()?];
        Some(like.socket(path, *self.probe_source.as_ref()?.get_ref(), dscp))
    }
}

impl Probe {
    /// Its probes, in thousandths a second, where the class of services asks for `rate` of them.
    pub(super) fn rate(&self, rate: u32) -> u64 {
        let most = self.first_hop.as_ref().map_or(rate, |_| FIRST_HOP_RATE * 1_000);
        u64::from(rate.min(most))
    }

    fn socket(&self, path: PathId, source: IpAddr, dscp: u8) -> StreamSocket {
        // A first hop knows its neighbour on the link, and not always what lies behind.
        let source = self.first_hop.as_ref().map_or(source, |_| unspecified(source));
        StreamSocket {
            path,
            kind: self.kind,
            source,
            target: SocketAddr::new(*self.target.get_ref(), self.port),
            ports: self.ports,
            dscp,
        }
    }
}

/// Whether packets of full size are sent as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MtuProbe {
    /// They are not.
    Off,
    /// Of the size that the kernel knows.
    Auto,
    /// IP packets of so many octets.
    Octets(u16),
}

impl MtuProbe {
    fn octets(self) -> Option<u16> {
        match self {
            Self::Octets(octets) => Some(octets),
            Self::Off | Self::Auto => None,
        }
    }
}

impl FromToml for MtuProbe {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        if let DeValue::Integer(_) = value {
            return Number::<576, 1500>::from_toml(value)
                .map(|octets| Self::Octets(octets.small()));
        }
        match value {
            DeValue::String(word) if word == "off" => Ok(Self::Off),
            DeValue::String(word) if word == "auto" => Ok(Self::Auto),
            _ => Err(Refusal::new(
                "it is no size of packets",
                "write \"off\", \"auto\", or the octets of an IP packet, 576 to 1500",
            )),
        }
    }
}

fn probes(section: &Section<'_>, next_hop: Option<&Spanned<IpAddr>>) -> Vec<Probe> {
    let sections = section.sections("probes", "probe", schema::PROBE);
    sections.iter().filter_map(|section| probe(section, next_hop)).collect()
}

fn probe(section: &Section<'_>, next_hop: Option<&Spanned<IpAddr>>) -> Option<Probe> {
    let kind = section.required("kind", "\"stamp\"").map(Spanned::into_inner);
    let first_hop = section.or("first_hop", false).then(|| section.span_of("first_hop"));
    let target = match first_hop {
        Some(_) if !section.has("target") => next_hop.cloned(),
        _ => section.required("target", "\"10.128.0.9\""),
    };
    let usual = match kind {
        Some(ProbeKind::Stun) => stun::PORT,
        Some(ProbeKind::Tcp) => TCP_PORT,
        Some(ProbeKind::Stamp | ProbeKind::Icmp) | None => stamp::PORT,
    };
    let port = section.or("port", Number::<1, 65535>(usual.into())).small();
    let ports = section.or("ports", Number::<1, { MAX_PORTS as u32 }>(1)).small();
    let size = section.or("size", Number::<0, SIZE_MAX>(0)).small();
    let key = key(section);
    let class_of_service = section.or("class_of_service", kind == Some(ProbeKind::Stamp));
    // One that wants no question wants neither.
    let direct_measurement = section.or("direct_measurement", class_of_service);
    let interval = interval(section, kind);
    refuse_foreign_keys(section, kind);
    refuse_foreign_first_hop(section, kind, first_hop.as_ref());
    let (kind, target) = (kind?, target?);
    Some(Probe {
        kind,
        target,
        port,
        ports,
        interval,
        key,
        size,
        class_of_service,
        direct_measurement,
        first_hop,
    })
}

/// The largest probe of the schedule.
const SIZE_MAX: u32 = ProbePacket::MAX as u32;

/// Time between two TCP probes: a server counts connections as work, and may count them as an attack.
fn interval(section: &Section<'_>, kind: Option<ProbeKind>) -> Duration {
    if kind != Some(ProbeKind::Tcp) {
        return Duration::ZERO;
    }
    let interval = section.spanned_or("interval", TCP_INTERVAL);
    if *interval.get_ref() < FASTEST_TCP {
        section.findings().borrow_mut().error(
            interval.span(),
            format!("{} would ask for connections more than twice a second", section.what),
            "make `interval` \"500ms\" or longer; STAMP, STUN and ICMP find faults sooner",
        );
    } else if *interval.get_ref() > SLOWEST_TCP {
        section.findings().borrow_mut().error(
            interval.span(),
            format!("{} would say less than once a minute", section.what),
            "make `interval` \"1m\" or shorter",
        );
    }
    interval.into_inner()
}

/// Keys that mean nothing to the kind of probe.
fn refuse_foreign_keys(section: &Section<'_>, kind: Option<ProbeKind>) {
    let (keys, why, instead): (&[&str], _, _) = match kind {
        Some(ProbeKind::Icmp) => {
            (&["port", "ports"], "ICMP knows no ports", "\"stamp\" or \"stun\"")
        }
        Some(ProbeKind::Tcp) => (
            &["ports", "size"],
            "each connection has a port of its own and carries nothing",
            "\"stamp\"",
        ),
        Some(ProbeKind::Stun) => (&["size"], "a binding request has none", "\"stamp\" or \"icmp\""),
        _ => (&[], "", ""),
    };
    let stamp: &[&str] = match kind {
        Some(ProbeKind::Icmp | ProbeKind::Stun | ProbeKind::Tcp) => {
            &["key_file", "class_of_service", "direct_measurement"]
        }
        _ => &[],
    };
    let foreign = keys.iter().map(|key| (key, why, instead));
    let only_stamp = stamp.iter().map(|key| (key, "only STAMP knows that", "\"stamp\""));
    let timed: &[&str] = if kind == Some(ProbeKind::Tcp) { &[] } else { &["interval"] };
    let why = "the class of the services sets its rate";
    let only_tcp = timed.iter().map(|key| (key, why, "\"tcp\""));
    for (key, why, instead) in
        foreign.chain(only_stamp).chain(only_tcp).filter(|(key, ..)| section.has(key))
    {
        section.findings().borrow_mut().error(
            section.span_of(key),
            format!("{} has `{key}`, but {why}", section.what),
            format!("remove `{key}`, or set `kind` to {instead}"),
        );
    }
}

/// Routers answer ICMP, and nothing else that is asked of them.
fn refuse_foreign_first_hop(
    section: &Section<'_>,
    kind: Option<ProbeKind>,
    first_hop: Option<&Range<usize>>,
) {
    if let Some(span) = first_hop.filter(|_| kind.is_some_and(|kind| kind != ProbeKind::Icmp)) {
        section.findings().borrow_mut().error(
            span.clone(),
            format!("{} is for the first hop, and a router answers ICMP alone", section.what),
            "set `kind` to \"icmp\", or remove `first_hop`",
        );
    }
}

/// The key of the authenticated mode, from the file that holds it.
fn key(section: &Section<'_>) -> Option<Key> {
    let file = section.optional::<PathBuf>("key_file")?;
    let mut findings = section.findings().borrow_mut();
    let name = file.get_ref().display();
    match stamp_key::load(file.get_ref()) {
        Ok(key) => {
            if stamp_key::readable_by_others(file.get_ref()) {
                findings.warning(
                    file.span(),
                    format!("everybody on this machine can read {name}"),
                    format!("run `chmod o= {name}`"),
                );
            }
            Some(key)
        }
        Err(error) => {
            findings.error(
                file.span(),
                format!("the STAMP key of {} cannot be had: {}", section.what, error.source()),
                error.remedy().unwrap_or("give the speaker the right to read it").to_owned(),
            );
            None
        }
    }
}
