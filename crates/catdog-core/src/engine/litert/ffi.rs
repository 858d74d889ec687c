//! Declarations of the part of LiteRT's C ABI that this crate calls.
//!
//! All names, layouts and numbers come from the headers in `litert/c/` of LiteRT 2.3
//! (`litert_common.h`, `litert_environment_options.h`, `litert_model_types.h`,
//! `litert_compiled_model.h`, `litert_tensor_buffer.h`, `litert_options.h`,
//! `litert_opaque_options.h`). The tests repeat the static assertions of the headers about sizes.

use std::ffi::{c_char, c_int, c_void};

use libloading::Library;

/// `LiteRtStatus`: 0 is success.
pub type Status = c_int;
pub const STATUS_OK: Status = 0;

/// `LiteRtParamIndex`.
pub type ParamIndex = usize;

macro_rules! handles {
    ($($name:ident),* $(,)?) => {
        $(
            #[repr(C)]
            pub struct $name {
                _opaque: [u8; 0],
            }
        )*
    };
}

handles!(
    Environment,
    Model,
    Signature,
    Options,
    OpaqueOptions,
    CompiledModel,
    TensorBuffer,
    TensorBufferRequirements
);

/// `kLiteRtHwAcceleratorCpu`, `...Gpu`, `...Npu`.
pub const ACCELERATOR_CPU: c_int = 1;
pub const ACCELERATOR_GPU: c_int = 1 << 1;
pub const ACCELERATOR_NPU: c_int = 1 << 2;

/// `kLiteRtEnvOptionTagRuntimeLibraryDir`: a string, the folder of the accelerator libraries.
pub const ENV_RUNTIME_LIBRARY_DIR: c_int = 22;
/// `kLiteRtEnvOptionTagAutoRegisterAccelerators`: an int, the accelerators to register.
pub const ENV_AUTO_REGISTER_ACCELERATORS: c_int = 24;
/// `kLiteRtEnvOptionTagMinLoggerSeverity`: an int, see `LOG_*`.
pub const ENV_MIN_LOGGER_SEVERITY: c_int = 25;

/// `kLiteRtLogSeveritySilent`.
pub const LOG_SILENT: i64 = 4;
/// `kLiteRtLogSeverityVerbose`.
pub const LOG_VERBOSE: i64 = 0;

const ANY_INT: c_int = 2;
const ANY_STRING: c_int = 8;

#[repr(C)]
#[derive(Clone, Copy)]
pub union AnyValue {
    pub int: i64,
    pub string: *const c_char,
}

/// `LiteRtAny`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Any {
    kind: c_int,
    value: AnyValue,
}

/// `LiteRtEnvOption`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EnvOption {
    tag: c_int,
    value: Any,
}

impl EnvOption {
    /// Returns an integer option.
    pub fn int(tag: c_int, int: i64) -> Self {
        Self { tag, value: Any { kind: ANY_INT, value: AnyValue { int } } }
    }

    /// Returns a string option. `string` must stay valid as long as the option is used.
    pub fn string(tag: c_int, string: *const c_char) -> Self {
        Self { tag, value: Any { kind: ANY_STRING, value: AnyValue { string } } }
    }
}

/// `kLiteRtElementTypeFloat32`, `...UInt8`, `...Int8`.
pub const ELEMENT_FLOAT32: c_int = 1;
pub const ELEMENT_FLOAT16: c_int = 10;
pub const ELEMENT_UINT8: c_int = 3;
pub const ELEMENT_INT8: c_int = 9;

/// `LITERT_TENSOR_MAX_RANK`.
pub const MAX_RANK: usize = 8;

/// `LiteRtLayout`. Bits 0 to 6 of the first word are the rank; bit 7 is set if there are strides.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Layout {
    bits: u32,
    dimensions: [i32; MAX_RANK],
    strides: [u32; MAX_RANK],
}

