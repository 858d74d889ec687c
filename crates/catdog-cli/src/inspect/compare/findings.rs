//! The differences between catdog and the user's program, each with its remedy.

use std::fmt;

use catdog_core::classifier::{InputRange, Interpretation};
use catdog_core::decision::Activation;
use catdog_core::model::tflite::ModelInfo;
use catdog_core::preprocess::{Resize, ResizeMethod};
use catdog_core::property_text::{parse_mean, parse_std};
use serde::Serialize;

use super::input::{Explanation, Fit, Line, Sampling, Way};
use super::recorded::{Recorded, RecordedImage};
use super::scores::Relation;

/// Ranges that differ by less, as a part of the range, are equal. Eight-bit inputs are stored with
/// errors of up to 1/256 of the range.
const RANGE_TOLERANCE: f64 = 0.02;

/// A difference.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What differs, in one or two words.
    pub part: &'static str,
    /// How it differs, and what to do if no property can be set.
    pub message: String,
    /// The properties to set, as they are written in a pipeline.
    pub set: Option<String>,
}

impl Finding {
    fn new(part: &'static str, message: String) -> Self {
        Self { part, message, set: None }
    }

    fn with_property(part: &'static str, message: String, set: String) -> Self {
        Self { part, message, set: Some(set) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.message)?;
        self.set.as_ref().map_or(Ok(()), |set| write!(f, "; set {set}"))
    }
}

/// Returns the difference of two pictures.
pub fn other_picture(recorded: &str, given: &str) -> Finding {
    Finding::new(
        "picture",
        format!(
            "the result was recorded for '{recorded}', whose content is not that of '{given}'; use \
             the same file"
        ),
    )
}

/// Adds why the recorded input was not explained.
pub fn unexplained_input(
    findings: &mut Vec<Finding>,
    image: Option<&RecordedImage>,
    recorded: &Recorded,
    info: &ModelInfo,
) {
    let (width, height) = info.input.size;
    let message = match image {
        None => format!(
            "the recorded input has shape {:?}, expected {:?}; record the tensor that the model gets",
            recorded.input.shape, info.input.tensor.shape
        ),
        Some(image) if (image.width, image.height) != (width, height) => format!(
            "the recorded input has {} x {} pixels, and that of the model {width} x {height}; resize \
             to the size of the model, or convert the model with that size",
            image.width, image.height
        ),
        Some(image) if image.has_flat_channel() => {
            "the recorded input has the same value everywhere in a channel, so it does not show the \
             picture; record the tensor that the model gets"
                .into()
        }
        Some(_) => {
            "the picture has too little contrast to find out how the input was made; use a photo"
                .into()
        }
    };
    findings.push(Finding::new("input", message));
}

/// Returns the lines from pixel values to the input that catdog computes, in real numbers: one for
/// each channel.
pub fn range_of(interpretation: &Interpretation, info: &ModelInfo) -> Vec<Line> {
    let InputRange { black, white } = interpretation.scaling.range(&info.input.tensor);
    let real = |stored: f32| {
        let quantization = info.input.tensor.quantization;
        quantization.map_or(stored, |q| q.scale * (stored - q.zero_point as f32))
    };
    let black_and_white = black.into_iter().zip(white).take(info.input.channels.count());
    black_and_white
        .map(|(black, white)| {
            let (black, white) = (f64::from(real(black)), f64::from(real(white)));
            Line { slope: (white - black) / 255.0, offset: black }
        })
        .collect()
}

/// Adds the differences between the way of the recorded input and what the element does with
/// `resize`, the order of the channels (`our_bgr` if it is blue, green, red) and the range `ours`.
pub fn input(
    findings: &mut Vec<Finding>,
    explanation: &Explanation,
    resize: Resize,
    our_bgr: bool,
    ours: &[Line],
) {
    if !explanation.is_certain() {
        findings.push(Finding::new(
            "input",
            format!(
                "no usual way of resizing explains the recorded input; the closest one ({}) leaves a \
                 residual of {:.1} pixel values; check that it was made from this picture",
                explanation, explanation.residual
            ),
        ));
        return;
    }
    let Way { upright, fit, sampling, bgr } = explanation.way;
    if !upright {
        findings.push(Finding::new(
            "orientation",
            "the recorded input was made without the rotation that EXIF asks for; apply it with \
             ImageOps.exif_transpose, or the model sees a picture that lies on its side"
                .into(),
        ));
    }
    if fit != Fit::Method(resize.method) {
        findings.push(fit_finding(fit));
    }
    if sampling != Sampling::from(resize) {
        findings.push(sampling_finding(sampling));
    }
    if bgr != our_bgr && ours.len() == 1 {
        findings.push(Finding::new(
            "color order",
            "the recorded input is the gray of a picture whose red and blue are exchanged; convert the \
             picture to gray with COLOR_RGB2GRAY if it is RGB, and with COLOR_BGR2GRAY if it is BGR"
                .into(),
        ));
    } else if bgr != our_bgr {
        let (theirs, set) = match bgr {
            true => ("blue, green, red", "color-order=bgr"),
            false => ("red, green, blue", "color-order=rgb"),
        };
        let message = format!("the recorded input has the channels {theirs}");
        findings.push(Finding::with_property("color order", message, set.into()));
    }
    findings.extend(range_finding(&explanation.lines, ours));
}

