//! The text of a textoverlay downstream belongs to the frame that it is drawn on, even if other
//! elements lie in between, and a text of the user is never changed.
//!
//! Every frame has one color, which the model classifies reliably, so the text of each frame is
//! known. The text is read when the drawn frame leaves the textoverlay, because only the streaming
//! thread that draws sets it. One test compares the drawn pixels.
//!
//! The file is long because all tests share the frames and the pipelines with an overlay.

use crate::common::*;
use gst::prelude::*;

const FRAMES: u64 = 60;

/// A pseudorandom color for each frame.
fn color(index: u64) -> [u8; 3] {
    [GREEN, BLUE, RED][Random(index).below(3)]
}

/// What the textoverlay shows on a frame of `color`, with the threshold of [`FILTER`].
fn text_for(color: [u8; 3]) -> &'static str {
    match color {
        GREEN => "cat 71 %",
        BLUE => "dog 75 %",
        _ => "unknown",
    }
}

const FILTER: &str = "catdogfilter name=filter model-file={model} class-confidence-threshold=0.6";

fn source() -> String {
    appsrc(&caps("RGBx", 64, 48))
}

fn picture(index: u64) -> gst::Buffer {
    frame(index, packed(gst_video::VideoFormat::Rgbx, 64, 48, |_, _| color(index)))
}

/// The value of the property `text`.
fn text(overlay: &gst::Element) -> String {
    overlay.property::<Option<String>>("text").unwrap_or_default()
}

/// Frame and text of each buffer that leaves the textoverlay called `name`.
fn drawn(pipeline: &Pipeline, name: &str) -> Seen<(u64, String)> {
    let overlay = pipeline.get(name).downgrade();
    collect(&pipeline.pad(name, "src"), move |buffer| {
        let index = buffer.pts().unwrap().nseconds() / FRAME.nseconds();
        (index, text(&overlay.upgrade().unwrap()))
    })
}

fn feed(pipeline: &Pipeline) {
    pipeline.begin(gst::State::Playing);
    for index in 0..FRAMES {
        assert_eq!(push(pipeline, &picture(index)), gst::FlowReturn::Ok);
    }
    end(pipeline);
    pipeline.wait_for_eos();
}

#[track_caller]
fn assert_exact(drawn: &Seen<(u64, String)>, what: &str) {
    let drawn = taken(drawn);
    assert_eq!(drawn.len() as u64, FRAMES, "{what}");
    for (index, (frame, text)) in drawn.iter().enumerate() {
        assert_eq!((*frame, &**text), (index as u64, text_for(color(*frame))), "{what}");
    }
}

// Frame-exact

#[test]
fn text_belongs_to_the_frame_it_is_drawn_on() {
    for between in [
        "",
        "queue max-size-buffers=1 !",
        "queue max-size-buffers=50 max-size-time=0 !",
        "videoscale ! video/x-raw,width=40,height=30 !",
        "videoconvert ! video/x-raw,format=I420 !",
        "queue ! videoconvert ! video/x-raw,format=BGRx ! queue ! videoscale ! queue !",
        "tee ! queue !",
        "identity ! videorate drop-only=true ! capsfilter !",
    ] {
        let pipeline = launch(&format!(
            "{} ! {FILTER} ! {between} textoverlay name=overlay ! queue ! fakesink sync=false",
            source()
        ));
        let drawn = drawn(&pipeline, "overlay");
        feed(&pipeline);
        assert_exact(&drawn, between);
        assert!(pipeline.warnings().is_empty());
    }
}

#[test]
fn overlays_on_both_branches_of_a_tee_show_the_label() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! tee name=t \
         t. ! queue max-size-buffers=50 max-size-time=0 ! textoverlay name=one ! fakesink \
         t. ! queue max-size-buffers=3 ! videoscale ! video/x-raw,width=32 \
         ! textoverlay name=two ! fakesink \
         t. ! queue ! fakesink",
        source()
    ));
    let (one, two) = (drawn(&pipeline, "one"), drawn(&pipeline, "two"));
    feed(&pipeline);
    assert_exact(&one, "first branch");
    assert_exact(&two, "second branch");
}

