//! `cvmtop ticket`.

use super::args::{GlobalArgs, TicketArgs};

#[allow(clippy::unused_async)]
pub async fn run(_args: &TicketArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
