//! What other rooms write in English is said in Korean and Chinese, and nothing of it runs out of
//! its box at 80x24.

#[path = "languages/spoken.rs"]
mod spoken;

use crate::support::console;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use console::{diagnosed, fresh, instance, press, send};
use cvmtop::action::batch::Batch;
use cvmtop::action::context::{
    AccountType, AclFacts, AddressFacts, BlockFacts, Fact, GroupFacts, Others, PlanContext,
    RepairTask, RouteFacts, RouteLine,
};
use cvmtop::action::handed::Handed;
use cvmtop::action::parameters::Parameters;
use cvmtop::action::plan::{Plan, Undo, Verification};
use cvmtop::action::planner::plan;
use cvmtop::app::batch::Choice;
use cvmtop::app::effect::{Act, Effect};
use cvmtop::app::keys::{self, Bound};
use cvmtop::app::line_edit::LineEdit;
use cvmtop::app::locale::{Lang, Texts, sentences};
use cvmtop::app::message::{Acted, Found, Listing, Message};
use cvmtop::app::missing::Missing;
use cvmtop::app::overlay::{BatchPreview, Overlay, Preview, Secret};
use cvmtop::app::state::{Pane, State};
use cvmtop::cloud::permissions::READS;
use cvmtop::cloud::said::cred_variables;
use cvmtop::demo::{self, DemoOptions};
use cvmtop::diagnosis::Knowledge;
use cvmtop::domain::action::ActionId;
use cvmtop::domain::instance::Os;
use cvmtop::domain::said::{Arg, Figure, List, Row, Said, Table, Unit, Word};
use cvmtop::domain::security_group::SecurityGroup;
use cvmtop::guide::library;
use cvmtop::probe::LoginHealth;
use cvmtop::runtime::said::look_short;
use cvmtop::view::frame::{Look, chord_label, draw};
use cvmtop::view::glyphs::{Glyphs, UNICODE};
use cvmtop::view::overlays;
use cvmtop::view::theme::{Depth, Theme};
use cvmtop::view::widgets::paint::Paint;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

/// Every room's table of sentences. One that is left out is found by its lines in the catalogues.
const TABLES: &[&[Row]] = &[
    cvmtop::action::said::SAID,
    cvmtop::check::said::SAID,
    cvmtop::cli::doctor::said::SAID,
    cvmtop::cli::said::SAID,
    cvmtop::client_text::said::SAID,
    cvmtop::cloud::said::SAID,
    cvmtop::config::said::SAID,
    cvmtop::diagnosis::said::SAID,
    cvmtop::domain::check::said::SAID,
    cvmtop::domain::network_acl::said::SAID,
    cvmtop::domain::plain_said::SAID,
    cvmtop::domain::port_check::said::SAID,
    cvmtop::domain::port_report::said::SAID,
    cvmtop::domain::security_group::said::SAID,
    cvmtop::guest::firewall::said::SAID,
    cvmtop::guest::said::SAID,
    cvmtop::guide::said::SAID,
    cvmtop::input::said::SAID,
    cvmtop::kit::said::SAID,
    cvmtop::probe::said::SAID,
    cvmtop::runtime::said::SAID,
    cvmtop::runtime::ticket::said::SAID,
    cvmtop::runtime::triage::said::SAID,
    cvmtop::store::said::SAID,
    cvmtop::view::said::SAID,
];

/// Terms that stand in Latin letters in each language; names of programs, protocols and settings.
const TERMS: &[&str] = &[
    "ACL",
    "API",
    "ARP",
    "AutomationAgent",
    "BBR",
    "Banner",
    "CAM",
    "CBS",
    "CPU",
    "CVM",
    "CredSSP",
    "DDoS",
    "DHCP",
    "DNS",
    "EIP",
    "ENI",
    "GB",
    "GSSAPI",
    "HTML",
    "HTTP",
    "HTTPS",
    "ICMP",
    "ID",
    "IP",
    "IPv4",
    "IPv6",
    "JSON",
    "LAN",
    "Linux",
    "MTU",
    "Markdown",
    "MaxStartups",
    "NAT",
    "NLA",
    "NTP",
    "OS",
    "OpenSSH",
    "PAM",
    "PerSourcePenalties",
    "RDP",
    "RDP-Tcp",
    "RDSAAD",
    "RDSTLS",
    "RST",
    "SELinux",
    "SSH",
    "SYN",
    "Shell",
    "TAT",
    "TCP",
    "TLS",
    "TTL",
    "UDP",
    "VNC",
    "VPC",
    "VPN",
    "WAN",
    "Windows",
    "cloud-init",
    "cloud-init.service",
    "cloudbase-init",
    "cvmtop",
    "fail2ban",
    "inode",
    "iptables",
    "jail",
    "nftables",
    "ping",
    "root",
    "sshd",
    "systemd",
];

