//! What two peers negotiated, from their OPEN messages, or guessed where those are missing.

use pathvane_wire::{DecodeContext, Disposition, FamilySet, Open, PeerKind, UpdateView};

/// How to read UPDATE messages of one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Context {
    /// Known from OPEN messages, from the record or from the input.
    Known(DecodeContext),
    /// Nobody said.
    Unknown,
}

/// Nothing negotiated that changes how octets are read.
pub(crate) const PLAIN: DecodeContext = DecodeContext {
    peer: PeerKind::External,
    four_octet_as: true,
    families: FamilySet::ALL,
    add_path: FamilySet::EMPTY,
    extended_next_hop: FamilySet::IPV4,
};

impl Context {
    /// The context in which `receiver` reads what `sender` sends.
    pub(crate) fn negotiated(sender: &Open, receiver: &Open) -> Context {
        Context::Known(DecodeContext {
            peer: if sender.asn == receiver.asn { PeerKind::Internal } else { PeerKind::External },
            four_octet_as: sender.four_octet_as() && receiver.four_octet_as(),
            families: sender.families() & receiver.families(),
            add_path: sender.add_path_send() & receiver.add_path_receive(),
            extended_next_hop: sender.extended_next_hop() & receiver.extended_next_hop(),
        })
    }

    /// The context to read an UPDATE under, and whether it is a guess: the first of the usual ones
    /// under which nothing is wrong with it, or else the most usual.
    pub(crate) fn for_update(self, body: &[u8]) -> (DecodeContext, bool) {
        match self {
            Context::Known(context) => (context, false),
            Context::Unknown => (guesses().find(|guess| sound(body, guess)).unwrap_or(PLAIN), true),
        }
    }
}

fn guesses() -> impl Iterator<Item = DecodeContext> {
    let paths = [FamilySet::EMPTY, FamilySet::ALL];
    paths.into_iter().flat_map(|add_path| {
        [true, false].into_iter().flat_map(move |four_octet_as| {
            [PeerKind::External, PeerKind::Internal].map(|peer| DecodeContext {
                peer,
                four_octet_as,
                add_path,
                ..PLAIN
            })
        })
    })
}

fn sound(body: &[u8], context: &DecodeContext) -> bool {
    UpdateView::parse(body, context).is_ok_and(|view| {
        view.fault().is_none() && view.attrs().check(context).disposition() == Disposition::Accept
    })
}

/// The context in a few words.
pub(crate) fn describe(context: &DecodeContext) -> String {
    let peer = match context.peer {
        PeerKind::Internal => "internal",
        PeerKind::External => "external",
    };
    let octets = if context.four_octet_as { "four-octet" } else { "two-octet" };
    let mut text = format!("{peer} {octets} {}", context.families);
    for family in context.add_path.iter() {
        text += &format!(" add-path-{family}");
    }
    text
}
