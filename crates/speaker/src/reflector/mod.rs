//! The STAMP session-reflector (RFC 8762) as a small service: `pathvane reflector`.
//!
//! Stateful, with kernel receive timestamps, for IPv4 and IPv6, on any number of addresses,
//! authenticated or not. It serves listed sources only, each at a bounded rate and all together at
//! another; its tables are bounded; and it answers no other reflector, so that two never talk for ever.
//!
//! It is no amplifier: to strangers no reply is longer than its request. Only a source on the
//! allow-list gets 44 octets for the 14 to 43 of a TWAMP Light sender.

mod limiter;
mod listener;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant as Monotonic};

use ipnet::IpNet;
use pathvane_probe::stamp::{Key, PORT};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use limiter::Total;
use listener::Listener;

use crate::os_error::OsError;

/// What the reflector serves, and whom. [`Config::default`] listens on port 862 of all
/// addresses and serves everybody, 2,000 requests a second each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Addresses and ports to listen on (`--listen`, repeatable). Port 862 needs
    /// CAP_NET_BIND_SERVICE. An IPv6 address takes IPv6 only.
    pub listen: Vec<SocketAddr>,
    /// Sources that are served (`--allow`, repeatable); empty serves everybody. List the
    /// probe sources of the sites wherever strangers can send packets here.
    pub allow: Vec<IpNet>,
    /// Most requests served per second and source, 1 or more (`--rate`); for IPv6 a /64 is one source.
    /// A stream of voice probes asks 50 to 200 times a second.
    pub rate: u32,
    /// Most requests served per second, of all sources together, 1 or more (`--total-rate`).
    pub total_rate: u32,
    /// Most sessions numbered at a time and address; further ones are answered statelessly
    /// (`--sessions`).
    pub sessions: usize,
    /// Serves the authenticated mode only, with this key (`--key-file`).
    pub key: Option<Key>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)),
            ],
            allow: Vec::new(),
            rate: 2_000,
            // Twice what one speaker sends at most; that takes less than a core.
            total_rate: 100_000,
            sessions: 4_096,
            key: None,
        }
    }
}

impl Config {
    fn allows(&self, source: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|net| net.contains(&source))
    }
}

/// What became of the requests; each only grows. Shared with the running reflector.
#[derive(Default, Debug)]
pub struct Counters {
    /// Datagrams received.
    pub received: AtomicU64,
    /// Replies sent.
    pub replied: AtomicU64,
    /// Of those, the ones with a receive time of ours instead of the kernel's.
    pub user_stamped: AtomicU64,
    /// Dropped: no STAMP request, or larger than 2,048 octets.
    pub malformed: AtomicU64,
    /// Dropped: from a port below 1024 or like our own, so perhaps another reflector's reply.
    pub looping: AtomicU64,
    /// Dropped: from a source that is not listed.
    pub not_allowed: AtomicU64,
    /// Dropped: shorter than 44 octets, with nobody on the allow-list.
    pub short: AtomicU64,
    /// Dropped: not signed with our key.
    pub unauthenticated: AtomicU64,
    /// Dropped: from a source above its rate.
    pub over_rate: AtomicU64,
    /// Dropped: above the rate of all sources together.
    pub over_total_rate: AtomicU64,
    /// Dropped by the kernel before we saw them: we were too slow, or did not run for too long.
    pub overflowed: AtomicU64,
    /// Replies that the kernel refused to send.
    pub send_failed: AtomicU64,
    /// Requests answered statelessly because the session table was full.
    pub stateless: AtomicU64,
}

