//! Files whose references lead to the same part thousands of times are refused quickly.

use std::time::{Duration, Instant};

use crate::model::tflite::{
    Listing, ModelError, ModelInfo, operator_counts, optimize, weight_bytes, xnnpack_partitions,
};

/// How long a file may take, far less than reading each of its parts.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most tables in a vector that the reader follows.
const MANY: usize = 1 << 16;
/// The length of a long name or list, in bytes.
const LONG: usize = 8 << 20;

/// The numbers of a file in which all references of a vector lead to the same table.
#[derive(Clone)]
struct Shared {
    subgraphs: usize,
    tensors: usize,
    operators: usize,
    /// Number of inputs of each operator.
    inputs: usize,
    codes: usize,
    metadata: usize,
    signatures: usize,
    /// Number of inputs of each signature.
    ports: usize,
    /// Number of dimensions of each tensor.
    rank: usize,
    /// Size of each name in bytes.
    tensor_name: usize,
    custom_code: usize,
    metadata_name: usize,
    key: usize,
    port_name: usize,
    /// Number of scales, and as many zero points.
    scales: usize,
}

/// One of everything.
const ONE: Shared = Shared {
    subgraphs: 1,
    tensors: 1,
    operators: 1,
    inputs: 1,
    codes: 1,
    metadata: 1,
    signatures: 1,
    ports: 1,
    rank: 4,
    tensor_name: 1,
    custom_code: 1,
    metadata_name: 1,
    key: 1,
    port_name: 1,
    scales: 1,
};

/// A flatbuffer in which every reference leads to a later position.
struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(16), 0);
    }

    /// Makes the reference at `position` lead to the end of the file.
    fn lead(&mut self, position: usize) {
        self.align();
        let distance = u32::try_from(self.0.len() - position).unwrap();
        self.0[position..position + 4].copy_from_slice(&distance.to_le_bytes());
    }

    /// Appends a table with these fields of four bytes, to which `reference` leads, and returns the
    /// positions of the fields.
    fn table<const N: usize>(&mut self, reference: usize, fields: [(usize, u32); N]) -> [usize; N] {
        self.align();
        let ids = fields.iter().map(|(id, _)| id + 1).max().unwrap_or(0);
        let mut entries = vec![0u16; ids];
        for (slot, (id, _)) in fields.iter().enumerate() {
            entries[*id] = 4 + 4 * slot as u16;
        }
        let vtable = self.0.len();
        self.0.extend((4 + 2 * ids as u16).to_le_bytes());
        self.0.extend((4 + 4 * N as u16).to_le_bytes());
        self.0.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
        self.lead(reference);
        let table = self.0.len();
        self.0.extend(i32::try_from(table - vtable).unwrap().to_le_bytes());
        self.0.extend(fields.iter().flat_map(|(_, value)| value.to_le_bytes()));
        std::array::from_fn(|slot| table + 4 + 4 * slot)
    }

    /// Appends a vector, to which `reference` leads.
    fn vector(&mut self, reference: usize, count: usize, element: &[u8]) {
        self.lead(reference);
        self.0.extend(u32::try_from(count).unwrap().to_le_bytes());
        (0..count).for_each(|_| self.0.extend(element));
    }

    /// Appends a vector of `count` references, to which `reference` leads. All of them lead to the
    /// table that [`Self::table`] appends next for the returned position.
    fn references(&mut self, reference: usize, count: usize) -> Vec<usize> {
        self.vector(reference, count, &[0; 4]);
        let end = self.0.len();
        (0..count).map(|index| end - 4 * (count - index)).collect()
    }

    /// Appends `count` references to one table with these fields, and returns their positions.
    fn tables<const N: usize>(
        &mut self,
        reference: usize,
        count: usize,
        fields: [(usize, u32); N],
    ) -> [usize; N] {
        let references = self.references(reference, count);
        let positions = self.table(references[0], fields);
        let target = positions.first().map_or(self.0.len() - 4, |first| first - 4);
        for position in references {
            let distance = u32::try_from(target - position).unwrap();
            self.0[position..position + 4].copy_from_slice(&distance.to_le_bytes());
        }
        positions
    }
}

