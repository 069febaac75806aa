//! `[peers.NAME]`: sessions, with the defaults of their profiles.

use core::net::{IpAddr, SocketAddr};
use core::ops;
use core::time::Duration;
use std::path::PathBuf;

use ipnet::IpNet;
use pathvane_session::GracefulRestart;
use pathvane_wire::{Asn, Family, FamilySet, Role};
use toml::Spanned;
use toml::de::DeValue;

use super::bfd::Bfd;
use super::limits::{Limits, MaxOut};
use super::names::Names;
use super::profile::Profile;
use super::read::Section;
use super::secret::Secret;
use super::shell::{PeerTcp, Range};
use super::speaker::{BGP_PORT, Speaker};
use super::value::{FromToml, Interface, Number, Refusal, words};
use crate::tcp::{Hops, Options};

words!(
    Role, "a role",
    "provider" => Role::PROVIDER,
    "rs" => Role::ROUTE_SERVER,
    "rs-client" => Role::ROUTE_SERVER_CLIENT,
    "customer" => Role::CUSTOMER,
    "peer" => Role::PEER
);
words!(Family, "a family", "ipv4" => Family::IPV4_UNICAST, "ipv6" => Family::IPV6_UNICAST);

/// Our side of graceful restart (RFC 4724).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Restart {
    /// Not offered.
    Off,
    /// We keep the routes of a peer that restarts; it drops ours when the session ends.
    Helper,
    /// The peer keeps our routes, too: our kernel routes forward on without us.
    Full,
}

words!(
    Restart, "a role in graceful restart",
    "off" => Restart::Off, "helper" => Restart::Helper, "full" => Restart::Full
);

/// How long a peer keeps our routes while we are gone: enough to reconnect or to be restarted, and
/// the longest that a path may be dead unnoticed once its session ended without a word.
const RESTART_TIME: Duration = Duration::from_secs(10);

impl Restart {
    /// What we offer for the session's `families`. Nothing was forwarded meanwhile unless whoever runs it knows better.
    fn offer(self, families: FamilySet, time: Duration) -> Option<GracefulRestart> {
        let (restart_time, kept) = match self {
            Self::Off => return None,
            Self::Helper => (0, FamilySet::EMPTY),
            Self::Full => (u16::try_from(time.as_secs()).unwrap_or(u16::MAX), families),
        };
        Some(GracefulRestart {
            restart_time,
            restarting: false,
            notification: false,
            families: kept,
            forwarding: FamilySet::EMPTY,
        })
    }
}

/// How many routes of a prefix a peer is told (RFC 7911).
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// One of each peer that has one.
    All,
    /// So many at most.
    Most(Number<2, 32>),
}

impl Told {
    fn most(self) -> u8 {
        match self {
            Self::All => u8::MAX,
            Self::Most(most) => most.small(),
        }
    }
}

impl FromToml for Told {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        match value {
            DeValue::String(word) if word == "all" => Ok(Self::All),
            DeValue::String(word) => Err(Refusal::new(
                format!("`{word}` is no number of routes"),
                "write a whole number from 2 to 32, or \"all\"",
            )),
            number => Number::from_toml(number).map(Self::Most),
        }
    }
}

