//! One connection to the shared store: opened, used for a few statements, closed.
//!
//! Every step has two seconds; what the server sends is bounded. Must not live here: what its lines
//! mean (`store::journal`).

mod stream;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, Row};

use crate::config::shared_store::Address;
use crate::domain::said::Said;
use crate::domain::text::sanitise;
use crate::runtime::said;
use crate::store::StoreError;
use crate::store::journal::{LONGEST_SHARED, OwnLine};

const PATIENCE: Duration = Duration::from_secs(2);
/// No connection lives longer, whatever the server does.
const LONGEST: Duration = Duration::from_secs(120);
/// Bytes of lines that one statement brings, beside the last line.
const BYTES_A_PULL: i64 = 1024 * 1024;
/// A longer note is none of ours.
const LONGEST_NOTE: i32 = 2 * 1024;

/// Each is one version of the tables; they are only ever added to.
const MIGRATIONS: &[&str] = &[
    "\
    create table cvmtop_journal (
        id bigint generated always as identity primary key,
        host text not null,
        entry text not null,
        place bigint not null,
        line text not null,
        at timestamptz not null default clock_timestamp(),
        unique (host, entry, place)
    );
    create table cvmtop_holds (
        host text not null,
        entry text not null,
        instance text not null,
        author text not null,
        until timestamptz not null,
        primary key (host, entry)
    );
    create index cvmtop_holds_instance on cvmtop_holds (instance);",
    "\
    create table cvmtop_notes (
        id bigint generated always as identity primary key,
        host text not null,
        kind text not null,
        line text not null,
        at timestamptz not null default clock_timestamp()
    );
    create unique index cvmtop_notes_once on cvmtop_notes (kind, md5(line));",
];

/// Rows are numbered in the order in which they are to be seen: one who pushes waits for the other.
const PUSH_IN_ORDER: &str = "select pg_advisory_xact_lock(hashtextextended('cvmtop journal', 0))";
const PUSH: &str = "\
    insert into cvmtop_journal (host, entry, place, line)
    select $1::text, entry, place, line
    from unnest($2::text[], $3::bigint[], $4::text[]) as new (entry, place, line)
    order by place on conflict do nothing";
/// Lines that are too long, and the own ones, come as nothing: only the number counts.
const PULL: &str = "\
    select id, line from (
        select id, line, sum(coalesce(octet_length(line), 0)) over (order by id)
            - coalesce(octet_length(line), 0) as before
        from (
            select id, case when host <> $2 and octet_length(line) <= $3 then line end as line
            from cvmtop_journal where id > $1 order by id limit 500
        ) as next
    ) as summed where before < $4 order by id";
/// What was learned: each line once, whoever passes it on, and how often.
const PUSH_NOTES: &str = "\
    insert into cvmtop_notes (host, kind, line)
    select $1::text, $2::text, line from unnest($3::text[]) as new (line)
    on conflict do nothing";
const PULL_NOTES: &str = "\
    select id, left(host, 64), left(kind, 16),
        case when host <> $2 and octet_length(line) <= $3 then line end
    from cvmtop_notes where id > $1 order by id limit 500";
const HOLDS: &str = "\
    select entry from cvmtop_holds where host <> $1 and until > clock_timestamp()
        and octet_length(entry) < 100 limit 1000";
/// Of two hosts one is first here, and the other sees what it wrote.
const CLAIM_IN_ORDER: &str = "select pg_advisory_xact_lock(hashtextextended('cvmtop ' || $1, 0))";
const CLAIMED: &str = "\
    select left(author, 200), left(entry, 100) from cvmtop_holds
    where instance = $1 and host <> $2 and until > clock_timestamp() limit 1";
const FORGET: &str = "delete from cvmtop_holds where instance = $1 and until <= clock_timestamp()";
const CLAIM: &str = "\
    insert into cvmtop_holds (host, entry, instance, author, until)
    values ($2, $3, $1, $4, clock_timestamp() + make_interval(secs => $5))
    on conflict (host, entry) do update set until = excluded.until";
