//! The layouts of the tensor compared with each other: the adjacent float32 channels of RGB, which
//! the other modules check, define the values of all layouts and of float16.

use catdog_core::frame::{ColorMatrix, FrameSpec, Orientation, PixelFormat, Region};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Framing, Kernels, Preprocessor, ResizeMethod, TensorTarget, ValueMap,
};
use catdog_core::tensor::{ElementType, Quantization, Tensor, TensorInfo, TensorRef, f16};

use super::frames::Frame;

/// An odd size, so that no row is a whole number of registers.
const SIZE: (usize, usize) = (43, 29);

const VALUES: [ValueMap; 3] = [
    ValueMap::Normalized { mean: 123.675, std: 58.395 },
    ValueMap::Normalized { mean: 116.28, std: 57.12 },
    ValueMap::Normalized { mean: 103.53, std: 57.375 },
];

fn rgb(element: ElementType, values: [ValueMap; 3]) -> TensorTarget {
    let (width, height) = SIZE;
    let (channels, order) = (Channels::Rgb, ChannelOrder::Last);
    TensorTarget { width, height, channels, order, element, values }
}

/// Returns the tensor of `target` for a letterboxed part of `frame`.
fn run(frame: &Frame, target: &TensorTarget, kernels: Kernels) -> Tensor {
    let info = TensorInfo {
        name: String::new(),
        shape: vec![target.width, target.height, target.channels.count()],
        element: target.element,
        quantization: None,
    };
    let mut tensor = Tensor::zeroed(&info);
    let region = Region::new(0.1, 0.2, 0.7, 0.8).unwrap();
    let framing = Framing { region, resize: ResizeMethod::Letterbox.into() };
    Preprocessor::with_kernels(&frame.spec, target, framing, kernels)
        .unwrap()
        .run(&frame.view(), tensor.elements_mut())
        .unwrap();
    tensor
}

/// Returns all elements as real numbers.
fn reals(tensor: &Tensor) -> Vec<f32> {
    let elements = tensor.elements();
    (0..elements.len()).map(|index| elements.real(index, None)).collect()
}

/// Returns the planes of a tensor with adjacent channels.
fn planes(tensor: &[f32]) -> Vec<f32> {
    (0..3).flat_map(|channel| tensor.iter().skip(channel).step_by(3).copied()).collect()
}

/// Returns a frame of each format, with all orientations in turn.
fn frames() -> impl Iterator<Item = Frame> {
    let orientations = Orientation::ALL.into_iter().cycle();
    PixelFormat::ALL.into_iter().zip(orientations).map(|(format, orientation)| {
        let matrix = ColorMatrix::BT709;
        let spec = FrameSpec { matrix, orientation, ..FrameSpec::new(format, 161, 121) };
        Frame::test_picture(&spec, 7, false)
    })
}

#[test]
fn planes_have_the_elements_of_adjacent_channels() {
    let quantization = Quantization { scale: 0.02, zero_point: 3 };
    let quantized = VALUES.map(|value| match value {
        ValueMap::Normalized { mean, std } => ValueMap::Quantized { mean, std, quantization },
        other => other,
    });
    let types = [
        (ElementType::F32, VALUES),
        (ElementType::F16, VALUES),
        (ElementType::U8, quantized),
        (ElementType::U8, [ValueMap::Level; 3]),
        (ElementType::I8, quantized),
        (ElementType::I8, [ValueMap::Level; 3]),
    ];
    for frame in frames() {
        for (element, values) in types {
            let adjacent = rgb(element, values);
            let planar = TensorTarget { order: ChannelOrder::First, ..adjacent.clone() };
            for kernels in Kernels::available() {
                let want = planes(&reals(&run(&frame, &adjacent, kernels)));
                let got = reals(&run(&frame, &planar, kernels));
                assert!(got == want, "{:?} {element:?} {kernels:?}", frame.spec);
            }
        }
    }
}

#[test]
fn half_floats_are_the_rounded_floats() {
    for frame in frames() {
        for kernels in Kernels::available() {
            let floats = run(&frame, &rgb(ElementType::F32, VALUES), kernels);
            let halves = run(&frame, &rgb(ElementType::F16, VALUES), kernels);
            let want: Vec<f16> = reals(&floats).into_iter().map(f16::from_f32).collect();
            let TensorRef::F16(got) = halves.elements() else { panic!() };
            assert!(got == want, "{:?} {kernels:?}", frame.spec);
        }
    }
}

#[test]
fn gray_is_the_luma_of_the_frame() {
    for frame in frames().filter(|frame| !frame.spec.format.is_rgb()) {
        let spec = FrameSpec { format: PixelFormat::Gray8, ..frame.spec.clone() };
        let luma = Frame::new(&spec, 0, |_, _| frame.components[0].values.clone());
        for order in [ChannelOrder::Last, ChannelOrder::First] {
            let gray =
                TensorTarget { channels: Channels::Gray, order, ..rgb(ElementType::F32, VALUES) };
            for kernels in Kernels::available() {
                let picture = reals(&run(&luma, &rgb(ElementType::F32, VALUES), kernels));
                let red: Vec<f32> = picture.into_iter().step_by(3).collect();
                assert!(reals(&run(&frame, &gray, kernels)) == red, "{:?} {kernels:?}", frame.spec);
            }
        }
    }
}

#[test]
fn gray_of_rgb_has_the_weights_of_the_matrix() {
    let (width, height) = SIZE;
    for frame in frames().filter(|frame| frame.spec.format.is_rgb()) {
        let picture = rgb(ElementType::F32, [ValueMap::Level; 3]);
        let gray = TensorTarget { channels: Channels::Gray, ..picture.clone() };
        for kernels in Kernels::available() {
            let got = reals(&run(&frame, &gray, kernels));
            let rgb = reals(&run(&frame, &picture, kernels));
            assert_eq!(got.len(), width * height);
            for (gray, pixel) in got.into_iter().zip(rgb.chunks_exact(3)) {
                // ITU-R BT.709, item 3.2.
                let luma = 0.2126 * pixel[0] + 0.7152 * pixel[1] + 0.0722 * pixel[2];
                // Both are rounded.
                assert!((gray - luma).abs() <= 1.01, "{gray} for {pixel:?}, {kernels:?}");
            }
        }
    }
}
