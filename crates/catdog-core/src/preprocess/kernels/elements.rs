//! The last step of an output row: from pixel values to tensor elements.

use super::isa::Isa;
use crate::preprocess::element_map::{Byte, Normalizer, Table};
use crate::preprocess::target::CHANNELS;
use crate::tensor::f16;

/// A function from pixel values to elements of type `T`, applied with the loops of an instruction
/// set.
pub(in crate::preprocess) trait WriteElements<T> {
    /// Writes the elements of the pixel values `levels` to `elements`, which has the same length.
    /// The pixel values are those of whole pixels, or of a single channel.
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
    /// Writes the elements of `levels`, see [`WriteElements::write`].
    #[inline(always)]
    fn look_up(&self, levels: &[u8], elements: &mut [T]) {
        let (pixels, rest) = levels.as_chunks::<CHANNELS>();
        let (elements, rest_elements) = elements.as_chunks_mut::<CHANNELS>();
        for (pixel, elements) in pixels.iter().zip(elements) {
            for ((element, level), table) in elements.iter_mut().zip(pixel).zip(&self.elements) {
                *element = table[usize::from(*level)];
            }
        }
        // A row of a single channel can have one or two more.
        for ((element, level), table) in rest_elements.iter_mut().zip(rest).zip(&self.elements) {
            *element = table[usize::from(*level)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::element_map::ElementMap;
    use crate::preprocess::kernels::portable::Portable;
    use crate::preprocess::target::{ChannelOrder, Channels, TensorTarget, ValueMap};
    use crate::tensor::{ElementType, Quantization};

    /// Returns the elements of a gray pixel, for each pixel value.
    fn grays<T: Copy + Default>(maps: &[impl WriteElements<T>]) -> Vec<[T; CHANNELS]> {
        let levels: Vec<u8> = (0..=255).flat_map(|level| [level; CHANNELS]).collect();
        let mut elements = vec![T::default(); levels.len()];
        assert_eq!(maps.len(), 1, "adjacent channels are one plane");
        maps[0].write(Portable, &levels, &mut elements);
        elements.as_chunks().0.to_vec()
    }

    fn map_of(element: ElementType, values: [ValueMap; CHANNELS]) -> ElementMap {
        let (channels, order) = (Channels::Rgb, ChannelOrder::Last);
        let target = TensorTarget { width: 1, height: 1, channels, order, element, values };
        ElementMap::new(&target).unwrap()
    }

    fn map(element: ElementType, value: ValueMap) -> ElementMap {
        map_of(element, [value; CHANNELS])
    }

    #[test]
    fn plain_pixel_values_keep_their_order_in_every_element_type() {
        let ElementMap::U8(table) = map(ElementType::U8, ValueMap::Level) else { panic!() };
        assert_eq!(grays(&table), Vec::from_iter((0..=255).map(|level| [level; 3])));
        let ElementMap::I8(table) = map(ElementType::I8, ValueMap::Level) else { panic!() };
        assert_eq!(grays(&table), Vec::from_iter((-128..=127).map(|level| [level; 3])));
        let ElementMap::F32(plain) = map(ElementType::F32, ValueMap::Level) else { panic!() };
        let want = Vec::from_iter((0..=255_u8).map(|level| [f32::from(level); 3]));
        assert_eq!(grays(&plain), want);
        let ElementMap::F16(plain) = map(ElementType::F16, ValueMap::Level) else { panic!() };
        let want = Vec::from_iter((0..=255_u8).map(|level| [f16::from(level); 3]));
        assert_eq!(grays(&plain), want);
    }

    #[test]
    fn half_floats_are_the_nearest_to_the_floats() {
        let value = |mean: f32, std: f32| ValueMap::Normalized { mean, std };
        let values = [value(123.675, 58.395), value(0.0, 255.0), value(127.5, -127.5)];
        let ElementMap::F32(floats) = map_of(ElementType::F32, values) else { panic!() };
        let ElementMap::F16(halves) = map_of(ElementType::F16, values) else { panic!() };
        for (floats, halves) in grays(&floats).into_iter().zip(grays(&halves)) {
            for (float, half) in floats.into_iter().zip(halves) {
                let off = |bits: u16| (f16::from_bits(bits).to_f32() - float).abs();
                let nearest = [half.to_bits().saturating_sub(1), half.to_bits() + 1].map(off);
                assert!(off(half.to_bits()) <= nearest[0].min(nearest[1]), "{half} for {float}");
            }
        }
    }

    #[test]
    fn each_plane_has_the_values_of_its_channel() {
        let value = |mean: f32| ValueMap::Normalized { mean, std: 1.0 };
        let target = |channels| TensorTarget {
            width: 1,
            height: 1,
            channels,
            order: ChannelOrder::First,
            element: ElementType::F16,
            values: [value(1.0), value(2.0), value(3.0)],
        };
        // Two more elements than whole pixels of three channels.
        let levels = [10; 3 * CHANNELS + 2];
        let elements = |map: &Table<f16>| {
            let mut elements = [f16::ZERO; 3 * CHANNELS + 2];
            map.write(Portable, &levels, &mut elements);
            elements.map(f16::to_f32)
        };
        let ElementMap::F16(maps) = ElementMap::new(&target(Channels::Rgb)).unwrap() else {
            panic!()
        };
        assert_eq!(Vec::from_iter(maps.iter().map(elements)), [9.0, 8.0, 7.0].map(|e| [e; 11]));
        let ElementMap::F16(maps) = ElementMap::new(&target(Channels::Gray)).unwrap() else {
            panic!()
        };
        assert_eq!(Vec::from_iter(maps.iter().map(elements)), [[9.0; 11]]);
    }

    #[test]
    fn each_channel_has_its_own_mean_and_deviation() {
        let value = |mean: f32, std: f32| ValueMap::Normalized { mean, std };
        let values = [value(0.0, 2.0), value(100.0, 1.0), value(127.5, 127.5)];
        let ElementMap::F32(normalizer) = map_of(ElementType::F32, values) else { panic!() };
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
        assert_eq!(grays(&table)[99..=101], [[-1; 3], [0; 3], [1; 3]]);
        let quantization = Quantization { scale: 0.5, zero_point: 10 };
        let value = ValueMap::Quantized { mean: 100.0, std: 1.0, quantization };
        let ElementMap::U8(table) = map(ElementType::U8, value) else { panic!() };
        let grays = grays(&table);
        assert_eq!((grays[0], grays[100], grays[255]), ([0; 3], [10; 3], [255; 3]));
    }
}
