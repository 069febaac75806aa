//! The configuration file that the demonstration gives to the speaker.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// The site's AS number.
pub const ASN: u32 = 65010;
/// What we announce: the site's agents.
pub const AGENTS: &str = "10.20.0.0/16";
/// What the routers announce: the regions' services.
pub const REGIONS: &str = "10.128.0.0/20";

/// Where the speaker finds things.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The forwarding paths, the preferred one first.
    pub paths: Vec<PathLayout>,
}

/// One path and what is at its far end.
#[derive(Clone, Debug)]
pub struct PathLayout {
    /// Its name.
    pub name: String,
    /// The region it leads to.
    pub region: String,
    /// Where to dial the cloud router.
    pub router: SocketAddr,
    /// The source of probes.
    pub probe_source: IpAddr,
    /// The reflectors, through the link.
    pub reflectors: Vec<SocketAddr>,
    /// The instances' URLs.
    pub instances: Vec<String>,
}

/// The durations that the demonstration shortens, so that a run takes minutes and not an hour.
///
/// Detection is not touched: probe rates, detectors, thresholds and damping are the defaults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Clean probing before a new path counts as up.
    pub init_after: Duration,
    /// Clean probing before a failed path counts as up again.
    pub recover_after: Duration,
    /// How long a better path has to be better.
    pub sustain: Duration,
    /// The least time between two moves for quality.
    pub dwell: Duration,
    /// Random spread of moves for quality.
    pub phase: Duration,
    /// At most one improving UPDATE in this time.
    pub improve_interval: Duration,
    /// How soon an undercut is given back.
    pub undercut_restore: Duration,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            init_after: Duration::from_millis(1_500),
            recover_after: Duration::from_millis(2_000),
            sustain: Duration::from_millis(500),
            dwell: Duration::from_millis(1_000),
            phase: Duration::from_millis(200),
            improve_interval: Duration::from_millis(200),
            undercut_restore: Duration::from_millis(500),
        }
    }
}

impl Profile {
    /// Probes per second to two reflectors, of a path that leads and of one that stands by.
    const LEADING: u128 = 100;
    const STANDING_BY: u128 = 20;

    /// The keys of `[timing]`, as written.
    pub fn keys(&self) -> Vec<(&'static str, String)> {
        let duration = |duration: Duration| format!("\"{}ms\"", duration.as_millis());
        let probes =
            |duration: Duration, rate: u128| (duration.as_millis() * rate / 1_000).to_string();
        vec![
            ("init_after", duration(self.init_after)),
            ("init_probes", probes(self.init_after, Self::LEADING)),
            ("recover_after", duration(self.recover_after)),
            ("recover_probes", probes(self.recover_after, Self::STANDING_BY)),
            ("sustain", duration(self.sustain)),
            ("dwell", duration(self.dwell)),
            ("phase", duration(self.phase)),
            ("improve_interval", duration(self.improve_interval)),
            ("undercut_restore", duration(self.undercut_restore)),
        ]
    }
}

/// The whole file.
pub fn write(layout: &Layout, profile: &Profile, control: &Path) -> String {
    let mut out = String::from(SPEAKER);
    // Writing to a String does not fail.
    let _ = writeln!(out, "control = {:?}", control.display().to_string());
    for path in &layout.paths {
        let _ = write!(out, "{}", peer(path));
    }
    for path in &layout.paths {
        let _ = write!(out, "{}", self::path(path));
    }
    out.push_str(&service(layout));
    out.push_str("\n[timing] # shortened for the demonstration; everything else is default\n");
    for (key, value) in profile.keys() {
        let _ = writeln!(out, "{key} = {value}");
    }
    out
}

const SPEAKER: &str = r#"[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
steering = "act"
fib = "report" # next hops are told, not installed: no privilege needed
listen = []
log = "debug"
"#;

fn peer(path: &PathLayout) -> String {
    format!(
        r#"
[peers.cr-{name}]
profile = "cloud-router"
address = "{address}"
port = {port}
asn = 16550
connect_retry = "1s"
graceful_restart = "full" # the router keeps our routes while a session is gone
import = "accept-all"
"#,
        name = path.name,
        address = path.router.ip(),
        port = path.router.port(),
    )
}

fn path(path: &PathLayout) -> String {
    let probes: Vec<String> = path
        .reflectors
        .iter()
        .map(|reflector| {
            let (target, port) = (reflector.ip(), reflector.port());
            format!("  {{ kind = \"stamp\", target = \"{target}\", port = {port} }},\n")
        })
        .collect();
    format!(
        r#"
[paths.{name}]
next_hop = "{next_hop}"
announce_via = ["cr-{name}"]
region = "{region}"
probe_source = "{source}"
probes = [
{probes}]
"#,
        name = path.name,
        next_hop = path.router.ip(),
        region = path.region,
        source = path.probe_source,
        probes = probes.concat(),
    )
}

fn service(layout: &Layout) -> String {
    let names: Vec<String> = layout.paths.iter().map(|path| format!("{:?}", path.name)).collect();
    let checks: Vec<String> = layout.paths.iter().flat_map(checks).collect();
    format!(
        r#"
[services.voice]
class = "voice"
announce = [{{ prefix = "{AGENTS}", while = "interface-up:lo" }}]
reach = ["{REGIONS}"]
paths = [{paths}]
strategy = "ordered" # back to the first path once it works again
checks = [
{checks}]
"#,
        paths = names.join(", "),
        checks = checks.concat(),
    )
}

fn checks(path: &PathLayout) -> Vec<String> {
    let check = |url: &String| {
        format!(
            "  {{ kind = \"http\", url = \"{url}\", region = \"{}\", \
             interval = \"100ms\", timeout = \"100ms\" }},\n",
            path.region
        )
    };
    path.instances.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_toml_and_names_everything_once() {
        let path = |name: &str, third: u8| PathLayout {
            name: name.into(),
            region: format!("region-{name}"),
            router: SocketAddr::from(([127, 84, third, 1], 4179)),
            probe_source: IpAddr::from([127, 84, third, 100]),
            reflectors: vec![
                SocketAddr::from(([127, 84, third, 11], 4862)),
                SocketAddr::from(([127, 84, third, 12], 4863)),
            ],
            instances: vec!["http://127.84.1.41:80/healthz".into()],
        };
        let layout = Layout { paths: vec![path("east", 1), path("west", 2)] };
        let text = write(&layout, &Profile::default(), Path::new("/tmp/x/control.sock"));
        let table: toml::Table = toml::from_str(&text).expect("TOML");
        assert_eq!(table["speaker"]["control"].as_str(), Some("/tmp/x/control.sock"));
        assert_eq!(table["peers"].as_table().map(toml::Table::len), Some(2));
        let probes = table["paths"]["east"]["probes"].as_array().expect("probes");
        assert_eq!(probes[1]["port"].as_integer(), Some(4863));
        let checks = table["services"]["voice"]["checks"].as_array().expect("checks");
        assert_eq!(checks.len(), 2);
        assert_eq!(table["timing"]["recover_after"].as_str(), Some("2000ms"));
    }
}
