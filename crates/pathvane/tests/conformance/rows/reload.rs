//! What peers hear when the configuration is read again (RFC 4486): those whose configuration changed, and
//! nobody else.

use ipnet::IpNet;

use crate::observer::Observer;
use crate::octets::OPEN;
use crate::peer::{Class, Heard, PATIENCE, Peer};
use crate::row::Level::{Choice, Should};
use crate::row::{Row, row};
use crate::speaker::Speaker;
use crate::world::{self, EXTERNAL};

/// The peer that comes, changes and goes.
const PASSING: Class = Class { net: 120, asn: 65120 };

fn passing(more: &str) -> String {
    format!(
        "{}\n[policies.nothing]\nterms = []\n\n[peers.passing]\ngroup = \"open\"\n\
         address = \"127.120.0.1\"\nport = DIALLED\npassive = true\nasn = 65120\n{more}\n",
        world::configuration()
    )
}

/// A daemon with the peer or without, and another peer that watches.
struct Scene {
    speaker: Speaker,
    observer: Observer,
}

impl Scene {
    fn new(configuration: &str) -> Scene {
        let speaker = Speaker::start(configuration);
        let mut observer = Peer::connect(speaker.address(), EXTERNAL);
        observer.establish(&[]);
        Scene { observer: Observer::of(observer), speaker }
    }

    fn connect(&self) -> Peer {
        Peer::connect_from(self.speaker.address(), PASSING, "127.120.0.1".parse().expect("one"))
    }

    /// The peer's session, with a route that the observer has.
    fn up(&self, prefix: IpNet) -> Peer {
        let mut peer = self.connect();
        peer.establish(&[]);
        peer.announce(prefix, &[]);
        self.observer.route(prefix);
        peer
    }

    fn reload(&self, configuration: &str) {
        let output = self.speaker.reload(configuration);
        assert!(output.status.success(), "{output:?}");
    }

    /// Nobody else noticed: a route of another peer was not withdrawn for a moment, news is passed on.
    fn untouched(&self, before: IpNet) {
        let mut other = Peer::connect(self.speaker.address(), EXTERNAL);
        other.establish(&[]);
        let news = "10.9.9.0/24".parse().expect("a prefix");
        other.announce(news, &[]);
        self.observer.route(news);
        assert_eq!(self.observer.withdrawals(before), 0);
        assert_eq!(self.observer.ended(), None);
    }
}

fn prefix(nth: u8) -> IpNet {
    format!("10.8.{nth}.0/24").parse().expect("a prefix")
}

/// A bystander's route, which has to stay.
fn bystander(scene: &Scene) -> (Peer, IpNet) {
    let mut peer = Peer::connect(scene.speaker.address(), EXTERNAL);
    peer.establish(&[]);
    peer.announce(prefix(1), &[]);
    scene.observer.route(prefix(1));
    (peer, prefix(1))
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "4486-4-deconfigured",
            Should,
            "a peer that is configured no more: Peer De-configured, and its routes go",
            |_| {
                let scene = Scene::new(&passing(""));
                let (_other, kept) = bystander(&scene);
                let mut peer = scene.up(prefix(2));
                scene.reload(&world::configuration());
                peer.notified(6, 3, &[]);
                scene.observer.gone(prefix(2));
                let mut again = scene.connect();
                assert_eq!(again.hear(PATIENCE), Heard::Closed, "it is a stranger now");
                scene.untouched(kept);
            },
        ),
        row(
            "4486-4-changed",
            Should,
            "one whose session has to be another: Other Configuration Change, and the new OPEN",
            |_| {
                let scene = Scene::new(&passing(""));
                let (_other, kept) = bystander(&scene);
                let mut peer = scene.up(prefix(2));
                scene.reload(&passing("hold_time = \"33s\""));
                peer.notified(6, 6, &[]);
                scene.observer.gone(prefix(2));
                std::thread::sleep(std::time::Duration::from_millis(1500));
                let open = scene.connect().message(OPEN);
                assert_eq!(open[3..5], [0, 33], "the hold time");
                scene.untouched(kept);
            },
        ),
        row("4271-8.1-added", Choice, "one that is configured from now on gets a session", |_| {
            let scene = Scene::new(&world::configuration());
            let (_other, kept) = bystander(&scene);
            assert_eq!(scene.connect().hear(PATIENCE), Heard::Closed);
            scene.reload(&passing(""));
            scene.up(prefix(2));
            scene.untouched(kept);
        }),
        row(
            "4271-9.1.1-changed",
            Choice,
            "another import policy judges the routes that are there: no session ends, nobody is asked",
            |_| {
                let scene = Scene::new(&passing(""));
                let (_other, kept) = bystander(&scene);
                let mut peer = scene.up(prefix(2));
                scene.reload(&passing("import = \"nothing\""));
                scene.observer.gone(prefix(2));
                scene.reload(&passing(""));
                scene.observer.route(prefix(2));
                scene.untouched(kept);
                assert!(peer.quiet(crate::octets::ROUTE_REFRESH, std::time::Duration::ZERO));
            },
        ),
        row(
            "4271-9.1.3-changed",
            Choice,
            "another export policy withdraws from the peer what it refuses, and tells it again: no session \
             ends, other peers keep it",
            |_| {
                let scene = Scene::new(&passing(""));
                let (_other, kept) = bystander(&scene);
                let mut peer = scene.up(prefix(2));
                assert!(peer.told_of(kept).announced.contains(&kept));
                scene.reload(&passing("export = \"nothing\""));
                assert!(peer.told_of(kept).withdrawn.contains(&kept));
                scene.reload(&passing(""));
                assert!(peer.told_of(kept).announced.contains(&kept));
                scene.untouched(kept);
            },
        ),
    ]
}