/// Stands at the end of every text that was cut.
const CUT: &str = "⁂";

/// The buffer as text, with a sign wherever something was cut off.
fn shown(state: &mut State) -> String {
    let glyphs: &'static Glyphs = Box::leak(Box::new(Glyphs {
        ellipsis: CUT,
        ..UNICODE
    }));
    let look = Look {
        glyphs,
        ..Look::new(Theme::fallback(), Depth::Ansi16, false, false)
    };
    let (width, height) = state.size;
    state.settle();
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    let geometry = draw(state, &look, &mut buf);
    send(state, Message::Drawn(geometry));
    let rows = (0..height).map(|y| {
        let row: String = (0..width).map(|x| buf[(x, y)].symbol()).collect();
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn cuts(text: &str) -> usize {
    text.matches(CUT).count()
}

#[test]
fn every_guide_reads_whole_at_80x24_in_every_language() {
    for lang in Lang::ALL {
        let mut state = diagnosed(lang, (80, 24));
        let guides: Vec<String> = library().guides().iter().map(|g| g.slug.clone()).collect();
        for slug in guides {
            let report = state.selected_case_mut().unwrap().report.as_mut().unwrap();
            report.guides.truncate(1);
            report.guides[0].slug.clone_from(&slug);
            press(&mut state, "g");
            let mut pages = 0;
            loop {
                let text = shown(&mut state);
                assert_eq!(cuts(&text), 0, "{lang:?} {slug}\n{text}");
                let before = state.geometry.overlay;
                assert!(before.height > 0, "{lang:?} {slug}\n{text}");
                pages += 1;
                if !text.contains('↓') || pages > 60 {
                    break;
                }
                press(&mut state, "pagedown");
            }
            assert!(pages < 60, "{lang:?} {slug} has no end");
            press(&mut state, "esc");
            assert!(state.overlays.is_empty());
        }
    }
}

#[test]
fn dialogs_cut_nothing_at_80x24_in_any_language() {
    for lang in Lang::ALL {
        for keys in ["t", "f", "d", "v", "m", "e", "?", "g", "L"] {
            let mut state = diagnosed(lang, (80, 24));
            state.ticket_folder = "/home/ops/.local/state/cvmtop/tickets".into();
            let before = cuts(&shown(&mut state));
            press(&mut state, keys);
            let text = shown(&mut state);
            assert!(cuts(&text) <= before, "{lang:?} {keys}\n{text}");
        }
    }
}

/// The topmost overlay on a screen of its own, with a sign wherever something was cut off.
fn alone(state: &State) -> String {
    let glyphs: &'static Glyphs = Box::leak(Box::new(Glyphs {
        ellipsis: CUT,
        ..UNICODE
    }));
    let look = Look {
        glyphs,
        ..Look::new(Theme::fallback(), Depth::Ansi16, false, false)
    };
    let screen = Rect::new(0, 0, state.size.0, state.size.1);
    let mut buf = Buffer::empty(screen);
    let mut paint = Paint::new(&mut buf, &look);
    let top = state.overlays.last().expect("an overlay");
    overlays::draw(top, state, &mut paint, screen);
    let rows = (0..screen.height).map(|y| {
        let mut row = String::new();
        let mut x = 0;
        while x < screen.width {
            let symbol = buf[(x, y)].symbol();
            row.push_str(symbol);
            x += (symbol.width() as u16).max(1);
        }
        row
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// Only what carries meaning: no spaces, no frames.
fn essence(text: &str) -> String {
    let noise = |c: &char| !c.is_whitespace() && !"│┌┐└┘─↑↓".contains(*c);
    text.chars().filter(noise).collect()
}

fn restart(id: &str) -> Plan {
    let context = PlanContext {
        entry: "e1".into(),
        instance: instance(id, "shop-api-01", 7),
        ..PlanContext::default()
    };
    plan(ActionId::Restart, &Parameters::none(), &context).unwrap()
}

fn confirmation(overlay: &str, state: &mut State) {
    let choice = Choice {
        action: ActionId::Restart,
        parameters: serde_json::Map::new(),
        offered: 1,
    };
    let run = state.new_run();
    let top = match overlay {
        "preview" => Overlay::Preview(Box::new(Preview {
            run,
            plan: restart("ins-shop"),
            offset: 0,
            edit: LineEdit::default(),
            refused: Some(Said::raw("the typed name is another one")),
        })),
        "batch" => {
            let planned =
                ["ins-shop", "ins-web"].map(|id| (instance(id, "shop-api-01", 7), Ok(restart(id))));
            Overlay::Batch(Box::new(BatchPreview {
                run,
                choice,
                batch: Batch::of(ActionId::Restart, planned.into()),
                offset: 0,
                edit: LineEdit::default(),
                refused: None,
            }))
        }
        "quit" => Overlay::QuitAnyway,
        _ => Overlay::Secret(Secret(Handed {
            what: Said::raw("Password"),
            value: "correct-horse-battery-staple".to_owned().into(),
        })),
    };
    state.overlays.push(top);
}

#[test]
fn overlays_cut_nothing_and_always_say_how_to_go_on() {
    let mut broken = Vec::new();
    for lang in Lang::ALL {
        let mut state = diagnosed(lang, (80, 24));
        state.ticket_folder = "/home/ops/.local/state/cvmtop/tickets".into();
        for size in [(60, 16), (80, 24), (100, 30), (160, 50)] {
            state.size = size;
            let texts = cvmtop::app::locale::Texts::of(lang);
            let ui = &texts.ui;
            let foot = |bound: Bound, title: Bound| {
                let chord = state.keys.chords(bound)[0].to_string();
                format!("{} {}", chord_label(&chord), texts.short_bound(title))
            };
            let keys = |commands: &[Bound]| {
                let said: Vec<String> = commands.iter().map(|one| foot(*one, *one)).collect();
                said.join(" ")
            };
            let paste = keys(&[keys::Paste::Accept.into(), keys::Paste::Close.into()]);
            let deep = keys(&[
                keys::Consent::Confirm.into(),
                keys::Consent::Script.into(),
                keys::Consent::Close.into(),
            ]);
            let login = foot(keys::Line::Accept.into(), keys::Consent::Confirm.into());
            let pick = keys(&[keys::Palette::Accept.into(), keys::Palette::Close.into()]);
            let ticket = keys(&[
                keys::Ticket::Accept.into(),
                keys::Ticket::Close.into(),
                keys::Ticket::Mask.into(),
                keys::Ticket::Archive.into(),
            ]);
            let tell = keys(&[
                keys::Answers::Toggle.into(),
                keys::Answers::Vnc.into(),
                keys::Answers::Close.into(),
            ]);
            let sheet = keys(&[
                keys::TypedName::Confirm.into(),
                keys::TypedName::Close.into(),
            ]);
            let leave = keys(&[keys::Leave::Confirm.into(), keys::Leave::Close.into()]);
            let secret = keys(&[keys::Secret::Copy.into(), keys::Secret::Close.into()]);
            // Keys or the name of a confirmation, and the words without which one is stuck.
            let all: &[(&str, &[&String])] = &[
                ("?", &[&ui.help_title]),
                (":", &[&ui.palette_title]),
                ("e", &[&paste, &ui.paste_hint]),
                ("f", &[&ui.user_source_text]),
                ("d", &[&deep]),
                ("v", &[&ui.login_price, &login]),
                ("m", &[&ui.confirm_cause_text, &pick]),
                ("n", &[&ui.whynot_pick]),
                ("n down enter", &[]),
                ("g", &[]),
                ("t", &[&ui.ticket_text, &ticket]),
                ("i", &[&ui.tell_text, &tell]),
                ("E", &[&ui.fact_pick_text]),
                ("O", &[&ui.columns_title, &ui.columns_text]),
                ("L", &[&ui.log_title]),
                ("tab tab space b", &[&ui.batch_pick]),
                ("=preview", &[&sheet]),
                ("=batch", &[&sheet]),
                ("=quit", &[&ui.quit_text, &leave]),
                ("=secret", &[&secret]),
            ];
            for (open, says) in all {
                state.overlays.clear();
                state.fleet.marks.clear();
                state.fleet.select_target("ins-shop");
                state.settle();
                state.focus = Pane::Diagnosis;
                match open.strip_prefix('=') {
                    Some(name) => confirmation(name, &mut state),
                    None => {
                        press(&mut state, open);
                    }
                }
                assert!(!state.overlays.is_empty(), "{lang:?} {size:?} {open}");
                let text = alone(&state);
                let squeezed = essence(&text);
                let unsaid: Vec<&&String> = says
                    .iter()
                    .filter(|words| !squeezed.contains(&essence(words)))
                    .collect();
                if cuts(&text) > 0 || !unsaid.is_empty() {
                    broken.push(format!("{size:?} {lang:?} {open}: {unsaid:?}\n{text}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// On a first start everything can be read, if need be by scrolling.
#[test]
fn the_first_screen_tells_everything_on_any_size() {
    for size in [(60, 16), (80, 24), (160, 50)] {
        for lang in Lang::ALL {
            let mut state = fresh(lang, size);
            let generation = state.fleet.generation;
            let looked_for = vec![
                cred_variables("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"),
                Said::raw("~/.tccli/default.credential"),
            ];
            let event = Listing::Missing(Missing::Credentials { looked_for });
            send(
                &mut state,
                Message::Found(Found::Listed { generation, event }),
            );
            let mut seen = String::new();
            for _ in 0..40 {
                let text = shown(&mut state);
                assert_eq!(cuts(&text), 0, "{size:?} {lang:?}\n{text}");
                seen.push_str(&text);
                press(&mut state, "j");
            }
            let ui = &state.texts.ui;
            for wanted in [
                &ui.welcome_credentials,
                &ui.welcome_looked,
                &ui.welcome_ways,
            ] {
                assert!(
                    essence(&seen).contains(&essence(wanted)),
                    "{lang:?} {wanted}\n{seen}"
                );
            }
            assert!(
                seen.contains("default.credential"),
                "{size:?} {lang:?}\n{seen}"
            );
        }
    }
}

/// True when a sentence, or one inside it, only has English.
fn is_plain(said: &Said) -> bool {
    let whole = serde_json::to_string(said).unwrap();
    whole.contains(r#""id":"""#)
}

/// Every sentence of a plan that a person reads.
fn of_plan(plan: &Plan) -> Vec<Said> {
    let mut all = vec![
        plan.title.clone(),
        plan.cost.clone(),
        plan.downtime.clone(),
        plan.data_risk.clone(),
        plan.affected.note.clone(),
        plan.undo.sentence(),
    ];
    all.extend(plan.changes.iter().cloned());
    all.extend(plan.warnings.iter().cloned());
    all.extend(plan.steps.iter().map(|step| step.purpose.clone()));
    if let Verification::None { reason } = &plan.verification {
        all.push(reason.clone());
    }
    if let Undo::Steps { steps, .. } = &plan.undo {
        all.extend(steps.iter().map(|step| step.purpose.clone()));
    }
    all
}

/// What plans for an instance rest on: a group that refuses, an address, a free one, an agent.
fn context(state: &str, os: Os) -> PlanContext {
    let mut one = instance("ins-shop", "shop-api-01", 7);
    one.state = state.into();
    one.os = os;
    one.bandwidth_out_mbps = Some(5);
    let address = |id: &str, ip: &str| AddressFacts {
        id: id.into(),
        ip: ip.into(),
        kind: "EIP".into(),
        status: "UNBIND".into(),
        bandwidth: Some(5),
        charge_type: "TRAFFIC_POSTPAID_BY_HOUR".into(),
        is_blocked: false,
        is_arrears: false,
    };
    let one_address = one.public_addresses[0];
    PlanContext {
        entry: "e1".into(),
        instance: one,
        user_source: "198.51.100.4/32".parse().ok(),
        groups: Fact::Known(vec![GroupFacts {
            group: SecurityGroup {
                id: "sg-1".into(),
                version: "7".into(),
                ..SecurityGroup::default()
            },
            others: Some(Others {
                count: 3,
                names: vec!["web-1 (ins-1)".into()],
            }),
            ..GroupFacts::default()
        }]),
        account_type: Fact::Known(AccountType::Standard),
        addresses: Fact::Known(vec![address("eip-1", "203.0.113.7")]),
        free_addresses: Fact::Known(vec![address("eip-2", "203.0.113.8")]),
        acl: Fact::Known(Some(AclFacts {
            id: "acl-11111111".into(),
            subnet: "10.0.0.0/24".into(),
            subnets: vec!["subnet-11111111".into()],
            ..AclFacts::default()
        })),
        routes: Fact::Known(RouteFacts {
            table: "rtb-11111111".into(),
            routes: vec![RouteLine {
                item: "rti-11111111".into(),
                target: "198.51.100.0/24".into(),
                kind: "VPN".into(),
                gateway: "vpngw-11111111".into(),
                own: true,
                ..RouteLine::default()
            }],
            ..RouteFacts::default()
        }),
        block: Fact::Known(BlockFacts {
            blocked: vec![(one_address, String::new())],
            quota: Some((3, 1, "midnight".into())),
            ..BlockFacts::default()
        }),
        agent: Fact::Known("Online".into()),
        repair_tasks: Fact::Known(vec![RepairTask {
            id: "rep-1".into(),
            title: "host".into(),
            status: 1,
            auth_type: Some(2),
        }]),
        ..PlanContext::default()
    }
}

#[test]
fn previews_and_their_refusals_are_said_in_each_language() {
    let mut unknown = BTreeSet::new();
    let mut planned = BTreeSet::new();
    let mut note = |said: Said| {
        if is_plain(&said) {
            unknown.insert(said.to_string());
        }
    };
    for state in ["RUNNING", "STOPPED", "RESCUE_MODE", "REBOOTING"] {
        for os in [Os::Linux, Os::Windows, Os::Unknown] {
            for action in ActionId::ALL {
                let words: &[&[&str]] = match action {
                    ActionId::OpenPort => &[&[], &["source=any"], &["source=here"]],
                    ActionId::OpenCommonPorts => &[&[], &["source=any"]],
                    ActionId::RaiseBandwidth => &[&[], &["mbps=10"], &["mbps=3"]],
                    ActionId::AssociateSecurityGroup => &[&[], &["group=sg-22222222"]],
                    ActionId::BindKeyPair => &[&[], &["key=skey-22222222"]],
                    ActionId::Restart => &[&[], &["mode=hard"], &["mode=soft-first"]],
                    _ => &[&[]],
                };
                for words in words {
                    let parameters = Parameters::from_words(*action, words).unwrap();
                    let mut no_address = context(state, os);
                    no_address.instance.public_addresses.clear();
                    no_address.agent = Fact::Known("Offline".into());
                    let bare = PlanContext {
                        groups: Fact::NotRead,
                        user_source: None,
                        ..no_address.clone()
                    };
                    for context in [context(state, os), no_address, bare] {
                        match plan(*action, &parameters, &context) {
                            Ok(plan) => {
                                planned.insert(plan.action.as_str());
                                of_plan(&plan).into_iter().for_each(&mut note);
                            }
                            Err(error) => note(error.said()),
                        }
                    }
                }
            }
        }
    }
    println!("plans of {planned:?}");
    assert!(planned.len() >= 20, "{planned:?}");
    assert!(unknown.is_empty(), "only English: {unknown:#?}");
}

/// What is sent stands in the preview as it is; all else is in the language.
#[test]
fn a_preview_is_drawn_in_the_language() {
    for (lang, words) in [
        (Lang::Ko, ["재시작(soft)", "되돌리기", "권한", "호출 1"]),
        (Lang::Zh, ["重启 shop-api-01", "撤销", "权限", "调用 1"]),
    ] {
        let mut state = diagnosed(lang, (100, 60));
        let effects = press(&mut state, "1");
        let run = effects.iter().find_map(|effect| match effect {
            Effect::Act(Act::Prepare { run, .. }) => Some(*run),
            _ => None,
        });
        let context = PlanContext {
            entry: "e1".into(),
            instance: instance("ins-shop", "shop-api-01", 7),
            ..PlanContext::default()
        };
        let plan = plan(ActionId::Restart, &Parameters::none(), &context).unwrap();
        let result = Ok(Box::new(plan));
        send(
            &mut state,
            Message::Acted(Acted::Planned {
                run: run.unwrap(),
                result,
            }),
        );
        let text = shown(&mut state).replace("  ", " ");
        let compact: String = text.chars().filter(|c| *c != ' ').collect();
        for word in words {
            let word: String = word.chars().filter(|c| *c != ' ').collect();
            assert!(compact.contains(&word), "{lang:?} {word}\n{text}");
        }
        assert!(compact.contains("cvm:RebootInstances"), "{text}");
    }
}

/// A third of the demo fleet, looked at inside and outside: every detail and every need has an id, by
/// which it is said in another language.
#[test]
fn every_detail_of_the_demo_fleet_is_a_value() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let demo = runtime.block_on(demo::start(DemoOptions {
        reboot: Duration::from_secs(1),
        rate_limits: false,
        ..DemoOptions::default()
    }));
    let demo = demo.unwrap();
    let home = tempfile::tempdir().unwrap();
    let cvmtop = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
            .args(["--region", "all"])
            .args(words)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("CVMTOP_ENDPOINT", &demo.endpoint)
            .env("TENCENTCLOUD_SECRET_ID", &demo.secret_id)
            .env("TENCENTCLOUD_SECRET_KEY", &demo.secret_key)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = cvmtop(&["list", "--no-probe", "--format", "json"]);
    let ids: Vec<String> = listed
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    // Every third: each kind of system, path and fault, in a third of the time.
    let mut words = vec!["diagnose", "--deep", "--format", "json"];
    words.extend(ids.iter().step_by(3).map(String::as_str));
    let (mut all, mut unknown) = (0, BTreeSet::new());
    for line in cvmtop(&words).lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        let rows = |name: &str| report[name].as_array().unwrap().clone();
        let said = [
            ("evidence", "detail", "said"),
            ("evidence", "needs", "needs_said"),
            ("next_evidence", "needs", "needs_said"),
            ("actions", "title", "title_said"),
            ("guides", "reason", "reason_said"),
        ];
        for (list, english, said) in said {
            for row in rows(list) {
                let text = row[english].as_str().unwrap_or_default();
                all += usize::from(!text.is_empty());
                if !text.is_empty() && !row[said]["id"].is_string() {
                    unknown.insert(text.to_owned());
                }
            }
        }
    }
    println!("{all} sentences, {} without an id", unknown.len());
    assert!(all > 1_000, "{all} sentences");
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// Titles, advice and needs of the shipped knowledge, what settings are for and what a refused
/// read hides: each stands in Korean and Chinese under the whole of its English, and nothing else.
#[test]
fn every_text_of_the_shipped_data_is_said_in_each_language() {
    let knowledge = Knowledge::shipped();
    let mut texts = BTreeSet::new();
    for action in &knowledge.actions {
        // Titles of actions proper are looked up by their id.
        // Only another way of the same action has a title of its own beside that.
        let mut same = knowledge.actions.iter().filter(|a| a.id == action.id);
        let usual = same.next().expect("it is one of them");
        if action.id == "advice" || usual.title != action.title {
            texts.insert(action.title.clone());
        }
        let text = action.parameters.get("text").and_then(|text| text.as_str());
        texts.extend(text.map(str::to_owned));
    }
    let is_permission = |needs: &str| needs.contains(':') && !needs.contains(' ');
    let needs = knowledge.evidence.iter().map(|group| &group.needs);
    texts.extend(needs.filter(|needs| !is_permission(needs)).cloned());
    texts.extend(cvmtop::config::helps().map(str::to_owned));
    texts.extend(cvmtop::cli::help::texts());
    texts.extend(READS.iter().map(|read| read.purpose.to_owned()));
    texts.extend(cvmtop::check::Book::shipped().texts().map(str::to_owned));
    let mut wrong = Vec::new();
    for (lang, letters) in [(Lang::Ko, '가'..='힣'), (Lang::Zh, '一'..='鿿')] {
        let all = sentences(lang);
        for text in &texts {
            match all.get(&format!("knowledge.{text}")) {
                None => wrong.push(format!("{lang:?} lacks: {text}")),
                Some(said) if !said.contains(|c| letters.contains(&c)) => {
                    wrong.push(format!("{lang:?} is not in the language: {said}"));
                }
                Some(_) => {}
            }
        }
        let known = all.keys().filter_map(|id| id.strip_prefix("knowledge."));
        let left = known.filter(|text| !texts.contains(*text));
        wrong.extend(left.map(|text| format!("{lang:?}: nobody says: {text}")));
    }
    println!("{} texts", texts.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Words of one thing that goes by another name everywhere else.
const SECOND_NAMES: &[(Lang, &str, &str)] = &[
    (Lang::Ko, "안내서", "가이드"),
    (Lang::Ko, "저널", "작업 기록"),
    (Lang::Ko, "조치", "작업"),
    (Lang::Ko, "증거", "근거"),
    (Lang::Ko, "고장", "장애"),
    (Lang::Ko, "출발지", "소스"),
    (Lang::Ko, "해결 확률", "해결 가능성"),
    (Lang::Ko, "미납", "연체"),
    (Lang::Zh, "凭证", "凭据"),
    (Lang::Zh, "放行", "放通"),
];

#[test]
fn one_thing_has_one_name_in_catalogues_and_sentences() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/locales");
    let mut wrong = Vec::new();
    for (lang, word, name) in SECOND_NAMES {
        let code = lang.as_str();
        let own = std::fs::read_to_string(root.join(format!("{code}.toml"))).unwrap();
        let catalogue = own.lines().map(str::to_owned);
        let said = sentences(*lang).values().cloned();
        let found = catalogue.chain(said).filter(|text| text.contains(word));
        wrong.extend(found.map(|text| format!("{code}: `{word}` is `{name}`: {text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_health_of_a_login_has_a_word_in_each_language() {
    for lang in [Lang::Ko, Lang::Zh] {
        let texts = Texts::of(lang);
        for health in LoginHealth::ALL {
            let word = Word::new(Table::Login, health.as_str());
            let said = texts.said(&look_short(Word::new(Table::Path, "public"), word));
            assert!(!said.contains(health.as_str()), "{lang:?}: {said}");
        }
    }
}

/// What is made from a text without an id stays English, so no room may make one.
#[test]
fn no_source_makes_a_sentence_that_only_has_english() {
    fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    let mut wrong = Vec::new();
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        if name.ends_with("tests.rs") {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let is_own = path.ends_with("domain/said.rs");
        for (number, line) in text.lines().enumerate() {
            let prose = |quoted: &str| {
                let text = quoted.split('"').next().unwrap_or_default();
                text.trim().contains(' ') && !text.contains('{') && !text.starts_with("  ")
            };
            let raw = line.split("Said::raw(\"").skip(1).any(prose);
            if raw || line.contains("Said::plain(") && !is_own {
                wrong.push(format!(
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One is not written as `1 rule(s)`.
#[test]
fn no_sentence_leaves_its_number_open() {
    fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join("src"), &mut found);
    sources(&root.join("assets/guest"), &mut found);
    for lang in Lang::ALL {
        found.push(root.join(format!("assets/locales/{}.toml", lang.as_str())));
    }
    for path in found {
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let inside = line.split('"').skip(1).step_by(2);
            let open = |text: &str| ["(s)", "(es)"].iter().any(|mark| text.contains(mark));
            assert!(!inside.into_iter().any(open), "{}: {line}", path.display());
        }
    }
}

/// Terms that the catalogues have a word for.
const WORDS: [&str; 5] = ["RUNNING", "STOPPED", "REBOOTING", "TERMINATING", "PENDING"];
/// Units that are written alike in each language.
const UNITS: [&str; 4] = ["Mbit/s", "MiB", "GiB", "KiB"];

/// A value that can be told from every other and from every word.
fn sentinel(kind: &str, at: usize) -> Arg {
    match kind {
        "Raw" => Arg::Raw(format!("⟦r{at}: x, y; {{z}} is 1 of 2⟧")),
        "Name" => Arg::Name(format!("⟦n{at}⟧")),
        "Number" => Arg::Number(70_001 + at as i64),
        "Figure" => Figure::new(81.25 + at as f64, 2, Unit::None).into(),
        "Word" => Word::new(Table::InstanceState, WORDS[at]).into(),
        "Said" => Said::raw(format!("⟦s{at}⟧")).into(),
        "List" => List::names([format!("⟦l{at}⟧")]).into(),
        other => panic!("{other} is no type of an argument"),
    }
}

/// What the value reads like in a language.
fn as_read(kind: &str, at: usize, texts: &Texts) -> String {
    match kind {
        "Word" if texts.lang() == Lang::En => WORDS[at].to_owned(),
        "Word" => texts.instance_state(WORDS[at]).to_owned(),
        "Number" => (70_001 + at).to_string(),
        "Figure" => format!("{:.2}", 81.25 + at as f64),
        _ => match sentinel(kind, at) {
            Arg::Raw(text) | Arg::Name(text) => text,
            Arg::Said(said) => said.to_string(),
            _ => format!("⟦l{at}⟧"),
        },
    }
}

/// What is wrong with a sentence in a language.
fn faults(row: &Row, texts: &Texts) -> Vec<String> {
    let said = Said::of_row(row, sentinel);
    let whole = texts.said(&said);
    let mut left = whole.clone();
    let mut found = Vec::new();
    for (at, (name, kind)) in row.args.iter().enumerate() {
        let value = as_read(kind, at, texts);
        match left.matches(&value).count() {
            1 => left = left.replacen(&value, "¤", 1),
            n => found.push(format!("{name} stands {n} times")),
        }
    }
    if texts.lang() != Lang::En {
        let template = sentences(texts.lang()).get(row.id);
        if template.is_none() {
            found.push("is not there".to_owned());
        }
        let left = UNITS
            .into_iter()
            .fold(without_commands(&left), |left, unit| left.replace(unit, ""));
        let words = left
            .split(|c: char| !c.is_ascii_alphanumeric() && !"-_./\\".contains(c))
            .map(|w| w.trim_matches(['-', '.', '/']))
            .filter(|w| w.contains(|c: char| c.is_ascii_alphabetic()))
            .filter(|w| !w.split('/').all(|part| TERMS.contains(&part)))
            .filter(|w| !(is_technical(w) && row.english.contains(w)));
        found.extend(words.map(|w| format!("the word `{w}`")));
        found.extend(open_particles(template.map_or("", String::as_str)));
    }
    let id = row.id;
    let lang = texts.lang().as_str();
    found
        .into_iter()
        .map(|what| format!("{id} in {lang}: {what}: {whole}"))
        .collect()
}

/// A file, a setting or a program with a mark that no plain word has: `/etc/nologin`,
/// `PortNumber`, `fs.nr_open`.
fn is_technical(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next();
    word.contains(['_', '/', '.', '\\'])
        || letters.any(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// Without what stands in backticks: commands, parameters and files, which are typed as they are.
fn without_commands(text: &str) -> String {
    let parts = text.split('`').step_by(2);
    parts.collect::<Vec<_>>().join(" ")
}

/// A particle that does not follow the value before it, or is set apart from it.
fn open_particles(template: &str) -> Vec<String> {
    const CHOSEN: &[&str] = &["을", "를", "이", "가", "은", "는", "과", "와", "으로", "로"];
    const FIXED: &[&str] = &[
        "에", "에서", "의", "에게", "까지", "부터", "만", "도", "에는",
    ];
    let ends = |rest: &str| {
        let next = rest.chars().next();
        next.is_none_or(|c| !('가'..='힣').contains(&c))
    };
    let begins = |rest: &str, with: &[&str]| {
        let mut all = with.iter();
        all.any(|particle| rest.strip_prefix(particle).is_some_and(ends))
    };
    let mut found = Vec::new();
    for (at, _) in template.match_indices('}') {
        let rest = &template[at + 1..];
        if begins(rest, CHOSEN) {
            found.push(format!(
                "a particle that is not chosen by the value: {template}"
            ));
        }
        if let Some(rest) = rest.strip_prefix(' ')
            && (begins(rest, CHOSEN) || begins(rest, FIXED))
        {
            found.push(format!("a particle apart from its word: {template}"));
        }
    }
    for both in ["을(를)", "이(가)", "은(는)", "와(과)", "(으)로"] {
        if template.contains(both) {
            found.push(format!("both forms of a particle: {template}"));
        }
    }
    found
}

#[test]
fn every_sentence_is_said_whole_in_each_language() {
    let rows = || TABLES.iter().flat_map(|table| table.iter());
    let mut wrong: Vec<String> = Lang::ALL
        .into_iter()
        .flat_map(|lang| rows().flat_map(move |row| faults(row, Texts::of(lang))))
        .collect();
    let ids: BTreeSet<&str> = rows().map(|row| row.id).collect();
    if ids.len() != rows().count() {
        wrong.push("an id stands twice".to_owned());
    }
    for lang in [Lang::Ko, Lang::Zh] {
        let left = sentences(lang)
            .keys()
            .filter(|id| !ids.contains(id.as_str()) && !id.starts_with("knowledge."));
        wrong.extend(left.map(|id| format!("{id} in {}: no such sentence", lang.as_str())));
    }
    println!("{} sentences in {} tables", ids.len(), TABLES.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
