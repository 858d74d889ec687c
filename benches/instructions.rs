//! The program whose instructions per frame `tests/shell/instructions.sh` counts with callgrind.
//!
//! Each case has a setup and a warm-up, then [`counted`] runs its frames. Callgrind counts the instructions of
//! that function. The cases are the preprocessing with each set of kernels of this machine, and the element
//! with a fake engine, whose `run` callgrind leaves out. The program prints the names of the cases in the
//! order of the calls.
//!
//! Run: `cargo bench --bench instructions -- [--frames N] [PART-OF-A-NAME]`. The program measures no times.

mod harness;

use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use catdog_core::frame::{FrameSpec, FrameView, Orientation, PixelFormat, Plane};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Kernels, Preprocessor, Resize, ResizeMethod, TensorTarget, ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};
use catdog_core::testing::FakeEngine;
use harness::FilterHarness;

const FORMATS: [PixelFormat; 5] =
    [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuy2, PixelFormat::Rgb, PixelFormat::Bgrx];
const FULL_HD: (usize, usize) = (1920, 1080);
const TENSORS: [usize; 2] = [150, 224];
/// Every few dozen frames the element measures its latency and searches for overlays. `FRAMES` and [`WARM_UP`]
/// together are fewer, so that these instructions are not counted.
const FRAMES: usize = 10;
const WARM_UP: usize = 4;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    gst::init()?;
    // Once: registering an element again frees the factory that the class of the element refers to.
    gstcatdog::plugin_register_static()?;
    let selection = Selection::from_arguments()?;
    for kernels in Kernels::available() {
        for format in FORMATS {
            for (side, antialias) in
                TENSORS.into_iter().flat_map(|side| [(side, true), (side, false)])
            {
                let usual = Conversion { format, side, antialias, ..USUAL };
                preprocess(&selection, "", &usual, kernels)?;
            }
        }
        for (name, conversion) in &UNUSUAL {
            preprocess(&selection, name, conversion, kernels)?;
        }
    }
    for setting in &SETTINGS {
        element(&selection, setting, FULL_HD, 150)?;
        // With hardly any pixels, the count is that of the rest.
        element(&selection, setting, (16, 16), 8)?;
    }
    Ok(())
}

/// A conversion of a Full HD frame.
struct Conversion {
    format: PixelFormat,
    side: usize,
    antialias: bool,
    orientation: Orientation,
    channels: Channels,
    order: ChannelOrder,
}

const USUAL: Conversion = Conversion {
    format: PixelFormat::I420,
    side: 150,
    antialias: true,
    orientation: Orientation::Identity,
    channels: Channels::Rgb,
    order: ChannelOrder::Last,
};

/// Other orientations and layouts, with parts of their names.
const UNUSUAL: [(&str, Conversion); 4] = [
    (", rotated by 90", Conversion { orientation: Orientation::Rotate90, ..USUAL }),
    (", rotated by 180", Conversion { orientation: Orientation::Rotate180, ..USUAL }),
    (", NCHW", Conversion { order: ChannelOrder::First, ..USUAL }),
    (", gray", Conversion { channels: Channels::Gray, ..USUAL }),
];

/// The properties of the element, and the duration of an inference.
struct Setting {
    name: &'static str,
    properties: &'static [(&'static str, &'static str)],
    delay: Duration,
}

const SETTINGS: [Setting; 4] = [
    Setting { name: "active=false", properties: &[("active", "false")], delay: Duration::ZERO },
    Setting { name: "mode=sync", properties: &[("mode", "sync")], delay: Duration::ZERO },
    // Only the first frame is inferred; the others have its held result.
    Setting {
        name: "mode=async, carried",
        properties: &[("mode", "async"), ("inference-interval", "1000000")],
        delay: Duration::ZERO,
    },
    // The engine is so slow that no inference ends while frames are counted. Each frame replaces the waiting
    // one, and has the held result of the first.
    Setting { name: "mode=async", properties: &[("mode", "async")], delay: Duration::from_secs(2) },
];

/// The selection of cases, and the number of frames of each.
struct Selection {
    /// A part of the name of each selected case.
    part: String,
    frames: usize,
}

