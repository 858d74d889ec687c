//! The page of an element, as GStreamer introspects it.
//!
//! Properties of base classes are left out, except `qos`: they differ between versions of
//! GStreamer.

use std::collections::BTreeMap;

use gst::glib;
use gst::prelude::*;

use crate::Result;
use crate::markdown::{code, table};

/// The inherited property that the page lists. The base class reports neither when it can change
/// nor what this element does with it.
const QOS: &str = "qos";
const QOS_CHANGES: &str = "always";
const QOS_BLURB: &str =
    "Skip the inference for frames that are late at the sink; they get the latest result";

/// The property that is a structure.
const STATS: &str = "stats";

/// Unit and meaning of the fields of `stats`, which GStreamer does not report.
const STATS_FIELDS: [(&str, &str, &str); 18] = [
    ("frames", "", "Number of frames"),
    ("inferences", "", "Number of inferences; two looks at one frame count as one"),
    ("second-looks", "", "Number of frames that were inferred again, closer"),
    (
        "skipped",
        "",
        "Number of frames that were due for an inference but got none, because they were late or the next frame \
         replaced them before a worker was free",
    ),
    ("preprocess-p50", "ns", "Duration of the preprocessing, median of the latest runs"),
    ("preprocess-p95", "ns", "Duration of the preprocessing, 95th percentile of the latest runs"),
    ("preprocess-max", "ns", "Duration of the preprocessing, maximum"),
    (
        "invoke-p50",
        "ns",
        "Duration of an inference, of both looks if there are two, median of the latest runs",
    ),
    ("invoke-p95", "ns", "Duration of an inference, 95th percentile of the latest runs"),
    ("invoke-max", "ns", "Duration of an inference, maximum"),
    ("wait-p50", "ns", "How long a frame waited for its result, median of the latest runs"),
    (
        "wait-p95",
        "ns",
        "How long a frame waited for its result, 95th percentile of the latest runs",
    ),
    ("wait-max", "ns", "How long a frame waited for its result, maximum"),
    ("model", "", "File name of the model"),
    ("optimization", "", "How the model was rewritten in memory, or why it was not"),
    ("threads", "", "CPU threads per inference"),
    ("accelerator", "", "Hardware that runs the model"),
    ("engine", "", "Library that runs the model"),
];

/// Returns the page of the element `name`.
pub fn page(name: &str) -> Result<String> {
    let factory = gst::ElementFactory::find(name).ok_or_else(|| format!("no element {name}"))?;
    let element = factory.create().build()?;
    let properties = properties(&element)?;
    let mut out = format!(
        "# {name}\n\n{}.\n\nClass: {}\n\n## Pads\n\n{}\n## Properties\n\n{}",
        factory.description(),
        code(factory.klass()),
        pads(&factory),
        property_table(&properties)
    );
    for Property { name, values, .. } in &properties {
        if !values.is_empty() {
            let rows = values.iter().map(|(nick, meaning)| [code(nick), meaning.clone()]);
            out += &format!("\n### Values of `{name}`\n\n{}", table(["value", "meaning"], rows));
        }
    }
    if properties.iter().any(|property| property.name == STATS) {
        out += &format!("\n### Fields of `{STATS}`\n\n{}", stats(&element)?);
    }
    Ok(out)
}

// --- pads ----------------------------------------------------------------------------------------

fn pads(factory: &gst::ElementFactory) -> String {
    let rows = factory.static_pad_templates().into_iter().flat_map(|template| {
        let direction = format!("{:?}", template.direction()).to_lowercase();
        let presence = format!("{:?}", template.presence()).to_lowercase();
        let caps = template.caps();
        let rows = caps.iter_with_features().map(|(structure, features)| {
            [
                code(template.name_template()),
                direction.clone(),
                presence.clone(),
                code(structure.name()),
                memory(features),
                fields(structure),
            ]
        });
        rows.collect::<Vec<_>>()
    });
    table(["pad", "direction", "presence", "media type", "memory", "fields"], rows)
}

