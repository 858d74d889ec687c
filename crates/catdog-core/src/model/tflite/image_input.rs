//! The input of an image classifier: which dimensions are batch, height, width and channels.

use super::error::ModelError;
use super::model_options::{ColorOrder, ModelOptions};
use super::schema::DYNAMIC_DIMENSION as OPEN;
use super::tensor_description::TensorDescription;
use crate::preprocess::{ChannelOrder, Channels};
use crate::tensor::TensorInfo;

/// Limit for the height and width of an input, in pixels: several times the input of the largest
/// published image classifiers. A damaged file can contain any number.
pub const MAX_SIDE: usize = 4096;
/// Limit for a batch size that is fixed in the file; exporters write at most some dozens.
const MAX_BATCH: usize = 256;
/// Height and width of an input without a fixed size: the size of ImageNet classifiers.
const DEFAULT_SIDE: usize = 224;

/// The input of an image classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageInput {
    /// One picture: `[1, height, width, channels]` or `[1, channels, height, width]`.
    pub tensor: TensorInfo,
    /// Width and height in pixels.
    pub size: (usize, usize),
    /// What the channels are.
    pub channels: Channels,
    /// Where the channels are in the shape.
    pub order: ChannelOrder,
    /// The shape that the runtime needs. The first dimension is the batch size if it is fixed to
    /// more than 1; the picture is then the first of the batch.
    pub runtime_shape: Vec<usize>,
    /// A dimension is not fixed in the file, so the runtime must be told `runtime_shape`.
    pub is_open: bool,
    /// Height or width is not fixed in the file, and the user has not chosen a size.
    pub size_is_default: bool,
}

/// The meaning of a dimension of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Batch,
    Height,
    Width,
    Channels,
}

/// The dimensions of an input, by their meaning. -1 stands for an open dimension.
struct Dimensions {
    /// The role of each dimension, in the order of the shape.
    roles: &'static [Role],
    batch: i32,
    height: i32,
    width: i32,
    channels: Channels,
}

impl ImageInput {
    /// Interprets the input `described`. `reshaped` is the shape of a RESHAPE that reads it
    /// directly, if there is one: models of Edge Impulse take a flat input and reshape it.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if it is not a picture with one or three channels.
    pub(super) fn new(
        described: &TensorDescription,
        reshaped: Option<&[i32]>,
        options: &ModelOptions,
    ) -> Result<Self, ModelError> {
        let element = described.element()?;
        let wrong = |reason| ModelError::InputShape { shape: described.shape.clone(), reason };
        let is_flat = described.shape.len() <= 2 && reshaped.is_some();
        let shape = reshaped.filter(|_| is_flat).unwrap_or(&described.shape);
        let dimensions = Dimensions::of(shape).map_err(wrong)?;
        let (size, size_is_default) = dimensions.size(options)?;
        if [size.0, size.1].iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
            return Err(wrong("its height or width is not between 1 and 4096"));
        }
        let batch = match dimensions.batch {
            OPEN => 1,
            fixed => usize::try_from(fixed).unwrap_or(0),
        };
        if !(1..=MAX_BATCH).contains(&batch) {
            return Err(wrong("its batch size is not between 1 and 256"));
        }
        let picture = dimensions.picture(size);
        let runtime_shape = if is_flat {
            flat_shape(&described.shape, picture.iter().product()).ok_or_else(|| {
                wrong("it does not have as many elements as the picture that it is reshaped to")
            })?
        } else {
            dimensions.shape(batch, size)
        };
        Ok(Self {
            tensor: TensorInfo {
                name: described.name.clone(),
                shape: picture,
                element,
                quantization: described.quantization,
            },
            size,
            channels: dimensions.channels,
            order: dimensions.order(),
            runtime_shape,
            is_open: described.shape.contains(&OPEN),
            size_is_default,
        })
    }

    /// Sets the order of the color channels to the one that the user has `chosen`, or, if it is
    /// automatic, to the one of the graph.
    ///
    /// # Errors
    ///
    /// [`ModelError::GrayInput`] if the user has chosen an order and the input has one channel.
    pub(super) fn order_colors(
        &mut self,
        chosen: ColorOrder,
        graph_expects_bgr: bool,
    ) -> Result<(), ModelError> {
        let order = match chosen {
            ColorOrder::Auto if graph_expects_bgr => Channels::Bgr,
            ColorOrder::Auto | ColorOrder::Rgb => Channels::Rgb,
            ColorOrder::Bgr => Channels::Bgr,
        };
        match self.channels {
            Channels::Rgb | Channels::Bgr => self.channels = order,
            Channels::Gray if chosen == ColorOrder::Auto => {}
            Channels::Gray => return Err(ModelError::GrayInput),
        }
        Ok(())
    }

    /// Returns the batch size that is fixed in the file; 1 if it is open.
    pub fn batch(&self) -> usize {
        let pictures = self.runtime_shape.iter().product::<usize>() / self.tensor.len().max(1);
        pictures.max(1)
    }
}