const RELEASE: &str = "delete from cvmtop_holds where host = $1 and entry = $2";

/// Why the store could not be used.
#[derive(Debug)]
pub(super) enum Failure {
    Slow,
    /// Its tables are of a newer version.
    Newer(i32),
    /// A file of this host.
    Local(StoreError),
    /// It answers and does not do it: read-only, a full disk, a right that lacks.
    Refused(String),
    Other(String),
}

impl Failure {
    pub fn said(&self) -> Said {
        match self {
            Self::Slow => said::shared_slow(),
            Self::Newer(version) => said::shared_newer(*version),
            Self::Local(error) => error.said(),
            Self::Refused(why) | Self::Other(why) => Said::raw(sanitise(why, 200)),
        }
    }
}

impl Failure {
    /// The store answers, and only keeps from being written: it may be read.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Local(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let why = innermost(&error);
        // Of class 08 and 57 is what ends the connection.
        let class = error.code().map(|code| &code.code()[..2]);
        match class {
            Some("25" | "42" | "53" | "54") if !error.is_closed() => Self::Refused(why),
            _ => Self::Other(why),
        }
    }
}

/// The outer errors only say that something failed.
fn innermost(mut error: &dyn std::error::Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

async fn in_time<T, E: Into<Failure>>(
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, step).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Failure::Slow),
    }
}

/// Who has an instance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Ours,
    Theirs { author: String, entry: String },
}

/// Something that another host learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub host: String,
    pub kind: String,
    pub line: String,
}

pub(super) struct Session {
    client: Client,
    store: String,
}

impl Session {
    /// Connects and sees to it that the tables are there.
    pub async fn open(
        address: &Address,
        config: &Config,
        ca_bundle: Option<&Path>,
    ) -> Result<Self, Failure> {
        let client = in_time(async {
            let (client, connection) = stream::connect(address, config, ca_bundle).await?;
            // It ends with its client; errors reach whoever waits for a statement.
            tokio::spawn(tokio::time::timeout(LONGEST, connection));
            Ok::<_, Failure>(client)
        })
        .await?;
        in_time(client.batch_execute("set statement_timeout = 2000")).await?;
        let mut session = Self {
            client,
            store: String::new(),
        };
        let mut version = session.version().await?;
        if version < MIGRATIONS.len() as i32 {
            session.migrate().await?;
            version = session.version().await?;
        }
        if version > MIGRATIONS.len() as i32 {
            return Err(Failure::Newer(version));
        }
        Ok(session)
    }

