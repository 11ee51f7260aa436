//! Sends API calls: endpoint, TLS, proxies, time limits, size limits, clock, retry of reads.
//!
//! Writes are sent exactly once, whatever happens to the answer. Must not live here: the meaning
//! of any answer (`wire`, `facts`), where credentials are found (`credentials`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use reqwest::{Certificate, NoProxy, Proxy, Url};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::time::Instant;

use super::credentials::Provider;
use super::endpoint::Endpoint;
use super::error::{CloudError, NetworkFailure};
use super::sign::{self, Signable};
use super::tap::Tap;
use super::throttle::{Throttle, back_off};
use crate::domain::api_call::ApiCall;
use crate::domain::text::sanitise;

/// Code of an answer that is no API answer, but an HTTP refusal (404 and the like).
const HTTP_REFUSED: &str = "HttpRefused";

/// Differences of the clocks below this are taken for delay, not for skew.
const CREDIBLE_SKEW_SECONDS: i64 = 60;

/// Proxies by scheme, as the environment gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    pub https: Option<String>,
    pub http: Option<String>,
    /// Comma-separated names, domains and networks that are reached directly.
    pub none_for: String,
}

impl Proxies {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, upper or lower case, `ALL_PROXY` for both.
    ///
    /// `HTTP_PROXY` in upper case is ignored when `REQUEST_METHOD` is set: under CGI a client
    /// could set it.
    pub fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| {
            variable(&name.to_lowercase())
                .or_else(|| variable(name))
                .filter(|value| !value.trim().is_empty())
        };
        let all = get("ALL_PROXY");
        let http = if variable("REQUEST_METHOD").is_some() {
            variable("http_proxy")
        } else {
            get("HTTP_PROXY")
        };
        Self {
            https: get("HTTPS_PROXY").or_else(|| all.clone()),
            http: http.or(all),
            none_for: get("NO_PROXY").unwrap_or_default(),
        }
    }
}

/// What a client needs; `new` gives the defaults.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Endpoint template, for example `https://{service}.tencentcloudapi.com`.
    pub endpoint: String,
    pub credentials: Provider,
    /// PEM file with certificates trusted beside the system's.
    pub ca_bundle: Option<PathBuf>,
    /// Allow plain HTTP to an address that is not on loopback.
    pub insecure_endpoint: bool,
    pub proxies: Proxies,
    pub connect_timeout: Duration,
    /// For one request with its answer.
    pub timeout: Duration,
    /// No repetition of a read starts after this time.
    pub retry_for: Duration,
    /// Most attempts for one read.
    pub attempts: u32,
    pub max_answer_bytes: usize,
    /// `en-US` or `zh-CN`: language of the cloud's messages.
    pub language: String,
}

impl ClientConfig {
    pub fn new(endpoint: &str, credentials: Provider) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            credentials,
            ca_bundle: None,
            insecure_endpoint: false,
            proxies: Proxies::default(),
            connect_timeout: Duration::from_secs(4),
            timeout: Duration::from_secs(10),
            retry_for: Duration::from_secs(8),
            attempts: 4,
            max_answer_bytes: 16 * 1024 * 1024,
            language: "en-US".to_owned(),
        }
    }
}

/// A successful answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The object under `Response`.
    pub response: Value,
    pub request_id: String,
}

/// API client; clones share connections, rate limits and the clock's correction.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    /// Keeps what is answered to this clone.
    tap: Option<Tap>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    endpoint: Endpoint,
    config: ClientConfig,
    throttle: Throttle,
    /// Added to the local time when signing, seconds.
    clock_correction: AtomicI64,
    /// Last measured difference server minus local, seconds.
    clock_offset: AtomicI64,
    clock_measured: AtomicBool,
    /// Who gave the last answer; a proxy, where there is one.
    answered_by: Mutex<Option<SocketAddr>>,
}

/// One attempt's outcome with the server's clock.
struct Attempt {
    result: Result<Answer, CloudError>,
    server_offset: Option<i64>,
}

impl Client {
    /// Checks endpoint and certificates and prepares connections; sends nothing.
    pub fn new(config: ClientConfig) -> Result<Self, CloudError> {
        super::install_crypto();
        let endpoint = Endpoint::parse(&config.endpoint, config.insecure_endpoint)?;
        let http = build_http(&config, &endpoint)?;
        Ok(Self {
            shared: Arc::new(Shared {
                http,
                endpoint,
                config,
                throttle: Throttle::default(),
                clock_correction: AtomicI64::new(0),
                clock_offset: AtomicI64::new(0),
                clock_measured: AtomicBool::new(false),
                answered_by: Mutex::new(None),
            }),
            tap: None,
        })
    }

