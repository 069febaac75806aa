//! Five daemons behind one face: started with a test's configuration, told and asked by their own tools.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Process;
use crate::space::Space;
use crate::wait::until_true;

/// Which daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Bird,
    Frr,
    GoBgp,
    OpenBgpd,
    ExaBgp,
}

/// Leads each of `kinds`, all at a time, or the one that `PATHVANE_INTEROP` names.
pub(crate) fn each_of(kinds: &[Kind], lead: fn(Kind)) {
    let only = std::env::var("PATHVANE_INTEROP").unwrap_or_default();
    let named = |kind: &&Kind| only.is_empty() || format!("{kind:?}") == only;
    std::thread::scope(|scope| {
        let all = kinds.iter().filter(named);
        let led: Vec<_> = all.map(|&kind| (kind, scope.spawn(move || lead(kind)))).collect();
        let failed: Vec<_> =
            led.into_iter().filter_map(|(kind, led)| led.join().is_err().then_some(kind)).collect();
        assert!(failed.is_empty(), "failed: {failed:?}");
    });
}

/// A neighbor in GoBGP's configuration, by addresses; `more` is of the neighbor, too.
pub(crate) fn gobgp_neighbor((them, local): (&str, &str), asn: u32, more: &str) -> String {
    format!(
        "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{them}\"\npeer-as = {asn}\n\
         [neighbors.transport.config]\nlocal-address = \"{local}\"\n\
         [neighbors.timers.config]\nconnect-retry = 1\nhold-time = 9\n\
         idle-hold-time-after-reset = 1\n{more}"
    )
}

/// What a daemon is told to be.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) kind: Kind,
    pub(crate) asn: u32,
    /// Its configuration, in which FOLDER is filled in.
    pub(crate) config: String,
    /// Commands to `gobgp` after the start, as routes are not GoBGP's configuration.
    pub(crate) routes: Vec<String>,
}

/// The daemon, running.
pub(crate) struct Far<'a> {
    pub(crate) kind: Kind,
    space: &'a Space,
    folder: PathBuf,
    told: Told,
    process: Option<Process>,
}

impl<'a> Far<'a> {
    /// Starts it; its files go to a folder of its name in `folder`.
    pub(crate) fn start(space: &'a Space, folder: &Path, told: Told) -> Self {
        let folder = folder.join("far");
        let mut far = Self { kind: told.kind, space, folder, told, process: None };
        far.write();
        far.launch();
        far
    }

    fn write(&self) {
        let folder = &self.folder;
        fs::create_dir_all(folder).expect("create the daemon's folder");
        let text = self.told.config.replace("FOLDER", &folder.display().to_string());
        let path = folder.join("far.conf");
        fs::write(&path, text).expect("write the daemon's configuration");
        // OpenBGPD reads nothing that others can write or read.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("guard it");
        match self.kind {
            Kind::Frr => {
                let owned = Command::new("chown").args(["-R", "frr:frr"]).arg(folder).status();
                assert!(owned.is_ok_and(|status| status.success()), "cannot chown to frr");
            }
            // Its processes confine themselves to this folder, which its service would make.
            Kind::OpenBgpd => fs::create_dir_all("/run/openbgpd").expect("make /run/openbgpd"),
            // What it hears is written down, what is written to `say` it is told. Both end with it.
            Kind::ExaBgp => {
                fs::write(folder.join("say"), "").expect("write what it is told");
                let dir = folder.display();
                let script =
                    format!("tail --pid=$$ -s 0.1 -n 0 -f {dir}/say &\nexec cat >> {dir}/heard\n");
                fs::write(folder.join("hears"), script).expect("write its program");
            }
            _ => {}
        }
    }

    /// Starts the processes, which find their configuration in the folder.
    pub(crate) fn launch(&mut self) {
        let line = command(self.kind, &self.folder);
        self.process = Some(Process::start(self.space, &self.folder, "far", &line));
        for (at, route) in self.told.routes.iter().enumerate() {
            // It is not there at once.
            match at {
                0 => until_true(20, "gobgpd takes a route", || self.tool("gobgp", route).0),
                _ => drop(self.tool("gobgp", route)),
            }
        }
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.process = None;
        if self.kind == Kind::OpenBgpd {
            // Its other processes end with the parent's sockets; so does the address of the new one.
            let _ = fs::remove_file(self.folder.join("bgpd.sock"));
        }
    }

    /// Stops all its processes, so that it says nothing, or continues them.
    pub(crate) fn freeze(&self, frozen: bool) {
        let process = self.process.as_ref().expect("a running daemon");
        process.signal_all(if frozen { "STOP" } else { "CONT" });
    }

