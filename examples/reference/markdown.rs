//! Formats tables and code as Markdown.

use std::fmt::Write;

/// Returns a table. Cells are Markdown; bars in them are escaped.
pub fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut out = row(header.map(str::to_owned));
    out += &row([const { "---" }; N].map(str::to_owned));
    out.extend(rows.into_iter().map(row));
    out
}

fn row<const N: usize>(cells: [String; N]) -> String {
    let mut out = String::from("|");
    for cell in cells {
        let cell = cell.replace('|', "\\|").replace('\n', " ");
        // Writing to a string does not fail.
        let _ = write!(out, " {cell} |");
    }
    out + "\n"
}

/// Returns `text` as code; nothing if it is empty.
pub fn code(text: &str) -> String {
    let fence = if text.contains('`') { "``" } else { "`" };
    if text.is_empty() { String::new() } else { format!("{fence}{text}{fence}") }
}

/// Returns `text` as a block of code.
pub fn block(text: &str) -> String {
    format!("```text\n{}\n```\n", text.trim_end())
}
