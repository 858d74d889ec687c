//! Bounds-checked reading of a flatbuffer. Every access is checked against the end of the file, so
//! wrong offsets in a damaged file cannot cause a panic or a read outside the file.
//!
//! The format: a table starts with an i32, the distance back to its vtable. A vtable is the u16
//! size of the vtable, the u16 size of the table, and one u16 offset per field (0 for an absent
//! field). Vectors and strings are a u32 count followed by the elements. References are u32
//! distances forward. All numbers are little-endian. Source: the page "Internals" of the
//! FlatBuffers documentation.
//!
//! The accessors that the FlatBuffers compiler generates for the TFLite schema have 20,000 lines,
//! and catdog reads a few dozen fields, so this file reads the format itself.

/// Limit for the tables in one vector: ten times the number of tensors of the largest classifiers.
/// The size of the file does not limit their number, because all references of a malicious file can
/// lead to the same table.
const MAX_TABLES: usize = 1 << 16;
/// Limit for the numbers in one i32 vector, such as a shape or the inputs of an operator.
pub const MAX_INDICES: usize = 1 << 10;

/// Size of a reference and of a vector's count, in bytes.
pub const REFERENCE_BYTES: usize = 4;
/// Position of the file identifier.
const IDENTIFIER_POSITION: usize = 4;
/// Size of the two sizes before the field offsets of a vtable, in bytes.
const VTABLE_HEADER_BYTES: usize = 4;
/// Size of a field offset in a vtable, in bytes.
const VTABLE_ENTRY_BYTES: usize = 2;

/// A table without fields, preceded by its vtable: the size of the vtable (4), the size of the
/// table (4), and in the table the distance back to the vtable (4).
pub const EMPTY_TABLE: [u8; 8] = [4, 0, 4, 0, 4, 0, 0, 0];
/// Position of the table in [`EMPTY_TABLE`].
pub const EMPTY_TABLE_POSITION: usize = 4;

/// An i32 field of a table.
#[derive(Clone, Copy)]
pub struct I32Field {
    /// Id of the field.
    pub id: usize,
    /// Value of the field if it is absent.
    pub default: i32,
}

/// The bytes of a flatbuffer.
#[derive(Clone, Copy)]
pub struct Flatbuffer<'a>(&'a [u8]);

impl<'a> Flatbuffer<'a> {
    /// Returns the root table of a flatbuffer with the given file identifier.
    pub fn root(bytes: &'a [u8], identifier: &[u8; 4]) -> Option<Table<'a>> {
        if !Self::has_identifier(bytes, identifier) {
            return None;
        }
        let buffer = Self(bytes);
        Table::at(buffer, buffer.follow(0)?)
    }

    /// Returns whether a file has the given file identifier.
    pub fn has_identifier(bytes: &[u8], identifier: &[u8; 4]) -> bool {
        Flatbuffer(bytes).array(IDENTIFIER_POSITION) == Some(*identifier)
    }

    fn array<const N: usize>(self, position: usize) -> Option<[u8; N]> {
        self.0.get(position..position.checked_add(N)?)?.try_into().ok()
    }

    fn u16(self, position: usize) -> Option<usize> {
        self.array(position).map(|bytes| u16::from_le_bytes(bytes).into())
    }

    fn u32(self, position: usize) -> Option<u32> {
        self.array(position).map(u32::from_le_bytes)
    }

    /// Returns the position that the reference at `position` leads to.
    fn follow(self, position: usize) -> Option<usize> {
        let target = position.checked_add(self.u32(position)? as usize)?;
        (target < self.0.len()).then_some(target)
    }
}

/// A table.
///
/// Accessors take the id of a field. They return the default of the field if it is absent or
/// outside the file.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    buffer: Flatbuffer<'a>,
    position: usize,
    vtable: usize,
    vtable_bytes: usize,
}

impl<'a> Table<'a> {
    fn at(buffer: Flatbuffer<'a>, position: usize) -> Option<Self> {
        let back = i32::from_le_bytes(buffer.array(position)?);
        let vtable = usize::try_from(i64::try_from(position).ok()? - i64::from(back)).ok()?;
        let vtable_bytes = buffer.u16(vtable)?;
        Some(Self { buffer, position, vtable, vtable_bytes })
    }

    /// Returns the position in the file of the field `id`: of its value, or of the reference to it.
    /// `None` if the field is absent.
    pub fn field(self, id: usize) -> Option<usize> {
        let entry = VTABLE_HEADER_BYTES + VTABLE_ENTRY_BYTES * id;
        if entry + VTABLE_ENTRY_BYTES > self.vtable_bytes {
            return None;
        }
        match self.buffer.u16(self.vtable + entry)? {
            0 => None,
            offset => self.position.checked_add(offset),
        }
    }

    /// Returns the position in the file of the number of elements of the vector in field `id`;
    /// `None` if the field is absent or leads outside the file.
    pub fn count_position(self, id: usize) -> Option<usize> {
        self.buffer.follow(self.field(id)?)
    }

