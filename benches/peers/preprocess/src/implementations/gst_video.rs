//! GstVideoConverter, with the default settings of the element `videoconvertscale`.

use std::rc::Rc;

use catdog_core::frame::PixelFormat;
use gst_video::prelude::*;
use gst_video::video_frame::{Readable, Writable};
use gst_video::{
    VideoChromaSite, VideoColorimetry, VideoConverter, VideoConverterConfig, VideoFormat,
    VideoFrame, VideoInfo, VideoResamplerMethod,
};

use super::{Filter, Implementation, Outcome};
use crate::finish;
use crate::frames::{COUNT, Frames, SIZE};

pub struct GstVideo {
    converter: VideoConverter,
    /// Mapped before the measurement, because in a pipeline the base class of the element maps them.
    frames: Vec<VideoFrame<Readable>>,
    rgb: VideoFrame<Writable>,
    side: usize,
    tensor: Vec<f32>,
}

impl GstVideo {
    pub fn boxed(
        frames: &Rc<Frames>,
        side: usize,
        filter: Filter,
    ) -> Outcome<Box<dyn Implementation>> {
        let format = match frames.format {
            PixelFormat::Nv12 => VideoFormat::Nv12,
            PixelFormat::Yuy2 => VideoFormat::Yuy2,
            _ => VideoFormat::I420,
        };
        // The default of `FrameSpec`. GStreamer's default for 1080 rows is BT.709.
        let colorimetry: VideoColorimetry = "bt601".parse()?;
        let from = VideoInfo::builder(format, SIZE.0 as u32, SIZE.1 as u32)
            .colorimetry(&colorimetry)
            .chroma_site(VideoChromaSite::NONE)
            .build()?;
        let to = VideoInfo::builder(VideoFormat::Rgb, side as u32, side as u32).build()?;
        let mut config = VideoConverterConfig::new();
        config.set_resampler_method(VideoResamplerMethod::Linear);
        if filter == Filter::TwoTap {
            config.set("GstVideoResampler.max-taps", 2_i32);
        }
        let converter = VideoConverter::new(&from, &to, Some(config))?;
        let map = |index| {
            let buffer = gst::Buffer::from_slice(frames.memory(index).clone());
            VideoFrame::from_buffer_readable(buffer, &from).map_err(|_| "a frame cannot be mapped")
        };
        let frames = (0..COUNT).map(map).collect::<Result<_, _>>()?;
        let rgb = VideoFrame::from_buffer_writable(gst::Buffer::with_size(to.size())?, &to)
            .map_err(|_| "the RGB frame cannot be mapped")?;
        Ok(Box::new(Self { converter, frames, rgb, side, tensor: vec![0.0; side * side * 3] }))
    }
}

impl Implementation for GstVideo {
    fn fill(&mut self, index: usize) -> Outcome {
        self.converter.frame(&self.frames[index], &mut self.rgb);
        let stride = self.rgb.plane_stride()[0] as usize;
        let row = self.side * 3;
        let levels = self.rgb.plane_data(0)?.chunks(stride);
        for (levels, tensor) in levels.zip(self.tensor.chunks_exact_mut(row)) {
            finish::floats(&levels[..row], tensor);
        }
        Ok(())
    }

    fn tensor(&mut self) -> Outcome<Vec<f32>> {
        Ok(self.tensor.clone())
    }
}
