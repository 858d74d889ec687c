//! The last steps for libraries that only scale planes, or that end with RGB bytes: the color conversion of the
//! scaled frame, with the crate `yuv`, and the conversion to floats.

use catdog_core::frame::PixelFormat;
use multiversion::multiversion;
use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvError, YuvPlanarImage, YuvRange, YuvStandardMatrix,
};

const RANGE: YuvRange = YuvRange::Limited;
const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;

/// Converts RGB pixel values to the elements of the tensor.
#[multiversion(targets = "simd")]
pub fn floats(levels: &[u8], tensor: &mut [f32]) {
    for (element, level) in tensor.iter_mut().zip(levels) {
        *element = (f32::from(*level) - 127.5) * (1.0 / 127.5);
    }
}

/// Splits scaled macropixels into luma and chroma. The two luma samples of a macropixel are at the same distance to the
/// left and to the right of its center, so their mean is the luma of the pixel.
#[multiversion(targets = "simd")]
fn split(macropixels: &[[u8; 4]], luma: &mut [u8], chroma: &mut [[u8; 2]]) {
    for ((luma, chroma), macropixel) in luma.iter_mut().zip(chroma).zip(macropixels) {
        let [left, blue, right, red] = *macropixel;
        *luma = (u16::from(left) + u16::from(right)).div_ceil(2) as u8;
        *chroma = [blue, red];
    }
}

/// Converts scaled planes, all of the size of the tensor, to the tensor.
pub struct Finish {
    format: PixelFormat,
    side: usize,
    /// The luma of macropixels.
    luma: Vec<u8>,
    /// The chroma of macropixels.
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
                split(macropixels.as_chunks().0, luma, chroma);
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
