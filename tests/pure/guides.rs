//! The shipped guides: they parse, say the same in each language, name only what exists, and
//! pass on no advice that locks people out or leaves a machine open.

use std::collections::{BTreeMap, BTreeSet};

use cvmtop::client_text;
use cvmtop::guide::library::{GuideOs, LintError, OwnFile};
use cvmtop::guide::markdown::{CHECK, STEPS, StepKind, UNDO};
use cvmtop::guide::{Lang, Library, library};

/// Ids of the cause catalogue with the systems they occur on.
fn catalogue() -> BTreeMap<String, GuideOs> {
    let text = include_str!("../../assets/knowledge/causes.toml");
    let file: toml::Table = toml::from_str(text).expect("the catalogue parses");
    let causes = file["cause"].as_array().expect("a list of causes");
    let system = |cause: &toml::Value| match cause.get("os").and_then(toml::Value::as_array) {
        Some(os) if os.len() == 1 && os[0].as_str() == Some("linux") => GuideOs::Linux,
        Some(os) if os.len() == 1 && os[0].as_str() == Some("windows") => GuideOs::Windows,
        _ => GuideOs::Both,
    };
    let real = |id: &&str| !matches!(*id, "no-fault-found" | "other-unlisted");
    causes
        .iter()
        .filter_map(|cause| {
            let id = cause["id"].as_str().filter(real)?;
            Some((id.to_owned(), system(cause)))
        })
        .collect()
}

fn shipped() -> (Library, Vec<LintError>) {
    Library::shipped()
}

#[test]
fn every_guide_parses_in_every_language() {
    let (library, errors) = shipped();
    let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{}", shown.join("\n"));
    assert_eq!(library.guides().len(), 42);
    for guide in library.guides() {
        assert_eq!(guide.texts.len(), Lang::ALL.len(), "{}", guide.slug);
        for (lang, text) in &guide.texts {
            let place = format!("{} {}", lang.as_str(), guide.slug);
            assert!(
                !text.title.is_empty() && text.symptoms.len() >= 3,
                "{place}"
            );
            for id in [STEPS, CHECK, UNDO] {
                let section = text.document.section(id);
                assert!(section.is_some_and(|s| !s.is_empty()), "{place} {id}");
            }
        }
    }
}

#[test]
fn every_language_has_the_same_steps_and_commands() {
    for guide in library().guides() {
        let english: Vec<_> = guide.text(Lang::En).document.steps().cloned().collect();
        assert!(english.len() >= 4, "{}", guide.slug);
        for (lang, text) in &guide.texts {
            let steps: Vec<_> = text.document.steps().collect();
            assert_eq!(
                steps.len(),
                english.len(),
                "{} {}",
                lang.as_str(),
                guide.slug
            );
            for (step, first) in steps.iter().zip(&english) {
                let place = format!("{} {} step {}", lang.as_str(), guide.slug, step.number);
                assert_eq!(step.kind, first.kind, "{place}");
                assert_eq!(step.commands(), first.commands(), "{place}");
            }
        }
    }
}

#[test]
fn each_language_is_written_in_its_script() {
    let is_hangul = |c: char| ('\u{ac00}'..='\u{d7a3}').contains(&c);
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    for guide in library().guides() {
        for (lang, text) in &guide.texts {
            let body = text.document.plain();
            let (hangul, han) = (
                body.chars().filter(|c| is_hangul(*c)).count(),
                body.chars().filter(|c| is_han(*c)).count(),
            );
            let place = format!("{} {}: {hangul} {han}", lang.as_str(), guide.slug);
            match lang {
                Lang::En => assert!(hangul == 0 && han == 0, "{place}"),
                Lang::Ko => assert!(hangul > 150 && han == 0, "{place}"),
                Lang::Zh => assert!(han > 120 && hangul == 0, "{place}"),
            }
        }
    }
}

