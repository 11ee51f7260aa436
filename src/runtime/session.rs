//! What every command needs: settings, a client of the cloud, knowledge, and who we are.
//!
//! Must not live here: parsing of flags (`cli`) or of files (`config`).

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::clock;
use crate::cloud::credentials::{self, Search};
use crate::cloud::{Client, ClientConfig, CloudError, Proxies};
use crate::config::{Lang, Loaded, Settings};
use crate::diagnosis::{Knowledge, learn};
use crate::domain::instance::Instance;
use crate::domain::text::sanitise;
use crate::store::outcomes::Outcomes;

/// Why a session cannot be opened.
#[derive(Debug, Error)]
pub enum SessionError {
    #[error(transparent)]
    Credentials(#[from] credentials::CredentialsError),
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("the demo cloud did not start: {0}")]
    Demo(String),
    #[error("knowledge file {path}: {reason}")]
    Knowledge { path: String, reason: String },
    #[error(
        "no region is set; give --region (repeatable, or `all`), or cloud.regions in the config"
    )]
    NoRegion,
}

/// A client and where it looks.
#[derive(Debug, Clone)]
pub struct Cloud {
    pub client: Client,
    pub regions: Vec<String>,
    /// Where the credentials came from, for people.
    pub origin: String,
}

/// Everything that a command works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Session {
    pub settings: Arc<Settings>,
    /// `None` when there are no credentials; static hosts work all the same.
    pub cloud: Option<Cloud>,
    /// What is weighed with: `taught` with the priors that confirmed outcomes had moved when the
    /// session was opened.
    pub knowledge: Arc<Knowledge>,
    /// The shipped knowledge, with the organisation's file laid over it.
    taught: Arc<Knowledge>,
    /// Name of this machine, for reports and journal.
    pub host: String,
}

impl Session {
    /// Opens a session from loaded settings. Warnings about credentials go to `warn`.
    ///
    /// # Errors
    /// [`SessionError`]; missing credentials are an error only if there are no static hosts.
    pub async fn open(
        loaded: &Loaded,
        warn: &mut (dyn FnMut(String) + Send),
    ) -> Result<Self, SessionError> {
        let settings = &loaded.settings;
        let taught = Arc::new(knowledge(settings)?);
        let cloud = match find_cloud(settings).await {
            Ok((cloud, warnings)) => {
                warnings.into_iter().for_each(&mut *warn);
                Some(cloud)
            }
            Err(error) if settings.hosts.is_empty() => return Err(error),
            Err(error) => {
                warn(format!("only the hosts of the config can be seen: {error}"));
                None
            }
        };
        Ok(Self {
            settings: Arc::new(settings.clone()),
            cloud,
            knowledge: learnt(&taught, &loaded.paths.state_dir),
            taught,
            host: host_name(),
        })
    }

    /// The instance with what this site's settings say about it: the usual login port of
    /// `probe.ports` where nothing but the cloud's own default states another.
    #[must_use]
    pub fn adopt(&self, mut instance: Instance) -> Instance {
        let default = instance.os.default_login_port();
        if instance.configured_login_port.is_none()
            && instance.tagged_login_port().is_none()
            && instance
                .default_login_port
                .is_none_or(|port| port == default)
        {
            instance.configured_login_port = self.settings.probe.usual_port(instance.os);
        }
        instance
    }

    /// A session on a client that exists already, for example on the demo cloud.
    ///
    /// # Errors
    /// The knowledge override of the settings cannot be used.
    pub fn with_cloud(settings: Settings, cloud: Cloud) -> Result<Self, SessionError> {
        let taught = Arc::new(knowledge(&settings)?);
        Ok(Self {
            settings: Arc::new(settings),
            cloud: Some(cloud),
            knowledge: taught.clone(),
            taught,
            host: host_name(),
        })
    }
}

impl Session {
    /// The knowledge with the priors that confirmed outcomes have moved. A file of outcomes that
    /// cannot be read teaches nothing.
    pub fn learnt(&self, state_dir: &Path) -> Arc<Knowledge> {
        learnt(&self.taught, state_dir)
    }
}

fn learnt(taught: &Arc<Knowledge>, state_dir: &Path) -> Arc<Knowledge> {
    match Outcomes::in_directory(state_dir).read(clock::now()) {
        Ok(outcomes) if !outcomes.is_empty() => Arc::new(learn::apply(taught, &outcomes)),
        _ => taught.clone(),
    }
}

/// Finds credentials and builds the client; warnings beside it.
async fn find_cloud(settings: &Settings) -> Result<(Cloud, Vec<String>), SessionError> {
    let variable = |name: &str| std::env::var(name).ok();
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
    let mut search = Search::new(&variable, home);
    let wanted = &settings.cloud;
    if wanted.profile_is_forced {
        search.profile_flag.clone_from(&wanted.profile);
    }
    search.profile.clone_from(&wanted.profile);
    search.secret_id_variable.clone_from(&wanted.secret_id_env);
    search
        .secret_key_variable
        .clone_from(&wanted.secret_key_env);
    search.use_role = wanted.cvm_role;
    search.metadata.clone_from(&wanted.metadata_endpoint);
    let found = credentials::find(&search).await?;

    let mut regions = wanted.regions.clone();
    if regions.is_empty() {
        regions.extend(found.region.clone());
    }
    if regions.is_empty() {
        return Err(SessionError::NoRegion);
    }
    let mut config = ClientConfig::new(&wanted.endpoint, found.provider);
    config.ca_bundle.clone_from(&wanted.ca_bundle);
    config.insecure_endpoint = wanted.insecure_endpoint;
    config.proxies = Proxies::from_environment(&variable);
    if settings.ui.lang == Lang::Zh {
        "zh-CN".clone_into(&mut config.language);
    }
    let cloud = Cloud {
        client: Client::new(config)?,
        regions,
        origin: found.origin,
    };
    Ok((cloud, found.warnings))
}

/// The shipped knowledge, with the organisation's file laid over it where one is set.
///
/// # Errors
/// The file cannot be read or breaks a rule of the lint.
pub fn knowledge(settings: &Settings) -> Result<Knowledge, SessionError> {
    let Some(path) = &settings.knowledge else {
        return Ok(Knowledge::shipped().clone());
    };
    let fail = |reason: String| SessionError::Knowledge {
        path: path.display().to_string(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
    Knowledge::parse(&path.display().to_string(), &text).map_err(|e| fail(e.to_string()))
}

/// The name of this machine.
pub fn host_name() -> String {
    sanitise(&rustix::system::uname().nodename().to_string_lossy(), 64)
}
