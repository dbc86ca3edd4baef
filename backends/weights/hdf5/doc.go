// Package hdf5 reads the groups, attributes and arrays of HDF5 files, as far as h5py and
// Keras write them. It follows the HDF5 File Format Specification, version 3.0.
//
// What is read: superblocks 0 to 3, also behind a user block; object headers 1 and 2; groups
// as symbol tables, as links in the header, and as fractal heaps with B-trees of version 2;
// attributes in the header and in fractal heaps; contiguous, compact and chunked arrays of
// floating-point numbers and integers in both byte orders, with the filters gzip, shuffle and
// Fletcher32; strings of fixed and of variable length in attributes. Other structures are
// refused by name.
//
// Files may be hostile. Offsets and lengths are compared with the size of the file before
// anything is read. All that is read of a file's structure counts towards a limit of 4 bytes
// for each byte of the file and 64 MiB, so that neither cycles nor repeated blocks make
// reading take long. Chunked arrays take at most 2 bytes for each byte of the file and
// 64 MiB.
package hdf5
