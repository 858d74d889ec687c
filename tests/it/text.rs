//! `catdogtext`: its cues for an application, a textoverlay, a file or a muxer do not block the
//! frames on other branches.
//!
//! Every frame has one color, which the model classifies reliably, so the text and the times of all
//! cues are known. Recordings are read with FFmpeg if it is installed, because it shares no code
//! with the writer.
//!
//! The file is long because all tests share the film and its expected cues.

use std::path::Path;
use std::process::Command;

use crate::common::*;
use gst::prelude::*;

const FILTER: &str = "catdogfilter name=filter model-file={model} class-confidence-threshold=0.6";

/// The colors of the frames and the number of frames of each color: 4.4 s.
const FILM: [([u8; 3], u64); 5] = [(GREEN, 30), (BLUE, 10), (RED, 5), (GREEN, 35), (BLUE, 30)];

fn label(color: [u8; 3]) -> &'static str {
    match color {
        GREEN => "cat",
        BLUE => "dog",
        _ => "unknown",
    }
}

fn text(color: [u8; 3]) -> &'static str {
    match color {
        GREEN => "cat 71 %",
        BLUE => "dog 75 %",
        _ => "unknown",
    }
}

/// Tests that depend on the speed of encoders run one at a time.
static ENCODERS: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Text, start and end of a cue, in ms.
type Span = (String, u64, u64);

/// The cues of the film.
fn film_cues(what: impl Fn([u8; 3]) -> &'static str) -> Vec<Span> {
    let mut start = 0;
    let cue = |&(color, frames): &([u8; 3], u64)| {
        let from = start;
        start += frames * FRAME.mseconds();
        (what(color).to_owned(), from, start)
    };
    FILM.iter().map(cue).collect()
}

fn colors() -> impl Iterator<Item = [u8; 3]> {
    FILM.into_iter().flat_map(|(color, frames)| (0..frames).map(move |_| color))
}

fn picture(index: u64, color: [u8; 3]) -> gst::Buffer {
    frame(index, packed(gst_video::VideoFormat::Rgbx, 64, 48, |_, _| color))
}

fn source() -> String {
    appsrc(&caps("RGBx", 64, 48))
}

/// Plays the film to its end, and returns the messages.
fn feed(pipeline: &Pipeline) -> Vec<gst::Message> {
    pipeline.begin(gst::State::Playing);
    for (index, color) in (0..).zip(colors()) {
        assert_eq!(push(pipeline, &picture(index, color)), gst::FlowReturn::Ok);
    }
    end(pipeline);
    pipeline.wait_for_eos()
}

/// The content of a text buffer, times in ms.
#[derive(Clone, Debug, PartialEq)]
struct Cue {
    text: String,
    start: Option<u64>,
    duration: Option<u64>,
}

fn cue(buffer: &gst::BufferRef) -> Cue {
    Cue {
        text: String::from_utf8(buffer.map_readable().unwrap().to_vec()).unwrap(),
        start: buffer.pts().map(|time| time.mseconds()),
        duration: buffer.duration().map(|time| time.mseconds()),
    }
}

fn spans(cues: &[Cue]) -> Vec<Span> {
    let span = |cue: &Cue| {
        (cue.text.clone(), cue.start.unwrap(), cue.start.unwrap() + cue.duration.unwrap())
    };
    cues.iter().map(span).collect()
}

/// Joins adjacent cues with the same text.
fn joined(cues: Vec<Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for cue in cues {
        match joined.last_mut().filter(|last| last.0 == cue.0 && last.2 == cue.1) {
            Some(last) => last.2 = cue.2,
            None => joined.push(cue),
        }
    }
    joined
}

/// Returns the cues of the film after the elements `text`, which include `catdogtext`.
fn cues_of(text: &str) -> Vec<Cue> {
    let pipeline = launch(&format!("{} ! {FILTER} ! {text} ! fakesink name=sink", source()));
    let seen = collect(&pipeline.pad("sink", "sink"), cue);
    feed(&pipeline);
    taken(&seen)
}

fn caps_at(pipeline: &Pipeline, element: &str) -> gst::Caps {
    pipeline.pad(element, "sink").current_caps().unwrap()
}

// Cues

#[test]
fn cue_is_as_long_as_its_label() {
    let cues = cues_of("catdogtext name=text");
    assert_eq!(spans(&cues), film_cues(text));
}

