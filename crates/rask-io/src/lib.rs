//! Files and array stores: Zarr.
