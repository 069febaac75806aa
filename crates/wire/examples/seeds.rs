//! Writes the messages of `fixtures/wire` as seeds of the fuzz target into `fuzz/corpus`.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = here.join("fuzz/corpus");
    fs::create_dir_all(&corpus)?;
    for entry in fs::read_dir(here.join("../../fixtures/wire"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let seed = seed(&fs::read_to_string(&path)?);
            fs::write(corpus.join(path.file_stem().unwrap_or_default()), seed)?;
        }
    }
    Ok(())
}

/// The octet that the fuzz target makes its context of, and the messages.
fn seed(text: &str) -> Vec<u8> {
    let context = text.lines().find_map(|line| line.strip_prefix("context: ")).unwrap_or_default();
    let bit = |word, bit: u8| u8::from(context.split(' ').any(|w| w == word)) << bit;
    let bits = bit("internal", 0) | bit("two-octet", 1) | bit("ipv6", 2);
    let both = bit("add-path", 3) | bit("add-path", 4) | bit("extended-next-hop", 5);
    let octets = text
        .lines()
        .filter(|line| !line.starts_with('>') && !line.starts_with("context: "))
        .filter_map(|line| line.split('#').next())
        .flat_map(str::split_whitespace)
        .filter_map(|octet| u8::from_str_radix(octet, 16).ok());
    std::iter::once(bits | both).chain(octets).collect()
}
