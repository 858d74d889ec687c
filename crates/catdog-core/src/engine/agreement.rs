//! Compares two engines: they agree if they make the same decisions on a few generated pictures,
//! and their scores differ by no more than quantization explains.

use super::{Engine, EngineError};
use crate::tensor::{TensorInfo, TensorMut, f16};

/// The largest difference of two scores, as a share of the largest score. Dynamic-range
/// quantization rounds the activations of each layer to 1/127 of their maximum. Over the fifteen
/// depthwise layers of a MobileNetV2, the scores of 129 photos differed by 0.003 of the largest on
/// average and by 0.014 at most. An incorrect rewrite causes differences as large as the scores
/// themselves.
const TOLERANCE: f32 = 0.1;

/// A generated picture: the pixel value at column `x`, row `y` and channel `c` of an input with
/// `width` pixels per row.
type Picture = fn(x: usize, y: usize, c: usize, width: usize) -> u8;

/// Noise, gradients of each color, edges, and uniform gray.
const PICTURES: [Picture; 4] = [
    // The high bits of a multiplicative hash (Knuth, volume 3, 6.4).
    |x, y, c, width| {
        ((3 * (y * width + x) + c) as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]
    },
    |x, y, c, width| (255 * (if c == 1 { y } else { x }) / width.max(1)).min(255) as u8,
    |x, y, c, _| if (x / 16 + y / 16 + c) % 2 == 0 { 32 } else { 224 },
    |_, _, _, _| 128,
];

/// Returns whether `a` and `b`, which take the same input, make the same decision on every picture.
///
/// # Errors
///
/// [`EngineError`] if an inference of either engine fails.
pub fn agree(a: &mut dyn Engine, b: &mut dyn Engine) -> Result<bool, EngineError> {
    if a.input_info() != b.input_info() || a.output_info() != b.output_info() {
        return Ok(false);
    }
    let mut scores = Vec::new();
    for picture in PICTURES {
        scores.push((scores_of(a, picture)?, scores_of(b, picture)?));
    }
    let all = scores.iter().flat_map(|(a, _)| a);
    let largest = all.fold(0.0, |largest: f32, score| largest.max(score.abs()));
    let tolerance = TOLERANCE * largest;
    Ok(scores.iter().all(|(a, b)| same_decision(a, b, tolerance)))
}

fn scores_of(engine: &mut dyn Engine, picture: Picture) -> Result<Vec<f32>, EngineError> {
    let info = engine.input_info().clone();
    fill(engine.input_mut(), &info, picture);
    super::run(engine)?;
    let (output, quantization) = (engine.output(), engine.output_info().quantization);
    Ok((0..output.len()).map(|index| output.real(index, quantization)).collect())
}

/// Fills `input` with `picture`. Floats are scaled to -1..1, the most common range; the comparison
/// does not depend on it.
fn fill(input: TensorMut<'_>, info: &TensorInfo, picture: Picture) {
    let width = info.shape.get(2).copied().unwrap_or(1).max(1);
    let pixel_value = |index: usize| {
        let (pixel, channel) = (index / 3, index % 3);
        picture(pixel % width, pixel / width, channel, width)
    };
    let centered = |index: usize| f32::from(pixel_value(index)) / 127.5 - 1.0;
    match input {
        TensorMut::F32(elements) => {
            elements.iter_mut().enumerate().for_each(|(index, element)| *element = centered(index));
        }
        TensorMut::F16(elements) => elements
            .iter_mut()
            .enumerate()
            .for_each(|(index, element)| *element = f16::from_f32(centered(index))),
        TensorMut::U8(elements) => {
            elements
                .iter_mut()
                .enumerate()
                .for_each(|(index, element)| *element = pixel_value(index));
        }
        TensorMut::I8(elements) => elements
            .iter_mut()
            .enumerate()
            .for_each(|(index, element)| *element = (pixel_value(index) ^ 0x80) as i8),
    }
}

/// Returns whether no score differs by more than `tolerance`, and the best class of `b` is also the
/// best of `a` within `tolerance`. A single score that decides by its sign therefore keeps its
/// sign, unless it is smaller than the tolerance.
fn same_decision(a: &[f32], b: &[f32], tolerance: f32) -> bool {
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance;
    let ahead = a.iter().fold(f32::MIN, |best, score| best.max(*score));
    a.iter().zip(b).all(near) && best(b).is_some_and(|best| ahead - a[best] <= tolerance)
}

fn best(scores: &[f32]) -> Option<usize> {
    (0..scores.len()).max_by(|&one, &other| scores[one].total_cmp(&scores[other]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::FakeEngine;

    #[test]
    fn an_engine_agrees_only_with_an_equal_one() {
        let engine = || FakeEngine::new(8, 8);
        assert!(agree(&mut engine(), &mut engine()).unwrap());
        assert!(!agree(&mut engine(), &mut FakeEngine::new(4, 8)).unwrap());
        let mut failing = engine();
        failing.fail_from = Some(0);
        assert!(agree(&mut engine(), &mut failing).is_err());
    }

    #[test]
    fn only_small_differences_keep_the_decision() {
        assert!(same_decision(&[1.0, 5.0], &[1.2, 4.8], 0.5));
        assert!(!same_decision(&[1.0, 5.0], &[1.0, 4.0], 0.5));
        assert!(!same_decision(&[1.0, 5.0], &[1.0, f32::NAN], 0.5));
        // The two best scores are closer than the tolerance, so either class may be the best.
        assert!(same_decision(&[5.0, 4.9], &[4.9, 5.0], 0.5));
        assert!(!same_decision(&[5.0, 4.5], &[4.7, 4.8], 0.4));
        assert!(same_decision(&[0.1], &[-0.1], 0.5) && !same_decision(&[0.6], &[-0.1], 0.5));
    }
}
