//! Colours by role, from TOML files, degraded to what the terminal can show.
//!
//! The default uses the sixteen ANSI names and the terminal's own background. Must not live
//! here: reading files (`runtime`), finding out what the terminal can (`terminal::capability`).

use std::collections::BTreeMap;

use super::said;
use crate::domain::said::Said;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// How many colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// No colour at all: bold, reverse and underline only.
    Mono,
    Ansi16,
    Indexed256,
    True,
}

/// Styles by role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    pub name: String,
    pub text: Style,
    pub dim: Style,
    pub title: Style,
    pub border: Style,
    pub focus: Style,
    pub selected: Style,
    pub good: Style,
    pub warn: Style,
    pub bad: Style,
    pub accent: Style,
    pub bar: Style,
    pub key: Style,
    pub badge: Style,
    pub code: Style,
}

/// A theme file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub struct ThemeError {
    pub file: String,
    pub what: Said,
}

impl ThemeError {
    /// The sentence.
    pub fn said(&self) -> Said {
        said::theme_fault(&self.file, &self.what)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeFile {
    name: String,
    #[serde(default)]
    roles: BTreeMap<String, RoleFile>,
}

#[allow(clippy::struct_excessive_bools)] // attributes of a file, each its own switch
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RoleFile {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    dim: bool,
    reverse: bool,
    underline: bool,
}

/// The shipped themes: name and text.
const SHIPPED: &[(&str, &str)] = &[
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    (
        "high-contrast",
        include_str!("../../themes/high-contrast.toml"),
    ),
    ("16-colour", include_str!("../../themes/16-colour.toml")),
    (
        "colour-blind",
        include_str!("../../themes/colour-blind.toml"),
    ),
];

impl Theme {
    /// Names of the shipped themes.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// The shipped theme of that name.
    pub fn shipped(name: &str) -> Option<Self> {
        let (file, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        Self::parse(file, text).ok()
    }

    /// The theme that is used when nothing is chosen.
    pub fn fallback() -> Self {
        Self::shipped("dark").unwrap_or_else(Self::blank)
    }

    fn blank() -> Self {
        let plain = Style::default();
        Self {
            name: "plain".into(),
            text: plain,
            dim: plain,
            title: plain,
            border: plain,
            focus: plain,
            selected: plain.add_modifier(Modifier::REVERSED),
            good: plain,
            warn: plain,
            bad: plain,
            accent: plain,
            bar: plain,
            key: plain,
            badge: plain.add_modifier(Modifier::REVERSED),
            code: plain,
        }
    }

    /// Reads a theme file; the error names the file, and the line where there is one.
    pub fn parse(file: &str, text: &str) -> Result<Self, ThemeError> {
        let fault = |what: Said| ThemeError {
            file: file.to_owned(),
            what,
        };
        let parsed: ThemeFile = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |s| {
                text[..s.start.min(text.len())].lines().count().max(1)
            });
            fault(said::theme_line(line, error.message()))
        })?;
        let mut theme = Self::blank();
        theme.name = parsed.name;
        for (role, value) in &parsed.roles {
            let style = value
                .style()
                .map_err(|colour| fault(said::theme_no_colour(role, colour)))?;
            let slot = theme
                .slot(role)
                .ok_or_else(|| fault(said::theme_no_role(role)))?;
            *slot = style;
        }
        Ok(theme)
    }

    fn slot(&mut self, role: &str) -> Option<&mut Style> {
        Some(match role {
            "text" => &mut self.text,
            "dim" => &mut self.dim,
            "title" => &mut self.title,
            "border" => &mut self.border,
            "focus" => &mut self.focus,
            "selected" => &mut self.selected,
            "good" => &mut self.good,
            "warn" => &mut self.warn,
            "bad" => &mut self.bad,
            "accent" => &mut self.accent,
            "bar" => &mut self.bar,
            "key" => &mut self.key,
            "badge" => &mut self.badge,
            "code" => &mut self.code,
            _ => return None,
        })
    }

    /// The same theme in the colours that a terminal has.
    #[must_use]
    pub fn degraded(mut self, depth: Depth) -> Self {
        for role in [
            "text", "dim", "title", "border", "focus", "selected", "good", "warn", "bad", "accent",
            "bar", "key", "badge", "code",
        ] {
            if let Some(style) = self.slot(role) {
                let had_background = style.bg.is_some();
                style.fg = style.fg.and_then(|c| degrade(c, depth));
                style.bg = style.bg.and_then(|c| degrade(c, depth));
                // Without colours, what stood out by its background is reversed instead.
                if had_background && style.bg.is_none() {
                    *style = style.add_modifier(Modifier::REVERSED);
                }
            }
        }
        self
    }
}

