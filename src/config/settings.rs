//! The settings as the program uses them, with their defaults.
//!
//! Must not live here: how they are read (`file`, `layers`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::hosts::StaticHost;
use crate::domain::column::Chosen;
use crate::domain::instance::Os;
pub use crate::domain::lang::Lang;
use crate::domain::site::Site;

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            /// The words of the config file.
            pub const WORDS: &'static [&'static str] = &[$($text),+];

            /// The word of the config file.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of a word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

choice!(
    /// Characters for lines, bars and marks.
    Glyphs { Unicode = "unicode", Ascii = "ascii" }
);
choice!(
    /// Columns of characters whose width terminals disagree on.
    AmbiguousWidth { Auto = "auto", Narrow = "1", Wide = "2" }
);
choice!(
    /// A feature that may be left to the program.
    OnOff { Auto = "auto", On = "on", Off = "off" }
);

impl OnOff {
    /// What holds where `auto` stands for `found`.
    pub fn or(self, found: bool) -> bool {
        match self {
            Self::Auto => found,
            Self::On => true,
            Self::Off => false,
        }
    }
}
choice!(
    /// The vendor's site whose keys are used.
    SiteSetting { Auto = "auto", China = "china", International = "international" }
);

impl SiteSetting {
    /// The site; `None` where the endpoint or what answers tells it.
    pub fn site(self) -> Option<Site> {
        match self {
            Self::Auto => None,
            Self::China => Some(Site::China),
            Self::International => Some(Site::International),
        }
    }
}

choice!(
    /// Paths that are probed.
    VantageSetting { Public = "public", Private = "private", Both = "both" }
);

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "one switch of the config each"
)]
pub struct Settings {
    /// No action is available.
    pub read_only: bool,
    /// The deep check may run its reading script in the guest all the same.
    pub read_only_deep: bool,
    /// Read-only lets the operator's own client open a session.
    pub read_only_sessions: bool,
    /// The state directory is shared with other operators, who are believed.
    pub shared_state: bool,
    /// URL of the database that operators on several hosts share; without a password.
    pub shared_store: Option<String>,
    /// Variable that holds its password.
    pub shared_store_password_env: Option<String>,
    pub cloud: CloudSettings,
    pub probe: ProbeSettings,
    pub ui: UiSettings,
    pub log: LogSettings,
    /// Own bindings, in the order of the file.
    pub keys: Vec<KeyBinding>,
    /// Saved filters by name.
    pub filters: BTreeMap<String, String>,
    /// Instances without a cloud: `[[host]]` and the hosts of `ssh_config`.
    pub hosts: Vec<StaticHost>,
    /// OpenSSH client config whose hosts are added.
    pub ssh_config: Option<PathBuf>,
    /// File whose rows override the shipped knowledge.
    pub knowledge: Option<PathBuf>,
    /// Folder with own guides.
    pub guides: Option<PathBuf>,
}

/// `[cloud]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudSettings {
    pub profile: Option<String>,
    /// The profile was given by flag or `CVMTOP_PROFILE` and so beats credentials in the
    /// environment.
    pub profile_is_forced: bool,
    pub secret_id_env: Option<String>,
    pub secret_key_env: Option<String>,
    /// Empty: the region that the credentials' source names. `all`: every region.
    pub regions: Vec<String>,
    /// The vendor's site that the credentials belong to.
    pub site: SiteSetting,
    /// Template of the API's URLs; unless set, the site's.
    pub endpoint: String,
    pub ca_bundle: Option<PathBuf>,
    pub insecure_endpoint: bool,
    /// Ask the metadata service for the role of the machine we run on.
    pub cvm_role: bool,
    pub metadata_endpoint: String,
    /// Profiles under which no action is available.
    pub read_only_profiles: Vec<String>,
    /// How often the list of instances is read again.
    pub refresh_interval: Duration,
}

/// `[probe]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    /// Address that the failing user comes from.
    pub user_source: Option<IpAddr>,
    /// New connections a second over all targets.
    pub rate: u32,
    /// Look at logins without being asked.
    pub background: bool,
    /// Find the causes of failing instances without being asked.
    pub weigh: bool,
    /// New connections a second of looks that nobody asked for; never more than `rate`.
    pub background_rate: u32,
    /// Time between looks at the whole fleet.
    pub sweep_interval: Duration,
    /// Time between looks at the selected instance.
    pub per_target_interval: Duration,
    /// Known login ports, the usual one first. See [`ProbeSettings::usual_port`].
    pub ports: Vec<u16>,
    pub vantage: VantageSetting,
    /// Ports that tell a dead host from a filtered one.
    pub neighbour_ports: Vec<u16>,
    /// Values of tags that mark what is not to be touched.
    pub production_tags: Vec<String>,
    /// What the port verification looks at beside the common ports (`domain::port_check::Tuple`).
    pub tuples: Vec<String>,
    /// For one connection.
    pub timeout: Duration,
    /// For the check inside a guest.
    pub guest_timeout: Duration,
    /// Time between two rounds of the provider's nodes, in whole minutes.
    pub provider_interval: Duration,
    /// For what the provider's nodes tell, from the creation of their task on.
    pub provider_wait: Duration,
    /// Where the users are: words of carriers, districts and cities, as the nodes have them.
    pub provider_near: String,
}

