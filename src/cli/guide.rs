//! `cvmtop guide`.

use super::args::{GlobalArgs, GuideArgs};

pub fn run(_args: &GuideArgs, _global: &GlobalArgs) -> anyhow::Result<u8> {
    anyhow::bail!("this command is not part of this build yet")
}
