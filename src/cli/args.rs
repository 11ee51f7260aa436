//! The command line: every command, option and its help text.
//!
//! Must not live here: what a command does (`cli::<command>`), or defaults that the config
//! file may change (`config`): options are `None` when not given.

mod check;
mod guest_script;
mod kit;
mod replay;

pub use check::CheckArgs;
pub use guest_script::{GuestScriptArgs, GuestSystem};
pub use kit::{KitArgs, KitShell};
pub use replay::ReplayArgs;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::SiteSetting;
use crate::domain::action::Risk;
use crate::domain::evidence::state::{scope, user_path};

/// Version, and the commit in brackets where it is known.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("CVMTOP_COMMIT"));

/// Finds out why nobody can log in to a Tencent Cloud CVM instance, fixes it, and proves it.
#[derive(Debug, Parser)]
#[command(name = "cvmtop", version = VERSION, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub global: GlobalArgs,

    #[command(flatten)]
    pub console: ConsoleArgs,
}

/// Options of the console, the command without a name.
#[derive(Debug, Clone, Default, Args)]
pub struct ConsoleArgs {
    /// Instance id, name or address to open
    pub target: Option<String>,

    /// Filter that the list starts with, for example `health:failing region:seoul|tokyo`
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
}

/// Options of every command; each has an entry in the config file and a variable `CVMTOP_*`.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// Config file to use instead of the one in the config directory
    #[arg(long, global = true, value_name = "FILE", env = "CVMTOP_CONFIG")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub demo: DemoArgs,

    /// Credential profile
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,

    /// Region to look in; may be given several times, or `all`
    #[arg(long, global = true, value_name = "R")]
    pub region: Vec<String>,

    /// API endpoint; `{service}` and `{region}` are replaced
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint: Option<String>,

    /// Allow a plain HTTP endpoint that is not on loopback
    #[arg(long, global = true)]
    pub insecure_endpoint: bool,

    /// Make every action unavailable
    #[arg(long, global = true)]
    pub read_only: bool,

    /// Language of texts and guides
    #[arg(long, global = true, value_name = "en|ko|zh")]
    pub lang: Option<String>,

    /// Colour theme
    #[arg(long, global = true, value_name = "NAME")]
    pub theme: Option<String>,

    /// No colour (also NO_COLOR)
    #[arg(long, global = true)]
    pub no_color: bool,

    /// Add the hosts of an OpenSSH client config as instances without a cloud
    #[arg(long, global = true, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,

    /// Write the log to this file
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,

    /// Say more in the log; may be repeated
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Whether the cloud is the embedded one.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {
    /// Work on an embedded demo cloud that ends with the command: no account, no network
    #[arg(long = "demo", global = true)]
    pub on: bool,

    /// Instances to add to the demo cloud (implies `--demo`)
    #[arg(long = "demo-fleet", global = true, value_name = "N")]
    pub fleet: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List instances and their login health
    List(ListArgs),
    /// The causes that keep people out of the fleet, and how often each occurs
    Overview(OverviewArgs),
    /// Verify which ports the rules open, with a real try from here
    Ports(PortsArgs),
    /// The vendor's self-diagnosis as one dated list, kept and compared
    Check(CheckArgs),
    /// Diagnose why login fails, one object per target
    Diagnose(DiagnoseArgs),
    /// Print the script that a look inside the guest would send
    GuestScript(GuestScriptArgs),
    /// Print a short script for the failing user's own machine
    Kit(KitArgs),
    /// Preview or run one action
    Act(ActArgs),
    /// Carry out the ranked repairs one by one, each verified, until login is back
    Heal(HealArgs),
    /// List, search or print known-issue guides
    Guide(GuideArgs),
    /// Weigh saved evidence again without touching anything
    Replay(ReplayArgs),
    /// Write the bundle for a support ticket
    Ticket(TicketArgs),
    /// What was done, by whom, when, with what result
    Journal(JournalArgs),
    /// What confirmed outcomes have taught, to export or to forget
    Learned(LearnedArgs),
    /// Check credentials, permissions, clock, ICMP, terminal and config
    Doctor(DoctorArgs),
    /// Print what a report about cvmtop itself needs, with no secret in it
    Debug(DebugArgs),
    /// Check, show or print the default config
    Config(ConfigArgs),
    /// Serve the embedded demo cloud for other clients
    DemoCloud(DemoCloudArgs),
    /// Print shell completions
    Completions(CompletionsArgs),
    /// Print or write the man pages
    Man(ManArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Listing {
    Table,
    Json,
    Csv,
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[arg(long, value_enum, default_value = "table")]
    pub format: Listing,
    /// Filter as in the console, for example `state:stopped region:ap-seoul web`
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// Do not try the login ports, only list
    #[arg(long, conflicts_with = "causes")]
    pub no_probe: bool,
    /// Also name the leading cause of each login that does not answer, as far as it can be seen from
    /// outside and from the cloud
    #[arg(long)]
    pub causes: bool,
}

#[derive(Debug, Clone, Args)]
pub struct OverviewArgs {
    #[arg(long, value_enum, default_value = "table")]
    pub format: Listing,
    /// Filter as in the console, for example `region:ap-seoul web`
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// Give up on an instance after this time, for example `30s`
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, Args)]
pub struct PortsArgs {
    /// Instance id, name or address
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Also verify this traffic, for example `in tcp 8080 203.0.113.7` or `out udp 53`: direction,
    /// protocol, port or range, far side; may be repeated, at most 15 with those of `probe.tuples`
    #[arg(long, value_name = "TUPLE")]
    pub tuple: Vec<String>,
    /// Address or network on the far side of the common rows, in place of everyone
    #[arg(long, value_name = "ADDR", value_parser = network)]
    pub source: Option<ipnet::IpNet>,
    /// Judge by the rules alone, without trying from here
    #[arg(long)]
    pub no_probe: bool,
    /// Also read the firewall in the guest through the automation agent, and judge each TCP port by it
    #[arg(long)]
    pub deep: bool,
    #[arg(long, value_enum, default_value = "table")]
    pub format: Listing,
}

/// An address, or a network.
fn network(text: &str) -> Result<ipnet::IpNet, String> {
    let address = text.parse::<IpAddr>().map(ipnet::IpNet::from);
    address
        .or_else(|_| text.parse::<ipnet::IpNet>())
        .map(|net| net.trunc())
        .map_err(|_| "not an address or a network such as 203.0.113.0/24".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VantageChoice {
    Public,
    Private,
    Both,
}

#[derive(Debug, Clone, Args)]
pub struct DiagnoseArgs {
    /// Instance ids, names or addresses
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
    /// Say why this cause does not lead and what would show it (text only)
    #[arg(long, value_name = "CAUSE")]
    pub why_not: Option<String>,
    /// Every fact, cause, reason, action and guide, not only what matters most (text only)
    #[arg(long)]
    pub all: bool,
    /// Have these other instances, two at most, look at the login port by one read-only command each;
    /// without names say which could, and run nothing
    #[arg(long, value_name = "NAME,NAME", num_args = 0..=1, require_equals = true, value_delimiter = ',')]
    pub from_neighbours: Option<Vec<String>>,
    /// Have these nodes of the provider's test service, three at most, connect to the login port by one
    /// task that is deleted afterwards; without codes say which could and what it costs, and create nothing
    #[arg(long, value_name = "CODE,CODE", num_args = 0..=1, require_equals = true, value_delimiter = ',')]
    pub from_providers: Option<Vec<String>>,
    /// Where the users are: words of carriers, districts and cities of the provider's nodes
    #[arg(long, value_name = "WORDS", requires = "from_providers")]
    pub near: Option<String>,
    #[command(flatten)]
    pub triage: TriageArgs,
}

/// Who fails to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    Everyone,
    OneUser,
    OneNetwork,
    Intermittent,
}

impl Scope {
    /// The state of the evidence group.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everyone => scope::EVERYONE.id,
            Self::OneUser => scope::ONE_USER.id,
            Self::OneNetwork => scope::ONE_NETWORK.id,
            Self::Intermittent => scope::INTERMITTENT.id,
        }
    }
}

