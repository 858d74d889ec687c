//! `catdogfilter` while it runs: which frames are inferred and which carry the held result, what
//! the properties change and when, what is posted on the bus, and every way of stopping.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::*;
use gst::prelude::*;

/// `appsrc ! catdogfilter ! appsink`, playing, for frames of 16x16 RGB pixels.
fn fed(properties: &str) -> Pipeline {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter model-file={{model}} {properties} ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    pipeline
}

/// What the element says of frame `index`, all of `color`.
fn see(pipeline: &Pipeline, index: u64, color: [u8; 3]) -> Meta {
    meta(&through(pipeline, frame(index, rgb(16, 16, color))))
}

// Which frames are inferred

#[test]
fn between_inferences_the_result_is_held_and_its_age_grows() {
    let pipeline = fed("inference-interval=3");
    for index in 0..9 {
        // The colour changes with every frame, the result with every inference.
        let color = if index % 2 == 0 { GREEN } else { BLUE };
        let meta = see(&pipeline, index, color);
        let inferred = index / 3 * 3;
        meta.assert_is(if inferred % 2 == 0 { GREEN_IS } else { BLUE_IS }, 1e-3);
        assert_eq!(meta.fresh, index == inferred, "{index}");
        assert_eq!(meta.inference_pts, Some((FRAME * inferred).nseconds()));
        assert_eq!(meta.age, Some((FRAME * (index - inferred)).nseconds()));
    }
}

#[test]
fn a_held_result_expires_into_unknown() {
    let pipeline = fed("inference-interval=5 result-timeout=100");
    for index in 0..10 {
        let meta = see(&pipeline, index, GREEN);
        // 40 ms a frame: at 80 ms it holds, at 120 ms no longer.
        if index % 5 <= 2 {
            meta.assert_is(GREEN_IS, 1e-3);
            continue;
        }
        assert_eq!((&*meta.label, meta.index, meta.confidence), ("unknown", -1, 0.0), "{index}");
        assert!(meta.labels.is_empty() && meta.confidences.is_empty() && !meta.fresh);
        assert_eq!(meta.age, Some((FRAME * (index % 5)).nseconds()));
    }
}

/// Reports from downstream that the frame of `timestamp` was late by `jitter`.
fn report_late(pipeline: &Pipeline, timestamp: gst::ClockTime, jitter: gst::ClockTime) {
    let event = gst::event::Qos::builder(
        gst::QOSType::Underflow,
        2.0,
        i64::try_from(jitter.nseconds()).unwrap(),
    )
    .timestamp(timestamp)
    .build();
    pipeline.pad("filter", "src").send_event(event);
}

#[test]
fn a_late_frame_goes_on_without_an_inference() {
    let pipeline = fed("");
    assert!(see(&pipeline, 0, GREEN).fresh);
    // Late by 59 ms at 0: frames up to 118 ms will not make it.
    report_late(&pipeline, gst::ClockTime::ZERO, gst::ClockTime::from_mseconds(59));
    for index in 1..3 {
        let held = see(&pipeline, index, BLUE);
        assert!(!held.fresh, "{held:?}");
        held.assert_is(GREEN_IS, 1e-3);
    }
    let in_time = see(&pipeline, 3, BLUE);
    assert!(in_time.fresh);
    in_time.assert_is(BLUE_IS, 1e-3);
    let stats: gst::Structure = pipeline.get("filter").property("stats");
    assert_eq!(stats.get::<u64>("frames"), Ok(4));
    assert_eq!(stats.get::<u64>("inferences"), Ok(2));
    assert_eq!(stats.get::<u64>("skipped"), Ok(2));
}

#[test]
fn without_qos_late_frames_are_inferred_too() {
    let pipeline = fed("qos=false");
    assert!(see(&pipeline, 0, GREEN).fresh);
    report_late(&pipeline, gst::ClockTime::ZERO, gst::ClockTime::from_seconds(10));
    let late = see(&pipeline, 1, BLUE);
    assert!(late.fresh);
    late.assert_is(BLUE_IS, 1e-3);
    // It may change while playing.
    pipeline.get("filter").set_property("qos", true);
    assert!(!see(&pipeline, 2, BLUE).fresh);
}

