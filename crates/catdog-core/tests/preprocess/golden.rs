//! Comparison with tensors of Pillow with NumPy and of libswscale, which
//! python/golden/make_preprocess_golden.py writes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use catdog_core::frame::{
    ChromaSite, ColorMatrix, ColorRange, FrameSpec, Orientation, PixelFormat, Region,
};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Framing, Kernels, Preprocessor, Resize, ResizeMethod, TensorTarget,
    ValueMap,
};
use catdog_core::tensor::{ElementType, Quantization, TensorMut, f16};
use serde_json::Value;

use super::frames::{Frame, test_picture};

/// The limit of the mean difference in a tensor, in pixel values.
const MEAN: f64 = 0.2;

/// The limit of each difference, in pixel values: a rounding difference of 1, or of one step of a
/// coarser quantization.
const MAX: f64 = 1.5;

#[test]
fn all_kernels_match_the_golden_tensors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let tensors = std::fs::read(folder.join("preprocess.bin")).unwrap();
    let index = std::fs::read(folder.join("preprocess.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_slice(&index).unwrap();
    assert!(cases.len() > 1000, "only {} golden tensors in the index", cases.len());
    let mut pictures = HashMap::new();
    let mut worst = BTreeMap::new();
    for (number, case) in cases.iter().enumerate() {
        let bytes = &tensors[size(case, "offset")..][..size(case, "bytes")];
        // No padding, an odd number of bytes, a cache line.
        let padding = [0, 3, 64][number % 3];
        let smooth = case["smooth"] == true;
        // Each picture is computed once for all formats, because in a debug build it takes most of
        // the time.
        let frame = Frame::new(&spec(case), padding, |index, size| {
            let key = (index, size, smooth);
            pictures.entry(key).or_insert_with(|| test_picture(index, size, smooth)).clone()
        });
        for kernels in Kernels::available() {
            let (mean, max) = difference(case, &frame, kernels, bytes);
            assert!(mean <= MEAN && max <= MAX, "mean {mean:.3}, max {max}: {kernels:?} {case}");
            let group = format!("{} {kernels:?}", text(case, "group"));
            let entry: &mut (f64, f64) = worst.entry(group).or_default();
            *entry = (entry.0.max(mean), entry.1.max(max));
        }
    }
    println!("largest mean difference and largest difference: {worst:#.3?}");
}

/// Returns the mean and the largest difference, in pixel values, between the tensor and the golden
/// `bytes`.
fn difference(case: &Value, frame: &Frame, kernels: Kernels, bytes: &[u8]) -> (f64, f64) {
    let target = target(case);
    let mut preprocessor =
        Preprocessor::with_kernels(&frame.spec, &target, framing(case), kernels).unwrap();
    let channels = target.channels.count();
    let len = target.width * target.height * channels;
    let view = frame.view();
    // The initial values differ from all expected ones, so a missing write is detected.
    let (got, want): (Vec<f64>, Vec<f64>) = match target.element {
        ElementType::F32 => {
            let mut tensor = vec![f32::NAN; len];
            preprocessor.run(&view, TensorMut::F32(&mut tensor)).unwrap();
            let want = bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four).into());
            (tensor.into_iter().map(f64::from).collect(), want.collect())
        }
        ElementType::F16 => {
            let mut tensor = vec![f16::NAN; len];
            preprocessor.run(&view, TensorMut::F16(&mut tensor)).unwrap();
            let want = bytes.as_chunks().0.iter().map(|two| f16::from_le_bytes(*two).into());
            (tensor.into_iter().map(f64::from).collect(), want.collect())
        }
        ElementType::U8 => {
            let mut tensor = vec![99; len];
            preprocessor.run(&view, TensorMut::U8(&mut tensor)).unwrap();
            (
                tensor.into_iter().map(f64::from).collect(),
                bytes.iter().map(|b| (*b).into()).collect(),
            )
        }
        ElementType::I8 => {
            let mut tensor = vec![99; len];
            preprocessor.run(&view, TensorMut::I8(&mut tensor)).unwrap();
            let want = bytes.iter().map(|byte| f64::from(*byte as i8));
            (tensor.into_iter().map(f64::from).collect(), want.collect())
        }
    };
    assert_eq!(got.len(), want.len());
    let channel = |index: usize| match target.order {
        ChannelOrder::Last => index % channels,
        ChannelOrder::First => index / (target.width * target.height),
    };
    let levels: Vec<f64> = std::iter::zip(got, want)
        .enumerate()
        .map(|(index, (got, want))| {
            (got - want).abs() * levels_per_unit(&target.values[channel(index)])
        })
        .collect();
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    (mean, levels.into_iter().reduce(|a, b| if a >= b { a } else { b }).unwrap())
}

