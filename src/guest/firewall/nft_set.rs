//! Membership in nftables' sets and maps.
//!
//! Must not live here: how a set is written (`nft_text`), or what follows from it (`nft`).

use super::nft::{Constant, Element, equal};
use super::nft_field::Kind;
use super::said;
use super::value::{Tri, Value};
use super::walk::{Table, Walk};
use crate::domain::said::Said;

fn element_matches(values: &[(Value, Kind)], element: &Element, v6: bool) -> Tri {
    if element.key.len() != values.len() {
        let any = [Constant::Word("*".into())];
        return if element.key == any {
            Tri::Yes
        } else {
            Tri::maybe(said::member_shape())
        };
    }
    let hit = values
        .iter()
        .zip(&element.key)
        .fold(Tri::Yes, |sum, ((value, kind), constant)| {
            if sum == Tri::No {
                return sum;
            }
            sum.and(equal(value, constant, *kind, v6))
        });
    if element.limited {
        hit.and(Tri::maybe(said::member_rate()))
    } else {
        hit
    }
}

/// Whether one of the members is met.
pub(super) fn member(values: &[(Value, Kind)], elements: &[Element], v6: bool) -> Tri {
    elements
        .iter()
        .fold(Tri::No, |sum, e| sum.or(element_matches(values, e, v6)))
}

/// What a map or set has for a key.
pub(super) enum Found {
    One(Element),
    Nothing,
    Unclear(Said),
}

/// The member that a key meets; the catch-all only where no other does.
pub(super) fn among(values: &[(Value, Kind)], elements: &[Element], v6: bool) -> Found {
    let mut rest = None;
    for element in elements {
        if element.key == [Constant::Word("*".into())] {
            rest = Some(element);
            continue;
        }
        match element_matches(values, element, v6) {
            Tri::Yes => return Found::One(element.clone()),
            Tri::No => {}
            Tri::Maybe(what) => return Found::Unclear(what),
        }
    }
    rest.map_or(Found::Nothing, |e| Found::One(e.clone()))
}

/// The member of a named set, also of one that was too long to be sent whole.
pub(super) fn find(
    walk: &Walk<'_, '_>,
    table: &Table,
    values: &[(Value, Kind)],
    name: &str,
) -> Found {
    let Some(set) = table.sets.get(name) else {
        return Found::Unclear(said::set_absent(name));
    };
    let v6 = walk.flow.v6;
    if !set.left_out {
        return among(values, &set.elements, v6);
    }
    for (key, answer) in &set.asked {
        let same = key.len() == values.len()
            && key
                .iter()
                .zip(values)
                .all(|(k, (value, kind))| equal(value, k, *kind, v6) == Tri::Yes);
        if same {
            return match answer {
                Some(elements) => among(values, elements, v6),
                None => Found::Nothing,
            };
        }
    }
    if values
        .iter()
        .any(|(v, _)| matches!(v, Value::Elsewhere { .. }))
    {
        return Found::Nothing;
    }
    Found::Unclear(said::set_too_long(name))
}