#[test]
fn a_sink_that_is_behind_loses_no_frame() {
    // The sink takes 30 ms for a frame of 5 ms and reports every one as late.
    let pipeline = launch(
        "videotestsrc num-buffers=40 ! video/x-raw,format=I420,width=64,height=48,framerate=200/1 \
         ! catdogfilter model-file={model} ! fakesink name=sink sync=true qos=true max-lateness=0",
    );
    let sink = pipeline.pad("sink", "sink");
    let seen = collect(&sink, |buffer| (buffer.offset(), meta(buffer).fresh));
    sink.add_probe(gst::PadProbeType::BUFFER, |_, _| {
        std::thread::sleep(Duration::from_millis(30));
        gst::PadProbeReturn::Ok
    });
    pipeline.run();
    let seen = taken(&seen);
    assert_eq!(
        seen.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(),
        (0..40).collect::<Vec<_>>()
    );
    assert!(seen.iter().any(|(_, fresh)| !fresh), "nothing was held although all were late");
}

#[test]
fn an_inactive_element_passes_buffers_as_they_are() {
    let pipeline = fed("active=false");
    let out = |index| through(&pipeline, frame(index, rgb(16, 16, GREEN)));
    assert_eq!(metas(&out(0)), []);
    pipeline.get("filter").set_property("active", true);
    meta(&out(1)).assert_is(GREEN_IS, 1e-3);
    pipeline.get("filter").set_property("active", false);
    assert_eq!(metas(&out(2)), []);
}

// Flushes and seeks

#[test]
fn a_flush_forgets_the_held_result_and_the_reports_of_lateness() {
    let pipeline = fed("inference-interval=1000");
    assert!(see(&pipeline, 0, GREEN).fresh);
    assert!(!see(&pipeline, 1, BLUE).fresh);
    report_late(&pipeline, FRAME, gst::ClockTime::from_seconds(1));
    let source = pipeline.get("src");
    assert!(source.send_event(gst::event::FlushStart::new()));
    assert!(source.send_event(gst::event::FlushStop::new(true)));
    let after = see(&pipeline, 2, BLUE);
    assert!(after.fresh, "{after:?}");
    after.assert_is(BLUE_IS, 1e-3);
}

#[test]
fn flushes_in_the_middle_of_frames_neither_lock_nor_fail() {
    let pipeline = launch(
        "videotestsrc name=src pattern=ball ! video/x-raw,format=I420,width=320,height=240 \
         ! catdogfilter model-file={model} ! fakesink name=sink",
    );
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| metas(buffer).len());
    pipeline.play();
    for round in 0..30 {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
        assert!(pipeline.seek_simple(flags, gst::ClockTime::from_seconds(round)).is_ok());
        std::thread::sleep(Duration::from_millis(round % 7));
    }
    pipeline.reach(gst::State::Playing);
    assert!(taken(&seen).iter().all(|count| *count == 1));
    assert!(pipeline.errors().is_empty());
}

#[test]
fn after_a_seek_the_first_frame_is_inferred_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("film.mkv");
    launch(&format!(
        "videotestsrc num-buffers=100 pattern=ball \
         ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 \
         ! jpegenc ! matroskamux ! filesink location={}",
        file.display()
    ))
    .run();
    let pipeline = launch(&format!(
        "filesrc location={} ! matroskademux ! jpegdec \
         ! catdogfilter model-file={{model}} inference-interval=1000 ! appsink name=sink sync=false",
        file.display()
    ));
    pipeline.reach(gst::State::Paused);
    let first = pull_preroll(&pipeline);
    assert!(meta(&first).fresh && first.pts() == Some(gst::ClockTime::ZERO));
    for second in [3, 1, 2, 0] {
        let target = gst::ClockTime::from_seconds(second);
        pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, target).unwrap();
        pipeline.reach(gst::State::Paused);
        let buffer = pull_preroll(&pipeline);
        let meta = meta(&buffer);
        assert_eq!(buffer.pts(), Some(target));
        assert_eq!((meta.fresh, meta.age), (true, Some(0)), "after the seek to {target}");
    }
    pipeline.begin(gst::State::Playing);
    let mut count = 0;
    while let Some(buffer) = try_pull(&pipeline) {
        assert_eq!(meta(&buffer).fresh, count == 0);
        count += 1;
    }
    assert_eq!(count, 100, "the last seek was to the beginning");
}

