//! Tests of the whole module over the models in `tests/models`.

mod activation;
mod entry_point;
mod evidence_output;
mod image_input;
mod input_range;
mod scores_output;

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::tflite::{
    Evidence, ExpectedRange, GraphActivation, ModelError, ModelInfo, ModelOptions, optimize,
};

mod shared_parts;

fn models_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<_> =
        files.filter(|file| file.is_file() && file.extension().is_none_or(|e| e != "py")).collect();
    models.sort();
    assert!(!models.is_empty());
    models
}

#[test]
fn valid_models_are_accepted() {
    let models = [models_in("tests/models"), models_in("tests/models/operators")].concat();
    for model in models {
        let info = ModelInfo::parse(&fs::read(&model).unwrap());
        assert!(info.is_ok(), "{}: {}", model.display(), info.unwrap_err());
    }
}

fn info(name: &str) -> ModelInfo {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models");
    ModelInfo::parse(&fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn the_activation_is_found_before_operators_that_keep_it() {
    use GraphActivation::{LogSoftmax, Logistic, None, SeveralSoftmax, Softmax};
    for (name, activation) in [
        ("softmax_reversed", Softmax),
        ("softmax_zero_class", Softmax),
        ("softmax_slice", Softmax),
        ("softmax_average", Softmax),
        ("softmax_stacked_mean", Softmax),
        ("softmax_parts", Softmax),
        ("logistic_both_classes", Softmax),
        ("logistic_classes", Logistic),
        ("hard_sigmoid", Logistic),
        ("hard_sigmoid_merged", Logistic),
        ("hard_sigmoid_divided", Logistic),
        ("hard_sigmoid_clipped", Logistic),
        // A ramp that is not divided by its height has no probabilities.
        ("relu6_classes", None),
        ("log_softmax", LogSoftmax),
        ("several_softmax", SeveralSoftmax),
        // A dense layer computes new logits from the probabilities.
        ("softmax_dense", None),
    ] {
        assert_eq!(info(&format!("activation_{name}.tflite")).activation, activation, "{name}");
    }
}

#[test]
fn an_operator_that_changes_probabilities_is_reported() {
    for (name, scores) in [
        ("softmax_percent", "probabilities multiplied by a constant"),
        ("softmax_weighted", "probabilities that another operator changes"),
        ("mixed_average", "a mixture of softmax and logistic"),
    ] {
        let activation = info(&format!("activation_{name}.tflite")).activation;
        assert_eq!(activation, GraphActivation::Unclear(scores), "{name}");
    }
}

#[test]
fn the_input_range_is_found_from_operators_quantization_weights_and_names() {
    use Evidence::{Name, Operators, Quantization, Weights};
    use ExpectedRange::{Centered, Pixels, Unit};
    for (name, range, evidence, reason) in [
        ("div_255", Pixels, Operators, "the graph starts with DIV by 255"),
        ("mul_add", Pixels, Operators, "the graph starts with MUL by 0.007843 and ADD of -1"),
        ("mul_float16", Pixels, Operators, "the graph starts with MUL by 0.003922"),
        (
            "imagenet",
            Pixels,
            Operators,
            "the graph starts with MUL by 0.003922 and SUB of (0.485, 0.456, 0.406) and MUL by \
             (4.367, 4.464, 4.444)",
        ),
        (
            "imagenet_of_unit",
            Unit,
            Operators,
            "the graph starts with SUB of (0.485, 0.456, 0.406) and DIV by (0.229, 0.224, 0.225)",
        ),
        ("caffe", Pixels, Operators, "the graph starts with SUB of (103.9, 116.8, 123.7)"),
        (
            "caffe_bgr",
            Pixels,
            Operators,
            "the graph starts with SUB of (103.9, 116.8, 123.7), the means of blue, green and red",
        ),
        ("unit_to_centered", Unit, Operators, "the graph starts with MUL by 2 and SUB of 1"),
        (
            "centered_to_pixels",
            Centered,
            Operators,
            "the graph starts with MUL by 127.5 and ADD of 127.5",
        ),
        (
            "learned",
            Pixels,
            Operators,
            "the graph starts with SUB of (118, 112, 104) and MUL by (0.01639, 0.01695, 0.01613)",
        ),
        (
            "quantized_pixels",
            Pixels,
            Quantization,
            "the graph quantizes its input in the range 0..255",
        ),
        (
            "quantized_centered",
            Centered,
            Quantization,
            "the graph quantizes its input in the range -1.004..0.9961",
        ),
        (
            "folded",
            Pixels,
            Weights,
            "the weights of the first convolution are small (their absolute values add up to \
             0.01274)",
        ),
        ("named", Pixels, Name, "a tensor is named 'rescaling_input'"),
    ] {
        let found = info(&format!("scaling_{name}.tflite")).input_range.unwrap();
        let found = (found.range, found.evidence, found.reason.as_str());
        assert_eq!(found, (Some(range), evidence, reason), "{name}");
    }
}

#[test]
fn a_scaling_that_fits_no_usual_range_is_reported() {
    let found = info("scaling_unusual.tflite").input_range.unwrap();
    let want = "unknown, because the graph starts with MUL by 3 and ADD of 40, which is usual for no \
                range";
    assert_eq!(found.to_string(), want);
}

#[test]
fn a_graph_without_scaling_tells_no_input_range() {
    for name in ["float_softmax.tflite", "hybrid_dynamic_range.tflite", "int8_quant.tflite"] {
        assert_eq!(info(name).input_range, None, "{name}");
    }
}

#[test]
fn parsing_a_truncated_model_does_not_panic() {
    let file = fs::read(models_in("tests/models").remove(0)).unwrap();
    for len in 0..file.len() {
        let _ = ModelInfo::parse(&file[..len]);
    }
}

#[test]
fn a_mutated_model_is_refused_or_rewritten_to_an_accepted_one() {
    let models = models_in("tests/models");
    let files: Vec<Vec<u8>> = models.iter().map(|model| fs::read(model).unwrap()).collect();
    // xorshift64, so that the mutations are the same in every run.
    let mut state = 1u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below
    };
    let (mut refused, mut rewritten) = (0, 0);
    for number in 0..3000 {
        let mut file = files[number % files.len()].clone();
        for _ in 0..1 + random(4) {
            let position = random(file.len());
            file[position] = random(256) as u8;
        }
        if ModelInfo::parse(&file).is_err() {
            refused += 1;
        } else if let Some(optimized) = optimize(&file) {
            assert!(ModelInfo::parse(&optimized.file).is_ok(), "mutation {number}");
            rewritten += 1;
        }
    }
    assert!(refused > 100 && rewritten >= 10, "{refused} refused, {rewritten} rewritten");
}

#[test]
fn models_that_are_not_image_classifiers_are_refused_or_left_to_litert() {
    let accepted: Vec<String> = models_in("tests/models/bad")
        .iter()
        .filter(|model| ModelInfo::parse(&fs::read(model).unwrap()).is_ok())
        .map(|model| model.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(accepted, LEFT_TO_LITERT);
}

/// Returns the error for a model of `tests/models/bad`.
fn refusal(name: &str) -> ModelError {
    let path = models_in("tests/models/bad").into_iter().find(|path| path.ends_with(name));
    ModelInfo::parse(&fs::read(path.unwrap()).unwrap()).unwrap_err()
}

#[test]
fn an_operator_outside_the_table_is_refused_by_name() {
    for (file, operator) in [
        ("hash_table.tflite", "HASHTABLE_LOOKUP"),
        ("unknown_custom_op.tflite", "CatdogNoSuchOperator"),
        ("detection_op.tflite", "TFLite_Detection_PostProcess"),
        ("edge_tpu.tflite", "edgetpu-custom-op"),
        ("flex_op.tflite", "FlexErf"),
    ] {
        let error = refusal(file);
        let is_named =
            matches!(&error, ModelError::UnsupportedOperator { name, .. } if name == operator);
        assert!(is_named, "{file}: {error}");
    }
}

#[test]
fn a_result_that_the_file_and_its_input_do_not_explain_is_refused() {
    let files = [
        "resize_huge",
        "tile_huge",
        "pad_huge",
        "fill_huge",
        "range_huge",
        "kernels_huge",
        "large_variables",
        "call_with_large_caller",
    ];
    for file in files {
        let error = refusal(&format!("graph_{file}.tflite"));
        let is_limit = matches!(error, ModelError::TooLarge { .. } | ModelError::TooSlow { .. });
        assert!(is_limit, "{file}: {error}");
    }
}

#[test]
fn outputs_of_the_same_name_are_refused() {
    let error = refusal("graph_output_names_equal.tflite");
    assert_eq!(error, ModelError::EqualNames { name: "output".into() });
}

#[test]
fn an_operator_that_cannot_be_computed_is_refused_by_name() {
    for (file, operator) in [
        ("depthwise_without_bias", "DEPTHWISE_CONV_2D"),
        ("concatenation_input_absent", "CONCATENATION"),
        ("call_of_itself", "STABLEHLO_COMPOSITE"),
        ("call_of_nothing", "STABLEHLO_COMPOSITE"),
        ("transpose_order_repeats", "TRANSPOSE"),
        ("gather_index_out_of_range", "GATHER"),
        ("range_step_zero", "RANGE"),
        ("range_of_all_numbers", "RANGE"),
        ("slice_before_everything", "SLICE"),
        ("remainder_of_smallest", "FLOOR_MOD"),
        ("reverse_of_nothing", "REVERSE_V2"),
        ("broadcast_of_unfit_shapes", "BROADCAST_ARGS"),
        ("remainder_by_picture", "FLOOR_MOD"),
        ("blockwise_scales_missing", "FULLY_CONNECTED"),
        ("blockwise_scales_few", "FULLY_CONNECTED"),
        ("blockwise_parts_of_blocks", "FULLY_CONNECTED"),
        ("transposed_too_large", "TRANSPOSE_CONV"),
        ("reshape_wrong_size", "RESHAPE"),
    ] {
        let error = refusal(&format!("graph_{file}.tflite"));
        let is_named =
            matches!(&error, ModelError::Operator { operator: name, .. } if *name == operator);
        assert!(is_named, "{file}: {error}");
    }
    let error = refusal("graph_fake_quant_of_uint8.tflite");
    let ModelError::OperatorType { operator, tensor, element } = error else { panic!("{error}") };
    assert_eq!((operator, &*tensor, element), ("FAKE_QUANT", "conv", "uint8"));
}

#[test]
fn an_input_without_elements_is_refused() {
    for (file, operator) in [("conv_of_nothing", "CONV_2D"), ("sum_of_nothing", "SUM")] {
        let error = refusal(&format!("graph_{file}.tflite"));
        let is_named = matches!(
            &error,
            ModelError::Operator { operator: name, reason: "an input has no elements", .. }
                if *name == operator
        );
        assert!(is_named, "{file}: {error}");
    }
}

#[test]
fn sparse_weights_are_refused() {
    for file in ["graph_sparse_weights.tflite", "graph_sparsity_garbage.tflite"] {
        let error = refusal(file);
        assert!(matches!(error, ModelError::SparseWeights { .. }), "{file}: {error}");
    }
}

#[test]
fn a_call_for_which_litert_has_its_own_kernel_is_refused() {
    for file in ["graph_call_of_attention.tflite", "graph_call_of_attention_nul.tflite"] {
        let error = refusal(file);
        let is_kernel =
            matches!(&error, ModelError::Operator { reason, .. } if reason.contains("a kernel of"));
        assert!(is_kernel, "{file}: {error}");
    }
}

#[test]
fn metadata_that_order_missing_operators_are_refused() {
    for file in ["subgraphs_huge", "edges_huge", "operator_missing"] {
        let error = refusal(&format!("graph_control_{file}.tflite"));
        let part = "its metadata about the order of operators";
        assert_eq!(error, ModelError::Damaged(part), "{file}");
    }
}

#[test]
fn calls_that_are_nested_too_deeply_are_refused() {
    // `operators/call_nested.tflite` has one call less and is accepted.
    let error = refusal("graph_call_chain.tflite");
    let is_depth =
        matches!(&error, ModelError::Operator { reason, .. } if reason.contains("nested"));
    assert!(is_depth, "{error}");
}

#[test]
fn labels_are_those_of_the_output_with_the_scores() {
    let parsed = info("metadata_labels_second.tflite");
    assert_eq!(
        (parsed.output_index, parsed.labels.unwrap().unwrap().name),
        (1, "labels.txt".into())
    );
    // The first output has no labels, and those of the second are not its own.
    let file = models_in("tests/models")
        .into_iter()
        .find(|m| m.ends_with("metadata_labels_second.tflite"));
    let options = ModelOptions { output: Some("0".into()), ..ModelOptions::default() };
    let parsed = ModelInfo::parse_with(&fs::read(file.unwrap()).unwrap(), &options).unwrap();
    assert_eq!((parsed.output_index, parsed.labels), (0, Option::None));
}

#[test]
fn an_invalid_quantization_is_refused_by_the_name_of_the_tensor() {
    for (file, name) in [
        ("scale_nan", "conv"),
        ("scale_negative", "conv"),
        ("scale_infinite", "image"),
        ("scale_zero", "image"),
        ("scales_too_many", "conv/w"),
        ("zero_point_out_of_range", "image"),
        ("sum_of_channel_scales", "result3"),
        ("sum_with_channel_scales", "other"),
    ] {
        let error = refusal(&format!("graph_{file}.tflite"));
        let is_named = matches!(&error, ModelError::Quantization { tensor, .. } if tensor == name);
        assert!(is_named, "{file}: {error}");
    }
}

/// Models that LiteRT refuses or runs without a crash; signatures that do not fit are ignored.
const LEFT_TO_LITERT: [&str; 7] = [
    "graph_depth_multiplier_zero",
    "graph_intermediate_shape_wrong",
    "graph_opcode_version_future",
    "graph_signature_graph_out_of_range",
    "graph_signature_names_a_weight",
    "graph_signature_output_unnamed",
    "graph_signature_tensor_out_of_range",
];
