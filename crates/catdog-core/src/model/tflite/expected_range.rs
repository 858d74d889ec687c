//! The ranges of input values that networks are usually trained with.

use std::fmt;

use super::metadata::Normalization;

/// Mean of the red, green and blue values (0..1) of the images in ImageNet, which most networks of
/// torchvision and timm subtract. Source: the documentation of the pretrained models of
/// torchvision.
pub(super) const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// The standard deviations that belong to [`IMAGENET_MEAN`].
pub(super) const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];
/// Mean red, green and blue values (0..255) of the images in ImageNet, which the networks of Caffe
/// subtract. Source: `preprocess_input` of Keras, mode "caffe".
pub(super) const CAFFE_MEAN: [f64; 3] = [123.68, 116.779, 103.939];

/// A range of input values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedRange {
    /// Pixel values, 0..255.
    Pixels,
    /// 0..1.
    Unit,
    /// -1..1.
    Centered,
    /// Values in 0..1, normalized with mean and standard deviation of the images in ImageNet.
    ImageNet,
}

impl fmt::Display for ExpectedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pixels => "0..255",
            Self::Unit => "0..1",
            Self::Centered => "-1..1",
            Self::ImageNet => "normalized with the mean and standard deviation of ImageNet",
        })
    }
}

impl ExpectedRange {
    /// Returns the normalization that turns pixel values 0..255 into this range.
    pub fn normalization(self) -> Normalization {
        let (mean, std) = match self {
            Self::Pixels => (vec![0.0], vec![1.0]),
            Self::Unit => (vec![0.0], vec![255.0]),
            Self::Centered => (vec![127.5], vec![127.5]),
            Self::ImageNet => {
                let pixel_values = |values: [f64; 3]| values.map(|value| (value * 255.0) as f32);
                (pixel_values(IMAGENET_MEAN).to_vec(), pixel_values(IMAGENET_STD).to_vec())
            }
        };
        Normalization { mean, std }
    }

    /// Returns the values for black and white; `None` if they differ by channel.
    pub(super) fn bounds(self) -> Option<(f64, f64)> {
        match self {
            Self::Pixels => Some((0.0, 255.0)),
            Self::Unit => Some((0.0, 1.0)),
            Self::Centered => Some((-1.0, 1.0)),
            Self::ImageNet => None,
        }
    }
}
