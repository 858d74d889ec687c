//! Caps, and buffers of known content.

use gst_video::{VideoFormat, VideoInfo};

use super::init;

/// The names of the formats in the pad templates.
pub const FORMATS: [&str; 19] = [
    "YUY2", "UYVY", "NV12", "NV21", "I420", "YV12", "Y42B", "Y444", "GRAY8", "RGB", "BGR", "RGBx",
    "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB", "ABGR",
];

/// The duration of a frame at 25 frames/s.
pub const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// Returns caps of raw video at 25 frames/s.
pub fn caps(format: &str, width: u32, height: u32) -> gst::Caps {
    caps_at(format, width, height, gst::Fraction::new(25, 1))
}

/// Returns caps of raw video.
pub fn caps_at(format: &str, width: u32, height: u32, framerate: gst::Fraction) -> gst::Caps {
    init();
    gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", width as i32)
        .field("height", height as i32)
        .field("framerate", framerate)
        .build()
}

/// Returns the buffer of frame `index`, with its timestamp, duration and offsets at 25 frames/s.
pub fn frame(index: u64, bytes: Vec<u8>) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    let fields = buffer.get_mut().unwrap();
    fields.set_pts(FRAME * index);
    fields.set_duration(FRAME);
    fields.set_offset(index);
    fields.set_offset_end(index + 1);
    buffer
}

/// Returns the bytes of an RGB frame of one color, with the default stride of GStreamer.
pub fn rgb(width: u32, height: u32, color: [u8; 3]) -> Vec<u8> {
    packed(VideoFormat::Rgb, width, height, |_, _| color)
}

/// Returns the bytes of a frame in a packed RGB format. `color` gives the pixel at (x, y).
pub fn packed(
    format: VideoFormat,
    width: u32,
    height: u32,
    color: impl Fn(u32, u32) -> [u8; 3],
) -> Vec<u8> {
    let info = VideoInfo::builder(format, width, height).build().unwrap();
    let stride = info.stride()[0] as usize;
    let step = info.comp_pstride(0) as usize;
    let mut bytes = vec![0; info.size()];
    for y in 0..height {
        for x in 0..width {
            let pixel = &mut bytes[y as usize * stride + x as usize * step..][..step];
            for (component, level) in color(x, y).iter().enumerate() {
                pixel[info.comp_offset(component as u8) % step] = *level;
            }
        }
    }
    bytes
}