#[test]
fn guides_name_only_causes_that_exist_and_each_cause_has_one() {
    let known = catalogue();
    assert!(known.len() >= 50, "{}", known.len());
    for guide in library().guides() {
        assert!(!guide.causes.is_empty(), "{}", guide.slug);
        for cause in &guide.causes {
            let os = known.get(cause);
            let os = os.unwrap_or_else(|| panic!("{} names {cause}", guide.slug));
            if guide.os != GuideOs::Both {
                assert!(
                    *os == GuideOs::Both || *os == guide.os,
                    "{} {cause}",
                    guide.slug
                );
            }
        }
    }
    for (cause, os) in &known {
        for wanted in [GuideOs::Linux, GuideOs::Windows] {
            if *os != GuideOs::Both && *os != wanted {
                continue;
            }
            let has_guide = library().guides().iter().any(|guide| {
                guide.slug != "login-failure-overview"
                    && guide.causes.iter().any(|own| own == cause)
                    && (guide.os == GuideOs::Both || guide.os == wanted)
            });
            assert!(has_guide, "no guide for {cause} on {}", wanted.as_str());
        }
    }
}

#[test]
fn every_kind_of_message_has_a_guide_of_its_own() {
    let first: BTreeSet<_> = library()
        .guides()
        .iter()
        .flat_map(|guide| guide.errors.iter().map(String::as_str))
        .collect();
    for class in client_text::classes() {
        assert!(first.contains(class), "no guide is the first for {class}");
    }
}

/// Advice that must not be passed on as it stands: text that must not occur, or only beside the
/// text that takes it back.
const HAZARDS: &[(&str, Option<&str>)] = &[
    ("icmp_echo_ignore_all=1", Some("icmp_echo_ignore_all=0")),
    ("echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all", None),
    ("uid <= 1000", None),
    ("uid < 1000", None),
    ("authconfig", None),
    ("disableldap", None),
    ("selinux=disabled", None),
    ("setenforce 0", None),
    ("allprofiles state off", None),
    ("-enabled false", None),
    ("systemctl stop firewalld", None),
    ("systemctl disable firewalld", None),
    ("ufw disable", None),
    ("iptables -f", None),
    ("iptables -p input accept", None),
    ("userauthentication -value 0", None),
    ("allowencryptionoracle -value 2", None),
    ("allowencryptionoracle=2", None),
    ("permitrootlogin yes", None),
    ("maxauthtries 1", None),
    ("0.0.0.0/0", None),
    ("::/0", None),
    ("chmod 777", None),
    ("pam_tally2.so", None),
    ("operate=authorizerepair tasksubmethod=lossylocal", None),
];

#[test]
fn no_hazardous_advice_is_passed_on() {
    for guide in library().guides() {
        for (lang, text) in &guide.texts {
            let body = text.document.plain().to_lowercase();
            for (hazard, remedy) in HAZARDS {
                let allowed = remedy.is_some_and(|remedy| body.contains(remedy));
                assert!(
                    !body.contains(hazard) || allowed,
                    "{} {} says `{hazard}`",
                    lang.as_str(),
                    guide.slug
                );
            }
        }
    }
}

#[test]
fn what_weakens_protection_names_its_price_and_its_way_back() {
    // Text of the weakening setting, and what the part on going back must hold.
    const WEAKENING: &[(&str, &str, &str)] = &[
        ("windows-auth-error", "Vulnerable", "AllowEncryptionOracle"),
        ("windows-mac-rdp", "RDP", "gpupdate /force"),
    ];
    for (slug, setting, remedy) in WEAKENING {
        let guide = library().get(slug).expect("shipped");
        for (lang, text) in &guide.texts {
            let plain = text.document.plain();
            assert!(plain.contains(setting), "{slug}");
            let back = text.document.section(UNDO).expect("has one");
            let back = format!("{back:?}");
            assert!(back.contains(remedy), "{} {slug}", lang.as_str());
        }
    }
}

