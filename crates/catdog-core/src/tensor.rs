//! Tensors: their description, typed views of an engine's memory, and tensors with memory of their
//! own.
//!
//! Preprocessing writes the input tensor of an engine, and the decision reads its output tensor.

use std::fmt;

/// The elements of float16 tensors.
pub use half::f16;

/// An element type that catdog supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// 32-bit float.
    F32,
    /// 16-bit float (IEEE 754 binary16).
    F16,
    /// Unsigned byte, usually with a [`Quantization`].
    U8,
    /// Signed byte, usually with a [`Quantization`].
    I8,
}

impl ElementType {
    /// Returns the name of the type in TensorFlow.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::U8 => "uint8",
            Self::I8 => "int8",
        }
    }

    /// Returns the number of bytes of an element.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::U8 | Self::I8 => 1,
        }
    }

    /// Returns whether the elements are real numbers, which have no [`Quantization`].
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16)
    }
}

/// Affine quantization of a whole tensor: real = `scale` * (stored - `zero_point`).
///
/// Source: the TensorFlow Lite 8-bit quantization specification.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Real value of one step, positive and finite.
    pub scale: f32,
    /// Stored value of the real number 0.
    pub zero_point: i32,
}

/// The description of a model's input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Name in the signature, or in the graph if the model has no signatures.
    pub name: String,
    /// Dimensions for one picture.
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub element: ElementType,
    /// Quantization, if the elements are integers that represent real numbers.
    pub quantization: Option<Quantization>,
}

impl TensorInfo {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}', {} {:?}", self.name, self.element.name(), self.shape)?;
        match self.quantization {
            Some(q) => write!(f, ", scale {}, zero point {}", q.scale, q.zero_point),
            None => f.write_str(", not quantized"),
        }
    }
}

/// A view of a tensor for writing.
#[derive(Debug)]
pub enum TensorMut<'a> {
    /// 32-bit floats.
    F32(&'a mut [f32]),
    /// 16-bit floats.
    F16(&'a mut [f16]),
    /// Unsigned bytes.
    U8(&'a mut [u8]),
    /// Signed bytes.
    I8(&'a mut [i8]),
}

impl<'a> TensorMut<'a> {
    /// Returns the type of the elements.
    pub fn element(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::F16(_) => ElementType::F16,
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
        }
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(elements) => elements.len(),
            Self::F16(elements) => elements.len(),
            Self::U8(elements) => elements.len(),
            Self::I8(elements) => elements.len(),
        }
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a view of the first `count` elements, for example those of the first picture of a
    /// batch, or of all elements if there are fewer.
    pub fn first(self, count: usize) -> TensorMut<'a> {
        fn first<T>(elements: &mut [T], count: usize) -> &mut [T] {
            let count = count.min(elements.len());
            &mut elements[..count]
        }
        match self {
            Self::F32(elements) => TensorMut::F32(first(elements, count)),
            Self::F16(elements) => TensorMut::F16(first(elements, count)),
            Self::U8(elements) => TensorMut::U8(first(elements, count)),
            Self::I8(elements) => TensorMut::I8(first(elements, count)),
        }
    }

    /// Copies the elements of `source`, which must have the same type and length.
    ///
    /// # Panics
    ///
    /// Panics if type or length differ. The tensors then belong to different models, which is a bug
    /// of the caller.
    pub fn copy_from(&mut self, source: TensorRef<'_>) {
        match (self, source) {
            (Self::F32(to), TensorRef::F32(from)) => to.copy_from_slice(from),
            (Self::F16(to), TensorRef::F16(from)) => to.copy_from_slice(from),
            (Self::U8(to), TensorRef::U8(from)) => to.copy_from_slice(from),
            (Self::I8(to), TensorRef::I8(from)) => to.copy_from_slice(from),
            (to, from) => unreachable!("{:?} from {:?}", to.element(), from.element()),
        }
    }
}

/// A tensor with its own memory.
#[derive(Clone, Debug)]
pub enum Tensor {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 16-bit floats.
    F16(Vec<f16>),
    /// Unsigned bytes.
    U8(Vec<u8>),
    /// Signed bytes.
    I8(Vec<i8>),
}

impl Tensor {
    /// Returns the tensor that `info` describes, with all elements 0.
    pub fn zeroed(info: &TensorInfo) -> Self {
        match info.element {
            ElementType::F32 => Self::F32(vec![0.0; info.len()]),
            ElementType::F16 => Self::F16(vec![f16::ZERO; info.len()]),
            ElementType::U8 => Self::U8(vec![0; info.len()]),
            ElementType::I8 => Self::I8(vec![0; info.len()]),
        }
    }

    /// Returns a view for writing.
    pub fn elements_mut(&mut self) -> TensorMut<'_> {
        match self {
            Self::F32(elements) => TensorMut::F32(elements),
            Self::F16(elements) => TensorMut::F16(elements),
            Self::U8(elements) => TensorMut::U8(elements),
            Self::I8(elements) => TensorMut::I8(elements),
        }
    }

    /// Returns a view for reading.
    pub fn elements(&self) -> TensorRef<'_> {
        match self {
            Self::F32(elements) => TensorRef::F32(elements),
            Self::F16(elements) => TensorRef::F16(elements),
            Self::U8(elements) => TensorRef::U8(elements),
            Self::I8(elements) => TensorRef::I8(elements),
        }
    }
}

