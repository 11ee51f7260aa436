//! Echo requests without privileges.
//!
//! Lives here: a bounded series of pings over a datagram ICMP socket (raw where only that is
//! allowed). Must not live here: any conclusion about the host; a refusal by the kernel is a status.

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};
use tokio::task::JoinSet;

use super::outcome::{Echo, OwnFailure};
use super::tcp;

/// What would let this user send echo requests.
pub const NEEDS: &str = "net.ipv4.ping_group_range must include this user's group";

/// A series of echo requests under way. Dropping it ends it.
#[derive(Debug)]
pub struct Series {
    sent: u32,
    replies: JoinSet<Result<(IcmpPacket, Duration), SurgeError>>,
}

impl Series {
    /// Sends `count` echo requests, `spacing` apart, with `payload` bytes each, and waits up to
    /// `limit` for each reply.
    ///
    /// # Errors
    /// The end of the series when nothing can be sent at all.
    #[allow(clippy::unused_async)] // must run inside the runtime, which the socket needs
    pub async fn start(
        to: IpAddr,
        count: u16,
        spacing: Duration,
        payload: usize,
        limit: Duration,
    ) -> Result<Self, Echo> {
        tcp::source_address(to).map_err(Echo::Own)?;
        let kind = if to.is_ipv4() { ICMP::V4 } else { ICMP::V6 };
        // One socket a series, so that equal sequence numbers of two series cannot meet.
        let client = Client::new(&Config::builder().kind(kind).build()).map_err(|error| {
            if error.kind() == io::ErrorKind::PermissionDenied {
                Echo::NotPermitted
            } else {
                Echo::Own(tcp::own_failure(&error))
            }
        })?;
        let identifier = std::hash::RandomState::new().build_hasher().finish() as u16;
        let mut replies = JoinSet::new();
        for sequence in 0..count {
            let client = client.clone();
            replies.spawn(async move {
                tokio::time::sleep(spacing * u32::from(sequence)).await;
                let mut pinger = client.pinger(to, PingIdentifier(identifier)).await;
                pinger.timeout(limit);
                let filler = vec![0x55; payload];
                pinger.ping(PingSequence(sequence), &filler).await
            });
        }
        Ok(Self {
            sent: u32::from(count),
            replies,
        })
    }

    /// Waits for the replies, at most until the given moment; what has come by then counts.
    pub async fn finish(mut self, until: Option<Instant>) -> Echo {
        let mut rtts = Vec::new();
        let mut own = None;
        loop {
            let next = self.replies.join_next();
            let end = match until {
                Some(until) => tokio::time::timeout_at(until.into(), next)
                    .await
                    .ok()
                    .flatten(),
                None => next.await,
            };
            match end {
                None => break,
                Some(Ok(Ok((packet, rtt)))) if is_reply(&packet) => rtts.push(rtt),
                Some(Ok(Err(SurgeError::IOError(error)))) => match tcp::own_failure(&error) {
                    // The kernel hands an ICMP error of the path to the socket: that is no reply.
                    OwnFailure::NoRoute | OwnFailure::Other(_) => {}
                    failure => own = Some(failure),
                },
                Some(_) => {}
            }
        }
        match (rtts.is_empty(), own) {
            (false, _) => Echo::Replies {
                sent: self.sent,
                rtts,
            },
            (true, Some(failure)) => Echo::Own(failure),
            (true, None) => Echo::Silent { sent: self.sent },
        }
    }
}

/// A whole series; see [`Series::start`].
pub async fn ping(
    to: IpAddr,
    count: u16,
    spacing: Duration,
    payload: usize,
    limit: Duration,
) -> Echo {
    match Series::start(to, count, spacing, payload, limit).await {
        Ok(series) => series.finish(None).await,
        Err(end) => end,
    }
}

/// ICMP type 0 (RFC 792) or ICMPv6 type 129 (RFC 4443).
fn is_reply(packet: &IcmpPacket) -> bool {
    match packet {
        IcmpPacket::V4(packet) => packet.get_icmp_type().0 == 0,
        IcmpPacket::V6(packet) => packet.get_icmpv6_type().0 == 129,
    }
}
