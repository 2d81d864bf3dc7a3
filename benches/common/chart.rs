//! The percentiles of round trips as SVG, in a light and a dark mode.

use super::scores::show_nanos;

/// A name, and pairs of a percentage and the nanoseconds that it did not exceed.
pub(crate) type Curve = (String, Vec<(f64, f64)>);

/// The time that this percentage took at most.
fn at((_, points): &Curve, percent: f64) -> f64 {
    let point = points.iter().find(|point| point.0 >= percent);
    point.map_or(0.0, |point| point.1)
}

const TITLE: &str = "Round trip of 8 bytes between two processes, one by one";

/// The edges of the plot area.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 610.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 405.0;

/// The percentages of the x axis, which counts nines.
const NINES: [&str; 6] = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"];

/// Colours that most people can distinguish in both modes.
const COLOURS: [&str; 8] = [
    "#0e8a5f", "#2f6fde", "#c2410c", "#a855f7", "#b58900", "#0891b2", "#db2777", "#64748b",
];

const STYLE: &str = "<style>\
    .chart{background:#fff}\
    .chart text{font:13px system-ui,sans-serif;fill:#24292f}\
    .chart .grid{stroke:#d0d7de}\
    .chart path{fill:none}.chart .curve{stroke-width:1.8;stroke-linejoin:round}\
    .chart .ours{stroke:#24292f;stroke-width:3.4}.chart .ours2{stroke-dasharray:9 5}\
    @media(prefers-color-scheme:dark){\
    .chart{background:#0d1117}\
    .chart text{fill:#e6edf3}\
    .chart .grid{stroke:#30363d}\
    .chart .ours{stroke:#e6edf3}}\
    </style>";

/// A chart whose y axis is logarithmic. quoit's curves are thicker, in the colour of the text.
pub(crate) fn percentiles(mut curves: Vec<Curve>) -> String {
    let points = curves.iter().flat_map(|curve| &curve.1);
    let powers = points.map(|point| point.1.max(1.0).log10());
    let lowest = powers.clone().fold(f64::INFINITY, f64::min).floor();
    let highest = powers.fold(lowest + 1.0, f64::max).ceil();
    let last = (NINES.len() - 1) as f64;
    let x = |nines: f64| LEFT + nines / last * (RIGHT - LEFT);
    let y = |nanos: f64| {
        let share = (nanos.max(1.0).log10() - lowest) / (highest - lowest);
        BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 800 440\" \
         role=\"img\" aria-label=\"{TITLE}\">{STYLE}"
    );
    svg += &text("start", 16.0, 24.0, TITLE);
    svg += &text("start", RIGHT + 14.0, TOP - 14.0, "p50 / p99");
    for power in lowest as i32..=highest as i32 {
        let nanos = 10f64.powi(power);
        let label = show_nanos(nanos).replace(".00", "").replace(".0", "");
        svg += &path("class=\"grid\"", [(LEFT, y(nanos)), (RIGHT, y(nanos))]);
        svg += &text("end", LEFT - 8.0, y(nanos) + 4.0, &label);
    }
    for (nines, label) in (0..).zip(NINES) {
        let x = x(f64::from(nines));
        svg += &path("class=\"grid\"", [(x, TOP), (x, BOTTOM)]);
        svg += &text("middle", x, BOTTOM + 20.0, label);
    }
    // The slowest is on top, in the legend as in the picture.
    curves.sort_by(|a, b| at(b, 50.0).total_cmp(&at(a, 50.0)));
    let mut ours = ["ours ours2", "ours"].iter().cycle();
    let mut colours = COLOURS.iter().cycle();
    for (row, curve) in (0..).zip(&curves) {
        let style = match curve.0.starts_with("quoit") {
            true => ours.next().map(|class| format!("class=\"curve {class}\"")),
            false => colours
                .next()
                .map(|colour| format!("class=\"curve\" stroke=\"{colour}\"")),
        };
        let style = style.expect("a cycle has no end");
        let points = curve.1.iter().map(|&(percent, nanos)| {
            let nines = -(1.0 - percent / 100.0).max(1e-9).log10();
            (nines, y(nanos))
        });
        let shown = points.filter(|point| point.0 <= last);
        svg += &path(&style, shown.map(|(nines, y)| (x(nines), y)));
        let (left, y) = (RIGHT + 14.0, TOP + 10.0 + 42.0 * f64::from(row));
        svg += &path(&style, [(left, y), (left + 26.0, y)]);
        svg += &text("start", left + 32.0, y + 4.0, &curve.0);
        let times = [50.0, 99.0].map(|percent| show_nanos(at(curve, percent)));
        svg += &text("start", left + 32.0, y + 20.0, &times.join(" / "));
    }
    svg + "</svg>\n"
}

fn path(style: &str, points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let points = points.into_iter().map(|(x, y)| format!("{x:.1} {y:.1}"));
    let points: Vec<_> = points.collect();
    format!("<path {style} d=\"M{}\"/>", points.join("L"))
}

fn text(anchor: &str, x: f64, y: f64, words: &str) -> String {
    format!("<text text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>")
}