#[test]
fn json_line_has_the_fields_of_the_metadata() {
    let lines = cues_of("catdogtext ! application/x-json");
    assert_eq!(lines.len(), FILM.len());
    for ((line, (color, frames)), (label, start, end)) in
        lines.iter().zip(FILM).zip(film_cues(label))
    {
        assert!(line.text.ends_with("}\n"));
        assert_eq!(line.text.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line.text).unwrap();
        assert_eq!(object["pts"], start * 1_000_000);
        assert_eq!(object["duration"], (end - start) * 1_000_000);
        assert_eq!(object["label"], label);
        assert_eq!(object["frames"], frames);
        assert_eq!(object["inferences"], frames);
        assert_eq!(object["model"], MODEL);
        assert_eq!(object["element"], "filter");
        let (index, confidence) = match color {
            GREEN => (0, GREEN_IS.1),
            BLUE => (1, BLUE_IS.1),
            _ => (-1, RED_IS.1),
        };
        assert_eq!(object["index"], index);
        let near = |value: &serde_json::Value, want: f64| {
            assert!((value.as_f64().unwrap() - want).abs() < 2e-4, "{object} for {want}");
        };
        near(&object["confidence"], confidence);
        near(&object["confidences"][0], confidence);
        near(&object["confidences"][1], 1.0 - confidence);
        assert_eq!(object["labels"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn empty_unknown_label_makes_a_gap() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} unknown-label=\"\" ! catdogtext name=text ! fakesink name=sink",
        source()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), cue);
    let gaps: Seen<(u64, Option<u64>)> = Seen::default();
    let noted = gaps.clone();
    pipeline.pad("sink", "sink").add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::EventView::Gap(gap)) = info.event().map(|event| event.view()) {
            let (start, duration) = gap.get();
            noted.lock().unwrap().push((start.mseconds(), duration.map(|d| d.mseconds())));
        }
        gst::PadProbeReturn::Ok
    });
    feed(&pipeline);
    let want: Vec<_> = film_cues(text).into_iter().filter(|cue| cue.0 != "unknown").collect();
    assert_eq!(spans(&taken(&seen)), want);
    let (silence, starts): (Vec<_>, Vec<_>) =
        taken(&gaps).into_iter().partition(|(_, duration)| duration.is_some());
    assert_eq!(silence, [(1600, Some(200))]);
    assert_eq!(starts.first(), Some(&(0, None)), "the sinks need it to start");
}

#[test]
fn maximum_cue_duration_is_an_int_in_ms() {
    init();
    let text = gst::ElementFactory::make("catdogtext").build().unwrap();
    assert_eq!(text.property::<i32>("max-cue-duration"), -1);
    text.set_property("max-cue-duration", 400);
    assert_eq!(text.property::<i32>("max-cue-duration"), 400);
}

#[test]
fn cue_is_not_longer_than_the_maximum_duration() {
    let cues = spans(&cues_of("catdogtext max-cue-duration=400"));
    assert!(cues.iter().all(|(_, start, end)| end - start <= 400));
    assert_eq!(cues.iter().filter(|(_, start, end)| end - start == 400).count(), 3 + 1 + 3 + 3);
    assert_eq!(joined(cues), film_cues(text));
    let frames = cues_of("catdogtext max-cue-duration=0");
    assert_eq!(frames.len(), colors().count());
    assert_eq!(joined(spans(&frames)), film_cues(text));
}

#[test]
fn frames_without_timestamps_make_cues_without_timestamps() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! catdogtext ! appsink name=sink sync=false",
        source().replace("format=time", "format=time do-timestamp=false")
    ));
    pipeline.begin(gst::State::Playing);
    for color in [GREEN, GREEN, BLUE] {
        let mut buffer = picture(0, color);
        let fields = buffer.get_mut().unwrap();
        fields.set_pts(None);
        fields.set_dts(None);
        fields.set_duration(None);
        assert_eq!(push(&pipeline, &buffer), gst::FlowReturn::Ok);
        let want = Cue { text: text(color).into(), start: None, duration: None };
        assert_eq!(cue(&pull(&pipeline)), want);
    }
}

// Properties

#[test]
fn markup_is_negotiated_if_the_format_has_markup() {
    for (format, markup, want) in [
        ("{label}", false, "cat"),
        ("<b>{label}</b>", true, "<b>cat</b>"),
        ("{label} &amp; {percent}", true, "cat &amp; 71 %"),
    ] {
        let pipeline = launch(&format!(
            "{} ! {FILTER} ! catdogtext text-format=\"{format}\" ! fakesink name=sink",
            source()
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), cue);
        feed(&pipeline);
        let caps = caps_at(&pipeline, "sink");
        let kind = caps.structure(0).unwrap().get::<String>("format").unwrap();
        assert_eq!(kind, if markup { "pango-markup" } else { "utf8" }, "{format}");
        assert_eq!(taken(&seen)[0].text, want);
    }
    // Downstream takes plain text only.
    for (format, want) in [("<b>{label}</b>", "cat"), ("R&amp;D <i>{percent}</i>", "R&D 71 %")] {
        let plain =
            cues_of(&format!("catdogtext text-format=\"{format}\" ! text/x-raw,format=utf8"));
        assert_eq!(plain[0].text, want);
    }
}

#[test]
fn markup_can_change_while_playing() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! catdogtext name=text max-cue-duration=0 ! appsink name=sink sync=false",
        source()
    ));
    pipeline.begin(gst::State::Playing);
    let text = pipeline.get("text");
    for (index, (format, want, kind)) in [
        ("{label}", "cat", "utf8"),
        ("<b>{label}</b>", "<b>cat</b>", "pango-markup"),
        ("{broken", "<b>cat</b>", "pango-markup"),
        ("cats & dogs: {label}", "cats & dogs: cat", "utf8"),
    ]
    .into_iter()
    .enumerate()
    {
        text.set_property("text-format", format);
        assert_eq!(cue(&through(&pipeline, picture(index as u64, GREEN))).text, want);
        let caps = caps_at(&pipeline, "sink");
        assert_eq!(caps.structure(0).unwrap().get::<String>("format").unwrap(), kind, "{format}");
    }
}

