//! `cvmtop list`.

use super::args::{GlobalArgs, ListArgs};

#[allow(clippy::unused_async)]
pub async fn run(_args: &ListArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
