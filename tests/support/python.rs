//! Python packages of the vendor, installed under the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// What is installed is installed once, also when several tests ask for it at the same time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// `target/` of this build.
pub fn target() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().expect("the target directory").to_owned()
}

/// Runs a command and shows all that it printed if it fails.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    text
}

/// A Python with the vendor's SDK, made once and kept.
pub fn sdk() -> PathBuf {
    const PACKAGES: [&str; 5] = [
        "tencentcloud-sdk-python-common==3.1.195",
        "tencentcloud-sdk-python-cvm==3.1.178",
        "tencentcloud-sdk-python-vpc==3.1.193",
        "tencentcloud-sdk-python-monitor==3.1.189",
        "tencentcloud-sdk-python-tat==3.1.106",
    ];
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let venv = target().join("vendor-sdk");
    let python = venv.join("bin/python");
    let ready = venv.join("ready");
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&ready).is_ok_and(|have| have == wanted) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet"])
        .args(PACKAGES));
    std::fs::write(&ready, wanted).expect("the target directory is writable");
    python
}

/// A wheel of the package index, downloaded once and kept.
#[allow(dead_code, reason = "not every test needs the specification")]
fn wheel(folder: &str, name: &str, version: &str) -> PathBuf {
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = target().join(folder);
    let file = name.replace('-', "_");
    let wheel = directory.join(format!("{file}-{version}-py2.py3-none-any.whl"));
    if !wheel.exists() {
        run(Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
            .arg(&directory)
            .arg(format!("{name}=={version}")));
    }
    wheel
}

/// The wheel of the vendor's command line, whose `api.json` files are the specification.
#[allow(dead_code, reason = "not every test needs the specification")]
pub fn specification() -> PathBuf {
    wheel("vendor-specification", "tccli", "3.1.189.1")
}

/// The wheel of the international site's SDK.
#[allow(dead_code, reason = "not every test needs the specification")]
pub fn international() -> PathBuf {
    wheel(
        "vendor-international",
        "tencentcloud-sdk-python-intl-en",
        "3.1.193",
    )
}
