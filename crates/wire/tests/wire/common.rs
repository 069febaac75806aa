//! Bytes and contexts that the tests share.

use pathvane_wire::{
    Attrs, DecodeContext, EncodeContext, FamilySet, MAX_LEN, Nlri, PeerKind, RawAttrs, UpdateView,
};

/// Attribute flags.
pub(crate) const WELL_KNOWN: u8 = 0x40;
pub(crate) const OPTIONAL: u8 = 0x80;
pub(crate) const OPTIONAL_TRANSITIVE: u8 = 0xc0;

/// An external peer with everything that needs no further agreement.
pub(crate) const EXTERNAL: DecodeContext = DecodeContext {
    peer: PeerKind::External,
    four_octet_as: true,
    families: FamilySet::ALL,
    add_path: FamilySet::EMPTY,
    extended_next_hop: FamilySet::EMPTY,
};

/// The same, internal.
pub(crate) const INTERNAL: DecodeContext = DecodeContext { peer: PeerKind::Internal, ..EXTERNAL };

/// An external peer with AS numbers of two octets.
pub(crate) const TWO_OCTET: DecodeContext = DecodeContext { four_octet_as: false, ..EXTERNAL };

/// How to write what a reader with this context understands.
pub(crate) fn mirror(ctx: &DecodeContext) -> EncodeContext {
    EncodeContext {
        peer: ctx.peer,
        four_octet_as: ctx.four_octet_as,
        add_path: ctx.add_path,
        extended_next_hop: ctx.extended_next_hop,
        max_len: MAX_LEN,
    }
}

/// An attribute with a length of one octet.
pub(crate) fn attr(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let len = u8::try_from(value.len()).expect("a short value");
    [&[flags, code, len], value].concat()
}

/// The body of an UPDATE.
pub(crate) fn body(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let len = |field: &[u8]| u16::try_from(field.len()).expect("a short field").to_be_bytes();
    [&len(withdrawn), withdrawn, &len(attributes), attributes, nlri].concat()
}

/// ORIGIN igp, AS_PATH 65001, NEXT_HOP 192.0.2.1.
pub(crate) fn mandatory() -> Vec<u8> {
    [
        attr(WELL_KNOWN, 1, &[0]),
        attr(WELL_KNOWN, 2, &[2, 1, 0, 0, 0xfd, 0xe9]),
        attr(WELL_KNOWN, 3, &[192, 0, 2, 1]),
    ]
    .concat()
}

/// 10.0.0.0/8.
pub(crate) const TEN: [u8; 2] = [8, 10];

/// Encodes and decodes attributes between peers of that context.
pub(crate) fn round_trip(attrs: &Attrs, ctx: &DecodeContext) -> Attrs {
    let mut bytes = bytes::BytesMut::new();
    attrs.encode(&mirror(ctx), &mut bytes);
    let checked = RawAttrs::from_bytes(&bytes).check(ctx);
    assert_eq!(checked.faults, []);
    checked.attrs
}

/// All prefixes that an UPDATE announces.
pub(crate) fn announced(view: &UpdateView<'_>) -> Vec<Nlri> {
    view.reaches().flat_map(|reach| reach.nlri).collect()
}
