//! The window of `catdog live`, on a virtual display.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image::RgbImage;

use crate::{command_in, demo, play};

/// A virtual display whose pixels are in a file.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    /// Starts the display; `None` if Xvfb is not installed.
    fn new(folder: &Path) -> Option<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-noreset", "-screen", "0", "800x600x24", "-fbdir"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut number = String::new();
        BufReader::new(server.stdout.take()?).read_line(&mut number).ok()?;
        Some(Self { server, name: format!(":{}", number.trim()) })
    }

    /// Returns the pixels. The format of the file is that of XWD, version 7 (XWDFile.h of X11).
    fn screenshot(folder: &Path) -> RgbImage {
        let mut file = Vec::new();
        fs::File::open(folder.join("Xvfb_screen0")).unwrap().read_to_end(&mut file).unwrap();
        let field = |index: usize| {
            let bytes = file[4 * index..4 * index + 4].try_into().unwrap();
            u32::from_be_bytes(bytes) as usize
        };
        let (header, width, height) = (field(0), field(4), field(5));
        let (bits, bytes_per_line, colors) = (field(11), field(12), field(19));
        assert_eq!(bits, 32);
        // A color of the palette takes 12 bytes.
        let pixels = &file[header + 12 * colors..];
        RgbImage::from_fn(width as u32, height as u32, |x, y| {
            let at = y as usize * bytes_per_line + 4 * x as usize;
            image::Rgb([pixels[at + 2], pixels[at + 1], pixels[at]])
        })
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Returns the mean difference of the upper halves of two pictures in gray levels, from the upper left
/// corner on.
fn difference(screen: &RgbImage, frame: &RgbImage) -> f64 {
    let (width, height) = (frame.width(), frame.height() / 2);
    let points = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let sum: u64 = points
        .flat_map(|(x, y)| {
            let (a, b) = (screen.get_pixel(x, y).0, frame.get_pixel(x, y).0);
            [0, 1, 2].map(|channel| u64::from(a[channel].abs_diff(b[channel])))
        })
        .sum();
    sum as f64 / f64::from(3 * width * height)
}

#[test]
fn the_window_shows_the_picture_with_its_label() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(display) = Display::new(folder) else {
        let test = "the_window_shows_the_picture_with_its_label";
        return catdog_core::testing::skip(test, "Xvfb is not installed");
    };
    let uri = gst::glib::filename_to_uri(demo(), None).unwrap();
    play(&format!(
        "uridecodebin uri={uri} ! videoconvert ! videorate ! video/x-raw,framerate=1/1 ! pngenc ! \
         multifilesink location={}",
        folder.join("frame%02d.png").display()
    ));
    let cat = image::open(folder.join("frame05.png")).unwrap().into_rgb8();
    let mut child = command_in(folder)
        .arg("live")
        .arg(demo())
        .env("DISPLAY", &display.name)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut labels = lines.map(|line| line.unwrap());
    assert!(labels.any(|line| line.contains("  cat  ")));
    // The cat is there for four seconds.
    let started = Instant::now();
    let mut best = f64::INFINITY;
    let mut screen = RgbImage::new(1, 1);
    while started.elapsed() < Duration::from_secs(3) && best > 12.0 {
        std::thread::sleep(Duration::from_millis(100));
        screen = Display::screenshot(folder);
        best = best.min(difference(&screen, &cat));
    }
    if let Some(path) = std::env::var_os("CATDOG_TEST_SCREENSHOT") {
        screen.save(path).unwrap();
    }
    assert!(best < 12.0, "the picture is not there: {best}");
    // The text is white, in the middle of the bottom.
    let bottom = (240..400).flat_map(|x| (420..470).map(move |y| (x, y)));
    let white = bottom.filter(|(x, y)| screen.get_pixel(*x, *y).0.iter().all(|level| *level > 200));
    assert!(white.count() > 100, "the label is not there");
    child.kill().unwrap();
    child.wait().unwrap();
}
