//! `catdogfilter` and the buffers that pass through it: it classifies every format and size,
//! attaches the metadata, and changes nothing else, wherever the planes of a buffer are in memory.
//!
//! All tests run LiteRT on the small models of `tests/models`.

use crate::common::*;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoFrameFlags, VideoInfo, VideoMeta};

// Formats and sizes

/// Returns the metadata of a green and of a blue frame in one format and size.
fn classify_green_and_blue(format: &str, width: u32, height: u32) -> [Meta; 2] {
    // videotestsrc takes a color as 0xAARRGGBB.
    [0xff00_ff00_u32, 0xff00_00ff].map(|argb| {
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=3 pattern=solid-color foreground-color={argb} \
             ! video/x-raw,format={format},width={width},height={height} \
             ! catdogfilter model-file={{model}} class-confidence-threshold=0.6 \
             ! fakesink name=sink"
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), meta);
        pipeline.run();
        let seen = taken(&seen);
        assert_eq!(seen.len(), 3, "{format} {width}x{height}: one metadata per buffer");
        assert!(seen.iter().all(|meta| meta.fresh), "{format} {width}x{height}: {seen:?}");
        seen.into_iter().next().unwrap()
    })
}

#[test]
fn every_format_and_size_is_classified() {
    for format in FORMATS {
        for (width, height) in [(640, 480), (641, 361), (3, 3), (1, 1)] {
            let [green, blue] = classify_green_and_blue(format, width, height);
            if format == "GRAY8" {
                // Colors are their luma. The model gives black a higher confidence of "dog" than
                // white.
                let dog = |meta: &Meta| if meta.index == 0 { 0.0 } else { meta.confidence };
                assert!(dog(&blue) > dog(&green), "{green:?} {blue:?}");
                continue;
            }
            if ["YUY2", "UYVY"].contains(&format) && width <= 3 {
                // In a row of odd width, videotestsrc does not write the second chroma sample of
                // the last pair, which is a large part of a picture of this size.
                continue;
            }
            // The rounding to 8-bit Y'CbCr changes the pixel values by one or two.
            green.assert_is(GREEN_IS, 0.012);
            blue.assert_is(BLUE_IS, 0.012);
        }
    }
}

#[test]
fn both_pad_templates_list_the_supported_formats() {
    init();
    let factory = gst::ElementFactory::find("catdogfilter").unwrap();
    let mut names: Vec<String> = FORMATS.map(str::to_owned).to_vec();
    names.sort();
    for template in factory.static_pad_templates() {
        let caps = template.caps();
        let formats = caps.structure(0).unwrap().get::<gst::List>("format").unwrap();
        let mut listed: Vec<String> =
            formats.iter().map(|format| format.get::<String>().unwrap()).collect();
        listed.sort();
        assert_eq!(listed, names);
    }
}

/// Pushes a buffer of `caps`, which the element does not support. Returns the warning of the
/// element, and asserts that it is the only one.
#[track_caller]
fn warning_of_refused_caps(caps: &gst::Caps) -> String {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter model-file={{model}} ! fakesink",
        appsrc(caps)
    ));
    pipeline.begin(gst::State::Playing);
    let _ = push(&pipeline, &frame(0, vec![0; 16 * 16 * 3]));
    let (messages, error) = pipeline.wait();
    assert!(error.is_some(), "{caps} are negotiated");
    let warnings = warnings(&messages);
    let [(source, text)] = &warnings[..] else { panic!("not one warning: {warnings:?}") };
    assert_eq!(source, "filter");
    text.clone()
}

#[track_caller]
fn assert_names(warning: &str, names: &[&str]) {
    for name in names {
        assert!(warning.contains(name), "{name} is not in: {warning}");
    }
}

#[test]
fn an_unsupported_format_is_refused_with_one_warning_that_names_videoconvert() {
    let warning = warning_of_refused_caps(&caps("I420_10LE", 16, 16));
    assert_names(&warning, &["I420_10LE", "videoconvert before catdogfilter"]);
    assert!(!warning.contains("download") && !warning.contains("decoder"), "{warning}");
}

