//! Whether a host is on the private path to an instance, by what the cloud says of VPC and routes.
//!
//! A host elsewhere also has *some* source address for a private destination: its default route
//! gives one. What such a host does not hear says nothing about the instance. Must not live here:
//! reading route tables (`cloud::facts`), taking readings off (`runtime::triage`).

use super::said::Said;

/// Where a source stands towards an instance's private address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateWay {
    /// The VPC's own networks hold the source, or a route to another network covers it.
    On,
    /// Nothing covers it; the sentence says what was looked at.
    Off(Said),
}

/// What the next hop of a route is (vpc `Route.GatewayType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextHop {
    /// Another network: VPN, Direct Connect, peering, CCN, a private NAT.
    Network,
    /// An instance or an address that forwards: it may lead anywhere.
    Machine,
    /// The Internet; no private source is behind it.
    Internet,
    /// A kind that is not known here.
    Unknown,
}

impl NextHop {
    /// From `GatewayType` as sent.
    pub fn of(gateway_type: &str) -> Self {
        match gateway_type.to_ascii_uppercase().as_str() {
            "VPN" | "DIRECTCONNECT" | "PEERCONNECTION" | "CCN" | "USER_CCN" | "LOCAL"
            | "LOCAL_GATEWAY" | "INTRANAT" => Self::Network,
            "NORMAL_CVM" | "CVM" | "HAVIP" | "GWLB_ENDPOINT" => Self::Machine,
            "NAT" | "EIP" => Self::Internet,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nat_gateway_leads_to_no_private_source() {
        for (kind, hop) in [
            ("VPN", NextHop::Network),
            ("ccn", NextHop::Network),
            ("NORMAL_CVM", NextHop::Machine),
            ("NAT", NextHop::Internet),
            ("SOMETHING_NEW", NextHop::Unknown),
        ] {
            assert_eq!(NextHop::of(kind), hop, "{kind}");
        }
    }
}
