//! `cvmtop journal`.

use super::args::{GlobalArgs, JournalArgs};

#[allow(clippy::unused_async)]
pub async fn run(_args: &JournalArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
