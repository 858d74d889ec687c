//! The layout of the facts for people: one fact per line, a key and its value, at most 100 columns.

use std::fmt;

use super::Output;
use super::classify::PictureReport;
use super::report::{
    Activation, Evidence, Interpreted, Labels, Layout, Optimization, Quantization, RefusedOperator,
    Report, Signature, Tensor, Weights, Xnnpack,
};
use crate::output::printable;

/// Width of the keys, in columns.
const KEY_COLUMNS: usize = 14;
/// Width of a line, in columns. A longer word, such as a path, is not divided.
const LINE_COLUMNS: usize = 100;
/// Number of labels that are shown.
const SHOWN_LABELS: usize = 10;
/// Number of operators with different names that are shown.
const SHOWN_OPERATORS: usize = 12;

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_model(f, &self.model)?;
        for picture in &self.pictures {
            writeln!(f)?;
            write_picture(f, picture)?;
        }
        if let Some(comparison) = &self.comparison {
            writeln!(f)?;
            for (key, value) in comparison.lines() {
                line(f, key, &value)?;
            }
        }
        Ok(())
    }
}

/// Writes `key` and `value`. A value that does not fit is continued below its start.
fn line(f: &mut fmt::Formatter<'_>, key: &str, value: &dyn fmt::Display) -> fmt::Result {
    let value = printable(&value.to_string());
    let mut column = KEY_COLUMNS;
    write!(f, "{key:<width$}", width = KEY_COLUMNS - 1)?;
    for word in value.split(' ') {
        let width = word.chars().count() + 1;
        if column + width > LINE_COLUMNS && column > KEY_COLUMNS {
            write!(f, "\n{:width$}", "", width = KEY_COLUMNS - 1)?;
            column = KEY_COLUMNS;
        }
        write!(f, " {word}")?;
        column += width;
    }
    writeln!(f)
}

fn write_model(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    line(f, "model", &report.path.as_deref().unwrap_or("the built-in model"))?;
    line(f, "name", &report.name)?;
    line(f, "size", &format_args!("{} bytes", grouped(report.size as u64)))?;
    line(f, "usable", &if report.usable { "yes" } else { "no, see the message at the end" })?;
    for signature in &report.signatures {
        line(f, "signature", signature)?;
    }
    for tensor in &report.inputs {
        line(f, "input", tensor)?;
    }
    for tensor in &report.outputs {
        line(f, "output", tensor)?;
    }
    if !report.operators.is_empty() {
        line(f, "operators", &operators(report))?;
    }
    if let Some(xnnpack) = &report.xnnpack {
        line(f, "XNNPACK", xnnpack)?;
    }
    if report.weights.bytes > 0 {
        line(f, "weights", &report.weights)?;
    }
    report.interpretation.as_ref().map_or(Ok(()), |interpreted| write_interpreted(f, interpreted))
}

fn write_interpreted(f: &mut fmt::Formatter<'_>, interpreted: &Interpreted) -> fmt::Result {
    line(f, "layout", &interpreted.layout)?;
    line(f, "activation", &interpreted.activation)?;
    if let Some(evidence) = &interpreted.evidence {
        line(f, "box", evidence)?;
    }
    line(f, "labels", &interpreted.labels)?;
    let range = &interpreted.input_range;
    let range =
        format_args!("pixel values 0..255 become {} ({})", range.range, range.reason).to_string();
    line(f, "input range", &range)?;
    line(f, "optimization", &interpreted.optimization)?;
    if let Some(error) = &interpreted.runtime_error {
        line(
            f,
            "runtime",
            &format_args!("not used, so the input range is not tried out: {error}"),
        )?;
    }
    for warning in &interpreted.warnings {
        line(f, "warning", warning)?;
    }
    Ok(())
}