#[test]
fn caps_of_gl_memory_are_refused_with_one_warning_that_names_a_download_element() {
    let mut caps = caps("RGBA", 16, 16);
    caps.get_mut().unwrap().set_features(0, Some(gst::CapsFeatures::new(["memory:GLMemory"])));
    let warning = warning_of_refused_caps(&caps);
    assert_names(&warning, &["memory:GLMemory", "gldownload", "before catdogfilter"]);
}

#[test]
fn caps_of_jpeg_are_refused_with_one_warning_that_names_decoders() {
    init();
    let caps = gst::Caps::builder("image/jpeg")
        .field("width", 16)
        .field("height", 16)
        .field("framerate", gst::Fraction::new(25, 1))
        .build();
    let warning = warning_of_refused_caps(&caps);
    assert_names(&warning, &["image/jpeg", "jpegdec", "decodebin", "before catdogfilter"]);
}

// Buffers pass unchanged

/// The content of a buffer except its metadata.
#[derive(Clone, Debug, PartialEq)]
struct Identity {
    memories: Vec<usize>,
    checksum: u64,
    size: usize,
    pts: Option<gst::ClockTime>,
    dts: Option<gst::ClockTime>,
    duration: Option<gst::ClockTime>,
    offset: u64,
    offset_end: u64,
    flags: gst::BufferFlags,
}

impl Identity {
    fn of(buffer: &gst::BufferRef) -> Self {
        let map = buffer.map_readable().unwrap();
        // FNV-1a (Fowler, Noll, Vo).
        let checksum = map.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self {
            memories: (0..buffer.n_memory())
                .map(|index| buffer.peek_memory(index).as_ptr() as usize)
                .collect(),
            checksum,
            size: buffer.size(),
            pts: buffer.pts(),
            dts: buffer.dts(),
            duration: buffer.duration(),
            offset: buffer.offset(),
            offset_end: buffer.offset_end(),
            // GStreamer sets and clears TAG_MEMORY for its own use.
            flags: buffer.flags() - gst::BufferFlags::TAG_MEMORY,
        }
    }
}

#[test]
fn a_buffer_passes_unchanged_except_for_its_metadata() {
    for format in FORMATS {
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=8 pattern=snow \
             ! video/x-raw,format={format},width=101,height=57,framerate=30/1 \
             ! catdogfilter name=filter model-file={{model}} ! fakesink"
        ));
        let before = collect(&pipeline.pad("filter", "sink"), Identity::of);
        let after = collect(&pipeline.pad("filter", "src"), Identity::of);
        pipeline.run();
        let (before, after) = (taken(&before), taken(&after));
        assert_eq!(before.len(), 8);
        assert_eq!(before, after, "{format}");
    }
}

#[test]
fn unusual_times_offsets_and_flags_pass_unchanged() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter model-file={{model}} ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    let mut odd = gst::Buffer::from_mut_slice(rgb(16, 16, BLUE));
    {
        let odd = odd.get_mut().unwrap();
        odd.set_dts(gst::ClockTime::from_nseconds(1));
        odd.set_offset(u64::MAX - 1);
        odd.set_flags(
            gst::BufferFlags::DISCONT
                | gst::BufferFlags::MARKER
                | gst::BufferFlags::CORRUPTED
                | gst::BufferFlags::DROPPABLE
                | gst::BufferFlags::DELTA_UNIT,
        );
    }
    let before = collect(&pipeline.pad("filter", "sink"), Identity::of);
    let out = through(&pipeline, odd);
    assert_eq!(taken(&before), [Identity::of(&out)]);
    assert!(out.flags().contains(gst::BufferFlags::CORRUPTED));
    assert!(out.pts().is_none());
    let meta = meta(&out);
    meta.assert_is(BLUE_IS, 1e-3);
    assert_eq!((meta.inference_pts, meta.age), (None, None), "without a timestamp there is no age");
}

