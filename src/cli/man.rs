//! The man pages, one a command, made from the command line itself and the manual (troff, `man`
//! macros), in the language of the run.
//!
//! Must not live here: what is said (`manual`, `args`, `said`).

use std::path::Path;

use clap::{Arg, ArgAction, Command};
use unicode_linebreak::linebreaks;

use super::args::{GlobalArgs, ManArgs};
use super::manual::{self, Manual, Page};
use super::{EXIT_FAULT, help, output, said};
use crate::app::locale::{Lang, Texts};
use crate::config::{self, Overrides};
use crate::domain::said::Said;

/// Bytes of an input line.
const WIDTH: usize = 78;

/// Prints one page, or writes all of them to a folder.
pub fn run(args: &ManArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = config::load(&Overrides::from(global))?;
    let lang = loaded.settings.ui.lang;
    output::speak(lang);
    if let Some(folder) = &args.output {
        return Ok(written(&pages(lang), folder));
    }
    let wanted = args.name.as_deref().unwrap_or_default();
    let mut pages = pages(lang).into_iter();
    match pages.find(|(name, _)| *name == page_name(wanted)) {
        Some((_, text)) => output::print(&text)?,
        None => return Err(output::Fault(said::unknown_command(wanted)).into()),
    }
    Ok(0)
}

fn written(pages: &[(String, String)], folder: &Path) -> u8 {
    for (name, text) in pages {
        let path = folder.join(format!("{name}.1"));
        let done = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
        if let Err(error) = done {
            output::warn(&said::unwritable(path.display(), error));
            return EXIT_FAULT;
        }
    }
    0
}

fn page_name(command: &str) -> String {
    match command {
        "" => "cvmtop".to_owned(),
        name => format!("cvmtop-{name}"),
    }
}

/// Every page: its name and its text.
pub fn pages(lang: Lang) -> Vec<(String, String)> {
    let texts = Texts::of(lang);
    let root = help::command(lang);
    let names: Vec<String> = commands(&root)
        .map(|one| page_name(one.get_name()))
        .collect();
    let mut all = vec![("cvmtop".to_owned(), page(&root, "", &names, texts))];
    for command in commands(&root) {
        let name = command.get_name();
        let text = page(command, name, &["cvmtop".to_owned()], texts);
        all.push((page_name(name), text));
    }
    all
}

/// The commands of one, without the library's own `help`.
fn commands(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|one| one.get_name() != "help")
}

fn page(command: &Command, name: &str, see: &[String], texts: &'static Texts) -> String {
    let manual = Manual::shipped();
    let own = Page::default();
    let of_manual = manual.page(name).unwrap_or(&own);
    let title = page_name(name);
    let mut roff = Roff {
        out: String::new(),
        texts,
    };
    roff.out.push_str(&format!(
        ".TH {} 1 {} \"cvmtop {}\"\n",
        title.to_uppercase(),
        manual.date,
        env!("CARGO_PKG_VERSION")
    ));
    let about = command.get_about().map(ToString::to_string);
    let about = about.unwrap_or_default();
    // Lines end where they end: neither filled up with blanks nor with parts of words.
    roff.out.push_str(".ad l\n.nh\n");
    roff.heading(&said::man_name());
    roff.line(&format!("{} - {about}", escaped(&title)));
    roff.heading(&said::man_synopsis());
    roff.synopsis(command);
    if let Some(text) = &of_manual.about {
        roff.heading(&said::man_description());
        roff.text(texts.known(text));
    }
    roff.arguments(command, name);
    if name == "act" {
        roff.actions();
    }
    if commands(command).next().is_some() {
        roff.heading(&said::man_commands());
        for one in commands(command) {
            let about = one.get_about().map(ToString::to_string);
            let tag = match name {
                "" => format!("\\fB{}\\fR(1)", escaped(&page_name(one.get_name()))),
                _ => bold(one.get_name()),
            };
            roff.item(&tag, &about.unwrap_or_default());
        }
    }
    roff.heading(&said::man_exit_status());
    for (status, when) in manual.exits(of_manual) {
        roff.item(&bold(&status.to_string()), texts.known(when));
    }
    roff.examples(of_manual);
    roff.surroundings(manual, name);
    roff.heading(&said::man_see_also());
    let see = see
        .iter()
        .map(|name| format!("\\fB{}\\fR(1)", escaped(name)));
    roff.line(&see.collect::<Vec<_>>().join(", "));
    roff.out
}

struct Roff {
    out: String,
    texts: &'static Texts,
}

impl Roff {
    fn heading(&mut self, said: &Said) {
        let heading = self.texts.said(said);
        self.out.push_str(&format!(".SH {}\n", escaped(&heading)));
    }

    /// What is troff already.
    fn line(&mut self, line: &str) {
        self.out.push_str(&filled(line));
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(&filled(&marked(text)));
    }

    fn item(&mut self, tag: &str, text: &str) {
        self.out.push_str(&format!(".TP\n{tag}\n"));
        self.text(text);
    }

    fn synopsis(&mut self, command: &Command) {
        let usage = command.clone().render_usage().to_string();
        // The first line has the library's word before it.
        let lines = usage.lines().map(|line| match line.split_once("cvmtop") {
            Some((_, rest)) => format!("\\fBcvmtop\\fR{}", escaped(rest)),
            None => escaped(line.trim()),
        });
        self.out
            .push_str(&lines.collect::<Vec<_>>().join("\n.br\n"));
        self.out.push('\n');
    }

