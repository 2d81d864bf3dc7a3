//! Charts as SVG: percentile curves, and figures with their limits.
//!
//! A chart is part of a page or a separate file. It has a light and a dark mode, and shows
//! its figures as text too.

use super::spread::show_nanos;

/// One curve of a percentile chart.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) name: String,
    /// Whether it is quoit's: drawn thicker, in the colour of the text.
    pub(crate) is_ours: bool,
    /// Pairs of a percentage and the nanoseconds that it did not exceed.
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 460.0;
/// The edges of the plot area.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 610.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 405.0;

/// The nines of the last percentage of the axis: 99.999 %.
const NINES: f64 = 5.0;

/// Colours that most people can distinguish in both modes.
const COLOURS: [&str; 8] = [
    "#0e8a5f", "#2f6fde", "#c2410c", "#a855f7", "#b58900", "#0891b2", "#db2777", "#64748b",
];

const STYLE: &str = "<style>\
    .chart{background:#fff}\
    .chart text{font:13px system-ui,sans-serif;fill:#24292f}\
    .chart .title{font-weight:600;font-size:15px}\
    .chart .small{font-size:11.5px}\
    .chart .grid{stroke:#d0d7de;stroke-width:1}.chart .minor{stroke:#eaeef2;stroke-width:1}\
    .chart .curve{fill:none;stroke-width:1.8;stroke-linejoin:round}\
    .chart .ours{stroke:#24292f;stroke-width:3.4}.chart .ours2{stroke-dasharray:9 5}\
    .chart .limit{stroke:#24292f;stroke-width:1.5;stroke-dasharray:5 4}\
    .chart .ok{fill:#0e8a5f}.chart .missed{fill:#d9480f}\
    .chart .spread{stroke:#57606a;stroke-width:1.5}\
    @media(prefers-color-scheme:dark){\
    .chart{background:#0d1117}\
    .chart text{fill:#e6edf3}\
    .chart .grid{stroke:#30363d}.chart .minor{stroke:#1c2128}\
    .chart .ours{stroke:#e6edf3}\
    .chart .limit{stroke:#e6edf3}\
    .chart .ok{fill:#2ea97a}.chart .missed{fill:#f0803c}\
    .chart .spread{stroke:#afb8c1}}\
    </style>";