/// A bin whose pads are those of the elements "first" and "last".
fn bin(description: &str) -> gst::Bin {
    let description = with_model(description);
    let bin = gst::parse::bin_from_description(&description, false).unwrap();
    for (element, pad) in [("first", "sink"), ("last", "src")] {
        let Some(target) = bin.by_name(element).unwrap().static_pad(pad) else { continue };
        bin.add_pad(&gst::GhostPad::with_target(&target).unwrap()).unwrap();
    }
    bin
}

#[test]
fn overlay_is_found_across_bins() {
    init();
    // The overlay is two bins deep, the filter is in another bin.
    let inner = bin("queue name=first ! textoverlay name=overlay ! identity name=last");
    let outer = gst::Bin::new();
    outer.add(&inner).unwrap();
    for name in ["sink", "src"] {
        let target = inner.static_pad(name).unwrap();
        outer.add_pad(&gst::GhostPad::with_target(&target).unwrap()).unwrap();
    }
    let filter = bin(&format!("queue name=first ! {FILTER} ! identity name=last"));
    let pipeline = launch(&format!("{} ! identity name=before fakesink name=sink", source()));
    pipeline.add_many([&filter, &outer]).unwrap();
    gst::Element::link_many([
        &pipeline.get("before"),
        filter.upcast_ref(),
        outer.upcast_ref(),
        &pipeline.get("sink"),
    ])
    .unwrap();
    let drawn = drawn(&pipeline, "overlay");
    feed(&pipeline);
    assert_exact(&drawn, "bins");
}

/// The pixels of these frames after `elements`.
fn rendered(elements: &str, frames: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    let pipeline = launch(&format!(
        "{} ! {elements} ! fakesink name=sink sync=false",
        appsrc(&caps("RGBx", 320, 240))
    ));
    let seen =
        collect(&pipeline.pad("sink", "sink"), |buffer| buffer.map_readable().unwrap().to_vec());
    pipeline.begin(gst::State::Playing);
    for index in frames {
        let bytes = packed(gst_video::VideoFormat::Rgbx, 320, 240, |_, _| color(index));
        assert_eq!(push(&pipeline, &frame(index, bytes)), gst::FlowReturn::Ok);
    }
    end(&pipeline);
    pipeline.wait_for_eos();
    taken(&seen)
}

#[test]
fn drawn_pixels_equal_those_of_the_same_text_set_by_hand() {
    let drawn =
        rendered(&format!("{FILTER} ! queue max-size-buffers=9 ! textoverlay ! queue"), 0..12);
    assert_eq!(drawn.len(), 12);
    for (index, drawn) in drawn.iter().enumerate() {
        let index = index as u64;
        let text = text_for(color(index));
        let by_hand = &rendered(&format!("textoverlay text=\"{text}\""), index..index + 1)[0];
        let bare = &rendered("identity", index..index + 1)[0];
        assert!(drawn == by_hand, "frame {index} does not show \"{text}\"");
        assert!(drawn != bare, "frame {index} shows nothing");
    }
}

#[test]
fn label_with_markup_characters_is_drawn_literally() {
    let labels = "labels=\"R&D <b>cat</b>,d'\\\"g\"";
    let drawn = rendered(&format!("{FILTER} {labels} ! textoverlay"), 0..6);
    for (index, drawn) in drawn.iter().enumerate() {
        let index = index as u64;
        let text = match color(index) {
            GREEN => "R&amp;D &lt;b&gt;cat&lt;/b&gt; 71 %",
            BLUE => "d&apos;&quot;g 75 %",
            _ => "unknown",
        };
        let by_hand = &rendered(&format!("textoverlay text=\"{text}\""), index..index + 1)[0];
        assert!(drawn == by_hand, "frame {index} does not show \"{text}\"");
    }
}

// The format

/// `appsrc ! catdogfilter ! textoverlay ! appsink`, playing.
fn fed(filter: &str, overlay: &str) -> Pipeline {
    let pipeline = launch(&format!(
        "{} ! {FILTER} {filter} ! textoverlay name=overlay {overlay} \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGBx", 64, 48))
    ));
    pipeline.begin(gst::State::Playing);
    pipeline
}