#[test]
fn caps_with_ranges_are_fixated() {
    let cues = cues_of("catdogtext ! text/x-raw,format=utf8,x=[1,5]");
    assert_eq!(spans(&cues), film_cues(text));
}

#[test]
fn invalid_format_is_an_error_at_start_and_a_warning_while_playing() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! catdogtext name=text text-format={{labels}} ! fakesink",
        source()
    ));
    assert!(pipeline.set_state(gst::State::Paused).is_err());
    let errors = pipeline.errors();
    assert!(errors[0].1.contains("{labels}") && errors[0].1.contains("{label}"), "{errors:?}");

    let pipeline = launch(&format!(
        "{} ! {FILTER} ! catdogtext text-format=\"<b>{{label}}\" ! fakesink",
        source()
    ));
    assert!(pipeline.set_state(gst::State::Paused).is_err());
    let want = "text-format=\"<b>{label}\" is not valid Pango markup at character 1: <b> is not \
                closed; add </b>";
    assert_eq!(pipeline.errors()[0].1, want);

    let pipeline = launch(&format!(
        "{} ! {FILTER} ! catdogtext name=text max-cue-duration=0 ! appsink name=sink sync=false",
        source()
    ));
    pipeline.begin(gst::State::Playing);
    let text_of = |index| cue(&through(&pipeline, picture(index, GREEN))).text;
    assert_eq!(text_of(0), "cat 71 %");
    pipeline.get("text").set_property("text-format", "{nothing}");
    assert_eq!(text_of(1), "cat 71 %");
    assert_eq!(pipeline.warnings().len(), 1);
    pipeline.get("text").set_property("text-format", "a {label}");
    assert_eq!(text_of(2), "a cat");
    assert!(pipeline.warnings().is_empty());
}

#[test]
fn element_property_selects_the_results() {
    let two = "catdogfilter name=strict model-file={model} class-confidence-threshold=0.73 \
               ! catdogfilter name=eager model-file={model} class-confidence-threshold=0 post-messages=none";
    let first = |text: &str| {
        let pipeline =
            launch(&with_model(&format!("{} ! {two} ! {text} ! fakesink name=sink", source())));
        let seen = collect(&pipeline.pad("sink", "sink"), cue);
        feed(&pipeline);
        (taken(&seen).first().map(|cue| cue.text.clone()), pipeline.warnings())
    };
    assert_eq!(first("catdogtext text-format={label}").0.unwrap(), "cat", "the nearest");
    assert_eq!(first("catdogtext text-format={label} element=eager").0.unwrap(), "cat");
    assert_eq!(first("catdogtext text-format={label} element=strict").0.unwrap(), "unknown");
}

#[test]
fn missing_results_cause_one_warning() {
    for (text, named) in
        [("catdogtext", "no results:"), ("catdogtext element=other", "element=other")]
    {
        let between = if text == "catdogtext" { "identity" } else { FILTER };
        let pipeline = launch(&format!("{} ! {between} ! {text} ! fakesink name=sink", source()));
        let seen = collect(&pipeline.pad("sink", "sink"), cue);
        let messages = feed(&pipeline);
        let warnings: Vec<String> = messages
            .iter()
            .filter_map(|message| match message.view() {
                gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].contains(named) && warnings[0].contains("put catdogfilter upstream"),
            "{warnings:?}"
        );
        assert!(taken(&seen).is_empty());
    }
}

// The stream

#[test]
fn flush_discards_the_open_cue() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! catdogtext name=text ! fakesink name=sink async=false",
        source()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), cue);
    let arrived = collect(&pipeline.pad("text", "sink"), |_| ());
    pipeline.begin(gst::State::Playing);
    for index in 0..5 {
        assert_eq!(push(&pipeline, &picture(index, GREEN)), gst::FlowReturn::Ok);
    }
    wait_until("the frames arrived", || arrived.lock().unwrap().len() == 5);
    let source = pipeline.get("src");
    assert!(source.send_event(gst::event::FlushStart::new()));
    assert!(source.send_event(gst::event::FlushStop::new(true)));
    assert_eq!(push(&pipeline, &picture(10, BLUE)), gst::FlowReturn::Ok);
    end(&pipeline);
    pipeline.wait_for_eos();
    assert_eq!(spans(&taken(&seen)), [("dog 75 %".to_owned(), 400, 440)]);
}