    /// What it has printed, and what ExaBGP's program heard.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default() + &self.all_heard()
    }

    /// Runs a tool in its folder; whether it succeeded, and what it said.
    pub(crate) fn tool(&self, program: &str, words: &str) -> (bool, String) {
        self.exec(program, &words.split_whitespace().collect::<Vec<_>>())
    }

    fn exec(&self, program: &str, words: &[&str]) -> (bool, String) {
        let output = Command::new("ip")
            .args(["netns", "exec", self.space.name(), program])
            .args(words)
            .current_dir(&self.folder)
            .output()
            .unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text.into_owned())
    }

    fn vtysh(&self, lines: &[&str]) -> String {
        let words: Vec<_> = lines.iter().flat_map(|line| ["-c", line]).collect();
        self.exec("vtysh", &[&["--vty_socket", "."][..], &words].concat()).1
    }

    fn frr_configure(&self, lines: &[&str]) {
        let router = format!("router bgp {}", self.told.asn);
        self.vtysh(&[&["configure terminal", &router][..], lines].concat());
    }

    /// What ExaBGP is told by its program.
    fn say(&self, line: &str) {
        use std::io::Write as _;
        let file = fs::OpenOptions::new().append(true).open(self.folder.join("say"));
        writeln!(file.expect("what it is told"), "{line}").expect("tell it");
    }

    /// What it says of a prefix. ExaBGP writes down what it hears: what it heard last from each of
    /// our addresses, if that was not a withdrawal.
    pub(crate) fn shows(&self, prefix: &str) -> String {
        let v6 = prefix.contains(':');
        let family = if v6 { "ipv6" } else { "ipv4" };
        match self.kind {
            Kind::Bird => self.tool("birdc", &format!("-s bird.ctl show route {prefix} all")).1,
            Kind::Frr => self.vtysh(&[&format!("show bgp {family} unicast {prefix}")]),
            Kind::GoBgp => self.tool("gobgp", &format!("global rib -a {family} {prefix}")).1,
            Kind::OpenBgpd => {
                self.tool("bgpctl", &format!("-s bgpd.sock show rib detail {prefix}")).1
            }
            Kind::ExaBgp => last_heard(&self.all_heard(), prefix),
        }
    }

    /// Which of these prefixes it has a route for: asked once, so that what is moved from one to another
    /// meanwhile is not seen at both.
    pub(crate) fn has<'p>(&self, prefixes: &'p [String]) -> Vec<&'p str> {
        let table = match self.kind {
            Kind::Bird => self.tool("birdc", "-s bird.ctl show route").1,
            // What was withdrawn stands there, as removed, until its turn comes.
            Kind::Frr => {
                let all = self.vtysh(&["show bgp ipv4 unicast"]);
                all.lines()
                    .filter(|line| !line.starts_with('R'))
                    .map(|line| line.to_owned() + "\n")
                    .collect()
            }
            Kind::GoBgp => self.tool("gobgp", "global rib -a ipv4").1,
            Kind::OpenBgpd => self.tool("bgpctl", "-s bgpd.sock show rib").1,
            Kind::ExaBgp => self.all_heard(),
        };
        let words: HashSet<_> = table.split_whitespace().collect();
        let has = |prefix: &&str| match self.kind {
            Kind::ExaBgp => !last_heard(&table, prefix).is_empty(),
            _ => words.contains(prefix),
        };
        prefixes.iter().map(String::as_str).filter(has).collect()
    }

    /// Its best route for a prefix, in a line of its table.
    pub(crate) fn best(&self, prefix: &str) -> String {
        let text = match self.kind {
            Kind::GoBgp => self.tool("gobgp", &format!("global rib -a ipv4 {prefix}")).1,
            Kind::OpenBgpd => self.tool("bgpctl", &format!("-s bgpd.sock show rib {prefix}")).1,
            other => panic!("{other:?} is asked in `daemon.rs`"),
        };
        text.lines().filter(|line| line.contains("*>")).collect()
    }

    fn all_heard(&self) -> String {
        fs::read_to_string(self.folder.join("heard")).unwrap_or_default()
    }

    /// What it says of its session with our address `us`, and of graceful restart there. ExaBGP says nothing.
    pub(crate) fn session(&self, us: &str) -> String {
        match self.kind {
            Kind::Bird => self.tool("birdc", "-s bird.ctl show protocols all far").1,
            Kind::Frr => self.vtysh(&[&format!("show bgp ipv4 neighbors {us} graceful-restart")]),
            Kind::GoBgp => self.tool("gobgp", &format!("neighbor {us}")).1,
            Kind::OpenBgpd => self.tool("bgpctl", &format!("-s bgpd.sock show neighbor {us}")).1,
            Kind::ExaBgp => String::new(),
        }
    }

    /// Announces or withdraws a prefix of its own, without attributes.
    pub(crate) fn announce(&self, prefix: &str, on: bool) {
        match self.kind {
            Kind::OpenBgpd => {
                let verb = if on { "add" } else { "delete" };
                self.tool("bgpctl", &format!("-s bgpd.sock network {verb} {prefix}"));
            }
            Kind::ExaBgp => {
                let verb = if on { "announce" } else { "withdraw" };
                self.say(&format!("neighbor 192.0.2.1 {verb} route {prefix} next-hop 192.0.2.2"));
            }
            Kind::Bird | Kind::Frr | Kind::GoBgp => {
                panic!("{:?}: see `sessions.rs`", self.kind)
            }
        }
    }

    /// Asks us, on the session with our address `us`, for our routes again, if it can.
    pub(crate) fn refresh(&self, us: &str) -> bool {
        match self.kind {
            Kind::Bird => self.tool("birdc", "-s bird.ctl reload in far").0,
            Kind::Frr => {
                !self.vtysh(&[&format!("clear bgp ipv4 unicast {us} soft in")]).contains('%')
            }
            Kind::OpenBgpd => self.tool("bgpctl", &format!("-s bgpd.sock neighbor {us} refresh")).0,
            Kind::ExaBgp => {
                self.say(&format!("neighbor {us} announce route-refresh ipv4 unicast"));
                true
            }
            // It judges again what it has kept.
            Kind::GoBgp => false,
        }
    }

    /// Closes the session with words, if it can say some.
    pub(crate) fn close_with(&self, us: &str, words: &str) -> bool {
        match self.kind {
            Kind::Bird => {
                self.exec("birdc", &["-s", "bird.ctl", &format!("disable far \"{words}\"")]).0
            }
            Kind::Frr => {
                self.frr_configure(&[&format!("neighbor {us} shutdown message {words}")]);
                true
            }
            Kind::GoBgp => self.exec("gobgp", &["neighbor", us, "shutdown", "--reason", words]).0,
            Kind::OpenBgpd => {
                self.exec("bgpctl", &["-s", "bgpd.sock", "neighbor", us, "down", words]).0
            }
            Kind::ExaBgp => false,
        }
    }

    /// Opens a session that was closed, or tries at once one that did not come up.
    pub(crate) fn open_again(&self, us: &str) {
        match self.kind {
            Kind::Bird => drop(self.tool("birdc", "-s bird.ctl enable far")),
            Kind::Frr => self.frr_configure(&[&format!("no neighbor {us} shutdown")]),
            Kind::GoBgp => drop(self.tool("gobgp", &format!("neighbor {us} enable"))),
            Kind::OpenBgpd => drop(self.tool("bgpctl", &format!("-s bgpd.sock neighbor {us} up"))),
            Kind::ExaBgp => {}
        }
    }
}

