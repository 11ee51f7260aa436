//! What looks like a secret in text that a person pasted, that the cloud answered or that a guest
//! printed, and is taken out of a bundle.
//!
//! The rules err on the side of taking too much: behind the name of a secret the rest of the line
//! goes. Must not live here: addresses and names (`mask`).

use serde_json::Value;

/// Stands where a secret stood.
const GONE: &str = "(taken out)";

/// Names of secrets, also as a part of a longer word (`DB_PASSWORD`, `x-api-key`).
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "secret",
    "token",
    "secretkey",
    "secret_key",
    "secret-key",
    "secret key",
    "secretid",
    "secret_id",
    "secret-id",
    "secret id",
    "secretaccesskey",
    "apikey",
    "api_key",
    "api-key",
    "api key",
    "accesskey",
    "access_key",
    "access-key",
    "access key",
    "accesskeyid",
    "access_key_id",
    "privatekey",
    "private_key",
    "private-key",
    "private key",
    "credential",
    "credentials",
    "authorization",
    "cookie",
    "signature",
    "client_secret",
    "one-time code",
    "verification code",
    // Korean and Chinese.
    "비밀번호",
    "비밀 번호",
    "패스워드",
    "암호",
    "비번",
    "암호문",
    "토큰",
    "시크릿",
    "비밀키",
    "비밀 키",
    "액세스 키",
    "액세스키",
    "접근 키",
    "접근키",
    "인증키",
    "인증 키",
    "개인키",
    "개인 키",
    "api 키",
    "인증번호",
    "密码",
    "密碼",
    "口令",
    "密钥",
    "密鑰",
    "秘钥",
    "秘鑰",
    "令牌",
    "凭证",
    "憑證",
    "私钥",
    "私鑰",
    "验证码",
    "驗證碼",
    "パスワード",
];

/// Names that are too short to be looked for inside a word.
const SHORT_NAMES: &[&str] = &["pass", "pwd", "pw", "pin", "otp", "psk"];

/// What may stand between a name and its value. Particles and copulas come with blanks where the
/// language writes them so.
const SEPARATORS: &[&str] = &[
    "=>", "->", "=", ":", "：", "＝", " is ", " was ", "는 ", "은 ", "가 ", "이 ", "是", "为", "為",
];

/// Beginnings of keys that are told by their form, and how long such a word is at least.
const FORMS: &[(&str, usize)] = &[
    ("AKID", 20),
    ("IKID", 20),
    ("AKIA", 20),
    ("ASIA", 20),
    ("LTAI", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xoxa-", 20),
    ("xapp-", 20),
    ("sk-", 24),
    ("sk_live_", 20),
    ("rk_live_", 20),
    ("AIza", 30),
    ("eyJ", 30),
    ("hvs.", 20),
    ("npm_", 30),
    ("pypi-", 30),
    ("dop_v1_", 30),
];

/// Programs that take a password as an argument, with the option that does: the value is glued to
/// it, or follows as a word of its own where `true`.
const COMMANDS: &[(&str, &str, bool)] = &[
    ("mysql", "-p", false),
    ("mysqldump", "-p", false),
    ("mysqladmin", "-p", false),
    ("mysqlimport", "-p", false),
    ("mysqlsh", "-p", false),
    ("mariadb", "-p", false),
    ("mariadb-dump", "-p", false),
    ("mycli", "-p", true),
    ("mongo", "-p", true),
    ("mongosh", "-p", true),
    ("mongodump", "-p", true),
    ("sshpass", "-p", true),
    ("rdesktop", "-p", true),
    ("docker", "-p", true),
    ("podman", "-p", true),
    ("redis-cli", "-a", true),
    ("plink", "-pw", true),
    ("pscp", "-pw", true),
    ("psftp", "-pw", true),
    ("putty", "-pw", true),
    ("ldapsearch", "-w", true),
    ("ldapmodify", "-w", true),
    ("curl", "-u", true),
    ("curl", "--user", true),
    ("curl", "--proxy-user", true),
    ("smbclient", "-U", true),
    ("winexe", "-U", true),
    ("xfreerdp", "/p:", false),
    ("wfreerdp", "/p:", false),
    ("mstsc", "/p:", false),
    ("7z", "-p", false),
    ("unzip", "-P", true),
    ("zip", "-P", true),
    ("openssl", "-passin", true),
    ("openssl", "-passout", true),
    ("openssl", "-k", true),
    ("chpasswd", "<<<", true),
];

/// The same value without secrets in any of its texts, nor under a name of one.
pub fn secrets_in(value: Value) -> Value {
    match value {
        Value::String(text) => Value::from(secrets(&text)),
        Value::Array(items) => items.into_iter().map(secrets_in).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(text) if !text.is_empty() && is_name(&name) => {
                    (name, Value::from(GONE))
                }
                other => (name, secrets_in(other)),
            })
            .collect(),
        other => other,
    }
}

