//! The script as it is handed over: the shipped text, with the address, the port and the words of
//! one language put in.
//!
//! Must not live here: the scripts' own text (`assets/kit`).

use std::net::IpAddr;

use super::said;
use crate::domain::instance::Os;
use crate::domain::report::InstanceSummary;
use crate::domain::said::Said;

/// For which shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// A POSIX shell: Linux, macOS, BusyBox.
    Sh,
    PowerShell,
}

impl Shell {
    pub const ALL: [Self; 2] = [Self::Sh, Self::PowerShell];

    /// What the user's machine most probably has: who logs in to Windows sits at one.
    pub fn usual(os: Os) -> Self {
        match os {
            Os::Windows => Self::PowerShell,
            Os::Linux | Os::Unknown => Self::Sh,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Sh => whole(include_str!("../../assets/kit/user.sh")),
            Self::PowerShell => include_str!("../../assets/kit/user.ps1").to_owned(),
        }
    }

    /// How it is run once it is saved.
    fn command(self) -> &'static str {
        match self {
            Self::Sh => "sh kit.sh user@name",
            Self::PowerShell => "powershell -ExecutionPolicy Bypass -File kit.ps1 user@name",
        }
    }
}

/// A script for a POSIX shell with the parts that all of them share.
fn whole(text: &str) -> String {
    text.replace("{{common}}", include_str!("../../assets/kit/common.sh"))
}

/// Other ports that are tried: services of the web, where a rule of their own lets everybody in.
const NEIGHBOURS: [u16; 3] = [443, 80, 8080];

/// The script for one instance; `None` where it has no address.
pub fn script(
    instance: &InstanceSummary,
    shell: Shell,
    say: &dyn Fn(&Said) -> String,
) -> Option<String> {
    let addresses = instance
        .public_addresses
        .iter()
        .chain(&instance.private_addresses);
    // Nothing but an address can stand in a script.
    let mut addresses = addresses.filter_map(|it| it.parse::<IpAddr>().ok());
    let address = addresses.next()?.to_string();
    let mut text = about(shell.text(), instance).replace("{{address}}", &address);
    let words = [
        ("what", said::what()),
        ("safe", said::safe()),
        ("how", said::how_sh(shell.command())),
        ("ask", said::ask()),
        ("say-way", said::say_way()),
        ("say-name", said::say_name()),
        ("say-port", said::say_port()),
        ("say-size", said::say_size()),
        ("say-sum", said::say_sum()),
        ("copy", said::copy()),
    ];
    for (name, sentence) in words {
        text = text.replace(&format!("{{{{{name}}}}}"), &as_comment(&say(&sentence)));
    }
    Some(text)
}

/// The script for another instance, which looks at these addresses of this one.
pub(super) fn from_elsewhere(instance: &InstanceSummary, addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let text = whole(include_str!("../../assets/kit/neighbour.sh"));
    let text = about(text, instance).replace("{{addresses}}", &addresses.join(" "));
    text.replace("{{say-sum}}", said::say_sum().as_str())
}

/// The text with what it has to know of the instance.
fn about(text: String, instance: &InstanceSummary) -> String {
    let kind = match instance.os {
        Os::Windows => "rdp",
        Os::Linux | Os::Unknown => "ssh",
    };
    let ports = NEIGHBOURS.iter().filter(|it| **it != instance.login_port);
    let ports: Vec<String> = ports.take(2).map(ToString::to_string).collect();
    let id: String = instance.id.chars().filter(|c| is_plain(*c)).collect();
    let values = [
        ("port", instance.login_port.to_string()),
        ("kind", kind.to_owned()),
        ("neighbours", ports.join(" ")),
        ("id", id),
    ];
    let with = |text: String, (name, value): (&str, String)| {
        text.replace(&format!("{{{{{name}}}}}"), &value)
    };
    values.into_iter().fold(text, with)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.:".contains(c)
}

/// A sentence without anything that a shell could take for more than words.
fn as_comment(text: &str) -> String {
    text.chars()
        .filter(|c| {
            !c.is_control()
                && !"'\"`$\\{}\u{2018}\u{2019}\u{201a}\u{201b}\u{201c}\u{201d}\u{201e}".contains(*c)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> InstanceSummary {
        InstanceSummary {
            id: "ins-1';rm -rf /".to_owned(),
            os: Os::Linux,
            login_port: 80,
            public_addresses: vec!["$(id)".to_owned(), "203.0.113.9".to_owned()],
            ..InstanceSummary::default()
        }
    }

    #[test]
    fn nothing_of_an_instance_but_plain_words_gets_in() {
        for shell in Shell::ALL {
            let text = script(&instance(), shell, &ToString::to_string).expect("a script");
            assert!(!text.contains("{{") && !text.contains("$(id)"), "{text}");
            assert!(text.contains("203.0.113.9") && text.contains("ins-1rm-rf"));
            assert!(text.contains("443 8080"), "{text}");
        }
        let mut without = instance();
        without.public_addresses.clear();
        assert!(script(&without, Shell::Sh, &ToString::to_string).is_none());
    }

    #[test]
    fn words_cannot_end_their_string() {
        assert_eq!(as_comment("it's \"$x\" `y`\n"), "its x y");
    }

    #[test]
    fn both_scripts_sum_as_it_is_read() {
        for shell in Shell::ALL {
            assert!(shell.text().contains(super::super::answer::ALPHABET));
        }
    }
}