    /// Returns whether the field `id` is present; its value can be invalid.
    pub fn has(self, id: usize) -> bool {
        self.field(id).is_some()
    }

    /// Returns a u8 field whose default is 0.
    pub fn u8(self, id: usize) -> u8 {
        self.field(id).and_then(|p| self.buffer.array::<1>(p)).map_or(0, |[byte]| byte)
    }

    /// Returns a u32 field whose default is 0.
    pub fn u32(self, id: usize) -> u32 {
        self.field(id).and_then(|p| self.buffer.u32(p)).unwrap_or(0)
    }

    /// Returns an i32 field.
    pub fn i32(self, field: I32Field) -> i32 {
        let value = self.field(field.id).and_then(|p| self.buffer.array(p));
        value.map_or(field.default, i32::from_le_bytes)
    }

    /// Returns an f32 field whose default is 0.
    pub fn f32(self, id: usize) -> f32 {
        self.field(id).and_then(|p| self.buffer.array(p)).map_or(0.0, f32::from_le_bytes)
    }

    /// Returns a u64 field whose default is 0.
    pub fn u64(self, id: usize) -> u64 {
        self.field(id).and_then(|p| self.buffer.array(p)).map_or(0, u64::from_le_bytes)
    }

    /// Returns a table field; `None` if it is absent or outside the file.
    pub fn table(self, id: usize) -> Option<Table<'a>> {
        Table::at(self.buffer, self.buffer.follow(self.field(id)?)?)
    }

    /// Returns a string field; `None` if it is absent, outside the file or not UTF-8.
    pub fn string(self, id: usize) -> Option<&'a str> {
        std::str::from_utf8(self.vector(id, 1)?.0).ok()
    }

    /// Returns a vector of bytes; `None` if it is absent or outside the file.
    pub fn byte_vector(self, id: usize) -> Option<&'a [u8]> {
        self.vector(id, 1).map(|(bytes, _)| bytes)
    }

    /// Returns the bytes of a string up to its first NUL, where LiteRT's names end; `None` if it is absent
    /// or outside the file.
    pub fn c_string(self, id: usize) -> Option<&'a [u8]> {
        self.byte_vector(id)?.split(|byte| *byte == 0).next()
    }

    /// Returns the number of elements of a vector or string of `size`-byte elements; `None` if it is
    /// absent or outside the file.
    pub fn list_len(self, id: usize, size: usize) -> Option<usize> {
        self.vector(id, size).map(|(bytes, _)| bytes.len() / size)
    }

    /// Returns a vector of i32; an empty one if it is absent, outside the file, or longer than
    /// [`MAX_INDICES`].
    pub fn i32_vector(self, id: usize) -> Vec<i32> {
        match self.vector(id, size_of::<i32>()) {
            Some((bytes, _)) if bytes.len() / size_of::<i32>() <= MAX_INDICES => {
                self.scalars(id, i32::from_le_bytes)
            }
            _ => Vec::new(),
        }
    }

    /// Returns a vector of f32; an empty one if it is absent or outside the file.
    pub fn f32_vector(self, id: usize) -> Vec<f32> {
        self.scalars(id, f32::from_le_bytes)
    }

    /// Returns a vector of i64; an empty one if it is absent or outside the file.
    pub fn i64_vector(self, id: usize) -> Vec<i64> {
        self.scalars(id, i64::from_le_bytes)
    }

    /// Returns the tables of a vector; none if the vector is absent, a table is outside the file,
    /// or there are more than [`MAX_TABLES`].
    pub fn tables(self, id: usize) -> Vec<Table<'a>> {
        let Some((references, start)) = self.vector(id, REFERENCE_BYTES) else {
            return Vec::new();
        };
        let count = references.len() / REFERENCE_BYTES;
        if count > MAX_TABLES {
            return Vec::new();
        }
        let table =
            |index| Table::at(self.buffer, self.buffer.follow(start + REFERENCE_BYTES * index)?);
        let tables: Option<Vec<_>> = (0..count).map(table).collect();
        tables.unwrap_or_default()
    }

    fn scalars<T, const N: usize>(self, id: usize, convert: fn([u8; N]) -> T) -> Vec<T> {
        let Some((bytes, _)) = self.vector(id, N) else { return Vec::new() };
        let elements = bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok());
        elements.map(convert).collect()
    }

    /// Returns the bytes of a vector of `size`-byte elements, and the position of the first
    /// element.
    fn vector(self, id: usize, size: usize) -> Option<(&'a [u8], usize)> {
        let vector = self.buffer.follow(self.field(id)?)?;
        let count = self.buffer.u32(vector)? as usize;
        let start = vector + REFERENCE_BYTES;
        let end = start.checked_add(count.checked_mul(size)?)?;
        Some((self.buffer.0.get(start..end)?, start))
    }
}
