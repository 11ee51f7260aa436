//! Parameters of an action, typed and checked against the catalogue.
//!
//! Both `--set k=v` and the JSON of a ranked action end up here. Must not live here: defaults
//! that need facts of the instance (the families fill those in).

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::catalog::{Kind, ParameterSpec, row_of};
use super::said;
use crate::domain::action::ActionId;
use crate::domain::said::{List, Said};
use crate::domain::text::sanitise;

/// Who a rule lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceChoice {
    /// The failing user's address, wherever that is known from.
    User,
    /// The host that this program runs on.
    Here,
    /// Everyone, IPv4 and IPv6.
    Any,
    /// One address or network.
    Net(IpNet),
}

impl SourceChoice {
    /// True when nobody (of a family) is kept out.
    pub fn is_everyone(self) -> bool {
        match self {
            Self::Any => true,
            Self::Net(net) => as_stored(net).prefix_len() == 0,
            Self::User | Self::Here => false,
        }
    }
}

/// A network as a security group stores it: `0.0.0.0/n` becomes `0.0.0.0/0` for every n (vpc
/// `SecurityGroupPolicy.CidrBlock`).
pub fn as_stored(net: IpNet) -> IpNet {
    match net {
        IpNet::V4(v4) if v4.network().is_unspecified() => {
            IpNet::new(net.network(), 0).unwrap_or(net)
        }
        _ => net,
    }
}

impl fmt::Display for SourceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Here => f.write_str("here"),
            Self::Any => f.write_str("any"),
            Self::Net(net) => net.fmt(f),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    Number(u64),
    Text(String),
    Source(SourceChoice),
    Address(IpAddr),
}

/// A parameter that cannot be used; the text is one sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParameterError(pub Said);

impl ParameterError {
    /// The sentence.
    pub fn said(&self) -> Said {
        self.0.clone()
    }
}

/// Checked parameters of one action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    settings: BTreeMap<&'static str, Setting>,
}

impl Parameters {
    /// No parameter given.
    pub fn none() -> Self {
        Self::default()
    }

    /// From the `k=v` words of `--set`.
    pub fn from_words<S: AsRef<str>>(
        action: ActionId,
        words: &[S],
    ) -> Result<Self, ParameterError> {
        let mut parameters = Self::none();
        for word in words {
            let word = word.as_ref();
            let Some((name, value)) = word.split_once('=') else {
                return Err(ParameterError(said::set_no_write(sanitise(word, 60))));
            };
            parameters.set(action, name.trim(), value.trim())?;
        }
        Ok(parameters)
    }

    /// From the `parameters` object of a ranked action. Names that the action does not have
    /// are refused as with `--set`; `null` counts as not given.
    pub fn from_json(action: ActionId, map: &Map<String, Value>) -> Result<Self, ParameterError> {
        let mut parameters = Self::none();
        for (name, value) in map {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            parameters.set(action, name, &text)?;
        }
        Ok(parameters)
    }

    /// Sets one parameter from text.
    pub fn set(&mut self, action: ActionId, name: &str, text: &str) -> Result<(), ParameterError> {
        let specs = row_of(action).parameters;
        let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
            return Err(unknown_name(action, name, specs));
        };
        let setting = read(spec, text)?;
        if self.settings.insert(spec.name, setting).is_some() {
            return Err(ParameterError(said::given_twice_keep(name)));
        }
        Ok(())
    }

    /// A number, where given.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.settings.get(name) {
            Some(Setting::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// A port, where given.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.number(name).and_then(|n| u16::try_from(n).ok())
    }

    /// A word, id or account name, where given.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.settings.get(name) {
            Some(Setting::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A source, where given.
    pub fn source(&self, name: &str) -> Option<SourceChoice> {
        match self.settings.get(name) {
            Some(Setting::Source(choice)) => Some(*choice),
            _ => None,
        }
    }

    /// An address, where given.
    pub fn address(&self, name: &str) -> Option<IpAddr> {
        match self.settings.get(name) {
            Some(Setting::Address(address)) => Some(*address),
            _ => None,
        }
    }

    /// As given, for the journal and for JSON.
    pub fn to_json(&self) -> Map<String, Value> {
        self.settings
            .iter()
            .map(|(name, setting)| {
                let value = match setting {
                    Setting::Number(number) => Value::from(*number),
                    Setting::Text(text) => Value::from(text.as_str()),
                    Setting::Source(choice) => Value::from(choice.to_string()),
                    Setting::Address(address) => Value::from(address.to_string()),
                };
                ((*name).to_owned(), value)
            })
            .collect()
    }
}

fn unknown_name(action: ActionId, name: &str, specs: &[ParameterSpec]) -> ParameterError {
    let name = sanitise(name, 40);
    if specs.is_empty() {
        return ParameterError(said::takes_no_parameters(action, name));
    }
    let names: Vec<_> = specs.iter().map(|spec| spec.name).collect();
    ParameterError(said::no_parameter(action, name, List::names(names)))
}

