//! Precedence, messages with file, line and key, and the shipped default file and schema.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::DEFAULT_FILE;
use crate::domain::instance::Os;
use crate::domain::site::Site;

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(dir.path().join(".config/cvmtop")).expect("folder");
        fs::write(dir.path().join(".config/cvmtop/config.toml"), config).expect("file");
        Self { dir }
    }

    fn load(&self, variables: &[(&str, &str)], overrides: &Overrides) -> Loaded {
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let environment = Environment::of(
            move |name| {
                variables
                    .iter()
                    .find(|(k, _)| k == name)
                    .map(|(_, v)| v.clone())
            },
            self.dir.path(),
        );
        load_with(overrides, &environment).expect("loads")
    }
}

fn load(config: &str) -> Loaded {
    Fixture::new(config).load(&[], &Overrides::default())
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let fixture = Fixture::new("[cloud]\nendpoint = \"https://file\"\n[ui]\ntheme = \"light\"\n");
    let loaded = fixture.load(&[], &Overrides::default());
    assert_eq!(loaded.settings.cloud.endpoint, "https://file");
    let Some(Origin::File { place }) = loaded.origins.get("cloud.endpoint") else {
        panic!("{:?}", loaded.origins)
    };
    assert!(place.ends_with("config.toml:2"), "{place}");
    let variables = [
        ("CVMTOP_ENDPOINT", "https://env"),
        ("CVMTOP_REGION", "ap-seoul, ap-tokyo"),
        ("CVMTOP_MOUSE", "1"),
    ];
    let loaded = fixture.load(&variables, &Overrides::default());
    assert_eq!(loaded.settings.cloud.endpoint, "https://env");
    assert_eq!(loaded.settings.cloud.regions, ["ap-seoul", "ap-tokyo"]);
    assert!(loaded.settings.ui.mouse);
    let flags = Overrides {
        endpoint: Some("https://flag".to_owned()),
        ..Overrides::default()
    };
    let loaded = fixture.load(&variables, &flags);
    assert_eq!(loaded.settings.cloud.endpoint, "https://flag");
    assert_eq!(loaded.origins["cloud.endpoint"], Origin::Flag("--endpoint"));
    assert_eq!(loaded.settings.ui.theme, "light");
    assert_eq!(loaded.settings.probe.rate, 100);
}

#[test]
fn mistakes_are_named_with_file_line_and_key_and_the_default_stays() {
    let loaded = load(
        "[probe]\nrate = \"fast\"\nper_target_interval = \"soon\"\nratte = 5\n[ui]\nlang = \"fr\"\nmouse = true\n",
    );
    let texts: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 4, "{texts:#?}");
    assert!(
        texts[0].contains("config.toml:2: probe.rate must be a number"),
        "{texts:?}"
    );
    assert!(
        texts[1].contains("config.toml:3: probe.per_target_interval"),
        "{texts:?}"
    );
    assert!(texts[2].contains("did you mean `probe.rate`"), "{texts:?}");
    assert!(texts[3].contains("none of en, ko, zh"), "{texts:?}");
    assert_eq!(loaded.settings.probe.rate, 100);
    assert!(loaded.settings.ui.mouse, "the rest still counts");
    assert!(loaded.has_errors());
}

#[test]
fn a_key_in_the_wrong_table_is_pointed_to_the_right_one() {
    let loaded = load("[cloud]\ntheme = \"dark\"\n");
    assert!(
        loaded.warnings[0]
            .to_string()
            .contains("did you mean `ui.theme`")
    );
    assert!(!loaded.has_errors(), "an unknown key is only a warning");
}

#[test]
fn a_broken_line_leaves_the_others_and_read_only_fails_safe() {
    let loaded = load("[ui]\ntheme = \n mouse = true\n");
    assert!(loaded.has_errors());
    assert!(
        loaded.warnings[0].place.ends_with(":2"),
        "{:?}",
        loaded.warnings
    );
    assert!(load("read_only = \"yes\"\n").settings.read_only);
}

