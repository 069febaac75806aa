//! Which paths and streams a series has.

use std::io::BufRead;

use super::{Reader, SeriesError};

/// Paths of one series.
const PATHS_MAX: usize = 64;

/// Reflectors of one path.
const REFLECTORS_MAX: usize = 32;

/// The probes of one path to one reflector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stream {
    /// The reflector's name.
    pub reflector: String,
    /// Its source ports.
    pub ports: u8,
}

/// Paths in the order of their first probes, each with its streams.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// Name and streams of each path.
    pub paths: Vec<(String, Vec<Stream>)>,
}

impl Layout {
    /// The numbers of a path and of its stream.
    pub fn find(&self, path: &str, reflector: &str) -> Option<(usize, usize)> {
        let at = self.paths.iter().position(|(name, _)| name == path)?;
        let streams = &self.paths[at].1;
        Some((at, streams.iter().position(|stream| stream.reflector == reflector)?))
    }

    fn add(&mut self, path: &str, reflector: &str, port: u8) -> Result<(), &'static str> {
        let known = self.paths.iter().position(|(name, _)| name == path);
        let at = match known {
            Some(at) => at,
            None if self.paths.len() >= PATHS_MAX => return Err("more than 64 paths"),
            None => {
                self.paths.push((path.to_owned(), Vec::new()));
                self.paths.len() - 1
            }
        };
        let streams = &mut self.paths[at].1;
        let known = streams.iter().position(|stream| stream.reflector == reflector);
        match known {
            Some(at) => streams[at].ports = streams[at].ports.max(port + 1),
            None if streams.len() >= REFLECTORS_MAX => {
                return Err("more than 32 reflectors of a path");
            }
            None => streams.push(Stream { reflector: reflector.to_owned(), ports: port + 1 }),
        }
        Ok(())
    }
}

/// Reads a whole series for its layout, and so checks every line.
pub fn scan(source: impl BufRead) -> Result<Layout, SeriesError> {
    let mut layout = Layout::default();
    let mut reader = Reader::new(source);
    while let Some(probe) = reader.next().transpose()? {
        layout.add(&probe.path, &probe.reflector, probe.port).map_err(|message| {
            SeriesError::new(reader.line(), message, "replay fewer at a time")
        })?;
    }
    if layout.paths.is_empty() {
        return Err(SeriesError::new(0, "the series has no probes", "give it at least one line"));
    }
    Ok(layout)
}