/// The text after a frame of `color` went through.
fn shown(pipeline: &Pipeline, color: [u8; 3]) -> String {
    let mut buffer =
        gst::Buffer::from_mut_slice(packed(gst_video::VideoFormat::Rgbx, 64, 48, |_, _| color));
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    buffer.get_mut().unwrap().set_duration(FRAME);
    through(pipeline, buffer);
    text(&pipeline.get("overlay"))
}

#[test]
fn format_can_change_while_playing() {
    let pipeline = fed("text-format=\"<b>{label}</b> {confidence}\"", "");
    assert_eq!(shown(&pipeline, BLUE), "<b>dog</b> 0.75");
    let filter = pipeline.get("filter");
    filter.set_property("text-format", "{results}");
    assert_eq!(shown(&pipeline, BLUE), "dog 75 %\ncat 25 %");
    // A format that cannot be used leaves the previous one in use.
    filter.set_property("text-format", "{result}");
    assert_eq!(shown(&pipeline, GREEN), "cat 71 %\ndog 29 %");
    filter.set_property("text-format", "it is a {label}");
    assert_eq!(shown(&pipeline, GREEN), "it is a cat");
    filter.set_property("unknown-label", "");
    assert_eq!(shown(&pipeline, RED), "");
    assert_eq!(shown(&pipeline, GREEN), "it is a cat");
    filter.set_property("text-format", None::<&str>);
    assert_eq!(shown(&pipeline, GREEN), "");
}

// Texts of the user

#[test]
fn text_set_before_start_is_the_users() {
    let pipeline = fed("", "text=mine");
    for color in [GREEN, BLUE, RED] {
        assert_eq!(shown(&pipeline, color), "mine");
    }
    pipeline.reach(gst::State::Ready);
    assert_eq!(text(&pipeline.get("overlay")), "mine");
}

#[test]
fn text_that_is_not_utf_8_is_the_users() {
    use std::os::unix::ffi::OsStrExt;
    let latin1 = std::path::Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let pipeline = fed("", "");
    assert_eq!(shown(&pipeline, GREEN), "cat 71 %");
    let overlay = pipeline.get("overlay");
    // With `silent`, the overlay does not draw this text, which it cannot do.
    overlay.set_property("silent", true);
    overlay.set_property("text", latin1);
    let mut buffer =
        gst::Buffer::from_mut_slice(packed(gst_video::VideoFormat::Rgbx, 64, 48, |_, _| BLUE));
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    through(&pipeline, buffer);
    assert_eq!(overlay.property::<std::path::PathBuf>("text"), latin1);
    overlay.set_property("text", "");
}

#[test]
fn frame_without_a_result_shows_no_text() {
    let pipeline = fed("", "");
    assert_eq!(shown(&pipeline, GREEN), "cat 71 %");
    pipeline.get("filter").set_property("active", false);
    assert_eq!(shown(&pipeline, GREEN), "");
    pipeline.get("filter").set_property("active", true);
    assert_eq!(shown(&pipeline, BLUE), "dog 75 %");
}

#[test]
fn filters_that_share_an_overlay_write_the_text_of_their_own_frames() {
    let branch = |index: u32| {
        let source = appsrc(&caps("RGBx", 64, 48)).replace("name=src", &format!("name=src{index}"));
        format!(
            "{source} ! catdogfilter name=filter{index} model-file={{model}} \
             text-format=\"{index} {{label}}\" ! funnel. "
        )
    };
    let pipeline = launch(&format!(
        "funnel name=funnel ! textoverlay name=overlay ! appsink name=sink sync=false {}{}",
        branch(0),
        branch(1)
    ));
    pipeline.begin(gst::State::Playing);
    for _ in 0..3 {
        for (source, color, text_of_it) in [("src0", GREEN, "0 cat"), ("src1", BLUE, "1 dog")] {
            let frame = packed(gst_video::VideoFormat::Rgbx, 64, 48, |_, _| color);
            let mut buffer = gst::Buffer::from_mut_slice(frame);
            buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
            let pushed: gst::FlowReturn =
                pipeline.get(source).emit_by_name("push-buffer", &[&buffer]);
            assert_eq!(pushed, gst::FlowReturn::Ok);
            drop(buffer);
            pull(&pipeline);
            assert_eq!(text(&pipeline.get("overlay")), text_of_it);
        }
    }
}

