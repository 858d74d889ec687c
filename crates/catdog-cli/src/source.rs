//! The beginning of a pipeline: from an input to raw video.

use std::path::Path;

use gst::prelude::*;

use crate::Failure;
use crate::cameras;
use crate::input::Input;
use crate::launch::{Launch, file_uri, has_element, has_property};
use crate::reconnect::MakeSource;

/// Extensions of files that are photos. They become a video of one picture.
const PHOTOS: [&str; 5] = ["jpg", "jpeg", "png", "webp", "bmp"];
/// How long a server may take to say what it sends.
const TYPE_TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(10);
/// Frames per second of a photo and of the test picture.
const RATE: u32 = 25;

/// The size and the rate of the frames that the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Frames per second.
    pub rate: Option<u32>,
}

/// A source of raw video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The elements.
    pub launch: Launch,
    /// What the user is told about it.
    pub name: String,
    /// Whether frames come as time passes, and not as fast as they are taken.
    pub is_live: bool,
}

impl Source {
    /// Returns the elements of the source, with raw video of any format at the end.
    pub fn converted(&self) -> Launch {
        self.launch.clone().link(Launch::element("videoconvert"))
    }

    /// Returns what makes the source again, as [`Self::converted`] does. A camera that was unplugged
    /// may have another device node.
    pub fn again(&self, input: &Input, mode: Mode) -> MakeSource {
        if matches!(input, Input::Stream(_)) {
            let same = self.converted();
            return Box::new(move || Ok(same.clone()));
        }
        let input = input.clone();
        Box::new(move || Self::new(&input, mode).map(|source| source.converted()))
    }

    /// Returns the source of `input`.
    ///
    /// # Errors
    ///
    /// The message if GStreamer lacks an element for it, or `mode` cannot be chosen for it.
    pub fn new(input: &Input, mode: Mode) -> Result<Self, Failure> {
        if mode != Mode::default()
            && matches!(input, Input::File(_) | Input::Stream(_) | Input::Stdin)
        {
            return Err(
                "--size and --fps choose the mode of a camera; other inputs have their own".into(),
            );
        }
        Ok(match input {
            Input::File(path) => file(path)?,
            Input::Stdin => {
                let launch = Launch::element("fdsrc")
                    .set("fd", 0)
                    .link(decoder("decodebin"))
                    .link(upright());
                Self { launch, name: "stdin".into(), is_live: false }
            }
            Input::Stream(uri) => {
                let decoded = stream(uri)?;
                let launch = decoded.link(Launch::element("queue")).link(upright());
                Self { launch, name: uri.clone(), is_live: true }
            }
            Input::Test => {
                let picture = Launch::element("videotestsrc").set("is-live", true);
                let (width, height) = mode.size.unwrap_or((640, 480));
                let rate = mode.rate.unwrap_or(RATE);
                let caps = format!("video/x-raw,width={width},height={height},framerate={rate}/1");
                Self {
                    launch: picture.link(Launch::caps(&caps)),
                    name: "the test picture".into(),
                    is_live: true,
                }
            }
            Input::BestCamera => {
                return Self::new(&cameras::best(&cameras::found())?.input(), mode);
            }
            Input::CameraName(name) => {
                return Self::new(&cameras::named(&cameras::found(), name)?.input(), mode);
            }
            Input::Pipewire(name) => pipewire(name, mode)?,
            Input::Libcamera(id) => libcamera(id.as_deref(), mode)?,
            Input::CameraNode(node) => v4l2(&node.display().to_string(), mode),
        })
    }
}

fn file(path: &Path) -> Result<Source, Failure> {
    let uri = file_uri(path).map_err(|error| format!("INPUT {}: {error}", path.display()))?;
    let decoder = decoder("uridecodebin").set("uri", uri);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_photo = PHOTOS.contains(&extension.to_ascii_lowercase().as_str());
    let launch = if is_photo {
        // As a camera: it has no end.
        let still = Launch::element("imagefreeze")
            .set("is-live", true)
            .link(Launch::caps(&format!("video/x-raw,framerate={RATE}/1")));
        decoder.link(Launch::element("videoconvert")).link(still)
    } else {
        decoder.link(upright()).link(Launch::element("queue"))
    };
    Ok(Source { launch, name: path.display().to_string(), is_live: is_photo })
}

