//! One world: a process of `independent/world.py` in namespaces of its own, ended with its owner.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

/// What the machine's shell knows: the pieces that the tests' guests are made of.
const GUEST: &str = concat!(
    include_str!("../../support/guest.sh"),
    include_str!("tools.sh")
);

/// Boots come one after the other: many at once would be a load that no machine of the table has.
static BOOTS: Mutex<()> = Mutex::new(());

pub struct World {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    pub folder: tempfile::TempDir,
    keys: PathBuf,
    port: u64,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program inside printed.
#[derive(Debug, Clone)]
pub struct Ran {
    /// `None` where it took too long.
    pub status: Option<i64>,
    pub out: String,
    pub err: String,
    pub seconds: f64,
}

/// What the OpenSSH client came to.
pub struct Login {
    pub is_in: bool,
    pub said: String,
}

impl World {
    pub fn new(keys: &Path) -> Result<Self, String> {
        let _turn = BOOTS.lock().map_err(|e| e.to_string())?;
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/world.py");
        let mut child = Command::new("unshare")
            .args(["-mnpf", "--kill-child", "--mount-proc", "python3"])
            .arg(script)
            .arg(folder.path())
            .arg(keys)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .process_group(0) // of its own: see `support::probe::sshd_in`
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let to = child.stdin.take().unwrap();
        let mut from = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        from.read_line(&mut line).map_err(|e| e.to_string())?;
        let said: Value = serde_json::from_str(&line).map_err(|e| format!("no world: {e}"))?;
        Ok(Self {
            child,
            to,
            from,
            folder,
            keys: keys.to_owned(),
            port: said["port"].as_u64().ok_or("no port")?,
        })
    }

    pub fn order(&mut self, asked: &Value) -> Result<Value, String> {
        writeln!(self.to, "{asked}").map_err(|e| e.to_string())?;
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(|e| e.to_string())?;
        let answer: Value =
            serde_json::from_str(&line).map_err(|e| format!("the world ended: {e}"))?;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }

    /// Runs a script in the machine, not through the API.
    pub fn machine(&mut self, script: &str) -> Result<String, String> {
        let text = format!("{GUEST}\nDIR=/run/key\nset -e\n{script}\n");
        let answer = self.order(&json!({"do": "room", "script": text}))?;
        let out = answer["out"].as_str().unwrap_or_default().to_owned();
        if answer["end"] == 0 {
            Ok(out)
        } else {
            Err(format!("{}: {out}", answer["end"]))
        }
    }

    pub fn cloud(&mut self, patch: &str) -> Result<(), String> {
        let patch: Value = serde_json::from_str(patch).map_err(|e| format!("{e}: {patch}"))?;
        self.order(&json!({"do": "cloud", "patch": patch}))
            .map(|_| ())
    }

    pub fn state(&mut self) -> Result<Value, String> {
        self.order(&json!({"do": "state"}))
    }

    fn run(
        &mut self,
        place: &str,
        with: &Value,
        words: &[String],
        limit: u64,
    ) -> Result<Ran, String> {
        let answer = self.order(
            &json!({"do": "run", "where": place, "with": with, "words": words, "limit": limit}),
        )?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Ok(Ran {
            status: answer["end"].as_i64(),
            out: text("out"),
            err: text("err"),
            seconds: answer["seconds"].as_f64().unwrap_or_default(),
        })
    }

    /// The address by which a place reaches the machine, and the password of now.
    fn target(&mut self, place: &str, user: &str) -> Result<(String, String), String> {
        let now = self.order(&json!({"do": "place"}))?;
        let password = now["passwords"][user].as_str().unwrap_or("pw").to_owned();
        let address = match now["address"].as_str() {
            _ if place != "client" => "10.0.0.10",
            // As the user would still have it in a file of theirs.
            Some("") | None => "198.51.100.10",
            Some(address) => address,
        };
        Ok((address.to_owned(), password))
    }

    /// The user's own login, judged by what the session prints.
    pub fn login(&mut self, scenario: &super::Scenario) -> Result<Login, String> {
        let (address, password) = self.target(&scenario.place, &scenario.user)?;
        let key = self.keys.join("key").display().to_string();
        let mut words: Vec<String> = "ssh -F none -o ConnectTimeout=3 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=INFO"
            .split(' ')
            .map(str::to_owned)
            .collect();
        let how = if scenario.user == "bob" {
            "-o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -o PreferredAuthentications=password,keyboard-interactive".to_owned()
        } else {
            format!("-o BatchMode=yes -o IdentitiesOnly=yes -i {key}")
        };
        words.extend(how.split(' ').map(str::to_owned));
        words.extend(scenario.terminal.then(|| "-tt".to_owned()));
        words.push(format!("{}@{address}", scenario.user));
        words.push(if scenario.shell {
            "exec sh -l -c 'echo in$((40+2))'".to_owned()
        } else {
            "echo in$((40+2)) $(tty)".to_owned()
        });
        let with = json!({
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": self.folder.path(),
            "PASSWORD": password,
            "SSH_ASKPASS": self.keys.join("askpass"),
            "SSH_ASKPASS_REQUIRE": "force",
        });
        let ran = self.run(&scenario.place, &with, &words, 9)?;
        let is_in =
            ran.out.contains("in42") && (!scenario.terminal || ran.out.contains("/dev/pts/"));
        Ok(Login {
            is_in,
            said: ran.err + &ran.out,
        })
    }

    /// `cvmtop WORDS`, from one of the places.
    pub fn program(&mut self, place: &str, words: &[String], limit: u64) -> Result<Ran, String> {
        let gate = match place {
            "office" => "192.168.7.1",
            "jump" => "10.0.1.1",
            _ => "203.0.113.1",
        };
        let endpoint = format!("http://{gate}:{}", self.port);
        let mut all = vec![env!("CARGO_BIN_EXE_cvmtop").to_owned()];
        all.extend(["--insecure-endpoint", "--endpoint", &endpoint].map(str::to_owned));
        all.extend(words.iter().cloned());
        let with = json!({
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": self.folder.path(),
            "CVMTOP_CVM_ROLE": "false",
            "TENCENTCLOUD_SECRET_ID": "AKIDindependent",
            "TENCENTCLOUD_SECRET_KEY": "independent-key",
            "TENCENTCLOUD_REGION": "ap-seoul",
        });
        self.run(place, &with, &all, limit)
    }

    /// A file of the operator's.
    pub fn note(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}