/// A view of a tensor for reading.
#[derive(Clone, Copy, Debug)]
pub enum TensorRef<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 16-bit floats.
    F16(&'a [f16]),
    /// Unsigned bytes.
    U8(&'a [u8]),
    /// Signed bytes.
    I8(&'a [i8]),
}

impl<'a> TensorRef<'a> {
    /// Returns a view of the first `count` elements, or of all elements if there are fewer.
    pub fn first(self, count: usize) -> TensorRef<'a> {
        match self {
            Self::F32(elements) => TensorRef::F32(&elements[..count.min(elements.len())]),
            Self::F16(elements) => TensorRef::F16(&elements[..count.min(elements.len())]),
            Self::U8(elements) => TensorRef::U8(&elements[..count.min(elements.len())]),
            Self::I8(elements) => TensorRef::I8(&elements[..count.min(elements.len())]),
        }
    }

    /// Returns the type of the elements.
    pub fn element(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::F16(_) => ElementType::F16,
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
        }
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
        }
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the index of the first element that is not a finite number.
    pub fn first_not_finite(&self) -> Option<usize> {
        match self {
            Self::F32(values) => values.iter().position(|value| !value.is_finite()),
            Self::F16(values) => values.iter().position(|value| !value.is_finite()),
            Self::U8(_) | Self::I8(_) => None,
        }
    }

    /// Returns element `index` as a real number: dequantized if there is a `quantization`,
    /// otherwise as it is stored.
    ///
    /// # Panics
    ///
    /// Panics if `index` is out of range.
    pub fn real(&self, index: usize, quantization: Option<Quantization>) -> f32 {
        let stored = match self {
            Self::F32(values) => return values[index],
            Self::F16(values) => return values[index].to_f32(),
            Self::U8(values) => i32::from(values[index]),
            Self::I8(values) => i32::from(values[index]),
        };
        match quantization {
            Some(q) => q.scale * (stored - q.zero_point) as f32,
            None => stored as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_read_as_real_numbers() {
        // 0x3555 is 1365/4096, the nearest float16 of 1/3.
        let tensor = [f16::from_f32(1.0 / 3.0), f16::from_f32(-2.5)];
        assert_eq!(tensor[0].to_bits(), 0x3555);
        let tensor = TensorRef::F16(&tensor);
        assert_eq!(tensor.real(0, None), 1365.0 / 4096.0);
        assert_eq!(tensor.real(1, None), -2.5);
    }

    #[test]
    fn the_first_elements_are_a_view() {
        let mut elements = [0_u8; 5];
        let TensorMut::U8(first) = TensorMut::U8(&mut elements).first(2) else { panic!() };
        first.fill(7);
        assert_eq!(elements, [7, 7, 0, 0, 0]);
        assert_eq!(TensorMut::U8(&mut elements).first(6).len(), 5);
    }
}
