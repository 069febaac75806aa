//! The queue of outputs, and the numbering of events.

use alloc::collections::VecDeque;

use pathvane_clock::Instant;

use crate::event::{Event, EventKind};
use crate::io::Output;

/// What waits to be polled.
#[derive(Debug, Default)]
pub(crate) struct Record {
    queue: VecDeque<Output>,
    last_event: u64,
}

impl Record {
    /// Asks the shell for something.
    pub(crate) fn ask(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    /// Writes down what happened.
    pub(crate) fn event(&mut self, at: Instant, kind: EventKind) {
        self.last_event += 1;
        self.queue.push_back(Output::Event(Event { id: self.last_event, at, kind }));
    }

    /// The oldest output.
    pub(crate) fn next(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}
