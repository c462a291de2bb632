//! Values that go to disk and come back.

use std::sync::Arc;

use bytes::Bytes;
use rask_store::{Disk, Store};
use rask_value::{CodecError, Encoded, Frames, Value, ValueRef, codec};

/// A value that is its bytes.
#[derive(Debug, PartialEq)]
struct Blob(Bytes);

impl Value for Blob {
    fn nbytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn type_name(&self) -> String {
        "blob".to_string()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Ok(Encoded {
            kind: "test-blob".to_string(),
            frames: Frames {
                header: Bytes::new(),
                buffers: vec![self.0.clone()],
            },
        })
    }
}

fn decode(frames: &Frames) -> Result<ValueRef, CodecError> {
    Ok(Arc::new(Blob(frames.buffers[0].clone())))
}

/// Bytes that do not compress.
fn noise(length: usize, mut seed: u64) -> Bytes {
    let byte = || {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 56) as u8
    };
    std::iter::repeat_with(byte)
        .take(length)
        .collect::<Vec<u8>>()
        .into()
}

fn encoded(buffers: Vec<Bytes>) -> Encoded {
    Encoded {
        kind: "test".to_string(),
        frames: Frames {
            header: Bytes::from_static(b"head"),
            buffers,
        },
    }
}

#[test]
fn frames_come_back_as_they_were() {
    let disk = Disk::new(None);
    let values = [
        encoded(vec![]),
        encoded(vec![Bytes::new(), Bytes::from_static(b"x")]),
        encoded(vec![noise(1_000_000, 1), noise(10, 2), noise(70_001, 3)]),
        encoded(vec![Bytes::from(vec![42; 3_000_000]), noise(300_000, 4)]),
    ];
    let extents: Vec<_> = values.iter().map(|v| disk.write(v).unwrap()).collect();
    for (value, extent) in values.iter().zip(&extents) {
        assert_eq!(&disk.read(extent).unwrap(), value);
    }
    assert!(
        extents[3].stored_bytes() < 400_000,
        "what compresses is compressed"
    );
    for buffer in disk.read(&extents[2]).unwrap().frames.buffers {
        assert_eq!(buffer.as_ptr() as usize % 8, 0, "buffers are aligned");
    }
}

#[test]
fn what_was_read_outlives_its_place() {
    let disk = Disk::new(None);
    let value = encoded(vec![noise(500_000, 9)]);
    let extent = disk.write(&value).unwrap();
    let read = disk.read(&extent).unwrap();
    drop(extent);
    drop(disk);
    assert_eq!(read, value);
}

#[test]
fn threads_write_and_read_at_once() {
    let disk = Disk::new(None);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let disk = &disk;
            scope.spawn(move || {
                for round in 0..50 {
                    let value = encoded(vec![noise(40_000 + round, thread * 100 + round as u64)]);
                    let extent = disk.write(&value).unwrap();
                    assert_eq!(disk.read(&extent).unwrap(), value);
                }
            });
        }
    });
}

#[test]
fn a_store_keeps_its_budget_and_loses_nothing() {
    codec::register_value("test-blob", decode);
    let store = Store::new(Some(100_000), None);
    let blobs: Vec<Bytes> = (0..50).map(|seed| noise(10_000, seed)).collect();
    for (key, blob) in blobs.iter().enumerate() {
        store.put(key as u64, Arc::new(Blob(blob.clone())));
        assert!(store.held_bytes() <= 100_000);
    }
    for round in 0..2 {
        for (key, blob) in blobs.iter().enumerate() {
            let value = store.get(key as u64).unwrap().expect("put above");
            assert_eq!(
                &value.downcast_ref::<Blob>().unwrap().0,
                blob,
                "round {round}"
            );
            assert!(store.held_bytes() <= 100_000);
        }
    }
    store.put(7, Arc::new(Blob(Bytes::from_static(b"new"))));
    let value = store.get(7).unwrap().unwrap();
    assert_eq!(value.nbytes(), 3);
    for key in 0..50 {
        drop(store.remove(key));
        assert!(!store.contains(key));
    }
    assert_eq!(store.held_bytes(), 0);
    assert!(store.get(3).unwrap().is_none());
}

/// A value that cannot be written.
#[derive(Debug)]
struct Stuck;

impl Value for Stuck {
    fn nbytes(&self) -> u64 {
        1_000_000
    }

    fn type_name(&self) -> String {
        "stuck".to_string()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Err(CodecError::NotSerialisable {
            what: "stuck".to_string(),
            reason: "it is".to_string(),
        })
    }
}

#[test]
fn what_cannot_be_written_stays() {
    let store = Store::new(Some(10), None);
    store.put(1, Arc::new(Stuck));
    store.put(2, Arc::new(Stuck));
    assert!(store.get(1).unwrap().is_some());
    assert!(store.get(2).unwrap().is_some());
    assert_eq!(store.held_bytes(), 2_000_000);
}