#[test]
fn text_set_while_playing_stays_the_users() {
    let pipeline = fed("", "");
    assert_eq!(shown(&pipeline, GREEN), "cat 71 %");
    let overlay = pipeline.get("overlay");
    overlay.set_property("text", "mine");
    for color in [GREEN, BLUE, RED] {
        assert_eq!(shown(&pipeline, color), "mine");
    }
    // An empty text is a text of the user, too.
    overlay.set_property("text", "");
    assert_eq!(shown(&pipeline, BLUE), "");
    overlay.set_property("text", "mine again");
    pipeline.reach(gst::State::Ready);
    assert_eq!(text(&overlay), "mine again");
}

#[test]
fn overlay_with_a_linked_text_pad_is_not_touched() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! textoverlay name=overlay wait-text=false ! fakesink sync=false \
         appsrc name=words format=time caps=text/x-raw,format=utf8 ! overlay.text_sink",
        source()
    ));
    let drawn = drawn(&pipeline, "overlay");
    feed_words(&pipeline);
    feed(&pipeline);
    let drawn = taken(&drawn);
    assert_eq!(drawn.len() as u64, FRAMES);
    assert!(drawn.iter().all(|(_, text)| text.is_empty()), "{drawn:?}");
}

fn feed_words(pipeline: &Pipeline) {
    let words = pipeline.get("words");
    let mut buffer = gst::Buffer::from_slice("subtitles");
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    buffer.get_mut().unwrap().set_duration(FRAME * FRAMES);
    let _ = words.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
    let _ = words.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
}

#[test]
fn overlay_property_can_change_while_playing() {
    let pipeline = fed("overlay=none", "");
    assert_eq!(shown(&pipeline, GREEN), "");
    let filter = pipeline.get("filter");
    filter.set_property_from_str("overlay", "auto");
    assert_eq!(shown(&pipeline, GREEN), "cat 71 %");
    filter.set_property_from_str("overlay", "none");
    assert_eq!(shown(&pipeline, BLUE), "", "the text is empty as it was at the start");
    filter.set_property_from_str("overlay", "auto");
    assert_eq!(shown(&pipeline, BLUE), "dog 75 %");
}

#[test]
fn stop_empties_the_text_and_start_writes_it_again() {
    let pipeline = fed("", "");
    for _ in 0..3 {
        assert_eq!(shown(&pipeline, GREEN), "cat 71 %");
        pipeline.reach(gst::State::Ready);
        assert_eq!(text(&pipeline.get("overlay")), "");
        pipeline.begin(gst::State::Playing);
    }
}

// Links that change

/// Replaces `old`, between `before` and the sink, with `new`.
fn replace(pipeline: &Pipeline, before: &str, old: &gst::Element, new: &gst::Element) {
    let (before, sink) = (pipeline.get(before), pipeline.get("sink"));
    before.unlink(old);
    old.unlink(&sink);
    pipeline.add(new).unwrap();
    gst::Element::link_many([&before, new, &sink]).unwrap();
    new.sync_state_with_parent().unwrap();
}

#[test]
fn overlay_linked_while_playing_is_found() {
    let pipeline = fed("", "");
    assert_eq!(shown(&pipeline, GREEN), "cat 71 %");
    let old = pipeline.get("overlay");
    let new = gst::ElementFactory::make("textoverlay").name("new").build().unwrap();
    replace(&pipeline, "filter", &old, &new);
    shown(&pipeline, BLUE);
    assert_eq!(text(&new), "dog 75 %");
    assert_eq!(text(&old), "", "the text of the removed overlay is empty");
    // Back to the first overlay.
    pipeline.remove(&old).unwrap();
    old.set_state(gst::State::Null).unwrap();
    replace(&pipeline, "filter", &new, &old);
    assert_eq!(shown(&pipeline, GREEN), "cat 71 %");
    assert_eq!(text(&new), "");
}