    /// A clone whose answers are kept in `tap`, too.
    #[must_use]
    pub fn tapped(&self, tap: &Tap) -> Self {
        Self {
            shared: self.shared.clone(),
            tap: Some(tap.clone()),
        }
    }

    /// Sends a call. Reads are repeated after throttling, faults of the cloud and of the network,
    /// within the documented rates; writes never are.
    ///
    /// # Errors
    /// See [`CloudError`]; for a write ask [`CloudError::outcome_unknown`].
    pub async fn call(&self, call: &ApiCall) -> Result<Answer, CloudError> {
        let result = self.call_untapped(call).await;
        if let Some(tap) = &self.tap {
            tap.keep(call, &result);
        }
        result
    }

    async fn call_untapped(&self, call: &ApiCall) -> Result<Answer, CloudError> {
        let read = is_read(&call.action);
        let started = Instant::now();
        let mut attempt = 0;
        let mut clock_corrected = false;
        loop {
            attempt += 1;
            self.shared.throttle.acquire(call).await;
            let outcome = self.attempt(call).await;
            if let Some(offset) = outcome.server_offset {
                self.shared.clock_offset.store(offset, Ordering::Relaxed);
                self.shared.clock_measured.store(true, Ordering::Relaxed);
            }
            let error = match outcome.result {
                Ok(answer) => {
                    let (action, region) = (call.permission(), &call.region);
                    let (id, ms) = (&answer.request_id, started.elapsed().as_millis());
                    tracing::debug!(%action, region, id, ms, attempt, "answered");
                    return Ok(answer);
                }
                Err(error) => explain_clock(error, outcome.server_offset),
            };
            if let CloudError::ClockSkew { offset_seconds, .. } = error {
                let used = self
                    .shared
                    .clock_correction
                    .swap(offset_seconds, Ordering::Relaxed);
                if read && !clock_corrected && used != offset_seconds {
                    tracing::warn!(%error, "signing with the server's time from now on");
                    clock_corrected = true;
                    continue;
                }
                return Err(error);
            }
            let pause = back_off(attempt);
            if matches!(error, CloudError::Throttled { .. }) {
                self.shared.throttle.hold_back(call, pause);
            }
            let patient = attempt < self.shared.config.attempts
                && started.elapsed() + pause < self.shared.config.retry_for;
            if !(read && error.is_transient() && patient) {
                tracing::info!(region = call.region, attempt, %error, "call failed");
                return Err(error);
            }
            tracing::debug!(action = %call.permission(), attempt, %error, "read is repeated");
            tokio::time::sleep(pause).await;
        }
    }

    /// Server time minus local time in seconds, from the last answer that carried a date.
    pub fn clock_offset(&self) -> Option<i64> {
        self.shared
            .clock_measured
            .load(Ordering::Relaxed)
            .then(|| self.shared.clock_offset.load(Ordering::Relaxed))
    }

    /// The address that gave the last answer: something that this machine can reach.
    pub fn answered_by(&self) -> Option<SocketAddr> {
        *self
            .shared
            .answered_by
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The endpoint template in use.
    pub fn endpoint(&self) -> &str {
        &self.shared.config.endpoint
    }

    /// Now by the cloud's clock as far as it is known.
    pub fn now(&self) -> Timestamp {
        let correction = self.shared.clock_correction.load(Ordering::Relaxed);
        Timestamp::now() + jiff::SignedDuration::from_secs(correction)
    }

    async fn attempt(&self, call: &ApiCall) -> Attempt {
        let failed = |result| Attempt {
            result: Err(result),
            server_offset: None,
        };
        let url = match self.shared.endpoint.url(&call.service, &call.region) {
            Ok(url) => url,
            Err(error) => return failed(error),
        };
        let request = match self.request(call, &url).await {
            Ok(request) => request,
            Err(error) => return failed(error),
        };
        let host = host_of(&url);
        let mut response = match self.shared.http.execute(request).await {
            Ok(response) => response,
            Err(error) => return failed(network_error(call, &host, &error)),
        };
        if let Some(address) = response.remote_addr() {
            let mut known = self
                .shared
                .answered_by
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *known = Some(address);
        }
        let server_offset = server_offset(response.headers());
        let status = response.status();
        let limit = self.shared.config.max_answer_bytes;
        let mut body = Vec::new();
        let result = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                    break Err(CloudError::BadAnswer {
                        action: call.permission(),
                        host,
                        reason: format!("it is longer than {limit} bytes"),
                    });
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break read_answer(call, &host, status.as_u16(), &body),
                Err(error) => break Err(network_error(call, &host, &error)),
            }
        };
        Attempt {
            result,
            server_offset,
        }
    }

    async fn request(&self, call: &ApiCall, url: &Url) -> Result<reqwest::Request, CloudError> {
        let credentials = self
            .shared
            .config
            .credentials
            .current()
            .await
            .map_err(|error| CloudError::Credentials(error.to_string()))?;
        let body = serde_json::to_vec(&call.parameters).map_err(|error| {
            CloudError::Setup(format!("the parameters of {}: {error}", call.action))
        })?;
        let timestamp = self.now().as_second();
        let host = host_of(url);
        let authorization = Signable {
            method: "POST",
            query: "",
            headers: &[("content-type", sign::CONTENT_TYPE), ("host", &host)],
            body: &body,
            service: &call.service,
            timestamp,
        }
        .authorization(
            &credentials.secret_id,
            credentials.secret_key.expose_secret(),
        );
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(sign::CONTENT_TYPE));
        headers.insert(AUTHORIZATION, secret_header(&authorization)?);
        headers.insert("x-tc-action", plain_header(&call.action)?);
        headers.insert("x-tc-version", plain_header(&call.version)?);
        headers.insert("x-tc-timestamp", HeaderValue::from(timestamp));
        headers.insert("x-tc-language", plain_header(&self.shared.config.language)?);
        if !call.region.is_empty() {
            headers.insert("x-tc-region", plain_header(&call.region)?);
        }
        if let Some(token) = &credentials.token {
            headers.insert("x-tc-token", secret_header(token.expose_secret())?);
        }
        self.shared
            .http
            .post(url.clone())
            .headers(headers)
            .body(body)
            .build()
            .map_err(|error| CloudError::Setup(format!("the request: {}", error.without_url())))
    }
}

