//! The Windows firewall: the profiles in force, and its rules as the registry and group policies
//! hold them (MS-GPFAS 2.2.2, the grammar of a firewall rule).
//!
//! Must not live here: reading them in the guest (`check-windows.ps1`).

use crate::domain::text::sanitise;
use std::net::IpAddr;

use ipnet::IpNet;

use super::said;
use super::value::{Pattern, Tri, Value};
use crate::domain::said::{List, Said};
use crate::guest::GuestQuestion;
use crate::guest::answer::Answer;

/// True and the reason if the login is let in; `Err` says what was not understood.
type Verdict = Result<(bool, Said), Said>;

/// What the firewall does with a login to Remote Desktop.
///
/// # Errors
/// What is missing or not understood, where it could decide.
pub fn judge(a: &Answer, q: &GuestQuestion) -> Verdict {
    let mut categories: Vec<&str> = Vec::new();
    for network in a.all("firewall", "network") {
        let category = match network.as_str() {
            "DomainAuthenticated" => "Domain",
            other => other,
        };
        if !categories.contains(&category) {
            categories.push(category);
        }
    }
    // A network that Windows does not know has the Public profile.
    if categories.is_empty() {
        categories.push("Public");
    }
    let mut verdicts = categories.iter().map(|c| of_profile(a, q, c));
    let first = verdicts
        .next()
        .unwrap_or_else(|| of_profile(a, q, "Public"))?;
    for other in verdicts {
        if other?.0 != first.0 {
            return Err(said::networks_differ(List::names(&categories)));
        }
    }
    Ok(first)
}

fn of_profile(a: &Answer, q: &GuestQuestion, category: &str) -> Verdict {
    let line = a
        .all("firewall", "profile")
        .iter()
        .find(|p| p.split(' ').next() == Some(category))
        .ok_or_else(said::profile_unread)?;
    let setting = |name: &str| {
        line.split(' ')
            .filter_map(|word| word.split_once('='))
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    };
    match setting("enabled") {
        "False" => return Ok((true, said::profile_is_off(category))),
        "True" | "NotConfigured" => {}
        _ => return Err(said::setting_not_understood(line)),
    }
    if setting("exceptions") == "False" {
        return Ok((false, said::profile_lets_nothing_in(category)));
    }
    let by_default = match setting("in") {
        "Allow" => true,
        "Block" | "NotConfigured" => false,
        _ => return Err(said::setting_not_understood(line)),
    };
    // A policy may say that rules made on the machine itself do not count.
    let locals = setting("local") != "False";
    let local = a.all("firewall", "local").iter().filter(|_| locals);
    let rules: Vec<Rule<'_>> = local
        .chain(a.all("firewall", "policy"))
        .map(|line| Rule::parse(line))
        .collect();
    let asked = Asked::new(a, q, category);
    if let Some(name) = a.first("firewall", "cut") {
        return Err(said::rule_was_cut(name));
    }
    weigh(&rules, &asked, by_default)
}

/// Blocking rules win over allowing ones (Windows' order of precedence), both over the default.
fn weigh(rules: &[Rule<'_>], asked: &Asked<'_>, by_default: bool) -> Verdict {
    let port = asked.port;
    let mut doubt = None;
    let mut allowed = None;
    let mut may_allow = by_default;
    for rule in rules {
        let hit = rule.matches(asked);
        let unclear = |what: Said| said::rule_not_understood(rule.name(), what);
        match (rule.value("Action"), hit) {
            (_, Tri::No) => {}
            ("Block", Tri::Yes) => return Ok((false, said::rule_blocks(rule.name(), port))),
            ("Allow", Tri::Yes) => {
                may_allow = true;
                allowed.get_or_insert_with(|| said::rule_lets_in(rule.name(), port));
            }
            ("Block", Tri::Maybe(what)) => {
                doubt.get_or_insert((true, unclear(what)));
            }
            ("Allow", Tri::Maybe(what)) => {
                may_allow = true;
                doubt.get_or_insert((false, unclear(what)));
            }
            // Only for computers that have proved who they are.
            ("ByPass", _) => {}
            (other, _) => {
                may_allow = true;
                doubt.get_or_insert((
                    true,
                    unclear(Said::raw(sanitise(&format!("Action={other}"), 80))),
                ));
            }
        }
    }
    let certain = allowed.is_some() || by_default;
    match doubt {
        Some((blocks, what)) if may_allow && (blocks || !certain) => Err(what),
        _ => Ok(match allowed {
            Some(rule) => (true, rule),
            None if by_default => (true, said::profile_lets_in(asked.category, port)),
            None => (false, said::no_rule_lets_in(asked.category, port)),
        }),
    }
}

/// The login that is asked about.
struct Asked<'a> {
    category: &'a str,
    port: u16,
    source: Option<IpAddr>,
    own: Option<IpAddr>,
    /// Own addresses with the length of their network; empty when they were not read.
    nets: Vec<IpNet>,
}

