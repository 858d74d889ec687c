//! Comparison with an implementation of the definition: each output pixel is the weighted mean of all
//! samples in the range of the filter, in f64, converted with the inverse of the color matrix.

use catdog_core::frame::{
    ChromaSite, ColorMatrix, ColorRange, FrameSpec, Orientation, PixelFormat, Region,
};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Framing, Kernels, Preprocessor, Resize, ResizeMethod, TensorTarget,
    ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};

use super::frames::{Frame, Samples};

/// A picture in a tensor: the region that it shows, and how.
#[derive(Clone, Copy)]
pub struct View {
    pub tensor: (usize, usize),
    pub region: Region,
    pub antialias: bool,
}

impl View {
    /// Returns the whole frame in `tensor`.
    pub fn whole(tensor: (usize, usize), antialias: bool) -> Self {
        Self { tensor, region: Region::WHOLE, antialias }
    }
}

/// A part of a stored axis, in pixels: the center of an output sample, and its length.
struct Part {
    center: f64,
    step: f64,
}

/// Returns the columns and the rows of the stored frame that pixel (x, y) of the tensor shows.
fn parts(spec: &FrameSpec, view: &View, x: usize, y: usize) -> (Part, Part) {
    let region = view.region;
    // The center and the size of the pixel, in fractions of the upright frame.
    let (wide, high) =
        (region.width() / view.tensor.0 as f64, region.height() / view.tensor.1 as f64);
    let u = region.x() + (x as f64 + 0.5) * wide;
    let v = region.y() + (y as f64 + 0.5) * high;
    // The same, in fractions of the stored frame.
    let ((across, down), (wide, high)) = match spec.orientation {
        Orientation::Identity => ((u, v), (wide, high)),
        Orientation::FlipHorizontal => ((1.0 - u, v), (wide, high)),
        Orientation::FlipVertical => ((u, 1.0 - v), (wide, high)),
        Orientation::Rotate180 => ((1.0 - u, 1.0 - v), (wide, high)),
        // The left column of the upright frame is the last stored row.
        Orientation::Rotate90 => ((v, 1.0 - u), (high, wide)),
        // The upper row of the upright frame is the last stored column.
        Orientation::Rotate270 => ((1.0 - v, u), (high, wide)),
        Orientation::Transpose => ((v, u), (high, wide)),
        Orientation::AntiTranspose => ((1.0 - v, 1.0 - u), (high, wide)),
    };
    let (width, height) = (spec.width as f64, spec.height as f64);
    let columns = Part { center: across * width, step: wide * width };
    let rows = Part { center: down * height, step: high * height };
    (columns, rows)
}

/// Returns the filter for `part` of an axis with `samples` samples: (sample, weight), without
/// normalization.
fn weights(
    part: &Part,
    samples: usize,
    (subsampled, cosited): (bool, bool),
    antialias: bool,
) -> Vec<(usize, f64)> {
    let factor = if subsampled { 2.0 } else { 1.0 };
    let shift = if subsampled && cosited { 0.25 } else { 0.0 };
    let center = part.center / factor + shift;
    let reach = if antialias { (part.step / factor).max(1.0) } else { 1.0 };
    (0..samples)
        .map(|sample| (sample, 1.0 - (sample as f64 + 0.5 - center).abs() / reach))
        .filter(|(_, weight)| *weight > 0.0)
        .collect()
}

/// Returns the weighted mean of the samples in `columns` and `rows`.
fn sample(samples: &Samples, columns: &[(usize, f64)], rows: &[(usize, f64)]) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for (y, down) in rows {
        for (x, across) in columns {
            let weight = down * across;
            sum += weight * f64::from(samples.values[y * samples.width + x]);
            total += weight;
        }
    }
    sum / total
}

/// Converts components, which are code values, to red, green and blue pixel values.
pub fn convert(spec: &FrameSpec, [first, second, third]: [f64; 3]) -> [f64; 3] {
    let rgb = if spec.format.is_rgb() {
        [first, second, third]
    } else {
        let (y, cb, cr) = match spec.range {
            ColorRange::Limited => {
                ((first - 16.0) / 219.0, (second - 128.0) / 224.0, (third - 128.0) / 224.0)
            }
            ColorRange::Full => (first / 255.0, (second - 128.0) / 255.0, (third - 128.0) / 255.0),
        };
        let ColorMatrix { kr, kb } = spec.matrix;
        let red = y + 2.0 * (1.0 - kr) * cr;
        let blue = y + 2.0 * (1.0 - kb) * cb;
        let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
        [red * 255.0, green * 255.0, blue * 255.0]
    };
    rgb.map(|level| level.clamp(0.0, 255.0))
}

