//! The speaker as a child process: the real binary, as `run` would run it.
//!
//! The child never outlives its owner: it is killed when dropped, and by a panic hook
//! where a panic aborts.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, Once, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The children that a panic has to take along.
static CHILDREN: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A running speaker.
#[derive(Debug)]
pub struct SpeakerProcess {
    child: Child,
    log: PathBuf,
}

impl SpeakerProcess {
    /// Starts `binary run --config CONFIG`; what it says goes to `log`.
    ///
    /// # Errors
    /// The operating system's, when it cannot be started.
    pub fn start(binary: &Path, config: &Path, log: &Path) -> io::Result<Self> {
        end_children_on_panic();
        let file = File::create(log)?;
        let child = Command::new(binary)
            .arg("run")
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        CHILDREN.lock().unwrap_or_else(PoisonError::into_inner).push(child.id());
        Ok(Self { child, log: log.to_owned() })
    }

    /// Whether it ended by itself, and how.
    ///
    /// # Errors
    /// What it said last, if it is gone.
    pub fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("the speaker ended: {status}\n{}", self.last_words())),
            Err(error) => Err(format!("the speaker cannot be watched: {error}")),
        }
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        const LINES: usize = 12;
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for SpeakerProcess {
    fn drop(&mut self) {
        // Both fail only if the child is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let gone = self.child.id();
        CHILDREN.lock().unwrap_or_else(PoisonError::into_inner).retain(|child| *child != gone);
    }
}

fn end_children_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            previous(panic);
            // Whoever holds the list may be the one that panicked.
            let Ok(children) = CHILDREN.try_lock() else { return };
            for pid in children.iter().filter_map(|child| i32::try_from(*child).ok()) {
                // It fails only if the child is gone already.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for the binary: says its arguments and does as `script` wants.
    fn stand_in(dir: &Path, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join("stand-in");
        std::fs::write(&path, format!("#!/bin/sh\necho \"$@\"\n{script}\n")).expect("write");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("chmod");
        path
    }

    #[test]
    fn a_child_that_ends_tells_its_last_words() {
        let dir = tempfile::tempdir().expect("tempdir");
        let binary = stand_in(dir.path(), "echo no such key; exit 3");
        let log = dir.path().join("log");
        let mut child = SpeakerProcess::start(&binary, Path::new("x.toml"), &log).expect("start");
        child.child.wait().expect("wait");
        let words = child.check().expect_err("it ended");
        assert!(words.contains("run --config x.toml\nno such key"), "{words}");
    }

    #[test]
    fn a_dropped_child_is_dead() {
        let dir = tempfile::tempdir().expect("tempdir");
        let binary = stand_in(dir.path(), "exec sleep 600");
        let log = dir.path().join("log");
        let mut child = SpeakerProcess::start(&binary, Path::new("x.toml"), &log).expect("start");
        assert_eq!(child.check(), Ok(()));
        let pid = Pid::from_raw(i32::try_from(child.child.id()).expect("pid"));
        drop(child);
        assert!(kill(pid, None).is_err());
    }
}
