//! Nothing: the tests of this crate hold `pathvane-wire` against bgpkit-parser and NetGauze. They stand
//! apart so that the tests of `wire` do not wait for these parsers to be compiled.
