//! The one table of settings: key, environment variable, kind, meaning, setter.
//!
//! File, environment, flags, `config show`, the schema and the test of the default file all read
//! it. Must not live here: precedence (`layers`), the syntax of the file (`file`).

use std::path::PathBuf;
use std::time::Duration;

use super::said;
use super::settings::{
    AmbiguousWidth, Glyphs, Lang, OnOff, ProbeSettings, Settings, SiteSetting, VantageSetting,
};
use super::shared_store::Address;
use super::suggestion::suggestion;
use super::value::{Raw, show_duration};
use crate::domain::column::Column;
use crate::domain::port_check::Tuple;
use crate::domain::said::{List, Said};
use crate::domain::text::without_user;

/// What a setter may need beyond the value.
pub struct Context {
    pub home: Option<PathBuf>,
}

/// How a variable's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Bool,
    Integer,
    Texts,
    Ports,
    Choice(&'static [&'static str]),
}

/// One setting.
pub struct Entry {
    /// Dotted, as in the file.
    pub key: &'static str,
    pub variable: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    pub set: fn(&mut Settings, &Raw, &Context) -> Result<(), Said>,
    pub show: fn(&Settings) -> String,
}

/// The entry of a dotted key.
pub fn entry(key: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.key == key)
}

/// True of every setting about read-only, also where its name is misspelt or in the wrong table.
pub fn is_about_read_only(key: &str) -> bool {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.collect::<String>().to_lowercase()
    };
    let last = key.rsplit('.').next().unwrap_or_default();
    plain(last).contains("readonly")
        || suggestion(key).is_some_and(|near| plain(near).contains("readonly"))
}

fn choice<T>(raw: &Raw, words: &[&str], parse: fn(&str) -> Option<T>) -> Result<T, Said> {
    let text = match raw {
        // `ambiguous_width = 1` is as good as `"1"`.
        Raw::Integer(number) => number.to_string(),
        other => other.text()?,
    };
    parse(&text).ok_or_else(|| said::none_of(&text, List::names(words)))
}

/// Columns by name, each once.
fn columns(raw: &Raw) -> Result<Vec<Column>, Said> {
    let mut columns = Vec::new();
    for word in raw.texts()? {
        let words = Column::ALL.map(Column::as_str);
        let column = choice(&Raw::Text(word), &words, Column::parse)?;
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    Ok(columns)
}

fn optional<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| said::not_set().to_string(), |v| quoted(&v.to_string()))
}

