//! `catdogfilter` in PLAYING: which frames are inferred and which get the held result, when a
//! changed property takes effect, the messages on the bus, and stops.

use std::time::Duration;

use crate::common::*;
use gst::prelude::*;

/// Returns the pipeline of [`play_filter`] on [`MODEL`], with further properties.
fn play(properties: &str) -> Pipeline {
    play_filter(&format!("model-file={{model}} {properties}"))
}

// Which frames are inferred

#[test]
fn the_result_is_held_between_inferences_and_its_age_grows() {
    let pipeline = play("inference-interval=3");
    for index in 0..9 {
        // The color changes with every frame, the result with every inference.
        let color = if index % 2 == 0 { GREEN } else { BLUE };
        let meta = classify(&pipeline, index, color);
        let inferred = index / 3 * 3;
        meta.assert_is(if inferred % 2 == 0 { GREEN_IS } else { BLUE_IS }, 1e-3);
        assert_eq!(meta.fresh, index == inferred, "{index}");
        assert_eq!(meta.inference_pts, Some((FRAME * inferred).nseconds()));
        assert_eq!(meta.age, Some((FRAME * (index - inferred)).nseconds()));
    }
}

#[test]
fn a_held_result_expires_after_result_timeout() {
    let pipeline = play("inference-interval=5 result-timeout=100");
    for index in 0..10 {
        let meta = classify(&pipeline, index, GREEN);
        // A frame takes 40 ms: the age is 80 ms after two frames and 120 ms after three.
        if index % 5 <= 2 {
            meta.assert_is(GREEN_IS, 1e-3);
            continue;
        }
        assert_eq!((&*meta.label, meta.index, meta.confidence), ("unknown", -1, 0.0), "{index}");
        assert!(meta.labels.is_empty() && meta.confidences.is_empty() && !meta.fresh);
        assert_eq!(meta.age, Some((FRAME * (index % 5)).nseconds()));
    }
}

/// Sends a QoS event from downstream: the frame at `timestamp` was late by `jitter`.
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
fn a_late_frame_gets_the_held_result() {
    let pipeline = play("");
    assert!(classify(&pipeline, 0, GREEN).fresh);
    // The frame at 0 was late by 59 ms, so frames up to 118 ms count as late.
    report_late(&pipeline, gst::ClockTime::ZERO, gst::ClockTime::from_mseconds(59));
    for index in 1..3 {
        let held = classify(&pipeline, index, BLUE);
        assert!(!held.fresh, "{held:?}");
        held.assert_is(GREEN_IS, 1e-3);
    }
    let in_time = classify(&pipeline, 3, BLUE);
    assert!(in_time.fresh);
    in_time.assert_is(BLUE_IS, 1e-3);
    let stats: gst::Structure = pipeline.get("filter").property("stats");
    assert_eq!(stats.get::<u64>("frames"), Ok(4));
    assert_eq!(stats.get::<u64>("inferences"), Ok(2));
    assert_eq!(stats.get::<u64>("skipped"), Ok(2));
}

#[test]
fn late_frames_are_inferred_if_qos_is_off() {
    let pipeline = play("qos=false");
    assert!(classify(&pipeline, 0, GREEN).fresh);
    report_late(&pipeline, gst::ClockTime::ZERO, gst::ClockTime::from_seconds(10));
    let late = classify(&pipeline, 1, BLUE);
    assert!(late.fresh);
    late.assert_is(BLUE_IS, 1e-3);
    // The property takes effect while playing.
    pipeline.get("filter").set_property("qos", true);
    assert!(!classify(&pipeline, 2, BLUE).fresh);
}

#[test]
fn a_slow_sink_gets_every_frame() {
    // The sink takes 30 ms per frame of 5 ms and reports every frame as late.
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
    assert!(
        seen.iter().any(|(_, fresh)| !fresh),
        "no frame got a held result, although all are late"
    );
}

#[test]
fn an_inactive_element_attaches_nothing() {
    let pipeline = play("active=false");
    let out = |index| through(&pipeline, frame(index, rgb(16, 16, GREEN)));
    assert_eq!(metas(&out(0)), []);
    pipeline.get("filter").set_property("active", true);
    meta(&out(1)).assert_is(GREEN_IS, 1e-3);
    pipeline.get("filter").set_property("active", false);
    assert_eq!(metas(&out(2)), []);
}

// Flushes and seeks

