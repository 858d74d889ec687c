//! What the names of tensors tell about the range of the input.
//!
//! Keras names tensors after layers and models. Converters keep the names of most of them, even if
//! they merge the operators of a layer into others.

use super::dataflow::Dataflow;
use super::expected_range::ExpectedRange;

/// Limit for the size of all names that are compared, in bytes. The largest classifiers have one
/// megabyte; thousands of tensors of a malicious file can share a long name.
const MAX_NAME_BYTES: usize = 4 << 20;

/// The characters between the names of models, layers and operators in the name of a tensor.
const SEPARATORS: [char; 3] = ['/', ';', ':'];

/// The beginnings of names, in lower case, with the range of the input. The first rule that fits
/// decides.
///
/// Sources: `keras.applications` and its `preprocess_input` functions; the model cards of
/// EfficientNet-Lite and of the slim models.
const RULES: [(&str, ExpectedRange); 19] = [
    // A layer that scales pixel values.
    ("rescaling", ExpectedRange::Pixels),
    // Models of Keras with such a layer inside, which converters merge into the first convolution.
    ("efficientnetb", ExpectedRange::Pixels),
    ("regnetx", ExpectedRange::Pixels),
    ("regnety", ExpectedRange::Pixels),
    ("resnet-rs-", ExpectedRange::Pixels),
    // Models that are trained with -1..1. MobileNetV3 of Keras has a layer that scales, but
    // converters cannot merge its addition into a convolution with padding: if the operators do not
    // scale, the layer is not in the model.
    ("efficientnet-lite", ExpectedRange::Centered),
    ("inception_resnet_v", ExpectedRange::Centered),
    ("inception_v3", ExpectedRange::Centered),
    ("inception_v4", ExpectedRange::Centered),
    ("inceptionresnetv", ExpectedRange::Centered),
    ("inceptionv3", ExpectedRange::Centered),
    ("inceptionv4", ExpectedRange::Centered),
    ("mobilenet_v1", ExpectedRange::Centered),
    ("mobilenet_v2", ExpectedRange::Centered),
    ("mobilenetv1", ExpectedRange::Centered),
    ("mobilenetv2", ExpectedRange::Centered),
    ("mobilenetv3", ExpectedRange::Centered),
    ("nasnet", ExpectedRange::Centered),
    ("xception", ExpectedRange::Centered),
];

/// Returns the range that the names of the tensors tell, with the reason. `None` if they tell
/// nothing.
pub fn range_from_names(flow: &Dataflow<'_>, input: usize) -> Option<(ExpectedRange, String)> {
    let mut left = MAX_NAME_BYTES;
    let names = std::iter::once(input).chain(0..flow.tensors()).map_while(|tensor| {
        let name = flow.name(tensor);
        left = usize::checked_sub(left, name.len())?;
        Some(name)
    });
    // The index of the rule and the name that fits it.
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        let candidates = best.map_or(RULES.len(), |(rule, _)| rule);
        if let Some((rule, part)) = matching_rule(name, candidates) {
            best = Some((rule, part));
        }
    }
    let (rule, part) = best?;
    Some((RULES[rule].1, format!("a tensor is named '{part}'")))
}

/// Returns the first of the first `candidates` rules that fits a part of a name, with that part.
fn matching_rule(name: &str, candidates: usize) -> Option<(usize, &str)> {
    let parts =
        || name.split(SEPARATORS).map(|part| part.strip_prefix("serving_default_").unwrap_or(part));
    RULES[..candidates].iter().enumerate().find_map(|(rule, (beginning, _))| {
        let fits = |part: &&str| {
            part.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
                && !is_keras_mobilenet(part)
        };
        Some((rule, parts().find(fits)?))
    })
}

/// Returns whether `part` is the name of a MobileNet of Keras, such as `mobilenetv2_1.00_224`. It
/// tells nothing: of ten such classifiers in public applications, eight take 0..1 and two -1..1.
/// The slim models are named `MobilenetV2`.
fn is_keras_mobilenet(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    ["mobilenetv1_", "mobilenetv2_"].iter().any(|start| lower.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(name: &str) -> Option<ExpectedRange> {
        matching_rule(name, RULES.len()).map(|(rule, _)| RULES[rule].1)
    }

    #[test]
    fn names_of_layers_and_models_tell_the_range() {
        for (name, want) in [
            ("model/rescaling/truediv", Some(ExpectedRange::Pixels)),
            ("serving_default_rescaling_input:0", Some(ExpectedRange::Pixels)),
            ("sequential_1/efficientnetb0_1/stem_conv_1/convolution", Some(ExpectedRange::Pixels)),
            ("functional_12_1/mobilenetv2_1.00_32_1/Conv1_1/convolution", None),
            ("MobilenetV2/Conv/Conv2D", Some(ExpectedRange::Centered)),
            ("MobilenetV3/expanded_conv/depthwise", Some(ExpectedRange::Centered)),
            ("efficientnet-lite0/model/stem/conv2d/Conv2D", Some(ExpectedRange::Centered)),
            ("model/batch_normalization/FusedBatchNormV3", None),
            ("model/resnet50/conv1_conv/Conv2D", None),
            ("not_rescaling", None),
            ("", None),
        ] {
            assert_eq!(range(name), want, "{name}");
        }
    }

    #[test]
    fn a_rescaling_layer_decides_before_the_name_of_a_model() {
        let name = "mobilenetv2_1.00_224/Conv1/Relu6;model/rescaling/mul";
        assert_eq!(matching_rule(name, RULES.len()), Some((0, "rescaling")));
    }
}
