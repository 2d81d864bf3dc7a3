//! Readable numbers.

/// `12,345,678`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits and a unit: `12.3 M`
pub(crate) fn scaled(number: f64) -> String {
    let (value, unit) = match number {
        _ if number >= 999.5e6 => (number / 1e9, "G"),
        _ if number >= 999.5e3 => (number / 1e6, "M"),
        _ if number >= 999.5 => (number / 1e3, "k"),
        _ => return format!("{number:.0}"),
    };
    format!("{} {unit}", three_digits(value))
}

/// `1.23`, `12.3`, `123`
pub(crate) fn three_digits(value: f64) -> String {
    let decimals = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// `[###-------]  27 %`
pub(crate) fn gauge(fill: u64, capacity: u64) -> String {
    let tenths = (fill * 10).div_ceil(capacity) as usize;
    let percent = fill * 100 / capacity;
    format!("[{:-<10}] {percent:>3} %", "#".repeat(tenths))
}
