//! What one probe step can end in, as types.
//!
//! Lives here: the outcome of a single connection, greeting, key exchange, negotiation or ping.
//! Must not live here: how it is obtained (I/O) or what several of them mean together (`fusion`).

use std::time::Duration;

use super::algorithms::KexInit;
use super::said;
use crate::domain::evidence::State;
use crate::domain::evidence::state::rdp_negotiation;
use crate::domain::said::Said;

/// Our own side failed; says nothing about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub enum OwnFailure {
    /// EMFILE, ENFILE, ENOBUFS, ENOMEM.
    Resources,
    /// No route at all in this machine's own table.
    NoRoute,
    /// EADDRNOTAVAIL: no local address or no free local port.
    NoLocalAddress,
    /// EPERM or EACCES from this machine's own firewall or policy.
    Forbidden,
    /// Anything else that happened before a packet could leave.
    Other(i32),
}

impl OwnFailure {
    /// The sentence.
    pub fn said(self) -> Said {
        match self {
            Self::Resources => said::own_resources(),
            Self::NoRoute => said::own_no_route(),
            Self::NoLocalAddress => said::own_no_address(),
            Self::Forbidden => said::own_forbidden(),
            Self::Other(code) => said::own_other(code),
        }
    }
}

/// An answer that takes this long came to a repeated SYN, unless the path itself is that slow.
pub const RETRANSMITTED: Duration = Duration::from_millis(990);

/// End of one TCP connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connect {
    /// SYN-ACK after this time.
    Open(Duration),
    /// RST (or an ICMP port-unreachable) after this time.
    Refused(Duration),
    /// Nothing within this time.
    Silent(Duration),
    /// ICMP said unreachable or prohibited after this time.
    Prohibited(Duration),
    /// Our own side failed.
    Own(OwnFailure),
}

impl Connect {
    /// True for SYN-ACK.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// True when the answer only came to a repeated SYN: the first retransmission comes after one
    /// second (RFC 6298 section 2.1).
    pub fn took_a_retransmission(self) -> bool {
        matches!(self, Self::Open(d) if d >= RETRANSMITTED)
    }

    /// Time to the answer, if there was one.
    pub fn rtt(self) -> Option<Duration> {
        match self {
            Self::Open(d) | Self::Refused(d) => Some(d),
            _ => None,
        }
    }
}

/// End of a series of echo requests (RFC 792, RFC 4443).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Echo {
    /// At least one reply.
    Replies { sent: u32, rtts: Vec<Duration> },
    /// None came back.
    Silent { sent: u32 },
    /// The kernel does not let this user send echo requests.
    NotPermitted,
    /// Our own side failed.
    Own(OwnFailure),
}

impl Echo {
    /// True when at least one reply came.
    pub fn answered(&self) -> bool {
        matches!(self, Self::Replies { .. })
    }

    /// True when requests went out, so that silence means something.
    pub fn was_sent(&self) -> bool {
        matches!(self, Self::Replies { .. } | Self::Silent { .. })
    }
}

/// Which known refusal a server printed in place of its identification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleNotice {
    /// OpenSSH: too many unauthenticated connections at once.
    MaxStartups,
    /// OpenSSH 9.8 and later: penalties for this source.
    SourcePenalty,
    /// Another wording of "too many connections, try again later".
    Other,
}

/// What came after the connection to an SSH port was open (RFC 4253 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// A valid identification string after this time.
    Identified {
        identification: String,
        after: Duration,
    },
    /// A refusal in words.
    Throttled {
        notice: ThrottleNotice,
        text: String,
    },
    /// The server closed in order (FIN) first. `text` is what it said before, if anything.
    Closed { after: Duration, text: String },
    /// The server reset the connection first.
    Reset { after: Duration },
    /// No identification within the limit. `bytes` counts what trickled in.
    Silent { waited: Duration, bytes: usize },
    /// Something that is not SSH answered; what it is, where its first bytes tell.
    WrongProtocol {
        sample: String,
        protocol: Option<&'static str>,
    },
    /// Our own side failed.
    Own(OwnFailure),
}

impl Greeting {
    /// How long a server that identified itself took.
    pub fn answered_after(&self) -> Option<Duration> {
        match self {
            Self::Identified { after, .. } => Some(*after),
            _ => None,
        }
    }
}

/// What came after both identification strings (RFC 4253 section 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyExchange {
    /// The server's lists.
    Lists(Box<KexInit>),
    /// Nothing more within this time.
    Hang { waited: Duration },
    /// The server's lists came, and our proposal, as large as a client's, did not arrive in this time.
    Unheard { waited: Duration },
    /// Closed or reset.
    Closed { reset: bool },
    /// `SSH_MSG_DISCONNECT` with its reason code (RFC 4253 section 11.1) and text.
    Disconnected { reason: u32, text: String },
    /// Bytes that are no key-exchange packet.
    Malformed,
}

