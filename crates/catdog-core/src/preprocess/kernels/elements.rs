//! The last step of an output row: from pixel values to tensor elements.

use super::isa::Isa;
use crate::preprocess::element_map::{Byte, Normalizer, Table};
use crate::preprocess::target::CHANNELS;
use crate::tensor::f16;

/// A function from pixel values to elements of type `T`, applied with the loops of an instruction
/// set.
pub(in crate::preprocess) trait WriteElements<T> {
    /// Writes the elements of the pixel values `levels`, which start with a red one, to `elements`,
    /// which has the same length.
    fn write<I: Isa>(&self, isa: I, levels: &[u8], elements: &mut [T]);
}

impl WriteElements<f32> for Normalizer {
    #[inline(always)]
    fn write<I: Isa>(&self, isa: I, levels: &[u8], elements: &mut [f32]) {
        let (patterns, rest) = levels.as_chunks();
        let (elements, rest_elements) = elements.as_chunks_mut();
        isa.normalize(self, patterns, elements);
        self.apply(rest, rest_elements);
    }
}

impl WriteElements<f16> for Table<f16> {
    #[inline(always)]
    fn write<I: Isa>(&self, _: I, levels: &[u8], elements: &mut [f16]) {
        self.look_up(levels, elements);
    }
}

impl<T: Byte> WriteElements<T> for Table<T> {
    #[inline(always)]
    fn write<I: Isa>(&self, _: I, levels: &[u8], elements: &mut [T]) {
        if let Some(bits) = self.flipped {
            for (element, level) in elements.iter_mut().zip(levels) {
                *element = T::from_bits(level ^ bits);
            }
            return;
        }
        self.look_up(levels, elements);
    }
}

impl<T: Copy> Table<T> {
    /// Writes the elements of `levels`, which start with a red one.
    #[inline(always)]
    fn look_up(&self, levels: &[u8], elements: &mut [T]) {
        let (pixels, _) = levels.as_chunks::<CHANNELS>();
        for (pixel, elements) in pixels.iter().zip(elements.as_chunks_mut::<CHANNELS>().0) {
            for ((element, level), table) in elements.iter_mut().zip(pixel).zip(&self.elements) {
                *element = table[usize::from(*level)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::element_map::ElementMap;
    use crate::preprocess::kernels::portable::Portable;
    use crate::preprocess::target::ValueMap;
    use crate::tensor::{ElementType, Quantization};

    /// Returns the elements of a gray pixel, for each pixel value.
    fn grays<T: Copy + Default>(map: &impl WriteElements<T>) -> Vec<[T; CHANNELS]> {
        let levels: Vec<u8> = (0..=255).flat_map(|level| [level; CHANNELS]).collect();
        let mut elements = vec![T::default(); levels.len()];
        map.write(Portable, &levels, &mut elements);
        elements.as_chunks().0.to_vec()
    }

    fn map(element: ElementType, value: ValueMap) -> ElementMap {
        ElementMap::new(element, &[value; CHANNELS]).unwrap()
    }

    #[test]
    fn plain_pixel_values_keep_their_order_in_every_element_type() {
        let ElementMap::U8(table) = map(ElementType::U8, ValueMap::Level) else { panic!() };
        assert_eq!(grays(&*table), Vec::from_iter((0..=255).map(|level| [level; 3])));
        let ElementMap::I8(table) = map(ElementType::I8, ValueMap::Level) else { panic!() };
        assert_eq!(grays(&*table), Vec::from_iter((-128..=127).map(|level| [level; 3])));
        let ElementMap::F32(plain) = map(ElementType::F32, ValueMap::Level) else { panic!() };
        let want = Vec::from_iter((0..=255_u8).map(|level| [f32::from(level); 3]));
        assert_eq!(grays(&plain), want);
    }

    #[test]
    fn each_channel_has_its_own_mean_and_deviation() {
        let value = |mean: f32, std: f32| ValueMap::Normalized { mean, std };
        let values = [value(0.0, 2.0), value(100.0, 1.0), value(127.5, 127.5)];
        let ElementMap::F32(normalizer) = ElementMap::new(ElementType::F32, &values).unwrap()
        else {
            panic!()
        };
        let grays = grays(&normalizer);
        assert_eq!(grays[0], [0.0, -100.0, -1.0]);
        assert_eq!(grays[201], [100.5, 101.0, 73.5 / 127.5]);
        assert_eq!(grays[255], [127.5, 155.0, 1.0]);
    }

    #[test]
    fn quantized_values_round_away_from_zero_and_saturate() {
        let quantization = Quantization { scale: 2.0, zero_point: 0 };
        let value = ValueMap::Quantized { mean: 100.0, std: 1.0, quantization };
        let ElementMap::I8(table) = map(ElementType::I8, value) else { panic!() };
        // The real numbers of these three pixel values are -0.5, 0 and 0.5.
        assert_eq!(grays(&*table)[99..=101], [[-1; 3], [0; 3], [1; 3]]);
        let quantization = Quantization { scale: 0.5, zero_point: 10 };
        let value = ValueMap::Quantized { mean: 100.0, std: 1.0, quantization };
        let ElementMap::U8(table) = map(ElementType::U8, value) else { panic!() };
        let grays = grays(&*table);
        assert_eq!((grays[0], grays[100], grays[255]), ([0; 3], [10; 3], [255; 3]));
    }
}
