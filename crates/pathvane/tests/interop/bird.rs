//! BIRD with a configuration of the test's own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::Process;
use crate::space::{Space, said, sh};

/// A running BIRD.
#[derive(Debug)]
pub(crate) struct Bird<'a> {
    space: &'a Space,
    folder: PathBuf,
    process: Option<Process>,
}

impl<'a> Bird<'a> {
    /// Starts BIRD; its files go to a folder of `name` in `folder`.
    pub(crate) fn start(space: &'a Space, folder: &Path, name: &str, config: &str) -> Self {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).expect("create BIRD's folder");
        let mut bird = Self { space, folder, process: None };
        bird.write(config);
        bird.launch();
        bird
    }

    /// Writes another configuration, for `configure` or the next start.
    pub(crate) fn write(&self, config: &str) {
        let log = self.folder.join("bird.log");
        let text = format!("log \"{}\" all;\n{config}", log.display());
        fs::write(self.folder.join("bird.conf"), text).expect("write BIRD's configuration");
    }

    /// Starts again with the configuration that is there.
    pub(crate) fn launch(&mut self) {
        let dir = self.folder.display();
        let line = format!("bird -f -c {dir}/bird.conf -s {dir}/bird.ctl -P {dir}/bird.pid");
        self.process = Some(Process::start(self.space, &self.folder, "bird", &line));
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal("KILL");
            process.wait();
        }
    }

    /// Stops it, so that it says nothing, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let process = self.process.as_ref().expect("a running BIRD");
        process.signal(if frozen { "STOP" } else { "CONT" });
    }

    /// What `birdc` answers.
    pub(crate) fn ask(&self, question: &str) -> String {
        sh(&self.line(question))
    }

    /// The route in a table that came from a protocol, with all attributes; empty if there is none.
    pub(crate) fn route(&self, table: &str, prefix: &str) -> String {
        // `birdc` takes it for a failure of its own if there is none.
        let text = said(&self.line(&format!("show route {prefix} table {table} all")));
        if text.contains("Network not found") { String::new() } else { text }
    }

    fn line(&self, question: &str) -> String {
        let socket = self.folder.join("bird.ctl");
        format!("ip netns exec {} birdc -s {} {question}", self.space.name(), socket.display())
    }
}
