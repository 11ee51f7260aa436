//! What the kit's answer becomes: readings of the user's machine, beside those of this host, and
//! nothing where it is not whole, hostile or about another instance.

use cvmtop::client_text;
use cvmtop::domain::evidence::{Path, Reading, Source, Status};
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::InstanceSummary;
use cvmtop::kit;

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/=,+@-;";

/// An answer with its sum, made here by the rule that the scripts follow.
fn block(fields: &str) -> String {
    let body: String = fields
        .split_whitespace()
        .flat_map(|it| [it, ";\n"])
        .collect();
    let (mut a, mut b) = (0_usize, 0_usize);
    for c in body.chars().filter(|c| *c != '\n') {
        a = (a + ALPHABET.find(c).map_or(0, |at| at + 1)) % 65_521;
        b = (b + a) % 65_521;
    }
    format!("cvmtop-kit 1;\n{body}cvmtop-kit end {b}-{a};\n")
}

fn instance(os: Os) -> InstanceSummary {
    InstanceSummary {
        id: "ins-1".into(),
        os,
        login_port: os.default_login_port(),
        public_addresses: vec!["203.0.113.9".into()],
        private_addresses: vec!["10.0.0.9".into()],
        ..InstanceSummary::default()
    }
}

fn readings(os: Os, fields: &str) -> Vec<Reading> {
    let text = block(&format!("to=203.0.113.9 port=22 {fields}"));
    client_text::evidence(&text, &instance(os))
}

fn state(readings: &[Reading], id: &str) -> String {
    let found = readings.iter().find(|it| it.id == id);
    found
        .and_then(Reading::observed_state)
        .unwrap_or("-")
        .to_owned()
}

#[test]
fn tries_neighbours_and_pings_make_one_state() {
    for (fields, want) in [
        (
            "tcp=open tcp2=open n443=refused n80=silent ping=20/20",
            "open",
        ),
        (
            "tcp=open tcp2=open n443=silent n80=silent ping=0/20",
            "open-login-only",
        ),
        ("tcp=open tcp2=open n443=silent n80=silent", "open"),
        ("tcp=open tcp2=silent n443=open", "flaky"),
        ("tcp=refused tcp2=refused n443=silent", "refused"),
        ("tcp=no-way tcp2=no-way", "admin-prohibited"),
        ("tcp=denied tcp2=denied", "admin-prohibited"),
        (
            "tcp=silent tcp2=silent n443=open n80=silent ping=0/20",
            "silent-host-alive",
        ),
        (
            "tcp=silent tcp2=silent n443=silent n80=silent ping=19/20",
            "silent-icmp-only",
        ),
        (
            "tcp=silent tcp2=silent n443=silent n80=silent ping=0/20",
            "all-silent",
        ),
        ("tcp=unknown tcp2=unknown by=none", "-"),
        ("tcp=bogus ping=9/3", "-"),
    ] {
        let found = readings(Os::Linux, fields);
        assert_eq!(state(&found, "reach"), want, "{fields}");
        let reach = found.iter().find(|it| it.id == "reach").expect("told");
        assert_eq!(
            (reach.path, reach.source),
            (Some(Path::User), Source::Operator)
        );
    }
}

