//! `cvmtop replay`.

use super::args::{GlobalArgs, ReplayArgs};

pub fn run(_args: &ReplayArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
