//! The catalogues of texts, one file per language, checked when they are read.
//!
//! Every fixed text is a field of [`Ui`], so a text that is missing or left over in a catalogue
//! fails the test of this module. Must not live here: guides (`guide`), wording of readings.

mod joints;
mod sentences;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde::Deserialize;

use super::command::Why;
use super::keys::{Bound, Context};
use crate::domain::action::Risk;
use crate::domain::column::Column;
use crate::domain::evidence::{Path, Status};
use crate::domain::instance::Os;
pub use crate::domain::lang::Lang;
pub use sentences::sentences;

macro_rules! ui_texts {
    ($($field:ident),+ $(,)?) => {
        /// Fixed texts; `{name}` in them is filled in.
        ///
        /// Filled from a map: a derived reader of so many fields is a megabyte of code.
        #[derive(Debug, Deserialize)]
        #[serde(try_from = "BTreeMap<String, String>")]
        pub struct Ui { $(pub $field: String,)+ }

        impl TryFrom<BTreeMap<String, String>> for Ui {
            type Error = String;

            fn try_from(mut texts: BTreeMap<String, String>) -> Result<Self, String> {
                let mut missing = Vec::new();
                let mut take = |name: &'static str| {
                    texts.remove(name).unwrap_or_else(|| {
                        missing.push(name);
                        String::new()
                    })
                };
                let ui = Self { $($field: take(stringify!($field)),)+ };
                if missing.is_empty() && texts.is_empty() {
                    return Ok(ui);
                }
                let left: Vec<String> = texts.into_keys().collect();
                Err(format!("[ui] lacks {missing:?} and has {left:?} besides"))
            }
        }

        impl Ui {
            /// Names and texts, for the test that compares languages.
            pub fn all(&self) -> Vec<(&'static str, &str)> {
                vec![$((stringify!($field), self.$field.as_str())),+]
            }
        }
    };
}