#[test]
fn branches_of_a_tee_share_the_memory_and_one_gets_the_metadata() {
    let pipeline = launch(
        "videotestsrc num-buffers=20 pattern=snow ! video/x-raw,format=NV12,width=320,height=240 \
         ! tee name=t \
         t. ! queue ! catdogfilter model-file={model} ! fakesink name=with \
         t. ! queue ! fakesink name=without",
    );
    let with = collect(&pipeline.pad("with", "sink"), |buffer| {
        (Identity::of(buffer), metas(buffer).len())
    });
    let without = collect(&pipeline.pad("without", "sink"), |buffer| {
        (Identity::of(buffer), metas(buffer).len())
    });
    pipeline.run();
    let (with, without) = (taken(&with), taken(&without));
    assert_eq!((with.len(), without.len()), (20, 20));
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(with.0, without.0, "same memory, same content");
        assert_eq!((with.1, without.1), (1, 0));
    }
}

#[test]
fn every_buffer_and_the_end_of_the_stream_arrive_once() {
    let pipeline = launch(
        "videotestsrc num-buffers=500 ! video/x-raw,format=YUY2,width=64,height=48 \
         ! catdogfilter model-file={model} ! fakesink name=sink",
    );
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| (buffer.offset(), meta(buffer)));
    pipeline.run();
    let offsets: Vec<u64> = taken(&seen).into_iter().map(|(offset, _)| offset).collect();
    assert_eq!(offsets, (0..500).collect::<Vec<_>>());
}

// Planes in memory

/// Returns the metadata of `buffers`, all of one format and size, in one stream.
fn classify_all(
    format: VideoFormat,
    width: u32,
    height: u32,
    buffers: Vec<gst::Buffer>,
) -> Vec<Meta> {
    let pipeline = launch(&format!(
        "{} ! catdogfilter model-file={{model}} class-confidence-threshold=0 \
         ! appsink name=sink sync=false",
        appsrc(&caps(format.to_str(), width, height))
    ));
    pipeline.begin(gst::State::Playing);
    buffers.into_iter().map(|buffer| meta(&through(&pipeline, buffer))).collect()
}

/// Returns the frame `packed` with the video meta of another layout: `pad` more bytes in each row
/// and `gap` bytes before each plane. These bytes have other values.
fn padded(info: &VideoInfo, packed: &[u8], pad: usize, gap: usize) -> gst::Buffer {
    let mut bytes = Vec::new();
    let (mut offsets, mut strides) = (Vec::new(), Vec::new());
    for plane in 0..info.n_planes() as usize {
        bytes.resize(bytes.len() + gap, 0x5a);
        offsets.push(bytes.len());
        let stride = info.stride()[plane] as usize;
        strides.push((stride + pad) as i32);
        let rows = info.comp_height(plane.min(info.n_components() as usize - 1) as u8) as usize;
        for row in 0..rows {
            bytes.extend(&packed[info.offset()[plane] + row * stride..][..stride]);
            bytes.resize(bytes.len() + pad, 0xa5);
        }
    }
    // GStreamer maps a plane as stride times rows. The element does not need the bytes after the
    // last row.
    bytes.resize(bytes.len() + pad, 0xa5);
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    add_video_meta(&mut buffer, info, &offsets, &strides);
    buffer
}

fn add_video_meta(buffer: &mut gst::Buffer, info: &VideoInfo, offsets: &[usize], strides: &[i32]) {
    let buffer = buffer.get_mut().unwrap();
    let (format, width, height) = (info.format(), info.width(), info.height());
    VideoMeta::add_full(buffer, VideoFrameFlags::empty(), format, width, height, offsets, strides)
        .unwrap();
}

