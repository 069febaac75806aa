//! What holds for every message, and for every string of bytes.

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_wire::{
    Attrs, DecodeContext, Disposition, Family, HEADER_LEN, Kind, MAX_LEN, MAX_LEN_EXTENDED,
    NextHop, Notification, Open, RouteRefresh, UpdateView, encode_announcements, frame,
};
use proptest::prelude::*;

use crate::common::{mirror, round_trip};
use crate::generate::{as_path, attrs, context, next_hop, notification, open, prefixes, update};

/// One announcement in a form that compares.
type Announced = (Family, NextHop, Vec<(u32, IpNet)>);

/// All that an UPDATE says.
type Said = (Vec<(Family, u32, IpNet)>, Vec<Announced>, Attrs);

/// Reads an UPDATE as a receiver would; `None` if it or its routes are refused.
fn said(body: &[u8], ctx: &DecodeContext) -> Option<Said> {
    let view = UpdateView::parse(body, ctx).ok()?;
    let checked = view.attrs().check(ctx);
    let fault = view.fault().map_or(Disposition::Accept, |fault| fault.disposition);
    if checked.disposition().max(fault) >= Disposition::TreatAsWithdraw {
        return None;
    }
    let withdrawn = view.withdrawn().map(|n| (n.family, n.path_id, n.prefix)).collect();
    let announced = view
        .reaches()
        .map(|reach| {
            let nlri = reach.nlri.map(|nlri| (nlri.path_id, nlri.prefix)).collect();
            (reach.family, reach.next_hop, nlri)
        })
        .collect();
    Some((withdrawn, announced, checked.attrs))
}

/// Reads everything there is to read, whatever the bytes.
fn read_all(bytes: &[u8], ctx: &DecodeContext) {
    for max_len in [MAX_LEN, MAX_LEN_EXTENDED] {
        let _ = frame(bytes, max_len);
    }
    let _ = Open::decode(bytes);
    let _ = RouteRefresh::decode(bytes);
    if let Some(notification) = Notification::decode(bytes) {
        let _ = (notification.to_string(), notification.shutdown_text());
    }
    if let Ok(view) = UpdateView::parse(bytes, ctx) {
        let prefixes = view.withdrawn().count() + view.reaches().flat_map(|r| r.nlri).count();
        assert!(prefixes <= bytes.len());
        let checked = view.attrs().check(ctx);
        assert!(checked.disposition() <= Disposition::TreatAsWithdraw);
        for fault in checked.faults {
            assert!(fault.offset + fault.len <= view.attrs().len(), "{fault}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_open_is_read_as_it_was_written(open in open()) {
        let mut bytes = BytesMut::new();
        open.encode(&mut bytes);
        let message = frame(&bytes, MAX_LEN).expect("sound").expect("complete");
        prop_assert_eq!((message.kind, message.len), (Kind::Open, bytes.len()));
        prop_assert_eq!(Open::decode(message.body), Ok(open));
    }

    #[test]
    fn a_notification_is_read_as_it_was_written(notification in notification()) {
        let mut bytes = BytesMut::new();
        notification.encode(&mut bytes);
        prop_assert_eq!(Notification::decode(&bytes[HEADER_LEN..]), Some(notification));
    }

    #[test]
    fn attributes_are_read_as_they_were_written(
        (ctx, attrs) in context().prop_flat_map(|ctx| (Just(ctx), attrs(ctx))),
    ) {
        prop_assert_eq!(round_trip(&attrs, &ctx), attrs);
    }

    #[test]
    fn a_path_is_read_as_it_is_shown(path in as_path()) {
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }

    #[test]
    fn routes_are_read_as_they_were_written(
        (ctx, attrs, hop, items) in context().prop_flat_map(|ctx| {
            let family = Family::IPV4_UNICAST;
            (Just(ctx), attrs(ctx), next_hop(family, &ctx), prefixes(family))
        }),
    ) {
        let ctx = DecodeContext { families: pathvane_wire::FamilySet::ALL, ..ctx };
        let family = Family::IPV4_UNICAST;
        let (mut attributes, mut bytes) = (BytesMut::new(), BytesMut::new());
        attrs.encode(&mirror(&ctx), &mut attributes);
        encode_announcements(family, &hop, &attributes, items.clone(), &mirror(&ctx), &mut bytes)
            .expect("it fits");
        let body = &bytes[HEADER_LEN..];
        let view = UpdateView::parse(body, &ctx).expect("sound");
        prop_assert_eq!(view.fault(), None);
        prop_assert_eq!(view.attrs().check(&ctx).attrs, attrs);
        let reach = view.reaches().next().expect("an announcement");
        prop_assert_eq!((reach.family, reach.next_hop), (family, hop));
        let with_ids = ctx.add_path.contains(family);
        let expected: Vec<_> =
            items.iter().map(|(id, prefix)| (if with_ids { *id } else { 0 }, *prefix)).collect();
        let read: Vec<_> = reach.nlri.map(|nlri| (nlri.path_id, nlri.prefix)).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400), ctx in context()) {
        read_all(&bytes, &ctx);
    }

    #[test]
    fn every_start_of_a_message_does_no_harm((ctx, bytes) in update()) {
        let body = &bytes[HEADER_LEN..];
        for end in 0..body.len() {
            let _ = frame(&bytes[..end], MAX_LEN);
            read_all(&body[..end], &ctx);
        }
    }

    #[test]
    fn what_is_accepted_keeps_its_meaning(
        (ctx, bytes) in update(),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
        read_as in context(),
    ) {
        let mut body = bytes[HEADER_LEN..].to_vec();
        *at.get_mut(&mut body) = octet;
        for ctx in [ctx, read_as] {
            read_all(&body, &ctx);
            if let Some((_, announced, attrs)) = said(&body, &ctx) {
                for (family, hop, items) in announced {
                    let (mut attributes, mut again) = (BytesMut::new(), BytesMut::new());
                    attrs.encode(&mirror(&ctx), &mut attributes);
                    let written = encode_announcements(
                        family, &hop, &attributes, items.clone(), &mirror(&ctx), &mut again,
                    );
                    if written.is_ok_and(|packed| packed.messages == 1) {
                        let second = said(&again[HEADER_LEN..], &ctx).expect("accepted again");
                        prop_assert_eq!(&second.1, &vec![(family, hop, items)]);
                        prop_assert_eq!(&second.2, &attrs);
                    }
                }
            }
        }
    }
}
