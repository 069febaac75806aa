//! The cloud against scripted peers.

use super::*;
use crate::scripted::{Site, until_choice};
use crate::voice::Endpoints;

#[tokio::test]
async fn sessions_come_up_and_the_vpc_follows_the_lower_med() {
    let site = Ipv4Addr::new(127, 79, 0, 1);
    let endpoints = Endpoints::bind(site, &[site, site]).expect("loopback");
    let call = Arc::new(Call::start(endpoints, Vec::new()).expect("call"));
    let spec = |last, region: &str| RouterSpec {
        address: Ipv4Addr::new(127, 79, 0, last),
        region: region.to_owned(),
    };
    let specs = vec![spec(11, "us-east1"), spec(12, "us-west1")];
    let mut cloud = Cloud::bind(specs, Duration::from_millis(30)).await.expect("bind");
    let addresses = [cloud.address(0).expect("address"), cloud.address(1).expect("address")];
    let (reporter, mut seen) = Reporter::new();
    cloud.start(call, reporter);

    let mut east = Site::connect(addresses[0]).await;
    let mut west = Site::connect(addresses[1]).await;
    east.announce(20_000).await;
    let record = until_choice(&mut seen, &[0]).await;
    assert!(record.iter().any(|s| matches!(s.what, What::Session { router: 0, up: true, .. })));
    let known = record.iter().find_map(|s| match s.what {
        What::Update { router: 0, med: Some(20_000), .. } => Some(s.at),
        _ => None,
    });
    let used = record.last().expect("the choice").at;
    assert!(used.since(known.expect("the UPDATE")) >= Duration::from_millis(30));

    west.announce(30_000).await;
    west.announce(10_000).await;
    until_choice(&mut seen, &[1]).await;
    west.announce(40_000).await;
    until_choice(&mut seen, &[0]).await;
}
