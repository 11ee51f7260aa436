//! Temporary credentials of the CVM role, from the metadata service of the machine we run on.
//!
//! `GET <base>/latest/meta-data/cam/security-credentials/` names the role; with the role's name
//! appended it gives the keys. Must not live here: other metadata.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{Credentials, CredentialsError};
use crate::cloud::said;
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Resolves only inside the cloud.
pub const DEFAULT_METADATA: &str = "http://metadata.tencentyun.com";
const ROLE_PATH: &str = "latest/meta-data/cam/security-credentials/";
/// Renewed this long before they expire.
const RENEW_BEFORE_SECONDS: i64 = 300;
const MAX_ANSWER: usize = 64 * 1024;

/// Keys and the second at which they expire, from the metadata service's answer.
pub fn read_answer(text: &str) -> Result<(Credentials, i64), CredentialsError> {
    let answer: RoleAnswer =
        serde_json::from_str(text).map_err(|_| CredentialsError::Role(said::cred_role_unread()))?;
    match (answer.code.as_str(), answer.tmp_secret_key) {
        ("Success", Some(secret_key)) if !answer.tmp_secret_id.is_empty() => Ok((
            Credentials {
                secret_id: answer.tmp_secret_id,
                secret_key,
                token: answer.token,
            },
            answer.expired_time,
        )),
        (code, _) => Err(CredentialsError::Role(said::cred_role_answered(sanitise(
            code, 60,
        )))),
    }
}

/// The role, with its current keys. Clones share them.
#[derive(Debug, Clone)]
pub struct Role {
    base: String,
    timeout: Duration,
    cached: Arc<Mutex<Option<Cached>>>,
}

#[derive(Debug)]
struct Cached {
    credentials: Credentials,
    expires_at: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleAnswer {
    #[serde(default)]
    code: String,
    #[serde(default)]
    tmp_secret_id: String,
    tmp_secret_key: Option<SecretString>,
    token: Option<SecretString>,
    #[serde(default)]
    expired_time: i64,
}

impl Role {
    /// `base` is the metadata service's URL; `timeout` holds for each of the two requests.
    pub fn new(base: &str, timeout: Duration) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            timeout,
            cached: Arc::new(Mutex::new(None)),
        }
    }

    /// Valid keys; asks the service when there are none or they expire soon. If it does not
    /// answer, keys that are still valid are used on.
    pub async fn current(&self) -> Result<Credentials, CredentialsError> {
        let mut cached = self.cached.lock().await;
        let now = Timestamp::now().as_second();
        if let Some(known) = &*cached
            && known.expires_at - now > RENEW_BEFORE_SECONDS
        {
            return Ok(known.credentials.clone());
        }
        match self.fetch().await {
            Ok(fresh) => Ok(cached.insert(fresh).credentials.clone()),
            Err(error) => match &*cached {
                Some(known) if known.expires_at > now => {
                    tracing::warn!(%error, "role credentials could not be renewed yet");
                    Ok(known.credentials.clone())
                }
                _ => Err(error),
            },
        }
    }

    async fn fetch(&self) -> Result<Cached, CredentialsError> {
        crate::cloud::install_crypto();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .connect_timeout(self.timeout)
            .timeout(self.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| CredentialsError::Role(Said::raw(error)))?;
        let name = self.get(&http, "").await?;
        let name = name.lines().next().unwrap_or_default().trim();
        if name.is_empty() || name.contains(['/', '?', '#', '<']) {
            return Err(CredentialsError::Role(said::cred_role_none()));
        }
        let answer = self.get(&http, name).await?;
        let (credentials, expires_at) = read_answer(&answer)?;
        Ok(Cached {
            credentials,
            expires_at,
        })
    }

    async fn get(&self, http: &reqwest::Client, name: &str) -> Result<String, CredentialsError> {
        let fail = |error: reqwest::Error| {
            let what = if error.is_timeout() {
                said::cred_role_late()
            } else {
                said::cred_role_unreached()
            };
            CredentialsError::Role(what)
        };
        let url = format!("{}/{ROLE_PATH}{name}", self.base);
        let mut response = http.get(&url).send().await.map_err(fail)?;
        if !response.status().is_success() {
            return Err(CredentialsError::Role(said::cred_role_status(
                response.status().as_u16(),
            )));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fail)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err(CredentialsError::Role(said::cred_role_long()));
            }
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}
