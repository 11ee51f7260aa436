//! The notation of templates: text with `{name}` and `{name:form}`.
//!
//! Must not live here: what a form does (the parent module, `korean`).

/// A stretch of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Literal(&'t str),
    Blank {
        name: &'t str,
        /// Behind the colon: in English the noun that is counted, in Korean the particle.
        form: Option<&'t str>,
    },
}

/// The stretches of a template. A brace that is never closed is text.
pub(super) fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(at) = rest.find('{') else {
            return Some(Piece::Literal(std::mem::take(&mut rest)));
        };
        if at > 0 {
            let (literal, after) = rest.split_at(at);
            rest = after;
            return Some(Piece::Literal(literal));
        }
        let Some(end) = rest.find('}') else {
            return Some(Piece::Literal(std::mem::take(&mut rest)));
        };
        let blank = &rest[1..end];
        rest = &rest[end + 1..];
        Some(match blank.split_once(':') {
            Some((name, form)) => Piece::Blank {
                name,
                form: Some(form),
            },
            None => Piece::Blank {
                name: blank,
                form: None,
            },
        })
    })
}
