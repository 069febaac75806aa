//! One BGP message as a record.

use pathvane_wire::{
    Capability as Cap, DecodeContext, Disposition, Frame, HEADER_LEN, Kind, Nlri, Notification,
    Open, RouteRefresh, UpdateView,
};

use crate::attributes::{self, digits};
use crate::context::{self, Context};
use crate::record::{Capability, ErrorRecord, OpenRecord, Prefix, UpdateRecord, What};

/// What a message says; what it is if it is wrong.
pub(crate) fn read(frame: Frame<'_>, context: Context) -> What {
    let name = match frame.kind {
        Kind::Open => "OPEN",
        Kind::Update => return update(frame, context),
        Kind::Notification => "NOTIFICATION",
        Kind::Keepalive => return What::Keepalive,
        Kind::RouteRefresh => "ROUTE-REFRESH",
    };
    let read = match frame.kind {
        Kind::Open => Open::decode(frame.body).map(|open| What::Open(self::open(frame.len, &open))),
        Kind::RouteRefresh => RouteRefresh::decode(frame.body).map(|refresh| What::RouteRefresh {
            family: refresh.family.to_string(),
            subtype: format!("{:?}", refresh.subtype),
        }),
        _ => Ok(notification(&Notification::decode(frame.body).unwrap_or(Notification::new(0, 0)))),
    };
    read.unwrap_or_else(|error| What::Error(wrong(name, Some(frame.len), &error)))
}

/// A message that earns a NOTIFICATION.
pub(crate) fn wrong(message: &str, length: Option<usize>, error: &Notification) -> ErrorRecord {
    ErrorRecord {
        message: message.to_owned(),
        length,
        code: error.code,
        subcode: error.subcode,
        name: error.to_string(),
        data: digits(&error.data),
        disposition: Disposition::SessionReset.to_string(),
        at: None,
        attributes: Vec::new(),
    }
}

impl ErrorRecord {
    /// What is wrong with the attribute at `at` is milder in other UPDATEs than in this one.
    fn blame(&mut self, at: usize) {
        if let Some(guilty) = self.attributes.iter_mut().find(|attribute| attribute.offset == at) {
            guilty.disposition.clone_from(&self.disposition);
            guilty.fault.get_or_insert_with(|| self.name.clone());
        }
    }
}

fn notification(notification: &Notification) -> What {
    // The name alone: what the operator says with it stands in `text`.
    let named = match notification.is_hard_reset() {
        true => notification.to_string(),
        false => Notification::new(notification.code, notification.subcode).to_string(),
    };
    What::Notification {
        code: notification.code,
        subcode: notification.subcode,
        name: named,
        text: notification.shutdown_text().map(|text| text.escape_debug().to_string()),
        data: digits(&notification.data),
    }
}

fn open(length: usize, open: &Open) -> OpenRecord {
    OpenRecord {
        length,
        asn: open.asn.0,
        hold_time: open.hold_time,
        bgp_identifier: open.id.to_string(),
        capabilities: open
            .capabilities
            .iter()
            .map(|capability| Capability { code: capability.code(), text: said(capability) })
            .collect(),
    }
}

