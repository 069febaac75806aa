//! Installs the peers and oracles of the tests: Debian packages, without starting any service, and
//! below `target/` what Debian does not have.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::{oracles, shell};

/// A program the tests need, and the Debian package that has it.
const NEEDED: &[(&str, &str)] = &[
    ("gobgpd", "gobgpd"),
    ("gobgp", "gobgpd"),
    // OpenBGPD has a `bgpd`, too.
    ("zebra", "frr"),
    ("vtysh", "frr"),
    ("bgpctl", "openbgpd"),
    ("exabgp", "exabgp"),
    ("bird", "bird2"),
    ("birdc", "bird2"),
    ("tshark", "tshark"),
    ("bgpdump", "bgpdump"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ping", "iputils-ping"),
    ("turnserver", "coturn"),
];

/// Debian asks this script before it starts a service; 101 forbids it.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing; does nothing, and says so, if nothing is.
pub(crate) fn run() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        println!("setup: everything the tests talk to is installed");
    } else {
        install(&missing)?;
    }
    oracles::install()
}

fn install(missing: &[&str]) -> Result<()> {
    println!(
        "setup: will install with apt-get, without starting any service: {}",
        missing.join(" ")
    );
    ensure!(is_root()?, "setup installs Debian packages: run it as root, or pass --no-interop");
    let _guard = NoServices::new()?;
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    shell::run("apt-get", &["update", "-q"], &quiet)?;
    let mut args = vec!["install", "-q", "-y", "--no-install-recommends"];
    args.extend(missing);
    shell::run("apt-get", &args, &quiet)?;
    let still = self::missing();
    ensure!(
        still.is_empty(),
        "apt-get succeeded, but these packages' programs are not found: {still:?}"
    );
    Ok(())
}

/// The packages of the programs that are not found, each once.
pub(crate) fn missing() -> Vec<&'static str> {
    let mut packages: Vec<_> = NEEDED
        .iter()
        .filter(|(program, _)| !shell::found(program))
        .map(|&(_, package)| package)
        .collect();
    packages.dedup();
    if !oracles::can_install() {
        packages.push("python3-venv");
    }
    packages
}

fn is_root() -> Result<bool> {
    let status =
        fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(uid.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0"))
}

/// While it lives, Debian starts no service on installation. An existing policy is respected.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn new() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .with_context(|| format!("cannot write {POLICY}"))?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("setup: cannot remove {POLICY}: {error}; remove it by hand");
        }
    }
}
