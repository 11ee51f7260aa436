//! Files that a Remote Desktop client opens, one for each instance, in the state directory.
//!
//! Must not live here: whose desktop it is, or any password.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::private;

/// Writes the file of an instance anew.
///
/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path, id: &str, login: SocketAddr, user: &str) -> std::io::Result<PathBuf> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = id.chars().map(plain).collect();
    let path = folder.join(format!("{name}.rdp"));
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    let lines = [
        format!("full address:s:{login}"),
        format!("username:s:{user}"),
        "prompt for credentials:i:1".to_owned(),
        "authentication level:i:2".to_owned(),
    ];
    let mut file = private::new_file(&path)?;
    for line in lines {
        write!(file, "{line}\r\n")?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_address_port_and_account_and_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let login = "203.0.113.7:3390".parse().unwrap();
        for _ in 0..2 {
            let path = write(folder.path(), "ins-1/../x", login, "Administrator").unwrap();
            assert_eq!(path, folder.path().join("ins-1----x.rdp"));
            let text = std::fs::read_to_string(path).unwrap();
            assert!(
                text.starts_with("full address:s:203.0.113.7:3390\r\n"),
                "{text}"
            );
            assert!(text.contains("username:s:Administrator\r\n"), "{text}");
            assert!(!text.contains("password"), "{text}");
        }
    }
}
