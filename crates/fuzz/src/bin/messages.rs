//! Any bytes through every parser of BGP messages; what is accepted must keep its meaning through
//! encode and decode.
//!
//! The first octet is the context of UPDATE messages, the rest a stream of messages.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use pathvane_wire::{
    Attrs, DecodeContext, Disposition, EncodeContext, FamilySet, HEADER_LEN, Kind, MAX_LEN,
    MAX_LEN_EXTENDED, Notification, Open, PeerKind, Reach, RouteRefresh, UpdateView,
    encode_announcements, frame,
};

fuzz_target!(|input: &[u8]| {
    let Some((bits, stream)) = input.split_first() else { return };
    let ctx = context(*bits);
    let mut rest = stream;
    while let Ok(Some(message)) = frame(rest, MAX_LEN_EXTENDED) {
        rest = &rest[message.len..];
        match message.kind {
            Kind::Open => open(message.body),
            Kind::Update => update(message.body, &ctx),
            Kind::Notification => notification(message.body),
            Kind::RouteRefresh => refresh(message.body),
            Kind::Keepalive => {}
        }
    }
});

/// One bit for each fact that changes how UPDATE messages are read.
fn context(bits: u8) -> DecodeContext {
    let on = |bit: u8| bits & 1 << bit != 0;
    let set = |bit, family| if on(bit) { family } else { FamilySet::EMPTY };
    DecodeContext {
        peer: if on(0) { PeerKind::Internal } else { PeerKind::External },
        four_octet_as: !on(1),
        families: FamilySet::IPV4 | set(2, FamilySet::IPV6),
        add_path: set(3, FamilySet::IPV4) | set(4, FamilySet::IPV6),
        extended_next_hop: set(5, FamilySet::IPV4),
    }
}

fn open(body: &[u8]) {
    if let Ok(open) = Open::decode(body) {
        let mut bytes = BytesMut::new();
        open.encode(&mut bytes);
        assert!(bytes.len() <= MAX_LEN);
        let again = Open::decode(&bytes[HEADER_LEN..]).expect("what we write, we read");
        assert!(open.capabilities.starts_with(&again.capabilities));
        assert_eq!((open.hold_time, open.id), (again.hold_time, again.id));
    }
}

fn notification(body: &[u8]) {
    if let Some(notification) = Notification::decode(body) {
        let _ = (notification.to_string(), notification.shutdown_text().map(str::len));
    }
}

fn refresh(body: &[u8]) {
    if let Ok(refresh) = RouteRefresh::decode(body) {
        let mut bytes = BytesMut::new();
        refresh.encode(&mut bytes);
        assert_eq!(RouteRefresh::decode(&bytes[HEADER_LEN..]), Ok(refresh));
    }
}

fn update(body: &[u8], ctx: &DecodeContext) {
    let Ok(view) = UpdateView::parse(body, ctx) else { return };
    let withdrawn = view.withdrawn().count();
    let announced = view.reaches().flat_map(|reach| reach.nlri).count();
    assert!(withdrawn + announced <= body.len());
    let checked = view.attrs().check(ctx);
    assert!(checked.disposition() <= Disposition::TreatAsWithdraw);
    for fault in &checked.faults {
        assert!(fault.offset + fault.len <= view.attrs().len());
    }
    if checked.disposition() < Disposition::TreatAsWithdraw {
        view.reaches().for_each(|reach| announce(&reach, &checked.attrs, ctx));
    }
}

/// Announces what was announced, and expects to be understood.
fn announce(reach: &Reach<'_>, attrs: &Attrs, ctx: &DecodeContext) {
    let to = EncodeContext {
        peer: ctx.peer,
        four_octet_as: ctx.four_octet_as,
        add_path: ctx.add_path,
        extended_next_hop: ctx.extended_next_hop,
        max_len: MAX_LEN_EXTENDED,
    };
    let (mut attributes, mut bytes) = (BytesMut::new(), BytesMut::new());
    attrs.encode(&to, &mut attributes);
    let items = reach.nlri.map(|nlri| (nlri.path_id, nlri.prefix));
    let written =
        encode_announcements(reach.family, &reach.next_hop, &attributes, items, &to, &mut bytes);
    if written.is_err() {
        return;
    }
    let mut expected = reach.nlri;
    let mut rest = &bytes[..];
    while let Some(message) = frame(rest, MAX_LEN_EXTENDED).expect("a sound header") {
        rest = &rest[message.len..];
        let view = UpdateView::parse(message.body, ctx).expect("what we write, we read");
        let again = view.attrs().check(ctx);
        assert_eq!((view.fault(), &again.faults[..], &again.attrs), (None, &[][..], attrs));
        for reach_again in view.reaches() {
            assert_eq!(reach_again.next_hop, reach.next_hop);
            reach_again.nlri.for_each(|nlri| assert_eq!(Some(nlri), expected.next()));
        }
    }
    assert!(expected.is_empty());
}
