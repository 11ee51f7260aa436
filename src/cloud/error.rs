//! What can go wrong between us and the cloud's API, by what the caller can do about it.
//!
//! Codes are matched, messages are not: the vendor changes messages.
//! Must not live here: retry (`client`), wording of evidence (`facts`).

use thiserror::Error;

use super::permissions::cam_names;
use crate::cloud::said;
use crate::domain::evidence::Status;
use crate::domain::said::Said;
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
    #[error("{}", self.said())]
    Credentials(Said),

    #[error("{}", self.said())]
    Authentication {
        action: String,
        code: String,
        request_id: String,
    },

    #[error("{}", self.said())]
    Permission {
        action: String,
        code: String,
        request_id: String,
    },

    #[error("{}", self.said())]
    Throttled {
        action: String,
        code: String,
        request_id: String,
    },

    #[error("{}", self.said())]
    Temporary {
        action: String,
        code: String,
        request_id: String,
    },

    #[error("{}", self.said())]
    ClockSkew {
        action: String,
        /// Server time minus local time, seconds.
        offset_seconds: i64,
        request_id: String,
    },

    #[error("{}", self.said())]
    Invalid {
        action: String,
        code: String,
        message: String,
        request_id: String,
    },

    #[error("{}", self.said())]
    Unserved {
        action: String,
        code: String,
        request_id: String,
    },

    #[error("{}", self.said())]
    NotFound {
        action: String,
        code: String,
        message: String,
        request_id: String,
    },

    #[error("{}", self.said())]
    Conflict {
        action: String,
        code: String,
        message: String,
        request_id: String,
    },

    #[error("{}", self.said())]
    Resource {
        action: String,
        code: String,
        message: String,
        request_id: String,
    },

    #[error("{}", self.said())]
    Network {
        action: String,
        host: String,
        failure: NetworkFailure,
        reason: Box<Said>,
    },

    #[error("{}", self.said())]
    BadAnswer {
        action: String,
        host: String,
        reason: Box<Said>,
    },

    #[error("{}", self.said())]
    Endpoint { endpoint: String, reason: Box<Said> },

    #[error("{}", self.said())]
    Setup(Said),
}

/// Who answers, where that is not one host.
fn named(host: &str) -> Said {
    if host == "the cloud" {
        said::the_cloud()
    } else {
        Said::raw(host)
    }
}