impl Counters {
    /// Every counter with its name, as logs and tables write it.
    pub fn named(&self) -> [(&'static str, u64); 13] {
        [
            ("received", &self.received),
            ("replied", &self.replied),
            ("stateless", &self.stateless),
            ("user_stamped", &self.user_stamped),
            ("malformed", &self.malformed),
            ("looping", &self.looping),
            ("not_allowed", &self.not_allowed),
            ("short", &self.short),
            ("unauthenticated", &self.unauthenticated),
            ("over_rate", &self.over_rate),
            ("over_total_rate", &self.over_total_rate),
            ("overflowed", &self.overflowed),
            ("send_failed", &self.send_failed),
        ]
        .map(|(name, counter)| (name, counter.load(Relaxed)))
    }
}

/// What costs senders a reply, which they take for loss of the path, or the direction of their losses, and is ours
/// to mend.
const NEGLECTS: [(&str, &str); 5] = [
    ("over_rate", "not answered: raise --rate if the source is one of yours"),
    ("over_total_rate", "not answered: raise --total-rate, or run another reflector"),
    ("overflowed", "not answered for want of processor time: give more, or run another reflector"),
    ("send_failed", "not answered: the kernel refused, look at routes and firewall"),
    ("stateless", "answered, but their losses have no direction: raise --sessions"),
];

/// How many requests were neglected so far, by [`NEGLECTS`].
#[derive(Default)]
struct Neglect([u64; NEGLECTS.len()]);

impl Neglect {
    /// What was neglected since the last call, in words; `None` if nothing was.
    fn news(&mut self, counters: &Counters) -> Option<String> {
        let named = counters.named();
        let mut words = Vec::new();
        for ((name, remedy), before) in NEGLECTS.into_iter().zip(&mut self.0) {
            let count = named.iter().find(|it| it.0 == name).map_or(0, |it| it.1);
            let more = count - std::mem::replace(before, count);
            if more > 0 {
                words.push(format!("{name}={more} ({remedy})"));
            }
        }
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// `received=7 replied=5 ...`.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, count)) in self.named().into_iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{name}={count}")?;
        }
        Ok(())
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// A bound reflector that does not run yet.
pub struct Reflector {
    listeners: Vec<Listener>,
    counters: Arc<Counters>,
}

impl Reflector {
    /// Binds every address of `config`. Call within a tokio runtime. An error names the address.
    pub fn bind(config: Config) -> Result<Self, OsError> {
        if config.rate == 0 || config.total_rate == 0 {
            let error = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(OsError::new("reflect at a rate of 0", error).with_remedy("say 1 or more"));
        }
        let (config, counters) = (Arc::new(config), Arc::new(Counters::default()));
        let total = Arc::new(Total::new(config.total_rate));
        let origin = Monotonic::now();
        let bind = |&address| {
            Listener::bind(address, origin, config.clone(), counters.clone(), total.clone())
        };
        let listeners = config.listen.iter().map(bind).collect::<Result<_, _>>()?;
        Ok(Self { listeners, counters })
    }

    /// The bound addresses, with the ports that the kernel chose.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(Listener::local_addr).collect()
    }

    /// The counters, to be read while it runs.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Reflects until `shutdown` completes; an error if a socket fails for good.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), OsError> {
        let mut tasks = JoinSet::new();
        for listener in self.listeners {
            tasks.spawn(listener.run());
        }
        tokio::select! {
            () = shutdown => Ok(()),
            // A listener only ever ends with an error.
            Some(ended) = tasks.join_next() => ended
                .unwrap_or_else(|error| Err(error.into()))
                .map_err(|error| OsError::new("go on reflecting", error)),
        }
    }
}

/// How often it is said that requests were neglected.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Binds and reflects until `shutdown` completes; the counters are logged then, and at each SIGUSR1. A warning
/// a minute tells of requests that were not answered as they should be.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), OsError> {
    if config.allow.is_empty() && config.key.is_none() {
        tracing::warn!("the reflector serves every source; list the sites with --allow");
    }
    let mut asked = signal(SignalKind::user_defined1())
        .map_err(|error| OsError::new("wait for SIGUSR1", error))?;
    let authenticated = config.key.is_some();
    let reflector = Reflector::bind(config)?;
    let counters = reflector.counters();
    for address in reflector.local_addrs() {
        tracing::info!(%address, authenticated, "reflecting STAMP");
    }
    let (mut neglect, mut minutes) = (Neglect::default(), tokio::time::interval(TELL_EVERY));
    let telling = async {
        loop {
            tokio::select! {
                Some(()) = asked.recv() => tracing::info!("reflector: {counters}"),
                _ = minutes.tick() => if let Some(news) = neglect.news(&counters) {
                    tracing::warn!("requests of the last minute: {news}");
                },
            }
        }
    };
    let ended = tokio::select! {
        ended = reflector.run(shutdown) => ended,
        ended = telling => ended,
    };
    tracing::info!("reflector ended: {counters}");
    ended
}
