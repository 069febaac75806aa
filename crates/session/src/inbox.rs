//! Cutting the byte stream of one connection into messages (RFC 4271 section 4.1).

use bytes::BytesMut;
use pathvane_wire::{Frame, HEADER_LEN, Notification, frame};

/// The beginning of a message whose end has not arrived; never more than one message.
///
/// Whole messages are framed where they lie, in the caller's buffer, without a copy.
#[derive(Default, Debug)]
pub(crate) struct Inbox {
    partial: BytesMut,
    /// `partial` was handed out as a frame and is cleared by the next call.
    taken: bool,
}

impl Inbox {
    /// The next whole message of what is held and `input`, which advances past what was used.
    /// `None` when `input` is used up; an error ends the stream.
    pub(crate) fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
        max_len: usize,
    ) -> Result<Option<Frame<'a>>, Notification> {
        if core::mem::take(&mut self.taken) {
            self.partial.clear();
        }
        if self.partial.is_empty() {
            return self.next_in_place(input, max_len);
        }
        self.fill(HEADER_LEN, input);
        if frame(&self.partial, max_len)?.is_none() && self.partial.len() >= HEADER_LEN {
            // The header passed, so its length is at most `max_len`.
            let len = usize::from(u16::from_be_bytes([self.partial[16], self.partial[17]]));
            self.fill(len, input);
        }
        let whole = frame(&self.partial, max_len)?;
        self.taken = whole.is_some();
        Ok(whole)
    }

    /// Takes back the message that the last call of [`Self::next`] found; `before` is what its
    /// input was.
    pub(crate) fn put_back<'b>(&mut self, input: &mut &'b [u8], before: &'b [u8]) {
        if !core::mem::take(&mut self.taken) {
            *input = before;
        }
    }

    fn next_in_place<'b>(
        &mut self,
        input: &mut &'b [u8],
        max_len: usize,
    ) -> Result<Option<Frame<'b>>, Notification> {
        let whole = frame(input, max_len)?;
        match &whole {
            Some(message) => *input = &input[message.len..],
            None => self.fill(usize::MAX, input),
        }
        Ok(whole)
    }

    /// Moves bytes from `input` until `len` are held or none are left.
    fn fill(&mut self, len: usize, input: &mut &[u8]) {
        let more = len.saturating_sub(self.partial.len()).min(input.len());
        let (head, rest) = input.split_at(more);
        self.partial.extend_from_slice(head);
        *input = rest;
    }
}
