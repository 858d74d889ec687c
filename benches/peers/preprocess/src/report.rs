//! The result as Markdown.

use std::fmt::Write;

use catdog_core::frame::PixelFormat;

use crate::implementations::Filter;
use crate::rounds::{Measured, State};

/// The results for frames of one format and tensors of one size.
pub struct Cell {
    pub format: PixelFormat,
    pub side: usize,
    pub measured: Vec<Measured>,
}

/// Returns the quantile of `values` at `share`, 0..1.
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
    fn times(&self, state: State) -> &[f64] {
        match state {
            State::Hot => &self.hot,
            State::Cold => &self.cold,
        }
    }

    /// Returns the difference of the 90th and the 10th percentile, relative to the median.
    fn spread(&self, state: State) -> f64 {
        let times = self.times(state);
        (quantile(times, 0.9) - quantile(times, 0.1)) / median(times)
    }
}

impl Cell {
    fn name(&self) -> String {
        format!("{} to {}", format!("{:?}", self.format).to_uppercase(), self.side)
    }

    /// Returns the result of catdog with the best kernels.
    fn catdog(&self, filter: Filter) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.filter == filter)
    }

    /// Returns the median over the rounds of the time relative to catdog.
    fn ratio(&self, measured: &Measured, state: State) -> f64 {
        let catdog = self.catdog(measured.filter).map_or(&[][..], |catdog| catdog.times(state));
        let pairs = measured.times(state).iter().zip(catdog);
        median(&pairs.map(|(time, catdog)| time / catdog).collect::<Vec<_>>())
    }
}

/// Returns the report.
pub fn markdown(cells: &[Cell]) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "Spread, (p90 - p10) / p50, median over all measurements: {}\n",
        spread(cells)
    );
    for state in [State::Hot, State::Cold] {
        let _ = overview(&mut out, cells, state);
    }
    for cell in cells {
        let _ = details(&mut out, cell);
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// Returns the median spread, which shows how much other load the machine had.
fn spread(cells: &[Cell]) -> String {
    let median_spread = |state| {
        let all = cells.iter().flat_map(|cell| &cell.measured);
        let spreads: Vec<f64> = all.map(|measured| measured.spread(state)).collect();
        median(&spreads) * 100.0
    };
    format!("hot {:.0} %, cold {:.0} %", median_spread(State::Hot), median_spread(State::Cold))
}

fn overview(out: &mut String, cells: &[Cell], state: State) -> std::fmt::Result {
    let names: Vec<String> = cells.iter().map(Cell::name).collect();
    writeln!(out, "Median in ms, {} (relative to catdog with the same filter):\n", state.name())?;
    writeln!(out, "| | filter | {} | difference, levels |", names.join(" | "))?;
    writeln!(out, "|---|---|---|{}", "---|".repeat(cells.len()))?;
    for (row, first) in cells[0].measured.iter().enumerate() {
        write!(out, "| {} | {} |", first.name, first.filter.name())?;
        for cell in cells {
            let measured = &cell.measured[row];
            let (time, ratio) = (median(measured.times(state)), cell.ratio(measured, state));
            write!(out, " {time:.3} ({ratio:.2}) |")?;
        }
        let differences = cells.iter().map(|cell| cell.measured[row].difference);
        writeln!(out, " {:.1} |", differences.fold(0.0, f64::max))?;
    }
    writeln!(out)
}

fn details(out: &mut String, cell: &Cell) -> std::fmt::Result {
    writeln!(out, "### {}\n", cell.name())?;
    writeln!(
        out,
        "| | filter | hot ms, p50 (p10 to p90) | relative | cold ms | relative | difference, levels |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for measured in &cell.measured {
        write!(out, "| {} | {} |", measured.name, measured.filter.name())?;
        for state in [State::Hot, State::Cold] {
            let times = measured.times(state);
            let [p10, p50, p90] = [0.1, 0.5, 0.9].map(|share| quantile(times, share));
            let ratio = cell.ratio(measured, state);
            write!(out, " {p50:.3} ({p10:.3} to {p90:.3}) | {ratio:.2} |")?;
        }
        writeln!(out, " {:.2} |", measured.difference)?;
    }
    writeln!(out)
}