impl Selection {
    fn from_arguments() -> Result<Self> {
        let mut selection = Self { part: String::new(), frames: FRAMES };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--frames" => {
                    selection.frames = arguments.next().ok_or("--frames needs a number")?.parse()?
                }
                // Cargo passes this option to every bench.
                "--bench" => {}
                _ => selection.part = argument,
            }
        }
        Ok(selection)
    }

    fn contains(&self, name: &str) -> bool {
        name.contains(&self.part)
    }
}

/// Calls `frame` `frames` times. Callgrind finds this function by its name, so it must not be inlined.
#[inline(never)]
fn counted(frames: usize, frame: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..frames {
        frame()?;
    }
    Ok(())
}

/// Counts the preprocessing, from the planes to a float tensor. `variant` is a part of the name.
fn preprocess(
    selection: &Selection,
    variant: &str,
    conversion: &Conversion,
    kernels: Kernels,
) -> Result<()> {
    let &Conversion { format, side, antialias, orientation, channels, order } = conversion;
    let (width, height) = FULL_HD;
    let filter = if antialias { "" } else { ", antialias=false" };
    let name = format!(
        "preprocess {format:?} {width}x{height} to {side}x{side}{filter}{variant}, {kernels:?}"
    );
    if !selection.contains(&name) {
        return Ok(());
    }
    let spec = FrameSpec { orientation, ..FrameSpec::new(format, width, height) };
    let layouts = (0..format.n_planes()).map(|plane| format.plane_layout(plane, width, height));
    let memory: Vec<(Vec<u8>, usize)> = layouts
        .map(|layout| (vec![90; layout.row_bytes * layout.rows], layout.row_bytes))
        .collect();
    let planes: Vec<Plane<'_>> =
        memory.iter().map(|(data, stride)| Plane { data, stride: *stride }).collect();
    let frame = FrameView::new(&spec, &planes)?;
    let target = TensorTarget {
        width: side,
        height: side,
        channels,
        order,
        element: ElementType::F32,
        values: [ValueMap::Normalized { mean: 127.5, std: 127.5 }; 3],
    };
    let resize = Resize { method: ResizeMethod::Stretch, antialias };
    let mut preprocessor = Preprocessor::with_kernels(&spec, &target, resize, kernels)?;
    let mut tensor = vec![0.0; side * side * channels.count()];
    let mut run = || {
        preprocessor.run(black_box(&frame), TensorMut::F32(&mut tensor))?;
        black_box(&tensor);
        Ok(())
    };
    run()?;
    counted(selection.frames, &mut run)?;
    println!("{name}");
    Ok(())
}

/// Counts a frame from the sink pad of `catdogfilter` to the peer of its source pad, which reads the metadata.
fn element(
    selection: &Selection,
    setting: &Setting,
    (width, height): (usize, usize),
    side: usize,
) -> Result<()> {
    let name = format!("element I420 {width}x{height} to {side}x{side}, {}", setting.name);
    if !selection.contains(&name) {
        return Ok(());
    }
    let mut engine = FakeEngine::new(side, side);
    engine.delay = setting.delay;
    engine.stand_in_for(&name);
    let element = FilterHarness::with_properties(
        setting.properties,
        &name,
        "I420",
        width as i32,
        height as i32,
    )?;
    let frame = gst::Buffer::from_mut_slice(vec![90; element.frame_size]);
    let mut number = 0;
    let mut push = || {
        let mut buffer = frame.copy();
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_mseconds(40 * number));
        }
        number += 1;
        Ok(element.push(buffer)?)
    };
    for _ in 0..WARM_UP {
        push()?;
    }
    let active = !setting.properties.contains(&("active", "false"));
    while active && element.inferences() == 0 {
        // Few frames, or the element searches for an overlay.
        thread::sleep(Duration::from_millis(100));
        push()?;
    }
    let before = element.inferences();
    counted(selection.frames, &mut push)?;
    let during = element.inferences() - before;
    if during != 0 && during != selection.frames as u64 {
        return Err(format!("{name}: {during} inferences in {} frames", selection.frames).into());
    }
    println!("{name}");
    Ok(())
}