/// The user's own network against this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UserPath {
    Same,
    Worse,
    Better,
}

impl UserPath {
    /// The state of the evidence group.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => user_path::SAME.id,
            Self::Worse => user_path::WORSE.id,
            Self::Better => user_path::BETTER.id,
        }
    }
}

/// The way by which the users come to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UserWay {
    Public,
    Private,
}

/// How far a diagnosis may go, and what is known beforehand.
#[derive(Debug, Clone, Args)]
pub struct TriageArgs {
    /// Also run read-only checks inside the guest through the automation agent
    #[arg(long)]
    pub deep: bool,
    /// Make one real login attempt as USER with the system's OpenSSH client
    #[arg(long, value_name = "USER")]
    pub try_login: Option<String>,
    /// Account that fails to log in
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Address that the failing user comes from
    #[arg(long, value_name = "ADDR")]
    pub user_source: Option<IpAddr>,
    /// Port that the login is expected on, in place of what tags, cloud and config say
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// What the user's client printed (`-` for standard input)
    #[arg(long, value_name = "FILE")]
    pub error_text: Option<PathBuf>,
    /// Since when login fails: `40m` or `2h` (ago), `14:30`, or a date and time
    #[arg(long, value_name = "TIME", value_parser = super::moment::parse)]
    pub since: Option<jiff::Timestamp>,
    /// Who is affected
    #[arg(long, value_enum)]
    pub scope: Option<Scope>,
    /// How the same login fares from the user's own network, compared with this host
    #[arg(long, value_enum)]
    pub user_path: Option<UserPath>,
    /// Which way the users come: an instance that is private by design needs no public address.
    /// Without it, what was told in the console for the network holds
    #[arg(long, value_enum)]
    pub user_way: Option<UserWay>,
    /// What the VNC console shows, for example `login-prompt`, `panic`, `emergency-shell`
    #[arg(long, value_name = "STATE")]
    pub console: Option<String>,
    /// Anything else that a person has seen, for example `guest-service=stopped`; may be repeated
    #[arg(long, value_name = "GROUP=STATE")]
    pub seen: Vec<String>,
    /// Paths to look along
    #[arg(long, value_enum)]
    pub vantage: Option<VantageChoice>,
    /// Give up after this time, for example `30s`
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, Args)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "one flag of the command line each"
)]
pub struct ActArgs {
    /// Instance id, name or address (several make one batch), then the action, for example
    /// `restart` or `open-port`; with --next the instance alone
    #[arg(required = true, num_args = 1.., value_names = ["TARGET", "ACTION"])]
    words: Vec<String>,
    /// Diagnose first and carry out what would then be tried first
    #[arg(long, conflicts_with = "set")]
    pub next: bool,
    /// Parameter of the action; may be repeated
    #[arg(long = "set", value_name = "K=V")]
    pub set: Vec<String>,
    /// Show exactly what would be sent, send nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Confirm and run
    #[arg(long)]
    pub yes: bool,
    /// Wait for the end state and verify that login works
    #[arg(long)]
    pub wait: bool,
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
    #[command(flatten)]
    pub triage: TriageArgs,
}

