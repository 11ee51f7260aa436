//! `cvmtop config`: check, show and print settings; and the flags as the config room wants them.
//!
//! Must not live here: what any setting means.

use std::fmt::Write;

use super::args::{ConfigArgs, ConfigCommand, GlobalArgs};
use super::said;
use super::{EXIT_USAGE, output};
use crate::config::said::not_set;
use crate::config::{self, Loaded, Overrides, Severity};
use crate::domain::text::sanitise;
use crate::runtime::own_guides;
use crate::runtime::prepared::Prepared;

impl From<&GlobalArgs> for Overrides {
    fn from(args: &GlobalArgs) -> Self {
        Self {
            config_file: args.config.clone(),
            // A size of the demo cannot mean anything else than the demo.
            demo: args.demo.fleet.or(args.demo.on.then_some(0)),
            profile: args.profile.clone(),
            regions: args.region.clone(),
            endpoint: args.endpoint.clone(),
            insecure_endpoint: args.insecure_endpoint,
            read_only: args.read_only,
            lang: args.lang.clone(),
            theme: args.theme.clone(),
            no_color: args.no_color,
            ssh_config: args.ssh_config.clone(),
            log_file: args.log_file.clone(),
            verbose: args.verbose,
            ..Self::default()
        }
    }
}

pub fn run(args: &ConfigArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    if matches!(args.command, ConfigCommand::Default) {
        output::print(config::DEFAULT_FILE)?;
        return Ok(0);
    }
    let loaded = config::load(&Overrides::from(global))?;
    output::speak(loaded.settings.ui.lang);
    for problem in &loaded.warnings {
        output::warn(&problem.said());
    }
    match args.command {
        ConfigCommand::Show => {
            output::print(&show(&loaded))?;
            Ok(0)
        }
        _ => check(&loaded),
    }
}

/// Strict: even a warning fails the check.
fn check(loaded: &Loaded) -> anyhow::Result<u8> {
    let file = loaded.paths.config_file.display();
    let errors = loaded
        .warnings
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    let guides = own_guides::install(loaded);
    for problem in &guides {
        output::warn(problem);
    }
    let looks = Prepared::of(loaded).problems;
    for problem in &looks {
        output::warn(problem);
    }
    let warnings = loaded.warnings.len() - errors + guides.len() + looks.len();
    if errors + warnings > 0 {
        let text = said::mistakes(file, errors, warnings);
        output::print(&format!("{}\n", output::said(&text)))?;
        return Ok(EXIT_USAGE);
    }
    let text = if loaded.paths.config_file.exists() {
        said::no_mistakes(file)
    } else {
        said::no_file(file)
    };
    output::print(&format!("{}\n", output::said(&text)))?;
    Ok(0)
}

/// Every setting with its origin.
pub(super) fn show(loaded: &Loaded) -> String {
    let rows = loaded.rows();
    let width = rows.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (key, value, origin) in rows {
        let value = if *value == *not_set() {
            output::said(&not_set())
        } else {
            value
        };
        let origin = output::said(&origin.said());
        let _ = writeln!(text, "{key:width$} = {value}  # {origin}");
    }
    for binding in &loaded.settings.keys {
        let _ = writeln!(
            text,
            "keys.{}.{} = {:?}  # {}",
            sanitise(&binding.scope, 40),
            sanitise(&binding.command, 60),
            binding.chords,
            binding.place
        );
    }
    for (name, filter) in &loaded.settings.filters {
        let _ = writeln!(text, "filters.{} = {filter:?}", sanitise(name, 60));
    }
    for host in &loaded.settings.hosts {
        let address = host.host_name.clone().unwrap_or_else(|| {
            let instance = &host.instance;
            let first = instance.address();
            first.map(|address| address.to_string()).unwrap_or_default()
        });
        let _ = writeln!(
            text,
            "host {} = {} port {}",
            host.instance.name,
            sanitise(&address, 100),
            host.instance.login_port()
        );
    }
    let log = loaded.settings.log.file.clone();
    let log = log.unwrap_or_else(|| loaded.paths.default_log());
    for place in [
        said::place_config(loaded.paths.config_file.display()),
        said::place_state(loaded.paths.state_dir.display()),
        said::place_log(log.display()),
    ] {
        let _ = writeln!(text, "# {}", output::said(&place));
    }
    text
}