/// The lines in which ExaBGP's program heard of a prefix last, from each of our addresses; none where it was withdrawn.
fn last_heard(heard: &str, prefix: &str) -> String {
    let named = format!("\"{prefix}\"");
    let mut last = Vec::<(String, String)>::new();
    for line in heard.lines().filter(|line| line.contains(&named)) {
        let peer = line.split("\"peer\": \"").nth(1).and_then(|rest| rest.split('"').next());
        // Of several routes each counts for itself.
        let path = line.split(&named).nth(1).and_then(|rest| rest.split('}').next());
        let key = format!("{peer:?} {path:?}");
        last.retain(|(known, _)| *known != key);
        // A line may announce one prefix and, after that, withdraw another.
        let before = line.split(&named).next().unwrap_or_default();
        if before.rfind("\"announce\"") > before.rfind("\"withdraw\"") {
            last.push((key, line.to_owned()));
        }
    }
    last.into_iter().map(|(_, line)| line + "\n").collect()
}

/// The command that runs the daemon in the foreground.
fn command(kind: Kind, folder: &Path) -> String {
    let dir = folder.display();
    match kind {
        Kind::Bird => format!("bird -R -f -c {dir}/far.conf -s {dir}/bird.ctl -P {dir}/bird.pid"),
        Kind::Frr => format!(
            "/usr/lib/frr/bgpd --vty_socket {dir} -f {dir}/far.conf -z {dir}/zserv.api \
             -i {dir}/bgpd.pid -P 0 -n -Z"
        ),
        Kind::GoBgp => format!("gobgpd -r -f {dir}/far.conf --api-hosts 127.0.0.1:50051"),
        Kind::OpenBgpd => format!("/usr/sbin/bgpd -d -f {dir}/far.conf"),
        Kind::ExaBgp => format!(
            "env exabgp.daemon.user=root exabgp.daemon.drop=false exabgp.api.cli=false \
             exabgp.log.destination=stdout exabgp {dir}/far.conf"
        ),
    }
}
