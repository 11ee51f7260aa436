//! Values on their way into a script that runs in a guest.
//!
//! A value never stands in a script as text: it is written in an alphabet that neither a POSIX
//! shell nor PowerShell can take for anything but digits and letters, and the script turns it
//! back. What a name may be is checked besides. Must not live here: the scripts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::instance::Os;
use super::plain_said as said;
use super::said::Said;

/// Longest account name, in bytes (Active Directory's longest principal name is shorter).
const MAX_NAME: usize = 256;

/// An expression that a POSIX shell turns into `value`: octal digits, read by its own `printf`.
pub fn shell(value: &str) -> String {
    let mut out = String::from("$(printf '");
    for byte in value.bytes() {
        out.push_str(&format!("\\{byte:03o}"));
    }
    out.push_str("')");
    out
}

/// An expression that PowerShell (4 and later) turns into `value`: base64 of UTF-8.
pub fn powershell(value: &str) -> String {
    format!(
        "[System.Text.Encoding]::UTF8.GetString([System.Convert]::FromBase64String('{}'))",
        STANDARD.encode(value)
    )
}

/// The value that [`shell`] or [`powershell`] wrote, if the text holds one.
pub fn read_back(text: &str) -> Option<String> {
    if let Some((_, rest)) = text.split_once("$(printf '") {
        let digits = rest.split('\'').next()?;
        let bytes: Option<Vec<u8>> = digits
            .split('\\')
            .skip(1)
            .map(|byte| u8::from_str_radix(byte, 8).ok())
            .collect();
        return String::from_utf8(bytes?).ok();
    }
    let (_, rest) = text.split_once("FromBase64String('")?;
    String::from_utf8(STANDARD.decode(rest.split('\'').next()?).ok()?).ok()
}

/// Whether a guest can have an account of this name.
///
/// # Errors
/// One sentence that names what cannot be part of it.
pub fn check_account(os: Os, name: &str) -> Result<(), Said> {
    let shown = super::text::sanitise(name, 60);
    let refuse = |why: Said| Err(said::no_account_name(&shown, why));
    if name.is_empty() {
        return refuse(said::name_empty());
    }
    if name.len() > MAX_NAME {
        return refuse(said::name_long(MAX_NAME));
    }
    if name.starts_with('-') {
        return refuse(said::name_option());
    }
    if name.chars().any(char::is_control) {
        return refuse(said::name_control());
    }
    if name
        .chars()
        .any(|c| c.is_whitespace() && (os != Os::Windows || c != ' '))
    {
        return refuse(said::name_blank());
    }
    // Quotes of every script count: PowerShell takes typographic ones for its own.
    let quotes = "'\"`\u{2018}\u{2019}\u{201a}\u{201b}\u{201c}\u{201d}\u{201e}";
    let others = "$&;|<>()[]{}*?!#~=,%^:/";
    match name
        .chars()
        .find(|c| quotes.contains(*c) || others.contains(*c))
    {
        Some(c) => refuse(said::name_holds(c)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        for value in [
            "root",
            "",
            "a'b\"$(id)`x`\n;",
            "한국",
            "DOMAIN\\user",
            "\u{2019}; x #",
        ] {
            for text in [shell(value), powershell(value)] {
                assert_eq!(read_back(&text).as_deref(), Some(value));
                assert!(value.is_empty() || value == "root" || !text.contains(value));
            }
        }
    }

    #[test]
    fn names_are_what_systems_allow() {
        for name in [
            "root",
            "user.name",
            "a-b_c",
            "DOMAIN\\user",
            "user@corp.example",
            "김철수",
            "svc+1",
        ] {
            assert_eq!(check_account(Os::Linux, name), Ok(()));
            assert_eq!(check_account(Os::Windows, name), Ok(()));
        }
        assert_eq!(check_account(Os::Windows, "Jane Doe"), Ok(()));
        for name in [
            "",
            "-d",
            "a b\tc",
            "a'b",
            "a;b",
            "$(id)",
            "`id`",
            "a\nb",
            "a\u{2019}b",
            "a/b",
            "a:b",
            "a=b,c",
        ] {
            let error = check_account(Os::Linux, name).expect_err("refused");
            assert!(error.contains("cannot be an account name"), "{error}");
            assert!(check_account(Os::Windows, name).is_err(), "{name}");
        }
    }
}