#[test]
fn strides_and_offsets_of_the_video_meta_are_honored() {
    init();
    for name in FORMATS {
        let format: VideoFormat = name.parse().unwrap();
        for (width, height) in [(64, 48), (33, 17)] {
            let info = VideoInfo::builder(format, width, height).build().unwrap();
            let bytes = noise(info.size(), 7);
            let mut plain = vec![gst::Buffer::from_mut_slice(bytes.clone())];
            for (pad, gap) in [(0, 0), (4, 0), (0, 128), (60, 4096), (1, 3)] {
                plain.push(padded(&info, &bytes, pad, gap));
            }
            let classified = classify_all(format, width, height, plain);
            for meta in &classified {
                assert_eq!(meta.confidences, classified[0].confidences, "{name} {width}x{height}");
            }
        }
    }
}

#[test]
fn planes_in_separate_memories_and_planes_across_memories_are_read() {
    init();
    for name in ["I420", "NV12", "Y42B", "Y444", "RGB"] {
        let format: VideoFormat = name.parse().unwrap();
        let (width, height) = (64, 48);
        let info = VideoInfo::builder(format, width, height).build().unwrap();
        let bytes = noise(info.size(), 8);
        // The memory is cut at the bounds of the planes, and in the middle of every plane.
        let mut at_planes: Vec<usize> = info.offset()[1..info.n_planes() as usize].to_vec();
        let mut within: Vec<usize> = info.offset()[..info.n_planes() as usize].to_vec();
        within.iter_mut().for_each(|offset| *offset += 333);
        // The first plane is in one memory and is mapped, the others are in two and are copied.
        let second = info.offset()[..info.n_planes() as usize].get(1).copied().unwrap_or(0);
        let mixed = vec![second + 100, bytes.len()];
        at_planes.push(bytes.len());
        within.push(bytes.len());
        let mut buffers = vec![gst::Buffer::from_mut_slice(bytes.clone())];
        for cuts in [&at_planes, &within, &mixed] {
            let mut buffer = gst::Buffer::new();
            let mut start = 0;
            for &cut in cuts {
                let memory = gst::Memory::from_mut_slice(bytes[start..cut].to_vec());
                buffer.get_mut().unwrap().append_memory(memory);
                start = cut;
            }
            buffers.push(buffer.copy());
            let offsets = &info.offset()[..info.n_planes() as usize];
            let strides = &info.stride()[..info.n_planes() as usize];
            add_video_meta(&mut buffer, &info, offsets, strides);
            buffers.push(buffer);
        }
        let classified = classify_all(format, width, height, buffers);
        assert_eq!(classified.len(), 7);
        for meta in &classified {
            assert_eq!(meta.confidences, classified[0].confidences, "{name}");
        }
    }
}

/// Pushes a buffer that is smaller than its caps or its video meta require, and asserts that this
/// is one error of the element.
fn assert_too_small(format: &str, buffer: gst::Buffer) {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter model-file={{model}} ! fakesink",
        appsrc(&caps(format, 64, 48))
    ));
    pipeline.begin(gst::State::Playing);
    let _ = push(&pipeline, &buffer);
    let (_, error) = pipeline.wait();
    let first = error.unwrap();
    assert!(first.contains("does not fit the caps") && first.contains("upstream"), "{first}");
    // The source also reports that its stream stopped; the element reports nothing else.
    assert!(pipeline.errors().iter().all(|(source, _)| source != "filter"));
}

#[test]
fn a_buffer_smaller_than_its_caps_is_one_error() {
    init();
    for format in FORMATS {
        let info = VideoInfo::builder(format.parse().unwrap(), 64, 48).build().unwrap();
        for size in [0, 1, info.size() / 2, info.size() - 8] {
            assert_too_small(format, gst::Buffer::from_mut_slice(vec![0; size]));
        }
    }
}

