//! `cvmtop doctor`.

use super::args::{DoctorArgs, GlobalArgs};

#[allow(clippy::unused_async)]
pub async fn run(_args: &DoctorArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