#[test]
fn what_answers_behind_an_open_port() {
    let open = "tcp=open tcp2=open n443=open ping=20/20";
    for (fields, want) in [
        (
            "kind=ssh hello=SSH-2.0-OpenSSH-9.2p1 hms=120 kex=common",
            ["fast", "common", "-"],
        ),
        ("kind=ssh hello=SSH-2.0-x hms=4000", ["slow", "-", "-"]),
        (
            "kind=ssh hello=SSH-2.0-x hms=20000 kex=hang",
            ["fast", "hang", "-"],
        ),
        ("kind=ssh hello=closed hms=3", ["closed", "-", "-"]),
        ("kind=ssh hello=reset", ["reset", "-", "-"]),
        ("kind=ssh hello=silent", ["silent", "-", "-"]),
        ("kind=ssh hello=throttled", ["throttle-notice", "-", "-"]),
        ("kind=ssh hello=other", ["wrong-protocol", "-", "-"]),
    ] {
        let found = readings(Os::Linux, &format!("{open} {fields}"));
        let got = ["banner", "kex", "rdp-negotiation"].map(|id| state(&found, id));
        assert_eq!(got, want, "{fields}");
    }
    for (hex, want) in [
        ("030000130ed000001234000200080002000000", "nla"),
        ("030000130ed000001234000200080001000000", "tls"),
        ("030000130ed000001234000200080000000000", "legacy"),
        ("0300000b06d00000123400", "legacy"),
        ("030000130ed000001234000300080005000000", "failure-5"),
        ("485454502f312e3120343030", "wrong-protocol"),
        ("closed", "closed"),
    ] {
        let found = readings(Os::Windows, &format!("{open} kind=rdp x224={hex} hms=80"));
        assert_eq!(state(&found, "rdp-negotiation"), want, "{hex}");
    }
    // A port that is not open lets nothing be read behind it.
    let shut = readings(
        Os::Linux,
        "tcp=silent kind=ssh hello=SSH-2.0-x ping=0/20 mtu=1472n",
    );
    assert_eq!(state(&shut, "banner"), "-");
    assert_eq!(state(&shut, "path-mtu"), "-");
}

#[test]
fn sizes_and_loss() {
    let open = "tcp=open tcp2=open kind=ssh";
    for (fields, want) in [
        ("ping=20/20 mtu=1472y", ["ok", "clean"]),
        (
            "ping=20/20 mtu=1472n,1372n,1252y kex=hang hello=SSH-2.0-x",
            ["black-hole", "clean"],
        ),
        (
            "ping=20/20 mtu=1472n,1372n,1252n kex=common hello=SSH-2.0-x",
            ["ok", "clean"],
        ),
        ("ping=20/20 mtu=1472b,1372y", ["ok", "clean"]),
        ("ping=0/20 mtu=1472n,1372n,1252n", ["-", "-"]),
        ("ping=16/20 mtu=1472u,1372u,1252u", ["-", "lossy"]),
        ("ping=9/20", ["-", "bad"]),
        ("ping=3/4", ["-", "-"]),
    ] {
        let found = readings(Os::Linux, &format!("{open} {fields}"));
        let got = ["path-mtu", "path-quality"].map(|id| state(&found, id));
        assert_eq!(got, want, "{fields}");
    }
}

#[test]
fn a_name_is_compared_with_the_instance() {
    for (fields, want) in [
        ("dns=203.0.113.9 dms=4", ["same", "-"]),
        ("dns=2001:db8::1,10.0.0.9", ["same", "-"]),
        ("dns=203.0.113.77", ["other-address", "-"]),
        ("dns=198.18.0.5", ["fake-address", "-"]),
        ("dns=28.1.2.3", ["fake-address", "-"]),
        ("dns=failed dms=8000", ["failed", "-"]),
        ("dest=203.0.113.9 command=no", ["-", "same"]),
        ("dest=203.0.113.77", ["-", "other-address"]),
        ("dest=127.0.0.1", ["-", "own-machine"]),
        ("dest=198.18.0.1", ["-", "local-proxy"]),
        ("dest=203.0.113.9 gport=2222", ["-", "other-port"]),
        ("dest=203.0.113.9 command=yes via=fails", ["-", "-"]),
    ] {
        let found = readings(Os::Linux, &format!("tcp=open tcp2=open {fields}"));
        let got = ["name-resolution", "text-target"].map(|id| state(&found, id));
        assert_eq!(got, want, "{fields}");
    }
}

#[test]
fn a_proxy_is_told_by_what_greets_through_it() {
    for (fields, want) in [
        ("command=no jump=no", "none"),
        ("command=yes jump=no via=works", "works"),
        ("command=yes jump=no via=fails", "fails"),
        ("command=no jump=yes", "-"),
        ("", "-"),
    ] {
        let found = readings(Os::Linux, &format!("tcp=open tcp2=open {fields}"));
        assert_eq!(state(&found, "user-proxy"), want, "{fields}");
    }
    let detail = readings(
        Os::Linux,
        "tcp=open command=no jump=no ver=OpenSSH-9.2p1 user=op keys=2 rsa=no env-https=proxy.corp:8080",
    );
    let proxy = detail
        .iter()
        .find(|it| it.id == "user-proxy")
        .expect("told");
    for part in [
        "OpenSSH-9.2p1",
        "2 key files",
        "proxy.corp:8080",
        "no longer offers `ssh-rsa`",
    ] {
        assert!(proxy.detail.contains(part), "{part}: {}", proxy.detail);
    }
}

