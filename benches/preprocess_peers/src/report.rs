//! From times to Markdown.

use std::fmt::Write;

use gstcatdog::frame::PixelFormat;

use crate::contenders::Filter;
use crate::rounds::{Measured, State};

/// All contenders on frames of one format, tensors of one size.
pub struct Cell {
    pub format: PixelFormat,
    pub side: usize,
    pub measured: Vec<Measured>,
}

/// What the project wants of its own kernels at 1080p: filter, state, milliseconds.
const TARGETS: [(Filter, State, f64); 3] = [
    (Filter::TwoTap, State::Hot, 0.10),
    (Filter::TwoTap, State::Cold, 0.20),
    (Filter::Antialiased, State::Cold, 0.30),
];

/// Element at `share` of the way through `values`.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

impl Measured {
    fn turns(&self, state: State) -> &[f64] {
        match state {
            State::Hot => &self.hot,
            State::Cold => &self.cold,
        }
    }

    /// p90 less p10, as a share of the median.
    fn spread(&self, state: State) -> f64 {
        let turns = self.turns(state);
        (quantile(turns, 0.9) - quantile(turns, 0.1)) / median(turns)
    }
}

impl Cell {
    fn name(&self) -> String {
        format!("{} to {}", format!("{:?}", self.format).to_uppercase(), self.side)
    }

    /// Ours, with the best kernels.
    fn ours(&self, filter: Filter) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.filter == filter)
    }

    /// How many times as long as ours: in each round, then the median over them.
    fn ratio(&self, measured: &Measured, state: State) -> f64 {
        let ours = self.ours(measured.filter).map_or(&[][..], |ours| ours.turns(state));
        let pairs = measured.turns(state).iter().zip(ours);
        median(&pairs.map(|(theirs, ours)| theirs / ours).collect::<Vec<_>>())
    }
}

/// Everything.
pub fn markdown(cells: &[Cell]) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(out, "Spread, (p90 - p10) / p50, median over everything: {}\n", spread(cells));
    for state in [State::Hot, State::Cold] {
        let _ = overview(&mut out, cells, state);
    }
    let _ = targets(&mut out, cells);
    for cell in cells {
        let _ = details(&mut out, cell);
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// How calm the machine was.
fn spread(cells: &[Cell]) -> String {
    let of = |state| {
        let all = cells.iter().flat_map(|cell| &cell.measured);
        let spreads: Vec<f64> = all.map(|measured| measured.spread(state)).collect();
        median(&spreads) * 100.0
    };
    format!("hot {:.0} %, cold {:.0} %", of(State::Hot), of(State::Cold))
}

fn overview(out: &mut String, cells: &[Cell], state: State) -> std::fmt::Result {
    let names: Vec<String> = cells.iter().map(Cell::name).collect();
    writeln!(out, "Median ms, {} (times ours with the same filter):\n", state.name())?;
    writeln!(out, "| | filter | {} | levels from ours |", names.join(" | "))?;
    writeln!(out, "|---|---|---|{}", "---|".repeat(cells.len()))?;
    for (row, first) in cells[0].measured.iter().enumerate() {
        write!(out, "| {} | {} |", first.name, first.filter.name())?;
        for cell in cells {
            let measured = &cell.measured[row];
            let (time, ratio) = (median(measured.turns(state)), cell.ratio(measured, state));
            write!(out, " {time:.3} ({ratio:.2}) |")?;
        }
        let differences = cells.iter().map(|cell| cell.measured[row].difference);
        writeln!(out, " {:.1} |", differences.fold(0.0, f64::max))?;
    }
    writeln!(out)
}

fn targets(out: &mut String, cells: &[Cell]) -> std::fmt::Result {
    let names: Vec<String> = cells.iter().map(Cell::name).collect();
    writeln!(out, "| aim | {} |", names.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(cells.len()))?;
    for (filter, state, limit) in TARGETS {
        write!(out, "| {}, {}: at most {limit:.2} ms |", filter.name(), state.name())?;
        for cell in cells {
            let time = cell.ours(filter).map_or(f64::NAN, |ours| median(ours.turns(state)));
            write!(out, " {time:.3}, {} |", if time <= limit { "met" } else { "missed" })?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn details(out: &mut String, cell: &Cell) -> std::fmt::Result {
    writeln!(out, "### {}\n", cell.name())?;
    writeln!(
        out,
        "| | filter | hot ms, p50 (p10 to p90) | times ours | cold ms | times ours | levels from ours |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for measured in &cell.measured {
        write!(out, "| {} | {} |", measured.name, measured.filter.name())?;
        for state in [State::Hot, State::Cold] {
            let turns = measured.turns(state);
            let [p10, p50, p90] = [0.1, 0.5, 0.9].map(|share| quantile(turns, share));
            let ratio = cell.ratio(measured, state);
            write!(out, " {p50:.3} ({p10:.3} to {p90:.3}) | {ratio:.2} |")?;
        }
        writeln!(out, " {:.2} |", measured.difference)?;
    }
    writeln!(out)
}
