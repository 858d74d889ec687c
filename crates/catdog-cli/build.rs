//! Lets the program find the classic TensorFlow Lite where the scripts install the runtimes.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_TFLITEC").is_some() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/gst-catdog:$ORIGIN/../gst-catdog");
    }
}