fn path(value: Option<&PathBuf>) -> String {
    optional(value.map(|path| path.display().to_string()).as_ref())
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn ports(list: &[u16]) -> String {
    format!("{list:?}")
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// `set` of a `bool` field, `Option<String>` field and so on, without repeating the plumbing.
macro_rules! setter {
    ($($field:ident).+, boolean) => {
        |s, raw, _| { s.$($field).+ = raw.boolean()?; Ok(()) }
    };
    ($($field:ident).+, optional_text) => {
        |s, raw, _| { s.$($field).+ = Some(raw.text()?); Ok(()) }
    };
    ($($field:ident).+, text) => {
        |s, raw, _| { s.$($field).+ = raw.text()?; Ok(()) }
    };
    ($($field:ident).+, texts) => {
        |s, raw, _| { s.$($field).+ = raw.texts()?; Ok(()) }
    };
    ($($field:ident).+, path) => {
        |s, raw, c| { s.$($field).+ = Some(raw.path(c.home.as_ref())?); Ok(()) }
    };
    ($($field:ident).+, ports) => {
        |s, raw, _| { s.$($field).+ = raw.ports()?; Ok(()) }
    };
    ($($field:ident).+, duration($least:expr, $most:expr)) => {
        |s, raw, _| { s.$($field).+ = raw.duration($least, $most)?; Ok(()) }
    };
    ($($field:ident).+, $choice:ident) => {
        |s, raw, _| { s.$($field).+ = choice(raw, $choice::WORDS, $choice::parse)?; Ok(()) }
    };
}

const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// Every scalar setting, in the order of the default file.
pub static ENTRIES: &[Entry] = &[
    Entry {
        key: "read_only",
        variable: "CVMTOP_READ_ONLY",
        kind: Kind::Bool,
        help: "no action is available",
        set: setter!(read_only, boolean),
        show: |s| s.read_only.to_string(),
    },
    Entry {
        key: "read_only_deep",
        variable: "CVMTOP_READ_ONLY_DEEP",
        kind: Kind::Bool,
        help: "read-only lets the deep check read inside the guest",
        set: setter!(read_only_deep, boolean),
        show: |s| s.read_only_deep.to_string(),
    },
    Entry {
        key: "read_only_sessions",
        variable: "CVMTOP_READ_ONLY_SESSIONS",
        kind: Kind::Bool,
        help: "read-only lets your own client open a session at an instance",
        set: setter!(read_only_sessions, boolean),
        show: |s| s.read_only_sessions.to_string(),
    },
    Entry {
        key: "shared_state",
        variable: "CVMTOP_SHARED_STATE",
        kind: Kind::Bool,
        help: "operators share the state directory and believe each other's journal lines",
        set: setter!(shared_state, boolean),
        show: |s| s.shared_state.to_string(),
    },
    Entry {
        key: "shared_store",
        variable: "CVMTOP_SHARED_STORE",
        kind: Kind::Text,
        help: "PostgreSQL database in which operators on several hosts see each other's actions, and what helped",
        set: |s, raw, _| {
            let url = raw.text()?;
            Address::read(&url)?;
            s.shared_store = Some(url);
            Ok(())
        },
        show: |s| optional(s.shared_store.as_ref()),
    },
    Entry {
        key: "shared_store_password_env",
        variable: "CVMTOP_SHARED_STORE_PASSWORD_ENV",
        kind: Kind::Text,
        help: "variable that holds the password of the shared store, in place of PGPASSWORD",
        set: setter!(shared_store_password_env, optional_text),
        show: |s| optional(s.shared_store_password_env.as_ref()),
    },
    Entry {
        key: "ssh_config",
        variable: "CVMTOP_SSH_CONFIG",
        kind: Kind::Text,
        help: "OpenSSH client config whose hosts are added as instances without a cloud",
        set: setter!(ssh_config, path),
        show: |s| path(s.ssh_config.as_ref()),
    },
    Entry {
        key: "knowledge",
        variable: "CVMTOP_KNOWLEDGE",
        kind: Kind::Text,
        help: "file whose rows override the shipped knowledge",
        set: setter!(knowledge, path),
        show: |s| path(s.knowledge.as_ref()),
    },
    Entry {
        key: "guides",
        variable: "CVMTOP_GUIDES",
        kind: Kind::Text,
        help: "folder with guides of your own",
        set: setter!(guides, path),
        show: |s| path(s.guides.as_ref()),
    },
    Entry {
        key: "cloud.profile",
        variable: "CVMTOP_PROFILE",
        kind: Kind::Text,
        help: "profile of ~/.tccli or ~/.tencentcloud/credentials",
        set: setter!(cloud.profile, optional_text),
        show: |s| optional(s.cloud.profile.as_ref()),
    },
    Entry {
        key: "cloud.secret_id_env",
        variable: "CVMTOP_SECRET_ID_ENV",
        kind: Kind::Text,
        help: "variable that holds the secret id, in place of TENCENTCLOUD_SECRET_ID",
        set: setter!(cloud.secret_id_env, optional_text),
        show: |s| optional(s.cloud.secret_id_env.as_ref()),
    },
    Entry {
        key: "cloud.secret_key_env",
        variable: "CVMTOP_SECRET_KEY_ENV",
        kind: Kind::Text,
        help: "variable that holds the secret key, in place of TENCENTCLOUD_SECRET_KEY",
        set: setter!(cloud.secret_key_env, optional_text),
        show: |s| optional(s.cloud.secret_key_env.as_ref()),
    },
    Entry {
        key: "cloud.regions",
        variable: "CVMTOP_REGION",
        kind: Kind::Texts,
        help: "regions to look in, or [\"all\"]",
        set: setter!(cloud.regions, texts),
        show: |s| format!("{:?}", s.cloud.regions),
    },
    Entry {
        key: "cloud.site",
        variable: "CVMTOP_SITE",
        kind: Kind::Choice(SiteSetting::WORDS),
        help: "the vendor's site that the credentials belong to",
        set: setter!(cloud.site, SiteSetting),
        show: |s| s.cloud.site.as_str().to_owned(),
    },
    Entry {
        key: "cloud.endpoint",
        variable: "CVMTOP_ENDPOINT",
        kind: Kind::Text,
        help: "URL of the API; {service} and {region} are replaced",
        set: setter!(cloud.endpoint, text),
        show: |s| quoted(&without_user(&s.cloud.endpoint)),
    },
    Entry {
        key: "cloud.insecure_endpoint",
        variable: "CVMTOP_INSECURE_ENDPOINT",
        kind: Kind::Bool,
        help: "allow plain HTTP to an endpoint that is not on loopback",
        set: setter!(cloud.insecure_endpoint, boolean),
        show: |s| s.cloud.insecure_endpoint.to_string(),
    },
    Entry {
        key: "cloud.ca_bundle",
        variable: "CVMTOP_CA_BUNDLE",
        kind: Kind::Text,
        help: "PEM file with certificates trusted beside the system's",
        set: setter!(cloud.ca_bundle, path),
        show: |s| path(s.cloud.ca_bundle.as_ref()),
    },
    Entry {
        key: "cloud.cvm_role",
        variable: "CVMTOP_CVM_ROLE",
        kind: Kind::Bool,
        help: "use the role of the CVM this runs on when nothing else gives credentials",
        set: setter!(cloud.cvm_role, boolean),
        show: |s| s.cloud.cvm_role.to_string(),
    },
    Entry {
        key: "cloud.metadata_endpoint",
        variable: "CVMTOP_METADATA_ENDPOINT",
        kind: Kind::Text,
        help: "URL of the metadata service that gives the role's credentials",
        set: setter!(cloud.metadata_endpoint, text),
        show: |s| quoted(&without_user(&s.cloud.metadata_endpoint)),
    },
    Entry {
        key: "cloud.read_only_profiles",
        variable: "CVMTOP_READ_ONLY_PROFILES",
        kind: Kind::Texts,
        help: "profiles under which no action is available",
        set: setter!(cloud.read_only_profiles, texts),
        show: |s| format!("{:?}", s.cloud.read_only_profiles),
    },
    Entry {
        key: "cloud.refresh_interval",
        variable: "CVMTOP_REFRESH_INTERVAL",
        kind: Kind::Text,
        help: "how often the list of instances is read again",
        set: setter!(
            cloud.refresh_interval,
            duration(Duration::from_secs(5), DAY)
        ),
        show: |s| quoted(&show_duration(s.cloud.refresh_interval)),
    },
    Entry {
        key: "probe.user_source",
        variable: "CVMTOP_USER_SOURCE",
        kind: Kind::Text,
        help: "address that the failing user comes from",
        set: |s, raw, _| {
            s.probe.user_source = Some(raw.address()?);
            Ok(())
        },
        show: |s| optional(s.probe.user_source.as_ref()),
    },
    Entry {
        key: "probe.rate",
        variable: "CVMTOP_PROBE_RATE",
        kind: Kind::Integer,
        help: "new connections a second, over all targets",
        set: |s, raw, _| {
            s.probe.rate = raw.integer(1, 100_000)? as u32;
            Ok(())
        },
        show: |s| s.probe.rate.to_string(),
    },
    Entry {
        key: "probe.background",
        variable: "CVMTOP_PROBE_BACKGROUND",
        kind: Kind::Bool,
        help: "list instances and look at their logins again without being asked",
        set: setter!(probe.background, boolean),
        show: |s| s.probe.background.to_string(),
    },
    Entry {
        key: "probe.weigh",
        variable: "CVMTOP_PROBE_WEIGH",
        kind: Kind::Bool,
        help: "find the causes of instances that fail without being asked, from outside",
        set: setter!(probe.weigh, boolean),
        show: |s| s.probe.weigh.to_string(),
    },
    Entry {
        key: "probe.background_rate",
        variable: "CVMTOP_PROBE_BACKGROUND_RATE",
        kind: Kind::Integer,
        help: "new connections a second of looks that nobody asked for",
        set: |s, raw, _| {
            s.probe.background_rate = raw.integer(1, 100_000)? as u32;
            Ok(())
        },
        show: |s| s.probe.background_rate.to_string(),
    },
    Entry {
        key: "probe.sweep_interval",
        variable: "CVMTOP_PROBE_SWEEP_INTERVAL",
        kind: Kind::Text,
        help: "time between looks at the logins of the whole fleet",
        set: setter!(probe.sweep_interval, duration(Duration::from_secs(30), DAY)),
        show: |s| quoted(&show_duration(s.probe.sweep_interval)),
    },
    Entry {
        key: "probe.per_target_interval",
        variable: "CVMTOP_PROBE_PER_TARGET_INTERVAL",
        kind: Kind::Text,
        help: "time between looks at the login of the selected instance",
        set: setter!(
            probe.per_target_interval,
            duration(Duration::from_secs(1), DAY)
        ),
        show: |s| quoted(&show_duration(s.probe.per_target_interval)),
    },
    Entry {
        key: "probe.ports",
        variable: "CVMTOP_PROBE_PORTS",
        kind: Kind::Ports,
        help: "known login ports",
        set: setter!(probe.ports, ports),
        show: |s| ports(&s.probe.ports),
    },
    Entry {
        key: "probe.neighbour_ports",
        variable: "CVMTOP_PROBE_NEIGHBOUR_PORTS",
        kind: Kind::Ports,
        help: "ports that tell a dead host from a filtered one",
        set: setter!(probe.neighbour_ports, ports),
        show: |s| ports(&s.probe.neighbour_ports),
    },
    Entry {
        key: "probe.production_tags",
        variable: "CVMTOP_PRODUCTION_TAGS",
        kind: Kind::Texts,
        help: "values of tags that mark production: such instances are the last to look at another one",
        set: setter!(probe.production_tags, texts),
        show: |s| format!("{:?}", s.probe.production_tags),
    },
    Entry {
        key: "probe.tuples",
        variable: "CVMTOP_PROBE_TUPLES",
        kind: Kind::Texts,
        help: "traffic that the port verification looks at beside the common ports",
        set: |s, raw, _| {
            let texts = raw.texts()?;
            for text in &texts {
                text.parse::<Tuple>().map_err(|bad| bad.0)?;
            }
            s.probe.tuples = texts;
            Ok(())
        },
        show: |s| format!("{:?}", s.probe.tuples),
    },
    Entry {
        key: "probe.vantage",
        variable: "CVMTOP_VANTAGE",
        kind: Kind::Choice(VantageSetting::WORDS),
        help: "paths to look along: public, private or both",
        set: setter!(probe.vantage, VantageSetting),
        show: |s| quoted(s.probe.vantage.as_str()),
    },
    Entry {
        key: "probe.timeout",
        variable: "CVMTOP_PROBE_TIMEOUT",
        kind: Kind::Text,
        help: "time for one connection",
        set: setter!(
            probe.timeout,
            duration(ProbeSettings::LEAST_TIMEOUT, ProbeSettings::MOST_TIMEOUT)
        ),
        show: |s| quoted(&show_duration(s.probe.timeout)),
    },
    Entry {
        key: "probe.guest_timeout",
        variable: "CVMTOP_PROBE_GUEST_TIMEOUT",
        kind: Kind::Text,
        help: "time for the check inside a guest",
        set: setter!(
            probe.guest_timeout,
            duration(
                ProbeSettings::LEAST_GUEST_TIMEOUT,
                ProbeSettings::MOST_GUEST_TIMEOUT
            )
        ),
        show: |s| quoted(&show_duration(s.probe.guest_timeout)),
    },
    Entry {
        key: "probe.provider_interval",
        variable: "CVMTOP_PROBE_PROVIDER_INTERVAL",
        kind: Kind::Text,
        help: "time between two rounds of the provider's nodes, in whole minutes",
        set: setter!(probe.provider_interval, duration(MINUTE, HOUR * 4)),
        show: |s| quoted(&show_duration(s.probe.provider_interval)),
    },
    Entry {
        key: "probe.provider_wait",
        variable: "CVMTOP_PROBE_PROVIDER_WAIT",
        kind: Kind::Text,
        help: "time for what the provider's nodes tell; then their task is deleted",
        set: setter!(probe.provider_wait, duration(Duration::from_secs(10), HOUR)),
        show: |s| quoted(&show_duration(s.probe.provider_wait)),
    },
    Entry {
        key: "probe.provider_near",
        variable: "CVMTOP_PROBE_PROVIDER_NEAR",
        kind: Kind::Text,
        help: "where the users are: words of carriers, districts and cities of the provider's nodes",
        set: setter!(probe.provider_near, text),
        show: |s| quoted(&s.probe.provider_near),
    },
    Entry {
        key: "ui.theme",
        variable: "CVMTOP_THEME",
        kind: Kind::Text,
        help: "name of a theme: a shipped one or a file in the themes folder",
        set: setter!(ui.theme, text),
        show: |s| quoted(&s.ui.theme),
    },
    Entry {
        key: "ui.lang",
        variable: "CVMTOP_LANG",
        kind: Kind::Choice(Lang::WORDS),
        help: "language of texts and guides; from the locale unless set",
        set: setter!(ui.lang, Lang),
        show: |s| quoted(s.ui.lang.as_str()),
    },
    Entry {
        key: "ui.mouse",
        variable: "CVMTOP_MOUSE",
        kind: Kind::Bool,
        help: "the mouse selects, scrolls and focuses",
        set: setter!(ui.mouse, boolean),
        show: |s| s.ui.mouse.to_string(),
    },
    Entry {
        key: "ui.no_color",
        variable: "CVMTOP_NO_COLOR",
        kind: Kind::Bool,
        help: "no colour (also NO_COLOR)",
        set: setter!(ui.no_color, boolean),
        show: |s| s.ui.no_color.to_string(),
    },
    Entry {
        key: "ui.glyphs",
        variable: "CVMTOP_GLYPHS",
        kind: Kind::Choice(Glyphs::WORDS),
        help: "characters for lines, bars and marks: unicode or ascii",
        set: setter!(ui.glyphs, Glyphs),
        show: |s| quoted(s.ui.glyphs.as_str()),
    },
    Entry {
        key: "ui.ambiguous_width",
        variable: "CVMTOP_AMBIGUOUS_WIDTH",
        kind: Kind::Choice(AmbiguousWidth::WORDS),
        help: "columns of characters whose width terminals disagree on: auto, 1 or 2",
        set: setter!(ui.ambiguous_width, AmbiguousWidth),
        show: |s| quoted(s.ui.ambiguous_width.as_str()),
    },
    Entry {
        key: "ui.sync_output",
        variable: "CVMTOP_SYNC_OUTPUT",
        kind: Kind::Choice(OnOff::WORDS),
        help: "synchronized updates of the terminal: auto, on or off",
        set: setter!(ui.sync_output, OnOff),
        show: |s| quoted(s.ui.sync_output.as_str()),
    },
    Entry {
        key: "ui.links",
        variable: "CVMTOP_LINKS",
        kind: Kind::Choice(OnOff::WORDS),
        help: "links to pages that the terminal follows (OSC 8): auto, on or off",
        set: setter!(ui.links, OnOff),
        show: |s| quoted(s.ui.links.as_str()),
    },
    Entry {
        key: "ui.privacy",
        variable: "CVMTOP_PRIVACY",
        kind: Kind::Bool,
        help: "mask addresses and ids on the screen",
        set: setter!(ui.privacy, boolean),
        show: |s| s.ui.privacy.to_string(),
    },
    Entry {
        key: "ui.columns",
        variable: "CVMTOP_COLUMNS",
        kind: Kind::Texts,
        help: "columns of the list beside the name, in their order: address, state, login, age, region, cause, zone, os, id; unless set those chosen in the console last",
        set: |s, raw, _| {
            s.ui.columns = Some(columns(raw)?);
            Ok(())
        },
        show: |s| {
            let words = |list: &Vec<Column>| list.iter().map(|one| one.as_str()).collect();
            let words: Option<Vec<&str>> = s.ui.columns.as_ref().map(words);
            words.map_or_else(|| said::not_set().to_string(), |list| format!("{list:?}"))
        },
    },
    Entry {
        key: "ui.frames_per_second",
        variable: "CVMTOP_FRAMES_PER_SECOND",
        kind: Kind::Integer,
        help: "most frames a second; unless set 30, over SSH 15",
        set: |s, raw, _| {
            s.ui.frames_per_second = Some(raw.integer(1, 60)? as u16);
            Ok(())
        },
        show: |s| optional(s.ui.frames_per_second.as_ref()),
    },
    Entry {
        key: "log.level",
        variable: "CVMTOP_LOG_LEVEL",
        kind: Kind::Choice(LEVELS),
        help: "error, warn, info, debug or trace",
        set: |s, raw, _| {
            s.log.level = choice(raw, LEVELS, |text| {
                LEVELS.contains(&text).then(|| text.to_owned())
            })?;
            Ok(())
        },
        show: |s| quoted(&s.log.level),
    },
    Entry {
        key: "log.file",
        variable: "CVMTOP_LOG_FILE",
        kind: Kind::Text,
        help: "log file; unless set cvmtop.log in the state directory",
        set: setter!(log.file, path),
        show: |s| path(s.log.file.as_ref()),
    },
];

/// Tables that hold entries of the operator's own naming.
pub const OPEN_TABLES: &[&str] = &["keys", "filters", "host"];
