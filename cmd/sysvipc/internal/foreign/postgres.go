package foreign

import (
	"fmt"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/output"
)

// postgresMagic is PGShmemMagic, since version 8.2.
const postgresMagic = 679834894

// The sizes of struct PGShmemHeader: since version 9.4 with dsm_control, and before. A segment that holds all of the
// shared memory (shared_memory_type = sysv) begins with it.
const (
	postgresSize    = 56
	postgresSizeOld = 48
	postgresSize32  = 32 // the least that one with 32-bit words has
)

func postgres(o *Object) (*output.PostgresHeader, error) {
	if o.Kind != sysvipc.KindSegment {
		return nil, fmt.Errorf("it is a %s, and PostgreSQL's header is in a segment", o.Kind)
	}
	if len(o.Bytes) < postgresSize32 {
		return nil, fmt.Errorf("its %d bytes are too few for the header", len(o.Bytes))
	}
	f := fields{p: o.Bytes, align: 8}
	if magic := f.uint32(); magic != postgresMagic {
		return nil, fmt.Errorf("it begins with %d, and PostgreSQL's with %d", magic, postgresMagic)
	}
	h := &output.PostgresHeader{Bits: 64, Creator: f.int()}
	// The size of the segment stands in it, which tells how long its words are.
	if f.uint64() != uint64(o.Size) {
		h.Bits, f.align = 32, 4
		f.at = 8
		if f.uint32() != uint32(o.Size) {
			return nil, fmt.Errorf("the size in its header is not its own, %d bytes", o.Size)
		}
	}
	h.Total, h.Free = uint64(o.Size), f.ulong(h.Bits)
	if h.Bits == 64 && o.Size == postgresSizeOld {
		_ = f.ulong(h.Bits) // the address of an index
	} else {
		h.Control = f.uint32()
		_ = f.ulong(h.Bits)
	}
	h.Device, h.Inode = f.uint64(), f.ulong(h.Bits)
	return h, nil
}
