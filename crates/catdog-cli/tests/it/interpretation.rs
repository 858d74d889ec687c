//! Tests of what `catdog inspect` says about the interpretation of a model: each source and reason.

use serde_json::{Value, json};

use crate::{model, run, run_with_runtime};

fn report(name: &str, options: &[&str]) -> Value {
    let path = model(name);
    let arguments = [&["inspect", path.to_str().unwrap(), "--json"], options].concat();
    let (code, stdout, stderr) = run(&arguments);
    assert_eq!((code, &*stderr), (Some(0), ""), "{name}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn each_activation_has_its_text() {
    let ends_in = |name: &str, graph: &str, applied: &str, multi_label: bool| {
        let name = format!("{name}.tflite");
        let activation = report(&name, &[])["activation"].clone();
        let wanted = json!({
            "graph": graph, "applied": applied, "reason": "the graph contains the activation",
            "multi_label": multi_label
        });
        assert_eq!(activation, wanted, "{name}");
    };
    ends_in("activation_log_softmax", "log-softmax", "exp", false);
    ends_in("activation_logistic_classes", "logistic", "none", true);
    ends_in("activation_several_softmax", "several softmaxes", "none", true);
    let percent = "probabilities multiplied by a constant";
    ends_in("activation_softmax_percent", percent, "none", false);
    let warnings = &report("activation_softmax_percent.tflite", &[])["warnings"];
    assert!(warnings.to_string().contains("multiplied by a constant, so they are taken"));

    let several = report("float_logits.tflite", &[])["activation"].clone();
    assert_eq!(
        several["reason"],
        "the graph ends without an activation, and it has several scores"
    );

    let path = model("activation_logistic_classes.tflite");
    let (_, text, _) = run(&["inspect", path.to_str().unwrap()]);
    let wanted = "none, the scores are confidences (the graph contains the activation); the graph \
                  ends in logistic; multi-label, because the classes do not exclude each other";
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn each_source_of_the_input_range_has_its_name() {
    for (name, source, black, white, reason) in [
        ("scaling_div_255.tflite", "graph", 0.0, 255.0, "because the graph starts with DIV by 255"),
        (
            "float_logits.tflite",
            "default",
            -1.0,
            1.0,
            "default, because the model does not define it",
        ),
        (
            "color/uint8_pixels_mean_127_std_127.tflite",
            "element-type",
            0.0,
            255.0,
            "as stored, because the normalization in the metadata does not fit the scale of the input",
        ),
    ] {
        let range = report(name, &[])["input_range"].clone();
        let wanted = json!({
            "black": [black, black, black], "white": [white, white, white],
            "source": source, "reason": reason
        });
        assert_eq!(range, wanted, "{name}");
    }
}

#[test]
fn the_reason_for_a_signature_is_reported() {
    let stale = report("color/signature_stale.tflite", &[]);
    assert_eq!(stale["signature"], Value::Null);
    let signature = &stale["signatures"][0];
    let reason = "a signature names tensors that are not those of the graph";
    assert_eq!((&signature["runs"], &signature["reason"]), (&json!(false), &json!(reason)));
    let fits = report("color/signature_fits.tflite", &[]);
    assert_eq!(fits["signature"], "serving_default");
    assert_eq!(fits["signatures"][0]["runs"], true);
}

#[test]
fn scores_that_are_not_finite_do_not_end_the_probe() {
    // For most pictures, the scores of this model are not finite.
    let path = model("not_finite/root_of_unit.tflite");
    let labels = ["--labels", "red,green,blue"];
    let arguments = [&["inspect", path.to_str().unwrap(), "--json"], &labels[..]].concat();
    let (code, stdout, stderr) = run_with_runtime(&arguments);
    assert_eq!((code, &*stderr), (Some(0), ""));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["runtime_error"], Value::Null);
    let activation = &report["activation"];
    assert_eq!((&activation["graph"], &activation["applied"]), (&json!("none"), &json!("softmax")));
}

#[test]
fn an_output_or_a_size_that_the_model_does_not_have_is_one_line_and_exits_with_1() {
    for (name, options, parts) in [
        (
            "color/two_outputs.tflite",
            &["--output", "none"][..],
            &["it has no output 'none'", "0 'sums' [1, 3], 1 'scores' [1, 4]"][..],
        ),
        (
            "color/two_outputs.tflite",
            &[],
            &["several outputs that can be scores", "set output to one of them"],
        ),
        (
            "float_logits.tflite",
            &["--input-size", "16x16"],
            &["8x8 pixels, and input-size is 16x16; unset input-size"],
        ),
    ] {
        let path = model(name);
        let arguments = [&["inspect", path.to_str().unwrap()], options].concat();
        let (code, stdout, stderr) = run(&arguments);
        assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
        assert!(parts.iter().all(|part| stderr.contains(part)), "{stderr}");
        assert!(stdout.contains("\nusable        no, see the message at the end\n"), "{stdout}");
    }
}
