//! Formats numbers and tables.

/// 1234567 as 1,234,567.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The first `length` characters, and dots if there were more.
pub(crate) fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length - 2).collect();
    format!("{}..", kept.trim_end())
}

/// A table whose first row is its header, columns aligned.
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut lines = Vec::new();
    for (position, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        lines.push(format!("| {} |", cells.join(" | ")));
        if position == 0 {
            let rules = widths.map(|width| "-".repeat(width + 2));
            lines.push(format!("|{}|", rules.join("|")));
        }
    }
    lines.join("\n")
}

/// The first sentence of a panic's message, shortened.
pub(crate) fn first_sentence(message: &str) -> String {
    let line = message.lines().next().unwrap_or("");
    let sentence = line.split(". ").next().unwrap_or("");
    shortened(sentence, 60)
}
