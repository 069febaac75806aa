//! Reading the configuration again for a speaker that runs, away from the hot loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::dto::{Done, Refused};
use super::{Answer, Reply};
use crate::config::{self, Loaded};

/// A sound configuration on its way to the hot loop, and where to say what became of it.
#[derive(Debug)]
pub struct Reload {
    /// What to run by from now on.
    pub loaded: Box<Loaded>,
    /// Gets what was done, or why nothing was; whoever asked may have gone.
    pub reply: oneshot::Sender<Result<String, Refused>>,
}

/// Reads the file that the speaker was started with.
#[derive(Clone, Debug)]
pub struct Reloader {
    file: Arc<Path>,
    hot: mpsc::Sender<Reload>,
}

impl Reloader {
    /// A reader of `file`, and the hot loop's end.
    pub fn new(file: PathBuf) -> (Self, mpsc::Receiver<Reload>) {
        let (hot, reloads) = mpsc::channel(1);
        (Self { file: file.into(), hot }, reloads)
    }

    /// Reads, checks, and hands over. A refused configuration leaves the running one as it is.
    pub async fn reload(&self) -> Reply {
        let outcome = self.read();
        let outcome = match outcome {
            Ok(loaded) => self.hand_over(loaded).await,
            Err(refused) => Err(refused),
        };
        match &outcome {
            Ok(done) => tracing::info!("{done}"),
            Err(Refused { error, remedy }) => tracing::error!("not reloaded: {error}; {remedy}"),
        }
        outcome.map(|done| Answer::Done(Done { done }))
    }

    fn read(&self) -> Result<Box<Loaded>, Refused> {
        let remedy = "nothing was changed: correct the file and reload again".to_owned();
        let outcome = config::load(&self.file).map_err(|error| {
            let error = format!("{} cannot be read: {error}", self.file.display());
            Refused { error, remedy: remedy.clone() }
        })?;
        let findings = outcome.findings;
        let faulty = || format!("the configuration has errors\n{}", findings.render(false));
        outcome.loaded.map(Box::new).ok_or_else(|| Refused { error: faulty(), remedy })
    }

    async fn hand_over(&self, loaded: Box<Loaded>) -> Result<String, Refused> {
        let busy = |_| Refused {
            error: "the speaker is busy or leaving".to_owned(),
            remedy: "try again in a moment".to_owned(),
        };
        let (reply, outcome) = oneshot::channel();
        self.hot.try_send(Reload { loaded, reply }).map_err(|_| busy(()))?;
        outcome.await.map_err(|_| busy(()))?
    }
}
