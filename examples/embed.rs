//! Uses the plugin as a crate: the elements are part of the program, and no plugin file is
//! installed.
//!
//!     cargo run --example embed -- [VIDEO]
//!
//! Prints the label and its confidence when the label changes. Without VIDEO, it classifies a test
//! picture. The program still loads the LiteRT runtime (`libLiteRt.so`) when it runs; set
//! `CATDOG_LITERT_LIBRARY` to the file.

use std::error::Error;

use gst::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    gst::init()?;
    gstcatdog::plugin_register_static()?;

    let pipeline = match std::env::args().nth(1) {
        Some(video) => {
            let pipeline = parse("filesrc name=file ! decodebin ! videoconvert ! queue")?;
            pipeline.by_name("file").ok_or("filesrc is missing")?.set_property("location", video);
            pipeline
        }
        None => parse("videotestsrc num-buffers=25")?,
    };
    pipeline.set_state(gst::State::Playing)?;
    let result = print_labels(&pipeline);
    pipeline.set_state(gst::State::Null)?;
    result
}

/// Builds a pipeline that classifies the video of `source`.
fn parse(source: &str) -> Result<gst::Pipeline, Box<dyn Error>> {
    let element = gst::parse::launch(&format!("{source} ! catdogfilter ! fakesink"))?;
    element.downcast().map_err(|_| "the description is not a pipeline".into())
}

/// Prints each `catdog` message until the end of the stream or the first error.
fn print_labels(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Element(element) => {
                let Some(result) = element.structure().filter(|s| s.name() == "catdog") else {
                    continue;
                };
                let label = result.get::<&str>("label")?;
                let confidence = result.get::<f64>("confidence")?;
                println!("{label} {:.0} %", 100.0 * confidence);
            }
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(error.error().into()),
            _ => {}
        }
    }
    Ok(())
}