ui_texts! {
    pane_instances, pane_diagnosis, pane_actions,
    column_name, column_address, column_state, column_login, column_age, column_region, column_cause, column_zone, column_os, column_id, columns_title, columns_text, columns_text_demo, column_share, column_instances, cause_found,
    count_failing, count_impaired, count_off, count_unknown, count_healthy,
    badge_demo, badge_read_only, badge_paused, badge_privacy,
    loading, loading_progress, sweep_progress, no_instances, filter_hides_all, listing_failed,
    checking, nothing_selected, not_triaged, looking, looking_deep,
    verdict_healthy, verdict_healthy_so_far, key_unproven, verdict_faulty, verdict_faulty_cause, verdict_inconclusive, verdict_way_open,
    abstains, onset, past_title, past_cure, past_on, past_case, past_healthy, vantage, user_unknown, user_here, masked,
    confirmed, port, no_address, looks_lost, looks_label,
    why, coverage, range, other_causes, also_broken, conflict, prior, times_likelier, times_unlikelier,
    very_likely, likely, leading, undecided,
    next_evidence, evidence_price, tells_much, tells_some, tells_little,
    facts, fact_beside, facts_more, facts_good, facts_neutral, facts_stale, not_permitted, probe_failed, not_observed, cut_off,
    do_next, do_if_it_fails, do_next_aside, no_actions, actions_wait, actions_none_yet, read_only_note, cures, reversible,
    fleet_title, fleet_counted, fleet_undecided, fleet_works, fleet_left, fleet_repair, fleet_no_repair,
    ports_title, ports_open, ports_running, ports_not_tried, ports_read, ports_route_unread, ports_guest_unread,
    ports_common, ports_opens,
    check_title, check_running, check_failed, check_mend, check_not_deep,
    fact_pick_title, fact_pick_text, fact_source, fact_from_probe, fact_from_cloud, fact_from_cloud_unnamed,
    fact_from_guest, fact_from_person, fact_read, fact_needs, fact_cited, fact_moved, fact_moved_nothing,
    fact_weighs_nothing, fact_raw, fact_raw_none, journal_none, calls_none, calls_answered, calls_unanswered,
    whynot_title, whynot_pick_title, whynot_pick, whynot_leads, whynot_is_first, whynot_against,
    whynot_would_be, whynot_instead, whynot_unread, whynot_nothing,
    batch_title, batch_pick, hint_plan, batch_offered, batch_plans, batch_phrase, batch_busy, batch_begun, batch_preparing, batch_ended,
    batch_stopped,
    any_action_title, any_action_text, parameters_text, parameter_required,
    timed_left, timed_over, timed_failed, timed_stays, timed_key, keep_title, keep_text,
    guides, no_guides,
    job_preparing, job_previewed, job_running, job_done, job_restored, job_improved,
    job_unchanged, job_worse, job_failed, job_unknown, job_taken_back, job_undo, plan_failed, no_advice,
    preview_title, preview_key, preview_typed, preview_read_only,
    secret_title, secret_text,
    guide_why, guide_about, guide_own, guide_document, guide_no_rule,
    guide_step_for_you, reason_cause, reason_error, reason_words, reason_symptom, reason_start,
    step_action, step_command, step_vnc, step_user, step_ticked, step_unticked, steps_ticked,
    standing_done, standing_to_do, standing_not_called_for,
    ticket_title, ticket_text, ticket_form, ticket_folder, ticket_archive, ticket_plain,
    ticket_masked, ticket_no_folder, ticket_job, ticket_done_title, ticket_done_text,
    help_title, help_about, help_filter, help_actions, log_title, log_empty,
    palette_title, palette_empty,
    paste_title, paste_hint, paste_unrecognised, paste_taken,
    user_source_title, user_source_text, user_source_here, user_source_bad, user_source_set, user_source_cleared, user_source_is_here,
    deep_title, deep_text, deep_price, deep_price_ssh,
    neighbours_title, neighbours_choosing, providers_title, providers_choosing, session_asked, login_title, login_text, login_price, login_bad, quit_title, quit_text,
    confirm_cause_title, confirm_cause_text, cause_confirmed, tell_title, tell_text, checklist_title, checklist_text,
    copied, copied_title, sweep_held, filter_unknown_name, filter_unknown_field, filter_bad_value, task_failed, target_missing,
    read_only_locked, read_only_now, read_only_doubt, read_only_doubt_over, read_only_stays, read_only_on, read_only_off, background_on, background_off, background_is_off, reloaded, reloaded_in_part, stopped_work, not_now,
    welcome_title, welcome_credentials, welcome_looked, welcome_region, welcome_demo, welcome_again,
    welcome_ways, welcome_way_keys, welcome_way_profile,
    welcome_way_role, welcome_way_hosts, welcome_way_region, welcome_doctor,
    just_now, seconds_ago, minutes_ago, hours_ago, days_ago,
}

/// One catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    #[serde(skip)]
    lang: Lang,
    pub ui: Ui,
    command: BTreeMap<String, String>,
    /// Where keys count.
    context: BTreeMap<String, String>,
    /// Titles short enough for the foot of the screen.
    short: BTreeMap<String, String>,
    why_not: BTreeMap<String, String>,
    cause: BTreeMap<String, String>,
    evidence: BTreeMap<String, String>,
    layer: BTreeMap<String, String>,
    state: BTreeMap<String, String>,
    status: BTreeMap<String, String>,
    action: BTreeMap<String, String>,
    parameter: BTreeMap<String, String>,
    risk: BTreeMap<String, String>,
    instance_state: BTreeMap<String, String>,
    login: BTreeMap<String, String>,
    path: BTreeMap<String, String>,
    os: BTreeMap<String, String>,
    stage: BTreeMap<String, String>,
}