fn pull_preroll(pipeline: &Pipeline) -> gst::Buffer {
    let sink = pipeline.get("sink");
    let sample: Option<gst::Sample> =
        sink.emit_by_name("try-pull-preroll", &[&PATIENCE.nseconds()]);
    sample.unwrap().buffer_owned().unwrap()
}

// Properties while playing

#[test]
fn the_introspected_mutability_is_the_one_that_holds() {
    init();
    let filter = gst::ElementFactory::make("catdogfilter").build().unwrap();
    for property in filter.list_properties() {
        if property.owner_type() != filter.type_()
            || !property.flags().contains(gst::glib::ParamFlags::WRITABLE)
        {
            continue;
        }
        let playing = property.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING);
        // BaseTransform's own qos says nothing of it.
        assert!(playing || property.name() == "qos", "{}", property.name());
    }
}

#[test]
fn the_threshold_takes_effect_while_playing() {
    let pipeline = fed("class-confidence-threshold=0.9");
    let filter = pipeline.get("filter");
    let unknown = see(&pipeline, 0, GREEN);
    assert_eq!((&*unknown.label, unknown.index), ("unknown", -1));
    assert!((unknown.confidence - GREEN_IS.1).abs() < 1e-3, "the number stays to be read");
    assert_eq!(unknown.labels, ["cat", "dog"]);
    filter.set_property("class-confidence-threshold", 0.5_f32);
    let known = see(&pipeline, 1, GREEN);
    known.assert_is(GREEN_IS, 1e-3);
    assert_eq!(known.index, 0);
}

#[test]
fn the_unknown_label_takes_effect_while_playing() {
    let pipeline = fed("unknown-label=\"who knows\"");
    assert_eq!(see(&pipeline, 0, RED).label, "who knows");
    pipeline.get("filter").set_property("unknown-label", "neither");
    assert_eq!(see(&pipeline, 1, RED).label, "neither");
    pipeline.get("filter").set_property("unknown-label", None::<&str>);
    assert_eq!(see(&pipeline, 2, RED).label, "");
}

#[test]
fn the_number_of_results_takes_effect_while_playing() {
    let pipeline = fed("max-results=1");
    assert_eq!(see(&pipeline, 0, GREEN).labels, ["cat"]);
    pipeline.get("filter").set_property("max-results", 9_u32);
    let both = see(&pipeline, 1, GREEN);
    assert_eq!(both.labels, ["cat", "dog"]);
    assert!((both.confidences.iter().sum::<f64>() - 1.0).abs() < 1e-6);
}

#[test]
fn the_interval_and_the_timeout_take_effect_while_playing() {
    let pipeline = fed("inference-interval=1000");
    assert!(see(&pipeline, 0, GREEN).fresh);
    assert!(!see(&pipeline, 1, GREEN).fresh);
    pipeline.get("filter").set_property("result-timeout", 1_u32);
    assert_eq!(see(&pipeline, 2, GREEN).label, "unknown");
    pipeline.get("filter").set_property("inference-interval", 1_u32);
    assert!(see(&pipeline, 3, GREEN).fresh);
}