#[test]
fn qos_of_late_cues_does_not_reach_upstream() {
    let pipeline =
        launch(&format!("{} ! {FILTER} ! catdogtext name=text ! fakesink name=sink", source()));
    let reached: Seen<()> = Seen::default();
    let noted = reached.clone();
    pipeline.pad("filter", "src").add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
        if let Some(gst::EventView::Qos(_)) = info.event().map(|event| event.view()) {
            noted.lock().unwrap().push(());
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.begin(gst::State::Playing);
    assert_eq!(push(&pipeline, &picture(0, GREEN)), gst::FlowReturn::Ok);
    wait_until("it plays", || pipeline.pad("sink", "sink").current_caps().is_some());
    let qos =
        gst::event::Qos::new(gst::QOSType::Underflow, 2.0, 1_000_000_000, gst::ClockTime::SECOND);
    assert!(pipeline.pad("sink", "sink").push_event(qos));
    assert!(taken(&reached).is_empty());
    end(&pipeline);
    pipeline.wait_for_eos();
}

#[test]
fn textoverlay_with_cues_draws_the_same_pixels_as_with_catdogfilter() {
    let drawn = |description: &str| {
        let pipeline = launch(&format!(
            "{} ! {FILTER} {description} ! fakesink name=sink",
            appsrc(&caps("RGBx", 320, 240))
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), |buffer| {
            (buffer.pts(), buffer.map_readable().unwrap().to_vec())
        });
        pipeline.begin(gst::State::Playing);
        for (index, color) in (0..).zip(colors().step_by(3)) {
            let pixels = packed(gst_video::VideoFormat::Rgbx, 320, 240, |_, _| color);
            assert_eq!(push(&pipeline, &frame(index, pixels)), gst::FlowReturn::Ok);
        }
        end(&pipeline);
        pipeline.wait_for_eos();
        taken(&seen)
    };
    let want = drawn("! textoverlay");
    assert!(want.len() > 30);
    for between in ["queue !", ""] {
        let got = drawn(&format!(
            "! tee name=t ! queue ! overlay.video_sink \
             t. ! {between} catdogtext ! overlay.text_sink textoverlay name=overlay"
        ));
        assert_eq!(got.len(), want.len());
        for ((time, pixels), (want_time, want_pixels)) in got.iter().zip(&want) {
            assert_eq!(time, want_time);
            assert!(pixels == want_pixels, "the frame at {time:?} is drawn differently");
        }
    }
}

/// The caps change while an encoder that looks ahead makes the muxer wait.
#[test]
fn change_of_caps_does_not_stall_a_muxer() {
    let test = "change_of_caps_does_not_stall_a_muxer";
    if lacks_elements(test, &["x264enc"]) {
        return;
    }
    for muxer in ["mp4mux", "matroskamux"] {
        let pipeline = launch(&format!(
            "{} ! {FILTER} ! tee name=t \
             t. ! queue ! videoconvert ! videoscale ! video/x-raw,format=I420,width=128,height=96 \
             ! x264enc ! {muxer} name=mux ! fakesink name=sink t. ! catdogtext ! mux.",
            source()
        ));
        pipeline.begin(gst::State::Playing);
        for index in 0..100 {
            assert_eq!(push(&pipeline, &picture(index, GREEN)), gst::FlowReturn::Ok);
        }
        pipeline.get("src").set_property("caps", caps("RGBx", 32, 24));
        for index in 100..200 {
            let pixels = packed(gst_video::VideoFormat::Rgbx, 32, 24, |_, _| GREEN);
            assert_eq!(push(&pipeline, &frame(index, pixels)), gst::FlowReturn::Ok);
        }
        end(&pipeline);
        pipeline.wait_for_eos();
    }
}

/// A sink waits for data when it starts, after a flush and before it pauses, but no cue is
/// complete, because the label stays the same.
#[test]
fn text_sink_does_not_block_seek_and_pause() {
    for text in ["fakesink", "webvttenc ! fakesink", "fakesink sync=true"] {
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=10000 pattern=blue \
             ! video/x-raw,format=I420,width=64,height=48,framerate=30/1 ! {FILTER} ! tee name=t \
             t. ! queue ! fakesink sync=true t. ! queue ! catdogtext ! {text}"
        ));
        pipeline.play();
        for seconds in [20, 3] {
            let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
            pipeline.seek_simple(flags, gst::ClockTime::from_seconds(seconds)).unwrap();
            pipeline.reach(gst::State::Playing);
            pipeline.reach(gst::State::Paused);
            pipeline.play();
        }
    }
}

#[test]
fn new_segment_ends_a_cue_and_in_reverse_each_frame_is_a_cue() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! catdogtext name=text ! fakesink name=sink async=false",
        source()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), cue);
    let arrived = collect(&pipeline.pad("text", "sink"), |_| ());
    let feed = |indices: &[u64], count: usize| {
        for index in indices {
            assert_eq!(push(&pipeline, &picture(*index, GREEN)), gst::FlowReturn::Ok);
        }
        wait_until("the frames arrived", || arrived.lock().unwrap().len() == count);
    };
    pipeline.begin(gst::State::Playing);
    feed(&[0, 1, 2], 3);
    let segment = |rate: f64| {
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_rate(rate);
        segment.set_start(FRAME * 3);
        segment.set_stop(FRAME * 100);
        assert!(pipeline.pad("src", "src").push_event(gst::event::Segment::new(&segment)));
    };
    segment(1.0);
    feed(&[3, 4], 5);
    segment(-1.0);
    feed(&[9, 8, 7], 8);
    end(&pipeline);
    pipeline.wait_for_eos();
    let spans: Vec<(u64, u64)> =
        spans(&taken(&seen)).into_iter().map(|(_, start, end)| (start, end)).collect();
    assert_eq!(spans, [(0, 120), (120, 200), (360, 400), (320, 360), (280, 320)]);
}

