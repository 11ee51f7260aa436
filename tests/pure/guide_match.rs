//! A labelled set of pasted errors and descriptions, and how often the right guide comes first.

use cvmtop::domain::instance::Os;
use cvmtop::guide::{Lang, MatchInput, library, match_guides, search};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
    /// Never used for tuning.
    unseen: Vec<Case>,
    /// Written before concepts were; only its totals are looked at.
    fresh: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    guide: String,
    text: String,
    #[serde(default)]
    os: Os,
}

fn all_cases() -> Cases {
    let text = include_str!("../data/guide_cases.toml");
    toml::from_str(text).expect("the labelled set parses")
}

fn cases() -> Vec<Case> {
    all_cases().case
}

/// What `guide --error` and the console's paste do.
fn ranked(case: &Case) -> Vec<String> {
    let input = MatchInput {
        os: case.os,
        pasted: case.text.clone(),
        ..MatchInput::default()
    };
    let found = match_guides(library(), &input, Lang::En);
    found.into_iter().map(|m| m.slug).collect()
}

#[test]
fn the_right_guide_comes_first() {
    let cases = cases();
    assert!(cases.len() >= 120, "{} cases", cases.len());
    let (mut first, mut three, mut misses) = (0, 0, Vec::new());
    for case in &cases {
        assert!(library().get(&case.guide).is_some(), "{}", case.guide);
        let found = ranked(case);
        let place = found.iter().position(|slug| *slug == case.guide);
        first += usize::from(place == Some(0));
        three += usize::from(place.is_some_and(|p| p < 3));
        if place != Some(0) {
            let top: Vec<_> = found.iter().take(3).map(String::as_str).collect();
            misses.push(format!(
                "{:?} wants {}, got {}",
                case.text,
                case.guide,
                top.join(", ")
            ));
        }
    }
    let share = |n: usize| 100.0 * n as f64 / cases.len() as f64;
    println!(
        "guide match over {} labelled texts: top-1 {:.1} %, top-3 {:.1} %",
        cases.len(),
        share(first),
        share(three)
    );
    let misses = misses.join("\n");
    assert!(
        share(first) >= 90.0,
        "top-1 {:.1} %\n{misses}",
        share(first)
    );
    assert!(
        share(three) >= 98.0,
        "top-3 {:.1} %\n{misses}",
        share(three)
    );
    println!("{misses}");
}

/// How many of the texts have the right guide first, and among the first three.
fn placed(cases: &[Case]) -> (usize, usize) {
    let mut places = (0, 0);
    for case in cases {
        assert!(library().get(&case.guide).is_some(), "{}", case.guide);
        let place = ranked(case).iter().position(|slug| *slug == case.guide);
        places.0 += usize::from(place == Some(0));
        places.1 += usize::from(place.is_some_and(|p| p < 3));
    }
    places
}

/// What the matcher does with texts that it was not made on. Totals only, and no threshold near
/// them: one would be tuned to.
#[test]
fn texts_not_tuned_for_are_measured() {
    let all = all_cases();
    for (name, cases) in [("unseen", &all.unseen), ("fresh", &all.fresh)] {
        assert!(cases.len() >= 60, "{} {name} cases", cases.len());
        let (first, three) = placed(cases);
        let share = |n: usize| 100.0 * n as f64 / cases.len() as f64;
        println!(
            "guide match over {} {name} texts: top-1 {:.1} %, top-3 {:.1} %",
            cases.len(),
            share(first),
            share(three)
        );
    }
}

