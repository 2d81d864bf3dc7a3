//! Which model needs which ordering, and tests that the checker can fail.

use super::scenario::{Planted, Scenario};
use super::scenarios::{all, planted};
use crate::harness::reached::State;
use crate::harness::report::table;
use crate::harness::sites::{Expected, Site, Source, find, weakened};

/// Weakens each ordering in turn: some model must need it.
pub(crate) fn judge(sources: &[Source], scenarios: &[&'static Scenario]) -> Result<String, String> {
    let mut touched = Vec::new();
    for scenario in scenarios {
        touched.push(find(sources, Expected::Some, || scenario.enumerate())?);
    }
    let judged = find(sources, Expected::All, || {
        scenarios.iter().for_each(|scenario| scenario.enumerate());
    })?;
    let header = ["ordering made Relaxed", "AArch64", "ldapr", "C11"];
    let mut rows = vec![header.map(str::to_owned)];
    let mut unneeded = Vec::new();
    for (source, site) in judged {
        let name = source.name(site);
        let mut met: [Option<&str>; 3] = [None; 3];
        // A scenario that does not execute the site is unchanged.
        let touches = |sites: &Vec<(&Source, Site)>| sites.iter().any(|&(_, other)| other == site);
        for (scenario, _) in scenarios.iter().zip(&touched).filter(|(_, t)| touches(t)) {
            let explored = weakened(site, || scenario.explore(met.map(|met| met.is_none())));
            for (met, verdict) in met.iter_mut().zip(&explored.verdicts) {
                if met.is_none() && verdict.met.is_some() {
                    *met = Some(scenario.name);
                }
            }
            if met.iter().all(Option::is_some) {
                break;
            }
        }
        if met == [None; 3] {
            unneeded.push(name.clone());
        }
        let [aarch64, rcpc, c11] = met.map(|met| met.unwrap_or("-").to_owned());
        rows.push([name, aarch64, rcpc, c11]);
    }
    let table = table(&rows);
    match unneeded.is_empty() {
        true => Ok(format!("{} orderings are needed\n{table}", rows.len() - 1)),
        false => Err(format!("not needed: {unneeded:?}\n{table}")),
    }
}

/// Triggers every check of a scenario: a fault, a state that is never reached, and too few
/// candidates.
pub(crate) fn alarms() -> Result<String, String> {
    let header = ["wrong step", "AArch64", "ldapr", "C11"];
    let mut rows = vec![header.map(str::to_owned)];
    for Planted { scenario, met } in planted() {
        let name = scenario.name;
        let verdicts = scenario
            .explore([true; 3])
            .verdicts
            .map(|verdict| verdict.met);
        let found = verdicts.each_ref().map(Option::is_some);
        if found != *met {
            return Err(format!("{name}: found {found:?}, not {met:?}"));
        }
        let [aarch64, rcpc, c11] = verdicts.map(|wrong| wrong.unwrap_or("-".to_owned()));
        rows.push([name.to_owned(), aarch64, rcpc, c11]);
    }
    let shipped = all()[0];
    let barren = Scenario {
        states: &[State::Slept],
        ..*shipped
    };
    let sparse = Scenario {
        floor: u64::MAX,
        ..*shipped
    };
    let unbounded = Scenario {
        floor: 0,
        ..*shipped
    };
    let alarms = [
        (barren, "never slept"),
        (sparse, "below the floor"),
        (unbounded, "below the floor"),
    ];
    for (scenario, says) in &alarms {
        match scenario.verify() {
            Err(reason) if reason.contains(says) => {}
            other => return Err(format!("expected \"{says}\", got {other:?}")),
        }
    }
    let count = rows.len() - 1 + alarms.len();
    Ok(format!("{count} alarms went off\n{}", table(&rows)))
}