#[test]
fn overlay_linked_after_a_queue_while_playing_is_found() {
    for between in ["queue", "tee", "videoconvert", "queue ! videoscale ! identity"] {
        let pipeline = launch(&format!(
            "{} ! {FILTER} ! {between} ! identity name=before ! identity name=overlay \
             ! appsink name=sink sync=false",
            source()
        ));
        pipeline.begin(gst::State::Playing);
        through(&pipeline, picture(0));
        let new = gst::ElementFactory::make("textoverlay").build().unwrap();
        replace(&pipeline, "before", &pipeline.get("overlay"), &new);
        for index in 1..5 {
            through(&pipeline, picture(index));
            assert_eq!(text(&new), text_for(color(index)), "after {between}, frame {index}");
        }
    }
}

#[test]
fn overlay_on_a_new_branch_of_a_tee_is_found() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! tee name=t ! queue ! appsink name=sink sync=false",
        source()
    ));
    pipeline.begin(gst::State::Playing);
    through(&pipeline, picture(0));
    let branch = bin("queue name=first ! textoverlay name=late ! fakesink name=last async=false");
    pipeline.add(&branch).unwrap();
    branch.sync_state_with_parent().unwrap();
    pipeline.get("t").link(&branch).unwrap();
    let drawn = drawn(&pipeline, "late");
    for index in 1..20 {
        through(&pipeline, picture(index));
    }
    end(&pipeline);
    pipeline.wait_for_eos();
    let drawn = taken(&drawn);
    assert_eq!(drawn.len(), 19);
    for (frame, text) in drawn {
        assert_eq!(text, text_for(color(frame)), "frame {frame}");
    }
}

// More than one

#[test]
fn each_of_two_filters_writes_to_the_next_overlay() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=one model-file={{model}} labels=a,b class-confidence-threshold=0.6 \
         ! textoverlay name=first \
         ! catdogfilter name=two model-file={{model}} labels=c,d class-confidence-threshold=0.6 \
         inference-interval=1 overlay=auto ! textoverlay name=second \
         ! appsink name=sink sync=false",
        source()
    ));
    pipeline.begin(gst::State::Playing);
    through(&pipeline, picture(0));
    let (first, second) = (text(&pipeline.get("first")), text(&pipeline.get("second")));
    assert!(first.starts_with(['a', 'b', 'u']), "{first}");
    assert!(second.starts_with(['c', 'd', 'u']), "{second}");
    assert!(first != second || first == "unknown");
    // Without an overlay between the filters, the filter nearer to the overlay writes.
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=one model-file={{model}} labels=a,b ! \
         catdogfilter name=two model-file={{model}} labels=c,d class-confidence-threshold=0 \
         ! textoverlay name=overlay ! appsink name=sink sync=false",
        source()
    ));
    pipeline.begin(gst::State::Playing);
    assert_eq!(shown(&pipeline, GREEN), "c 71 %");
    assert_eq!(shown(&pipeline, BLUE), "d 75 %");
}

#[test]
fn only_the_first_of_two_overlays_in_a_row_is_used() {
    let pipeline = launch(&format!(
        "{} ! {FILTER} ! textoverlay name=overlay ! textoverlay name=second \
         ! appsink name=sink sync=false",
        source()
    ));
    pipeline.begin(gst::State::Playing);
    assert_eq!(shown(&pipeline, GREEN), "cat 71 %");
    assert_eq!(text(&pipeline.get("second")), "");
}

#[test]
fn main_use_case_needs_only_the_model() {
    let pipeline = launch(
        "videotestsrc num-buffers=30 pattern=solid-color foreground-color=0xff0000ff \
         ! videoconvert ! catdogfilter model-file={model} ! textoverlay name=overlay \
         ! fakesink sync=false",
    );
    let drawn = drawn(&pipeline, "overlay");
    pipeline.run();
    let drawn = taken(&drawn);
    assert_eq!(drawn.len(), 30);
    assert!(drawn.iter().all(|(_, text)| text.starts_with("dog 7")), "{drawn:?}");
}

