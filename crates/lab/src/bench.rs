//! `pathvane bench`: how fast routes go through this binary, and through other daemons beside it.
//!
//! A run is one daemon in a network of its own ([`place`]), with feeds that send tables made from a
//! seed ([`table`]) and receivers that compare every route with what it should be ([`watch`]); both are
//! processes of their own ([`endpoint`]), on real TCP. The null relay ([`relay`]) is the floor.
//!
//! The floor above this one, the binary, only passes the command line on.

mod args;
mod chart;
mod connection;
mod daemon;
mod endpoint;
mod message;
mod orders;
mod ping;
mod place;
mod play;
mod plot;
mod process;
mod record;
mod relay;
mod rib;
mod rig;
mod summary;
mod table;
mod usage;
mod watch;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::report::print;

pub use args::{BenchCommand, RibArgs, Scenario};
pub use daemon::Daemon;

/// Exit status after Ctrl-C, as shells give it.
const INTERRUPTED: u8 = 130;

/// Runs a command of `pathvane bench`.
pub fn main(command: BenchCommand) -> ExitCode {
    let done = match command {
        BenchCommand::Rib(args) => return rib(args),
        BenchCommand::Plot { results, out } => return plot(&results, &out),
        BenchCommand::Endpoint => endpoint::run(),
        BenchCommand::Relay { feeds, receivers } => relay::run(feeds, receivers),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error.to_string()),
    }
}

fn plot(results: &[PathBuf], out: &Path) -> ExitCode {
    match plot::run(results, out) {
        Ok(written) => {
            written.iter().for_each(|file| print(&file.display().to_string()));
            ExitCode::SUCCESS
        }
        Err(error) => failure(&error),
    }
}

fn rib(args: RibArgs) -> ExitCode {
    let folder = match workshop(args.keep) {
        Ok(folder) => folder,
        Err(error) => return failure(&format!("no temporary directory can be made: {error}")),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failure(&format!("no runtime can be made: {error}")),
    };
    let path = folder.path().to_owned();
    let measured = runtime.spawn_blocking(move || rib::run(&args, &path));
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = measured => Some(outcome),
            () = told_to_stop() => None,
        }
    });
    let Some(outcome) = outcome else {
        process::clear_all();
        drop(folder);
        eprintln!("stopped; what was started is ended");
        // The measuring thread may wait for what is gone: nothing of it is wanted any more.
        std::process::exit(INTERRUPTED.into());
    };
    match outcome.map_err(|error| error.to_string()) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => failure("not every run came to its end with every route as it should be"),
        Ok(Err(error)) | Err(error) => failure(&error),
    }
}

/// A directory for configurations and logs that other users' daemons may enter.
fn workshop(keep: bool) -> std::io::Result<tempfile::TempDir> {
    let mut folder = tempfile::Builder::new().prefix("pathvane-bench-").tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    folder.disable_cleanup(keep);
    if keep {
        eprintln!("configurations and logs: {}", folder.path().display());
    }
    Ok(folder)
}

/// Returns on SIGINT (Ctrl-C), SIGTERM or SIGHUP.
async fn told_to_stop() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [Ok(mut int), Ok(mut term), Ok(mut hup)] = kinds.map(signal) else {
        // A signal that cannot be watched ends this process as it always does.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
        _ = hup.recv() => {}
    }
}

fn failure(message: &str) -> ExitCode {
    eprintln!("pathvane bench: {message}");
    ExitCode::FAILURE
}