/// Security protocol that a server selected (MS-RDPBCGR 2.2.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RdpSecurity {
    /// CredSSP (HYBRID, HYBRID_EX): network level authentication.
    Nla,
    /// TLS without network level authentication.
    Tls,
    /// RDSTLS: TLS, and the token of a broker that redirected the client here.
    Rdstls,
    /// RDSAAD: TLS, and a sign-in with Microsoft Entra.
    Aad,
    /// Standard RDP security, or a confirm without a negotiation block.
    Legacy,
}

/// Failure code of a negotiation (MS-RDPBCGR 2.2.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RdpFailure {
    SslRequired,
    SslNotAllowed,
    SslCertNotOnServer,
    InconsistentFlags,
    HybridRequired,
    SslWithUserAuthRequired,
}

impl RdpFailure {
    /// From the wire.
    pub fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            1 => Self::SslRequired,
            2 => Self::SslNotAllowed,
            3 => Self::SslCertNotOnServer,
            4 => Self::InconsistentFlags,
            5 => Self::HybridRequired,
            6 => Self::SslWithUserAuthRequired,
            _ => return None,
        })
    }

    /// The state of `rdp-negotiation`.
    pub fn state(self) -> State<'static> {
        match self {
            Self::SslRequired => rdp_negotiation::FAILURE_1,
            Self::SslNotAllowed => rdp_negotiation::FAILURE_2,
            Self::SslCertNotOnServer => rdp_negotiation::FAILURE_3,
            Self::InconsistentFlags => rdp_negotiation::FAILURE_4,
            Self::HybridRequired => rdp_negotiation::FAILURE_5,
            Self::SslWithUserAuthRequired => rdp_negotiation::FAILURE_6,
        }
    }

    /// The specification's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SslRequired => "SSL_REQUIRED_BY_SERVER",
            Self::SslNotAllowed => "SSL_NOT_ALLOWED_BY_SERVER",
            Self::SslCertNotOnServer => "SSL_CERT_NOT_ON_SERVER",
            Self::InconsistentFlags => "INCONSISTENT_FLAGS",
            Self::HybridRequired => "HYBRID_REQUIRED_BY_SERVER",
            Self::SslWithUserAuthRequired => "SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER",
        }
    }
}

/// What came back after an X.224 connection request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Negotiation {
    /// A confirm that selects a security protocol.
    Selected {
        security: RdpSecurity,
        after: Duration,
    },
    /// A negotiation failure.
    Failed {
        failure: RdpFailure,
        after: Duration,
    },
    /// Closed in order.
    Closed { after: Duration },
    /// Reset.
    Reset { after: Duration },
    /// Nothing complete within this time.
    Silent { waited: Duration, bytes: usize },
    /// Not RDP; what it is, where its first bytes tell.
    WrongProtocol {
        sample: String,
        protocol: Option<&'static str>,
    },
    /// Our own side failed.
    Own(OwnFailure),
}

impl Negotiation {
    /// How long a server that selected a protocol took.
    pub fn answered_after(&self) -> Option<Duration> {
        match self {
            Self::Selected { after, .. } => Some(*after),
            _ => None,
        }
    }
}

/// Dates and name of a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    /// Common name of the subject, made safe for display.
    pub subject: String,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
}

/// End of a TLS handshake that accepts any certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Done. The end-entity certificate, where it could be read.
    Complete(Option<CertificateSummary>),
    /// The server went on with a ClientHello of TLS 1.0 to 1.2 as far as its ServerHelloDone, in a
    /// version or with a suite that this program's own TLS does not speak.
    WentOn {
        /// As on the wire, 0x0301 to 0x0303.
        version: u16,
        suite: u16,
        certificate: Option<CertificateSummary>,
    },
    /// The key that signed is not the certificate's.
    KeyMismatch(Option<CertificateSummary>),
    /// The server ended it with an alert (RFC 8446 section 6).
    Alert { code: u8, name: String },
    /// Closed, or reset, before it was done.
    Closed { reset: bool },
    /// Bytes that are no TLS.
    Garbage,
    /// The server answered in a way that this program's own TLS cannot go on with.
    Incompatible,
    /// Anything else; the text is the TLS library's, made safe for display.
    Failed(String),
    /// Nothing, or never the whole, within this time.
    Hang(Duration),
}

impl Tls {
    /// What was shown of the server's certificate.
    pub fn certificate(&self) -> Option<&CertificateSummary> {
        match self {
            Self::Complete(summary) | Self::KeyMismatch(summary) => summary.as_ref(),
            Self::WentOn { certificate, .. } => certificate.as_ref(),
            _ => None,
        }
    }

    /// True where an old server may fare better with an old ClientHello.
    pub fn may_be_old(&self) -> bool {
        matches!(
            self,
            Self::Alert { .. } | Self::Closed { .. } | Self::Incompatible
        )
    }
}