#[test]
fn pad_without_an_element_is_tolerated() {
    init();
    let filter = gst::ElementFactory::make("catdogfilter").property("model-file", model(MODEL));
    let filter = filter.build().unwrap();
    let source = gst::Pad::builder(gst::PadDirection::Src).name("source").build();
    let sink = gst::Pad::builder(gst::PadDirection::Sink)
        .name("sink")
        .chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok))
        .build();
    source.link(&filter.static_pad("sink").unwrap()).unwrap();
    filter.static_pad("src").unwrap().link(&sink).unwrap();
    source.set_active(true).unwrap();
    sink.set_active(true).unwrap();
    filter.set_state(gst::State::Playing).unwrap();
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(source.push_event(gst::event::StreamStart::new("test")));
    assert!(source.push_event(gst::event::Caps::new(&caps("RGBx", 64, 48))));
    assert!(source.push_event(gst::event::Segment::new(&segment)));
    // A warning of GStreamer ends the process if scripts/test.sh runs the tests.
    assert_eq!(source.push(picture(0)), Ok(gst::FlowSuccess::Ok));
    filter.set_state(gst::State::Null).unwrap();
}

// Markup

/// The number of warnings of Pango in this process.
fn pango_warnings() -> &'static std::sync::atomic::AtomicUsize {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let levels = gst::glib::LogLevels::LEVEL_WARNING | gst::glib::LogLevels::LEVEL_CRITICAL;
        gst::glib::log_set_handler(Some("Pango"), levels, true, false, |_, _, _| {
            COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
    });
    &COUNT
}

/// Returns whether Pango draws `text` without a warning.
fn pango_accepts(text: &str) -> bool {
    let count = pango_warnings().load(std::sync::atomic::Ordering::SeqCst);
    let pipeline = launch(
        "videotestsrc num-buffers=1 ! video/x-raw,width=64,height=48 ! textoverlay name=overlay \
         ! fakesink",
    );
    pipeline.get("overlay").set_property("text", text);
    pipeline.run();
    count == pango_warnings().load(std::sync::atomic::Ordering::SeqCst)
}