#[test]
fn the_knowledge_refers_to_guides_that_exist() {
    let text = include_str!("../../assets/knowledge/causes.toml");
    let file: toml::Table = toml::from_str(text).expect("the catalogue parses");
    for cause in file["cause"].as_array().expect("a list of causes") {
        let named = cause.get("guides").and_then(toml::Value::as_array);
        for slug in named.into_iter().flatten().filter_map(toml::Value::as_str) {
            assert!(
                library().get(slug).is_some(),
                "{} names {slug}",
                cause["id"]
            );
        }
    }
}

#[test]
fn no_guide_begins_with_a_restart() {
    use cvmtop::domain::action::ActionId;
    for guide in library().guides() {
        for step in guide.text(Lang::En).document.steps().take(2) {
            let restarts = matches!(
                step.kind,
                StepKind::Action {
                    id: ActionId::Restart | ActionId::ResetPassword,
                    ..
                }
            );
            assert!(!restarts, "{} step {}", guide.slug, step.number);
        }
    }
}

#[test]
fn an_operators_own_guides_stand_beside_and_over_the_shipped_ones() {
    let own = |path: &str, text: &str| OwnFile {
        path: path.to_owned(),
        lang: Lang::En,
        text: text.to_owned(),
    };
    let good = "+++\nslug = \"house-vpn\"\ntitle = \"VPN first\"\nos = \"both\"\n\
        causes = [\"client-network-fault\"]\nsymptoms = [\"vpn not connected\"]\n\
        reviewed = \"2026-11-01\"\n+++\n\n## Steps {#steps}\n\n1. `user` Start the VPN.\n\n\
        ## Works {#check}\n\nYes.\n\n## Back {#undo}\n\nNo.\n";
    let over = good.replace("house-vpn", "isolated");
    let bad = good
        .replace("client-network-fault", "gremlins")
        .replace("`user` Start", "`action dance` Start");
    let broken = "+++\nslug = 3\n+++\n";
    let files = [
        own("house.md", good),
        own("over.md", &over),
        own("bad.md", &bad.replace("house-vpn", "bad-one")),
        own("broken.md", broken),
    ];
    let known = catalogue();
    let (library, errors) = Library::with_own(&files, &|cause| known.contains_key(cause));
    assert!(library.get("house-vpn").is_some_and(|guide| guide.is_own));
    let isolated = library.get("isolated").expect("there");
    assert_eq!(isolated.text(Lang::Ko).title, "VPN first");
    assert_eq!(library.guides().len(), 44);
    let places: Vec<_> = errors.iter().map(|e| (e.path.as_str(), e.line)).collect();
    assert_eq!(
        places,
        [("bad.md", 12), ("bad.md", 5), ("broken.md", 2)],
        "{errors:?}"
    );
}

/// What a reader copies out of a README: fenced commands (without their comments), the first column
/// of each table, and the number of headings of each level.
fn skeleton(text: &str) -> (Vec<String>, Vec<String>, BTreeMap<usize, usize>) {
    let (mut commands, mut cells, mut headings) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let command = line.split(" # ").next().unwrap_or_default().trim();
            commands.push(command.to_owned());
        } else if line.starts_with('#') {
            let level = line.chars().take_while(|c| *c == '#').count();
            *headings.entry(level).or_default() += 1;
        } else if let Some(row) = line.strip_prefix("| `") {
            let cell = row.split(" | ").next().unwrap_or_default();
            cells.push(cell.to_owned());
        }
    }
    (commands, cells, headings)
}

#[test]
fn the_readmes_of_all_languages_keep_step() {
    let first = skeleton(include_str!("../../README.md"));
    assert!(first.0.len() >= 2 && first.1.len() >= 15, "{first:?}");
    for other in [
        include_str!("../../assets/docs/README.ko.md"),
        include_str!("../../assets/docs/README.zh.md"),
    ] {
        assert_eq!(skeleton(other), first);
    }
    let first = skeleton(include_str!("../../assets/docs/USE.md"));
    assert!(first.1.len() >= 35, "{first:?}");
    for other in [
        include_str!("../../assets/docs/USE.ko.md"),
        include_str!("../../assets/docs/USE.zh.md"),
    ] {
        assert_eq!(skeleton(other), first);
    }
}