impl Layout {
    pub const EMPTY: Self = Self { bits: 0, dimensions: [0; MAX_RANK], strides: [0; MAX_RANK] };

    /// Returns a dense layout, or `None` if there are more than [`MAX_RANK`] dimensions or one does
    /// not fit into an `i32`.
    pub fn dense(shape: &[usize]) -> Option<Self> {
        let mut layout = Self { bits: u32::try_from(shape.len()).ok()?, ..Self::EMPTY };
        for (index, &dimension) in shape.iter().enumerate() {
            *layout.dimensions.get_mut(index)? = i32::try_from(dimension).ok()?;
        }
        Some(layout)
    }

    /// Returns the dimensions.
    pub fn dimensions(&self) -> &[i32] {
        let rank = (self.bits & 0x7f) as usize;
        &self.dimensions[..rank.min(MAX_RANK)]
    }
}

/// `LiteRtRankedTensorType`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RankedTensorType {
    pub element_type: c_int,
    pub layout: Layout,
}

/// `LiteRtHostMemoryDeallocator`.
pub type HostMemoryDeallocator = Option<unsafe extern "C" fn(*mut c_void)>;

macro_rules! api {
    ($($field:ident = $symbol:literal: fn($($arg:ty),* $(,)?) $(-> $ret:ty)?;)*) => {
        /// The functions of the runtime. They are callable as long as the [`Library`] that they
        /// come from is loaded, so the owner must keep it.
        pub struct Api {
            $(pub $field: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
        }

        impl Api {
            /// Resolves every function.
            ///
            /// # Errors
            ///
            /// The name of the first missing symbol.
            ///
            /// # Safety
            ///
            /// `library` must be a LiteRT runtime of the ABI declared here.
            pub unsafe fn resolve(library: &Library) -> Result<Self, &'static str> {
                Ok(Self {
                    $(
                        // SAFETY: the caller guarantees a LiteRT of this ABI, in which the symbol
                        // is a function of this type.
                        $field: *unsafe {
                            library.get::<unsafe extern "C" fn($($arg),*) $(-> $ret)?>($symbol)
                        }
                        .map_err(|_| symbol_name($symbol))?,
                    )*
                })
            }
        }
    };
}