/// Returns the pixel values, without rounding, of the picture of `view`.
fn stretch(frame: &Frame, view: &View) -> Vec<f64> {
    let spec = &frame.spec;
    let site = spec.chroma_site;
    let mut levels = Vec::new();
    for y in 0..view.tensor.1 {
        for x in 0..view.tensor.0 {
            let (columns, rows) = parts(spec, view, x, y);
            let mut components = [128.0; 3];
            for (index, samples) in frame.components.iter().enumerate() {
                let halved = |shift: u32| index > 0 && shift == 1;
                let (shift_x, shift_y) = spec.format.chroma_shift();
                let across = (halved(shift_x), site.h_cosited);
                let columns = weights(&columns, samples.width, across, view.antialias);
                let down = (halved(shift_y), site.v_cosited);
                let rows = weights(&rows, samples.height, down, view.antialias);
                components[index] = sample(samples, &columns, &rows);
            }
            levels.extend(convert(spec, components));
        }
    }
    levels
}

/// Checks that the tensors of all kernels differ from the definition by little more than rounding.
fn check(frame: &Frame, tensor: (usize, usize), region: Region) {
    let spec = &frame.spec;
    for (antialias, kernels) in settings() {
        let view = View { tensor, region, antialias };
        let got = run(frame, &view, kernels);
        let off = std::iter::zip(&got, stretch(frame, &view))
            .map(|(got, want)| (f64::from(*got) - want).abs())
            .fold(0.0, f64::max);
        // Rounding to 8 bits is at most 0.5; the rest comes from the integer weights.
        assert!(
            off < 1.5,
            "{spec:?} to {tensor:?}, {region:?}, {kernels:?}, {antialias}: off by {off}"
        );
    }
}

#[test]
fn all_kernels_match_the_definition() {
    let sizes = [(320, 200), (97, 61), (64, 1), (5, 70), (3, 3), (2, 2), (1, 1)];
    let tensors = [(20, 20), (33, 9), (70, 66)];
    for (number, format) in PixelFormat::ALL.into_iter().enumerate() {
        for (size, tensor) in sizes.iter().flat_map(|size| tensors.map(|tensor| (*size, tensor))) {
            let spec = FrameSpec {
                matrix: ColorMatrix::BT709,
                range: [ColorRange::Full, ColorRange::Limited][number % 2],
                chroma_site: ChromaSite { h_cosited: size.0 % 2 == 0, v_cosited: size.1 > 60 },
                ..FrameSpec::new(format, size.0, size.1)
            };
            check(&Frame::test_picture(&spec, 5, false), tensor, Region::WHOLE);
        }
    }
}

#[test]
fn oriented_regions_match_the_definition() {
    let half = Region::new(0.3, 0.1, 0.5, 0.45).unwrap();
    let pixels = Region::new(0.9, 0.93, 0.1, 0.07).unwrap();
    for (number, format) in PixelFormat::ALL.into_iter().enumerate() {
        for (turn, orientation) in Orientation::ALL.into_iter().enumerate() {
            let (width, height) = [(97, 61), (34, 50), (3, 2)][(number + turn) % 3];
            let spec = FrameSpec {
                range: [ColorRange::Full, ColorRange::Limited][turn % 2],
                chroma_site: ChromaSite { h_cosited: turn < 4, v_cosited: number % 2 == 0 },
                orientation,
                ..FrameSpec::new(format, width, height)
            };
            let frame = Frame::test_picture(&spec, 3, false);
            for region in [Region::WHOLE, half, pixels] {
                check(&frame, (9, 14), region);
            }
        }
    }
}

