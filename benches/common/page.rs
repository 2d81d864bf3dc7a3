//! The figures of the benches as one HTML page, which needs no network.

use core::fmt::Write;

use serde_json::Value;

use super::chart::{self, Curve, Target};
use super::mechanisms::SINGLE_TRIPS;
use super::spread::{Spread, show_nanos};

const STYLE: &str = "\
    :root{color-scheme:light dark}\
    body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
    color:#24292f;background:#fff}\
    h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.5rem}h3{font-size:1rem;margin-top:1.8rem}\
    .scroll{overflow-x:auto}\
    table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}\
    th,td{padding:.25rem .8rem;text-align:right;border-bottom:1px solid #d0d7de}\
    th:first-child,td:first-child{text-align:left;padding-left:0}\
    small{color:#57606a}svg{width:100%;height:auto;border-radius:6px}\
    @media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}\
    th,td{border-color:#30363d}small{color:#9198a1}}";

/// The page of these benches, by name.
pub(crate) fn page(runs: &Value) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>quoit benchmark report</title><style>{STYLE}</style>\n\
         <h1>quoit benchmark report</h1>\n\
         <p>Variants are measured in short interleaved slices. A ratio is the median of the ratios of all rounds, with its interquartile range.</p>\n"
    );
    let runs = || runs.as_object().into_iter().flatten();
    if let Some(curves) = runs().find_map(|(_, run)| curves(run)) {
        let _ = writeln!(html, "<h2>Single round trips</h2>\n{curves}");
    }
    for (bench, run) in runs() {
        let _ = writeln!(
            html,
            "<h2>{bench}</h2>\n<p><small>{}</small></p>",
            origin(run)
        );
        let targets: Vec<_> = array(&run["bars"]).iter().map(target).collect();
        if !targets.is_empty() {
            let title = "Targets: how many times better than the limit";
            let _ = writeln!(html, "{}", chart::targets(title, &targets));
        }
        let mut figures: Vec<_> = run["figures"].as_object().into_iter().flatten().collect();
        figures.sort_by_key(|(name, _)| by_number(name));
        for (_, figure) in figures {
            if let Some(title) = figure["title"].as_str() {
                let _ = writeln!(html, "<h3>{title}</h3>");
                table(&mut html, figure);
            }
        }
    }
    html + "</html>\n"
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

/// Each variant's time, and its ratio to the first one's.
fn table(html: &mut String, figure: &Value) {
    let variants = || {
        let names = array(&figure["order"]).iter().filter_map(Value::as_str);
        names.map(|name| (name, &figure["variants"][name]))
    };
    let Some((base, first)) = variants().next() else {
        return;
    };
    *html += "<div class=\"scroll\"><table><tr><th>variant<th>median<th>per second\
              <th>p99<th>p99.9";
    let _ = writeln!(html, "<th>of {base}<th>interquartile range");
    for (name, variant) in variants() {
        let nanos = |name: &str| variant[name].as_f64().unwrap_or(f64::NAN);
        let ratios = slices(variant).zip(slices(first)).map(|(a, b)| a / b);
        let ratio = Spread::of(ratios);
        let median = nanos("nanoseconds");
        let _ = writeln!(
            html,
            "<tr><td>{name}<td>{}<td>{}<td>{}<td>{}<td>{:.3}<td>{:.3} to {:.3}",
            show_nanos(median),
            rate(1e9 / median),
            show_nanos(nanos("p99")),
            show_nanos(nanos("p999")),
            ratio.median,
            ratio.lower,
            ratio.upper
        );
    }
    *html += "</table></div>\n";
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
