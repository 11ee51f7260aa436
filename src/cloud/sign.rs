//! Signature TC3-HMAC-SHA256 of API 3.0.
//!
//! Pure: the same functions sign a request in the client and check one in the embedded cloud.
//! Must not live here: transport, credentials' origin, the clock.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};

/// Name of the algorithm, first word of the `Authorization` header.
pub const ALGORITHM: &str = "TC3-HMAC-SHA256";
/// The content type of every request of ours; the signed value must be the sent one byte for byte.
pub const CONTENT_TYPE: &str = "application/json";
const TERMINATOR: &str = "tc3_request";

/// A request as it is signed. `headers` are the signed ones, names in lower case and sorted.
#[derive(Debug, Clone, Copy)]
pub struct Signable<'a> {
    /// `POST` or `GET`.
    pub method: &'a str,
    /// Query string without `?`; empty for POST.
    pub query: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    /// Service of the credential scope, for example `cvm`.
    pub service: &'a str,
    /// Value of `X-TC-Timestamp`, UNIX seconds.
    pub timestamp: i64,
}

impl Signable<'_> {
    /// Names of the signed headers, joined by `;`.
    pub fn signed_headers(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        names.join(";")
    }

    /// Step 1: the canonical request. The path is always `/`.
    pub fn canonical_request(&self) -> String {
        let mut headers = String::new();
        for (name, value) in self.headers {
            headers.push_str(name);
            headers.push(':');
            // The signed form of a header value is trimmed and in lower case.
            headers.push_str(&value.trim().to_lowercase());
            headers.push('\n');
        }
        format!(
            "{}\n/\n{}\n{}\n{}\n{}",
            self.method,
            self.query,
            headers,
            self.signed_headers(),
            hex(&Sha256::digest(self.body)),
        )
    }

    /// `<UTC date>/<service>/tc3_request`.
    pub fn scope(&self) -> String {
        format!("{}/{}/{TERMINATOR}", utc_date(self.timestamp), self.service)
    }

    /// Step 2: the string to sign.
    pub fn string_to_sign(&self) -> String {
        format!(
            "{ALGORITHM}\n{}\n{}\n{}",
            self.timestamp,
            self.scope(),
            hex(&Sha256::digest(self.canonical_request().as_bytes())),
        )
    }

    /// Step 3: the signature in lower-case hexadecimal.
    pub fn signature(&self, secret_key: &str) -> String {
        let first_key = Zeroizing::new(format!("TC3{secret_key}"));
        let date = hmac(first_key.as_bytes(), utc_date(self.timestamp).as_bytes());
        let service = hmac(&date, self.service.as_bytes());
        let signing = hmac(&service, TERMINATOR.as_bytes());
        hex(&hmac(&signing, self.string_to_sign().as_bytes()))
    }

    /// Step 4: the value of the `Authorization` header.
    pub fn authorization(&self, secret_id: &str, secret_key: &str) -> String {
        format!(
            "{ALGORITHM} Credential={secret_id}/{}, SignedHeaders={}, Signature={}",
            self.scope(),
            self.signed_headers(),
            self.signature(secret_key),
        )
    }
}

/// The parts of an `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    pub secret_id: String,
    /// UTC date of the scope, `YYYY-MM-DD`.
    pub date: String,
    pub service: String,
    pub signed_headers: Vec<String>,
    pub signature: String,
}

impl Authorization {
    /// Reads a header value; `None` if it has not the form of this algorithm.
    pub fn parse(header: &str) -> Option<Self> {
        let rest = header.trim().strip_prefix(ALGORITHM)?;
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',') {
            match part.trim().split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("SignedHeaders", value) => signed = Some(value),
                ("Signature", value) => signature = Some(value),
                _ => return None,
            }
        }
        let mut scope = credential?.split('/');
        let (id, date, service, end) = (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        if end != TERMINATOR || scope.next().is_some() {
            return None;
        }
        Some(Self {
            secret_id: id.to_owned(),
            date: date.to_owned(),
            service: service.to_owned(),
            signed_headers: signed?.split(';').map(str::to_owned).collect(),
            signature: signature?.to_owned(),
        })
    }
}

/// `YYYY-MM-DD` in UTC of a UNIX time; the epoch for times outside the calendar.
pub fn utc_date(timestamp: i64) -> String {
    Timestamp::from_second(timestamp)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d")
        .to_string()
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the public API manual (its key is 32 asterisks).
    fn example() -> Signable<'static> {
        Signable {
            method: "POST",
            query: "",
            headers: &[
                ("content-type", "application/json; charset=utf-8"),
                ("host", "cvm.tencentcloudapi.com"),
                ("x-tc-action", "describeinstances"),
            ],
            body: br#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#,
            service: "cvm",
            timestamp: 1_551_113_065,
        }
    }

    #[test]
    fn the_manuals_example_comes_out() {
        assert!(
            example()
                .canonical_request()
                .ends_with("\n35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064")
        );
        assert_eq!(
            example().signature("********************************"),
            "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
        );
    }

    #[test]
    fn a_header_is_read_back_into_its_parts() {
        let header = example().authorization("AKID", "key");
        let parts = Authorization::parse(&header).expect("well formed");
        assert_eq!(parts.secret_id, "AKID");
        assert_eq!(
            (parts.date.as_str(), parts.service.as_str()),
            ("2019-02-25", "cvm")
        );
        assert_eq!(
            parts.signed_headers,
            ["content-type", "host", "x-tc-action"]
        );
        assert_eq!(parts.signature, example().signature("key"));
        assert_eq!(Authorization::parse("Basic YTpi"), None);
        assert_eq!(
            Authorization::parse("TC3-HMAC-SHA256 Credential=a/b/c"),
            None
        );
    }

    #[test]
    fn the_date_of_the_scope_is_utc() {
        assert_eq!(utc_date(1_551_139_199), "2019-02-25");
        assert_eq!(utc_date(1_551_139_200), "2019-02-26");
    }
}
