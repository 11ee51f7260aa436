//! `cvmtop config`.

use super::args::{ConfigArgs, GlobalArgs};

pub fn run(_args: &ConfigArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
