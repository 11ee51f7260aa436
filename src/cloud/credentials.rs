//! Where credentials come from, in a fixed order, and temporary ones kept fresh.
//!
//! Order: named profile, environment, the official command line's profile files, the SDK's
//! credentials file, the CVM role. Nothing here writes a secret anywhere.
//! Must not live here: settings (handed in), signing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use thiserror::Error;

use super::said;
use crate::domain::said::{Joint, List, Said};
use crate::domain::site::Site;
use crate::domain::text::{sanitise, without_user};

pub use role::{DEFAULT_METADATA, Role, read_answer as read_role_answer};

mod role;

/// Longest credential file that is read.
const MAX_FILE: u64 = 64 * 1024;

/// One set of keys.
#[derive(Clone)]
pub struct Credentials {
    pub secret_id: String,
    pub secret_key: SecretString,
    /// Set for temporary credentials.
    pub token: Option<SecretString>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("secret_id", &masked(&self.secret_id))
            .field("temporary", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

impl Credentials {
    pub fn new(secret_id: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self {
            secret_id: secret_id.into(),
            secret_key: SecretString::from(secret_key.into()),
            token: None,
        }
    }

    #[must_use]
    pub fn with_token(mut self, token: Option<String>) -> Self {
        self.token = token
            .filter(|token| !token.is_empty())
            .map(SecretString::from);
        self
    }
}

/// A secret id as it may be shown: enough to recognise it, not enough to use it.
pub fn masked(secret_id: &str) -> String {
    let shown: String = secret_id.chars().take(8).collect();
    if shown.len() < secret_id.len() {
        format!("{}…", sanitise(&shown, 8))
    } else {
        "…".to_owned()
    }
}

/// Gives the keys for each request.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Keys that do not change.
    Static(Credentials),
    /// The CVM role of the machine we run on; renewed before it expires.
    Role(Role),
}

impl Provider {
    /// Keys that are valid now.
    ///
    /// # Errors
    /// Only for a role: the metadata service does not answer or refuses.
    pub async fn current(&self) -> Result<Credentials, CredentialsError> {
        match self {
            Self::Static(credentials) => Ok(credentials.clone()),
            Self::Role(role) => role.current().await,
        }
    }
}

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", self.said())]
pub enum CredentialsError {
    NoneFound {
        looked_for: Vec<Said>,
    },
    Profile {
        profile: String,
        /// The file, or what else is meant.
        what: Box<Said>,
        reason: Box<Said>,
    },
    Unusable {
        origin: Box<Said>,
        reason: Box<Said>,
    },
    Role(Said),
}

impl CredentialsError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::NoneFound { looked_for } => {
                said::cred_none(List::said(Joint::Commas, looked_for.iter().cloned()))
            }
            Self::Profile {
                profile,
                what,
                reason,
            } => said::cred_profile(profile, &**what, &**reason, profile),
            Self::Unusable { origin, reason } => said::cred_unusable(&**origin, &**reason),
            Self::Role(why) => said::cred_role(why),
        }
    }
}

/// What to look through. Everything from outside comes in here, so that tests can hand in theirs.
pub struct Search<'a> {
    /// Looks up an environment variable.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    pub home: Option<PathBuf>,
    /// `--profile`: if set, only this profile counts.
    pub profile_flag: Option<String>,
    /// The profile where none is forced: what the settings name, else the default one.
    pub profile: String,
    /// Names of the variables with id and key, where the config names others.
    pub secret_id_variable: Option<String>,
    pub secret_key_variable: Option<String>,
    /// Ask the metadata service at all.
    pub use_role: bool,
    /// Base URL of the metadata service.
    pub metadata: String,
    pub system_file: PathBuf,
}

impl<'a> Search<'a> {
    /// The usual places.
    pub fn new(
        variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
        home: Option<PathBuf>,
    ) -> Self {
        Self {
            variable,
            home,
            profile_flag: None,
            profile: "default".to_owned(),
            secret_id_variable: None,
            secret_key_variable: None,
            use_role: true,
            metadata: DEFAULT_METADATA.to_owned(),
            system_file: PathBuf::from("/etc/tencentcloud/credentials"),
        }
    }
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").finish_non_exhaustive()
    }
}

/// Credentials with where they came from.
#[derive(Debug, Clone)]
pub struct Found {
    pub provider: Provider,
    /// For people: `environment (TENCENTCLOUD_SECRET_ID)`, `/home/x/.tccli/default.credential`.
    pub origin: Said,
    /// Region that the same source names.
    pub region: Option<String>,
    /// The vendor's site, where the same source names an endpoint of it.
    pub site: Option<Site>,
    /// For example a file that others can read.
    pub warnings: Vec<Said>,
}