impl Texts {
    /// The catalogue of a language, read when it is first asked for.
    pub fn of(lang: Lang) -> &'static Self {
        static CATALOGUES: [OnceLock<Texts>; 3] = [const { OnceLock::new() }; 3];
        CATALOGUES[lang as usize].get_or_init(|| {
            let text = match lang {
                Lang::En => include_str!("../../assets/locales/en.toml"),
                Lang::Ko => include_str!("../../assets/locales/ko.toml"),
                Lang::Zh => include_str!("../../assets/locales/zh.toml"),
            };
            let texts =
                toml::from_str(text).expect("shipped catalogues are read by a test of this module");
            Self { lang, ..texts }
        })
    }

    /// The catalogue's language.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    fn word<'a>(map: &'a BTreeMap<String, String>, key: &'a str) -> &'a str {
        map.get(key).map_or(key, String::as_str)
    }

    /// How much likelier or unlikelier something is by that many decibans: people think in factors.
    pub fn times_likelier(&self, decibans: f64) -> String {
        let factor = 10_f64.powf(decibans.abs() / 10.0);
        let n = if factor < 10.0 {
            format!("{factor:.1}")
        } else {
            format!("{factor:.0}")
        };
        let text = if decibans < 0.0 {
            &self.ui.times_unlikelier
        } else {
            &self.ui.times_likelier
        };
        fill(text, &[("n", &n)])
    }

    pub fn command<'a>(&'a self, id: &'a str) -> &'a str {
        Self::word(&self.command, id)
    }

    pub fn short_command<'a>(&'a self, id: &'a str) -> &'a str {
        self.short
            .get(id)
            .map_or_else(|| self.command(id), String::as_str)
    }

    /// Title of a command: the one of its context, or the common one of its name.
    pub fn bound(&self, bound: Bound) -> &str {
        let own = |titles| Self::of_context(titles, bound);
        own(&self.command).unwrap_or_else(|| self.command(bound.as_str()))
    }

    /// The same, short enough for the foot of an overlay.
    pub fn short_bound(&self, bound: Bound) -> &str {
        let own = |titles| Self::of_context(titles, bound);
        own(&self.short)
            .or_else(|| own(&self.command))
            .unwrap_or_else(|| self.short_command(bound.as_str()))
    }

    fn of_context(titles: &BTreeMap<String, String>, bound: Bound) -> Option<&str> {
        let name = format!("{}.{}", bound.context().as_str(), bound.as_str());
        titles.get(&name).map(String::as_str)
    }

    /// Title of where keys count.
    pub fn context(&self, context: Context) -> &str {
        Self::word(&self.context, context.as_str())
    }

    /// Title of a cause; the report's own where the catalogue has none.
    pub fn cause<'a>(&'a self, id: &str, fallback: &'a str) -> &'a str {
        self.cause.get(id).map_or(fallback, String::as_str)
    }

    pub fn evidence<'a>(&'a self, id: &'a str) -> &'a str {
        Self::word(&self.evidence, id)
    }

    /// Short name of a column of the matrix.
    pub fn layer<'a>(&'a self, id: &'a str) -> &'a str {
        self.layer
            .get(id)
            .map_or_else(|| self.evidence(id), String::as_str)
    }

    /// A state of a group in words: the group's own wording, the common one, or the id.
    pub fn state<'a>(&'a self, group: &str, state: &'a str) -> &'a str {
        self.state
            .get(&format!("{group}.{state}"))
            .or_else(|| self.state.get(state))
            .map_or(state, String::as_str)
    }

    pub fn status(&self, status: Status) -> &str {
        Self::word(&self.status, status.as_str())
    }

    pub fn action<'a>(&'a self, id: &str, fallback: &'a str) -> &'a str {
        // Advice has no title of its own: its text is the advice.
        if id == "advice" && !fallback.is_empty() {
            return fallback;
        }
        self.action.get(id).map_or(fallback, String::as_str)
    }

    pub fn parameter<'a>(&'a self, name: &'a str) -> &'a str {
        Self::word(&self.parameter, name)
    }

    pub fn risk(&self, risk: Risk) -> &str {
        Self::word(
            &self.risk,
            match risk {
                Risk::None => "none",
                Risk::Low => "low",
                Risk::Medium => "medium",
                Risk::High => "high",
            },
        )
    }

    pub fn instance_state<'a>(&'a self, state: &'a str) -> &'a str {
        Self::word(&self.instance_state, state)
    }

    pub fn login_word<'a>(&'a self, word: &'a str) -> &'a str {
        Self::word(&self.login, word)
    }

    pub fn path(&self, path: Path) -> &str {
        Self::word(&self.path, path.as_str())
    }

    pub fn os(&self, os: Os) -> &str {
        Self::word(&self.os, os.as_str())
    }

    /// Title of a column of the list.
    pub fn column(&self, column: Column) -> &str {
        let ui = &self.ui;
        match column {
            Column::Address => &ui.column_address,
            Column::State => &ui.column_state,
            Column::Login => &ui.column_login,
            Column::Age => &ui.column_age,
            Column::Region => &ui.column_region,
            Column::Cause => &ui.column_cause,
            Column::Zone => &ui.column_zone,
            Column::Os => &ui.column_os,
            Column::Id => &ui.column_id,
        }
    }

    pub fn why(&self, why: Why) -> &str {
        Self::word(
            &self.why_not,
            match why {
                Why::NoInstance => "no-instance",
                Why::NoReport => "no-report",
                Why::NoSuchAction => "no-such-action",
                Why::NowhereToGo => "nowhere-to-go",
                Why::NothingMarked => "nothing-marked",
                Why::SecretShown => "secret-shown",
                Why::NoFacts => "no-facts",
                Why::NoRangeStart => "no-range-start",
                Why::NothingBroken => "nothing-broken",
                Why::ReadOnly => "read-only",
                Why::NothingRunning => "nothing-running",
                Why::NothingToUndo => "nothing-to-undo",
                Why::NothingTimed => "nothing-timed",
                Why::Unavailable => "unavailable",
                Why::NoSsh => "no-ssh",
                Why::NoAddress => "no-address",
                Why::NoGuide => "no-guide",
                Why::HasCloud => "has-cloud",
            },
        )
    }

    /// How long ago, in at most four cells: `<1m`, `3m`, `2h`, `5d`. Coarse, since a list of
    /// seconds that all move at once is noise on the screen and on the line.
    pub fn age_short(&self, now: Timestamp, at: Timestamp) -> String {
        match age(now, at) {
            (_, 0) => "<1m".to_owned(),
            (n, unit) => format!("{n}{}", ["s", "m", "h", "d"][unit]),
        }
    }

    /// How long ago, as part of a sentence.
    pub fn age_sentence(&self, now: Timestamp, at: Timestamp) -> String {
        let (n, unit) = age(now, at);
        if unit == 0 && n < AGE_STEP_S {
            return self.ui.just_now.clone();
        }
        let text = [
            &self.ui.seconds_ago,
            &self.ui.minutes_ago,
            &self.ui.hours_ago,
            &self.ui.days_ago,
        ][unit];
        fill(text, &[("n", &n.to_string())])
    }
}