/// The table as read.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: Spanned<String>,
    pub(super) span: ops::Range<usize>,
    pub(super) profile: Profile,
    /// That of the range, if it is one.
    pub(super) address: Option<Spanned<IpAddr>>,
    pub(super) range: Option<Spanned<IpNet>>,
    pub(super) max_peers: usize,
    pub(super) port: u16,
    pub(super) local_address: Option<Spanned<IpAddr>>,
    pub(super) interface: Option<Interface>,
    pub(super) asn: Option<Spanned<Asn>>,
    pub(super) hold_time: Spanned<Duration>,
    pub(super) connect_retry: Duration,
    pub(super) passive: bool,
    pub(super) delay_open: Duration,
    pub(super) families: Option<Vec<Spanned<Family>>>,
    pub(super) next_hop_ipv4: Option<Spanned<IpAddr>>,
    pub(super) next_hop_ipv6: Option<Spanned<IpAddr>>,
    pub(super) password: Option<Spanned<Secret>>,
    pub(super) ttl_security: Option<Spanned<Number<1, 254>>>,
    pub(super) multihop: Option<Spanned<Number<1, 255>>>,
    pub(super) graceful_restart: Restart,
    pub(super) restart_time: Spanned<Duration>,
    pub(super) long_lived_stale_time: Option<Spanned<Duration>>,
    pub(super) long_lived_restart_time: Option<Spanned<Duration>>,
    pub(super) extended_messages: bool,
    pub(super) add_path_receive: bool,
    pub(super) add_path_send: Option<Told>,
    pub(super) import: Option<Spanned<String>>,
    pub(super) export: Option<Spanned<String>>,
    pub(super) next_hop_self: bool,
    pub(super) client: bool,
    pub(super) domain: String,
    pub(super) max_prefixes: Limits,
    pub(super) max_prefixes_out: MaxOut,
    pub(super) graceful_shutdown: bool,
    pub(super) role: Option<Spanned<Role>>,
    pub(super) role_strict: bool,
    pub(super) restart_after_notification: bool,
    pub(super) send_hold_time: Option<Spanned<Duration>>,
    pub(super) user_timeout: Option<Spanned<Duration>>,
    pub(super) bfd: Option<Bfd>,
}

impl Peer {
    pub(super) fn read(name: Spanned<String>, section: &Section<'_>) -> Self {
        let profile = section.or("profile", Profile::Generic);
        let range = section.own::<IpNet>("range");
        Self {
            name,
            span: section.span.clone(),
            profile,
            address: address(section, range.as_ref()),
            max_peers: section.or("max_peers", Number::<1, 10_000>(100)).small(),
            port: section.or("port", Number::<1, 65535>(u32::from(BGP_PORT))).small(),
            local_address: section.optional("local_address"),
            interface: section.optional("interface").map(Spanned::into_inner),
            asn: section.required("asn", "16550"),
            hold_time: section.spanned_or("hold_time", profile.hold_time()),
            connect_retry: section.or("connect_retry", Duration::from_secs(5)),
            passive: section.or("passive", false) || range.is_some(),
            range,
            delay_open: section.or("delay_open", Duration::ZERO),
            families: section.list("families"),
            next_hop_ipv4: section.optional("next_hop_ipv4"),
            next_hop_ipv6: section.optional("next_hop_ipv6"),
            password: password(section),
            ttl_security: section.optional("ttl_security"),
            multihop: section.optional("multihop"),
            graceful_restart: section.or("graceful_restart", Restart::Helper),
            restart_time: section.spanned_or("restart_time", RESTART_TIME),
            long_lived_stale_time: section.optional("long_lived_stale_time"),
            long_lived_restart_time: section.optional("long_lived_restart_time"),
            extended_messages: section.or("extended_messages", false),
            add_path_receive: section.or("add_path_receive", false),
            add_path_send: section.optional("add_path_send").map(Spanned::into_inner),
            import: section.optional("import"),
            export: section.optional("export"),
            next_hop_self: section.or("next_hop_self", false),
            client: section.or("route_reflector_client", false),
            domain: section.or("domain", "default".to_owned()),
            max_prefixes: Limits::read(section),
            max_prefixes_out: MaxOut::read(section),
            graceful_shutdown: section.or("graceful_shutdown", false),
            role: section.optional("role"),
            role_strict: section.or("role_strict", false),
            restart_after_notification: section.or("restart_after_notification", false),
            send_hold_time: section.optional("send_hold_time"),
            user_timeout: section.optional("user_timeout"),
            bfd: Bfd::of_peer(section, profile),
        }
    }

    /// The name as text.
    pub(super) fn name(&self) -> &str {
        self.name.get_ref()
    }