fn read(spec: &ParameterSpec, text: &str) -> Result<Setting, ParameterError> {
    let shown = sanitise(text, 60);
    let name = spec.name;
    let bad = |what: Said| Err(ParameterError(said::parameter_wrong(name, &shown, what)));
    match spec.kind {
        Kind::Port => match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Setting::Number(u64::from(port))),
            _ => bad(said::port_number_1()),
        },
        Kind::Number(low, high) => match text.parse::<u64>() {
            Ok(number) if (low..=high).contains(&number) => Ok(Setting::Number(number)),
            _ => bad(said::must_whole_number(low, high)),
        },
        Kind::Choice(words) => match words.iter().find(|w| w.eq_ignore_ascii_case(text)) {
            Some(word) => Ok(Setting::Text((*word).to_owned())),
            None => bad(said::must_one(List::names(words))),
        },
        Kind::Source => match read_source(text) {
            Some(choice) => Ok(Setting::Source(choice)),
            None => bad(said::must_address_network()),
        },
        Kind::Address => match one_address(text) {
            Some(address) => Ok(Setting::Address(address)),
            None => bad(said::must_one_ipv4()),
        },
        Kind::User => {
            if is_account_name(text) {
                Ok(Setting::Text(text.to_owned()))
            } else {
                bad(said::account_name_rule())
            }
        }
        Kind::Id(prefixes) => {
            let rest_is_fine = |prefix: &&str| {
                text.strip_prefix(*prefix).is_some_and(|rest| {
                    !rest.is_empty()
                        && rest.len() <= 64
                        && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                })
            };
            if prefixes.iter().any(rest_is_fine) {
                Ok(Setting::Text(text.to_owned()))
            } else {
                bad(said::must_id_begins(prefixes.join("` or `")))
            }
        }
    }
}

/// An address, also as the network of it alone, which is how an offer names a source.
pub fn one_address(text: &str) -> Option<IpAddr> {
    let alone = |net: IpNet| (net.prefix_len() == net.max_prefix_len()).then(|| net.addr());
    let address = text.parse().ok();
    address.or_else(|| text.parse::<IpNet>().ok().and_then(alone))
}

fn read_source(text: &str) -> Option<SourceChoice> {
    match text.to_ascii_lowercase().as_str() {
        "user" => return Some(SourceChoice::User),
        "here" => return Some(SourceChoice::Here),
        "any" | "everyone" | "all" => return Some(SourceChoice::Any),
        _ => {}
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SourceChoice::Net(IpNet::from(address)));
    }
    Some(SourceChoice::Net(text.parse::<IpNet>().ok()?.trunc()))
}

/// Names that are safe to hand to a script and that both systems accept.
fn is_account_name(text: &str) -> bool {
    let first = text.chars().next();
    text.len() <= 64
        && first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(action: ActionId, words: &[&str]) -> Result<Parameters, String> {
        Parameters::from_words(action, words).map_err(|e| e.to_string())
    }

    #[test]
    fn a_good_open_port_is_read() {
        let p = words(
            ActionId::OpenPort,
            &["port=2222", "source=203.0.113.7", "minutes=30"],
        )
        .unwrap();
        assert_eq!(p.port("port"), Some(2222));
        assert_eq!(p.number("minutes"), Some(30));
        assert_eq!(
            p.source("source").unwrap().to_string(),
            "203.0.113.7/32".to_owned()
        );
        assert_eq!(
            serde_json::to_string(&p.to_json()).unwrap(),
            r#"{"minutes":30,"port":2222,"source":"203.0.113.7/32"}"#
        );
    }

    #[test]
    fn sources_of_both_families_and_words() {
        for (text, expected) in [
            ("2001:db8::1", "2001:db8::1/128"),
            ("198.51.100.77/24", "198.51.100.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("ANY", "any"),
            ("here", "here"),
            ("user", "user"),
        ] {
            assert_eq!(read_source(text).unwrap().to_string(), expected, "{text}");
        }
        for (text, everyone) in [
            ("0.0.0.0/1", true),
            ("10.1.2.3/4", true),
            ("0.0.0.0", true),
            ("::/0", true),
            ("10.0.0.0/8", false),
            ("16.0.0.0/4", false),
        ] {
            assert_eq!(read_source(text).unwrap().is_everyone(), everyone, "{text}");
        }
        assert_eq!(read_source("198.51.100.0/33"), None);
        assert_eq!(read_source("example.org"), None);
    }

    #[test]
    fn bad_input_gets_one_sentence_that_names_it() {
        for (action, word, part) in [
            (ActionId::OpenPort, "port", "has no `=`"),
            (ActionId::OpenPort, "port=0", "1 to 65535"),
            (ActionId::OpenPort, "port=70000", "1 to 65535"),
            (ActionId::OpenPort, "prot=22", "it has port, protocol"),
            (ActionId::Start, "mode=hard", "takes no parameters"),
            (ActionId::Restart, "mode=warp", "soft, soft-first, hard"),
            (ActionId::OpenPort, "source=nowhere", "must be an address"),
            (ActionId::OpenPort, "group=ins-1", "begins with `sg-`"),
            (
                ActionId::GuestUnlockAccount,
                "user=a;rm -rf",
                "account name",
            ),
            (ActionId::RaiseBandwidth, "mbps=-3", "1 to 10000"),
        ] {
            let message = words(action, &[word]).unwrap_err();
            assert!(message.contains(part), "{word}: {message}");
            assert!(!message.contains('\n'));
        }
        assert!(
            words(ActionId::OpenPort, &["port=1", "port=2"])
                .unwrap_err()
                .contains("twice")
        );
    }

    #[test]
    fn hostile_text_does_not_come_back_in_the_message() {
        let message = words(ActionId::OpenPort, &["port=\u{1b}[2J9"]).unwrap_err();
        assert!(!message.contains('\u{1b}'));
    }

    #[test]
    fn json_of_a_ranked_action_is_read() {
        let map: Map<String, Value> =
            serde_json::from_str(r#"{"port":22,"source":null,"protocol":"TCP"}"#).unwrap();
        let p = Parameters::from_json(ActionId::OpenPort, &map).unwrap();
        assert_eq!(p.port("port"), Some(22));
        assert_eq!(p.source("source"), None);
        assert_eq!(p.text("protocol"), Some("tcp"));
    }
}
