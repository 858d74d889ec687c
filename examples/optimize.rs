//! Writes the model that `catdogfilter` runs with `optimize=auto`: a `.tflite` file that LiteRT's
//! XNNPACK runs as one partition, for programs that do not rewrite the model themselves.
//!
//!     cargo run --release --example optimize -- model.tflite optimized.tflite

use std::error::Error;
use std::process::ExitCode;

use catdog_core::model::tflite::{ModelInfo, optimize};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = &arguments[..] else {
        eprintln!("usage: optimize MODEL.tflite OUTPUT.tflite");
        return ExitCode::from(2);
    };
    match rewrite(input, output) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("optimize: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rewrite(input: &str, output: &str) -> Result<String, Box<dyn Error>> {
    let file = std::fs::read(input).map_err(|error| format!("{input}: {error}"))?;
    ModelInfo::parse(&file).map_err(|error| format!("{input}: {error}"))?;
    let Some(optimized) = optimize(&file) else {
        return Ok(format!("{input} has no depthwise weights to rewrite; nothing is written"));
    };
    std::fs::write(output, &optimized.file).map_err(|error| format!("{output}: {error}"))?;
    Ok(format!(
        "{output}: {} depthwise weights converted to float, {} bytes larger",
        optimized.weights,
        optimized.file.len() - file.len()
    ))
}
