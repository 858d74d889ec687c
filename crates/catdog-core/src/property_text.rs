//! The texts of properties that the element and the command `catdog` have in common, parsed in one
//! place.

use crate::model::tflite::MAX_SIDE;

/// Parses the value of `input-size`: width and height in pixels, from 1 to [`MAX_SIDE`], separated
/// by "x". Returns `None` for any other text.
pub fn parse_size(text: &str) -> Option<(usize, usize)> {
    let side = |text: &str| text.trim().parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
    let (width, height) = text.split_once(['x', 'X'])?;
    Some((side(width)?, side(height)?))
}

/// Parses the value of `input-mean`: one finite number, or three separated by commas. Returns `None`
/// for any other text.
pub fn parse_mean(text: &str) -> Option<Vec<f32>> {
    parse_numbers(text, f32::is_finite)
}

/// Parses the value of `input-std`: as [`parse_mean`], but no number is 0 or so small that a division
/// by it overflows. Returns `None` for any other text.
pub fn parse_std(text: &str) -> Option<Vec<f32>> {
    parse_numbers(text, f32::is_normal)
}

fn parse_numbers(text: &str, is_allowed: fn(f32) -> bool) -> Option<Vec<f32>> {
    let number = |text: &str| text.trim().parse().ok().filter(|number: &f32| is_allowed(*number));
    let numbers: Vec<f32> = text.split(',').map(number).collect::<Option<_>>()?;
    matches!(numbers.len(), 1 | 3).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_two_sides() {
        assert_eq!(parse_size("320x240"), Some((320, 240)));
        assert_eq!(parse_size(" 1 X 4096 "), Some((1, 4096)));
        for text in ["", "320", "320x", "0x1", "1x4097", "1x1x1", "-1x1", "1.5x1"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn a_mean_is_one_number_or_three() {
        assert_eq!(parse_mean("-127.5"), Some(vec![-127.5]));
        assert_eq!(parse_mean("123.7, 116.3,0"), Some(vec![123.7, 116.3, 0.0]));
        for text in ["", "x", "1,2", "1,2,3,4", "1,2,", "inf", "nan", "1e99"] {
            assert_eq!(parse_mean(text), None, "{text}");
        }
    }

    #[test]
    fn a_standard_deviation_is_not_0() {
        assert_eq!(parse_std("58.4,-57,1"), Some(vec![58.4, -57.0, 1.0]));
        for text in ["0", "-0", "1,0,1", "1e-40", "inf"] {
            assert_eq!(parse_std(text), None, "{text}");
        }
    }
}
