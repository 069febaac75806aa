//! Paths measured by a whole speaker on real sockets, as `/v1/paths` shows them.

mod both_ways;
mod connects;
mod first_hop;
mod full_size;
mod members;
#[path = "../netns/mod.rs"]
mod netns;
mod options;
mod ports;
mod remarking;
mod site;
