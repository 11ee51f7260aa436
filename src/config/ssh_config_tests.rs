//! The client configuration against `ssh -G` itself: every host of every file, field by field.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    path
}

/// Without the client there is nothing to compare with.
fn no_client() -> bool {
    let missing = Command::new("ssh").arg("-V").output().is_err();
    assert!(
        !missing || std::env::var_os("CI").is_none(),
        "no OpenSSH client"
    );
    missing
}

/// What `ssh -G` says in words of its own, read by nothing of this program.
fn referee(file: &Path, name: &str) -> (String, String, String, String) {
    let out = Command::new("ssh")
        .args(["-G", "-F"])
        .arg(file)
        .args(["--", name])
        .output()
        .expect("ssh runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let field = |key: &str| {
        let prefix = format!("{key} ");
        let line = text.lines().find(|line| line.starts_with(&prefix));
        line.map_or(String::new(), |line| line[prefix.len()..].to_owned())
    };
    let jump = field("proxyjump");
    let jump = if jump == "none" { String::new() } else { jump };
    (field("hostname"), field("port"), field("user"), jump)
}

/// Files, and the hosts that they offer. `DIR` is the folder that they lie in.
const FILES: &[(&str, &[&str])] = &[
    (
        "Port 2000\nUser early\nHost web db\n HostName 198.51.100.9\n Port 23\n User late\n",
        &["web", "db"],
    ),
    (
        "Host web # my web\n HostName 198.51.100.9 # x\n Port 2222 # y\n",
        &["web"],
    ),
    (
        "Host web\n HostName 198.51.100.9\nHost *\n Port 2222\n User ops\n ProxyJump gate\nHost gate\n ProxyJump none\n",
        &["web", "gate"],
    ),
    (
        "Host web1\n HostName 198.51.100.1\nHost web?\n Port 2299\nHost * !web1\n User x\n",
        &["web1"],
    ),
    ("Host a !b\n Port 7\n", &["a"]),
    (
        "Host inner\n HostName %h.corp.example\nHost pct\n HostName 100%%.example\n",
        &["inner", "pct"],
    ),
    (
        "Host *.x\n HostName %h.example.com\nHost a.x\n Port 2222\n",
        &["a.x"],
    ),
    (
        "Host \"web\" 'db'\n HostName 198.51.100.9\n Port=2222\n",
        &["web", "db"],
    ),
    (
        "Host=one\r\n\tHostName = 198.51.100.4\r\nhost two\r\n Port\t99\r\n",
        &["one", "two"],
    ),
    (
        "Host web\n HostName 198.51.100.9\nMatch originalhost web\n Port 2222\nMatch host 198.51.100.9\n User m\nMatch final all\n User f\n",
        &["web"],
    ),
    (
        "Include DIR/more\nHost web\n HostName 198.51.100.9\n",
        &["web", "inc1"],
    ),
    (
        "Host web\n Include DIR/part\nHost db\n HostName 198.51.100.10\n",
        &["web", "db"],
    ),
    ("Host *.corp\n Include DIR/corp\n", &["a.corp"]),
    (
        "Host v6\n HostName 2001:db8::7\nHost Upper\n Port 5\n",
        &["v6", "Upper"],
    ),
    (
        "Host web\n HostName 198.51.100.9\nHost web\n HostName 198.51.100.10\n Port 4\n",
        &["web"],
    ),
    ("Host -oProxyCommand=x user@h a/b ok\n Port 4\n", &["ok"]),
    ("Match all\n Port 9\nHost late\n User u\n", &["late"]),
    ("User top\n", &[]),
];

