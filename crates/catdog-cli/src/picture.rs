//! Decodes a picture to RGB pixels, upright.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use catdog_core::files;
use catdog_core::frame::{FrameSpec, PixelFormat, Plane};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};

use crate::output::path_text;

/// Size limit of a file, in bytes; photos of current cameras have up to 50 MiB.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Limit for the width and height, which is that of the preprocessing.
const MAX_SIDE: u32 = 1 << 16;
/// Limit for the memory of a decoded picture, in bytes: 170 megapixels. A small file can promise a
/// picture that fills the memory of the machine.
const MAX_DECODED_BYTES: u64 = 512 << 20;

/// Bytes of an RGB pixel.
pub const RGB_BYTES: usize = 3;

/// A decoded picture.
pub struct Picture {
    /// The file.
    pub path: PathBuf,
    /// The pixels as stored, without the rotation that EXIF asks for.
    pub stored: RgbImage,
    /// The pixels, upright.
    pub upright: RgbImage,
    /// How the stored pixels are turned, by EXIF.
    pub orientation: Orientation,
    /// CRC-32 of the file.
    pub checksum: u32,
}

impl Picture {
    /// Reads a JPEG, PNG or WebP file.
    ///
    /// # Errors
    ///
    /// The message: the file cannot be read, is not such a picture, or is too large.
    pub fn read(path: &Path) -> Result<Self, String> {
        let (bytes, stored, orientation) = read_and_decode(path)?;
        let mut upright = DynamicImage::ImageRgb8(stored.clone());
        upright.apply_orientation(orientation);
        Ok(Self {
            path: path.to_owned(),
            stored,
            upright: upright.into_rgb8(),
            orientation,
            checksum: crc32(&bytes),
        })
    }

    /// Returns whether EXIF asks for a rotation or a reflection.
    pub fn is_turned(&self) -> bool {
        self.orientation != Orientation::NoTransforms
    }

    /// Returns the path as text.
    pub fn name(&self) -> String {
        path_text(&self.path)
    }
}

/// Returns the upright pixels of a JPEG, PNG or WebP file.
///
/// # Errors
///
/// As [`Picture::read`].
pub fn read_upright(path: &Path) -> Result<RgbImage, String> {
    let (_, stored, orientation) = read_and_decode(path)?;
    let mut picture = DynamicImage::ImageRgb8(stored);
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// Returns the bytes of a file, the pixels as stored, and how they are turned.
fn read_and_decode(path: &Path) -> Result<(Vec<u8>, RgbImage, Orientation), String> {
    let bytes = files::read(path, MAX_FILE_BYTES).map_err(|reason| {
        format!("image '{}' cannot be read: {reason}; check the path", path.display())
    })?;
    let (stored, orientation) = decode(&bytes).map_err(|error| {
        format!(
            "image '{}' cannot be decoded: {}; use a JPEG, PNG or WebP file of at most {MAX_SIDE} x \
             {MAX_SIDE} pixels and {} MiB of pixels",
            path.display(),
            error.to_string().trim(),
            MAX_DECODED_BYTES >> 20
        )
    })?;
    Ok((bytes, stored, orientation))
}

/// Returns the description of `pixels` as a video frame.
pub fn frame_spec(pixels: &RgbImage) -> FrameSpec {
    FrameSpec::new(PixelFormat::Rgb, pixels.width() as usize, pixels.height() as usize)
}

/// Returns the plane of `pixels`.
pub fn plane(pixels: &RgbImage) -> Plane<'_> {
    Plane { data: pixels.as_raw(), stride: RGB_BYTES * pixels.width() as usize }
}

/// Decodes the bytes of a file. Transparency is dropped, as TensorFlow's and Pillow's conversion to
/// RGB does.
fn decode(bytes: &[u8]) -> image::ImageResult<(RgbImage, Orientation)> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    limits.check_dimensions(width, height)?;
    // The decoded pixels and their RGB copy exist at the same time.
    limits.reserve(u64::from(width) * u64::from(height) * RGB_BYTES as u64)?;
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    Ok((DynamicImage::from_decoder(decoder)?.into_rgb8(), orientation))
}

/// Returns the CRC-32 of `bytes`, as Python's `zlib.crc32` computes it.
fn crc32(bytes: &[u8]) -> u32 {
    /// The reversed polynomial of ISO 3309.
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zlib() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
