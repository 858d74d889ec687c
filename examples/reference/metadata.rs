//! The page of the metadata, from the table of its fields.

use gstcatdog::metadata::{Carrier, FIELDS, Field, META_NAME, ROI_FIELDS, ROI_NAME};

use crate::markdown::{code, table};

/// Returns the page.
pub fn page() -> String {
    let of_metadata = FIELDS.iter().filter(|field| field.carrier == Carrier::Both);
    format!(
        "# Metadata\n\n\
         `catdogfilter` attaches a `GstCustomMeta` named `{META_NAME}` to every buffer that it classifies. \
         Its structure has the same name and these fields:\n\n\
         {}\n\
         Each structure in `rois` is named `{ROI_NAME}` and has these fields:\n\n\
         {}\n\
         The metadata has no tags, so elements that scale, convert or crop keep it. A buffer that passed \
         several `catdogfilter` elements has the metadata of each of them, the nearest element last.\n\n\
         If the plugin was built with the feature `analytics`: without `roi=each`, an accepted class is also a \
         classification in the buffer's `GstAnalyticsRelationMeta`; with it, the class of each box is related to \
         its object detection.\n",
        fields(of_metadata),
        fields(ROI_FIELDS.iter())
    )
}

/// Returns the table of `fields`.
pub fn fields<'a>(fields: impl Iterator<Item = &'a Field>) -> String {
    let rows = fields.map(|field| {
        let Field { name, kind, unit, meaning, .. } = *field;
        [code(name), kind.to_owned(), unit.to_owned(), meaning.to_owned()]
    });
    table(["field", "type", "unit or range", "meaning"], rows)
}
