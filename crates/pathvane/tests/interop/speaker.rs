//! Ourselves: the real binary, started and asked as an operator would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::Process;
use crate::space::Space;

/// The binary under test.
pub(crate) const PATHVANE: &str = env!("CARGO_BIN_EXE_pathvane");

/// A running speaker.
#[derive(Debug)]
pub(crate) struct Speaker<'a> {
    space: &'a Space,
    folder: PathBuf,
    process: Process,
}

impl<'a> Speaker<'a> {
    /// Starts `pathvane run` with this configuration, to which the control socket is added.
    pub(crate) fn start(space: &'a Space, folder: &Path, config: &str) -> Self {
        let folder = folder.join("pathvane");
        fs::create_dir_all(&folder).expect("create the speaker's folder");
        let socket = folder.join("control.sock");
        let config = config.replace("CONTROL", &socket.display().to_string());
        fs::write(folder.join("pathvane.toml"), config).expect("write the configuration");
        let process = Self::launch(space, &folder);
        Self { space, folder, process }
    }

    fn launch(space: &Space, folder: &Path) -> Process {
        let line = format!("{PATHVANE} run --config {}/pathvane.toml", folder.display());
        Process::start(space, folder, "pathvane", &line)
    }

    /// Ends without a word (KILL), as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.wait();
    }

    /// Starts again with the same configuration.
    pub(crate) fn restart(&mut self) {
        self.process = Self::launch(self.space, &self.folder);
    }

    /// Writes another configuration, to which the control socket is added.
    pub(crate) fn rewrite(&self, config: &str) {
        let socket = self.folder.join("control.sock");
        let config = config.replace("CONTROL", &socket.display().to_string());
        fs::write(self.folder.join("pathvane.toml"), config).expect("write the configuration");
    }

    /// `pathvane reload`: what was done, or why nothing was.
    pub(crate) fn reload(&self) -> Result<String, String> {
        let output = Command::new(PATHVANE)
            .arg("--socket")
            .arg(self.folder.join("control.sock"))
            .arg("reload")
            .output()
            .expect("run pathvane");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// Sends the process a signal by name.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// What is shown of the named peer, if it is there.
    pub(crate) fn peer(&self, name: &str) -> Option<Value> {
        let peers = self.json(&["show", "peers"])?;
        each(&peers).find(|item| item["name"] == name).cloned()
    }

    /// Runs a client command; its output, or `None` if it failed.
    pub(crate) fn ask(&self, words: &[&str]) -> Option<String> {
        let output = Command::new(PATHVANE)
            .arg("--socket")
            .arg(self.folder.join("control.sock"))
            .args(words)
            .output()
            .expect("run pathvane");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same with `--json`.
    pub(crate) fn json(&self, words: &[&str]) -> Option<Value> {
        let text = self.ask(&[words, &["--json"]].concat())?;
        serde_json::from_str(&text).ok()
    }

    /// Whether the named peer's session is Established.
    pub(crate) fn established(&self, peer: &str) -> bool {
        let peers = self.json(&["show", "peers"]).unwrap_or_default();
        each(&peers).any(|item| item["name"] == peer && item["state"] == "Established")
    }

    /// What `explain` says about a prefix for which there is a route.
    pub(crate) fn route(&self, prefix: &str) -> Option<String> {
        let answer = self.json(&["explain", prefix])?;
        let routes = answer["candidates"].as_array()?;
        (!routes.is_empty()).then(|| answer.to_string())
    }
}

/// The entries of an answer, whether it is a list or an object with one list in it.
pub(crate) fn each(answer: &Value) -> impl Iterator<Item = &Value> {
    let list = match answer {
        Value::Object(members) => members.values().find_map(Value::as_array),
        other => other.as_array(),
    };
    list.into_iter().flatten()
}
