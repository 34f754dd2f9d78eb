// Package archive keeps System V IPC objects in one file: segments with their bytes,
// semaphore sets with their values, queues with their messages in order.
//
// There are two types. A [Writer] takes objects from the kernel ([Writer.Save]) and writes
// them to a stream; [Create] makes one for a file that appears under its name only when it
// is whole. A [Reader] yields the objects of a stream, and [Reader.Restore] makes them again:
//
//	f, err := archive.Create("backup.sysv", archive.Header{Comment: "gc"})
//	defer f.Abandon() // does nothing after Commit
//	saved, err := f.Save(ctx, sysvipc.KindSegment, id, archive.SaveOptions{})
//	err = f.Commit(true) // on the disk now: only then remove the objects
//
//	r, err := archive.NewReader(file)
//	for o, err := range r.Objects() { id, err := r.Restore(ctx, o, archive.RestoreOptions{SameID: true}) … }
//
// What cannot be kept: times and process numbers, the creator's user and group (the user who
// restores is the creator), attaches, what SEM_UNDO would give back, and huge pages. Saving is
// no snapshot: a segment that others write meanwhile may be torn, and so may a queue that others
// use be; the values of a set are those of one instant.
//
// # Layout, version 1
//
// Numbers are little-endian. A file begins with 16 bytes: the magic "sysvipc\x1adump", and the
// version as 32 bits. Then come blocks. Each has 32 bytes of its own,
//
//	offset  bytes
//	     0      1  type: H, O, D, E or Z
//	     1      1  codec of the payload: 0 as it is, 1 S2 (Snappy with longer matches)
//	     2      2  zero
//	     4      4  length of the payload when it is unpacked, at most 1 MiB
//	     8      4  length of the payload as it is stored, at most 1 MiB
//	    12      4  CRC-32C (Castagnoli) of the stored payload
//	    16      8  position of a D block: where in the object its bytes begin
//	    24      4  number of the block, from 0 on
//	    28      4  CRC-32C of the 28 bytes before
//
// and then the payload:
//
//	H  once, first: the JSON of Header
//	O  begins an object: the JSON of Object
//	D  bytes of the object that was begun. Of a segment: its bytes, each position at most
//	   once; what is left out is zero, and was never touched. Of a set: its values, 16 bits each. Of
//	   a queue: its messages, each as the type (64 bits), the length (32 bits) and the text. The
//	   bytes of a set or queue are one stream: positions follow one another.
//	E  ends the object: JSON with the number of bytes in its D blocks, or with the error because of
//	   which the object is not whole, and must not be used
//	Z  once, last: JSON with the number of objects. Nothing follows.
//
// A reader ignores JSON fields that it does not know. It refuses a version, type or codec that it
// does not know. Blocks of 1 MiB are packed and unpacked on all processors, and a file that
// lacks its end, or has bytes changed, is found out before an object is believed.
package archive
