//! Tensors: their description, typed views of an engine's memory, and tensors with memory of their
//! own.
//!
//! Preprocessing writes the input tensor of an engine, and the decision reads its output tensor.

use std::fmt;

/// An element type that catdog supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// 32-bit float.
    F32,
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
            Self::U8 => "uint8",
            Self::I8 => "int8",
        }
    }

    /// Returns the number of bytes of an element.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::U8 | Self::I8 => 1,
        }
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
    /// Dimensions. A dynamic batch is 1.
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
    /// Unsigned bytes.
    U8(&'a mut [u8]),
    /// Signed bytes.
    I8(&'a mut [i8]),
}

impl TensorMut<'_> {
    /// Returns the type of the elements.
    pub fn element(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
        }
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(elements) => elements.len(),
            Self::U8(elements) => elements.len(),
            Self::I8(elements) => elements.len(),
        }
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
            ElementType::U8 => Self::U8(vec![0; info.len()]),
            ElementType::I8 => Self::I8(vec![0; info.len()]),
        }
    }

    /// Returns a view for writing.
    pub fn elements_mut(&mut self) -> TensorMut<'_> {
        match self {
            Self::F32(elements) => TensorMut::F32(elements),
            Self::U8(elements) => TensorMut::U8(elements),
            Self::I8(elements) => TensorMut::I8(elements),
        }
    }

    /// Returns a view for reading.
    pub fn elements(&self) -> TensorRef<'_> {
        match self {
            Self::F32(elements) => TensorRef::F32(elements),
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
    /// Unsigned bytes.
    U8(&'a [u8]),
    /// Signed bytes.
    I8(&'a [i8]),
}

impl TensorRef<'_> {
    /// Returns the type of the elements.
    pub fn element(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
        }
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
        }
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
            Self::U8(values) => i32::from(values[index]),
            Self::I8(values) => i32::from(values[index]),
        };
        match quantization {
            Some(q) => q.scale * (stored - q.zero_point) as f32,
            None => stored as f32,
        }
    }
}