fn memory(features: &gst::CapsFeaturesRef) -> String {
    if features.is_any() {
        "any".into()
    } else if features.contains(gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY) {
        "system".into()
    } else {
        code(&features.to_string())
    }
}

fn fields(structure: &gst::StructureRef) -> String {
    // Sorted by name, because the order of the fields has no meaning.
    let fields: BTreeMap<&str, String> =
        structure.iter().map(|(name, value)| (name.as_str(), caps_value(value))).collect();
    let texts: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}: {value}", code(name))).collect();
    texts.join("; ")
}

/// Returns a value of caps as a reader needs it: "any" for the whole range that GStreamer allows.
fn caps_value(value: &glib::SendValue) -> String {
    if let Ok(list) = value.get::<gst::List>() {
        let values: Vec<String> = list.iter().map(caps_value).collect();
        return values.join(" ");
    }
    if let Ok(text) = value.get::<&str>() {
        return code(text);
    }
    if let Ok(range) = value.get::<gst::IntRange<i32>>() {
        return match (range.min(), range.max()) {
            (0 | 1, i32::MAX) => "any".into(),
            (min, max) => format!("{min} to {max}"),
        };
    }
    if let Ok(range) = value.get::<gst::FractionRange>() {
        let (min, max) = (range.min(), range.max());
        return match (min.numer(), max.numer()) {
            (0, i32::MAX) => "any".into(),
            _ => format!("{min} to {max}"),
        };
    }
    value.serialize().map_or_else(|_| String::new(), |text| code(&text))
}

// --- properties ----------------------------------------------------------------------------------

struct Property {
    name: String,
    kind: &'static str,
    default: String,
    range: String,
    unit: &'static str,
    changes: &'static str,
    blurb: String,
    /// The values of an enumeration with their descriptions.
    values: Vec<(String, String)>,
}

fn properties(element: &gst::Element) -> Result<Vec<Property>> {
    let of_element = |pspec: &&glib::ParamSpec| pspec.owner_type() == element.type_();
    let is_qos = |pspec: &&glib::ParamSpec| pspec.name() == QOS;
    let all = element.list_properties();
    let own = all.iter().filter(of_element).filter(|pspec| !is_qos(pspec));
    // Its place in the list of GLib depends on how it was overridden.
    own.chain(all.iter().filter(is_qos)).map(|pspec| property(element, pspec)).collect()
}

fn property(element: &gst::Element, pspec: &glib::ParamSpec) -> Result<Property> {
    let name = pspec.name();
    let is_qos = name == QOS;
    let flags = pspec.flags();
    let changes = if is_qos {
        QOS_CHANGES
    } else if !flags.contains(glib::ParamFlags::WRITABLE) {
        "read only"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_PLAYING) {
        "always"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_PAUSED) {
        "up to PAUSED"
    } else {
        "only in READY"
    };
    let default = match changes {
        "read only" => String::new(),
        _ => value_text(&element.property_value(name)),
    };
    let declared = value_text(pspec.default_value());
    if !is_qos && !default.is_empty() && default != declared {
        return Err(format!(
            "{name}: its declared default is {declared}, the value of a new element is {default}"
        )
        .into());
    }
    let blurb = if is_qos { QOS_BLURB } else { pspec.blurb().unwrap_or_default() };
    let kind = type_name(pspec.value_type());
    Ok(Property {
        name: name.to_owned(),
        kind,
        default,
        range: range(pspec),
        unit: if kind == "structure" { "" } else { unit(blurb) },
        changes,
        values: values(pspec),
        blurb: blurb.to_owned(),
    })
}

fn property_table(properties: &[Property]) -> String {
    let rows = properties.iter().map(|property| {
        [
            code(&property.name),
            property.kind.to_owned(),
            property.default.clone(),
            property.range.clone(),
            property.unit.to_owned(),
            property.changes.to_owned(),
            property.blurb.clone(),
        ]
    });
    table(["property", "type", "default", "range", "unit", "can change", "description"], rows)
}