/// Turns a refusal for the time stamp into one that says how far the clocks are apart, where
/// the server's date shows that they are.
fn explain_clock(error: CloudError, offset: Option<i64>) -> CloudError {
    match (&error, offset) {
        (
            CloudError::Authentication {
                action,
                code,
                request_id,
                ..
            },
            Some(offset_seconds),
        ) if code == "AuthFailure.SignatureExpire"
            && offset_seconds.abs() > CREDIBLE_SKEW_SECONDS =>
        {
            CloudError::ClockSkew {
                action: action.clone(),
                offset_seconds,
                request_id: request_id.clone(),
            }
        }
        _ => error,
    }
}

/// True for actions that change nothing, by the vendor's naming.
pub fn is_read(action: &str) -> bool {
    ["Describe", "Get", "Inquiry", "List", "Lookup", "LookUp"]
        .iter()
        .any(|prefix| action.starts_with(prefix))
}

fn build_http(config: &ClientConfig, endpoint: &Endpoint) -> Result<reqwest::Client, CloudError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("cvmtop/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.connect_timeout)
        .timeout(config.timeout)
        .redirect(reqwest::redirect::Policy::none())
        // No repetition below us: a write must not be sent twice by the transport.
        .retry(reqwest::retry::never())
        .no_proxy();
    // Loopback is never behind a proxy.
    let direct = format!("localhost,127.0.0.0/8,::1,{}", config.proxies.none_for);
    for (scheme, proxy) in [
        ("https", &config.proxies.https),
        ("http", &config.proxies.http),
    ] {
        let Some(address) = proxy else { continue };
        let proxy = if scheme == "https" {
            Proxy::https(address)
        } else {
            Proxy::http(address)
        };
        let proxy = proxy.map_err(|_| {
            CloudError::Setup(format!(
                "the proxy for {scheme} is not a URL; correct {}_PROXY",
                scheme.to_uppercase()
            ))
        })?;
        builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(&direct)));
    }
    if let Some(path) = &config.ca_bundle {
        builder = builder.tls_certs_merge(read_bundle(path)?);
    } else if endpoint.is_plain() {
        // Nothing will be verified, so the system's certificates need not be read.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        CloudError::Setup(format!(
            "TLS: {}; install the system's CA certificates or set cloud.ca_bundle",
            chain(&error)
        ))
    })
}

fn read_bundle(path: &Path) -> Result<Vec<Certificate>, CloudError> {
    let fail =
        |reason: String| CloudError::Setup(format!("CA bundle {}: {reason}", path.display()));
    let pem =
        std::fs::read(path).map_err(|error| fail(format!("{error}; check cloud.ca_bundle")))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| {
        fail(format!(
            "not a list of PEM certificates ({})",
            chain(&error)
        ))
    })?;
    if certificates.is_empty() {
        return Err(fail("holds no PEM certificate".to_owned()));
    }
    Ok(certificates)
}