    fn arguments(&mut self, command: &Command, name: &str) {
        let shown = |arg: &&Arg| !arg.is_hide_set();
        let (positional, options): (Vec<&Arg>, Vec<&Arg>) = command
            .get_arguments()
            .filter(shown)
            .partition(|arg| arg.is_positional());
        // Those of every command stand on the first page.
        let of_all = |arg: &&Arg| name.is_empty() || !arg.is_global_set();
        let of_all = options.into_iter().filter(of_all).collect::<Vec<_>>();
        if !positional.is_empty() {
            self.heading(&said::man_arguments());
            for arg in positional {
                let value = values(arg);
                self.item(&value, &help_of(arg));
            }
        }
        self.heading(&said::man_options());
        for arg in of_all {
            self.item(&tag(arg), &help_of(arg));
        }
        if !name.is_empty() {
            self.out.push_str(".PP\n");
            let text = self.texts.said(&said::man_options_of_all());
            self.text(&text);
        }
    }

    fn actions(&mut self) {
        self.heading(&said::man_actions());
        for row in manual::actions() {
            let title = self.texts.said(&manual::told(row));
            self.item(&bold(&row.id.to_string()), &title);
            let parameters: Vec<_> = manual::parameters(row).collect();
            if parameters.is_empty() {
                continue;
            }
            self.out.push_str(".RS\n");
            for (given, help) in parameters {
                let help = self.texts.said(&help);
                self.item(&bold(&given), &help);
            }
            self.out.push_str(".RE\n");
        }
    }

    fn examples(&mut self, page: &Page) {
        self.heading(&said::man_examples());
        for (index, example) in page.examples.iter().enumerate() {
            if index > 0 {
                self.out.push_str(".PP\n");
            }
            self.text(self.texts.known(&example.says));
            let run = escaped(&example.run);
            self.out
                .push_str(&format!(".PP\n.RS 4\n.EX\n{run}\n.EE\n.RE\n"));
        }
    }

    /// Files and variables.
    fn surroundings(&mut self, manual: &Manual, name: &str) {
        let is_here = |of: &[String]| name.is_empty() || of.iter().any(|one| one == name);
        let files: Vec<_> = manual.files.iter().filter(|one| is_here(&one.of)).collect();
        if !files.is_empty() {
            self.heading(&said::man_files());
            for file in files {
                self.item(&italic(&file.path), self.texts.known(&file.says));
            }
        }
        let known = self.texts;
        let own = manual.variables.iter().filter(|one| is_here(&one.of));
        let own = own.map(|one| (one.name.as_str(), known.known(&one.says).to_owned()));
        let settings = config::variables().filter(|_| name.is_empty());
        let settings = settings.map(|(variable, key, help)| {
            let text = format!("`{key}`: {}", known.known(help));
            (variable, text)
        });
        let all: Vec<_> = own.chain(settings).collect();
        if !all.is_empty() {
            self.heading(&said::man_environment());
            for (variable, text) in all {
                self.item(&bold(variable), &text);
            }
        }
    }
}

fn help_of(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string);
    help.unwrap_or_default()
}

/// An option as it is typed.
fn tag(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<_> = short
        .into_iter()
        .chain(long)
        .map(|name| bold(&name))
        .collect();
    let mut tag = names.join(", ");
    if matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
        let optional = arg
            .get_num_args()
            .is_some_and(|count| count.min_values() == 0);
        tag.push(' ');
        tag.push_str(&if optional {
            format!("[{}]", values(arg))
        } else {
            values(arg)
        });
    }
    tag
}

/// The names of an argument's values.
fn values(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<_> = names.iter().map(|name| italic(name)).collect();
    names.join(" ")
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

/// A text with what stands between backticks in bold.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        1 => bold(part),
        _ => escaped(part),
    });
    parts.collect()
}

/// A text whose marks stand for themselves, and can be copied.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            c => out.push(c),
        }
    }
    // A point at the beginning of a line would be a request.
    if out.starts_with('.') {
        out.insert_str(0, "\\&");
    }
    out
}

/// A paragraph in lines that are short enough; where a language breaks lines without blanks, the
/// places are marked, as troff knows them for few.
fn filled(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut width = 0;
    for word in text.split_whitespace() {
        let word = breakable(word);
        if width > 0 && width + 1 + word.len() > WIDTH {
            out.push('\n');
            width = 0;
        }
        if width > 0 {
            out.push(' ');
            width += 1;
        } else if word.starts_with('.') {
            out.push_str("\\&");
        }
        out.push_str(&word);
        width += word.len();
    }
    out.push('\n');
    out
}

fn breakable(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len() * 2);
    let mut from = 0;
    for (at, _) in linebreaks(word) {
        let (before, after) = (&word[from..at], &word[at..]);
        out.push_str(before);
        let wide = |c: Option<char>| c.is_some_and(|c| !c.is_ascii());
        if wide(before.chars().last()) && wide(after.chars().next()) {
            out.push_str("\\:");
        }
        from = at;
    }
    out
}
