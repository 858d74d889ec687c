//! `catdog cameras`, on machines with and without a camera.

use std::path::Path;

use serde_json::Value;

use crate::run;

fn has_video_device() -> bool {
    (0..64).any(|number| Path::new(&format!("/dev/video{number}")).exists())
}

#[test]
fn without_a_camera_the_message_says_what_to_check() {
    if has_video_device() {
        let test = "without_a_camera_the_message_says_what_to_check";
        return catdog_core::testing::skip(test, "this machine has a video device");
    }
    for arguments in [&["cameras"][..], &["cameras", "--json", "--all"]] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
        assert!(stderr.starts_with("catdog: no camera; check its cable"), "{stderr}");
    }
    let (code, _, stderr) = run(&["live", "--quiet"]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("catdog: no camera; check its cable"), "{stderr}");
}

#[test]
fn every_camera_is_a_json_object_and_at_most_one_is_taken() {
    let (_, stdout, _) = run(&["cameras", "--json", "--all"]);
    let cameras: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let taken = cameras.iter().filter(|camera| camera["chosen"] == true).count();
    assert!(taken <= 1, "{stdout}");
    for (number, camera) in cameras.iter().enumerate() {
        assert_eq!(camera["number"], number, "{stdout}");
    }
}
