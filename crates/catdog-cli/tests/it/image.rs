//! Tests of `catdog inspect --image`: decoding, and the classification of a picture.

use std::fs;

use serde_json::Value;

use crate::{golden, model, run, run_with_runtime};

/// Returns the report about `picture` and the test model `name`.
fn classified(name: &str, picture: &str) -> Value {
    let path = model(name);
    let (code, stdout, stderr) =
        run_with_runtime(&["inspect", path.to_str().unwrap(), "--image", picture, "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    report["pictures"][0].clone()
}

/// Returns the confidences of `report` by class.
fn confidences(report: &Value) -> Vec<f64> {
    let classes = report["classes"].as_array().unwrap();
    let mut confidences = vec![0.0; classes.len()];
    for class in classes {
        let index = class["class"].as_u64().unwrap() as usize;
        confidences[index] = class["confidence"].as_f64().unwrap();
    }
    confidences
}

#[test]
fn confidences_are_those_of_the_python_interpreter() {
    // same.json has the scores of the LiteRT interpreter for the picture, resized by Pillow.
    let recorded: Value = serde_json::from_slice(&fs::read(golden("same.json")).unwrap()).unwrap();
    let report = classified("float_softmax.tflite", &golden("photo.png"));
    let want = recorded["output"]["data"].as_array().unwrap();
    for (got, want) in confidences(&report).iter().zip(want) {
        assert!((got - want.as_f64().unwrap()).abs() < 0.01, "{report}");
    }
    assert_eq!((report["width"].as_u64(), report["height"].as_u64()), (Some(60), Some(40)));
    assert!(report["inference_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_orientation_in_exif_is_applied() {
    let upright = classified("float_softmax.tflite", &golden("photo.png"));
    let turned = classified("float_softmax.tflite", &golden("turned.jpg"));
    assert_eq!(
        (upright["turned"].as_bool(), turned["turned"].as_bool()),
        (Some(false), Some(true))
    );
    assert_eq!(upright["width"], turned["width"]);
    for (upright, turned) in confidences(&upright).iter().zip(confidences(&turned)) {
        assert!((upright - turned).abs() < 0.05, "{upright} {turned}");
    }
}

#[test]
fn the_box_of_the_first_class_is_reported() {
    // The model has 4x4 places of 8x8 pixels; see tests/models/evidence_models.py.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("red.png");
    let inside = |x: u32, y: u32| (8..16).contains(&x) && (16..24).contains(&y);
    let color = |x, y| image::Rgb([if inside(x, y) { 255 } else { 0 }, 0, 0]);
    image::RgbImage::from_fn(32, 32, color).save(&path).unwrap();
    let report = classified("evidence/places.tflite", path.to_str().unwrap());
    assert_eq!(report["classes"][0]["label"], "red");
    assert_eq!(report["box"], "0.25,0.5,0.25,0.25");
    assert_eq!(classified("float_softmax.tflite", &golden("photo.png"))["box"], Value::Null);
}

#[test]
fn several_pictures_are_classified_and_ranked() {
    let (photo, turned) = (golden("photo.png"), golden("turned.jpg"));
    let (code, stdout, stderr) =
        run_with_runtime(&["inspect", "built-in", "--image", &photo, "--image", &turned]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    let pictures = stdout.lines().filter(|line| line.starts_with("picture ")).count();
    assert_eq!(pictures, 2, "{stdout}");
    let percents = stdout.lines().filter(|line| line.contains(" % ")).count();
    assert_eq!(percents, 6, "three classes for each picture: {stdout}");
}

#[test]
fn without_a_runtime_the_facts_are_printed_and_the_exit_code_is_1() {
    let (code, stdout, stderr) = run(&["inspect", "built-in", "--image", &golden("photo.png")]);
    assert_eq!(code, Some(1));
    assert!(stdout.starts_with("model "), "{stdout}");
    assert!(stderr.contains("no usable LiteRT runtime"), "{stderr}");
}

/// A PNG file that promises a picture of `width` x `height` pixels, without its pixels.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // Eight bits, RGB, and the only methods of compression, filters and no interlacing.
    header.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for chunk in [&header[..], b"IDAT\x78\x9c\x03\x00\x00\x00\x00\x01"] {
        file.extend((chunk.len() as u32 - 4).to_be_bytes());
        file.extend(chunk);
        file.extend(crc32(chunk).to_be_bytes());
    }
    file
}

/// The CRC-32 of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn a_picture_that_cannot_be_decoded_is_one_line_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let photo = fs::read(golden("photo.png")).unwrap();
    let pictures = [
        (file("text.png", b"not a picture"), "cannot be decoded"),
        (file("empty.jpg", b""), "cannot be decoded"),
        (file("truncated.png", &photo[..photo.len() / 2]), "cannot be decoded"),
        // Both would need more than the limit of 512 MiB.
        (file("wide.png", &png(200_000, 10)), "cannot be decoded"),
        (file("bomb.png", &png(60_000, 60_000)), "cannot be decoded"),
        ("/nowhere/photo.jpg".to_owned(), "cannot be read"),
        ("/dev/zero".to_owned(), "not a regular file"),
    ];
    for (picture, reason) in pictures {
        let (code, _, stderr) = run(&["inspect", "built-in", "--image", &picture]);
        assert_eq!(code, Some(1), "{picture}");
        assert!(stderr.contains(reason) && stderr.lines().count() == 1, "{stderr}");
        assert!(stderr.starts_with(&format!("catdog: image '{picture}'")), "{stderr}");
    }
}