#[test]
fn a_file_named_on_purpose_must_exist() {
    let fixture = Fixture::new("");
    let environment = Environment::of(|_| None, fixture.dir.path());
    let flags = Overrides {
        config_file: Some(fixture.dir.path().join("absent.toml")),
        ..Overrides::default()
    };
    let error = load_with(&flags, &environment)
        .expect_err("absent")
        .to_string();
    assert!(error.contains("absent.toml"), "{error}");
    fs::remove_file(fixture.dir.path().join(".config/cvmtop/config.toml")).expect("removed");
    assert!(load_with(&Overrides::default(), &environment).is_ok());
}

#[test]
fn the_demo_keeps_its_state_apart() {
    let fixture = Fixture::new("");
    let on_demo = Overrides {
        demo: Some(0),
        ..Overrides::default()
    };
    let real = fixture.load(&[], &Overrides::default());
    let demo = fixture.load(&[], &on_demo);
    assert_eq!((real.demo, demo.demo), (None, Some(0)));
    assert_eq!(demo.paths.state_dir, real.paths.state_dir.join("demo"));
    assert_eq!(demo.paths.config_file, real.paths.config_file);
}

#[test]
fn profiles_can_be_read_only() {
    let fixture = Fixture::new("[cloud]\nread_only_profiles = [\"audit\"]\n");
    let flags = Overrides {
        profile: Some("audit".to_owned()),
        ..Overrides::default()
    };
    let loaded = fixture.load(&[], &flags);
    assert!(loaded.settings.read_only && loaded.settings.cloud.profile_is_forced);
    assert!(!fixture.load(&[], &Overrides::default()).settings.read_only);
}

#[test]
fn hosts_keys_and_filters_are_read() {
    let loaded = load(
        "[keys.global]\nquit = [\"q\", \"ctrl-c\"]\nhelp = \"none\"\n[filters]\nweb = \"tag:role=web\"\n\
         [[host]]\nname = \"legacy-1\"\naddress = \"198.51.100.9\"\nos = \"windows\"\nport = 2222\n\
         [[host]]\nname = \"b\"\naddress = \"10.1.2.3\"\n[[host]]\nname = \"c\"\n[[host]]\nname=\"d\"\naddress=\"1.2.3.4\"\nport=99999\n",
    );
    let settings = &loaded.settings;
    assert_eq!(settings.keys.len(), 2);
    assert_eq!(settings.keys[0].chords, ["q", "ctrl-c"]);
    assert!(settings.keys[0].place.ends_with(":2"));
    assert_eq!(settings.filters["web"], "tag:role=web");
    assert_eq!(settings.hosts.len(), 2);
    let first = &settings.hosts[0].instance;
    assert_eq!(
        (first.os, first.login_port(), first.is_static),
        (Os::Windows, 2222, true)
    );
    assert_eq!(settings.hosts[1].instance.private_addresses.len(), 1);
    let texts: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(texts[0].contains("host.address is missing"), "{texts:?}");
    assert!(texts[1].contains("host.port is 99999"), "{texts:?}");
}

#[test]
fn the_locale_chooses_the_language_unless_something_else_does() {
    let fixture = Fixture::new("");
    let lang = |vars: &[(&str, &str)]| fixture.load(vars, &Overrides::default()).settings.ui.lang;
    assert_eq!(lang(&[("LANG", "ko_KR.UTF-8")]), Lang::Ko);
    assert_eq!(
        lang(&[("LANG", "ko_KR.UTF-8"), ("LC_ALL", "zh_CN")]),
        Lang::Zh
    );
    assert_eq!(lang(&[("LANG", "fr_FR.UTF-8")]), Lang::En);
    assert_eq!(lang(&[("LANG", "ko_KR"), ("CVMTOP_LANG", "en")]), Lang::En);
}

