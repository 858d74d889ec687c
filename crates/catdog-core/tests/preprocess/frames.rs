//! Source frames: the test picture, which python/golden/make_preprocess_golden.py computes too, or any
//! components, in the layout of a format and with padding around planes and rows.

use catdog_core::frame::{FrameSpec, FrameView, PixelFormat, Plane};

/// The value of all bytes that are not samples.
const GARBAGE: u8 = 0xAA;

/// The samples of one component.
pub struct Samples {
    pub width: usize,
    pub height: usize,
    pub values: Vec<u8>,
}

impl Samples {
    /// Returns the sample in column `x` and row `y`. The second half of the last packed pair can be
    /// outside the frame; it is garbage.
    fn at(&self, x: usize, y: usize) -> u8 {
        if x < self.width { self.values[y * self.width + x] } else { GARBAGE }
    }
}

/// Returns the width and height of component `index`, in samples.
pub fn component_size(spec: &FrameSpec, index: usize) -> (usize, usize) {
    use PixelFormat::{I420, Nv12, Nv21, Uyvy, Y42b, Yuy2, Yv12};
    let (width, height) = (spec.width, spec.height);
    match spec.format {
        Nv12 | Nv21 | I420 | Yv12 if index > 0 => (width.div_ceil(2), height.div_ceil(2)),
        Yuy2 | Uyvy | Y42b if index > 0 => (width.div_ceil(2), height),
        _ => (width, height),
    }
}

/// Returns component `index` of the test picture: a ramp and, unless `smooth`, a disc, bars and noise.
pub fn test_picture(index: usize, (width, height): (usize, usize), smooth: bool) -> Vec<u8> {
    let pixels = (0..height as i64).flat_map(|y| (0..width as i64).map(move |x| (x, y)));
    let (width, height, component) = (width as i64, height as i64, index as i64);
    let level = |(x, y)| {
        let across = x * 255 / (width - 1).max(1);
        let down = y * 255 / (height - 1).max(1);
        let ramp =
            [(across + down) / 2, (across + 255 - down) / 2, (255 - across + down) / 2][index];
        if smooth {
            return if index == 0 { 16 + ramp * 219 / 255 } else { 96 + ramp / 4 };
        }
        let (dx, dy) = (2 * x - width, 2 * y - height);
        let radius = width.min(height) * (component + 2) / 4;
        let disc = if dx * dx + dy * dy < radius * radius { 60 - 50 * component } else { 0 };
        let bars = if (x + 2 * y + component * 3) / 7 % 2 == 0 { 25 } else { -25 };
        ramp + disc + bars + noise(x as u32, y as u32, index as u32)
    };
    pixels.map(|pixel| level(pixel).clamp(0, 255) as u8).collect()
}

/// Returns a number from -16 to 16: a multiplicative hash of the position.
fn noise(x: u32, y: u32, component: u32) -> i64 {
    let hash = x
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add(y.wrapping_mul(0x85EB_CA77))
        .wrapping_add((component + 1).wrapping_mul(0xC2B2_AE3D));
    let hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    i64::from((hash >> 16) % 33) - 16
}

/// A frame in one block of memory, with garbage before each plane and after each row.
pub struct Frame {
    pub spec: FrameSpec,
    pub components: Vec<Samples>,
    memory: Vec<u8>,
    /// Start and stride of each plane.
    planes: Vec<(usize, usize)>,
}

impl Frame {
    /// Returns the test picture, with `padding` bytes before planes and at least as many after rows.
    pub fn test_picture(spec: &FrameSpec, padding: usize, smooth: bool) -> Self {
        Self::new(spec, padding, |index, size| test_picture(index, size, smooth))
    }

