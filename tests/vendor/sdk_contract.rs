//! The vendor's own Python SDK works against the demo cloud and is refused where it should be.

use crate::support::python;
use std::process::Command;
use std::time::Duration;

use cvmtop::demo::{self, DemoOptions};

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_works_against_the_demo_cloud() {
    let interpreter = tokio::task::spawn_blocking(python::sdk)
        .await
        .expect("the task ends");
    let cloud = demo::start(DemoOptions {
        reboot: Duration::from_millis(1500),
        ..DemoOptions::default()
    })
    .await
    .expect("the demo starts");
    let mut command = Command::new(interpreter);
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/sdk/contract.py"
        ))
        .env("DEMO_ENDPOINT", &cloud.endpoint)
        .env("DEMO_SECRET_ID", &cloud.secret_id)
        .env("DEMO_SECRET_KEY", &cloud.secret_key);
    let printed = tokio::task::spawn_blocking(move || python::run(&mut command))
        .await
        .expect("the task ends");
    print!("{printed}");
    assert!(
        printed.contains("is_throttled"),
        "every step was run:\n{printed}"
    );
}
