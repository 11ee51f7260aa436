//! Several outcomes fused into one state of an evidence group.
//!
//! Lives here: pure functions from outcomes to states, one per group, each input kind decided.
//! Must not live here: sockets, clocks, or what a state says about causes.

pub mod describe;
pub mod greeting;
pub mod path;
pub mod reach;
pub mod secure;

pub use greeting::{Banner, Kex, RdpState, fuse_banner, fuse_kex, fuse_negotiation};
pub use reach::{Peers, Reach, ReachFacts, ReachUnknown, fuse_peers, fuse_reach};
pub use secure::{Certificate, RdpTls, fuse_certificate, fuse_tls};