#[test]
fn a_value_that_cannot_be_used_while_playing_is_said_once_and_the_old_one_stays() {
    let pipeline = fed("max-results=1 inference-interval=2");
    see(&pipeline, 0, GREEN);
    let filter = pipeline.get("filter");
    let attempts = [
        ("inference-interval", "0", "inference-interval=0"),
        ("max-results", "0", "max-results=0"),
        ("text-format", "{colour}", "{colour}"),
    ];
    let mut index = 1;
    for (property, value, named) in attempts {
        let before: gst::glib::Value = filter.property_value(property);
        filter.set_property_from_str(property, value);
        for _ in 0..4 {
            let meta = see(&pipeline, index, GREEN);
            assert_eq!(meta.fresh, index % 2 == 0, "the interval is still 2");
            assert_eq!(meta.labels, ["cat"], "there is still one result");
            index += 1;
        }
        let warnings = pipeline.warnings();
        let [(source, text)] = &warnings[..] else { panic!("{property}: {warnings:?}") };
        assert_eq!(source, "filter");
        assert!(text.contains(named) && text.contains("stays in use"), "{text}");
        filter.set_property_from_value(property, &before);
    }
    // The next value that can be used is.
    filter.set_property("max-results", 2_u32);
    see(&pipeline, index, GREEN);
    index += 1;
    assert_eq!(see(&pipeline, index, GREEN).labels.len(), 2);
    assert!(pipeline.warnings().is_empty());
}

#[test]
fn properties_may_be_set_from_many_threads_while_frames_flow() {
    let pipeline = launch(
        "videotestsrc num-buffers=300 ! video/x-raw,format=I420,width=64,height=48 \
         ! catdogfilter name=filter model-file={model} ! textoverlay ! fakesink name=sink",
    );
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| metas(buffer).len());
    pipeline.begin(gst::State::Playing);
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let filter = pipeline.get("filter");
            scope.spawn(move || {
                for round in 1..400_u32 {
                    match thread {
                        0 => filter.set_property("max-results", round),
                        1 => filter.set_property("text-format", format!("{{label}} {round}")),
                        2 => filter
                            .set_property_from_str("overlay", ["none", "auto"][round as usize % 2]),
                        _ => {
                            filter.property::<gst::Structure>("stats");
                            filter.property::<Option<String>>("last-label");
                        }
                    }
                }
            });
        }
    });
    pipeline.wait_for_eos();
    assert_eq!(taken(&seen), vec![1; 300]);
}

// The bus and the readings

/// The labels of the messages for frames of these colours.
fn posted(properties: &str, colors: &[[u8; 3]]) -> Vec<gst::Structure> {
    let pipeline = fed(properties);
    for (index, color) in colors.iter().enumerate() {
        see(&pipeline, index as u64, *color);
    }
    end(&pipeline);
    results(&pipeline.wait_for_eos(), "filter")
}

fn labels(structures: &[gst::Structure]) -> Vec<String> {
    structures.iter().map(|structure| structure.get("label").unwrap()).collect()
}

const SIX: [[u8; 3]; 6] = [GREEN, GREEN, BLUE, RED, RED, GREEN];

#[test]
fn a_message_is_posted_when_the_label_changes() {
    let messages = posted("", &SIX);
    assert_eq!(labels(&messages), ["cat", "dog", "unknown", "cat"]);
    let pts: Vec<u64> = messages.iter().map(|message| message.get("pts").unwrap()).collect();
    assert_eq!(pts, [0, 2, 3, 5].map(|index: u64| (FRAME * index).nseconds()));
}

#[test]
fn a_message_is_posted_for_every_inference_if_asked_for() {
    let messages = posted("post-messages=every", &SIX);
    assert_eq!(labels(&messages), ["cat", "cat", "dog", "unknown", "unknown", "cat"]);
    let held = posted("post-messages=every inference-interval=2", &SIX);
    assert_eq!(labels(&held), ["cat", "dog", "unknown"]);
    assert!(held.iter().all(|message| message.get::<bool>("fresh").unwrap()));
}

#[test]
fn no_message_is_posted_if_none_is_asked_for() {
    assert!(posted("post-messages=none", &SIX).is_empty());
}