fn fit_finding(fit: Fit) -> Finding {
    let method = match fit {
        Fit::Method(ResizeMethod::Stretch) => "stretch",
        Fit::Method(ResizeMethod::Crop) => "crop",
        Fit::Method(ResizeMethod::Letterbox) => "letterbox",
        Fit::Center => {
            let message = "the recorded input shows the middle 7/8 of the picture (resized to 256, cut \
                           to 224); crop is the closest value";
            return Finding::with_property("fit", message.into(), "resize-method=crop".into());
        }
    };
    let message = format!("the recorded picture is {fit} to the size of the input");
    Finding::with_property("fit", message, format!("resize-method={method}"))
}

fn sampling_finding(sampling: Sampling) -> Finding {
    let message = format!("the recorded picture is resized {sampling}");
    match sampling {
        Sampling::Bilinear { antialias } => {
            Finding::with_property("resizing", message, format!("antialias={antialias}"))
        }
        Sampling::Other(_) => Finding::new(
            "resizing",
            format!("{message}; catdog resizes bilinear. Resize bilinear in the training, too"),
        ),
    }
}

/// Returns the difference of two ranges; `None` if they are equal.
fn range_finding(theirs: &[Line], ours: &[Line]) -> Option<Finding> {
    if ranges_are_equal(theirs, ours) {
        return None;
    }
    let range = |lines: &[Line]| {
        let ranges = lines.iter().map(|line| {
            let white = line.offset + 255.0 * line.slope;
            format!("{}..{}", rounded(line.offset), rounded(white))
        });
        // Small differences between the channels come from rounding.
        let are_equal =
            lines.first().is_some_and(|first| ranges_are_equal(&vec![*first; lines.len()], lines));
        ranges.take(if are_equal { 1 } else { lines.len() }).collect::<Vec<_>>().join(", ")
    };
    let message = format!(
        "pixel values 0..255 are {} in the recorded input, and {} in that of catdog",
        range(theirs),
        range(ours)
    );
    let (mean, std) = normalization(theirs);
    Some(Finding::with_property("range", message, format!("input-mean={mean} input-std={std}")))
}

fn ranges_are_equal(theirs: &[Line], ours: &[Line]) -> bool {
    theirs.iter().zip(ours).all(|(theirs, ours)| {
        let width = 255.0 * ours.slope.abs();
        let black = theirs.offset - ours.offset;
        let white = black + 255.0 * (theirs.slope - ours.slope);
        black.abs().max(white.abs()) <= RANGE_TOLERANCE * width
    })
}

/// Normalizations of well-known programs: mean and standard deviation in pixel values.
const KNOWN: [(&str, &str); 6] = [
    ("127.5", "127.5"),
    ("0", "255"),
    ("0", "1"),
    // ImageNet, as PyTorch and `preprocess_input(mode="torch")` of Keras use it.
    ("123.675,116.28,103.53", "58.395,57.12,57.375"),
    // ImageNet, as Caffe and `preprocess_input(mode="caffe")` of Keras use it, with BGR.
    ("103.939,116.779,123.68", "1"),
    ("128", "128"),
];

/// Returns `input-mean` and `input-std` for `lines`, rounded to a known normalization if one fits.
fn normalization(lines: &[Line]) -> (String, String) {
    for (mean, std) in KNOWN {
        if known_lines(mean, std, lines.len()).is_some_and(|known| ranges_are_equal(lines, &known))
        {
            return (mean.into(), std.into());
        }
    }
    let join = |number: fn(&Line) -> f64| {
        let mut texts: Vec<String> = lines.iter().map(|line| rounded(number(line))).collect();
        if texts.iter().all(|text| *text == texts[0]) {
            texts.truncate(1);
        }
        texts.join(",")
    };
    (join(|line| -line.offset / line.slope), join(|line| 1.0 / line.slope))
}

/// Returns the lines of an element of [`KNOWN`] for a number of channels; `None` if it has another
/// number.
fn known_lines(mean: &str, std: &str, channels: usize) -> Option<Vec<Line>> {
    let (means, stds) = (parse_mean(mean)?, parse_std(std)?);
    if [&means, &stds].iter().any(|numbers| ![1, channels].contains(&numbers.len())) {
        return None;
    }
    let pairs = means.iter().cycle().zip(stds.iter().cycle()).take(channels);
    let pairs = pairs.map(|(mean, std)| (f64::from(*mean), f64::from(*std)));
    Some(pairs.map(|(mean, std)| Line { slope: 1.0 / std, offset: -mean / std }).collect())
}

