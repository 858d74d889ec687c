//! libswscale, through its C API.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use catdog_core::frame::PixelFormat;

use super::{Implementation, Outcome};
use crate::finish;
use crate::frames::{Frames, SIZE};

// Constants of libswscale/swscale.h.
pub const FAST_BILINEAR: c_int = 1;
pub const BILINEAR: c_int = 2;
pub const AREA: c_int = 0x20;

/// Alignment of output rows in bytes, which libswscale recommends. It may write this many bytes past a row.
const ALIGNMENT: usize = 64;

#[repr(C)]
struct SwsContext {
    private: [u8; 0],
}

unsafe extern "C" {
    fn swscale_version() -> c_uint;
    fn av_get_pix_fmt(name: *const c_char) -> c_int;
    fn sws_getContext(
        from_width: c_int,
        from_height: c_int,
        from_format: c_int,
        to_width: c_int,
        to_height: c_int,
        to_format: c_int,
        flags: c_int,
        from_filter: *mut SwsFilter,
        to_filter: *mut SwsFilter,
        parameters: *const f64,
    ) -> *mut SwsContext;
    fn sws_scale(
        context: *mut SwsContext,
        from: *const *const u8,
        from_strides: *const c_int,
        first_row: c_int,
        rows: c_int,
        to: *const *mut u8,
        to_strides: *const c_int,
    ) -> c_int;
    fn sws_freeContext(context: *mut SwsContext);
}

#[repr(C)]
struct SwsFilter {
    private: [u8; 0],
}

/// Returns the version of the loaded library.
pub fn version() -> String {
    // SAFETY: the function has no arguments and returns a number.
    let version = unsafe { swscale_version() };
    format!("{}.{}.{}", version >> 16, version >> 8 & 0xff, version & 0xff)
}

pub struct Swscale {
    frames: Rc<Frames>,
    context: NonNull<SwsContext>,
    rgb: Vec<u8>,
    stride: usize,
    side: usize,
    tensor: Vec<f32>,
}

impl Swscale {
    pub fn boxed(
        frames: &Rc<Frames>,
        side: usize,
        flags: c_int,
    ) -> Outcome<Box<dyn Implementation>> {
        let from = pixel_format(match frames.format {
            PixelFormat::Nv12 => c"nv12",
            PixelFormat::Yuy2 => c"yuyv422",
            _ => c"yuv420p",
        });
        let (width, height, to) = (SIZE.0 as c_int, SIZE.1 as c_int, side as c_int);
        let rgb = pixel_format(c"rgb24");
        let none = ptr::null_mut();
        // The defaults are BT.601 and limited range.
        // SAFETY: the sizes are positive, libswscale refuses an unknown format (-1), and filters and parameters
        // may be null.
        let context = unsafe {
            sws_getContext(width, height, from, to, to, rgb, flags, none, none, ptr::null())
        };
        let context = NonNull::new(context).ok_or("libswscale does not support this conversion")?;
        let stride = (side * 3).next_multiple_of(ALIGNMENT);
        let rgb = vec![0; stride * side + ALIGNMENT];
        let tensor = vec![0.0; side * side * 3];
        Ok(Box::new(Self { frames: Rc::clone(frames), context, rgb, stride, side, tensor }))
    }
}

fn pixel_format(name: &CStr) -> c_int {
    // SAFETY: `name` ends with a NUL byte and outlives the call, which does not keep the pointer.
    unsafe { av_get_pix_fmt(name.as_ptr()) }
}

impl Implementation for Swscale {
    fn fill(&mut self, index: usize) -> Outcome {
        let (mut from, mut from_strides) = ([ptr::null(); 4], [0; 4]);
        for (plane, (data, stride)) in self.frames.planes(index).enumerate() {
            (from[plane], from_strides[plane]) = (data.as_ptr(), stride as c_int);
        }
        let mut to = [ptr::null_mut(); 4];
        to[0] = self.rgb.as_mut_ptr();
        let to_strides = [self.stride as c_int, 0, 0, 0];
        let (context, height) = (self.context.as_ptr(), SIZE.1 as c_int);
        // SAFETY: the context lives until `drop`. `from` points to whole planes of the format and size of the
        // context. `to` has `side` rows of `stride` bytes, more than RGB needs, and `ALIGNMENT` bytes after the
        // last row. Each of the four arrays has four elements.
        let rows = unsafe {
            let (from, to) = (from.as_ptr(), to.as_ptr());
            sws_scale(context, from, from_strides.as_ptr(), 0, height, to, to_strides.as_ptr())
        };
        if rows != self.side as c_int {
            return Err(format!("sws_scale returned {rows}").into());
        }
        let row = self.side * 3;
        let levels = self.rgb.chunks(self.stride);
        for (levels, tensor) in levels.zip(self.tensor.chunks_exact_mut(row)) {
            finish::floats(&levels[..row], tensor);
        }
        Ok(())
    }

    fn tensor(&mut self) -> Outcome<Vec<f32>> {
        Ok(self.tensor.clone())
    }
}

impl Drop for Swscale {
    fn drop(&mut self) {
        // SAFETY: `sws_getContext` returned the context, and only `drop` frees it, once.
        unsafe { sws_freeContext(self.context.as_ptr()) };
    }
}
