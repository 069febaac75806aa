//! Full-size probes of one path on their way out: whole or not at all, and as large as the kernel
//! says that the path takes.

use std::io;
use std::net::SocketAddr;

use pathvane_engine::{Engine, Input, PathId, ProbeOut};

use super::probes::tag;
use crate::alarm::now;
use crate::probe_io::ProbeSocket;

/// What is known of the way of one path's full-size probes.
pub(super) struct FullSize {
    path: PathId,
    target: SocketAddr,
    connected: bool,
    /// The size that the engine was told last.
    told: Option<u16>,
    /// The last one could not be sent, so that each failure is told once.
    failing: bool,
    /// Scratch for packets.
    packet: Vec<u8>,
}

impl FullSize {
    pub(super) fn new(path: PathId, target: SocketAddr) -> Self {
        let packet = Vec::with_capacity(2048);
        Self { path, target, connected: false, told: None, failing: false, packet }
    }

    /// Sends a probe, unless the size of the path turns out to be another.
    pub(super) fn send(&mut self, engine: &mut Engine, socket: &mut ProbeSocket, probe: &ProbeOut) {
        let (stream, seq) = (probe.stream, probe.seq);
        let sent = self.try_send(engine, socket, probe);
        match &sent {
            Ok(true) => self.failing = false,
            Ok(false) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let target = self.target;
                    tracing::warn!(%target, "cannot send a full-size probe: {error}; it measures nothing");
                }
            }
        }
        let sent = matches!(sent, Ok(true));
        let fact = if sent {
            Input::ProbeSent { stream, seq }
        } else {
            Input::ProbeFailed { stream, seq }
        };
        engine.handle(now(), fact);
    }

    /// Whether it was sent; it is not if the size has changed.
    fn try_send(
        &mut self,
        engine: &mut Engine,
        socket: &mut ProbeSocket,
        probe: &ProbeOut,
    ) -> io::Result<bool> {
        if !self.connected {
            // Not before: there may be no way there when the speaker starts.
            socket.connect(self.target)?;
            self.connected = true;
        }
        if self.size_changed(engine, socket) {
            return Ok(false);
        }
        self.packet.clear();
        self.packet.extend_from_slice(probe.packet.bytes());
        self.packet.extend_from_slice(probe.packet.padding());
        match socket.try_send(&self.packet, self.target, tag(probe)) {
            Ok(()) => Ok(true),
            // The network has told the kernel of a smaller size, or it is larger than the link's.
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                if self.size_changed(engine, socket) { Ok(false) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    fn size_changed(&mut self, engine: &mut Engine, socket: &ProbeSocket) -> bool {
        let Ok(octets) = socket.path_mtu() else { return false };
        let changed = self.told != Some(octets);
        if changed {
            self.told = Some(octets);
            engine.handle(now(), Input::PathMtu { path: self.path, octets });
        }
        changed
    }
}
