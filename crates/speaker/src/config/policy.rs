//! `[policies.NAME]`: ordered terms that match routes, change them, accept or reject them.

use core::net::IpAddr;
use core::str::FromStr;

use pathvane_rib::policy::{
    Action, AsPathRegex, CommunityPattern, ExtCommunityPattern, LargeCommunityPattern, Match,
    NextHopChange, PrefixList, PrefixRange, PrivateAs, Term, Verdict,
};
use pathvane_rib::{PeerId, Policy};
use pathvane_wire::{Asn, Community, ExtCommunity, Family, LargeCommunity, Origin};
use toml::Spanned;
use toml::de::DeValue;

use super::names::NameList;
use super::read::Section;
use super::schema;
use super::value::{self, FromToml, Number, Refusal, words};

/// The policies that exist without being written.
pub const BUILT_IN: [&str; 2] = ["accept-all", "reject-all"];

/// What a term or a policy's default says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Say(Option<Verdict>);

const ACCEPT: Say = Say(Some(Verdict::Accept));
const REJECT: Say = Say(Some(Verdict::Reject));
const NEXT: Say = Say(None);

words!(
    Origin, "an origin",
    "igp" => Origin::Igp, "egp" => Origin::Egp, "incomplete" => Origin::Incomplete
);
words!(
    PrivateAs, "a way with private AS numbers",
    "remove" => PrivateAs::Remove, "replace" => PrivateAs::Replace
);
words!(Say, "an action", "accept" => ACCEPT, "reject" => REJECT, "next" => NEXT);

