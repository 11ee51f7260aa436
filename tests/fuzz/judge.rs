//! Every parser of bytes from outside, with what must hold whatever the bytes are.
//!
//! Lives here: one function a parser; `tests/pure/fuzz.rs` runs them over the seeds and thousands of
//! changed ones, `cargo fuzz` runs them for as long as one likes. Must not live here: seeds.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use cvmtop::client_text;
use cvmtop::cloud::client::read_answer;
use cvmtop::cloud::credentials::read_role_answer;
use cvmtop::cloud::wire;
use cvmtop::config::{self, Environment, Overrides, Paths};
use cvmtop::domain::api_call::ApiCall;
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::InstanceSummary;
use cvmtop::domain::text::is_unsafe;
use cvmtop::guest::{self, GuestQuestion};
use cvmtop::guide::{library, markdown};
use cvmtop::probe::transcript::{By, Line, Transcript};
use cvmtop::probe::{rdp, ssh, tls};

type Judge = fn(&[u8]);

/// A parser by the name of its seeds' folder.
#[allow(dead_code)] // the fuzz targets name one each
pub const ALL: &[(&str, Judge)] = &[
    ("ssh_identification", ssh_identification),
    ("ssh_packet", ssh_packet),
    ("ssh_transcript", ssh_transcript),
    ("rdp_answer", rdp_answer),
    ("certificate", certificate),
    ("api_answer", api_answer),
    ("role_answer", role_answer),
    ("config", config_file),
    ("ssh_config", ssh_config),
    ("guide", guide),
    ("error_text", client_error),
    ("guest_linux", guest_linux),
    ("guest_windows", guest_windows),
];

fn assert_safe(text: &str) {
    let found = text.chars().find(|c| *c != '\n' && is_unsafe(*c));
    assert!(found.is_none(), "{found:?} came through in {text:?}");
}

pub fn ssh_identification(bytes: &[u8]) {
    match ssh::parse_identification(bytes) {
        ssh::Identification::Found { line, consumed } => {
            assert!(line.starts_with("SSH-") && consumed <= bytes.len());
            // The same answer from the bytes that it took, and never from fewer.
            let again = ssh::parse_identification(&bytes[..consumed]);
            assert_eq!(again, ssh::Identification::Found { line, consumed });
            let before = ssh::parse_identification(&bytes[..consumed - 1]);
            assert!(!matches!(before, ssh::Identification::Found { .. }));
        }
        ssh::Identification::Incomplete => {
            assert!(bytes.len() < ssh::MAX_BEFORE_IDENTIFICATION);
        }
        ssh::Identification::NotSsh => {}
    }
    let _ = ssh::throttle_notice(bytes);
    let _ = ssh::reads_like_refusal(bytes);
}

pub fn ssh_packet(bytes: &[u8]) {
    let mut rest = bytes;
    while let ssh::Packet::Payload { payload, consumed } = ssh::parse_packet(rest) {
        assert!(consumed > 4 && payload.len() < consumed && consumed <= rest.len());
        if let ssh::Message::Disconnect { text, .. } = ssh::parse_message(payload) {
            assert_safe(&text);
        }
        rest = &rest[consumed..];
    }
    if !bytes.is_empty() && bytes.len() < ssh::MAX_PACKET - 300 {
        let framed = ssh::frame(bytes);
        match ssh::parse_packet(&framed) {
            ssh::Packet::Payload { payload, consumed } => {
                assert_eq!((payload, consumed), (bytes, framed.len()));
            }
            other => panic!("our own packet does not read back: {other:?}"),
        }
    }
}

pub fn ssh_transcript(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().enumerate().map(|(number, line)| Line {
        at: Duration::from_millis(number as u64 * 400),
        by: if number % 5 == 4 {
            By::Host
        } else {
            By::Client
        },
        text: line.to_owned(),
    });
    let transcript = Transcript {
        lines: lines.collect(),
        exit: bytes.first().map(|first| i32::from(*first)),
        timed_out: bytes.len() % 2 == 1,
        waits: false,
        took: Duration::from_secs(bytes.len() as u64 % 20),
    };
    let _ = (
        transcript.fingerprint(),
        transcript.host_key(),
        transcript.offered(),
    );
    let _ = (
        transcript.methods(),
        transcript.auth_delay(),
        transcript.login(),
    );
    let _ = transcript.last_words();
}

pub fn rdp_answer(bytes: &[u8]) {
    let whole = rdp::parse_answer(bytes);
    if matches!(whole, rdp::Answer::Selected(_) | rdp::Answer::Failed(_)) {
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        assert!(length <= bytes.len());
        // What follows the answer changes nothing; with a byte less there is none.
        assert_eq!(rdp::parse_answer(&bytes[..length]), whole);
        assert_eq!(
            rdp::parse_answer(&bytes[..length - 1]),
            rdp::Answer::Incomplete
        );
    }
}

