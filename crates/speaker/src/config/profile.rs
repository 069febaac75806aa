//! The product at the far end of a session: what it needs, bears, and ranks routes by.

use core::time::Duration;

use pathvane_engine::config::Ranking;

use super::bfd::TIMES;
use super::value::words;

/// The product at the far end, which decides defaults and checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Profile {
    /// Any router.
    Generic,
    /// Google's Cloud Router over HA VPN or an interconnect.
    CloudRouter,
    /// The same, with this speaker as a router appliance inside the VPC.
    CloudRouterAppliance,
    /// AWS Direct Connect.
    AwsDirectConnect,
    /// AWS Site-to-Site VPN.
    AwsVpn,
    /// Azure Route Server.
    AzureRouteServer,
}

words!(
    Profile, "a profile",
    "generic" => Profile::Generic,
    "cloud-router" => Profile::CloudRouter,
    "cloud-router-appliance" => Profile::CloudRouterAppliance,
    "aws-direct-connect" => Profile::AwsDirectConnect,
    "aws-vpn" => Profile::AwsVpn,
    "azure-route-server" => Profile::AzureRouteServer
);

impl Profile {
    /// What messages call such a peer.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Generic => "peer",
            Self::CloudRouter | Self::CloudRouterAppliance => "cloud router",
            Self::AwsDirectConnect => "Direct Connect peer",
            Self::AwsVpn => "AWS VPN peer",
            Self::AzureRouteServer => "route server",
        }
    }

    /// Whether a cloud is at the far end.
    pub(super) fn is_cloud(self) -> bool {
        self != Self::Generic
    }

    /// Whether it is a Cloud Router, whichever way it is reached.
    pub(super) fn is_cloud_router(self) -> bool {
        matches!(self, Self::CloudRouter | Self::CloudRouterAppliance)
    }

    /// What the product itself offers, and what its maintenance needs; 90 s is RFC 4271's advice.
    pub(super) fn hold_time(self) -> Duration {
        Duration::from_secs(match self {
            Self::Generic | Self::AwsDirectConnect => 90,
            Self::CloudRouter | Self::CloudRouterAppliance => 60,
            Self::AwsVpn => 30,
            Self::AzureRouteServer => 180,
        })
    }

    /// What an external session sends with: cloud routers behind an interconnect and route servers
    /// are a few hops away.
    pub(super) fn external_ttl(self) -> u8 {
        match self {
            Self::Generic | Self::AwsDirectConnect | Self::AwsVpn => 1,
            Self::CloudRouter | Self::CloudRouterAppliance | Self::AzureRouteServer => 4,
        }
    }

    /// How many prefixes it may be told over one session, all families together. Cloud routers close
    /// above 5,000 and stay closed; AWS closes above 100; Azure closes above 1,000 and was seen to
    /// count a prefix that is announced again twice.
    pub(super) fn budget(self) -> Option<u32> {
        match self {
            Self::Generic => None,
            Self::CloudRouter | Self::CloudRouterAppliance => Some(4_500),
            Self::AwsDirectConnect | Self::AwsVpn => Some(100),
            Self::AzureRouteServer => Some(500),
        }
    }

    /// How often its own BFD sends at best, and how many packets in a row it misses before it gives
    /// up, as far as its pages say; `None` where they know of no BFD.
    pub(super) fn bfd(self) -> Option<(Duration, u32)> {
        match self {
            Self::Generic => Some(TIMES),
            Self::AwsDirectConnect => Some((Duration::from_millis(300), 3)),
            Self::CloudRouter => Some((Duration::from_secs(1), 5)),
            Self::CloudRouterAppliance | Self::AwsVpn | Self::AzureRouteServer => None,
        }
    }

    /// What it ranks our routes by.
    pub(super) fn ranking(self) -> Ranking {
        match self {
            Self::AwsDirectConnect => Ranking::AwsCommunities,
            Self::AzureRouteServer => Ranking::AsPath,
            _ => Ranking::Med,
        }
    }
}
