//! How the operator's own client gets into an instance: `ssh` with the name, user, port, key and jump
//! host of the operator's configuration, or a Remote Desktop client that is there.
//!
//! Must not live here: handing the terminal over (`event_loop`).

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::backend::Backend;
use super::execute::{author, new_entry_id};
use super::{clock, said};
use crate::action::session;
use crate::app::effect::WayIn;
use crate::app::locale::Texts;
use crate::app::message::{Message, Recorded};
use crate::app::notices::Severity;
use crate::config::ssh_config::Destination;
use crate::config::{VantageSetting, ssh_names};
use crate::domain::child::may_see;
use crate::domain::evidence::state::reach;
use crate::domain::evidence::{self, Reading};
use crate::domain::instance::{Instance, Os};
use crate::domain::outcome::Outcome;
use crate::domain::said::{Figure, Said, Unit};
use crate::store::desktop_file;
use crate::store::journal::{Event, Place, Record};

/// The status of an `ssh` that did not get in, or lost the connection.
const CLIENT_FAILED: i32 = 255;
/// Remote Desktop clients that open a file and need a desktop to draw on.
const DESKTOP_CLIENTS: [&str; 4] = ["xfreerdp3", "xfreerdp", "wlfreerdp", "remmina"];

/// Finds the way in and writes it to the journal; the answer opens it, or says why there is none.
pub async fn find(backend: &Backend, id: &str) -> Message {
    match way_in(backend, id).await {
        Ok(message) => message,
        Err(text) => Message::Told {
            severity: Severity::Error,
            text,
        },
    }
}

async fn way_in(backend: &Backend, id: &str) -> Result<Message, Said> {
    let instance = backend.instance(id).ok_or_else(said::instance_gone)?;
    let login = login(backend, &instance).ok_or_else(said::no_address_to_enter)?;
    let words = if instance.os == Os::Windows && instance.ssh_name.is_empty() {
        let folder = backend.loaded.paths.state_dir.join("desktops");
        let file = desktop_file::write(&folder, &instance.id, login, &instance.usual_user());
        let file = file.map_err(|error| said::desktop_file_unwritten(folder.display(), error))?;
        match desktop_client(|name| std::env::var_os(name).is_some_and(|it| !it.is_empty())) {
            Some(client) => vec![client.to_owned(), file.display().to_string()],
            None => {
                return Ok(Message::Told {
                    severity: Severity::Good,
                    text: said::desktop_file(file.display()),
                });
            }
        }
    } else {
        let config = backend.loaded.settings.ssh_config.clone();
        let mut words = ssh(&instance, login, config).await?;
        if backend.loaded.demo.is_some() {
            // Its keys are made anew at each start: the operator's own files must not fill up.
            let at = words.len() - 2;
            words.splice(at..at, ["-o".into(), "UserKnownHostsFile=/dev/null".into()]);
        }
        words
    };
    let entry = new_entry_id();
    journal(backend, &instance, &entry, &words).await?;
    let instance = id.to_owned();
    Ok(Message::Recorded(Recorded::WayIn(WayIn {
        instance,
        words,
        entry,
    })))
}

/// The program that has the terminal.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: std::io::Result<tokio::process::Child>,
}

impl Program {
    /// Starts it, with as much of the environment as any child sees.
    pub fn start(words: &[String]) -> Self {
        let name = words.first().cloned().unwrap_or_default();
        let child = tokio::process::Command::new(&name)
            .args(words.iter().skip(1))
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(may_see)))
            .kill_on_drop(true)
            .spawn();
        Self { name, child }
    }

    /// Waits for its end. What a failed client printed stays readable until Enter is pressed.
    pub async fn end(&mut self, texts: &Texts, began: Instant) -> (Severity, Said) {
        let status = match &mut self.child {
            Ok(child) => child.wait().await,
            Err(error) => {
                let why = said::visit_not_begun(&self.name, error);
                return (Severity::Error, why);
            }
        };
        let code = status.ok().and_then(|status| status.code());
        let after = Figure::new(began.elapsed().as_secs_f64(), 0, Unit::Seconds);
        match code {
            Some(CLIENT_FAILED) => {
                let text = said::visit_failed(&self.name, CLIENT_FAILED);
                println!("{}", texts.said(&text));
                let enter = || std::io::stdin().read_line(&mut String::new());
                let _ = tokio::task::spawn_blocking(enter).await;
                let told = said::visit_ended_badly(&self.name, after, CLIENT_FAILED);
                (Severity::Warning, told)
            }
            // Any other status is that of the last command of the session.
            _ => (Severity::Info, said::visit_ended(&self.name, after)),
        }
    }
}

/// The address that the last look found open, else the one that users would come in by.
fn login(backend: &Backend, instance: &Instance) -> Option<SocketAddr> {
    let seen = backend.recent_triage(&instance.id);
    let readings = seen.map(|triage| triage.readings).unwrap_or_default();
    let vantage = backend.loaded.settings.probe.vantage;
    let address = address(instance, vantage, &readings)?;
    Some(SocketAddr::new(address, instance.login_port()))
}

fn address(instance: &Instance, vantage: VantageSetting, readings: &[Reading]) -> Option<IpAddr> {
    use evidence::Path::{Private, Public};
    let public = instance.public_addresses.first().map(|it| (Public, *it));
    let private = instance.private_addresses.first().map(|it| (Private, *it));
    let ways = match vantage {
        VantageSetting::Private => [private, public],
        VantageSetting::Public | VantageSetting::Both => [public, private],
    };
    let open = |(path, _): &(evidence::Path, IpAddr)| {
        let on = |reading: &&Reading| reading.path == Some(*path);
        let mut on_path = readings.iter().filter(on);
        on_path.any(|reading| {
            matches!(
                reading.seen(),
                Some(reach::OPEN | reach::OPEN_LOGIN_ONLY | reach::FLAKY)
            )
        })
    };
    let mut found = ways.into_iter().flatten();
    let first = found.clone().next();
    found.find(open).or(first).map(|(_, address)| address)
}

