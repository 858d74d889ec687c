//! `catdog cameras`: the cameras of this machine, and the one that `catdog live` takes.
//!
//! - `device`: a camera, from what GStreamer's device monitor tells;
//! - `system`: what the system tells about a device node.

mod device;
mod system;

use std::fmt::Write as _;
use std::path::Path;

use gst::prelude::*;

use crate::Failure;
use crate::exit::Ending;
use crate::output::{print, printable};
pub use device::{Api, Camera};

/// Lists the cameras of this machine, and tells which one `catdog live` takes
#[derive(clap::Args)]
pub struct Arguments {
    /// Print one JSON object per camera
    #[arg(long)]
    pub json: bool,
    /// Also list the devices that are no cameras for catdog, such as codecs
    #[arg(long)]
    pub all: bool,
}

/// Runs the command.
///
/// # Errors
///
/// There is no camera; the message says what to check. Or stdout cannot be written.
pub fn run(arguments: &Arguments) -> Result<Ending, Failure> {
    crate::start_gstreamer()?;
    let cameras = found();
    let shown = cameras.iter().filter(|camera| arguments.all || camera.unusable.is_none());
    let mut text = String::new();
    for camera in shown {
        if arguments.json {
            text += &serde_json::to_string(camera)?;
            text.push('\n');
        } else {
            text += &description(camera);
        }
    }
    print(&text)?;
    best(&cameras).map(|_| Ending::Done)
}

/// Returns the devices for video that GStreamer finds, cameras first, in the order in which
/// `catdog live` prefers them.
pub fn found() -> Vec<Camera> {
    let mut cameras = monitored();
    remove_twins(&mut cameras);
    // The monitor knows the device nodes from udev, which does not run everywhere.
    for node in system::video_nodes() {
        let path = node.display().to_string();
        if cameras.iter().all(|camera| camera.path.as_ref() != Some(&path)) {
            cameras.extend(Camera::of_node(&path));
        }
    }
    for camera in &mut cameras {
        if let Some(path) = &camera.path {
            camera.serial = system::serial_number(Path::new(path));
            camera.used_by = system::users_of(Path::new(path));
        }
    }
    // Sorting keeps the order of equal ones, which is that of their nodes.
    cameras.sort_by(|a, b| a.path.cmp(&b.path));
    cameras.sort_by_key(Camera::rank);
    for (number, camera) in cameras.iter_mut().enumerate() {
        camera.number = number;
        camera.chosen = number == 0 && camera.unusable.is_none();
    }
    cameras
}

/// Returns the devices of GStreamer's device monitor.
fn monitored() -> Vec<Camera> {
    let monitor = gst::DeviceMonitor::new();
    if monitor.add_filter(Some("Video/Source"), None).is_none() || monitor.start().is_err() {
        // No plugin finds cameras.
        return Vec::new();
    }
    let devices = monitor.devices();
    monitor.stop();
    devices.iter().filter_map(Camera::of).collect()
}

/// Removes the devices of PipeWire that show a camera which is listed already.
fn remove_twins(cameras: &mut Vec<Camera>) {
    let paths: Vec<_> = cameras
        .iter()
        .filter(|camera| camera.api != Api::Pipewire)
        .filter_map(|camera| camera.path.clone())
        .collect();
    cameras.retain(|camera| {
        camera.api != Api::Pipewire || camera.path.as_ref().is_none_or(|path| !paths.contains(path))
    });
}

/// Returns whether the camera of PipeWire with the node `name` has a mode without compression.
pub fn offers_raw_video(name: &str) -> bool {
    monitored().iter().any(|camera| {
        let is_it = camera.api == Api::Pipewire && camera.id.as_deref() == Some(name);
        is_it && camera.modes.iter().any(|mode| !mode.is_compressed)
    })
}

/// Returns the camera that `catdog live` takes without a name.
///
/// # Errors
///
/// There is none; the message says what to check.
pub fn best(cameras: &[Camera]) -> Result<&Camera, Failure> {
    cameras.iter().find(|camera| camera.unusable.is_none()).ok_or_else(|| system::why_none().into())
}

/// Returns the camera with this number, or the only one whose name contains `text`.
///
/// # Errors
///
/// There is no such camera, or several; the message lists what there is.
pub fn named<'a>(cameras: &'a [Camera], text: &str) -> Result<&'a Camera, Failure> {
    let lower = text.to_lowercase();
    let mut matching = cameras.iter().filter(|camera| {
        if text.parse() == Ok(camera.number) {
            return true;
        }
        camera.unusable.is_none() && camera.name.to_lowercase().contains(&lower)
    });
    match (matching.next(), matching.next()) {
        (Some(camera), None) => Ok(camera),
        (Some(one), Some(other)) => Err(format!(
            "INPUT {text}: several cameras have this name: {} and {}; use the number of `catdog cameras`",
            printable(&one.name),
            printable(&other.name)
        )
        .into()),
        (None, _) => {
            let names: Vec<_> = cameras.iter().map(|camera| printable(&camera.name)).collect();
            let there = if names.is_empty() { "no camera".into() } else { names.join(", ") };
            Err(format!("INPUT {text}: there is no such file and no such camera; there is {there}").into())
        }
    }
}

/// Returns the lines about a camera.
fn description(camera: &Camera) -> String {
    let mut text = format!("{} {}", camera.number, printable(&camera.name));
    if camera.chosen {
        let _ = write!(text, "  (catdog live takes it: {})", camera.preference());
    }
    text.push('\n');
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "    {name:<8} {}", printable(value));
        }
    };
    line("device", camera.path.as_deref().unwrap_or_default());
    line("api", camera.api.name());
    line("driver", camera.driver.as_deref().unwrap_or_default());
    line("bus", camera.bus.as_deref().unwrap_or_default());
    line("serial", camera.serial.as_deref().unwrap_or_default());
    line("used by", &camera.used_by.join(", "));
    line("unusable", camera.unusable.as_deref().unwrap_or_default());
    for mode in &camera.modes {
        line("mode", &mode.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(name: &str, api: Api, path: Option<&str>) -> Camera {
        Camera { name: name.into(), api, path: path.map(Into::into), ..Camera::default() }
    }

    #[test]
    fn a_camera_is_named_by_its_number_or_a_part_of_its_name() {
        let mut cameras = vec![
            camera("HD Pro Webcam C920", Api::V4l2, Some("/dev/video0")),
            camera("Integrated Webcam", Api::V4l2, Some("/dev/video2")),
        ];
        cameras[1].number = 1;
        assert_eq!(named(&cameras, "1").unwrap().name, "Integrated Webcam");
        assert_eq!(named(&cameras, "c920").unwrap().path.as_deref(), Some("/dev/video0"));
        let several = named(&cameras, "webcam").unwrap_err().to_string();
        assert!(
            several.contains("several cameras have this name: HD Pro Webcam C920 and"),
            "{several}"
        );
        let none = named(&cameras, "imx708").unwrap_err().to_string();
        assert!(none.contains("there is HD Pro Webcam C920, Integrated Webcam"), "{none}");
        assert!(named(&[], "7").unwrap_err().to_string().ends_with("there is no camera"));
    }

    #[test]
    fn a_camera_that_pipewire_shows_too_is_listed_once() {
        let mut cameras = vec![
            camera("one", Api::V4l2, Some("/dev/video0")),
            camera("one again", Api::Pipewire, Some("/dev/video0")),
            camera("another", Api::Pipewire, None),
        ];
        remove_twins(&mut cameras);
        let names: Vec<_> = cameras.iter().map(|camera| camera.name.as_str()).collect();
        assert_eq!(names, ["one", "another"]);
    }
}
