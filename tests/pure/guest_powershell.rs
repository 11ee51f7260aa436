//! The PowerShell texts that are sent into a guest, read by a grammar of the language: that they
//! are PowerShell at all, that nothing in them is newer than version 4 (Windows Server 2012 R2), and
//! that the check reads and does nothing else.
//!
//! What may be used is a list in `data/powershell.toml`; a command, parameter, method or type that
//! is not there is refused, so a new one has to be looked up before it can ship.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tree_sitter::{Node, Parser};

/// Windows Server 2012 R2 ships it.
const OLDEST: (u32, u32) = (4, 0);

/// Statements that version 4 does not know, by their name in the grammar.
const NEWER: &[&str] = &[
    "pipeline_chain_tail",
    "background_operator",
    "class_statement",
    "enum_statement",
    "foreach_parameter",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    /// What changes nothing, for the check and the repairs.
    read: BTreeMap<String, Command>,
    /// What only a repair may use.
    write: BTreeMap<String, Command>,
    /// Programs of the system that read, with the arguments they may be given.
    program: BTreeMap<String, Vec<String>>,
    /// The same for what only a repair may run, which may change something.
    repair_program: BTreeMap<String, Vec<String>>,
    methods: Methods,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    since: String,
    #[serde(default)]
    parameters: Vec<String>,
    /// Arguments must match one of these, where there are any.
    #[serde(default)]
    arguments: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Methods {
    read: Vec<String>,
    write: Vec<String>,
    types: Vec<String>,
    repair_types: Vec<String>,
}

impl Lists {
    fn shipped() -> Self {
        toml::from_str(include_str!("../data/powershell.toml")).expect("data/powershell.toml")
    }
}

/// How much a text may do.
#[derive(Clone, Copy, PartialEq)]
enum May {
    Read,
    Repair,
}

struct Lint<'a> {
    text: &'a str,
    may: May,
    lists: &'a Lists,
    /// Functions of the text itself and of its prelude.
    own: BTreeSet<String>,
    faults: Vec<String>,
}

fn parse(text: &str) -> tree_sitter::Tree {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .expect("the grammar fits the parser");
    parser.parse(text, None).expect("a tree")
}

fn functions(node: Node, text: &str, found: &mut BTreeSet<String>) {
    if node.kind() == "function_statement" {
        let parts = children(node);
        let name = parts.iter().find(|part| part.kind() == "function_name");
        found.extend(name.map(|name| text[name.byte_range()].to_owned()));
    }
    for child in children(node) {
        functions(child, text, found);
    }
}

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

/// Everything in `text` that must not be there; `with` are functions that stand before it.
fn faults(text: &str, may: May, with: &BTreeSet<String>) -> Vec<String> {
    let tree = parse(text);
    let mut own = with.clone();
    functions(tree.root_node(), text, &mut own);
    let lists = Lists::shipped();
    let mut lint = Lint {
        text,
        may,
        lists: &lists,
        own,
        faults: Vec::new(),
    };
    lint.walk(tree.root_node());
    lint.faults
}

