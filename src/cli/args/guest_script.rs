//! Options of `cvmtop guest-script`.

use std::net::IpAddr;

use clap::{Args, ValueEnum};

/// System of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GuestSystem {
    Linux,
    Windows,
}

#[derive(Debug, Clone, Args)]
pub struct GuestScriptArgs {
    /// Instance id, name or address: its script, as it would be sent
    #[arg(value_name = "TARGET", required_unless_present = "os")]
    pub target: Option<String>,
    /// The script for a system as it is shipped, without asking the cloud
    #[arg(long, value_enum, conflicts_with = "target")]
    pub os: Option<GuestSystem>,
    /// Account that fails to log in
    #[arg(long, value_name = "USER", conflicts_with = "os")]
    pub user: Option<String>,
    /// Address that the failing user comes from
    #[arg(long, value_name = "ADDR", conflicts_with = "os")]
    pub user_source: Option<IpAddr>,
    /// Print what another instance would run to look at the login port of the target
    #[arg(long, requires = "target", conflicts_with_all = ["user", "user_source"])]
    pub from_neighbours: bool,
}