#[test]
fn noise_moves_no_recognised_text_from_its_guide() {
    let shapes: &[fn(&str) -> String] = &[
        |t| format!("Nov 23 21:02:11 host app[1]: {t}"),
        |t| format!("> {}", t.replace('\n', "\n> ")),
        |t| format!("\u{1b}[33m{t}\u{1b}[0m"),
        |t| t.to_uppercase(),
    ];
    let (mut kept, mut all) = (0, 0);
    for case in cases() {
        let Some(before) = ranked(&case).first().cloned() else {
            continue;
        };
        for shape in shapes {
            let noisy = Case {
                text: shape(&case.text),
                guide: case.guide.clone(),
                os: case.os,
            };
            all += 1;
            kept += usize::from(ranked(&noisy).first() == Some(&before));
        }
    }
    println!("noise: {kept} of {all} keep their first guide");
    assert!(kept * 100 >= all * 95, "{kept} of {all}");
}

#[test]
fn every_cause_leads_to_a_guide_that_treats_it() {
    let causes: std::collections::BTreeSet<_> = library()
        .guides()
        .iter()
        .flat_map(|guide| guide.causes.iter().cloned())
        .collect();
    for cause in causes {
        let input = MatchInput {
            causes: vec![(cause.clone(), 0.9), ("other-unlisted".to_owned(), 0.1)],
            ..MatchInput::default()
        };
        let found = match_guides(library(), &input, Lang::Ko);
        let guide = library().get(&found[0].slug).expect("shipped");
        assert!(guide.causes.contains(&cause), "{cause}: {}", guide.slug);
        assert!(found[0].score > 0.3, "{cause}: {:?}", found[0]);
        assert!(found[0].reason.contains(&cause), "{:?}", found[0]);
    }
}

#[test]
fn the_chief_guide_of_a_cause_leads() {
    for (cause, os, wanted) in [
        ("security-group-blocks-port", Os::Linux, "security-group"),
        ("login-service-down", Os::Linux, "linux-port-issue"),
        ("rdp-nla-or-credssp", Os::Windows, "windows-auth-error"),
        ("account-locked", Os::Linux, "linux-account-locked"),
        ("account-locked", Os::Windows, "windows-credentials"),
        ("cpu-overload", Os::Windows, "windows-high-cpu-mem"),
        ("cpu-overload", Os::Linux, "linux-high-cpu-mem"),
        ("boot-failure", Os::Linux, "linux-fstab"),
        ("boot-failure", Os::Windows, "shutdown-restart-failure"),
        ("credentials-rejected", Os::Linux, "linux-login-failure"),
        ("credentials-rejected", Os::Windows, "windows-credentials"),
        ("ddos-blocked", Os::Unknown, "ddos-blocked"),
        ("login-port-changed", Os::Linux, "change-login-port"),
    ] {
        let input = MatchInput {
            os,
            causes: vec![(cause.to_owned(), 0.9)],
            ..MatchInput::default()
        };
        let found = match_guides(library(), &input, Lang::En);
        assert_eq!(found[0].slug, wanted, "{cause}: {found:?}");
    }
}

#[test]
fn no_guide_for_another_system_is_offered() {
    for case in cases() {
        for os in [Os::Linux, Os::Windows] {
            let found = ranked(&Case {
                os,
                guide: String::new(),
                text: case.text.clone(),
            });
            for slug in found {
                let guide = library().get(&slug).expect("shipped");
                assert!(guide.os.fits(os), "{slug} for {os:?}");
            }
        }
    }
}

#[test]
fn search_finds_by_slug_title_and_words_in_each_language() {
    for (text, wanted) in [
        ("linux-fstab", "linux-fstab"),
        ("security", "security-group"),
        ("licence", "windows-license"),
        ("premission denied", "linux-ssh-failure"),
        ("安全组", "security-group"),
        ("보안 그룹", "security-group"),
        ("재시작", "restart-instance"),
        ("救援模式", "linux-vnc-rescue"),
    ] {
        let found = search(library(), text, Lang::Zh);
        let top: Vec<_> = found.iter().take(3).map(|m| m.slug.as_str()).collect();
        assert!(top.contains(&wanted), "{text}: {top:?}");
    }
    assert_eq!(
        search(library(), "", Lang::En).len(),
        library().guides().len()
    );
}