#[test]
fn every_host_is_what_ssh_says_it_is() {
    if no_client() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "more",
        "Host inc1\n HostName 198.51.100.31\n Port 2231\nHost web\n User incuser\n",
    );
    write(folder.path(), "part", "HostName 198.51.100.33\nPort 2233\n");
    write(
        folder.path(),
        "corp",
        "Host a.corp\n Port 88\nHost never\n Port 89\n",
    );
    let mut compared = 0;
    for (text, wanted) in FILES {
        let text = text.replace("DIR", &folder.path().display().to_string());
        let file = write(folder.path(), "config", &text);
        let (hosts, notes) = read(&file).unwrap_or_else(|e| panic!("{text}: {e}"));
        let names: Vec<_> = hosts.iter().map(|h| h.instance.name.as_str()).collect();
        assert_eq!(&names, wanted, "{text}");
        for host in &hosts {
            let (name, port, user, jump) = referee(&file, &host.instance.ssh_name);
            let address = host
                .host_name
                .clone()
                .unwrap_or_else(|| host.instance.address().expect("an address").to_string());
            assert_eq!(address, name, "{text}");
            assert_eq!(host.instance.login_port().to_string(), port, "{text}");
            assert_eq!(host.instance.default_login_user, user, "{text}");
            let noted = notes
                .iter()
                .any(|n| n.contains(&format!("host {} is reached", host.instance.name)));
            assert_eq!(noted, !jump.is_empty(), "{text}: {notes:?}");
            compared += 1;
        }
    }
    println!(
        "ssh -G: {compared} hosts of {} files, right {compared}, wrong 0",
        FILES.len()
    );
}

#[test]
fn what_ssh_does_not_accept_is_said_in_its_words() {
    if no_client() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "config", "Host web\n Prot 22\n");
    let error = read(&file).expect_err("refused");
    assert!(
        error.contains("line 2") && error.contains("Bad configuration option"),
        "{error}"
    );
    assert!(read(&folder.path().join("absent")).is_err());
    let error = ask(
        Some(&write(folder.path(), "ok", "Port 7\n")),
        "-oProxyCommand=touch",
    )
    .expect_err("an option");
    assert!(error.contains("no name"), "{error}");
}

#[test]
fn a_file_that_others_may_write_runs_nothing() {
    if no_client() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("ran");
    let file = write(
        folder.path(),
        "config",
        &format!(
            "Host web\n Port 7\nMatch exec \"touch {}\"\n User x\n",
            mark.display()
        ),
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("a mode");
    let error = read(&file).expect_err("refused");
    assert!(error.contains("others may write it"), "{error}");
    assert!(ask(Some(&file), "web").is_err());
    assert!(!mark.exists(), "a command of the file was run");
    // What only names hosts does no harm, whoever wrote it.
    let plain = write(folder.path(), "plain", "Host web\n Port 7\n");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o666)).expect("a mode");
    assert_eq!(read(&plain).expect("read").0[0].instance.login_port(), 7);
}

#[test]
fn the_answer_tells_keys_proxy_and_alias() {
    if no_client() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(
        folder.path(),
        "config",
        "Host web\n HostName 198.51.100.9\n IdentityFile /keys/one\n IdentityFile /keys/two\n ProxyCommand nc %h %p\n \
         HostKeyAlias old-web\n UserKnownHostsFile /k/a /k/b\n GlobalKnownHostsFile /k/g\n",
    );
    let it = ask(Some(&file), "web").expect("an answer");
    assert_eq!(it.identity_files, ["/keys/one", "/keys/two"]);
    assert_eq!(it.proxy.as_deref(), Some("nc %h %p"));
    assert_eq!(it.host_key_alias.as_deref(), Some("old-web"));
    assert_eq!(it.known_hosts, ["/k/a", "/k/b"]);
    assert!(it.overrides.is_empty());
    let spaced = folder.path().join("my hosts");
    write(folder.path(), "my hosts", "");
    let file = write(
        folder.path(),
        "config",
        &format!(
            "Host web\n RemoteCommand uptime\n ForkAfterAuthentication yes\n SessionType none\n UserKnownHostsFile \"{}\" /k/b\n",
            spaced.display()
        ),
    );
    let it = ask(Some(&file), "web").expect("an answer");
    assert_eq!(
        it.known_hosts,
        [spaced.display().to_string().as_str(), "/k/b"]
    );
    assert_eq!(it.overrides.len(), 3, "{:?}", it.overrides);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,300}") {
        host_names(&text, false);
        included(&text);
        read_first(&text);
        files_of(&text, |_| false);
        understand("x", &text);
    }
}
