use std::time::Duration;

use super::*;

fn kind_name(value: &glib::SendValue) -> &'static str {
    match value.type_() {
        glib::Type::STRING => "string",
        glib::Type::F64 => "double",
        glib::Type::I32 => "int",
        glib::Type::U64 => "guint64",
        glib::Type::BOOL => "boolean",
        _ => {
            let array = value.get::<gst::ArrayRef<'_>>().unwrap();
            match array.first().unwrap().type_() {
                glib::Type::STRING => "array of string",
                glib::Type::F64 => "array of double",
                _ if array[0].is::<gst::Structure>() => "array of structure",
                other => panic!("{other}"),
            }
        }
    }
}

const BEST: RankedClass = RankedClass { class: 0, confidence: 0.9 };
const SECOND: RankedClass = RankedClass { class: 1, confidence: 0.6 };
const THIRD: RankedClass = RankedClass { class: 2, confidence: 0.4 };

/// A classification of a multi-label model with the threshold 0.5.
fn classification() -> Classification<'static> {
    Classification {
        ranked: &[BEST, SECOND, THIRD],
        accepted: Some(BEST),
        fresh: true,
        inference_pts: Some(Duration::ZERO),
        age: Some(Duration::ZERO),
        inference_time: Duration::ZERO,
        location: Region::new(0.25, 1.0 / 3.0, 0.5, 0.25).ok(),
        multi_label: Some(0.5),
    }
}

fn writer() -> MetadataWriter {
    gst::init().unwrap();
    let labels = ["cat", "dog", "bird"].map(str::to_owned);
    MetadataWriter::new(&labels, "unknown".into(), "m".into(), "filter".into())
}

/// Returns the classified box of a buffer that has one.
fn roi() -> Roi {
    let mut buffer = gst::Buffer::new();
    let buffer = buffer.get_mut().unwrap();
    gst_video::VideoRegionOfInterestMeta::add(buffer, "face", (1, 2, 3, 4));
    let mut rois = Vec::new();
    roi::find(buffer, |_| Some(Region::WHOLE), &mut rois);
    let mut roi = rois.pop().unwrap();
    roi.result = Some(roi::RoiResult::new(&classification()));
    roi
}

fn fields(structure: &gst::StructureRef) -> Vec<(&str, &str)> {
    structure.iter().map(|(name, value)| (name.as_str(), kind_name(value))).collect()
}

#[test]
fn the_table_lists_the_fields_of_the_message() {
    let writer = writer();
    let rois = [roi()];
    let region = Some("0,0,1,0.5");
    let entry = Entry { classification: classification(), rois: Some(&rois), region };
    let message = writer.message(&entry, Some(gst::ClockTime::ZERO));
    let listed: Vec<(&str, &str)> = FIELDS.iter().map(|field| (field.name, field.kind)).collect();
    assert_eq!(fields(&message), listed);
    let of_message = FIELDS.iter().filter(|field| field.carrier == Carrier::Message);
    assert_eq!(of_message.map(|field| field.name).collect::<Vec<_>>(), [FIELD_PTS]);
    let rois = message.get::<gst::ArrayRef<'_>>(FIELD_ROIS).unwrap();
    let roi = rois[0].get::<gst::Structure>().unwrap();
    let listed: Vec<(&str, &str)> =
        ROI_FIELDS.iter().map(|field| (field.name, field.kind)).collect();
    assert_eq!(fields(&roi), listed);
    assert_eq!(strings(&roi, ROI_ACCEPTED_LABELS), ["cat", "dog"]);
}

#[test]
fn the_box_is_written_as_the_property_region() {
    let writer = writer();
    let text = |location| {
        let classification = Classification { location, ..classification() };
        let message = writer.message(&Entry { classification, rois: None, region: None }, None);
        message.get_optional::<String>(FIELD_BOX).unwrap()
    };
    assert_eq!(text(classification().location).as_deref(), Some("0.25,0.3333,0.5,0.25"));
    let longest = Region::new(0.11111, 0.22222, 0.33333, 0.44444).ok();
    assert_eq!(text(longest).as_deref(), Some("0.1111,0.2222,0.3333,0.4444"));
    assert_eq!(text(None), None);
}

/// Returns the array of strings in the field `name`.
fn strings(structure: &gst::StructureRef, name: &str) -> Vec<String> {
    let array = structure.get::<gst::ArrayRef<'_>>(name).unwrap();
    array.iter().map(|value| value.get().unwrap()).collect()
}

#[test]
fn a_multi_label_model_lists_every_class_that_reaches_the_threshold() {
    let writer = writer();
    let entry = |classification| Entry { classification, rois: None, region: None };
    let message = |classification| writer.message(&entry(classification), None);
    let accepted = message(classification());
    assert_eq!(accepted.get(FIELD_MULTI_LABEL), Ok(true));
    assert_eq!(accepted.get(FIELD_LABEL), Ok("cat"));
    assert_eq!(strings(&accepted, FIELD_LABELS), ["cat", "dog", "bird"]);
    assert_eq!(strings(&accepted, FIELD_ACCEPTED_LABELS), ["cat", "dog"]);

    // Hysteresis keeps a class below the threshold.
    let held = message(Classification { accepted: Some(THIRD), ..classification() });
    assert_eq!(strings(&held, FIELD_ACCEPTED_LABELS), ["cat", "dog", "bird"]);
    let rejected = message(Classification { accepted: None, ..classification() });
    assert_eq!(strings(&rejected, FIELD_ACCEPTED_LABELS), [] as [&str; 0]);
    let single = message(Classification { multi_label: None, ..classification() });
    assert_eq!(single.get(FIELD_MULTI_LABEL), Ok(false));
    assert!(!single.has_field(FIELD_ACCEPTED_LABELS) && !single.has_field(FIELD_ROIS));
}
