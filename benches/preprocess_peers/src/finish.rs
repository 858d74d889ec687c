//! What is left to do for a library that scales planes or ends at RGB bytes: the colours of the small
//! picture, with the crate `yuv`, and the floats.

use gstcatdog::frame::PixelFormat;
use multiversion::multiversion;
use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvError, YuvPlanarImage, YuvRange, YuvStandardMatrix,
};

const RANGE: YuvRange = YuvRange::Limited;
const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;

/// The tensor's elements of RGB levels.
#[multiversion(targets = "simd")]
pub fn floats(levels: &[u8], tensor: &mut [f32]) {
    for (element, level) in tensor.iter_mut().zip(levels) {
        *element = (f32::from(*level) - 127.5) * (1.0 / 127.5);
    }
}

/// Luma and chroma of macropixels that became pixels: their two luma samples lie as far to the left
/// of the pixel's centre as to the right, so the mean of both is the pixel's.
#[multiversion(targets = "simd")]
fn take_apart(macropixels: &[[u8; 4]], luma: &mut [u8], chroma: &mut [[u8; 2]]) {
    for ((luma, chroma), macropixel) in luma.iter_mut().zip(chroma).zip(macropixels) {
        let [left, blue, right, red] = *macropixel;
        *luma = (u16::from(left) + u16::from(right)).div_ceil(2) as u8;
        *chroma = [blue, red];
    }
}

/// From small planes, all of the tensor's size, to the tensor.
pub struct Finish {
    format: PixelFormat,
    side: usize,
    /// Luma and chroma of macropixels.
    luma: Vec<u8>,
    chroma: Vec<[u8; 2]>,
    rgb: Vec<u8>,
}

impl Finish {
    pub fn new(format: PixelFormat, side: usize) -> Self {
        let pixels = side * side;
        let (luma, chroma) = (vec![0; pixels], vec![[0; 2]; pixels]);
        Self { format, side, luma, chroma, rgb: vec![0; pixels * 3] }
    }

    pub fn run(&mut self, planes: &[Vec<u8>], tensor: &mut [f32]) -> Result<(), YuvError> {
        let Self { format, side, luma, chroma, rgb } = self;
        let side = *side as u32;
        match (*format, planes) {
            (PixelFormat::Yuy2, [macropixels]) => {
                take_apart(macropixels.as_chunks().0, luma, chroma);
                interleaved(luma, chroma.as_flattened(), rgb, side)?;
            }
            (PixelFormat::Nv12, [luma, chroma]) => interleaved(luma, chroma, rgb, side)?,
            (_, planes) => planar(planes, rgb, side)?,
        }
        floats(rgb, tensor);
        Ok(())
    }
}

fn interleaved(luma: &[u8], chroma: &[u8], rgb: &mut [u8], side: u32) -> Result<(), YuvError> {
    let image = YuvBiPlanarImage {
        y_plane: luma,
        y_stride: side,
        uv_plane: chroma,
        uv_stride: side * 2,
        width: side,
        height: side,
    };
    yuv::yuv_nv24_to_rgb(&image, rgb, side * 3, RANGE, MATRIX, YuvConversionMode::default())
}

fn planar(planes: &[Vec<u8>], rgb: &mut [u8], side: u32) -> Result<(), YuvError> {
    let image = YuvPlanarImage {
        y_plane: &planes[0],
        y_stride: side,
        u_plane: &planes[1],
        u_stride: side,
        v_plane: &planes[2],
        v_stride: side,
        width: side,
        height: side,
    };
    yuv::yuv444_to_rgb(&image, rgb, side * 3, RANGE, MATRIX)
}
