//! Each source, their order, and what is said when there is none.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::ExposeSecret;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> + Sync {
    let map: HashMap<String, String> = pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    move |name: &str| map.get(name).cloned()
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().expect("parent")).expect("folder");
    fs::write(path, text).expect("file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
}

async fn find_in(
    home: &Path,
    pairs: &[(&str, &str)],
    change: impl FnOnce(&mut Search<'_>),
) -> Result<Found, CredentialsError> {
    let variable = variables(pairs);
    let mut search = Search::new(&variable, Some(home.to_owned()));
    search.use_role = false;
    search.system_file = home.join("etc");
    change(&mut search);
    find(&search).await
}

fn id(found: &Found) -> String {
    match &found.provider {
        Provider::Static(credentials) => credentials.secret_id.clone(),
        Provider::Role(_) => "role".to_owned(),
    }
}

const ENVIRONMENT: &[(&str, &str)] = &[
    ("TENCENTCLOUD_SECRET_ID", "env-id"),
    ("TENCENTCLOUD_SECRET_KEY", "env-key"),
    ("TENCENTCLOUD_TOKEN", "env-token"),
    ("TENCENTCLOUD_REGION", "ap-seoul"),
];

#[tokio::test]
async fn the_order_is_flag_environment_command_line_sdk() {
    let home = home();
    let dir = home.path();
    write(
        &dir.join(".tencentcloud/credentials"),
        "[default]\nsecret_id = sdk-id\nsecret_key=k\n[p]\nsecret_id=p\nsecret_key=k",
        0o600,
    );
    assert_eq!(id(&find_in(dir, &[], |_| {}).await.expect("sdk")), "sdk-id");
    write(
        &dir.join(".tccli/default.credential"),
        r#"{"secretId":"cli-id","secretKey":"k","extra":1}"#,
        0o600,
    );
    write(
        &dir.join(".tccli/default.configure"),
        r#"{"_sys_param":{"region":"ap-tokyo"}}"#,
        0o600,
    );
    let found = find_in(dir, &[], |_| {}).await.expect("command line");
    assert_eq!(
        (id(&found).as_str(), found.region.as_deref()),
        ("cli-id", Some("ap-tokyo"))
    );
    let found = find_in(dir, ENVIRONMENT, |_| {})
        .await
        .expect("environment");
    assert_eq!(
        (id(&found).as_str(), found.region.as_deref()),
        ("env-id", Some("ap-seoul"))
    );
    let Provider::Static(credentials) = &found.provider else {
        panic!("static")
    };
    assert_eq!(
        credentials
            .token
            .as_ref()
            .map(|t| t.expose_secret().to_owned())
            .as_deref(),
        Some("env-token")
    );
    write(
        &dir.join(".tccli/prod.credential"),
        r#"{"secretId":"prod-id","secretKey":"k"}"#,
        0o600,
    );
    let flag = |search: &mut Search<'_>| search.profile_flag = Some("prod".to_owned());
    assert_eq!(
        id(&find_in(dir, ENVIRONMENT, flag).await.expect("flag")),
        "prod-id"
    );
    let config = |search: &mut Search<'_>| search.profile = "prod".to_owned();
    assert_eq!(
        id(&find_in(dir, &[], config).await.expect("config")),
        "prod-id"
    );
}

#[tokio::test]
async fn nothing_found_says_what_was_looked_for() {
    let home = home();
    let error = find_in(home.path(), &[], |_| {})
        .await
        .expect_err("nothing there");
    let text = error.to_string();
    for word in [
        "TENCENTCLOUD_SECRET_ID",
        ".tccli/default.credential",
        ".tencentcloud/credentials",
        "--demo",
    ] {
        assert!(text.contains(word), "{text}");
    }
    let flag = |search: &mut Search<'_>| search.profile_flag = Some("absent".to_owned());
    let text = find_in(home.path(), ENVIRONMENT, flag)
        .await
        .expect_err("no profile")
        .to_string();
    assert!(text.contains("absent.credential"), "{text}");
    let flag = |search: &mut Search<'_>| search.profile_flag = Some("../../etc/x".to_owned());
    assert!(find_in(home.path(), &[], flag).await.is_err());
}

#[tokio::test]
async fn half_of_a_pair_is_an_error_not_a_silent_fallback() {
    let home = home();
    let error = find_in(home.path(), &[("TENCENTCLOUD_SECRET_ID", "x")], |_| {}).await;
    assert!(
        error
            .expect_err("half")
            .to_string()
            .contains("TENCENTCLOUD_SECRET_KEY")
    );
}

#[tokio::test]
async fn a_file_that_others_can_read_is_warned_about() {
    let home = home();
    let path = home.path().join(".tccli/default.credential");
    write(&path, r#"{"secretId":"i","secretKey":"k"}"#, 0o644);
    let found = find_in(home.path(), &[], |_| {}).await.expect("found");
    assert!(found.warnings[0].contains("chmod 600"));
    write(&path, r#"{"secretId":"i","secretKey":"k"}"#, 0o600);
    assert!(
        find_in(home.path(), &[], |_| {})
            .await
            .expect("found")
            .warnings
            .is_empty()
    );
}

#[tokio::test]
async fn damaged_and_expired_files_are_named() {
    let home = home();
    let path = home.path().join(".tccli/default.credential");
    for (text, word) in [
        ("{", "line 1"),
        ("{}", "lacks secretId"),
        (
            r#"{"type":"oauth","secretId":"i","secretKey":"k","expiresAt":5}"#,
            "expired",
        ),
    ] {
        write(&path, text, 0o600);
        let error = find_in(home.path(), &[], |_| {})
            .await
            .expect_err("unusable")
            .to_string();
        assert!(
            error.contains(word) && error.contains("default.credential"),
            "{error}"
        );
    }
}

#[test]
fn debug_output_holds_no_secret() {
    let credentials = Credentials::new("AKIDexampleexample", "top-secret-key")
        .with_token(Some("top-secret-token".to_owned()));
    let text = format!(
        "{credentials:?} {:?}",
        Provider::Static(credentials.clone())
    );
    assert!(
        !text.contains("top-secret") && !text.contains("AKIDexampleexample"),
        "{text}"
    );
}

/// A metadata service whose keys expire `lifetime` seconds after they are given out.
async fn metadata(lifetime: i64) -> (String, Arc<AtomicUsize>) {
    use axum::routing::get;
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let keys = move || {
        let n = count.fetch_add(1, Ordering::SeqCst);
        let expires = jiff::Timestamp::now().as_second() + lifetime;
        async move {
            format!(
                r#"{{"Code":"Success","TmpSecretId":"id-{n}","TmpSecretKey":"k","Token":"t","ExpiredTime":{expires}}}"#
            )
        }
    };
    let app = axum::Router::new()
        .route(
            "/latest/meta-data/cam/security-credentials/",
            get(|| async { "ops-role" }),
        )
        .route(
            "/latest/meta-data/cam/security-credentials/ops-role",
            get(keys),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("port");
    let base = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, served)
}

#[tokio::test]
async fn the_role_is_used_last_and_renewed_before_it_expires() {
    let home = home();
    let (base, served) = metadata(3600).await;
    let with_role = |search: &mut Search<'_>| {
        search.use_role = true;
        search.metadata = base;
    };
    let found = find_in(home.path(), &[], with_role).await.expect("role");
    let first = found.provider.current().await.expect("keys").secret_id;
    assert_eq!(
        first,
        found.provider.current().await.expect("keys").secret_id
    );
    assert_eq!(served.load(Ordering::SeqCst), 1, "valid keys are kept");

    let (base, served) = metadata(200).await;
    let role = Role::new(&base, Duration::from_secs(5));
    role.current().await.expect("keys");
    assert_eq!(role.current().await.expect("keys").secret_id, "id-1");
    assert_eq!(
        served.load(Ordering::SeqCst),
        2,
        "300 s before expiry they are renewed"
    );
}

#[tokio::test]
async fn without_a_metadata_service_the_search_ends_soon() {
    let home = home();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("port");
    let silent = format!("http://{}", listener.local_addr().expect("address"));
    let started = std::time::Instant::now();
    let with_role = |search: &mut Search<'_>| {
        search.use_role = true;
        search.metadata = silent;
    };
    let text = find_in(home.path(), &[], with_role)
        .await
        .expect_err("silent")
        .to_string();
    assert!(text.contains("CVM role"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(5));
}