fn said(capability: &Cap) -> String {
    fn list<T>(items: &[T], one: impl Fn(&T) -> String) -> String {
        items.iter().map(one).collect::<Vec<_>>().join(", ")
    }
    match capability {
        Cap::Multiprotocol(family) => format!("multiprotocol {family}"),
        Cap::RouteRefresh => "route refresh".to_owned(),
        Cap::EnhancedRouteRefresh => "enhanced route refresh".to_owned(),
        Cap::ExtendedMessages => "extended messages".to_owned(),
        Cap::ExtendedNextHop(all) => {
            let one = |it: &pathvane_wire::NextHopEncoding| {
                format!("{} over AFI {}", it.family, it.next_hop_afi)
            };
            format!("extended next hop {}", list(all, one))
        }
        Cap::GracefulRestart(restart) => {
            let mut text = format!("graceful restart {} s", restart.restart_time);
            for (bit, name) in [(restart.restarting, "R"), (restart.notification, "N")] {
                text += &if bit { format!(", {name}") } else { String::new() };
            }
            for entry in &restart.families {
                let forwarding = if entry.forwarding { " F" } else { "" };
                text += &format!(", {}{forwarding}", entry.family);
            }
            text
        }
        Cap::LongLived(all) => {
            let one = |it: &pathvane_wire::LongLivedFamily| {
                let forwarding = if it.forwarding { " F" } else { "" };
                format!("{}{forwarding} {} s", it.family, it.stale_time)
            };
            format!("long-lived graceful restart {}", list(all, one))
        }
        Cap::FourOctetAs(asn) => format!("four-octet AS {asn}"),
        Cap::AddPath(all) => {
            format!("ADD-PATH {}", list(all, |(family, mode)| format!("{family} {mode:?}")))
        }
        // Others this crate may come to know show as what they are called in the code.
        other => match other {
            Cap::Unknown { code, value } => format!("capability {code} {}", digits(value)),
            known => format!("{known:?}"),
        },
    }
}

fn update(frame: Frame<'_>, context: Context) -> What {
    let (ctx, assumed) = context.for_update(frame.body);
    let fields = UpdateView::fields(frame.body);
    let view = match UpdateView::examine(frame.body, &ctx) {
        Ok(view) => view,
        Err(reset) => {
            let mut record = wrong("UPDATE", Some(frame.len), &reset.notification);
            let at = HEADER_LEN + reset.place.0;
            record.at = Some(at);
            if let Some([withdrawn, octets, _]) = fields {
                record.attributes = listed(octets, withdrawn.len(), &ctx, None).0;
                record.blame(at);
            }
            return What::Error(record);
        }
    };
    let [withdrawn, octets, _] = fields.unwrap_or_default();
    let (attributes, faults, disposition) = listed(octets, withdrawn.len(), &ctx, Some(&view));
    let prefix = |nlri: Nlri, next_hop: Option<String>| Prefix {
        prefix: nlri.prefix,
        path_id: ctx.add_path.contains(nlri.family).then_some(nlri.path_id),
        next_hop,
    };
    let mut record = UpdateRecord {
        length: frame.len,
        context: context::describe(&ctx),
        assumed,
        withdrawn: view.withdrawn().map(|nlri| prefix(nlri, None)).collect(),
        announced: Vec::new(),
        attributes,
        faults,
        end_of_rib: view.end_of_rib().map(|family| family.to_string()),
        disposition: disposition.to_string(),
    };
    for reach in view.reaches() {
        let hop = reach.next_hop.to_string();
        // What an attribute error withdraws is withdrawn here as it is in the speaker.
        if disposition >= Disposition::TreatAsWithdraw {
            record.withdrawn.extend(reach.nlri.map(|nlri| prefix(nlri, None)));
        } else {
            record.announced.extend(reach.nlri.map(|nlri| prefix(nlri, Some(hop.clone()))));
        }
    }
    What::Update(record)
}

/// The attributes of a list behind so many octets of withdrawn routes, what else is wrong, and the
/// disposition of all.
fn listed(
    octets: &[u8],
    withdrawn: usize,
    ctx: &DecodeContext,
    view: Option<&UpdateView<'_>>,
) -> (Vec<crate::record::Attribute>, Vec<String>, Disposition) {
    let start = HEADER_LEN + 2 + withdrawn + 2;
    let mut faults = pathvane_wire::RawAttrs::from_bytes(octets).check(ctx).faults;
    if let Some(own) = view.and_then(UpdateView::fault)
        && !faults.iter().any(|fault| (fault.code, fault.reason) == (own.code, own.reason))
    {
        faults.push(own);
    }
    let disposition = faults.iter().map(|fault| fault.disposition).max().unwrap_or_default();
    let (attributes, others) = attributes::list(octets, start, ctx, &faults);
    (attributes, others, disposition)
}
