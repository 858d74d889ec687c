//! Structural mutations of a `.tflite` file: the file stays a valid flatbuffer, and its graph changes.
//!
//! A mutation overwrites a number in place, or appends a vector or table at the end of the file and leads a
//! reference there. Field ids are those of `schema.fbs` of TensorFlow Lite, version 3.

use catdog_core::testing::Random;

/// Field ids of table `Model`.
const OPERATOR_CODES: usize = 1;
const SUBGRAPHS: usize = 2;
const BUFFERS: usize = 4;
/// Field ids of table `SubGraph`.
const TENSORS: usize = 0;
const GRAPH_INPUTS: usize = 1;
const GRAPH_OUTPUTS: usize = 2;
const OPERATORS: usize = 3;
/// Field ids of table `Tensor`.
const SHAPE: usize = 0;
const TYPE: usize = 1;
const BUFFER: usize = 2;
const QUANTIZATION: usize = 4;
/// Field ids of table `QuantizationParameters`.
const SCALE: usize = 2;
const ZERO_POINT: usize = 3;
/// Field ids of table `Operator`.
const OPCODE_INDEX: usize = 0;
const INPUTS: usize = 1;
const OUTPUTS: usize = 2;
const OPTIONS_TYPE: usize = 3;
const OPTIONS: usize = 4;
const OPTIONS_2: usize = 12;
/// Field ids of table `Buffer`.
const DATA: usize = 0;

/// Number of values of enum `BuiltinOperator`, and of `TensorType`.
const OPERATOR_COUNT: usize = 210;
const TYPE_COUNT: usize = 21;
/// Number of members of union `BuiltinOptions`.
const OPTIONS_COUNT: usize = 127;

/// Numbers at and beyond the limits of shapes, axes, strides and indices.
const NUMBERS: [i32; 24] = [
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    64,
    255,
    1000,
    4096,
    65_536,
    1 << 20,
    1 << 30,
    i32::MAX,
    i32::MIN,
    -1,
    -2,
    -3,
    -5,
    -128,
    -1_000_000,
];
/// Scales at and beyond the limits.
const SCALES: [f32; 12] = [
    0.0,
    1.0,
    -1.0,
    0.5,
    1e-12,
    1e-38,
    1e-45,
    1e12,
    3e38,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
];

/// Returns structural mutation `number` of `file`: one to three changes.
pub fn mutate(file: &[u8], number: u64) -> Vec<u8> {
    let mut random = Random(number);
    let mut model = Model { bytes: file.to_vec() };
    let changes = [1, 1, 1, 2, 3][random.below(5)];
    let mut applied = 0;
    // A change is not possible in every place, for example if there are no constants.
    for _ in 0..1000 {
        if model.change(&mut random).is_some() && model.bytes != file {
            applied += 1;
        }
        if applied == changes {
            break;
        }
    }
    model.bytes
}

/// A file that is being mutated. Positions are byte offsets.
struct Model {
    bytes: Vec<u8>,
}

impl Model {
    /// Applies one change; `None` if its random place does not have what it changes.
    fn change(&mut self, random: &mut Random) -> Option<()> {
        let graphs = self.tables(self.root()?, SUBGRAPHS)?;
        let graph = *pick(&graphs, random)?;
        match random.below(16) {
            0 | 1 => self.change_code(random),
            2 => {
                let operator = *pick(&self.tables(graph, OPERATORS)?, random)?;
                let codes = self.tables(self.root()?, OPERATOR_CODES)?.len();
                self.set(
                    self.field(operator, OPCODE_INDEX)?,
                    &(random.below(codes) as u32).to_le_bytes(),
                )
            }
            3 | 4 => self.change_option(graph, random),
            5 | 6 => {
                let operator = *pick(&self.tables(graph, OPERATORS)?, random)?;
                self.change_indices(operator, INPUTS, graph, random)
            }
            7 => {
                let operator = *pick(&self.tables(graph, OPERATORS)?, random)?;
                self.change_indices(operator, OUTPUTS, graph, random)
            }
            8 => {
                let id = if random.below(2) == 0 { GRAPH_INPUTS } else { GRAPH_OUTPUTS };
                self.change_indices(graph, id, graph, random)
            }
            9 | 10 => self.change_shape(graph, random),
            11 => self.change_type(graph, random),
            12 => {
                let tensor = *pick(&self.tables(graph, TENSORS)?, random)?;
                let buffers = self.tables(self.root()?, BUFFERS)?.len();
                self.set(self.field(tensor, BUFFER)?, &(random.below(buffers) as u32).to_le_bytes())
            }
            13 | 14 => self.change_constant(random),
            _ => self.change_quantization(graph, random),
        }
    }