    /// Returns the frame whose component `index` of size (width, height) is `samples(index, size)`.
    pub fn new(
        spec: &FrameSpec,
        padding: usize,
        mut samples: impl FnMut(usize, (usize, usize)) -> Vec<u8>,
    ) -> Self {
        let count = if spec.format == PixelFormat::Gray8 { 1 } else { 3 };
        let components: Vec<Samples> = (0..count)
            .map(|index| {
                let (width, height) = component_size(spec, index);
                Samples { width, height, values: samples(index, (width, height)) }
            })
            .collect();
        let mut frame = Self { spec: spec.clone(), components, memory: vec![], planes: vec![] };
        for plane in 0..spec.format.n_planes() {
            frame.append(plane, padding);
        }
        frame
    }

    /// Appends plane `plane` to the memory.
    fn append(&mut self, plane: usize, padding: usize) {
        let macropixel = macropixel(self.spec.format, plane);
        let first = &self.components[macropixel[0].unwrap_or(1)];
        let luma_in_pair = macropixel.iter().filter(|part| **part == Some(0)).count();
        let packed_pair = luma_in_pair == 2;
        let count = if packed_pair { self.spec.width.div_ceil(2) } else { first.width };
        let rows = first.height;
        let stride = count * macropixel.len() + padding * (plane + 1);
        self.memory.extend(std::iter::repeat_n(GARBAGE, padding));
        self.planes.push((self.memory.len(), stride));
        for y in 0..rows {
            for x in 0..count {
                let mut luma = 0;
                for part in macropixel {
                    let byte = match part {
                        Some(0) if packed_pair => {
                            luma += 1;
                            self.components[0].at(2 * x + luma - 1, y)
                        }
                        Some(index) => self.components[*index].at(x, y),
                        None => GARBAGE,
                    };
                    self.memory.push(byte);
                }
            }
            // A buffer can end with the last sample.
            if y + 1 < rows {
                self.memory.extend(std::iter::repeat_n(GARBAGE, padding * (plane + 1)));
            }
        }
    }

    /// Borrows the planes.
    pub fn view(&self) -> FrameView<'_> {
        let ends = self.planes.iter().skip(1).map(|(start, _)| *start);
        let ends = ends.chain([self.memory.len()]);
        let planes: Vec<Plane<'_>> = std::iter::zip(&self.planes, ends)
            .map(|((start, stride), end)| Plane {
                data: &self.memory[*start..end],
                stride: *stride,
            })
            .collect();
        FrameView::new(&self.spec, &planes).expect("the planes match the spec")
    }
}

/// Returns the component of each byte of the group of bytes that repeats in a row of `plane`.
fn macropixel(format: PixelFormat, plane: usize) -> &'static [Option<usize>] {
    use PixelFormat as F;
    const fn all<const N: usize>(bytes: [i8; N]) -> [Option<usize>; N] {
        let mut parts = [None; N];
        let mut index = 0;
        while index < N {
            if bytes[index] >= 0 {
                parts[index] = Some(bytes[index] as usize);
            }
            index += 1;
        }
        parts
    }
    const X: i8 = -1;
    match (format, plane) {
        (F::Yuy2, _) => const { &all([0, 1, 0, 2]) },
        (F::Uyvy, _) => const { &all([1, 0, 2, 0]) },
        (F::Rgb, _) => const { &all([0, 1, 2]) },
        (F::Bgr, _) => const { &all([2, 1, 0]) },
        (F::Rgbx, _) => const { &all([0, 1, 2, X]) },
        (F::Bgrx, _) => const { &all([2, 1, 0, X]) },
        (F::Xrgb, _) => const { &all([X, 0, 1, 2]) },
        (F::Xbgr, _) => const { &all([X, 2, 1, 0]) },
        (_, 0) => const { &all([0]) },
        (F::Nv12, _) => const { &all([1, 2]) },
        (F::Nv21, _) => const { &all([2, 1]) },
        (F::Yv12, 1) => const { &all([2]) },
        (F::Yv12, _) => const { &all([1]) },
        (_, 1) => const { &all([1]) },
        _ => const { &all([2]) },
    }
}
