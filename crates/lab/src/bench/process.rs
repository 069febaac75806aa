//! The processes of a run, and what is left of one that is interrupted.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::orders::{Answer, Counts, Order};
use super::watch::Difference;

/// Something that outlives this process unless it is cleared away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Leftover {
    Process(u32),
    /// A network namespace.
    Space(String),
}

static LEFTOVERS: Mutex<Vec<Leftover>> = Mutex::new(Vec::new());

pub(super) fn remember(leftover: Leftover) {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner).push(leftover);
}

/// Removes one leftover.
pub(super) fn clear(leftover: &Leftover) {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| one != leftover);
    match leftover {
        Leftover::Process(pid) => {
            for pid in
                super::usage::tree(*pid).into_iter().filter_map(|pid| i32::try_from(pid).ok())
            {
                // It fails only if the process is gone already.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        Leftover::Space(name) => {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

/// Removes everything, on the way out after an interruption: processes first.
pub(super) fn clear_all() {
    let mut all = LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    all.sort_by_key(|leftover| matches!(leftover, Leftover::Space(_)));
    all.iter().for_each(clear);
}

/// A running program. It is killed when dropped, and with it what it has started.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    log: PathBuf,
    /// The relay ends with it.
    _stdin: Option<ChildStdin>,
}

impl Program {
    /// Starts a command in `folder`; what it says goes to `name`.log there.
    pub(super) fn start(mut command: Command, folder: &Path, name: &str) -> Result<Self, String> {
        let log = folder.join(format!("{name}.log"));
        let start = || {
            let file = File::create(&log)?;
            command
                .current_dir(folder)
                .stdin(Stdio::piped())
                .stdout(file.try_clone()?)
                .stderr(file)
                .spawn()
        };
        let mut child =
            { start }().map_err(|error| format!("{name} cannot be started: {error}"))?;
        remember(Leftover::Process(child.id()));
        let stdin = child.stdin.take();
        Ok(Self { child, log, _stdin: stdin })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// What it said last, if it does not.
    pub(super) fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("it ended: {status}\n{}", self.last_words())),
            Err(error) => Err(format!("it cannot be watched: {error}")),
        }
    }

    /// The end of its log.
    pub(super) fn last_words(&self) -> String {
        const LINES: usize = 12;
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        clear(&Leftover::Process(self.child.id()));
        let _ = self.child.wait();
    }
}

/// For answers that need no network.
const SOON: Duration = Duration::from_secs(60);

/// An endpoint process and the line to it.
#[derive(Debug)]
pub(super) struct Endpoint {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<Answer>,
    /// Those that came before the one that was waited for.
    early: Vec<Answer>,
}

impl Endpoint {
    /// Starts one with `command`, whose standard error is ours.
    pub(super) fn start(mut command: Command) -> Result<Self, String> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("no endpoint can be started: {error}"))?;
        remember(Leftover::Process(child.id()));
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("an endpoint without pipes".into());
        };
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                let answer = serde_json::from_str(&line)
                    .unwrap_or_else(|error| Answer::Failed(format!("{error} in {line}")));
                if sender.send(answer).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, stdin, answers, early: Vec::new() })
    }

    /// Gives an order; answers are waited for with the other methods.
    pub(super) fn tell(&mut self, order: &Order) -> Result<(), String> {
        let line = serde_json::to_string(order).map_err(|error| error.to_string())?;
        writeln!(self.stdin, "{line}").map_err(|error| format!("an endpoint is gone: {error}"))
    }

    /// The first answer for which `wanted` has something.
    pub(super) fn wait<T>(
        &mut self,
        within: Duration,
        wanted: impl Fn(&Answer) -> Option<T>,
    ) -> Result<T, String> {
        if let Some(at) = self.early.iter().position(|answer| wanted(answer).is_some()) {
            return wanted(&self.early.remove(at)).ok_or_else(String::new);
        }
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left) {
                Ok(Answer::Failed(reason)) => return Err(reason),
                Ok(answer) => match wanted(&answer) {
                    Some(found) => return Ok(found),
                    None => self.early.push(answer),
                },
                Err(_) => return Err(format!("not done within {} s", within.as_secs())),
            }
        }
    }

    /// Gives an order and waits until it is done.
    pub(super) fn order(&mut self, order: &Order, within: Duration) -> Result<(), String> {
        self.tell(order)?;
        self.wait(within, |answer| matches!(answer, Answer::Done).then_some(()))
    }

    /// What it has seen.
    pub(super) fn count(&mut self) -> Result<Counts, String> {
        self.tell(&Order::Count)?;
        self.wait(SOON, |answer| match answer {
            Answer::Counted(counts) => Some(*counts),
            _ => None,
        })
    }

    /// Its receivers' tables against what they should be.
    pub(super) fn compare(&mut self) -> Result<Difference, String> {
        self.tell(&Order::Compare)?;
        self.wait(SOON, |answer| match answer {
            Answer::Compared(difference) => Some(difference.clone()),
            _ => None,
        })
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        clear(&Leftover::Process(self.child.id()));
        let _ = self.child.wait();
    }
}