    /// Changes an operator code to that of another operator.
    fn change_code(&mut self, random: &mut Random) -> Option<()> {
        let root = self.root()?;
        let count = self.tables(root, OPERATOR_CODES)?.len();
        let reference = self.vector(root, OPERATOR_CODES)? + 4 + 4 * random.below(count);
        let code = random.below(OPERATOR_COUNT) as i32;
        let version = 1 + random.below(4) as i32;
        // The fields of `OperatorCode`: deprecated code, custom code, version, code.
        let table = self.append_table(&[Some(code.min(127)), None, Some(version), Some(code)]);
        self.lead(reference, table)
    }

    /// Changes the options of an operator: one number, the type, or all numbers.
    fn change_option(&mut self, graph: usize, random: &mut Random) -> Option<()> {
        let operator = *pick(&self.tables(graph, OPERATORS)?, random)?;
        let number = NUMBERS[random.below(NUMBERS.len())];
        match random.below(8) {
            0 => {
                let kind = random.below(OPTIONS_COUNT) as u8;
                self.set(self.field(operator, OPTIONS_TYPE)?, &[kind])
            }
            1 => self.set(self.field(operator, OPTIONS_TYPE)?, &[0]),
            2 => {
                let options = self.table(operator, OPTIONS_2)?;
                self.set(self.field(options, 1)?, &(random.below(4) as i32).to_le_bytes())
            }
            3 | 4 => {
                let fields = [(); 8]
                    .map(|()| (random.below(2) == 0).then(|| NUMBERS[random.below(NUMBERS.len())]));
                let table = self.append_table(&fields);
                self.lead(self.field(operator, OPTIONS)?, table)
            }
            5 => {
                let options = self.table(operator, OPTIONS)?;
                self.set(self.field(options, random.below(7))?, &[random.below(7) as u8])
            }
            _ => {
                let options = self.table(operator, OPTIONS)?;
                self.set(self.field(options, random.below(7))?, &number.to_le_bytes())
            }
        }
    }

    /// Changes a vector of tensor indices: replaces, exchanges, repeats, removes or adds one.
    fn change_indices(
        &mut self,
        table: usize,
        id: usize,
        graph: usize,
        random: &mut Random,
    ) -> Option<()> {
        let tensors = self.tables(graph, TENSORS)?.len();
        let mut indices = self.integers(table, id)?;
        let (a, b) = (random.below(indices.len().max(1)), random.below(indices.len().max(1)));
        let other = random.below(tensors) as i32;
        match random.below(7) {
            0 => *indices.get_mut(a)? = -1,
            1 if !indices.is_empty() => indices.swap(a, b),
            2 => *indices.get_mut(a)? = *indices.get(b)?,
            3 if !indices.is_empty() => drop(indices.remove(a)),
            4 => indices.push(other),
            5 => indices.insert(a, other),
            _ => *indices.get_mut(a)? = other,
        }
        let vector = self.append_vector(&indices);
        self.lead(self.field(table, id)?, vector)
    }

    /// Changes the shape of a tensor.
    fn change_shape(&mut self, graph: usize, random: &mut Random) -> Option<()> {
        let tensor = *pick(&self.tables(graph, TENSORS)?, random)?;
        let mut shape = self.integers(tensor, SHAPE)?;
        let place = random.below(shape.len().max(1));
        let number = NUMBERS[random.below(NUMBERS.len())];
        match random.below(6) {
            0 if !shape.is_empty() => drop(shape.remove(place)),
            1 => shape.insert(place, 1),
            2 => shape.push(number),
            3 => shape.reverse(),
            _ => *shape.get_mut(place)? = number,
        }
        let vector = self.append_vector(&shape);
        self.lead(self.field(tensor, SHAPE)?, vector)
    }

    /// Changes the element type of a tensor, or of all tensors that have the same.
    fn change_type(&mut self, graph: usize, random: &mut Random) -> Option<()> {
        let tensors = self.tables(graph, TENSORS)?;
        let chosen = *pick(&tensors, random)?;
        let position = self.field(chosen, TYPE)?;
        let (old, new) = (*self.bytes.get(position)?, random.below(TYPE_COUNT) as u8);
        if random.below(3) == 0 {
            return self.set(position, &[new]);
        }
        for tensor in tensors {
            let position = self.field(tensor, TYPE).filter(|p| self.bytes.get(*p) == Some(&old));
            if let Some(position) = position {
                self.set(position, &[new])?;
            }
        }
        Some(())
    }

    /// Changes a number in a small constant: a shape, an axis, a border.
    fn change_constant(&mut self, random: &mut Random) -> Option<()> {
        let buffer = *pick(&self.tables(self.root()?, BUFFERS)?, random)?;
        let data = self.vector(buffer, DATA)?;
        let count = self.u32(data)? as usize / 4;
        if !(1..=64).contains(&count) {
            return None;
        }
        let number = NUMBERS[random.below(NUMBERS.len())];
        self.set(data + 4 + 4 * random.below(count), &number.to_le_bytes())
    }