#[test]
fn text_has_its_own_stream_id() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! catdogtext name=text ! fakesink name=sink async=false",
        source()
    ));
    let pads = ["text", "sink"].map(|element| pipeline.pad(element, "sink"));
    pipeline.begin(gst::State::Playing);
    assert_eq!(push(&pipeline, &picture(0, GREEN)), gst::FlowReturn::Ok);
    let mut tags = gst::TagList::new();
    let fields = tags.get_mut().unwrap();
    fields.add::<gst::tags::VideoCodec>(&"a codec", gst::TagMergeMode::Replace);
    fields.set_scope(gst::TagScope::Stream);
    assert!(pipeline.get("src").send_event(gst::event::Tag::new(tags)));
    assert_eq!(push(&pipeline, &picture(1, GREEN)), gst::FlowReturn::Ok);
    end(&pipeline);
    pipeline.wait_for_eos();
    let [video, text] = pads.map(|pad| {
        let start = pad.sticky_event::<gst::event::StreamStart>(0).unwrap();
        let tagged = pad.sticky_event::<gst::event::Tag>(0).is_some();
        (start.stream_id().to_string(), start.stream_flags(), start.group_id(), tagged)
    });
    assert_ne!(text.0, video.0);
    assert!(text.0.starts_with(&video.0));
    assert_eq!((text.1, text.2), (gst::StreamFlags::SPARSE, video.2));
    assert_eq!((video.3, text.3), (true, false));
}

#[test]
fn allocation_query_accepts_any_layout() {
    let pipeline = launch("catdogtext name=text ! fakesink");
    pipeline.begin(gst::State::Paused);
    let mut query = gst::query::Allocation::new(Some(&caps("I420", 64, 48)), true);
    assert!(pipeline.pad("text", "sink").query(&mut query));
    assert!(query.find_allocation_meta::<gst_video::VideoMeta>().is_some());
}

#[test]
fn pipeline_with_a_muxer_stops_at_any_time() {
    for delay in [0, 5, 50, 200] {
        let pipeline = launch(&format!(
            "videotestsrc ! video/x-raw,format=I420,width=320,height=240 ! {FILTER} ! tee name=t \
             t. ! queue ! textoverlay ! fakesink t. ! catdogtext ! mux. \
             t. ! queue ! jpegenc ! matroskamux name=mux ! fakesink"
        ));
        pipeline.begin(gst::State::Playing);
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let begin = std::time::Instant::now();
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(
            begin.elapsed() < std::time::Duration::from_secs(2),
            "after {delay} ms: {:?}",
            begin.elapsed()
        );
    }
}

// Files

/// The cues of a WebVTT or SRT file: both have a line "start --> end" and then the text.
fn subtitles(text: &str) -> Vec<Span> {
    let time = |text: &str| {
        let digits = |text: &str| text.parse::<u64>().unwrap();
        let (rest, ms) = text.trim().rsplit_once([',', '.']).unwrap();
        rest.split(':').fold(0, |sum, part| sum * 60 + digits(part)) * 1000 + digits(ms)
    };
    let blocks = text.split("\n\n").filter_map(|block| {
        let (before, rest) = block.split_once(" --> ")?;
        let (end, text) = rest.split_once('\n')?;
        Some((text.trim().to_owned(), time(before.lines().last()?), time(end)))
    });
    blocks.collect()
}

#[test]
fn subtitle_files_and_json_are_written_while_video_plays() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    // The first branch is synchronized to the clock after its first frame.
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! tee name=t t. ! queue ! textoverlay ! fakesink sync=true \
         t. ! queue ! catdogtext ! webvttenc ! filesink location={} \
         t. ! catdogtext ! srtenc ! filesink location={} \
         t. ! catdogtext ! application/x-json ! filesink location={}",
        source(),
        file("film.vtt").display(),
        file("film.srt").display(),
        file("film.jsonl").display()
    ));
    feed(&pipeline);
    let read = |name| std::fs::read_to_string(file(name)).unwrap();
    assert!(read("film.vtt").starts_with("WEBVTT\n"));
    assert_eq!(subtitles(&read("film.vtt")), film_cues(text));
    assert_eq!(subtitles(&read("film.srt")), film_cues(text));
    let labels: Vec<String> = read("film.jsonl")
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["label"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(labels, film_cues(label).into_iter().map(|cue| cue.0).collect::<Vec<_>>());
}

/// The output of FFmpeg's `program` for `file`; `None` if it is not installed.
fn ffmpeg(test: &str, program: &str, arguments: &[&str], file: &Path) -> Option<String> {
    match Command::new(program).args(["-v", "error", "-i"]).arg(file).args(arguments).output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && errors.is_empty(), "{program}: {errors}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            skip(test, &format!("{program} does not run: {error}"));
            None
        }
    }
}

/// The cues of a recording as FFmpeg reads them, and the number of video packets.
fn recorded(test: &str, file: &Path) -> Option<(Vec<Span>, usize)> {
    let count = [
        "-select_streams",
        "v",
        "-count_packets",
        "-show_entries",
        "stream=nb_read_packets",
        "-of",
        "csv=p=0",
    ];
    let frames = ffmpeg(test, "ffprobe", &count, file)?;
    let cues = ffmpeg(test, "ffmpeg", &["-map", "0:s:0", "-f", "webvtt", "-"], file)?;
    Some((subtitles(&cues), frames.trim().parse().unwrap()))
}

