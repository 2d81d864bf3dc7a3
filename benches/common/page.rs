//! The figures of the benches as one HTML page, which needs no network.

use serde_json::Value;

use super::chart::{self, Curve, Target};
use super::interleaved::DISTURBED;
use super::mechanisms::{PARKED, PIPE, SINGLE_TRIPS, SPINNING, Task, UNIX};
use super::spread::{Spread, show_nanos};

const STYLE: &str = "\
    :root{color-scheme:light dark}\
    body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
    color:#24292f;background:#fff}\
    h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.5rem}h3{font-size:1rem;margin-top:1.8rem}\
    .scroll{overflow-x:auto}\
    table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}\
    th,td{padding:.25rem .8rem;text-align:right;border-bottom:1px solid #d0d7de}\
    th:first-child,td:first-child{text-align:left;padding-left:.4rem}\
    tr.quoit{font-weight:600;background:#dff5ea}\
    .result{font-size:1.15rem}.noise{border-left:4px solid #d9480f;padding-left:.8rem}\
    small{color:#57606a}svg{width:100%;min-width:40rem;height:auto;border-radius:6px}\
    @media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}\
    th,td{border-color:#30363d}tr.quoit{background:#12332a}small{color:#9198a1}}";

/// What the columns of the tables mean.
const LEGEND: &str = "\
    <p><b>How to read the tables.</b> The variants take turns in short slices. p50, p99 and p99.9: \
    half of the operations, 99 and 99.9 % of them took this time or less; where operations are \
    timed in batches, of a batch divided by its length. A ratio is the median of the ratios of two \
    slices of one round, and the interquartile range (IQR) contains half of these ratios. \
    <b>Rows of quoit are bold, on green.</b></p>\n";

/// Rows of quoit that do not begin with its name.
const OURS: [&str; 8] = [
    "records",
    "records in place",
    "frames",
    "frames in place",
    "frames of any length",
    "spin only",
    "parking",
    "parking, symmetric",
];

fn is_ours(name: &str) -> bool {
    name.starts_with("quoit") || OURS.contains(&name)
}

/// The page of these benches, by name.
pub(crate) fn page(runs: &Value) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>quoit benchmark report</title><style>{STYLE}</style>\n\
         <h1>quoit benchmark report</h1>\n"
    );
    for sentence in [result(runs), targets(runs)].into_iter().flatten() {
        html += &format!("<p class=\"result\">{sentence}</p>\n");
    }
    if let Some(warning) = noise(runs) {
        html += &format!("<p class=\"noise\"><b>Noise.</b> {warning}</p>\n");
    }
    html += LEGEND;
    let runs = || runs.as_object().into_iter().flatten();
    if let Some(curves) = runs().find_map(|(_, run)| curves(run)) {
        html += "<h2>Single round trips</h2>\n";
        html += &format!("<div class=\"scroll\">{curves}</div>\n");
    }
    for (bench, run) in runs() {
        html += &format!("<h2>{bench}</h2>\n<p><small>{}</small></p>\n", origin(run));
        let targets: Vec<_> = array(&run["bars"]).iter().map(target).collect();
        if !targets.is_empty() {
            let title = "Targets: how many times better than the limit";
            let chart = chart::targets(title, &targets);
            html += &format!("<div class=\"scroll\">{chart}</div>\n");
        }
        let mut figures: Vec<_> = run["figures"].as_object().into_iter().flatten().collect();
        figures.sort_by_key(|(name, _)| by_number(name));
        for (_, figure) in figures {
            if let Some(title) = figure["title"].as_str() {
                html += &format!("<h3>{title}</h3>\n{}", table(figure));
            }
        }
    }
    html + "</html>\n"
}

/// The result in one sentence, if the run has round trips over each mechanism.
pub(crate) fn result(runs: &Value) -> Option<String> {
    let trips = &runs["transports"]["figures"][Task::Trips.figure(8)]["variants"];
    let nanos = |name: &str| trips[name]["nanoseconds"].as_f64();
    let [spinning, parked, pipe, unix] = [SPINNING, PARKED, PIPE, UNIX].map(nanos);
    let (spinning, pipe) = (spinning?, pipe?);
    Some(format!(
        "A round trip of 8 bytes between two processes takes {} in quoit while both spin, and {} in a \
         pipe, {:.0} times as long; while both sleep between messages it takes {} in quoit and {} \
         in a Unix socket.",
        show_nanos(spinning),
        show_nanos(pipe),
        pipe / spinning,
        show_nanos(parked?),
        show_nanos(unix?)
    ))
}

/// The targets of all benches, with their results.
pub(crate) fn bars(runs: &Value) -> Vec<&Value> {
    let runs = runs.as_object().into_iter().flatten();
    runs.flat_map(|(_, run)| array(&run["bars"])).collect()
}

/// How many targets were met.
fn targets(runs: &Value) -> Option<String> {
    let bars = bars(runs);
    let met = bars.iter().filter(|bar| bar["ok"] == true).count();
    (!bars.is_empty()).then(|| format!("{met} of {} targets are met.", bars.len()))
}

/// A warning, if other programs took the processors while something was measured.
pub(crate) fn noise(runs: &Value) -> Option<String> {
    let runs = runs.as_object()?.values();
    let figures = runs.flat_map(|run| run["figures"].as_object().into_iter().flatten());
    let disturbed: Vec<f64> = figures
        .filter_map(|(_, figure)| figure["preempted_per_second"].as_f64())
        .filter(|count| *count > DISTURBED)
        .collect();
    let worst = disturbed.iter().copied().reduce(f64::max)?;
    Some(format!(
        "Other programs or threads interrupted the two up to {worst:.0} times a second. Do not rely \
         on {} of the tables: measure again on a quiet machine.",
        disturbed.len()
    ))
}

/// Sort key that puts 64 before 1024.
fn by_number(name: &str) -> (&str, Option<u64>) {
    let parts = name.rsplit_once('_');
    let number = parts.and_then(|(start, number)| Some((start, number.parse().ok()?)));
    number.map_or((name, None), |(start, number)| (start, Some(number)))
}

/// Time and machine of a bench's run.
pub(crate) fn origin(run: &Value) -> String {
    let machine = run["figures"]["machine"]["line"].as_str();
    let quick = if run["quick"] == true { ", quick" } else { "" };
    format!(
        "{}{quick}; {}",
        run["when"].as_str().unwrap_or("?"),
        machine.unwrap_or("no machine")
    )
}

/// The chart of the single round trips, if the run has them.
pub(crate) fn curves(run: &Value) -> Option<String> {
    let figure = &run["figures"][SINGLE_TRIPS];
    let point = |point: &Value| Some((point[0].as_f64()?, point[1].as_f64()?));
    let curve = |name: &str| Curve {
        name: name.to_owned(),
        is_ours: is_ours(name),
        points: array(&figure["variants"][name]["percentiles"])
            .iter()
            .filter_map(point)
            .collect(),
    };
    let names = array(&figure["order"]).iter().filter_map(Value::as_str);
    let curves: Vec<_> = names.map(curve).collect();
    if curves.is_empty() {
        return None;
    }
    let title = "Round trip of 8 bytes between two processes, one by one";
    Some(chart::percentiles(title, &curves))
}

fn target(bar: &Value) -> Target {
    let number = |name: &str| bar[name].as_f64().unwrap_or(f64::NAN);
    let mut within = ["within_lower", "within", "within_upper"].map(number);
    within.sort_by(f64::total_cmp);
    Target {
        name: bar["name"].as_str().unwrap_or("?").to_owned(),
        words: format!(
            "{:.3} ({})",
            number("value"),
            bar["limit"].as_str().unwrap_or("?")
        ),
        ok: bar["ok"] == true,
        within,
    }
}

/// Each variant's percentiles, and its ratio to the first one's; what was not measured, and why;
/// how far the machine was the bench's own.
fn table(figure: &Value) -> String {
    let names = array(&figure["order"]).iter().filter_map(Value::as_str);
    let variants: Vec<_> = names
        .map(|name| (name, &figure["variants"][name]))
        .collect();
    let Some(&(base, first)) = variants.first() else {
        return String::new();
    };
    let mut html = format!(
        "<div class=\"scroll\"><table><tr><th>variant<th>p50<th>p99<th>p99.9<th>per second\
         <th>ratio to {base}<th>IQR\n"
    );
    for (name, variant) in variants {
        let nanos = |name: &str| variant[name].as_f64().unwrap_or(f64::NAN);
        let [p50, p99, p999] = ["p50", "p99", "p999"].map(|name| show_nanos(nanos(name)));
        let rate = rate(1e9 / nanos("nanoseconds"));
        let Spread {
            lower,
            median,
            upper,
            ..
        } = Spread::of(slices(variant).zip(slices(first)).map(|(a, b)| a / b));
        let class = if is_ours(name) {
            " class=\"quoit\""
        } else {
            ""
        };
        html += &format!("<tr{class}><td>{name}<td>{p50}<td>{p99}<td>{p999}<td>{rate}");
        html += &format!("<td>{median:.3}<td>{lower:.3} to {upper:.3}\n");
    }
    for (name, reason) in figure["not_measured"].as_object().into_iter().flatten() {
        let reason = reason.as_str().unwrap_or("?");
        html += &format!("<tr><td>{name}<td colspan=\"6\">not measured: {reason}\n");
    }
    html += "</table></div>\n";
    if let Some(count) = figure["preempted_per_second"].as_f64() {
        let warning = match count > DISTURBED {
            true => ": <b>too many for a result</b>",
            false => "",
        };
        html += &format!(
            "<p><small>involuntary context switches: {count:.0} a second{warning}</small></p>\n"
        );
    }
    html
}

fn slices(variant: &Value) -> impl Iterator<Item = f64> {
    array(&variant["slices"]).iter().filter_map(Value::as_f64)
}

fn rate(per_second: f64) -> String {
    match per_second {
        _ if per_second < 1e3 => format!("{per_second:.0}"),
        _ if per_second < 1e6 => format!("{:.1} k", per_second / 1e3),
        _ => format!("{:.1} M", per_second / 1e6),
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
