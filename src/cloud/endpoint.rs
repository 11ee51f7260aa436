//! The endpoint template: one URL with `{service}` and `{region}` to fill in.
//!
//! Must not live here: connections. Rule: plain HTTP only to loopback, or when asked for.

use reqwest::Url;

use super::error::CloudError;
use super::said;
use crate::domain::said::Said;
use crate::domain::text::{sanitise, without_user};

/// A checked template.
#[derive(Debug, Clone)]
pub struct Endpoint {
    template: String,
    plain: bool,
}

/// An endpoint as it may be written.
const EXAMPLE: &str = "https://{service}.tencentcloudapi.com";

impl Endpoint {
    /// Checks a template.
    ///
    /// # Errors
    /// [`CloudError::Endpoint`] if it is no URL, has credentials in it, or would send plain HTTP
    /// beyond loopback without `allow_plain`.
    pub fn parse(template: &str, allow_plain: bool) -> Result<Self, CloudError> {
        let endpoint = Self {
            template: template.trim().trim_end_matches('/').to_owned(),
            plain: false,
        };
        let url = endpoint.url("cvm", "ap-guangzhou")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(endpoint.error(said::endpoint_user()));
        }
        if url.query().is_some() || url.fragment().is_some() || url.path() != "/" {
            return Err(endpoint.error(said::endpoint_rest()));
        }
        match url.scheme() {
            "https" => Ok(endpoint),
            "http" if allow_plain || is_loopback(&url) => Ok(Self {
                plain: true,
                ..endpoint
            }),
            "http" => Err(endpoint.error(said::endpoint_plain())),
            _ => Err(endpoint.error(said::endpoint_scheme())),
        }
    }

    /// As it was given.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// True if it is plain HTTP.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// The URL for a service and region. Without a region (actions that take none) the label
    /// `{region}` falls away.
    pub fn url(&self, service: &str, region: &str) -> Result<Url, CloudError> {
        let label_safe = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !label_safe(service) || !label_safe(region) {
            return Err(self.error(said::endpoint_labels()));
        }
        let text = if region.is_empty() {
            self.template
                .replace("{region}.", "")
                .replace(".{region}", "")
        } else {
            self.template.replace("{region}", region)
        };
        let text = text.replace("{service}", service);
        if text.contains(['{', '}']) {
            return Err(self.error(said::endpoint_blanks("{service}", "{region}")));
        }
        let url =
            Url::parse(&text).map_err(|error| self.error(said::endpoint_no_url(error, EXAMPLE)))?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(self.error(said::endpoint_no_host(EXAMPLE)));
        }
        Ok(url)
    }

    fn error(&self, reason: Said) -> CloudError {
        // A password in the URL must not come back in the message.
        let endpoint = without_user(&self.template);
        CloudError::Endpoint {
            endpoint: sanitise(&endpoint, 200),
            reason: Box::new(reason),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(template: &str, service: &str, region: &str) -> String {
        Endpoint::parse(template, false)
            .and_then(|endpoint| endpoint.url(service, region))
            .map_or_else(|error| error.to_string(), |url| url.to_string())
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(
            url("https://{service}.tencentcloudapi.com", "vpc", "ap-seoul"),
            "https://vpc.tencentcloudapi.com/"
        );
        assert_eq!(
            url(
                "https://{service}.{region}.tencentcloudapi.com/",
                "cvm",
                "ap-seoul"
            ),
            "https://cvm.ap-seoul.tencentcloudapi.com/"
        );
        assert_eq!(
            url("https://{service}.{region}.tencentcloudapi.com", "sts", ""),
            "https://sts.tencentcloudapi.com/"
        );
        assert_eq!(
            url("http://127.0.0.1:8080", "cvm", "x"),
            "http://127.0.0.1:8080/"
        );
        assert_eq!(url("http://[::1]:8080", "cvm", "x"), "http://[::1]:8080/");
    }

    #[test]
    fn plain_http_stays_on_loopback_unless_asked_for() {
        assert!(Endpoint::parse("http://192.0.2.1", false).is_err());
        assert!(Endpoint::parse("http://localhost.example.com", false).is_err());
        assert!(
            Endpoint::parse("http://192.0.2.1", true)
                .expect("asked for")
                .is_plain()
        );
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_reason() {
        for bad in [
            "",
            "cvm.example.com",
            "ftp://x",
            "https://",
            "https://{zone}.x",
            "https://h/path",
            "https://h?x=1",
        ] {
            assert!(Endpoint::parse(bad, false).is_err(), "{bad}");
        }
        for with_user in ["https://user:hunter2@h", "https://user:a@hunter2@h"] {
            let message = url(with_user, "cvm", "");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
