//! The result of the user's own program, as `python/compare/record.py` writes it.

use catdog_core::model::tflite::ImageInput;
use catdog_core::preprocess::ChannelOrder;
use catdog_core::tensor::Quantization;
use serde::Deserialize;

/// The value of `format` in the file.
const FORMAT: &str = "catdog-compare";
/// The only version of the format.
const VERSION: u32 = 1;

/// What the user's program computed for one picture.
#[derive(Debug, Deserialize)]
pub struct Recorded {
    format: String,
    version: u32,
    /// The program, for example "keras 3.15.1".
    #[serde(default)]
    pub program: String,
    pub picture: RecordedPicture,
    /// The input of the model.
    pub input: RecordedTensor,
    /// The output of the model.
    pub output: RecordedTensor,
    /// Class names in the order of the scores.
    pub labels: Option<Vec<String>>,
}

/// The picture that the program read.
#[derive(Debug, Deserialize)]
pub struct RecordedPicture {
    pub name: String,
    /// CRC-32 of the file.
    pub crc32: u32,
}

/// A tensor.
#[derive(Debug, Deserialize)]
pub struct RecordedTensor {
    pub shape: Vec<usize>,
    /// Name of the element type in NumPy.
    #[serde(rename = "type")]
    pub element: String,
    pub quantization: Option<RecordedQuantization>,
    /// The elements in C order, as they are stored.
    data: Vec<f32>,
}

/// real = scale * (stored - zero_point).
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct RecordedQuantization {
    scale: f32,
    zero_point: i32,
}

/// The recorded input as a picture with the channels of the model.
pub struct RecordedImage {
    pub width: usize,
    pub height: usize,
    /// Number of channels: 3, or 1 for gray.
    pub channels: usize,
    /// Real numbers, in the order row, column, channel.
    pub values: Vec<f32>,
}

impl Recorded {
    /// Checks what serde does not check.
    ///
    /// # Errors
    ///
    /// The reason, as a sentence with the remedy.
    pub fn check(&self) -> Result<(), String> {
        if self.format != FORMAT || self.version != VERSION {
            return Err(format!(
                "it has the format '{}' version {}, expected {FORMAT} version {VERSION}; write it \
                 with python/compare/record.py of this version",
                self.format, self.version
            ));
        }
        self.input.check("input")?;
        self.output.check("output")?;
        if self.output.data.is_empty() {
            return Err("its output is empty; record the scores of the model".into());
        }
        Ok(())
    }
}

impl RecordedTensor {
    fn check(&self, name: &str) -> Result<(), String> {
        let elements = self.shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side));
        if elements != Some(self.data.len()) {
            return Err(format!(
                "its {name} has {} elements, but the shape {:?}; record it again",
                self.data.len(),
                self.shape
            ));
        }
        match self.quantization {
            Some(q) if !(q.scale.is_finite() && q.scale > 0.0) => Err(format!(
                "its {name} has the scale {}, expected a positive number; record it again",
                q.scale
            )),
            _ => Ok(()),
        }
    }

    /// Returns whether the elements are floats.
    pub fn is_float(&self) -> bool {
        self.element.starts_with("float") || self.element.starts_with("bfloat")
    }

    /// Returns the elements as real numbers. Integers are dequantized with the recorded quantization,
    /// or else with that of the model.
    pub fn real(&self, of_model: Option<Quantization>) -> Vec<f32> {
        let recorded =
            self.quantization.map(|q| Quantization { scale: q.scale, zero_point: q.zero_point });
        match recorded.or(of_model) {
            Some(q) if !self.is_float() => {
                self.data.iter().map(|value| q.scale * (value - q.zero_point as f32)).collect()
            }
            _ => self.data.clone(),
        }
    }

    /// Returns the elements as they are stored.
    pub fn stored(&self) -> &[f32] {
        &self.data
    }

    /// Returns the tensor as a picture for the input `of_model`; `None` if its shape is not that of a
    /// picture with the channels of the model. The channels may be first or last, whatever the order
    /// in the model is.
    pub fn image(&self, of_model: &ImageInput) -> Option<RecordedImage> {
        let ((width, height), order) = picture_shape(&self.shape, of_model)?;
        let channels = of_model.channels.count();
        let mut values = self.real(of_model.tensor.quantization);
        if order == ChannelOrder::First {
            let plane = height * width;
            values = (0..values.len())
                .map(|index| values[index % channels * plane + index / channels])
                .collect();
        }
        Some(RecordedImage { width, height, channels, values })
    }
}

