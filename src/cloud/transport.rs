//! The HTTP client below the API client: TLS, proxies, time limits.
//!
//! Must not live here: what is sent (`client`).

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, NoProxy, Proxy};

use super::client::ClientConfig;
use super::endpoint::Endpoint;
use super::error::CloudError;
use super::said;
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// An unused connection is closed after this time: each keeps the room of its largest answer, some
/// hundred kilobytes, and a wave of looks leaves dozens behind.
const UNUSED: Duration = Duration::from_secs(20);

/// Prepares connections; nothing is sent.
pub(super) fn build_http(
    config: &ClientConfig,
    endpoints: &[Endpoint],
) -> Result<reqwest::Client, CloudError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("cvmtop/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(UNUSED)
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
            let variable = format!("{}_PROXY", scheme.to_uppercase());
            CloudError::Setup(said::setup_proxy(scheme, variable))
        })?;
        builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(&direct)));
    }
    if let Some(path) = &config.ca_bundle {
        builder = builder.tls_certs_merge(read_bundle(path)?);
    } else if endpoints.iter().all(Endpoint::is_plain) {
        // Nothing will be verified, so the system's certificates need not be read.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| CloudError::Setup(said::setup_tls(chain(&error))))
}

fn read_bundle(path: &Path) -> Result<Vec<Certificate>, CloudError> {
    let fail = |why: Said| CloudError::Setup(said::setup_bundle(path.display(), why));
    let pem = std::fs::read(path).map_err(|error| fail(said::bundle_unread(error)))?;
    let certificates = Certificate::from_pem_bundle(&pem)
        .map_err(|error| fail(said::bundle_no_pem(chain(&error))))?;
    if certificates.is_empty() {
        return Err(fail(said::bundle_empty()));
    }
    Ok(certificates)
}

/// The innermost reason of an error: the outer ones only say that a request failed.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    sanitise(&innermost.to_string(), 200)
}
