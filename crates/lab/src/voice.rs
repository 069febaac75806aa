//! A voice call between the site and the cloud: one packet each 20 ms in each direction.
//!
//! Packets carry a number and the time they were sent. Forward packets leave over the path
//! that the speaker's events name, return packets over the path that the VPC chose; both
//! choices are written by others through [`Call::route`] and take effect with the next packet.

mod ledger;
mod packet;
mod quality;
mod stream;

pub use ledger::{Account, Ledger, Outage};
pub use packet::{PACKET_LEN, Packet};
pub use quality::Quality;
pub use stream::{Call, Endpoints, PACKET_INTERVAL};

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use super::*;
    use crate::links::{Direction, Fault, Flow, Link, Loss, Spec};
    use crate::mono;

    #[test]
    fn a_call_follows_its_routes_and_books_what_a_link_swallows() {
        let endpoints =
            Endpoints::bind([127, 78, 0, 1].into(), &[[127, 78, 0, 2].into()]).expect("loopback");
        let router = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let link = Link::start(&Spec {
            near: [127, 78, 0, 3].into(),
            far: [127, 78, 0, 4].into(),
            delay: Duration::from_millis(10),
            ambient: Loss::None,
            seed: 1,
            flows: vec![Flow {
                near: [127, 78, 0, 3].into(),
                site: Some(endpoints.site().expect("address")),
                region: endpoints.region(0).expect("address"),
            }],
            router: router.local_addr().expect("address"),
        })
        .expect("link");
        let call = Call::start(endpoints, link.flows().to_vec()).expect("call");
        let start = mono::now();
        call.route(Direction::Forward, 0);
        call.route(Direction::Return, 0);
        std::thread::sleep(Duration::from_millis(200));
        let faulted = mono::now();
        link.set_fault(Direction::Return, Fault { blackhole: true, ..Fault::default() });
        std::thread::sleep(Duration::from_millis(200));
        let end = mono::now();
        std::thread::sleep(Duration::from_millis(100));

        let forward = call.ledger(Direction::Forward).account(start, end);
        assert!(forward.sent >= 15 && forward.lost == 0, "{forward:?}");
        let lost = call.ledger(Direction::Return).account(faulted, end);
        assert!(lost.sent >= 5 && lost.lost == lost.sent && lost.bursts == 1, "{lost:?}");
        let least = call.ledger(Direction::Forward).delays(start, end).min().expect("arrivals");
        assert!(least >= Duration::from_millis(10));
    }
}