#[test]
fn a_flush_resets_the_held_result_and_the_lateness() {
    let pipeline = play("inference-interval=1000");
    assert!(classify(&pipeline, 0, GREEN).fresh);
    assert!(!classify(&pipeline, 1, BLUE).fresh);
    report_late(&pipeline, FRAME, gst::ClockTime::from_seconds(1));
    let source = pipeline.get("src");
    assert!(source.send_event(gst::event::FlushStart::new()));
    assert!(source.send_event(gst::event::FlushStop::new(true)));
    let after = classify(&pipeline, 2, BLUE);
    assert!(after.fresh, "{after:?}");
    after.assert_is(BLUE_IS, 1e-3);
}

#[test]
fn flushes_while_frames_are_processed_neither_block_nor_fail() {
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
fn the_first_frame_after_a_seek_is_inferred() {
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

/// Returns the preroll buffer of the appsink `sink`.
fn pull_preroll(pipeline: &Pipeline) -> gst::Buffer {
    let sink = pipeline.get("sink");
    let sample: Option<gst::Sample> =
        sink.emit_by_name("try-pull-preroll", &[&PATIENCE.nseconds()]);
    sample.unwrap().buffer_owned().unwrap()
}

// Properties while playing

#[test]
fn every_writable_property_is_mutable_while_playing() {
    init();
    let filter = gst::ElementFactory::make("catdogfilter").build().unwrap();
    for property in filter.list_properties() {
        if property.owner_type() != filter.type_()
            || !property.flags().contains(gst::glib::ParamFlags::WRITABLE)
        {
            continue;
        }
        let playing = property.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING);
        // The property qos belongs to GstBaseTransform, which does not set the flag.
        assert!(playing || property.name() == "qos", "{}", property.name());
    }
}

#[test]
fn the_threshold_takes_effect_while_playing() {
    let pipeline = play("class-confidence-threshold=0.9");
    let filter = pipeline.get("filter");
    let unknown = classify(&pipeline, 0, GREEN);
    assert_eq!((&*unknown.label, unknown.index), ("unknown", -1));
    assert!(
        (unknown.confidence - GREEN_IS.1).abs() < 1e-3,
        "the confidence of the best class stays"
    );
    assert_eq!(unknown.labels, ["cat", "dog"]);
    filter.set_property("class-confidence-threshold", 0.5_f32);
    let known = classify(&pipeline, 1, GREEN);
    known.assert_is(GREEN_IS, 1e-3);
    assert_eq!(known.index, 0);
}

#[test]
fn the_unknown_label_takes_effect_while_playing() {
    let pipeline = play("unknown-label=\"not sure\"");
    assert_eq!(classify(&pipeline, 0, RED).label, "not sure");
    pipeline.get("filter").set_property("unknown-label", "neither");
    assert_eq!(classify(&pipeline, 1, RED).label, "neither");
    pipeline.get("filter").set_property("unknown-label", None::<&str>);
    assert_eq!(classify(&pipeline, 2, RED).label, "");
}

#[test]
fn max_results_takes_effect_while_playing() {
    let pipeline = play("max-results=1");
    assert_eq!(classify(&pipeline, 0, GREEN).labels, ["cat"]);
    pipeline.get("filter").set_property("max-results", 9_u32);
    let both = classify(&pipeline, 1, GREEN);
    assert_eq!(both.labels, ["cat", "dog"]);
    assert!((both.confidences.iter().sum::<f64>() - 1.0).abs() < 1e-6);
}

#[test]
fn inference_interval_and_result_timeout_take_effect_while_playing() {
    let pipeline = play("inference-interval=1000");
    assert!(classify(&pipeline, 0, GREEN).fresh);
    assert!(!classify(&pipeline, 1, GREEN).fresh);
    pipeline.get("filter").set_property("result-timeout", 1_u32);
    assert_eq!(classify(&pipeline, 2, GREEN).label, "unknown");
    pipeline.get("filter").set_property("inference-interval", 1_u32);
    assert!(classify(&pipeline, 3, GREEN).fresh);
}

#[test]
fn an_unusable_value_set_while_playing_is_one_warning_and_the_previous_value_stays() {
    let pipeline = play("max-results=1 inference-interval=2");
    classify(&pipeline, 0, GREEN);
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
            let meta = classify(&pipeline, index, GREEN);
            assert_eq!(meta.fresh, index % 2 == 0, "the interval is still 2");
            assert_eq!(meta.labels, ["cat"], "max-results is still 1");
            index += 1;
        }
        let warnings = pipeline.warnings();
        let [(source, text)] = &warnings[..] else { panic!("{property}: {warnings:?}") };
        assert_eq!(source, "filter");
        assert!(text.contains(named) && text.contains("stays in use"), "{text}");
        filter.set_property_from_value(property, &before);
    }
    // The next valid value takes effect.
    filter.set_property("max-results", 2_u32);
    classify(&pipeline, index, GREEN);
    index += 1;
    assert_eq!(classify(&pipeline, index, GREEN).labels.len(), 2);
    assert!(pipeline.warnings().is_empty());
}