/// Returns the shape of a flat input of `elements` elements per picture; `None` if it has another
/// number of elements.
fn flat_shape(shape: &[i32], elements: usize) -> Option<Vec<usize>> {
    let (last, leading) = shape.split_last()?;
    let fits = usize::try_from(*last) == Ok(elements)
        && leading.iter().all(|&dimension| dimension == 1 || dimension == OPEN);
    let leading = leading.iter().map(|_| 1);
    fits.then(|| leading.chain([elements]).collect())
}

impl Dimensions {
    /// Finds the meaning of the dimensions of `shape`. A trailing 3 or 1 is the number of channels,
    /// else a 3 or 1 before height and width. Without a dimension for the channels, as in models
    /// for handwritten digits, there is one channel.
    ///
    /// # Errors
    ///
    /// The reason, as a clause, if the shape is not that of pictures.
    fn of(shape: &[i32]) -> Result<Self, &'static str> {
        use Role::{Batch, Channels as C, Height, Width};
        let of = |roles, batch, height, width, channels| {
            Ok(Self { roles, batch, height, width, channels })
        };
        match *shape {
            [batch, h, w, 3] => of(&[Batch, Height, Width, C], batch, h, w, Channels::Rgb),
            [batch, 3, h, w] => of(&[Batch, C, Height, Width], batch, h, w, Channels::Rgb),
            [batch, h, w, 1] => of(&[Batch, Height, Width, C], batch, h, w, Channels::Gray),
            [batch, 1, h, w] => of(&[Batch, C, Height, Width], batch, h, w, Channels::Gray),
            [1, _, 3 | 1] => Err("its height is 1"),
            [h, w, 3] => of(&[Height, Width, C], 1, h, w, Channels::Rgb),
            [3, h, w] => of(&[C, Height, Width], 1, h, w, Channels::Rgb),
            [h, w, 1] => of(&[Height, Width, C], 1, h, w, Channels::Gray),
            [batch @ (1 | OPEN), h, w] => of(&[Batch, Height, Width], batch, h, w, Channels::Gray),
            [_, _, _, OPEN] => Err("its number of channels is not fixed"),
            [_, _, _, _] => Err("it has neither the three channels of RGB nor one channel of gray"),
            _ => Err("its dimensions are not those of a picture"),
        }
    }

    /// Returns the order of the channels in the memory of a picture.
    fn order(&self) -> ChannelOrder {
        let position = |role| self.roles.iter().position(|other| *other == role);
        match (position(Role::Channels), position(Role::Height)) {
            (Some(channels), Some(height)) if channels < height => ChannelOrder::First,
            _ => ChannelOrder::Last,
        }
    }

    /// Returns the shape of one picture of `size` (width, height), with all four dimensions.
    fn picture(&self, size: (usize, usize)) -> Vec<usize> {
        let channels = self.channels.count();
        match self.order() {
            ChannelOrder::Last => vec![1, size.1, size.0, channels],
            ChannelOrder::First => vec![1, channels, size.1, size.0],
        }
    }

    /// Returns the shape of the input for `batch` pictures of `size` (width, height).
    fn shape(&self, batch: usize, size: (usize, usize)) -> Vec<usize> {
        let value = |role: &Role| match role {
            Role::Batch => batch,
            Role::Height => size.1,
            Role::Width => size.0,
            Role::Channels => self.channels.count(),
        };
        self.roles.iter().map(value).collect()
    }

    /// Returns width and height, and whether one of them is the default.
    ///
    /// # Errors
    ///
    /// [`ModelError::InputSize`] if the user has chosen another size than that of the file.
    fn size(&self, options: &ModelOptions) -> Result<((usize, usize), bool), ModelError> {
        let fixed = |dimension: i32| usize::try_from(dimension).ok();
        let (width, height) = (fixed(self.width), fixed(self.height));
        if let Some(chosen) = options.input_size {
            let fixed = (width.unwrap_or(chosen.0), height.unwrap_or(chosen.1));
            return match fixed == chosen {
                true => Ok((chosen, false)),
                false => Err(ModelError::InputSize { fixed, chosen }),
            };
        }
        let size = (width.unwrap_or(DEFAULT_SIDE), height.unwrap_or(DEFAULT_SIDE));
        Ok((size, width.is_none() || height.is_none()))
    }
}
