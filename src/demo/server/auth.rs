//! Checks TC3-HMAC-SHA256 as the service does, independently of the client's signer.
//!
//! Lives here: scope, clock window, signature; the vendor's error codes for each failure.
//! Must not live here: permissions per action.

use std::fmt::Write;

use axum::http::{HeaderMap, Method, Uri};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Refusal, refuse, text};
use crate::demo::{SECRET_ID, SECRET_KEY};

/// Seconds that a request may be away from the cloud's clock.
const WINDOW: i64 = 300;

/// Verifies the signature and returns the service of the credential scope.
pub(super) fn verify(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<String, Refusal> {
    let authorization = text(headers, "authorization");
    let Some(parts) = Parts::parse(&authorization) else {
        return refuse(
            "AuthFailure.InvalidAuthorization",
            "The Authorization header is not a TC3-HMAC-SHA256 credential.",
        );
    };
    let Ok(timestamp) = text(headers, "x-tc-timestamp").parse::<i64>() else {
        return refuse(
            "MissingParameter",
            "X-TC-Timestamp must be UNIX time in seconds.",
        );
    };
    if (now.as_second() - timestamp).abs() > WINDOW {
        return refuse(
            "AuthFailure.SignatureExpire",
            format!("X-TC-Timestamp {timestamp} is more than five minutes off."),
        );
    }
    if parts.id != SECRET_ID {
        return refuse(
            "AuthFailure.SecretIdNotFound",
            "The SecretId is not found; please check it.",
        );
    }
    let date = Timestamp::from_second(timestamp)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d").to_string());
    let signed: Vec<&str> = parts.signed.split(';').collect();
    if parts.date != date || !signed.contains(&"host") || !signed.contains(&"content-type") {
        return refuse(
            "AuthFailure.SignatureFailure",
            "The credential scope or the signed headers are wrong.",
        );
    }
    let expected = signature(&parts, &signed, timestamp, method, uri, headers, body);
    if expected != parts.signature {
        return refuse(
            "AuthFailure.SignatureFailure",
            "The provided credentials could not be validated; check the signature.",
        );
    }
    Ok(parts.service.to_owned())
}

struct Parts<'a> {
    id: &'a str,
    date: &'a str,
    service: &'a str,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let rest = header.strip_prefix("TC3-HMAC-SHA256")?.trim();
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for field in rest.split(',') {
            let (name, value) = field.trim().split_once('=')?;
            match name {
                "Credential" => credential = Some(value),
                "SignedHeaders" => signed = Some(value),
                "Signature" => signature = Some(value),
                _ => return None,
            }
        }
        let scope: Vec<&str> = credential?.split('/').collect();
        let [id, date, service, "tc3_request"] = scope[..] else {
            return None;
        };
        Some(Self {
            id,
            date,
            service,
            signed: signed?,
            signature: signature?,
        })
    }
}

fn signature(
    parts: &Parts<'_>,
    signed: &[&str],
    timestamp: i64,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> String {
    let mut canonical = format!(
        "{method}\n{}\n{}\n",
        uri.path(),
        uri.query().unwrap_or_default()
    );
    for name in signed {
        let value = text(headers, name);
        // Values are compared without their case and outer blanks, as the vendor's signers do.
        // Writing to a string cannot fail.
        let _ = writeln!(canonical, "{name}:{}", value.trim().to_lowercase());
    }
    let payload = if text(headers, "x-tc-content-sha256") == "UNSIGNED-PAYLOAD" {
        hex(&Sha256::digest(b"UNSIGNED-PAYLOAD"))
    } else {
        hex(&Sha256::digest(body))
    };
    let _ = write!(canonical, "\n{}\n{payload}", parts.signed);
    let scope = format!("{}/{}/tc3_request", parts.date, parts.service);
    let to_sign = format!(
        "TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let key = mac(format!("TC3{SECRET_KEY}").as_bytes(), parts.date);
    let key = mac(&key, parts.service);
    let key = mac(&key, "tc3_request");
    hex(&mac(&key, &to_sign))
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
