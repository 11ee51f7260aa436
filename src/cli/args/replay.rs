//! Options of `cvmtop replay`.

use std::path::PathBuf;

use clap::Args;

use super::TextOrJson;

#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Case files or directories; `-` reads one case a line from standard input
    #[arg(required = true, value_name = "CASE")]
    pub cases: Vec<PathBuf>,
    #[arg(long, value_enum, default_value = "json")]
    pub format: TextOrJson,
    /// Score labelled cases instead of printing each
    #[arg(long)]
    pub score: bool,
    /// Say why this cause does not lead and what would show it (with --format text)
    #[arg(long, value_name = "CAUSE")]
    pub why_not: Option<String>,
    /// Every fact, cause, reason, action and guide, not only what matters most (with --format text)
    #[arg(long)]
    pub all: bool,
    /// Knowledge file that overrides rows of the shipped one
    #[arg(long, value_name = "FILE")]
    pub knowledge: Option<PathBuf>,
}