impl Lint<'_> {
    fn fault(&mut self, node: Node, why: &str) {
        let line = node.start_position().row + 1;
        let shown: String = self.of(node).chars().take(70).collect();
        self.faults.push(format!("line {line}: {why}: {shown}"));
    }

    fn of(&self, node: Node) -> &str {
        &self.text[node.byte_range()]
    }

    fn walk(&mut self, node: Node) {
        let kind = node.kind();
        if node.is_error() || node.is_missing() {
            return self.fault(node, "no valid PowerShell");
        }
        if NEWER.contains(&kind) {
            self.fault(node, "not in version 4");
        }
        match kind {
            "command" => self.command(node),
            "type_literal" => self.type_literal(node),
            "member_access" | "invokation_expression" => self.member(node),
            "argument_list" => self.call_in_argument(node),
            "left_assignment_expression" => self.assignment(node),
            "file_redirection_operator" | "generic_token" if self.of(node).contains('>') => {
                self.redirection(node);
            }
            _ => {}
        }
        for child in children(node) {
            self.walk(child);
        }
    }

    fn command(&mut self, node: Node) {
        let parts = children(node);
        if parts
            .iter()
            .any(|part| part.kind() == "command_invokation_operator")
        {
            return self.fault(node, "runs what a variable or a file holds");
        }
        let Some(name) = parts.iter().find(|part| part.kind() == "command_name") else {
            return self.fault(node, "a command without a name");
        };
        let name = self.of(*name).to_owned();
        let elements: Vec<Node> = parts
            .iter()
            .filter(|part| part.kind() == "command_elements")
            .flat_map(|part| children(*part))
            .filter(|part| part.kind() != "command_argument_sep")
            .collect();
        if self.own.contains(&name) {
            return;
        }
        let lists = self.lists;
        let changing = lists.repair_program.get(&name);
        if let Some(forms) = lists.program.get(&name).or(changing) {
            let given: Vec<&str> = elements
                .iter()
                .map(|element| self.of(*element))
                .filter(|word| *word != "2>$null")
                .collect();
            let given = given.join(" ");
            let changing = changing.filter(|_| self.may == May::Repair);
            let mut forms = forms.iter().chain(changing.into_iter().flatten());
            if !forms.any(|form| fits(form, &given)) {
                self.fault(
                    node,
                    "the program is not known to only read with these arguments",
                );
            }
            return;
        }
        let known = match self.may {
            May::Read => lists.read.get(&name),
            May::Repair => lists.read.get(&name).or_else(|| lists.write.get(&name)),
        };
        let Some(known) = known else {
            return self.fault(node, "the command is not on the list");
        };
        let version: Vec<u32> = known.since.split('.').map(|n| n.parse().unwrap()).collect();
        if (version[0], version[1]) > OLDEST {
            self.fault(node, "the command is newer than version 4");
        }
        for element in elements {
            let word = self.of(element).to_owned();
            if element.kind() == "command_parameter" {
                let name = word.trim_start_matches('-').trim_end_matches(':');
                if !known.parameters.iter().any(|p| p == name) {
                    self.fault(element, "the parameter is not on the list");
                }
            } else if !known.arguments.is_empty()
                && !known.arguments.iter().any(|form| fits(form, &word))
            {
                self.fault(element, "the argument is not on the list");
            }
        }
    }

    fn type_literal(&mut self, node: Node) {
        let name = self.of(node);
        let name = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
        let name = name.unwrap_or_default().to_owned();
        let methods = &self.lists.methods;
        let known = methods.types.contains(&name)
            || (self.may == May::Repair && methods.repair_types.contains(&name));
        if !known {
            self.fault(node, "the type is not on the list");
        }
    }

    /// A method is known by the round bracket behind its name, in expressions and in arguments.
    fn member(&mut self, node: Node) {
        let parts = children(node);
        let called = parts.iter().any(|part| part.kind() == "argument_list")
            || self.text[node.end_byte()..].starts_with('(');
        let name = parts.iter().rev().find(|part| part.kind() == "member_name");
        let Some(name) = name.filter(|_| called) else {
            return;
        };
        let name = self.of(*name).to_owned();
        let methods = &self.lists.methods;
        let known = methods.read.contains(&name)
            || (self.may == May::Repair && methods.write.contains(&name));
        if !known {
            self.fault(node, "the method is not on the list");
        }
    }

    /// A call of something that has no name to look up.
    fn call_in_argument(&mut self, node: Node) {
        let named = node.parent().is_some_and(|parent| {
            parent.kind() == "invokation_expression"
                || node
                    .prev_sibling()
                    .is_some_and(|before| before.kind() == "member_access")
        });
        if !named {
            self.fault(node, "a call without a name");
        }
    }

    /// The check may set its own variables and how it prints, and no property of anything else.
    fn assignment(&mut self, node: Node) {
        let target = self.of(node).trim().to_owned();
        let is_own = !target.contains('.') && !target.contains("::");
        let prints = target == "[Console]::OutputEncoding";
        // `$d[$i.Name] = ...` fills a table of the check's own.
        let table = target.starts_with("$d[");
        let drive = target.contains(':') && !target.starts_with("$script:");
        if self.may == May::Read && !prints && !table && (!is_own || drive) {
            self.fault(node, "sets something that is not a variable of its own");
        }
    }

    fn redirection(&mut self, node: Node) {
        let word = self.of(node);
        if node.kind() == "generic_token" && ["2>$null", "2>&1"].contains(&word) {
            return;
        }
        self.fault(node, "writes a file");
    }
}

/// Whether the words are those of a form, in which `*` stands for one argument that is no switch.
fn fits(form: &str, given: &str) -> bool {
    let mut words = given.split_whitespace();
    for part in form.split_whitespace() {
        match part {
            "*" => {
                if words.next().is_none_or(|word| word.starts_with(['/', '-'])) {
                    return false;
                }
            }
            part => {
                if words.next() != Some(part) {
                    return false;
                }
            }
        }
    }
    words.next().is_none()
}

fn scripts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, found);
        } else if path.extension().is_some_and(|end| end == "ps1") {
            found.push(path);
        }
    }
}

#[test]
fn every_script_is_powershell_of_version_4_and_the_check_only_reads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/guest");
    let mut paths = Vec::new();
    scripts(&root, &mut paths);
    assert!(paths.len() >= 7, "{paths:?}");
    let prelude = std::fs::read_to_string(root.join("repair/windows-prelude.ps1")).unwrap();
    let mut common = BTreeSet::new();
    functions(parse(&prelude).root_node(), &prelude, &mut common);
    let mut wrong = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let found = if name.starts_with("check") {
            faults(&text, May::Read, &BTreeSet::new())
        } else {
            faults(&text, May::Repair, &common)
        };
        wrong.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Each of these must be refused by the check's rules, for the reason beside it.
