//! `cvmtop diagnose`.

use super::args::{DiagnoseArgs, GlobalArgs};

#[allow(clippy::unused_async)]
pub async fn run(_args: &DiagnoseArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