impl ActArgs {
    /// The instances, and the action unless it is to be found.
    pub fn split(&self) -> (&[String], Option<&str>) {
        match self.words.split_last() {
            Some((action, targets)) if !self.next => (targets, Some(action)),
            _ => (&self.words, None),
        }
    }
}

/// Risk above which nothing is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MostRisk {
    Low,
    Medium,
    High,
}

impl From<MostRisk> for Risk {
    fn from(most: MostRisk) -> Self {
        match most {
            MostRisk::Low => Self::Low,
            MostRisk::Medium => Self::Medium,
            MostRisk::High => Self::High,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct HealArgs {
    /// Instance id, name or address
    pub target: String,
    /// Actions that are carried out at most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub most: u8,
    /// Stop before an action of more risk than this
    #[arg(long, value_enum, default_value = "medium")]
    pub risk: MostRisk,
    /// Show what would be tried and the first preview, send nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Confirm each action
    #[arg(long)]
    pub yes: bool,
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
    #[command(flatten)]
    pub triage: TriageArgs,
}

#[derive(Debug, Clone, Args)]
pub struct GuideArgs {
    /// Guide to print
    pub slug: Option<String>,
    /// Search titles, symptoms and texts
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Find the guide for what a client printed (`-` for standard input)
    #[arg(long, value_name = "TEXT")]
    pub error: Option<String>,
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
}

#[derive(Debug, Clone, Args)]
pub struct TicketArgs {
    /// Instance id, name or address
    pub target: String,
    /// Directory to write the bundle to
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// Write one .tar.gz instead of a folder
    #[arg(long)]
    pub archive: bool,
    /// Mask addresses and ids
    #[arg(long)]
    pub mask: bool,
    #[command(flatten)]
    pub triage: TriageArgs,
}

#[derive(Debug, Clone, Args)]
pub struct JournalArgs {
    /// Undo the entry of this id
    #[arg(long, value_name = "ID")]
    pub undo: Option<String>,
    /// Let the time-boxed change of this entry stay
    #[arg(long, value_name = "ID", conflicts_with = "undo")]
    pub keep: Option<String>,
    /// Close the entry of this id, which nothing else will end
    #[arg(long, value_name = "ID", conflicts_with_all = ["undo", "keep"], requires = "why")]
    pub close: Option<String>,
    /// Reason for closing it, kept in the journal
    #[arg(long, value_name = "TEXT", requires = "close")]
    pub why: Option<String>,
    /// Confirm the undo
    #[arg(long)]
    pub yes: bool,
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
}

#[derive(Debug, Clone, Args)]
pub struct LearnedArgs {
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
    /// Print the outcomes as JSON lines without address, name, id or moment
    #[arg(long, conflicts_with = "reset")]
    pub export: bool,
    /// Forget all outcomes; the shipped priors hold again
    #[arg(long)]
    pub reset: bool,
    /// Confirm the reset
    #[arg(long, requires = "reset")]
    pub yes: bool,
}

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
    /// Say more of what is in order, too
    #[arg(long)]
    pub all: bool,
    /// Check a knowledge file instead
    #[arg(long, value_name = "FILE")]
    pub knowledge: Option<PathBuf>,
    /// Print the smallest CAM policy for `read`, `deep` or an action id
    #[arg(long, value_name = "WHAT")]
    pub policy: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct DebugArgs {
    /// Write to this new file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Check the config file, strictly
    Check,
    /// Show each effective value and where it came from
    Show,
    /// Print the commented default config
    Default,
}

#[derive(Debug, Clone, Args)]
pub struct DemoCloudArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    /// Serve what this site of the vendor documents
    #[arg(long, value_name = "china|international", default_value = "china", value_parser = parse_site)]
    pub site: SiteSetting,
}

#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Command whose page is printed; the main page without one
    #[arg(value_name = "COMMAND")]
    pub name: Option<String>,
    /// Write every page to this directory
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    pub output: Option<PathBuf>,
}

fn parse_site(text: &str) -> Result<SiteSetting, String> {
    SiteSetting::parse(text)
        .filter(|site| site.site().is_some())
        .ok_or_else(|| "give china or international".to_owned())
}

/// `90`, `90s`, `500ms`, `2m`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is not a time; write for example 30s or 500ms"))?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        unit => Err(format!("unknown unit `{unit}`; use ms, s or m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("3 weeks").is_err());
    }
}
