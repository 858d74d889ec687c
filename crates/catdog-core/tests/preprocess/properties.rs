//! Properties that hold for any picture.

use catdog_core::frame::{
    ChromaSite, ColorMatrix, ColorRange, FrameSpec, Orientation, PixelFormat, Region,
};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Framing, Kernels, Preprocessor, Resize, ResizeMethod, TensorTarget,
    ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};
use proptest::prelude::*;

use super::frames::Frame;
use super::oracle::{self, View};

fn specs() -> impl Strategy<Value = FrameSpec> {
    let format = prop::sample::select(PixelFormat::ALL.as_slice());
    let matrix =
        prop::sample::select(vec![ColorMatrix::BT601, ColorMatrix::BT709, ColorMatrix::BT2020]);
    let range = prop::sample::select(vec![ColorRange::Limited, ColorRange::Full]);
    let site = (any::<bool>(), any::<bool>());
    let size = (1_usize..70, 1_usize..70);
    let aspect = (1_u32..100, 1_u32..100);
    let orientation = prop::sample::select(Orientation::ALL.as_slice());
    (format, size, matrix, range, site, aspect, orientation).prop_map(
        |(format, (width, height), matrix, range, site, pixel_aspect_ratio, orientation)| {
            let (h_cosited, v_cosited) = site;
            let chroma_site = ChromaSite { h_cosited, v_cosited };
            let spec = FrameSpec::new(format, width, height);
            FrameSpec { matrix, range, chroma_site, pixel_aspect_ratio, orientation, ..spec }
        },
    )
}

/// Returns any region, down to a small part of a pixel.
fn regions() -> impl Strategy<Value = Region> {
    let edges = || (0.0..1.0, prop_oneof![Just(1.0), 0.0..1.0, Just(1e-9)]);
    (edges(), edges()).prop_filter_map("empty", |((x, across), (y, down))| {
        Region::new(x, y, (1.0 - x) * across, (1.0 - y) * down).ok()
    })
}

fn kernels() -> impl Strategy<Value = Kernels> {
    prop::sample::select(Kernels::available().collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn a_flat_picture_stays_flat(
        spec in specs(),
        color: [u8; 3],
        tensor in (1_usize..40, 1_usize..40),
        region in regions(),
        antialias: bool,
        kernels in kernels(),
    ) {
        let frame = Frame::new(&spec, 2, |index, (width, height)| vec![color[index]; width * height]);
        let mut components = color.map(f64::from);
        if spec.format == PixelFormat::Gray8 {
            components[1..].fill(128.0);
        }
        let want = oracle::convert(&spec, components);
        for pixel in oracle::run(&frame, &View { tensor, region, antialias }, kernels).chunks_exact(3) {
            for (got, want) in pixel.iter().zip(want) {
                prop_assert!((f64::from(*got) - want).abs() <= 1.0, "{pixel:?} for {want:?}");
            }
        }
    }

    #[test]
    fn any_size_and_stride_gives_pixel_values_in_range(
        spec in specs(),
        padding in 0_usize..40,
        (width, height) in (1_usize..70, 1_usize..70),
        method in prop::sample::select(
            vec![ResizeMethod::Stretch, ResizeMethod::Crop, ResizeMethod::Letterbox],
        ),
        region in regions(),
        channels in prop::sample::select(vec![Channels::Rgb, Channels::Gray]),
        order in prop::sample::select(vec![ChannelOrder::Last, ChannelOrder::First]),
        antialias: bool,
        kernels in kernels(),
    ) {
        let frame = Frame::test_picture(&spec, padding, false);
        let values = [ValueMap::Level; 3];
        let target = TensorTarget { width, height, channels, order, element: ElementType::F32, values };
        let mut tensor = vec![f32::NAN; width * height * channels.count()];
        let framing = Framing { region, resize: Resize { method, antialias } };
        Preprocessor::with_kernels(&spec, &target, framing, kernels)
            .unwrap()
            .run(&frame.view(), TensorMut::F32(&mut tensor))
            .unwrap();
        prop_assert!(tensor.iter().all(|level| (0.0..=255.0).contains(level)));
    }
}
