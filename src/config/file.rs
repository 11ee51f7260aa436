//! The config file as a list of entries, each with its line.
//!
//! Must not live here: which entries exist (`keys`), precedence (`layers`).

use toml::de::{DeTable, DeValue};

use super::value::{Kind, Raw};

/// One `key = value` of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Dotted key.
    pub key: String,
    pub value: Raw,
    pub line: usize,
}

/// One `[[host]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTable {
    pub line: usize,
    pub entries: Vec<Leaf>,
}

/// A parsed file. What cannot be parsed is an error with its line; the rest still counts.
#[derive(Debug, Default)]
pub struct Parsed {
    pub leaves: Vec<Leaf>,
    pub hosts: Vec<HostTable>,
    /// Line and message.
    pub errors: Vec<(usize, String)>,
}

/// Reads the text of a config file.
pub fn parse(text: &str) -> Parsed {
    let (table, errors) = DeTable::parse_recoverable(text);
    // Thousands of hosts have tens of thousands of lines: the ends are looked for once.
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let line_of = |offset: usize| 1 + ends.partition_point(|end| *end < offset);
    let mut parsed = Parsed::default();
    let mut last_line = 0;
    for error in &errors {
        let line = line_of(error.span().map_or(0, |span| span.start));
        // One mistake often makes the parser stumble several times on its line.
        if line != last_line {
            let message = error
                .message()
                .lines()
                .next()
                .unwrap_or("not TOML")
                .to_owned();
            parsed.errors.push((line, message));
        }
        last_line = line;
    }
    // A line that does not parse can leave a fragment behind that was never meant.
    let spoilt: Vec<usize> = parsed.errors.iter().map(|(line, _)| *line).collect();
    walk(table.get_ref(), "", &line_of, &mut parsed);
    parsed.leaves.retain(|leaf| !spoilt.contains(&leaf.line));
    parsed.leaves.sort_by_key(|leaf| leaf.line);
    parsed
}

fn walk(table: &DeTable<'_>, prefix: &str, line_of: &dyn Fn(usize) -> usize, parsed: &mut Parsed) {
    for (key, value) in table {
        let name = if prefix.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{prefix}.{}", key.get_ref())
        };
        let line = line_of(key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => walk(inner, &name, line_of, parsed),
            DeValue::Array(items)
                if name == "host" && items.iter().all(|i| i.get_ref().is_table()) =>
            {
                for item in items {
                    let Some(inner) = item.get_ref().as_table() else {
                        continue;
                    };
                    let mut host = Parsed::default();
                    walk(inner, "host", line_of, &mut host);
                    host.leaves.sort_by_key(|leaf| leaf.line);
                    parsed.hosts.push(HostTable {
                        line: host
                            .leaves
                            .first()
                            .map_or(line_of(item.span().start), |leaf| leaf.line),
                        entries: host.leaves,
                    });
                }
            }
            other => parsed.leaves.push(Leaf {
                key: name,
                value: raw(other),
                line,
            }),
        }
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str();
            i64::from_str_radix(digits, number.radix())
                .map_or(Raw::Other(Kind::TooLarge), Raw::Integer)
        }
        DeValue::Boolean(value) => Raw::Bool(*value),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Float(_) => Raw::Other(Kind::Float),
        DeValue::Datetime(_) => Raw::Other(Kind::Date),
        DeValue::Table(_) => Raw::Other(Kind::Table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_its_line() {
        let parsed = parse(
            "# c\nread_only = true\n[ui]\n\ntheme = \"dark\"\n[[host]]\nname = \"a\"\nport = 22\n[[host]]\nname = \"b\"\n",
        );
        let lines: Vec<_> = parsed
            .leaves
            .iter()
            .map(|l| (l.key.as_str(), l.line))
            .collect();
        assert_eq!(lines, [("read_only", 2), ("ui.theme", 5)]);
        assert_eq!(parsed.hosts.len(), 2);
        assert_eq!((parsed.hosts[0].line, parsed.hosts[1].line), (7, 10));
        assert!(parsed.errors.is_empty());
    }

    #[test]
    fn a_broken_line_does_not_take_the_others_with_it() {
        let parsed = parse("read_only = true\n[ui]\ntheme = = \"dark\"\nmouse = true\n");
        assert_eq!(parsed.errors.len(), 1);
        assert_eq!(parsed.errors[0].0, 3);
        let keys: Vec<_> = parsed.leaves.iter().map(|l| l.key.as_str()).collect();
        assert_eq!(keys, ["read_only", "ui.mouse"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            parse(&text);
        }

        #[test]
        fn no_text_like_a_config_makes_it_panic(text in "[\\[\\]a-c.=\"'#\n 0-9{},]{0,120}") {
            parse(&text);
        }
    }
}
