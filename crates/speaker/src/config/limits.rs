//! `max_prefixes` and `max_prefixes_out` of a peer.

use core::ops::Range;
use core::time::Duration;

use pathvane_engine::config::{Beyond, MaxPrefixes};
use pathvane_wire::{Family, FamilySet};
use toml::Spanned;

use super::read::Section;
use super::schema;
use super::value::{Number, words};

/// What happens beyond a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Word {
    Close,
    Warn,
}

words!(Word, "what happens beyond the limit", "close" => Word::Close, "warn" => Word::Warn);

/// A number of prefixes.
type Count = Number<1, 4_294_967_295>;

/// What is written for IPv4 and IPv6, and where.
type Written = Option<(Range<usize>, [Option<u32>; 2])>;

/// How many prefixes a peer may announce.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    engine: MaxPrefixes,
    pub(super) written: Written,
}

impl Limits {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let what = format!("`max_prefixes` of {}", section.what);
        let Some(table) = section.section("max_prefixes", what, schema::MAX_PREFIXES) else {
            return Self { engine: MaxPrefixes::default(), written: None };
        };
        let restart = table.optional::<Duration>("restart");
        let beyond = match (table.or("beyond", Word::Close), &restart) {
            (Word::Warn, _) => Beyond::Warn,
            (Word::Close, Some(pause)) => Beyond::Reopen(*pause.get_ref()),
            (Word::Close, None) => Beyond::Close,
        };
        if let (Beyond::Warn, Some(pause)) = (beyond, &restart) {
            table.findings().borrow_mut().error(
                pause.span(),
                format!("{}: nothing is closed, so nothing restarts", table.what),
                "remove `restart`, or write `beyond = \"close\"`",
            );
        }
        if restart.as_ref().is_some_and(|pause| *pause.get_ref() < Duration::from_secs(1)) {
            table.findings().borrow_mut().error(
                table.span_of("restart"),
                format!("{}: a session that restarts at once fills up at once", table.what),
                "use a minute or more: the peer needs time to withdraw",
            );
        }
        let most = counts(&table);
        if most == [None, None] {
            table.findings().borrow_mut().error(
                table.span.clone(),
                format!("{} limits nothing", table.what),
                "add `ipv4 = 1000`, `ipv6 = 1000`, or both",
            );
        }
        let engine = MaxPrefixes { most, warn_at: warn_at(Some(&table)), beyond };
        Self { engine, written: Some((table.span.clone(), most)) }
    }

    pub(super) fn engine(&self) -> MaxPrefixes {
        self.engine
    }
}

/// How many prefixes a peer is told.
#[derive(Clone, Debug)]
pub(super) struct MaxOut {
    pub(super) written: Written,
    /// At how many percent of the limit an event tells.
    pub(super) warn_at: u8,
}

impl MaxOut {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let what = format!("`max_prefixes_out` of {}", section.what);
        let table = section.section("max_prefixes_out", what, schema::MAX_PREFIXES_OUT);
        let warn_at = warn_at(table.as_ref());
        Self { written: table.map(|table| (table.span.clone(), counts(&table))), warn_at }
    }

    /// By family; for one that is not written, what the other leaves of the product's budget, or half of it.
    pub(super) fn engine(&self, budget: Option<u32>, families: FamilySet) -> [Option<u32>; 2] {
        let written = self.written.as_ref().map_or([None, None], |(_, written)| *written);
        let of = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        let place = |at: usize| {
            let other = written[1 - at].filter(|_| families.contains(of[1 - at]));
            let left = budget.map(|budget| match other {
                Some(taken) => budget.saturating_sub(taken),
                None if families == FamilySet::ALL => budget / 2,
                None => budget,
            });
            written[at].or(left).filter(|_| families.contains(of[at]))
        };
        [place(0), place(1)]
    }
}

fn warn_at(table: Option<&Section<'_>>) -> u8 {
    let default = Number::<1, 100>(80);
    table.map_or(default, |table| table.or("warn_at", default)).small()
}

fn counts(table: &Section<'_>) -> [Option<u32>; 2] {
    ["ipv4", "ipv6"].map(|key| table.optional::<Count>(key).map(Spanned::into_inner).map(|n| n.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_together_keep_the_budget() {
        let told = |written, families| {
            MaxOut { written: Some((0..0, written)), warn_at: 80 }.engine(Some(4500), families)
        };
        let all = FamilySet::ALL;
        assert_eq!(
            MaxOut { written: None, warn_at: 80 }.engine(Some(4500), all),
            [Some(2250), Some(2250)]
        );
        assert_eq!(told([Some(4000), None], all), [Some(4000), Some(500)]);
        assert_eq!(told([None, Some(5000)], all), [Some(0), Some(5000)], "`check` warns");
        assert_eq!(told([None, Some(10)], Family::IPV4_UNICAST.into()), [Some(4500), None]);
        assert_eq!(MaxOut { written: None, warn_at: 80 }.engine(None, all), [None, None]);
    }
}