impl Shared {
    /// Returns the file. Field ids are those of `schema.fbs` of TensorFlow Lite, version 3.
    fn file(&self) -> Vec<u8> {
        let mut writer = Writer(b"\0\0\0\0TFL3".to_vec());
        let w = &mut writer;
        let [_, codes, subgraphs, buffers, metadata, signatures] =
            w.table(0, [(0, 3), (1, 0), (2, 0), (4, 0), (6, 0), (7, 0)]);
        let [_, custom] = w.tables(codes, self.codes, [(3, 32), (1, 0)]);
        w.vector(custom, self.custom_code, b"c");
        w.tables(buffers, 1, []);
        let [name, _] = w.tables(metadata, self.metadata, [(0, 0), (1, 0)]);
        w.vector(name, self.metadata_name, b"m");
        let [inputs, outputs, key, _] =
            w.tables(signatures, self.signatures, [(0, 0), (1, 0), (2, 0), (4, 0)]);
        w.vector(key, self.key, b"k");
        for ports in [inputs, outputs] {
            let [name, _] = w.tables(ports, self.ports, [(0, 0), (1, 0)]);
            w.vector(name, self.port_name, b"p");
        }
        let [tensors, inputs, outputs, operators] =
            w.tables(subgraphs, self.subgraphs, [(0, 0), (1, 0), (2, 0), (3, 0)]);
        w.vector(inputs, 1, &[0; 4]);
        w.vector(outputs, 1, &[0; 4]);
        let [shape, name, quantization] = w.tables(tensors, self.tensors, [(0, 0), (3, 0), (4, 0)]);
        w.vector(shape, self.rank, &3u32.to_le_bytes());
        w.vector(name, self.tensor_name, b"n");
        let [scales, zero_points] = w.table(quantization, [(2, 0), (3, 0)]);
        w.vector(scales, self.scales, &1f32.to_le_bytes());
        w.vector(zero_points, self.scales, &[0; 8]);
        let [_, inputs, outputs] = w.tables(operators, self.operators, [(0, 0), (1, 0), (2, 0)]);
        w.vector(inputs, self.inputs, &[0; 4]);
        w.vector(outputs, 1, &[0; 4]);
        w.align();
        writer.0
    }
}

/// Returns the error for the file, and checks that no reader of it needs long.
fn refusal(what: &str, shared: &Shared) -> ModelError {
    let file = shared.file();
    let start = Instant::now();
    let error = ModelInfo::parse(&file).unwrap_err();
    assert!(Listing::read(&file).is_some(), "{what}");
    operator_counts(&file);
    weight_bytes(&file);
    xnnpack_partitions(&file);
    assert_eq!(optimize(&file), None, "{what}");
    assert!(start.elapsed() < PATIENCE, "{what} takes {:?}: {error}", start.elapsed());
    error
}

#[test]
fn the_file_with_one_of_everything_is_within_the_limits() {
    // It is refused for what it says, which shows that the parts are read.
    let error = refusal("one", &ONE);
    assert_eq!(
        error,
        ModelError::OutputShape {
            shape: vec![3; 4],
            reason: "the model may be a detector or a segmenter",
        }
    );
    assert_eq!(operator_counts(&ONE.file()), [("c".to_owned(), 1)]);
}

#[test]
fn parts_that_are_shared_thousands_of_times_are_refused_quickly() {
    let shared = |change: fn(&mut Shared)| {
        let mut shared = ONE;
        change(&mut shared);
        shared
    };
    for (what, shared) in [
        ("subgraphs with many tensors", shared(|s| (s.subgraphs, s.tensors) = (MANY, MANY))),
        ("subgraphs with many operators", shared(|s| (s.subgraphs, s.operators) = (MANY, MANY))),
        ("operators with many inputs", shared(|s| (s.operators, s.inputs) = (MANY, 1000))),
        ("tensors with a long name", shared(|s| (s.tensors, s.tensor_name) = (MANY, LONG))),
        ("tensors with many scales", shared(|s| (s.tensors, s.scales) = (MANY, LONG / 4))),
        ("operator codes with a long name", shared(|s| (s.codes, s.custom_code) = (MANY, LONG))),
        ("metadata with a long name", shared(|s| (s.metadata, s.metadata_name) = (MANY, LONG))),
        ("signatures with a long key", shared(|s| (s.signatures, s.key) = (MANY, LONG))),
        ("signatures with many inputs", shared(|s| (s.signatures, s.ports) = (MANY, MANY))),
        ("inputs with a long name", shared(|s| (s.ports, s.port_name) = (MANY, LONG))),
    ] {
        let error = refusal(what, &shared);
        assert!(matches!(error, ModelError::Damaged(_)), "{what}: {error}");
    }
}

#[test]
fn a_list_that_is_too_long_for_the_reader_is_not_an_empty_one() {
    let shared = |change: fn(&mut Shared)| {
        let mut shared = ONE;
        change(&mut shared);
        shared
    };
    for (what, shared) in [
        ("metadata", shared(|s| s.metadata = MANY + 1)),
        ("signatures", shared(|s| s.signatures = MANY + 1)),
        ("tensors", shared(|s| s.tensors = MANY + 1)),
        ("dimensions", shared(|s| s.rank = 1025)),
        ("inputs", shared(|s| s.inputs = 1025)),
    ] {
        let error = refusal(what, &shared);
        assert!(matches!(error, ModelError::Damaged(_)), "{what}: {error}");
    }
}
