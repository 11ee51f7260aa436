//! What every command needs: settings, a client of the cloud, knowledge, and who we are.
//!
//! Must not live here: parsing of flags (`cli`) or of files (`config`).

use std::sync::Arc;

use thiserror::Error;

use super::clock;
use super::said;
use crate::cloud::credentials::{self, Search};
use crate::cloud::{Client, ClientConfig, CloudError, Proxies};
use crate::config::{Lang, Loaded, Settings};
use crate::diagnosis::{Knowledge, learn};
use crate::domain::instance::Instance;
use crate::domain::said::Said;
use crate::domain::site::Site;
use crate::domain::text::sanitise;
use crate::store::outcomes::Outcomes;

/// Why a session cannot be opened.
#[derive(Debug, Error)]
#[error("{}", self.said())]
pub enum SessionError {
    Credentials(#[from] credentials::CredentialsError),
    Cloud(#[from] CloudError),
    /// The demo cloud did not start.
    Demo(String),
    Knowledge {
        path: String,
        reason: String,
    },
    NoRegion,
}

/// A client and where it looks.
#[derive(Debug, Clone)]
pub struct Cloud {
    pub client: Client,
    pub regions: Vec<String>,
    /// Where the credentials came from, for people.
    pub origin: Said,
}

/// Everything that a command works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Session {
    pub settings: Arc<Settings>,
    /// `None` when there are no credentials; static hosts and bare addresses work all the same.
    pub cloud: Option<Cloud>,
    /// Why there is no cloud.
    pub no_cloud: Option<Said>,
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
        warn: &mut (dyn FnMut(Said) + Send),
    ) -> Result<Self, SessionError> {
        let settings = &loaded.settings;
        let taught = knowledge(settings)?;
        let (cloud, no_cloud) = match find_cloud(settings).await {
            Ok((cloud, warnings)) => {
                warnings.into_iter().for_each(&mut *warn);
                (Some(cloud), None)
            }
            Err(error) if settings.hosts.is_empty() => return Err(error),
            Err(error) => {
                warn(said::hosts_only(error.said()));
                (None, Some(error.said()))
            }
        };
        Ok(Self {
            settings: Arc::new(settings.clone()),
            cloud,
            no_cloud,
            knowledge: learnt(&taught, loaded),
            taught,
            host: host_name(),
        })
    }

    /// A session that can look from outside only, where the cloud cannot be asked; `why` says so.
    ///
    /// # Errors
    /// The knowledge override of the settings cannot be used.
    pub fn without_cloud(loaded: &Loaded, why: Said) -> Result<Self, SessionError> {
        let taught = knowledge(&loaded.settings)?;
        Ok(Self {
            settings: Arc::new(loaded.settings.clone()),
            cloud: None,
            no_cloud: Some(why),
            knowledge: learnt(&taught, loaded),
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
        let taught = knowledge(&settings)?;
        Ok(Self {
            settings: Arc::new(settings),
            cloud: Some(cloud),
            no_cloud: None,
            knowledge: taught.clone(),
            taught,
            host: host_name(),
        })
    }
}

impl SessionError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::Credentials(error) => error.said(),
            Self::Cloud(error) => error.said(),
            Self::Demo(why) => said::demo_failed(why),
            Self::Knowledge { path, reason } => said::knowledge_file(path, reason),
            Self::NoRegion => said::no_region(),
        }
    }

    /// True if the cloud cannot be asked, for whatever reason; false if the settings are wrong.
    pub fn is_lack_of_cloud(&self) -> bool {
        matches!(self, Self::Credentials(_) | Self::Cloud(_) | Self::NoRegion)
    }
}

impl Session {
    /// The knowledge with the priors that confirmed outcomes have moved. A file of outcomes that
    /// cannot be read teaches nothing.
    pub fn learnt(&self, loaded: &Loaded) -> Arc<Knowledge> {
        learnt(&self.taught, loaded)
    }
}

fn learnt(taught: &Arc<Knowledge>, loaded: &Loaded) -> Arc<Knowledge> {
    let outcomes = Outcomes::in_directory(&loaded.paths.state_dir);
    let outcomes = outcomes.with_colleagues(loaded.has_colleagues());
    match outcomes.read(clock::now()) {
        Ok(outcomes) if !outcomes.is_empty() => Arc::new(learn::apply(taught, &outcomes)),
        _ => taught.clone(),
    }
}

/// Finds credentials and builds the client; warnings beside it.
async fn find_cloud(settings: &Settings) -> Result<(Cloud, Vec<Said>), SessionError> {
    let variable = |name: &str| std::env::var(name).ok();
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
    let mut search = Search::new(&variable, home);
    let wanted = &settings.cloud;
    if wanted.profile_is_forced {
        search.profile_flag.clone_from(&wanted.profile);
    }
    wanted.profile_in_force().clone_into(&mut search.profile);
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
    let set = wanted.site.site().or(found.site);
    let mut config = if wanted.endpoint == Site::China.endpoint() {
        let site = set.unwrap_or(Site::China);
        ClientConfig::new(site.endpoint(), found.provider)
    } else {
        ClientConfig::new(&wanted.endpoint, found.provider)
    };
    if set.is_none() && config.endpoint == Site::China.endpoint() {
        config.other_endpoint = Some(Site::International.endpoint().to_owned());
    }
    config.site = wanted.site.site();
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
pub fn knowledge(settings: &Settings) -> Result<Arc<Knowledge>, SessionError> {
    let Some(path) = &settings.knowledge else {
        return Ok(Knowledge::shipped_shared());
    };
    let fail = |reason: String| SessionError::Knowledge {
        path: path.display().to_string(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
    let parsed = Knowledge::parse(&path.display().to_string(), &text);
    parsed.map(Arc::new).map_err(|e| fail(e.to_string()))
}

/// The name of this machine.
pub fn host_name() -> String {
    sanitise(&rustix::system::uname().nodename().to_string_lossy(), 64)
}