/// Records the film with a subtitle track. `queue` is in front of the encoder, `counts` is the
/// allowed number of cues.
fn record(
    test: &str,
    (width, height): (u32, u32),
    queue: &str,
    encoder: &str,
    muxer: &str,
    counts: std::ops::RangeInclusive<usize>,
) {
    let (name, _) = encoder.split_once(' ').unwrap_or((encoder, ""));
    if lacks_elements(test, &[name]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("film");
    let pipeline = launch(&format!(
        "{} ! videoscale ! video/x-raw,width={width},height={height} ! {FILTER} ! tee name=t \
         t. ! {queue} ! videoconvert ! video/x-raw,format=I420 ! {encoder} ! {muxer} name=mux \
         ! filesink location={} t. ! queue ! catdogtext ! mux.",
        source(),
        file.display()
    ));
    feed(&pipeline);
    let Some((cues, frames)) = recorded(test, &file) else { return };
    say(&format!("{test}, {queue}, {encoder}, {muxer}: {} cues", cues.len()));
    assert_eq!(frames, colors().count(), "every frame is there");
    assert!(counts.contains(&cues.len()), "{cues:?}");
    assert!(cues.iter().all(|(_, start, end)| end - start <= 501), "{cues:?}");
    let near = |(got, want): (&Span, &Span)| {
        assert!(
            got.0 == want.0 && got.1.abs_diff(want.1) <= 1 && got.2.abs_diff(want.2) <= 1,
            "{got:?} for {want:?}"
        );
    };
    let joined = joined(cues);
    assert_eq!(joined.len(), FILM.len(), "{joined:?}");
    joined.iter().zip(&film_cues(text)).for_each(near);
}

#[test]
fn recording_has_a_subtitle_track() {
    let _guard = ENCODERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let test = "recording_has_a_subtitle_track";
    for (encoder, muxer) in [
        // The first encoder looks ahead: it takes dozens of frames before it produces one.
        ("x264enc", "mp4mux"),
        ("x264enc tune=zerolatency speed-preset=ultrafast", "mp4mux"),
        ("x264enc speed-preset=ultrafast", "matroskamux"),
        ("x264enc tune=zerolatency speed-preset=ultrafast", "matroskamux"),
        ("vp8enc deadline=1", "webmmux"),
    ] {
        // 11 cues: one per half second and one at each change. With mp4mux, one or two stalls add
        // cues.
        record(test, (320, 240), "queue", encoder, muxer, 11..=25);
    }
}

/// A queue holds three such frames, and the muxer takes no further ones before it has the text for
/// them.
#[test]
fn recording_of_large_frames_does_not_stall() {
    let _guard = ENCODERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let test = "recording_of_large_frames_does_not_stall";
    let encoder = "x264enc tune=zerolatency speed-preset=ultrafast";
    for muxer in ["mp4mux", "matroskamux"] {
        record(test, (1920, 1080), "queue", encoder, muxer, 11..=colors().count());
        record(test, (1920, 1080), "queue max-size-bytes=0", encoder, muxer, 11..=25);
    }
}

#[test]
fn live_recording_has_every_frame_and_its_subtitles() {
    let _guard = ENCODERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let test = "live_recording_has_every_frame_and_its_subtitles";
    if lacks_elements(test, &["x264enc"]) {
        return;
    }
    for muxer in ["mp4mux", "matroskamux"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("live");
        let pipeline = launch(&format!(
            "videotestsrc is-live=true num-buffers=60 pattern=blue \
             ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 \
             ! {FILTER} mode=sync ! tee name=t \
             t. ! queue ! fakesink name=window sync=true \
             t. ! queue ! x264enc tune=zerolatency ! {muxer} name=mux ! filesink location={} \
             t. ! catdogtext text-format={{label}} ! mux.",
            file.display()
        ));
        let shown = collect(&pipeline.pad("window", "sink"), |_| ());
        pipeline.run();
        assert_eq!(taken(&shown).len(), 60);
        let Some((cues, frames)) = recorded(test, &file) else { return };
        assert_eq!(frames, 60, "{muxer}");
        let joined = joined(cues);
        say(&format!("{test}, {muxer}: {joined:?}"));
        assert!(joined.iter().all(|cue| cue.0 == "dog"));
        let length: u64 = joined.iter().map(|cue| cue.2 - cue.1).sum();
        assert!(length.abs_diff(2000) < 50, "{joined:?}");
    }
}

// Gaps

/// Feeds the film without every third frame; `replace` sends something else from the pad instead.
/// Returns the cues.
fn cues_with_gaps(
    replace: impl Fn(&gst::Pad, &gst::BufferRef) + Send + Sync + 'static,
) -> Vec<Cue> {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! identity name=before ! catdogtext name=text ! application/x-json \
         ! fakesink name=sink",
        source()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), cue);
    pipeline.pad("before", "src").add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        let is_missing =
            buffer.size() > 0 && (buffer.pts().unwrap().nseconds() / FRAME.nseconds()) % 3 == 1;
        if !is_missing {
            return gst::PadProbeReturn::Ok;
        }
        replace(pad, buffer);
        gst::PadProbeReturn::Drop
    });
    feed(&pipeline);
    taken(&seen)
}