/// The command; OpenSSH is asked what the operator's configuration calls the instance, which may take
/// seconds.
async fn ssh(
    instance: &Instance,
    login: SocketAddr,
    config: Option<PathBuf>,
) -> Result<Vec<String>, Said> {
    if on_path("ssh").is_none() {
        return Err(crate::probe::said::no_openssh());
    }
    let (file, known) = (config.clone(), instance.clone());
    let asking = tokio::task::spawn_blocking(move || {
        ssh_names::of(file.as_deref(), &known, &[login.ip()], login.port())
    });
    // Where OpenSSH does not answer, the address is used.
    let named = asking.await.ok().and_then(Result::ok);
    let own = author().user;
    Ok(ssh_words(
        instance,
        login,
        named.as_ref(),
        config.as_deref(),
        &own,
    ))
}

fn ssh_words(
    instance: &Instance,
    login: SocketAddr,
    named: Option<&Destination>,
    config: Option<&Path>,
    own_name: &str,
) -> Vec<String> {
    let mut words = vec!["ssh".to_owned()];
    if let Some(config) = config {
        words.extend(["-F".to_owned(), config.display().to_string()]);
    }
    // A name of the configuration brings its user, port, keys and jump host with it.
    let named = named.filter(|it| it.name.parse::<IpAddr>().is_err());
    if named.is_none_or(|it| it.port != login.port()) {
        words.extend(["-p".to_owned(), login.port().to_string()]);
    }
    if named.is_none_or(|it| it.user == own_name) {
        words.extend(["-l".to_owned(), instance.usual_user()]);
    }
    let to = named.map_or_else(|| login.ip().to_string(), |it| it.name.clone());
    words.extend(["--".to_owned(), to]);
    words
}

/// A Remote Desktop client of this machine, where there is a desktop.
fn desktop_client(is_set: impl Fn(&str) -> bool) -> Option<&'static str> {
    if !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
        return None;
    }
    let mut clients = DESKTOP_CLIENTS.into_iter();
    clients.find(|client| on_path(client).is_some())
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.find(|file| file.is_file())
}

/// Written before the program is started: an entry of its own, closed at once, as what is done in a
/// session is not known here.
async fn journal(
    backend: &Backend,
    instance: &Instance,
    entry: &str,
    words: &[String],
) -> Result<(), Said> {
    let place = match backend.desk().await {
        // Who asks which account it is waits for the cloud; nobody takes a session back.
        Ok(desk) => Place {
            endpoint: desk.client.endpoint().to_owned(),
            account: String::new(),
        },
        // A host of the config has no cloud.
        Err(_) => Place::default(),
    };
    let intent = Event::Intent {
        author: author(),
        place,
        plan: Box::new(session::opened(entry, instance, &words.join(" "))),
        login_before: Vec::new(),
        broken_before: Vec::new(),
        last_operation_before: String::new(),
    };
    let closed = Event::Closed {
        outcome: Outcome::Done,
        detail: Said::raw(words.join(" ")),
    };
    let journal = backend.journal();
    for event in [intent, closed] {
        journal
            .append(&Record::new(clock::now(), entry, event))
            .map_err(|error| error.said())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        Instance {
            id: "ins-1".into(),
            os: Os::Linux,
            public_addresses: vec!["203.0.113.7".parse().unwrap()],
            private_addresses: vec!["10.0.0.7".parse().unwrap()],
            configured_login_port: Some(2222),
            ..Instance::default()
        }
    }

    #[test]
    fn a_name_of_the_configuration_brings_its_user_port_key_and_jump_host() {
        let login = "203.0.113.7:2222".parse().unwrap();
        let plain = ssh_words(&instance(), login, None, None, "me");
        assert_eq!(plain.join(" "), "ssh -p 2222 -l root -- 203.0.113.7");
        let mut named = Destination {
            name: "shop".into(),
            host_name: "203.0.113.7".into(),
            port: 2222,
            user: "deploy".into(),
            identity_files: Vec::new(),
            proxy: Some("jump".into()),
            host_key_alias: None,
            known_hosts: Vec::new(),
            plain: false,
            overrides: Vec::new(),
        };
        let words = |named: &Destination| {
            let config = Some(Path::new("/etc/my_ssh"));
            ssh_words(&instance(), login, Some(named), config, "me").join(" ")
        };
        assert_eq!(words(&named), "ssh -F /etc/my_ssh -- shop");
        // What the configuration leaves open comes from the instance.
        named.user = "me".into();
        named.port = 22;
        assert_eq!(words(&named), "ssh -F /etc/my_ssh -p 2222 -l root -- shop");
    }

    #[test]
    fn the_way_that_was_seen_open_is_taken() {
        use crate::domain::evidence::Source;
        let on =
            |path, state| Reading::observed(state, Source::Probe, Said::raw("seen")).on_path(path);
        let seen = [
            on(evidence::Path::Public, reach::ALL_SILENT),
            on(evidence::Path::Private, reach::OPEN),
        ];
        let at = |vantage, readings: &[Reading]| {
            address(&instance(), vantage, readings).unwrap().to_string()
        };
        assert_eq!(at(VantageSetting::Both, &[]), "203.0.113.7");
        assert_eq!(at(VantageSetting::Both, &seen), "10.0.0.7");
        assert_eq!(at(VantageSetting::Private, &[]), "10.0.0.7");
    }
}
