//! The same messages through `pathvane-wire`, bgpkit-parser and NetGauze.
//!
//! Generated messages are sound, so all three have to say the same of them. Of the messages in
//! `fixtures/wire` they may judge differently: each such case is listed in [`corpus`] with what the
//! RFC says. What is compared is what routes are made of; what a parser only knows by name is not.

#[allow(dead_code)]
#[path = "../../../wire/tests/wire/common.rs"]
mod common;
#[allow(dead_code)]
#[path = "../../../wire/tests/wire/generate.rs"]
mod generate;

mod bgpkit;
mod corpus;
mod generated;
mod netgauze;
mod ours;
mod said;
