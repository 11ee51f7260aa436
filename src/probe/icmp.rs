//! Echo requests without privileges.
//!
//! Lives here: a bounded series of pings over a datagram ICMP socket (raw where only that is
//! allowed). Must not live here: any conclusion about the host; a refusal by the kernel is a status.

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};
use tokio::task::JoinSet;

use super::outcome::{Echo, OwnFailure};
use super::tcp;

/// What would let this user send echo requests.
pub const NEEDS: &str = "net.ipv4.ping_group_range must include this user's group";

/// Sends `count` echo requests, `spacing` apart, with `payload` bytes each, and waits up to `limit`
/// for each reply.
pub async fn ping(
    to: IpAddr,
    count: u16,
    spacing: Duration,
    payload: usize,
    limit: Duration,
) -> Echo {
    if let Err(own) = tcp::source_address(to) {
        return Echo::Own(own);
    }
    let kind = if to.is_ipv4() { ICMP::V4 } else { ICMP::V6 };
    let client = match Client::new(&Config::builder().kind(kind).build()) {
        Ok(client) => client,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Echo::NotPermitted,
        Err(error) => return Echo::Own(tcp::own_failure(&error)),
    };
    // One socket a series, so that equal sequence numbers of two series cannot meet.
    let identifier = std::hash::RandomState::new().build_hasher().finish() as u16;
    let mut series = JoinSet::new();
    for sequence in 0..count {
        let client = client.clone();
        series.spawn(async move {
            tokio::time::sleep(spacing * u32::from(sequence)).await;
            let mut pinger = client.pinger(to, PingIdentifier(identifier)).await;
            pinger.timeout(limit);
            pinger
                .ping(PingSequence(sequence), &vec![0x55; payload])
                .await
        });
    }
    let mut rtts = Vec::new();
    let mut own = None;
    while let Some(end) = series.join_next().await {
        match end {
            Ok(Ok((packet, rtt))) if is_reply(&packet) => rtts.push(rtt),
            Ok(Err(SurgeError::IOError(error))) => match tcp::own_failure(&error) {
                // The kernel hands an ICMP error of the path to the socket: that is no reply.
                OwnFailure::NoRoute | OwnFailure::Other(_) => {}
                failure => own = Some(failure),
            },
            _ => {}
        }
    }
    match (rtts.is_empty(), own) {
        (false, _) => Echo::Replies {
            sent: u32::from(count),
            rtts,
        },
        (true, Some(failure)) => Echo::Own(failure),
        (true, None) => Echo::Silent {
            sent: u32::from(count),
        },
    }
}

/// ICMP type 0 (RFC 792) or ICMPv6 type 129 (RFC 4443).
fn is_reply(packet: &IcmpPacket) -> bool {
    match packet {
        IcmpPacket::V4(packet) => packet.get_icmp_type().0 == 0,
        IcmpPacket::V6(packet) => packet.get_icmpv6_type().0 == 129,
    }
}
