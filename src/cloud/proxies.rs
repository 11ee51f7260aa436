//! Proxies as the environment names them.
//!
//! Must not live here: the connections that use them (`client`).

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

#[cfg(test)]
mod tests {
    use super::*;

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
