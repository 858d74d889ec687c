//! The ranges of input values that networks are usually trained with.

use std::fmt;

use super::metadata::Normalization;
use crate::preprocess::Channels;

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
    /// Returns the normalization that turns pixel values 0..255 into this range, for `channels` in
    /// their order. For ImageNet and gray, it is the average over the channels, as networks for gray
    /// pictures use it.
    pub fn normalization(self, channels: Channels) -> Normalization {
        let to_pixel_value = |value: f64| (value * 255.0) as f32;
        let (mean, std) = match self {
            Self::Pixels => (vec![0.0], vec![1.0]),
            Self::Unit => (vec![0.0], vec![255.0]),
            Self::Centered => (vec![127.5], vec![127.5]),
            Self::ImageNet => {
                let pixel_values = |[red, green, blue]: [f64; 3]| match channels {
                    Channels::Rgb => [red, green, blue].map(to_pixel_value).to_vec(),
                    Channels::Bgr => [blue, green, red].map(to_pixel_value).to_vec(),
                    Channels::Gray => vec![to_pixel_value((red + green + blue) / 3.0)],
                };
                (pixel_values(IMAGENET_MEAN), pixel_values(IMAGENET_STD))
            }
        };
        Normalization { mean, std }
    }

    /// Returns whether tensors whose values are between `low` and `high` hold pictures that are
    /// normalized with mean and standard deviation of ImageNet, -2.12 to 2.64, or a bit less if the
    /// pictures of the calibration had no white.
    pub fn is_imagenet(low: f64, high: f64) -> bool {
        (-2.25..=-1.7).contains(&low) && (1.8..=2.75).contains(&high)
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
