//! Figures close to the one at which a state begins: a hundredth more must not turn a diagnosis
//! around. Walks each scale of `evidence.toml` up in surroundings in which its group decides.

use std::collections::BTreeMap;

use cvmtop::diagnosis::{Case, Knowledge, diagnose};
use cvmtop::domain::evidence::{Path, Reading, Source, State, group, state_at};
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::{InstanceSummary, Report};
use cvmtop::domain::said::Said;

const CLEAR: &str = "instance-state=running restriction=normal account-balance=positive public-address=present \
     public-bandwidth=nonzero ddos-block=none security-group=allow network-acl=none route=ok";

/// What is seen of the login itself while the figure rises.
const SURROUNDINGS: [&str; 6] = [
    "reach/public=open banner/public=silent",
    "reach/public=open banner/public=slow",
    "reach/public=flaky banner/public=mixed",
    "reach/public=open banner/public=fast kex/public=hang",
    "reach/public=silent-icmp-only agent=offline-recent",
    "reach/public=open banner/public=closed",
];

/// Steps from one end of a blend to the other, and a few beyond each.
const STEPS: i32 = 40;
/// The most that a cause may gain or lose in one step.
const MOST: f64 = 0.05;

fn readings(text: &str) -> Vec<Reading> {
    let words = text.split_whitespace();
    words
        .map(|word| {
            let (key, state) = word.split_once('=').unwrap();
            let id = key.split('/').next().unwrap();
            let reading = Reading::observed(State::new(id, state), Source::Cloud, Said::raw(""));
            if key.contains('/') {
                reading.on_path(Path::Public)
            } else {
                reading
            }
        })
        .collect()
}

fn weigh(readings: &[Reading]) -> Report {
    let case = Case {
        instance: InstanceSummary {
            os: Os::Linux,
            login_port: 22,
            ..Default::default()
        },
        readings,
        ..Case::default()
    };
    diagnose(Knowledge::shipped(), &case)
}

/// The figures that are looked at: across each of the scale's.
fn figures(scale: impl Iterator<Item = f64>, blend: f64) -> Vec<Vec<f64>> {
    let across = |from: f64| {
        let step = 2.0 * blend / f64::from(STEPS);
        let around = -STEPS / 2 - 2..=STEPS / 2 + 2;
        around.map(|n| from + step * f64::from(n)).collect()
    };
    scale.map(across).collect()
}

/// The most that any cause moves in one step of a scale, and where.
fn widest_step(
    group: &'static str,
    on_path: bool,
    walks: &[Vec<f64>],
    graded: bool,
) -> (f64, String) {
    let mut widest = (0.0, String::new());
    for (around, walk) in SURROUNDINGS
        .iter()
        .flat_map(|s| walks.iter().map(move |w| (s, w)))
    {
        let mut known = readings(&format!("{CLEAR} {around}"));
        known.retain(|reading| reading.id != group);
        let mut before: BTreeMap<String, f64> = BTreeMap::new();
        for &figure in walk {
            let mut reading =
                Reading::observed(state_at(group, figure), Source::Cloud, Said::raw(""));
            if on_path {
                reading = reading.on_path(Path::Public);
            }
            if graded {
                reading = reading.measured(figure);
            }
            let mut all = known.clone();
            all.push(reading);
            for cause in weigh(&all).causes {
                let now = cause.probability;
                let was = before.insert(cause.id.clone(), now).unwrap_or(now);
                if (now - was).abs() > widest.0 {
                    let told = format!(
                        "{}: {was:.2} to {now:.2} at {group} {figure:.2} with {around}",
                        cause.id
                    );
                    widest = ((now - was).abs(), told);
                }
            }
        }
    }
    widest
}

#[test]
fn no_figure_turns_a_diagnosis_around() {
    let groups: [(&str, bool); 7] = [
        (group::MEMORY, false),
        (group::CPU, false),
        (group::DISK, false),
        (group::DISK_IO, false),
        (group::BANDWIDTH_USE, false),
        (group::PATH_QUALITY, true),
        (group::BANNER, true),
    ];
    let evidence = &Knowledge::shipped().evidence;
    let known = evidence.iter().filter(|group| !group.scale.is_empty());
    assert_eq!(known.count(), groups.len(), "each scale is walked");
    let mut cliffs = 0;
    for (id, on_path) in groups {
        let of = evidence.iter().find(|group| group.id == id).unwrap();
        let walks = figures(of.scale.values().copied(), of.blend);
        let bare = widest_step(id, on_path, &walks, false);
        let graded = widest_step(id, on_path, &walks, true);
        println!(
            "{id}: at most {:.3}, was {:.3} ({})",
            graded.0, bare.0, bare.1
        );
        assert!(graded.0 <= MOST, "{}", graded.1);
        cliffs += usize::from(bare.0 > 0.2);
    }
    assert!(cliffs >= 3, "without figures there are cliffs: {cliffs}");
}

/// Well away from the figures a measured reading weighs what its state weighs.
#[test]
fn between_the_figures_a_state_is_a_state() {
    for figure in [50.0, 93.0, 99.5] {
        let mut all = readings(&format!("{CLEAR} {}", SURROUNDINGS[0]));
        all.push(Reading::observed(
            state_at("memory", figure),
            Source::Cloud,
            Said::raw(""),
        ));
        let bare = weigh(&all);
        let last = all.pop().unwrap();
        all.push(last.measured(figure));
        let measured = weigh(&all);
        for (a, b) in bare.causes.iter().zip(&measured.causes) {
            assert_eq!((&a.id, a.probability), (&b.id, b.probability), "{figure}");
        }
    }
}