/// Returns `samples` as `orientation` shows them.
fn upright(orientation: Orientation, samples: &Samples) -> Samples {
    let Samples { width, height, .. } = *samples;
    let (upright_width, upright_height) =
        if orientation.transposes() { (height, width) } else { (width, height) };
    let pixels = (0..upright_height).flat_map(|y| (0..upright_width).map(move |x| (x, y)));
    let values = pixels.map(|(x, y)| {
        let (x, y) = match orientation {
            Orientation::Identity => (x, y),
            Orientation::FlipHorizontal => (width - 1 - x, y),
            Orientation::FlipVertical => (x, height - 1 - y),
            Orientation::Rotate180 => (width - 1 - x, height - 1 - y),
            Orientation::Rotate90 => (y, height - 1 - x),
            Orientation::Rotate270 => (width - 1 - y, x),
            Orientation::Transpose => (y, x),
            Orientation::AntiTranspose => (width - 1 - y, height - 1 - x),
        };
        samples.values[y * width + x]
    });
    Samples { width: upright_width, height: upright_height, values: values.collect() }
}

#[test]
fn an_oriented_frame_is_like_its_upright_copy() {
    for format in PixelFormat::ALL {
        for orientation in Orientation::ALL {
            // 4:2:2 frames have no upright copy with the same samples if rows become columns.
            if orientation.transposes() && format.chroma_shift() == (1, 0) {
                continue;
            }
            let pixel_aspect_ratio = (64, 45);
            let stored =
                FrameSpec { orientation, pixel_aspect_ratio, ..FrameSpec::new(format, 128, 70) };
            let frame = Frame::test_picture(&stored, 1, false);
            let mut spec = FrameSpec { orientation: Orientation::Identity, ..stored };
            if orientation.transposes() {
                (spec.width, spec.height) = (spec.height, spec.width);
                spec.pixel_aspect_ratio = (45, 64);
            }
            let copy = Frame::new(&spec, 1, |index, size| {
                let samples = upright(orientation, &frame.components[index]);
                assert_eq!((samples.width, samples.height), size);
                samples.values
            });
            for method in [ResizeMethod::Stretch, ResizeMethod::Crop, ResizeMethod::Letterbox] {
                let region = Region::new(0.1, 0.0, 0.8, 1.0).unwrap();
                let framing = Framing { region, resize: method.into() };
                let run = |frame| pixel_values(frame, (21, 16), framing, Kernels::best());
                let (got, want) = (run(&frame), run(&copy));
                let off = std::iter::zip(got, want).map(|(got, want)| got.abs_diff(want)).max();
                assert!(off <= Some(1), "{format:?} {orientation:?} {method:?}: off by {off:?}");
            }
        }
    }
}

#[test]
fn all_kernels_have_identical_results() {
    for format in PixelFormat::ALL {
        let frame = Frame::test_picture(&FrameSpec::new(format, 643, 243), 1, false);
        for antialias in [true, false] {
            let run = |kernels| run(&frame, &View::whole((75, 61), antialias), kernels);
            let mut tensors = Kernels::available().map(run);
            let first = tensors.next().unwrap();
            tensors.for_each(|other| assert!(other == first, "{format:?} {antialias}"));
        }
    }
}

/// Returns all kernels of this machine, with and without antialiasing.
fn settings() -> impl Iterator<Item = (bool, Kernels)> {
    [true, false]
        .into_iter()
        .flat_map(|antialias| Kernels::available().map(move |kernels| (antialias, kernels)))
}

/// Returns the pixel values that the preprocessing computes for the picture of `view`.
pub fn run(frame: &Frame, view: &View, kernels: Kernels) -> Vec<u8> {
    let resize = Resize { method: ResizeMethod::Stretch, antialias: view.antialias };
    pixel_values(frame, view.tensor, Framing { region: view.region, resize }, kernels)
}

/// Returns the pixel values that the preprocessing computes.
fn pixel_values(
    frame: &Frame,
    (width, height): (usize, usize),
    framing: Framing,
    kernels: Kernels,
) -> Vec<u8> {
    let target = TensorTarget {
        width,
        height,
        channels: Channels::Rgb,
        order: ChannelOrder::Last,
        element: ElementType::U8,
        values: [ValueMap::Level; 3],
    };
    let mut levels = vec![0; width * height * 3];
    Preprocessor::with_kernels(&frame.spec, &target, framing, kernels)
        .unwrap()
        .run(&frame.view(), TensorMut::U8(&mut levels))
        .unwrap();
    levels
}