    /// The families asked for, or the one the session runs over.
    pub(super) fn family_set(&self) -> FamilySet {
        match (&self.families, &self.address) {
            (Some(list), _) => {
                let mut set = FamilySet::EMPTY;
                list.iter().for_each(|family| set.insert(*family.get_ref()));
                set
            }
            (None, Some(address)) if address.get_ref().is_ipv6() => FamilySet::IPV6,
            (None, _) => FamilySet::IPV4,
        }
    }

    /// The engine's half.
    pub(super) fn engine(
        &self,
        speaker: &Speaker,
        names: &Names,
    ) -> Option<pathvane_engine::config::Peer> {
        let address = *self.address.as_ref()?.get_ref();
        let policy = |key: &Option<Spanned<String>>| {
            key.as_ref().and_then(|name| names.policies.position(name.get_ref()))
        };
        Some(pathvane_engine::config::Peer {
            name: self.name().to_owned(),
            address,
            session: self.session(speaker, address)?,
            next_hop_v4: self.next_hop_ipv4.as_ref().map(|hop| *hop.get_ref()),
            next_hop_v6: self.next_hop_ipv6.as_ref().map(|hop| *hop.get_ref()),
            import: policy(&self.import),
            export: policy(&self.export),
            next_hop_self: self.next_hop_self,
            client: self.client,
            paths: self.add_path_send.map_or(0, Told::most),
            bfd_strict: self.bfd.as_ref().is_some_and(|bfd| bfd.strict),
            domain: self.domain.clone(),
            max_in: self.max_prefixes.engine(),
            max_out: self.max_prefixes_out.engine(self.profile.budget(), self.family_set()),
            warn_out_at: self.max_prefixes_out.warn_at,
            ranking: self.profile.ranking(),
            graceful_shutdown: self.graceful_shutdown,
            dynamic: false,
        })
    }

    fn session(&self, speaker: &Speaker, address: IpAddr) -> Option<pathvane_session::Config> {
        let local_asn = *speaker.asn.as_ref()?.get_ref();
        let local_id = *speaker.id.as_ref()?.get_ref();
        let families = self.family_set();
        let v4_over_v6 = address.is_ipv6() && self.next_hop_ipv4.is_none();
        let mut config =
            pathvane_session::Config::new(local_asn, local_id, *self.asn.as_ref()?.get_ref());
        config.hold_time = u16::try_from(self.hold_time.get_ref().as_secs()).unwrap_or(u16::MAX);
        config.connect_retry = self.connect_retry;
        config.passive = self.passive;
        config.delay_open = (!self.delay_open.is_zero()).then_some(self.delay_open);
        config.families = families;
        config.graceful_restart =
            self.graceful_restart.offer(families, *self.restart_time.get_ref());
        if let Some(restart) = &mut config.graceful_restart {
            restart.notification = self.restart_after_notification;
        }
        config.long_lived = self.long_lived_stale_time.as_ref().map(|time| *time.get_ref());
        let stale_time = self.long_lived_restart_time.as_ref().map(|time| time.get_ref().as_secs());
        config.stale_time = stale_time.map_or(0, |time| u32::try_from(time).unwrap_or(u32::MAX));
        config.send_hold = self.send_hold_time.as_ref().map(|time| *time.get_ref());
        config.extended_messages = self.extended_messages;
        if self.add_path_receive {
            config.add_path_receive = families;
        }
        if self.add_path_send.is_some() {
            config.add_path_send = families;
        }
        config.role = self.role.as_ref().map(|role| *role.get_ref());
        config.role_strict = self.role_strict;
        if v4_over_v6 && families.contains(Family::IPV4_UNICAST) {
            config.extended_next_hop = FamilySet::IPV4;
        }
        Some(config)
    }

