//! Sends API calls: endpoint, TLS, proxies, time limits, size limits, clock, retry of reads.
//!
//! Writes are sent exactly once, whatever happens to the answer. Must not live here: the meaning
//! of any answer (`wire`, `facts`), where credentials are found (`credentials`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::time::Instant;

use super::answer::network_error;
pub use super::answer::read_answer;
use super::calls::{Call, Calls};
use super::credentials::Provider;
use super::endpoint::Endpoint;
use super::error::{CloudError, NetworkFailure};
use super::pool::Pool;
pub use super::proxies::Proxies;
use super::said;
use super::served::served_within;
use super::sign::{self, Signable};
use super::tap::Tap;
use super::throttle::{Throttle, back_off};
use super::transport::build_http;
use crate::domain::api_call::ApiCall;
use crate::domain::site::Site;
use crate::domain::text::sanitise;

/// Differences of the clocks below this are taken for delay, not for skew.
const CREDIBLE_SKEW_SECONDS: i64 = 60;

/// What a client needs; `new` gives the defaults.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Endpoint template, for example `https://{service}.tencentcloudapi.com`.
    pub endpoint: String,
    /// Asked instead, from then on, when the first endpoint does not know the secret id: keys
    /// belong to one of the vendor's two sites.
    pub other_endpoint: Option<String>,
    /// The vendor's site, where the settings name it.
    pub site: Option<Site>,
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
            other_endpoint: None,
            site: None,
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
    /// Time for one call of this clone, on the wire and between repetitions.
    patience: Option<Duration>,
    /// Shares the reads of this clone with those of others.
    pool: Option<Pool>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    /// The one that is asked, and the one to ask when it does not know the secret id.
    endpoints: Vec<Endpoint>,
    /// Place of the one in use.
    endpoint_in_use: AtomicUsize,
    config: ClientConfig,
    throttle: Throttle,
    /// Added to the local time when signing, seconds.
    clock_correction: AtomicI64,
    /// Last measured difference server minus local, seconds.
    clock_offset: AtomicI64,
    clock_measured: AtomicBool,
    calls: Calls,
    /// Requests that left, by `service:Action`.
    sent: Mutex<BTreeMap<String, usize>>,
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
        let templates = [Some(&config.endpoint), config.other_endpoint.as_ref()];
        let endpoints = templates
            .into_iter()
            .flatten()
            .map(|template| Endpoint::parse(template, config.insecure_endpoint))
            .collect::<Result<Vec<_>, _>>()?;
        let http = build_http(&config, &endpoints)?;
        Ok(Self {
            shared: Arc::new(Shared {
                http,
                endpoints,
                endpoint_in_use: AtomicUsize::new(0),
                config,
                throttle: Throttle::default(),
                clock_correction: AtomicI64::new(0),
                clock_offset: AtomicI64::new(0),
                clock_measured: AtomicBool::new(false),
                calls: Calls::default(),
                sent: Mutex::default(),
                answered_by: Mutex::new(None),
            }),
            tap: None,
            patience: None,
            pool: None,
        })
    }

    /// A clone whose answers are kept in `tap`, too.
    #[must_use]
    pub fn tapped(&self, tap: &Tap) -> Self {
        Self {
            tap: Some(tap.clone()),
            ..self.clone()
        }
    }

    /// A clone that gives up a call after `limit`, counted from when its request leaves: waiting
    /// for the documented rate is no silence of the cloud.
    #[must_use]
    pub fn patient(&self, limit: Duration) -> Self {
        Self {
            patience: Some(limit),
            ..self.clone()
        }
    }

    /// A clone that shares its reads with the others of `pool`.
    #[must_use]
    pub fn pooled(&self, pool: &Pool) -> Self {
        Self {
            pool: Some(pool.clone()),
            ..self.clone()
        }
    }

    /// Sends a call. Reads are repeated after throttling, faults of the cloud and of the network,
    /// within the documented rates; writes never are.
    ///
    /// # Errors
    /// See [`CloudError`]; for a write ask [`CloudError::outcome_unknown`].
    pub async fn call(&self, call: &ApiCall) -> Result<Answer, CloudError> {
        let result = match &self.pool {
            Some(pool) if call.is_read() => pool.read(self, call).await,
            _ => self.send(call).await,
        };
        if let Some(tap) = &self.tap {
            tap.keep(call, &result);
        }
        result
    }

    /// Sends a call for itself, kept by nobody.
    pub(super) async fn send(&self, call: &ApiCall) -> Result<Answer, CloudError> {
        let read = call.is_read();
        let started = Instant::now();
        // On the wire and between repetitions; waiting for the rate is not in it.
        let mut spent = Duration::ZERO;
        let mut attempt = 0;
        let mut clock_corrected = false;
        loop {
            attempt += 1;
            self.shared.throttle.acquire(call).await;
            let left = Instant::now();
            let endpoint = self.shared.endpoint_in_use.load(Ordering::Relaxed);
            let outcome = self.attempt_within(call, spent, endpoint).await;
            spent += left.elapsed();
            self.shared
                .calls
                .keep(call, left.elapsed(), &outcome.result);
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
            if read && self.shared.other_site_may_know(&error, endpoint) {
                tracing::warn!(%error, endpoint = self.endpoint(), "asking the other site from now on");
                attempt -= 1;
                continue;
            }
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
            let retry_for = self.shared.config.retry_for;
            let patient = attempt < self.shared.config.attempts
                && spent + pause < self.patience.unwrap_or(retry_for).min(retry_for);
            if !(read && error.is_transient() && patient) {
                tracing::info!(region = call.region, attempt, %error, "call failed");
                return Err(error);
            }
            tracing::debug!(action = %call.permission(), attempt, %error, "read is repeated");
            tokio::time::sleep(pause).await;
            spent += pause;
        }
    }

    /// One attempt within what is left of this clone's patience.
    async fn attempt_within(&self, call: &ApiCall, spent: Duration, endpoint: usize) -> Attempt {
        *self.counts().entry(call.permission()).or_default() += 1;
        let Some(limit) = self.patience else {
            return self.attempt(call, endpoint).await;
        };
        let attempt = self.attempt(call, endpoint);
        let left = limit.saturating_sub(spent);
        let timed_out = || Attempt {
            result: Err(CloudError::Network {
                action: call.permission(),
                host: "the cloud".to_owned(),
                failure: NetworkFailure::Timeout,
                reason: Box::new(said::net_late_by(limit.as_secs())),
            }),
            server_offset: None,
        };
        served_within(left, attempt).await.unwrap_or_else(timed_out)
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

    /// The last requests that left, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.all()
    }

    /// Requests that left so far, repetitions included, by `service:Action`.
    pub fn sent(&self) -> BTreeMap<String, usize> {
        self.counts().clone()
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        let sent = self.shared.sent.lock();
        sent.unwrap_or_else(PoisonError::into_inner)
    }

    /// The endpoint template in use.
    pub fn endpoint(&self) -> &str {
        self.shared.endpoints[self.shared.endpoint_in_use.load(Ordering::Relaxed)].template()
    }

    /// True if the keys are those of the other site than the one that was asked first.
    pub fn moved_to_other_site(&self) -> bool {
        self.shared.endpoint_in_use.load(Ordering::Relaxed) > 0
    }

    /// The vendor's site that is asked: by the settings, else by the endpoint's name.
    pub fn site(&self) -> Option<Site> {
        let set = self.shared.config.site;
        set.or_else(|| Site::of_endpoint(self.endpoint()))
    }

    /// Now by the cloud's clock as far as it is known.
    pub fn now(&self) -> Timestamp {
        let correction = self.shared.clock_correction.load(Ordering::Relaxed);
        Timestamp::now() + jiff::SignedDuration::from_secs(correction)
    }

    async fn attempt(&self, call: &ApiCall, endpoint: usize) -> Attempt {
        let failed = |result| Attempt {
            result: Err(result),
            server_offset: None,
        };
        let url = match self.shared.endpoints[endpoint].url(&call.service, &call.region) {
            Ok(url) => url,
            Err(error) => return failed(error),
        };
        let request = match self.request(call, &url).await {
            Ok(request) => request,
            Err(error) => return failed(error),
        };
        let host = host_of(&url);
        // Boxed: the time limit would otherwise carry it in every future above.
        let exchange = Box::pin(self.exchange(call, request, host.clone()));
        let answered = served_within(self.shared.config.timeout, exchange).await;
        answered.unwrap_or_else(|| {
            failed(CloudError::Network {
                action: call.permission(),
                host,
                failure: NetworkFailure::Timeout,
                reason: Box::new(said::net_late()),
            })
        })
    }

    /// Sends a request and takes the whole answer.
    async fn exchange(&self, call: &ApiCall, request: reqwest::Request, host: String) -> Attempt {
        let mut response = match self.shared.http.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                return Attempt {
                    result: Err(network_error(call, &host, &error)),
                    server_offset: None,
                };
            }
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
                        reason: Box::new(said::net_too_long(limit)),
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
            .map_err(|error| CloudError::Credentials(error.said()))?;
        let body = serde_json::to_vec(&call.parameters)
            .map_err(|error| CloudError::Setup(said::setup_parameters(&call.action, error)))?;
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
            .map_err(|error| CloudError::Setup(said::setup_request(error.without_url())))
    }
}

impl Shared {
    /// True if the endpoint at `place` does not know the secret id and another one, which is asked
    /// from now on, may.
    fn other_site_may_know(&self, error: &CloudError, place: usize) -> bool {
        const UNKNOWN: [&str; 2] = [
            "AuthFailure.SecretIdNotFound",
            "AuthFailure.InvalidSecretId",
        ];
        let unknown = error.code().is_some_and(|code| UNKNOWN.contains(&code));
        if !unknown || place + 1 >= self.endpoints.len() {
            return false;
        }
        self.endpoint_in_use.store(place + 1, Ordering::Relaxed);
        true
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

/// `Host` as it is sent: with the port where it is not the scheme's own.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn plain_header(value: &str) -> Result<HeaderValue, CloudError> {
    HeaderValue::from_str(value)
        .map_err(|_| CloudError::Setup(said::setup_header(sanitise(value, 60))))
}

fn secret_header(value: &str) -> Result<HeaderValue, CloudError> {
    let mut header =
        HeaderValue::from_str(value).map_err(|_| CloudError::Setup(said::setup_secret()))?;
    header.set_sensitive(true);
    Ok(header)
}

/// Server date minus local time in seconds.
fn server_offset(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let server = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(server.as_second() - Timestamp::now().as_second())
}