#[test]
fn text_format_is_refused_if_pango_would_refuse_the_text() {
    let test = "text_format_is_refused_if_pango_would_refuse_the_text";
    if job().is_none() {
        // The warnings of Pango must not end this process.
        let output = child(test, "run").env_remove("G_DEBUG").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    for format in [
        "{label} {percent}",
        "<b>{label}</b> {percent}",
        "<b>{label}",
        "{label}</b>",
        "<b><i>{label}</b></i>",
        "<b><i>{label}</i></b>",
        "<big>{label}</big><small>a</small><sub>a</sub><sup>a</sup><s>a</s><tt>a</tt><u>a</u>",
        "<markup>{label}</markup>",
        "<B>{label}</B>",
        "<blink>{label}</blink>",
        "<b/>{label}",
        "<b />{label}",
        "<b / >{label}",
        "<b >{label}</b >",
        "< b>{label}</b>",
        "<b",
        "<",
        "a > b",
        "a < b",
        "a & b",
        "a &amp; b",
        "&lt;&gt;&quot;&apos;",
        "&nbsp;",
        "&amp",
        "&#176;",
        "&#xB0;",
        "&#xd800;",
        "&#0;",
        "&#;",
        "&;",
        "<span>{label}</span>",
        "<span foreground='red'>{label}</span>",
        "<span foreground=\"red\" size='large'>{label}</span>",
        "<span  foreground = 'red' >{label}</span>",
        "<span foreground='red'size='large'>{label}</span>",
        "<span foreground=red>{label}</span>",
        "<span foreground>{label}</span>",
        "<span foreground='red>{label}</span>",
        "<span foreground='red' foreground='blue'>{label}</span>",
        "<span font-family='Sans'>{label}</span>",
        "<span colour='red'>{label}</span>",
        "<span font_family='a &amp; b'>{label}</span>",
        "<span font_family='a & b'>{label}</span>",
        "<span font_family='{label}'>{label}</span>",
        "<b size='1'>{label}</b>",
        "<span weight='bold' underline='single' rise='1000' lang='en' letter_spacing='1'>a</span>",
    ] {
        let text = format.replace("{label}", "cat").replace("{percent}", "97 %");
        let pipeline = launch(&format!("{} ! {FILTER} ! fakesink", source()));
        pipeline.get("filter").set_property("text-format", format);
        let accepted = pipeline.set_state(gst::State::Paused).is_ok();
        assert_eq!(accepted, pango_accepts(&text), "{format}: {:?}", pipeline.errors());
    }
}

#[test]
fn malformed_text_format_is_one_error_with_its_position() {
    let pipeline = launch(&format!("{} ! {FILTER} ! fakesink", source()));
    pipeline.get("filter").set_property("text-format", "{label} & {percent}");
    assert!(pipeline.set_state(gst::State::Paused).is_err());
    let errors: Vec<String> = pipeline.errors().into_iter().map(|(_, text)| text).collect();
    let want = "text-format=\"{label} & {percent}\" is not valid Pango markup at character 9: & does \
                not begin an entity; write &amp; for a literal &";
    assert_eq!(errors, [want]);
}

// The application at the same time

/// Returns two filters that write to one overlay: the frames of the first are green, those of the
/// second blue.
fn two_filters() -> Pipeline {
    let branch = |index: u32| {
        let source = appsrc(&caps("RGBx", 64, 48)).replace("name=src", &format!("name=src{index}"));
        format!(
            "{source} ! catdogfilter name=filter{index} model-file={{model}} \
             text-format=\"{index} {{label}}\" ! funnel. "
        )
    };
    let pipeline = launch(&format!(
        "funnel name=funnel ! textoverlay name=overlay ! appsink name=sink sync=false {}{}",
        branch(0),
        branch(1)
    ));
    pipeline.begin(gst::State::Playing);
    pipeline
}

/// Pushes a frame into the branch `index` of [`two_filters`], and waits until it is drawn.
fn draw(pipeline: &Pipeline, index: usize) {
    let color = [GREEN, BLUE][index];
    let pixels = packed(gst_video::VideoFormat::Rgbx, 64, 48, |_, _| color);
    let mut buffer = gst::Buffer::from_mut_slice(pixels);
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    let source = pipeline.get(&format!("src{index}"));
    let pushed: gst::FlowReturn = source.emit_by_name("push-buffer", &[&buffer]);
    assert_eq!(pushed, gst::FlowReturn::Ok);
    drop(buffer);
    pull(pipeline);
}

#[test]
fn handler_of_the_text_may_stop_another_filter() {
    let pipeline = two_filters();
    for index in [0, 1] {
        draw(&pipeline, index);
    }
    let other = pipeline.get("filter1");
    let stopped: Seen<bool> = Seen::default();
    let noted = stopped.clone();
    pipeline.get("overlay").connect_notify(Some("text"), move |_, _| {
        if !noted.lock().unwrap().is_empty() {
            return;
        }
        noted.lock().unwrap().push(false);
        let (sender, ended) = std::sync::mpsc::channel();
        let other = other.clone();
        std::thread::spawn(move || {
            let result = other.set_state(gst::State::Null).is_ok();
            let _ = sender.send(result);
        });
        // The handler is called while the first filter sets the text.
        let in_time = ended.recv_timeout(std::time::Duration::from_secs(10));
        *noted.lock().unwrap().last_mut().unwrap() = in_time == Ok(true);
    });
    draw(&pipeline, 0);
    assert_eq!(taken(&stopped), [true]);
    // The first filter wrote the text of its frame, and then the filter that stopped emptied it.
    assert_eq!(text(&pipeline.get("overlay")), "");
    draw(&pipeline, 0);
    assert_eq!(text(&pipeline.get("overlay")), "0 cat");
}

#[test]
fn text_that_a_handler_sets_is_the_users() {
    let pipeline = fed("", "");
    assert_eq!(shown(&pipeline, GREEN), "cat 71 %");
    pipeline.get("overlay").connect_notify(Some("text"), |overlay, _| {
        if text(overlay) == "dog 75 %" {
            overlay.set_property("text", "mine");
        }
    });
    assert_eq!(shown(&pipeline, BLUE), "mine");
    assert_eq!(shown(&pipeline, GREEN), "mine");
}

#[test]
fn text_that_another_thread_sets_during_a_write_is_the_users() {
    let pipeline = two_filters();
    draw(&pipeline, 0);
    pipeline.get("overlay").connect_notify(Some("text"), |overlay, _| {
        if text(overlay) == "1 dog" {
            let overlay = overlay.clone();
            std::thread::spawn(move || overlay.set_property("text", "mine")).join().unwrap();
        }
    });
    for index in [1, 0, 1] {
        draw(&pipeline, index);
        assert_eq!(text(&pipeline.get("overlay")), "mine");
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(text(&pipeline.get("overlay")), "mine");
}