impl<'a> Asked<'a> {
    fn new(a: &Answer, q: &GuestQuestion, category: &'a str) -> Self {
        let nets = a.all("firewall", "address");
        Self {
            category,
            port: q.port,
            source: q.source,
            own: q.private_address,
            nets: nets.iter().filter_map(|n| n.parse().ok()).collect(),
        }
    }

    fn v6(&self) -> bool {
        self.source.is_some_and(|s| s.is_ipv6())
    }

    fn source(&self) -> Value {
        let width = if self.v6() { 128 } else { 32 };
        self.source
            .map_or(Value::Elsewhere { width }, Value::address)
    }

    /// An address rule: an address, a network, a range or a keyword (MS-GPFAS 2.2.2.10 to .14).
    fn comes_from(&self, text: &str) -> Tri {
        match Pattern::address(text) {
            Pattern::Unknown(_) if text == "LocalSubnet" => match self.source {
                None => Tri::No,
                Some(_) if self.nets.is_empty() => Tri::maybe(Said::raw(text)),
                Some(source) => self.nets.iter().any(|n| n.contains(&source)).into(),
            },
            // The gateway, the name servers and their like; a source nobody named is none of them.
            Pattern::Unknown(what) if self.source.is_some() => Tri::maybe(what),
            Pattern::Unknown(what) if text.starts_with("Int") => Tri::maybe(what),
            Pattern::Unknown(_) => Tri::No,
            pattern => pattern.matches(&self.source()),
        }
    }
}

/// A rule: `NAME|v2.31|Action=Allow|Active=TRUE|Dir=In|...|`.
struct Rule<'a> {
    id: &'a str,
    tokens: Vec<(&'a str, &'a str)>,
}