impl CloudError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::Credentials(why) => why.clone(),
            Self::Authentication { action, code, .. } => {
                said::err_authentication(code, action, authentication_remedy(code))
            }
            Self::Permission { action, code, .. } => {
                said::err_permission(action, code, cam_names(action).join("` and `"))
            }
            Self::Throttled { action, code, .. } => said::err_throttled(action, code),
            Self::Temporary {
                action,
                code,
                request_id,
            } => said::err_temporary(action, code, request_id),
            Self::ClockSkew { offset_seconds, .. } => {
                let seconds = offset_seconds.unsigned_abs();
                if *offset_seconds >= 0 {
                    said::err_clock_behind(seconds)
                } else {
                    said::err_clock_ahead(seconds)
                }
            }
            Self::Invalid {
                action,
                code,
                message,
                ..
            } => said::err_invalid(action, code, message),
            Self::Unserved { action, code, .. } => said::err_unserved(action, code),
            Self::NotFound {
                action,
                code,
                message,
                ..
            } => said::err_not_found(action, code, message),
            Self::Conflict {
                action,
                code,
                message,
                ..
            } => said::err_conflict(action, code, message),
            Self::Resource {
                action,
                code,
                message,
                ..
            } => said::err_resource(action, code, message),
            Self::Network {
                action,
                host,
                reason,
                ..
            } => said::err_network(named(host), action, &**reason),
            Self::BadAnswer {
                action,
                host,
                reason,
            } => said::err_bad_answer(named(host), action, &**reason),
            Self::Endpoint { endpoint, reason } => said::err_endpoint(endpoint, &**reason),
            Self::Setup(reason) => said::err_setup(reason),
        }
    }

    /// The error for an answer that carries `Response.Error`.
    pub fn from_code(action: &str, code: &str, message: &str, request_id: &str) -> Self {
        let action = action.to_owned();
        let code = sanitise(code, 100);
        let message = sanitise(message, MAX_MESSAGE);
        let request_id = sanitise(request_id, 100);
        match class(&code) {
            Class::Authentication => Self::Authentication {
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
            Class::Unserved => Self::Unserved {
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
            | Self::Unserved { code, .. }
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
            | Self::Unserved { request_id, .. }
            | Self::NotFound { request_id, .. }
            | Self::Conflict { request_id, .. }
            | Self::Resource { request_id, .. } => {
                Some(request_id.as_str()).filter(|id| !id.is_empty())
            }
            _ => None,
        }
    }

    /// The permission to ask for in CAM's own words, if that is what was missing.
    pub fn missing_permission(&self) -> Option<String> {
        match self {
            Self::Permission { action, .. } => Some(cam_names(action).join(" and ")),
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
        )
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

enum Class {
    Authentication,
    Permission,
    Throttled,
    Temporary,
    Unserved,
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
        "UnsupportedOperation.VersionMismatch"
        | "UnsupportedOperation.MutexOperationTaskRunning"
        | "UnsupportedOperation.ResourceProcessing"
        | "UnsupportedOperation.IdempotentProcessing"
        | "UnsupportedOperation.InvalidState"
        | "UnsupportedOperation.AddressStatusNotPermit"
        | "InvalidInstanceState" => return Class::Conflict,
        "UnsupportedOperation.InsufficientFunds"
        | "AddressQuotaLimitExceeded"
        | "InstancesQuotaLimitExceeded"
        | "OverQuota"
        | "FailedOperation.ErrOwed"
        | "FailedOperation.ErrNotOpen"
        | "FailedOperation.OrderOutOfCredit"
        | "FailedOperation.ErrPrePaidResourceExpire"
        | "FailedOperation.PreResourceIDFailed"
        | "FailedOperation.TrialNodesExceed"
        | "FailedOperation.TrialTaskExceed"
        | "InvalidAddressIdState.InArrears" => return Class::Resource,
        "FailedOperation.DataQueryFailed"
        | "FailedOperation.DoHTTPTransferFailed"
        | "FailedOperation.DbQueryFailed"
        | "FailedOperation.DbRecordCreateFailed"
        | "FailedOperation.DbRecordUpdateFailed"
        | "FailedOperation.ESQueryError"
        | "FailedOperation.SendRequest"
        | "FailedOperation.UnmarshalResponse"
        | "FailedOperation.InternalError" => return Class::Temporary,
        // The account itself has to be verified or the request approved: no policy grants that.
        "UnauthorizedOperation.NoRealNameAuthentication"
        | "UnauthorizedOperation.NotCertification"
        | "UnauthorizedOperation.CertificationNeedUpgrade"
        | "UnauthorizedOperation.NeedApproval"
        | "UnauthorizedOperation.AttachmentNotFound" => return Class::Invalid,
        _ => {}
    }
    let (head, tail) = code.split_once('.').unwrap_or((code, ""));
    match head {
        "AuthFailure" => Class::Authentication,
        "InvalidAction" | "ActionOffline" | "NoSuchVersion" | "NoSuchProduct" => Class::Unserved,
        "UnauthorizedOperation" => Class::Permission,
        "RequestLimitExceeded" => Class::Throttled,
        "InternalError" | "InternalServerError" | "ServiceUnavailable" => Class::Temporary,
        "OperationDenied"
        | "MutexOperation"
        | "ResourceInUse"
        | "ResourceUnavailable"
        | "InvalidAddressIdState" => Class::Conflict,
        "UnsupportedOperation" if tail.starts_with("InstanceState") => Class::Conflict,
        "ResourceInsufficient" | "ResourcesSoldOut" | "LimitExceeded" => Class::Resource,
        _ if head == "ResourceNotFound" || tail == "NotFound" || tail.ends_with("NotExist") => {
            Class::NotFound
        }
        _ => Class::Invalid,
    }
}

fn authentication_remedy(code: &str) -> Said {
    match code {
        "AuthFailure.SignatureFailure" => said::remedy_signature(),
        "AuthFailure.SecretIdNotFound" | "AuthFailure.InvalidSecretId" => said::remedy_id(),
        "AuthFailure.TokenFailure" | "UnauthorizedOperation.InvalidToken" => said::remedy_token(),
        "AuthFailure.MFAFailure"
        | "UnauthorizedOperation.MFAExpired"
        | "UnauthorizedOperation.MFANotFound" => said::remedy_mfa(),
        "AuthFailure.SignatureExpire" => said::remedy_clock(),
        _ => said::remedy_doctor(),
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
            error("UnauthorizedOperation")
                .missing_permission()
                .as_deref(),
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
        for code in [
            "ResourceUnavailable.AgentStatusNotOnline",
            "UnsupportedOperation.MutexOperationTaskRunning",
            "InvalidInstanceState",
            "InvalidAddressIdState.Blocked",
        ] {
            assert!(matches!(error(code), CloudError::Conflict { .. }), "{code}");
        }
        for code in ["OverQuota", "UnsupportedOperation.InsufficientFunds"] {
            assert!(matches!(error(code), CloudError::Resource { .. }), "{code}");
        }
        assert!(error("FailedOperation.DataQueryFailed").is_transient());
        let unverified = error("UnauthorizedOperation.NoRealNameAuthentication");
        assert_eq!(unverified.missing_permission(), None);
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
            reason: Box::new(Said::raw("r")),
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