#[test]
fn properties_may_be_set_from_many_threads_while_playing() {
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

// Messages and readable properties

/// Returns the structures of the messages for frames of these colors.
fn posted(properties: &str, colors: &[[u8; 3]]) -> Vec<gst::Structure> {
    let pipeline = play(properties);
    for (index, color) in colors.iter().enumerate() {
        classify(&pipeline, index as u64, *color);
    }
    end(&pipeline);
    results(&pipeline.wait_for_eos(), "filter")
}

/// The colors of six frames. The label changes with the third, the fourth and the sixth frame.
const SIX: [[u8; 3]; 6] = [GREEN, GREEN, BLUE, RED, RED, GREEN];

#[test]
fn a_message_is_posted_when_the_label_changes() {
    let messages = posted("", &SIX);
    assert_eq!(labels_of(&messages), ["cat", "dog", "unknown", "cat"]);
    let pts: Vec<u64> = messages.iter().map(|message| message.get("pts").unwrap()).collect();
    assert_eq!(pts, [0, 2, 3, 5].map(|index: u64| (FRAME * index).nseconds()));
}

#[test]
fn after_a_pause_the_first_label_is_posted() {
    let pipeline = play("");
    for (index, active) in [true, true, false, true, true].into_iter().enumerate() {
        pipeline.get("filter").set_property("active", active);
        through(&pipeline, frame(index as u64, rgb(16, 16, GREEN)));
    }
    end(&pipeline);
    let messages = results(&pipeline.wait_for_eos(), "filter");
    assert_eq!(labels_of(&messages), ["cat", "cat"]);
}

#[test]
fn a_message_is_posted_for_every_inference_with_post_messages_every() {
    let messages = posted("post-messages=every", &SIX);
    assert_eq!(labels_of(&messages), ["cat", "cat", "dog", "unknown", "unknown", "cat"]);
    let held = posted("post-messages=every inference-interval=2", &SIX);
    assert_eq!(labels_of(&held), ["cat", "dog", "unknown"]);
    assert!(held.iter().all(|message| message.get::<bool>("fresh").unwrap()));
}

#[test]
fn no_message_is_posted_with_post_messages_none() {
    assert!(posted("post-messages=none", &SIX).is_empty());
}

#[test]
fn post_messages_takes_effect_while_playing() {
    let pipeline = play("post-messages=none");
    let filter = pipeline.get("filter");
    let mut index = 0;
    let mut count = |mode: &str| {
        filter.set_property_from_str("post-messages", mode);
        for _ in 0..3 {
            classify(&pipeline, index, GREEN);
            index += 1;
        }
        results(&pipeline.messages(), "filter").len()
    };
    assert_eq!((count("none"), count("every"), count("change"), count("none")), (0, 3, 0, 0));
}

#[test]
fn a_message_has_the_fields_of_the_metadata() {
    let pipeline = play("post-messages=every");
    let meta = classify(&pipeline, 7, BLUE);
    end(&pipeline);
    let messages = results(&pipeline.wait_for_eos(), "filter");
    assert_eq!(messages.len(), 1);
    assert_eq!(Meta::of(&messages[0]), meta);
    assert_eq!(messages[0].get::<u64>("pts"), Ok((FRAME * 7).nseconds()));
}

#[test]
fn the_last_result_and_the_statistics_can_be_read() {
    let pipeline = play("threads=2 inference-interval=2");
    let filter = pipeline.get("filter");
    assert_eq!(last_label(&pipeline), None);
    assert_eq!(filter.property::<f64>("last-confidence"), 0.0);
    let (sender, notified) = std::sync::mpsc::channel();
    filter.connect_notify(Some("last-label"), move |filter, _| {
        sender.send(filter.property::<Option<String>>("last-label")).unwrap();
    });
    for (index, color) in [GREEN, GREEN, BLUE, BLUE, BLUE].into_iter().enumerate() {
        classify(&pipeline, index as u64, color);
    }
    // The element updates the properties before it pushes the buffer.
    assert_eq!(last_label(&pipeline).as_deref(), Some("dog"));
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
fn other_properties_take_effect_after_an_unusable_value() {
    let pipeline = play("");
    classify(&pipeline, 0, GREEN);
    let filter = pipeline.get("filter");
    filter.set_property("max-results", 0_u32);
    filter.set_property("unknown-label", "neither");
    assert_eq!(classify(&pipeline, 1, RED).label, "neither");
    assert_eq!(classify(&pipeline, 2, GREEN).labels.len(), 2, "max-results keeps its value");
}

#[test]
fn a_synchronous_bus_handler_may_call_back_into_the_element() {
    let pipeline = play("post-messages=every");
    let filter = pipeline.get("filter");
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    pipeline.bus().set_sync_handler({
        let (filter, calls) = (filter.downgrade(), calls.clone());
        move |_, message| {
            let filter = filter.upgrade().unwrap();
            let from_filter = message.src().is_some_and(|source| source.name() == "filter");
            if from_filter
                && matches!(message.type_(), gst::MessageType::Element | gst::MessageType::Warning)
            {
                filter.set_property("unknown-label", "changed");
                filter.property::<gst::Structure>("stats");
                calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
            gst::BusSyncReply::Pass
        }
    });
    classify(&pipeline, 0, GREEN);
    filter.set_property("max-results", 0_u32);
    classify(&pipeline, 1, GREEN);
    assert_eq!(classify(&pipeline, 2, RED).label, "changed");
    assert!(calls.load(std::sync::atomic::Ordering::SeqCst) >= 4);
}

#[test]
fn a_string_that_is_not_utf_8_is_refused_except_for_a_path() {
    use std::os::unix::ffi::OsStrExt;
    let latin1 = std::path::Path::new(std::ffi::OsStr::from_bytes(b"/nowhere/chat\xe9.tflite"));
    let pipeline = play("");
    classify(&pipeline, 0, GREEN);
    let filter = pipeline.get("filter");
    filter.set_property("unknown-label", latin1);
    assert_eq!(classify(&pipeline, 1, RED).label, "unknown");
    let warnings = pipeline.warnings();
    assert!(warnings[0].1.contains("unknown-label is not UTF-8"), "{warnings:?}");

    let filter = gst::ElementFactory::make("catdogfilter").build().unwrap();
    filter.set_property("model-file", latin1);
    assert_eq!(filter.property::<std::path::PathBuf>("model-file"), latin1);
    assert!(filter.set_state(gst::State::Paused).is_err());
    filter.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_gap_buffer_gets_the_held_result() {
    let pipeline = play("");
    let first = classify(&pipeline, 0, GREEN);
    let mut gap = gst::Buffer::new();
    gap.get_mut().unwrap().set_pts(FRAME);
    gap.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
    let held = meta(&through(&pipeline, gap));
    assert!(first.fresh && !held.fresh);
    assert_eq!(held.label, first.label);
}

#[test]
fn a_notify_handler_may_call_back_into_the_element() {
    let pipeline = play("");
    pipeline.get("filter").connect_notify(Some("last-label"), |filter, _| {
        filter.set_property("max-results", 1_u32);
        filter.property::<gst::Structure>("stats");
    });
    classify(&pipeline, 0, GREEN);
    assert_eq!(classify(&pipeline, 1, GREEN).labels, ["cat"]);
}

// Stopping

#[test]
fn a_pipeline_may_be_stopped_at_any_time() {
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
fn the_element_restarts_after_the_end_of_a_stream() {
    let pipeline = launch(
        "videotestsrc name=source num-buffers=5 ! video/x-raw,format=NV12,width=64,height=48 \
         ! catdogfilter name=filter model-file={model} ! fakesink name=sink",
    );
    let seen = collect(&pipeline.pad("sink", "sink"), meta);
    for _ in 0..3 {
        pipeline.run();
        assert_eq!(taken(&seen).len(), 5);
        let stats: gst::Structure = pipeline.get("filter").property("stats");
        assert_eq!(stats.get::<u64>("frames"), Ok(5), "the counters restart");
        pipeline.reach(gst::State::Ready);
    }
}

#[test]
fn no_frame_is_lost_between_paused_and_playing() {
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