    /// Changes a scale or zero point, or exchanges the quantization of two tensors, or removes it.
    fn change_quantization(&mut self, graph: usize, random: &mut Random) -> Option<()> {
        let tensors = self.tables(graph, TENSORS)?;
        let tensor = *pick(&tensors, random)?;
        let parameters = self.table(tensor, QUANTIZATION)?;
        match random.below(6) {
            0 => {
                let table = self.append_table(&[]);
                self.lead(self.field(tensor, QUANTIZATION)?, table)
            }
            1 => {
                let other = self.table(*pick(&tensors, random)?, QUANTIZATION)?;
                self.lead(self.field(tensor, QUANTIZATION)?, other)
            }
            2 => {
                let zero_points = self.vector(parameters, ZERO_POINT)?;
                let number = i64::from(NUMBERS[random.below(NUMBERS.len())]);
                let count = self.u32(zero_points)? as usize;
                self.set(zero_points + 4 + 8 * random.below(count.max(1)), &number.to_le_bytes())
            }
            3 => {
                let count =
                    self.vector(parameters, if random.below(2) == 0 { SCALE } else { ZERO_POINT })?;
                let number = self.u32(count)?.saturating_sub(1);
                self.set(count, &number.to_le_bytes())
            }
            _ => {
                let scales = self.vector(parameters, SCALE)?;
                let count = self.u32(scales)? as usize;
                let scale = SCALES[random.below(SCALES.len())];
                self.set(scales + 4 + 4 * random.below(count.max(1)), &scale.to_le_bytes())
            }
        }
    }

    // Reading and writing the flatbuffer.

    fn u16(&self, position: usize) -> Option<usize> {
        let bytes = self.bytes.get(position..position + 2)?;
        Some(u16::from_le_bytes(bytes.try_into().unwrap()).into())
    }

    fn u32(&self, position: usize) -> Option<u32> {
        let bytes = self.bytes.get(position..position + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().unwrap()))
    }

    fn root(&self) -> Option<usize> {
        self.follow(0)
    }

    fn follow(&self, position: usize) -> Option<usize> {
        Some(position + self.u32(position)? as usize)
    }

    fn field(&self, table: usize, id: usize) -> Option<usize> {
        let vtable = usize::try_from(table as i64 - i64::from(self.u32(table)? as i32)).ok()?;
        let entry = 4 + 2 * id;
        let offset = if entry < self.u16(vtable)? { self.u16(vtable + entry)? } else { 0 };
        (offset > 0).then(|| table + offset)
    }

    fn table(&self, table: usize, id: usize) -> Option<usize> {
        self.follow(self.field(table, id)?)
    }

    fn vector(&self, table: usize, id: usize) -> Option<usize> {
        self.table(table, id)
    }

    fn tables(&self, table: usize, id: usize) -> Option<Vec<usize>> {
        let vector = self.vector(table, id)?;
        (0..self.u32(vector)? as usize).map(|index| self.follow(vector + 4 + 4 * index)).collect()
    }

    fn integers(&self, table: usize, id: usize) -> Option<Vec<i32>> {
        let vector = self.vector(table, id)?;
        let count = self.u32(vector)? as usize;
        (0..count).map(|index| Some(self.u32(vector + 4 + 4 * index)? as i32)).collect()
    }

    fn set(&mut self, position: usize, value: &[u8]) -> Option<()> {
        self.bytes.get_mut(position..position + value.len())?.copy_from_slice(value);
        Some(())
    }

    /// Makes the reference at `position` lead to `target`; `None` if that is before it.
    fn lead(&mut self, position: usize, target: usize) -> Option<()> {
        let distance = u32::try_from(target.checked_sub(position)?).ok()?;
        self.set(position, &distance.to_le_bytes())
    }

    fn append_vector(&mut self, values: &[i32]) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        let position = self.bytes.len();
        self.bytes.extend((values.len() as u32).to_le_bytes());
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        position
    }

    /// Appends a table with the given fields of four bytes; `None` is an absent field.
    fn append_table(&mut self, fields: &[Option<i32>]) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        let vtable_bytes = 4 + 2 * fields.len();
        let table = (self.bytes.len() + vtable_bytes).next_multiple_of(16);
        let vtable = table - vtable_bytes;
        self.bytes.resize(vtable, 0);
        let present: Vec<i32> = fields.iter().flatten().copied().collect();
        self.bytes.extend((vtable_bytes as u16).to_le_bytes());
        self.bytes.extend((4 + 4 * present.len() as u16).to_le_bytes());
        let mut offset = 4u16;
        for field in fields {
            self.bytes.extend(if field.is_some() { offset } else { 0 }.to_le_bytes());
            offset += if field.is_some() { 4 } else { 0 };
        }
        self.bytes.extend((vtable_bytes as i32).to_le_bytes());
        self.bytes.extend(present.iter().flat_map(|value| value.to_le_bytes()));
        table
    }
}

/// Returns a random element of a list; `None` if it is empty.
fn pick<'t>(list: &'t [usize], random: &mut Random) -> Option<&'t usize> {
    if list.is_empty() { None } else { list.get(random.below(list.len())) }
}