impl RecordedImage {
    /// Returns the values in the order of a tensor whose channels are in the place `order`.
    pub fn values_in(&self, order: ChannelOrder) -> Vec<f32> {
        match order {
            ChannelOrder::Last => self.values.clone(),
            ChannelOrder::First => (0..self.channels)
                .flat_map(|channel| self.values.iter().skip(channel).step_by(self.channels))
                .copied()
                .collect(),
        }
    }

    /// Returns whether a channel has the same value everywhere.
    pub fn has_flat_channel(&self) -> bool {
        self.values.iter().take(self.channels).enumerate().any(|(channel, first)| {
            self.values.iter().skip(channel).step_by(self.channels).all(|value| value == first)
        })
    }
}

/// Returns width and height of a picture with this shape and the channels of the model, and the place
/// of its channels. If the shape has several meanings, that with the size of the model counts.
fn picture_shape(shape: &[usize], of_model: &ImageInput) -> Option<((usize, usize), ChannelOrder)> {
    let channels = of_model.channels.count();
    let last = |height, width, count| ((width, height), ChannelOrder::Last, count);
    let first = |height, width, count| ((width, height), ChannelOrder::First, count);
    let mut meanings = Vec::new();
    match *shape {
        [1, a, b, c] | [a, b, c] => meanings.extend([last(a, b, c), first(b, c, a)]),
        [height, width] => meanings.push(last(height, width, 1)),
        _ => {}
    }
    // The flat input of a model that reshapes it.
    if shape.iter().filter(|side| **side != 1).count() == 1
        && shape.iter().product::<usize>() == of_model.tensor.len()
    {
        meanings.push((of_model.size, of_model.order, channels));
    }
    meanings.retain(|(_, _, count)| *count == channels);
    let of_size = meanings.iter().find(|(size, ..)| *size == of_model.size);
    of_size.or(meanings.first()).map(|(size, order, _)| (*size, *order))
}

#[cfg(test)]
mod tests {
    use catdog_core::preprocess::Channels;
    use catdog_core::tensor::{ElementType, TensorInfo};

    use super::*;

    fn input(channels: Channels, order: ChannelOrder) -> ImageInput {
        let count = channels.count();
        let shape = match order {
            ChannelOrder::Last => vec![1, 2, 4, count],
            ChannelOrder::First => vec![1, count, 2, 4],
        };
        ImageInput {
            tensor: TensorInfo {
                name: "input".into(),
                shape: shape.clone(),
                element: ElementType::F32,
                quantization: None,
            },
            size: (4, 2),
            channels,
            order,
            runtime_shape: shape,
            is_open: false,
            size_is_default: false,
        }
    }

    #[test]
    fn a_picture_may_have_its_channels_first_or_last() {
        use ChannelOrder::{First, Last};
        let rgb = input(Channels::Rgb, First);
        for (shape, want) in [
            (&[1, 2, 4, 3][..], Some(((4, 2), Last))),
            (&[2, 4, 3], Some(((4, 2), Last))),
            (&[1, 3, 2, 4], Some(((4, 2), First))),
            (&[1, 24], Some(((4, 2), First))),
            (&[1, 3, 9, 3], Some(((9, 3), Last))),
            (&[1, 2, 4, 1], None),
            (&[2, 4], None),
            (&[1, 25], None),
        ] {
            assert_eq!(picture_shape(shape, &rgb), want, "{shape:?}");
        }
    }

    #[test]
    fn a_gray_picture_may_have_no_channels() {
        let gray = input(Channels::Gray, ChannelOrder::Last);
        for shape in [&[1, 2, 4, 1][..], &[1, 1, 2, 4], &[1, 2, 4], &[2, 4], &[1, 8], &[8]] {
            let size = picture_shape(shape, &gray).map(|(size, _)| size);
            assert_eq!(size, Some((4, 2)), "{shape:?}");
        }
        assert_eq!(picture_shape(&[1, 2, 4, 3], &gray), None);
    }

    #[test]
    fn values_have_the_order_of_the_model() {
        let values: Vec<f32> = (0..24u8).map(f32::from).collect();
        let image = RecordedImage { width: 4, height: 2, channels: 3, values };
        let planes = image.values_in(ChannelOrder::First);
        assert_eq!(planes[..4], [0.0, 3.0, 6.0, 9.0]);
        assert_eq!(planes[8..10], [1.0, 4.0]);
        assert_eq!(image.values_in(ChannelOrder::Last), image.values);
        assert!(!image.has_flat_channel());
        let values = image.values.iter().enumerate();
        let values = values.map(|(i, value)| if i % 3 == 1 { 7.0 } else { *value }).collect();
        assert!(RecordedImage { values, ..image }.has_flat_channel());
    }
}
