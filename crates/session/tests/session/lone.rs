//! One session against hand-written bytes.

use bytes::BytesMut;
use pathvane_clock::Instant;
use pathvane_session::{Action, Config, ConnId, Direction, FsmState, Session};
use pathvane_wire::{Capability, Frame, Kind, MAX_LEN_EXTENDED, Notification, Open, frame};

use crate::net::Routes;

pub(crate) const CONN: ConnId = ConnId(1);

/// A session on an inbound connection, and the tester at the other end of it.
pub(crate) struct Lone {
    pub(crate) now: Instant,
    pub(crate) session: Session,
    pub(crate) routes: Routes,
}

/// An OPEN as `config` would be answered by a peer with these capabilities.
pub(crate) fn open_for(config: &Config, capabilities: Vec<Capability>) -> Open {
    let id = pathvane_wire::BgpId(0x0a00_0063);
    Open { asn: config.remote_asn, hold_time: 90, id, capabilities }
}

/// Capabilities that every modern peer has.
pub(crate) fn plain(config: &Config) -> Vec<Capability> {
    let families = config.families.iter().map(Capability::Multiprotocol);
    families.chain([Capability::FourOctetAs(config.remote_asn)]).collect()
}

pub(crate) fn encoded(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}

impl Lone {
    /// In OpenSent, our OPEN taken.
    pub(crate) fn open_sent(config: Config) -> Self {
        let now = Instant::from_secs(50);
        let mut lone = Self { now, session: Session::new(config, 3), routes: Routes::default() };
        lone.session.handle_start(now);
        lone.session.handle_connected(now, CONN, Direction::Inbound);
        lone.sent();
        lone.actions();
        lone
    }

    /// Established with a peer that says `open`.
    pub(crate) fn established(config: Config, open: &Open) -> Self {
        let mut lone = Self::open_sent(config);
        lone.feed(&encoded(|out| open.encode(out)));
        lone.feed(&encoded(pathvane_wire::encode_keepalive));
        assert_eq!(lone.session.state(), FsmState::Established);
        lone.sent();
        lone.actions();
        lone
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = Some(bytes);
        while let Some(bytes) = rest {
            rest = self.session.handle_bytes(self.now, CONN, bytes, &mut self.routes);
        }
    }

    /// What the session sends: the kinds of message, and the last NOTIFICATION.
    pub(crate) fn sent(&mut self) -> (Vec<Kind>, Option<Notification>) {
        let mut bytes = BytesMut::new();
        self.session.poll_transmit(CONN, &mut bytes);
        let (mut kinds, mut notification) = (Vec::new(), None);
        let mut rest = &bytes[..];
        while let Some(Frame { kind, body, len }) = frame(rest, MAX_LEN_EXTENDED).expect("sound") {
            kinds.push(kind);
            if kind == Kind::Notification {
                notification = Notification::decode(body);
            }
            rest = &rest[len..];
        }
        (kinds, notification)
    }

    pub(crate) fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.session.poll_action()).collect()
    }
}
