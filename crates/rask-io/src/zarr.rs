//! One Zarr array in a local directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zarrs::array::codec::ZstdCodec;
use zarrs::array::{
    Array, ArrayBuilder, ArrayBytes, ArraySubset, CodecOptions, DataType, FillValue,
};
use zarrs::filesystem::FilesystemStore;

use crate::{IoError, Region, bounding_box, shape_of, strided};

/// zstd's own default level.
const ZSTD_LEVEL: i32 = 0;

/// A new array: what its metadata says.
#[derive(Clone, Debug)]
pub struct ZarrCreate<'a> {
    pub shape: &'a [u64],
    /// Shape of a stored chunk; no axis may be zero.
    pub chunk_shape: &'a [u64],
    /// NumPy's name of the element type: `"float64"`.
    pub data_type: &'a str,
    /// The fill value's bytes in native order.
    pub fill_value: &'a [u8],
}

/// One Zarr array of format 2 or 3 in a local directory.
///
/// Elements come and go as bytes in C order and native byte order. All work is done on the calling
/// thread. Writers of regions that share a stored chunk must not run at the same time.
#[derive(Debug)]
pub struct ZarrArray {
    path: PathBuf,
    array: Array<FilesystemStore>,
    itemsize: usize,
    data_type: String,
    chunk_shape: Vec<u64>,
    options: CodecOptions,
}

