//! The test command of the README.

use anyhow::Result;

use crate::{setup, shell, tidy};

/// What to leave out.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out everything that needs root, namespaces or other daemons.
    #[arg(long)]
    no_interop: bool,
}

/// Tests, ignored otherwise, that talk to programs which setup installs.
const NEED_OTHERS: &[&str] = &["interop", "stamp_interop", "jitter_oracle"];

/// Runs everything; a missing peer or oracle is a failure unless `--no-interop` was said.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !options.no_interop {
        setup::run()?;
    }
    tidy::run()?;
    // Namespace tests are told that a missing privilege or daemon is a failure, and run one by one.
    let require = if options.no_interop { "0" } else { "1" };
    let env = [("PATHVANE_REQUIRE_ROOT", require), ("PATHVANE_REQUIRE_PEERS", require)];
    shell::run("cargo", &["test", "--workspace", "--locked"], &env)?;
    if !options.no_interop {
        // The same packages as above, so that nothing is built again with other features.
        let named = NEED_OTHERS.iter().flat_map(|test| ["--test", test]);
        let args = ["test", "--workspace", "--locked"].into_iter().chain(named);
        let ignored = ["--", "--ignored", "--test-threads=1"];
        shell::run("cargo", &args.chain(ignored).collect::<Vec<_>>(), &env)?;
    }
    println!("\nAll tests passed.");
    Ok(())
}
