//! What `pathvane-wire` says.

use pathvane_wire::{
    DecodeContext, Disposition, Kind, MAX_LEN_EXTENDED, Notification, Open, RouteRefresh,
    UpdateView, frame,
};

use crate::said::{Said, Verdict};

/// The body of the only UPDATE of a buffer.
fn body(message: &[u8]) -> Option<&[u8]> {
    let frame = frame(message, MAX_LEN_EXTENDED).ok()??;
    (frame.kind == Kind::Update).then_some(frame.body)
}

/// What an UPDATE says.
pub(crate) fn said(message: &[u8], ctx: &DecodeContext) -> Said {
    let view = UpdateView::parse(body(message).expect("an UPDATE"), ctx).expect("a sound UPDATE");
    let attrs = view.attrs().check(ctx).attrs;
    let announced = view.reaches().flat_map(|reach| {
        reach.nlri.map(move |nlri| ((nlri.prefix, nlri.path_id), reach.next_hop.to_string()))
    });
    Said {
        withdrawn: view.withdrawn().map(|nlri| (nlri.prefix, nlri.path_id)).collect(),
        announced: announced.collect(),
        origin: (!view.attrs().is_empty()).then(|| attrs.origin.to_string()),
        as_path: attrs.as_path,
        med: attrs.med,
        local_pref: attrs.local_pref,
        atomic_aggregate: attrs.atomic_aggregate,
        communities: attrs.communities.iter().map(|community| community.0).collect(),
        large_communities: attrs
            .large_communities
            .iter()
            .map(|it| [it.global, it.local1, it.local2])
            .collect(),
        originator_id: attrs.originator_id.map(|id| id.to_string()),
        cluster_list: attrs.cluster_list.iter().map(|id| id.0).collect(),
        otc: attrs.otc.map(|asn| asn.0),
    }
}

/// What becomes of a message of any kind.
pub(crate) fn verdict(message: &[u8], ctx: &DecodeContext) -> Verdict {
    let Ok(Some(frame)) = frame(message, MAX_LEN_EXTENDED) else {
        return Verdict::Broken;
    };
    let sound = match frame.kind {
        Kind::Open => Open::decode(frame.body).is_ok(),
        Kind::RouteRefresh => RouteRefresh::decode(frame.body).is_ok(),
        Kind::Notification => Notification::decode(frame.body).is_some(),
        Kind::Keepalive => true,
        Kind::Update => match UpdateView::parse(frame.body, ctx) {
            Err(_) => false,
            Ok(view) => {
                let checked = view.attrs().check(ctx).disposition();
                let fault = view.fault().map_or(Disposition::Accept, |fault| fault.disposition);
                if checked.max(fault) > Disposition::Accept {
                    return Verdict::Faulty;
                }
                true
            }
        },
    };
    if sound { Verdict::Fine } else { Verdict::Broken }
}