#[test]
fn the_source_is_taken_only_where_it_is_certain() {
    let told = |to: &str, src: &str| {
        let mut instance = instance(Os::Linux);
        instance.public_addresses = vec![to.to_owned()];
        let text = block(&format!("to={to} tcp=open src={src}"));
        let told = kit::read(&text, &instance).expect("an answer");
        told.source.map(|it| it.to_string())
    };
    assert_eq!(
        told("203.0.113.9", "198.51.100.7").as_deref(),
        Some("198.51.100.7")
    );
    assert_eq!(told("10.1.0.9", "10.2.0.7").as_deref(), Some("10.2.0.7"));
    for hidden in [
        "192.168.1.4",
        "100.64.0.9",
        "169.254.3.4",
        "198.18.0.1",
        "127.0.0.1",
        "fe80::1",
        "x",
    ] {
        assert_eq!(told("203.0.113.9", hidden), None, "{hidden}");
    }
}

#[test]
fn another_instance_and_a_mangled_answer_are_unknown_in_one_sentence() {
    let whole = block("to=203.0.113.9 tcp=open tcp2=open");
    let of_another = block("to=203.0.113.10 tcp=refused tcp2=refused");
    for (text, word) in [
        (of_another.as_str(), "203.0.113.10"),
        (&whole.replace("open", "refused"), "changed"),
        (&whole[..30], "without its end"),
        (&whole[14..], "without its beginning"),
        (&block("tcp=open"), "does not name"),
    ] {
        let found = client_text::evidence(text, &instance(Os::Linux));
        let [only] = found.as_slice() else {
            panic!("{text}: {found:?}");
        };
        assert_eq!(
            (only.status, only.path),
            (Status::NotAttempted, Some(Path::User))
        );
        assert!(only.detail.contains(word), "{word}: {}", only.detail);
    }
}

#[test]
fn the_clients_own_words_beside_it_still_count() {
    let answer = block("to=203.0.113.9 tcp=silent tcp2=silent ping=0/20");
    let text =
        format!("ssh: connect to host 203.0.113.9 port 22: Connection timed out\n> {answer}");
    let found = client_text::evidence(&text, &instance(Os::Linux));
    assert_eq!(state(&found, "pasted-error"), "connect-timeout");
    assert_eq!(state(&found, "text-target"), "same");
    assert_eq!(state(&found, "reach"), "all-silent");
    // The block alone is no message of a client, so nothing is "not recognised" in it.
    let alone = client_text::evidence(&answer, &instance(Os::Linux));
    assert_eq!(state(&alone, "pasted-error"), "-");
}

#[test]
fn hostile_values_stay_small_and_plain() {
    let long = "A".repeat(3000);
    let fields = format!(
        "to=203.0.113.9 tcp=open tcp2=open kind=ssh hello={long} hms=99999999999 by={long} ver={long}"
    );
    for reading in client_text::evidence(&block(&fields), &instance(Os::Linux)) {
        assert!(reading.detail.chars().count() < 600, "{}", reading.detail);
    }
    let many: Vec<String> = (0..900).map(|n| format!("n{n}=open")).collect();
    let many = many.join(" ");
    let found = client_text::evidence(
        &block(&format!("to=203.0.113.9 {many}")),
        &instance(Os::Linux),
    );
    assert!(found.iter().all(|it| it.detail.chars().count() < 4000));
    for noise in [
        "cvmtop-kit",
        "cvmtop-kit 1;",
        "cvmtop-kit end",
        "cvmtop-kit 1;cvmtop-kit end 0-0;",
    ] {
        let found = client_text::evidence(&noise.repeat(5000), &instance(Os::Linux));
        assert!(found.iter().all(|it| it.observed_state() != Some("open")));
    }
}
