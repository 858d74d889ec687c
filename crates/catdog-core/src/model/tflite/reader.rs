//! Bounds-checked reading of a flatbuffer: every access answers `None` past the end instead of
//! trusting an offset, so a damaged file cannot lead outside its own bytes.
//!
//! The generated accessors of the `flatbuffers` crate would be 20,000 lines for the TFLite schema,
//! of which a dozen fields are wanted here; this is the binary format itself: a table is an i32
//! distance back to its vtable, a vtable is u16 length, u16 object size and one u16 offset a field,
//! vectors and strings are a u32 count and their elements, and references are u32 distances
//! forward. Source: the "Internals" page of the FlatBuffers documentation.

/// Most tables of one vector, ten times the tensors of the largest classifiers. All the references
/// of a hostile file may lead to the same table, so that its size is no bound.
const MAX_TABLES: usize = 1 << 16;
/// Most numbers of a shape or of an operator's tensors.
const MAX_INDICES: usize = 1 << 10;

/// The whole file.
#[derive(Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    fn array<const N: usize>(self, position: usize) -> Option<[u8; N]> {
        self.0.get(position..position.checked_add(N)?)?.try_into().ok()
    }

    fn u16(self, position: usize) -> Option<usize> {
        self.array(position).map(|bytes| u16::from_le_bytes(bytes).into())
    }

    fn u32(self, position: usize) -> Option<u32> {
        self.array(position).map(u32::from_le_bytes)
    }

    /// Follows the reference at `position`.
    fn follow(self, position: usize) -> Option<usize> {
        let target = position.checked_add(self.u32(position)? as usize)?;
        (target < self.0.len()).then_some(target)
    }

    /// The root table of a file with the given identifier.
    pub fn root(self, identifier: &[u8; 4]) -> Option<Table<'a>> {
        (self.array::<4>(4)? == *identifier).then_some(())?;
        Table::at(self, self.follow(0)?)
    }
}

/// One table.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    bytes: Bytes<'a>,
    position: usize,
    vtable: usize,
    vtable_len: usize,
}

impl<'a> Table<'a> {
    fn at(bytes: Bytes<'a>, position: usize) -> Option<Self> {
        let back = i32::from_le_bytes(bytes.array(position)?);
        let vtable = usize::try_from(i64::try_from(position).ok()? - i64::from(back)).ok()?;
        let vtable_len = bytes.u16(vtable)?;
        Some(Self { bytes, position, vtable, vtable_len })
    }

    /// Where in the file field `id` lies, its value or the reference to it; `None` where it is absent
    /// (and so has its default).
    pub fn field(self, id: usize) -> Option<usize> {
        let entry = 4 + 2 * id;
        if entry + 2 > self.vtable_len {
            return None;
        }
        match self.bytes.u16(self.vtable + entry)? {
            0 => None,
            offset => self.position.checked_add(offset),
        }
    }

    /// Whether field `id` is there, whatever it holds.
    pub fn has(self, id: usize) -> bool {
        self.field(id).is_some()
    }

    /// A byte field, 0 where absent.
    pub fn u8(self, id: usize) -> u8 {
        self.field(id).and_then(|p| self.bytes.array::<1>(p)).map_or(0, |[byte]| byte)
    }

    /// A u32 field, 0 where absent.
    pub fn u32(self, id: usize) -> u32 {
        self.field(id).and_then(|p| self.bytes.u32(p)).unwrap_or(0)
    }

    /// An i32 field, `default` where absent.
    pub fn i32(self, id: usize, default: i32) -> i32 {
        let value = self.field(id).and_then(|p| self.bytes.array(p));
        value.map_or(default, i32::from_le_bytes)
    }

    /// An f32 field, 0 where absent.
    pub fn f32(self, id: usize) -> f32 {
        self.field(id).and_then(|p| self.bytes.array(p)).map_or(0.0, f32::from_le_bytes)
    }

    /// A u64 field, 0 where absent.
    pub fn u64(self, id: usize) -> u64 {
        self.field(id).and_then(|p| self.bytes.array(p)).map_or(0, u64::from_le_bytes)
    }

    /// A table field.
    pub fn table(self, id: usize) -> Option<Table<'a>> {
        Table::at(self.bytes, self.bytes.follow(self.field(id)?)?)
    }

    /// A string field.
    pub fn string(self, id: usize) -> Option<&'a str> {
        std::str::from_utf8(self.vector(id, 1)?.0).ok()
    }

    /// A vector of bytes.
    pub fn byte_vector(self, id: usize) -> Option<&'a [u8]> {
        self.vector(id, 1).map(|(bytes, _)| bytes)
    }

    /// A vector of i32: a shape, or the tensors of an operator; empty where absent, damaged, or
    /// longer than [`MAX_INDICES`].
    pub fn i32_vector(self, id: usize) -> Vec<i32> {
        match self.vector(id, 4) {
            Some((bytes, _)) if bytes.len() / 4 <= MAX_INDICES => {
                self.scalars(id, i32::from_le_bytes)
            }
            _ => Vec::new(),
        }
    }

    /// A vector of f32; empty where absent or damaged.
    pub fn f32_vector(self, id: usize) -> Vec<f32> {
        self.scalars(id, f32::from_le_bytes)
    }

    /// A vector of i64; empty where absent or damaged.
    pub fn i64_vector(self, id: usize) -> Vec<i64> {
        self.scalars(id, i64::from_le_bytes)
    }

    /// The tables of a vector; empty where absent, where one of them is damaged, or where there are
    /// more than [`MAX_TABLES`].
    pub fn tables(self, id: usize) -> Vec<Table<'a>> {
        let Some((references, start)) = self.vector(id, 4) else { return Vec::new() };
        if references.len() / 4 > MAX_TABLES {
            return Vec::new();
        }
        let table = |index| Table::at(self.bytes, self.bytes.follow(start + 4 * index)?);
        let tables: Option<Vec<_>> = (0..references.len() / 4).map(table).collect();
        tables.unwrap_or_default()
    }

    fn scalars<T, const N: usize>(self, id: usize, convert: fn([u8; N]) -> T) -> Vec<T> {
        let Some((bytes, _)) = self.vector(id, N) else { return Vec::new() };
        let elements = bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok());
        elements.map(convert).collect()
    }

    /// The elements of a vector of `size`-byte elements as bytes, and where they start.
    fn vector(self, id: usize, size: usize) -> Option<(&'a [u8], usize)> {
        let vector = self.bytes.follow(self.field(id)?)?;
        let count = self.bytes.u32(vector)? as usize;
        let start = vector + 4;
        let end = start.checked_add(count.checked_mul(size)?)?;
        Some((self.bytes.0.get(start..end)?, start))
    }
}