/// Returns `number` with three significant digits, and 0 instead of a tiny number.
fn rounded(number: f64) -> String {
    if number.abs() < 5e-3 {
        return "0".into();
    }
    let digits = (2 - number.abs().log10().floor() as i32).clamp(0, 6);
    let scale = 10f64.powi(digits);
    ((number * scale).round() / scale).to_string()
}

/// Adds the difference between recorded scores and those of catdog for the same input, to which
/// catdog applies `applied`. `are_confidences` says whether the scores need no activation.
pub fn scores(
    findings: &mut Vec<Finding>,
    relation: Relation,
    applied: Activation,
    are_confidences: bool,
) {
    let activation = |message: &str, set: Activation| {
        Finding::with_property("activation", message.into(), format!("output-activation={set}"))
    };
    let found = match relation {
        Relation::Equal if applied != Activation::None && are_confidences => {
            activation(
                "the scores of the model are confidences already, and catdog applies an activation to \
                 them",
                Activation::None,
            )
        }
        Relation::BeforeSigmoid | Relation::BeforeSoftmax if applied != Activation::None => {
            activation(
                "the scores of the .tflite file are confidences already, and catdog applies an \
                 activation to them",
                Activation::None,
            )
        }
        Relation::Sigmoid if applied != Activation::Sigmoid => {
            activation("the program applies the sigmoid to each score", Activation::Sigmoid)
        }
        Relation::Softmax if applied != Activation::Softmax => {
            activation("the program applies the softmax to the scores", Activation::Softmax)
        }
        Relation::Stored => Finding::new(
            "quantization",
            "the recorded scores are stored integers; compute scale * (score - zero_point) from \
             get_output_details() before you use them"
                .into(),
        ),
        Relation::Complement => Finding::new(
            "score order",
            "the recorded score is 1 minus that of the .tflite file; swap the two labels".into(),
        ),
        Relation::Reordered => Finding::new(
            "score order",
            "the recorded scores are those of catdog in another order; record the output of the model \
             without sorting"
                .into(),
        ),
        Relation::Different => Finding::new(
            "model",
            "for the same input, the recorded scores are not those of the .tflite file; convert the \
             model again, and compare with the LiteRT interpreter instead of Keras"
                .into(),
        ),
        _ => return,
    };
    findings.push(found);
}

/// Adds the difference between recorded labels and `ours`.
pub fn labels(findings: &mut Vec<Finding>, recorded: &Recorded, ours: &[String]) {
    let Some(theirs) = recorded.labels.as_ref().filter(|labels| *labels != ours) else { return };
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    let message = if sorted(theirs) == sorted(ours) {
        "the recorded labels are those of catdog in another order"
    } else {
        "the recorded labels are not those of catdog"
    };
    findings.push(if theirs.iter().any(|name| name.contains(',')) {
        Finding::new("labels", format!("{message}; write them to a file and set labels-file"))
    } else {
        Finding::with_property("labels", message.into(), format!("labels=\"{}\"", theirs.join(",")))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(slope: f64, offset: f64) -> [Line; 3] {
        [Line { slope, offset }; 3]
    }

    #[test]
    fn a_range_near_a_known_one_is_rounded_to_it() {
        let found = range_finding(&lines(1.0 / 127.0, -1.003), &lines(1.0 / 255.0, 0.0)).unwrap();
        assert_eq!(found.set.unwrap(), "input-mean=127.5 input-std=127.5");
        let found = range_finding(&lines(0.02, -0.8), &lines(1.0 / 255.0, 0.0)).unwrap();
        assert_eq!(found.set.unwrap(), "input-mean=40 input-std=50");
        assert!(range_finding(&lines(0.00393, 0.001), &lines(1.0 / 255.0, 0.0)).is_none());
    }

    #[test]
    fn one_channel_has_one_mean_and_one_standard_deviation() {
        let found = range_finding(&lines(1.0, 0.0)[..1], &lines(1.0 / 255.0, 0.0)[..1]).unwrap();
        assert_eq!(found.set.unwrap(), "input-mean=0 input-std=1");
        // The first channel of a known normalization with three.
        let caffe = Line { slope: 1.0, offset: -103.939 };
        let found = range_finding(&[caffe], &lines(1.0 / 255.0, 0.0)[..1]).unwrap();
        assert_eq!(found.set.unwrap(), "input-mean=104 input-std=1");
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(
            [0.001, 1.0, 0.12345, 103.939, -2.117].map(rounded),
            ["0", "1", "0.123", "104", "-2.12"]
        );
    }
}
