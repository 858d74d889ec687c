//! A camera, from what GStreamer's device monitor tells.

use std::fmt;
use std::path::Path;

use gst::prelude::*;
use serde::Serialize;

use super::system;
use crate::input::Input;

/// Drivers of devices that are no cameras, though they produce video: codecs and image processors of
/// the Raspberry Pi and of other boards.
const NO_CAMERAS: [&str; 9] = [
    "bcm2835-codec",
    "bcm2835-isp",
    "pispbe",
    "rpivid",
    "rpi-hevc-dec",
    "hantro-vpu",
    "rkvdec",
    "vicodec",
    "vim2m",
];
/// Drivers of receivers whose pictures only libcamera can develop.
const RAW_RECEIVERS: [&str; 3] = ["unicam", "rp1-cfe", "rkisp1"];

/// The type of the devices of libcamera. Their name is what libcamera calls the camera.
const LIBCAMERA_DEVICE: &str = "GstLibcameraDevice";

/// The interface of a camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Video4Linux
    #[default]
    V4l2,
    /// libcamera
    Libcamera,
    /// PipeWire
    Pipewire,
}

impl Api {
    /// Returns the name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4l2 => "v4l2",
            Self::Libcamera => "libcamera",
            Self::Pipewire => "pipewire",
        }
    }
}

/// A device that produces video. The guide describes the fields; they do not change their meaning.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Camera {
    /// The number that `catdog live` takes.
    pub number: usize,
    /// The name of the product.
    pub name: String,
    /// The interface.
    pub api: Api,
    /// The device node.
    pub path: Option<String>,
    /// What the interface calls the camera, if it has no node.
    pub id: Option<String>,
    /// The driver of the kernel.
    pub driver: Option<String>,
    /// Where the camera is connected.
    pub bus: Option<String>,
    /// The serial number.
    pub serial: Option<String>,
    /// The formats, sizes and rates.
    pub modes: Vec<CameraMode>,
    /// The programs that have opened the node, as far as the user may see them.
    pub used_by: Vec<String>,
    /// Why `catdog live` does not take it by itself.
    pub unusable: Option<String>,
    /// Whether `catdog live` takes it if no camera is named.
    pub chosen: bool,
}

/// A format with the sizes and rates that the camera has in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CameraMode {
    /// The pixel format, or the kind of compression.
    pub format: String,
    /// Width and height in pixels, such as `1280x720`; a range has its limits.
    pub size: String,
    /// Frames per second; a range has its limits.
    pub rates: String,
    /// Whether `format` is a kind of compression.
    #[serde(skip)]
    pub is_compressed: bool,
}

impl fmt::Display for CameraMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {} frames/s", self.format, self.size, self.rates)
    }
}

impl Camera {
    /// Returns the camera that a device of the monitor is; `None` if its interface is unknown.
    pub fn of(device: &gst::Device) -> Option<Self> {
        let properties = device.properties().unwrap_or_else(|| gst::Structure::new_empty("none"));
        // The devices of libcamera 0.4 have no properties.
        let is_libcamera = device.type_().name() == LIBCAMERA_DEVICE;
        let unknown = || is_libcamera.then(|| Self { api: Api::Libcamera, ..Self::default() });
        let mut camera = Self::from_properties(&properties).or_else(unknown)?;
        camera.name = device.display_name().into();
        if camera.api == Api::Libcamera {
            camera.id.get_or_insert_with(|| camera.name.clone());
        }
        camera.modes = device.caps().map(|caps| modes(&caps)).unwrap_or_default();
        if camera.unusable.is_none() && camera.api == Api::V4l2 && camera.modes.is_empty() {
            camera.unusable = Some("it has no format for video".into());
        }
        Some(camera)
    }

    /// Returns the camera with a device node that the monitor does not list; `None` if it delivers no
    /// video.
    pub fn of_node(path: &str) -> Option<Self> {
        let source = gst::ElementFactory::make("v4l2src").property("device", path).build().ok()?;
        // Opens the node and asks the driver. Codecs and nodes for metadata are refused.
        let opened = source.set_state(gst::State::Ready);
        let caps = source.static_pad("src").map(|pad| pad.query_caps(None));
        let name = source.property::<Option<String>>("device-name");
        // What was only opened can always be closed.
        let _ = source.set_state(gst::State::Null);
        opened.ok()?;
        let driver = system::driver(Path::new(path)).unwrap_or_default();
        let properties = gst::Structure::builder("node")
            .field("device.path", path)
            .field("v4l2.device.driver", driver)
            .build();
        let mut camera = Self::from_properties(&properties)?;
        camera.name = name.unwrap_or_else(|| path.to_owned());
        camera.modes = caps.map(|caps| modes(&caps)).unwrap_or_default();
        Some(camera)
    }

