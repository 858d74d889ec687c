//! The streams of a video file.

use std::path::Path;

use gst_pbutils::prelude::*;

use crate::Failure;
use crate::launch::file_uri;

/// How long GStreamer may take to open a file.
const TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(30);

/// What is in a video file.
#[derive(Clone, Debug)]
pub struct Streams {
    /// The media type of the container; `None` without one.
    pub container: Option<String>,
    /// The encoding of the video.
    pub video: gst::Caps,
    /// Width times height times pictures per second.
    pub pixels_per_second: f64,
    /// The encodings of all sound tracks.
    pub audio: Vec<gst::Caps>,
    /// `None` if the file does not say how long it is.
    pub duration: Option<gst::ClockTime>,
    /// Whether a tag says that players must turn the picture.
    pub is_turned: bool,
}

/// Returns the streams of the file `path`.
///
/// # Errors
///
/// The message without the name of the file if it is not a video, or GStreamer cannot decode it.
pub fn discover(path: &Path) -> Result<Streams, Failure> {
    // The reason of GStreamer would be about its own elements.
    std::fs::File::open(path)?;
    let uri = file_uri(path)?;
    let discoverer = gst_pbutils::Discoverer::new(TIMEOUT)?;
    let info = discoverer.discover_uri(&uri).map_err(|error| {
        if error.matches(gst::StreamError::TypeNotFound) {
            "it is not a video that GStreamer can decode".to_owned()
        } else {
            error.message().to_owned()
        }
    })?;
    let video = info.video_streams().into_iter().find(|stream| !stream.is_image());
    let Some(video) = video else {
        return Err(match info.video_streams().is_empty() {
            true => "it has no video",
            false => "it is a photo; `catdog photos` classifies photos",
        }
        .into());
    };
    let rate = f64::from(video.framerate().numer()) / f64::from(video.framerate().denom().max(1));
    let top = info.stream_info().filter(|top| top.is::<gst_pbutils::DiscovererContainerInfo>());
    let container = top.and_then(|top| Some(top.caps()?.structure(0)?.name().to_string()));
    Ok(Streams {
        container,
        video: video.caps().ok_or("GStreamer does not know the encoding of its video")?,
        pixels_per_second: f64::from(video.width())
            * f64::from(video.height())
            * if rate > 0.0 { rate } else { 30.0 },
        audio: info.audio_streams().iter().filter_map(|stream| stream.caps()).collect(),
        duration: info.duration(),
        is_turned: video.tags().is_some_and(|tags| {
            let tag = tags.get::<gst::tags::ImageOrientation>();
            tag.is_some_and(|orientation| orientation.get() != "rotate-0")
        }),
    })
}