/// Ages below a minute move in steps, so that a quiet screen stays quiet.
pub const AGE_STEP_S: i64 = 5;

/// Number and unit (0 seconds, 1 minutes, 2 hours, 3 days) of an age.
fn age(now: Timestamp, at: Timestamp) -> (i64, usize) {
    let seconds = now.duration_since(at).as_secs().max(0);
    match seconds {
        0..60 => (seconds / AGE_STEP_S * AGE_STEP_S, 0),
        60..3_600 => (seconds / 60, 1),
        3_600..86_400 => (seconds / 3_600, 2),
        _ => (seconds / 86_400, 3),
    }
}

/// Seconds until the text of an age changes.
pub fn age_changes_in(now: Timestamp, at: Timestamp) -> i64 {
    let seconds = now.duration_since(at).as_secs().max(0);
    let step = match seconds {
        0..60 => AGE_STEP_S,
        60..3_600 => 60,
        3_600..86_400 => 3_600,
        _ => 86_400,
    };
    step - seconds % step
}

/// Seconds until the text of an age in a list changes.
pub fn short_age_changes_in(now: Timestamp, at: Timestamp) -> i64 {
    let seconds = now.duration_since(at).as_secs().max(0);
    if seconds < 60 {
        60 - seconds
    } else {
        age_changes_in(now, at)
    }
}