/// `Host` as it is sent: with the port where it is not the scheme's own.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn plain_header(value: &str) -> Result<HeaderValue, CloudError> {
    HeaderValue::from_str(value).map_err(|_| {
        CloudError::Setup(format!(
            "`{}` cannot be sent in a header",
            sanitise(value, 60)
        ))
    })
}

fn secret_header(value: &str) -> Result<HeaderValue, CloudError> {
    let mut header = HeaderValue::from_str(value).map_err(|_| {
        CloudError::Setup(
            "the secret id or token holds characters that no header can carry; check the credentials"
                .to_owned(),
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// Server date minus local time in seconds.
fn server_offset(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let server = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(server.as_second() - Timestamp::now().as_second())
}

/// Reads the body of an answer with its HTTP status.
///
/// # Errors
/// What the cloud refused, or why the body is not an answer.
pub fn read_answer(
    call: &ApiCall,
    host: &str,
    status: u16,
    body: &[u8],
) -> Result<Answer, CloudError> {
    let action = call.permission();
    let bad = |reason: String| CloudError::BadAnswer {
        action: action.clone(),
        host: host.to_owned(),
        reason,
    };
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    let response = match parsed {
        Ok(mut value) => value.get_mut("Response").map(Value::take),
        Err(error) => {
            return Err(match status {
                429 => CloudError::from_code(&action, "RequestLimitExceeded", "HTTP 429", ""),
                500..=599 => CloudError::from_code(
                    &action,
                    "InternalError",
                    &format!("HTTP status {status}"),
                    "",
                ),
                200 => bad(format!("invalid JSON ({error})")),
                // Whoever answers does not serve this action; asking again changes nothing.
                refused @ 400..=499 if refused != 408 => CloudError::from_code(
                    &action,
                    HTTP_REFUSED,
                    &format!("HTTP status {refused} from {host}; check the endpoint"),
                    "",
                ),
                other => bad(format!("HTTP status {other}")),
            });
        }
    };
    let Some(response) = response.filter(Value::is_object) else {
        return Err(if (500..600).contains(&status) {
            CloudError::from_code(&action, "InternalError", "HTTP status", "")
        } else {
            bad(format!("no `Response` object (HTTP status {status})"))
        });
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let request_id = sanitise(&text(response.get("RequestId")), 100);
    match response.get("Error").filter(|error| !error.is_null()) {
        Some(error) => Err(CloudError::from_code(
            &action,
            &text(error.get("Code")),
            &text(error.get("Message")),
            &request_id,
        )),
        None => Ok(Answer {
            response,
            request_id,
        }),
    }
}

fn network_error(call: &ApiCall, host: &str, error: &reqwest::Error) -> CloudError {
    let (failure, reason) = if error.is_dns() {
        (
            NetworkFailure::Name,
            format!("the name does not resolve ({})", chain(error)),
        )
    } else if error.is_connect() {
        let what = if error.is_timeout() {
            "no connection in time"
        } else {
            "no connection"
        };
        (
            NetworkFailure::Connect,
            format!("{what} ({})", chain(error)),
        )
    } else if error.is_timeout() {
        (NetworkFailure::Timeout, "no answer in time".to_owned())
    } else {
        (
            NetworkFailure::Broken,
            format!("the connection broke ({})", chain(error)),
        )
    };
    CloudError::Network {
        action: call.permission(),
        host: host.to_owned(),
        failure,
        reason,
    }
}

/// The innermost reason of an error: the outer ones only say that a request failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    sanitise(&innermost.to_string(), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_are_repeated() {
        for action in [
            "DescribeInstances",
            "GetMonitorData",
            "InquiryPriceResetInstances",
            "LookUpEvents",
        ] {
            assert!(is_read(action), "{action}");
        }
        for action in [
            "RebootInstances",
            "CreateSecurityGroupPolicies",
            "RunCommand",
            "ResetInstancesPassword",
        ] {
            assert!(!is_read(action), "{action}");
        }
    }

    #[test]
    fn proxies_come_from_the_environment() {
        let lookup = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://upper:1".to_owned()),
            "https_proxy" => Some("http://lower:1".to_owned()),
            "HTTP_PROXY" => Some("http://plain:1".to_owned()),
            "NO_PROXY" => Some("internal".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_environment(&lookup);
        assert_eq!(proxies.https.as_deref(), Some("http://lower:1"));
        assert_eq!(proxies.http.as_deref(), Some("http://plain:1"));
        assert_eq!(proxies.none_for, "internal");
        let cgi = |name: &str| match name {
            "REQUEST_METHOD" => Some("GET".to_owned()),
            other => lookup(other),
        };
        assert_eq!(Proxies::from_environment(&cgi).http, None);
    }
}