impl<'a> Rule<'a> {
    fn parse(line: &'a str) -> Self {
        let mut parts = line.split('|');
        let id = parts.next().unwrap_or("");
        let tokens = parts.filter_map(|part| part.split_once('=')).collect();
        Self { id, tokens }
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.tokens
            .iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| *value)
    }

    fn value(&self, name: &'static str) -> &'a str {
        self.all(name).next().unwrap_or("")
    }

    /// Names of Windows' own rules are numbers in a library; their identifier says more.
    fn name(&self) -> &'a str {
        match self.value("Name") {
            "" => self.id,
            name if name.starts_with('@') => self.id,
            name => name,
        }
    }

    fn matches(&self, asked: &Asked<'_>) -> Tri {
        if self.value("Active") != "TRUE" || self.value("Dir") != "In" {
            return Tri::No;
        }
        let profiles: Vec<&str> = self.all("Profile").collect();
        if !profiles.is_empty() && !profiles.contains(&asked.category) {
            return Tri::No;
        }
        let mut sum = self.addresses(asked);
        for (key, value) in &self.tokens {
            sum = sum.and(self.token(key, value));
            if sum == Tri::No {
                break;
            }
        }
        sum.and(self.ports(asked))
    }

    /// What a single token asks for; lists of ports and addresses are looked at together.
    fn token(&self, key: &str, value: &str) -> Tri {
        let unknown = || Tri::maybe(Said::raw(sanitise(&format!("{key}={value}"), 160)));
        match key {
            "Protocol" => (value == "6").into(),
            "App" => {
                let file = value.rsplit('\\').next().unwrap_or("").to_ascii_lowercase();
                match file.as_str() {
                    "svchost.exe" => Tri::Yes,
                    // Up to Windows Server 2008 R2 the kernel itself took these connections.
                    "system" => unknown(),
                    _ => Tri::No,
                }
            }
            "Svc" => (value == "*" || value.eq_ignore_ascii_case("termservice")).into(),
            "IFType" => (value == "Lan").into(),
            // An ordinary client proves nothing through IPsec, and no app from the store listens.
            "Security" | "Security2" | "Security2_9" | "RMauth" | "RUAuth"
                if self.value("Action") != "Block" =>
            {
                Tri::No
            }
            "AppPkgId" | "PFN" => Tri::No,
            "LA4" | "LA6" | "RA4" | "RA6" | "RA42" | "RA62" | "LPort" | "LPort2_10" | "RPort"
            | "RPort2_10" | "Profile" | "Action" | "Active" | "Dir" | "Name" | "Desc"
            | "EmbedCtxt" | "Edge" | "Defer" | "ICMP4" | "ICMP6" => Tri::Yes,
            "LUOwn" | "IF" | "Platform" | "Platform2" => unknown(),
            _ => unknown(),
        }
    }

    fn addresses(&self, asked: &Asked<'_>) -> Tri {
        let v6 = asked.v6();
        let of = |names: [&'static str; 4]| -> (bool, Vec<&'a str>) {
            let any = names.iter().any(|n| self.all(n).next().is_some());
            let own = if v6 { &names[2..] } else { &names[..2] };
            (any, own.iter().flat_map(|n| self.all(n)).collect())
        };
        let (any, remote) = of(["RA4", "RA42", "RA6", "RA62"]);
        let from = remote
            .iter()
            .fold(Tri::No, |sum, text| sum.or(asked.comes_from(text)));
        let (any_local, local) = of(["LA4", "LA42", "LA6", "LA62"]);
        let to = local.iter().fold(Tri::No, |sum, text| {
            let own = asked.own.filter(|o| o.is_ipv6() == v6);
            sum.or(match (own, Pattern::address(text)) {
                (_, Pattern::Unknown(what)) => Tri::maybe(what),
                (Some(own), pattern) => pattern.matches(&Value::address(own)),
                (None, _) => Tri::maybe(Said::raw(*text)),
            })
        });
        let from = if any { from } else { Tri::Yes };
        from.and(if any_local { to } else { Tri::Yes })
    }

    fn ports(&self, asked: &Asked<'_>) -> Tri {
        let test = |names: [&'static str; 2], value: &Value| {
            let all: Vec<&str> = names.iter().flat_map(|n| self.all(n)).collect();
            if all.is_empty() {
                return Tri::Yes;
            }
            // Keywords such as RPC or IPHTTPSIn stand for ports of other services.
            all.iter().fold(Tri::No, |sum, text| {
                let (low, high) = text.split_once('-').unwrap_or((text, text));
                sum.or(match (low.trim().parse(), high.trim().parse()) {
                    (Ok(low), Ok(high)) => Pattern::Range(low, high).matches(value),
                    _ => Tri::No,
                })
            })
        };
        let local = Value::number(asked.port.into(), 16);
        test(["LPort", "LPort2_10"], &local)
            .and(test(["RPort", "RPort2_10"], &Value::Range(1024, 65535)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings of a server as it is installed, its own addresses, and some rules.
    fn state(profile: &str, network: &str, source: &str, rules: &[&str]) -> Option<bool> {
        let mut text = String::new();
        for line in [profile, "Domain enabled=False in=Allow"] {
            text.push_str(&format!("firewall\tprofile\t{line}\n"));
        }
        text.push_str("firewall\taddress\t10.0.0.10/24\n");
        for one in network.split(' ').filter(|n| !n.is_empty()) {
            text.push_str(&format!("firewall\tnetwork\t{one}\n"));
        }
        for rule in rules {
            let (store, rule) = rule.split_once(' ').expect("store and rule");
            text.push_str(&format!("firewall\t{store}\tid|{rule}\n"));
        }
        let q = GuestQuestion {
            user: "Administrator".to_owned(),
            source: source.parse().ok(),
            port: 3389,
            private_address: "10.0.0.10".parse().ok(),
            uses_key: None,
            asked_at: None,
        };
        judge(&Answer::parse(&text), &q).ok().map(|(open, _)| open)
    }

    const BLOCK: &str = "Public enabled=True in=Block exceptions=True local=True";
    /// Windows Server's own rule.
    const RDP: &str = "local v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=3389|App=%SystemRoot%\\system32\\svchost.exe|Svc=termservice|Name=@FirewallAPI.dll,-28775|EmbedCtxt=@FirewallAPI.dll,-28752|";

    fn with(store: &str, action: &str, rest: &str) -> String {
        format!("{store} v2.31|Action={action}|Active=TRUE|Dir=In|Protocol=6|{rest}|Name=x|")
    }

    #[test]
    fn rules_are_judged_as_the_specification_reads() {
        let anywhere = "203.0.113.7";
        let judge = |source: &str, rule: &str| state(BLOCK, "Public", source, &[RDP, rule]);
        let alone = |rule: &str| state(BLOCK, "Public", anywhere, &[rule]);
        assert_eq!(alone(RDP), Some(true));
        assert_eq!(state(BLOCK, "Public", anywhere, &[]), Some(false));
        // The example of MS-GPFAS 4.2: another program, other ports, and only authenticated.
        assert_eq!(
            alone(
                "policy v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|LPort=RPC|RPort=49000|LA4=192.168.1.0/255.255.255.0|RA4=LocalSubnet|RA6=LocalSubnet|App=c:\\\\path\\\\foo.exe|Name=Firewall Rule Test|Security=Authenticate|Security2_9=An-NoEncap|"
            ),
            Some(false)
        );
        for (rest, want) in [
            ("LPort=3389", true),
            ("LPort2_10=3000-4000", true),
            ("LPort=80|LPort=3389", true),
            ("LPort2_10=4000-5000", false),
            ("LPort=3389|Profile=Private", false),
            ("LPort=3389|Profile=Private|Profile=Public", true),
            ("LPort=3389|RA4=203.0.113.0/255.255.255.0", true),
            ("LPort=3389|RA4=203.0.113.1-203.0.113.9", true),
            ("LPort=3389|RA4=10.0.0.0/8", false),
            ("LPort=3389|RA6=2001:db8::/32", false),
            ("LPort=3389|RA4=LocalSubnet|RA6=LocalSubnet", false),
            ("LPort=3389|LA4=10.0.0.10", true),
            ("LPort=3389|LA4=10.0.0.11", false),
            ("LPort=3389|Security=Authenticate", false),
            ("LPort=3389|App=C:\\x\\rdp.exe", false),
            ("LPort=3389|Svc=dosvc", false),
            ("LPort=3389|IFType=Wireless", false),
            ("LPort=3389|RPort=1-1023", false),
            ("LPort=IPHTTPSIn", false),
        ] {
            let rule = with("local", "Allow", rest);
            assert_eq!(alone(&rule), Some(want), "{rest}");
        }
        let block = with("policy", "Block", "LPort=3389|RA4=203.0.113.7");
        assert_eq!(judge(anywhere, &block), Some(false));
        assert_eq!(judge("198.51.100.1", &block), Some(true));
        assert_eq!(judge("", &block), Some(true));
        let subnet = with("local", "Block", "RA4=LocalSubnet");
        assert_eq!(judge("10.0.0.1", &subnet), Some(false));
        assert_eq!(judge(anywhere, &subnet), Some(true));
    }

    #[test]
    fn what_is_not_understood_gives_no_verdict_where_it_could_decide() {
        let odd = with("local", "Block", "LPort=3389|NewToken=1");
        assert_eq!(state(BLOCK, "Public", "203.0.113.7", &[RDP, &odd]), None);
        // Nothing lets the login in: a block that may hit changes nothing.
        assert_eq!(state(BLOCK, "Public", "203.0.113.7", &[&odd]), Some(false));
        let may = with("local", "Allow", "LPort=3389|RA4=DefaultGateway");
        assert_eq!(state(BLOCK, "Public", "203.0.113.7", &[&may]), None);
        assert_eq!(
            state(BLOCK, "Public", "203.0.113.7", &[RDP, &may]),
            Some(true)
        );
        let other = "Public enabled=True in=Sideways exceptions=True local=True";
        assert_eq!(state(other, "Public", "203.0.113.7", &[RDP]), None);
        assert_eq!(state(BLOCK, "Private", "203.0.113.7", &[RDP]), None);
    }

    #[test]
    fn profiles_decide_before_rules_do() {
        let ask = |profile: &str, network: &str| state(profile, network, "203.0.113.7", &[RDP]);
        let shields = "Public enabled=True in=Block exceptions=False local=True";
        assert_eq!(ask(shields, "Public"), Some(false));
        assert_eq!(ask("Public enabled=False in=Block", "Public"), Some(true));
        assert_eq!(ask(BLOCK, ""), Some(true));
        let policy = "Public enabled=True in=Block exceptions=True local=False";
        assert_eq!(ask(policy, "Public"), Some(false));
        // The login may meet either network, and they differ.
        assert_eq!(ask(policy, "Public DomainAuthenticated"), None);
        assert_eq!(ask(policy, "DomainAuthenticated"), Some(true));
        let open = "Public enabled=True in=Allow exceptions=NotConfigured local=NotConfigured";
        assert_eq!(state(open, "Public", "203.0.113.7", &[]), Some(true));
    }
}