/// `[ui]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UiSettings {
    pub theme: String,
    /// From the locale unless set.
    pub lang: Lang,
    pub mouse: bool,
    pub no_color: bool,
    pub glyphs: Glyphs,
    pub ambiguous_width: AmbiguousWidth,
    pub sync_output: OnOff,
    /// Links that the terminal follows.
    pub links: OnOff,
    /// Mask addresses and ids on the screen.
    pub privacy: bool,
    /// `None`: those that were chosen in the console last.
    pub columns: Chosen,
    /// Most frames a second; `None` leaves it to the program (30, over SSH 15).
    pub frames_per_second: Option<u16>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// `None`: `cvmtop.log` in the state directory.
    pub file: Option<PathBuf>,
}

/// One line of `[keys.SCOPE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBinding {
    pub scope: String,
    pub command: String,
    /// Empty or `none` unbinds.
    pub chords: Vec<String>,
    /// `file:line`, for messages about conflicts.
    pub place: String,
}

impl CloudSettings {
    /// The profile that credentials are looked for under, and that is judged.
    pub fn profile_in_force(&self) -> &str {
        self.profile.as_deref().unwrap_or("default")
    }
}

impl Settings {
    /// True where a script that only reads may be run inside a guest.
    pub fn lets_look_inside(&self) -> bool {
        !self.read_only || self.read_only_deep
    }
}

impl ProbeSettings {
    /// The port on which this site's machines take logins, where the list leaves out the system's
    /// own: the first that looks like it (`10022`, `13389`), else the first.
    pub fn usual_port(&self, os: Os) -> Option<u16> {
        if self.ports.contains(&os.default_login_port()) {
            return None;
        }
        let looks_like = |os: Os| {
            let ending = match os {
                Os::Windows => "89",
                Os::Linux | Os::Unknown => "22",
            };
            move |port: &u16| port.to_string().ends_with(ending)
        };
        let other = match os {
            Os::Windows => Os::Linux,
            Os::Linux | Os::Unknown => Os::Windows,
        };
        let not_the_others = |port: &u16| !looks_like(other)(port);
        let mut ports = self.ports.iter().copied();
        ports
            .clone()
            .find(looks_like(os))
            .or_else(|| ports.find(not_the_others))
    }

    /// Bounds of `probe.timeout`.
    pub const LEAST_TIMEOUT: Duration = Duration::from_millis(100);
    pub const MOST_TIMEOUT: Duration = Duration::from_secs(600);
    /// Bounds of `probe.guest_timeout`.
    pub const LEAST_GUEST_TIMEOUT: Duration = Duration::from_secs(5);
    pub const MOST_GUEST_TIMEOUT: Duration = Duration::from_secs(120);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_only: false,
            read_only_deep: false,
            read_only_sessions: true,
            shared_state: false,
            shared_store: None,
            shared_store_password_env: None,
            cloud: CloudSettings {
                profile: None,
                profile_is_forced: false,
                secret_id_env: None,
                secret_key_env: None,
                regions: Vec::new(),
                site: SiteSetting::Auto,
                endpoint: Site::China.endpoint().to_owned(),
                ca_bundle: None,
                insecure_endpoint: false,
                cvm_role: true,
                metadata_endpoint: "http://metadata.tencentyun.com".to_owned(),
                read_only_profiles: Vec::new(),
                refresh_interval: Duration::from_secs(60),
            },
            probe: ProbeSettings {
                user_source: None,
                rate: 100,
                background: true,
                weigh: true,
                background_rate: 20,
                sweep_interval: Duration::from_secs(300),
                per_target_interval: Duration::from_secs(30),
                ports: vec![22, 3389],
                vantage: VantageSetting::Both,
                neighbour_ports: vec![22, 80, 443, 3389],
                production_tags: ["prod", "production", "prd", "live"]
                    .map(str::to_owned)
                    .to_vec(),
                tuples: Vec::new(),
                timeout: Duration::from_secs(3),
                guest_timeout: Duration::from_secs(30),
                provider_interval: Duration::from_secs(60),
                provider_wait: Duration::from_secs(300),
                provider_near: String::new(),
            },
            ui: UiSettings {
                theme: "dark".to_owned(),
                lang: Lang::En,
                mouse: false,
                no_color: false,
                glyphs: Glyphs::Unicode,
                ambiguous_width: AmbiguousWidth::Auto,
                sync_output: OnOff::Auto,
                links: OnOff::Auto,
                privacy: false,
                columns: None,
                frames_per_second: None,
            },
            log: LogSettings {
                level: "info".to_owned(),
                file: None,
            },
            keys: Vec::new(),
            filters: BTreeMap::new(),
            hosts: Vec::new(),
            ssh_config: None,
            knowledge: None,
            guides: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_without_the_systems_own_port_has_one_of_its_own() {
        let usual = |ports: &[u16], os| {
            let mut settings = Settings::default().probe;
            settings.ports = ports.to_vec();
            settings.usual_port(os)
        };
        assert_eq!(usual(&[22, 3389], Os::Linux), None);
        assert_eq!(usual(&[2222, 22], Os::Linux), None);
        assert_eq!(usual(&[10022, 13389], Os::Linux), Some(10022));
        assert_eq!(usual(&[10022, 13389], Os::Windows), Some(13389));
        assert_eq!(usual(&[36000], Os::Linux), Some(36000));
        assert_eq!(usual(&[10022], Os::Windows), None);
        assert_eq!(usual(&[], Os::Linux), None);
    }
}