    fn from_properties(properties: &gst::StructureRef) -> Option<Self> {
        let text = |name: &str| properties.get::<String>(name).ok().filter(|text| !text.is_empty());
        let mut camera = Self::default();
        let api = text("device.api").or_else(|| text("api"));
        if text("node.name").is_some() || text("object.serial").is_some() {
            camera.api = Api::Pipewire;
            camera.path = text("api.v4l2.path");
            camera.id = text("node.name");
            camera.driver = text("api.v4l2.cap.driver");
            camera.bus = text("api.v4l2.cap.bus_info");
        } else if api.as_deref() == Some("libcamera") || text("api.libcamera.camera-id").is_some() {
            camera.api = Api::Libcamera;
            camera.id = text("api.libcamera.camera-id").or_else(|| text("camera-name"));
            camera.driver = text("api.libcamera.SystemDevices");
        } else if let Some(path) = text("device.path").or_else(|| text("api.v4l2.path")) {
            camera.path = Some(path);
            camera.driver = text("v4l2.device.driver").or_else(|| text("api.v4l2.cap.driver"));
            camera.bus = text("v4l2.device.bus_info").or_else(|| text("api.v4l2.cap.bus_info"));
        } else {
            return None;
        }
        let driver = camera.driver.clone().unwrap_or_default();
        let driver = driver.as_str();
        camera.unusable = if NO_CAMERAS.iter().any(|known| driver.starts_with(known)) {
            Some(format!("{driver} is no camera but a codec or an image processor"))
        } else if camera.api == Api::V4l2
            && RAW_RECEIVERS.iter().any(|known| driver.starts_with(known))
        {
            Some(format!("{driver} delivers raw sensor data; use the camera of libcamera"))
        } else {
            None
        };
        Some(camera)
    }

    /// Returns the position in the list: small numbers are taken first.
    pub fn rank(&self) -> u8 {
        match (self.unusable.is_some(), self.used_by.is_empty(), self.api) {
            (true, ..) => 5,
            (_, false, _) => 4,
            (_, _, Api::V4l2) if self.is_usb() => 0,
            (_, _, Api::Libcamera) => 1,
            (_, _, Api::V4l2) => 2,
            (_, _, Api::Pipewire) => 3,
        }
    }

    /// Returns why `catdog live` prefers this camera.
    pub fn preference(&self) -> &'static str {
        match self.rank() {
            0 => "the first USB camera that is free",
            1 => "the first camera of libcamera",
            2 => "the first camera that is free",
            3 => "the first camera of PipeWire",
            _ => "no other camera is free",
        }
    }

    fn is_usb(&self) -> bool {
        self.bus.as_ref().is_some_and(|bus| bus.contains("usb"))
    }

    /// Returns the input for `catdog live`.
    pub fn input(&self) -> Input {
        match (self.api, &self.path, &self.id) {
            (Api::V4l2, Some(path), _) => Input::CameraNode(path.into()),
            (Api::Libcamera, _, id) => Input::Libcamera(id.clone()),
            (_, _, id) => Input::Pipewire(id.clone().unwrap_or_default()),
        }
    }
}

/// Returns the modes of caps: one line for each format and size.
fn modes(caps: &gst::Caps) -> Vec<CameraMode> {
    let mut found: Vec<CameraMode> = Vec::new();
    for (structure, features) in caps.iter_with_features() {
        // The same modes in the memory of another device.
        if !features.is_any() && features.contains("memory:DMABuf") {
            continue;
        }
        let is_compressed = structure.name() != "video/x-raw";
        let format = match structure.name().as_str() {
            "video/x-raw" => values(structure, "format"),
            "image/jpeg" => "MJPEG".into(),
            other => other.trim_start_matches("video/x-").to_uppercase(),
        };
        let side = |name| Some(values(structure, name)).filter(|text| !text.is_empty());
        let (width, height) = (side("width"), side("height"));
        let size = match (width, height) {
            (Some(width), Some(height)) => format!("{width}x{height}"),
            _ => "any size".into(),
        };
        let rates = values(structure, "framerate");
        let rates = if rates.is_empty() { "any".into() } else { rates };
        let mode = CameraMode { format, size, rates, is_compressed };
        if !found.contains(&mode) {
            found.push(mode);
        }
    }
    found
}

