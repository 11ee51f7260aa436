//! `cvmtop demo-cloud`.

use super::args::{DemoCloudArgs, GlobalArgs};

#[allow(clippy::unused_async)]
pub async fn run(_args: &DemoCloudArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
