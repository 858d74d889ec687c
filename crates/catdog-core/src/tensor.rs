//! The tensors that pass between preprocessing, engine and decision: element type, quantisation,
//! and typed views of the engine's memory.

/// The element types that catdog feeds and reads.
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
    /// The type's name in TensorFlow.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::U8 => "uint8",
            Self::I8 => "int8",
        }
    }

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::U8 | Self::I8 => 1,
        }
    }
}

/// Affine quantisation of a whole tensor: real = `scale` * (stored - `zero_point`).
///
/// Source: the TensorFlow Lite 8-bit quantisation specification.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Real value of one step; positive and finite.
    pub scale: f32,
    /// Stored value of real zero.
    pub zero_point: i32,
}

/// What a model says of its input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Name in the signature, else in the graph.
    pub name: String,
    /// Dimensions, a dynamic batch already resolved to 1.
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub element: ElementType,
    /// Quantisation, where the elements are integers that stand for reals.
    pub quantization: Option<Quantization>,
}

impl TensorInfo {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor's memory to be written.
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
    /// Type of the elements.
    pub fn element(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(elements) => elements.len(),
            Self::U8(elements) => elements.len(),
            Self::I8(elements) => elements.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TensorMut<'_> {
    /// Copies the elements of `source`, which must be of the same type and number: it stands for
    /// the same tensor of the same model.
    ///
    /// # Panics
    ///
    /// Where it is not.
    pub fn copy_from(&mut self, source: TensorRef<'_>) {
        match (self, source) {
            (Self::F32(to), TensorRef::F32(from)) => to.copy_from_slice(from),
            (Self::U8(to), TensorRef::U8(from)) => to.copy_from_slice(from),
            (Self::I8(to), TensorRef::I8(from)) => to.copy_from_slice(from),
            (to, from) => unreachable!("{:?} from {:?}", to.element(), from.element()),
        }
    }
}

/// A tensor with memory of its own.
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
    /// A tensor as `info` says, all zero.
    pub fn zeroed(info: &TensorInfo) -> Self {
        match info.element {
            ElementType::F32 => Self::F32(vec![0.0; info.len()]),
            ElementType::U8 => Self::U8(vec![0; info.len()]),
            ElementType::I8 => Self::I8(vec![0; info.len()]),
        }
    }

    /// To be written.
    pub fn elements_mut(&mut self) -> TensorMut<'_> {
        match self {
            Self::F32(elements) => TensorMut::F32(elements),
            Self::U8(elements) => TensorMut::U8(elements),
            Self::I8(elements) => TensorMut::I8(elements),
        }
    }

    /// To be read.
    pub fn elements(&self) -> TensorRef<'_> {
        match self {
            Self::F32(elements) => TensorRef::F32(elements),
            Self::U8(elements) => TensorRef::U8(elements),
            Self::I8(elements) => TensorRef::I8(elements),
        }
    }
}

/// A tensor's memory to be read.
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
    /// Type of the elements.
    pub fn element(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element `index` as a real number: dequantised where there is a quantisation, else the
    /// stored number itself.
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
