//! The pipeline for one video.

use std::path::{Path, PathBuf};

use crate::Failure;
use crate::container::{Container, Encoding};
use crate::disk::Unfinished;
use crate::filter::Filter;
use crate::launch::{Launch, file_uri, has_element};
use crate::source::upright;
use crate::streams::Streams;

use super::outputs::Text;

/// Bytes of encoded video or sound that wait for the other streams. An encoder with look-ahead and
/// the end of a cue are some seconds away; files that are interleaved badly need more.
const WAITING: u32 = 200 << 20;

/// Where a pipeline writes.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The video.
    pub video: Option<(Container, PathBuf)>,
    /// The lists of labels; without a path, a list goes to stdout.
    pub texts: Vec<(Text, Option<PathBuf>)>,
}

impl Files {
    /// Returns the files at the paths of `unfinished`, which are in the order of `files`.
    pub fn at_parts(&self, unfinished: &[Unfinished]) -> Self {
        let mut parts = unfinished.iter().map(|file| file.part().to_owned());
        let mut part = |path: &PathBuf| parts.next().unwrap_or_else(|| path.clone());
        Self {
            video: self.video.as_ref().map(|(container, path)| (*container, part(path))),
            texts: self
                .texts
                .iter()
                .map(|(text, path)| (*text, path.as_ref().map(&mut part)))
                .collect(),
        }
    }
}

/// Returns the pipeline that classifies `input` and writes `files`. With `is_soft`, the labels are a
/// subtitle track and the video is copied; otherwise they are in the picture.
///
/// # Errors
///
/// The message without the name of the input if GStreamer lacks an element, or the container does
/// not take a stream.
pub fn pipeline(
    input: &Path,
    streams: &Streams,
    filter: &Filter,
    files: &Files,
    is_soft: bool,
) -> Result<Launch, Failure> {
    let source = Launch::element("urisourcebin").set("uri", file_uri(input)?);
    let mut launch = source.link(Launch::element("parsebin").set("name", "in"));
    if let Some((container, path)) = &files.video {
        let muxer = Launch::element(container.muxer()).set("name", "mux");
        launch = launch.branch(muxer.link(filesink(path)?));
        for (number, audio) in streams.audio.iter().enumerate() {
            let sound = stream("in", audio).link(sound(*container, audio)?).link(waiting());
            launch = launch.branch(sound.link(pad(&format!("mux.audio_{number}"))));
        }
    }
    let classified = Launch::element("decodebin");
    let label = |launch: Launch| {
        launch
            .link(Launch::element("videoconvert"))
            .link(filter.launch(!is_soft && files.video.is_some()))
            .link(Launch::element("tee").set("name", "labels"))
    };
    let cues = || pad("labels.").link(Launch::element("catdogtext"));
    match &files.video {
        Some((container, _)) if is_soft => {
            let copy = copied(*container, streams)?;
            launch = launch
                .branch(stream("in", &streams.video).link(copy))
                .branch(pad("video.").link(waiting()).link(pad("mux.video_0")))
                .branch(label(pad("video.").link(Launch::element("queue")).link(classified)))
                .branch(cues().link(pad("mux.subtitle_0")));
        }
        video => {
            let queue = Launch::element("queue");
            let decoded = stream("in", &streams.video).link(queue.clone()).link(classified);
            launch = launch.branch(label(decoded.link(queue).link(upright())));
            if let Some((container, _)) = video {
                // A bit for eight pixels is what VP8 needs for moving animals.
                let webm_bits = (streams.pixels_per_second / 8.0).clamp(5e5, 1e8) as u32;
                let encoding = Encoding { keyframes: 250, webm_bits, has_b_frames: true };
                let labelled = Launch::element("textoverlay").set("shaded-background", true);
                launch = launch.branch(
                    pad("labels.")
                        .link(labelled)
                        .link(container.video_encoder(encoding)?)
                        .link(waiting())
                        .link(pad("mux.video_0")),
                );
            }
        }
    }
    for (text, path) in &files.texts {
        let sink = match path {
            // A list may begin late; the pipeline does not wait for it.
            Some(path) => filesink(path)?.set("async", false),
            None => Launch::element("fdsink").set("fd", 1).set("async", false),
        };
        launch = launch.branch(cues().link(encoder(*text)?).link(sink));
    }
    Ok(launch)
}

