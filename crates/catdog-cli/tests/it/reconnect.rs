//! Sources that break and come back: servers on the loopback interface that end, stall and restart.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::{command_in, demo, own_text, play};

/// Returns a photo of a room and one of a cat, from the demo clip.
fn room_and_cat(folder: &Path) -> [Vec<u8>; 2] {
    let uri = gst::glib::filename_to_uri(demo(), None).unwrap();
    play(&format!(
        "uridecodebin uri={uri} ! videoconvert ! videorate ! video/x-raw,framerate=1/1 ! jpegenc ! \
         multifilesink location={}",
        folder.join("frame%02d.jpg").display()
    ));
    ["frame01.jpg", "frame05.jpg"].map(|name| fs::read(folder.join(name)).unwrap())
}

fn cat(folder: &Path) -> Vec<u8> {
    let [_, cat] = room_and_cat(folder);
    cat
}

/// How a connection to the server ends.
#[derive(Clone, Copy)]
enum End {
    /// The server closes it.
    Cut,
    /// The server sends nothing more.
    Stall,
}

/// A camera on the network that sends "MJPEG". A connection sends one of the photos and ends after
/// `seconds` as `ends` says. The last ones of both count for all connections that follow.
struct Camera {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Camera {
    fn new(photos: Vec<Vec<u8>>, seconds: f64, ends: Vec<End>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=x\r\n\r\n",
                );
                // The first connection finds out what the server sends.
                let number = count.fetch_add(1, Ordering::Relaxed).saturating_sub(1);
                let end = ends[number.min(ends.len() - 1)];
                let photo = photos[number.min(photos.len() - 1)].clone();
                thread::spawn(move || send(stream, &photo, seconds, end));
            }
        });
        Self { port, connections }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

fn send(mut stream: TcpStream, photo: &[u8], seconds: f64, end: End) {
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        let head =
            format!("--x\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", photo.len());
        let sent = stream.write_all(&[head.as_bytes(), photo, b"\r\n"].concat());
        if sent.is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    if matches!(end, End::Stall) {
        thread::sleep(Duration::from_secs(60));
    }
}

/// Reads lines of the program until one contains `text`.
fn wait_for(lines: &mut impl Iterator<Item = std::io::Result<String>>, text: &str) {
    for line in lines {
        if line.unwrap().contains(text) {
            return;
        }
    }
    panic!("the program has ended before \"{text}\"");
}

fn interrupt(child: &Child) {
    let kill = ["-INT", &child.id().to_string()];
    assert!(Command::new("kill").args(kill).status().unwrap().success());
}

#[test]
fn a_stream_that_stalls_or_is_cut_comes_back_and_the_recording_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut ends = vec![End::Cut; 8];
    ends.splice(2..2, [End::Stall, End::Stall]);
    let camera = Camera::new(vec![cat(folder)], 1.5, ends);
    let mut child = command_in(folder)
        .args(["live", &camera.url(), "--record", "out.mp4", "--seconds", "300"])
        .env("G_DEBUG", "fatal_criticals")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for loss in 0..10 {
        wait_for(&mut lines, "  cat  ");
        wait_for(&mut lines, "  unknown");
        assert!(camera.connections.load(Ordering::Relaxed) >= loss + 2);
    }
    wait_for(&mut lines, "  cat  ");
    interrupt(&child);
    let (status, _, stderr) = own_text(child.wait_with_output().unwrap());
    assert_eq!(status, Some(0), "{stderr}");
    // The program reports each loss and each return once.
    let count = |text: &str| stderr.matches(text).count();
    assert_eq!((count("no signal from"), count(" is back\n")), (10, 10), "{stderr}");
    assert_eq!((count("the stream ended"), count("no frame for 5 s")), (8, 2), "{stderr}");
    let bytes = fs::metadata(folder.join("out.mp4")).unwrap().len();
    assert!(bytes > 50_000, "{bytes}");
    play(&format!("filesrc location={} ! decodebin ! fakesink", folder.join("out.mp4").display()));
}