/// Takes out what looks like a secret: private keys, keys of known forms, passwords in addresses
/// and arguments, and what stands behind the name of a secret.
pub(super) fn secrets(text: &str) -> String {
    let mut out = Vec::new();
    let mut in_key = false;
    for line in text.lines() {
        if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") {
            in_key = true;
            out.push(GONE.to_owned());
        }
        if in_key {
            in_key = !(line.contains("-----END"));
            continue;
        }
        let line = in_addresses(line);
        let line = in_arguments(&line);
        let line = known_forms(&line);
        out.push(match value_at(&line) {
            Some(at) => format!("{} {GONE}", &line[..at]),
            None => line,
        });
    }
    out.join("\n")
}

/// True where a field of this name holds a secret.
fn is_name(field: &str) -> bool {
    let lower = field.to_ascii_lowercase();
    // What is told of a secret is none: `PasswordSet`, `TokenExpires`.
    NAMES.iter().any(|name| lower.ends_with(name)) || SHORT_NAMES.contains(&lower.as_str())
}

/// Where the value of the first named secret begins.
fn value_at(line: &str) -> Option<usize> {
    // Offsets stay those of the line: only ASCII letters change.
    let lower = line.to_ascii_lowercase();
    let ends = NAMES
        .iter()
        .flat_map(|name| lower.match_indices(name).map(|(at, name)| at + name.len()));
    let short = SHORT_NAMES.iter().flat_map(|name| {
        let alone = |at: usize| {
            let before = lower[..at].chars().next_back();
            let behind = lower[at + name.len()..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && !behind.is_some_and(char::is_alphanumeric)
        };
        lower
            .match_indices(name)
            .filter(move |(at, _)| alone(*at))
            .map(|(at, name)| at + name.len())
    });
    let named = ends.chain(short).filter_map(|end| behind(line, end));
    named.chain(bearer(&lower)).min()
}

/// Where the value begins behind a name that ends at `end`; `None` for a name without one, such as
/// a prompt that nothing was typed at.
fn behind(line: &str, end: usize) -> Option<usize> {
    let rest = &line[end..];
    let quotes = ['"', '\'', '`', ')', ']', '*'];
    // Blanks belong to some separators, so they are tried first as they stand.
    let open = rest.trim_start_matches(quotes);
    let spaced = open.trim_start();
    let found = SEPARATORS.iter().find_map(|mark| {
        open.strip_prefix(mark)
            .or_else(|| spaced.strip_prefix(mark))
    });
    let value = match found {
        Some(value) => value.trim_start_matches([':', '=', '：', '＝']),
        // `--password hunter2`, `-password hunter2`.
        None if open.len() > spaced.len() && is_option(line, end) && !spaced.starts_with('-') => {
            spaced
        }
        None => return None,
    };
    (!value.trim().is_empty()).then(|| line.len() - value.len())
}

/// True where the word that ends at `end` is an option: `--db-password`.
fn is_option(line: &str, end: usize) -> bool {
    let word = line[..end].rsplit(char::is_whitespace).next();
    word.is_some_and(|word| word.starts_with('-'))
}

/// Where the token of `Bearer TOKEN` begins, in lower-case text.
fn bearer(lower: &str) -> Option<usize> {
    let at = lower.find("bearer ")? + "bearer ".len();
    (!lower[at..].trim().is_empty()).then_some(at)
}

/// Words that are keys by their form, wherever they stand.
fn known_forms(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_part) {
        out.push_str(&rest[..start]);
        let after = &rest[start..];
        let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
        let word = &after[..end];
        // A key may hang on something else: `id-AKID...`, `key_AKID...`.
        let at = FORMS.iter().filter_map(|(head, least)| {
            let at = word.find(head)?;
            let fresh = !word[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            (fresh && word.len() - at >= *least).then_some(at)
        });
        match at.min() {
            Some(at) => {
                out.push_str(&word[..at]);
                out.push_str(GONE);
            }
            None => out.push_str(word),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

/// `https://user:secret@host`: the password goes, and a user that stands alone, which is a token.
fn in_addresses(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + "://".len());
        out.push_str(head);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
        let end = tail.find(ends).unwrap_or(tail.len());
        let word = &tail[..end];
        // A password may hold a slash; a path may hold an `@` only behind one.
        let authority = word.find('/').map_or(word, |slash| {
            if word[..slash].contains('@') || !word[..slash].contains(':') {
                &word[..slash]
            } else {
                word
            }
        });
        rest = match authority.rfind('@') {
            Some(sign) => {
                match authority[..sign].split_once(':') {
                    Some((user, _)) => out.push_str(&format!("{user}:{GONE}")),
                    // `ssh://root@host` names an account; a long word is a token.
                    None if sign >= 20 => out.push_str(GONE),
                    None => out.push_str(&authority[..sign]),
                }
                &tail[sign..]
            }
            None => tail,
        };
    }
    out.push_str(rest);
    out
}

/// Passwords that are arguments of known programs.
fn in_arguments(line: &str) -> String {
    let program = |word: &str| -> String {
        let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
        name.trim_end_matches(".exe").to_lowercase()
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut gone: Vec<&str> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let name = program(word.trim_start_matches(['$', '#', '(', '`', '"', '\'']));
        for (_, option, follows) in COMMANDS.iter().filter(|(known, ..)| *known == name) {
            for (place, argument) in words.iter().enumerate().skip(at + 1) {
                let Some(glued) = argument.strip_prefix(option) else {
                    continue;
                };
                if !glued.is_empty() {
                    gone.push(glued);
                } else if *follows && let Some(next) = words.get(place + 1) {
                    // `-u user` alone holds no secret.
                    let is_pair = matches!(*option, "-u" | "--user" | "--proxy-user" | "-U");
                    let secret = if is_pair {
                        next.split_once([':', '%']).map(|(_, secret)| secret)
                    } else {
                        Some(*next)
                    };
                    gone.extend(secret.filter(|secret| !secret.is_empty()));
                }
            }
        }
    }
    let mut out = line.to_owned();
    gone.sort_by_key(|word| std::cmp::Reverse(word.len()));
    for word in gone {
        out = out.replace(word, GONE);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnPhESA";

    #[test]
    fn pasted_secrets_are_taken_out() {
        let text = "user@host's password: \nPassword: hunter2\ntoken=abc\nid AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnPhESA x\n\
            -----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----\nPermission denied";
        let clean = secrets(text);
        for secret in ["hunter2", "abc", "AKIDz8", "b3Blbn"] {
            assert!(!clean.contains(secret), "{clean}");
        }
        assert!(clean.contains("Permission denied") && clean.contains("user@host's password:"));
    }

    #[test]
    fn every_way_to_write_a_secret_is_known() {
        for line in [
            "Authorization: Bearer HUNTER2",
            "authorization: basic HUNTER2",
            "curl -H 'X-Auth: bearer HUNTER2'",
            "mysql -h db -u root -pHUNTER2 shop",
            "$ /usr/bin/mysqldump -pHUNTER2 shop",
            "sshpass -p HUNTER2 ssh root@10.0.0.7",
            "plink.exe -pw HUNTER2 root@10.0.0.7",
            "xfreerdp /v:10.0.0.7 /u:admin /p:HUNTER2",
            "curl -u admin:HUNTER2 https://h/",
            "redis-cli -a HUNTER2 ping",
            "api_key: HUNTER2",
            "x-api-key=HUNTER2",
            "API KEY = HUNTER2",
            "pwd=HUNTER2",
            "MYSQL_PWD=HUNTER2 mysql",
            "pass: HUNTER2",
            "--password HUNTER2",
            "--db-token HUNTER2 --verbose",
            "https://u:HUNTER2@h/x",
            "https://u:HUN/HUNTER2@h/x",
            "ftp://u:a@HUNTER2@h",
            "redis://:HUNTER2@10.0.0.7:6379",
            "passphrase: HUNTER2",
            "\"password\": \"HUNTER2\"",
            "the password is HUNTER2",
            "密码: HUNTER2",
            "密码：HUNTER2",
            "密码是HUNTER2",
            "root 的口令为 HUNTER2",
            "密钥 = HUNTER2",
            "비밀번호: HUNTER2",
            "비밀번호는 HUNTER2",
            "암호 : HUNTER2",
            "토큰=HUNTER2",
            "?x=1&signature=HUNTER2",
            "AKIDshort HUNTER: AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnPhESA",
            "AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnPhESA and AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnPhESA",
            "set key_AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnPhESA",
            "ghp_HUNTER2HUNTER2HUNTER2HUNTER2",
            "eyJHUNTER2HUNTER2.eyJHUNTER2HUNTER2.HUNTER2",
        ] {
            let clean = secrets(line);
            let gone = !clean.contains("HUNTER2") && !clean.contains(KEY);
            assert!(gone && clean.contains(GONE), "{line}: {clean}");
        }
    }

    #[test]
    fn what_support_needs_stays() {
        for line in [
            "root@10.0.0.7: Permission denied (publickey,password).",
            "root@10.0.0.7's password: ",
            "debug1: Authentications that can continue: publickey,gssapi-keyex,password",
            "debug1: Next authentication method: password",
            "ssh -p 2222 root@10.0.0.7",
            "mysql -h db -u root -p shop",
            "curl -u admin https://cvm.tencentcloudapi.com/?Action=x",
            "ssh://root@10.0.0.7:22",
            "Host key verification failed.",
            "AuthFailure.SecretIdNotFound",
            "암호를 확인하십시오",
            "密码错误",
        ] {
            assert_eq!(secrets(line), line);
        }
    }

    #[test]
    fn fields_that_name_a_secret_are_emptied_in_answers() {
        let answer = serde_json::json!({"Password": "HUNTER2", "LoginSettings": [{"SecretKey": "HUNTER2"}],
            "PasswordSet": "yes", "Output": "token: HUNTER2\nuid=0"});
        let clean = secrets_in(answer).to_string();
        assert!(!clean.contains("HUNTER2"), "{clean}");
        assert!(clean.contains("yes") && clean.contains("uid=0"), "{clean}");
    }
}
