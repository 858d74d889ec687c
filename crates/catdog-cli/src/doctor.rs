//! `catdog doctor`: what is there and what is missing, each with the command that fixes it.

use std::env;
use std::fs;
use std::path::Path;

use catdog_core::classifier::{Classifier, RuntimeConfig};
use catdog_core::model::ModelSource;

use crate::Failure;
use crate::disk::free_bytes;
use crate::exit::Ending;
use crate::launch::has_element;
use crate::model_arguments::Reading;
use crate::output::{print, printable};
use crate::{cameras, display};

/// The elements that the commands use: name, Debian package, what for, and whether `catdog live` needs
/// it in any case.
const ELEMENTS: [(&str, &str, &str, bool); 14] = [
    ("uridecodebin", "gstreamer1.0-plugins-base", "files and streams", true),
    ("videoconvert", "gstreamer1.0-plugins-base", "every pipeline", true),
    ("textoverlay", "gstreamer1.0-plugins-base", "the label in the picture", true),
    ("autovideosink", "gstreamer1.0-plugins-good", "a window", true),
    ("videoflip", "gstreamer1.0-plugins-good", "videos of phones, --mirror", true),
    ("v4l2src", "gstreamer1.0-plugins-good", "webcams", true),
    ("jpegdec", "gstreamer1.0-plugins-good", "webcams above 640x480, photos", true),
    ("avdec_h264", "gstreamer1.0-libav", "H.264 videos and streams", false),
    ("x264enc", "gstreamer1.0-plugins-ugly", "recordings as .mp4 and .mkv", false),
    ("mp4mux", "gstreamer1.0-plugins-good", "recordings as .mp4", false),
    ("vp8enc", "gstreamer1.0-plugins-good", "recordings as .webm", false),
    ("rtspsrc", "gstreamer1.0-plugins-good", "RTSP cameras", false),
    ("libcamerasrc", "gstreamer1.0-libcamera", "the camera of a Raspberry Pi", false),
    ("pipewiresrc", "gstreamer1.0-pipewire", "cameras of PipeWire", false),
];
/// Free space below which a recording of a few minutes may fail, in bytes.
const LITTLE_SPACE: u64 = 500 << 20;
/// Temperature from which on a Raspberry Pi slows down, in degrees Celsius.
const HOT: f64 = 80.0;

/// Checks what catdog needs, and prints what is missing with the command that fixes it
///
/// The exit code is 1 if `catdog live` cannot work.
#[derive(clap::Args)]
pub struct Arguments {}

/// The result of a check.
#[derive(Debug)]
struct Check {
    state: State,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    /// Something may not work.
    Warning,
    /// `catdog live` cannot work.
    Missing,
}

impl Check {
    fn new(state: State, text: impl Into<String>) -> Self {
        Self { state, text: text.into() }
    }

    fn line(&self) -> String {
        let state = match self.state {
            State::Ok => "ok     ",
            State::Warning => "warning",
            State::Missing => "missing",
        };
        format!("{state}  {}\n", printable(&self.text))
    }
}

/// Runs the command.
///
/// # Errors
///
/// `catdog live` cannot work, or stdout cannot be written.
pub fn run(_: &Arguments) -> Result<Ending, Failure> {
    crate::start_gstreamer()?;
    let mut checks = vec![Check::new(State::Ok, gst::version_string().to_string())];
    checks.extend(elements());
    checks.extend(blocked_plugins());
    checks.push(model());
    checks.push(window());
    checks.push(camera());
    checks.extend(space(Path::new(".")));
    checks.extend(temperature());
    checks.extend(throttling());
    let text: String = checks.iter().map(Check::line).collect();
    print(&text)?;
    match checks.iter().filter(|check| check.state == State::Missing).count() {
        0 => Ok(Ending::Done),
        1 => Err("one thing is missing that `catdog live` needs".into()),
        count => Err(format!("{count} things are missing that `catdog live` needs").into()),
    }
}

/// Checks the elements of GStreamer: one line for each package that is missing.
fn elements() -> Vec<Check> {
    let mut packages: Vec<(&str, bool, Vec<String>)> = Vec::new();
    for (element, package, purpose, needed) in ELEMENTS {
        if has_element(element) {
            continue;
        }
        let lacks = format!("{element} ({purpose})");
        match packages.iter_mut().find(|(name, ..)| *name == package) {
            Some((_, all, elements)) => {
                *all |= needed;
                elements.push(lacks);
            }
            None => packages.push((package, needed, vec![lacks])),
        }
    }
    if packages.is_empty() {
        return vec![Check::new(State::Ok, "all elements of GStreamer that the commands use")];
    }
    let check = |(package, needed, elements): (&str, bool, Vec<String>)| {
        let state = if needed { State::Missing } else { State::Warning };
        Check::new(state, format!("{}: sudo apt install {package}", elements.join(", ")))
    };
    packages.into_iter().map(check).collect()
}

