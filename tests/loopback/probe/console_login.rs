//! The login attempt from the console's own screen, at a real server.

use cvmtop::domain::instance::is_login_name;

use super::terminal::Terminal;
use super::{allow, me, operator_key, support};

#[test]
fn the_console_tries_a_login_after_consent_and_tells_how_it_ended() {
    let Some(server) = support::sshd([127, 62, 7, 1].into(), None, "PermitRootLogin yes") else {
        return;
    };
    let key = operator_key(&server);
    let folder = server.folder.path();
    let (login, user) = (server.login, me());
    assert!(is_login_name(&user));
    let hosts = folder.join("hosts");
    let known = folder.join("known");
    std::fs::write(
        &hosts,
        format!(
            "Host probed\n HostName {}\n Port {}\n User {user}\n IdentityFile {}\n IdentitiesOnly yes\n UserKnownHostsFile {}\n",
            login.ip(),
            login.port(),
            key.display(),
            known.display()
        ),
    )
    .unwrap();
    let config = folder.join("cvmtop.toml");
    std::fs::write(&config, "[cloud]\ncvm_role = false\n").unwrap();
    let arguments = [
        "--config",
        config.to_str().unwrap(),
        "--ssh-config",
        hosts.to_str().unwrap(),
    ];
    let mut terminal = Terminal::start(&arguments, 160, 50, &[]);
    terminal.wait_for("probed");
    for allowed in [false, true] {
        if allowed {
            allow(&server, &key);
        }
        terminal.keys("v");
        terminal.wait_for("fail2ban and account lock-outs");
        let shown = terminal.wait_for("Enter run");
        assert!(shown.contains(&format!("> {user}")), "{shown}");
        terminal.keys("\r");
        // What is as it should be is named without its state.
        terminal.wait("how the login ended", |screen| {
            let rejected = screen.contains("Login attempt: rejected");
            screen.contains("Login attempt") && rejected != allowed
        });
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
    terminal.keys("q");
    terminal.wait_exit();
}
