//! What a program that is started beside this one may see of the environment.
//!
//! An allow list: keys of the cloud, tokens and passwords of proxies come under names that nobody can
//! list, and `SendEnv` or a `ProxyCommand` of the operator's own would pass them on. Must not live
//! here: starting anything.

/// What OpenSSH, its agents and its helpers need.
const NAMES: &[&str] = &[
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "HOSTNAME",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "TZ",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "GPG_TTY",
    "GNUPGHOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "KRB5CCNAME",
    "KRB5_CONFIG",
];
const BEGINNINGS: &[&str] = &["LC_", "XDG_", "SSH_"];

/// True of a variable that a child may see.
pub fn may_see(name: &str) -> bool {
    NAMES.contains(&name) || BEGINNINGS.iter().any(|part| name.starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_needs_passes_and_secrets_do_not() {
        for name in ["HOME", "PATH", "SSH_AUTH_SOCK", "LC_ALL", "XDG_RUNTIME_DIR"] {
            assert!(may_see(name), "{name}");
        }
        for name in [
            "TENCENTCLOUD_SECRET_KEY",
            "MY_KEY",
            "HTTPS_PROXY",
            "https_proxy",
            "PGPASSWORD",
            "CVMTOP_ENDPOINT",
            "GITHUB_TOKEN",
        ] {
            assert!(!may_see(name), "{name}");
        }
    }
}
