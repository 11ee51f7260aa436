//! What can go wrong between us and the cloud's API, by what the caller can do about it.
//!
//! Codes are matched, messages are not: the vendor changes messages.
//! Must not live here: retry (`client`), wording of evidence (`facts`).

use thiserror::Error;

use crate::domain::evidence::Status;
use crate::domain::text::sanitise;

/// Longest piece of a foreign message that is kept.
const MAX_MESSAGE: usize = 300;

/// How a request failed on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFailure {
    /// The name has no address.
    Name,
    /// No connection: nothing was sent.
    Connect,
    /// No answer in time: the request may have arrived.
    Timeout,
    /// The connection broke after the request was sent, or while it was.
    Broken,
}

/// A failed call. Every variant that comes from the cloud names the action as `service:Action`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloudError {
    #[error("{0}")]
    Credentials(String),

    #[error("the cloud does not accept the credentials ({code} on {action}): {remedy}")]
    Authentication {
        action: String,
        code: String,
        remedy: String,
        request_id: String,
    },

    #[error(
        "no permission for {action} ({code}); ask for `{action}` in a CAM policy \
         (`cvmtop doctor --policy read` prints the smallest one)"
    )]
    Permission {
        action: String,
        code: String,
        request_id: String,
    },

    #[error("the cloud limits the rate of {action} ({code}); try again in a few seconds")]
    Throttled {
        action: String,
        code: String,
        request_id: String,
    },

    #[error("{action} failed on the cloud's side ({code}); try again later, request {request_id}")]
    Temporary {
        action: String,
        code: String,
        request_id: String,
    },

    #[error("this machine's clock is {}; set it right (for example with chrony), then try again", describe_offset(*.offset_seconds))]
    ClockSkew {
        action: String,
        /// Server time minus local time, seconds.
        offset_seconds: i64,
        request_id: String,
    },

    #[error("{action} was refused as wrong ({code}): {message}")]
    Invalid {
        action: String,
        code: String,
        message: String,
        request_id: String,
    },

    #[error("{action} names something that does not exist ({code}): {message}")]
    NotFound {
        action: String,
        code: String,
        message: String,
        request_id: String,
    },

    #[error("{action} is not possible now ({code}): {message}")]
    Conflict {
        action: String,
        code: String,
        message: String,
        request_id: String,
    },

    #[error("{action} was refused for lack of money, quota or capacity ({code}): {message}")]
    Resource {
        action: String,
        code: String,
        message: String,
        request_id: String,
    },

    #[error(
        "{host} gave no answer to {action}: {reason}; check the endpoint, the network and the proxy settings"
    )]
    Network {
        action: String,
        host: String,
        failure: NetworkFailure,
        reason: String,
    },

    #[error(
        "{host} answered {action} with something that is not an API 3.0 answer: {reason}; check the endpoint"
    )]
    BadAnswer {
        action: String,
        host: String,
        reason: String,
    },

    #[error("endpoint `{endpoint}`: {reason}")]
    Endpoint { endpoint: String, reason: String },

    #[error("cannot prepare the connection: {0}")]
    Setup(String),
}

impl CloudError {
    /// The error for an answer that carries `Response.Error`.
    pub fn from_code(action: &str, code: &str, message: &str, request_id: &str) -> Self {
        let action = action.to_owned();
        let code = sanitise(code, 100);
        let message = sanitise(message, MAX_MESSAGE);
        let request_id = sanitise(request_id, 100);
        match class(&code) {
            Class::Authentication => Self::Authentication {
                remedy: authentication_remedy(&code).to_owned(),
                action,
                code,
                request_id,
            },
            Class::Permission => Self::Permission {
                action,
                code,
                request_id,
            },
            Class::Throttled => Self::Throttled {
                action,
                code,
                request_id,
            },
            Class::Temporary => Self::Temporary {
                action,
                code,
                request_id,
            },
            Class::NotFound => Self::NotFound {
                action,
                code,
                message,
                request_id,
            },
            Class::Conflict => Self::Conflict {
                action,
                code,
                message,
                request_id,
            },
            Class::Resource => Self::Resource {
                action,
                code,
                message,
                request_id,
            },
            Class::Invalid => Self::Invalid {
                action,
                code,
                message,
                request_id,
            },
        }
    }