#[test]
fn short_gap_does_not_end_a_cue() {
    let with_events = cues_with_gaps(|pad, buffer| {
        let gap = gst::event::Gap::builder(buffer.pts().unwrap()).duration(buffer.duration());
        assert!(pad.push_event(gap.build()));
    });
    let with_buffers = cues_with_gaps(|pad, buffer| {
        let mut empty = gst::Buffer::new();
        let fields = empty.get_mut().unwrap();
        fields.set_pts(buffer.pts());
        fields.set_duration(buffer.duration());
        fields.set_flags(gst::BufferFlags::GAP);
        pad.push(empty).unwrap();
    });
    for cues in [with_events, with_buffers] {
        assert_eq!(cues.len(), FILM.len(), "{cues:?}");
        for (cue, (name, start, end)) in cues.iter().zip(film_cues(label)) {
            assert!(cue.text.contains(&format!("\"label\":\"{name}\"")), "{cue:?}");
            assert!(cue.start.unwrap().abs_diff(start) <= 40, "{cue:?} for {start}");
            let cue_end = cue.start.unwrap() + cue.duration.unwrap();
            assert!(cue_end.abs_diff(end) <= 40, "{cue:?} for {end}");
        }
    }
}

#[test]
fn long_gap_ends_a_cue() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! catdogtext name=text ! fakesink name=sink async=false",
        source()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), cue);
    let arrived = collect(&pipeline.pad("text", "sink"), |_| ());
    pipeline.begin(gst::State::Playing);
    for index in 0..3 {
        assert_eq!(push(&pipeline, &picture(index, GREEN)), gst::FlowReturn::Ok);
    }
    wait_until("the frames arrived", || arrived.lock().unwrap().len() == 3);
    for index in 3..12 {
        let gap = gst::event::Gap::builder(FRAME * index).duration(FRAME).build();
        assert!(pipeline.pad("src", "src").push_event(gap));
    }
    assert_eq!(push(&pipeline, &picture(12, GREEN)), gst::FlowReturn::Ok);
    end(&pipeline);
    pipeline.wait_for_eos();
    let want = [("cat 71 %".to_owned(), 0, 120), ("cat 71 %".to_owned(), 480, 520)];
    assert_eq!(spans(&taken(&seen)), want);
}

// WebVTT

#[test]
fn webvtt_file_has_escaped_labels_and_no_pango_markup() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("film.vtt");
    for (caps, format, want) in [
        ("", "{label} {percent}", "cat &amp; &lt;dog&gt; 71 %".to_owned()),
        ("text/x-raw,format=utf8 !", "{label}", "cat &amp; &lt;dog&gt;".to_owned()),
        (
            "",
            "<b>{label}</b> <span color='red'>&lt;{percent}&gt;</span>",
            "<b>cat &amp; &lt;dog&gt;</b> &lt;71 %&gt;".to_owned(),
        ),
    ] {
        let pipeline = launch(&format!(
            "{} ! {FILTER} labels=\"cat & <dog>,other\" ! catdogtext text-format=\"{format}\" \
             ! {caps} queue ! webvttenc ! filesink location={}",
            source(),
            file.display()
        ));
        feed(&pipeline);
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.split("\n\n").nth(1).unwrap().lines().last(), Some(&*want), "{text}");
    }
}

// splitmuxsink

/// A file of `splitmuxsink`: the start of its video, and start and duration of its cues, in ms.
type Segment = (u64, Vec<(u64, u64)>);

fn segment(test: &str, file: &Path) -> Option<Segment> {
    let ms = |text: &str| text.parse::<f64>().map_or(0, |seconds| (seconds * 1e3).round() as u64);
    let video = ["-select_streams", "v", "-show_entries", "stream=start_time", "-of", "csv=p=0"];
    let video = ffmpeg(test, "ffprobe", &video, file)?;
    let entries = "packet=pts_time,duration_time,size";
    let text = ["-select_streams", "s", "-show_entries", entries, "-of", "csv=p=0"];
    let packets = ffmpeg(test, "ffprobe", &text, file)?;
    let cues = packets.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        // An MP4 file has an empty sample of two bytes after each cue.
        (fields[2] != "2").then(|| (ms(fields[0]), ms(fields[1])))
    });
    Some((ms(video.trim()), cues.collect()))
}

/// Records ten seconds with one label in files of two seconds.
fn segments(test: &str, (width, height): (u32, u32), encoder: &str, muxer: &str) -> Vec<Segment> {
    if lacks_elements(test, &["x264enc"]) {
        return Vec::new();
    }
    let folder = tempfile::tempdir().unwrap();
    launch(&format!(
        "videotestsrc num-buffers=300 pattern=blue \
         ! video/x-raw,format=I420,width={width},height={height},framerate=30/1 ! {FILTER} \
         ! tee name=t t. ! queue ! {encoder} ! h264parse ! splitmuxsink name=split muxer={muxer} \
         max-size-time=2000000000 location={}/%02d t. ! queue ! catdogtext ! split.subtitle_0",
        folder.path().display()
    ))
    .run();
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map_while(|file| segment(test, file)).collect()
}