/// A percentile chart: the x axis counts nines, the y axis is logarithmic.
pub(crate) fn percentiles(title: &str, curves: &[Curve]) -> String {
    let points = curves.iter().flat_map(|curve| &curve.points);
    let powers = points.map(|point| point.1.max(1.0).log10());
    let lowest = powers.clone().fold(f64::INFINITY, f64::min).floor();
    let highest = powers.fold(lowest + 1.0, f64::max).ceil();
    let y = |nanos: f64| {
        let share = (nanos.max(1.0).log10() - lowest) / (highest - lowest);
        BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
    };

    let mut svg = open(title, HEIGHT);
    for power in lowest as i32..=highest as i32 {
        let nanos = 10f64.powi(power);
        for part in [2.0, 5.0] {
            if power < highest as i32 {
                svg += &line("minor", [LEFT, y(part * nanos), RIGHT, y(part * nanos)]);
            }
        }
        svg += &line("grid", [LEFT, y(nanos), RIGHT, y(nanos)]);
        let label = show_nanos(nanos).replace(".00", "").replace(".0", "");
        svg += &text("end", LEFT - 8.0, y(nanos) + 4.0, &label);
    }
    for (nines, label) in (0..).zip(["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]) {
        let x = x(f64::from(nines));
        svg += &line("grid", [x, TOP, x, BOTTOM]);
        svg += &text("middle", x, BOTTOM + 20.0, label);
    }
    svg += &text(
        "middle",
        x(NINES / 2.0),
        BOTTOM + 42.0,
        "percentile of the round trips",
    );

    // The slowest is on top, in the legend as in the picture.
    let mut order: Vec<_> = curves.iter().collect();
    order.sort_by(|a, b| b.at(50.0).total_cmp(&a.at(50.0)));
    svg += &text("start", RIGHT + 14.0, TOP - 14.0, "p50 / p99");
    let (mut colours, mut ours) = (COLOURS.iter().cycle(), 0);
    for (row, curve) in order.into_iter().enumerate() {
        let style = if curve.is_ours {
            ours += 1;
            let dashes = if ours > 1 { "" } else { " ours2" };
            format!(r#"class="curve ours{dashes}""#)
        } else {
            let colour = colours.next().expect("a cycle has no end");
            format!(r#"class="curve" style="stroke:{colour}""#)
        };
        let mut path = String::new();
        for &(percent, nanos) in &curve.points {
            let nines = -(1.0 - percent / 100.0).max(1e-9).log10();
            if nines <= NINES {
                let step = if path.is_empty() { 'M' } else { 'L' };
                path += &format!("{step}{:.1} {:.1}", x(nines), y(nanos));
            }
        }
        let y = TOP + 10.0 + row as f64 * 42.0;
        let (left, right) = (RIGHT + 14.0, RIGHT + 40.0);
        let [p50, p99] = [50.0, 99.0].map(|percent| show_nanos(curve.at(percent)));
        svg += &format!(r#"<path {style} d="{path}"/><path {style} d="M{left} {y}L{right} {y}"/>"#);
        svg += &text("start", right + 6.0, y + 4.0, &curve.name);
        svg += &format!(
            r#"<text class="small" x="{}" y="{}">{p50} / {p99}</text>"#,
            right + 6.0,
            y + 20.0
        );
    }
    svg + "</svg>\n"
}

impl Curve {
    /// The time that this percentage took at most.
    fn at(&self, percent: f64) -> f64 {
        let point = self.points.iter().find(|point| point.0 >= percent);
        point.map_or(0.0, |point| point.1)
    }
}

/// The x coordinate of this number of nines.
fn x(nines: f64) -> f64 {
    LEFT + nines / NINES * (RIGHT - LEFT)
}

/// A figure and its target.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// Value and limit, as text.
    pub(crate) words: String,
    pub(crate) ok: bool,
    /// How many times better than the limit: lower quartile, median, upper quartile.
    pub(crate) within: [f64; 3],
}

/// The x coordinate of the limit, and the distance to twice as good.
const LIMIT: f64 = 440.0;
const TWICE: f64 = 60.0;
const ROW: f64 = 20.0;

/// A chart of each figure's distance from its limit: right is better.
pub(crate) fn targets(title: &str, targets: &[Target]) -> String {
    let height = 64.0 + targets.len() as f64 * ROW;
    let place = |within: f64| LIMIT + within.log2().clamp(-2.0, 3.5) * TWICE;
    let mut svg = open(title, height);
    let scale = [
        (0.5, "½"),
        (1.0, "limit"),
        (2.0, "2×"),
        (4.0, "4×"),
        (8.0, "8×"),
    ];
    for (times, label) in scale {
        let (class, x) = (if times == 1.0 { "limit" } else { "grid" }, place(times));
        svg += &line(class, [x, 50.0, x, height - 6.0]);
        svg += &text("middle", x, 44.0, label);
    }
    for (row, target) in targets.iter().enumerate() {
        let y = 66.0 + row as f64 * ROW;
        let [lower, median, upper] = target.within.map(place);
        let class = if target.ok { "ok" } else { "missed" };
        // A figure at its limit has a bar, too.
        let (from, to) = (median.min(LIMIT - 1.5), median.max(LIMIT + 1.5));
        let (top, width) = (y - 10.0, to - from);
        svg += &text("end", LIMIT - 2.2 * TWICE, y, &target.name);
        svg += &format!(
            r#"<rect class="{class}" x="{from:.1}" y="{top:.1}" width="{width:.1}" height="11" rx="2"/>"#
        );
        svg += &line("spread", [lower, y - 4.5, upper, y - 4.5]);
        svg += &text("start", LIMIT + 3.7 * TWICE, y, &target.words);
    }
    svg + "</svg>\n"
}

fn open(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"{title}\">{STYLE}\
         <rect class=\"chart\" width=\"{WIDTH}\" height=\"{height}\" fill=\"none\"/>\
         <text class=\"title\" x=\"16\" y=\"24\">{title}</text>"
    )
}

fn line(class: &str, [x1, y1, x2, y2]: [f64; 4]) -> String {
    format!(r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#)
}

fn text(anchor: &str, x: f64, y: f64, words: &str) -> String {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    format!(r#"<text text-anchor="{anchor}" x="{x:.1}" y="{y:.1}">{words}</text>"#)
}