    /// The database itself, by a name that it was given with its tables.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Version of the tables; 0 without any.
    async fn version(&mut self) -> Result<i32, Failure> {
        let sql = "select version, left(store, 100) from cvmtop_schema limit 1";
        let read = tokio::time::timeout(PATIENCE, self.client.query(sql, &[])).await;
        match read.map_err(|_| Failure::Slow)? {
            Ok(rows) => {
                let Some(row) = rows.first() else {
                    return Ok(0);
                };
                self.store = row.try_get(1)?;
                Ok(row.try_get(0)?)
            }
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes what is missing, all or nothing. A table may be there from another host by now.
    async fn migrate(&mut self) -> Result<(), Failure> {
        let change = in_time(self.client.transaction()).await?;
        let sql = "select pg_advisory_xact_lock(hashtextextended('cvmtop schema', 0))";
        in_time(change.query(sql, &[])).await?;
        let sql = "\
            create table if not exists cvmtop_schema (version integer not null, store text not null);
            insert into cvmtop_schema (version, store)
            select 0, md5(random()::text || clock_timestamp()::text)
            where not exists (select from cvmtop_schema);";
        in_time(change.batch_execute(sql)).await?;
        let row = in_time(change.query_one("select version from cvmtop_schema", &[])).await?;
        let version: i32 = row.try_get(0)?;
        let done = usize::try_from(version).unwrap_or(0);
        for migration in MIGRATIONS.iter().skip(done) {
            in_time(change.batch_execute(migration)).await?;
        }
        let now = MIGRATIONS.len() as i32;
        let sql = "update cvmtop_schema set version = $1 where version < $1";
        in_time(change.execute(sql, &[&now])).await?;
        in_time(change.commit()).await
    }

    /// Passes lines on. Those that are there already, after an answer that was lost, stay as they are.
    pub async fn push(&mut self, host: &str, lines: &[OwnLine]) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        let entries: Vec<&str> = lines.iter().map(|line| line.entry.as_str()).collect();
        let places: Vec<i64> = lines.iter().map(|line| line.place).collect();
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let change = in_time(self.client.transaction()).await?;
        in_time(change.query(PUSH_IN_ORDER, &[])).await?;
        in_time(change.execute(PUSH, &[&host, &entries, &places, &texts])).await?;
        in_time(change.commit()).await
    }

    /// The next lines of other hosts, and the last row that was looked at.
    pub async fn pull(&mut self, host: &str, after: i64) -> Result<(Vec<String>, i64), Failure> {
        let longest = LONGEST_SHARED as i32;
        let rows = self
            .rows(PULL, &[&after, &host, &longest, &BYTES_A_PULL])
            .await?;
        let (mut lines, mut last) = (Vec::new(), after);
        for row in rows {
            last = last.max(row.try_get(0)?);
            lines.extend(row.try_get::<_, Option<String>>(1)?);
        }
        Ok((lines, last))
    }

    /// Passes on what was learned; what is there already stays as it is.
    pub async fn push_notes(
        &mut self,
        host: &str,
        kind: &str,
        lines: &[String],
    ) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        let change = in_time(self.client.transaction()).await?;
        in_time(change.query(PUSH_IN_ORDER, &[])).await?;
        in_time(change.execute(PUSH_NOTES, &[&host, &kind, &lines])).await?;
        in_time(change.commit()).await
    }

    /// What other hosts learned next, and the last row that was looked at.
    pub async fn pull_notes(
        &mut self,
        host: &str,
        after: i64,
    ) -> Result<(Vec<Note>, i64), Failure> {
        let rows = self
            .rows(PULL_NOTES, &[&after, &host, &LONGEST_NOTE])
            .await?;
        let (mut notes, mut last) = (Vec::new(), after);
        for row in rows {
            last = last.max(row.try_get(0)?);
            if let Some(line) = row.try_get(3)? {
                notes.push(Note {
                    host: row.try_get(1)?,
                    kind: row.try_get(2)?,
                    line,
                });
            }
        }
        Ok((notes, last))
    }

    /// Entries that other hosts are at work on.
    pub async fn holds(&mut self, host: &str) -> Result<HashSet<String>, Failure> {
        let rows = self.rows(HOLDS, &[&host]).await?;
        let entries = rows.iter().map(|row| row.try_get(0));
        Ok(entries.collect::<Result<_, _>>()?)
    }

    /// Takes or renews the hold of an entry on an instance, unless another host has it.
    pub async fn claim(
        &mut self,
        host: &str,
        instance: &str,
        entry: &str,
        author: &str,
        lasts: Duration,
    ) -> Result<Claim, Failure> {
        let change = in_time(self.client.transaction()).await?;
        in_time(change.query(CLAIM_IN_ORDER, &[&instance])).await?;
        let theirs = in_time(change.query_opt(CLAIMED, &[&instance, &host])).await?;
        if let Some(row) = theirs {
            return Ok(Claim::Theirs {
                author: sanitise(row.try_get(0)?, 200),
                entry: sanitise(row.try_get(1)?, 64),
            });
        }
        in_time(change.execute(FORGET, &[&instance])).await?;
        let lasts = lasts.as_secs_f64();
        in_time(change.execute(CLAIM, &[&instance, &host, &entry, &author, &lasts])).await?;
        in_time(change.commit()).await?;
        Ok(Claim::Ours)
    }

    /// Lets an entry's hold go.
    pub async fn release(&mut self, host: &str, entry: &str) -> Result<(), Failure> {
        in_time(self.client.execute(RELEASE, &[&host, &entry])).await?;
        Ok(())
    }

    async fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        in_time(self.client.query(sql, parameters)).await
    }
}