pub fn certificate(bytes: &[u8]) {
    if let Some(summary) = tls::summarise(bytes) {
        assert_safe(&summary.subject);
        assert!(summary.subject.chars().count() <= 81);
    }
}

pub fn api_answer(bytes: &[u8]) {
    let call = ApiCall::new(
        "cvm",
        "DescribeInstances",
        "ap-seoul",
        serde_json::json!({}),
    );
    for status in [200, 404, 429, 502] {
        let answer = match read_answer(&call, "api.invalid", status, bytes) {
            Ok(answer) => answer,
            Err(error) => {
                assert_safe(&error.to_string());
                continue;
            }
        };
        let response = &answer.response;
        let _ = wire::total(response);
        let (instances, _) = wire::list::<wire::InstanceSetItem>(response, "InstanceSet");
        for item in instances {
            let instance = item.into_domain("ap-seoul");
            for text in [
                &instance.id,
                &instance.name,
                &instance.state,
                &instance.os_name,
            ] {
                assert_safe(text);
            }
        }
        let set = &response["SecurityGroupPolicySet"];
        let _ = wire::security_group("sg-1", "web", set);
        let (lists, _) = wire::list::<wire::NetworkAclItem>(response, "NetworkAclSet");
        for list in lists {
            let _ = list.into_domain();
        }
        let (points, _) = wire::list::<wire::DataPoint>(response, "DataPoints");
        for point in points {
            assert!(point.series().windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        let (events, _) = wire::list::<wire::AuditEvent>(response, "Events");
        for event in events {
            let _ = (event.time(), event.was_refused());
        }
        let _ = wire::list::<wire::AddressItem>(response, "AddressSet");
        let _ = wire::list::<wire::SubnetItem>(response, "SubnetSet");
        let _ = wire::list::<wire::AgentItem>(response, "AutomationAgentSet");
        let _ = wire::list::<wire::RepairTaskItem>(response, "RepairTaskInfoSet");
    }
}

pub fn role_answer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match read_role_answer(&text) {
        Ok((keys, _)) => {
            // Whatever is printed about keys never holds them.
            let shown = format!("{keys:?}");
            assert!(!shown.contains("SecretKeyOfTheSeed"), "{shown}");
        }
        Err(error) => assert_safe(&error.to_string()),
    }
}

pub fn config_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let environment = Environment::of(|_| None, Path::new("/nonexistent"));
    let paths = Paths::new(None, &environment).expect("a home is given");
    let loaded = config::load_text(&text, paths, &Overrides::default(), &environment);
    for problem in &loaded.warnings {
        assert_safe(&problem.to_string());
    }
    let settings = &loaded.settings;
    assert!(settings.probe.rate >= 1 && !settings.probe.timeout.is_zero());
    for host in &settings.hosts {
        assert_safe(&host.instance.name);
    }
    for (_, value, _) in loaded.rows() {
        assert_safe(&value);
    }
}

pub fn ssh_config(bytes: &[u8]) {
    for name in config::ssh_config::names(&String::from_utf8_lossy(bytes)) {
        assert!(!name.starts_with('-') && !name.chars().any(char::is_control));
    }
}

pub fn guide(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for problem in library::check(&text) {
        assert!(problem.line >= 1);
        assert_safe(&problem.fault);
    }
    let (document, _) = markdown::parse(&text);
    assert_safe(&document.plain());
}

pub fn client_error(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let found = client_text::recognise(&text);
    for one in &found {
        assert!(text.get(one.span.clone()).is_some(), "{one:?} of {text:?}");
    }
    let instance = InstanceSummary {
        login_port: 22,
        public_addresses: vec!["203.0.113.9".into()],
        ..InstanceSummary::default()
    };
    for reading in client_text::evidence(&text, &instance) {
        assert_safe(&reading.detail);
        assert!(reading.detail.len() < 4_000, "{}", reading.detail.len());
    }
}

fn guest(os: Os, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for source in [None, Some(IpAddr::from([203, 0, 113, 7]))] {
        let question = GuestQuestion {
            user: "ops".into(),
            source,
            port: 22,
            private_address: Some([10, 0, 0, 5].into()),
            uses_key: source.map(|_| true),
            asked_at: source.map(|_| 1_764_000_000),
        };
        for reading in guest::readings(os, &text, &question) {
            assert_safe(&reading.detail);
            assert!(
                reading.detail.len() < 4_000,
                "{} bytes",
                reading.detail.len()
            );
        }
    }
}

pub fn guest_linux(bytes: &[u8]) {
    guest(Os::Linux, bytes);
}

pub fn guest_windows(bytes: &[u8]) {
    guest(Os::Windows, bytes);
}
