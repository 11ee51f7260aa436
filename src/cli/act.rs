//! `cvmtop act`.

use super::args::{ActArgs, GlobalArgs};

#[allow(clippy::unused_async)]
pub async fn run(_args: &ActArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
