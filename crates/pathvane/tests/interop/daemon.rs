//! The other side: a BGP daemon in a namespace, with its own files, told and asked by its own tools.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Process;
use crate::space::Space;

/// Which daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Bird,
    Frr,
    GoBgp,
}

/// One session of the daemon with us.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Our address, and the daemon's.
    pub(crate) remote: String,
    pub(crate) local: String,
    /// IPv6 routes are spoken on this session; IPv4 ones are if `v4`.
    pub v4: bool,
    pub v6: bool,
    pub(crate) password: Option<String>,
}

/// What the daemon is told to be.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) asn: u32,
    pub(crate) our_asn: u32,
    pub(crate) id: String,
    pub(crate) hold_time: u16,
    pub(crate) sessions: Vec<Session>,
    /// Prefixes it announces, with the standard community 64999:7 and MED 77.
    pub(crate) announces: Vec<String>,
    /// Install what it learns in its kernel.
    pub(crate) kernel: bool,
}

/// A route as the daemon shows it: its text, to be searched.
#[derive(Clone, Debug)]
pub(crate) struct Shown(String);

impl Shown {
    /// Whether the daemon's text about the route has all of these words.
    pub(crate) fn says(&self, words: &[&str]) -> bool {
        words.iter().all(|word| self.0.contains(word))
    }
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon<'a> {
    kind: Kind,
    space: &'a Space,
    folder: PathBuf,
    config: Config,
    processes: Vec<Process>,
}

impl<'a> Daemon<'a> {
    /// Starts a daemon; its files go to `folder`.
    pub(crate) fn start(kind: Kind, space: &'a Space, folder: &Path, config: Config) -> Self {
        let folder = folder.join(format!("{kind:?}").to_lowercase());
        fs::create_dir_all(&folder).expect("create the daemon's folder");
        let mut daemon = Self { kind, space, folder, config, processes: Vec::new() };
        daemon.write_config();
        daemon.launch();
        daemon
    }

    /// Starts the processes, which find their configuration in the folder.
    pub(crate) fn launch(&mut self) {
        let dir = self.folder.display().to_string();
        let lines: Vec<(&str, String)> = match self.kind {
            Kind::Bird => {
                vec![(
                    "bird",
                    format!("bird -f -c {dir}/bird.conf -s {dir}/bird.ctl -P {dir}/bird.pid"),
                )]
            }
            Kind::GoBgp => {
                vec![("gobgpd", format!("gobgpd -f {dir}/gobgpd.toml --api-hosts 127.0.0.1:50051"))]
            }
            Kind::Frr => frr_lines(&dir, self.config.kernel),
        };
        for (name, line) in lines {
            self.processes.push(Process::start(self.space, &self.folder, name, &line));
            if name == "zebra" {
                std::thread::sleep(std::time::Duration::from_millis(500));
            }
        }
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.processes.clear();
    }

    /// Stops or continues the process that speaks BGP, so that it says nothing.
    pub(crate) fn freeze(&self, frozen: bool) {
        let process = self.processes.last().expect("a running daemon");
        process.signal(if frozen { "STOP" } else { "CONT" });
    }

    /// What the process that speaks BGP has printed.
    pub(crate) fn log(&self) -> String {
        self.processes.last().expect("a running daemon").log()
    }

    /// Announces and withdraws: from now on exactly these prefixes.
    pub(crate) fn set_announces(&mut self, prefixes: &[&str]) {
        let before = std::mem::take(&mut self.config.announces);
        self.config.announces = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
        match self.kind {
            Kind::Bird => {
                self.write_config();
                self.ask(&["birdc", "-s", "bird.ctl", "configure"]);
            }
            Kind::GoBgp => {
                before.iter().for_each(|prefix| self.gobgp_route("del", prefix));
                self.gobgp_announce();
            }
            Kind::Frr => {
                let gone = before.iter().map(|prefix| frr_network("no ", prefix));
                let new = self.config.announces.iter().map(|prefix| frr_network("", prefix));
                let lines: Vec<_> = gone.chain(new).collect();
                self.frr_configure(&lines);
                // For the next start.
                self.write_config();
            }
        }
    }