/// Returns the symbol without its trailing NUL.
fn symbol_name(symbol: &'static [u8]) -> &'static str {
    std::str::from_utf8(symbol).unwrap_or("?").trim_end_matches('\0')
}

api! {
    create_environment = b"LiteRtCreateEnvironment\0":
        fn(c_int, *const EnvOption, *mut *mut Environment) -> Status;
    destroy_environment = b"LiteRtDestroyEnvironment\0": fn(*mut Environment);
    create_model_from_buffer = b"LiteRtCreateModelFromBuffer\0":
        fn(*mut Environment, *const c_void, usize, *mut *mut Model) -> Status;
    destroy_model = b"LiteRtDestroyModel\0": fn(*mut Model);
    get_num_model_signatures = b"LiteRtGetNumModelSignatures\0":
        fn(*mut Model, *mut ParamIndex) -> Status;
    get_model_signature = b"LiteRtGetModelSignature\0":
        fn(*mut Model, ParamIndex, *mut *mut Signature) -> Status;
    get_signature_key = b"LiteRtGetSignatureKey\0":
        fn(*mut Signature, *mut *const c_char) -> Status;
    create_options = b"LiteRtCreateOptions\0": fn(*mut *mut Options) -> Status;
    destroy_options = b"LiteRtDestroyOptions\0": fn(*mut Options);
    set_options_hardware_accelerators = b"LiteRtSetOptionsHardwareAccelerators\0":
        fn(*mut Options, c_int) -> Status;
    add_opaque_options = b"LiteRtAddOpaqueOptions\0":
        fn(*mut Options, *mut OpaqueOptions) -> Status;
    create_opaque_options = b"LiteRtCreateOpaqueOptions\0":
        fn(
            *const c_char,
            *mut c_void,
            Option<unsafe extern "C" fn(*mut c_void)>,
            *mut *mut OpaqueOptions,
        ) -> Status;
    destroy_opaque_options = b"LiteRtDestroyOpaqueOptions\0": fn(*mut OpaqueOptions);
    create_compiled_model = b"LiteRtCreateCompiledModel\0":
        fn(*mut Environment, *mut Model, *mut Options, *mut *mut CompiledModel) -> Status;
    destroy_compiled_model = b"LiteRtDestroyCompiledModel\0": fn(*mut CompiledModel);
    resize_input_tensor = b"LiteRtCompiledModelResizeInputTensor\0":
        fn(*mut CompiledModel, ParamIndex, ParamIndex, *const c_int, usize) -> Status;
    get_input_tensor_layout = b"LiteRtGetCompiledModelInputTensorLayout\0":
        fn(*mut CompiledModel, ParamIndex, ParamIndex, *mut Layout) -> Status;
    get_output_tensor_layouts = b"LiteRtGetCompiledModelOutputTensorLayouts\0":
        fn(*mut CompiledModel, ParamIndex, usize, *mut Layout, bool) -> Status;
    get_input_buffer_requirements = b"LiteRtGetCompiledModelInputBufferRequirements\0":
        fn(*mut CompiledModel, ParamIndex, ParamIndex, *mut *mut TensorBufferRequirements) -> Status;
    get_output_buffer_requirements = b"LiteRtGetCompiledModelOutputBufferRequirements\0":
        fn(*mut CompiledModel, ParamIndex, ParamIndex, *mut *mut TensorBufferRequirements) -> Status;
    get_requirements_buffer_size = b"LiteRtGetTensorBufferRequirementsBufferSize\0":
        fn(*mut TensorBufferRequirements, *mut usize) -> Status;
    create_tensor_buffer_from_host_memory = b"LiteRtCreateTensorBufferFromHostMemory\0":
        fn(
            *const RankedTensorType,
            *mut c_void,
            usize,
            HostMemoryDeallocator,
            *mut *mut TensorBuffer,
        ) -> Status;
    destroy_tensor_buffer = b"LiteRtDestroyTensorBuffer\0": fn(*mut TensorBuffer);
    run_compiled_model = b"LiteRtRunCompiledModel\0":
        fn(
            *mut CompiledModel,
            ParamIndex,
            usize,
            *mut *mut TensorBuffer,
            usize,
            *mut *mut TensorBuffer,
        ) -> Status;
    get_error_messages = b"LiteRtCompiledModelGetErrorMessages\0":
        fn(*mut CompiledModel, *mut *mut c_char) -> Status;
    clear_errors = b"LiteRtCompiledModelClearErrors\0": fn(*mut CompiledModel) -> Status;
}

/// A symbol that LiteRT has since 2.1.6, the first release whose model functions take the
/// environment as their first argument. Calling them in an older release would corrupt memory.
pub const ABI_WITNESS: &str = "LiteRtCreateModelFromFd";

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn layouts_match_the_static_assertions_of_the_headers() {
        assert_eq!(size_of::<Any>(), 16);
        assert_eq!(size_of::<EnvOption>(), 24);
        assert_eq!(offset_of!(EnvOption, value), 8);
        assert_eq!(size_of::<Layout>(), 68);
        assert_eq!(offset_of!(Layout, dimensions), 4);
        assert_eq!(offset_of!(Layout, strides), 36);
        assert_eq!(size_of::<RankedTensorType>(), 72);
        assert_eq!(offset_of!(RankedTensorType, layout), 4);
    }

    #[test]
    fn a_dense_layout_keeps_its_shape() {
        let layout = Layout::dense(&[1, 8, 6, 3]).map(|l| l.dimensions().to_vec());
        assert_eq!(layout, Some(vec![1, 8, 6, 3]));
        assert!(Layout::dense(&[1; MAX_RANK + 1]).is_none());
    }
}
