//! The LiteRT engine: owned wrappers of the C API of LiteRT, loaded at run time.
//!
//! ```no_run
//! use catdog_core::engine::{Engine, litert::{Accelerator, LiteRtEngine, LiteRtOptions}};
//! use catdog_core::tensor::TensorMut;
//!
//! let file = std::fs::read("model.tflite")?;
//! let options = LiteRtOptions { threads: 2, accelerator: Accelerator::Cpu };
//! let mut engine = LiteRtEngine::new(&file, &options)?;
//! if let TensorMut::U8(input) = engine.input_mut() {
//!     input.fill(128);
//! }
//! engine.run()?;
//! println!("{:?}", engine.output());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`LiteRtModel`] is a loaded model, and [`LiteRtEngine`] runs it. Below them, one type owns each
//! kind of object of the C API and destroys it in `drop`. Each holds an `Arc` of the object that it
//! was made from. Therefore a compiled model is destroyed before its model, models and tensor
//! buffers before their environment, and the environment before the library is released.
//!
//! | file | owns |
//! |---|---|
//! | `library` | `libLiteRt.so`, found and opened |
//! | `environment` | `LiteRtEnvironment`: logger, registered accelerators |
//! | `model` | `LiteRtModel`: the verified file |
//! | `compile_options` | `LiteRtOptions` of one compilation |
//! | `compiled_model` | `LiteRtCompiledModel`: the planned graph |
//! | `host_tensor` | `LiteRtTensorBuffer`, in memory that this crate allocates |
//!
//! The comments that prove the safety of a call cite the headers in `litert/c/` of LiteRT 2.3, and
//! its sources where the headers say nothing. The headers do not mention threads; for threads the
//! comments name the tests in `tests/it/engine.rs` of this crate.

mod compile_options;
mod compiled_model;
mod engine;
mod environment;
mod error;
mod ffi;
mod host_tensor;
mod library;
mod model;
mod options;
mod status;

pub use engine::{LiteRtEngine, LiteRtModel};
pub use error::{RefusedLibrary, RuntimeError};
pub use library::{LIBRARY_VARIABLE, LiteRtLibrary};
pub use options::{Accelerator, LiteRtOptions};