fn pad(name: &str) -> Launch {
    Launch::element(name)
}

/// Links the first stream of `demuxer` with the kind of `caps` that is not linked yet.
fn stream(demuxer: &str, caps: &gst::Caps) -> Launch {
    let kind = caps.structure(0).map_or("ANY", |structure| structure.name().as_str());
    pad(&format!("{demuxer}.")).link(Launch::caps(kind))
}

/// Returns a queue for encoded data that waits for the other streams.
fn waiting() -> Launch {
    Launch::element("queue")
        .set("max-size-buffers", 0)
        .set("max-size-time", 0)
        .set("max-size-bytes", WAITING)
}

fn filesink(path: &Path) -> Result<Launch, Failure> {
    let name = path.to_str().ok_or("use an output with a name of UTF-8 characters (-o)")?;
    Ok(Launch::element("filesink").set("location", name))
}

/// Returns what copies the video, and a `tee` after it.
fn copied(container: Container, streams: &Streams) -> Result<Launch, Failure> {
    if !container.takes("video", &without_format(&streams.video)) {
        return Err(format!(
            "a .{} file does not take its video ({}); write a .mkv file with -o, or leave out --soft",
            container.extension(),
            name(&streams.video)
        )
        .into());
    }
    if streams.is_turned {
        // mp4mux of GStreamer 1.22 writes no orientation, and matroskamux neither.
        return Err("a tag says that its picture is to be turned, and a copy would lose the tag; leave out \
                    --soft, or write subtitles beside the video with --srt"
            .into());
    }
    // A muxer may want another variant of the format than the input has.
    let tee = Launch::element("tee").set("name", "video");
    Ok(match name(&streams.video).as_str() {
        "video/x-h264" => Launch::element("h264parse").link(tee),
        "video/x-h265" => Launch::element("h265parse").link(tee),
        _ => tee,
    })
}

/// Returns what the muxer needs to take the sound: nothing, a parser, or another encoding.
fn sound(container: Container, audio: &gst::Caps) -> Result<Launch, Failure> {
    if container.takes("audio", &without_format(audio)) {
        return Ok(match name(audio).as_str() {
            "audio/mpeg" if is_aac(audio) => Launch::element("aacparse"),
            _ => Launch::default(),
        });
    }
    let encoders: &[&str] = match container {
        Container::Mp4 => &["fdkaacenc", "voaacenc", "avenc_aac"],
        Container::Matroska | Container::WebM => &["opusenc"],
    };
    let encoder = encoders.iter().find(|encoder| has_element(encoder)).ok_or_else(|| {
        format!(
            "a .{} file does not take its sound ({}), and GStreamer lacks {}; write a .mkv file with -o",
            container.extension(),
            name(audio),
            encoders.join(" and ")
        )
    })?;
    let raw = ["decodebin", "audioconvert", "audioresample"].map(Launch::element);
    let raw = raw.into_iter().fold(Launch::element("queue"), Launch::link);
    let parser = if container == Container::Mp4 { "aacparse" } else { "opusparse" };
    Ok(raw.link(Launch::element(encoder)).link(Launch::element(parser)))
}

/// Returns the name of the media type.
fn name(caps: &gst::Caps) -> String {
    caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default()
}

fn is_aac(caps: &gst::Caps) -> bool {
    caps.structure(0).and_then(|audio| audio.get::<i32>("mpegversion").ok()) != Some(1)
}

/// Returns `caps` without the variants of a format that a parser converts.
fn without_format(caps: &gst::Caps) -> gst::Caps {
    let mut caps = caps.copy();
    for structure in caps.make_mut().iter_mut() {
        structure.remove_fields(["stream-format", "alignment", "codec_data", "framed", "parsed"]);
    }
    caps
}

/// Returns the encoder of a list.
fn encoder(text: Text) -> Result<Launch, Failure> {
    let element = match text {
        Text::WebVtt => "webvttenc",
        Text::Srt => "srtenc",
        // The program turns the lines of JSON into CSV.
        Text::JsonLines | Text::Csv => return Ok(Launch::caps("application/x-json")),
    };
    if !has_element(element) {
        return Err(format!("GStreamer lacks {element}; install gstreamer1.0-plugins-bad").into());
    }
    Ok(Launch::element(element))
}