#[test]
fn the_default_file_holds_every_key_with_its_default() {
    assert_eq!(load(DEFAULT_FILE).settings, load("").settings);
    let active: String = DEFAULT_FILE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    let loaded = load(&active);
    let texts: Vec<String> = loaded
        .warnings
        .iter()
        .filter(|p| p.place != "ssh_config")
        .map(ToString::to_string)
        .collect();
    assert!(texts.is_empty(), "{texts:#?}");
    for entry in ENTRIES {
        assert!(
            matches!(loaded.origins.get(entry.key), Some(Origin::File { .. })),
            "{} is not in assets/config-default.toml",
            entry.key
        );
    }
    let (given, default) = (&loaded.settings, Settings::default());
    assert_eq!(given.probe.rate, default.probe.rate);
    assert_eq!(given.probe.neighbour_ports, default.probe.neighbour_ports);
    assert_eq!(given.probe.timeout, default.probe.timeout);
    assert_eq!(given.cloud.refresh_interval, default.cloud.refresh_interval);
    assert_eq!(given.cloud.endpoint, default.cloud.endpoint);
    assert_eq!(given.probe.per_target_interval, Duration::from_secs(30));
    assert_eq!(given.hosts.len(), 1);
}

/// The schema that editors use is made from the table of settings.
fn schema() -> serde_json::Value {
    use keys::Kind;
    use serde_json::json;
    let mut root = json!({});
    for entry in ENTRIES {
        let mut property = match entry.kind {
            Kind::Text => json!({"type": "string"}),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Integer => json!({"type": "integer"}),
            Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
            Kind::Ports => {
                json!({"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}})
            }
            Kind::Choice(words) => json!({"enum": words}),
        };
        property["description"] = json!(format!("{} ({})", entry.help, entry.variable));
        match entry.key.split_once('.') {
            None => root[entry.key] = property,
            Some((table, key)) => {
                if root.get(table).is_none() {
                    root[table] =
                        json!({"type": "object", "additionalProperties": false, "properties": {}});
                }
                root[table]["properties"][key] = property;
            }
        }
    }
    let text = json!({"type": "string"});
    let chords =
        json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    root["keys"] = json!({"type": "object", "additionalProperties": {"type": "object", "additionalProperties": chords}});
    root["filters"] = json!({"type": "object", "additionalProperties": text});
    root["host"] = json!({"type": "array", "items": {"type": "object", "required": ["name", "address"], "additionalProperties": false, "properties": {
        "name": text, "address": text, "private_address": text, "os": {"enum": ["linux", "windows"]},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535}, "user": text,
        "tags": {"type": "object", "additionalProperties": text}}}});
    json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "cvmtop config.toml",
        "type": "object", "additionalProperties": false, "properties": root})
}

#[test]
fn the_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/schema/config.json");
    let current = format!(
        "{}\n",
        serde_json::to_string_pretty(&schema()).expect("JSON")
    );
    if std::env::var_os("CVMTOP_UPDATE_ASSETS").is_some() {
        fs::create_dir_all(Path::new(path).parent().expect("parent")).expect("folder");
        fs::write(path, &current).expect("schema");
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == current,
        "assets/schema/config.json is old; run the tests with CVMTOP_UPDATE_ASSETS=1"
    );
}

#[test]
fn every_variable_is_distinct_and_ours() {
    let mut names: Vec<_> = ENTRIES.iter().map(|entry| entry.variable).collect();
    assert!(names.iter().all(|name| name.starts_with("CVMTOP_")));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ENTRIES.len());
}

#[test]
fn the_default_file_names_the_endpoint_of_each_site_and_the_look_back_of_the_self_diagnosis() {
    for site in [Site::China, Site::International] {
        assert!(DEFAULT_FILE.contains(site.endpoint()), "{site:?}");
    }
    let hours = crate::domain::check::LOOK_BACK_HOURS;
    let line = DEFAULT_FILE
        .lines()
        .find(|line| line.contains("`cvmtop check` (c)"));
    assert!(line.is_some_and(|line| line.contains(&format!("{hours} hours"))));
}
