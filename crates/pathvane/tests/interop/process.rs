//! Programs under test: each with its own folder, ended by pid, its log shown when a test fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::space::Space;

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `line` inside `space`, its output in `folder`/`name`.log.
    pub(crate) fn start(space: &Space, folder: &Path, name: &str, line: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).expect("create the log");
        let errors = output.try_clone().expect("share the log");
        let mut words = line.split_whitespace();
        let program = words.next().expect("a program");
        let child = Command::new("ip")
            .args(["netns", "exec", space.name(), program])
            .args(words)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
        // `ip netns exec` becomes the program, so the pid is the program's.
        Self { child, log }
    }

    /// Sends a signal by name, as `kill` does.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {signal}");
    }

    /// Sends it to the program and all that it has started.
    pub(crate) fn signal_all(&self, signal: &str) {
        let mut pids = vec![self.child.id().to_string()];
        let mut at = 0;
        while let Some(pid) = pids.get(at) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            pids.extend(children.unwrap_or_default().split_whitespace().map(str::to_owned));
            at += 1;
        }
        let sent = Command::new("kill").args(["-s", signal]).args(&pids).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {signal}");
    }

    /// Waits for the end of a program that is leaving; panics after ten seconds.
    pub(crate) fn wait(&mut self) {
        for _ in 0..200 {
            if self.child.try_wait().expect("wait").is_some() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("{} does not end", self.log.display());
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A stopped process takes no TERM; KILL ends it whatever it does.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("--- end of {} ---", self.log.display());
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