/// Returns the values of a field of caps: one value, those of a list, or the limits of a range.
fn values(structure: &gst::StructureRef, field: &str) -> String {
    let Ok(value) = structure.value(field) else { return String::new() };
    if let Ok(list) = value.get::<gst::List>() {
        let values: Vec<_> = list.iter().map(one_value).collect();
        return values.join(", ");
    }
    if let Ok(range) = value.get::<gst::IntRange<i32>>() {
        return format!("({}..{})", range.min(), range.max());
    }
    if let Ok(range) = value.get::<gst::FractionRange>() {
        return format!("{}..{}", rate(range.min()), rate(range.max()));
    }
    one_value(value)
}

fn one_value(value: &gst::glib::SendValue) -> String {
    if let Ok(fraction) = value.get::<gst::Fraction>() {
        return rate(fraction);
    }
    if let Ok(number) = value.get::<i32>() {
        return number.to_string();
    }
    value.get::<String>().unwrap_or_default()
}

fn rate(fraction: gst::Fraction) -> String {
    let rate = f64::from(fraction.numer()) / f64::from(fraction.denom().max(1));
    if rate.fract() == 0.0 { format!("{rate}") } else { format!("{rate:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webcam() -> gst::Structure {
        gst::Structure::builder("v4l2deviceprovider")
            .field("device.api", "v4l2")
            .field("device.path", "/dev/video0")
            .field("v4l2.device.driver", "uvcvideo")
            .field("v4l2.device.bus_info", "usb-0000:00:14.0-1")
            .build()
    }

    #[test]
    fn properties_of_the_monitor_describe_a_camera() {
        gst::init().unwrap();
        let camera = Camera::from_properties(&webcam()).unwrap();
        assert_eq!(
            (camera.api, camera.path.as_deref(), camera.rank()),
            (Api::V4l2, Some("/dev/video0"), 0)
        );
        assert_eq!(camera.input(), Input::CameraNode("/dev/video0".into()));
        let busy = Camera { used_by: vec!["cheese (7)".into()], ..camera };
        assert_eq!((busy.rank(), busy.preference()), (4, "no other camera is free"));

        let pipewire = gst::Structure::builder("pipewire-proplist")
            .field("node.name", "v4l2_input.1")
            .field("api.v4l2.path", "/dev/video0")
            .build();
        let camera = Camera::from_properties(&pipewire).unwrap();
        assert_eq!(
            (camera.api, camera.input()),
            (Api::Pipewire, Input::Pipewire("v4l2_input.1".into()))
        );
        let unknown = gst::Structure::builder("other").field("x", 1).build();
        assert!(Camera::from_properties(&unknown).is_none());
    }

    #[test]
    fn codecs_and_raw_receivers_are_no_cameras() {
        gst::init().unwrap();
        for (driver, reason) in
            [("bcm2835-codec", "no camera but a codec"), ("rp1-cfe", "raw sensor data")]
        {
            let mut properties = webcam();
            properties.set("v4l2.device.driver", driver);
            let camera = Camera::from_properties(&properties).unwrap();
            assert!(camera.unusable.clone().unwrap().contains(reason));
            assert_eq!(camera.rank(), 5);
        }
    }

    #[test]
    fn modes_are_listed_by_format_and_size() {
        gst::init().unwrap();
        let caps: gst::Caps = "video/x-raw,format=YUY2,width=640,height=480,framerate={(fraction)30/1,(fraction)15/2};\
             image/jpeg,width=1280,height=720,framerate=30/1;\
             video/x-raw(memory:DMABuf),format=DMA_DRM,width=640,height=480,framerate=30/1;\
             video/x-raw,format={NV12,I420},width=[16,1920],height=[16,1080],framerate=[0/1,60/1]"
            .parse()
            .unwrap();
        let lines: Vec<_> = modes(&caps).iter().map(ToString::to_string).collect();
        let want = [
            "YUY2 640x480 at 30, 7.50 frames/s",
            "MJPEG 1280x720 at 30 frames/s",
            "NV12, I420 (16..1920)x(16..1080) at 0..60 frames/s",
        ];
        assert_eq!(lines, want);
    }
}