    /// What the daemon must be told after it has started: GoBGP's routes are not configuration.
    pub(crate) fn after_start(&self) {
        if self.kind == Kind::GoBgp {
            self.gobgp_announce();
        }
    }

    fn gobgp_announce(&self) {
        self.config.announces.iter().for_each(|prefix| self.gobgp_route("add", prefix));
    }

    fn gobgp_route(&self, verb: &str, prefix: &str) {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let mut words = vec!["gobgp", "global", "rib", "-a", family, verb, prefix];
        if verb == "add" {
            words.extend(["community", "64999:7", "med", "77"]);
        }
        self.ask(&words);
    }

    fn frr_configure(&self, lines: &[String]) {
        let router = format!("router bgp {}", self.config.asn);
        let mut words = vec!["vtysh".to_owned(), "--vty_socket".into(), ".".into()];
        for line in ["configure terminal", &router] {
            words.extend(["-c".into(), line.to_owned()]);
        }
        for line in lines {
            for part in line.split(" ; ") {
                words.extend(["-c".into(), part.to_owned()]);
            }
        }
        self.ask(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Runs one of the daemon's tools inside its namespace and folder; empty if it fails.
    fn ask(&self, words: &[&str]) -> String {
        let output = Command::new("ip")
            .args(["netns", "exec", self.space.name()])
            .args(words)
            .current_dir(&self.folder)
            .output()
            .unwrap_or_else(|error| panic!("cannot run {words:?}: {error}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The best route for `prefix`, if it has one that came from us.
    pub(crate) fn route(&self, prefix: &str) -> Option<Shown> {
        let text = match self.kind {
            Kind::Bird => {
                let show =
                    ["birdc", "-s", "bird.ctl", "show", "route", "for", prefix, "primary", "all"];
                self.ask(&show)
            }
            Kind::GoBgp => {
                let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
                let text = self.ask(&["gobgp", "global", "rib", "-a", family, prefix]);
                text.lines().filter(|line| line.contains("*>")).collect::<Vec<_>>().join("\n")
            }
            Kind::Frr => {
                let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
                let show = format!("show bgp {family} unicast {prefix} bestpath");
                self.ask(&["vtysh", "--vty_socket", ".", "-c", &show])
            }
        };
        (text.contains(prefix) && self.names_us(&text)).then_some(Shown(text))
    }

    /// Whether a route's text says that it came from our AS.
    fn names_us(&self, text: &str) -> bool {
        text.contains(&self.config.our_asn.to_string())
    }

    fn write_config(&self) {
        let (file, text) = match self.kind {
            Kind::Bird => ("bird.conf", bird_config(&self.config)),
            Kind::GoBgp => ("gobgpd.toml", gobgp_config(&self.config)),
            Kind::Frr => ("frr.conf", frr_config(&self.config)),
        };
        fs::write(self.folder.join(file), text).expect("write the daemon's configuration");
        if self.kind == Kind::Frr {
            // FRR's daemons give up root; the folder and files must be theirs.
            let owned = Command::new("chown").args(["-R", "frr:frr"]).arg(&self.folder).status();
            assert!(owned.is_ok_and(|status| status.success()), "cannot chown to frr");
        }
    }
}

fn frr_lines(dir: &str, kernel: bool) -> Vec<(&'static str, String)> {
    let common = format!("--vty_socket {dir} -f {dir}/frr.conf -z {dir}/zserv.api");
    let bgpd =
        |more: &str| ("bgpd", format!("/usr/lib/frr/bgpd {common} -i {dir}/bgpd.pid -P 0 {more}"));
    if !kernel {
        return vec![bgpd("-n -Z")];
    }
    let zebra = format!("/usr/lib/frr/zebra {common} -i {dir}/zebra.pid -P 0");
    vec![("zebra", zebra), bgpd("")]
}

fn bird_config(config: &Config) -> String {
    let Config { asn, our_asn, id, hold_time, .. } = config;
    let mut text = format!("log stderr all;\nrouter id {id};\nprotocol device {{}}\n");
    for (family, is_v6) in [("ipv4", false), ("ipv6", true)] {
        let routes = config.announces.iter().filter(|prefix| prefix.contains(':') == is_v6);
        let routes: String = routes.map(|prefix| format!("route {prefix} blackhole;\n")).collect();
        let _ = writeln!(text, "protocol static s{family} {{ {family}; {routes} }}");
        if config.kernel {
            let _ = writeln!(
                text,
                "protocol kernel k{family} {{ learn; merge paths on; {family} {{ import all; export where source = RTS_BGP; }}; }}"
            );
        }
    }
    text += "filter ours { if source != RTS_STATIC then reject; bgp_community.add((64999,7)); bgp_med = 77; accept; }\n";
    for (n, session) in config.sessions.iter().enumerate() {
        let Session { remote, local, .. } = session;
        let password =
            session.password.as_ref().map_or(String::new(), |key| format!("password \"{key}\";"));
        let channel = |on: bool, family: &str| match on {
            true => format!("{family} {{ import all; export filter ours; }};"),
            false => String::new(),
        };
        // MED first: distances apart, the lowest MED wins whichever session it came over.
        let _ = writeln!(
            text,
            "protocol bgp us{n} {{ local {local} as {asn}; neighbor {remote} as {our_asn}; multihop; \
             hold time {hold_time}; connect retry time 1; connect delay time 1; error wait time 1,2; \
             graceful restart on; med metric on; {password} {} {} }}",
            channel(session.v4, "ipv4"),
            channel(session.v6, "ipv6"),
        );
    }
    text
}

fn gobgp_config(config: &Config) -> String {
    let Config { asn, our_asn, id, hold_time, .. } = config;
    let mut text = format!("[global.config]\nas = {asn}\nrouter-id = \"{id}\"\n");
    for session in &config.sessions {
        let Session { remote, local, .. } = session;
        let password = session.password.as_ref();
        let password = password.map_or(String::new(), |key| format!("auth-password = \"{key}\"\n"));
        let _ = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{remote}\"\npeer-as = {our_asn}\n\
             {password}[neighbors.transport.config]\nlocal-address = \"{local}\"\n\
             [neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = 5\n\
             [neighbors.timers.config]\nconnect-retry = 1\nhold-time = {hold_time}\nidle-hold-time-after-reset = 1\n"
        );
        for (on, family) in [(session.v4, "ipv4-unicast"), (session.v6, "ipv6-unicast")] {
            if on {
                let _ = write!(
                    text,
                    "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}\"\n"
                );
            }
        }
    }
    text
}

fn frr_network(no: &str, prefix: &str) -> String {
    let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
    let map = if no.is_empty() { " route-map OUT" } else { "" };
    format!("address-family {family} unicast ; {no}network {prefix}{map} ; exit-address-family")
}

fn frr_config(config: &Config) -> String {
    let Config { asn, our_asn, id, hold_time, .. } = config;
    let mut text = format!(
        "log stdout\nroute-map OUT permit 10\n set community 64999:7\n set metric 77\nexit\n\
         router bgp {asn}\n bgp router-id {id}\n no bgp ebgp-requires-policy\n no bgp network import-check\n \
         bgp log-neighbor-changes\n no bgp default ipv4-unicast\n bgp always-compare-med\n"
    );
    let keepalive = hold_time / 3;
    for session in &config.sessions {
        let Session { remote, local, .. } = session;
        let _ = write!(
            text,
            " neighbor {remote} remote-as {our_asn}\n neighbor {remote} ebgp-multihop 5\n \
             neighbor {remote} update-source {local}\n neighbor {remote} timers {keepalive} {hold_time}\n \
             neighbor {remote} timers connect 1\n neighbor {remote} advertisement-interval 0\n"
        );
        if let Some(key) = &session.password {
            let _ = writeln!(text, " neighbor {remote} password {key}");
        }
    }
    for (family, is_v6) in [("ipv4", false), ("ipv6", true)] {
        let _ = writeln!(text, " address-family {family} unicast");
        for session in &config.sessions {
            if if is_v6 { session.v6 } else { session.v4 } {
                let _ = writeln!(text, "  neighbor {} activate", session.remote);
            }
        }
        for prefix in config.announces.iter().filter(|prefix| prefix.contains(':') == is_v6) {
            let _ = writeln!(text, "  network {prefix} route-map OUT");
        }
        text += " exit-address-family\n";
    }
    text
}
