//! Paths measured by a whole speaker on real sockets, as `/v1/paths` shows them.

mod options;
mod ports;
mod site;