#[test]
fn which_messages_are_posted_may_change_while_playing() {
    let pipeline = fed("post-messages=none");
    let filter = pipeline.get("filter");
    let mut index = 0;
    let mut count = |mode: &str| {
        filter.set_property_from_str("post-messages", mode);
        for _ in 0..3 {
            see(&pipeline, index, GREEN);
            index += 1;
        }
        let messages: Vec<_> = std::iter::from_fn(|| pipeline.bus().pop()).collect();
        results(&messages, "filter").len()
    };
    assert_eq!((count("none"), count("every"), count("change"), count("none")), (0, 3, 0, 0));
}

#[test]
fn a_message_says_what_the_metadata_says() {
    let pipeline = fed("post-messages=every");
    let meta = see(&pipeline, 7, BLUE);
    end(&pipeline);
    let messages = results(&pipeline.wait_for_eos(), "filter");
    assert_eq!(messages.len(), 1);
    assert_eq!(Meta::of(&messages[0]), meta);
    assert_eq!(messages[0].get::<u64>("pts"), Ok((FRAME * 7).nseconds()));
}

#[test]
fn the_last_result_and_the_statistics_can_be_read() {
    let pipeline = fed("threads=2 inference-interval=2");
    let filter = pipeline.get("filter");
    assert_eq!(filter.property::<Option<String>>("last-label"), None);
    assert_eq!(filter.property::<f64>("last-confidence"), 0.0);
    let (sender, notified) = std::sync::mpsc::channel();
    filter.connect_notify(Some("last-label"), move |filter, _| {
        sender.send(filter.property::<Option<String>>("last-label")).unwrap();
    });
    for (index, color) in [GREEN, GREEN, BLUE, BLUE, BLUE].into_iter().enumerate() {
        see(&pipeline, index as u64, color);
    }
    // The readings are published before the buffer goes on, so they are there now.
    assert_eq!(filter.property::<Option<String>>("last-label").as_deref(), Some("dog"));
    assert!((filter.property::<f64>("last-confidence") - BLUE_IS.1).abs() < 1e-3);
    let changes: Vec<Option<String>> = notified.try_iter().collect();
    assert_eq!(changes, [Some("cat".to_owned()), Some("dog".to_owned())]);

    let stats: gst::Structure = filter.property("stats");
    assert_eq!(stats.name(), "catdog-stats");
    for (field, want) in [("frames", 5_u64), ("inferences", 3), ("skipped", 0)] {
        assert_eq!(stats.get::<u64>(field), Ok(want), "{field}");
    }
    for stage in ["preprocess", "invoke"] {
        let time = |what: &str| stats.get::<u64>(format!("{stage}-{what}")).unwrap();
        let (p50, p95, max) = (time("p50"), time("p95"), time("max"));
        assert!(0 < p50 && p50 <= p95 && p95 <= max, "{stats}");
    }
    assert_eq!(stats.get::<&str>("model"), Ok(MODEL));
    assert_eq!(stats.get::<u32>("threads"), Ok(2));
    assert_eq!(stats.get::<&str>("accelerator"), Ok("cpu"));
}

#[test]
fn a_wrong_value_does_not_keep_later_ones_from_taking_effect() {
    let pipeline = fed("");
    see(&pipeline, 0, GREEN);
    let filter = pipeline.get("filter");
    filter.set_property("max-results", 0_u32);
    filter.set_property("unknown-label", "neither");
    assert_eq!(see(&pipeline, 1, RED).label, "neither");
    assert_eq!(see(&pipeline, 2, GREEN).labels.len(), 2, "what was set before stays");
}

