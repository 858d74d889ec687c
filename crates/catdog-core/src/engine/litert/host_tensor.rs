//! A tensor in memory of this process, which LiteRT reads or writes during a run.

use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::environment::Environment;
use super::ffi;
use super::status::created;
use crate::engine::EngineError;
use crate::engine::memory::AlignedBytes;
use crate::model::tflite::TensorType;
use crate::tensor::{ElementType, TensorMut, TensorRef};

/// Whether a model reads or writes a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    /// The model reads it.
    Input,
    /// The model writes it.
    Output,
}

/// An owned `LiteRtTensorBuffer`, and the memory that it refers to.
pub(super) struct HostTensor {
    handle: NonNull<ffi::TensorBuffer>,
    memory: AlignedBytes,
    element: ElementType,
    /// Number of elements that this type gives access to; they fit into `memory`. 0 for a tensor
    /// whose element type catdog does not support, such as an output without scores.
    len: usize,
    environment: Arc<Environment>,
}

impl HostTensor {
    /// Creates a tensor of this type and layout, in memory of at least `size` bytes.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if the tensor cannot be expressed or LiteRT refuses the memory.
    pub(super) fn new(
        environment: &Arc<Environment>,
        name: &str,
        tensor_type: TensorType,
        layout: ffi::Layout,
        size: usize,
    ) -> Result<Self, EngineError> {
        let inexpressible = || EngineError::Create {
            stage: "tensor buffers",
            status: 1,
            detail: format!(
                "tensor '{name}' is {} of shape {:?}",
                tensor_type.name(),
                layout.dimensions()
            ),
        };
        let (element_type, element) = element_types(tensor_type).ok_or_else(inexpressible)?;
        let elements = layout.elements().ok_or_else(inexpressible)?;
        let (element, len) = match element {
            Some(element) => (element, elements),
            None => (ElementType::U8, 0),
        };
        let size = size.max(len.checked_mul(element.size()).ok_or_else(inexpressible)?);
        let mut memory = AlignedBytes::zeroed(size);
        let tensor_type = ffi::RankedTensorType { element_type, layout };
        let mut handle = ptr::null_mut();
        // SAFETY: `tensor_type` is alive during the call. The memory has `size` bytes and the
        // alignment that `litert_tensor_buffer.h` requires. Without a deallocator LiteRT does not
        // free it; `HostTensor` frees it after it destroys the buffer. LiteRT writes one pointer to
        // `handle`.
        let status = unsafe {
            (environment.api().create_tensor_buffer_from_host_memory)(
                &tensor_type,
                memory.as_mut_ptr().cast(),
                size,
                None,
                &mut handle,
            )
        };
        let handle = created("tensor buffers", status, handle)?;
        let environment = Arc::clone(environment);
        Ok(Self { handle, memory, element, len, environment })
    }

    /// Returns the handle, which is valid while `self` exists. Takes `&mut self` because LiteRT may
    /// write the elements through it.
    pub(super) fn handle(&mut self) -> *mut ffi::TensorBuffer {
        self.handle.as_ptr()
    }

    /// Returns the elements for writing.
    pub(super) fn elements_mut(&mut self) -> TensorMut<'_> {
        let (memory, len) = (self.memory.as_mut_ptr(), self.len);
        // SAFETY: `new` made the memory large enough for `len` elements. It is initialized, and
        // aligned to 64 bytes, which is enough for every element type. Every bit pattern is a valid
        // element. The exclusive borrow of `self` excludes a run, and LiteRT accesses the elements
        // only during a run.
        unsafe {
            match self.element {
                ElementType::F32 => {
                    TensorMut::F32(std::slice::from_raw_parts_mut(memory.cast(), len))
                }
                ElementType::F16 => {
                    TensorMut::F16(std::slice::from_raw_parts_mut(memory.cast(), len))
                }
                ElementType::U8 => TensorMut::U8(std::slice::from_raw_parts_mut(memory, len)),
                ElementType::I8 => {
                    TensorMut::I8(std::slice::from_raw_parts_mut(memory.cast(), len))
                }
            }
        }
    }

    /// Returns the elements.
    pub(super) fn elements(&self) -> TensorRef<'_> {
        let (memory, len) = (self.memory.as_ptr(), self.len);
        // SAFETY: as in `elements_mut` for size, alignment and contents. The borrow of `self`
        // excludes writes: a run borrows the tensor exclusively.
        unsafe {
            match self.element {
                ElementType::F32 => TensorRef::F32(std::slice::from_raw_parts(memory.cast(), len)),
                ElementType::F16 => TensorRef::F16(std::slice::from_raw_parts(memory.cast(), len)),
                ElementType::U8 => TensorRef::U8(std::slice::from_raw_parts(memory, len)),
                ElementType::I8 => TensorRef::I8(std::slice::from_raw_parts(memory.cast(), len)),
            }
        }
    }
}

impl Drop for HostTensor {
    fn drop(&mut self) {
        // SAFETY: `new` created the handle with the same library and made `self` its only owner.
        // The memory is dropped afterwards.
        unsafe { (self.environment.api().destroy_tensor_buffer)(self.handle.as_ptr()) }
    }
}

/// Returns LiteRT's number of an element type, and the type in this crate if it supports it; `None`
/// for types of which LiteRT has no tensor buffers, such as strings.
fn element_types(tensor_type: TensorType) -> Option<(c_int, Option<ElementType>)> {
    Some(match tensor_type {
        TensorType::FLOAT32 => (ffi::ELEMENT_FLOAT32, Some(ElementType::F32)),
        TensorType::FLOAT16 => (ffi::ELEMENT_FLOAT16, Some(ElementType::F16)),
        TensorType::UINT8 => (ffi::ELEMENT_UINT8, Some(ElementType::U8)),
        TensorType::INT8 => (ffi::ELEMENT_INT8, Some(ElementType::I8)),
        TensorType::INT32 => (ffi::ELEMENT_INT32, None),
        TensorType::INT64 => (ffi::ELEMENT_INT64, None),
        TensorType::BOOL => (ffi::ELEMENT_BOOL, None),
        TensorType::INT16 => (ffi::ELEMENT_INT16, None),
        TensorType::FLOAT64 => (ffi::ELEMENT_FLOAT64, None),
        _ => return None,
    })
}
