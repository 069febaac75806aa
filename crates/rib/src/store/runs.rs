//! Short runs of 32-bit words in size classes.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Words in one chunk of runs; a longer run has a chunk of its own.
const CHUNK: usize = 4096;

/// A run: its place among those of its class. What it is worth depends on the length asked for.
pub(crate) type Run = u32;

/// Runs of words. A run of `len` words is asked for, read and released with that same `len`, and
/// has room for all lengths of its class.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    classes: Vec<Class>,
}

#[derive(Debug, Default)]
struct Class {
    chunks: Vec<Box<[u32]>>,
    slots: u32,
    /// The last run released plus one; its first word is the one before it.
    free: u32,
    in_use: u32,
}

/// The class of runs of `len` words, at least one: two to an octave, from 2 words on.
const fn class_of(len: usize) -> usize {
    if len <= 2 {
        return 0;
    }
    let top = (len - 1).ilog2() as usize;
    2 * top - 1 + ((len - 1) >> (top - 1) & 1)
}

/// The words in runs of a class: 2, 3, 4, 6, 8, 12, 16, ...
const fn words_of(class: usize) -> usize {
    (2 + class % 2) << (class / 2)
}

impl Runs {
    /// A run of at least `len` words, whose contents are anything.
    pub(crate) fn take(&mut self, len: usize) -> Run {
        let class = class_of(len);
        if class >= self.classes.len() {
            self.classes.resize_with(class + 1, Class::default);
        }
        self.classes[class].take(words_of(class))
    }

    /// Gives back a run taken for `len` words.
    pub(crate) fn release(&mut self, run: Run, len: usize) {
        let class = class_of(len);
        self.classes[class].release(run, words_of(class));
    }

    /// Whether a run for `old` words serves for `new` words as well.
    pub(crate) const fn fits(old: usize, new: usize) -> bool {
        class_of(old) == class_of(new)
    }

    pub(crate) fn words(&self, run: Run, len: usize) -> &[u32] {
        let class = class_of(len);
        let (chunk, at) = place(run, words_of(class));
        &self.classes[class].chunks[chunk][at..at + len]
    }

    pub(crate) fn words_mut(&mut self, run: Run, len: usize) -> &mut [u32] {
        let class = class_of(len);
        let (chunk, at) = place(run, words_of(class));
        &mut self.classes[class].chunks[chunk][at..at + len]
    }

    /// Runs in use.
    #[cfg(test)]
    pub(crate) fn in_use(&self) -> u32 {
        self.classes.iter().map(|c| c.in_use).sum()
    }

    /// Octets held.
    pub(crate) fn bytes(&self) -> usize {
        self.classes.iter().flat_map(|c| &c.chunks).map(|chunk| chunk.len() * 4).sum()
    }
}

const fn per_chunk(words: usize) -> usize {
    if words >= CHUNK { 1 } else { CHUNK / words }
}

const fn place(run: Run, words: usize) -> (usize, usize) {
    let per_chunk = per_chunk(words);
    (run as usize / per_chunk, run as usize % per_chunk * words)
}

impl Class {
    fn take(&mut self, words: usize) -> Run {
        self.in_use += 1;
        if let Some(run) = self.free.checked_sub(1) {
            let (chunk, at) = place(run, words);
            self.free = self.chunks[chunk][at];
            return run;
        }
        let run = self.slots;
        let (chunk, _) = place(run, words);
        if chunk == self.chunks.len() {
            self.chunks.push(alloc::vec![0; per_chunk(words) * words].into_boxed_slice());
        }
        self.slots += 1;
        run
    }

    fn release(&mut self, run: Run, words: usize) {
        let (chunk, at) = place(run, words);
        self.chunks[chunk][at] = self.free;
        self.free = run + 1;
        self.in_use -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_tight_and_grow_by_half() {
        for len in 1..5000 {
            let class = class_of(len);
            assert!(words_of(class) >= len, "{len}: {}", words_of(class));
            assert!(class == 0 || words_of(class - 1) < len, "{len}");
        }
        let sizes: Vec<usize> = (0..9).map(words_of).collect();
        assert_eq!(sizes, [2, 3, 4, 6, 8, 12, 16, 24, 32]);
    }

    #[test]
    fn runs_keep_their_words_and_are_reused() {
        let mut runs = Runs::default();
        let mut held = Vec::new();
        for n in 0..3000_u32 {
            let len = 1 + n as usize % 70;
            let run = runs.take(len);
            runs.words_mut(run, len).fill(n);
            held.push((run, len, n));
        }
        for (run, len, n) in &held {
            assert!(runs.words(*run, *len).iter().all(|w| w == n));
        }
        let bytes = runs.bytes();
        for (run, len, _) in held.drain(..) {
            runs.release(run, len);
        }
        assert_eq!(runs.in_use(), 0);
        for n in 0..3000_u32 {
            runs.take(1 + n as usize % 70);
        }
        assert_eq!(runs.bytes(), bytes);
    }
}
