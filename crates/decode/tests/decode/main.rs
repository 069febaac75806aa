//! What a file holds is what is told of it, whatever was done to the file.

mod capture;
mod damage;
mod fixtures;
mod make;
mod mrt;
mod oracles;

use pathvane_decode::{Format, Record, UpdateRecord, What};

/// Everything in an input, and its format.
fn decode(input: &[u8]) -> (Format, Vec<Record>) {
    let mut records = Vec::new();
    let format = pathvane_decode::decode(input, &mut |record| {
        records.push(record);
        Ok(())
    });
    (format.expect("a format that is known"), records)
}

/// The UPDATE messages of some records.
fn updates(records: &[Record]) -> Vec<&UpdateRecord> {
    records
        .iter()
        .filter_map(|record| match &record.what {
            What::Update(update) => Some(update),
            _ => None,
        })
        .collect()
}

/// What is damaged in some records.
fn damages(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .filter_map(|record| match &record.what {
            What::Damage { detail } => Some(detail.as_str()),
            _ => None,
        })
        .collect()
}