    /// The vendor's error code, where the cloud gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Authentication { code, .. }
            | Self::Permission { code, .. }
            | Self::Throttled { code, .. }
            | Self::Temporary { code, .. }
            | Self::Invalid { code, .. }
            | Self::NotFound { code, .. }
            | Self::Conflict { code, .. }
            | Self::Resource { code, .. } => Some(code),
            Self::ClockSkew { .. } => Some("AuthFailure.SignatureExpire"),
            _ => None,
        }
    }

    /// `RequestId` of the answer, where there was one.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Authentication { request_id, .. }
            | Self::Permission { request_id, .. }
            | Self::Throttled { request_id, .. }
            | Self::Temporary { request_id, .. }
            | Self::ClockSkew { request_id, .. }
            | Self::Invalid { request_id, .. }
            | Self::NotFound { request_id, .. }
            | Self::Conflict { request_id, .. }
            | Self::Resource { request_id, .. } => {
                Some(request_id.as_str()).filter(|id| !id.is_empty())
            }
            _ => None,
        }
    }

    /// The permission to ask for, if that is what was missing.
    pub fn missing_permission(&self) -> Option<&str> {
        match self {
            Self::Permission { action, .. } => Some(action),
            _ => None,
        }
    }

    /// True if whoever answers does not serve this action, or not in this region, so that the
    /// answer says nothing about permissions or about what was asked.
    pub fn is_unserved(&self) -> bool {
        let code = self.code().unwrap_or_default();
        matches!(
            code.split('.').next().unwrap_or_default(),
            "InvalidAction"
                | "ActionOffline"
                | "NoSuchVersion"
                | "NoSuchProduct"
                | "UnsupportedProtocol"
                | "UnsupportedRegion"
                | "HttpRefused"
        ) || code == "UnsupportedOperation"
    }

    /// Status of a fact whose call failed this way: never a negative finding.
    pub fn status(&self) -> Status {
        match self {
            Self::Permission { .. } => Status::NotPermitted,
            _ => Status::ProbeFailed,
        }
    }

    /// True if a read may be sent again.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. }
                | Self::Temporary { .. }
                | Self::Network { .. }
                | Self::BadAnswer { .. }
        )
    }

    /// True if a write that failed this way may still have taken effect, so that only the
    /// cloud's own state can tell.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Temporary { .. } | Self::BadAnswer { .. } => true,
            Self::Network { failure, .. } => {
                matches!(failure, NetworkFailure::Timeout | NetworkFailure::Broken)
            }
            _ => false,
        }
    }
}

fn describe_offset(seconds: i64) -> String {
    let side = if seconds >= 0 { "behind" } else { "ahead of" };
    format!("{} s {side} the cloud's", seconds.unsigned_abs())
}

enum Class {
    Authentication,
    Permission,
    Throttled,
    Temporary,
    NotFound,
    Conflict,
    Resource,
    Invalid,
}

fn class(code: &str) -> Class {
    match code {
        "AuthFailure.UnauthorizedOperation" => return Class::Permission,
        "UnauthorizedOperation.MFAExpired"
        | "UnauthorizedOperation.MFANotFound"
        | "UnauthorizedOperation.InvalidToken" => return Class::Authentication,
        "LimitExceeded.ActionLimited" | "LimitExceeded.LimitedAccess" => return Class::Throttled,
        "InvalidAccount.InsufficientBalance" | "FailedOperation.BalanceInsufficient" => {
            return Class::Resource;
        }
        "UnsupportedOperation.VersionMismatch" => return Class::Conflict,
        _ => {}
    }
    let (head, tail) = code.split_once('.').unwrap_or((code, ""));
    match head {
        "AuthFailure" => Class::Authentication,
        "UnauthorizedOperation" => Class::Permission,
        "RequestLimitExceeded" => Class::Throttled,
        "InternalError" | "InternalServerError" | "ServiceUnavailable" => Class::Temporary,
        "OperationDenied" | "MutexOperation" | "ResourceInUse" => Class::Conflict,
        "UnsupportedOperation" if tail.starts_with("InstanceState") => Class::Conflict,
        "ResourceInsufficient" | "ResourcesSoldOut" | "LimitExceeded" => Class::Resource,
        _ if head == "ResourceNotFound" || tail == "NotFound" || tail.ends_with("NotExist") => {
            Class::NotFound
        }
        _ => Class::Invalid,
    }
}