#[test]
fn a_buffer_smaller_than_its_video_meta_is_one_error() {
    init();
    for format in ["I420", "NV12", "YUY2", "RGB"] {
        let info = VideoInfo::builder(format.parse().unwrap(), 64, 48).build().unwrap();
        let planes = info.n_planes() as usize;
        let (offsets, strides) = (&info.offset()[..planes], &info.stride()[..planes]);
        let mut far = offsets.to_vec();
        far[planes - 1] = usize::MAX / 2;
        let wide: Vec<i32> = strides.iter().map(|stride| stride * 1000).collect();
        let narrow: Vec<i32> = strides.iter().map(|stride| stride / 2).collect();
        let bottom_up: Vec<i32> = strides.iter().map(|stride| -stride).collect();
        let largest = vec![i32::MAX; planes];
        for (offsets, strides) in [
            (&far[..], strides),
            (offsets, &wide),
            (offsets, &narrow),
            (offsets, &bottom_up),
            (offsets, &largest),
        ] {
            let mut buffer = gst::Buffer::from_mut_slice(vec![0; info.size()]);
            // GStreamer does not check offsets and strides here.
            add_video_meta(&mut buffer, &info, offsets, strides);
            assert_too_small(format, buffer);
        }
    }
}

// Caps

#[test]
fn size_and_format_may_change_in_a_stream() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter model-file={{model}} ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    let formats = [
        (VideoFormat::Rgb, 16, 16),
        (VideoFormat::Bgrx, 1280, 720),
        (VideoFormat::Rgb, 1, 1),
        (VideoFormat::Xbgr, 31, 17),
        (VideoFormat::Rgb, 16, 16),
    ];
    for (index, (format, width, height)) in formats.into_iter().enumerate() {
        pipeline.get("src").set_property("caps", caps(format.to_str(), width, height));
        for (offset, (color, want)) in [(GREEN, GREEN_IS), (BLUE, BLUE_IS)].iter().enumerate() {
            let bytes = packed(format, width, height, |_, _| *color);
            let out = through(&pipeline, frame((index * 2 + offset) as u64, bytes));
            meta(&out).assert_is(*want, 1e-3);
        }
    }
    assert!(pipeline.errors().is_empty());
}

#[test]
fn the_first_frame_of_new_caps_is_inferred() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter model-file={{model}} inference-interval=1000 \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    let first = meta(&through(&pipeline, frame(0, rgb(16, 16, GREEN))));
    let held = meta(&through(&pipeline, frame(1, rgb(16, 16, BLUE))));
    assert!(first.fresh && !held.fresh && held.label == first.label);
    pipeline.get("src").set_property("caps", caps("RGB", 32, 16));
    let after = meta(&through(&pipeline, frame(2, rgb(32, 16, BLUE))));
    assert!(after.fresh);
    after.assert_is(BLUE_IS, 1e-3);
}

#[test]
fn videoconvert_passes_every_supported_format_through() {
    for format in FORMATS {
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=2 ! video/x-raw,format={format},width=64,height=48 \
             ! videoconvert name=convert ! catdogfilter model-file={{model}} ! fakesink"
        ));
        let before = collect(&pipeline.pad("convert", "sink"), Identity::of);
        let after = collect(&pipeline.pad("convert", "src"), Identity::of);
        pipeline.run();
        assert_eq!(taken(&before), taken(&after), "{format}");
    }
}

// Queries

#[test]
fn downstream_answers_the_allocation_query_except_for_crop_meta() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter model-file={{model}} ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.pad("sink", "sink").add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(query) = info.query_mut()
            && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
        {
            allocation.add_allocation_meta::<VideoMeta>(None);
            allocation.add_allocation_meta::<gst_video::VideoCropMeta>(None);
            allocation.add_allocation_pool(gst::BufferPool::NONE, 4711, 3, 9);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.begin(gst::State::Playing);
    // The query is serialized with the stream, so the test sends it while the stream is idle.
    through(&pipeline, frame(0, rgb(16, 16, BLUE)));
    let sink = pipeline.pad("filter", "sink");
    let caps = sink.current_caps().unwrap();
    let mut query = gst::query::Allocation::new(Some(&caps), true);
    assert!(sink.query(query.query_mut()));
    assert!(query.find_allocation_meta::<VideoMeta>().is_some());
    // The element does not crop, so it removes the crop meta from the answer.
    assert!(query.find_allocation_meta::<gst_video::VideoCropMeta>().is_none());
    let pools: Vec<_> = query.allocation_pools().collect();
    assert_eq!(pools, [(None, 4711, 3, 9)]);
}