fn type_name(type_: glib::Type) -> &'static str {
    match type_ {
        glib::Type::STRING => "string",
        glib::Type::BOOL => "boolean",
        glib::Type::I32 => "int",
        glib::Type::U32 => "uint",
        glib::Type::I64 => "int64",
        glib::Type::U64 => "uint64",
        glib::Type::F32 => "float",
        glib::Type::F64 => "double",
        _ if type_.is_a(glib::Type::ENUM) => "enum",
        _ => "structure",
    }
}

/// Returns a value as it is written in a pipeline description: 0.7, not 0.699999988.
fn value_text(value: &glib::Value) -> String {
    if let Some((_, value)) = glib::EnumValue::from_value(value) {
        return code(value.nick());
    }
    if let Ok(text) = value.get::<Option<String>>() {
        return text.map_or_else(|| "unset".into(), |text| format!("`\"{text}\"`"));
    }
    if let Ok(number) = value.get::<f32>() {
        return number.to_string();
    }
    if let Ok(number) = value.get::<f64>() {
        return number.to_string();
    }
    // GStreamer cannot print a structure that is NULL.
    if type_name(value.type_()) == "structure" {
        return String::new();
    }
    value.serialize().map_or_else(|_| String::new(), Into::into)
}

/// Returns the range of a number; nothing where it is the whole range of the type.
fn range(pspec: &glib::ParamSpec) -> String {
    macro_rules! number {
        ($($spec:ty: $type:ty),*) => {
            $(if let Some(spec) = pspec.downcast_ref::<$spec>() {
                let (min, max) = (spec.minimum(), spec.maximum());
                return match (min == <$type>::MIN, max == <$type>::MAX) {
                    (true, true) => String::new(),
                    (false, true) => format!("{min} or more"),
                    (true, false) => format!("at most {max}"),
                    (false, false) => format!("{min} to {max}"),
                };
            })*
        };
    }
    number!(
        glib::ParamSpecInt: i32, glib::ParamSpecUInt: u32, glib::ParamSpecInt64: i64,
        glib::ParamSpecUInt64: u64, glib::ParamSpecFloat: f32, glib::ParamSpecDouble: f64
    );
    let nicks: Vec<String> = values(pspec).iter().map(|(nick, _)| code(nick)).collect();
    nicks.join(", ")
}

/// Returns the unit that the description of a property names.
fn unit(blurb: &str) -> &'static str {
    let words = |unit: &str| {
        blurb.split(|character: char| !character.is_ascii_alphanumeric()).any(|word| word == unit)
    };
    match () {
        () if words("ms") => "ms",
        () if words("ns") => "ns",
        () if blurb.contains("per second") => "1/s",
        () => "",
    }
}

fn values(pspec: &glib::ParamSpec) -> Vec<(String, String)> {
    let class = glib::EnumClass::with_type(pspec.value_type());
    let values = class.iter().flat_map(glib::EnumClass::values);
    values.map(|value| (value.nick().to_owned(), value.name().to_owned())).collect()
}

// --- stats ---------------------------------------------------------------------------------------

fn stats(element: &gst::Element) -> Result<String> {
    let stats: gst::Structure = element.property(STATS);
    let names: Vec<&str> = stats.fields().map(|name| name.as_str()).collect();
    let described = STATS_FIELDS.map(|(name, ..)| name);
    if names != described {
        return Err(format!(
            "STATS_FIELDS in examples/reference/element.rs describes {described:?}, but {STATS} has {names:?}"
        )
        .into());
    }
    let rows = STATS_FIELDS.into_iter().zip(stats.iter()).map(|(field, (_, value))| {
        let (name, unit, meaning) = field;
        let kind = type_name(value.type_());
        [code(name), kind.to_owned(), unit.to_owned(), meaning.to_owned()]
    });
    Ok(table(["field", "type", "unit", "meaning"], rows))
}