/// Returns the source and the decoder of a network stream.
///
/// `uridecodebin` would choose the same elements, but in a pipeline that plays already it does not
/// start a live source.
fn stream(uri: &str) -> Result<Launch, Failure> {
    let scheme = uri.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    let (element, property, package) = match scheme.as_str() {
        "http" | "https" => ("souphttpsrc", "location", "good"),
        "rtsp" | "rtsps" => ("rtspsrc", "location", "good"),
        "udp" => ("udpsrc", "uri", "good"),
        "srt" => ("srtsrc", "uri", "bad"),
        "rtmp" => ("rtmp2src", "location", "bad"),
        _ => return Ok(decoder("uridecodebin").set("uri", uri)),
    };
    if !has_element(element) {
        return Err(
            format!("GStreamer lacks {element}; install gstreamer1.0-plugins-{package}").into()
        );
    }
    let source = Launch::element(element).set(property, uri);
    Ok(match element {
        "souphttpsrc" => http(source),
        // Sound is not decoded.
        "rtspsrc" => {
            source.link(Launch::caps("application/x-rtp,media=video")).link(decoder("decodebin"))
        }
        _ => source.link(decoder("decodebin")),
    })
}

/// Returns the source and the decoder of a stream over HTTP.
///
/// `uridecodebin` is not used, because it stores the first megabytes of every HTTP stream before it
/// decodes them. `decodebin` waits for more streams of a multipart stream, which is what webcams on the
/// network send as "MJPEG", so that this kind has a decoder of its own.
fn http(source: Launch) -> Launch {
    let source = source.set("is-live", true).set("do-timestamp", true);
    if media_type(source.clone()).as_deref() == Some("multipart/x-mixed-replace") {
        return source.link(Launch::element("multipartdemux")).link(Launch::element("jpegdec"));
    }
    source.link(decoder("decodebin"))
}

/// Returns the media type of what `source` delivers; `None` if it delivers nothing. The pipeline
/// reports the reason then.
fn media_type(source: Launch) -> Option<String> {
    let launch = source.link(Launch::element("typefind").set("name", "type"));
    let launch = launch.link(Launch::element("fakesink").set("num-buffers", 1));
    let pipeline =
        gst::parse::launch(&launch.to_string()).ok()?.downcast::<gst::Pipeline>().ok()?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let _ = pipeline.set_state(gst::State::Playing);
    let end = pipeline.bus()?.timed_pop_filtered(TYPE_TIMEOUT, &ends);
    let caps = pipeline.by_name("type")?.property::<Option<gst::Caps>>("caps");
    let _ = pipeline.set_state(gst::State::Null);
    end?;
    Some(caps?.structure(0)?.name().to_string())
}

/// Returns a decoder of the video only. Sound is not decoded.
fn decoder(factory: &str) -> Launch {
    Launch::element(factory).set("caps", "video/x-raw(ANY)").set("expose-all-streams", false)
}

/// Phones store videos turned.
pub fn upright() -> Launch {
    Launch::element("videoflip").set("video-direction", "auto")
}

/// Returns what shows the picture as a mirror does.
pub fn mirror() -> Launch {
    // The older property `method` has no effect in GStreamer 1.22.
    Launch::element("videoflip").set("video-direction", "horiz")
}

fn v4l2(node: &str, mode: Mode) -> Source {
    let camera = Launch::element("v4l2src").set("device", node);
    // Most webcams deliver large pictures as JPEG only; decodebin takes both.
    let caps = match mode_text(mode) {
        Some(mode) => format!("video/x-raw{mode};image/jpeg{mode}"),
        // A moderate size at a steady rate, otherwise what the camera has.
        None => ["video/x-raw", "image/jpeg"]
            .map(|kind| format!("{kind},width=[160,1280],height=[120,720],framerate=[15/1,120/1]"))
            .into_iter()
            .chain(["video/x-raw;image/jpeg".into()])
            .collect::<Vec<_>>()
            .join(";"),
    };
    let launch = camera.link(Launch::caps(&caps)).link(decoder("decodebin"));
    Source { launch, name: node.to_owned(), is_live: true }
}

