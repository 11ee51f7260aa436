//! Options of `cvmtop kit`.

use clap::{Args, ValueEnum};

/// Shell of the user's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KitShell {
    Sh,
    Powershell,
}

#[derive(Debug, Clone, Args)]
pub struct KitArgs {
    /// Instance id, name or address that the user cannot log in to
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Shell of the user's machine; without it sh, and powershell where the instance runs Windows
    #[arg(long, value_enum)]
    pub shell: Option<KitShell>,
    /// Port that the login is expected on
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
}
