//! How a sentence lies in JSON: its English in one field, id and arguments in another beside it,
//! which old files lack.
//!
//! Must not live here: what a sentence is (the parent module).

use super::{Said, Tagged};

/// Modules for `#[serde(flatten, with = "...")]`: a sentence as its English in one field and id
/// and arguments in another, which old files lack.
macro_rules! in_two_fields {
    ($(#[$meta:meta])* $module:ident, $english:literal, $said:literal) => {
        in_two_fields! {
            @ $(#[$meta])* $module, $english, $said, Said, |said| Some(said),
            |said: Option<Said>| said.unwrap_or_default()
        }
    };
    ($(#[$meta:meta])* $module:ident, $english:literal, $said:literal, maybe) => {
        in_two_fields! {
            @ $(#[$meta])* $module, $english, $said, Option<Said>, Option::as_ref, |said| said
        }
    };
    ($(#[$meta:meta])* $module:ident, $english:literal, $said:literal, some) => {
        in_two_fields! {
            @ $(#[$meta])* $module, $english, $said, Said, |said| Some(said).filter(|s| !s.is_empty()),
            |said: Option<Said>| said.unwrap_or_default()
        }
    };
    (@ $(#[$meta:meta])* $module:ident, $english:literal, $said:literal, $held:ty, $get:expr,
        $make:expr) => {
        $(#[$meta])*
        pub mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            use super::{Said, Tagged};

            #[derive(Serialize, Deserialize)]
            struct Fields {
                #[serde(default, rename = $english, skip_serializing_if = "Option::is_none")]
                english: Option<String>,
                #[serde(default, rename = $said, skip_serializing_if = "Option::is_none")]
                said: Option<Tagged>,
            }

            pub fn serialize<S: Serializer>(held: &$held, to: S) -> Result<S::Ok, S::Error> {
                let get: fn(&$held) -> Option<&Said> = $get;
                let said = get(held);
                let fields = Fields {
                    english: said.map(|said| said.english.clone()),
                    said: said.and_then(Said::tagged),
                };
                fields.serialize(to)
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$held, D::Error> {
                let fields = Fields::deserialize(from)?;
                let Tagged { id, args } = fields.said.unwrap_or_default();
                let make: fn(Option<Said>) -> $held = $make;
                Ok(make(fields.english.map(|english| Said { id, english, args })))
            }
        }
    };
}

in_two_fields! {
    /// `detail` and `said`.
    detail, "detail", "said"
}
in_two_fields! {
    /// `user` and `user_said`.
    user, "user", "user_said"
}
in_two_fields! {
    /// `needs` and `needs_said`; neither where nothing is needed.
    maybe_needs, "needs", "needs_said", maybe
}
in_two_fields! {
    /// `remedy` and `remedy_said`; neither where nothing is wrong.
    maybe_remedy, "remedy", "remedy_said", maybe
}
in_two_fields! {
    /// `needs` and `needs_said`.
    needs, "needs", "needs_said"
}
in_two_fields! {
    /// `title` and `title_said`.
    title, "title", "title_said"
}
in_two_fields! {
    /// `purpose` and `purpose_said`.
    purpose, "purpose", "purpose_said"
}
in_two_fields! {
    /// `cost` and `cost_said`.
    cost, "cost", "cost_said"
}
in_two_fields! {
    /// `downtime` and `downtime_said`.
    downtime, "downtime", "downtime_said"
}
in_two_fields! {
    /// `data_risk` and `data_risk_said`.
    data_risk, "data_risk", "data_risk_said"
}
in_two_fields! {
    /// `note` and `note_said`.
    note, "note", "note_said"
}
in_two_fields! {
    /// `text` and `text_said`.
    text, "text", "text_said"
}
in_two_fields! {
    /// `reason` and `reason_said`.
    reason, "reason", "reason_said"
}
in_two_fields! {
    /// `reason` and `reason_said`; neither where there is none.
    maybe_reason, "reason", "reason_said", some
}
in_two_fields! {
    /// `decided_before` and `decided_before_said`.
    decided_before, "decided_before", "decided_before_said"
}
in_two_fields! {
    /// `decided_after` and `decided_after_said`.
    decided_after, "decided_after", "decided_after_said"
}

/// Modules for `#[serde(flatten, with = "...")]`: sentences as their English in one list, and ids
/// and arguments in another of the same length.
macro_rules! in_two_lists {
    ($(#[$meta:meta])* $module:ident, $english:literal, $said:literal $(, $left_out:literal)?) => {
        $(#[$meta])*
        pub mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            use super::{Said, Tagged};

            #[derive(Serialize, Deserialize)]
            struct Fields {
                #[serde(default, rename = $english $(, skip_serializing_if = $left_out)?)]
                english: Vec<String>,
                #[serde(default, rename = $said, skip_serializing_if = "Vec::is_empty")]
                said: Vec<Option<Tagged>>,
            }

            pub fn serialize<S: Serializer>(held: &[Said], to: S) -> Result<S::Ok, S::Error> {
                let fields = Fields {
                    english: held.iter().map(|said| said.english.clone()).collect(),
                    said: held.iter().map(Said::tagged).collect(),
                };
                fields.serialize(to)
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Said>, D::Error> {
                let fields = Fields::deserialize(from)?;
                let mut said = fields.said.into_iter();
                let sentences = fields.english.into_iter().map(|english| {
                    let Tagged { id, args } = said.next().flatten().unwrap_or_default();
                    Said { id, english, args }
                });
                Ok(sentences.collect())
            }
        }
    };
}

in_two_lists! {
    /// `changes` and `changes_said`.
    changes, "changes", "changes_said"
}
in_two_lists! {
    /// `warnings` and `warnings_said`.
    warnings, "warnings", "warnings_said"
}
in_two_lists! {
    /// The same; neither where there is nothing to warn of.
    some_warnings, "warnings", "warnings_said", "Vec::is_empty"
}
in_two_lists! {
    /// `login_before` and `login_before_said`.
    login_before, "login_before", "login_before_said"
}
in_two_lists! {
    /// `login_after` and `login_after_said`.
    login_after, "login_after", "login_after_said"
}
in_two_lists! {
    /// `learnt` and `learnt_said`; neither where nothing was learnt.
    learnt, "learnt", "learnt_said", "Vec::is_empty"
}