/// Replaces `{name}` by its value.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = text.to_owned();
    for (name, value) in values {
        out = out.replace(&format!("{{{name}}}"), value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placeholders(text: &str) -> Vec<&str> {
        let mut all: Vec<&str> = text
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn every_language_has_the_same_texts_with_the_same_blanks() {
        let en = Texts::of(Lang::En);
        for lang in [Lang::Ko, Lang::Zh] {
            let other = Texts::of(lang);
            for ((name, a), (_, b)) in en.ui.all().into_iter().zip(other.ui.all()) {
                assert_eq!(placeholders(a), placeholders(b), "{lang:?} ui.{name}");
                assert!(!b.trim().is_empty(), "{lang:?} ui.{name} is empty");
            }
            for (section, a, b) in [
                ("command", &en.command, &other.command),
                ("context", &en.context, &other.context),
                ("short", &en.short, &other.short),
                ("why_not", &en.why_not, &other.why_not),
                ("cause", &en.cause, &other.cause),
                ("evidence", &en.evidence, &other.evidence),
                ("layer", &en.layer, &other.layer),
                ("state", &en.state, &other.state),
                ("status", &en.status, &other.status),
                ("action", &en.action, &other.action),
                ("parameter", &en.parameter, &other.parameter),
                ("risk", &en.risk, &other.risk),
                ("instance_state", &en.instance_state, &other.instance_state),
                ("login", &en.login, &other.login),
                ("path", &en.path, &other.path),
                ("os", &en.os, &other.os),
                ("stage", &en.stage, &other.stage),
            ] {
                let missing: Vec<_> = a.keys().filter(|key| !b.contains_key(*key)).collect();
                let extra: Vec<_> = b.keys().filter(|key| !a.contains_key(*key)).collect();
                assert!(missing.is_empty(), "{lang:?} [{section}] lacks {missing:?}");
                assert!(
                    extra.is_empty(),
                    "{lang:?} [{section}] has {extra:?}, en has not"
                );
            }
        }
    }

    #[test]
    fn a_text_that_is_missing_or_left_over_is_named() {
        let mut texts: BTreeMap<String, String> = Texts::of(Lang::En)
            .ui
            .all()
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        texts.remove("port");
        texts.insert("prot".into(), "port".into());
        let fault = Ui::try_from(texts).unwrap_err();
        assert!(
            fault.contains("\"port\"") && fault.contains("\"prot\""),
            "{fault}"
        );
    }

    #[test]
    fn every_command_and_action_has_a_title() {
        let en = Texts::of(Lang::En);
        for context in Context::ALL {
            assert!(en.context.contains_key(context.as_str()), "{context:?}");
            for bound in context.commands() {
                let own = Texts::of_context(&en.command, bound).is_some();
                let common = en.command.contains_key(bound.as_str());
                assert!(own || common, "{bound:?}");
            }
        }
        for action in crate::domain::action::ActionId::ALL {
            assert!(en.action.contains_key(action.as_str()), "{action}");
        }
    }

    #[test]
    fn ages_move_in_steps() {
        let at = Timestamp::UNIX_EPOCH;
        let later = |s: i64| Timestamp::from_second(s).unwrap();
        let texts = Texts::of(Lang::En);
        assert_eq!(texts.age_short(later(13), at), "<1m");
        assert_eq!(short_age_changes_in(later(13), at), 47);
        assert_eq!(texts.age_short(later(61), at), "1m");
        assert_eq!(texts.age_short(later(7_300), at), "2h");
        assert_eq!(age_changes_in(later(13), at), 2);
        assert_eq!(age_changes_in(later(61), at), 59);
    }
}
