//! Where the password of the shared store comes from: a variable, or the file that `psql` reads.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use tokio_postgres::config::Host;

use crate::config::shared_store::Address;

const OTHERS: u32 = 0o077;

/// The password, where there is one: a server may ask for none.
pub(super) fn find(address: &Address, variable: Option<&str>) -> Option<String> {
    let named = std::env::var(variable.unwrap_or("PGPASSWORD")).ok();
    named
        .filter(|password| !password.is_empty())
        .or_else(|| of_file(address))
}

fn of_file(address: &Address) -> Option<String> {
    let path = match std::env::var_os("PGPASSFILE") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".pgpass"),
    };
    // As psql does: a file that others can read is not used.
    let metadata = std::fs::metadata(&path).ok()?;
    if !metadata.is_file() || metadata.mode() & OTHERS != 0 {
        tracing::warn!(path = %path.display(), "not used: it is no file of the owner alone");
        return None;
    }
    in_text(&std::fs::read_to_string(path).ok()?, address)
}

fn in_text(text: &str, address: &Address) -> Option<String> {
    let host = match &address.host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(_) => "localhost".to_owned(),
    };
    let user = address.config.get_user().unwrap_or_default();
    let database = address.config.get_dbname().unwrap_or(user);
    let wanted = [&host, &address.port.to_string(), database, user];
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let fields = fields(line);
            let (password, named) = fields.split_last()?;
            let fits = |(is, wanted): (&String, &&str)| is == "*" || is == *wanted;
            let all = named.len() == wanted.len() && named.iter().zip(&wanted).all(fits);
            all.then(|| password.clone())
        })
}

/// The parts between colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, fields.last_mut()) {
            (':', _) => fields.push(String::new()),
            ('\\', Some(last)) => last.extend(chars.next()),
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let text = "# db:5432:ops:op:comment\nother:*:*:*:no\ndb:*:ops:op:a\\:b\\\\c\n*:*:*:*:last\nlocalhost:*:*:*:late\n";
        let of = |url: &str| in_text(text, &Address::read(url).expect("a store"));
        assert_eq!(of("postgresql://op@db/ops").as_deref(), Some("a:b\\c"));
        assert_eq!(of("postgresql://me@db/ops").as_deref(), Some("last"));
        let socket = Address::read("postgresql://op@%2Frun/ops").expect("a store");
        assert_eq!(
            in_text("localhost:5432:ops:op:s\n", &socket).as_deref(),
            Some("s")
        );
        assert_eq!(in_text("db:5432:ops:op:s\n", &socket), None);
    }
}
