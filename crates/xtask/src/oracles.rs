//! Programs that the tests compare with and Debian does not have, in a place of their own below
//! `target/`: Python packages and crates.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::shell;

/// Package and version of each oracle.
const PACKAGES: &[&str] = &["flent==2.3.0", "scapy==2.8.0"];

/// Crate, which is also its program's name, and version of each oracle.
const CRATES: &[(&str, &str)] = &[("stamp-suite", "1.0.0")];

/// Python's environment and the crates' programs; tests look for them here.
const PLACE: &str = "target/oracles";

/// Whether Python can make environments, which Debian packs apart.
pub(crate) fn can_install() -> bool {
    succeeds("python3", &["-c", "import ensurepip, venv"])
}

/// Installs what is missing.
pub(crate) fn install() -> Result<()> {
    build()?;
    let python = shell::root().join(PLACE).join("bin/python3").display().to_string();
    if missing(&python).is_empty() {
        return Ok(());
    }
    println!("setup: will install with pip into {PLACE}: {}", PACKAGES.join(" "));
    shell::run("python3", &["-m", "venv", PLACE], &[])?;
    let mut args = vec!["-m", "pip", "install", "--quiet"];
    args.extend(PACKAGES);
    shell::run(&python, &args, &[])
}

/// Builds the crates once, without optimisation: they are to be right, not fast.
fn build() -> Result<()> {
    for &(name, version) in CRATES {
        if shell::root().join(PLACE).join("bin").join(name).is_file() {
            continue;
        }
        println!("setup: will build {name} {version} in {PLACE}; takes a minute or two, once");
        let what = ["install", name, "--version", version, "--locked", "--debug", "--quiet"];
        let place = ["--root", PLACE, "--target-dir", "target/oracles/build"];
        shell::run("cargo", &[&what[..], &place].concat(), &[])?;
    }
    Ok(())
}

/// The packages that the environment lacks in their version.
fn missing(python: &str) -> Vec<&'static str> {
    let there = |package: &&str| {
        let (name, version) = package.split_once("==").unwrap_or((package, ""));
        let ask =
            format!("import importlib.metadata as m; assert m.version('{name}') == '{version}'");
        succeeds(python, &["-c", &ask])
    };
    PACKAGES.iter().copied().filter(|package| !there(package)).collect()
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    let quiet =
        Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}