fn authentication_remedy(code: &str) -> &'static str {
    match code {
        "AuthFailure.SignatureFailure" => {
            "the secret key does not belong to the secret id, or a proxy changed the request"
        }
        "AuthFailure.SecretIdNotFound" | "AuthFailure.InvalidSecretId" => {
            "the secret id does not exist or is disabled; check the key in the CAM console"
        }
        "AuthFailure.TokenFailure" | "UnauthorizedOperation.InvalidToken" => {
            "the temporary token has expired or does not belong to the key; get a new one"
        }
        "AuthFailure.MFAFailure"
        | "UnauthorizedOperation.MFAExpired"
        | "UnauthorizedOperation.MFANotFound" => {
            "the account demands a second factor; use a key or role that does not"
        }
        "AuthFailure.SignatureExpire" => "the clocks differ by more than five minutes",
        _ => "check the secret id and key with `cvmtop doctor`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> CloudError {
        CloudError::from_code("vpc:DescribeNetworkAcls", code, "m", "r-1")
    }

    #[test]
    fn codes_fall_into_the_class_that_tells_what_to_do() {
        for (code, want) in [
            ("UnauthorizedOperation.CamNoAuth", Status::NotPermitted),
            ("AuthFailure.UnauthorizedOperation", Status::NotPermitted),
            ("UnauthorizedOperation", Status::NotPermitted),
            ("RequestLimitExceeded.UinLimitExceeded", Status::ProbeFailed),
            ("AuthFailure.SecretIdNotFound", Status::ProbeFailed),
        ] {
            assert_eq!(error(code).status(), want, "{code}");
        }
        assert_eq!(
            error("UnauthorizedOperation").missing_permission(),
            Some("vpc:DescribeNetworkAcls")
        );
        assert!(matches!(
            error("LimitExceeded.ActionLimited"),
            CloudError::Throttled { .. }
        ));
        assert!(matches!(
            error("InternalError.CbhError"),
            CloudError::Temporary { .. }
        ));
        assert!(matches!(
            error("InvalidInstanceId.NotFound"),
            CloudError::NotFound { .. }
        ));
        assert!(matches!(
            error("UnsupportedOperation.VersionMismatch"),
            CloudError::Conflict { .. }
        ));
        assert!(matches!(
            error("UnsupportedOperation.InstanceStateStopped"),
            CloudError::Conflict { .. }
        ));
        assert!(matches!(
            error("ResourceInsufficient.SpecifiedInstanceType"),
            CloudError::Resource { .. }
        ));
        assert!(matches!(
            error("InvalidParameterValue"),
            CloudError::Invalid { .. }
        ));
        assert!(matches!(
            error("SomethingNew.Entirely"),
            CloudError::Invalid { .. }
        ));
    }

    #[test]
    fn a_write_is_in_doubt_only_if_the_request_may_have_arrived() {
        let network = |failure| CloudError::Network {
            action: "cvm:RebootInstances".into(),
            host: "h".into(),
            failure,
            reason: "r".into(),
        };
        assert!(!network(NetworkFailure::Connect).outcome_unknown());
        assert!(network(NetworkFailure::Timeout).outcome_unknown());
        assert!(error("InternalError").outcome_unknown());
        assert!(!error("UnauthorizedOperation").outcome_unknown());
        assert!(!error("RequestLimitExceeded").outcome_unknown());
    }

    #[test]
    fn foreign_text_is_cleaned_and_cut() {
        let text = CloudError::from_code("a:B", "Invalid\u{1b}[31mCode", &"x".repeat(5000), "r")
            .to_string();
        assert!(!text.contains('\u{1b}'));
        assert!(text.chars().count() < 600);
    }
}
