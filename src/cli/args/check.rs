//! Options of `cvmtop check`.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;

use super::{Listing, parse_duration};

#[derive(Debug, Clone, Args)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "one flag of the command line each"
)]
pub struct CheckArgs {
    /// Instance ids, names or addresses
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    #[arg(long, value_enum, default_value = "table")]
    pub format: Listing,
    /// Also run read-only checks inside the guest through the automation agent
    #[arg(long)]
    pub deep: bool,
    /// Address that the failing user comes from
    #[arg(long, value_name = "ADDR")]
    pub user_source: Option<IpAddr>,
    /// Port that the login is expected on, in place of what tags, cloud and config say
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Give up after this time, for example `30s`
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Let a risk count like a fault in the exit status
    #[arg(long)]
    pub strict: bool,
    /// Show what changed since the report before, or since the one of this id or the last one of this date
    #[arg(long, value_name = "ID|DATE", num_args = 0..=1, default_missing_value = "")]
    pub compare: Option<String>,
    /// Look at nothing now: show the newest kept report, with --compare what changed before it
    #[arg(long, conflicts_with_all = ["deep", "user_source", "port", "timeout", "list"])]
    pub kept: bool,
    /// List the kept reports
    #[arg(long, conflicts_with_all = ["deep", "user_source", "port", "timeout", "compare"])]
    pub list: bool,
    /// Mask addresses, names and ids in what is printed; the kept report holds them
    #[arg(long)]
    pub mask: bool,
}