const BROKEN: &[(&str, &str)] = &[
    ("if ($a { Get-Item b }", "no valid PowerShell"),
    ("Get-Item \"a", "no valid PowerShell"),
    ("$x = $a ? 1 : 2", "no valid PowerShell"),
    ("$x = $a ?? 2", "no valid PowerShell"),
    ("$x ??= 2", "no valid PowerShell"),
    ("$x = ${a}?.Name", "no valid PowerShell"),
    ("Get-Item a && Get-Item b", "not in version 4"),
    ("Get-Item a || Get-Item b", "not in version 4"),
    ("class A { [int]$x }", "not in version 4"),
    ("enum B { C }", "not in version 4"),
    ("Get-ComputerInfo", "the command is not on the list"),
    ("Get-LocalUser x", "the command is not on the list"),
    (
        "Set-ItemProperty a -Name b -Value c",
        "the command is not on the list",
    ),
    ("Remove-Item $x", "the command is not on the list"),
    ("del $x", "the command is not on the list"),
    ("iex 'Get-Item a'", "the command is not on the list"),
    (
        "$x = \"$(Remove-Item a)\"",
        "the command is not on the list",
    ),
    ("Get-Item a | Out-File b", "the command is not on the list"),
    ("Get-ItemPropertyValue a", "the command is not on the list"),
    ("secedit /export /cfg x", "the command is not on the list"),
    (
        "Get-ChildItem a -Depth 2",
        "the parameter is not on the list",
    ),
    ("net user x /active:yes", "only read with these arguments"),
    ("net stop TermService", "only read with these arguments"),
    ("net localgroup a b /add", "only read with these arguments"),
    (
        "netsh int ipv4 set dynamicport tcp start=1 num=2",
        "only read with these arguments",
    ),
    (
        "Invoke-CimMethod -InputObject $x -MethodName SetAllow",
        "the argument is not on the list",
    ),
    ("netstat -ano > c:\\x.txt", "writes a file"),
    ("netstat -ano -p tcp >> x", "writes a file"),
    ("netstat -ano -p tcp 2>err.txt", "writes a file"),
    ("& $x", "runs what a variable or a file holds"),
    (". .\\other.ps1", "runs what a variable or a file holds"),
    (
        "[System.IO.File]::WriteAllText('a', 'b')",
        "the type is not on the list",
    ),
    ("$k.SetValue('a', 1)", "the method is not on the list"),
    ("Get-Item $k.Delete()", "the method is not on the list"),
    ("[regex]::new('a')", "the method is not on the list"),
    ("$user.UserFlags = 2", "not a variable of its own"),
    ("$env:PATH = 'x'", "not a variable of its own"),
    ("$x.$name()", "the method is not on the list"),
];

#[test]
fn what_is_broken_too_new_or_writes_is_refused() {
    for (text, why) in BROKEN {
        let found = faults(text, May::Read, &BTreeSet::new());
        assert!(
            found.iter().any(|fault| fault.contains(why)),
            "`{text}` should be refused as `{why}`: {found:?}"
        );
    }
}

/// What the script for the user's machine may call: it reads, connects and prints.
const OF_THE_KIT: &[&str] = &[
    "ForEach-Object",
    "Get-Command",
    "Get-Date",
    "Get-ItemProperty",
    "New-Object",
    "Open-Port",
    "Ping-Size",
    "Put",
    "Read-Host",
    "Select-Object",
    "Where-Object",
    "Write-Host",
    "ssh",
];

#[test]
fn the_script_for_the_user_is_powershell_of_version_4_in_each_language() {
    use cvmtop::app::locale::{Lang, Texts};
    let instance = cvmtop::domain::report::InstanceSummary {
        public_addresses: vec!["203.0.113.9".into()],
        login_port: 3389,
        ..Default::default()
    };
    for lang in [Lang::En, Lang::Ko, Lang::Zh] {
        let texts = Texts::of(lang);
        let say = |sentence: &cvmtop::domain::said::Said| texts.said(sentence);
        let shell = cvmtop::kit::Shell::PowerShell;
        let text = cvmtop::kit::script(&instance, shell, &say).unwrap();
        let tree = parse(&text);
        assert!(
            !tree.root_node().has_error(),
            "{lang:?}: no valid PowerShell"
        );
        let mut nodes = vec![tree.root_node()];
        while let Some(node) = nodes.pop() {
            let newer = NEWER.contains(&node.kind());
            assert!(!newer, "{}", &text[node.byte_range()]);
            if node.kind() == "command_name" {
                let name = &text[node.byte_range()];
                assert!(OF_THE_KIT.contains(&name), "{name}");
            }
            nodes.extend(children(node));
        }
        // A reader that takes the file for another encoding may swallow the byte after a letter
        // that is not ASCII: no line and no string may end with one.
        for line in text.lines().filter(|line| !line.is_ascii()) {
            let ends = line.chars().last().is_some_and(|c| c.is_ascii());
            let quoted = line.split('\'').next_back().is_some();
            assert!(ends && quoted, "{line}");
            for part in line.split('\'').filter(|part| !part.is_ascii()) {
                assert!(part.ends_with(' ') || part.ends_with('#'), "{part}");
            }
        }
    }
}