fn libcamera(id: Option<&str>, mode: Mode) -> Result<Source, Failure> {
    if !has_element("libcamerasrc") {
        return Err("GStreamer lacks libcamerasrc; install gstreamer1.0-libcamera".into());
    }
    let camera = Launch::element("libcamerasrc");
    let camera = match id {
        Some(id) => camera.set("camera-name", id),
        None => camera,
    };
    // Without a size, libcamera takes the largest one.
    let mode = Mode { size: mode.size.or(Some((640, 480))), ..mode };
    let caps = format!("video/x-raw{}", mode_text(mode).unwrap_or_default());
    let name = id.map_or_else(|| "the libcamera camera".to_owned(), |id| format!("libcamera {id}"));
    // The source announces no time that a frame may wait, and a sink takes up to 20 ms for one. More
    // frames in the queue would be missed by the camera, which has four buffers.
    let queue = Launch::element("queue").set("max-size-buffers", 2);
    let launch = camera.link(Launch::caps(&caps)).link(queue);
    Ok(Source { launch, name, is_live: true })
}

fn pipewire(name: &str, mode: Mode) -> Result<Source, Failure> {
    if !has_element("pipewiresrc") {
        return Err("GStreamer lacks pipewiresrc; install gstreamer1.0-pipewire".into());
    }
    // Its frames are in memory of the camera's process. Without a copy, the program crashes if that
    // process ends while a frame is in use. The old name of the property is that of PipeWire 0.3.
    let (property, value) = if has_property("pipewiresrc", "use-bufferpool") {
        ("use-bufferpool", false)
    } else {
        ("always-copy", true)
    };
    let source = Launch::element("pipewiresrc").set("target-object", name).set(property, value);
    let caps = mode_text(mode).unwrap_or_default();
    // A decoder makes PipeWire negotiate a second time, at which some cameras of programs fail.
    let launch = if mode == Mode::default() && cameras::offers_raw_video(name) {
        source.link(Launch::caps("video/x-raw"))
    } else {
        source
            .link(Launch::caps(&format!("video/x-raw{caps};image/jpeg{caps}")))
            .link(decoder("decodebin"))
    };
    Ok(Source { launch, name: format!("the PipeWire camera {name}"), is_live: true })
}

/// Returns the fields of caps, with a comma before each.
fn mode_text(mode: Mode) -> Option<String> {
    let size = mode.size.map(|(width, height)| format!(",width={width},height={height}"));
    let rate = mode.rate.map(|rate| format!(",framerate={rate}/1"));
    if size.is_none() && rate.is_none() {
        return None;
    }
    Some(size.unwrap_or_default() + &rate.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: &Input, mode: Mode) -> String {
        Source::new(input, mode).unwrap().launch.to_string()
    }

    #[test]
    fn a_camera_gets_the_mode_that_the_user_asks_for() {
        let mode = Mode { size: Some((1280, 720)), rate: Some(30) };
        let camera = text(&Input::CameraNode("/dev/video2".into()), mode);
        assert!(camera.starts_with("v4l2src device=/dev/video2 ! capsfilter caps="), "{camera}");
        assert!(camera.contains("image/jpeg,width=1280,height=720,framerate=30/1"), "{camera}");
        let error = Source::new(&Input::Stdin, mode).unwrap_err();
        assert!(error.to_string().contains("choose the mode of a camera"));
    }

    #[test]
    fn a_photo_is_shown_until_the_user_ends_it() {
        let photo = text(&Input::File("a b.JPG".into()), Mode::default());
        assert!(photo.contains("a%20b.JPG") && photo.contains("imagefreeze"), "{photo}");
        assert!(!text(&Input::File("a.mp4".into()), Mode::default()).contains("imagefreeze"));
    }

    #[test]
    fn a_mirror_exchanges_left_and_right() {
        use gst::prelude::*;
        gst::init().unwrap();
        let picture = |launch: Launch| {
            let caps = "video/x-raw,format=RGB,width=64,height=4";
            let line = Launch::element("videotestsrc").link(Launch::caps(caps)).link(launch);
            let line = line.link(Launch::element("appsink").set("name", "end"));
            let pipeline = gst::parse::launch(&line.to_string()).unwrap();
            let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
            pipeline.set_state(gst::State::Playing).unwrap();
            let sink = pipeline.by_name("end").unwrap().downcast::<gst_app::AppSink>().unwrap();
            let sample = sink.pull_sample().unwrap();
            pipeline.set_state(gst::State::Null).unwrap();
            sample.buffer().unwrap().map_readable().unwrap().to_vec()
        };
        let plain = picture(Launch::default());
        let reversed = plain.chunks(64 * 3).flat_map(|row| row.rchunks(3).flatten().copied());
        assert_eq!(picture(mirror()), reversed.collect::<Vec<_>>());
    }
}
