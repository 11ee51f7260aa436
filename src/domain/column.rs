//! Columns of a list of instances, as they are chosen by name.
//!
//! Must not live here: how wide they are or what stands in them (`view`).

/// A column beside the name, which is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    Address,
    State,
    Login,
    Age,
    Region,
    Cause,
    Zone,
    Os,
    Id,
}

impl Column {
    pub const ALL: [Self; 9] = [
        Self::Address,
        Self::State,
        Self::Login,
        Self::Age,
        Self::Region,
        Self::Cause,
        Self::Zone,
        Self::Os,
        Self::Id,
    ];

    /// Those of a console where nobody has chosen, in their order.
    pub const SHIPPED: [Self; 6] = [
        Self::Address,
        Self::State,
        Self::Login,
        Self::Age,
        Self::Region,
        Self::Cause,
    ];

    /// The word of config and history.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::State => "state",
            Self::Login => "login",
            Self::Age => "age",
            Self::Region => "region",
            Self::Cause => "cause",
            Self::Zone => "zone",
            Self::Os => "os",
            Self::Id => "id",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.as_str() == word)
    }
}

/// Which columns there are, in their order; `None`: the shipped ones, by worth as far as they fit.
pub type Chosen = Option<Vec<Column>>;

/// Stands for no choice where a choice is kept as text.
const SHIPPED: &str = "shipped";
/// Stands for no column beside the name.
const NONE: &str = "none";

/// A choice as one text, to be kept.
pub fn to_text(chosen: &Chosen) -> String {
    match chosen.as_deref() {
        None => SHIPPED.to_owned(),
        Some([]) => NONE.to_owned(),
        Some(columns) => {
            let words: Vec<&str> = columns.iter().map(|column| column.as_str()).collect();
            words.join(",")
        }
    }
}

/// The choice of a text that was kept; a column that another version knew is left out.
pub fn from_text(text: &str) -> Chosen {
    match text {
        SHIPPED => None,
        NONE => Some(Vec::new()),
        columns => {
            let known: Vec<Column> = columns.split(',').filter_map(Column::parse).collect();
            (!known.is_empty()).then_some(known)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_survives_being_kept() {
        for chosen in [
            None,
            Some(Vec::new()),
            Some(vec![Column::Id]),
            Some(Column::ALL.to_vec()),
        ] {
            assert_eq!(from_text(&to_text(&chosen)), chosen);
        }
        assert_eq!(from_text("login,colour"), Some(vec![Column::Login]));
        assert_eq!(from_text("colour"), None);
    }
}
