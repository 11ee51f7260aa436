//! The table and its sums.

use std::time::Duration;

use serde_json::Value;

use super::Scenario;

pub enum End {
    Restored,
    NotRestored,
    AdviceOnly,
    /// The scenario itself is not what it says.
    Wrong(String),
}

/// One action that was taken.
pub struct Step {
    pub action: String,
    pub outcome: String,
    /// Whether the program says that the login is back.
    pub back: Option<bool>,
    pub says: String,
    pub seconds: f64,
    /// Whether the client got in.
    pub helped: bool,
}

impl Step {
    /// It says that the login is back, and the client stays outside.
    fn promises(&self) -> bool {
        !self.helped && self.back == Some(true)
    }
}

pub struct Row {
    pub name: String,
    pub kind: String,
    /// Other words of the catalogue for the same.
    pub also: Vec<String>,
    /// The client's last words.
    pub says: String,
    /// The causes of the first diagnosis, and all of them for who asks.
    pub cause: String,
    pub seen: Vec<String>,
    /// Of each kind of look: the leading cause and its probability.
    pub leads: Vec<(String, f64)>,
    /// The first offer was for a person, though one that can be run came after it.
    pub advice_first: bool,
    pub steps: Vec<Step>,
    pub end: End,
    pub undo: Option<Result<(), String>>,
    pub seconds: f64,
}

impl Row {
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.clone(),
            kind: scenario.kind.clone(),
            also: scenario.also.clone(),
            says: String::new(),
            cause: String::new(),
            seen: Vec::new(),
            leads: Vec::new(),
            advice_first: false,
            steps: Vec::new(),
            end: End::NotRestored,
            undo: None,
            seconds: 0.0,
        }
    }

    /// Notes what leads.
    pub fn leads(&mut self, report: &Value) {
        let cause = &report["causes"][0];
        let id = cause["id"].as_str().unwrap_or("?").to_owned();
        let p = cause["probability"].as_f64().unwrap_or_default();
        self.leads.push((id, p));
    }

    /// Notes a diagnosis.
    pub fn saw(&mut self, report: &Value, offers: &[Value], seconds: f64) {
        let causes = report["causes"].as_array().cloned().unwrap_or_default();
        if self.cause.is_empty() {
            self.leads(report);
        }
        let named = |cause: &Value| {
            let id = cause["id"].as_str().unwrap_or("?");
            format!(
                "{id} {:.2}",
                cause["probability"].as_f64().unwrap_or_default()
            )
        };
        if self.cause.is_empty() {
            self.cause = causes.first().map(named).unwrap_or_default();
        }
        let causes: Vec<_> = causes.iter().take(4).map(named).collect();
        let offers: Vec<_> = offers
            .iter()
            .take(5)
            .map(|o| format!("{}{}", o["id"].as_str().unwrap_or("?"), o["parameters"]))
            .collect();
        let odd: Vec<_> = report["evidence"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|r| {
                r["id"]
                    .as_str()
                    .is_some_and(|id| id.starts_with("guest-") || id == "agent")
            })
            .filter_map(|r| {
                Some((
                    r["id"].as_str()?,
                    r["state"].as_str().or(r["status"].as_str())?,
                ))
            })
            .filter(|(_, state)| !matches!(*state, "ok" | "none" | "not-applicable" | "normal"))
            .map(|(id, state)| format!("{id}={state}"))
            .collect();
        self.seen.push(format!(
            "{seconds:.0} s: {} | {} | {}",
            causes.join(", "),
            offers.join(" "),
            odd.join(" ")
        ));
    }

    /// A cause that says what is broken here; several words of the catalogue may.
    fn is_right(&self, id: &str) -> bool {
        self.kind == id || self.also.iter().any(|also| also == id)
    }

    fn is_first(&self) -> bool {
        matches!(self.end, End::Restored) && self.steps.len() == 1 && !self.advice_first
    }

    fn is_first_runnable(&self) -> bool {
        matches!(self.end, End::Restored) && self.steps.len() == 1
    }

    fn came(&self) -> String {
        let exact = match &self.undo {
            None => "",
            Some(Ok(())) => ", undone exactly",
            Some(Err(_)) => ", NOT undone",
        };
        match &self.end {
            End::Restored if self.is_first() => format!("first{exact}"),
            End::Restored if self.steps.len() == 1 => {
                format!("first runnable, after advice{exact}")
            }
            End::Restored => format!("number {}{exact}", self.steps.len()),
            End::NotRestored => "NOT RESTORED".to_owned(),
            End::AdviceOnly => "ADVICE ONLY".to_owned(),
            End::Wrong(why) => format!("WRONG SCENARIO: {why}"),
        }
    }
}