/// Checks for plugins that crashed when GStreamer tried to load them.
fn blocked_plugins() -> Option<Check> {
    let plugins = gst::Registry::get().plugins();
    let blocked = plugins
        .iter()
        .filter(|plugin| plugin.plugin_flags().contains(gst::PluginFlags::BLACKLISTED));
    let names: Vec<_> = blocked.map(|plugin| plugin.plugin_name().to_string()).collect();
    if names.is_empty() {
        return None;
    }
    let names = names.join(", ");
    Some(Check::new(
        State::Warning,
        format!(
            "GStreamer could not load {names}: install what `ldd` says is missing, then rm \
             ~/.cache/gstreamer-1.0/registry.*.bin"
        ),
    ))
}

/// Runs the built-in model once.
fn model() -> Check {
    let config = Reading::defaults().config(ModelSource::default(), 1);
    match Classifier::load(&config, RuntimeConfig::default()) {
        Ok(classifier) => {
            let milliseconds = classifier.description().inference_time.as_secs_f64() * 1e3;
            Check::new(
                State::Ok,
                format!("LiteRT runs the built-in model in {milliseconds:.1} ms on one thread"),
            )
        }
        Err(error) => Check::new(State::Missing, error.to_string()),
    }
}

fn window() -> Check {
    if display::is_there() {
        Check::new(State::Ok, "a display for the window")
    } else {
        Check::new(
            State::Warning,
            "no display: labels are printed only; use --record to see the picture",
        )
    }
}

fn camera() -> Check {
    let cameras = cameras::found();
    match cameras::best(&cameras) {
        Ok(camera) if camera.used_by.is_empty() => {
            Check::new(State::Ok, format!("camera {}", camera.name))
        }
        Ok(camera) => Check::new(
            State::Warning,
            format!(
                "camera {} is used by {}; end this program",
                camera.name,
                camera.used_by.join(", ")
            ),
        ),
        Err(reason) => Check::new(State::Warning, reason.to_string()),
    }
}

fn space(folder: &Path) -> Option<Check> {
    let bytes = free_bytes(folder)?;
    let text = format!("{:.1} GB free in this folder", bytes as f64 / 1e9);
    Some(if bytes < LITTLE_SPACE {
        Check::new(State::Warning, format!("{text}, which is little for recordings"))
    } else {
        Check::new(State::Ok, text)
    })
}

/// Returns the temperature of the hottest part of the processor that the system knows.
fn temperature() -> Option<Check> {
    let zones = fs::read_dir("/sys/class/thermal").ok()?.flatten();
    let read = |folder: std::path::PathBuf| -> Option<f64> {
        let text = fs::read_to_string(folder.join("temp")).ok()?;
        Some(text.trim().parse::<f64>().ok()? / 1000.0)
    };
    let hottest = zones.filter_map(|zone| read(zone.path())).fold(f64::NAN, f64::max);
    if hottest.is_nan() {
        return None;
    }
    let text = format!("processor at {hottest:.0} degrees Celsius");
    Some(if hottest >= HOT {
        Check::new(State::Warning, format!("{text}: it slows down; improve the cooling"))
    } else {
        Check::new(State::Ok, text)
    })
}

/// Asks the firmware of a Raspberry Pi whether it slowed the processor down since the start.
fn throttling() -> Option<Check> {
    let path = env::var_os("PATH")?;
    let program = env::split_paths(&path)
        .map(|folder| folder.join("vcgencmd"))
        .find(|file| file.is_file())?;
    let output = std::process::Command::new(program).arg("get_throttled").output().ok()?;
    throttled(&String::from_utf8_lossy(&output.stdout))
}

/// Reads `throttled=0x50005`. The bits are documented on the page about vcgencmd of Raspberry Pi: 0 and
/// 16 are a low voltage now and since the start, 2 and 18 throttling.
fn throttled(answer: &str) -> Option<Check> {
    let bits = u32::from_str_radix(answer.trim().strip_prefix("throttled=0x")?, 16).ok()?;
    let mut found = Vec::new();
    if bits & (1 | 1 << 16) != 0 {
        found.push("its voltage was too low: use a power supply with more current");
    }
    if bits & (1 << 2 | 1 << 18) != 0 {
        found.push("it was slowed down: improve the cooling");
    }
    Some(if found.is_empty() {
        Check::new(State::Ok, "the Raspberry Pi was not slowed down")
    } else {
        Check::new(State::Warning, format!("the Raspberry Pi: {}", found.join("; ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_the_firmware_are_read() {
        assert_eq!(throttled("throttled=0x0\n").unwrap().state, State::Ok);
        let both = throttled("throttled=0x50005").unwrap();
        assert!(both.state == State::Warning && both.text.contains("power supply"), "{both:?}");
        assert!(both.text.contains("improve the cooling"));
        assert!(throttled("error").is_none());
    }

    #[test]
    fn every_element_is_of_the_package_that_is_named() {
        let mut names: Vec<_> = ELEMENTS.iter().map(|(name, ..)| name).collect();
        names.dedup();
        assert_eq!(names.len(), ELEMENTS.len());
        assert!(ELEMENTS.iter().all(|(_, package, ..)| package.starts_with("gstreamer1.0-")));
    }

    #[test]
    fn a_full_disk_is_a_warning() {
        let check = space(Path::new("/proc")).unwrap();
        assert_eq!(check.state, State::Warning, "{check:?}");
        assert!(space(Path::new("/nowhere")).is_none());
    }
}