#[test]
fn after_a_loss_the_label_is_that_of_the_new_picture() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [room, cat] = room_and_cat(folder);
    let camera = Camera::new(vec![cat, room], 3.0, vec![End::Cut, End::Stall]);
    let mut child = command_in(folder)
        .args(["live", &camera.url(), "--seconds", "60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.take(3).map(|line| line.unwrap()).collect();
    interrupt(&child);
    let (status, _, stderr) = own_text(child.wait_with_output().unwrap());
    assert_eq!(status, Some(0), "{stderr}");
    for (line, label) in lines.iter().zip(["  cat  ", "  unknown", "  neither  "]) {
        assert!(line.contains(label), "{lines:?}");
    }
}

#[test]
fn without_reconnection_the_end_of_the_stream_is_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let camera = Camera::new(vec![cat(folder.path())], 1.0, vec![End::Cut]);
    let output =
        command_in(folder.path()).args(["live", &camera.url(), "--no-reconnect"]).output().unwrap();
    let (status, stdout, stderr) = own_text(output);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.contains("  cat  ") && !stderr.contains("reconnecting"), "{stdout}{stderr}");
}

#[test]
fn an_address_that_has_never_worked_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    // A port without a server.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["http", "rtsp"] {
        let url = format!("{scheme}://127.0.0.1:{port}/");
        let output = command_in(folder.path()).args(["live", &url, "--quiet"]).output().unwrap();
        let (status, _, stderr) = own_text(output);
        assert_eq!(status, Some(1), "{stderr}");
        assert!(stderr.starts_with(&format!("catdog: {url}: ")), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

/// An RTSP server that shows the photo.
const RTSP_SERVER: &str = "
import sys
import gi
gi.require_version('Gst', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(address='127.0.0.1', service=sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory(shared=True)
factory.set_launch(
    'multifilesrc location=' + sys.argv[2] + ' loop=true do-timestamp=true caps=image/jpeg,framerate=15/1 ! '
    'jpegdec ! videorate ! video/x-raw,framerate=15/1 ! videoconvert ! video/x-raw,format=I420 ! '
    'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0')
server.get_mount_points().add_factory('/cat', factory)
server.attach(None)
print('ready', flush=True)
GLib.MainLoop().run()
";

/// Starts the server; `None` if its library is not installed.
fn rtsp_server(folder: &Path, port: u16) -> Option<Child> {
    let mut server = Command::new("/usr/bin/python3")
        .args(["-c", RTSP_SERVER, &port.to_string()])
        .arg(folder.join("frame05.jpg"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take()?).read_line(&mut line).ok()?;
    if line == "ready\n" {
        return Some(server);
    }
    let _ = server.wait();
    None
}

#[test]
fn an_rtsp_server_that_is_killed_and_restarted_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cat(folder);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(mut server) = rtsp_server(folder, port) else {
        let test = "an_rtsp_server_that_is_killed_and_restarted_is_found_again";
        catdog_core::testing::skip(test, "gir1.2-gst-rtsp-server-1.0 is not installed");
        return;
    };
    let mut child = command_in(folder)
        .args([
            "live",
            &format!("rtsp://127.0.0.1:{port}/cat"),
            "--record",
            "out.mkv",
            "--seconds",
            "60",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    wait_for(&mut lines, "  cat  ");
    // SIGKILL: the server does not say that it ends.
    server.kill().unwrap();
    server.wait().unwrap();
    wait_for(&mut lines, "  unknown");
    let mut server = rtsp_server(folder, port).unwrap();
    wait_for(&mut lines, "  cat  ");
    interrupt(&child);
    let (status, _, stderr) = own_text(child.wait_with_output().unwrap());
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(stderr.matches("no signal from").count(), 1, "{stderr}");
    play(&format!("filesrc location={} ! decodebin ! fakesink", folder.join("out.mkv").display()));
}