#[test]
fn each_file_of_splitmuxsink_begins_with_its_text() {
    let _guard = ENCODERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let test = "each_file_of_splitmuxsink_begins_with_its_text";
    for muxer in ["mp4mux", "matroskamux"] {
        for (size, encoder) in [
            // The keyframes are not at multiples of half a second, so they are inside cues.
            ((320, 240), "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=37"),
            // The encoder looks ahead: the text is ahead of the video.
            ((320, 240), "x264enc speed-preset=ultrafast key-int-max=37"),
            // This encoder produces B-frames.
            ((320, 240), "x264enc key-int-max=37"),
            // The queue holds seven frames only.
            ((1280, 720), "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=37"),
        ] {
            let segments = segments(test, size, encoder, muxer);
            for (video, cues) in &segments {
                assert!(cues[0].0.abs_diff(*video) <= 1, "{muxer}, {encoder}: {segments:?}");
                for (start, duration) in cues {
                    assert!(
                        (1..=501).contains(duration),
                        "{muxer}, {encoder}: {start} {segments:?}"
                    );
                }
                for pair in cues.windows(2) {
                    assert!(pair[1].0.abs_diff(pair[0].0 + pair[0].1) <= 2, "{segments:?}");
                }
            }
            let count: usize = segments.iter().map(|(_, cues)| cues.len()).sum();
            say(&format!("{test}, {muxer}, {size:?}, {encoder}: {count} cues"));
            // 28 without a stall; a slow machine or a small queue adds some for each of the nine
            // keyframes.
            assert!(count <= 60, "{muxer}, {encoder}: {segments:?}");
        }
    }
}

/// `splitmuxsink` ignores gap events, so it needs buffers for the time without text.
#[test]
fn splitmuxsink_does_not_wait_for_text_that_does_not_come() {
    let _guard = ENCODERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let test = "splitmuxsink_does_not_wait_for_text_that_does_not_come";
    let encoder = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=37";
    if lacks_elements(test, &["x264enc"]) {
        return;
    }
    for muxer in ["mp4mux", "matroskamux"] {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=200 pattern=red \
             ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 \
             ! {FILTER} unknown-label=\"\" class-confidence-threshold=1 ! tee name=t \
             t. ! queue ! {encoder} ! h264parse ! splitmuxsink name=split muxer={muxer} \
             max-size-time=2000000000 location={}/%02d t. ! queue ! catdogtext ! split.subtitle_0",
            folder.path().display()
        ));
        let begin = std::time::Instant::now();
        pipeline.run();
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "{muxer}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5, "{muxer}");
    }
}

#[test]
fn pipeline_with_splitmuxsink_stops_while_a_cue_waits_for_the_video() {
    let _guard = ENCODERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if lacks_elements("pipeline_with_splitmuxsink_stops", &["x264enc"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for delay in [50, 300, 900] {
        let pipeline = launch(&format!(
            "videotestsrc is-live=true pattern=blue \
             ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! {FILTER} \
             ! tee name=t t. ! queue ! x264enc ! h264parse ! splitmuxsink name=split \
             muxer=matroskamux max-size-time=2000000000 location={}/%02d \
             t. ! queue ! catdogtext ! split.subtitle_0",
            folder.path().display()
        ));
        pipeline.begin(gst::State::Playing);
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let begin = std::time::Instant::now();
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(begin.elapsed() < std::time::Duration::from_secs(2), "{:?}", begin.elapsed());
    }
}

// Diagnostics

#[test]
fn held_cue_is_explained_in_the_debug_log() {
    let test = "held_cue_is_explained_in_the_debug_log";
    if job().is_none() {
        // The log of this process belongs to all tests.
        let output = child(test, "run").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    init();
    gst::log::remove_default_log_function();
    gst::log::set_threshold_for_name("catdogtext", gst::DebugLevel::Debug);
    let lines: Seen<String> = Seen::default();
    let noted = lines.clone();
    gst::log::add_log_function(move |category, level, _, _, _, _, message| {
        let text = message.get().map(|text| text.to_string()).unwrap_or_default();
        if category.name() == "catdogtext" && level == gst::DebugLevel::Debug {
            noted.lock().unwrap().push(text);
        }
    });
    let pipeline =
        launch(&format!("{} ! {FILTER} ! catdogtext ! matroskamux name=mux ! fakesink", source()));
    feed(&pipeline);
    let lines = taken(&lines);
    let want = "cue 'cat' open since 0:00:00.000000000, waiting for the next label, \
                at most 500 ms because of mux";
    assert_eq!(lines[..2], ["consumer of the cues: Muxer mux", want]);
    assert!(lines.len() <= 1 + FILM.len(), "{lines:?}");
}

#[test]
fn missing_watch_thread_causes_a_warning() {
    let test = "missing_watch_thread_causes_a_warning";
    if job().is_none() {
        // With a stack larger than the address space, no thread of Rust can be created.
        let output = child(test, "run").env("RUST_MIN_STACK", "1000000000000000").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let pipeline = launch(&format!("{} ! catdogtext name=text ! fakesink", source()));
    pipeline.begin(gst::State::Playing);
    assert_eq!(push(&pipeline, &picture(0, GREEN)), gst::FlowReturn::Ok);
    end(&pipeline);
    let messages = pipeline.wait_for_eos();
    let warned = messages.iter().any(|message| match message.view() {
        gst::MessageView::Warning(warning) => warning.error().to_string().contains("thread"),
        _ => false,
    });
    assert!(warned, "{messages:?}");
}
