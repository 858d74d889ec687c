//! Comparison with an implementation of the definition: each output pixel is the weighted mean of all
//! samples in the range of the filter, in f64, converted with the inverse of the color matrix.

use catdog_core::frame::{ChromaSite, ColorMatrix, ColorRange, FrameSpec, PixelFormat};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Kernels, Preprocessor, Resize, ResizeMethod, TensorTarget, ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};

use super::frames::{Frame, Samples};

/// Returns the filter at output position `index` of `outputs`, over a source of `pixels` pixels with
/// `samples` samples: (sample, weight), without normalization.
fn weights(
    index: usize,
    outputs: usize,
    pixels: usize,
    samples: usize,
    (subsampled, cosited): (bool, bool),
    antialias: bool,
) -> Vec<(usize, f64)> {
    let factor = if subsampled { 2.0 } else { 1.0 };
    let step = pixels as f64 / factor / outputs as f64;
    let shift = if subsampled && cosited { 0.25 } else { 0.0 };
    let center = (index as f64 + 0.5) * step + shift;
    let reach = if antialias { step.max(1.0) } else { 1.0 };
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

/// Returns the pixel values, without rounding, of the whole picture stretched to `tensor`.
fn stretch(frame: &Frame, tensor: (usize, usize), antialias: bool) -> Vec<f64> {
    let spec = &frame.spec;
    let site = spec.chroma_site;
    let mut levels = Vec::new();
    for y in 0..tensor.1 {
        for x in 0..tensor.0 {
            let mut components = [128.0; 3];
            for (index, samples) in frame.components.iter().enumerate() {
                let halved = |shift: u32| index > 0 && shift == 1;
                let (shift_x, shift_y) = spec.format.chroma_shift();
                let (sub_x, sub_y) = (halved(shift_x), halved(shift_y));
                let width = samples.width;
                let across = (sub_x, site.h_cosited);
                let columns = weights(x, tensor.0, spec.width, width, across, antialias);
                let height = samples.height;
                let down = (sub_y, site.v_cosited);
                let rows = weights(y, tensor.1, spec.height, height, down, antialias);
                components[index] = sample(samples, &columns, &rows);
            }
            levels.extend(convert(spec, components));
        }
    }
    levels
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
            let frame = Frame::test_picture(&spec, 5, false);
            for (antialias, kernels) in settings() {
                let want = stretch(&frame, tensor, antialias);
                let got = run(&frame, tensor, antialias, kernels);
                let off = std::iter::zip(&got, &want)
                    .map(|(got, want)| (f64::from(*got) - want).abs())
                    .fold(0.0, f64::max);
                // Rounding to 8 bits is at most 0.5; the rest comes from the integer weights.
                assert!(
                    off < 1.5,
                    "{format:?} {size:?} to {tensor:?}, {kernels:?}, {antialias}: off by {off}"
                );
            }
        }
    }
}

#[test]
fn all_kernels_have_identical_results() {
    for format in PixelFormat::ALL {
        let frame = Frame::test_picture(&FrameSpec::new(format, 643, 243), 1, false);
        for antialias in [true, false] {
            let run = |kernels| run(&frame, (75, 61), antialias, kernels);
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

/// Returns the pixel values that the preprocessing computes for the whole picture stretched to
/// `tensor`.
pub fn run(frame: &Frame, tensor: (usize, usize), antialias: bool, kernels: Kernels) -> Vec<u8> {
    let (width, height) = tensor;
    let values = [ValueMap::Level; 3];
    let target = TensorTarget {
        width,
        height,
        channels: Channels::Rgb,
        order: ChannelOrder::Last,
        element: ElementType::U8,
        values,
    };
    let mut levels = vec![0; width * height * 3];
    let resize = Resize { method: ResizeMethod::Stretch, antialias };
    Preprocessor::with_kernels(&frame.spec, &target, resize, kernels)
        .unwrap()
        .run(&frame.view(), TensorMut::U8(&mut levels))
        .unwrap();
    levels
}