/// The built-in policies, then those of the file, with the names they are called by.
pub(super) fn read(named: &[(Spanned<String>, Section<'_>)], peers: &NameList) -> Vec<Policy> {
    let mut policies = vec![Policy::accept_all(BUILT_IN[0]), reject_all()];
    policies.extend(named.iter().map(|(name, section)| policy(name, section, peers)));
    policies
}

fn reject_all() -> Policy {
    Policy::new(BUILT_IN[1], Vec::new()).unwrap_or_else(|_| unreachable!("no term, no match"))
}

fn policy(name: &Spanned<String>, section: &Section<'_>, peers: &NameList) -> Policy {
    if BUILT_IN.contains(&name.get_ref().as_str()) {
        section.findings().borrow_mut().error(
            name.span(),
            format!("policy `{}` is built in", name.get_ref()),
            "choose another name",
        );
    }
    let mut terms: Vec<Term> = section
        .sections("terms", "term", schema::TERM)
        .iter()
        .enumerate()
        .map(|(at, section)| term(at, section, peers))
        .collect();
    let default = section.spanned_or("default", REJECT);
    if *default.get_ref() == NEXT {
        section.findings().borrow_mut().error(
            default.span(),
            format!("the default of {} has nothing next", section.what),
            "write \"accept\" or \"reject\"",
        );
    }
    if *default.get_ref() == ACCEPT {
        let verdict = Some(Verdict::Accept);
        terms.push(Term { name: "default".to_owned(), verdict, ..Term::default() });
    }
    let counted = |m: &&Match| matches!(m, Match::Prefix(_) | Match::Family(_) | Match::Peer(_));
    let count = terms.iter().flat_map(|term| &term.matches).filter(counted).count();
    // One more is added for a peer with services.
    let made = Policy::new(name.get_ref().as_str(), terms).ok();
    made.filter(|_| count < Policy::MAX_PREFIX_MATCHES).unwrap_or_else(|| {
        section.findings().borrow_mut().error(
            section.span.clone(),
            format!(
                "{} has {count} matches on prefixes, families or peers, of at most 63",
                section.what
            ),
            "put several prefixes or peers into one match",
        );
        reject_all()
    })
}

fn term(at: usize, section: &Section<'_>, peers: &NameList) -> Term {
    let matching = section.section("match", format!("`match` of {}", section.what), schema::MATCH);
    let setting = section.section("set", format!("`set` of {}", section.what), schema::SET);
    Term {
        name: section.or("name", format!("{}", at + 1)),
        matches: matching.map(|section| matches(&section, peers)).unwrap_or_default(),
        actions: setting.as_ref().map(actions).unwrap_or_default(),
        verdict: section.required::<Say>("action", "\"accept\"").and_then(|say| say.get_ref().0),
    }
}

fn matches(section: &Section<'_>, peers: &NameList) -> Vec<Match> {
    let mut matches = Vec::new();
    matches.extend(ranges(section, "prefixes").map(Match::Prefix));
    if let Some(names) = section.list::<String>("peer") {
        let user = format!("`peer` of {}", section.what);
        let id = |name| peers.resolve(&user, name, section.findings()).map(PeerId);
        matches.push(Match::Peer(names.iter().filter_map(id).collect()));
    }
    matches.extend(ranges(section, "next_hop").map(Match::NextHop));
    let mut push = |wanted: Option<Match>| matches.extend(wanted);
    push(section.optional::<Family>("family").map(|family| Match::Family(family.into_inner())));
    push(
        section.optional::<Asn>("as_path_contains").map(|a| Match::AsPathContains(a.into_inner())),
    );
    push(section.optional::<Asn>("neighbor_as").map(|asn| Match::NeighborAs(asn.into_inner())));
    push(section.optional::<Origin>("origin").map(|origin| Match::Origin(origin.into_inner())));
    push(section.optional::<AsPathRegex>("as_path").map(|regex| Match::AsPath(regex.into_inner())));
    let each = plain::<CommunityPattern>(section, "community").unwrap_or_default();
    matches.extend(each.into_iter().map(Match::Community));
    let each = plain::<ExtCommunityPattern>(section, "ext_community").unwrap_or_default();
    matches.extend(each.into_iter().map(Match::ExtCommunity));
    let each = plain::<LargeCommunityPattern>(section, "large_community").unwrap_or_default();
    matches.extend(each.into_iter().map(Match::LargeCommunity));
    matches
}

fn ranges(section: &Section<'_>, key: &str) -> Option<PrefixList> {
    let ranges = section.list::<Range>(key)?;
    Some(ranges.into_iter().map(|range| range.into_inner().0).collect())
}

/// Replacing comes before removing, and that before adding.
fn actions(section: &Section<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    let number = |key| section.optional::<u32>(key).map(Spanned::into_inner);
    let offset = |key| section.optional::<Offset>(key).map(|offset| offset.into_inner().0);
    actions.extend(number("med").map(Action::SetMed));
    actions.extend(offset("add_med").map(Action::AddMed));
    actions.extend(number("local_pref").map(Action::SetLocalPref));
    actions.extend(offset("add_local_pref").map(Action::AddLocalPref));
    actions.extend(plain(section, "communities").map(Action::SetCommunities));
    actions.extend(each(section, "remove_communities").map(Action::RemoveCommunity));
    actions.extend(each(section, "add_communities").map(Action::AddCommunity));
    actions.extend(plain(section, "ext_communities").map(Action::SetExtCommunities));
    actions.extend(each(section, "remove_ext_communities").map(Action::RemoveExtCommunity));
    actions.extend(each(section, "add_ext_communities").map(Action::AddExtCommunity));
    actions.extend(plain(section, "large_communities").map(Action::SetLargeCommunities));
    actions.extend(each(section, "remove_large_communities").map(Action::RemoveLargeCommunity));
    actions.extend(each(section, "add_large_communities").map(Action::AddLargeCommunity));
    let private = section.optional::<PrivateAs>("private_as");
    actions.extend(private.map(|what| Action::PrivateAs(what.into_inner())));
    let prepend = section.optional::<Number<1, 16>>("prepend");
    actions.extend(prepend.map(|times| Action::Prepend(times.into_inner().small())));
    let next_hop = section.optional::<NextHopChange>("next_hop");
    actions.extend(next_hop.map(|change| Action::SetNextHop(change.into_inner())));
    actions
}

/// The elements of a list that may be absent.
fn each<T>(section: &Section<'_>, key: &str) -> impl Iterator<Item = T>
where
    Plain<T>: FromToml,
{
    plain(section, key).unwrap_or_default().into_iter()
}

fn plain<T>(section: &Section<'_>, key: &str) -> Option<Vec<T>>
where
    Plain<T>: FromToml,
{
    let list = section.list::<Plain<T>>(key)?;
    Some(list.into_iter().map(|each| each.into_inner().0).collect())
}

/// "10.0.0.0/8", "10.0.0.0/8 ge 16 le 24".
struct Range(PrefixRange);

impl FromToml for Range {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let text = value::text(value, "a prefix range", "\"10.0.0.0/8 ge 16 le 24\"")?;
        let mut words = text.split_ascii_whitespace();
        let net = value::prefix(words.next().unwrap_or_default())?;
        let (mut ge, mut le) = (None, None);
        while let Some(word) = words.next() {
            let bound = match word {
                "ge" => &mut ge,
                "le" => &mut le,
                _ => return Err(range_refusal(text)),
            };
            let length = words.next().and_then(|word| word.parse::<u8>().ok());
            if bound.is_some() || length.is_none() {
                return Err(range_refusal(text));
            }
            *bound = length;
        }
        let longest = net.max_prefix_len();
        let low = ge.unwrap_or(net.prefix_len());
        let high = le.unwrap_or(if ge.is_some() { longest } else { net.prefix_len() });
        PrefixRange::new(net, low, high).map(Self).map_err(|invalid| {
            Refusal::new(
                format!("`{text}`: {}", invalid.reason),
                format!("keep {} <= ge <= le <= {longest}", net.prefix_len()),
            )
        })
    }
}

fn range_refusal(text: &str) -> Refusal {
    Refusal::new(
        format!("`{text}` is not a prefix range"),
        "write \"10.0.0.0/8\" (exactly), \"10.0.0.0/8 le 24\" or \"10.0.0.0/8 ge 16 le 24\"",
    )
}

/// A value written as the text that its own crate reads.
struct Plain<T>(T);

fn from_text<T: FromStr>(
    value: &DeValue<'_>,
    what: &str,
    example: &str,
) -> Result<Plain<T>, Refusal> {
    let text = value::text(value, what, example)?;
    text.parse().map(Plain).map_err(|_| {
        Refusal::new(format!("`{text}` is not {what}"), format!("write it like {example}"))
    })
}

/// Values that are written as text: the type, what it is, and examples.
macro_rules! from_text {
    ($($type:ty: $what:literal, $examples:literal;)*) => {$(
        impl FromToml for Plain<$type> {
            fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
                from_text(value, $what, $examples)
            }
        }
    )*};
}

from_text! {
    Community: "a community", "\"65000:100\" or \"no-export\"";
    ExtCommunity: "an extended community", "\"rt:65000:100\" or \"soo:192.0.2.1:5\"";
    LargeCommunity: "a large community", "\"65000:1:2\"";
    CommunityPattern: "a community", "\"65000:100\", \"65000:*\" or \"no-export\"";
    ExtCommunityPattern: "an extended community", "\"rt:65000:100\" or \"rt:65000:*\"";
    LargeCommunityPattern: "a large community", "\"65000:1:2\" or \"65000:1:*\"";
}

impl FromToml for AsPathRegex {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let text = value::text(value, "a regular expression", "\"^65001_\"")?;
        AsPathRegex::new(text).map_err(|invalid| {
            Refusal::new(
                format!("`{text}` is {}, or too large a one", invalid.reason),
                "write one over the text of a path, like \"^65001_\" or \"_(65001|65002)$\"",
            )
        })
    }
}

impl FromToml for NextHopChange {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let example = "\"self\", \"unchanged\" or \"192.0.2.1\"";
        match value::text(value, "a next hop", example)? {
            "self" => Ok(Self::Own),
            "unchanged" => Ok(Self::Unchanged),
            text => text.parse::<IpAddr>().map(Self::Address).map_err(|_| {
                Refusal::new(format!("`{text}` is not a next hop"), format!("write {example}"))
            }),
        }
    }
}

/// A number to add, negative to subtract.
struct Offset(i32);

impl FromToml for Offset {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let remedy = "write a whole number such as 10 or -10";
        match value {
            DeValue::Integer(integer) => i32::from_str_radix(integer.as_str(), integer.radix())
                .map(Self)
                .map_err(|_| Refusal::new(format!("{integer} is out of range"), remedy)),
            other => Err(Refusal::new(
                format!("expected a number, found {}", value::kind_of(other)),
                remedy,
            )),
        }
    }
}
