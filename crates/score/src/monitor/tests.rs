//! Paths lived through by hand.
