//! The command line's own texts (`--help`, the man page, what is wrong with an argument) in the
//! language of the run.
//!
//! The English stands beside each option (`args`); other languages are looked up by the whole of
//! it, as the texts of the knowledge files are. Must not live here: the options themselves.

use std::io;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, CommandFactory as _, FromArgMatches as _};

use super::args::Cli;
use super::manual::{self, Manual};
use super::{output, said};
use crate::app::locale::{Lang, Texts};
use crate::config::{self, Overrides};
use crate::domain::said::Said;

/// Parses the arguments of this process; ends it where they ask for help or are wrong.
pub fn parse() -> Cli {
    let words: Vec<_> = std::env::args_os().collect();
    let lang = language(&words);
    // Before anything can go wrong, so that it is said in the operator's language.
    output::speak(lang);
    let parsed = Cli::command()
        .try_get_matches_from(&words)
        // Only what is shown needs its words: they are not read for each run.
        .or_else(|_| command(lang).try_get_matches_from(&words))
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => cli,
        Err(error) => match wrong(&error).filter(|_| lang != Lang::En) {
            Some(why) => {
                output::warn(&why);
                std::process::exit(error.exit_code());
            }
            None => {
                let written = error.print();
                match written {
                    Err(why) if !error.use_stderr() && why.kind() != io::ErrorKind::BrokenPipe => {
                        output::warn(&said::unwritten(why));
                        std::process::exit(super::EXIT_NOTHING.into());
                    }
                    _ => std::process::exit(error.exit_code()),
                }
            }
        },
    }
}

/// The language before anything is parsed: `--lang`, then what the settings say.
fn language(words: &[std::ffi::OsString]) -> Lang {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let given = |option: &str| {
        words.iter().enumerate().find_map(|(at, word)| {
            let after = || words.get(at + 1).copied();
            match word.strip_prefix(option)? {
                "" => after(),
                rest => rest.strip_prefix('='),
            }
        })
    };
    let overrides = Overrides {
        lang: given("--lang").map(str::to_owned),
        config_file: given("--config").map(Into::into),
        ..Overrides::default()
    };
    // A file that cannot be read is reported later, in the language that is known without it.
    let without_file = || {
        config::load(&Overrides {
            config_file: None,
            ..overrides.clone()
        })
    };
    let loaded = config::load(&overrides).or_else(|_| without_file());
    loaded.map_or_else(|_| Lang::default(), |loaded| loaded.settings.ui.lang)
}

/// The whole command with its texts in a language.
pub fn command(lang: Lang) -> Command {
    let mut command = Cli::command();
    // Makes the help options and the inherited ones visible.
    command.build();
    translated(command, "", Texts::of(lang))
}

fn translated(command: Command, path: &str, texts: &'static Texts) -> Command {
    let known = |text: &StyledStr| texts.known(&text.to_string()).to_owned();
    let about = command.get_about().map(known);
    let long_about = command.get_long_about().map(known);
    let names: Vec<String> = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned())
        .collect();
    let heading = |said: Said| -> &'static str { texts.said(&said).leak() };
    let commands = heading(said::heading_commands());
    let mut command = command
        .subcommand_help_heading(commands)
        .subcommand_value_name(heading(said::value_command()));
    // In the order of the English: commands, arguments, options.
    let mut template = format!(
        "{{before-help}}{{about-with-newline}}\n{}",
        texts.said(&said::usage("{usage}"))
    );
    let has = |wanted: &dyn Fn(&Arg) -> bool| command.get_arguments().any(wanted);
    for (is_there, heading, tag) in [
        (!names.is_empty(), said::heading_commands(), "subcommands"),
        (
            has(&|arg| arg.is_positional() && !arg.is_hide_set()),
            said::heading_arguments(),
            "positionals",
        ),
        (
            has(&|arg| !arg.is_positional() && !arg.is_hide_set()),
            said::heading_options(),
            "options",
        ),
    ] {
        if is_there {
            template.push_str(&format!(
                "\n\n{}\n{{{tag}}}",
                texts.said(&said::section(heading))
            ));
        }
    }
    template.push_str("{after-help}");
    let after = manual::help(path, texts);
    let usage = usage(&mut command, texts);
    let mut command = command
        .help_template(template)
        .override_usage(usage)
        .mut_args(|arg| argument(arg, texts));
    if let Some(about) = about {
        command = command.about(about);
    }
    if let Some(about) = long_about {
        command = command.long_about(about);
    }
    if let Some(after) = after {
        command = command.after_help(after);
    }
    for name in names {
        // What lies deeper has no page of its own.
        let own = if path.is_empty() { name.as_str() } else { "-" };
        command = command.mut_subcommand(&name, |one| translated(one, own, texts));
    }
    command
}

/// The usage line; the library's word for options is its own and English.
fn usage(command: &mut Command, texts: &Texts) -> String {
    let options = said::usage_options();
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    usage.replace(options.as_str(), &texts.said(&options))
}

/// An option with its help; what it takes and its default are said, too.
fn argument(arg: Arg, texts: &'static Texts) -> Arg {
    let mut help = arg
        .get_help()
        .map(|text| texts.known(&text.to_string()).to_owned())
        .unwrap_or_default();
    let mut note = |said: Said| {
        if !help.is_empty() {
            help.push(' ');
        }
        help.push_str(&texts.said(&said));
    };
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| takes_value && !value.is_hide_set())
        .map(|value| value.get_name().to_owned())
        .collect();
    if !values.is_empty() {
        note(said::possible_values(values.join(", ")));
    }
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    if takes_value && !defaults.is_empty() {
        note(said::default_value(defaults.join(" ")));
    }
    let long = arg.get_long_help().is_some();
    let arg = arg
        .hide_possible_values(true)
        .hide_default_value(true)
        .help(help.clone());
    if long { arg.long_help(help) } else { arg }
}

/// What is wrong with the command line, in one sentence; `None` for help and version.
fn wrong(error: &clap::Error) -> Option<Said> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let arg = text(ContextKind::InvalidArg);
    Some(match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        ErrorKind::UnknownArgument => said::unknown_argument(arg),
        ErrorKind::InvalidSubcommand => said::unknown_command(text(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingRequiredArgument => said::missing_argument(arg),
        ErrorKind::ArgumentConflict => said::argument_conflict(arg, text(ContextKind::PriorArg)),
        ErrorKind::InvalidValue
        | ErrorKind::ValueValidation
        | ErrorKind::NoEquals
        | ErrorKind::TooManyValues
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues => {
            let value = text(ContextKind::InvalidValue);
            if value.is_empty() {
                said::value_missing(arg)
            } else {
                said::value_wrong(arg, value)
            }
        }
        _ => said::command_line_wrong(),
    })
}

/// Every help text in English, for the test that each is said in each language.
pub fn texts() -> Vec<String> {
    fn collect(command: &Command, into: &mut Vec<String>) {
        let abouts = [command.get_about(), command.get_long_about()];
        into.extend(abouts.into_iter().flatten().map(ToString::to_string));
        for arg in command.get_arguments() {
            into.extend(arg.get_help().map(ToString::to_string));
        }
        for one in command.get_subcommands() {
            collect(one, into);
        }
    }
    let mut command = Cli::command();
    command.build();
    let mut all = Vec::new();
    collect(&command, &mut all);
    all.extend(Manual::shipped().texts().map(str::to_owned));
    all.retain(|text| !text.is_empty());
    all.sort();
    all.dedup();
    all
}