impl ZarrArray {
    /// Opens the array whose metadata lies in the directory `path`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IoError> {
        let path = path.as_ref();
        let refuse = |reason: String| IoError::Open {
            path: path.to_owned(),
            reason,
        };
        if !path.is_dir() {
            return Err(refuse("there is no such directory".into()));
        }
        let store = FilesystemStore::new(path).map_err(|e| refuse(e.to_string()))?;
        let array = Array::open(Arc::new(store), "/").map_err(|e| refuse(e.to_string()))?;
        Self::of(path, array)
    }

    /// Makes an array of format 3, compressed with zstd, in the directory `path`.
    pub fn create(path: impl AsRef<Path>, new: &ZarrCreate<'_>) -> Result<Self, IoError> {
        let path = path.as_ref();
        let refuse = |reason: String| IoError::Create {
            path: path.to_owned(),
            reason,
        };
        let store = FilesystemStore::new(path).map_err(|e| refuse(e.to_string()))?;
        let store = Arc::new(store);
        let array = ArrayBuilder::new(
            new.shape.to_vec(),
            new.chunk_shape,
            new.data_type,
            FillValue::from(new.fill_value),
        )
        .bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(ZSTD_LEVEL, false))])
        .build(store, "/")
        .map_err(|e| refuse(e.to_string()))?;
        array.store_metadata().map_err(|e| refuse(e.to_string()))?;
        Self::of(path, array)
    }

    fn of(path: &Path, array: Array<FilesystemStore>) -> Result<Self, IoError> {
        let Some((data_type, itemsize)) = numpy_type(array.data_type()) else {
            return Err(IoError::UnsupportedType {
                path: path.to_owned(),
                data_type: array.data_type().to_string(),
            });
        };
        let origin = vec![0; array.dimensionality()];
        let chunk_shape = array.chunk_shape(&origin).map_err(|e| IoError::Open {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        Ok(ZarrArray {
            path: path.to_owned(),
            itemsize,
            data_type: data_type.to_owned(),
            chunk_shape: chunk_shape.iter().map(|length| length.get()).collect(),
            options: CodecOptions::default().with_concurrent_target(1),
            array,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> &[u64] {
        self.array.shape()
    }

    /// Lengths of a stored chunk (of a shard, where chunks are sharded).
    pub fn chunk_shape(&self) -> &[u64] {
        &self.chunk_shape
    }

    /// NumPy's name of the element type: `"float64"`.
    pub fn data_type(&self) -> &str {
        &self.data_type
    }

    /// Bytes of an element.
    pub fn itemsize(&self) -> usize {
        self.itemsize
    }

    /// Reads a region: its elements in C order.
    pub fn read(&self, region: &[Region]) -> Result<Vec<u8>, IoError> {
        self.check_bounds(region)?;
        let covering = bounding_box(region);
        if shape_of(region).contains(&0) {
            return Ok(Vec::new());
        }
        let elements: ArrayBytes<'static> = self
            .array
            .retrieve_array_subset_opt(&subset(&covering), &self.options)
            .map_err(|e| self.read_error(e))?;
        let bytes = elements
            .into_fixed()
            .map_err(|e| self.read_error(e))?
            .into_owned();
        if region
            .iter()
            .all(|axis| axis.step == 1 || axis.count() == 1)
        {
            return Ok(bytes);
        }
        Ok(strided::select(&bytes, self.itemsize, region))
    }

    /// Writes `bytes`, elements in C order, to a region without steps. Stored chunks that the region
    /// covers only in part are read, changed and written back.
    pub fn write(&self, region: &[Region], bytes: &[u8]) -> Result<(), IoError> {
        self.check_bounds(region)?;
        let expected = shape_of(region).iter().product::<u64>() as usize * self.itemsize;
        if bytes.len() != expected {
            return Err(IoError::WrongSize {
                got: bytes.len(),
                expected,
            });
        }
        if expected == 0 {
            return Ok(());
        }
        self.array
            .store_array_subset_opt(&subset(region), ArrayBytes::new_flen(bytes), &self.options)
            .map_err(|e| IoError::Write {
                path: self.path.clone(),
                reason: e.to_string(),
            })
    }

    fn check_bounds(&self, region: &[Region]) -> Result<(), IoError> {
        let shape = self.shape();
        let fits = region.len() == shape.len()
            && region.iter().zip(shape).all(|(axis, &length)| {
                axis.step >= 1 && axis.start <= axis.stop && axis.stop <= length
            });
        if fits {
            return Ok(());
        }
        Err(IoError::OutOfBounds {
            region: region.iter().map(|r| (r.start, r.stop, r.step)).collect(),
            shape: shape.to_vec(),
        })
    }

    fn read_error(&self, error: impl std::fmt::Display) -> IoError {
        IoError::Read {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

fn subset(region: &[Region]) -> ArraySubset {
    let ranges: Vec<_> = region.iter().map(|axis| axis.start..axis.stop).collect();
    ArraySubset::new_with_ranges(&ranges)
}

/// NumPy's name and the size of a Zarr element type that native arrays have.
fn numpy_type(data_type: &DataType) -> Option<(&'static str, usize)> {
    use zarrs::array::data_type as zarr;
    let known = [
        (zarr::bool(), "bool", 1),
        (zarr::int8(), "int8", 1),
        (zarr::int16(), "int16", 2),
        (zarr::int32(), "int32", 4),
        (zarr::int64(), "int64", 8),
        (zarr::uint8(), "uint8", 1),
        (zarr::uint16(), "uint16", 2),
        (zarr::uint32(), "uint32", 4),
        (zarr::uint64(), "uint64", 8),
        (zarr::float16(), "float16", 2),
        (zarr::float32(), "float32", 4),
        (zarr::float64(), "float64", 8),
        (zarr::complex64(), "complex64", 8),
        (zarr::complex128(), "complex128", 16),
    ];
    known
        .iter()
        .find(|(candidate, _, _)| candidate == data_type)
        .map(|&(_, name, itemsize)| (name, itemsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(path: &Path) -> ZarrArray {
        let new = ZarrCreate {
            shape: &[5, 7],
            chunk_shape: &[2, 3],
            data_type: "int16",
            fill_value: &9i16.to_ne_bytes(),
        };
        ZarrArray::create(path, &new).unwrap()
    }

    fn values(bytes: &[u8]) -> Vec<i16> {
        bytes
            .chunks_exact(2)
            .map(|item| i16::from_ne_bytes([item[0], item[1]]))
            .collect()
    }

    #[test]
    fn what_is_written_is_read_back_by_any_region() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.zarr");
        let bytes: Vec<u8> = (0..35i16).flat_map(i16::to_ne_bytes).collect();
        create(&path)
            .write(&[Region::new(0, 5), Region::new(0, 7)], &bytes)
            .unwrap();

        let array = ZarrArray::open(&path).unwrap();
        assert_eq!(array.shape(), [5, 7]);
        assert_eq!(array.chunk_shape(), [2, 3]);
        assert_eq!((array.data_type(), array.itemsize()), ("int16", 2));
        let part = array
            .read(&[Region::new(1, 3), Region::with_step(0, 7, 3)])
            .unwrap();
        assert_eq!(values(&part), [7, 10, 13, 14, 17, 20]);
        let none = array.read(&[Region::new(2, 2), Region::new(0, 7)]).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn what_was_never_written_is_the_fill_value() {
        let directory = tempfile::tempdir().unwrap();
        let array = create(&directory.path().join("x.zarr"));
        array
            .write(&[Region::new(0, 1), Region::new(0, 2)], &[0; 4])
            .unwrap();
        let row = array.read(&[Region::new(0, 1), Region::new(0, 4)]).unwrap();
        assert_eq!(values(&row), [0, 0, 9, 9]);
    }

    #[test]
    fn mistakes_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let missing = ZarrArray::open(directory.path().join("missing"));
        assert!(matches!(missing, Err(IoError::Open { .. })));
        let array = create(&directory.path().join("x.zarr"));
        let outside = array.read(&[Region::new(0, 6), Region::new(0, 7)]);
        assert!(matches!(outside, Err(IoError::OutOfBounds { .. })));
        let short = array.write(&[Region::new(0, 1), Region::new(0, 7)], &[0; 3]);
        assert!(matches!(short, Err(IoError::WrongSize { .. })));
    }
}