// Several elements

#[test]
fn two_elements_in_a_row_attach_separate_results() {
    let other = model("uint8_quant.tflite");
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=first model-file={{model}} \
         ! catdogfilter name=second model-file={} labels=a,b,c,d class-confidence-threshold=0 \
         smoothing=0 hold=0 ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16)),
        other.display()
    ));
    pipeline.begin(gst::State::Playing);
    // Logits of uint8_quant.tflite, computed with ai_edge_litert: green -7.5 4.375 -7.5 1.5,
    // red -5.312 -0.375 -3.0 2.375.
    for (index, (color, first, second)) in
        [(GREEN, GREEN_IS, ("b", 0.9466)), (RED, RED_IS, ("d", 0.9354))].into_iter().enumerate()
    {
        let out = through(&pipeline, frame(index as u64, rgb(16, 16, color)));
        let all = metas(&out);
        assert_eq!(all.len(), 2);
        assert_eq!((&*all[0].element, &*all[0].model), ("first", MODEL));
        assert_eq!((&*all[1].element, &*all[1].model), ("second", "uint8_quant.tflite"));
        all[0].assert_is(first, 1e-3);
        all[1].assert_is(second, 1e-3);
        let read = |element| gstcatdog::metadata::find(&out, Some(element), Meta::of);
        assert_eq!(read("first").as_ref(), Some(&all[0]));
        assert_eq!(read("second").as_ref(), Some(&all[1]));
        assert_eq!(read("third"), None);
    }
}

#[test]
fn four_parallel_branches_get_equal_results() {
    let branch = |index: usize| {
        format!(
            "t. ! queue ! catdogfilter name=f{index} model-file={{model}} \
             ! fakesink name=sink{index} "
        )
    };
    let pipeline = launch(&format!(
        "videotestsrc num-buffers=100 pattern=ball \
         ! video/x-raw,format=I420,width=320,height=240 ! tee name=t {}",
        (0..4).map(branch).collect::<String>()
    ));
    let seen: Vec<Seen<Meta>> =
        (0..4).map(|index| collect(&pipeline.pad(&format!("sink{index}"), "sink"), meta)).collect();
    pipeline.run();
    let seen: Vec<Vec<Meta>> = seen.iter().map(taken).collect();
    for (index, metas) in seen.iter().enumerate() {
        assert_eq!(metas.len(), 100);
        for (meta, first) in metas.iter().zip(&seen[0]) {
            assert_eq!(meta.element, format!("f{index}"));
            assert_eq!(meta.confidences, first.confidences);
        }
    }
}

#[test]
fn sixteen_elements_run_in_one_process() {
    let models = [
        "float_softmax",
        "float_logistic_1",
        "uint8_quant",
        "int8_quant",
        "int8_in_float_out",
        "hybrid_dynamic_range",
        "dynamic_batch",
        "signature_two",
    ];
    let pipelines: Vec<(Pipeline, Seen<Meta>)> = (0..16)
        .map(|index| {
            let pipeline = launch(&format!(
                "videotestsrc num-buffers=30 ! video/x-raw,format=YUY2,width=160,height=120 \
                 ! catdogfilter model-file={} ! fakesink name=sink",
                model(&format!("{}.tflite", models[index % models.len()])).display()
            ));
            let seen = collect(&pipeline.pad("sink", "sink"), meta);
            pipeline.begin(gst::State::Playing);
            (pipeline, seen)
        })
        .collect();
    let classified: Vec<Vec<Meta>> = pipelines
        .iter()
        .map(|(pipeline, seen)| {
            pipeline.wait_for_eos();
            taken(seen)
        })
        .collect();
    for (index, metas) in classified.iter().enumerate() {
        assert_eq!(metas.len(), 30);
        let twin = &classified[index % models.len()];
        for (meta, twin) in metas.iter().zip(twin) {
            assert_eq!(meta.confidences, twin.confidences, "two elements with the same model");
        }
    }
}