/// Returns the difference in pixel values that makes a difference of 1 in an element.
fn levels_per_unit(value: &ValueMap) -> f64 {
    match value {
        ValueMap::Level => 1.0,
        ValueMap::Normalized { std, .. } => f64::from(*std),
        ValueMap::Quantized { std, quantization, .. } => f64::from(*std * quantization.scale),
    }
}

fn spec(case: &Value) -> FrameSpec {
    let format = |format: &PixelFormat| format!("{format:?}") == text(case, "format");
    let flag = |index: usize| case["site"][index].as_bool().unwrap();
    let (width, height) = pair(case, "size");
    let format = PixelFormat::ALL.into_iter().find(format).unwrap();
    let (numerator, denominator) = pair(case, "par");
    FrameSpec {
        matrix: match text(case, "matrix") {
            "Bt601" => ColorMatrix::BT601,
            "Bt709" => ColorMatrix::BT709,
            _ => ColorMatrix::BT2020,
        },
        range: match text(case, "range") {
            "Limited" => ColorRange::Limited,
            _ => ColorRange::Full,
        },
        chroma_site: ChromaSite { h_cosited: flag(0), v_cosited: flag(1) },
        pixel_aspect_ratio: (numerator as u32, denominator as u32),
        orientation: Orientation::ALL
            .into_iter()
            .find(|orientation| format!("{orientation:?}") == text(case, "orientation"))
            .unwrap(),
        ..FrameSpec::new(format, width, height)
    }
}

fn framing(case: &Value) -> Framing {
    let method = match text(case, "method") {
        "Stretch" => ResizeMethod::Stretch,
        "Crop" => ResizeMethod::Crop,
        _ => ResizeMethod::Letterbox,
    };
    let resize = Resize { method, antialias: case["antialias"] == true };
    let [x, y, width, height] = [0, 1, 2, 3].map(|index| case["region"][index].as_f64().unwrap());
    Framing { region: Region::new(x, y, width, height).unwrap(), resize }
}

fn target(case: &Value) -> TensorTarget {
    let element = match text(case, "element") {
        "F32" => ElementType::F32,
        "F16" => ElementType::F16,
        "U8" => ElementType::U8,
        _ => ElementType::I8,
    };
    let quantization = Quantization {
        scale: number(&case["scale"]),
        zero_point: case["zero_point"].as_i64().unwrap() as i32,
    };
    let value = |channel: usize| {
        let value = &case["values"][channel];
        if value.is_null() {
            return ValueMap::Level;
        }
        let (mean, std) = (number(&value["mean"]), number(&value["std"]));
        if element.is_float() {
            return ValueMap::Normalized { mean, std };
        }
        ValueMap::Quantized { mean, std, quantization }
    };
    let (width, height) = pair(case, "tensor");
    TensorTarget {
        width,
        height,
        channels: match text(case, "channels") {
            "Rgb" => Channels::Rgb,
            _ => Channels::Gray,
        },
        order: match text(case, "order") {
            "Last" => ChannelOrder::Last,
            _ => ChannelOrder::First,
        },
        element,
        values: [0, 1, 2].map(value),
    }
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}

fn size(case: &Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

fn pair(case: &Value, key: &str) -> (usize, usize) {
    let side = |index: usize| case[key][index].as_u64().unwrap() as usize;
    (side(0), side(1))
}

fn number(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}
