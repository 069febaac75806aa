//! Placeholder replaced by the first milestone of this crate.
