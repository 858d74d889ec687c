//! Converts GStreamer's video caps to a [`FrameSpec`].

use std::time::Duration;

use catdog_core::frame::{ChromaSite, ColorMatrix, ColorRange, FrameSpec, PixelFormat};
use gst_video::{VideoChromaSite, VideoColorMatrix, VideoColorRange, VideoFormat, VideoInfo};

/// The supported formats, and the pixel format as which each is read. An alpha channel is not read.
const FORMATS: [(VideoFormat, PixelFormat); 19] = [
    (VideoFormat::Yuy2, PixelFormat::Yuy2),
    (VideoFormat::Uyvy, PixelFormat::Uyvy),
    (VideoFormat::Nv12, PixelFormat::Nv12),
    (VideoFormat::Nv21, PixelFormat::Nv21),
    (VideoFormat::I420, PixelFormat::I420),
    (VideoFormat::Yv12, PixelFormat::Yv12),
    (VideoFormat::Y42b, PixelFormat::Y42b),
    (VideoFormat::Y444, PixelFormat::Y444),
    (VideoFormat::Gray8, PixelFormat::Gray8),
    (VideoFormat::Rgb, PixelFormat::Rgb),
    (VideoFormat::Bgr, PixelFormat::Bgr),
    (VideoFormat::Rgbx, PixelFormat::Rgbx),
    (VideoFormat::Bgrx, PixelFormat::Bgrx),
    (VideoFormat::Xrgb, PixelFormat::Xrgb),
    (VideoFormat::Xbgr, PixelFormat::Xbgr),
    (VideoFormat::Rgba, PixelFormat::Rgbx),
    (VideoFormat::Bgra, PixelFormat::Bgrx),
    (VideoFormat::Argb, PixelFormat::Xrgb),
    (VideoFormat::Abgr, PixelFormat::Xbgr),
];

/// Returns the caps of both pad templates.
pub fn template() -> gst::Caps {
    gst_video::VideoCapsBuilder::new().format_list(FORMATS.map(|(format, _)| format)).build()
}

/// Returns the text of the warning about `caps`, which the element `factory` does not accept.
pub fn refusal(caps: &gst::Caps, factory: &str) -> String {
    let raw = caps.structure(0).is_some_and(|structure| structure.name() == "video/x-raw");
    let in_system_memory = caps
        .features(0)
        .is_none_or(|features| features.contains(gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY));
    let remedy = match (raw, in_system_memory) {
        (false, _) => "put a decoder (jpegdec for JPEG, or decodebin) and videoconvert",
        (true, false) => "put a download element (such as gldownload) and videoconvert",
        (true, true) => "put videoconvert",
    };
    let formats = FORMATS.map(|(format, _)| format.to_str().as_str()).join(", ");
    format!(
        "caps {caps} cannot be classified; {remedy} before {factory}, which takes video/x-raw in \
         {formats}"
    )
}

/// Returns the spec of the frames that `info` describes; `None` for an unsupported format.
pub fn frame_spec(info: &VideoInfo) -> Option<FrameSpec> {
    let (_, format) = *FORMATS.iter().find(|(format, _)| *format == info.format())?;
    let colorimetry = info.colorimetry();
    let (kr, kb) = match colorimetry.matrix() {
        VideoColorMatrix::Bt709 => (ColorMatrix::BT709.kr, ColorMatrix::BT709.kb),
        VideoColorMatrix::Bt2020 => (ColorMatrix::BT2020.kr, ColorMatrix::BT2020.kb),
        // GStreamer knows the coefficients of SMPTE 240M and FCC.
        other => other.kr_kb().unwrap_or((ColorMatrix::BT601.kr, ColorMatrix::BT601.kb)),
    };
    let range = match colorimetry.range() {
        VideoColorRange::Range0_255 => ColorRange::Full,
        _ => ColorRange::Limited,
    };
    let site = info.chroma_site();
    let par = info.par();
    let fps = info.fps();
    let frame_duration = (fps.numer() > 0 && fps.denom() > 0)
        .then(|| Duration::from_secs_f64(f64::from(fps.denom()) / f64::from(fps.numer())));
    Some(FrameSpec {
        matrix: ColorMatrix { kr, kb },
        range,
        chroma_site: ChromaSite {
            h_cosited: site.contains(VideoChromaSite::H_COSITED),
            v_cosited: site.contains(VideoChromaSite::V_COSITED),
        },
        pixel_aspect_ratio: (
            u32::try_from(par.numer()).unwrap_or(1).max(1),
            u32::try_from(par.denom()).unwrap_or(1).max(1),
        ),
        frame_duration,
        ..FrameSpec::new(format, info.width() as usize, info.height() as usize)
    })
}