/// Looks for credentials in the documented order.
///
/// # Errors
/// [`CredentialsError`]: none found (with what was looked for), or a source that exists but
/// cannot be used.
pub async fn find(search: &Search<'_>) -> Result<Found, CredentialsError> {
    if let Some(profile) = &search.profile_flag {
        return from_named_profile(search, profile);
    }
    let mut looked_for = Vec::new();
    if let Some(found) = from_environment(search, &mut looked_for)? {
        return Ok(found);
    }
    let profile = &search.profile;
    if let Some(home) = &search.home {
        let path = credential_path(home, profile)?;
        if path.exists() {
            return from_tccli(search, home, profile);
        }
        looked_for.push(Said::raw(path.display()));
    }
    let files = search
        .home
        .iter()
        .map(|home| home.join(".tencentcloud/credentials"))
        .chain([search.system_file.clone()]);
    for path in files {
        if path.exists() {
            return from_ini(&path, profile);
        }
        looked_for.push(Said::raw(path.display()));
    }
    if search.use_role {
        let role = Role::new(&search.metadata, Duration::from_millis(800));
        match role.current().await {
            Ok(_) => return Ok(found_role(search, role, said::cred_from_role())),
            Err(error) => {
                looked_for.push(said::cred_role_failed(
                    without_user(&search.metadata),
                    error.said(),
                ));
            }
        }
    } else {
        looked_for.push(said::cred_role_off());
    }
    Err(CredentialsError::NoneFound { looked_for })
}

fn found_role(search: &Search<'_>, role: Role, origin: Said) -> Found {
    Found {
        provider: Provider::Role(role),
        origin,
        region: (search.variable)("TENCENTCLOUD_REGION"),
        site: None,
        warnings: Vec::new(),
    }
}

fn from_environment(
    search: &Search<'_>,
    looked_for: &mut Vec<Said>,
) -> Result<Option<Found>, CredentialsError> {
    let id_name = search
        .secret_id_variable
        .as_deref()
        .unwrap_or("TENCENTCLOUD_SECRET_ID");
    let key_name = search
        .secret_key_variable
        .as_deref()
        .unwrap_or("TENCENTCLOUD_SECRET_KEY");
    let get = |name: &str| {
        (search.variable)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    };
    match (get(id_name), get(key_name)) {
        (Some(id), Some(key)) => Ok(Some(Found {
            provider: Provider::Static(
                Credentials::new(id, key).with_token(get("TENCENTCLOUD_TOKEN")),
            ),
            origin: said::cred_from_variable(id_name),
            region: get("TENCENTCLOUD_REGION"),
            site: None,
            warnings: Vec::new(),
        })),
        (None, None) => {
            looked_for.push(said::cred_variables(id_name, key_name));
            Ok(None)
        }
        (id, _) => {
            let (set, missing) = if id.is_some() {
                (id_name, key_name)
            } else {
                (key_name, id_name)
            };
            Err(CredentialsError::Unusable {
                origin: Box::new(said::cred_from_environment()),
                reason: Box::new(said::cred_half(set, missing)),
            })
        }
    }
}

/// A profile asked for by name: the command line's files first, then the SDK's sections.
fn from_named_profile(search: &Search<'_>, profile: &str) -> Result<Found, CredentialsError> {
    let Some(home) = &search.home else {
        return Err(CredentialsError::Profile {
            profile: sanitise(profile, 60),
            what: Box::new(said::cred_home()),
            reason: Box::new(said::cred_home_unknown()),
        });
    };
    let path = credential_path(home, profile)?;
    if path.exists() {
        return from_tccli(search, home, profile);
    }
    let ini = home.join(".tencentcloud/credentials");
    if ini.exists() {
        return from_ini(&ini, profile);
    }
    Err(CredentialsError::Profile {
        profile: sanitise(profile, 60),
        what: Box::new(Said::raw(path.display())),
        reason: Box::new(said::cred_absent()),
    })
}

fn credential_path(home: &Path, profile: &str) -> Result<PathBuf, CredentialsError> {
    let plain = profile
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@'))
        && !profile.starts_with('.');
    if plain && !profile.is_empty() {
        Ok(home.join(".tccli").join(format!("{profile}.credential")))
    } else {
        Err(CredentialsError::Profile {
            profile: sanitise(profile, 60),
            what: Box::new(said::cred_name()),
            reason: Box::new(said::cred_name_bad()),
        })
    }
}

