//! Reads the results of catdogfilter in an application: a pad probe gets the metadata of each
//! buffer by name. It needs no crate of catdog. The same code works on the samples of an appsink.
//!
//!     GST_PLUGIN_PATH=target/catdog cargo run --example read_metadata -- VIDEO [MODEL.tflite]
//!
//! Prints one line per frame: time, label, confidence, and whether the frame was inferred or
//! carries the result of an earlier frame ("held").

use std::error::Error;

use gst::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(video), model, None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: read_metadata VIDEO [MODEL.tflite]".into());
    };

    gst::init()?;
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin ! videoconvert ! queue ! catdogfilter name=catdog ! \
         fakesink name=sink",
    )?
    .downcast::<gst::Pipeline>()
    .map_err(|_| "the description is not a pipeline")?;
    let element = |name| pipeline.by_name(name).ok_or("an element of the description is missing");
    element("file")?.set_property("location", &video);
    if let Some(model) = &model {
        element("catdog")?.set_property("model-file", model);
    }

    let pad = element("sink")?.static_pad("sink").ok_or("the sink has no sink pad")?;
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        if let Some(buffer) = info.buffer() {
            print_result(buffer);
        }
        gst::PadProbeReturn::Ok
    });

    pipeline.set_state(gst::State::Playing)?;
    let result = run_to_end(&pipeline);
    pipeline.set_state(gst::State::Null)?;
    result
}

/// Prints one line about a buffer. A missing field gets a default.
fn print_result(buffer: &gst::BufferRef) {
    let Ok(meta) = gst::meta::CustomMeta::from_buffer(buffer, "GstCatdogMeta") else {
        println!("a buffer without a result");
        return;
    };
    let result = meta.structure();
    let pts = buffer.pts().map_or("no time".into(), |pts| format!("{pts:.1}"));
    let label = result.get::<&str>("label").unwrap_or("no label");
    let percent = 100.0 * result.get::<f64>("confidence").unwrap_or(0.0);
    let how = if result.get::<bool>("fresh").unwrap_or(false) { "inferred" } else { "held" };
    println!("{pts}  {label:<12} {percent:3.0} %  {how}");
}

/// Waits for the end of the file or the first error.
fn run_to_end(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(error.error().into()),
            _ => {}
        }
    }
    Ok(())
}
