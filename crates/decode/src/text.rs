//! Records for people.

use std::fmt;

use serde_json::Value;

use crate::record::{
    Attribute, ErrorRecord, OpenRecord, Place, Prefix, Record, UpdateRecord, What,
};

impl fmt::Display for Record {
    /// A line that says where and what, and indented lines with what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.place)?;
        match &self.what {
            What::Open(open) => write!(f, "{open}"),
            What::Update(update) => write!(f, "{update}"),
            What::Notification { name, text, data, .. } => {
                write!(f, "NOTIFICATION {name}")?;
                match text {
                    Some(text) => write!(f, " \"{text}\""),
                    None if data.is_empty() => Ok(()),
                    None => write!(f, ", data {data}"),
                }
            }
            What::Keepalive => f.write_str("KEEPALIVE"),
            What::RouteRefresh { family, subtype } => write!(f, "ROUTE-REFRESH {family} {subtype}"),
            What::Rib(entry) => {
                write!(f, "RIB {} {}", entry.sequence, entry.prefix)?;
                write!(f, ", originated {}", entry.originated)?;
                attributes(f, &entry.attributes, &entry.faults)?;
                write!(f, "\n    disposition {}", entry.disposition)
            }
            What::PeerIndex { collector, view, peers } => {
                write!(f, "table of {collector}, view \"{}\", {peers} peers", view.escape_debug())
            }
            What::StateChange { old, new } => write!(f, "state {old} -> {new}"),
            What::Error(error) => write!(f, "{error}"),
            What::Damage { detail } => write!(f, "DAMAGED: {detail}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(packet) = self.packet {
            write!(f, "#{packet} ")?;
        }
        write!(f, "@{}", self.offset)?;
        if let Some(time) = &self.time {
            write!(f, " {time}")?;
        }
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, " {from} > {to}")?,
            (Some(from), None) => write!(f, " {from}")?,
            _ => {}
        }
        match self.peer_as {
            Some(asn) => write!(f, " AS{asn}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for OpenRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OpenRecord { length, asn, hold_time, bgp_identifier, capabilities } = self;
        write!(f, "OPEN, {length} octets, AS {asn}, hold time {hold_time} s, {bgp_identifier}")?;
        capabilities.iter().try_for_each(|capability| write!(f, "\n    {}", capability.text))
    }
}

impl fmt::Display for UpdateRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let assumed = if self.assumed { ", assumed" } else { "" };
        write!(f, "UPDATE, {} octets ({}{assumed})", self.length, self.context)?;
        for prefix in &self.withdrawn {
            write!(f, "\n    withdrawn {prefix}")?;
        }
        for prefix in &self.announced {
            write!(f, "\n    announced {prefix}")?;
        }
        if let Some(family) = &self.end_of_rib {
            write!(f, "\n    End-of-RIB {family}")?;
        }
        attributes(f, &self.attributes, &self.faults)?;
        write!(f, "\n    disposition {}", self.disposition)
    }
}

impl fmt::Display for ErrorRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} would end the session: {}", self.message, self.name)?;
        if let Some(at) = self.at {
            write!(f, ", at {at}")?;
        }
        if !self.data.is_empty() {
            write!(f, ", data {}", self.data)?;
        }
        attributes(f, &self.attributes, &[])
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.prefix)?;
        if let Some(path_id) = self.path_id {
            write!(f, " path {path_id}")?;
        }
        match &self.next_hop {
            Some(next_hop) => write!(f, " next hop {next_hop}"),
            None => Ok(()),
        }
    }
}

fn attributes(f: &mut fmt::Formatter<'_>, all: &[Attribute], faults: &[String]) -> fmt::Result {
    all.iter().try_for_each(|attribute| write!(f, "\n    {attribute}"))?;
    faults.iter().try_for_each(|fault| write!(f, "\n    ! {fault}"))
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attribute { offset, code, name, flags, length, value, fault, disposition } = self;
        write!(f, "@{offset} ")?;
        match name {
            Some(name) => write!(f, "{name} ({code})")?,
            None => write!(f, "attribute {code}")?,
        }
        write!(f, ", flags {flags:02x}, {length} octets: {}", plain(value))?;
        match fault {
            Some(fault) => write!(f, " ! {fault} ({disposition})"),
            None => Ok(()),
        }
    }
}

/// A value without the marks of JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                format!("{} {}", name.replace('_', " "), plain(value))
            };
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
