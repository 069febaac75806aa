//! Python packages that the tests compare with, in an environment of their own below `target/`.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::shell;

/// Package and version of each oracle.
const PACKAGES: &[&str] = &["flent==2.3.0"];

/// The environment; tests look for it here.
const PLACE: &str = "target/oracles";

/// Whether Python can make environments, which Debian packs apart.
pub(crate) fn can_install() -> bool {
    succeeds("python3", &["-c", "import ensurepip, venv"])
}

/// Installs the packages that are missing.
pub(crate) fn install() -> Result<()> {
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
