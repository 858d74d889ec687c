//! The orientation that the tags of the stream define.

use catdog_core::frame::Orientation;
use gst::prelude::*;
use gst_video::VideoOrientationMethod;

use super::geometry::orientation;
use crate::downstream::visit_upstream;

/// The values of the tag `image-orientation`, by scope. The tag of a stream takes precedence over
/// the tag of all streams.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrientationTags {
    stream: Option<Orientation>,
    global: Option<Orientation>,
}

impl OrientationTags {
    /// Records the tags of a TAG event. Tags without an orientation change nothing.
    pub fn record(&mut self, tags: &gst::TagListRef) {
        let Some(value) = VideoOrientationMethod::from_tag(tags).and_then(orientation) else {
            return;
        };
        match tags.scope() {
            gst::TagScope::Global => self.global = Some(value),
            _ => self.stream = Some(value),
        }
    }

    /// Resets the tags, because another stream starts.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Returns the operation that makes the frames upright.
    pub fn orientation(&self) -> Orientation {
        self.stream.or(self.global).unwrap_or_default()
    }
}

/// Returns whether an element upstream of `sink_pad` turns the frames as the tag says, so that they
/// are upright already.
///
/// Such an element should replace the tag by `rotate-0`, but the `videoflip` of GStreamer 1.22
/// forwards it. All of them have the property `video-direction` of the interface
/// `GstVideoDirection`, with the value `auto`.
pub fn is_turned_upstream(sink_pad: &gst::Pad) -> bool {
    let mut turned = false;
    visit_upstream(sink_pad, |_, element| {
        let direction = element.find_property("video-direction").filter(|property| {
            property.flags().contains(gst::glib::ParamFlags::READABLE)
                && property.value_type() == VideoOrientationMethod::static_type()
        });
        turned |= direction.is_some()
            && element.property::<VideoOrientationMethod>("video-direction")
                == VideoOrientationMethod::Auto;
        !turned
    });
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(value: &str, scope: gst::TagScope) -> gst::TagList {
        gst::init().unwrap();
        let mut tags = gst::TagList::new();
        let list = tags.make_mut();
        list.add::<gst::tags::ImageOrientation>(&value, gst::TagMergeMode::Replace);
        list.set_scope(scope);
        tags
    }

    #[test]
    fn the_tag_of_the_stream_takes_precedence() {
        let mut recorded = OrientationTags::default();
        assert_eq!(recorded.orientation(), Orientation::Identity);
        recorded.record(&tags("rotate-180", gst::TagScope::Global));
        assert_eq!(recorded.orientation(), Orientation::Rotate180);
        recorded.record(&tags("rotate-0", gst::TagScope::Stream));
        recorded.record(&tags("rotate-270", gst::TagScope::Global));
        assert_eq!(recorded.orientation(), Orientation::Identity);
        recorded.reset();
        assert_eq!(recorded.orientation(), Orientation::Identity);
        recorded.record(&tags("rotate-90", gst::TagScope::Stream));
        assert_eq!(recorded.orientation(), Orientation::Rotate90);
    }

    #[test]
    fn tags_without_a_known_orientation_change_nothing() {
        let mut recorded = OrientationTags::default();
        recorded.record(&tags("flip-rotate-90", gst::TagScope::Stream));
        recorded.record(&tags("sideways", gst::TagScope::Stream));
        recorded.record(&gst::TagList::new());
        assert_eq!(recorded.orientation(), Orientation::AntiTranspose);
    }
}
