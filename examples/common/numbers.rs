//! Readable numbers.

/// Three digits and a unit: `12.3 M`
pub(crate) fn scaled(number: f64) -> String {
    match number {
        _ if number >= 999.5e6 => three_digits(number / 1e9) + " G",
        _ if number >= 999.5e3 => three_digits(number / 1e6) + " M",
        _ if number >= 999.5 => three_digits(number / 1e3) + " k",
        _ => format!("{number:.0}"),
    }
}

/// `1.23`, `12.3`, `123`
pub(crate) fn three_digits(value: f64) -> String {
    let decimals = usize::from(value < 99.95) + usize::from(value < 9.995);
    format!("{value:.decimals$}")
}

/// These messages, if there are any, as part of a sentence.
pub(crate) fn range(first: u64, next: u64) -> String {
    match next - first {
        0 => String::new(),
        _ => format!(" ({first} to {})", next - 1),
    }
}