    /// The shell's half.
    pub(super) fn tcp(&self, speaker: &Speaker) -> Option<PeerTcp> {
        let options = Options {
            peer: SocketAddr::new(*self.address.as_ref()?.get_ref(), self.port),
            local: self.local_address.as_ref().map(|address| *address.get_ref()),
            interface: self.interface.clone().map(Interface::into_name),
            hops: self.hops(speaker),
            password: self.password.as_ref().map(|secret| secret.get_ref().clone()),
            hold_time: *self.hold_time.get_ref(),
            user_timeout: self.user_timeout.as_ref().map(|time| *time.get_ref()),
        };
        Some(PeerTcp { name: self.name().to_owned(), passive: self.passive, options })
    }

    /// What a peer of the range is.
    pub(super) fn range(&self, speaker: &Speaker, names: &Names) -> Option<Range> {
        let net = *self.range.as_ref()?.get_ref();
        let (peer, tcp) = (self.engine(speaker, names)?, self.tcp(speaker)?);
        Some(Range { net, max_peers: self.max_peers, peer, tcp })
    }

    fn hops(&self, speaker: &Speaker) -> Hops {
        let asn = |spanned: &Option<Spanned<Asn>>| spanned.as_ref().map(|asn| *asn.get_ref());
        match (&self.ttl_security, &self.multihop) {
            (Some(hops), _) => Hops::Security(hops.get_ref().small()),
            (None, Some(ttl)) => Hops::Limit(ttl.get_ref().small()),
            (None, None) if asn(&self.asn) == asn(&speaker.asn) => Hops::Limit(u8::MAX),
            (None, None) => Hops::Limit(self.profile.external_ttl()),
        }
    }
}

/// The address of a peer, or the first one of its range.
fn address(section: &Section<'_>, range: Option<&Spanned<IpNet>>) -> Option<Spanned<IpAddr>> {
    let Some(range) = range else {
        return section.required("address", "\"169.254.10.1\"");
    };
    if section.has("address") {
        section.findings().borrow_mut().error(
            section.span_of("address"),
            format!("{} has both `range` and `address`", section.what),
            "keep one: a range has peers at any of its addresses",
        );
    }
    Some(Spanned::new(range.span(), range.get_ref().network()))
}

/// The longest key of the kernel (TCP_MD5SIG_MAXKEYLEN).
const PASSWORD_MAX: usize = 80;

/// The key from `password` or from the file named by `password_file`.
fn password(section: &Section<'_>) -> Option<Spanned<Secret>> {
    if section.has("password") && section.has("password_file") {
        section.findings().borrow_mut().error(
            section.span_of("password_file"),
            format!("{} has both `password` and `password_file`", section.what),
            "keep `password_file`, readable by the speaker alone",
        );
        return None;
    }
    let inline = section.optional::<String>("password");
    let secret = match inline {
        Some(text) => Some(text),
        None => section.optional::<PathBuf>("password_file").and_then(|path| {
            let span = path.span();
            read_password(section, path).map(|text| Spanned::new(span, text))
        }),
    }?;
    let span = secret.span();
    let complaint = match secret.get_ref() {
        text if text.is_empty() => "the password is empty",
        text if text.len() > PASSWORD_MAX => "the password is longer than 80 bytes",
        text if text.chars().any(char::is_control) => "the password has a control character",
        text => return Some(Spanned::new(span, Secret::new(text.as_str()))),
    };
    section.findings().borrow_mut().error(
        span,
        format!("{}: {complaint}", section.what),
        "use 1 to 80 printable characters, the same at both ends (RFC 2385)",
    );
    None
}

fn read_password(section: &Section<'_>, path: Spanned<PathBuf>) -> Option<String> {
    let mut findings = section.findings().borrow_mut();
    let name = path.get_ref().display();
    match std::fs::read_to_string(path.get_ref()) {
        Ok(text) => {
            if crate::stamp_key::readable_by_others(path.get_ref()) {
                findings.warning(
                    path.span(),
                    format!("everybody on this machine can read {name}"),
                    format!("run `chmod o= {name}`"),
                );
            }
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        Err(error) => {
            findings.error(
                path.span(),
                format!("the password of {} cannot be read: {error}", section.what),
                format!("put the password into {name}, readable by the speaker"),
            );
            None
        }
    }
}