impl RoleFile {
    fn style(&self) -> Result<Style, String> {
        let mut style = Style::default();
        if let Some(fg) = &self.fg {
            style = style.fg(colour(fg).ok_or_else(|| fg.clone())?);
        }
        if let Some(bg) = &self.bg {
            style = style.bg(colour(bg).ok_or_else(|| bg.clone())?);
        }
        for (wanted, modifier) in [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            (self.reverse, Modifier::REVERSED),
            (self.underline, Modifier::UNDERLINED),
        ] {
            if wanted {
                style = style.add_modifier(modifier);
            }
        }
        Ok(style)
    }
}

const ANSI: [(&str, Color, (u8, u8, u8)); 16] = [
    ("black", Color::Black, (0, 0, 0)),
    ("red", Color::Red, (205, 0, 0)),
    ("green", Color::Green, (0, 205, 0)),
    ("yellow", Color::Yellow, (205, 205, 0)),
    ("blue", Color::Blue, (0, 0, 238)),
    ("magenta", Color::Magenta, (205, 0, 205)),
    ("cyan", Color::Cyan, (0, 205, 205)),
    ("white", Color::Gray, (229, 229, 229)),
    ("bright-black", Color::DarkGray, (127, 127, 127)),
    ("bright-red", Color::LightRed, (255, 0, 0)),
    ("bright-green", Color::LightGreen, (0, 255, 0)),
    ("bright-yellow", Color::LightYellow, (255, 255, 0)),
    ("bright-blue", Color::LightBlue, (92, 92, 255)),
    ("bright-magenta", Color::LightMagenta, (255, 0, 255)),
    ("bright-cyan", Color::LightCyan, (0, 255, 255)),
    ("bright-white", Color::White, (255, 255, 255)),
];

fn colour(text: &str) -> Option<Color> {
    if let Some((_, colour, _)) = ANSI.iter().find(|(name, ..)| *name == text) {
        return Some(*colour);
    }
    if text == "default" {
        return Some(Color::Reset);
    }
    if let Some(hex) = text.strip_prefix('#') {
        if hex.len() != 6 || !hex.is_ascii() {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
        return Some(Color::Rgb(part(0)?, part(2)?, part(4)?));
    }
    text.parse::<u8>().ok().map(Color::Indexed)
}

fn degrade(colour: Color, depth: Depth) -> Option<Color> {
    match (depth, colour) {
        (Depth::Mono, _) => None,
        (Depth::True, c) | (Depth::Indexed256, c @ Color::Indexed(_)) => Some(c),
        (Depth::Indexed256, Color::Rgb(r, g, b)) => Some(Color::Indexed(cube(r, g, b))),
        (Depth::Ansi16, Color::Rgb(r, g, b)) => Some(nearest(r, g, b)),
        (Depth::Ansi16, Color::Indexed(index)) => {
            let (r, g, b) = indexed(index);
            Some(nearest(r, g, b))
        }
        (_, c) => Some(c),
    }
}

/// The nearest entry of the 6x6x6 cube.
fn cube(r: u8, g: u8, b: u8) -> u8 {
    let level = |v: u8| (u16::from(v) * 5 + 127) / 255;
    (16 + 36 * level(r) + 6 * level(g) + level(b)) as u8
}

fn indexed(index: u8) -> (u8, u8, u8) {
    match index {
        0..=15 => ANSI[usize::from(index)].2,
        16..=231 => {
            let n = index - 16;
            let level = |v: u8| if v == 0 { 0 } else { 55 + v * 40 };
            (level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        _ => {
            let grey = 8 + (index - 232) * 10;
            (grey, grey, grey)
        }
    }
}

fn nearest(r: u8, g: u8, b: u8) -> Color {
    let distance = |(x, y, z): (u8, u8, u8)| {
        let d = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
        d(r, x) + d(g, y) + d(b, z)
    };
    ANSI.iter()
        .min_by_key(|(_, _, rgb)| distance(*rgb))
        .map_or(Color::Reset, |(_, colour, _)| *colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_theme_is_read_and_named_as_its_file() {
        for (name, text) in SHIPPED {
            let theme = Theme::parse(name, text).unwrap();
            assert_eq!(theme.name, *name);
        }
    }

    #[test]
    fn without_colours_no_colour_is_left_and_the_selection_still_shows() {
        for name in Theme::shipped_names() {
            let theme = Theme::shipped(name).unwrap().degraded(Depth::Mono);
            assert!(!format!("{theme:?}").contains("fg: Some"), "{theme:?}");
            assert!(
                theme.selected.add_modifier.contains(Modifier::REVERSED),
                "{name}"
            );
        }
    }

    #[test]
    fn sixteen_colours_are_only_the_sixteen() {
        for name in Theme::shipped_names() {
            let text = format!(
                "{:?}",
                Theme::shipped(name).unwrap().degraded(Depth::Ansi16)
            );
            assert!(
                !text.contains("Rgb(") && !text.contains("Indexed("),
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_colour_is_named() {
        let error = Theme::parse(
            "mine.toml",
            "name = \"x\"\n[roles]\nbad = { fg = \"rot\" }\n",
        )
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("mine.toml") && error.contains("`rot`"),
            "{error}"
        );
    }
}
