//! Files with video: their containers, and how the picture is encoded for them.

use std::path::Path;

use clap::ValueEnum;

use crate::Failure;
use crate::launch::{Launch, has_element};

/// The format of a file with video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Container {
    /// MPEG-4
    Mp4,
    /// Matroska
    #[value(name = "mkv")]
    Matroska,
    /// WebM
    #[value(name = "webm")]
    WebM,
}

/// How the picture is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Encoding {
    /// A keyframe comes at least every this number of pictures.
    pub keyframes: u32,
    /// Bits per second of WebM. H.264 has a constant quality instead.
    pub webm_bits: u32,
    /// Whether a picture of H.264 may refer to later ones, which takes fewer bytes, and the times of
    /// the pictures are then not in their order.
    pub has_b_frames: bool,
}

impl Container {
    /// Returns the container that the extension of a file name says, such as `.mp4`.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "mp4" | "m4v" | "mov" => Some(Self::Mp4),
            "mkv" => Some(Self::Matroska),
            "webm" => Some(Self::WebM),
            _ => None,
        }
    }

    /// Returns the extension of file names.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Matroska => "mkv",
            Self::WebM => "webm",
        }
    }

    /// Returns the factory name of the muxer.
    pub fn muxer(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4mux",
            Self::Matroska => "matroskamux",
            Self::WebM => "webmmux",
        }
    }

    /// Returns whether the muxer takes a stream of `caps` at pads whose names begin with `kind`, which
    /// is `audio` or `video`.
    pub fn takes(self, kind: &str, caps: &gst::Caps) -> bool {
        let Some(factory) = gst::ElementFactory::find(self.muxer()) else { return false };
        factory.static_pad_templates().iter().any(|template| {
            template.name_template().starts_with(kind) && template.caps().can_intersect(caps)
        })
    }

    /// Returns the encoder of raw video, from the conversion to a format that it takes to the parser
    /// that a muxer needs.
    ///
    /// # Errors
    ///
    /// The message if GStreamer lacks the encoder.
    pub fn video_encoder(self, encoding: Encoding) -> Result<Launch, Failure> {
        // H.264 and VP8 take even sizes only, and few players decode 4:4:4.
        let even = "video/x-raw,format=I420,width=[2,32766,2],height=[2,32766,2]";
        let raw = Launch::element("videoconvert")
            .link(Launch::element("videoscale"))
            .link(Launch::caps(even))
            .link(Launch::element("queue"));
        Ok(raw.link(match self {
            Self::Mp4 | Self::Matroska => {
                if !has_element("x264enc") {
                    return Err("GStreamer lacks x264enc; install gstreamer1.0-plugins-ugly, or \
                                write a .webm file"
                        .into());
                }
                let encoder = Launch::element("x264enc")
                    .set("speed-preset", "veryfast")
                    .set("pass", "qual")
                    .set("quantizer", 23)
                    .set("key-int-max", encoding.keyframes);
                let encoder = match encoding.has_b_frames {
                    true => encoder,
                    // Nor does it look ahead.
                    false => encoder.set("tune", "zerolatency"),
                };
                encoder.link(Launch::element("h264parse"))
            }
            Self::WebM => Launch::element("vp8enc")
                .set("deadline", 1)
                .set("cpu-used", 4)
                .set("threads", 2)
                .set("target-bitrate", encoding.webm_bits)
                .set("keyframe-max-dist", encoding.keyframes),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_says_the_container() {
        let of = |name: &str| Container::of(Path::new(name));
        assert_eq!(of("a.MP4"), Some(Container::Mp4));
        assert_eq!(of("a.b.mkv"), Some(Container::Matroska));
        assert_eq!(of(".webm"), None);
        assert_eq!(of("a.avi"), None);
    }

    #[test]
    fn webm_takes_other_sound_than_mp4() {
        gst::init().unwrap();
        let aac = gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 4)
            .field("stream-format", "raw")
            .build();
        let opus = gst::Caps::builder("audio/x-opus").field("channel-mapping-family", 0).build();
        assert!(Container::Mp4.takes("audio", &aac) && !Container::WebM.takes("audio", &aac));
        assert!(Container::WebM.takes("audio", &opus) && Container::Matroska.takes("audio", &opus));
        assert!(!Container::Matroska.takes("video", &opus));
    }
}
