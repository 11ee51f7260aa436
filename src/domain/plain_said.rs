//! Sentences of the plain types: names of accounts, what a person says, how a path was before;
//! `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "domain":
    no_account_name(name: Raw, why: Said) = "`{name}` cannot be an account name: {why}";
    name_empty() = "it is empty";
    name_long(most: Number) = "it is longer than {most} bytes";
    name_option() = "it begins with `-`";
    name_control() = "it holds a control character";
    name_blank() = "it holds a blank";
    name_holds(sign: Raw) = "it holds `{sign}`";
    person_says(state: Word) = "a person says: {state}";
    path_before(since: Name, lost: Number, sent: Number, share: Figure) = "before, since {since} UTC: {lost} of {sent} lost ({share})";
    path_before_typical(since: Name, lost: Number, sent: Number, share: Figure, typical: Figure) = "before, since {since} UTC: {lost} of {sent} lost ({share}), {typical} typical";
}
