//! How far what a peer was told has come: decided, encoded, on the wire, acknowledged.

use alloc::vec::Vec;

use crate::ids::ConnId;

/// One peer's deliveries on its Established connection.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    conn: Option<ConnId>,
    /// Bytes handed out on the connection.
    handed: u64,
    /// Something steered was decided and is not encoded yet.
    unencoded: bool,
    /// The position just past the last steered UPDATE.
    mark: Option<u64>,
    /// The moves whose UPDATEs lie before the mark and were not seen on the wire.
    moves: Vec<u64>,
}

/// What a report of progress means.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// These moves are on the wire.
    pub(crate) moves: Vec<u64>,
    /// The peer's TCP has everything that was decided.
    pub(crate) confirmed: bool,
}

impl Delivery {
    /// The session became Established on `conn`, on which `handed` bytes have been handed out.
    pub(crate) fn up(&mut self, conn: ConnId, handed: u64) {
        *self = Self { conn: Some(conn), handed, unencoded: true, ..Self::default() };
    }

    /// The session went down. What was not on the wire never will be.
    pub(crate) fn down(&mut self) {
        *self = Self::default();
    }

    /// Something was decided, as part of a move or not.
    pub(crate) fn decided(&mut self, move_id: Option<u64>) {
        self.unencoded = true;
        self.mark = None;
        if let Some(id) = move_id.filter(|id| self.conn.is_some() && !self.moves.contains(id)) {
            self.moves.push(id);
        }
    }

    /// `bytes` more were handed out on `conn`; `steered_pending` says whether steered prefixes wait
    /// to be encoded.
    pub(crate) fn handed(&mut self, conn: ConnId, bytes: usize, steered_pending: bool) {
        if self.conn != Some(conn) {
            return;
        }
        self.handed += bytes as u64;
        if self.unencoded && !steered_pending {
            self.unencoded = false;
            self.mark = Some(self.handed);
        }
    }

    /// Whether somebody waits to hear how far the bytes have come.
    pub(crate) fn waiting(&self) -> bool {
        self.mark.is_some()
    }

    /// Whether something was decided that the peer's TCP has not acknowledged.
    pub(crate) fn unconfirmed(&self) -> bool {
        self.conn.is_some() && (self.unencoded || self.mark.is_some())
    }

    /// The socket reports: `sent` bytes left its unsent queue, `acked` were acknowledged.
    pub(crate) fn progress(&mut self, conn: ConnId, sent: u64, acked: u64) -> Reached {
        let mut reached = Reached::default();
        if self.conn != Some(conn) {
            return reached;
        }
        let Some(mark) = self.mark else { return reached };
        if sent >= mark {
            reached.moves = core::mem::take(&mut self.moves);
        }
        if acked >= mark {
            self.mark = None;
            reached.confirmed = true;
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const CONN: ConnId = ConnId(4);

    #[test]
    fn a_move_is_on_the_wire_when_its_bytes_left_and_confirmed_when_acknowledged() {
        let mut delivery = Delivery::default();
        delivery.up(CONN, 100);
        delivery.decided(Some(7));
        delivery.handed(CONN, 50, true);
        assert_eq!(delivery.progress(CONN, 150, 150), Reached::default(), "not encoded yet");
        delivery.handed(CONN, 50, false);
        assert_eq!(delivery.progress(CONN, 199, 0), Reached::default());
        assert_eq!(delivery.progress(CONN, 200, 150).moves, vec![7]);
        assert_eq!(delivery.progress(CONN, 200, 200), Reached { moves: vec![], confirmed: true });
        assert!(!delivery.waiting());
    }

    #[test]
    fn a_newer_decision_takes_the_confirmation_with_it() {
        let mut delivery = Delivery::default();
        delivery.up(CONN, 0);
        delivery.handed(CONN, 10, false);
        delivery.decided(None);
        assert!(!delivery.progress(CONN, 10, 10).confirmed);
        delivery.handed(CONN, 10, false);
        assert!(delivery.progress(CONN, 20, 20).confirmed);
    }

    #[test]
    fn another_connections_progress_says_nothing() {
        let mut delivery = Delivery::default();
        delivery.up(CONN, 0);
        delivery.handed(CONN, 10, false);
        assert_eq!(delivery.progress(ConnId(5), 10, 10), Reached::default());
        delivery.down();
        assert_eq!(delivery.progress(CONN, 10, 10), Reached::default());
    }
}