pub struct Sums {
    all: usize,
    first: usize,
    within: usize,
    wrong: Vec<String>,
}

impl Sums {
    pub fn reach(&self, first: usize, within: usize) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        let share = |count: usize| count * 100 / self.all;
        assert!(
            share(self.first) >= first,
            "the first action restores {} %, not {first} %",
            share(self.first)
        );
        assert!(
            share(self.within) >= within,
            "three actions restore {} %, not {within} %",
            share(self.within)
        );
    }
}

/// One line, and what lies behind it where that is asked for or not all went well.
pub fn print(row: &Row) {
    let tell = std::env::var_os("RESTORED_SAY").is_some();
    let actions: Vec<_> = row.steps.iter().map(|s| s.action.as_str()).collect();
    println!(
        "| {}: {} | {} | {} | {} | {:.0} |",
        row.kind,
        row.name,
        row.cause,
        actions.join(", then "),
        row.came(),
        row.seconds
    );
    if !tell && row.is_first() && !matches!(row.undo, Some(Err(_))) {
        return;
    }
    println!("    the client: {}", row.says);
    for seen in &row.seen {
        println!("    seen in {seen}");
    }
    for step in &row.steps {
        let promise = if step.promises() { " (PROMISED)" } else { "" };
        println!(
            "    {} in {:.0} s: {}{promise}: {}",
            step.action, step.seconds, step.outcome, step.says
        );
    }
    if let Some(Err(why)) = &row.undo {
        println!("    the undo: {why}");
    }
}

pub fn sum(rows: &[Row], took: Duration) -> Sums {
    let count = |test: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| test(row)).count();
    let first = count(&Row::is_first);
    let runnable = count(&Row::is_first_runnable);
    let within = count(&|row| matches!(row.end, End::Restored));
    let promises = count(&|row| row.steps.iter().any(Step::promises));
    let undone = count(&|row| matches!(row.undo, Some(Ok(()))));
    let looked = count(&|row| row.undo.is_some());
    println!(
        "{} scenarios in {:.0} s: first action {first}, first runnable {runnable}, within three {within}, advice only {}, not restored {}, says that it is back and is not {promises}, undone exactly {undone} of {looked}",
        rows.len(),
        took.as_secs_f64(),
        count(&|row| matches!(row.end, End::AdviceOnly)),
        count(&|row| matches!(row.end, End::NotRestored)),
    );
    leads(rows);
    let wrong = rows.iter().filter_map(|row| match &row.end {
        End::Wrong(why) => Some(format!("{}: {}: {why}", row.kind, row.name)),
        _ => None,
    });
    Sums {
        all: rows.len(),
        first,
        within,
        wrong: wrong.collect(),
    }
}

/// How often a cause that leads with so much is the right one.
fn leads(rows: &[Row]) {
    for (low, high) in [(0.0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)] {
        let all = rows.iter().flat_map(|row| {
            let leads = row.leads.iter().filter(|(_, p)| (low..high).contains(p));
            leads.map(move |(id, p)| (row, id, *p))
        });
        let all: Vec<_> = all.collect();
        let right = all.iter().filter(|(row, id, _)| row.is_right(id)).count();
        let mean = all.iter().map(|(.., p)| p).sum::<f64>() / all.len().max(1) as f64;
        println!(
            "leads of {low:.1} to {:.1}: {right} of {} right, {mean:.2} said",
            high.min(1.0),
            all.len()
        );
        if std::env::var_os("RESTORED_SAY").is_some() && high < 0.8 {
            for (row, id, p) in all {
                let right = if row.is_right(id) { "right" } else { "WRONG" };
                println!("    {right} {p:.2} {id}: {}: {}", row.kind, row.name);
            }
        }
    }
}
