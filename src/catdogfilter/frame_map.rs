//! Maps a buffer's memory as a [`FrameView`], with the offsets and strides of its `GstVideoMeta` if
//! it has one, otherwise with those of the caps.
//!
//! `gst_video_frame_map` is not used, because it does not check the offsets and strides of a video
//! meta: if a buffer is too small for them, it would be read past its end.

use catdog_core::classifier::ClassifyError;
use catdog_core::frame::{FrameError, FrameSpec, FrameView, Plane};
use gst::memory::{MemoryMap, Readable};
use gst_video::{VideoInfo, VideoMeta};

/// The position of a plane in a buffer.
#[derive(Clone, Copy, Default)]
struct Place {
    offset: usize,
    /// Bytes from row to row; 0 for a negative stride (rows stored bottom up), which the view
    /// refuses.
    stride: usize,
}

/// Maps `buffer` for reading, calls `reader` with its planes, and unmaps it.
///
/// # Errors
///
/// [`ClassifyError::Frame`] if the buffer cannot be mapped or is smaller than its caps and its meta
/// require; the error of `reader`.
pub fn with_frame<T>(
    buffer: &gst::BufferRef,
    info: &VideoInfo,
    spec: &FrameSpec,
    reader: impl FnOnce(&FrameView<'_>) -> Result<T, ClassifyError>,
) -> Result<T, ClassifyError> {
    let count = spec.format.n_planes();
    let mut places = [Place::default(); 3];
    let places = &mut places[..count];
    match buffer.meta::<VideoMeta>() {
        Some(meta) => locate(places, meta.offset(), meta.stride()),
        None => locate(places, info.offset(), info.stride()),
    }

    let mut planes = [Plane { data: &[], stride: 0 }; 3];
    let mut maps: [Option<(MemoryMap<'_, Readable>, usize)>; 3] = [None, None, None];
    for (index, place) in places.iter().enumerate() {
        let layout = spec.format.plane_layout(index, spec.width, spec.height);
        let bytes = place.stride.max(layout.row_bytes) * (layout.rows - 1) + layout.row_bytes;
        maps[index] = map_plane(buffer, *place, bytes)?;
    }
    if maps[..count].iter().all(Option::is_some) {
        for ((plane, place), map) in planes.iter_mut().zip(places).zip(&maps) {
            let data = map.as_ref().and_then(|(map, start)| map.as_slice().get(*start..));
            *plane = Plane { data: data.unwrap_or_default(), stride: place.stride };
        }
        return reader(&FrameView::new(spec, &planes[..count])?);
    }
    // A plane spans several memories, which no camera or decoder produces. Mapping the whole buffer
    // would replace its memories by a copy, so the copy is made here.
    let mut bytes = vec![0; buffer.size()];
    buffer.copy_to_slice(0, &mut bytes).map_err(|_| FrameError::Map)?;
    for (plane, place) in planes.iter_mut().zip(places) {
        let data = bytes.get(place.offset..).unwrap_or_default();
        *plane = Plane { data, stride: place.stride };
    }
    reader(&FrameView::new(spec, &planes[..count])?)
}

fn locate(places: &mut [Place], offsets: &[usize], strides: &[i32]) {
    for (place, (offset, stride)) in places.iter_mut().zip(offsets.iter().zip(strides)) {
        *place = Place { offset: *offset, stride: usize::try_from(*stride).unwrap_or(0) };
    }
}

/// Maps the memory that holds the `bytes` of the plane at `place`, and returns it with the offset
/// of the plane in it; `None` if the plane continues in the next memory.
fn map_plane(
    buffer: &gst::BufferRef,
    place: Place,
    bytes: usize,
) -> Result<Option<(MemoryMap<'_, Readable>, usize)>, FrameError> {
    let mut start = place.offset;
    for index in 0..buffer.n_memory() {
        let memory = buffer.peek_memory(index);
        if start < memory.size() {
            let last = index + 1 == buffer.n_memory();
            if start + bytes > memory.size() && !last {
                return Ok(None);
            }
            let map = memory.map_readable().map_err(|_| FrameError::Map)?;
            return Ok(Some((map, start)));
        }
        start -= memory.size();
    }
    // The plane starts after the end; the view reports how many bytes are missing.
    Ok(None)
}