fn write_picture(f: &mut fmt::Formatter<'_>, picture: &PictureReport) -> fmt::Result {
    let turned = if picture.turned { ", turned as EXIF asks" } else { "" };
    let size = format!("{} x {} pixels{turned}", picture.width, picture.height);
    line(f, "picture", &format_args!("{} ({size})", picture.path))?;
    for class in &picture.classes {
        let percent = f64::from(class.confidence) * 100.0;
        line(f, "", &format_args!("{percent:.1} %  {} (class {})", class.label, class.class))?;
    }
    if let Some(location) = &picture.location {
        line(f, "box", &format_args!("{location} (x, y, width and height of the first class)"))?;
    }
    let threads = if picture.threads == 1 { "thread" } else { "threads" };
    let time = picture.inference_ms;
    line(f, "inference", &format_args!("{time:.2} ms with {} {threads}", picture.threads))
}

/// Returns the operators with their counts, the most frequent first.
fn operators(report: &Report) -> String {
    let total: usize = report.operators.iter().map(|operator| operator.count).sum();
    let shown = report.operators.iter().take(SHOWN_OPERATORS);
    let mut names: Vec<String> = shown.map(|o| format!("{} {}", o.count, o.name)).collect();
    if report.operators.len() > SHOWN_OPERATORS {
        names.push(format!("{} others", report.operators.len() - SHOWN_OPERATORS));
    }
    format!("{total}: {}", names.join(", "))
}

/// Returns `number` with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = if self.runs { "runs" } else { "is ignored" };
        write!(f, "'{}' {runs}, because {}", self.key, self.reason)
    }
}

impl<T: fmt::Debug> fmt::Display for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}', {} {:?}", self.name, self.element, self.shape)?;
        match &self.quantization {
            Some(Quantization { scale, zero_point }) => {
                write!(f, ", scale {scale}, zero point {zero_point}")
            }
            None => f.write_str(", not quantized"),
        }
    }
}

impl fmt::Display for Xnnpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operators, accelerated, partitions, refused, .. } = self;
        let parts = if *partitions == 1 { "partition" } else { "partitions" };
        write!(f, "runs {accelerated} of {operators} operators, {partitions} {parts} (estimate)")?;
        for RefusedOperator { name, count, reason } in refused {
            write!(f, "; not {count} {name}: {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} parameters, {} bytes", grouped(self.parameters), grouped(self.bytes))?;
        let types = self.types.iter();
        let types: Vec<String> =
            types.map(|t| format!("{} {}", grouped(t.parameters), t.element)).collect();
        write!(f, " ({})", types.join(", "))
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.applied.as_str() {
            "none" => write!(f, "none, the scores are confidences ({})", self.reason)?,
            applied => write!(f, "{applied} ({})", self.reason)?,
        }
        if self.graph != "none" {
            write!(f, "; the graph ends in {}", self.graph)?;
        }
        if self.multi_label {
            f.write_str("; multi-label, because the classes do not exclude each other")?;
        }
        Ok(())
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, rows, columns } = self;
        write!(
            f,
            "from output {index}, 'evidence': it tells at {rows} x {columns} places where the accepted \
             class is"
        )
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, channels, channel_order, batch, open } = self;
        write!(f, "{width} x {height}, {channels}")?;
        if *channel_order == "first" {
            f.write_str(", channels first (NCHW)")?;
        }
        if *batch > 1 {
            write!(f, ", the first of a batch of {batch}")?;
        }
        if *open {
            f.write_str("; open dimensions of the file are set to this")?;
        }
        Ok(())
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.names.len().min(SHOWN_LABELS);
        f.write_str(&self.names[..shown].join(", "))?;
        if shown < self.names.len() {
            write!(f, ", ... ({} in total; {})", self.names.len(), self.reason)
        } else {
            write!(f, " ({})", self.reason)
        }
    }
}

impl fmt::Display for Optimization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.converted_weights == 0 {
            return f.write_str("nothing to do");
        }
        let plural = if self.converted_weights == 1 { "" } else { "s" };
        write!(
            f,
            "converts {} depthwise weight tensor{plural} to float, so that XNNPACK runs them",
            self.converted_weights
        )?;
        if let Some(partitions) = self.partitions {
            let plural = if partitions == 1 { "" } else { "s" };
            write!(f, " ({partitions} partition{plural})")?;
        }
        f.write_str("; used if the decisions stay the same")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let numbers = [0, 12, 999, 1000, 12_345, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "12", "999", "1,000", "12,345", "1,234,567"]);
    }
}
