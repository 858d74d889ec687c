//! The result of the user's own program, as `python/compare/record.py` writes it.

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

/// The recorded input as an image, in rows of pixels with three channels.
pub struct RecordedImage {
    pub width: usize,
    pub height: usize,
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

    /// Returns the input as an image; `None` if the shape is not that of an RGB image.
    pub fn image(&self, of_model: Option<Quantization>) -> Option<RecordedImage> {
        let shape = match &self.shape[..] {
            [1, shape @ ..] if shape.len() == 3 => shape,
            shape => shape,
        };
        let values = self.real(of_model);
        match *shape {
            [height, width, 3] => Some(RecordedImage { width, height, values }),
            [3, height, width] => {
                let plane = height * width;
                let value = |index: usize| values[index % 3 * plane + index / 3];
                let values = (0..values.len()).map(value).collect();
                Some(RecordedImage { width, height, values })
            }
            _ => None,
        }
    }
}
