//! The address of the shared store: a URL as `psql` takes it, without a password.
//!
//! Must not live here: the password, and the connection (`runtime::shared`).

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::said;
use crate::domain::said::Said;

const PORT: u16 = 5432;

/// Where the store is, and whether the way there is encrypted.
#[derive(Debug, Clone)]
pub struct Address {
    /// User, database and options; never a password.
    pub config: Config,
    pub host: Host,
    pub port: u16,
    pub tls: bool,
}

impl Address {
    /// Reads a URL. No message repeats it: it may hold a password.
    ///
    /// # Errors
    /// When it is none of PostgreSQL, holds a password, or asks for what is not done.
    pub fn read(url: &str) -> Result<Self, Said> {
        if !["postgresql://", "postgres://"]
            .iter()
            .any(|it| url.starts_with(it))
        {
            return Err(said::store_url());
        }
        let (rest, mode) = without_mode(url);
        let mut config: Config = rest.parse().map_err(|_| said::store_url())?;
        if config.get_password().is_some() {
            return Err(said::store_password());
        }
        let ([host], ports @ ([] | [_])) = (config.get_hosts(), config.get_ports()) else {
            return Err(said::store_hosts());
        };
        let (host, port) = (host.clone(), ports.first().copied().unwrap_or(PORT));
        if config.get_user().is_none() {
            return Err(said::store_url());
        }
        let encrypted = match mode.as_deref() {
            None | Some("require" | "verify-ca" | "verify-full") => true,
            Some("disable") => false,
            Some(_) => return Err(said::store_sslmode()),
        };
        let tls = encrypted && matches!(host, Host::Tcp(_));
        config.ssl_mode(if tls {
            SslMode::Require
        } else {
            SslMode::Disable
        });
        config.application_name("cvmtop");
        Ok(Self {
            config,
            host,
            port,
            tls,
        })
    }

    /// Host and database, for a person.
    pub fn name(&self) -> String {
        let host = match &self.host {
            Host::Tcp(name) => format!("{name}:{}", self.port),
            Host::Unix(path) => path.display().to_string(),
        };
        let database = self.config.get_dbname().or(self.config.get_user());
        format!("{host}/{}", database.unwrap_or_default())
    }
}

/// The URL without its `sslmode`, and that: the crate knows fewer modes than `psql`.
fn without_mode(url: &str) -> (String, Option<String>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let (modes, others): (Vec<&str>, Vec<&str>) = query
        .split('&')
        .partition(|part| part.starts_with("sslmode="));
    let mode = modes.last().and_then(|part| part.split_once('='));
    (
        format!("{base}?{}", others.join("&")),
        mode.map(|(_, mode)| mode.to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_store_and_no_password() {
        let read = |url: &str| Address::read(url).map(|it| (it.name(), it.tls));
        let told = |name: &str, tls| Ok((name.to_owned(), tls));
        assert_eq!(read("postgresql://op@db/ops"), told("db:5432/ops", true));
        assert_eq!(
            read("postgres://op@db:6000/ops?sslmode=verify-full"),
            told("db:6000/ops", true)
        );
        assert_eq!(
            read("postgresql://op@db/ops?sslmode=disable&connect_timeout=1"),
            told("db:5432/ops", false)
        );
        assert_eq!(
            read("postgresql://op@/ops?host=/run/postgresql"),
            told("/run/postgresql/ops", false)
        );
        assert_eq!(
            read("postgresql://op@%2Frun%2Fpostgresql/ops"),
            told("/run/postgresql/ops", false)
        );
        for (url, why) in [
            ("mysql://op@db/ops", said::store_url()),
            ("postgresql://db/ops", said::store_url()),
            ("postgresql://op@one,two/ops", said::store_hosts()),
            (
                "postgresql://op@db/ops?sslmode=prefer",
                said::store_sslmode(),
            ),
            ("postgresql://op:hush@db/ops", said::store_password()),
            ("postgresql://op:@db/ops", said::store_password()),
            (
                "postgresql://op@db/ops?password=hush",
                said::store_password(),
            ),
        ] {
            assert_eq!(read(url), Err(why), "{url}");
        }
    }
}