#[test]
fn a_synchronous_bus_handler_may_call_back_into_the_element() {
    let pipeline = fed("post-messages=every");
    let filter = pipeline.get("filter");
    let heard = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    pipeline.bus().set_sync_handler({
        let (filter, heard) = (filter.downgrade(), heard.clone());
        move |_, message| {
            let filter = filter.upgrade().unwrap();
            let ours = message.src().is_some_and(|source| source.name() == "filter");
            if ours
                && matches!(message.type_(), gst::MessageType::Element | gst::MessageType::Warning)
            {
                filter.set_property("unknown-label", "changed");
                filter.property::<gst::Structure>("stats");
                heard.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
            gst::BusSyncReply::Pass
        }
    });
    see(&pipeline, 0, GREEN);
    filter.set_property("max-results", 0_u32);
    see(&pipeline, 1, GREEN);
    assert_eq!(see(&pipeline, 2, RED).label, "changed");
    assert!(heard.load(std::sync::atomic::Ordering::SeqCst) >= 4);
}

#[test]
fn a_string_that_is_no_utf_8_is_refused_and_a_path_may_be_one() {
    use std::os::unix::ffi::OsStrExt;
    let latin1 = std::path::Path::new(std::ffi::OsStr::from_bytes(b"/nowhere/chat\xe9.tflite"));
    let pipeline = fed("");
    see(&pipeline, 0, GREEN);
    let filter = pipeline.get("filter");
    filter.set_property("unknown-label", latin1);
    assert_eq!(see(&pipeline, 1, RED).label, "unknown");
    let warnings = pipeline.warnings();
    assert!(warnings[0].1.contains("unknown-label is not UTF-8"), "{warnings:?}");

    let filter = gst::ElementFactory::make("catdogfilter").build().unwrap();
    filter.set_property("model-file", latin1);
    assert_eq!(filter.property::<std::path::PathBuf>("model-file"), latin1);
    assert!(filter.set_state(gst::State::Paused).is_err());
    filter.set_state(gst::State::Null).unwrap();
}

#[test]
fn an_empty_gap_is_held_through() {
    let pipeline = fed("");
    let first = see(&pipeline, 0, GREEN);
    let mut gap = gst::Buffer::new();
    gap.get_mut().unwrap().set_pts(FRAME);
    gap.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
    let seen = meta(&through(&pipeline, gap));
    assert!(first.fresh && !seen.fresh);
    assert_eq!(seen.label, first.label);
}

#[test]
fn a_listener_may_call_back_into_the_element() {
    let pipeline = fed("");
    pipeline.get("filter").connect_notify(Some("last-label"), |filter, _| {
        filter.set_property("max-results", 1_u32);
        filter.property::<gst::Structure>("stats");
    });
    see(&pipeline, 0, GREEN);
    assert_eq!(see(&pipeline, 1, GREEN).labels, ["cat"]);
}

// Stopping

#[test]
fn a_pipeline_may_be_torn_down_at_any_moment() {
    for round in 0..60 {
        let pipeline = launch(
            "videotestsrc is-live=false pattern=ball \
             ! video/x-raw,format=I420,width=320,height=240 \
             ! catdogfilter model-file={model} ! textoverlay ! queue ! fakesink",
        );
        pipeline.begin(gst::State::Playing);
        std::thread::sleep(Duration::from_millis(round % 20));
        pipeline.begin(gst::State::Null);
        assert!(pipeline.errors().is_empty(), "round {round}");
    }
}

#[test]
fn it_starts_anew_after_the_end_of_a_stream() {
    let pipeline = launch(
        "videotestsrc name=source num-buffers=5 ! video/x-raw,format=NV12,width=64,height=48 \
         ! catdogfilter name=filter model-file={model} ! fakesink name=sink",
    );
    let seen = collect(&pipeline.pad("sink", "sink"), meta);
    for _ in 0..3 {
        pipeline.run();
        assert_eq!(taken(&seen).len(), 5);
        let stats: gst::Structure = pipeline.get("filter").property("stats");
        assert_eq!(stats.get::<u64>("frames"), Ok(5), "counted from the start");
        pipeline.reach(gst::State::Ready);
    }
}

#[test]
fn paused_and_playing_alternate_without_loss() {
    let pipeline = launch(
        "videotestsrc num-buffers=200 ! video/x-raw,format=I420,width=64,height=48 \
         ! catdogfilter model-file={model} ! fakesink name=sink",
    );
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| {
        meta(buffer);
        buffer.offset()
    });
    for _ in 0..20 {
        pipeline.reach(gst::State::Playing);
        pipeline.reach(gst::State::Paused);
    }
    pipeline.run();
    assert_eq!(taken(&seen), (0..200).collect::<Vec<_>>());
}