/// `~/.tccli/<profile>.credential` of the official command line.
#[derive(Deserialize)]
struct TccliCredential {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default, rename = "secretId")]
    secret_id: Option<String>,
    #[serde(default, rename = "secretKey")]
    secret_key: Option<SecretString>,
    #[serde(default)]
    token: Option<SecretString>,
    /// UNIX seconds, for logins through the browser.
    #[serde(default, rename = "expiresAt")]
    expires_at: Option<i64>,
}

fn from_tccli(search: &Search<'_>, home: &Path, profile: &str) -> Result<Found, CredentialsError> {
    let path = credential_path(home, profile)?;
    let fail = |reason: Said| CredentialsError::Profile {
        profile: profile.to_owned(),
        what: Box::new(Said::raw(path.display())),
        reason: Box::new(reason),
    };
    let (text, warnings) = read_private(&path)?;
    let file: TccliCredential = serde_json::from_str(&text)
        .map_err(|error| fail(said::cred_invalid(error.line(), error.column())))?;
    let (region, site) = tccli_configure(&home.join(".tccli").join(format!("{profile}.configure")));
    if file.kind.as_deref() == Some("cvm-role") {
        let role = Role::new(&search.metadata, Duration::from_secs(2));
        let mut found = found_role(search, role, said::cred_from_role_by(path.display()));
        found.region = region.or(found.region);
        found.site = site;
        found.warnings = warnings;
        return Ok(found);
    }
    if file
        .expires_at
        .is_some_and(|at| at <= jiff::Timestamp::now().as_second())
    {
        return Err(fail(said::cred_expired()));
    }
    let (Some(secret_id), Some(secret_key)) =
        (file.secret_id.filter(|id| !id.is_empty()), file.secret_key)
    else {
        return Err(fail(said::cred_lacks()));
    };
    Ok(Found {
        provider: Provider::Static(Credentials {
            secret_id,
            secret_key,
            token: file.token,
        }),
        origin: Said::raw(path.display()),
        region,
        site,
        warnings,
    })
}

/// `_sys_param.region` of `~/.tccli/<profile>.configure`, and the site of its `cvm.endpoint` where
/// that is not the one that the command line writes by itself; a file that cannot be read names none.
fn tccli_configure(path: &Path) -> (Option<String>, Option<Site>) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let region = value["_sys_param"]["region"].as_str().unwrap_or_default();
    let endpoint = value["cvm"]["endpoint"].as_str().unwrap_or_default();
    (
        (!region.is_empty()).then(|| region.to_owned()),
        Site::of_endpoint(endpoint).filter(|site| *site == Site::International),
    )
}

/// The SDK's file: INI, one section a profile, keys `secret_id`, `secret_key`, `token`.
fn from_ini(path: &Path, profile: &str) -> Result<Found, CredentialsError> {
    let (text, warnings) = read_private(path)?;
    let (mut id, mut key, mut token) = (None, None, None);
    let mut in_section = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            in_section = name.trim() == profile;
        } else if in_section && !line.starts_with(['#', ';']) {
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match name.trim() {
                "secret_id" => id = value,
                "secret_key" => key = value,
                "token" => token = value,
                _ => {}
            }
        }
    }
    let (Some(id), Some(key)) = (id, key) else {
        return Err(CredentialsError::Unusable {
            origin: Box::new(Said::raw(path.display())),
            reason: Box::new(said::cred_section_lacks(profile)),
        });
    };
    Ok(Found {
        provider: Provider::Static(Credentials::new(id, key).with_token(token)),
        origin: Said::raw(path.display()),
        region: None,
        site: None,
        warnings,
    })
}

/// Reads a file that should be its owner's alone.
fn read_private(path: &Path) -> Result<(String, Vec<Said>), CredentialsError> {
    let fail = |reason: Said| CredentialsError::Unusable {
        origin: Box::new(Said::raw(path.display())),
        reason: Box::new(reason),
    };
    let metadata = std::fs::metadata(path).map_err(|error| fail(said::cred_unreadable(error)))?;
    if metadata.len() > MAX_FILE {
        return Err(fail(said::cred_too_long()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fail(said::cred_unreadable(error)))?;
    Ok((text, warn_if_public(path, &metadata)))
}

#[cfg(unix)]
fn warn_if_public(path: &Path, metadata: &std::fs::Metadata) -> Vec<Said> {
    use std::os::unix::fs::PermissionsExt;
    if metadata.permissions().mode() & 0o044 == 0 {
        return Vec::new();
    }
    vec![said::cred_readable(path.display(), path.display())]
}

#[cfg(not(unix))]
fn warn_if_public(_path: &Path, _metadata: &std::fs::Metadata) -> Vec<Said> {
    Vec::new()
}

#[cfg(test)]
#[path = "credentials/tests.rs"]
mod tests;
