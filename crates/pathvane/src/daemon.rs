//! `pathvane run`, `pathvane bfd` and `pathvane reflector`: what runs until it is told to end.

use std::path::Path;

use pathvane_speaker::{bfd, log, reflector};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{BfdArgs, ReflectorArgs};
use crate::{Exit, check, complain};

/// Runs a speaker until it has left.
pub(crate) fn run(config: &Path) -> Exit {
    let loaded = match check::read(config) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let log = log::start(&loaded.shell.log);
    let ended = pathvane_speaker::run(loaded, config.to_owned());
    log.finish();
    match ended {
        Ok(()) => Exit::Done,
        Err(failure) => {
            complain(failure, "");
            Exit::Failed
        }
    }
}

/// Holds BFD sessions until nobody needs them.
pub(crate) fn bfd(args: BfdArgs) -> Exit {
    let log = log::start("info");
    let ended = bfd::run(&args.into());
    log.finish();
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(error, "");
            Exit::Failed
        }
    }
}

/// Answers probes until SIGTERM or SIGINT.
pub(crate) fn reflect(args: ReflectorArgs) -> Exit {
    let log = log::start("info");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let config = args.config().map_err(|error| error.to_string())?;
        let reflecting = reflector::run(config, told_to_end());
        runtime.block_on(reflecting).map_err(|error| error.to_string())
    });
    log.finish();
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(error, "");
            Exit::Failed
        }
    }
}

/// Completes at SIGTERM or SIGINT.
pub(crate) async fn told_to_end() {
    let wait = async |kind| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => {
            tracing::warn!("cannot wait for a signal: {error}");
            std::future::pending().await
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}
