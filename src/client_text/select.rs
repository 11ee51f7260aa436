//! Which of the messages found counts: the last failure that matters, not any.
//!
//! Must not live here: finding messages (`table`, `search`).

use super::squash::Squashed;
use super::table::{Candidate, Rank, Searched, Speaker};
use super::{LOGIN_WORKS, PASTED_ERROR, Recognised, Stage};

/// Letters after a message in which a list of methods is looked for.
const METHODS_WITHIN: usize = 160;

/// Drops what lies under a better match, what is weak beside something better, what came before
/// a login that worked, and of one client's messages all but the last that says most.
pub(super) fn select(
    text: &str,
    searched: &Searched,
    mut candidates: Vec<Candidate<'_>>,
    marks: &[(usize, Stage)],
) -> Vec<Recognised> {
    candidates.retain(|c| !c.row.raw.at_end || is_last(text, c.span.end));
    // Longer before shorter, whole before cut; the order of the table decides the rest.
    candidates.sort_by_key(|c| (!c.whole, std::cmp::Reverse(c.letters)));
    let mut kept = uncovered(text.len(), candidates);
    kept.retain(|c| !c.row.raw.says_nothing());
    let at_its_place = kept.iter().filter(|c| !c.misplaced).map(|c| c.row.raw.rank);
    if let Some(best) = at_its_place.max() {
        kept.retain(|c| !c.misplaced || c.row.raw.rank > best);
    }
    kept.sort_by_key(|c| (c.span.start, c.span.end));
    let described = kept
        .iter()
        .map(|c| (c, describe(c, &searched.letters, marks)));
    let mut found: Vec<(Rank, Speaker, Recognised)> = described
        .map(|(c, r)| (c.row.raw.rank, c.row.raw.speaker(), r))
        .collect();
    let works = found.iter().rposition(|(_, _, r)| r.state == LOGIN_WORKS);
    if let Some(at) = works {
        // What failed before the login that worked is no failure any more.
        let rest = found.split_off(at);
        found.retain(|(_, speaker, _)| matches!(speaker, Speaker::Notice | Speaker::Person));
        found.extend(rest);
    }
    let mut groups: Vec<String> = found.iter().map(|(_, _, r)| r.evidence.clone()).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut out = Vec::new();
    for group in groups {
        let of_group = found.iter().filter(|(_, _, r)| r.evidence == group);
        out.extend(chosen(&of_group.collect::<Vec<_>>(), group == PASTED_ERROR));
    }
    out.sort_by_key(|r| (r.span.start, r.span.end));
    out
}

/// The candidates that no better one covers, even in part.
fn uncovered(length: usize, candidates: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    // The class that holds each byte, counted from 1.
    let mut held = vec![0_u32; length];
    let mut classes: Vec<&str> = Vec::new();
    let mut kept: Vec<Candidate<'_>> = Vec::new();
    for candidate in candidates {
        let raw = &candidate.row.raw;
        let key = raw.class.as_str();
        let class = classes
            .iter()
            .position(|known| *known == key)
            .unwrap_or_else(|| {
                classes.push(key);
                classes.len() - 1
            }) as u32
            + 1;
        let span = candidate.span.clone();
        let holder = held[span.clone()]
            .iter()
            .copied()
            .find(|holder| *holder != 0);
        match holder {
            None => {
                held[span].fill(class);
                kept.push(candidate);
            }
            // Another wording of the same message covers what lies under it as well.
            Some(holder) if holder == class => held[span].fill(class),
            Some(_) => {}
        }
    }
    kept
}

/// What counts of one group, in the order of the text.
fn chosen(found: &[&(Rank, Speaker, Recognised)], is_pasted: bool) -> Vec<Recognised> {
    let of = |rank: Rank| -> Vec<&(Rank, Speaker, Recognised)> {
        let all = found.iter().copied();
        all.filter(|(own, _, _)| *own == rank).collect()
    };
    let (reasons, outcomes, weak) = (of(Rank::Reason), of(Rank::Outcome), of(Rank::Weak));
    let mut counting: Vec<&(Rank, Speaker, Recognised)> = Vec::new();
    // A reason that a program names explains how the login ended; a person's words only add to it.
    let explained = reasons
        .iter()
        .any(|(_, speaker, _)| *speaker != Speaker::Person);
    if is_pasted {
        counting.extend(last_of_client(&reasons));
        if !explained {
            counting.extend(last_of_client(&outcomes));
        }
    } else {
        counting.extend(reasons.iter().chain(&outcomes));
    }
    if counting
        .iter()
        .all(|(_, speaker, _)| *speaker == Speaker::Person)
    {
        counting.extend(weak.last());
    }
    let mut out: Vec<Recognised> = Vec::new();
    for (_, _, one) in counting {
        if !out
            .iter()
            .any(|known| known.state == one.state && known.class == one.class)
        {
            out.push(one.clone());
        }
    }
    out
}

/// The last message of the login's own programs, and all that stand by themselves.
fn last_of_client<'f>(
    found: &[&'f (Rank, Speaker, Recognised)],
) -> Vec<&'f (Rank, Speaker, Recognised)> {
    let last = found
        .iter()
        .rposition(|(_, speaker, _)| *speaker == Speaker::Client);
    let counts = |(at, one): &(usize, &&(Rank, Speaker, Recognised))| {
        one.1 != Speaker::Client || Some(*at) == last
    };
    found
        .iter()
        .enumerate()
        .filter(counts)
        .map(|(_, one)| *one)
        .collect()
}

/// Nothing but a date and a place follows, and above all no prompt.
fn is_last(text: &str, end: usize) -> bool {
    let rest = text.get(end..).unwrap_or_default().trim();
    rest.chars().count() <= 120 && !rest.contains(['#', '$', '~', '%'])
}

fn describe(candidate: &Candidate<'_>, letters: &Squashed, marks: &[(usize, Stage)]) -> Recognised {
    let raw = &candidate.row.raw;
    let seen = marks
        .iter()
        .rfind(|(at, _)| *at <= candidate.span.start)
        .map(|&(_, stage)| stage);
    let mut state = raw.state.clone();
    if raw.methods
        && let Some(other) = &raw.state_with_password
        && lists_password(letters.letters_after(candidate.span.end, METHODS_WITHIN))
    {
        state.clone_from(other);
    }
    if let Some(other) = seen.and_then(|stage| raw.by_stage.get(&stage)) {
        state.clone_from(other);
    }
    Recognised {
        evidence: raw.group().to_owned(),
        state,
        class: raw.class.clone(),
        span: candidate.span.clone(),
        stage: seen.or(raw.stage),
        program: raw.program.clone(),
        os: raw.os,
        partial: !candidate.whole,
    }
}

/// Names of methods (RFC 4252 section 5, RFC 4256, RFC 4462) as they follow one another once
/// punctuation is gone.
fn lists_password(mut rest: &str) -> bool {
    const METHODS: &[&str] = &[
        "publickey",
        "password",
        "keyboardinteractive",
        "gssapikeyex",
        "gssapiwithmic",
        "hostbased",
    ];
    while let Some(method) = METHODS.iter().find(|m| rest.starts_with(**m)) {
        if matches!(*method, "password" | "keyboardinteractive") {
            return true;
        }
        rest = &rest[method.len()..];
    }
    false
}
