//! What is run to count the instructions of a frame: `tests/shell/instructions.sh`.
//!
//! Each case is set up and warmed up first; then [`counted`] runs its frames, so that whoever counts
//! knows by the name of that function what to count. The cases are the preprocessing alone, with all
//! kernels that the machine has, and the element around a stand-in for the model, whose run has a name
//! of its own to be left out by. Printed is the name of each case, in the order of the calls.
//!
//! Run: `cargo bench --bench instructions -- [--frames N] [PART-OF-A-NAME]`; by itself it says nothing
//! of time.

mod harness;

use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use catdog_core::frame::{FrameSpec, FrameView, PixelFormat, Plane};
use catdog_core::preprocess::{
    Kernels, Preprocessor, Resize, ResizeMethod, TensorTarget, ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};
use catdog_core::testing::FakeEngine;
use harness::Fed;

const FORMATS: [PixelFormat; 5] =
    [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuy2, PixelFormat::Rgb, PixelFormat::Bgrx];
const FULL_HD: (usize, usize) = (1920, 1080);
const TENSORS: [usize; 2] = [150, 224];
/// With [`WARM_UP`] fewer than the inferences after which the element looks at its latency, and than
/// the frames after which it looks for overlays: both take now and then what a frame does not.
const FRAMES: usize = 10;
const WARM_UP: usize = 4;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let wanted = Wanted::from_arguments()?;
    for kernels in Kernels::available() {
        for format in FORMATS {
            for (side, antialias) in
                TENSORS.into_iter().flat_map(|side| [(side, true), (side, false)])
            {
                preprocess(&wanted, format, side, antialias, kernels)?;
            }
        }
    }
    for setting in &SETTINGS {
        element(&wanted, setting, FULL_HD, 150)?;
        // Next to no pixels: all the rest.
        element(&wanted, setting, (16, 16), 8)?;
    }
    Ok(())
}

/// What the element is told, and how long its model takes.
struct Setting {
    name: &'static str,
    properties: &'static [(&'static str, &'static str)],
    delay: Duration,
}

const SETTINGS: [Setting; 4] = [
    Setting { name: "active=false", properties: &[("active", "false")], delay: Duration::ZERO },
    Setting { name: "mode=sync", properties: &[("mode", "sync")], delay: Duration::ZERO },
    // Only the first frame is inferred, the others carry its result.
    Setting {
        name: "mode=async, carried",
        properties: &[("mode", "async"), ("inference-interval", "1000000")],
        delay: Duration::ZERO,
    },
    // So slow that no inference ends while frames are counted: each of them takes the place of the
    // one that waits, and carries the result of the first.
    Setting { name: "mode=async", properties: &[("mode", "async")], delay: Duration::from_secs(2) },
];

/// The cases that were asked for, and how many frames of each.
struct Wanted {
    part: String,
    frames: usize,
}

impl Wanted {
    fn from_arguments() -> Result<Self> {
        let mut wanted = Self { part: String::new(), frames: FRAMES };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--frames" => wanted.frames = arguments.next().ok_or("--frames N")?.parse()?,
                // What cargo says to every bench.
                "--bench" => {}
                _ => wanted.part = argument,
            }
        }
        Ok(wanted)
    }

    fn has(&self, name: &str) -> bool {
        name.contains(&self.part)
    }
}

/// Runs `frame` so often. What is counted is known by this function's name, so it must be called.
#[inline(never)]
fn counted(frames: usize, frame: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..frames {
        frame()?;
    }
    Ok(())
}

/// From the planes to the float tensor of `side` rows and columns.
fn preprocess(
    wanted: &Wanted,
    format: PixelFormat,
    side: usize,
    antialias: bool,
    kernels: Kernels,
) -> Result<()> {
    let (width, height) = FULL_HD;
    let filter = if antialias { "" } else { ", antialias=false" };
    let name =
        format!("preprocess {format:?} {width}x{height} to {side}x{side}{filter}, {kernels:?}");
    if !wanted.has(&name) {
        return Ok(());
    }
    let spec = FrameSpec::new(format, width, height);
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
        element: ElementType::F32,
        values: [ValueMap::Normalized { mean: 127.5, std: 127.5 }; 3],
    };
    let resize = Resize { method: ResizeMethod::Stretch, antialias };
    let mut preprocessor = Preprocessor::with_kernels(&spec, &target, resize, kernels)?;
    let mut tensor = vec![0.0; side * side * 3];
    let mut run = || {
        preprocessor.run(black_box(&frame), TensorMut::F32(&mut tensor))?;
        black_box(&tensor);
        Ok(())
    };
    run()?;
    counted(wanted.frames, &mut run)?;
    println!("{name}");
    Ok(())
}

/// From one pad of `catdogfilter` to the other, and a look at the metadata behind it.
fn element(
    wanted: &Wanted,
    setting: &Setting,
    (width, height): (usize, usize),
    side: usize,
) -> Result<()> {
    let name = format!("element I420 {width}x{height} to {side}x{side}, {}", setting.name);
    if !wanted.has(&name) {
        return Ok(());
    }
    gst::init()?;
    gstcatdog::plugin_register_static()?;
    let mut engine = FakeEngine::new(side, side);
    engine.delay = setting.delay;
    engine.stand_in_for(&name);
    let element = Fed::with(setting.properties, &name, "I420", width as i32, height as i32)?;
    let picture = gst::Buffer::from_mut_slice(vec![90; element.frame_size]);
    let mut number = 0;
    let mut push = || {
        let mut buffer = picture.copy();
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
        // Seldom, or an overlay is looked for.
        thread::sleep(Duration::from_millis(100));
        push()?;
    }
    let before = element.inferences();
    counted(wanted.frames, &mut push)?;
    let during = element.inferences() - before;
    if during != 0 && during != wanted.frames as u64 {
        return Err(format!("{name}: {during} inferences in {} frames", wanted.frames).into());
    }
    println!("{name}");
    Ok(())
}
